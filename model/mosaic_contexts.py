"""What rules of an interface look at (see mosaic_rules.py): every kind of context as one number for every cell.

A number stands for what a cell and those beside it show, where they lie, and what is done: as much of it as a kind
looks at. Knows no layers and no net.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.mosaic_cells import factors, shift, signs

SURE = 0.8  # how sure a rule must be
ALIKE = 0.01  # in how sure it is that they change are the cells in which something begins
NEAR = 3  # lines above and below where something begins in which it may change cells too
STOOD = 4  # ticks that a cell must have stood still to go on by itself

# What is counted: a content; one that moves along; what a key writes where something begins, or in the cell below that;
# that a cell changes; that it does and so does the one to its right, which tells what a key writes; a content that
# holds only where no other rule tells one, for how often a rule came true does not make it the more telling one; or one
# that holds in the layer in front, and elsewhere only where several cells change: a key does not write behind.
TO, FROM_RIGHT, FROM_BELOW, FROM_2_BELOW, WRITTEN, WRITTEN_BELOW = 0, -1, -2, -3, -4, -5
CHANGES, WRITES, WRITES_BELOW, ELSE, ANEW = -6, -7, -8, -9, -10
MOVES = {  # cells (across, down) that a content moves
    FROM_RIGHT: np.array([-1, 0]),
    FROM_BELOW: np.array([0, -1]),
    FROM_2_BELOW: np.array([0, -2]),
}
WRITING = {WRITES: WRITTEN, WRITES_BELOW: WRITTEN_BELOW}
SAID = {*MOVES, *WRITING.values()}  # outcomes that are no content of their own
CASTS = -100  # minus the number of a cast: the outcome of what is done, if it is the cast that comes true
NO_CAST = -99
NO_OTHER = -200  # numbers below are of contents
# Of rules: what is counted, and what it looks at (see contexts_of). A kind keeps its number; some stand here twice and
# look at less the second time, for the rules in the box are of two countings.
KINDS = (
    (21, CHANGES, ("now", "said", "form")),
    (0, TO, ("now", "done", "under", "front")),
    (27, TO, ("now", "done", "under", "form")),
    (40, WRITES, ("done", "form", "paper")),
    (41, WRITES_BELOW, ("done", "form", "paper")),
    (1, TO, ("now", "done", "off", "mine")),
    (1, TO, ("now", "done", "off")),
    (2, TO, ("now", "done", "under", "mine")),
    (2, TO, ("now", "done", "under")),
    (34, TO, ("now", "height", "done", "what")),
    (3, TO, ("now", "left", "done", "under", "form")),
    (4, TO, ("now", "right", "done", "under", "form")),
    (5, TO, ("now", "place", "done", "under", "form")),
    (6, TO, ("place", "done", "then", "paper", "what")),
    (6, TO, ("place", "done", "then", "what")),
    (7, TO, ("now", "place", "done", "form", "what")),
    (8, TO, ("now", "right", "place", "done", "form", "what")),
    (28, TO, ("now", "place", "done", "then", "what", "deed")),
    (36, TO, ("place", "done", "form", "paper", "what", "deed")),
    (36, TO, ("place", "done", "form", "what", "deed")),
    (9, TO, ("now", "column", "line", "begun", "done", "form")),
    (10, TO, ("now", "left", "line", "begun", "done", "form")),
    (38, TO, ("now", "tail", "line", "begun", "done", "form")),
    (66, TO, ("now", "column", "line", "done", "form")),
    (52, ANEW, ("now", "height", "last", "done", "what")),
    (53, ANEW, ("above", "height", "last", "done", "what")),
    (54, ANEW, ("2 above", "height", "last", "done", "what")),
    (55, ANEW, ("3 above", "height", "last", "done", "what")),
    (56, ANEW, ("below", "height", "last", "done", "what")),
    (57, ANEW, ("2 below", "height", "last", "done", "what")),
    (58, ANEW, ("3 below", "height", "last", "done", "what")),
    (59, ANEW, ("4 below", "height", "last", "done", "what")),
    (11, TO, ("now", "place", "idea", "next", "title")),
    (12, TO, ("now", "place", "idea", "then", "title")),
    (13, TO, ("now", "place", "idea", "front")),
    (14, TO, ("now", "place", "idea", "done", "under")),
    (15, TO, ("now", "place", "idea")),
    (46, TO, ("now", "place", "idea", "own", "title")),
    (47, TO, ("now", "place", "idea", "own")),
    (48, TO, ("now", "place", "idea", "form", "title")),
    (49, TO, ("now", "place", "idea", "form")),
    (35, TO, ("now", "place", "idea", "own", "done", "under")),
    (16, FROM_RIGHT, ("place", "done", "form", "what")),
    (17, FROM_RIGHT, ("now", "place", "done", "form", "what")),
    (18, FROM_RIGHT, ("right", "place", "done", "form", "what")),
    (29, FROM_RIGHT, ("now", "place", "done", "form", "what", "deed")),
    (37, FROM_RIGHT, ("place", "done", "form", "what", "deed")),
    (51, FROM_RIGHT, ("place", "done", "form", "what", "new", "new right")),
    (32, FROM_RIGHT, ("height", "done", "form", "what")),
    (33, FROM_RIGHT, ("height", "done", "form", "what", "deed")),
    (23, TO, ("place", "begin", "done", "then", "paper")),
    (23, TO, ("place", "begin", "done", "then")),
    (24, TO, ("place", "row", "done", "then", "paper")),
    (24, TO, ("place", "row", "done", "then")),
    (25, FROM_BELOW, ("height", "begin", "form", "writes")),
    (26, FROM_BELOW, ("height", "row", "done", "form")),
    (62, FROM_2_BELOW, ("height", "begin", "form", "writes")),
    (63, FROM_2_BELOW, ("height", "row", "done", "form")),
    (67, FROM_BELOW, ("along", "begin", "form", "writes")),
    (68, FROM_BELOW, ("along", "row", "done", "form")),
    (69, FROM_2_BELOW, ("along", "begin", "form", "writes")),
    (70, FROM_2_BELOW, ("along", "row", "done", "form")),
    (42, WRITTEN, ("place", "begin", "form")),
    (43, WRITTEN, ("column", "line", "begun", "form")),
    (44, WRITTEN_BELOW, ("place", "begin", "form")),
    (45, WRITTEN_BELOW, ("column", "line", "begun", "form")),
    (19, ELSE, ("now", "column", "line", "begun", "form", "writes")),
    (20, ELSE, ("now", "left", "line", "begun", "form", "writes")),
    (22, ELSE, ("place", "begin", "then", "paper", "writes")),
    (22, ELSE, ("place", "begin", "then", "writes")),
    (30, ELSE, ("left", "done", "under", "form")),
    (31, ELSE, ("right", "done", "under", "form")),
)
ALONE = (  # of what goes on by itself; what is two cells high is told by both
    (50, ("now", "above", "below", "place", "age")),
    (39, ("now", "above", "below", "place", "rest", "latest")),
    (50, ("now", "place", "age")),
    (39, ("now", "place", "rest", "latest")),
)
BESIDE = ((64, "above"), (65, "below"))  # of what is two cells high: one half of it tells the other
LINES = {  # cells that what stands there moves down
    **{"above": 1, "2 above": 2, "3 above": 3},
    **{"below": -1, "2 below": -2, "3 below": -3, "4 below": -4},
}
FROM_BEGIN = {"line", "begun", "begin", "row", "along"}  # told from where something begins

Signs = NDArray[np.int64]


class Setting(NamedTuple):
    """What rules are read from."""

    cells: NDArray[np.uint8]  # (rows, columns, pixels) what is seen
    layer: Signs  # (rows, columns) of which layer each is
    place: Signs  # (rows, columns) where in which size of layer each lies
    height: Signs  # (rows, columns) in which row of which size of layer
    row: Signs  # (rows, columns) in which row of it
    column: Signs  # ... and column
    tail: Signs  # (rows, columns) 1 where what fills the rest of a row begins, in the layer in front
    last: Signs  # (rows, columns) the last row of its layer in which anything stands
    new: Signs  # (rows, columns) 2 where the layer in front is as such layers appear, 1 where not; else 0
    off: Signs  # (rows, columns) where each lies from what is pressed or let go, 0: far, or nothing is
    mine: Signs  # (rows, columns) 1 in the layer that will be in front, or is while a new one appears
    edge: NDArray[np.bool_]  # (rows, columns) the last two columns of each layer: what is beyond does not come along
    blank: tuple[int, int]  # row and column of a cell that shows what most of the layer in front does
    pressed: tuple[int, int] | None  # row and column that the pointer is pressed on in this tick
    then: NDArray[np.uint8]  # (MARKS, pixels) how the layer begins that will be in front
    title: int  # colour that fills most of the top row of the layer in front, ``none`` where there is none
    paper: int  # ... that fills most of that layer
    said: int  # whether more than the pointer's button is on
    done: int  # a number for the controls that are on, for the button of a tick ago, and for the idea
    front: int  # ... for the size of the layer in front
    form: int  # ... for the letters that the layer that will be in front begins with, in whatever colours
    own: int  # ... for those of the layer that an idea is of
    deed: int  # ... for what was done in that before
    next: int  # ... for its size
    idea: int  # ... for the kind of idea that is believed
    cast: bool  # whether that turns all colours: what a cell shows then follows from what it shows now

    def turned(self, into: NDArray[np.uint8]) -> "Setting":
        """Return the same in colours ``into`` (colours + 1,)."""
        return self._replace(
            cells=into[self.cells], then=into[self.then], title=int(into[self.title]), paper=int(into[self.paper])
        )


def contexts_of(
    known: Signs, setting: Setting, shown: Signs, none: int, written: dict[int, int]
) -> Iterator[tuple[int, Signs]]:
    """Yield, for each kind of rule, what is counted, and a number (rows, columns) for what it looks at.

    The number is 0 where a cell is none of the rule's business.

    Args:
        known: (n, 3) the rules that are known, sorted: some tell what others look at.
        setting: what is seen, and done.
        shown: (rows, columns) signs of what is seen.
        none: the number that stands for no colour.
        written: takes the numbers of the outcomes that what is done is found to write.
    """
    reading = _Reading(known, setting, shown, none, written)
    for number, counted, names in KINDS:
        if reading.asks(counted, names):
            told = reading.told(number, counted, names)
            yield counted, told
            reading.take(number, counted, told)


class _Reading:
    """What kinds of rules look at, one after the other: what some tell, others look at.

    Where a cell changes for what it shows alone, as a caret does when a key is typed, something begins; others are
    told by where they lie from there. What changes near a pointer that is pressed, as a button does, is what is
    meant.
    """

    def __init__(self, known: Signs, setting: Setting, shown: Signs, none: int, written: dict[int, int]) -> None:
        self.known, self.setting, self.shown, self.written = known, setting, shown, written
        self.begins: dict[int, NDArray[np.bool_]] | None = None  # cells in which what is written begins
        self.fires: NDArray[Any] = np.zeros_like(shown)  # cells that something begins with
        self.here: NDArray[np.bool_] = np.zeros_like(shown, np.bool_)  # those of the layer in which it does
        self.parts: dict[str, Any] = {
            **{"now": shown, "place": setting.place, "column": setting.column, "off": setting.off},
            **{"height": setting.height, "tail": setting.tail, "last": setting.last, "mine": setting.mine},
            **{name: moved(shown, np.array([0, down])) for name, down in LINES.items()},
            **{"left": moved(shown, np.array([1, 0])), "right": moved(shown, MOVES[FROM_RIGHT])},
            **{"new": setting.new, "new right": moved(setting.new, MOVES[FROM_RIGHT])},
            "under": shown[setting.pressed].reshape(1, 1) if setting.pressed else 0,
            "then": (signs(setting.then, none) @ factors(len(setting.then))).reshape(1, 1),
            **{"line": 0, "begun": 0, "begin": 0, "row": 0, "along": 0, "what": 0, "writes": 0},
        }
        for name in ("title", "paper", "said", "done", "front", "form", "own", "deed", "next", "idea"):
            self.parts[name] = np.full((1, 1), getattr(setting, name))

    def asks(self, counted: int, names: Sequence[str]) -> bool:
        """Say whether a kind of rule has anything to say here."""
        if self.begins is None and (counted in WRITING or not FROM_BEGIN.isdisjoint(names)):
            return False
        if counted in WRITING.values() and counted not in self.written:
            return False
        if self.begins is not None and "last" in names:  # that is of a whole layer that is written anew
            return False
        if "new" in names and not self.setting.new.any():
            return False
        return not ("idea" in names and not self.setting.idea) and not (self.setting.cast and "now" not in names)

    def told(self, number: int, counted: int, names: Sequence[str]) -> Signs:
        """Return the numbers (rows, columns) of a kind."""
        told = _looked_at(self.shown, number, names, self.parts)
        if counted in WRITING and self.begins is not None:
            told = np.where(self.begins[counted], told, 0)
        elif not FROM_BEGIN.isdisjoint(names):
            told = np.where(self.here, told, 0)
        if "along" in names:  # all lines above that in which something begins, as one
            told = np.where(self.parts["along"], told, 0)
        if "new" in names:
            told = np.where(self.parts["new"] * self.parts["new right"], told, 0)
        if counted in MOVES and not {"height", "along"}.isdisjoint(
            names
        ):  # of a row as one, but for its edge, and for a caret
            ends = self.setting.edge if counted == FROM_RIGHT else moved(self.fires, MOVES[counted]) > 0
            told = np.where(ends, 0, told)
        return told

    def take(self, number: int, counted: int, told: Signs) -> None:
        """Let the kinds that follow look at what this one tells."""
        if counted in WRITING and self.begins is not None:
            sure, outcome = find(self.known, told[self.begins[counted]])
            if sure.max(initial=0) >= SURE * 1e6:
                self.written[WRITING[counted]], self.parts["writes"] = int(outcome[0]), 1
        if number == 1 and self.setting.pressed:
            means = find(self.known, told)[0] > 0
            if means.any():
                self.parts["what"] = self.setting.place[means][:1].reshape(-1, 1)
        elif number in (0, 21) and self.setting.said and not self.setting.idea and self.begins is None:
            sure, _ = find(self.known, told)
            if sure.any():  # what changed by chance so far, as a rare letter does, is less sure than a caret
                self._begin((sure > 0) & (sure >= sure.max() - ALIKE * 1e6))

    def _begin(self, fires: NDArray[np.bool_]) -> None:
        setting, (row, column) = self.setting, np.argwhere(fires)[0]
        self.fires, self.here = fires, setting.layer == setting.layer[row, column]
        self.begins = {what: np.zeros_like(fires) for what in WRITING}
        self.begins[WRITES][row, column] = True
        self.begins[WRITES_BELOW][row + 1 : row + 2, column] = fires[row + 1 : row + 2, column]
        lines = np.arange(len(self.shown))[:, None] - row
        self.parts["line"] = np.where(abs(lines) <= NEAR, lines + NEAR + 1, 0)
        self.parts["begun"] = 1 + setting.column[row, column].reshape(1, 1)
        self.parts["begin"] = setting.place[row, column].reshape(1, 1)
        self.parts["along"] = (self.here & (setting.row >= 1) & (setting.row < setting.row[row, column])).astype(
            np.int64
        )
        self.parts["row"] = 1 + setting.row[row, column].reshape(1, 1)


def moved(shown: Signs, step: NDArray[np.int64]) -> Signs:
    """Return what every cell would show if all moved by ``step`` (across, down); 0 where nothing comes from."""
    came, inside = shift(shown, step)
    return np.where(inside, came, 0)


def alone(shown: Signs, place: Signs, age: Signs, layer: Signs) -> Iterator[Signs]:
    """Yield numbers (rows, columns) for what tells that something goes on by itself.

    That is how long a cell shows what it does; or what the rest of its row in its layer shows, and for how long the
    latest of that does: minutes follow seconds.
    """
    rest, latest, along = np.zeros_like(shown), np.full_like(shown, STOOD - 1), layer[:, 1:] == layer[:, :-1]
    for x in range(shown.shape[1] - 2, -1, -1):
        ahead = rest[:, x + 1] * factors(8)[0] + shown[:, x + 1]
        rest[:, x] = np.where(along[:, x], ahead, 0)
        last = np.where(rest[:, x + 1] == 0, age[:, x + 1], np.minimum(latest[:, x + 1], age[:, x + 1]))
        latest[:, x] = np.where(along[:, x], last, STOOD - 1)
    parts = {"now": shown, "place": place, "age": age, "rest": rest, "latest": latest}
    for name in ("above", "below"):
        step = np.array([0, LINES[name]])
        parts[name] = np.where(moved(layer, step) == layer, moved(shown, step), 0)
    for number, names in ALONE:
        yield _looked_at(shown, number, names, parts)


def beside(setting: Setting, shown: Signs, after: Signs) -> Iterator[Signs]:
    """Yield numbers (rows, columns) for what tells a cell by what one above or below it turns to; 0: that does not.

    Args:
        shown: (rows, columns) signs of what is seen.
        after: (rows, columns) signs of what is seen next, or is foretold; 0: nothing is told.
    """
    turns = np.where(after != shown, after, 0)
    for number, name in BESIDE:
        step = np.array([0, LINES[name]])
        came = np.where(moved(setting.layer, step) == setting.layer, moved(turns, step), 0)
        done, form = (np.full((1, 1), one) for one in (setting.done, setting.form))
        parts = {"now": shown, "came": came, "done": done, "form": form}
        yield np.where(came, _looked_at(shown, number, tuple(parts), parts), 0)


def _looked_at(shown: Signs, number: int, names: Sequence[str], parts: Mapping[str, Any]) -> Signs:
    """Return a number (rows, columns) for what a kind of rule looks at: those of ``parts`` that it names."""
    told = np.full_like(shown, factors(128)[number])
    for name, factor in zip(names, factors(8), strict=False):
        told += parts[name] * factor
    return told


def sorted_rules(table: Signs) -> Signs:
    """Return the rules (n, 3) of a table that are in use, by the numbers of their contexts."""
    used = table[table[:, 2] > 0]
    return np.asfortranarray(used[used[:, 0].argsort()])


def find(known: Signs, contexts: Signs) -> tuple[Signs, Signs]:
    """Return how sure ``known`` rules, sorted, are for contexts, 0 where there is none, and what follows."""
    if not len(known):
        return np.zeros_like(contexts), np.zeros_like(contexts)
    at = np.searchsorted(known[:, 0], contexts).clip(max=len(known) - 1)
    return np.where(known[at, 0] == contexts, known[at, 2], 0), known[at, 1]
