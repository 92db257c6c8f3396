"""The dreamed Doom as an environment, with the weights and the reward head in the box."""

import numpy as np
import pytest

from dreamloop.model.reward_net import FILE_NAME
from dreamloop.runtime.world import find_world

gymnasium = pytest.importorskip("gymnasium")

from gymnasium.utils.env_checker import check_env  # noqa: E402 (behind the skip)

import dreamloop.runtime.gym  # noqa: E402, F401 (registers the worlds)

ID = "dreamloop/Doom-v0"


def test_it_passes_gymnasiums_own_check() -> None:
    env = gymnasium.make(ID, threads=1).unwrapped
    check_env(env, skip_render_check=True)
    assert env.observation_space.shape == (96, 128, 3)


def test_running_is_paid_more_than_standing_and_a_seed_decides_everything() -> None:
    """The bundled head: a second of running from every scene against a second of standing still."""
    many = gymnasium.make_vec(ID, num_envs=4, threads=1)
    run = np.zeros(many.action_space.shape, np.float32)
    run[:, [0, 4]] = 1.0
    totals = []
    for action in (run, run, np.zeros_like(run)):
        many.reset(seed=3)
        steps = [many.step(action) for _ in range(35)]
        totals.append((steps[-1][0], sum(step[1] for step in steps)))
    assert np.array_equal(totals[0][0], totals[1][0])
    assert np.array_equal(totals[0][1], totals[1][1])
    assert totals[0][1].mean() > totals[2][1].mean()


def test_the_head_is_small_and_says_how_good_it_is() -> None:
    world = find_world("doom")
    assert (world.folder / FILE_NAME).stat().st_size < 1_000_000
    from dreamloop.runtime.reward_world import open_head

    opened = open_head(world)
    assert opened is not None
    assert opened[0].card is not None
    assert opened[0].card.provenance["held_out"]["kinds"]["0.05"]["auc"] > 0.7
