"""The memory: every policy by one contract, the bank against a slow reference, the geometry against trigonometry."""

import math
from dataclasses import replace
from importlib.metadata import entry_points

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dreamloop.input.errors import ConfigError
from dreamloop.model.camera import Poses, coasting, foreseen_step, lay, look_into, moved, place
from dreamloop.model.change import has_changed
from dreamloop.model.dataset import DataError, FramePool
from dreamloop.model.dream_config import NetConfig
from dreamloop.model.dream_net import DreamNet
from dreamloop.model.found_again import Camera, laid
from dreamloop.model.gait import Gait
from dreamloop.model.layers import coordinates
from dreamloop.model.memory import POLICIES, RETAKE_EVERY, PageMemory, make_policy
from dreamloop.model.memory_policies import (
    BEARINGS,
    DEPTHS,
    DREAMED,
    FRESH_TICKS,
    LEAST,
    Bank,
    MemoryConfig,
    Nothing,
    coverage,
    greedy,
)
from dreamloop.model.momentum import STEERS
from dreamloop.model.recalls import Recalls
from dreamloop.model.room import Room
from dreamloop.model.train import adopt
from dreamloop.model.traveller import STILL, Traveller
from dreamloop.model.world_model import Gesture, Scene

SMALL = MemoryConfig(pages=12)


def everybody() -> list[str]:
    """Names of all policies: our own, those that are installed, and one that comes from outside in these tests."""
    installed = {point.name for point in entry_points(group="dreamloop.memories")}
    return sorted({*POLICIES, *installed, "outside"})


class Outside(Nothing):
    """A policy that somebody else wrote: keeps every fifth frame, reads the oldest."""

    def write(self, tick: int, pose: Poses) -> int | None:
        return self._put(tick // 5 % self.config.pages, tick, pose) if tick % 5 == 0 else None

    def read(self, tick: int, pose: Poses, k: int) -> list[int]:
        old = self._old_enough(tick)
        return [int(slot) for slot in old[self.ticks[old].argsort(kind="stable")][:k]]


@pytest.fixture(autouse=True)
def _outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the entry point ``dreamloop.memories`` offer the policy "outside"."""
    found = entry_points

    class Point:
        name = "outside"

        def load(self) -> type[Outside]:
            return Outside

    monkeypatch.setattr(
        "dreamloop.model.memory.entry_points", lambda group: [*found(group=group), Point()], raising=True
    )


def walk(seed: int, ticks: int = 200) -> np.ndarray:
    rng = np.random.default_rng(seed)
    steps = np.stack(
        [rng.normal(0, 12, ticks), rng.normal(0, 12, ticks), rng.normal(0, 9, ticks), rng.normal(0, 1, ticks)]
    )
    return steps.cumsum(1).T


def frame_of(tick: int) -> np.ndarray:
    return np.full((4, 6, 3), tick % 256, np.uint8)


@pytest.mark.parametrize("name", everybody())
def test_every_policy_keeps_the_contract(name: str) -> None:
    poses, memory = walk(1, 600), PageMemory(make_policy(name, SMALL), SMALL)
    written: dict[int, int] = {}
    for tick, pose in enumerate(poses):
        slots = memory.read(tick, pose, 3)
        assert len(slots) == len(set(slots)) <= 3
        for slot in slots:
            assert written[slot] <= tick - FRESH_TICKS  # only what was written, and not what the net sees anyway
            np.testing.assert_array_equal(memory.frames[slot], frame_of(written[slot]))
            np.testing.assert_array_equal(memory.policy.pose_of(slot), poses[written[slot]])
            assert memory.policy.tick_of(slot) == written[slot]
        stats = memory.stats(tick)
        assert stats["pages_read"] == len(slots)
        assert stats["pages"] == len(memory.frames)
        before = dict(memory.frames)
        memory.write(tick, pose, frame_of(tick))
        changed = [slot for slot, frame in memory.frames.items() if before.get(slot) is not frame]
        assert len(changed) <= 1
        written |= dict.fromkeys(changed, tick)
        assert len(memory.frames) <= SMALL.pages
        assert memory.nbytes == stats["page_bytes"] or changed
    assert memory.nbytes <= SMALL.pages * frame_of(0).nbytes, "a game may last as long as it likes"


@pytest.mark.parametrize("name", everybody())
def test_a_restored_memory_goes_on_the_same_way(name: str) -> None:
    poses = walk(2)
    first = PageMemory(make_policy(name, SMALL), SMALL)
    for tick, pose in enumerate(poses[:120]):
        first.read(tick, pose, 2)
        first.write(tick, pose, frame_of(tick))
    second = PageMemory(make_policy(name, SMALL), SMALL)
    second.restore({key: np.array(value) for key, value in first.state().items()})
    for tick, pose in enumerate(poses[120:], 120):
        assert first.read(tick, pose, 2) == second.read(tick, pose, 2)
        for memory in (first, second):
            memory.write(tick, pose, frame_of(tick))
    ours, theirs = first.state(), second.state()
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[key], theirs[key]) for key in ours)


def test_a_page_that_a_snapshot_holds_is_never_changed() -> None:
    memory = PageMemory(Bank(MemoryConfig(pages=2)))
    memory.write(0, np.zeros(4), frame_of(7))
    kept = memory.state()["page/0000"]
    with pytest.raises(ValueError, match="read-only"):
        kept[:] = 0
    for tick in range(1, 9):
        memory.write(tick, np.array([100.0 * tick, 0, 0, 0]), frame_of(tick))
    assert (kept == 7).all()


def test_an_unknown_policy_is_named_with_its_nearest() -> None:
    with pytest.raises(ConfigError, match="bank"):
        make_policy("bankk", SMALL)


def slow_cover(page: np.ndarray, pose: np.ndarray, config: MemoryConfig) -> list[float]:
    """Coverage in plain words: for each point, is it in the page's view, and how near was it then?"""
    result = []
    for depth in DEPTHS:
        for bearing in BEARINGS:
            far = depth * config.reach
            heading = math.radians(pose[2]) - bearing
            x, y = pose[0] + far * math.cos(heading) - page[0], pose[1] + far * math.sin(heading) - page[1]
            yaw = math.radians(page[2])
            ahead, right = x * math.cos(yaw) + y * math.sin(yaw), x * math.sin(yaw) - y * math.cos(yaw)
            half = math.tan(math.radians(config.fov_deg / 2))
            there = math.hypot(x, y)
            inside = ahead > 0.1 * config.reach and abs(right) < ahead * half
            apart = math.hypot(page[0] - pose[0], page[1] - pose[1]) / config.reach
            result.append(min(there, far) / max(there, far) * math.exp(-0.5 * apart) if inside else 0.0)
    return result


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_the_bank_reads_and_writes_as_its_slow_reference(seed: int) -> None:
    config = MemoryConfig(pages=64)
    bank, pages = Bank(config), list[np.ndarray]()
    for tick, pose in enumerate(walk(seed, 40)):
        new = all(
            max(
                math.hypot(*(page[:2] - pose[:2])) / config.step,
                abs((page[2] - pose[2] + 180) % 360 - 180) / config.turn_deg,
                abs(page[3] - pose[3]) / config.turn_deg,
            )
            >= 1
            for page in pages
        )
        slot = bank.write(tick, pose)
        assert (slot is not None) == new
        if slot is not None:
            assert slot == len(pages)
            pages.append(pose)
    pose = walk(seed + 1, 1)[0]
    covers = [slow_cover(page, pose, config) for page in pages]
    np.testing.assert_allclose(coverage(np.array(pages), pose, config), covers, atol=1e-9)
    chosen = greedy(np.array(covers), 3)
    have = [0.0] * len(covers[0])
    for slot in chosen:  # each adds as much as any page could, given those before it
        gains = [sum(max(c - h, 0) for c, h in zip(cover, have, strict=True)) for cover in covers]
        assert gains[slot] == pytest.approx(max(gains))
        have = [max(c, h) for c, h in zip(covers[slot], have, strict=True)]


class SlowBank:
    """The bank in plain words: a list of pages, looked through one by one."""

    def __init__(self, config: MemoryConfig) -> None:
        self.config = config
        self.pages: dict[int, tuple[np.ndarray, int, int]] = {}  # slot -> pose, tick of writing, tick of reading
        self.arrived = 0

    def dreamed(self, slot: int) -> bool:
        """Whether a page is no true one; where nobody arrived, none is better than another."""
        return 0 < self.arrived <= self.pages[slot][1]

    def apart(self, a: np.ndarray, b: np.ndarray) -> float:
        """How new a view is beside another, 1 being just new."""
        turn = abs((a[2] - b[2] + 180) % 360 - 180)
        steps = math.hypot(a[0] - b[0], a[1] - b[1]) / self.config.step
        return float(max(steps, turn / self.config.turn_deg, abs(a[3] - b[3]) / self.config.turn_deg))

    def write(self, tick: int, pose: np.ndarray) -> int | None:
        """Keep what is new; when full, the unread and doubled goes."""
        if any(self.apart(page, pose) < 1 for page, _, _ in self.pages.values()):
            return None
        free = [slot for slot in range(self.config.pages) if slot not in self.pages]
        slot = free[0] if free else self.victim()
        self.pages[slot] = (pose, tick, tick)
        return slot

    def victim(self) -> int:
        """Of the 32 that were not read for longest, dreamed ones first, the one with the nearest neighbour."""
        stale = sorted(self.pages, key=lambda slot: (not self.dreamed(slot), self.pages[slot][2], slot))[:32]

        def nearest(slot: int) -> float:
            own = self.pages[slot][0]
            return min(self.apart(page, own) for other, (page, _, _) in self.pages.items() if other != slot)

        return min(stale, key=nearest)

    def read(self, tick: int, pose: np.ndarray, k: int) -> list[int]:
        """One page after the other, each the one that adds most."""
        near = [
            slot
            for slot, (page, written, _) in sorted(self.pages.items())
            if written <= tick - FRESH_TICKS and math.dist(page[:2], pose[:2]) < 6 * self.config.reach
        ]
        counts = {slot: DREAMED if self.dreamed(slot) else 1.0 for slot in near}
        covers = {s: [counts[s] * c for c in slow_cover(self.pages[s][0], pose, self.config)] for s in near}
        have, chosen = [0.0] * (len(DEPTHS) * len(BEARINGS)), list[int]()
        while near and len(chosen) < k:
            gains = {s: sum(max(c - h, 0) for c, h in zip(covers[s], have, strict=True)) / len(have) for s in near}
            best = max(near, key=lambda slot: gains[slot])
            if gains[best] < LEAST:
                break
            chosen.append(best)
            have = [max(c, h) for c, h in zip(covers[best], have, strict=True)]
        for slot in chosen:
            page, written, _ = self.pages[slot]
            self.pages[slot] = (page, written, tick)
        return chosen


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 9), st.integers(0, 40))
def test_a_bank_that_overflows_drops_and_reads_as_its_slow_reference(seed: int, pages: int, arrival: int) -> None:
    """What is dropped depends on what was read: one wrong tick of reading shows up hundreds of ticks later."""
    config = MemoryConfig(pages=pages)
    bank, slow = Bank(config), SlowBank(config)
    for tick, pose in enumerate(walk(seed, 120)):
        if tick == arrival:
            bank.arrive(tick)
            slow.arrived = tick
        assert bank.read(tick, pose, 2) == slow.read(tick, pose, 2)
        assert bank.write(tick, pose) == slow.write(tick, pose)
    assert len(slow.pages) <= pages


def test_a_door_that_was_opened_is_remembered_open() -> None:
    """A bank that knows poses alone kept the first picture of a place for ever: an opened door was found shut."""
    config = MemoryConfig()
    memory = PageMemory(make_policy("renewing", config), config)
    shut = np.full((96, 128, 3), 90, np.uint8)
    opened = shut.copy()
    opened[20:80, 40:90] = 10
    pose = np.zeros(4)
    memory.write(0, pose, shut)
    for tick in range(1, 40):
        memory.write(tick, pose, opened if tick >= 20 else shut)
    np.testing.assert_array_equal(memory.frames[0], opened)
    assert memory.policy.tick_of(0) == 20
    assert len(memory.frames) == 1


def test_what_smears_while_a_player_turns_is_no_change() -> None:
    memory = PageMemory(make_policy("renewing", MemoryConfig()), MemoryConfig())
    page, smeared = (np.full((96, 128, 3), level, np.uint8) for level in (90, 200))
    memory.write(0, np.zeros(4), page)
    for tick in range(1, 80):
        memory.write(tick, np.array([0.0, 0.0, 5.0 * np.sin(tick), 0.0]), smeared)
    np.testing.assert_array_equal(memory.frames[0], page)
    for tick in range(80, 90):
        memory.write(tick, np.zeros(4), smeared)
    np.testing.assert_array_equal(memory.frames[0], smeared)


def test_a_page_is_not_taken_anew_for_noise_a_small_turn_or_a_mark() -> None:
    """Every copy of a copy is worse than the one before, so a page must stay what it was while nothing changed."""
    rng = np.random.default_rng(3)
    wide = np.repeat(np.repeat(rng.integers(60, 200, (6, 12, 3)), 16, 0), 16, 1)[:, :192].astype(np.float64)
    page = wide[:, 32:160].astype(np.uint8)
    noisy = (wide[:, 32:160] + rng.normal(0, 12, (96, 128, 3))).clip(0, 255).astype(np.uint8)
    marked = page.copy()
    marked[40:46, 60:66] = 0
    for frame in (page, noisy, marked):
        assert not has_changed(frame, np.zeros(4), page, np.zeros(4), 90.0, 1.6)
    assert has_changed(255 - page, np.zeros(4), page, np.zeros(4), 90.0, 1.6)
    laid_over, _ = laid(page, np.zeros(4), np.array([0.0, 0, 6, 0]), Camera(90.0, 1.6))
    assert not has_changed(laid_over, np.array([0.0, 0, 6, 0]), page, np.zeros(4), 90.0, 1.6)


def test_a_page_is_not_taken_anew_where_pages_tell_what_shows() -> None:
    """From half a step aside a page shows a post elsewhere: compared is the view that pages tell from there."""
    rng = np.random.default_rng(4)
    page, aside, opened = rng.integers(0, 256, (3, 12, 16, 3)).astype(np.uint8)
    memory, pose = PageMemory(make_policy("renewing", SMALL), SMALL), np.array([8.0, 0, 0, 0])
    memory.write(0, np.zeros(4), page)
    ticks = iter(range(20, 200, RETAKE_EVERY))

    def stand(shown: np.ndarray, told: np.ndarray | None) -> set[int | None]:
        over = None if told is None else lambda _: told
        return {memory.write(next(ticks), pose, shown, over) for _ in range(8)}

    assert stand(aside, aside) == {None}
    assert stand(opened, aside) == {None, 0}, "now a door is open"
    np.testing.assert_array_equal(memory.frames[0], opened)
    assert stand(aside, None) == {None, 0}, "where nobody tells, that is a change"


def test_a_full_bank_drops_a_doubled_page_and_keeps_the_lonely_one() -> None:
    bank = Bank(MemoryConfig(pages=4))
    for tick, x in enumerate((0.0, 5000.0, 100.0, 133.0)):
        assert bank.write(tick, np.array([x, 0, 0, 0])) == tick
    assert bank.write(9, np.array([9000.0, 0, 0, 0])) in (2, 3)


def test_a_turned_picture_lies_where_trigonometry_says() -> None:
    grid = coordinates(96, 128)
    pose, page = torch.tensor([[0.0, 0.0, 0.0, 0.0]]), torch.tensor([[[0.0, 0.0, 20.0, 0.0]]])
    where = look_into(page, pose, grid, 90.0, 1.6)[0, 0]
    column = 64  # nearly straight ahead: seen from a camera turned 20 degrees left it is 20 degrees to the right
    bearing = math.atan(float(grid[0, 0, column])) + math.radians(20)
    assert float(where[48, column, 0]) == pytest.approx(math.tan(bearing), abs=1e-4)
    same = look_into(pose[:, None], pose, grid, 90.0, 1.6)[0, 0]
    torch.testing.assert_close(same, grid.permute(1, 2, 0), atol=1e-5, rtol=0)


def test_what_is_behind_is_not_in_the_picture() -> None:
    pose, page = torch.zeros(1, 4), torch.tensor([[[0.0, 0.0, 180.0, 0.0]]])
    where = look_into(page, pose, coordinates(96, 128), 90.0, 1.6)
    assert bool((where[..., 0].abs() > 1).all())


def test_a_step_goes_along_the_new_heading_and_a_tilt_stops_at_its_limit() -> None:
    pose = moved(np.array([1.0, 2.0, 0.0, 20.0]), 10.0, 0.0, 90.0, 30.0, 25.0)
    np.testing.assert_allclose(pose, [1.0, 12.0, 90.0, 25.0], atol=1e-9)
    there = place(np.array([[1.0, 22.0, 90.0, 25.0]]), pose, 10.0)[0]
    np.testing.assert_allclose(there, [1, 1, 0, 0, 1, 0], atol=1e-6)


def views(turn_deg: float, ahead: float, right: float, tilt_deg: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A page at the origin that looks east, and the pose (1, 4) of a view of it."""
    pose = moved(np.array([0.0, 0.0, 0.0, 5.0]), ahead, right, turn_deg, tilt_deg, 30.0)
    return torch.tensor([[[0.0, 0.0, 0.0, 5.0]]]), torch.tensor(pose, dtype=torch.float32)[None]


@given(st.floats(-40, 40), st.floats(-10, 10), st.floats(0.0, 4.0))
@settings(max_examples=30, deadline=None)
def test_from_the_same_spot_it_does_not_matter_how_far_things_are(turn: float, tilt: float, near: float) -> None:
    """Laying by distance must agree with the exact movement of a turn."""
    pages, pose = views(turn, 0.0, 0.0, tilt)
    grid = coordinates(12, 16)
    laid = lay(pages, torch.full((1, 1, 12, 16), near), pose, grid, 90.0, 1.6, 128.0)
    plain = look_into(pages, pose, grid, 90.0, 1.6)
    there = plain.abs().amax(-1) <= 1
    torch.testing.assert_close(laid[there], plain[there], atol=1e-3, rtol=0)


@pytest.mark.parametrize(("ahead", "right"), [(32.0, 0.0), (-48.0, 0.0), (0.0, 20.0), (24.0, -16.0)])
def test_a_wall_is_laid_where_a_step_brings_it(ahead: float, right: float) -> None:
    """The parallax of a wall straight ahead, by trigonometry."""
    pages, pose = views(0.0, ahead, right, 0.0)
    grid, wall = coordinates(24, 32), 192.0
    laid = lay(pages, torch.full((1, 1, 24, 32), 128.0 / wall), pose, grid, 90.0, 1.6, 128.0)[0, 0]
    left = wall - ahead  # from the new place
    across = (grid[0] * left + right) / wall
    horizon = 1.6 * math.tan(math.radians(5.0))
    down = (grid[1] - horizon) * left / wall + horizon
    torch.testing.assert_close(laid, torch.stack([across, down], -1), atol=2e-3, rtol=0)


def test_what_is_behind_the_page_is_in_no_picture() -> None:
    """A pixel that cannot be in the page must not be fetched from it."""
    pages, pose = views(180.0, 0.0, 0.0, 0.0)
    laid = lay(pages, torch.ones(1, 1, 12, 16), pose, coordinates(12, 16), 90.0, 1.6, 128.0)
    assert (laid.abs().amax(-1) > 1).all()


def test_a_step_is_foreseen_from_the_last_one_and_the_keys() -> None:
    """The fitted pushes must give a body with friction back, whatever it turns, walls aside."""
    rng = np.random.default_rng(0)
    pool = FramePool(900, 8, 8, 3)
    actions = np.repeat(rng.integers(0, 2, (90, 3)), 10, 0).astype(np.float32)
    pose, speed, poses = np.zeros(4), np.zeros(2), []
    for action in actions:
        turn = float(rng.normal(0, 3))
        push = np.array([action[0] * (1 + action[2]), action[1]]) / 16
        speed = coasting(speed, np.asarray(turn)) + push
        if rng.random() < 0.05:
            speed = speed * 0.0  # a wall
        pose = moved(pose, 16 * speed[0], 16 * speed[1], turn, 0.0, 30.0)
        poses.append(pose)
    pool.add((np.zeros((900, 8, 8, 3), np.uint8), actions, np.array(poses, np.float32)))
    pushing = Recalls(pool, NetConfig(height_px=8, width_px=8, actions=3, pages=1, depth=True), 0, 0).pushing
    for action, step in (((1, 0, 0), (1, 0)), ((1, 0, 1), (2, 0)), ((0, 1, 0), (0, 1)), ((0, 0, 1), (0, 0))):
        found = foreseen_step(np.zeros((1, 2)), np.zeros(1), np.array([action], np.float32), pushing)[0]
        np.testing.assert_allclose(found * 16, step, atol=0.01)


def test_a_net_without_depth_gives_its_weights_to_one_with_it() -> None:
    """The picture that is new in view is fetched as it is laid; everything else is taken as it is."""
    old, new = (DreamNet(NetConfig(height_px=32, width_px=32, pages=2, depth=depth)) for depth in (False, True))
    adopt(new, old.state_dict())
    pages = new.fetch.weight.view(3, -1, 64)
    assert torch.equal(pages[1:].reshape(-1, 64), old.fetch.weight)
    assert not pages[0].any()
    assert not new.fetch.bias[:32].any()
    assert (new.fetch.bias[32:48] > 0).all()
    assert torch.equal(new.mend.weight, old.mend.weight)
    new.turning.weight.data.fill_(1.0)
    adopt(new, old.state_dict())
    assert (new.turning.weight == 1).all()  # fitted to the play at hand: a start from old weights once undid it
    with pytest.raises(DataError, match="weight head"):
        adopt(new, {"head.weight": torch.zeros(1)})


def test_a_player_whom_the_net_moves_by_a_hair_stands_still() -> None:
    """Turning on the spot for a quarter of a minute once carried the player 28 units away from their pages."""
    net = NetConfig(height_px=32, width_px=48, actions=3, pages=2)
    traveller = Traveller(net, np.zeros((2, 3), np.float32))
    frame = np.zeros((32, 48, 3), np.uint8)
    for _ in range(50):
        traveller.settle(np.zeros(3, np.float32), np.array([0.9 * STILL, 0], np.float32), frame)
    np.testing.assert_array_equal(traveller.pose, np.zeros(4))
    traveller.settle(np.zeros(3, np.float32), np.array([0.05, 0], np.float32), frame)
    assert traveller.pose[0] == pytest.approx(0.05 * net.stride)


def test_of_a_true_history_the_latest_picture_of_a_view_is_kept() -> None:
    """A door opened, or a mark shot, before the dream begins: the first picture of the view would not show it."""
    player = walker()
    poses = np.zeros((30, 4), np.float32)
    poses[:, 2] = 40.0 * (np.arange(30) // 10)  # three views, ten ticks each
    frames = np.repeat(np.arange(30, dtype=np.uint8), 32 * 48 * 3).reshape(30, 32, 48, 3)
    player.arrive(Scene("", frames, np.zeros((30, 3), np.float32), poses))
    assert sorted(int(page[0, 0, 0]) for page in player.memory.frames.values()) == [9, 19, 29]
    assert player.tick == 30


def test_a_history_with_distances_tells_where_walls_are() -> None:
    player, free = walker(), walker()
    frames, poses = np.zeros((2, 32, 48, 3), np.uint8), np.zeros((2, 4), np.float32)
    scene = Scene("", frames, np.zeros((2, 3), np.float32), poses)
    player.arrive(replace(scene, distances=np.full((2, 16, 24), 200.0, np.float32)))
    free.arrive(replace(scene, distances=np.full((2, 16, 24), np.nan, np.float32)))
    for _ in range(150):
        for one in (player, free):
            one.remember(np.array([1, 0, 0], np.float32), near_of_wall(4000.0))
            one.settle(np.array([1, 0, 0], np.float32), np.zeros(2, np.float32), frames[0])
    assert 160 < player.pose[0] < 200 < free.pose[0]


def walker() -> Traveller:
    """A player whom the first control pushes on by half a stride a tick, and friction stops."""
    net = NetConfig(height_px=32, width_px=48, actions=3, pages=2, depth=True, wearing=0.4)
    pushing = np.zeros((2, 6), np.float32)
    pushing[0, 0] = 0.05
    return Traveller(net, np.zeros((2, 3), np.float32), pushing)


def near_of_wall(ahead: float) -> NDArray[np.float32]:
    """The nearness of a wall across the view at ``ahead`` map units."""
    return np.full((16, 24), 128.0 / ahead, np.float32)


def test_a_player_is_stopped_by_what_was_seen_and_goes_on_from_a_saved_game_alike() -> None:
    player, other, free = walker(), walker(), walker()
    forward, frame = np.array([1, 0, 0], np.float32), np.zeros((32, 48, 3), np.uint8)
    held = []
    for tick in range(60):
        wall = near_of_wall(max(60.0 - player.pose[0], 4.0)) if tick < 20 else None
        held.append(player.remember(forward, wall).held)
        player.settle(forward, np.array([0.5, 0.0], np.float32), frame, np.full((8, 12), float(tick)))
        free.remember(forward)
        free.settle(forward, np.array([0.5, 0.0], np.float32), frame)
        if tick == 30:
            other.restore(player.state())
    assert free.pose[0] > 400
    assert player.pose[0] < 60
    assert held[0] == 0.0
    assert held[-1] > 0.9
    for _ in range(29):
        again = other.remember(forward)
        other.settle(forward, np.array([0.5, 0.0], np.float32), frame, np.full((8, 12), 31.0))
    assert again.held == held[-1]
    np.testing.assert_array_equal(other.pose, player.pose)
    assert other.remember(forward).wear is not None


def test_a_state_of_before_there_was_a_map_begins_without_one() -> None:
    player, other = walker(), walker()
    player.remember(np.zeros(3, np.float32), near_of_wall(30.0))
    old = {k: v for k, v in player.state().items() if not k.startswith(("wear", "ground"))}
    other.remember(np.zeros(3, np.float32), near_of_wall(30.0))
    other.restore(old)
    assert not other.ground.votes.any()
    assert not other.wear.any()


def room_walker(noise: float = 0.0) -> Traveller:
    """A player who has arrived in a hall of 20 squares of 16 units, the western half of it 16 units higher.

    A post stands in the way farther on; ``noise`` is what a fit left of keys that push nobody.
    """
    net = NetConfig(height_px=32, width_px=48, actions=3, pages=2, depth=True)
    pushing = np.zeros((2, 6), np.float32)
    pushing[0, 0], pushing[1, 1], pushing[:, 2] = 0.05, 0.03, noise
    player = Traveller(net, np.array([[0, 0, 5.0], [0, 0, 0]], np.float32), pushing)
    at = np.mgrid[-10:10, -10:10].reshape(2, -1).T
    walked = np.column_stack([(at + 0.5) * 16, 16.0 * (at[:, 0] < 0)])
    frames, poses = np.zeros((2, 32, 48, 3), np.uint8), np.array([[-40.0, 0, 0, 0]] * 2)
    far, things = np.full((2, 8, 12), 200.0), np.array([[130.0, -60.0, 16.0]])
    scene = Scene("", frames, np.zeros((2, 3), np.float32), poses, far, walked, heights=np.full(2, 16.0), things=things)
    player.arrive(scene)
    return player


def go(player: Traveller, action: tuple[float, ...]) -> None:
    player.remember(np.array(action, np.float32))
    player.settle(np.array(action, np.float32), np.zeros(2, np.float32), np.zeros((32, 48, 3), np.uint8))


def test_who_walks_off_a_step_of_a_measured_room_flies_and_lands() -> None:
    player = room_walker()
    assert player.fall.height == 16
    flown = []
    while player.pose[0] < 120:
        before = player.speed[0]
        go(player, (1, 0, 0))
        if player.fall.floats:
            flown.append((before, player.speed[0]))
    assert len(flown) == 5, "falling takes five ticks"
    push = 0.05 * STEERS
    assert all(now == pytest.approx(before + push, abs=1e-5) for before, now in flown[1:]), "hardly a push, no brake"
    assert player.fall.height == 0
    assert player.fall.brakes


def test_a_measured_room_ends_where_it_ends() -> None:
    player = room_walker()
    for _ in range(100):
        go(player, (1, 0, 0))
    assert 159 < player.pose[0] <= 160
    assert player.speed[0] == pytest.approx(0, abs=0.01)


def test_a_saved_game_knows_falls_walls_and_posts() -> None:
    """Saved at every tick of a way off a step, past a post and along a wall: what goes on is the same."""
    actions = [(1, 1, 0)] * 20 + [(1, 0, 0.4)] * 8 + [(1, 0, 0)] * 60
    player, seen = room_walker(), set[str]()
    for number, action in enumerate(actions):
        other, state = room_walker(), player.state()
        other.restore(state)
        seen |= {"falls"} if player.fall.floats else set()
        seen |= {"slides"} if not np.array_equal(player.kept, player.speed) else set()
        whole = player.state()
        for later in actions[number : number + 3]:
            go(player, later)
            go(other, later)
            for name in ("pose", "speed", "kept", "fall"):
                np.testing.assert_array_equal(getattr(player, name), getattr(other, name))
        player.restore(whole)
        go(player, action)
    assert seen == {"falls", "slides"}


def test_a_saved_game_knows_the_lines_of_walls_and_the_light_of_a_shot() -> None:
    player, other = room_walker(), room_walker()
    assert player.room is not None
    walls = np.concatenate([player.room.walls, [[64.0, -32, 64, 0, 0]]])  # one that no square tells of
    player.room = Room(player.room.squares, player.room.girth, player.room.things, walls)
    player.gesture = Gesture(2, np.zeros((3, 32, 48, 4), np.uint8), np.array([1, 1.5, 1], np.float32))
    other.restore(player.state())
    assert other.room is not None
    np.testing.assert_array_equal(other.room.walls, walls)
    assert other.gesture is not None
    np.testing.assert_array_equal(other.gesture.light, player.gesture.light)


def test_a_gesture_runs_to_its_end_and_begins_again_while_it_is_asked_for() -> None:
    """And a saved game knows how far it is."""
    player = room_walker()
    player.gesture = Gesture(2, np.zeros((4, 32, 48, 4), np.uint8))
    seen = []
    for asks in (0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0):
        go(player, (0, 0, asks))
        seen.append(player.doing)
        other = room_walker()
        other.restore(player.state())
        assert (other.doing, other.gesture is None) == (player.doing, False)
    assert seen == [0, 1, 2, 3, 0, 1, 2, 3, 1, 2, 3, 0, 0]


def test_a_saved_game_knows_how_the_eyes_are() -> None:
    player = room_walker()
    player.clock, player.gait = 12345, Gait(16.0, 2.0)
    lows = []
    for _ in range(30):
        go(player, (1, 0, 0))
        lows.append(player.gait.low)
        other = room_walker()
        other.restore(player.state())
        assert (other.gait, other.clock, other.level) == (player.gait, player.clock, player.level)
        action = np.array((1, 0, 0), np.float32)
        assert other._looks(action, other._step(action)) == player._looks(action, player._step(action))
    assert lows[0] == 14.0
    assert lows[-1] == 0.0


def test_a_saved_game_of_before_there_were_falls_stands_on_the_ground() -> None:
    player, other = room_walker(), room_walker()
    other.restore({name: value for name, value in player.state().items() if name not in ("kept", "fall")})
    assert other.fall.height == 16
    go(player, (1, 0, 0))
    go(other, (1, 0, 0))
    np.testing.assert_array_equal(player.pose, other.pose)


def test_what_a_fit_left_of_nothing_carries_nobody_off() -> None:
    player = room_walker(noise=1e-3)
    for _ in range(200):
        go(player, (0, 0, 1))
    assert player.pose[:2].tolist() == [-40, 0]


def test_who_lets_go_coasts_as_long_as_friction_lets_them() -> None:
    """It used to stop three map units early, at every stop: after a minute of walking that was the length of a room."""
    player = room_walker()
    for _ in range(4):
        go(player, (1, 0, 0))
    at, speed = player.pose[0], player.speed[0] * 16
    for _ in range(100):
        go(player, (0, 0, 0))
    assert player.pose[0] - at == pytest.approx(speed * 0.90625 / (1 - 0.90625), abs=0.7)
    assert not player.speed.any()


def test_a_state_of_fixed_size_holds_the_latest_view_of_each_heading() -> None:
    memory = PageMemory(make_policy("recurrent", SMALL), SMALL)
    for tick in range(400):
        memory.write(tick, np.array([tick, 0, 0.0 if tick < 200 else 90.0, 0]), frame_of(tick))
    kept = sorted(memory.policy.tick_of(slot) for slot in memory.frames)
    assert kept == [175, 375], "every 35 ticks of 200 under each"


def test_by_content_a_page_is_found_where_nobody_knows_where_one_is() -> None:
    """Three pictures, seen from one pose as far as anybody told, and the second of them again."""
    memory, here = PageMemory(make_policy("content", SMALL), SMALL), np.zeros(4)
    shown = np.random.default_rng(0).integers(0, 256, (3, 12, 16, 3)).astype(np.uint8)
    for tick in range(60):
        memory.write(tick, here, shown[tick // 20])
    assert len(memory.frames) == 3
    dim = (shown[1] * 0.9).astype(np.uint8)
    memory.write(60, here, dim)
    (slot,) = memory.read(61, here, 1)
    np.testing.assert_array_equal(memory.frames[slot], shown[1])


def test_what_shows_after_a_true_history_is_its_latest_picture() -> None:
    """A history is offered backwards; who asks by content must not ask with its first."""
    policy = make_policy("content", SMALL)
    memory, shown = (
        PageMemory(policy, SMALL),
        np.random.default_rng(1).integers(0, 256, (2, 12, 16, 3)).astype(np.uint8),
    )
    for tick in (1, 0):
        memory.write(tick, np.zeros(4), shown[tick])
    policy.arrive(2)
    (slot,) = memory.read(2 + FRESH_TICKS, np.zeros(4), 1)
    np.testing.assert_array_equal(memory.frames[slot], shown[1])
