"""A body in a room that was measured: what stops it, what it slides along, and how it falls."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dreamloop.model.room import CLEAR, GRAVITY, NO_ROOM, Fall, Room, fallen

SIDE, GIRTH = 16.0, 16.0


def hall(columns: int = 8, rows: int = 8, raised: int = 0) -> Room:
    """A room from (0, 0) on; the first so many columns are 16 units higher."""
    at = np.mgrid[:columns, :rows].reshape(2, -1).T
    return Room(np.column_stack([(at + 0.5) * SIDE, 16.0 * (at[:, 0] < raised)]), GIRTH)


def test_a_free_way_is_gone_whole() -> None:
    assert hall().go((40, 40), (3.0, -2.0), 0.0) == ((3.0, -2.0), (3.0, -2.0))


def test_a_wall_stops_what_goes_across_it_and_the_rest_goes_on_along_it() -> None:
    """The figures are those of the engine: up to a 32nd of a tick's way before the wall, and then along it."""
    way, kept = hall().go((126, 40), (8.0, 4.0), 0.0)  # the room ends at 128, a quarter of the way ahead
    assert way == pytest.approx(((0.25 - CLEAR) * 8, (1 - CLEAR) * 4))
    assert kept == pytest.approx((0.0, 0.75 * 4))


def test_in_a_corner_one_stands() -> None:
    room = hall()
    (east, north), kept = room.go((127.99, 127.99), (5.0, 4.0), 0.0)
    assert max(abs(east), abs(north)) < 0.02
    assert kept == (0.0, 0.0)


def test_a_thing_is_not_gone_up_to_but_past() -> None:
    room = Room(hall().squares, GIRTH, np.array([[64.0, 64.0, 10.0]]))
    assert not room.has(64 - 25, 64 + 25)
    assert room.has(64 - 27, 64)
    assert room.go((64 - 27, 64), (5.0, 2.0), 0.0) == ((0.0, 2.0), (0.0, 2.0))
    assert room.go((64, 64 - 27), (2.0, 5.0), 0.0) == ((2.0, 0.0), (2.0, 0.0))
    assert len(room.places) < len(room.squares), "where it stands nobody is"


def test_a_step_is_walked_up_a_high_one_is_not() -> None:
    squares = hall(raised=4).squares.copy()
    assert Room(squares, GIRTH).go((66, 40), (-5.0, 0.0), 0.0)[0] == (-5.0, 0.0)
    squares[:, 2] *= 2
    assert Room(squares, GIRTH).go((66, 40), (-5.0, 0.0), 0.0)[0][0] > -2.0
    assert Room(squares, GIRTH).go((62, 40), (5.0, 0.0), 32.0)[0] == (5.0, 0.0), "down it goes"


def test_a_body_stands_on_the_highest_ground_beneath_it() -> None:
    room = hall(raised=4)
    assert room.floor(64 + GIRTH - 1, 40) == 16
    assert room.floor(64 + GIRTH + 1, 40) == 0
    assert room.floor(-500, 40) == NO_ROOM


def test_who_walks_off_a_step_falls_and_is_braked_again_a_tick_after_landing() -> None:
    fall, heights, braked, floating = Fall(16.0), [], [], []
    for _ in range(8):
        fall = fallen(fall, 0.0)
        heights.append(fall.height)
        braked.append(fall.brakes)
        floating.append(fall.floats)
    assert heights == [16, 14, 11, 7, 2, 0, 0, 0]  # twice the gravity at first, then once a tick
    assert braked == [False] * 6 + [True] * 2
    assert floating == [True] * 5 + [False] * 3
    assert GRAVITY == 1


@given(
    st.tuples(st.floats(1, 127), st.floats(1, 127)),
    st.lists(st.tuples(st.floats(-15, 15), st.floats(-15, 15)), max_size=30),
)
def test_nobody_leaves_the_room(at: tuple[float, float], speeds: list[tuple[float, float]]) -> None:
    room = Room(hall(raised=4).squares, GIRTH, np.array([[70.0, 60.0, 16.0]]))
    assume(room.has(*at))
    for speed in speeds:
        (east, north), kept = room.go(at, speed, room.floor(*at))
        at = (at[0] + east, at[1] + north)
        assert room.has(*at)
        assert np.hypot(east, north) <= np.hypot(*speed) + 1e-9
        assert np.hypot(*kept) <= np.hypot(*speed) + 1e-9
