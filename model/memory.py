"""The long-horizon memory: the frames that were shown, as far as a policy keeps them, and which the net sees again.

A page is one shown frame and the pose it was shown at. ``PageMemory`` holds the pictures for a policy, at a fixed
number of pages and so of bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import numpy as np

from dreamloop.input.errors import ConfigError, unknown
from dreamloop.model.camera import Poses
from dreamloop.model.change import has_changed
from dreamloop.model.memory_policies import (
    Bank,
    Content,
    Farthest,
    MemoryConfig,
    Nothing,
    Policy,
    Recurrent,
    Renewing,
    Window,
)
from dreamloop.model.world_model import Frame

RETAKE_EVERY = 4  # ticks between two looks at whether a place has changed
AT_REST = (1.0, 0.5)  # map units and degrees: who moved by less since that look stood still
Told = Callable[[Frame], Frame]
DEFAULT_POLICY = "renewing"  # what one plays with
POLICIES: dict[str, Callable[[MemoryConfig], Policy]] = {
    "bank": Bank,
    "renewing": Renewing,
    "window": Window,
    "recurrent": Recurrent,
    "content": Content,
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
    camera: MemoryConfig = field(default_factory=MemoryConfig)
    frames: dict[int, Frame] = field(default_factory=dict)
    reading: list[int] = field(default_factory=list)  # slots read for the frame that is showing
    newest: Frame | None = None  # the page that was made of the frame that is showing, if one was
    looked: Poses = field(default_factory=lambda: np.full(4, np.inf))  # pose at the last look at what has changed

    def write(self, tick: int, pose: Poses, frame: Frame | None, told: Told | None = None) -> int | None:
        """Offer the frame of ``tick``, if there is one; return the slot that it went to, None: not kept.

        Args:
            told: lays what pages tell of the same view over the frame: if it stays what it was, nothing has changed.
        """
        self.newest = None
        if frame is None:
            return None
        if hasattr(self.policy, "look"):
            self.policy.look(frame)
        slot = self.policy.write(tick, pose)
        if slot is None and tick % RETAKE_EVERY == 0:
            slot = self._changed(tick, pose, frame, told)
        if slot is not None:
            kept = self.newest = frame.copy()
            kept.flags.writeable = False  # snapshots share it
            self.frames[slot] = kept
        return slot

    def _changed(self, tick: int, pose: Poses, frame: Frame, told: Told | None) -> int | None:
        """Return the slot of the page that shows this place as it no longer is, having taken note of it anew.

        Only where the player stands still: what a dream smears while it turns is no change.
        """
        off, self.looked = np.abs(pose - self.looked), np.array(pose)
        if off[:2].max() > AT_REST[0] or off[2:].max() > AT_REST[1]:
            return None
        slot = self.policy.like(tick, pose)
        if slot is None or slot not in self.frames:
            return None
        fov_deg, lens = self.camera.fov_deg, self.camera.lens
        if not has_changed(frame, pose, self.frames[slot], self.policy.pose_of(slot), fov_deg, lens):
            return None
        if told is not None and not has_changed(frame, pose, told(frame), pose, fov_deg, lens):
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
