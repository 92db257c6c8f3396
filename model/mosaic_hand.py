"""What the hand of a mosaic model's player does: its latest actions, where the pointer is, and what was begun when.

A *deed* is what is begun in a tick: a key, something that is asked for, the button that goes down (not up). The latest
are kept, each with what lay under the pointer, and of every cell with which of them it last changed: that a display
shows an answer and not a number that is being typed, say, is seen from nothing else. Knows no layers and no net.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dreamloop.model.mosaic_net import MosaicConfig

DEEDS = 16  # of the latest that are told apart
_OF_DEEDS = ("done", "hits", "by", "count")
_KEPT = ("actions", "places", *_OF_DEEDS)


class Hand:
    """One player's hand over a picture of cells."""

    def __init__(self, config: "MosaicConfig") -> None:
        self.config = config
        self.actions = np.zeros((config.action_ticks, config.actions), np.float32)  # the latest, oldest first
        self.places = np.zeros((3, 2), np.int64)  # x, y in pixels: now, a tick ago, where the button went down
        self.done = np.zeros(DEEDS, np.int64)  # what each of the latest deeds was, counted from 1; the latest first
        self.hits = np.full((DEEDS, config.cell**2), config.colours, np.uint8)  # what lay under the pointer then
        self.by = np.zeros(config.grid, np.int64)  # number of the deed that each cell last changed with; 0: none
        self.count = np.zeros((), np.int64)  # of all deeds
        self._begun = 0  # what is begun in the tick that is about to be drawn

    def act(self, action: NDArray[np.float32]) -> bool:
        """Take the action (a,) of the tick that is about to be drawn; return whether the button stays down."""
        before = self.actions[-1]
        self.actions = np.concatenate([self.actions[1:], action[None]])
        stays_down = self.held(action) and self.held(before)
        place = self.place(action)
        self.places = np.stack([place, self.places[0], self.places[2] if stays_down else place])
        self._begun = self._begins()
        return stays_down

    def held(self, action: NDArray[np.float32]) -> bool:
        """Say whether the button is down in an action (a,)."""
        return self.config.button >= 0 and bool(action[self.config.button] > 0.5)

    def place(self, action: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return where an action (a,) puts the pointer, x and y in pixels."""
        config = self.config
        if config.pointer < 0:
            return np.zeros(2, np.int64)
        size = (config.width_px - 1, config.height_px - 1)
        return np.asarray(np.rint(np.clip(action[config.pointer : config.pointer + 2], 0, 1) * size).astype(np.int64))

    def _begins(self) -> int:
        """Return which control begins something, counted from 1; 0: none does."""
        on, was_down, down = controls(self.config, self.actions[-2:])
        if down and was_down:
            on[self.config.button] = False
        return 1 + int(on.argmax()) if on.any() else 0

    def show(self, changed: NDArray[np.bool_], now: NDArray[np.uint8]) -> None:
        """Take note of which cells changed in the tick that was drawn.

        Args:
            now: (rows, columns, pixels) what they showed before.
        """
        if self._begun:
            column, row = self.places[0] // self.config.cell
            self.done = np.concatenate([[self._begun], self.done[:-1]])
            self.hits = np.concatenate([now[row, column][None], self.hits[:-1]])
            self.count = self.count + 1
        if changed.any():
            self.by = np.where(changed, self.count if self._begun else 0, self.by)

    @property
    def ago(self) -> NDArray[np.int64]:
        """Which of the latest deeds each cell (rows, columns) last changed with, counted from 1; 0: none of them."""
        back = 1 + self.count - self.by
        return np.where((self.by > 0) & (back <= DEEDS), back, 0)

    def forget(self) -> None:
        """Remember no deed."""
        fresh = Hand(self.config)
        self.done, self.hits, self.by, self.count = fresh.done, fresh.hits, fresh.by, fresh.count

    @property
    def nbytes(self) -> int:
        """Bytes of everything that is remembered."""
        return sum(int(getattr(self, name).nbytes) for name in _KEPT)

    def state(self) -> dict[str, Any]:
        """Return copies of everything."""
        return {name: np.array(getattr(self, name)) for name in _KEPT}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what ``state()`` returned; one of before deeds were kept begins without them."""
        fresh = Hand(self.config)
        for name in _KEPT:
            setattr(self, name, np.array(state.get(name, getattr(fresh, name)) if name in _OF_DEEDS else state[name]))


def controls(config: "MosaicConfig", actions: NDArray[np.float32]) -> tuple[NDArray[np.bool_], bool, bool]:
    """Return which controls (a,) but the pointer are on, and whether its button was down a tick ago, and is.

    Args:
        actions: (2, a) of the tick before, and of this one.
    """
    on = actions > 0.5
    was_down, down = on[:, config.button].tolist() if config.button >= 0 else (False, False)
    if config.pointer >= 0:
        on[:, config.pointer : config.pointer + 2] = False
    return on[1], was_down, down


def is_begun(config: "MosaicConfig", actions: NDArray[np.float32]) -> bool:
    """Say whether anything is done anew in the latter of two ticks: ``actions`` (2, a)."""
    on, was_down, down = controls(config, actions)
    return down != was_down or bool(on.any() and not down)
