"""Where a pointer that is down draws, and in which colour: counted from play, as rules are (see mosaic_rules.py).

That it may draw along its way, in one of the colours it has met, is offered to the net anyway. Here is counted in which
places of which layer it does so, and which colour it is after what was pressed before: a brush takes the colour that
was picked, or keeps the last one. Knows no layers and no net.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.mosaic_cells import factors
from dreamloop.model.mosaic_contexts import Signs, find, sorted_rules
from dreamloop.model.mosaic_rules import sure_of, times_of, vote

STROKES = 8192  # contexts that can be known
PRESSED, DREW, DID_NOT = range(3)  # in this tick the button went down; a tick ago it drew, or it did not
DRAWN = 1  # outcome of a place in which it draws, or of a colour in which it does; of a brush it is a colour
LIKELY = 0.75  # how sure it must be: what the pointer hides is but guessed, and counts against what is right
CERTAIN = 0.9  # ... of the colour that is shown, to go before the one that it drew in last
MOST = 0.5  # share of the cells on its way that are drawn, if it draws
SETTLE = 300  # ticks learnt from, after which the table is drawn up anew


class Way(NamedTuple):
    """The way of a pointer that is down, in one tick."""

    pages: NDArray[np.uint8]  # (inks, rows, columns, pixels) what is seen once it drew in each colour
    place: Signs  # (rows, columns) a number for where in which size of layer each cell lies
    drew: int  # PRESSED, DREW or DID_NOT
    past: int  # number of the place that was pressed the time before in that layer
    before: int  # DREW or DID_NOT: what came of that
    inks: Signs  # (inks,) the colours of the pages
    shown: Signs  # (cells,) a number for what each cell of the layer shows where it lies, when the button goes down


class Strokes:
    """A table of contexts; it grows when it is settled.

    Args:
        strokes: (STROKES, 3) int64: number of a context, its outcome, and how sure it is in millionths; 0: unused.
    """

    def __init__(self, strokes: Signs, none: int) -> None:
        self.strokes, self.none = strokes, none
        self._met: dict[int, list[int]] = {}  # how often each was met, what followed most, how often that did
        for context, outcome, sure in strokes[strokes[:, 2] > 0].tolist():
            self._met[context] = [times_of(sure), outcome, times_of(sure)]
        self._ways, self._known = 0, sorted_rules(strokes)

    def foretell(self, way: Way) -> NDArray[np.uint8]:
        """Return what the way is sure to draw (rows, columns, pixels), ``none`` elsewhere."""
        found: NDArray[np.uint8] = np.full_like(way.pages[0], self.none)
        sure = np.flatnonzero(find(self._known, _colours(way))[0].max(1) >= LIKELY * 1e6)
        if len(sure):
            page = way.pages[sure[-1]]  # that was picked goes before that shown
            where = (page[..., 0] != self.none) & (find(self._known, _places(way))[0].max(0) >= LIKELY * 1e6)
            found[where] = page[where]
        return found

    def brush(self, shown: Signs, least: float = LIKELY) -> int:
        """Return the colour that a layer says it draws in, ``none`` where it says nothing.

        What says another colour than most of what it shows tells more: blank paper goes with the usual one. If no
        colour is said by most, the surest is right.

        Args:
            shown: (cells,) as in a :class:`Way`: a brush shows its colour somewhere.
            least: how sure it must be.
        """
        sure, colour = find(self._known, shown)
        says = sure >= least * 1e6
        if not says.any():
            return self.none
        votes = np.bincount(colour[says])
        other = says & (colour != votes.argmax()) & (votes.max() > says.sum() / 2)
        return int(colour[np.where(other if other.any() else says, sure, 0).argmax()])

    def learn(self, way: Way, cells: NDArray[np.uint8], hidden: NDArray[np.bool_]) -> None:
        """Count what the way did.

        Args:
            cells: (rows, columns, pixels) that are seen after it.
            hidden: (rows, columns) which of these the pointer hides: they are but guessed.
        """
        met = (way.pages[..., 0] != self.none).any(0)
        right = (way.pages == cells).all(-1) & met
        seen = met & ~hidden
        self._count(_places(way)[:, seen], np.stack(2 * [right.any(0)[seen]]))
        if drew(way, cells, self.none):
            drawn, told = right[:, met].mean(1) >= MOST, way.inks != self.none
            self._count(_colours(way)[told], np.repeat(drawn[told, None], 2, 1))
            for context in way.shown.tolist():
                vote(self._met.setdefault(context, [0, 0, 0]), int(way.inks[drawn.argmax()]))
        self._ways += 1
        if self._ways % SETTLE == 0:
            self.settle()

    def _count(self, contexts: Signs, drawn: NDArray[np.bool_]) -> None:
        for context, came in zip(contexts.ravel().tolist(), drawn.ravel().tolist(), strict=True):
            if came or context in self._met:
                met = self._met.setdefault(context, [0, DRAWN, 0])
                met[0] += 1
                met[2] += came

    def settle(self) -> None:
        """Draw up the table: of what is sure, what was met most."""
        known = [(most, key, outcome, sure_of(times, most)) for key, (times, outcome, most) in self._met.items()]
        rows = [row for _, *row in sorted(known, reverse=True) if row[-1] >= LIKELY * 1e6][:STROKES]
        self.strokes[:] = 0
        self.strokes[: len(rows)] = rows or 0
        self._known = sorted_rules(self.strokes)

    @property
    def counted(self) -> Signs:
        """What was counted (n, 4): contexts, how often each was met, what followed most, how often."""
        return np.array([(context, *one) for context, one in self._met.items()], np.int64).reshape(-1, 4)

    def take(self, counted: Signs) -> None:
        """Take what was counted, in place of what this has counted so far."""
        self._met = {context: one for context, *one in counted.tolist()}
        self.settle()

    def __len__(self) -> int:
        """How many contexts are known."""
        return len(self._known)


def drew(way: Way, cells: NDArray[np.uint8], none: int) -> bool | None:
    """Say whether most of the way was drawn in ``cells`` (rows, columns, pixels); None: nobody could see it."""
    met = (way.pages[..., 0] != none).any(0)
    return bool((way.pages == cells).all(-1).any(0)[met].mean() >= MOST) if met.any() else None


def _places(way: Way) -> Signs:
    """Return (2, rows, columns) numbers for each place: as the way finds it, and whatever it did before."""
    drew = np.array([way.drew, DID_NOT + 1])[:, None, None]
    return np.asarray(way.place * factors(3)[0] + drew * factors(3)[1])


def _colours(way: Way) -> Signs:
    """Return (inks, 2) numbers for what tells each colour: what was pressed before, or only whether it drew."""
    inks = range(len(way.pages))
    told = np.array([[(past, way.drew, 1 + ink) for past in (way.past, way.before)] for ink in inks], np.int64)
    return np.asarray(told @ factors(3))


def shown_by(place: Signs, shown: Signs) -> Signs:
    """Return a number for each cell: for where it lies in its layer, and what it shows (``signs``)."""
    return np.asarray(np.stack([place, shown, np.ones_like(place)], -1) @ factors(3))


def empty_strokes() -> dict[str, NDArray[Any]]:
    """Return a table in which nothing is known."""
    return {"strokes": np.zeros((STROKES, 3), np.int64)}
