"""Pacing and stamps under a fake clock: no test sleeps."""

from itertools import pairwise

import pytest

from dreamloop.runtime.clock import FakeClock, SystemClock
from dreamloop.runtime.pacer import PUMP_S, Pacer
from dreamloop.runtime.stamps import FrameStamps, StampRing, Stopwatch


def stamps(tick: int, at_s: float, frame_s: float = 0.01, event_s: float | None = None) -> FrameStamps:
    """Stamps of a frame that was sampled at ``at_s`` and took ``frame_s``, nearly all of it in the model."""
    return FrameStamps(
        tick=tick,
        event_s=event_s,
        sampled_s=at_s,
        model_started_s=at_s + 0.1 * frame_s,
        model_done_s=at_s + 0.8 * frame_s,
        handed_s=at_s + 0.85 * frame_s,
        presented_s=at_s + frame_s,
    )


def test_ticks_come_at_the_rate_of_the_world() -> None:
    clock = FakeClock(5.0)
    pacer = Pacer(clock, 50.0, lambda: True)
    for _ in range(100):
        clock.advance(0.013)
        pacer.wait()
    assert clock.now_s() == pytest.approx(7.0)
    assert pacer.tick == 100


def test_the_devices_are_looked_at_often_while_waiting() -> None:
    clock = FakeClock()
    looks: list[float] = []

    def look() -> bool:
        looks.append(clock.now_s())
        return True

    Pacer(clock, 10.0, look).wait()
    gaps = [b - a for a, b in pairwise(looks)]
    assert max(gaps) <= PUMP_S + 1e-9
    assert len(looks) >= 0.1 * 240


def test_a_late_tick_is_caught_up_within_half_a_tick_only() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, 10.0, lambda: True)
    clock.advance(0.13)
    pacer.wait()
    assert clock.now_s() == pytest.approx(0.13)
    pacer.wait()
    assert clock.now_s() == pytest.approx(0.2), "0.03 s late: caught up"
    clock.advance(0.5)
    pacer.wait()
    pacer.wait()
    assert clock.now_s() == pytest.approx(0.8), "0.4 s late: forgotten, the world slows down"


def test_a_paused_world_takes_single_steps_and_no_others() -> None:
    clock = FakeClock()
    looks = 0

    def look() -> bool:
        nonlocal looks
        looks += 1
        if looks == 50:
            pacer.step_once()
        return True

    pacer = Pacer(clock, 10.0, look)
    pacer.paused = True
    pacer.wait()
    assert looks >= 50
    assert pacer.tick == 1
    waited_s = clock.now_s()
    pacer.paused = False
    pacer.wait()
    assert clock.now_s() - waited_s == pytest.approx(0.1, abs=2 * PUMP_S), "the pause is not caught up"


def test_waiting_ends_when_the_window_closes() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, 1.0, lambda: False)
    pacer.paused = True
    pacer.wait()
    assert clock.now_s() == 0.0


def test_a_world_can_run_at_another_speed() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, 10.0, lambda: True)
    pacer.speed = 4.0
    for _ in range(40):
        pacer.wait()
    assert clock.now_s() == pytest.approx(1.0)


@pytest.mark.parametrize("paced", [True, False])
def test_a_tick_does_not_begin_before_the_model_is_ready(paced: bool) -> None:
    """Else what a player does while the model prepares would wait for the tick after."""
    clock = FakeClock()
    asked: list[float] = []

    def ready(wait_s: float) -> bool:
        asked.append(wait_s)
        clock.advance(wait_s)
        return clock.now_s() >= 0.3

    Pacer(clock, 10.0, lambda: True, paced, ready).wait()
    assert clock.now_s() == pytest.approx(0.3, abs=PUMP_S)
    assert max(asked) <= PUMP_S
    closed = Pacer(FakeClock(), 10.0, lambda: False, paced, lambda wait_s: False)
    closed.wait()  # a closed window waits for nobody


def test_an_unpaced_world_never_waits() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, 10.0, lambda: True, paced=False)
    for _ in range(5):
        pacer.wait()
    assert (clock.now_s(), pacer.tick) == (0.0, 5)


def test_the_system_clock_never_goes_back() -> None:
    clock = SystemClock()
    times = [clock.now_s() for _ in range(100)]
    assert times == sorted(times)
    clock.sleep(-1.0)
    assert "_" in clock.stamp()


def test_stamps_add_up() -> None:
    one = stamps(1, 10.0, 0.02, event_s=9.99)
    assert one.model_s == pytest.approx(0.014)
    assert one.show_s == pytest.approx(0.003)
    assert one.frame_s == pytest.approx(one.model_s + one.show_s + one.overhead_s)
    assert one.input_to_frame_s == pytest.approx(0.03)
    assert stamps(1, 10.0).input_to_frame_s is None
    assert one.speech_to_frame_s is None
    assert one.timings()["presented_s"] == pytest.approx(0.02)


def test_speech_is_told_apart_from_keys() -> None:
    """Guards against a latency of keys that is spoilt by the wait for silence."""
    clock = FakeClock(10.0)
    watch = Stopwatch(clock)
    watch.sampled(1, 9.8, 10.0, said=True)
    with watch.show():
        clock.advance(0.01)
    said = watch.read()
    assert said.input_to_frame_s is None
    assert said.speech_to_frame_s == pytest.approx(0.21)
    watch.sampled(2, 9.99, 10.0)
    assert watch.read().speech_to_frame_s is None


def test_the_stopwatch_takes_the_six_moments_in_order() -> None:
    clock = FakeClock(1.0)
    watch = Stopwatch(clock)
    watch.sampled(3, 0.9, 1.0)
    clock.advance(0.1)
    with watch.model():
        clock.advance(0.5)
    clock.advance(0.1)
    with watch.show():
        clock.advance(0.2)
    read = watch.read()
    moments = [read.event_s, read.sampled_s, read.model_started_s, read.model_done_s, read.handed_s, read.presented_s]
    assert moments == pytest.approx([0.9, 1.0, 1.1, 1.6, 1.7, 1.9])
    assert read.tick == 3


def test_the_ring_tells_rate_speed_and_misses() -> None:
    ring = StampRing(dt_s=0.02, size=100)
    for tick in range(200):
        ring.add(stamps(tick, tick * 0.025, 0.03 if tick % 10 == 0 else 0.01))
    assert ring.frames_per_s(window_s=0.5) == pytest.approx(40, rel=0.05)
    assert ring.speed() == pytest.approx(0.8, rel=0.05)
    assert ring.miss_rate == pytest.approx(0.1)
    assert ring.misses == 20
    assert ring.settled
    spread = ring.quantiles("model_s")
    assert spread is not None
    assert spread.p50_s == pytest.approx(0.007)
    assert spread.p99_s == pytest.approx(0.021)
    assert ring.quantiles("input_to_frame_s") is None
    assert len(ring.frame_times_s(30)) == 30


def test_a_pause_is_not_played_time() -> None:
    ring = StampRing(dt_s=0.1)
    ring.add(stamps(0, 1.0))
    ring.add(stamps(1, 1.1))
    ring.pause()
    ring.add(stamps(2, 60.0))
    ring.add(stamps(3, 60.1))
    assert ring.wall_s == pytest.approx(0.2)
    assert ring.frames_per_s() == pytest.approx(10.0)


def test_an_empty_ring_has_no_figures() -> None:
    ring = StampRing(dt_s=0.1)
    assert (ring.frames_per_s(), ring.speed(), ring.miss_rate, ring.last) == (0.0, 1.0, 0.0, None)
    assert not ring.settled


def test_a_step_is_stamped_with_when_the_model_was_ready_for_it() -> None:
    clock = FakeClock()
    watch = Stopwatch(clock)
    watch.sampled(1, None, clock.now_s())
    with watch.model():
        clock.advance(0.02)
    assert watch.read().ready_s is None, "nothing came before the first step"
    clock.advance(0.003)  # it prepares
    watch.ready()
    clock.advance(0.001)  # it waits
    watch.sampled(2, None, clock.now_s())
    with watch.model():
        clock.advance(0.02)
        watch_read = watch.read()
    assert watch_read.ready_s == pytest.approx(0.023)
    assert watch_read.model_started_s == pytest.approx(0.024)
