"""Which of the frames that were shown are kept, and which of those are seen again: the policies of the memory.

A policy decides by poses and ticks alone, so it holds no tensors. One that has a ``look`` is shown a frame before it is
offered, and may keep a few numbers of it.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.camera import Poses, turned
from dreamloop.model.world_model import Frame

FRESH_TICKS = 9  # younger pages are among the frames that the net sees anyway
BEARINGS = np.radians(np.linspace(-40, 40, 9))  # columns of the view that pages are asked to cover
DEPTHS = np.array([0.5, 1.5, 4.0])  # how far the points in these columns are, in units of reach
LIKE = 0.6  # a view is like a page's when it is no newer than this, 1 being new enough for a page of its own
DREAMED = 0.5  # what a dreamed page counts beside a true one: else a worn view nearby would hide a true one farther off
LEAST = 0.08  # share of the view that a page must cover to be read


@dataclass(frozen=True, slots=True)
class MemoryConfig:
    """How much is remembered, and how finely."""

    pages: int = 512  # most pages of one player; a page is one frame
    step: float = 32.0  # map units: a view from farther than this is new
    turn_deg: float = 15.0  # a view turned by more than this is new
    reach: float = 128.0  # map units: the distance at which things are looked at
    fov_deg: float = 90.0  # horizontal angle of view
    lens: float = 1.6  # focal length over half the height: how far a tilt moves the horizon


class Policy(Protocol):
    """Decides what is written, dropped and read. Slots are numbers below ``config.pages``."""

    def write(self, tick: int, pose: Poses) -> int | None:
        """Return the slot that the frame of ``tick`` goes to (what was there is dropped), None: not kept.

        Ticks go up in play; a true history is offered before it, from its last tick down.
        """
        ...

    def like(self, tick: int, pose: Poses) -> int | None:
        """Return the slot of a page of nearly the view from ``pose``, to be taken anew if that has changed, or None."""
        ...

    def retake(self, slot: int, tick: int, pose: Poses) -> None:
        """Take note that the page of ``slot`` is now one of ``tick``, seen from ``pose``."""
        ...

    def arrive(self, tick: int) -> None:
        """Take note that the pages of before ``tick`` are true: those from then on are dreamed."""
        ...

    def read(self, tick: int, pose: Poses, k: int) -> list[int]:
        """Return at most ``k`` slots whose pages are worth seeing at ``pose``, the best first."""
        ...

    def pose_of(self, slot: int) -> Poses:
        """Return the pose (4,) that the page of ``slot`` was taken at."""
        ...

    def tick_of(self, slot: int) -> int:
        """Return the tick that the page of ``slot`` was taken at."""
        ...

    def state(self) -> dict[str, Any]:
        """Return everything that decides the future, as arrays and numbers."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what ``state()`` returned."""
        ...


def coverage(pages: Poses, pose: Poses, config: MemoryConfig) -> NDArray[np.float64]:
    """Return (n, points): how well each page (n, 4) shows points spread over the view from ``pose``, 0..1.

    A point counts for a page that has it in view, and the more the nearer its distance then is to its distance now.
    """
    half = np.tan(np.radians(config.fov_deg / 2))
    far = DEPTHS[:, None] * config.reach
    heading = np.radians(pose[2]) - BEARINGS
    east = (pose[0] + far * np.cos(heading)).ravel() - pages[:, 0, None]
    north = (pose[1] + far * np.sin(heading)).ravel() - pages[:, 1, None]
    yaw = np.radians(pages[:, 2, None])
    ahead, right = east * np.cos(yaw) + north * np.sin(yaw), east * np.sin(yaw) - north * np.cos(yaw)
    inside = (ahead > 0.1 * config.reach) & (np.abs(right) < ahead * half)
    there, here = np.hypot(ahead, right), np.broadcast_to(far, (len(DEPTHS), len(BEARINGS))).ravel()
    ratio = np.minimum(there, here) / np.maximum(np.maximum(there, here), 1e-6)
    apart = np.hypot(pages[:, 0] - pose[0], pages[:, 1] - pose[1]) / config.reach
    return np.asarray(inside * ratio * np.exp(-0.5 * apart)[:, None])


def greedy(cover: NDArray[np.floating[Any]], k: int, least: float = LEAST) -> list[int]:
    """Return at most ``k`` rows of ``cover`` (n, points) that together cover most, each adding ``least`` or more."""
    chosen: list[int] = []
    have = np.zeros(cover.shape[1])
    while len(chosen) < min(k, len(cover)):
        gain = np.maximum(cover - have, 0).mean(1)
        best = int(gain.argmax())
        if gain[best] < least:
            break
        chosen.append(best)
        have = np.maximum(have, cover[best])
    return chosen


class Table:
    """The columns that every policy keeps: poses and ticks of its pages."""

    lasting = False  # whether what was measured of true pages may be read for as long as they are kept

    def __init__(self, config: MemoryConfig) -> None:
        self.config = config
        self.poses = np.zeros((config.pages, 4))
        self.ticks = np.full(config.pages, -1, np.int64)  # when it was written; -1: empty
        self.reads = np.full(config.pages, -1, np.int64)  # when it was read last
        self.arrived = 0  # pages of before this tick are true

    def pose_of(self, slot: int) -> Poses:
        """Return the pose (4,) of a page."""
        return np.asarray(self.poses[slot])

    def tick_of(self, slot: int) -> int:
        """Return the tick that a page was taken at."""
        return int(self.ticks[slot])

    def state(self) -> dict[str, Any]:
        """Return copies of the columns, only as far as they are filled."""
        n = int(np.flatnonzero(self.ticks >= 0).max(initial=-1)) + 1
        columns = {"poses": self.poses[:n].copy(), "ticks": self.ticks[:n].copy(), "reads": self.reads[:n].copy()}
        return columns | {"arrived": self.arrived}

    def restore(self, state: dict[str, Any]) -> None:
        """Fill the columns from ``state``."""
        n = len(state["ticks"])
        self.ticks[n:] = -1
        self.arrived = int(state.get("arrived", 0))
        self.poses[:n], self.ticks[:n], self.reads[:n] = state["poses"], state["ticks"], state["reads"]

    def arrive(self, tick: int) -> None:
        """The pages of before ``tick`` are true."""
        self.arrived = tick

    def like(self, tick: int, pose: Poses) -> int | None:
        """Nothing is taken anew."""
        return None

    def retake(self, slot: int, tick: int, pose: Poses) -> None:
        """The page is of another tick and pose now."""
        self._put(slot, tick, pose)

    def _put(self, slot: int, tick: int, pose: Poses) -> int:
        self.poses[slot], self.ticks[slot], self.reads[slot] = pose, tick, tick
        return slot

    def _dreamed(self, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say which pages are dreamed; where nobody arrived, no page is better than another."""
        return (self.ticks[slots] >= self.arrived) & (self.arrived > 0)

    def _old_enough(self, tick: int) -> NDArray[np.int64]:
        return np.flatnonzero((self.ticks >= 0) & (self.ticks <= tick - FRESH_TICKS))

    def _covering(self, slots: NDArray[np.int64], tick: int, pose: Poses, k: int) -> list[int]:
        near = slots[np.hypot(*(self.poses[slots, :2] - pose[:2]).T) < 6 * self.config.reach]
        cover = coverage(self.poses[near], pose, self.config)
        cover[self._dreamed(near)] *= DREAMED
        chosen = [int(near[row]) for row in greedy(cover, k)]
        self.reads[chosen] = tick
        return chosen


class Bank(Table):
    """Keeps a page for every new view, for the whole session.

    When full, it drops what is doubled and long unread, and of true pages only when there are few others.
    """

    lasting = True

    def write(self, tick: int, pose: Poses) -> int | None:
        """Keep the frame when no page was taken near ``pose``."""
        if self._farness(pose[None], exclude=False).min(initial=np.inf) < 1:
            return None
        free = np.flatnonzero(self.ticks < 0)
        return self._put(int(free[0]) if len(free) else self._victim(), tick, pose)

    def read(self, tick: int, pose: Poses, k: int) -> list[int]:
        """Choose the pages that together cover most of the view."""
        return self._covering(self._old_enough(tick), tick, pose, k)

    def _farness(self, poses: Poses, exclude: bool) -> NDArray[np.float64]:
        """Return (n,): how new each pose is, 1 being just new; with ``exclude``, its own page does not count."""
        apart = self._apart(poses)
        if exclude:
            apart = np.where(apart == 0, np.inf, apart)
        return np.asarray(apart.min(1, initial=np.inf))

    def _apart(self, poses: Poses) -> NDArray[np.float64]:
        """Return (n, pages): how far each pose is from that of every page in use, 1 being a new view."""
        used = self.ticks >= 0
        far = np.hypot(*(self.poses[used, :2] - poses[:, None, :2]).transpose(2, 0, 1)) / self.config.step
        turn = np.abs(turned(self.poses[used, 2] - poses[:, None, 2])) / self.config.turn_deg
        tilt = np.abs(self.poses[used, 3] - poses[:, None, 3]) / self.config.turn_deg
        return np.asarray(np.maximum(np.maximum(far, turn), tilt))

    def _victim(self) -> int:
        """Of the 32 dreamed pages that were not read for longest, the one that has the nearest neighbour.

        True ones are among them only where fewer than 32 are dreamed.
        """
        unread = np.argsort(self.reads, kind="stable")
        stale = unread[np.argsort(~self._dreamed(unread), kind="stable")][:32]
        return int(stale[self._farness(self.poses[stale], exclude=True).argmin()])


class Renewing(Bank):
    """A bank that takes a page anew when what it shows has changed: a door that was opened is remembered open.

    What the dream drew wrongly passes for a change, too, and then a true page is lost.
    """

    def like(self, tick: int, pose: Poses) -> int | None:
        """Return the page nearest in pose, when it is near and not of just now."""
        used = np.flatnonzero(self.ticks >= 0)
        if not len(used):
            return None
        apart = self._apart(pose[None])[0]
        nearest = int(apart.argmin())
        slot = int(used[nearest])
        return slot if apart[nearest] <= LIKE and self.ticks[slot] <= tick - FRESH_TICKS else None


class Window(Bank):
    """Only the last ``SPAN`` ticks count: what most models call a long context."""

    SPAN = 300
    lasting = False

    def read(self, tick: int, pose: Poses, k: int) -> list[int]:
        """Choose as the bank does, among recent pages."""
        slots = self._old_enough(tick)
        return self._covering(slots[self.ticks[slots] > tick - self.SPAN], tick, pose, k)

    def write(self, tick: int, pose: Poses) -> int | None:
        """Forget what has left the window, then keep what is new in it."""
        self.ticks[(self.ticks >= 0) & (self.ticks <= tick - self.SPAN)] = -1
        return super().write(tick, pose)


class Recurrent(Table):
    """A state of fixed size, as a delta rule keeps it: a late view under each heading, wherever that was.

    What is written replaces what was there, so what it costs and keeps never grows (Yang et al. 2024, Gated Delta
    Networks, arXiv:2412.06464, of which this is the rule without the learning).
    """

    HEADINGS = 24
    RENEW_TICKS = 35  # that a view stays before a newer one replaces it, or none would grow old enough to be read

    def write(self, tick: int, pose: Poses) -> int | None:
        """Replace the view under the heading."""
        slot = int(pose[2] % 360.0 * self.HEADINGS / 360.0) % min(self.HEADINGS, self.config.pages)
        known = self.ticks[slot]  # of a true history the latest comes first
        return None if known >= 0 and tick - known < self.RENEW_TICKS else self._put(slot, tick, pose)

    def read(self, tick: int, pose: Poses, k: int) -> list[int]:
        """Choose the headings that together cover most of the view."""
        return self._covering(self._old_enough(tick), tick, pose, k)


class Content(Table):
    """Asks no pose: pages are written and read by what they show, as one does where nobody knows where one is.

    Their keys are the means of parts of the picture, after Mixture of Contexts (Cai et al. 2025, arXiv:2508.21058).
    """

    PARTS = (6, 8)  # of a picture's height and width
    NEW = 12.0  # levels by which a picture differs from all pages, in the mean, to become one

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__(config)
        self.keys = np.zeros((config.pages, 3 * math.prod(self.PARTS)), np.float32)
        self.seen = np.zeros(3 * math.prod(self.PARTS), np.float32)  # of the frame that is showing

    def look(self, frame: Frame) -> None:
        """Take note of the frame that is showing."""
        down, across = (
            np.linspace(0, size, n + 1).astype(int) for size, n in zip(frame.shape, self.PARTS, strict=False)
        )
        parts = [frame[a : max(b, a + 1)] for a, b in pairwise(down)]
        cells = [part[:, a : max(b, a + 1)].mean((0, 1)) for part in parts for a, b in pairwise(across)]
        self.seen = np.concatenate(cells).astype(np.float32)

    def arrive(self, tick: int) -> None:
        """What shows is the latest of the true pages, though it was offered first."""
        super().arrive(tick)
        if self.ticks.max() >= 0:
            self.seen = self.keys[int(self.ticks.argmax())].copy()

    def write(self, tick: int, pose: Poses) -> int | None:
        """Keep the frame when it looks like none that is kept; if there is no room, for what was unread for longest."""
        if self._unlike(np.flatnonzero(self.ticks >= 0)).min(initial=np.inf) < self.NEW:
            return None
        free = np.flatnonzero(self.ticks < 0)
        slot = self._put(int(free[0]) if len(free) else int(self.reads.argmin()), tick, pose)
        self.keys[slot] = self.seen
        return slot

    def read(self, tick: int, pose: Poses, k: int) -> list[int]:
        """Choose the pages that look most like the frame that is showing."""
        slots = self._old_enough(tick)
        chosen = [int(slot) for slot in slots[self._unlike(slots).argsort(kind="stable")[:k]]]
        self.reads[chosen] = tick
        return chosen

    def _unlike(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.asarray(np.abs(self.keys[slots] - self.seen).mean(1))

    def state(self) -> dict[str, Any]:
        """Return copies of the columns, only as far as they are filled."""
        columns = super().state()
        return columns | {"keys": self.keys[: len(columns["ticks"])].copy(), "seen": self.seen.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Fill the columns from ``state``."""
        super().restore(state)
        keys = state.get("keys", np.zeros((0, self.keys.shape[1])))  # a state of another policy has none
        self.keys[: len(keys)], self.seen = keys, np.array(state.get("seen", self.seen))


class Farthest(Bank):
    """A control: reads the pages that cover the view least. What memory gains must be lost here."""

    lasting = False

    def read(self, tick: int, pose: Poses, k: int) -> list[int]:
        """Choose the worst pages."""
        slots = self._old_enough(tick)
        order = coverage(self.poses[slots], pose, self.config).mean(1).argsort(kind="stable")
        return [int(slot) for slot in slots[order[:k]]]


class Nothing(Table):
    """Remembers nothing beyond the frames that the net sees anyway."""

    def write(self, tick: int, pose: Poses) -> int | None:
        """Keep nothing."""
        return None

    def read(self, tick: int, pose: Poses, k: int) -> list[int]:
        """Read nothing."""
        return []
