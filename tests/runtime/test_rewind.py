"""The way back: bounded in bytes, and never shorter than it has to be."""

from itertools import pairwise

import numpy as np

from dreamloop.model.world_model import ModelState
from dreamloop.runtime.rewind import Rewind, Snapshot


def snapshot(tick: int, size: int = 1000) -> Snapshot:
    """A snapshot of about ``size`` bytes."""
    state = ModelState("echo", "", tick, {"memory": np.zeros(size, np.uint8)})
    return Snapshot(tick, state)


def test_snapshots_are_due_a_few_times_a_second() -> None:
    rewind = Rewind.at_rate(35.0)
    taken = []
    for tick in range(350):
        if rewind.due(tick):
            rewind.add(snapshot(tick))
            taken.append(tick)
    assert len(taken) == 50
    assert taken[:3] == [0, 7, 14]


def test_memory_is_bounded_and_the_beginning_is_kept() -> None:
    rewind = Rewind(every=1, budget_bytes=100_000)
    for tick in range(5000):
        rewind.add(snapshot(tick))
        assert rewind.nbytes <= 100_000
    assert rewind.oldest is not None
    assert rewind.latest is not None
    assert (rewind.oldest.tick, rewind.latest.tick) == (0, 4999)
    assert len(rewind) > 50


def test_what_snapshots_share_counts_once_and_goes_with_the_last_of_them() -> None:
    """Pages of the long memory are in hundreds of snapshots; the tables that name them were not counted at all."""
    page = np.zeros(10_000, np.uint8)
    rewind = Rewind(every=1)
    for tick in range(10):
        values = {f"page/{i:04d}": page for i in range(64)} | {"own": np.zeros(100, np.uint8)}
        rewind.add(Snapshot(tick, ModelState("echo", "", tick, values)))
    assert 11_000 + 10 * 1_000 < rewind.nbytes < 11_000 + 10 * 8_000
    one = rewind.nbytes - 10_000
    rewind.cut(4)
    assert rewind.nbytes - 10_000 == one // 2
    rewind.clear()
    assert rewind.nbytes == 0


def test_the_recent_past_is_finer_than_the_distant_one() -> None:
    rewind = Rewind(every=1, budget_bytes=100_000)
    for tick in range(5000):
        rewind.add(snapshot(tick))
    ticks = []
    while len(rewind) > 1:
        assert rewind.latest is not None
        ticks.append(rewind.latest.tick)
        rewind.cut(rewind.latest.tick - 1)
    gaps = [newer - older for newer, older in pairwise(ticks)]
    assert gaps[:40] == [1] * 40
    assert 30 < max(gaps) < 1500
    assert ticks[-1] < 1500, "a hundred snapshots reach far back, not only to the beginning"


def test_going_back_lands_on_the_snapshot_before() -> None:
    rewind = Rewind(every=10)
    assert rewind.cut(5) is None
    assert rewind.pictures() == []
    for tick in range(1, 100):
        rewind.see(tick, np.full((8, 8, 3), tick, np.uint8))
        if rewind.due(tick):
            rewind.add(snapshot(tick))
    assert [picture.tick for picture in rewind.pictures()] == list(range(1, 100))
    assert abs(int(rewind.pictures()[49].frame.mean()) - 50) <= 2
    found = rewind.cut(48)
    assert found is not None
    assert found.tick == 41
    assert [picture.tick for picture in rewind.pictures()][-1] == 41
    assert rewind.cut(0) is None, "the beginning stays"
    assert len(rewind) == 5


def test_snapshots_older_than_every_picture_are_let_go() -> None:
    """One goes back through pictures; what lies before the oldest of them took memory and could not be reached."""
    rewind = Rewind(every=5, picture_bytes=20_000)
    for tick in range(500):
        rewind.see(tick, np.zeros((16, 16, 3), np.uint8))
        if rewind.due(tick):
            rewind.add(snapshot(tick))
    first = rewind.pictures()[0].tick
    assert rewind.oldest is not None
    assert first - 5 < rewind.oldest.tick <= first
    assert rewind.reach == 499 - first < 490
    assert rewind.cut(first) is not None


def test_a_hundred_rewinds_leak_nothing() -> None:
    rewind = Rewind(every=5, budget_bytes=50_000, picture_bytes=100_000)
    frame = np.zeros((16, 16, 3), np.uint8)
    tick = 0
    for _ in range(100):
        for _ in range(200):
            tick += 1
            rewind.see(tick, frame)
            if rewind.due(tick):
                rewind.add(snapshot(tick))
        rewind.cut(tick - 150)
    assert rewind.nbytes <= 50_000
    assert rewind.picture_nbytes <= 100_000
    rewind.clear()
    assert (len(rewind), rewind.nbytes, rewind.picture_nbytes, rewind.latest) == (0, 0, 0, None)


def test_one_snapshot_larger_than_the_budget_is_kept_alone() -> None:
    rewind = Rewind(every=1, budget_bytes=500)
    rewind.add(snapshot(1))
    rewind.add(snapshot(2))
    assert len(rewind) == 1
    assert rewind.latest is not None
    assert rewind.latest.tick == 2
