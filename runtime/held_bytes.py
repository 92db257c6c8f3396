"""How many bytes a heap of saved states takes: what several of them share is there once. Plain bookkeeping."""

import sys
from collections import Counter

import numpy as np

from dreamloop.model.world_model import ModelState


class HeldBytes:
    """Counts the arrays of the states that are held, and the tables that name them. ``nbytes`` is the sum."""

    def __init__(self) -> None:
        self.nbytes = 0
        self._holders: Counter[int] = Counter()  # id of an array -> how many states hold it, and so keep the id taken

    def take(self, state: ModelState) -> int:
        """Count a state that is held from now on; return the bytes that it adds."""
        return self._count(state, +1)

    def drop(self, state: ModelState) -> int:
        """Count a state that is held no longer; return the bytes that go with it."""
        return -self._count(state, -1)

    def clear(self) -> None:
        """Nothing is held any more."""
        self.nbytes = 0
        self._holders.clear()

    def _count(self, state: ModelState, sign: int) -> int:
        changed = sign * sys.getsizeof(state.values)  # with hundreds of pages, the table of their names is no trifle
        for value in state.values.values():
            if isinstance(value, np.ndarray):
                held = self._holders[id(value)]
                if held == (0 if sign > 0 else 1):
                    changed += sign * value.nbytes
                self._holders[id(value)] += sign
                if not self._holders[id(value)]:
                    del self._holders[id(value)]
        self.nbytes += changed
        return changed
