"""Speed in the engine's whole numbers: what pushes, what brakes, when one has come to rest."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamloop.model.momentum import ONE, Parts, braked, creeps, parts_of, pushed, whole_yaw

WALK, STEP = 51_200, 49_152  # parts a tick that a tick of walking and one of stepping aside bring


@pytest.mark.parametrize(
    ("yaw", "ahead", "aside"),
    [  # as the simulator's player was pushed
        (0.0, (51_200, 0), (0, -49_152)),
        (33.0, (42_938, 27_854), (26_740, -41_221)),
        (-601.68, (-24_274, 45_060), (43_258, 23_302)),
        (246.0004, (-20_820, -46_760), (-44_889, 19_986)),
    ],
)
def test_a_push_goes_along_one_of_the_headings_that_are_counted(yaw: float, ahead: Parts, aside: Parts) -> None:
    assert pushed((WALK, 0), yaw) == ahead
    assert pushed((0, STEP), yaw) == aside


@given(st.floats(-3600, 3600), st.integers(-ONE, ONE), st.integers(-ONE, ONE))
def test_a_push_goes_where_one_looks(yaw: float, ahead: int, right: int) -> None:
    """To a heading's width, and to the part by which every product is rounded down."""
    east, north = pushed((ahead, right), yaw)
    cos, sin = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    off = math.hypot(east - ahead * cos - right * sin, north - ahead * sin + right * cos)
    assert off <= 4 + 2 * math.hypot(ahead, right) * 2 * math.pi / 8192


def test_friction_rounds_down_to_the_south_and_west() -> None:
    assert braked((1, -1)) == (0, -1)
    assert braked((ONE, -ONE)) == (59_392, -59_392)


def test_a_sixteenth_of_a_map_unit_is_no_creeping() -> None:
    assert creeps((4095, -4095))
    assert not creeps((4096, 0))


@given(st.floats(-1e5, 1e5))
def test_a_heading_is_one_that_can_be_counted(yaw: float) -> None:
    counted = whole_yaw(yaw) * ONE / 360
    assert counted == pytest.approx(round(counted), abs=1e-3)
    assert abs(whole_yaw(yaw) - yaw) <= 0.5 * 360 / ONE + 1e-9


def test_parts_are_the_nearest() -> None:
    assert parts_of((0.5 / ONE + 1, -1.25)) == (ONE, -81_920)
