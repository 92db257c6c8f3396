"""The agent's arithmetic, without a dream and without the game."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium")

import torch

from dreamloop.demos.doom import train_agent
from dreamloop.demos.doom.train_agent import (
    GAMMA,
    LAMBDA,
    MOVES,
    SQUARE,
    STACK,
    Agent,
    Rollout,
    advantages,
    improve,
    mean_and_ci,
    play,
)


def rollout(ticks: int, players: int, moves: torch.Tensor, pay: np.ndarray[Any, np.dtype[np.float32]]) -> Rollout:
    """Grey pictures, moves that had the same chance each, and values of nothing."""
    seen = np.full((ticks, players, STACK, 24, 32), 90, np.uint8)
    chances = torch.full((ticks, players), -float(np.log(len(MOVES))))
    alive = np.ones((ticks, players), np.float32)
    return Rollout(seen, moves, chances, torch.zeros(ticks, players), pay, alive, alive.copy())


def test_advantages_stop_at_the_end_of_an_episode() -> None:
    """An end that is not seen lets the next episode's pay flow into the last one."""
    pay = np.array([[0.0], [0.0], [0.0], [1.0]], np.float32)
    one = rollout(4, 1, torch.zeros(4, 1), pay)
    gains = advantages(one, torch.zeros(1))[:, 0]
    step = GAMMA * LAMBDA
    assert torch.allclose(gains, torch.tensor([step**3, step**2, step, 1.0]))
    one.goes_on[1] = 0.0
    gains = advantages(one, torch.zeros(1))[:, 0]
    assert torch.allclose(gains, torch.tensor([0.0, 0.0, step, 1.0]))


def test_a_move_that_is_paid_is_made_more_often() -> None:
    """A sign that is wrong anywhere in the loss makes it rarer."""
    torch.manual_seed(0)
    agent = Agent(24, 32)
    optimiser = torch.optim.Adam(agent.parameters(), lr=1e-3)
    moves = torch.randint(0, len(MOVES), (16, 8)).float()
    one = rollout(16, 8, moves, (moves == 3).numpy().astype(np.float32))
    picture = torch.full((1, STACK, 24, 32), 90, dtype=torch.uint8)
    before = agent(picture)[0].probs[0, 3].item()
    entropy = improve(agent, optimiser, one, torch.from_numpy(one.pay), curious=0.0)
    assert entropy == pytest.approx(np.log(len(MOVES)), abs=0.02)
    assert agent(picture)[0].probs[0, 3].item() > 1.5 * before


class Corridor:
    """A game of one corridor: every tick goes 32 units on, and the player dies in tick 100."""

    def __init__(self) -> None:
        self.tick, self.kills = 0, 0

    def reset(self, **where: Any) -> tuple[Any, dict[str, Any]]:
        """Begin at the west end."""
        self.tick = self.kills = 0
        return self._frame(), self._info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Go on."""
        before = self._info()["pose"][0] // SQUARE
        self.tick += 1
        self.kills += self.tick == 50
        dead = self.tick == 100
        entered = self._info()["pose"][0] // SQUARE != before
        return self._frame(), 0.05 * entered + (self.tick == 50) - dead, dead, False, self._info()

    def _frame(self) -> Any:
        return np.zeros((96, 128, 3), np.uint8)

    def _info(self) -> dict[str, Any]:
        return {"pose": (32.0 * self.tick, -1.0, 0.0, 0.0), "kills": self.kills, "items": 0}


def test_what_exploring_paid_is_counted_apart() -> None:
    """The true return is mostly kills, for which the dream does not pay."""
    asked: list[Any] = []

    def policy(pictures: Any) -> int:
        asked.append(pictures.shape)
        return 0

    env: Any = Corridor()
    played = play(env, policy, 1, 0)
    assert asked == [(STACK, 24, 32)] * (100 // train_agent.HOLD_TICKS)
    assert played.exploring == pytest.approx(0.05 * (3200 // SQUARE))
    assert (played.kills, played.deaths) == (1, 1)
    assert played.true_return == pytest.approx(played.exploring + 1 - 1)


def test_the_interval_is_that_of_the_mean() -> None:
    said = mean_and_ci([1.0, 2.0, 3.0, 4.0])
    assert said["mean"] == 2.5
    assert said["ci"] == pytest.approx(1.96 * np.std([1, 2, 3, 4], ddof=1) / 2, abs=1e-4)
