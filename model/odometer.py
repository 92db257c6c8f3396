"""Dead reckoning in a dream: how far each player has come, read off the frames alone, and which places are new to them.

A dream has no map and no position. The inverse-dynamics net reads motion off its frames; summed up, that is a path in
the player's own units. Its error grows with time, which a question like "was I here before?" can bear for a minute.
Knows nothing about rewards.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from dreamloop.model.inverse_dynamics import MOTIONS, InverseDynamics, trace_pairs
from dreamloop.model.pixels import to_float
from dreamloop.model.world_model import Frame

AHEAD, RIGHT, TURN = (MOTIONS.index(name) for name in ("ahead", "right", "turn"))
TICKS_ACROSS = (8, 16, 32, 64)  # sides of the squares, in typical steps ahead
GRIDS = 6  # of each size, each laid down another way: where a world's own squares begin, nobody here knows


class Odometer:
    """Reads the motion of n players, tick by tick."""

    def __init__(self, reader: InverseDynamics, players: int) -> None:
        height, width = reader.config.height_px, reader.config.width_px
        self._reader = reader
        self._frames = torch.zeros(players, 3, height, width)
        self._costs = trace_pairs(self._frames, self._frames).costs

    def reset(self, player: int, frame: Frame) -> None:
        """Let ``player`` stand still where ``frame`` (h, w, 3) shows."""
        still = to_float(torch.from_numpy(frame[np.newaxis].copy()))
        self._frames[player] = still[0]
        self._costs[player] = trace_pairs(still, still).costs[0]

    def step(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return how every player moved in the tick that ``frames`` (n, h, w, 3) show: (n, 4), as MOTIONS."""
        now = to_float(torch.from_numpy(frames))
        traces = trace_pairs(self._frames, now)
        moved = self._reader.motion(self._costs, traces)
        self._frames, self._costs = now, traces.costs
        return moved


class Trail:
    """Where one player has been, as squares of several sizes on grids laid down at random."""

    def __init__(self, step: float, seed: int = 0) -> None:
        """``step``: how far a player typically goes in a tick, in the units of the motions."""
        rng = np.random.default_rng(seed)
        self._sides = np.repeat(np.array(TICKS_ACROSS, np.float64) * step, GRIDS)
        self._angles = rng.uniform(0, math.pi / 2, len(self._sides))
        self._shifts = rng.uniform(0, 1, (len(self._sides), 2))
        self.clear()

    def clear(self) -> None:
        """Begin anew: only the square under the player is known."""
        self.x = self.y = self.heading = 0.0  # heading in radians, clockwise, 0: the way the player looked at first
        self._known: set[tuple[int, int, int]] = set()
        self._enter()

    def move(self, motion: NDArray[np.float32]) -> NDArray[np.float32]:
        """Go on by a motion (4,); return for each size the share of grids (0..1) on which a new square is entered."""
        ahead, right = float(motion[AHEAD]), float(motion[RIGHT])
        self.x += ahead * math.sin(self.heading) + right * math.cos(self.heading)
        self.y += ahead * math.cos(self.heading) - right * math.sin(self.heading)
        self.heading += math.radians(float(motion[TURN]))
        return self._enter()

    def _enter(self) -> NDArray[np.float32]:
        cos, sin = np.cos(self._angles), np.sin(self._angles)
        across = (self.x * cos - self.y * sin) / self._sides + self._shifts[:, 0]
        along = (self.x * sin + self.y * cos) / self._sides + self._shifts[:, 1]
        squares = zip(np.floor(across).astype(int).tolist(), np.floor(along).astype(int).tolist(), strict=True)
        new = np.zeros(len(self._sides), np.float32)
        for grid, (column, row) in enumerate(squares):
            square = (grid, column, row)
            new[grid] = square not in self._known
            self._known.add(square)
        shares: NDArray[np.float32] = new.reshape(len(TICKS_ACROSS), GRIDS).mean(1)
        return shares
