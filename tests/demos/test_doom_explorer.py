"""The scripted player: calm, busy, everywhere, and every control also alone."""

from typing import Any

import numpy as np
import pytest

from dreamloop.demos.doom.explorer import (
    BACK,
    FORWARD,
    HABITS,
    LEFT,
    LOOK,
    RIGHT,
    TURN,
    USE,
    Explorer,
    make_explorer,
)

BLANK = np.zeros((96, 128, 3), np.uint8)


def _info(angle: float = 0.0, **more: Any) -> dict[str, Any]:
    return {"pose": (0.0, 0.0, angle, 0.0), "map": "none"} | more


def _in_the_dark(explorer: Explorer, ticks: int) -> np.ndarray[Any, Any]:
    """Play with nothing but the pose, on an endless plain: angles and positions follow the actions."""
    x = y = angle = pitch = 0.0
    actions = []
    for _ in range(ticks):
        action = explorer.act(BLANK, {"pose": (x, y, angle % 360, pitch), "map": "plain"})
        angle -= float(action[TURN]) * 12.0
        pitch = float(np.clip(pitch + action[LOOK] * 6.0, -25, 25))
        along = 8.0 * float(action[FORWARD] - action[BACK])
        aside = 8.0 * float(action[RIGHT] - action[LEFT])
        heading = np.radians(angle)
        x += along * np.cos(heading) + aside * np.sin(heading)
        y += along * np.sin(heading) - aside * np.cos(heading)
        actions.append(action)
    return np.array(actions)


def test_same_seed_same_play() -> None:
    one, two = (_in_the_dark(make_explorer(3), 300) for _ in range(2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, _in_the_dark(make_explorer(4), 300))


def test_reset_with_a_seed_starts_over() -> None:
    explorer = make_explorer(3)
    first = _in_the_dark(explorer, 200)
    explorer.reset(3)
    assert np.array_equal(_in_the_dark(explorer, 200), first)


def test_actions_fit_the_action_space() -> None:
    actions = _in_the_dark(make_explorer(1), 2000)
    assert actions.dtype == np.float32
    assert actions.shape == (2000, 9)
    assert np.abs(actions).max() <= 1.0
    buttons = np.delete(actions, [TURN, LOOK], axis=1)
    assert set(np.unique(buttons)) <= {0.0, 1.0}


def test_every_control_occurs_alone() -> None:
    actions = _in_the_dark(make_explorer(2), 20_000)
    moves = actions[:, [FORWARD, BACK, LEFT, RIGHT]]
    straight = np.abs(actions[:, TURN]) * 12.0 < 0.2
    for i in range(4):
        alone = (moves[:, i] == 1) & (moves.sum(axis=1) == 1) & straight
        assert alone.mean() > 0.01
    resting = moves.sum(axis=1) == 0
    assert (resting & straight).mean() > 0.05
    for side in (-1, 1):
        assert (resting & (side * actions[:, TURN] * 12.0 > 1.0)).mean() > 0.05


def test_turns_are_calm() -> None:
    speed = _in_the_dark(make_explorer(5), 20_000)[:, TURN] * 12.0
    assert 1.0 < np.abs(speed).mean() < 3.5
    assert np.abs(speed).max() <= 8.0
    assert np.abs(np.diff(speed)).max() < 3.0  # nobody's head jerks


def test_it_looks_up_and_down_and_comes_back() -> None:
    pitch = np.cumsum(_in_the_dark(make_explorer(6), 20_000)[:, LOOK] * 6.0)
    assert pitch.min() < -5
    assert pitch.max() > 5
    assert (np.abs(pitch) < 1.0).mean() > 0.4


def test_a_wall_turns_it_away_soon() -> None:
    """A player that pushes at a wall and does not move must stop pushing within 15 tics."""
    explorer = make_explorer(0)
    longest = pushing = 0
    for _ in range(600):
        action = explorer.act(BLANK, _info())
        pushing = pushing + 1 if action[[FORWARD, BACK, LEFT, RIGHT]].any() else 0
        longest = max(longest, pushing)
    assert longest <= 15


def test_it_presses_use_at_a_door() -> None:
    explorer = make_explorer(0)
    used = [explorer.act(BLANK, _info(door_ahead=True, exits=[]))[USE] for _ in range(300)]
    assert sum(used) >= 1


def test_weights_of_habits_are_positive() -> None:
    assert all(weight > 0 for _, weight, _ in HABITS)
    assert len({name for name, _, _ in HABITS}) == len(HABITS)


def test_in_the_simulator_it_explores_and_stays_alive() -> None:
    pytest.importorskip("gymnasium", reason="the simulator needs gymnasium: pip install -e '.[sim]' in the checkout")
    pytest.importorskip("vizdoom", reason="the simulator needs vizdoom: pip install -e '.[sim]' in the checkout")
    from dreamloop.demos.doom.simulator import make_env

    env, explorer = make_env(maps="train", seed=21), make_explorer(21)
    squares, moving, turns, ahead, deaths = [], [], [], [], 0
    for _ in range(4):
        frame, info = env.reset()
        explorer.reset()
        seen = set()
        for _ in range(1000):
            last = info["pose"]
            action = explorer.act(frame, info)
            frame, _, terminated, _, info = env.step(action)
            moving.append(np.hypot(info["pose"][0] - last[0], info["pose"][1] - last[1]) > 0.5)
            seen.add((info["pose"][0] // 256, info["pose"][1] // 256))
            turns.append(abs(float(action[TURN])) * 12.0)
            ahead.append(float(info["clear"][0]))
            if terminated:
                deaths += 1
                break
        squares.append(len(seen))
    env.close()
    assert 1.2 < np.mean(turns) < 3.2
    assert 0.5 < np.mean(moving) < 0.9
    assert np.mean(squares) >= 5
    assert np.mean(np.array(ahead) < 48) < 0.2  # not its life at walls
    assert deaths <= 1
