"""What the rows of a training batch remember: true frames from before, and frames that the net drew itself.

A dream's bank holds both, as it does in play: the clean prefix that its scene brought, and its own pages since. How far
back the prefix ends is drawn anew for every dream, so that near and far memories are both learnt. Poses are the true
ones, put wrong by a little as a dead-reckoned pose is.
"""

import math
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamloop.model.camera import foreseen_step, mirrored, moved, place
from dreamloop.model.dataset import DataError, FramePool
from dreamloop.model.dream_config import NetConfig
from dreamloop.model.dream_sources import Recall
from dreamloop.model.memory_policies import BEARINGS, DEPTHS, FRESH_TICKS, LEAST, Bank, MemoryConfig
from dreamloop.model.pixels import to_float
from dreamloop.model.pushing import pushing_of
from dreamloop.model.wear import PART

OWN = 48  # pages of its own that a dream keeps
GAP = (1, 600)  # ticks between the last page of the prefix and the start; drawn log-uniformly
BLANK = 0.12  # part of the rows that has no prefix
ASTRAY = (8.0, 8.0, 0.5, 0.3)  # standard deviation of the error of a pose: map units, degrees
STRIDE_LIMIT = 2.0


class Recalls:
    """Chooses pages for rows of a FramePool with poses, and keeps the pages that ``slots`` dreams drew.

    ``pushing``: what pushes a player (model/pushing.py); None: as the pool tells.
    """

    def __init__(
        self, pool: FramePool, net: NetConfig, slots: int, seed: int, pushing: NDArray[np.float32] | None = None
    ) -> None:
        self.pool, self.net = pool, net
        self.config = MemoryConfig(reach=net.reach, fov_deg=net.fov_deg)
        self.rng = np.random.default_rng(seed)
        self.begin = np.zeros(slots, np.int64)  # where the dream began
        self.prefix = np.zeros(slots, np.int64)  # pages up to here are true; -1: none
        self.own = pool.frames.new_zeros(slots, OWN, *pool.frames.shape[1:])
        self.own_at = np.full((slots, OWN), -1, np.int64)
        size = (net.height_px // PART, net.width_px // PART)
        self.own_wear = torch.zeros(slots, OWN, *size, device=pool.frames.device)
        self.wear = torch.zeros(slots, *size, device=pool.frames.device)  # of the last frame
        self.written = np.zeros(slots, np.int64)
        if pushing is None and net.depth:
            pushing = pushing_of(
                ((pool.actions[a:b].numpy(), pool.poses[a:b].numpy()) for a, b in pool.spans), net.stride
            )
        self.pushing = np.zeros((2, 0), np.float32) if pushing is None else pushing

    def restart(self, slots: NDArray[np.int64], positions: NDArray[np.int64]) -> None:
        """Give the dreams that begin at ``positions`` a prefix and no pages of their own."""
        self.begin[slots], self.prefix[slots] = positions, self._prefixes(positions)
        self.own_at[slots], self.written[slots] = -1, 0
        self.wear[slots] = 0

    def put(
        self,
        slots: NDArray[np.int64],
        positions: NDArray[np.int64],
        frames: Tensor,
        wears: Tensor | None = None,
    ) -> None:
        """Keep the frames (b, h, w, 3) that were drawn at ``positions``, where the view is new, and their wear."""
        if wears is not None:
            self.wear[slots] = wears
        new = np.flatnonzero(np.isin(positions, self.views))
        rows, to = slots[new], self.written[slots[new]] % OWN
        self.own[rows, to] = frames[torch.from_numpy(new)]
        self.own_wear[rows, to] = self.wear[rows]
        self.own_at[rows, to] = positions[new]
        self.written[rows] += 1

    def recall(self, slots: NDArray[np.int64], positions: NDArray[np.int64]) -> Recall:
        """Return what the rows (slot -1: a fresh start) remember where they are about to draw ``positions``."""
        k, first = self.net.pages, self.net.laid - self.net.pages  # with depth, the last frame comes before the pages
        poses, present = np.zeros((len(slots), self.net.laid, 4)), np.zeros((len(slots), self.net.laid, 1), np.float32)
        true = self._pose(positions)
        ticks, usable = self._candidates(slots, positions)
        there = self._pose(ticks.ravel()).reshape(*ticks.shape, 4)
        picks = choose(there, usable, true, self.config, k, self.wear.device)
        rows, columns = np.nonzero(picks >= 0)
        chosen = picks[rows, columns]
        poses[rows, first + columns], present[rows, first + columns] = there[rows, chosen], 1
        pages, wear = self._pages(slots, ticks, picks)
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
        shown = torch.from_numpy(present[:, first:]).to(pages.device)
        recall = Recall(to_float(pages) * shown[..., None, None], *parts)
        return recall._replace(wear=wear, held=torch.zeros(len(slots))) if self.net.wears else recall

    def _candidates(
        self, slots: NDArray[np.int64], positions: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the positions (b, m) of what might be remembered, the last OWN of them of own pages; and what may be.

        Younger pages are among the frames that the net sees anyway.
        """
        until = np.where(slots < 0, self._prefixes(positions), self.prefix[slots])
        until = np.minimum(until, positions - FRESH_TICKS)
        low = np.searchsorted(self.views, self.pool.spans_of(positions)[0])
        high = np.maximum(np.searchsorted(self.views, until, side="right"), low)
        columns = low[:, None] + np.arange((high - low).max(initial=0))
        known = columns < high[:, None]
        ticks = self.views[np.where(known, columns, 0)] if known.any() else np.zeros_like(columns)
        mine = self.own_at[slots]
        usable = (slots[:, None] >= 0) & (mine >= 0) & (mine <= positions[:, None] - FRESH_TICKS)
        return np.concatenate([ticks, np.where(usable, mine, 0)], 1), np.concatenate([known, usable], 1)

    def _pages(
        self, slots: NDArray[np.int64], ticks: NDArray[np.int64], picks: NDArray[np.int64]
    ) -> tuple[Tensor, Tensor]:
        """Return the picked pages (b, k, h, w, 3), and the wear (b, 1 + k, h', w') of the last frame and of them."""
        rows = np.arange(len(slots))[:, None]
        pages = self.pool.frames[torch.from_numpy(ticks[rows, picks])]
        wear = self.wear.new_zeros(len(slots), 1 + picks.shape[1], *self.wear.shape[1:])
        dreams = np.flatnonzero(slots >= 0)
        wear[dreams, 0] = self.wear[slots[dreams]]
        first = ticks.shape[1] - OWN
        row, column = np.nonzero(picks >= first)
        of, page = slots[row], picks[row, column] - first
        pages[row, column], wear[row, 1 + column] = self.own[of, page], self.own_wear[of, page]
        return pages, wear

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
        steps = np.stack(mirrored((now - before)[:, :2].T / self.net.stride, np.radians(now[:, 2])), 1)
        return np.asarray(np.where(np.abs(steps) > STRIDE_LIMIT, 0.0, steps))

    def _pose(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(self.pool.poses[torch.from_numpy(positions)].numpy(), np.float64)

    def _prefixes(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        gap = np.exp(self.rng.uniform(math.log(GAP[0]), math.log(GAP[1]), len(positions))).astype(np.int64)
        return np.where(self.rng.random(len(positions)) < BLANK, -1, positions - gap)

    @cached_property
    def views(self) -> NDArray[np.int64]:
        """The positions, over all episodes, of the frames that a bank would have kept, in order."""
        kept = []
        for start, end in sorted(self.pool.spans):
            bank, poses = Bank(self.config), self._pose(np.arange(start, end))
            if np.isfinite(poses).all():  # where nobody knows the way, nothing is remembered
                kept += [start + tick for tick, pose in enumerate(poses) if bank.write(tick, pose) is not None]
        return np.array(kept, np.int64)


def choose(
    pages: NDArray[np.float64],
    usable: NDArray[np.bool_],
    poses: NDArray[np.float64],
    config: MemoryConfig,
    k: int,
    device: torch.device,
) -> NDArray[np.int64]:
    """Return which pages (b, k) a bank would read at ``poses`` (b, 4), -1: none; as ``memory.greedy`` does, for many.

    Args:
        pages: (b, m, 4) poses of what is remembered, as far as it is ``usable`` (b, m).
    """
    cover = torch.where(
        torch.from_numpy(usable).to(device)[..., None],
        coverages(torch.from_numpy(pages).to(device), torch.from_numpy(poses).to(device), config),
        0.0,
    )
    have, picks = torch.zeros_like(cover[:, 0]), []
    for _ in range(k):
        gain, best = (cover - have[:, None]).clamp_min(0).mean(2).max(1)
        picks.append(torch.where(gain < LEAST, -1, best))
        have = torch.maximum(have, cover[torch.arange(len(best)), best])
    return np.asarray(torch.stack(picks, 1).cpu().numpy())


def coverages(pages: Tensor, pose: Tensor, config: MemoryConfig) -> Tensor:
    """Return ``memory.coverage`` (b, m, points) of pages (b, m, 4) for poses (b, 4) all at once."""
    half, far = math.tan(math.radians(config.fov_deg / 2)), torch.from_numpy(DEPTHS).to(pages)[:, None] * config.reach
    heading = torch.deg2rad(pose[:, 2, None, None]) - torch.from_numpy(BEARINGS).to(pages)
    east = (pose[:, 0, None, None] + far * heading.cos()).flatten(1)[:, None] - pages[..., 0, None]
    north = (pose[:, 1, None, None] + far * heading.sin()).flatten(1)[:, None] - pages[..., 1, None]
    yaw = torch.deg2rad(pages[..., 2, None])
    ahead, right = east * yaw.cos() + north * yaw.sin(), east * yaw.sin() - north * yaw.cos()
    inside = (ahead > 0.1 * config.reach) & (right.abs() < ahead * half)
    there, here = torch.hypot(ahead, right), far.expand(-1, len(BEARINGS)).flatten()
    ratio = torch.minimum(there, here) / torch.maximum(there, here).clamp_min(1e-6)
    apart = torch.hypot(*(pages[..., :2] - pose[:, None, :2]).unbind(-1)) / config.reach
    return inside * ratio * torch.exp(-0.5 * apart)[..., None]


def turning_of(pool: FramePool) -> Tensor:
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
