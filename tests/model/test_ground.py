"""What stands in a player's way: the map of the ground, against rooms whose walls are known."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dreamloop.model.ground import MEASURED, SIDE, SQUARES, Eye, Ground, held_up

EYE = Eye(fov_deg=90.0, lens=1.6, reach=128.0, girth=14.0, low=17.0, high=15.0)
HEIGHT, WIDTH = 48, 64


def wall_ahead(distance: float, height: float = 200.0) -> NDArray[np.float32]:
    """The nearness of a wall across the way, standing on a floor 41 below the eye, ``height`` high."""
    y = (np.arange(HEIGHT) + 0.5) * 2 / HEIGHT - 1
    floor = np.where(y > 0, EYE.lens * 41.0 / np.maximum(y, 1e-6), np.inf)
    tall = y * distance / EYE.lens > 41.0 - height  # where the wall reaches up to
    ahead = np.where(tall, np.minimum(floor, distance), np.inf)
    return np.repeat((EYE.reach / ahead).astype(np.float32)[:, None], WIDTH, 1)


def go(ground: Ground, pose: NDArray[np.float64], step: NDArray[np.float64]) -> NDArray[np.float64]:
    return held_up(step, ground.around(pose, EYE.girth + float(np.hypot(*step))), EYE.girth)


def seen(distance: float, times: int = 5, **more: float) -> Ground:
    ground = Ground(EYE)
    for _ in range(times):
        ground.see(np.zeros(4), wall_ahead(distance, **more))
    return ground


@pytest.mark.parametrize("distance", [30.0, 50.0, 70.0])
def test_a_wall_stops_whoever_walks_into_it(distance: float) -> None:
    ground, pose = seen(distance), np.zeros(4)
    for _ in range(40):
        pose[0] += go(ground, pose, np.array([8.0, 0.0]))[0]
    assert distance - EYE.girth - 1.5 * SIDE <= pose[0] <= distance - EYE.girth + SIDE


def test_a_wall_behind_stops_as_well() -> None:
    """It was seen before the player turned round: no frame shows it now."""
    ground = seen(50.0)
    away = np.array([20.0, 0.0, 180.0, 0.0])
    assert go(ground, away, np.array([8.0, 0.0])).tolist() == [8.0, 0.0]
    steps = [go(ground, np.array([x, 0.0, 180.0, 0.0]), np.array([-8.0, 0.0])) for x in (20.0, 28.0, 36.0)]
    assert np.hypot(*steps[-1]) < 4.0


def test_a_slanting_wall_is_slid_along() -> None:
    ground = seen(40.0)
    slid = go(ground, np.array([24.0, 0.0, 45.0, 0.0]), np.array([8.0, 0.0]))
    heading = math.radians(45.0)
    east = slid[0] * math.cos(heading) + slid[1] * math.sin(heading)
    north = slid[0] * math.sin(heading) - slid[1] * math.cos(heading)
    assert north > 3.0, "along the wall"
    assert east < 3.0, "and hardly into it"


def test_what_one_steps_over_stops_nobody() -> None:
    assert go(seen(40.0, height=20.0), np.array([25.0, 0, 0, 0]), np.array([8.0, 0.0])).tolist() == [8.0, 0.0]
    assert go(seen(40.0, height=30.0), np.array([25.0, 0, 0, 0]), np.array([8.0, 0.0]))[0] < 4.0


def test_one_frame_alone_is_not_believed_and_a_door_that_opens_is() -> None:
    step, near = np.array([8.0, 0.0]), np.array([26.0, 0.0, 0.0, 0.0])
    assert go(seen(40.0, times=1), near, step).tolist() == step.tolist()
    ground = seen(40.0)
    assert go(ground, near, step)[0] < 4.0
    for _ in range(12):
        ground.see(np.zeros(4), wall_ahead(400.0))
    assert go(ground, near, step).tolist() == step.tolist()


def test_a_worn_picture_is_hardly_believed() -> None:
    """A dream that has turned to mush shows no depth; the wall that it was stays where it was seen."""
    ground = seen(40.0)
    for _ in range(5):
        ground.see(np.zeros(4), wall_ahead(400.0), wear=40.0)
    assert go(ground, np.array([26.0, 0.0, 0.0, 0.0]), np.array([8.0, 0.0]))[0] < 4.0


@given(
    st.floats(-3000, 3000),
    st.floats(-3000, 3000),
    st.floats(-720, 720),
    st.floats(-12, 12),
    st.floats(-12, 12),
)
def test_nobody_goes_farther_than_they_step_and_never_backwards(
    x: float, y: float, yaw: float, ahead: float, right: float
) -> None:
    ground, pose, step = Ground(EYE), np.array([x, y, yaw, 0.0]), np.array([ahead, right])
    for distance in (20.0, 25.0, 30.0):
        for _ in range(4):
            ground.see(pose, wall_ahead(distance))
    left = go(ground, pose, step)
    assert np.hypot(*left) <= np.hypot(*step) + 1e-9
    assert left @ step >= -1e-9


def test_a_map_is_kept_and_found_again() -> None:
    ground, other = seen(40.0), Ground(EYE)
    other.see(np.array([1000.0, 0, 0, 0]), wall_ahead(30.0))
    other.restore(ground.state())
    np.testing.assert_array_equal(other.votes, ground.votes)
    assert sum(part.nbytes for part in ground.state().values()) < SQUARES * SQUARES / 20


def test_states_share_a_map_until_somebody_votes_again() -> None:
    """A session keeps hundreds of them. What was handed out stays as it was."""
    ground = seen(40.0)
    first, second = ground.state(), ground.state()
    assert all(first[name] is second[name] for name in first)
    kept = {name: part.copy() for name, part in first.items()}
    changes: list[Callable[[], None]] = [
        lambda: ground.see(np.array([500.0, 0, 0, 0]), wall_ahead(30.0)),
        lambda: ground.fix(np.zeros((1, 2))),
        lambda: ground.restore(dict(kept)),
    ]
    for change in changes:
        before = ground.state()
        change()
        told, fresh = ground.state(), Ground(EYE)
        assert told["ground/votes"] is not before["ground/votes"]
        fresh.restore(told)
        np.testing.assert_array_equal(fresh.votes, ground.votes)
    for name, part in kept.items():
        np.testing.assert_array_equal(first[name], part)


def test_what_was_measured_is_known_from_afar_at_once_and_no_guess_changes_it() -> None:
    ground, near_it = Ground(EYE), np.array([282.0, 0.0, 0.0, 0.0])
    ground.see(np.zeros(4), wall_ahead(300.0), sight=MEASURED)
    ground.fix(np.zeros((1, 2)))
    pose = np.array([200.0, 0.0, 0.0, 0.0])
    for _ in range(30):
        pose[0] += go(ground, pose, np.array([8.0, 0.0]))[0]
    assert 300 - EYE.girth - 1.5 * SIDE <= pose[0] <= 300 - EYE.girth + SIDE
    before = ground.votes.copy()
    for _ in range(20):  # a net that sees through the wall, and another wall where there is none
        ground.see(near_it, wall_ahead(80.0))
        ground.see(np.array([100.0, 0.0, 0.0, 0.0]), wall_ahead(50.0))
    measured = np.abs(before) > 24
    assert measured.sum() > 500
    np.testing.assert_array_equal(ground.votes[measured], before[measured])


def test_where_somebody_walked_there_is_room() -> None:
    """A door that was shut when it was seen is no wall to those who went through it."""
    ground = Ground(EYE)
    ground.see(np.zeros(4), wall_ahead(100.0), sight=MEASURED)
    ground.fix(np.stack([np.arange(0, 200, 6.0), np.zeros(34)], 1))
    for x in range(0, 150, 8):
        things = ground.around(np.array([float(x), 0.0, 0.0, 0.0]), 30.0)
        assert held_up(np.array([8.0, 0.0]), things, EYE.girth - SIDE / 2).tolist() == [8.0, 0.0]
    aside = np.array([84.0, 40.0, 0.0, 0.0])
    assert go(ground, aside, np.array([8.0, 0.0]))[0] < 4.0
