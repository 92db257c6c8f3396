"""The long-horizon memory: which of the frames that were shown are kept, and which of them the net sees again.

A page is one shown frame and the pose it was shown at. A policy decides by poses and ticks alone, so it holds no
tensors; ``PageMemory`` holds the pictures for it, at a fixed number of pages and so of bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dreamloop.input.errors import ConfigError, unknown
from dreamloop.model.camera import Poses, turned
from dreamloop.model.change import has_changed
from dreamloop.model.world_model import Frame

FRESH_TICKS = 9  # younger pages are among the frames that the net sees anyway
BEARINGS = np.radians(np.linspace(-40, 40, 9))  # columns of the view that pages are asked to cover
DEPTHS = np.array([0.5, 1.5, 4.0])  # how far the points in these columns are, in units of reach
LIKE = 0.6  # a view is like a page's when it is no newer than this, 1 being new enough for a page of its own
RETAKE_EVERY = 4  # ticks between two looks at whether a place has changed
AT_REST = (1.0, 0.5)  # map units and degrees: who moved by less since that look stood still
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


DEFAULT_POLICY = "renewing"  # what one plays with
POLICIES: dict[str, Callable[[MemoryConfig], Policy]] = {
    "bank": Bank,
    "renewing": Renewing,
    "window": Window,
    "farthest": Farthest,
    "none": Nothing,
}


def make_policy(name: str, config: MemoryConfig) -> Policy:
    """Return a policy by name, our own or one of the entry point ``dreamloop.memories``.

    Raises:
        ConfigError: nobody knows the name.
    """
    points = {point.name: point for point in entry_points(group="dreamloop.memories")}
    if name in points:
        policy: Policy = points[name].load()(config)
        return policy
    if name not in POLICIES:
        raise ConfigError(unknown("memory policy", name, sorted({*POLICIES, *points})))
    return POLICIES[name](config)


@cache
def slot_name(kind: str, slot: int) -> str:
    """Return the name in a state of what belongs to a slot; one text for all states, of which there are hundreds."""
    return f"{kind}/{slot:04d}"


@dataclass
class PageMemory:
    """The pictures of one player's pages, chosen by a policy. A picture that is kept is never changed."""

    policy: Policy
    camera: MemoryConfig = MemoryConfig()
    frames: dict[int, Frame] = field(default_factory=dict)
    reading: list[int] = field(default_factory=list)  # slots read for the frame that is showing
    newest: Frame | None = None  # the page that was made of the frame that is showing, if one was
    looked: Poses = field(default_factory=lambda: np.full(4, np.inf))  # pose at the last look at what has changed

    def write(self, tick: int, pose: Poses, frame: Frame) -> int | None:
        """Offer the frame of ``tick``; return the slot that it went to, None: not kept."""
        slot = self.policy.write(tick, pose)
        if slot is None and tick % RETAKE_EVERY == 0:
            slot = self._changed(tick, pose, frame)
        self.newest = None
        if slot is not None:
            kept = self.newest = frame.copy()
            kept.flags.writeable = False  # snapshots share it
            self.frames[slot] = kept
        return slot

    def _changed(self, tick: int, pose: Poses, frame: Frame) -> int | None:
        """Return the slot of the page that shows this place as it no longer is, having taken note of it anew.

        Only where the player stands still: what a dream smears while it turns is no change.
        """
        off, self.looked = np.abs(pose - self.looked), np.array(pose)
        if off[:2].max() > AT_REST[0] or off[2:].max() > AT_REST[1]:
            return None
        slot = self.policy.like(tick, pose)
        if slot is None or slot not in self.frames:
            return None
        taken = self.policy.pose_of(slot)
        if not has_changed(frame, pose, self.frames[slot], taken, self.camera.fov_deg, self.camera.lens):
            return None
        self.policy.retake(slot, tick, pose)
        return slot

    def read(self, tick: int, pose: Poses, k: int) -> list[int]:
        """Choose at most ``k`` pages to see at ``pose``."""
        self.reading = self.policy.read(tick, pose, k)
        return self.reading

    @property
    def nbytes(self) -> int:
        """Bytes of the pictures."""
        return sum(frame.nbytes for frame in self.frames.values())

    def stats(self, tick: int) -> dict[str, float]:
        """Return what is kept at ``tick``: pages, their bytes, how many are being read, and the ages of the pages."""
        ages = [tick - self.policy.tick_of(slot) for slot in self.frames]
        return {
            "pages": float(len(self.frames)),
            "page_bytes": float(self.nbytes),
            "pages_read": float(len(self.reading)),
            "oldest_page_ticks": float(max(ages, default=0)),
            "newest_page_ticks": float(min(ages, default=0)),
        }

    def state(self) -> dict[str, Any]:
        """Return the policy's columns and the pictures, one array each; nothing is copied but the columns."""
        columns = {f"memory/{name}": value for name, value in self.policy.state().items()}
        pages = {slot_name("page", slot): frame for slot, frame in self.frames.items()}
        return columns | {"looked": self.looked} | pages

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what ``state()`` returned; other values are left alone."""
        self.policy.restore({k.removeprefix("memory/"): v for k, v in state.items() if k.startswith("memory/")})
        self.looked = np.array(state.get("looked", np.full(4, np.inf)))
        self.frames = {int(k.removeprefix("page/")): v for k, v in state.items() if k.startswith("page/")}
        self.reading, self.newest = [], None
