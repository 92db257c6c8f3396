"""What is known of layers from earlier play: how large they are, how they appear, how colours turn, what lies beneath.

A window is as large as the window that began with the same title was, so it is found in a picture that has never been
seen to change; it appears where it appeared before, and as it looked then; and when all colours turn at once, they
turn as they did. Learnt from what was seen more than once, as the book of contents is. Knows no layers.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.mosaic_cells import MARKS, factors, moves_of, shares, signs, turned
from dreamloop.model.mosaic_letters import Letters, empty_letters
from dreamloop.model.mosaic_rules import Rules, empty_rules
from dreamloop.model.mosaic_strokes import Strokes, empty_strokes

TELLING = 3  # of them that must differ: a bare desktop begins nothing
PARTS = 2  # rows of which runs must be seen of what is known by them; of a top row one is enough
SIZES, APPEARANCES, CASTS, GROUNDS, TURNS = 768, 160, 64, 16, 16  # of each that can be known
CELLS = 128  # of an appearance, at most
LOOKS = 600  # in which things may appear, at most
VOTES = 3  # times that something must have been seen
OFTEN = 50  # what is known is taken for seen so often; what is met so many times less than another is chance
SEEN_SO = 0.004  # by which what was seen is worth more than a cast of it; so much are its colours worth, too
USUAL = 0.7  # where things of a size appear in so many looks as in most places, and not just by chance
TOGETHER, SEEN = 8, 0.005  # looks of a picture, and the share of its pixels that a cast must turn, to be one
ALIKE, SAME = 0.7, 0.94  # share of what is known of a ground that fits one that is known; that is of the same
MET = 10  # times that a ground must have been seen
PIXELS, FEW, MOSTLY = 32, 6, 0.8  # pixels of a colour, and the share of them, that turn into one and the same

Signs = NDArray[np.int64]  # (rows, columns), a number for every content of a cell
Size = tuple[int, int]  # height and width in cells
# As they lie in a checkpoint:
TABLES = (
    *("sizes", "places", "looks", "casts", "grounds", "turns", "rules", "outcomes", "strokes"),
    *("lines", "letters", "shapes"),
)


class Appearance(NamedTuple):
    """Something that appears at once: where its corner lies, and its cells (height, width, pixels)."""

    y: int
    x: int
    cells: NDArray[np.uint8]
    share: float = 0.0  # of its different cells that a picture shows already


class Known:
    """Some tables; they grow while ``grows``.

    Args:
        counts: whether rules, strokes and what appears are counted; None: if the tables grow.
        tables: by their names ``TABLES``:
            sizes (SIZES, 3) int64: number of a beginning, height, width; a height of 0: unused.
            places (APPEARANCES, 5) int64: number of a beginning, row, column, height, width.
            looks (APPEARANCES, CELLS, pixels) uint8: what appears there.
            casts (CASTS, colours) uint8: what every colour turns into, ``colours`` where that is not known.
            grounds (GROUNDS, rows, columns, pixels) uint8: what lies beneath all layers.
            turns (TURNS, colours) uint8: as casts, but of what is the front layer's when it is that no longer.
            rules, outcomes: as of mosaic_rules.py; strokes: as of mosaic_strokes.py; lines, letters, shapes: as of
                mosaic_letters.py.
    """

    def __init__(self, tables: Mapping[str, NDArray[Any]], *, grows: bool = False, counts: bool | None = None) -> None:
        tables = {name: np.array(tables[name]) for name in TABLES}
        self.sizes, self.places, self.looks = tables["sizes"], tables["places"], tables["looks"]
        self.casts, self.grounds, self.turns = tables["casts"], tables["grounds"], tables["turns"]
        self.grows, self.none = grows, self.casts.shape[1]
        self.counts_rules = grows if counts is None else counts
        self._sizes = {int(begins): (int(h), int(w)) for begins, h, w in self.sizes if h}
        self._order = np.sort(np.array(list(self._sizes), np.int64))
        self._votes: defaultdict[int, Counter[Size]] = defaultdict(Counter)
        self._rows = {tuple(place): i for i, place in enumerate(self.places.tolist()) if place[3]}
        self._met = {
            place: _Majority(self.looks[i, : place[3] * place[4]], self.none, VOTES) for place, i in self._rows.items()
        }
        self._casts, self._turns = _Casts(self.casts), _Casts(self.turns)
        used = [ground for ground in self.grounds if (ground != self.none).any()]
        self._grounds = [_Majority(ground, self.none, MET + len(used) - i) for i, ground in enumerate(used)]
        self.rules, self.outcomes, self.strokes = tables["rules"], tables["outcomes"], tables["strokes"]
        self.by_stroke = Strokes(self.strokes, self.none)
        self.lines, self.letters, self.shapes = tables["lines"], tables["letters"], tables["shapes"]
        self.by_letter = Letters(self.lines, self.letters, self.shapes, self.none)
        self.by_rule = Rules(self.rules, self.outcomes, self.none, grows=self.counts_rules)
        self._read()

    @classmethod
    def nothing(cls, grid: tuple[int, int], pixels: int, colours: int) -> "Known":
        """Return empty tables that do not grow."""
        return cls(empty_tables(grid, pixels, colours))

    @property
    def counts(self) -> dict[str, int]:
        """How many of each are known."""
        return {
            **{"sizes": len(self._sizes), "appearances": len(self._rows)},
            **{"casts": len(self.offered_casts), "grounds": len(self._often()), "turns": len(self._turns.offered)},
            **{"rules": len(self.by_rule), "strokes": len(self.by_stroke), "letters": len(self.by_letter)},
        }

    # --- sizes ---

    def find(self, shown: Signs) -> list[tuple[int, int, int, int]]:
        """Return row, column, height and width of what begins in a picture."""
        if not len(self._order):
            return []
        begins = beginnings(shown)
        at = np.searchsorted(self._order, begins).clip(max=len(self._order) - 1)
        return [(int(y), int(x), *self._sizes[int(begins[y, x])]) for y, x in np.argwhere(self._order[at] == begins)]

    def find_parts(self, shown: Signs) -> list[tuple[int, int, int, int]]:
        """Return row, column, height and width of what is known by runs of cells: in rows below the first, or in that.

        In the first row they are in the colours of things that are not in front.
        """
        rows = defaultdict[tuple[int, int, int, int], set[int]](set)
        if len(self._part_order):
            begins = beginnings(shown)
            at = np.searchsorted(self._part_order, begins).clip(max=len(self._part_order) - 1)
            for y, x in np.argwhere(self._part_order[at] == begins).tolist():
                down, across, h, w = self._parts[int(begins[y, x])]
                rows[y - down, x - across, h, w].add(down)
        return [rect for rect, seen in rows.items() if (len(seen) >= PARTS or 0 in seen) and min(rect) >= 0]

    def learn_size(self, top: Signs, height: int, width: int) -> None:
        """Take a vote for the size of what begins with cells ``top`` (MARKS,), if these tell anything."""
        if not self.grows or len(self._sizes) == SIZES or len(set(top.tolist())) < TELLING:
            return
        begins = beginning(top)
        if begins in self._sizes:
            return
        votes = self._votes[begins]
        votes[height, width] += 1
        (size, most), total = votes.most_common(1)[0], votes.total()
        if most >= VOTES and most > 0.6 * total:
            self.sizes[len(self._sizes)] = begins, *size
            self._sizes[begins] = size
            self._order = np.sort(np.array(list(self._sizes), np.int64))
            del self._votes[begins]

    # --- appearances ---

    def offer(self, shown: Signs, colours: NDArray[np.bool_]) -> list[Appearance]:
        """Return what may appear: of what has the same place and size, what shares most with contents ``shown``.

        And most of its pixels with the ``colours`` (colours,) that are seen: in a dark picture, the dark one; what was
        seen to appear so goes before what is as good, but only a cast of it.
        """
        if not self._rows:
            return []
        there = np.isin(self._contents, shown)[self._look_contents]
        share = (there & self._look_first).sum(1) / self._look_first.sum(1)
        best: dict[tuple[int, ...], int] = {}
        worth = share + self._look_colours @ colours + SEEN_SO * (np.arange(len(share)) < self._seen_so)
        for i in np.argsort(-worth, kind="stable").tolist():
            best.setdefault(self._looks[i][:4], i)
        return [self._appearance(i, float(share[i])) for i in sorted(best.values())]

    def look_like(self, shown: Signs, colours: NDArray[np.bool_]) -> NDArray[np.uint8] | None:
        """Return what something of a size looks like (height, width, pixels) of which contents ``shown`` are seen.

        They are signs (height, width), 0 where nothing is seen. Of looks that fit alike, the one that is most in the
        ``colours`` (colours,) that are seen. None: nothing that is known looks so.
        """
        h, w = shown.shape
        known = [i for i, look in enumerate(self._looks) if look[2:4] == (h, w)]
        if not known:
            return None
        same = self._contents[self._look_contents[known, : h * w]].reshape(-1, h, w) == shown
        body = shown != 0
        body[:1] = False  # its colours are others when it is not in front
        share = same[:, body].mean(1) if body.any() else np.zeros(len(known))
        best = int((share + SEEN_SO * (self._look_colours[known] @ colours)).argmax())
        return self._looks[known[best]][4].reshape(h, w, -1) if share[best] >= ALIKE else None

    def top_like(self, top: NDArray[np.uint8], height: int) -> NDArray[np.uint8] | None:
        """Return how the top row of something so high is known to look that ``top`` (cells, pixels) is most like.

        None: of none that is known there is as much in it.
        """
        tops = self._tops.get((height, len(top)))
        if tops is None:
            return None
        same = (signs(tops, self.none) == signs(top, self.none)).mean(1)
        best = int(same.argmax())
        return np.asarray(tops[best]) if same[best] >= ALIKE else None

    def learn_appearance(self, top: Signs, y: int, x: int, cells: NDArray[np.uint8]) -> None:
        """Take note of what appeared: at each place what it showed most often."""
        h, w = cells.shape[:2]
        if (
            not (self.grows or self.counts_rules)
            or h * w > CELLS
            or len(set(top.tolist())) < TELLING
            or self.is_behind(cells[0])
        ):
            return
        place, cells = (beginning(top), y, x, h, w), cells.reshape(h * w, -1)
        if place in self._met:
            self._met[place].learn(cells, signs(cells, self.none))
        elif len(self._met) < 4 * APPEARANCES:
            self._met[place] = _Majority(cells, self.none, met=1)
        met = self._met[place].met if place in self._met else 0
        if met < VOTES or not (met == VOTES or met.bit_count() == 1):  # it settles; to read it again takes time
            return
        self._write(place)
        self._read()

    def _write(self, place: tuple[int, ...]) -> None:
        """Put what appears at a place into the tables, if there is room."""
        row = self._rows.setdefault(place, len(self._rows)) if len(self._rows) < APPEARANCES else self._rows.get(place)
        if row is not None:
            cells = self._met[place].cells
            self.places[row], self.looks[row, : len(cells)] = place, cells

    @property
    def met_looks(self) -> tuple[Signs, NDArray[np.uint8]]:
        """What appeared (n, 6): beginnings, where, in which size, and how often each was met; and what it showed.

        That is (n, CELLS, pixels).
        """
        looks = np.full((len(self._met), *self.looks.shape[1:]), self.none, np.uint8)
        for look, one in zip(looks, self._met.values(), strict=True):
            look[: len(one.cells)] = one.cells
        return np.array([(*place, one.met) for place, one in self._met.items()], np.int64).reshape(-1, 6), looks

    def take_looks(self, met: Signs, looks: NDArray[np.uint8]) -> None:
        """Take what appeared, as :attr:`met_looks` gives it, in place of what was known to."""
        self.places[:], self.looks[:] = 0, self.none
        self._rows, self._met = {}, {}
        most: dict[tuple[int, ...], int] = {}  # times that what was met most at each place was met
        for i in np.argsort(-met[:, -1], kind="stable"):
            *place, times = met[i].tolist()
            one = _Majority(looks[i, : place[3] * place[4]], self.none, times)
            one.sure *= max(times // 2, 1)  # so much speaks against what comes now and then
            self._met[tuple(place)] = one
            if times >= max(VOTES, most.setdefault(tuple(place[1:]), times) // OFTEN):
                self._write(tuple(place))
        self._read()

    # --- casts ---

    def learn_cast(self, cast: NDArray[np.uint8]) -> None:
        """Take note of how colours (colours,) turned from one picture to the next."""
        if self.grows and self._casts.learn(cast):
            self._read()

    def learn_turn(self, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> None:
        """Take note of how the colours of cells (n, pixels) turned when their layer was no longer the front one."""
        if self.grows and self._turns.learn(self.cast_of(before, after, FEW)):
            self._read()

    def turn_for(self, front: NDArray[np.bool_], shown: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], ...] | None:
        """Return what colours turn into when a layer leaves the front, and when it comes there; None: unknown.

        Args:
            front: (colours,) which the top row of the front layer shows.
            shown: (colours,) which are seen anywhere.
        """
        best, chosen = 0, None
        for turn in self._turns.offered:
            moves = moves_of(turn) & front
            count = int(moves.sum()) + int(shown[turn[moves]].sum())
            if moves.any() and count > best:
                best, chosen = count, turn
        if chosen is None:
            return None
        back, moved = np.full_like(chosen, self.none), np.flatnonzero(moves_of(chosen) & front)
        back[chosen[moved]] = moved
        return chosen, back

    def is_behind(self, top: NDArray[np.uint8]) -> bool:
        """Say whether a top row (cells, pixels) is in the colours of a layer that is not in front.

        Whatever colour it had in front, there it has the same: several colours turn into that, or it turns into none.
        """
        most = int(shares(top, self.none).argmax())
        turns = [(turn, moves_of(turn)) for turn in self._turns.offered]
        into = sum(int((turn[moves] == most).sum()) for turn, moves in turns)
        return into > 1 or (into == 1 and not any(moves[most] for _, moves in turns))

    def cast_of(self, before: NDArray[np.uint8], after: NDArray[np.uint8], least: int = PIXELS) -> NDArray[np.uint8]:
        """Return what every colour (colours,) of so many pixels turned into, ``none`` where that is not clear."""
        known = (before < self.none) & (after < self.none)
        pairs = np.bincount(before[known].astype(np.int64) * self.none + after[known], minlength=self.none**2)
        pairs = pairs.reshape(self.none, self.none)
        clear = (pairs.max(1) >= least) & (pairs.max(1) >= MOSTLY * pairs.sum(1))
        return np.asarray(np.where(clear, pairs.argmax(1), self.none).astype(np.uint8))

    @property
    def offered_casts(self) -> list[NDArray[np.uint8]]:
        """How all colours may turn."""
        return self._casts.offered

    def looks_of(self, cells: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """Return colours (colours + 1,) that those of a picture may turn to, cast after cast; first as they are."""
        same = np.arange(self.none + 1, dtype=np.uint8)
        found, todo = [same], [same]
        count = np.bincount(cells.ravel(), minlength=self.none + 1)
        while todo and len(found) < TOGETHER:
            into = todo.pop(0)
            shown = np.bincount(into, weights=count, minlength=self.none + 1)[: self.none]
            for cast in self.offered_casts:
                look = turned(into, cast)
                if shown[moves_of(cast)].sum() >= SEEN * cells.size and not any((look == one).all() for one in found):
                    found.append(look)
                    todo.append(look)
        return found[:TOGETHER]

    # --- grounds ---

    def ground_like(self, cells: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """Return the ground (rows, columns, pixels) that fits what is known of one best, None: none does.

        Of those that fit alike, the one that was met most.
        """
        shown = signs(cells, self.none)
        fits = [(round(ground.fits(shown), 2), ground.met, i) for i, ground in enumerate(self._often())]
        best, _, i = max(fits, default=(0.0, 0, -1))
        return self._often()[i].cells if best >= ALIKE else None

    def learn_ground(self, cells: NDArray[np.uint8]) -> None:
        """Take note of a ground, ``none`` where it is not seen."""
        if not self.grows:
            return
        shown = signs(cells, self.none)
        fits = [(ground.fits(shown), i) for i, ground in enumerate(self._grounds)]
        best, i = max(fits, default=(0.0, -1))
        if best >= SAME:
            self._grounds[i].learn(cells, shown)
        elif len(self._grounds) < 4 * GROUNDS:
            self._grounds.append(_Majority(cells, self.none, met=1))
        self.grounds[:] = self.none
        for j, ground in enumerate(self._often()):
            self.grounds[j] = ground.cells

    def _often(self) -> list["_Majority"]:
        """Return the grounds that are met often, and not just now and then with something on them."""
        most = max((ground.met for ground in self._grounds), default=0)
        met = [ground for ground in self._grounds if ground.met >= max(MET, most // 10)]
        return sorted(met, key=lambda ground: -ground.met)[:GROUNDS]

    # --- tables ---

    def _read(self) -> None:
        """Make what may appear of what did: in all colours that the known casts give it."""
        self._looks: list[tuple[int, int, int, int, NDArray[np.uint8]]] = []
        met = set()
        places = [tuple(place[1:]) for place in self.places.tolist() if place[3]]
        looks, most = Counter(places), Counter[tuple[int, int]]()
        for (_, _, h, w), n in looks.items():
            most[h, w] = max(most[h, w], n)
        todo = [
            (y, x, h, w, self.looks[i, : h * w])
            for i, (y, x, h, w) in enumerate(places)
            if looks[y, x, h, w] >= USUAL * most[h, w]
        ]
        self._seen_so = len({(*place, cells.tobytes()) for *place, cells in todo})  # the first ones, without a cast
        while todo and len(self._looks) < LOOKS:
            *place, cells = todo.pop(0)
            if (key := (*place, cells.tobytes())) not in met:
                met.add(key)
                self._looks.append((*place, cells))
                todo += [
                    (*place, turned(cells, cast)) for cast in self.offered_casts if not _merges(cast, cells, self.none)
                ]
        told = np.zeros((len(self._looks), CELLS), np.int64)
        self._look_first = np.zeros(told.shape, np.bool_)  # where a content stands that did not stand before
        self._look_colours = np.zeros((len(self._looks), self.none))  # share of its pixels that are of each
        for i, (*_, cells) in enumerate(self._looks):
            self._look_colours[i] = shares(cells, self.none)
            told[i, : len(cells)] = signs(cells, self.none)
            self._look_first[i, np.unique(told[i, : len(cells)], return_index=True)[1]] = True
        self._contents, self._look_contents = np.unique(told, return_inverse=True)
        self._look_contents = self._look_contents.reshape(told.shape)
        behind = [self._behind(look[:w]) for _, _, _, w, look in self._looks]
        self._tops = self._tops_by_size(behind)
        self._parts = self._runs(told, behind)
        self._part_order = np.sort(np.array(list(self._parts), np.int64))

    def _tops_by_size(self, behind: list[list[NDArray[np.uint8]]]) -> dict[Size, NDArray[np.uint8]]:
        """Return the top rows (n, cells, pixels) of looks, in front and ``behind``, by the size of what begins so."""
        found = defaultdict[Size, dict[bytes, NDArray[np.uint8]]](dict)
        for (_, _, h, w, look), tops in zip(self._looks, behind, strict=True):
            found[h, w].update((top.tobytes(), top) for top in (look[:w], *tops))
        return {size: np.stack(list(tops.values())) for size, tops in found.items()}

    def _runs(self, told: Signs, behind: list[list[NDArray[np.uint8]]]) -> dict[int, tuple[int, int, int, int]]:
        """Return, for runs of cells of looks ``told`` (looks, CELLS), where in what size of thing they lie.

        Those only that lie nowhere else. Top rows are taken as they are when the thing is not in front: ``behind``.
        """
        found, elsewhere = dict[int, tuple[int, int, int, int]](), set[int]()
        for (_, _, h, w, _), row, tops in zip(self._looks, told, behind, strict=True):
            cells = row[: h * w].reshape(h, w)
            elsewhere.update(beginnings(cells[:1])[0].tolist())
            for first, part in ((1, cells[1:]), *((0, signs(top, self.none)[None]) for top in tops)):
                runs = beginnings(part)
                for y, x in np.argwhere(_differ(part) >= TELLING).tolist():
                    at = (first + y, x, h, w)
                    if found.setdefault(int(runs[y, x]), at) != at:
                        elsewhere.add(int(runs[y, x]))
        return {run: at for run, at in found.items() if run not in elsewhere}

    def _behind(self, top: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """Return a top row (cells, pixels) as it may look where it is not in front."""
        there = shares(top, self.none) > 0
        turns = [turn for turn in self._turns.offered if (moves_of(turn) & there).any()]
        looks = {one.tobytes(): one for one in (turned(top, turn) for turn in turns)}
        return list(looks.values())

    def _appearance(self, i: int, share: float) -> Appearance:
        y, x, h, w, cells = self._looks[i]
        return Appearance(y, x, cells.reshape(h, w, -1), share)


class _Casts:
    """Ways in which colours turn, those in the table met often enough."""

    def __init__(self, table: NDArray[np.uint8]) -> None:
        self.table, self.none = table, table.shape[1]
        self.all = [np.array(cast) for cast in table if (cast != self.none).any()]
        self.votes = [OFTEN] * len(self.all)
        self._often = list(range(len(self.all)))  # a cast keeps its number: rules name it

    @property
    def offered(self) -> list[NDArray[np.uint8]]:
        """Those that were met often, and not just now and then beside others."""
        return [self.all[i] for i in self._often[: len(self.table)]]

    def learn(self, cast: NDArray[np.uint8]) -> bool:
        """Take a vote for a cast (colours,) and return whether the table is another now."""
        moves = moves_of(cast)
        if not moves.any():
            return False
        for i, old in enumerate(self.all):
            both = (old != self.none) & (cast != self.none)
            if (old[both] == cast[both]).all() and (moves & both).any():
                self.all[i] = np.where(old == self.none, cast, old)
                self.votes[i] += 1
                break
        else:
            if len(self.all) < 4 * len(self.table):
                self.all.append(cast)
                self.votes.append(1)
        least = max(VOTES, max(self.votes, default=0) // OFTEN)
        self._often += [i for i, votes in enumerate(self.votes) if votes >= least and i not in self._often]
        before = self.table.copy()
        self.table[:] = self.none
        for i, old in enumerate(self.offered):
            self.table[i] = old
        return bool((self.table != before).any())


class _Majority:
    """Cells that were met more than once, each by majority (Boyer and Moore)."""

    def __init__(self, cells: NDArray[np.uint8], none: int, met: int) -> None:
        self.cells, self.none, self.met = np.array(cells), none, met
        self.signs = signs(self.cells, none)
        self.sure = (self.signs != 0).astype(np.int64)

    def fits(self, shown: Signs) -> float:
        """Return the share that fits of what is known of both."""
        both = (shown != 0) & (self.signs != 0)
        return float((shown == self.signs)[both].mean()) if both.any() else 0.0

    def learn(self, cells: NDArray[np.uint8], shown: Signs) -> None:
        self.met += 1
        self.sure += np.where(shown == 0, 0, np.where(shown == self.signs, 1, -1))
        anew = (shown != 0) & (self.sure <= 0)
        self.cells[anew], self.signs[anew], self.sure[anew] = cells[anew], shown[anew], 1


def _merges(cast: NDArray[np.uint8], cells: NDArray[np.uint8], none: int) -> bool:
    """Say whether a cast would turn colours of ``cells`` into others that are there already, and stay."""
    there = shares(cells, none) > 0
    moves = moves_of(cast)
    return bool((there & ~moves)[cast[moves & there]].any())


def empty_tables(grid: tuple[int, int], pixels: int, colours: int) -> dict[str, NDArray[Any]]:
    """Return tables in which nothing is known."""
    return {
        "sizes": np.zeros((SIZES, 3), np.int64),
        "places": np.zeros((APPEARANCES, 5), np.int64),
        "looks": np.full((APPEARANCES, CELLS, pixels), colours, np.uint8),
        "casts": np.full((CASTS, colours), colours, np.uint8),
        "grounds": np.full((GROUNDS, *grid, pixels), colours, np.uint8),
        "turns": np.full((TURNS, colours), colours, np.uint8),
        **empty_rules(pixels, colours),
        **empty_strokes(),
        **empty_letters(pixels),
    }


def _differ(shown: Signs) -> NDArray[np.int64]:
    """Return (rows, columns - MARKS + 1) how many contents are in every run of ``MARKS`` cells."""
    return np.asarray(1 + (np.diff(np.sort(_runs_in(shown), 0), axis=0) != 0).sum(0))


def beginning(top: Signs) -> int:
    """Return a number for a run of ``MARKS`` cells."""
    return int(beginnings(top[None, :MARKS])[0, 0])


def beginnings(shown: Signs) -> Signs:
    """Return (rows, columns - MARKS + 1) a number for every run of ``MARKS`` cells."""
    return np.asarray((_runs_in(shown) * factors(MARKS)[:, None, None]).sum(0))


def _runs_in(shown: Signs) -> Signs:
    """Return (MARKS, rows, columns - MARKS + 1) the first, second, ... cells of every run of ``MARKS`` cells."""
    columns = max(shown.shape[1] - MARKS + 1, 0)
    return np.stack([shown[:, i : columns + i] for i in range(MARKS)])
