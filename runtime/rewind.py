"""The way back: the picture of every tick, and snapshots of the model every few ticks, both bounded in bytes.

One looks at the pictures and goes on from a snapshot. Plain bookkeeping: it is given states and frames and hands them
back. Knows nothing about models, windows or time.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from dreamloop.model.frame_codec import decode_frame, encode_frame
from dreamloop.model.world_model import Frame, ModelState
from dreamloop.runtime.held_bytes import HeldBytes

BUDGET_BYTES = 256 << 20  # of the snapshots
PICTURE_BYTES = 48 << 20  # of the pictures: JPEG, about 6 KB each at 128 x 96: nearly four minutes of Doom
SNAPSHOTS_PER_S = 5.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A moment that can be gone back to."""

    tick: int  # tick of the session whose frame was showing
    state: ModelState


@dataclass(frozen=True, slots=True)
class Picture:
    """What a tick looked like."""

    tick: int
    data: bytes  # encoded

    @property
    def frame(self) -> Frame:
        """The frame (h, w, 3), nearly as it was."""
        return decode_frame(self.data)


class Rewind:
    """A bounded history of snapshots and pictures, newest last.

    When the budget is reached, snapshots of the older half are given up: the way back reaches as far as there are
    pictures, as fine as ever in the recent past, coarser the further it goes. The oldest pictures are forgotten, and
    with them the snapshots that nobody could find any more.

    Args:
        every: ticks between two snapshots.
        budget_bytes: most that all snapshots may take.
        picture_bytes: most that all pictures may take.
    """

    def __init__(self, every: int, budget_bytes: int = BUDGET_BYTES, picture_bytes: int = PICTURE_BYTES) -> None:
        self.every = max(every, 1)
        self._budget, self._picture_budget = budget_bytes, picture_bytes
        self._snapshots: deque[Snapshot] = deque()
        self._pictures: deque[Picture] = deque()
        self._held = HeldBytes()
        self.picture_nbytes = 0

    @classmethod
    def at_rate(cls, rate_hz: float, budget_bytes: int = BUDGET_BYTES) -> "Rewind":
        """Return a history with about five snapshots a second."""
        return cls(round(rate_hz / SNAPSHOTS_PER_S), budget_bytes)

    @property
    def nbytes(self) -> int:
        """Bytes that the snapshots take; what several of them share counts once."""
        return self._held.nbytes

    def __len__(self) -> int:
        return len(self._snapshots)

    def see(self, tick: int, frame: Frame) -> None:
        """Keep what ``tick`` looks like."""
        picture = Picture(tick, encode_frame(frame, "jpeg"))
        self._pictures.append(picture)
        self.picture_nbytes += len(picture.data)
        while self.picture_nbytes > self._picture_budget and len(self._pictures) > 1:
            self.picture_nbytes -= len(self._pictures.popleft().data)
        while len(self._snapshots) > 1 and self._snapshots[1].tick <= self._pictures[0].tick:
            self._held.drop(self._snapshots.popleft().state)

    def due(self, tick: int) -> bool:
        """Say whether a snapshot should be taken after ``tick``."""
        return not self._snapshots or tick - self._snapshots[-1].tick >= self.every

    def add(self, snapshot: Snapshot) -> None:
        """Keep the newest snapshot."""
        self._snapshots.append(snapshot)
        self._held.take(snapshot.state)
        while self.nbytes > self._budget and len(self._snapshots) > 1:
            self._thin()

    def pictures(self) -> list[Picture]:
        """The pictures that one can go back through: from the oldest snapshot on, newest last."""
        first = self._snapshots[0].tick if self._snapshots else np.inf
        return [picture for picture in self._pictures if picture.tick >= first]

    def cut(self, tick: int) -> Snapshot | None:
        """Forget what came after the last snapshot not after ``tick``, and return it; None when there is none."""
        if not self._snapshots or self._snapshots[0].tick > tick:
            return None
        while self._snapshots[-1].tick > tick:
            self._held.drop(self._snapshots.pop().state)
        latest = self._snapshots[-1]
        while self._pictures and self._pictures[-1].tick > latest.tick:
            self.picture_nbytes -= len(self._pictures.pop().data)
        return latest

    @property
    def reach(self) -> int:
        """Ticks that one can go back."""
        if not self._snapshots or not self._pictures:
            return 0
        return self._pictures[-1].tick - max(self._pictures[0].tick, self._snapshots[0].tick)

    @property
    def latest(self) -> Snapshot | None:
        """The newest snapshot."""
        return self._snapshots[-1] if self._snapshots else None

    @property
    def oldest(self) -> Snapshot | None:
        """The oldest snapshot."""
        return self._snapshots[0] if self._snapshots else None

    def clear(self) -> None:
        """Forget everything: another scene has begun."""
        self._snapshots.clear()
        self._held.clear()
        self._pictures.clear()
        self.picture_nbytes = 0

    def _thin(self) -> None:
        """Give up the snapshot of the older half that is missed least: its gap is small for its age."""
        count = len(self._snapshots)
        index = 0
        if count > 4:
            ticks = np.fromiter((snapshot.tick for snapshot in self._snapshots), np.float64, count)
            gap = ticks[2:] - ticks[:-2]
            age = ticks[-1] - ticks[1:-1]
            index = int(np.argmin((gap / age)[: count // 2])) + 1
        self._held.drop(self._snapshots[index].state)
        del self._snapshots[index]
