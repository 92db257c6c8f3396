"""Views of a room that is known exactly, put together from others."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dreamloop.model.arch_dream import DreamModel, tiny_card, tiny_weights
from dreamloop.model.camera import Poses
from dreamloop.model.doors import SHUT, Leaf
from dreamloop.model.dream_net import DreamNet
from dreamloop.model.gallery import RIM, Gallery, Hangs, View, widened
from dreamloop.model.surfaces import Camera, Surfaces, seen_from
from dreamloop.model.train_config import net_config
from dreamloop.model.world_model import Doors, Frame, Gesture, OpenOptions, Scene

CAMERA = Camera(fov_deg=90.0, lens=4 / 3, reach=128.0, height_px=96, width_px=128)
HALF, FLOOR, CEILING = (
    200.0,
    -41.0,
    80.0,
)  # map units from the middle of the room to its walls, from the eye down and up
SPOTS = [(x, y, yaw) for x in (-80.0, 80.0) for y in (-80.0, 80.0) for yaw in range(0, 360, 45)]

Ups = tuple[float, ...]


def look(pose: Poses, height: float = 0.0, h: int = 96, w: int = 128) -> tuple[Frame, NDArray[np.float64]]:
    """Return the picture (h, w, 3) of a room whose stuff changes softly from place to place, and the distances."""
    across = ((np.arange(w) + 0.5) * 2 / w - 1)[None] * math.tan(math.radians(CAMERA.fov_deg / 2)) + np.zeros((h, 1))
    down = (
        ((np.arange(h) + 0.5) * 2 / h - 1)[:, None] - CAMERA.lens * math.tan(math.radians(pose[3])) + np.zeros((1, w))
    )
    yaw = math.radians(pose[2])
    ray = np.stack(
        [
            math.cos(yaw) + across * math.sin(yaw),
            math.sin(yaw) - across * math.cos(yaw),
            -down / CAMERA.lens,
        ]
    )
    start = np.array([pose[0], pose[1], height])[:, None, None]
    low, high = np.array([-HALF, -HALF, FLOOR])[:, None, None], np.array([HALF, HALF, CEILING])[:, None, None]
    with np.errstate(divide="ignore"):
        far = np.where(ray > 0, (high - start) / ray, (low - start) / ray).min(0)
    place = start + far * ray
    colour = 128 + 60 * np.sin(place / np.array([23.0, 31.0, 19.0])[:, None, None])
    colour += 30 * np.sin(place[[1, 2, 0]] / 47)
    return colour.clip(0, 255).astype(np.uint8).transpose(1, 2, 0), far


def gallery_of(
    poses: list[Poses],
    heights: list[float] | None = None,
    overlay: NDArray[np.bool_] | None = None,
    surfaces: Surfaces | None = None,
) -> Gallery:
    up = heights or [0.0] * len(poses)
    frames = {slot: look(pose, up[slot])[0] for slot, pose in enumerate(poses)}
    near = {
        slot: (CAMERA.reach / look(pose, up[slot], 48, 64)[1]).astype(np.float16) for slot, pose in enumerate(poses)
    }
    return Gallery(CAMERA, frames, dict(enumerate(poses)), near, dict(enumerate(up)), overlay, surfaces=surfaces)


def around(pitch: float = 0.0) -> list[Poses]:
    return [np.array([x, y, yaw, pitch], np.float64) for x, y, yaw in SPOTS]


@pytest.mark.parametrize("pose", [(10.0, -35.0, 20.0, 0.0), (-120.0, 60.0, 200.0, 8.0), (0.0, 0.0, 90.0, -12.0)])
@pytest.mark.parametrize("height", [0.0, 24.0])
def test_a_view_from_elsewhere_is_as_it_is_there(pose: tuple[float, ...], height: float) -> None:
    gallery, here = gallery_of(around()), np.array(pose)
    gallery.choose(here, height)
    view = gallery.show(here, height)
    assert view is not None
    assert view.known[:64].mean() > 0.95, "all but the ground at one's feet"
    truth, far = look(here, height)
    error = np.abs(view.frame.astype(float) - truth)[view.known]
    assert np.median(error) < 4
    assert np.mean(error) < 10
    near = np.abs(view.near * far[::2, ::2] / CAMERA.reach - 1)
    assert np.median(near[view.known[::2, ::2]]) < 0.03


def test_heights_of_the_pages_count() -> None:
    poses, here = around(), np.array([30.0, 10.0, 70.0, 0.0])
    gallery = gallery_of(poses, [24.0 * (row % 2) for row in range(len(poses))])
    gallery.choose(here, 8.0)
    view = gallery.show(here, 8.0)
    assert view is not None
    assert np.median(np.abs(view.frame.astype(float) - look(here, 8.0)[0])[view.known]) < 4


def test_what_no_page_shows_is_not_known() -> None:
    gallery, behind = gallery_of([np.array([0.0, 0.0, 0.0, 0.0])]), np.array([0.0, 0.0, 180.0, 0.0])
    gallery.choose(behind, 0.0)
    assert gallery.show(behind, 0.0) is None
    beside = np.array([0.0, 0.0, 60.0, 0.0])
    gallery.choose(beside, 0.0)
    view = gallery.show(beside, 0.0)
    assert view is not None
    assert view.known[:, 100:].mean() > 0.9, "to the right, where it was looked"
    assert not view.known[:, :40].any()


def test_a_wall_is_not_seen_through_from_behind() -> None:
    """From outside the room its near wall is seen from the back: what lies beyond is hidden, not shown."""
    gallery, outside = gallery_of(around()), np.array([-300.0, 0.0, 0.0, 0.0])
    gallery.choose(outside, 0.0)
    view = gallery.show(outside, 0.0)
    assert view is None or view.known[30:60, 40:90].mean() < 0.1


def test_nothing_is_seen_through_a_wall_that_is_known() -> None:
    """All pages were taken beyond it."""
    poses = [pose for pose in around() if pose[0] > 0]
    here = np.array([-80.0, 0.0, 0.0, 0.0])
    known = []
    for walls in (np.zeros((0, 4)), np.array([[0.0, -400.0, 0.0, 400.0]])):
        gallery = gallery_of(poses, surfaces=Surfaces(CAMERA, walls, np.zeros(0)))
        gallery.choose(here, 0.0)
        view = gallery.show(here, 0.0)
        known.append(0.0 if view is None else view.known.mean())
    assert known[0] > 0.3
    assert known[1] == 0


BOARD, ASIDE, TALL = np.array([[0.0, 0.0, 16.0]]), 20.0, 70.0  # where it stands; map units to its sides, and its height
WALLS = HALF * np.array([(1, -1, 1, 1), (1, 1, -1, 1), (-1, 1, -1, -1), (-1, -1, 1, -1)])


def stood(
    pose: Poses, height: float = 0.0, h: int = 96, w: int = 128
) -> tuple[Frame, NDArray[np.float64], NDArray[np.bool_]]:
    """Return as ``look`` does, and where it is, a board that faces whoever looks: it is red, and to the right green."""
    frame, far = look(pose, height, h, w)
    (ahead,), (right,) = (
        part[0].tolist() for part in seen_from(torch.from_numpy(pose)[None], torch.tensor(BOARD[:, :2]))
    )
    aside = ((np.arange(w) + 0.5) * 2 / w - 1)[None] * math.tan(math.radians(CAMERA.fov_deg / 2)) * ahead - right
    down = ((np.arange(h) + 0.5) * 2 / h - 1)[:, None] - CAMERA.lens * math.tan(math.radians(pose[3]))
    up = height - down * ahead / CAMERA.lens - FLOOR
    board = (ahead > 1) & (np.abs(aside) < ASIDE) & (up > 0) & (up < TALL)
    frame[board & (aside < 0)], frame[board & (aside >= 0)] = (250, 20, 20), (20, 250, 20)
    return frame, np.where(board, ahead, far), board


def with_board(
    walls: NDArray[np.float64] = WALLS,
    things: NDArray[np.float64] | None = BOARD,
    overlay: NDArray[np.bool_] | None = None,
    without: tuple[int, ...] = (),
) -> Gallery:
    """A gallery of which eight pages show the board, all from the west, and the others what is around it."""
    poses = [np.array([x, y, 0.0, 0.0]) for x in (-160.0, -120.0) for y in (-60.0, -20.0, 20.0, 60.0)]
    poses += [np.array([0.0, y, yaw, 0.0]) for y in (-170.0, 170.0) for yaw in (-45.0, 0.0, 45.0, 90.0, 135.0, 270.0)]
    taken = {
        slot: stood(pose)[:2] if slot < 8 else look(pose) for slot, pose in enumerate(poses) if slot not in without
    }
    near = {slot: (CAMERA.reach / far[::2, ::2]).astype(np.float16) for slot, (_, far) in taken.items()}
    frames, at = {slot: frame for slot, (frame, _) in taken.items()}, {slot: poses[slot] for slot in taken}
    surfaces = Surfaces(CAMERA, walls, np.array([0.0]), things)
    return Gallery(CAMERA, frames, at, near, dict.fromkeys(frames, 0.0), overlay, surfaces=surfaces)


def seen(gallery: Gallery, here: Poses, height: float = 0.0, gone: tuple[int, ...] = ()) -> View:
    """Return the view, put together of what is chosen for it."""
    gallery.choose(here, height)
    view = gallery.show(here, height, gone=gone)
    assert view is not None
    return view


def right_share(gallery: Gallery, here: Poses, height: float = 0.0, gone: tuple[int, ...] = ()) -> float:
    """Return the share of the board, or of what is behind it where that is gone, that a view shows as it is."""
    view, (frame, _, board) = seen(gallery, here, height, gone), stood(here, height)
    truth = look(here, height)[0] if gone else frame
    return float((np.abs(view.frame.astype(float) - truth).max(-1) < 60)[board].mean())


@pytest.mark.parametrize(("height", "pitch"), [(0.0, 0.0), (16.0, 0.0), (0.0, 9.0)])
def test_what_faces_whoever_looks_is_seen_from_where_no_page_was_taken(height: float, pitch: float) -> None:
    """From the side of all pages, where a board that stays as they show it would be a line."""
    here = np.array([10.0, -150.0, 92.0, pitch])
    assert right_share(with_board(), here, height) > 0.9
    assert right_share(with_board(things=None), here, height) < 0.5
    near, board = seen(with_board(), here, height).near, stood(here, height)[2]
    np.testing.assert_allclose(np.median(near[board[1::2, 1::2]]), CAMERA.reach / 150, rtol=0.03)


def test_what_was_taken_shows_no_more_and_what_is_behind_it_does() -> None:
    assert right_share(with_board(), np.array([10.0, -150.0, 92.0, 0.0]), gone=(0,)) > 0.9


def test_what_stands_behind_a_wall_does_not_show() -> None:
    screen, here = np.array([[-100.0, -60.0, 100.0, -60.0]]), np.array([10.0, -150.0, 92.0, 0.0])
    gallery = with_board(np.concatenate([WALLS, screen]))
    gallery.choose(here, 0.0)
    view, board = gallery.show(here, 0.0), stood(here)[2]
    red_or_green = 0.0 if view is None else (np.ptp(view.frame.astype(int), axis=-1) > 200)[board].mean()
    assert red_or_green == 0


def test_a_thing_is_taken_from_the_next_page_where_a_weapon_hides_it_in_the_first() -> None:
    """In pages from a little to its left a part on its right is hidden, and the other way round."""
    overlay = np.zeros((96, 128), np.bool_)
    overlay[20:, 61:67] = True
    here = np.array([10.0, -140.0, 66.0, 0.0])
    view = seen(with_board(overlay=overlay, without=(0, 3, 4, 7)), here)
    board = stood(here)[2] & ~widened(overlay, RIM)
    shown = (np.abs(view.frame.astype(float) - stood(here)[0]).max(-1) < 60)[board]
    assert shown.mean() > 0.9


def test_a_thing_is_not_taken_from_a_page_that_was_dropped() -> None:
    """What is left is as if that page had never been: so a saved game goes on as the one that goes on."""
    here = np.array([10.0, -150.0, 92.0, 0.0])
    for page in range(8):
        views = []
        for gallery in (with_board(), with_board(without=(page,))):
            gallery.drop(page)
            views.append(seen(gallery, here).frame)
        np.testing.assert_array_equal(views[0], views[1])


def test_a_page_stays_as_sharp_as_it_is() -> None:
    """Stripes of four pixels, seen from half a pixel aside: between two pixels a straight line is half as high."""
    pose = np.zeros(4)
    frame, far = look(pose)
    frame = np.tile(np.array([60, 60, 190, 190], np.uint8)[None, :, None], (96, 32, 3))
    near = {0: (CAMERA.reach / far[::2, ::2]).astype(np.float16)}
    gallery = Gallery(CAMERA, {0: frame}, {0: pose}, near, {0: 0.0})
    gallery.take([0])
    aside = pose + np.array([0.0, 0.0, math.degrees(math.atan(0.5 / 64)), 0.0])
    view = gallery.show(aside, 0.0)
    assert view is not None
    assert view.frame[20:60, 40:88].std() > 0.9 * frame.std()


def test_pages_do_not_run_into_each_other_at_their_edges() -> None:
    poses = [np.zeros(4), np.array([0.0, 0.0, 180.0, 0.0])]
    pictures = {0: np.full((96, 128, 3), 40, np.uint8), 1: np.full((96, 128, 3), 240, np.uint8)}
    near = {slot: (CAMERA.reach / look(pose, 0.0, 48, 64)[1]).astype(np.float16) for slot, pose in enumerate(poses)}
    gallery = Gallery(CAMERA, pictures, dict(enumerate(poses)), near, {0: 0.0, 1: 0.0})
    gallery.take([0, 1])
    for slot, pose in enumerate(poses):
        view = gallery.show(pose, 0.0)
        assert view is not None
        np.testing.assert_array_equal(view.frame[view.known], pictures[slot][view.known])
        assert view.known[[0, -1]].all()


def test_what_hangs_on_the_camera_is_neither_shown_nor_laid_into_other_views() -> None:
    overlay = np.zeros((96, 128), np.bool_)
    overlay[70:, 54:74] = True
    poses, here = around(), np.array([0.0, 20.0, 30.0, 0.0])
    gallery = gallery_of(poses, overlay=overlay)
    for frame in gallery.frames:
        frame[overlay] = (255, 0, 255)
    gallery.choose(here, 0.0)
    view = gallery.show(here, 0.0)
    assert view is not None
    assert not view.known[70 - RIM :, 54 - RIM : 74 + RIM].any()
    assert np.percentile(np.abs(view.frame.astype(float) - look(here)[0])[view.known], 99) < 60


def armed() -> tuple[Gallery, NDArray[np.bool_], Poses]:
    """A gallery with a magenta block in all of its pages, which turns yellow in the second tick of its gesture."""
    overlay = np.zeros((96, 128), np.bool_)
    overlay[70:, 50:78] = True  # it may be anywhere in this
    block = np.zeros_like(overlay)
    block[74:, 54:74] = True
    gesture = np.zeros((3, 96, 128, 4), np.uint8)
    gesture[:2, block] = (127, 0, 127, 255)  # where it was taken there is half as much light
    gesture[2, block] = (127, 127, 0, 255)
    told = Gesture(2, gesture, np.array([1.0, 1.0, 1.25], np.float32))
    poses, here = around(), np.array([0.0, 20.0, 30.0, 0.0])
    frames = {slot: look(pose)[0] for slot, pose in enumerate(poses)}
    for frame in frames.values():
        frame[block] = (254, 0, 254)
    near = {slot: (CAMERA.reach / look(pose, 0.0, 48, 64)[1]).astype(np.float16) for slot, pose in enumerate(poses)}
    gallery = Gallery(CAMERA, frames, dict(enumerate(poses)), near, dict.fromkeys(frames, 0.0), overlay, told)
    gallery.choose(here, 0.0)
    return gallery, block, here


def test_what_hangs_on_the_camera_is_cut_out_of_the_pages_and_laid_over_views() -> None:
    gallery, block, here = armed()
    view = gallery.show(here, 0.0, Hangs(0.0, 0.0))
    assert view is not None
    assert (np.abs(view.frame[block].astype(int) - (254, 0, 254)) <= 1).all()
    assert view.known[block].all()
    assert view.hangs[block].all()
    beside = view.known & ~block
    assert np.percentile(np.abs(view.frame.astype(float) - look(here)[0])[beside], 99) < 60
    assert beside[70:, 50:54].any(), "what is behind its rim is known from other pages"


def test_what_hangs_on_the_camera_swings() -> None:
    gallery, block, here = armed()
    view = gallery.show(here, 0.0, Hangs(4 / 128, 3 / 96))
    assert view is not None
    aside = np.roll(block, (3, 4), (0, 1)) & (np.arange(96) >= 77)[:, None]
    assert (np.abs(view.frame[aside].astype(int) - (254, 0, 254)) <= 1).all()


def test_a_gesture_shows_in_the_light_of_the_pages() -> None:
    gallery, block, here = armed()
    at_rest, first, second = (gallery.show(here, 0.0, Hangs(0.0, 0.0, doing)) for doing in range(3))
    assert at_rest is not None
    assert first is not None
    assert second is not None
    assert np.array_equal(first.frame, at_rest.frame)
    assert (np.abs(second.frame[block].astype(int) - (254, 254, 0)) <= 2).all()
    lit = np.minimum(1.25 * at_rest.frame[:70].astype(float), 255)
    assert np.abs(second.frame[:70] - lit)[second.known[:70]].max() <= 1.5, "and lights up the room"


def test_a_page_that_was_dropped_is_read_no_more() -> None:
    gallery, here = gallery_of([np.array([0.0, 0.0, 0.0, 0.0])]), np.array([5.0, 0.0, 0.0, 0.0])
    gallery.choose(here, 0.0)
    assert gallery.reading == [0]
    gallery.drop(0)
    gallery.drop(7)
    gallery.choose(here, 0.0)
    assert gallery.reading == []
    assert gallery.show(here, 0.0) is None
    assert not [name for name in gallery.state() if name.startswith("near/")]


def test_the_same_pages_tell_the_same_view_to_the_byte() -> None:
    here = np.array([10.0, -35.0, 20.0, 0.0])
    views = []
    for _ in range(2):
        gallery = gallery_of(around())
        gallery.choose(here, 0.0)
        view = gallery.show(here, 0.0)
        assert view is not None
        views.append(view.frame.tobytes() + view.known.tobytes())
    assert views[0] == views[1]


def measured(views: int = 24) -> Scene:
    """A scene of a turn on the spot in the room, small enough for a tiny net."""
    poses = np.zeros((views, 4))
    poses[:, 2] = 360 / views * np.arange(views)
    frames = np.stack([look(pose, 0.0, 32, 48)[0] for pose in poses])
    far = np.stack([look(pose, 0.0, 16, 24)[1] for pose in poses]).astype(np.float32)
    idle, squares = np.zeros((views, 3), np.float32), 16.0 * np.mgrid[-6:7, -6:7].reshape(2, -1).T
    walked = np.column_stack([squares, np.zeros(len(squares))]).astype(np.float32)
    return Scene("turn", frames, idle, poses.astype(np.float32), far, walked, heights=np.zeros(views, np.float32))


def dreams(count: int, memory: str = "renewing", players: int = 1) -> list[DreamModel]:
    """Return models of one net: the first control pushes, the second turns, and pages are liked."""
    card, net = tiny_card(), DreamNet(net_config(tiny_card().config))
    net.load_state_dict(tiny_weights())
    torch.manual_seed(1)
    with torch.no_grad():
        net.turning.weight[0, 1] = 9.0
        net.pushing.weight[0, 0] = 0.06
        for part in (net.recall, net.fetch):
            part.weight.normal_(0, 0.05)
    options = OpenOptions(device="cpu", threads=1, memory=memory, players=players)
    return [DreamModel(copy.deepcopy(net), card, options) for _ in range(count)]


def test_a_dream_that_reads_measured_pages_goes_on_from_a_saved_game_to_the_byte() -> None:
    """The player walks and turns, so that dreamed pages are written and read beside those that were measured."""
    (one, other), rng = dreams(2), np.random.default_rng(0)
    one.reset(0, measured(), 5)
    actions = (rng.random((70, 1, 3)) < [0.9, 0.5, 0.1]).astype(np.float32)
    for action in actions[:30]:
        one.step(action)
    player = one.travellers[0]
    assert player.gallery is not None
    assert player.gallery.reading, "measured pages are read"
    assert any(player.memory.policy.tick_of(slot) >= 24 for slot in player.memory.frames), "dreamed ones are kept"
    other.load(0, one.save(0))
    for action in actions[30:]:
        assert np.array_equal(one.step(action), other.step(action))


def test_a_view_that_was_put_together_ahead_is_the_one_that_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepared or not, loaded in between or not, the bytes are the same; and what goes on is put together once."""
    one, other, third = dreams(3)
    put_together, show = [0], Gallery.show

    def counted(
        self: Gallery, pose: Poses, height: float, hangs: Hangs | None, gone: list[int], ups: Ups
    ) -> View | None:
        put_together[0] += 1
        return show(self, pose, height, hangs, gone, ups)

    monkeypatch.setattr(Gallery, "show", counted)
    for model in (one, other, third):
        model.reset(0, measured(), 5)
    rng = np.random.default_rng(0)
    held = [np.array([[1.0, turn, 0.0]], np.float32) for turn in (0.5, 0.0, -0.5)]
    ahead = []
    for action in [one for one in held for _ in range(5)]:
        put_together[0] = 0
        one.prepare()
        shown = one.step(action)
        ahead.append(put_together[0])
        assert np.array_equal(other.step(action), shown)
        if rng.random() < 0.5:
            third.prepare()
            third.load(0, third.save(0))
        assert np.array_equal(third.step(action), shown)
    assert ahead.count(1) > ahead.count(2) > 0, "what goes on is foreseen, what begins is not"


def test_who_moves_sees_what_was_measured_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slowly: not what was there a tick before, and not from a hair aside."""
    (model,), views, show = dreams(1), list[View | None](), Gallery.show

    def kept(self: Gallery, pose: Poses, height: float, hangs: Hangs | None, gone: list[int], ups: Ups) -> View | None:
        views.append(show(self, pose, height, hangs, gone, ups))
        return views[-1]

    monkeypatch.setattr(Gallery, "show", kept)
    model.reset(0, measured(), 5)
    for turn in (0.02, -0.04, 1.0, 0.3):
        shown = model.step(np.array([[0.0, turn, 0.0]], np.float32))[0]
        view = views[-1]
        assert view is not None
        assert (shown == view.frame).all(-1)[view.known].mean() > 0.95


def held() -> tuple[Scene, NDArray[np.bool_]]:
    """The measured scene with a red block in all of its frames, and where it is; its gesture takes three ticks."""
    block, scene = np.zeros((32, 48), np.bool_), measured()
    block[24:, 20:28] = True
    frames, shown = scene.frames.copy(), np.zeros((4, 32, 48, 4), np.uint8)
    frames[:, block], shown[:, block] = (200, 0, 0), (200, 0, 0, 255)
    return replace(scene, frames=frames, overlay=block, clock=7, gesture=Gesture(2, shown)), block


def test_a_gesture_shows_to_who_stands_and_is_over_when_it_is_over() -> None:
    """And a game that is saved in the middle of it goes on to the byte."""
    one, other = dreams(2)
    scene, block = held()
    assert scene.gesture is not None
    scene.gesture.shown[2, block] = (0, 200, 0, 255)
    one.reset(0, scene, 5)
    greens = []
    for asks in (0, 1, 0, 0, 0, 0):
        shown = one.step(np.array([[0.0, 0.0, asks]], np.float32))[0]
        greens.append(float((shown[block, 1] > 150).mean()))
        other.load(0, one.save(0))
    assert [round(green) for green in greens] == [0, 0, 1, 0, 0, 0]
    for asks in (1, 0, 0):
        action = np.array([[1.0, 0.0, asks]], np.float32)
        assert np.array_equal(one.step(action), other.step(action))
        other.load(0, one.save(0))


def test_what_shines_shows_at_once_and_is_in_no_page() -> None:
    """To who stands, too, to whom else nothing changes; and afterwards it is as dark as before."""
    (one,) = dreams(1)
    scene, block = held()
    assert scene.gesture is not None
    light = np.array([1.0, 1.0, 1.3, 1.0], np.float32)
    one.reset(0, replace(scene, gesture=scene.gesture._replace(light=light)), 5)
    hands = [np.array([[0.0, 0.0, asks]], np.float32) for asks in [0, 0, 1, *[0] * 8]]
    bright = [float(one.step(action)[0][~block].mean()) for action in hands]
    usual = np.median(bright)
    assert bright[3] > 1.15 * usual
    assert max(bright[:3] + bright[4:]) < 1.05 * usual
    player, kept = one.travellers[0], list[bool]()
    for tick, action in enumerate(hands):
        player.pose = np.array([500.0 + 100 * tick, 0.0, 0.0, 0.0])  # each view is a new one
        one.step(action)
        kept.append(player.memory.newest is not None)
    assert kept == [tick != 3 for tick in range(len(hands))]


def test_a_net_without_pages_can_be_prepared_and_steps() -> None:
    card = tiny_card()
    card = replace(card, config={**card.config, "pages": 0, "depth": False, "wearing": 0.0})
    model = DreamModel(DreamNet(net_config(card.config)), card, OpenOptions(device="cpu", threads=1))
    model.reset(0, measured(), 5)
    model.prepare()
    assert model.step(np.zeros((1, 3), np.float32)).shape == (1, 32, 48, 3)


@pytest.mark.parametrize("memory", ["none", "window", "recurrent", "content", "farthest"])
def test_controls_of_the_memory_put_nothing_together(memory: str) -> None:
    (model,) = dreams(1, memory)
    model.reset(0, measured(), 5)
    assert model.travellers[0].gallery is None
    model.step(np.zeros((1, 3), np.float32))


@pytest.mark.parametrize("size", [(8, 12), (32, 48), (16, 20)])
def test_distances_of_another_size_tell_of_walls_only(size: tuple[int, int]) -> None:
    (model,) = dreams(1)
    scene = measured()
    model.reset(0, replace(scene, distances=np.full((len(scene.frames), *size), 100.0, np.float32)), 5)
    assert model.travellers[0].gallery is None
    model.step(np.zeros((1, 3), np.float32))


def test_without_distances_nothing_is_put_together() -> None:
    (model,) = dreams(1)
    model.reset(0, replace(measured(), distances=None), 5)
    assert model.travellers[0].gallery is None


def test_pages_that_show_nothing_are_no_view() -> None:
    gallery, far = gallery_of([np.array([0.0, 0.0, 0.0, 0.0])]), np.array([0.0, 5_000.0, 0.0, 0.0])
    gallery.take([0])
    assert gallery.show(far, 0.0) is None


def test_who_reads_measured_pages_does_not_notice_another_who_has_none() -> None:
    nears = []
    for other in (measured(), replace(measured(), distances=None)):
        (model,) = dreams(1, players=2)
        model.reset(0, measured(), 5)
        model.reset(1, other, 5)
        for _ in range(4):
            model.step(np.zeros((2, 3), np.float32))
        model.prepare()
        assert model.travellers[0].near is not None
        assert model._known is not None
        assert model._known.near is not None
        nears.append(model._known.near[0].float().numpy())
    assert np.array_equal(nears[0], nears[1])


def test_an_item_is_taken_by_who_comes_near_and_stays_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two lies in the way; the first is one that nobody takes. A thing that stands counts before."""
    (model, other), gone, show = dreams(2), list[list[int]](), Gallery.show

    def asked(
        self: Gallery, pose: Poses, height: float, hangs: Hangs | None, missing: list[int], ups: Ups
    ) -> View | None:
        gone.append(missing)
        return show(self, pose, height, hangs, missing, ups)

    monkeypatch.setattr(Gallery, "show", asked)
    items = np.array([[0, 0, 0, 0], [64, 0, 0, 36]], np.float32)
    model.reset(0, replace(measured(), items=items, things=np.array([[-90, -90, 10]], np.float32)), 5)
    player, walk = model.travellers[0], np.array([[1.0, 0.0, 0.0]], np.float32)
    for _ in range(60):
        model.step(walk)
        assert player.taken.tolist() == [False, bool(player.pose[0] > 64 - 36)]
        assert gone[-1] in ([], [2]), "the views are asked without it"
        if player.taken.any():
            break
    assert player.taken.any()
    assert gone[-1] == [2], "it is gone from the very view in which it is taken"
    other.load(0, model.save(0))
    back = np.array([[-1.0, 0.0, 0.0]], np.float32)
    for _ in range(30):
        assert np.array_equal(model.step(back), other.step(back))
    assert player.pose[0] < 64 - 36, "farther away than where it is taken from"
    assert player.taken.tolist() == other.travellers[0].taken.tolist() == [False, True]


@pytest.mark.parametrize("pages", [0, 1])
def test_a_door_that_moves_is_saved_with_the_game(pages: int) -> None:
    """Also among players who are elsewhere, and where no picture shows it: then it stops who walks, and is not seen."""
    place = np.array([[32, -48, 64, 48, 0, 60, 64, 250, 10, 10]], np.float32)
    scene = replace(measured(), doors=Doors(2, place, 6.0, 20, pages))
    (alone,), (many, other) = dreams(1), dreams(2, players=2)
    for model in (alone, many, other):
        for player in range(model.players):
            model.reset(player, scene, 5)
    walk, use = np.array([1.0, 0, 0], np.float32), np.array([0, 0, 1.0], np.float32)
    actions = [walk] * 12 + [use] * 3 + [walk] * 60
    for tick, action in enumerate(actions):
        if tick == 20:
            other.load(1, many.save(0))
        others = walk if tick < 20 else action
        frame = alone.step(action[None])[0]
        assert np.array_equal(many.step(np.stack([action, others]))[0], frame)
        shown = other.step(np.stack([walk, others]))[1]
        assert tick < 20 or np.array_equal(shown, frame)
        if tick == 14:
            assert alone.travellers[0].leaves == (Leaf(18.0, 1),), "keys that stay down use it once"
            assert alone.travellers[0].pose[0] < 16, "it is in the way"
        if tick == 34:
            assert alone.travellers[0].pose[0] > 32, "who walks on is let through"
    assert alone.travellers[0].leaves == (SHUT,), "it came down behind"
    assert (alone.travellers[0].door_pages is None) == (pages == 0)


def test_a_saved_game_goes_on_where_pages_were_measured_and_the_room_was_not() -> None:
    """What is in the way is guessed there. A twin that steps along would hide what is not saved: it is loaded anew."""
    one, rng = dreams(1)[0], np.random.default_rng(3)
    one.reset(0, replace(measured(), walked=None), 5)
    for tick in range(60):
        action = np.array([[1.0, float(rng.random() < 0.3), 0.0]], np.float32)
        other = dreams(1)[0]
        other.load(0, one.save(0))
        assert np.array_equal(one.step(action), other.step(action)), f"tick {tick}"
