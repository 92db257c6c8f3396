"""What the rows of a training batch remember: true frames from before, and frames that the net drew itself.

A dream's bank holds both, as it does in play: the clean prefix that its scene brought, and its own pages since. How far
back the prefix ends is drawn anew for every dream, so that near and far memories are both learnt. Poses are the true
ones, put wrong by a little as a dead-reckoned pose is.
"""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dreamloop.model.camera import coasting, foreseen_step, moved, place, pushes
from dreamloop.model.dataset import DataError, FramePool
from dreamloop.model.dream_config import NetConfig
from dreamloop.model.dream_sources import Recall
from dreamloop.model.memory import FRESH_TICKS, Bank, MemoryConfig, coverage, greedy
from dreamloop.model.pixels import to_float
from dreamloop.model.wear import PART

OWN = 48  # pages of its own that a dream keeps
GAP = (1, 600)  # ticks between the last page of the prefix and the start; drawn log-uniformly
BLANK = 0.12  # part of the rows that has no prefix
ASTRAY = (8.0, 8.0, 0.5, 0.3)  # standard deviation of the error of a pose: map units, degrees
STRIDE_LIMIT = 2.0


class Recalls:
    """Chooses pages for rows of a FramePool with poses, and keeps the pages that ``slots`` dreams drew."""

    def __init__(self, pool: FramePool, net: NetConfig, slots: int, seed: int) -> None:
        self.pool, self.net = pool, net
        self.config = MemoryConfig(reach=net.reach, fov_deg=net.fov_deg)
        self.rng = np.random.default_rng(seed)
        self.begin = np.zeros(slots, np.int64)  # where the dream began
        self.prefix = np.zeros(slots, np.int64)  # pages up to here are true; -1: none
        self.own = torch.zeros(slots, OWN, *pool.frames.shape[1:], dtype=torch.uint8)
        self.own_at = np.full((slots, OWN), -1, np.int64)
        size = (net.height_px // PART, net.width_px // PART)
        self.own_wear = torch.zeros(slots, OWN, *size)
        self.wear = torch.zeros(slots, *size)  # of the last frame
        self.written = np.zeros(slots, np.int64)
        self.pushing = pushing_of(pool, self) if net.depth else np.zeros((2, 0), np.float32)
        self._views: dict[tuple[int, int], NDArray[np.int64]] = {}

    def restart(self, slots: NDArray[np.int64], positions: NDArray[np.int64]) -> None:
        """Give the dreams that begin at ``positions`` a prefix and no pages of their own."""
        self.begin[slots], self.prefix[slots] = positions, self._prefixes(positions)
        self.own_at[slots], self.written[slots] = -1, 0
        self.wear[slots] = 0

    def put(
        self,
        slots: NDArray[np.int64],
        positions: NDArray[np.int64],
        frames: torch.Tensor,
        wears: torch.Tensor | None = None,
    ) -> None:
        """Keep the frames (b, h, w, 3) that were drawn at ``positions``, where the view is new, and their wear."""
        if wears is not None:
            self.wear[slots] = wears
        for slot, at, frame in zip(slots, positions, frames, strict=True):
            views = self._views_at(int(at))
            row = np.searchsorted(views, at)
            if row < len(views) and views[row] == at:
                to = self.written[slot] % OWN
                self.own[slot, to], self.own_at[slot, to] = frame, at
                self.own_wear[slot, to] = self.wear[slot]
                self.written[slot] += 1

    def recall(self, slots: NDArray[np.int64], positions: NDArray[np.int64]) -> Recall:
        """Return what the rows (slot -1: a fresh start) remember where they are about to draw ``positions``."""
        k, (h, w) = self.net.pages, self.pool.frames.shape[1:3]
        first, laid = self.net.laid - k, self.net.laid  # with depth, the last frame comes before the pages
        poses = np.zeros((len(slots), laid, 4))
        pages = torch.zeros(len(slots), k, h, w, 3, dtype=torch.uint8)
        present = np.zeros((len(slots), laid, 1), np.float32)
        wear = torch.zeros(len(slots), 1 + k, *self.wear.shape[1:])
        wear[:, 0] = self.wear[slots] * torch.from_numpy(slots >= 0)[:, None, None]
        true = self._pose(positions)
        fresh = self._prefixes(positions)
        for row, (slot, at) in enumerate(zip(slots, positions, strict=True)):
            views = self._views_at(int(at))
            until = min(fresh[row] if slot < 0 else self.prefix[slot], at - FRESH_TICKS)
            known = views[: np.searchsorted(views, until, side="right")]
            mine = self.own_at[slot] if slot >= 0 else np.empty(0, np.int64)
            usable = np.flatnonzero((mine >= 0) & (mine <= at - FRESH_TICKS))
            ticks = np.concatenate([known, mine[usable]])
            if not len(ticks):
                continue
            there = self._pose(ticks)
            for column, pick in enumerate(greedy(coverage(there, true[row], self.config), k)):
                poses[row, first + column], present[row, first + column] = there[pick], 1
                own = pick - len(known)
                pages[row, column] = self.own[slot, usable[own]] if own >= 0 else self.pool.frames[ticks[pick]]
                if own >= 0:
                    wear[row, 1 + column] = self.own_wear[slot, usable[own]]
        astray = self.rng.normal(size=true.shape) * ASTRAY * self.rng.random((len(true), 1))
        speed = np.nan_to_num(self.steps(positions - 1))
        if first:
            last = self._pose(positions - 1)
            told = np.isfinite(true).all(1) & np.isfinite(last).all(1)
            true = self._foreseen(positions, last, np.nan_to_num(true), speed)
            poses[:, 0], present[told, 0] = np.nan_to_num(last) + astray, 1
        pose = np.nan_to_num(true) + astray
        where = place(poses, pose[:, None], self.net.reach) * present
        parts = (torch.from_numpy(x.astype(np.float32)) for x in (poses, pose, where, speed))
        recall = Recall(to_float(pages) * torch.from_numpy(present[:, first:])[..., None, None], *parts)
        return recall._replace(wear=wear, held=torch.zeros(len(slots))) if self.net.wears else recall

    def _foreseen(
        self,
        positions: NDArray[np.int64],
        last: NDArray[np.float64],
        true: NDArray[np.float64],
        speed: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the poses (b, 4) that a player foresees before the frame is drawn: walls are not in them."""
        steps = foreseen_step(
            speed, true[:, 2] - np.nan_to_num(last)[:, 2], self.pool.actions[positions].numpy(), self.pushing
        )
        steps *= self.net.stride
        rows = zip(np.nan_to_num(last), steps, true, strict=True)
        return np.stack([moved(a, step[0], step[1], b[2] - a[2], b[3] - a[3], 90.0) for a, step, b in rows])

    def steps(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the true steps (b, 2) that led to ``positions``, ahead and to the right, in strides; NaN: not told."""
        now, before = self._pose(positions), self._pose(positions - 1)
        yaw = np.radians(now[:, 2])
        east, north = (now - before)[:, :2].T / self.net.stride
        steps = np.stack([east * np.cos(yaw) + north * np.sin(yaw), east * np.sin(yaw) - north * np.cos(yaw)], 1)
        return np.asarray(np.where(np.abs(steps) > STRIDE_LIMIT, 0.0, steps))

    def _pose(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(self.pool.poses[torch.from_numpy(positions)].numpy(), np.float64)

    def _prefixes(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        gap = np.exp(self.rng.uniform(math.log(GAP[0]), math.log(GAP[1]), len(positions))).astype(np.int64)
        return np.where(self.rng.random(len(positions)) < BLANK, -1, positions - gap)

    def _views_at(self, position: int) -> NDArray[np.int64]:
        """Return the positions, in the episode of ``position``, of the frames that a bank would have kept."""
        span = self.pool.span_of(position)
        if span not in self._views:
            bank = Bank(self.config)
            poses = self._pose(np.arange(*span))
            told = bool(np.isfinite(poses).all())  # where nobody knows the way, nothing is remembered
            kept = [span[0] + tick for tick, pose in enumerate(poses) if told and bank.write(tick, pose) is not None]
            self._views[span] = np.array(kept, np.int64)
        return self._views[span]


def pushing_of(pool: FramePool, recalls: Recalls) -> NDArray[np.float32]:
    """Return (2, a * (a + 1) / 2): strides ahead and to the right per unit of ``pushes``, fitted to the pool.

    Fitted again without the ticks that the fit before explains badly, in which there was a wall.
    """
    rows = np.concatenate([np.arange(start + 2, end) for start, end in pool.spans])
    steps, before = recalls.steps(rows), recalls.steps(rows - 1)
    turn = (pool.poses[rows, 2] - pool.poses[rows - 1, 2]).numpy()
    known = np.isfinite(steps).all(1) & np.isfinite(before).all(1)
    given = pushes(pool.actions[rows].numpy()[known])
    gained = steps[known] - coasting(before[known], turn[known])
    fitted: NDArray[np.floating[Any]] = np.zeros((given.shape[1], 2))
    trusted = np.ones(len(given), bool)
    for _ in range(3):
        square = given[trusted].T @ given[trusted] + 1e-3 * np.eye(given.shape[1])
        fitted = np.linalg.solve(square, given[trusted].T @ gained[trusted])
        wrong = np.abs(gained - given @ fitted).max(1)
        trusted = wrong <= max(3 * float(np.median(wrong)), 0.02)
    return fitted.T.astype(np.float32)


def turning_of(pool: FramePool) -> torch.Tensor:
    """Return (2, a): degrees of turn and tilt per unit of every control, fitted to the poses of the pool.

    Raises:
        DataError: no episode has poses.
    """
    poses = pool.poses.numpy().astype(np.float64)
    rows = np.concatenate([np.arange(start + 1, end) for start, end in pool.spans])
    rows = rows[np.isfinite(poses[rows]).all(1) & np.isfinite(poses[rows - 1]).all(1)]
    if not len(rows):
        raise DataError("a net with memory learns from play that says where it was seen from; this play has no poses")
    change = np.stack([(poses[rows, 2] - poses[rows - 1, 2] + 180) % 360 - 180, poses[rows, 3] - poses[rows - 1, 3]], 1)
    fitted = np.linalg.lstsq(pool.actions.numpy()[rows], change, rcond=None)[0].T
    return torch.from_numpy(np.where(np.abs(fitted) < 0.05, 0, fitted).astype(np.float32))
