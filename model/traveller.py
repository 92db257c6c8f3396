"""One player's way through a dream: the pose, reckoned tick by tick, and the pages remembered along it.

The turn of a tick is known from its action; the step is told by the net, which sees walls. Nothing here corrects a
pose: what the dream draws follows the pose, so the two stay together. Knows nothing about how frames
are drawn.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dreamloop.model.camera import FADING, Poses, foreseen_step, moved, place
from dreamloop.model.dream_net import RESTING, NetConfig, Recall
from dreamloop.model.memory import MemoryConfig, PageMemory, make_policy
from dreamloop.model.pixels import to_float
from dreamloop.model.world_model import Frame

STILL = 0.0125  # strides a tick: a player whom the net moves by less stands still, or it would creep away while turning


def memory_config(net: NetConfig, pages: int = 512) -> MemoryConfig:
    """Return the memory's settings that fit a net."""
    return MemoryConfig(pages=pages, reach=net.reach, fov_deg=net.fov_deg, lens=net.lens)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the net is shown: as ``dream_net.Recall``, for one player, in numpy."""

    frames: NDArray[np.uint8]  # (k, h, w, 3)
    pages: tuple[Frame, ...]  # the pages as they are kept, at most k
    poses: Poses  # (laid, 4)
    pose: Poses  # (4,)
    place: NDArray[np.float32]  # (laid, PLACE)
    speed: NDArray[np.float32]  # (2,)


@dataclass
class Traveller:
    """Starts at the origin. ``turning`` (2, a) are degrees of turn and tilt per unit of every control."""

    net: NetConfig
    turning: NDArray[np.float32]
    pushing: NDArray[np.float32] | None = None  # strides per unit of what ``pushes`` gives; None: keys push nobody
    policy: str = "bank"
    pose: Poses = field(default_factory=lambda: np.zeros(4))
    speed: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))  # strides a tick, ahead and to the right
    tick: int = 0
    memory: PageMemory = field(init=False)

    def __post_init__(self) -> None:
        config = memory_config(self.net)
        self.memory = PageMemory(make_policy(self.policy, config), config)

    def arrive(self, frames: NDArray[np.uint8], poses: NDArray[Any]) -> None:
        """Begin at the end of a true walk (t frames and their poses (t, 4)), which is remembered."""
        for frame, pose in zip(frames, np.asarray(poses, np.float64), strict=True):
            self.memory.write(self.tick, pose, frame)
            self.tick += 1
        self.pose = np.array(poses[-1], np.float64)
        if len(poses) > 1:
            step, yaw = np.asarray(poses[-1], np.float64) - poses[-2], np.radians(self.pose[2])
            ahead, right = step[0] * np.cos(yaw) + step[1] * np.sin(yaw), step[0] * np.sin(yaw) - step[1] * np.cos(yaw)
            self.speed = np.array([ahead, right]) / self.net.stride
            if np.abs(self.speed).max() > 2:
                self.speed = np.zeros(2)

    def remember(self, action: NDArray[np.float32]) -> Remembered:
        """Say what is remembered of the view that ``action`` will lead to, as far as it is known before it is drawn."""
        turn, tilt = self.turning @ action
        ahead, right = self._foreseen(action, float(turn)) * self.net.stride
        pose = moved(self.pose, ahead, right, float(turn), float(tilt), self.net.tilt_limit_deg)
        k = self.net.pages
        slots = self.memory.read(self.tick, pose, k)
        first = self.net.laid - k
        poses, present = np.zeros((self.net.laid, 4)), np.zeros((self.net.laid, 1), np.float32)
        poses[:first], present[:first] = self.pose, 1
        frames = np.zeros((k, self.net.height_px, self.net.width_px, 3), np.uint8)
        pages = tuple(self.memory.frames[slot] for slot in slots)
        for row, slot in enumerate(slots):
            poses[first + row], present[first + row] = self.memory.policy.pose_of(slot), 1
            frames[row] = pages[row]
        where = place(poses, pose, self.net.reach) * present
        return Remembered(frames, pages, poses, pose, where, self.speed.astype(np.float32))

    def settle(self, action: NDArray[np.float32], step: NDArray[np.float32], frame: Frame) -> None:
        """Go the ``step`` (2,) that the net told, in strides, and keep the frame when its view is new."""
        turn, tilt = self.turning @ action
        told = np.clip(np.asarray(step, np.float64), -2, 2)
        resting = self.pushing is not None and float(np.hypot(*self._foreseen(action, float(turn)))) < RESTING
        self.speed = np.zeros(2) if resting else told
        ahead, right = self.speed * self.net.stride * bool(np.hypot(*self.speed) >= STILL)
        self.pose = moved(self.pose, float(ahead), float(right), float(turn), float(tilt), self.net.tilt_limit_deg)
        self.memory.write(self.tick, self.pose, frame)
        self.tick += 1

    def _foreseen(self, action: NDArray[np.float32], turn_deg: float) -> NDArray[np.float64]:
        """Return the step (2,) that follows from the last one and the keys, in strides."""
        if self.pushing is None:
            return FADING * self.speed
        return foreseen_step(self.speed, np.asarray(turn_deg), action, self.pushing)

    def state(self) -> dict[str, Any]:
        """Return everything that decides the future; pictures are shared, not copied."""
        own = {"pose": self.pose.copy(), "speed": self.speed.copy(), "way": self.tick}
        return own | self.memory.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what ``state()`` returned."""
        self.pose, self.speed = np.array(state["pose"]), np.array(state["speed"])
        self.tick = int(state["way"])
        self.memory.restore(state)


def stack_recall(remembered: list[Remembered], device: torch.device) -> Recall:
    """Stack what several players remember."""
    frames = to_float(torch.from_numpy(np.stack([one.frames for one in remembered])).to(device))
    k = len(remembered[0].frames)
    present = torch.from_numpy(np.stack([one.place[-k:, 0] for one in remembered])).to(device)
    parts = (np.stack([getattr(one, name) for one in remembered]) for name in ("poses", "pose", "place", "speed"))
    return Recall(
        frames * present[..., None, None, None],
        *(torch.from_numpy(part.astype(np.float32)).to(device) for part in parts),
    )
