"""Frames in memory for training: one flat pool, filled from simulators or recordings, sampled as short clips.

An episode is (frames, actions), and may go on with poses, and then with distances: ``actions[i]`` led to ``frames[i]``.
Knows nothing about where episodes come from.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamloop.input.errors import DreamloopError
from dreamloop.model.depth import FINE

# Frames (t, h, w, 3), actions (t, a), and where they are told, poses (t, 4) and distances (t, h / FINE, w / FINE).
Episode = tuple[NDArray[np.uint8], NDArray[np.float32], *tuple[NDArray[Any], ...]]


class DataError(DreamloopError):
    """Training data that is missing or of the wrong shape."""


class FramePool:
    """Episodes back to back in two arrays; the oldest ones are overwritten when the pool is full.

    Pictures and distances lie on ``device``, for there they are wanted; all else is for reckoning and stays here.
    """

    def __init__(
        self,
        frames: int,
        height_px: int,
        width_px: int,
        actions: int,
        *,
        distances: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        self.frames = torch.zeros(frames, height_px, width_px, 3, dtype=torch.uint8, device=device)
        self.actions = torch.zeros(frames, actions)
        self.poses = torch.full((frames, 4), torch.nan)  # x, y, yaw, pitch in map units and degrees; NaN: not told
        size = (frames, height_px // FINE, width_px // FINE) if distances else (0,)
        self.distances = torch.full(
            size, torch.nan, dtype=torch.float16, device=device
        )  # of what is in view, map units; NaN: not told
        self.spans: list[tuple[int, int]] = []  # start and end of every whole episode in the pool
        self._head = 0

    def __len__(self) -> int:
        return sum(end - start for start, end in self.spans)

    def add(self, episode: Episode) -> None:
        """Copy one episode in; what it overwrites is forgotten.

        Raises:
            DataError: the episode is longer than the pool, or of another size.
        """
        frames, actions, *more = episode
        length = len(frames)
        if length > len(self.frames) or frames.shape[1:] != self.frames.shape[1:]:
            raise DataError(f"an episode of shape {frames.shape} does not fit a pool of {tuple(self.frames.shape)}")
        if self._head + length > len(self.frames):
            self._head = 0
        start, end = self._head, self._head + length
        self.spans = [span for span in self.spans if span[1] <= start or span[0] >= end]
        self.frames[start:end] = torch.from_numpy(np.ascontiguousarray(frames))
        self.actions[start:end] = torch.from_numpy(np.ascontiguousarray(actions))
        self.poses[start:end] = torch.from_numpy(more[0]) if more else torch.nan
        if len(self.distances):
            self.distances[start:end] = torch.from_numpy(more[1]) if len(more) > 1 else torch.nan
        self.spans.append((start, end))
        self._head = end

    def spans_of(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return starts (n,) and ends (n,) of the episodes that ``positions`` (n,) are in, or have just left."""
        starts, ends = np.array(sorted(self.spans)).T
        which = np.searchsorted(starts, positions, side="right") - 1
        return starts[which], ends[which]

    def fill(self, episodes: Iterable[Episode]) -> None:
        """Add episodes until the pool is full or they end."""
        for episode in episodes:
            wraps = self._head + len(episode[0]) > len(self.frames)
            self.add(episode)
            if wraps:
                break
        if not self.spans:
            raise DataError("no episodes to train on; run 'dreamloop collect' first, or give a world with a simulator")

    def sample(self, n: int, history: int, ahead: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw n positions that have ``history`` ticks before them and ``ahead`` ticks from them on, uniformly."""
        starts = np.array([start + history for start, _ in self.spans])
        room = np.array([end - start - history - ahead for start, end in self.spans]).clip(0)
        if not room.sum():
            raise DataError(f"no episode is as long as {history} + {ahead} ticks")
        ends = room.cumsum()
        drawn = rng.integers(0, ends[-1], n)
        which = np.searchsorted(ends, drawn, side="right")
        return np.asarray(starts[which] + drawn - (ends[which] - room[which]))

    def clip(self, positions: NDArray[np.int64], first: int, last: int) -> tuple[Tensor, Tensor]:
        """Return uint8 frames (n, t, h, w, 3) and actions (n, t, a), ticks ``first`` to ``last`` around positions."""
        index = torch.from_numpy(positions)[:, None] + torch.arange(first, last)
        return self.frames[index], self.actions[index]
