"""What lies over what: a picture of the mosaic model as a pile of layers, and how it would look after an idea.

A *layer* is a rectangle of cells that comes, goes and moves as one, with what lies beneath it kept (a layered
representation: Wang & Adelson 1994; here of interfaces). An *idea* is what may happen to one layer, or to all: with it
goes a whole picture.

Holds numbers of colours and knows no net.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.mosaic_cells import MARKS, factors, shares, signs, turned
from dreamloop.model.mosaic_known import Appearance, Known

MOST = 12  # layers, the ground aside
RAISE, HIDE, CARRY, APPEAR, CAST, LEAP = range(6)  # kinds of ideas; to leap are four: left, right, up, down
KINDS = LEAP + 4
PAGES = 12  # of one layer, at most
NEW_ONE = MOST + 1  # where a layer that may appear is put together
LOOSE = 0, -1, -1  # a grip that holds nothing
TOLD, UNKNOWN, OF_IT, IN_FRONT = 1, 2, 3, 4  # what becomes of a cell

Rect = NDArray[np.int64]  # y, x, height, width in cells
_KEPT = ("contents", "rects", "level", "since", "sure", "grip", "guessed", "spoilt", "past_of")


class Idea(NamedTuple):
    """What may happen to one layer."""

    kind: int
    layer: int  # or the number of what appears, or of the cast
    y: int = 0  # where its corner comes to lie
    x: int = 0


class Dreamed(NamedTuple):
    """What was believed when a picture was dreamed."""

    idea: Idea | None


class Page(NamedTuple):
    """A layer as it was before its rows rolled (see mosaic_rolls.py)."""

    layer: int
    by: int  # rows
    cells: NDArray[np.uint8]  # (height, width, pixels)


class Pile:
    """One player's layers as they lie; number 0 is the ground.

    Args:
        grid: rows and columns of cells.
        pixels: of a cell.
        none: the number that stands for no colour.
        known: what is known of layers from earlier play.
    """

    def __init__(self, grid: tuple[int, int], pixels: int, none: int, known: Known) -> None:
        self.grid, self.none, self.known = grid, none, known
        self.contents = np.full((MOST + 2, *grid, pixels), none, np.uint8)  # of each in its own corner
        self.rects = np.zeros((MOST + 2, 4), np.int64)  # one without a height is not in use
        self.rects[0, 2:] = grid
        self.level = np.zeros(MOST + 2, np.int64)  # the higher, the further in front; 0: not seen
        self.since = np.zeros(MOST + 2, np.int64)  # tick in which each came, went or moved
        self.sure = np.zeros(MOST + 2, np.bool_)  # whose size is no guess
        self.grip = np.array(LOOSE)  # the layer that is held, and where its corner lay then; 0, and the cell pressed
        self.guessed = np.zeros(grid, np.bool_)  # cells of the ground that were never seen
        self.spoilt = np.zeros(grid, np.bool_)  # cells of the ground that a dream has changed as nothing does
        self.past = np.full_like(self.contents, none)  # what each showed before it was written anew the last time
        self.past_of = np.zeros(MOST + 2, np.int64)  # a number for what it showed then; 0: it never was
        self.pages: tuple[Page, ...] = ()  # of layers that rolled, the oldest first; replaced and never changed
        self.now = np.zeros(grid, np.int64)  # signs of what is seen
        self._offered: tuple[Any, list[Appearance]] = (None, [])  # what was seen, and what may appear in it
        self._turn: tuple[Any, Any, dict[int, Any]] = (None, None, {})  # what was seen, how it turns, and top rows so
        self.refresh()

    # --- what is there ---

    @property
    def front(self) -> int:
        """The layer that lies over all others; 0 where there is none."""
        return int(self.level.argmax()) if self.level.any() else 0

    def compose(self, idea: Idea | None = None) -> NDArray[np.uint8]:
        """Return the picture (rows, columns, pixels) after an idea; ``none`` where nothing is known."""
        return self._cells(idea, *self._after(idea))

    def foresee(self, idea: Idea | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return what an idea would change.

        Returns:
            cells (rows, columns, pixels), ``none`` where nothing is known or they stay what they are; and (rows,
            columns) what becomes of every cell, ``TOLD``, ``UNKNOWN``, or it stays what it is and is ``OF_IT`` or not;
            ``IN_FRONT`` is added for cells of the front layer of now.
        """
        owner, y, x = self._after(idea)
        told = self._told(idea, owner, y, x)
        becomes = np.where(self._differs(told, owner, y, x), np.where(told == 0, UNKNOWN, TOLD), 0)
        if idea is not None and idea.kind != CAST:
            becomes[(becomes == 0) & (owner == (NEW_ONE if idea.kind == APPEAR else idea.layer))] = OF_IT
        cells = self._cells(idea, owner, y, x)
        cells[becomes != TOLD] = self.none
        if self.front:
            becomes[self.owner == self.front] += IN_FRONT
        return cells, becomes.astype(np.uint8)

    def begins(self, layer: int) -> NDArray[np.uint8]:
        """Return how a layer begins (MARKS, pixels), ``none`` for the ground."""
        return self.contents[layer, 0, :MARKS] if layer else np.full_like(self.contents[0, 0, :MARKS], self.none)

    def turned_looks(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return what is seen as it looks when it leaves the front, and when it comes there.

        ``none`` in cells (rows, columns, pixels) in which no colour would be another.
        """
        cells, (_, turn, _) = self.compose(), self._turned()
        if turn is None or not self.front:
            nothing = np.full_like(cells, self.none)
            return nothing, nothing
        looks = (turned(cells, one) for one in turn)
        out, back = (np.where((look != cells).any(-1, keepdims=True), look, np.uint8(self.none)) for look in looks)
        return out, back

    def _colours_in(self, cells: NDArray[np.uint8]) -> NDArray[np.bool_]:
        return shares(cells, self.none) > 0

    def _after(self, idea: Idea | None) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the layer that is seen at every cell (rows, columns), and row and column within it."""
        if idea is None or idea.kind == CAST:
            return self.owner, *self.at
        rects, level, k = self.rects.copy(), self.level.copy(), idea.layer
        if idea.kind == APPEAR:
            cells, k = self._appearances()[k].cells, NEW_ONE
            h, w = cells.shape[:2]
            self.contents[k, :h, :w], self._signs[k, :h, :w], rects[k, 2:] = cells, signs(cells, self.none), (h, w)
        rects[k, :2] = idea.y, idea.x
        level[k] = 0 if idea.kind == HIDE else level.max() + 1
        owner = self._owner(rects, level)
        return owner, *self._inside(owner, rects)

    def _cells(
        self, idea: Idea | None, owner: NDArray[np.int64], y: NDArray[np.int64], x: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Return the contents (rows, columns, pixels) that are seen after an idea; the rest is from ``_after``."""
        cells = self.contents[owner, y, x]
        if idea is not None and idea.kind == CAST:
            return turned(cells, self.known.offered_casts[idea.layer])
        for where, tops, _ in self._turned_tops(idea, owner, y):
            cells[where] = tops[x[where]]
        return cells

    def _told(
        self, idea: Idea | None, owner: NDArray[np.int64], y: NDArray[np.int64], x: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the signs (rows, columns) of what is seen after an idea."""
        if idea is not None and idea.kind == CAST:
            return self._signs_of(self._cells(idea, owner, y, x))
        told = self._signs[owner, y, x]
        for where, _, tops in self._turned_tops(idea, owner, y):
            told[where] = tops[x[where]]
        return told

    def _differs(
        self, told: NDArray[np.int64], owner: NDArray[np.int64], y: NDArray[np.int64], x: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return which cells become others: what is told of them is, or if nothing is, they are of something else."""
        moved = (owner != self.owner) | (y != self.at[0]) | (x != self.at[1])
        return np.asarray(np.where(told == 0, moved, told != self.now))

    def _turned_tops(
        self, idea: Idea | None, owner: NDArray[np.int64], y: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.uint8], NDArray[np.int64]]]:
        """Yield where top rows turn their colours with an idea (rows, columns), and what these rows show then.

        The layer that comes to the front and the one that was there do so, as far as it is known how.
        """
        front = self.front_after(idea)
        if front == self.front:
            return
        _, _, tops = self._turned()
        for k in {front, self.front} & tops.keys():
            yield (owner == k) & (y == 0), *tops[k]

    def _turned(self) -> tuple[Any, tuple[NDArray[np.uint8], ...] | None, dict[int, Any]]:
        """Return, for what is seen now, how colours turn when a layer leaves the front, and when it comes there.

        None where it is not known; and the top rows of layers so turned, with their signs.
        """
        if self._turn[0] is not self.now:
            front, turn, tops = self.front, None, {}
            used = np.flatnonzero(self.rects[1:NEW_ONE, 2]) + 1
            fronts = [front] if front else used.tolist()
            rows = [self.contents[k, 0, : self.rects[k, 3]] for k in fronts]
            if not front:  # what was hidden while it was in front still has its colours
                rows = [row for row in rows if not self.known.is_behind(row)]
            if rows:
                turn = self.known.turn_for(*(self._colours_in(part) for part in (np.concatenate(rows), self.compose())))
            if turn is not None:
                for k in used.tolist():
                    row = turned(self.contents[k, 0], turn[int(k != front)])
                    tops[k] = row, self._signs_of(row)
            self._turn = (self.now, turn, tops)
        return self._turn

    def front_after(self, idea: Idea | None) -> int:
        """Return the layer in front after an idea."""
        if idea is None or idea.kind == CAST:
            return self.front
        if idea.kind == HIDE:
            level = self.level.copy()
            level[idea.layer] = 0
            return int(level.argmax()) if level.any() else 0
        return NEW_ONE if idea.kind == APPEAR else idea.layer

    def uncovers(self, idea: Idea) -> bool:
        """Say whether an idea brings up what cannot be seen."""
        return idea.kind == APPEAR or (idea.kind == RAISE and not self.level[idea.layer])

    def _appearances(self) -> list[Appearance]:
        """Return what may appear in the picture of now, of what fits into it."""
        if self._offered[0] is not self.now:
            rows, columns = self.grid
            used = self.rects[:, 2] > 0
            colours = self._colours_in(np.append(self.contents[used].ravel(), self.compose().ravel()))
            offered = self.known.offer(np.append(self._signs[used], self.now.ravel()), colours)
            inside = [
                one for one in offered if one.y + len(one.cells) <= rows and one.x + one.cells.shape[1] <= columns
            ]
            self._offered = (self.now, inside)
        return self._offered[1]

    def as_new(self) -> NDArray[np.int64]:
        """Return which cells (rows, columns) of the layer in front show what such a layer shows when it appears.

        1: others, 2: those; 0: elsewhere, and where no layer is known to look so.
        """
        found, k = np.zeros(self.grid, np.int64), self.front
        if not k:
            return found
        h, w = self.rects[k, 2:].tolist()
        shown, mine = self._signs[k, :h, :w], self.owner == k
        look = self.known.look_like(shown, self._colours_in(self.compose()))
        if look is not None:
            same = signs(look, self.none) == shown
            found[mine] = 1 + same[self.at[0][mine], self.at[1][mine]]
        return found

    def _owner(self, rects: NDArray[np.int64], level: NDArray[np.int64]) -> NDArray[np.int64]:
        owner = np.zeros(self.grid, np.int64)
        for k in level.argsort(kind="stable")[int((level == 0).sum()) :]:
            y, x, h, w = rects[k]
            owner[y : y + h, x : x + w] = k
        return owner

    def _inside(
        self, owner: NDArray[np.int64], rects: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return row and column of every cell within the layer that is seen there."""
        rows, columns = self.grid
        return np.arange(rows)[:, None] - rects[owner, 0], np.arange(columns) - rects[owner, 1]

    def _seen_at(self, where: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the layers that are seen at some cells (rows, columns), and row and column within them."""
        return self.owner[where], self.at[0][where], self.at[1][where]

    def top_of(self, layer: int, idea: Idea | None) -> NDArray[np.uint8]:
        """Return the top row (cells, pixels) of a layer, of what appears with an idea too; none of the ground."""
        if layer == NEW_ONE and idea is not None:
            return np.asarray(self._appearances()[idea.layer].cells[0])
        return np.asarray(self.contents[layer, 0, : self.rects[layer, 3] if layer else 0])

    def size_of(self, layer: int, idea: Idea | None) -> tuple[int, int]:
        """Return height and width of a layer, of what appears with an idea too; 0 and 0 of the ground."""
        if layer == NEW_ONE and idea is not None:
            height, width = self._appearances()[idea.layer].cells.shape[:2]
            return height, width
        height, width = self.rects[layer, 2:].tolist() if layer else (0, 0)
        return height, width

    # --- bookkeeping ---

    def _add(self, rect: Rect, cells: NDArray[np.uint8], tick: int, above: list[int] | None = None) -> int:
        """Put a new layer over all others, but those ``above``, and return its number."""
        k = self._free()
        y, x, h, w = rect
        self.rects[k], self.since[k], self.sure[k], self.level[k], self.past_of[k] = rect, tick, False, 0, 0
        self.keep_pages(k)
        lowest = min((int(self.level[one]) for one in above or []), default=int(self.level.max()) + 1)
        self.level[self.level >= lowest] += 1
        self.level[k] = lowest
        self.owner = self._owner(self.rects, self.level)
        seen = self.owner[y : y + h, x : x + w] == k
        self.contents[k] = self.none
        self.contents[k, :h, :w][seen] = cells[y : y + h, x : x + w][seen]
        self._signs[k] = signs(self.contents[k], self.none)
        self._rank()
        for other in self._others_like(k):
            if self.grip[0] == other:  # what is held is the same thing
                self.grip[0] = k
            self._drop(other)
        return k

    def _others_like(self, k: int) -> list[int]:
        """Return layers that a new one has come in place of: they lay just there, or are as large and begin alike.

        One that begins alike may be another of the same kind, if it is seen to begin so where it lies.
        """
        alike_to = self._alike(self.contents[k : k + 1, 0, :MARKS])[0] & self._signs[k, 0, :MARKS].all()
        found = []
        for j in np.flatnonzero((self.rects[:, 2:] == self.rects[k, 2:]).all(1)):
            y, x, _, w = self.rects[j].tolist()
            there = self.level[j] > 0 and (self.rects[j] == self.rects[k]).all()
            seen = self.level[j] > 0 and (self.owner[y, x : x + min(w, MARKS)] == j).all()
            if j not in (0, k, NEW_ONE) and (there or (alike_to[j] and not seen)):
                found.append(int(j))
        return found

    def _alike(self, begins: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Return which layers (n, layers) begin as each of some things does (n, MARKS, pixels).

        That is: the same is written there in whatever colours, in all cells but one: a dream may have spoilt that.
        """
        mine = self.contents[:, 0, :MARKS]
        same = (_written(begins)[:, None] == _written(mine)) & (begins[..., 0] != self.none)[:, None]
        return np.asarray((same & (mine[..., 0] != self.none)).sum(-1) >= MARKS - 1)

    def _drop(self, k: int) -> None:
        self.rects[k], self.level[k], self.sure[k] = 0, 0, False
        self.keep_pages(k)
        if self.grip[0] == k:
            self.grip[:] = LOOSE
        self._rank()

    def pages_of(self, k: int) -> list[Page]:
        """Return the pages of a layer, the last one the latest."""
        return [page for page in self.pages if page.layer == k]

    def keep_pages(self, k: int, pages: Sequence[Page] = ()) -> None:
        """Let these be the pages of a layer, as many of the latest as are kept."""
        self.pages = (*(page for page in self.pages if page.layer != k), *pages[-PAGES:])

    def turn(self, cast: NDArray[np.uint8]) -> None:
        """Let the colours (colours,) of all that is known turn, also of what is not seen."""
        self.contents = turned(self.contents, cast)
        self.pages = tuple(page._replace(cells=turned(page.cells, cast)) for page in self.pages)
        self.refresh()

    def _free(self) -> int:
        """Return a number that is in no use, or that of a layer that gives way: what is worth least.

        In a dream there may be more of something than there is. So what begins as nothing that is known gives way
        before what does, what there is twice before what there is once, and then what is hidden before what is seen.
        """
        unused = np.flatnonzero(self.rects[1:NEW_ONE, 2] == 0) + 1
        if len(unused):
            return int(unused[0])
        k = 1 + int(np.lexsort(self._worth()[::-1])[0])
        if self.level[k]:
            y, x, h, w = self.rects[k]
            self.contents[0, y : y + h, x : x + w] = self.contents[k, :h, :w]
            self._signs[0, y : y + h, x : x + w] = self._signs[k, :h, :w]
            self.level[k] = 0
            self._rank()
        return k

    def _worth(self) -> NDArray[np.int64]:
        """Return (2, layers) what each layer is worth, and of those that are worth the same which gives way sooner.

        Of two alike the later one; of the others what is hidden longest, or lies lowest.
        """
        all_of = slice(1, NEW_ONE)
        hidden, since = self.level[all_of] == 0, self.since[all_of]
        twice = self._alike(self.contents[all_of, 0, :MARKS])[:, all_of].sum(1) > 1
        strange = np.array([not self.known.find(self._signs[k, :1, :MARKS]) for k in range(1, NEW_ONE)])
        strange &= not strange.all()  # where nothing is known, that says nothing
        worth = np.select([strange & twice, strange & hidden, twice & hidden, strange, twice, hidden], range(6), 6)
        return np.stack([worth, np.where(twice & ~strange, -since, np.where(hidden, since, self.level[all_of]))])

    def _rank(self) -> None:
        """Number the levels anew, from 1."""
        seen = self.level > 0
        self.level[seen] = self.level[seen].argsort().argsort() + 1
        self.owner = self._owner(self.rects, self.level)
        self.at = self._inside(self.owner, self.rects)
        self.now = self._signs[self.owner, self.at[0], self.at[1]]

    def refresh(self) -> None:
        """Take note of contents that were changed from outside."""
        self._signs = signs(self.contents, self.none)
        self._rank()

    def _signs_of(self, cells: NDArray[np.uint8]) -> NDArray[np.int64]:
        return signs(cells, self.none)

    # --- state ---

    def forget(self) -> None:
        """Keep nothing but what is seen."""
        cells = self.compose()
        self.contents[:], self.rects[1:], self.level[:], self.since[:], self.grip[:] = self.none, 0, 0, 0, LOOSE
        self.past_of[:], self.spoilt[:], self.pages = 0, False, ()
        self.contents[0] = cells
        self.refresh()

    def still(self) -> "Pile":
        """Return a copy to look at, which stays what it is."""
        one = copy.copy(self)
        for name in _KEPT:
            setattr(one, name, getattr(self, name).copy())
        return one  # the past is replaced and never changed

    def state(self) -> dict[str, Any]:
        """Return copies of everything, but of the past, which is replaced and never changed."""
        state = {f"layer_{name}": getattr(self, name).copy() for name in _KEPT} | {"layer_past": self.past}
        state["layer_contents"][NEW_ONE] = self.none  # whatever was tried there last
        about = [(page.layer, page.by, *page.cells.shape[:2]) for page in self.pages]
        state["page_of"] = np.array(about, np.int64).reshape(-1, 4)
        state["page_cells"] = np.concatenate([np.zeros(0, np.uint8), *(page.cells.ravel() for page in self.pages)])
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what ``state()`` returned."""
        state = {"layer_spoilt": np.zeros(self.grid, np.bool_)} | state  # games saved by earlier versions lack it
        for name in _KEPT:
            setattr(self, name, np.array(state[f"layer_{name}"]))
        self.past = np.asarray(state["layer_past"])
        about = state.get("page_of", np.zeros((0, 4), np.int64))  # games saved by earlier versions have none
        self.pages = tuple(self._pages_in(about.tolist(), np.asarray(state.get("page_cells", about))))
        self.refresh()

    def _pages_in(self, about: list[list[int]], cells: NDArray[np.uint8]) -> Iterator[Page]:
        start, pixels = 0, self.contents.shape[-1]
        for layer, by, h, w in about:
            end = start + h * w * pixels
            yield Page(layer, by, cells[start:end].reshape(h, w, pixels))
            start = end

    @property
    def nbytes(self) -> int:
        """Bytes of everything that is remembered."""
        return sum(int(getattr(self, name).nbytes) for name in (*_KEPT, "past")) + sum(
            page.cells.nbytes for page in self.pages
        )


def _written(cells: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return a number for what is written in each of some cells (..., pixels), in whatever colours."""
    return np.asarray((cells != cells[..., :1]) @ factors(cells.shape[-1]))


def stays(becomes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which cells are what they were, as far as ``becomes`` says, which :meth:`Pile.foresee` returned."""
    return np.asarray(np.isin(becomes % IN_FRONT, (0, OF_IT)))
