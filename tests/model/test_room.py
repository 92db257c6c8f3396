"""A body in a room that was measured: what stops it, what it slides along, and how it falls."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dreamloop.model.momentum import ONE, Parts, parts_of
from dreamloop.model.room import CLEAR, GRAVITY, NO_ROOM, Fall, Room, fallen

SIDE, GIRTH = 16.0, 16.0
Has = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]


def hall(columns: int = 8, rows: int = 8, raised: int = 0) -> Room:
    """A room from (0, 0) on; the first so many columns are 16 units higher."""
    at = np.mgrid[:columns, :rows].reshape(2, -1).T
    return Room(np.column_stack([(at + 0.5) * SIDE, 16.0 * (at[:, 0] < raised)]), GIRTH)


def test_a_free_way_is_gone_whole() -> None:
    assert hall().go((40, 40), (3.0, -2.0), 0.0) == ((3.0, -2.0), (3.0, -2.0))


def test_a_wall_stops_what_goes_across_it_and_the_rest_goes_on_along_it() -> None:
    """The figures are those of the engine: up to a 32nd of a tick's way before the wall, and then along it."""
    way, kept = hall().go((126, 40), (8.0, 4.0), 0.0)  # the room ends at 128, a quarter of the way ahead
    assert way == pytest.approx(((0.25 - CLEAR / ONE) * 8, (1 - CLEAR / ONE) * 4))
    assert kept == pytest.approx((0.0, 0.75 * 4))


@pytest.mark.parametrize(
    ("has", "walls", "at", "speed", "way", "kept"),
    [
        pytest.param(
            lambda x, y: (x > 80) & (y < 624),
            [(64, 64, 64, 640, 0), (64, 640, 576, 640, 0)],
            (5442432, 40893535),
            (-328323, 29705),
            (-342, 29),
            (-307784, 0),
            id="in a corner the second wall is met with a speed of which the first took nothing",
        ),
        pytest.param(
            lambda x, y: (x < 304) | (y > 720),
            [(64, 704, 64, 64, 0), (384, 704, 320, 704, 0), (320, 704, 320, 64, 0)],
            (19524952, 47310815),
            (627835, -167007),
            (378371, -161789),
            (0, -61140),
            id="a wall is felt beyond its end, in its block of the map",
        ),
        pytest.param(
            lambda x, y: y > 80,
            [(1024, 64, 64, 64, 0), (480, 224, 480, 160, 0)],
            (30500302, 5278668),
            (-690858, -91261),
            (-650544, -9627),
            (0, -76311),
            id="and by the corner behind, that comes from its back",
        ),
        pytest.param(
            lambda x, y: x > 720,
            [(64, 64, 64, 65, 0), (704, 576, 704, 640, 0)],
            (47186307, 40467337),
            (-980, -95863),
            (0, -95863),
            (-980, -95863),
            id="who is hardly behind a short wall has not met it",
        ),
    ],
)
def test_a_body_goes_as_the_engines_did(
    has: Has, walls: list[tuple[float, ...]], at: Parts, speed: Parts, way: Parts, kept: Parts
) -> None:
    """Parts of a map unit, from plays in the simulator; of their maps only what was near is built again."""
    places = np.mgrid[5:64, 5:64].reshape(2, -1).T * SIDE + SIDE / 2
    places = places[has(places[:, 0], places[:, 1])]
    room = Room(np.column_stack([places, np.zeros(len(places))]), GIRTH, walls=np.array(walls, float))
    told = room.go((at[0] / ONE, at[1] / ONE), (speed[0] / ONE, speed[1] / ONE), 0.0)
    assert [parts_of(one) for one in told] == [way, kept]


def test_in_a_corner_one_stands() -> None:
    room = hall()
    (east, north), kept = room.go((127.99, 127.99), (5.0, 4.0), 0.0)
    assert max(abs(east), abs(north)) < 0.02
    assert 0.0 in kept, "of two walls the second takes its part, and the first has done with"


@pytest.mark.parametrize("walls", [np.zeros((0, 5)), np.array([[0.0, 0, 64, 64, 0], [5, 5, 5, 5, 0]])])
def test_where_no_straight_walls_are_told_they_are_around_the_squares(walls: NDArray[np.float64]) -> None:
    told, found = Room(hall().squares, GIRTH, walls=walls), hall()
    assert told.go((126, 40), (8.0, 4.0), 0.0) == found.go((126, 40), (8.0, 4.0), 0.0)


def test_a_thing_is_not_gone_up_to_but_past() -> None:
    room = Room(hall().squares, GIRTH, np.array([[64.0, 64.0, 10.0]]))
    assert not room.has(64 - 25, 64 + 25)
    assert room.has(64 - 27, 64)
    assert room.go((64 - 27, 64), (5.0, 2.0), 0.0) == ((0.0, 2.0), (0.0, 2.0))
    assert room.go((64, 64 - 27), (2.0, 5.0), 0.0) == ((2.0, 0.0), (2.0, 0.0))
    assert len(room.places) < len(room.squares), "where it stands nobody is"


def test_a_thing_is_met_to_the_last_part() -> None:
    """Scenes tell things in single precision, in which a body at 560 is no 65,536th of a unit from 560."""
    room = Room(hall(40, 40).squares, GIRTH, np.array([[600.0, 100.0, 16.0]], np.float32))
    assert room.go((560, 100), (8.0, 0.0), 0.0)[0] == (8.0, 0.0), "what touches is not in the way"
    assert room.go((560, 100), (8 + 1 / ONE, 0.0), 0.0)[0] == (0.0, 0.0)


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
        assert np.hypot(east, north) <= np.hypot(*speed) + 2 / ONE
        assert np.hypot(*kept) <= np.hypot(*speed) + 2 / ONE
