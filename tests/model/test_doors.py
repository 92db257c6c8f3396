"""Doors: who uses which, how they go up, wait and come down, whom they let through, and what is seen of them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dreamloop.model.door_pages import DoorPages
from dreamloop.model.doors import BODY, SHUT, Body, Leaf, after, bars, faces, used
from dreamloop.model.gait import EYES
from dreamloop.model.room import Room
from dreamloop.model.surfaces import Camera
from dreamloop.model.world_model import Doors

SPEED, WAITS, TOP = 12.0, 150, 124.0
PLACE = [0.0, -64.0, 32.0, 64.0, 8.0, TOP, 128.0, 50.0, 60.0, 70.0]
DOORS = Doors(0, np.array([PLACE], np.float32), SPEED, WAITS)
NOBODY, INSIDE = Body(500.0, 0.0, 8.0, 16.0), Body(16.0, 0.0, 8.0, 16.0)
NO_WALLS = np.zeros((0, 5))


@pytest.mark.parametrize("place", [PLACE, [-64.0, 0.0, 64.0, 32.0, 8.0, TOP, 128.0, 0.0, 0.0, 0.0]])
def test_a_door_has_two_faces_and_what_is_before_them_is_to_the_right(place: list[float]) -> None:
    middle = np.array([(place[0] + place[2]) / 2, (place[1] + place[3]) / 2])
    for (x0, y0), (x1, y1) in faces(place):
        assert math.hypot(x1 - x0, y1 - y0) == 128
        off = np.array([x0 + x1, y0 + y1]) / 2 - middle
        assert off @ np.array([y1 - y0, x0 - x1]) > 0, "the right of a way is away from the door"


@pytest.mark.parametrize(
    ("pose", "walls", "found"),
    [
        pytest.param((-50, 0, 0), NO_WALLS, 0, id="ahead"),
        pytest.param((80, 0, 180), NO_WALLS, 0, id="ahead, from the other side"),
        pytest.param((-70, 0, 0), NO_WALLS, None, id="too far"),
        pytest.param((-50, 0, 60), NO_WALLS, None, id="looked past: too far along"),
        pytest.param((-50, 0, 180), NO_WALLS, None, id="behind"),
        pytest.param((16, 0, 0), NO_WALLS, None, id="from inside"),
        pytest.param((-50, 0, 0), np.array([[-20, -9, -20, 9, 0]]), None, id="behind a wall"),
        pytest.param((-50, 0, 0), np.array([[-20, 9, -20, 90, 0]]), 0, id="beside a wall"),
    ],
)
def test_a_door_is_used_by_who_looks_at_it_from_nearby(
    pose: tuple[float, ...], walls: np.ndarray, found: int | None
) -> None:
    assert used(DOORS, np.array([*pose, 0.0]), walls) == found


def test_a_door_goes_up_waits_and_comes_down() -> None:
    """The figures are those of the simulator: up in eleven ticks, down again after 150 and eleven more."""
    leaves, ups = after(DOORS, [SHUT], 0, NOBODY), []
    for _ in range(200):
        ups.append(leaves[0].up)
        leaves = after(DOORS, leaves, None, NOBODY)
    assert ups[:11] == [12, 24, 36, 48, 60, 72, 84, 96, 108, 120, 124]
    assert ups[10 : 10 + 151] == [124] * 151
    assert ups[161:173] == [112, 100, 88, 76, 64, 52, 40, 28, 16, 4, 0, 0]
    assert leaves == (SHUT,)


def test_who_uses_a_door_that_is_open_shuts_it_and_one_that_comes_down_opens_it() -> None:
    waits = Leaf(TOP, 0, 40)
    assert after(DOORS, [waits], 0, NOBODY) == (Leaf(TOP - SPEED, -1),)
    assert after(DOORS, [Leaf(50.0, -1)], 0, NOBODY) == (Leaf(62.0, 1),)
    assert after(DOORS, [Leaf(50.0, 1)], 0, NOBODY) == (Leaf(38.0, -1),)


def test_a_door_comes_down_on_nobody() -> None:
    leaf = Leaf(60.0, -1)
    assert after(DOORS, [leaf], None, INSIDE) == (Leaf(60.0, 1),), "it turns back, having stayed where it is"
    assert after(DOORS, [leaf], None, NOBODY) == (Leaf(48.0, -1),)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=400))
def test_whatever_is_done_a_door_stays_within_its_frame_and_off_bodies(ticks: list[tuple[bool, bool]]) -> None:
    leaves: tuple[Leaf, ...] = (SHUT,)
    inside = False
    for use, enters in ticks:
        inside = enters and (inside or leaves[0].up >= BODY)
        before = leaves
        leaves = after(DOORS, leaves, 0 if use else None, INSIDE if inside else NOBODY)
        (leaf,) = leaves
        assert 0 <= leaf.up <= TOP
        assert abs(leaf.up - before[0].up) <= SPEED
        assert not inside or leaf.up >= BODY
        assert (leaf.up == 0) == (leaf == SHUT), "a door that is down is at rest"


def corridor() -> Room:
    """A way eight squares wide from west to east, with a door across it."""
    at = np.mgrid[-160:160:16, -48:64:16].reshape(2, -1).T
    return Room(np.column_stack([at + 8.0, np.full(len(at), 8.0)]), 16.0, doors=DOORS.places)


def test_a_body_goes_through_a_door_that_is_open_far_enough_and_slides_along_a_shut_one() -> None:
    room = corridor()
    assert room.has(16.0, 0.0), "there is room, whether it is shut or not"
    (east, north), (keeps, _) = room.go((-20.0, 0.0), (8.0, 3.0), 8.0)
    assert 3.7 < east < 4
    assert keeps == 0
    assert north == pytest.approx(3.0, abs=0.3)
    room.ceilings = [8.0 + BODY - 1]
    assert room.go((-20.0, 0.0), (8.0, 3.0), 8.0)[0][0] < 4
    room.ceilings = [8.0 + BODY]
    assert room.go((-20.0, 0.0), (8.0, 3.0), 8.0) == ((8.0, 3.0), (8.0, 3.0))
    assert not bars(PLACE, 8.0 + BODY, INSIDE)
    assert bars(PLACE, 8.0 + BODY, INSIDE._replace(height=12.0)), "who is higher up needs more"


CAMERA = Camera(90.0, 4 / 3, 128.0, 96, 128)


def shut_door(far: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what is seen of the west face of the door from so far west of it: frame, pose, nearness.

    Its red grows to the north, its green with the height, as in all that follows.
    """
    x, y = np.meshgrid((np.arange(128) + 0.5) / 64 - 1, (np.arange(96) + 0.5) / 48 - 1)
    north, up = -x * far, 8 + EYES - y * far / CAMERA.lens
    frame = colours(north, up)
    near = np.full((48, 64), CAMERA.reach / far)
    return frame, np.array([-far, 0.0, 0.0, 0.0]), near


def colours(north: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Return what the door shows at a place, when it is shut."""
    shown = np.stack([128 + north, up, np.full_like(up, 99)], -1)
    return np.where((abs(north) < 64)[..., None], shown, 0).clip(0, 255).astype(np.uint8)


def door_pages() -> DoorPages:
    frames, poses, near = zip(*(shut_door(far) for far in (40.0, 120.0)), strict=True)
    return DoorPages(CAMERA, DOORS, frames, np.stack(poses), np.array([8.0, 8.0]), np.stack(near))


@pytest.mark.parametrize("up", [0.0, 48.0])
@pytest.mark.parametrize(("pose", "far"), [((-90.0, 20.0, 0.0, 0.0), 90.0), ((-60.0, -10.0, 0.0, 10.0), 60.0)])
def test_a_door_is_seen_from_places_that_no_page_was_taken_at(pose: tuple[float, ...], far: float, up: float) -> None:
    """As it would be from there, and gone up as far as it is."""
    doors = door_pages()
    *_, hung = doors.hang(np.array(pose), 8.0, torch.zeros(48, 64), torch.zeros(128), [up])
    x, y = np.meshgrid((np.arange(128) + 0.5) / 64 - 1, (np.arange(96) + 0.5) / 48 - 1)
    tilt = CAMERA.lens * math.tan(math.radians(pose[3]))
    north, height = pose[1] - x * far, 8 + EYES - (y - tilt) * far / CAMERA.lens
    shown = np.zeros((96, 128), bool)
    shown[:, hung.columns] = hung.shown.numpy()
    np.testing.assert_array_equal(shown, (abs(north) <= 64) & (height > 8 + up) & (height < 8 + 128))
    inner = (shown & (abs(north) < 58) & (height < 8 + up + 70))[:, hung.columns]  # what a page shows
    true = colours(north, height - up)[:, hung.columns].transpose(2, 0, 1)
    assert inner.any()
    assert np.abs(hung.colours.numpy() - true)[:, inner].max() < 4


def test_a_door_is_hidden_by_what_is_before_it_and_not_seen_from_behind_or_when_it_is_up() -> None:
    doors, pose = door_pages(), np.array([-90.0, 0.0, 0.0, 0.0])
    near = torch.zeros(48, 64)
    near[:, :32] = CAMERA.reach / 40
    (hung,) = doors.hang(pose, 8.0, near, torch.zeros(128), [0.0])
    seen = torch.zeros(96, 128, dtype=torch.bool)
    seen[:, hung.columns] = hung.shown
    assert seen[:, 64:].any()
    assert not seen[:, :64].any()
    assert not doors.hang(pose, 8.0, torch.zeros(48, 64), torch.zeros(128), [TOP])
    assert not doors.hang(np.array([-90.0, 0.0, 180.0, 0.0]), 8.0, torch.zeros(48, 64), torch.zeros(128), [0.0])
    assert not doors.hang(np.array([200.0, 0.0, 180.0, 0.0]), 8.0, torch.zeros(48, 64), torch.zeros(128), [0.0]), (
        "no page shows it"
    )


def test_a_door_that_goes_up_is_as_thick_as_it_is() -> None:
    """From below it has one colour, up to its other face."""
    below, _ = door_pages().hang(np.array([-60.0, 0.0, 0.0, 0.0]), 8.0, torch.zeros(48, 64), torch.zeros(128), [72.0])
    y = (torch.arange(96) + 0.5) / 48 - 1
    far = CAMERA.lens * (72 - EYES) / -y[:, None]
    assert torch.equal(below.shown[:, 64], ((far > 60) & (far < 92))[:, 0])
    assert set(below.colours[:, below.shown].flatten().tolist()) == {50, 60, 70}
    (face,) = door_pages().hang(np.array([-60.0, 0.0, 0.0, 0.0]), 8.0, torch.zeros(48, 64), torch.zeros(128), [30.0])
    assert not (face.colours[0] == 50).all(), "who looks down on its edge sees its face alone"


def test_nothing_is_seen_of_a_door_behind_a_wall_and_what_is_nearer_is_laid_over_what_is_farther() -> None:
    doors, pose = door_pages(), np.array([-90.0, 0.0, 0.0, 0.0])
    least = torch.zeros(128)
    least[:40] = CAMERA.reach / 50
    (hung,) = doors.hang(pose, 8.0, torch.zeros(48, 64), least, [0.0])
    seen = torch.zeros(96, 128, dtype=torch.bool)
    seen[:, hung.columns] = hung.shown
    assert seen[:, 40:].any()
    assert not seen[:, :40].any()
    farther = [*PLACE]
    farther[0], farther[2] = 200.0, 232.0
    frames, poses, near = zip(*(shut_door(far) for far in (40.0, 120.0)), strict=True)
    both = Doors(0, np.array([PLACE, farther], np.float32), SPEED, WAITS)
    moved = np.concatenate([np.stack(poses), np.stack(poses) + np.array([200.0, 0, 0, 0])])
    two = DoorPages(CAMERA, both, [*frames, *frames], moved, np.full(4, 8.0), np.stack([*near, *near]))
    nears = list[float]()
    for one in two.hang(pose, 8.0, torch.zeros(48, 64), torch.zeros(128), [60.0, 0.0]):
        shown = torch.zeros(96, 128, dtype=torch.bool)
        shown[:, one.columns] = one.shown
        nears.append(float(torch.as_tensor(one.near).expand(48, 64)[shown[1::2, 1::2]].mean()))
    assert len(nears) == 3, "a face far away, what is over one from below, and the face of that"
    assert nears == sorted(nears)
