"""How lines are written anew (see mosaic_letters.py), learnt from what layers showed before and after they were.

Nobody says which letter went where. But where every "a" becomes the same shape, and every "b" another, the one was
written for the other: so the row that a line comes from is the one by which its letters turn the most alike, and lines
that agree on the letters both have seen share what they know (as words are aligned in translation; Brown et al. 1993).
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.mosaic_cells import factors, plain
from dreamloop.model.mosaic_letters import (
    LETTERS,
    LINES,
    SHAPES,
    SURE,
    Line,
    begin_of,
    context_of,
    empty_letters,
    key_of,
    last_of,
    read,
    shaped_of,
)

REACH = 6  # rows that a line may come from above or below
READS = (1, 2)  # cells that may tell a letter
LETTER, BLANK = 10, 1  # what a cell counts in which something stands, before or after; one in which nothing does
ALIKE, AGREE = 8 * LETTER, 5 * LETTER  # that must turn alike for a turn of their own, and as others do to share theirs
WORSE = 5  # how much more one that turns otherwise counts
ROUNDS = 3  # after each, what is shared is drawn up anew
SHARED = 0.8  # of what a turn of its own would tell that a shared one must
FEWER = 0.9  # worth of a letter that one cell more is needed for
TWICE = 2 * LETTER  # of a shape that must have turned so
MET = 2  # moments at which two must have turned together
CHANGED = 0.02  # share of the cells of a row that must change, for it to be written anew


class Example(NamedTuple):
    """A layer that was written anew, or seems to have been: it begins in other letters."""

    before: NDArray[np.uint8]  # (rows, columns, pixels) what it showed
    after: NDArray[np.uint8]  # ... and what it did then
    seen: NDArray[np.bool_]  # (rows, columns) in which cells that could be seen
    when: int  # a number for the moment, the tick of an episode: others may have been written anew then

    def begins(self, none: int) -> tuple[int, int]:
        """Return numbers for how it began, and how it did then."""
        size = self.before.shape[0], self.before.shape[1]
        return begin_of(self.before[0], size, none), begin_of(self.after[0], size, none)


Pairs = Counter[tuple[int, int]]  # numbers of a shape and of what came of it
Ways = dict[tuple[int, int], Pairs]  # rows down, cells read; what came of what


class _Turn:
    """What comes of shapes, of those that turn alike nearly always."""

    def __init__(self, reads: int) -> None:
        self.reads, self.pairs = reads, Pairs()
        self.table: dict[int, int] = {}

    def see(self, pairs: Pairs) -> None:
        """Take what came of what."""
        times = Counter[int]()
        self.pairs.update(pairs)
        for (shape, _), count in self.pairs.items():
            times[shape] += count
        often = {pair: count for pair, count in self.pairs.items() if pair[1] and count >= SURE * times[pair[0]]}
        self.table = dict(often.keys())

    def forget(self) -> None:
        """Begin anew."""
        self.pairs, self.table = Pairs(), {}


def learn(examples: Sequence[Example], none: int) -> dict[str, NDArray[Any]]:
    """Return the tables that follow from examples."""
    pixels = examples[0].before.shape[-1] if examples else 1
    tables, shapes = empty_letters(pixels), dict[int, NDArray[np.uint8]]()
    alike = defaultdict[int, defaultdict[int, list[Example]]](lambda: defaultdict(list))
    for one in examples:
        begins, then = one.begins(none)
        if begins and then:
            alike[begins][then].append(one)
    after = {begins: max(ends, key=lambda then: len(ends[then])) for begins, ends in alike.items()}
    contexts: dict[int, Ways] = {}
    for begins, then in after.items():
        contexts |= _ways(begins, alike[begins][then], none, shapes)
    nothing = int(np.ones(pixels, np.int64) @ factors(pixels)) | 1
    turns, lines = _share(contexts, nothing)
    rows = [(context, *line) for context, line in lines.items()]
    ways = _together({begins: {one.when for one in alike[begins][then]} for begins, then in after.items()})
    rows += [(begins, then, ways[begins], 0) for begins, then in after.items() if len(alike[begins][then]) > 1]
    tables["lines"][: len(rows)] = rows[:LINES]
    _write(tables, turns, shapes)
    return tables


def _together(when: Mapping[int, set[int]]) -> dict[int, int]:
    """Return numbers, the same for what turned at the same moments more than once, whether itself or with others."""
    way = {begins: number for number, begins in enumerate(when)}
    for one, other in combinations(when, 2):
        if way[one] != way[other] and len(when[one] & when[other]) >= MET:
            joined, into = way[other], way[one]
            way = {begins: into if number == joined else number for begins, number in way.items()}
    return way


def _ways(begins: int, examples: Sequence[Example], none: int, shapes: dict[int, NDArray[np.uint8]]) -> dict[int, Ways]:
    """Return, for every row of layers that begin alike, what its letters would have turned to if it came from where.

    By the number of its context. ``shapes`` takes what the numbers of outcomes stand for.
    """
    before, after, seen, _ = (np.stack(part) for part in zip(*examples, strict=True))
    n, h = before.shape[:2]
    last = np.array([last_of(one, none) for one in before])
    sources = {
        (start, reads): _source(before[:, start : start + reads], none)
        for reads in READS
        for start in range(h - reads + 1)
    }
    found = defaultdict[int, Ways](dict)
    for row in range(h):
        stood, stands = plain(before[:, row]), plain(after[:, row])
        known = seen[:, row] & (after[:, row, :, 0] != none)
        changed = known & (before[:, row] != after[:, row]).any(-1)
        like = [(int(number), last == number) for number in np.unique(last)] if row else [(0, np.ones(n, np.bool_))]
        like = [(number, these) for number, these in like if changed[these].sum() > CHANGED * known[these].sum()]
        for (start, reads), (signs, colours, empty, full) in sources.items():
            if abs(start - row) > REACH or (row == 0) != (start == 0) or (row == 0 and reads > 1):
                continue
            came = _in_colours(after[:, row], colours, none, shapes)
            told = known & (signs != 0) & ~(stood & stands & empty)  # nothing was there, and nothing is
            blank = empty | (stands & ~full)  # where one of two cells is empty, the other may be of another line
            for number, these in like:
                mine, pairs = told & these[:, None], Pairs()
                for worth, which in ((LETTER, mine & ~blank), (BLANK, mine & blank)):
                    for pair, count in Counter(zip(signs[which].tolist(), came[which].tolist(), strict=True)).items():
                        pairs[pair] += worth * count
                if pairs:
                    found[context_of(begins, row, number)][start - row, reads] = pairs
    return found


class _Source(NamedTuple):
    """Cells that are read."""

    signs: NDArray[np.int64]  # (n, columns) their shapes
    colours: NDArray[np.uint8]  # (n, columns, COLOURS)
    empty: NDArray[np.bool_]  # (n, columns) where nothing stands in any of them
    full: NDArray[np.bool_]  # ... where something does in each


def _source(cells: NDArray[np.uint8], none: int) -> _Source:
    """Take in cells (n, reads, columns, pixels)."""
    shaped = shaped_of(np.stack([read(one) for one in cells]), none)
    return _Source(*shaped, shaped.colours[..., 1] == none, np.asarray(~plain(cells).any(1)))


def _in_colours(
    cells: NDArray[np.uint8], colours: NDArray[np.uint8], none: int, shapes: dict[int, NDArray[np.uint8]]
) -> NDArray[np.int64]:
    """Return numbers (n, columns) for cells (..., pixels) in the ``colours`` of others; 0: there are more in them."""
    number = np.full((*cells.shape[:-1], none + 1), 255, np.uint8)
    for i in range(colours.shape[-1] - 1, -1, -1):
        np.put_along_axis(number, colours[..., i : i + 1].astype(np.int64), i, -1)
    number[..., none] = 255
    found = np.take_along_axis(number, cells.astype(np.int64), -1)
    good = (found != 255).all(-1)
    signs = np.where(good, (found.astype(np.int64) + 1) @ factors(cells.shape[-1]) | 1, 0)
    _, first = np.unique(signs, return_index=True)
    flat = found.reshape(-1, cells.shape[-1])
    for sign, at in zip(signs.ravel()[first].tolist(), first.tolist(), strict=True):
        if sign:
            shapes.setdefault(sign, flat[at].copy())
    return np.asarray(signs)


def _share(contexts: dict[int, Ways], nothing: int) -> tuple[list[_Turn], dict[int, Line]]:
    """Return turns, and which line each context is.

    Args:
        nothing: the number of a cell of one colour.
    """
    own = {context: _best_by_itself(ways) for context, ways in contexts.items()}
    turns, lines = list[_Turn](), dict[int, Line]()
    for _ in range(ROUNDS):
        for context in sorted(contexts, key=lambda one: -own[one].told):  # who has seen most goes first
            ways, alone = contexts[context], own[context]
            line, told = _best_of(ways, turns, nothing)
            if alone.way is not None and told < SHARED * alone.told:
                turns.append(_Turn(alone.way[1]))
                line = Line(alone.way[0], len(turns) - 1, alone.way[1])
            if line is not None:
                turns[line.turn].see(ways[line.down, line.reads])
                lines[context] = line
            else:
                lines.pop(context, None)
        for turn in turns:
            turn.forget()
        for context, line in lines.items():
            turns[line.turn].see(contexts[context][line.down, line.reads])
    return turns, lines


class _Alone(NamedTuple):
    """How a context would turn if it shared nothing."""

    way: tuple[int, int] | None  # None: by none do its shapes turn alike
    told: int  # what cells count that would be told


def _best_by_itself(ways: Ways) -> _Alone:
    """Return the way by which shapes turn the most alike; one cell that tells as much as two is enough."""
    best, found = 0.0, _Alone(None, 0)
    for way, pairs in ways.items():
        right, wrong = _by_itself(pairs)
        worth = (right - WORSE * wrong) * FEWER ** way[1]
        if right >= ALIKE and right >= SURE * (right + wrong) and worth > best:
            best, found = worth, _Alone(way, right)
    return found


def _by_itself(pairs: Pairs) -> tuple[int, int]:
    """Return how many cells turned as others of their shape did, and how many otherwise.

    Of shapes that turn now so, now otherwise, none did as others.
    """
    times, most = Counter[int](), Counter[int]()
    for (shape, outcome), count in pairs.items():
        times[shape] += count
        most[shape] = max(most[shape], count if outcome else 0)
    alike = [shape for shape, count in most.items() if count >= SURE * times[shape]]
    return sum(max(most[shape] - LETTER, 0) for shape in alike), times.total() - most.total()


def _best_of(ways: Ways, turns: Sequence[_Turn], nothing: int) -> tuple[Line | None, int]:
    """Return the line that what came of what agrees with best, None: with none, and what the cells count that it tells.

    Where letters come, it is they that must agree.
    """
    best, found, tells = 0.0, None, 0
    least = min(AGREE, max(_letters(pairs, nothing) for pairs in ways.values()))
    for number, turn in enumerate(turns):
        for (down, reads), pairs in ways.items():
            if reads != turn.reads:
                continue
            told = Counter({pair: count for pair, count in pairs.items() if pair[0] in turn.table})
            right = Counter({pair: count for pair, count in told.items() if pair[1] == turn.table[pair[0]]})
            good, wrong = right.total(), told.total() - right.total()
            worth = (good - WORSE * wrong) * FEWER**reads
            if _letters(right, nothing) >= least and good >= SURE * (good + wrong) and worth > best:
                best, found, tells = worth, Line(down, number, reads), good
    return found, tells


def _letters(pairs: Pairs, nothing: int) -> int:
    """Return what cells count that turned into more than one colour."""
    return sum(count for (_, outcome), count in pairs.items() if outcome != nothing)


def _write(tables: dict[str, NDArray[Any]], turns: Sequence[_Turn], shapes: dict[int, NDArray[np.uint8]]) -> None:
    """Put what comes of shapes into the tables, if it came of them more than once and hardly anything else did."""
    numbers: dict[int, int] = {}
    rows: list[tuple[int, int]] = []
    for turn, one in enumerate(turns):
        for shape, outcome in one.table.items():
            if one.pairs[shape, outcome] >= TWICE and len(numbers) < SHAPES:
                at = numbers.setdefault(outcome, len(numbers))
                rows.append((int(key_of(turn, np.array(shape))), at))
                tables["shapes"][at] = shapes[outcome]
    tables["letters"][: len(rows)] = rows[:LETTERS]
