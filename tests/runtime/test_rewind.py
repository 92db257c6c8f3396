"""The way back: bounded in bytes, and never shorter than it has to be."""

from itertools import pairwise

import numpy as np

from dreamloop.model.world_model import ModelState
from dreamloop.runtime.rewind import Rewind, Snapshot


def snapshot(tick: int, size: int = 1000) -> Snapshot:
    """A snapshot of about ``size`` bytes."""
    state = ModelState("echo", "", tick, {"memory": np.zeros(size - 12, np.uint8)})
    return Snapshot(tick, state, np.zeros((2, 2, 3), np.uint8))


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


def test_the_recent_past_is_finer_than_the_distant_one() -> None:
    rewind = Rewind(every=1, budget_bytes=100_000)
    for tick in range(5000):
        rewind.add(snapshot(tick))
    ticks = []
    while len(rewind) > 1:
        assert rewind.latest is not None
        ticks.append(rewind.latest.tick)
        rewind.back()
    gaps = [newer - older for newer, older in pairwise(ticks)]
    assert gaps[:40] == [1] * 40
    assert 30 < max(gaps) < 1500
    assert ticks[-1] < 1500, "a hundred snapshots reach far back, not only to the beginning"


def test_going_back_stops_at_the_oldest() -> None:
    rewind = Rewind(every=1)
    assert rewind.back() is None
    for tick in range(3):
        rewind.add(snapshot(tick))
    seen = [found.tick for _ in range(5) if (found := rewind.back()) is not None]
    assert seen == [1, 0, 0, 0, 0]
    assert rewind.nbytes == rewind.latest.nbytes if rewind.latest else False


def test_a_hundred_rewinds_leak_nothing() -> None:
    rewind = Rewind(every=1, budget_bytes=50_000)
    tick = 0
    for _ in range(100):
        for _ in range(200):
            tick += 1
            rewind.add(snapshot(tick))
        for _ in range(150):
            rewind.back()
    assert rewind.nbytes <= 50_000
    rewind.clear()
    assert (len(rewind), rewind.nbytes, rewind.latest) == (0, 0, None)


def test_one_snapshot_larger_than_the_budget_is_kept_alone() -> None:
    rewind = Rewind(every=1, budget_bytes=500)
    rewind.add(snapshot(1))
    rewind.add(snapshot(2))
    assert len(rewind) == 1
    assert rewind.latest is not None
    assert rewind.latest.tick == 2
