"""What may happen to the layers of a picture, and what did: found from how the picture changes and from nothing else.

Cells that appear together over others become a layer of the pile (see mosaic_pile.py). From the layers follow *ideas*
of what may happen next: one comes to the front, one goes, one moves. Which idea comes true is for the net to say; what
did come true is explained in hindsight; in a dream it is what was believed, if anything was.

Knows no net.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.mosaic_cells import MARKS, moves_of, shares, shift, signs, turned
from dreamloop.model.mosaic_known import FEW, Appearance, Known
from dreamloop.model.mosaic_pile import (
    APPEAR,
    CARRY,
    CAST,
    HIDE,
    KINDS,
    LEAP,
    LOOSE,
    NEW_ONE,
    RAISE,
    Dreamed,
    Idea,
    Pile,
    Rect,
)
from dreamloop.model.mosaic_rewriting import turning, write_anew
from dreamloop.model.mosaic_rolls import follow

IDEAS = 64  # at most
FACTS = KINDS + 25  # numbers that are known of an idea
LARGE = 6  # cells; where fewer change, an idea must explain them all to have come true
CLEAR = 4.0  # how much better than nothing it must explain them
MOSTLY = 0.35  # share of the cells that change that it must explain, if it says that something appears
PRESSED = 0.25  # how much better it explains them if it is of what is pressed: of two that look alike, that one
FRESH = 0.75  # share of a rectangle's cells that change where something appears
GONE = 0.6  # share of what is seen of a layer that must change, for it to be no longer there
NEW = 10.0  # how many more cells than not must change in a rectangle to make it a layer
UNSURE = 0.05  # share of what changed that a move may leave open, or be wrong about, for the layer's size to be trusted
TURNED, TURNED_ALONE = 0.2, 0.4  # share of what changed that a cast may be wrong about; where no idea explains it
OUTSIDE = 1.5  # how much a cell of it that does not change counts against it


class Layers(Pile):
    """One player's layers, told of every picture that is shown.

    Args:
        grid, pixels, none, known: as of a pile.
        leap: cells that the front layer may move by at once.
        floor: rows at the bottom of the picture over which no layer moves.
    """

    def __init__(
        self, grid: tuple[int, int], pixels: int, none: int, known: Known, leap: int = 4, floor: int = 0
    ) -> None:
        super().__init__(grid, pixels, none, known)
        self.leap, self.floor = leap, floor
        self._taught: set[tuple[int, ...]] = set()  # each has one vote in the life of these layers
        self._answer: tuple[Any, ...] = (None,) * 4  # what was explained last: what was seen, by what, and the answer

    # --- what may happen ---

    def press(self, row: int, column: int) -> None:
        """Remember what is pressed; if that is no layer, where: one may be found there."""
        layer = int(self.owner[row, column])
        self.grip[:] = (layer, *self.rects[layer, :2]) if layer else (0, row, column)

    def let_go(self) -> None:
        """Hold nothing any more."""
        self.grip[:] = LOOSE

    def ideas(self, moved: NDArray[np.int64]) -> list[Idea]:
        """Return what may happen, in an order that never changes.

        Args:
            moved: cells (across, down) that what was pressed has come along since; zero where nothing is held.
        """
        used, front = np.flatnonzero(self.rects[1:NEW_ONE, 2]) + 1, self.front
        found = [Idea(RAISE, int(k), *self.rects[k, :2].tolist()) for k in used if k != front]
        found += [Idea(HIDE, int(k), *self.rects[k, :2].tolist()) for k in used if self.level[k]]
        held = int(self.grip[0])
        if held and self.level[held]:
            found.append(self._moved(CARRY, held, int(self.grip[1] + moved[1]), int(self.grip[2] + moved[0])))
        if front:
            y, x = self.rects[front, :2].tolist()
            for i, (down, across) in enumerate(((0, -1), (0, 1), (-1, 0), (1, 0))):
                found.append(self._moved(LEAP + i, front, y + self.leap * down, x + self.leap * across))
        found = [idea for idea in found if idea.kind < CARRY or (idea.y, idea.x) != tuple(self.rects[idea.layer, :2])]
        offered = self._appearances()
        there = self._are_there(offered)
        found += [Idea(APPEAR, i, one.y, one.x) for i, one in enumerate(offered) if not there[i]]
        if casts := self.known.offered_casts:
            seen = self._colours_in(self.compose())
            found += [Idea(CAST, i) for i, cast in enumerate(casts) if (moves_of(cast) & seen).any()]
        return found[:IDEAS]

    def _are_there(self, offered: list[Appearance]) -> list[bool]:
        """Say which of what may appear lies just there already, or is a layer elsewhere: that one comes back then."""
        if not offered:
            return []
        begins = np.full((len(offered), MARKS, self.contents.shape[-1]), self.none, np.uint8)
        for row, one in zip(begins, offered, strict=True):
            row[: one.cells.shape[1]] = one.cells[0, :MARKS]
        sizes = np.array([(one.y, one.x, *one.cells.shape[:2]) for one in offered])[:, None]
        here = (self.rects[:NEW_ONE] == sizes).all(-1) & (self.level[:NEW_ONE] > 0)
        alike = (self.rects[:NEW_ONE, 2:] == sizes[..., 2:]).all(-1) & self._alike(begins)[:, :NEW_ONE]
        found: list[bool] = (here | alike).any(1).tolist()
        return found

    def facts(self, ideas: list[Idea], place: NDArray[np.int64], pressed: NDArray[np.int64], tick: int) -> "Facts":
        """Return what the net is told of ideas.

        Args:
            place: column and row of the cell that is pointed at.
            pressed: column and row of the cell in which the button went down.
        """
        numbers = np.zeros((IDEAS, FACTS), np.float32)
        marks = np.full((IDEAS, MARKS, self.contents.shape[-1]), self.none, np.uint8)
        front = self.front
        title = self.contents[front, 0, : self.rects[front, 3] if front else 0]
        casts = any(idea.kind == CAST for idea in ideas)
        seen = [shares(part, self.none) for part in (title, self.compose())] if casts else []
        for i, (kind, k, y, x) in enumerate(ideas):
            numbers[i, kind] = 1.0
            if kind == CAST:
                cast = self.known.offered_casts[k]
                marks[i, 0, : min(len(cast), marks.shape[-1])] = cast[: marks.shape[-1]]
                numbers[i, KINDS + 15 : KINDS + 17] = [(moves_of(cast) * share).sum() for share in seen]
                continue
            if kind == APPEAR:
                one = self._appearances()[k]
                h, w = one.cells.shape[:2]
                there = (self.rects[:, 2:] == (h, w)).all(1) & (self.contents[:, 0, 0] == one.cells[0, 0]).all(-1)
                numbers[i, KINDS + 15 : KINDS + 18] = one.share, there.any(), (there & (self.level > 0)).any()
                numbers[i, KINDS + 21 : KINDS + 23] = h / 12, w / 12
                marks[i, : min(w, MARKS)] = one.cells[0, :MARKS]
                continue
            rect = self.rects[k]
            (across, down), (top, left) = (place, rect[:2]) if kind != CARRY else (pressed, self.grip[1:])
            right, low = left + rect[3] - 1 - across, top + rect[2] - 1 - down
            near = (np.clip((down - top, across - left, right, low), -1, 3) + 1).astype(int)
            pointed = self.owner[place[1], place[0]] == k
            for j, at in enumerate(near[:3]):
                numbers[i, KINDS + 5 * j + at] = 1.0
            numbers[i, KINDS + 15 :] = (
                *(pointed, near[3] > 0, self.level[k] > 0, k == front, (self.level > self.level[k]).sum() / 4),
                *(np.log1p(tick - self.since[k]) / 5, rect[2] / 12, rect[3] / 12, (y - rect[0]) / 8, (x - rect[1]) / 8),
            )
            marks[i] = self.contents[k, 0, :MARKS]
        return Facts(numbers, marks)

    def settled(self, idea: Idea | None) -> NDArray[np.bool_]:
        """Return which cells (rows, columns) an idea settles, whatever else is told; none where all may turn at once.

        Top rows of layers that are in front neither now nor then; and where something comes up that cannot be seen,
        all but the top row of the front and the floor: nobody else can know where that comes to lie.
        """
        found = np.zeros(self.grid, np.bool_)
        if idea is None or idea.kind == CAST:
            return found
        tops = (self.at[0] == 0) & (self.owner != 0)
        if self.uncovers(idea):
            found[: self.grid[0] - self.floor] = True
            found &= ~(tops & (self.owner == self.front))
        return np.asarray(found | (tops & ~np.isin(self.owner, (self.front, self.front_after(idea)))))

    # --- what happened ---

    def explain(self, cells: NDArray[np.uint8], ideas: list[Idea]) -> int:
        """Return the number of the idea that came true with a picture (rows, columns, pixels), -1: none did."""
        return self._explain(self._signs_of(cells), ideas)

    def show(
        self,
        cells: NDArray[np.uint8],
        moved: NDArray[np.int64],
        step: NDArray[np.int64],
        tick: int,
        dreamed: Dreamed | None = None,
    ) -> None:
        """Take the picture of a tick.

        Args:
            moved: as in :meth:`ideas`.
            step: cells (across, down) of it in this tick.
            dreamed: what was believed when the picture was dreamed; None: it is a true one. If no idea was believed,
                what is seen explains a dream, too, but nothing is torn off and nothing new appears in it. If one was,
                what else a dream has drawn is nothing that is known: torn pieces once brought back what was hidden.
        """
        shown = self._signs_of(cells)
        if (shown == self.now).all():
            return
        ideas = self.ideas(moved)
        changed = shown != self.now
        believed = dreamed.idea if dreamed is not None else None
        true = self._explain(shown, ideas) if believed is None else ideas.index(believed)
        many = changed.sum() >= LARGE
        before = self.compose() if self.known.grows and many else None
        anew = turning(self, cells) if many else set()
        written = self.still() if anew else None
        first, seen, tops, ground = self.front, self.owner == self.front, self._turned()[2], self._signs[0].copy()
        h, w = self.rects[first, 2:].tolist()
        page = self.contents[first, :h, :w].copy() if first and (changed & seen).any() else None
        may_appear = changed & (dreamed is None and not anew and not step.any())
        if true >= 0 and may_appear.any():
            may_appear &= self._surprises(ideas[true], shown)
        if true >= 0:
            self._apply(ideas[true], cells, tick)
            if ideas[true].kind in (CARRY, *range(LEAP, KINDS)) and (shown != self.now).sum() <= UNSURE * changed.sum():
                self.sure[ideas[true].layer] = True
            if ideas[true].kind == HIDE and dreamed is not None:
                self._mend(ideas[true].layer)
        lay, came = self.rects.copy(), self.since.copy()
        if many and believed is None:
            self._recognise(cells, shown, changed, tick, true < 0 or ideas[true].kind == APPEAR)
        for k in np.flatnonzero(self.sure) if many else ():
            self._imagine(int(k))
        tears = step if true < 0 and dreamed is None else np.zeros_like(step)
        self._rest(cells, shown, moved, tears, tick, may_appear)
        self._grasp(moved, (self.rects != lay).any(1) | (self.since != came))
        if many and believed is None:
            self._leave(cells, shown, changed, tick)
        if dreamed is None:
            self.spoilt &= self.owner != 0
        elif not anew and (believed is None or believed.kind != CAST):
            self._spoil(self._signs[0] != ground)
        if many:
            self._guess_ground()
        left = bool(first and self.level[first] and self.front != first)
        if left and first in tops and (self.rects[first] == lay[first]).all():
            self._turn_hidden(first, *tops[first])
        if written is not None:
            write_anew(self, written, anew)
        elif page is not None and self.front == first and (self.rects[first, 2:] == (h, w)).all():
            follow(self, first, page)
        self._teach()
        if before is not None:
            cast = self.known.cast_of(before, cells)
            wrong = (self._signs_of(turned(before, cast)) != shown).sum() / changed.sum()
            if wrong <= TURNED or (true < 0 and wrong <= TURNED_ALONE and _all_turn(cast, before, cells)):
                self.known.learn_cast(cast)
            elif left:
                stays = seen & (self.owner == first) & changed
                self.known.learn_turn(before[stays], cells[stays])

    def _rest(
        self,
        cells: NDArray[np.uint8],
        shown: NDArray[np.int64],
        moved: NDArray[np.int64],
        step: NDArray[np.int64],
        tick: int,
        may_appear: NDArray[np.bool_],
    ) -> None:
        """Take in what no idea explains.

        Args:
            step: as it is given to :meth:`show`, zero where nothing may be torn off.
            may_appear: (rows, columns) cells that may be of something that appeared.
        """
        rest = shown != self.now
        many = int((rest & (self.now != 0)).sum())  # the others were not known
        if many > rest.size // 2:
            self._recast(cells)
        elif many >= NEW:
            rect = self._torn(shown, rest, step) if step.any() else None
            if rect is not None:
                self._tear(rect, cells, moved, step, tick)
            elif (rect := self._appeared(rest & (self.now != 0) & may_appear, shown)) is not None:
                self._unknow_still(rect, rest)
                self._add(rect, cells, tick)
            rest = shown != self.now
        owner, y, x = self._seen_at(rest)
        many = np.bincount(owner, minlength=len(self.rects)) > 0.5 * self.rects[:, 2:].prod(1)
        self.sure &= ~many  # whatever it is, it is not what it was
        self.contents[owner, y, x], self._signs[owner, y, x] = cells[rest], shown[rest]
        self.guessed &= self.owner != 0  # what is seen is no guess
        self.now = shown

    def _surprises(self, idea: Idea, shown: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which cells (rows, columns) of what is shown an idea neither foretells nor uncovers."""
        owner, y, x = self._after(idea)
        uncovered = (self.owner == idea.layer) & (owner != self.owner) & (idea.kind not in (APPEAR, CAST))
        return np.asarray((self._told(idea, owner, y, x) != shown) & ~uncovered)

    def _recognise(
        self, cells: NDArray[np.uint8], shown: NDArray[np.int64], changed: NDArray[np.bool_], tick: int, anew: bool
    ) -> None:
        """Make layers of what begins as something known does, and is none yet.

        Args:
            anew: nothing but that it appeared may explain it; what is uncovered does not appear.
        """
        new = list[int]()
        for y, x, h, w in sorted(
            self._begun(shown), key=lambda at: not self.known.is_behind(cells[at[0], at[1] : at[1] + at[3]])
        ):
            same = np.flatnonzero((self.rects == (y, x, h, w)).all(1) & (self.level > 0))
            if len(same):
                if anew and self.since[same[0]] == tick:  # as an idea had it
                    self._vote(cells, shown, changed, y, x, h, w)
                continue
            for k in np.flatnonzero((self.rects[:, :2] == (y, x)).all(1) & (self.level > 0) & ~self.sure):
                self._drop(int(k))
            self._unknow_still(np.array([y, x, h, w]), changed)
            above = self._above(cells, shown, y, x, h, w)
            new.append(self._add(np.array([y, x, h, w]), cells, tick, above))
            self.sure[new[-1]] = True
            if anew and not above:
                self._vote(cells, shown, changed, y, x, h, w)
        new += self._recognise_parts(cells, shown, tick)
        for number in new:
            self._unknow_hidden(number)

    def _begun(self, shown: NDArray[np.int64]) -> list[tuple[int, int, int, int]]:
        """Return row, column, height and width of what begins in a picture, where a layer may lie."""
        return [rect for rect in self.known.find(shown) if self._has_room(*rect)]

    def _has_room(self, y: int, x: int, h: int, w: int) -> bool:
        """Say whether a layer may lie in a rectangle: inside the picture, and off the floor."""
        rows, columns = self.grid
        return y + h <= rows - self.floor and x + w <= columns

    def _vote(self, cells: NDArray[np.uint8], shown: NDArray[np.int64], changed: NDArray[np.bool_], *rect: int) -> None:
        """Let what appeared at once in a rectangle, with nothing over it, tell how things do."""
        y, x, h, w = rect
        vote = (*shown[y, x : x + MARKS].tolist(), *rect)
        if self.now.any() and changed[y : y + h, x : x + w].mean() >= FRESH and vote not in self._taught:
            self._taught.add(vote)
            self.known.learn_appearance(shown[y, x : x + MARKS], y, x, cells[y : y + h, x : x + w])

    def _recognise_parts(self, cells: NDArray[np.uint8], shown: NDArray[np.int64], tick: int) -> list[int]:
        """Make layers of what is known by parts of its rows, and whose beginning others hide; return their numbers.

        Of two things of one size only one is found so.
        """
        new = list[int]()
        for y, x, h, w in self.known.find_parts(shown):
            within, seen = (slice(y, y + h), slice(x, x + w)), self.level > 0
            alike = seen & (self.rects[:, 2:] == (h, w)).all(1)
            if not self._has_room(y, x, h, w) or alike.any():
                continue
            on_ground = np.where(self.owner[within] == 0, shown[within], 0)
            look, owner = self.known.look_like(on_ground, self._colours_in(cells)), self.owner[within]
            if look is not None:
                wrong = self._signs_of(look) != shown[within]
                above = [int(k) for k in np.unique(owner[owner > 0]) if wrong[owner == k].mean() > 0.5]
            elif (owner[0] == 0).any():
                above = self._above(cells, shown, y, x, h, w, cells[y, x : x + w][owner[0] == 0])
            else:
                continue
            if not np.isin(owner[0, :MARKS], above).any():
                continue  # its beginning is seen, and is another
            mine = np.zeros(self.grid, np.bool_)
            mine[within] = ~np.isin(owner, above)
            self._unknow(mine)
            new.append(self._add(np.array([y, x, h, w]), cells, tick, above))
            self.sure[new[-1]] = True
        return new

    def _imagine(self, k: int) -> None:
        """Take what was never seen of a layer for what it is of others that look so."""
        h, w = self.rects[k, 2:].tolist()
        unseen = self._signs[k, :h, :w] == 0
        if not unseen.any():
            return
        look = self.known.look_like(self._signs[k, :h, :w], self._colours_in(self.compose()))
        if look is None:
            return
        if unseen[0].any():  # things appear in front: behind, a top row has other colours
            turn = self._turned()[1]
            if turn is None or k == self.front or not (moves_of(turn[0]) & self._colours_in(look[0])).any():
                unseen[0] = False
            else:
                look = np.concatenate([turned(look[:1], turn[0]), look[1:]])
        self.contents[k, :h, :w][unseen] = look[unseen]
        self._signs[k, :h, :w][unseen] = signs(look[unseen], self.none)

    def _mend(self, k: int) -> None:
        """Let the top row of what is hidden look as it is known to, where a dream has spoilt some of it."""
        h, w = self.rects[k, 2:].tolist()
        top = self.known.top_like(self.contents[k, 0, :w], h)
        if top is not None:
            self.contents[k, 0, :w], self._signs[k, 0, :w] = top, self._signs_of(top)

    def _turn_hidden(self, k: int, top: NDArray[np.uint8], told: NDArray[np.int64]) -> None:
        """Let what is hidden of a top row turn as ``top`` (and its signs) did: it is not in front any more."""
        y, x, _, w = self.rects[k].tolist()
        hidden = (self.owner[y, x : x + w] != k) & (self._signs[k, 0, :w] != 0)
        self.contents[k, 0, :w][hidden], self._signs[k, 0, :w][hidden] = top[:w][hidden], told[:w][hidden]

    def _unknow_still(self, rect: Rect, changed: NDArray[np.bool_]) -> None:
        """Forget what was taken for what lies beneath a new layer, if most of that was there already."""
        y, x, h, w = rect
        still = np.zeros(self.grid, np.bool_)
        still[y : y + h, x : x + w] = ~changed[y : y + h, x : x + w]
        if still.sum() > (1 - FRESH) * h * w:
            self._unknow(still)

    def _unknow_hidden(self, k: int) -> None:
        """Forget what a new layer took for its own where others lie over it."""
        y, x, h, w = self.rects[k].tolist()
        hidden = self.owner[y : y + h, x : x + w] != k
        self.contents[k, :h, :w][hidden], self._signs[k, :h, :w][hidden] = self.none, 0

    def _leave(self, cells: NDArray[np.uint8], shown: NDArray[np.int64], changed: NDArray[np.bool_], tick: int) -> None:
        """Give up layers that are no longer there: how one began is gone, and most of the rest that was seen of it."""
        if changed.sum() > changed.size // 2:
            return
        for k in np.flatnonzero((self.level > 0) & (self.since < tick)):
            y, x, h, w = self.rects[k].tolist()
            top, seen = (slice(y, y + 1), slice(x, x + min(w, MARKS))), self.owner == k
            begins = seen[top].all() and changed[top].all()
            if not (begins or not self.sure[k]) or not changed[seen].sum() > GONE * seen.sum():
                continue
            if (y, x, h, w) not in self.known.find(shown):
                self._drop(int(k))
                at = self._seen_at(seen)
                self.contents[at], self._signs[at] = cells[seen], shown[seen]
                self.guessed[seen] = False
                self.now = shown

    def _spoil(self, changed: NDArray[np.bool_]) -> None:
        """Take note of cells (rows, columns) of the ground that a dream changed many of at once, but not all.

        The ground is no place for that: it is mended as soon as nobody sees it.
        """
        if LARGE <= changed.sum() <= changed.size // 4:
            self.spoilt |= changed

    def _guess_ground(self) -> None:
        """Take what lies beneath, where that was never seen or a dream spoilt it, for what lay there before."""
        seen = self.contents[0].copy()
        seen[self.guessed | (self.spoilt & (self.owner != 0))] = self.none
        self.known.learn_ground(seen)
        unseen = seen[..., 0] == self.none
        ground = self.known.ground_like(seen) if unseen.any() else None
        if ground is not None:
            self.guessed, self.spoilt = unseen, self.spoilt & ~unseen
            self.contents[0][unseen] = ground[unseen]
            self._signs[0][unseen] = signs(ground[unseen], self.none)

    def _above(
        self,
        cells: NDArray[np.uint8],
        shown: NDArray[np.int64],
        y: int,
        x: int,
        h: int,
        w: int,
        top: NDArray[np.uint8] | None = None,
    ) -> list[int]:
        """Return layers that lie over what fills a rectangle.

        Their beginning is seen within it, or where its own top row crosses them they are seen and not that.

        Args:
            top: what is seen (cells, pixels) of that top row, where it is not its beginning.
        """
        begins = cells[y, x : x + MARKS] if top is None else top
        found, colour = [], int(shares(begins, self.none).argmax())
        for k in np.flatnonzero(self.level):
            row, left, height, width = self.rects[k].tolist()
            crossed = cells[y, max(x, left) : min(x + w, left + width)]
            if y <= row < y + h and x <= left and left + MARKS <= x + w:
                seen = self.owner[row, left : left + MARKS] == k
                if seen.all() and (shown[row, left : left + MARKS] == self._signs[k, 0, :MARKS]).all():
                    found.append(int(k))
            elif (
                row < y < row + height
                and (x < left or top is not None)
                and crossed.size
                and (crossed == colour).mean() < 0.5
            ):
                found.append(int(k))
        return found

    def _unknow(self, where: NDArray[np.bool_]) -> None:
        """Forget what is seen at cells (rows, columns): it is of something else."""
        at = self._seen_at(where)
        self.contents[at], self._signs[at] = self.none, 0

    def _teach(self) -> None:
        """Let what is sure of its size tell how it looks now."""
        if not self.known.grows:
            return
        for k in np.flatnonzero(self.sure & (self.level > 0)):
            y, x, h, w = self.rects[k].tolist()
            vote = (*self.now[y, x : x + MARKS].tolist(), h, w)
            if w > MARKS and (self.owner[y, x : x + MARKS] == k).all() and vote not in self._taught:
                self._taught.add(vote)
                self.known.learn_size(self.now[y, x : x + MARKS], h, w)

    def _explain(self, shown: NDArray[np.int64], ideas: list[Idea]) -> int:
        before, then, of, answer = self._answer
        if before is not self.now or of != ideas or (then != shown).any():
            answer = self._explain_anew(shown, ideas)
            self._answer = (self.now, shown, ideas, answer)
        return int(answer)

    def _explain_anew(self, shown: NDArray[np.int64], ideas: list[Idea]) -> int:
        changed = shown != self.now
        count, best = int(changed.sum()), -1
        much = count > changed.size // 2
        titles = self._titles(changed)
        scores = [
            self._fits(idea, shown, changed)
            + PRESSED * (idea.kind in (RAISE, HIDE) and idea.layer == self.grip[0])
            + (titles.get(idea.layer, 0.0) if idea.kind == RAISE else 0.0)
            if idea.kind == CAST or not much  # no layer fills most of a picture
            else -1.0
            for idea in ideas
        ]
        if scores and count:
            best = int(np.argmax(scores))
            least = CLEAR if count >= LARGE else count  # of few, it must explain all
            if ideas[best].kind == APPEAR:
                least = max(CLEAR, MOSTLY * count) if count >= LARGE else np.inf
            best = best if scores[best] >= least else -1
        if best >= 0 and ideas[best].kind in (RAISE, HIDE) and self._found_worth(shown, changed) > scores[best]:
            return -1
        return best

    def _found_worth(self, shown: NDArray[np.int64], changed: NDArray[np.bool_]) -> float:
        """Return how many cells it would explain at most that something came to the front that is no layer yet."""
        worth = 0.0
        for y, x, h, w in self._begun(shown):
            if changed[y, x : x + MARKS].any() and not (self.rects == (y, x, h, w)).all(1).any():
                worth = max(worth, 0.5 * (MARKS + float(changed[y : y + h, x : x + w].sum())))
        return worth

    def _fits(self, idea: Idea, shown: NDArray[np.int64], changed: NDArray[np.bool_]) -> float:
        """Return how many cells an idea explains, less those that it is wrong about."""
        owner, y, x = self._after(idea)
        told = self._told(idea, owner, y, x)
        known, differs = told != 0, self._differs(told, owner, y, x)
        right = int((known & differs & (told == shown)).sum())
        open_, false = int((~known & differs & changed).sum()), int((differs & ~changed).sum())
        other = int((differs & changed).sum()) - right - open_  # it changed, but to something else
        return right + 0.5 * open_ + min(0.3 * other, right) - false

    def _titles(self, changed: NDArray[np.bool_]) -> dict[int, float]:
        """Return what speaks for a layer to have come to the front though nothing covered it: its top row changed.

        So did that of the layer that was in front, and no other.
        """
        found: dict[int, float] = {}
        for k in np.flatnonzero(self.level):
            y, x, h, w = self.rects[k]
            top = self.owner[y, x : x + w] == k
            if top.sum() >= 3 and changed[y, x : x + w][top].mean() > 0.9:
                body = self.owner[y + 1 : y + h, x : x + w] == k
                still = not body.any() or changed[y + 1 : y + h, x : x + w][body].mean() < 0.3
                found[int(k)] = max(0.5 * float(top.sum()), CLEAR) if still else 0.0
        return found if len(found) <= 2 and self.front in found else {}

    def _appeared(self, rest: NDArray[np.bool_], shown: NDArray[np.int64]) -> Rect | None:
        """Return the rectangle of cells that changed together, None where there is none worth it."""
        score, rect = densest(np.where(rest, 1.0, -OUTSIDE))
        y, x, h, w = rect
        if score < NEW or h < 2 or w < 2 or self._is_bare(rect, shown):
            return None
        tops, lows = self.rects[:, :2], self.rects[:, :2] + self.rects[:, 2:]
        if (self.sure & (self.level > 0) & (tops <= (y, x)).all(1) & (lows >= (y + h, x + w)).all(1)).any():
            return None  # something of a layer whose size is known
        within = self.owner[y : y + h, x : x + w]
        k = int(within[0, 0])
        if k and (within == k).all():  # something of a layer itself, if its top row is what it was
            top = self.owner[self.rects[k, 0]] == k
            if not top.any() or rest[self.rects[k, 0]][top].mean() < 0.9:
                return None
        return rect

    def _is_bare(self, rect: Rect, shown: NDArray[np.int64]) -> bool:
        """Say whether a rectangle shows the ground: what lay there was no layer, and is gone."""
        y, x, h, w = rect
        ground = self.known.ground_like(self.contents[0])
        if ground is None:
            return False
        within = (slice(y, y + h), slice(x, x + w))
        return bool((self._signs_of(ground[within]) == shown[within]).mean() > GONE)

    def _torn(self, shown: NDArray[np.int64], rest: NDArray[np.bool_], step: NDArray[np.int64]) -> Rect | None:
        """Return the rectangle, where it lies now, that came along by ``step`` and was no layer yet."""
        before, inside = shift(self.now, step)
        came, left = inside & (before == shown), shift(rest, step)[0]
        worth = np.where(rest & left, 1.0, np.where(rest, -0.3, -0.05))  # what was uncovered came from nowhere
        score, rect = densest(np.where(came, worth, -2.0))
        return rect if score >= NEW / 2 and rect[2] >= 2 and rect[3] >= 2 else None

    def _moved(self, kind: int, k: int, y: int, x: int) -> Idea:
        (rows, columns), (h, w) = self.grid, self.rects[k, 2:]
        return Idea(kind, k, int(np.clip(y, 0, max(rows - self.floor - h, 0))), int(np.clip(x, 0, columns - w)))

    def _apply(self, idea: Idea, cells: NDArray[np.uint8], tick: int) -> None:
        k = idea.layer
        if idea.kind == CAST:
            self.turn(self.known.offered_casts[k])
            return
        if idea.kind == APPEAR:
            rect = np.array([idea.y, idea.x, *self._appearances()[k].cells.shape[:2]])
            self._unknow_still(rect, self._signs_of(cells) != self.now)
            self._add(rect, cells, tick)
            return
        self.rects[k, :2], self.since[k] = (idea.y, idea.x), tick
        self.level[k] = 0 if idea.kind == HIDE else self.level.max() + 1
        self._rank()

    def _tear(
        self, rect: Rect, cells: NDArray[np.uint8], moved: NDArray[np.int64], step: NDArray[np.int64], tick: int
    ) -> None:
        """Take what moved off the ground: what lay beneath it is not known yet."""
        y, x, h, w = rect
        was = np.zeros(self.grid, np.bool_)
        was[max(y - step[1], 0) : y - step[1] + h, max(x - step[0], 0) : x - step[0] + w] = True
        self._unknow(was)
        k = self._add(rect, cells, tick)
        self.grip[:] = k, y - moved[1], x - moved[0]

    def _grasp(self, moved: NDArray[np.int64], found: NDArray[np.bool_]) -> None:
        """Hold what was found (layers,) with this picture where something was pressed that was no layer then."""
        layer, row, column = self.grip.tolist()
        if layer or row < 0:
            return
        row, column = row + int(moved[1]), column + int(moved[0])
        inside = 0 <= row < self.grid[0] and 0 <= column < self.grid[1]
        if inside and found[k := int(self.owner[row, column])]:
            self.grip[:] = k, *(self.rects[k, :2] - moved[::-1])

    def _recast(self, cells: NDArray[np.uint8]) -> None:
        """Let colours turn in what is not seen as most pixels of theirs turn in what is."""
        self.turn(self.known.cast_of(self.compose(), cells))


def _all_turn(cast: NDArray[np.uint8], before: NDArray[np.uint8], after: NDArray[np.uint8]) -> bool:
    """Say whether hardly a pixel turns into a colour that a cast turns into another."""
    moves = np.append(moves_of(cast), False)
    return int((moves[after] & ~moves[before]).sum()) < FEW


class Facts(NamedTuple):
    """What is known of ideas, those that there are first."""

    numbers: NDArray[np.float32]  # (IDEAS, FACTS); the kind of an idea is one of the first
    marks: NDArray[np.uint8]  # (IDEAS, MARKS, pixels)


def densest(worth: NDArray[np.float64]) -> tuple[float, Rect]:
    """Return the largest sum of a rectangle within ``worth`` (rows, columns), and it (Kadane, by columns)."""
    rows, columns = worth.shape
    above = np.concatenate([np.zeros((1, columns)), worth.cumsum(0)])
    first, last = np.triu_indices(rows + 1, 1)
    sums = above[last] - above[first]  # (pairs, columns)
    best, run = np.full(len(sums), -np.inf), np.zeros(len(sums))
    start, left, right = (np.zeros(len(sums), np.int64) for _ in range(3))
    for column in range(columns):
        anew = run <= 0
        run, start = np.where(anew, sums[:, column], run + sums[:, column]), np.where(anew, column, start)
        better = run > best
        best, left, right = np.where(better, run, best), np.where(better, start, left), np.where(better, column, right)
    i = int(best.argmax())
    y, x = int(first[i]), int(left[i])
    return float(best[i]), np.array([y, x, int(last[i]) - y, int(right[i]) + 1 - x])
