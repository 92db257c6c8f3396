"""How lines are written anew: larger, say, when the size of all text is changed, also where nobody sees it.

What is written turns as a whole. Where a layer begins in bolder letters than before, its lines are no longer what they
were: each cell of them shows a letter that stood elsewhere in its column, in another *shape*. Which row it comes from
is a *line*, and goes by how the layer began, its size, the row, and how far down anything is written; what shape comes
of which is a *turn*, and the same for many lines. Shapes have no colours: a letter turns alike in all looks.

Knows nothing about layers; how it is learnt is in learn_letters.py.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.mosaic_cells import MARKS, factors, ink_of, plain

LINES, LETTERS, SHAPES = 1024, 4096, 2048  # of each that can be known
SURE = 0.9  # share of the cells of a line, or of the times of a turn, that must be as it says
COLOURS = 8  # of a cell, and of another; where there are more, they have no shape
NO_LINE = 0  # number of a context
HIGHEST = 3  # rows of a line

Signs = NDArray[np.int64]
Cells = NDArray[np.uint8]


class Shaped(NamedTuple):
    """Cells without their colours."""

    sign: Signs  # (...) a number for each shape, 0: none
    colours: Cells  # (..., COLOURS) as they first come, the rest ``none``


class Line(NamedTuple):
    """Where what is written in a row comes from."""

    down: int  # rows from there to where it is read
    turn: int  # number of what turns its letters
    reads: int  # cells, one below the other, that tell a letter


class Writing(NamedTuple):
    """How what is written in lines is written anew, each line as if it were the first."""

    high: int  # rows of a line
    rows: tuple[Line, ...]  # of it anew


class Letters:
    """Tables of lines and turns.

    Args:
        lines: (LINES, 4) int64: number of a context, and a :class:`Line`; or number of how a layer begins, of how it
            does afterwards, and of the *way* in which all that is written turns then, and 0. A context of 0: unused.
        letters: (LETTERS, 2) int64: number of a shape in a turn, and row of ``shapes`` that comes of it; 0: unused.
        shapes: (SHAPES, pixels) uint8: which of the colours of what it comes from each pixel shows.
        none: the number that stands for no colour.
    """

    def __init__(self, lines: Signs, letters: Signs, shapes: Cells, none: int) -> None:
        self.none, self.shapes = none, shapes
        known = [tuple(row) for row in lines.tolist() if row[0] != NO_LINE]
        self.lines = {context: Line(*line) for context, *line in known if line[2]}
        self.after: dict[int, tuple[int, int | None]] = {
            begins: (then, way) for begins, then, way, reads in known if not reads
        }
        used = letters[letters[:, 0] != 0]
        self._letters = used[used[:, 0].argsort()]
        self._writings = {begins: self._writing(begins) for begins in self.after}

    def __len__(self) -> int:
        """How many turns of shapes are known."""
        return len(self._letters)

    def way(self, top: Cells, size: tuple[int, int]) -> int | None:
        """Return the way in which what is written in a layer can turn, None: in none.

        Args:
            top: (cells, pixels) its top row.
            size: its height and width.
        """
        return self.after.get(begin_of(top, size, self.none), (0, None))[1]

    def turns(self, before: Cells, after: Cells, size: tuple[int, int]) -> int | None:
        """Return the way in which what is written in a layer of a size turns when its top row (cells, pixels) does."""
        then, way = self.after.get(begin_of(before, size, self.none), (0, None))
        return way if then == begin_of(after, size, self.none) else None

    def anew(self, cells: Cells) -> Cells:
        """Return a layer (rows, columns, pixels) as it is written anew; ``none`` in cells of which that is not known.

        All of it where it does not begin as those do that turn.
        """
        found = np.full_like(cells, self.none)
        begins = begin_of(cells[0], cells.shape[:2], self.none)
        if begins not in self.after:
            return found
        last = last_of(cells, self.none)
        for row in range(len(cells)):
            line = self.lines.get(context_of(begins, row, last))
            if line is not None and row + line.down >= 0 and row + line.down + line.reads <= len(cells):
                found[row] = self.turned(cells[row + line.down : row + line.down + line.reads], line.turn)
        still = (found[0] == self.none).all(-1) & plain(cells[0])
        found[0, still] = cells[0, still]  # the top row stays where it is: nothing comes where nothing stands
        return found

    def lines_anew(self, cells: Cells, above: Sequence[Cells] = ()) -> list[Cells] | None:
        """Return the lines (rows, columns, pixels) of a layer as they are written anew; None: it has no lines.

        Args:
            cells: (rows, columns, pixels) the layer.
            above: (rows, columns, pixels) lines for which it has no room, as they are written now; those of another
                height than a line of such a layer has tell nothing.
        """
        writing = self._writings.get(begin_of(cells[0], cells.shape[:2], self.none))
        if writing is None:
            return None
        last = last_of(cells, self.none)
        above = above if all(len(line) == writing.high for line in above) else ()
        lines = [*above, *(cells[row : row + writing.high] for row in range(1, last + 1, writing.high))]
        return [self._line_anew(line, writing) for line in lines if len(line) == writing.high]

    def _line_anew(self, line: Cells, writing: Writing) -> Cells:
        read = [line[row + one.down : row + one.down + one.reads] for row, one in enumerate(writing.rows)]
        found = np.stack([self.turned(source, one.turn) for source, one in zip(read, writing.rows, strict=True)])
        empty = (line == line[:1, :, :1]).all((0, 2)) & (line[0, :, 0] != self.none)  # nothing comes of nothing
        return np.where((empty & (found[..., 0] == self.none))[..., None], line[:1], found)

    def _writing(self, begins: int) -> Writing | None:
        """Return how the lines of what begins so are written anew, None: it is not known to have any."""
        for high in range(1, HIGHEST + 1):
            rows = list[Line]()
            while (line := self.lines.get(context_of(begins, 1 + len(rows), high))) is not None:
                if not 0 <= len(rows) + line.down <= high - line.reads:
                    break
                rows.append(line)
                second = [self.lines.get(context_of(begins, 1 + len(rows) + i, 2 * high)) for i in range(len(rows))]
                if second == [one._replace(down=one.down + high - len(rows)) for one in rows]:
                    return Writing(high, tuple(rows))
        return None

    def titles(self, way: int) -> list[Line]:
        """Return the lines of the top rows of layers that turn in a way."""
        contexts = (context_of(begins, 0, 0) for begins, (_, one) in self.after.items() if one == way)
        return [self.lines[context] for context in contexts if context in self.lines]

    def turned(self, source: Cells, turn: int) -> Cells:
        """Return what comes of cells (reads, columns, pixels) by a turn: (columns, pixels), ``none`` if not known."""
        found: Cells = np.full_like(source[0], self.none)
        shaped = shaped_of(read(source), self.none)
        at, known = self._find(key_of(turn, shaped.sign))
        known &= shaped.sign != 0
        columns = np.flatnonzero(known)
        found[columns] = np.take_along_axis(shaped.colours[columns], self.shapes[at[columns]].astype(np.int64), -1)
        return found

    def _find(self, keys: Signs) -> tuple[Signs, NDArray[np.bool_]]:
        """Return rows of ``shapes`` for what turns, and which of them are known."""
        if not len(self._letters):
            return np.zeros_like(keys), np.zeros_like(keys, np.bool_)
        at = np.searchsorted(self._letters[:, 0], keys).clip(max=len(self._letters) - 1)
        return self._letters[at, 1], np.asarray(self._letters[at, 0] == keys)


def read(source: Cells) -> Cells:
    """Return cells (reads, columns, pixels) as those that tell one letter (columns, reads * pixels)."""
    return np.asarray(source.swapaxes(0, 1).reshape(source.shape[1], -1))


def shaped_of(cells: Cells, none: int) -> Shaped:
    """Take the colours off cells (..., pixels): what is left is where they have the first, the second, ... colour."""
    lead, flat = cells.shape[:-1], cells.reshape(-1, cells.shape[-1])
    n, pixels = flat.shape
    first = np.full((n, none + 1), pixels, np.int64)
    np.minimum.at(first, (np.arange(n)[:, None], flat), np.arange(pixels))
    order = first.argsort(1, kind="stable")
    rank = order.argsort(1).astype(np.uint8)
    many = (first < pixels).sum(1)
    good = (many <= COLOURS) & (first[:, none] == pixels)
    sign = (np.take_along_axis(rank, flat, 1).astype(np.int64) + 1) @ factors(pixels) | 1
    colours = np.where(np.arange(COLOURS) < many[:, None], order[:, :COLOURS], none).astype(np.uint8)
    return Shaped(np.where(good, sign, 0).reshape(lead), colours.reshape(*lead, COLOURS))


def page_of(cells: Cells, lines: Sequence[Cells], none: int) -> Cells:
    """Return a layer (rows, columns, pixels) that shows the last of some lines (rows, columns, pixels).

    Where it shows none it is bare, or ``none`` if not all of it is known: there may be more lines.
    """
    page = cells.copy()
    page[1:-1] = np.stack([_most(cells[1:-1, x]) for x in range(cells.shape[1])])
    page[1:-1, 1:-1] = none if (cells[1:-1, 1:-1] == none).any() else bare_of(cells, none)
    for row, line in zip(count(1, len(lines[0])), lines[-room_of(cells, lines) :], strict=False):
        known = line[..., 0] != none
        page[row : row + len(line)] = np.where(known[..., None], line, none)
    return page


def room_of(cells: Cells, lines: Sequence[Cells]) -> int:
    """Return how many of such lines a layer shows."""
    return (len(cells) - 2) // len(lines[0])


def bare_of(cells: Cells, none: int) -> Cells:
    """Return what a layer (rows, columns, pixels) shows where nothing stands: (pixels,) of one colour, or ``none``."""
    inside = cells[1:-1, 1:-1]
    bare = inside[plain(inside) & (inside[..., 0] != none)]
    return _most(bare) if len(bare) else np.full_like(cells[0, 0], none)


def _most(contents: Cells) -> Cells:
    """Return the one of contents (n, pixels) that is there most often."""
    found, times = np.unique(contents, axis=0, return_counts=True)
    return np.asarray(found[times.argmax()])


def begin_of(top: Cells, size: tuple[int, int], none: int) -> int:
    """Return a number for how a layer of a size begins (cells, pixels), in whatever colours; 0: it is not known."""
    marks = top[:MARKS]
    if len(marks) < MARKS or (marks == none).any():
        return 0
    parts = np.append(ink_of(marks).ravel(), np.array(size))
    return int(parts.astype(np.int64) @ factors(parts.size)) | 1


def last_of(cells: Cells, none: int) -> int:
    """Return the last row of a layer (rows, columns, pixels) in which anything stands, its edges aside; 0: none."""
    inside = cells[1:-1, 1:-1]
    if not inside.size:
        return 0
    stands = ((inside != inside[:, -1:]) & (inside != none)).any((1, 2))
    return int(1 + np.flatnonzero(stands).max(initial=-1))


def context_of(begins: int, row: int, last: int) -> int:
    """Return the number by which a line is known; that of the top row is the same however far down anything stands."""
    return int(np.array([begins, row, last if row else 0, 1], np.int64) @ factors(4)) | 1


def key_of(turn: int, shapes: Signs) -> Signs:
    """Return the numbers by which it is known what comes of shapes."""
    return np.asarray(np.stack([shapes, np.full_like(shapes, turn + 1)], -1) @ factors(2)) | 1


def empty_letters(pixels: int) -> dict[str, NDArray[Any]]:
    """Return tables in which nothing is known."""
    return {
        "lines": np.zeros((LINES, 4), np.int64),
        "letters": np.zeros((LETTERS, 2), np.int64),
        "shapes": np.zeros((SHAPES, pixels), np.uint8),
    }
