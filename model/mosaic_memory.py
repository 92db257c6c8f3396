"""What the mosaic model remembers of every cell of its picture: how long it looks as it does, and how it looked before.

A content that stood still for ``STABLE`` ticks and then gives way is kept: a few such contents per cell, the latest
first. What a window covered is found there again, after a minute or an hour, at the same cost.

What belongs together, and lies over what, is known of layers (see mosaic_layers.py). Knows no net.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

STABLE = 4  # ticks that a content must have stood to be worth keeping
ALIKE = 8  # pixels; a content that differs from a kept one by no more takes its place
OLDEST = 31  # ticks; a cell is not older than that

Cells = NDArray[np.uint8]  # (rows, columns, pixels)
_KEPT = ("now", "slots", "age")


class CellMemory:
    """One player's cells.

    Args:
        grid: rows and columns.
        pixels: of a cell.
        slots: contents that are kept per cell.
        none: the number that stands for no colour.
    """

    def __init__(self, grid: tuple[int, int], pixels: int, slots: int, none: int) -> None:
        self.none = none
        self.now: Cells = np.full((*grid, pixels), none, np.uint8)
        self.slots = np.full((slots, *grid, pixels), none, np.uint8)
        self.age = np.zeros(grid, np.uint8)
        self.tick = 0

    def show(self, cells: Cells) -> NDArray[np.bool_]:
        """Take the contents (rows, columns, pixels) of a tick and return which cells changed."""
        changed = np.asarray((cells != self.now).any(-1))
        self.tick += 1
        if changed.any():
            stood = changed & (self.age >= STABLE) & (self.now[..., 0] != self.none)
            self._keep(stood)
            self.now = np.where(changed[..., None], cells, self.now)
        self.age = np.minimum(self.age + 1, OLDEST).astype(np.uint8)
        self.age[changed] = 0
        return changed

    def _keep(self, which: NDArray[np.bool_]) -> None:
        """Put what ``which`` cells show in front of their slots; what it repeats, or else the oldest, goes."""
        rows, columns = np.nonzero(which)
        if not len(rows):
            return
        kept, new = self.slots[:, rows, columns], self.now[rows, columns]  # (s, n, pixels), (n, pixels)
        apart = (kept != new).sum(-1)
        goes = np.where(apart.min(0) <= ALIKE, apart.argmin(0), len(kept) - 1)
        for slot in range(len(kept) - 1, 0, -1):
            back = goes >= slot
            kept[slot, back] = kept[slot - 1, back]
        kept[0] = new
        self.slots[:, rows, columns] = kept

    def forget(self) -> None:
        """Empty the slots."""
        self.slots[:] = self.none

    def state(self) -> dict[str, Any]:
        """Return copies of everything."""
        arrays = {name: getattr(self, name).copy() for name in _KEPT}
        return {**arrays, "tick": self.tick}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what ``state()`` returned."""
        for name in _KEPT:
            setattr(self, name, np.array(state[name]))
        self.tick = int(state["tick"])

    @property
    def nbytes(self) -> int:
        """Bytes of everything that is remembered."""
        return sum(int(getattr(self, name).nbytes) for name in _KEPT)
