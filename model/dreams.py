"""Rollouts that live on between training steps: the net meets its own frames at every age for the price of one step.

Each slot holds the last frames of one dream. A training step draws the next frame of some slots and puts it back
without gradient, so dreams of a thousand ticks are trained on at the cost of single frames. Young dreams are taught
by the truth, old ones by the critic alone.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamloop.model.dataset import FramePool
from dreamloop.model.dream_config import NetConfig
from dreamloop.model.dream_sources import Recall
from dreamloop.model.recalls import Recalls


@dataclass(frozen=True, slots=True)
class Batch:
    """What one training step draws."""

    slots: NDArray[np.int64]  # (b,) rows of Dreams, -1 for a fresh start
    history: Tensor  # (b, context, h, w, 3) uint8
    actions: Tensor  # (b, action_ticks, a)
    truth: Tensor  # (b, h, w, 3) uint8
    weight: Tensor  # (b,) how much the truth teaches, 1 for a fresh start, 0 for an old dream
    recall: Recall | None = None  # what is remembered, for nets with memory
    step: Tensor | None = None  # (b, 2) the step that leads to the truth, ahead and to the right, in strides
    before: Tensor | None = None  # (b, h, w, 3) uint8, the true frame before the truth


class Dreams:
    """A fixed number of rollouts over a FramePool."""

    def __init__(
        self,
        pool: FramePool,
        net: NetConfig,
        slots: int,
        horizon: int,
        long_share: float,
        long_age: int,
        seed: int,
    ) -> None:
        self.pool, self.context, self.ticks, self.horizon = pool, net.context, net.action_ticks, horizon
        self.rng = np.random.default_rng(seed)
        self.limit = np.where(np.arange(slots) < round(long_share * slots), long_age, horizon)
        self.age = np.zeros(slots, np.int64)
        self.position = np.zeros(slots, np.int64)
        self.recalls = Recalls(pool, net, slots, seed + 1) if net.pages else None
        self.history = pool.frames.new_zeros(slots, self.context, *pool.frames.shape[1:])
        self._restart(np.arange(slots))
        self.age = self.rng.integers(0, horizon // 2, slots)  # spread, so that not all dreams end together

    def fresh(self, n: int) -> Batch:
        """Draw n true histories."""
        positions = self.pool.sample(n, max(self.context, self.ticks), 1, self.rng)
        frames, actions = self._around(positions)
        return self._batch(np.full(n, -1), positions, frames[:, :-1], actions, np.ones(n))

    def dreamed(self, n: int) -> Batch:
        """Pick n dreams to go on with; those that are over start again from the truth."""
        slots = self.rng.permutation(len(self.age))[:n]
        self._restart(slots[self.age[slots] >= self.limit[slots]])
        self._jump(slots[self._ended(self.position[slots])])
        positions = self.position[slots]
        _, actions = self._around(positions)
        weight = (1 - self.age[slots] / self.horizon).clip(0)
        return self._batch(slots, positions, self.history[slots], actions, weight)

    def put(self, slots: NDArray[np.int64], frames: Tensor, wears: Tensor | None = None) -> None:
        """Store the drawn frames (b, h, w, 3) uint8 of the slots that are dreams, and how worn they are."""
        mine = np.flatnonzero(slots >= 0)
        rows, drawn = slots[mine], frames[torch.from_numpy(mine)]
        if self.recalls is not None:
            worn = None if wears is None else wears[torch.from_numpy(mine)]
            self.recalls.put(rows, self.position[rows], drawn, worn)
        self.history[rows] = torch.cat([self.history[rows][:, 1:], drawn[:, None]], 1)
        self.age[rows] += 1
        self.position[rows] += 1

    def _around(self, positions: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        frames, _ = self.pool.clip(positions, -self.context, 1)
        _, actions = self.pool.clip(positions, 1 - self.ticks, 1)
        return frames, actions

    def _batch(
        self,
        slots: NDArray[np.int64],
        positions: NDArray[np.int64],
        history: Tensor,
        actions: Tensor,
        weight: NDArray[np.float64],
    ) -> Batch:
        truth, _ = self.pool.clip(positions, -1, 1)
        recall = step = None
        if self.recalls is not None:
            recall = self.recalls.recall(slots, positions)
            step = torch.from_numpy(self.recalls.steps(positions)).float()
        return Batch(
            slots, history, actions, truth[:, 1], torch.from_numpy(weight).float(), recall, step, before=truth[:, 0]
        )

    def _restart(self, slots: NDArray[np.int64]) -> None:
        if not len(slots):
            return
        self.position[slots] = self.pool.sample(len(slots), max(self.context, self.ticks), self.horizon, self.rng)
        self.history[slots] = self.pool.clip(self.position[slots], -self.context, 0)[0]
        self.age[slots] = 0
        if self.recalls is not None:
            self.recalls.restart(slots, self.position[slots])

    def _jump(self, slots: NDArray[np.int64]) -> None:
        """Go on with the actions of another episode; from here on there is no truth to compare with."""
        if self.recalls is not None:  # what is remembered lies in the old episode
            self._restart(slots)
        elif len(slots):
            self.position[slots] = self.pool.sample(len(slots), self.ticks, self.horizon, self.rng)
            self.age[slots] = np.maximum(self.age[slots], self.horizon)

    def _ended(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray(positions >= self.pool.spans_of(positions)[1])
