"""The way back: snapshots of the model every few ticks, bounded in bytes, older ones further apart.

Plain bookkeeping: it is given states and frames and hands them back. Knows nothing about models, windows or time.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from dreamloop.model.world_model import Frame, ModelState

BUDGET_BYTES = 256 << 20
SNAPSHOTS_PER_S = 5.0  # near the present; the way back is shown at about twice this rate


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A moment that can be gone back to."""

    tick: int  # tick of the session whose frame was showing
    state: ModelState
    frame: Frame

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return self.state.nbytes + self.frame.nbytes


class Rewind:
    """A bounded history of snapshots, newest last.

    When the budget is reached, snapshots of the older half are given up: the way back reaches to the beginning, as
    fine as ever in the recent past, coarser the further it goes.

    Args:
        every: ticks between two snapshots.
        budget_bytes: most that all of them may take.
    """

    def __init__(self, every: int, budget_bytes: int = BUDGET_BYTES) -> None:
        self.every = max(every, 1)
        self._budget = budget_bytes
        self._snapshots: deque[Snapshot] = deque()
        self.nbytes = 0

    @classmethod
    def at_rate(cls, rate_hz: float, budget_bytes: int = BUDGET_BYTES) -> "Rewind":
        """Return a history with about five snapshots a second."""
        return cls(round(rate_hz / SNAPSHOTS_PER_S), budget_bytes)

    def __len__(self) -> int:
        return len(self._snapshots)

    def due(self, tick: int) -> bool:
        """Say whether a snapshot should be taken after ``tick``."""
        return not self._snapshots or tick - self._snapshots[-1].tick >= self.every

    def add(self, snapshot: Snapshot) -> None:
        """Keep the newest snapshot."""
        self._snapshots.append(snapshot)
        self.nbytes += snapshot.nbytes
        while self.nbytes > self._budget and len(self._snapshots) > 1:
            self._thin()

    def back(self) -> Snapshot | None:
        """Forget the newest snapshot and return the one before it; the oldest stays. None without any."""
        if len(self._snapshots) > 1:
            self.nbytes -= self._snapshots.pop().nbytes
        return self.latest

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
        self.nbytes = 0

    def _thin(self) -> None:
        """Give up the snapshot of the older half that is missed least: its gap is small for its age."""
        count = len(self._snapshots)
        index = 0
        if count > 4:
            ticks = np.fromiter((snapshot.tick for snapshot in self._snapshots), np.float64, count)
            gap = ticks[2:] - ticks[:-2]
            age = ticks[-1] - ticks[1:-1]
            index = int(np.argmin((gap / age)[: count // 2])) + 1
        self.nbytes -= self._snapshots[index].nbytes
        del self._snapshots[index]
