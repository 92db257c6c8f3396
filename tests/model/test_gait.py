"""Eyes of a body: they sway as it walks, and follow its feet up a step."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamloop.model.gait import EYES, SWAY, SWAY_TICKS, SWING, SWING_TICKS, Gait, rise, stepped, sway, swing
from dreamloop.model.room import Fall


def test_who_stands_does_not_sway() -> None:
    """Whatever the clock says."""
    assert [sway(0.0, clock) for clock in range(SWAY_TICKS)] == [0.0] * SWAY_TICKS


@given(st.floats(0, 50), st.integers(0, 10**6))
def test_it_comes_and_goes_by_the_clock_and_has_a_limit(speed: float, clock: int) -> None:
    """Up as far as down, half a turn later."""
    assert abs(sway(speed, clock)) <= SWAY
    assert sway(speed, clock) == pytest.approx(-sway(speed, clock + SWAY_TICKS // 2), abs=1e-9)
    assert sway(speed, clock) == pytest.approx(sway(speed, clock + SWAY_TICKS), abs=1e-9)


def test_hands_swing_from_side_to_side_and_are_lowest_in_the_middle() -> None:
    """As far as the weapon of the engine was found to go; who stands holds it still."""
    right, low, left = (swing(8.33, SWING_TICKS * part // 4) for part in (0, 1, 2))
    assert right == pytest.approx((SWING[0], 0.0), abs=1e-9)
    assert low == pytest.approx((0.0, SWING[1]), abs=1e-9)
    assert left == pytest.approx((-SWING[0], 0.0), abs=1e-9)
    assert swing(4.0, 0)[0] == pytest.approx(SWING[0] / 4)
    assert swing(0.0, 5) == (0.0, 0.0)


def test_eyes_follow_a_step_up() -> None:
    """They are where they were at first, and up after some ticks; the ticks are those of the engine, 16 units up."""
    gait = stepped(Gait(), Fall(0.0), Fall(16.0))
    assert gait.low == 16
    lows = []
    while gait.low:
        gait = rise(gait)
        lows.append(gait.low)
    assert lows == [14.0, 11.75, 9.25, 6.5, 3.5, 0.25, 0.0]
    assert gait == Gait()


def test_who_falls_far_goes_down_on_the_knees_and_up_again() -> None:
    """A short fall shows nothing."""
    assert stepped(Gait(), Fall(4.0, -4.0), Fall(0.0, -4.0, lands=True)) == Gait()
    gait, lows = stepped(Gait(), Fall(4.0, -16.0), Fall(0.0, -16.0, lands=True)), []
    for _ in range(30):
        gait = rise(gait)
        lows.append(gait.low)
    assert 5 < max(lows) < EYES / 2
    assert gait == Gait()


@given(st.lists(st.sampled_from([-24.0, -8.0, 0.0, 8.0, 16.0, 24.0]), max_size=60))
def test_eyes_never_go_below_half_their_height(ways: list[float]) -> None:
    """However often one steps up: and they come up again."""
    gait, height = Gait(), 0.0
    for up in ways:
        gait = rise(gait)
        assert 0 <= gait.low <= EYES / 2
        gait = stepped(gait, Fall(height), Fall(height + up))
        height += up
    for _ in range(60):
        gait = rise(gait)
    assert gait == Gait()
    assert math.isfinite(height)
