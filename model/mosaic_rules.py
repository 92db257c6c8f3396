"""Rules by which cells of an interface change, counted from play: a letter where a caret stands, a button that lights.

Much of an interface follows from little: from what a cell and those beside it show, and from what was done. A
*context* that was followed by one and the same content again and again is a rule (as in n-grams that back off to
shorter ones; Katz 1987). Nothing is weighed and nothing generalised, but that a rule holds in all colours that the
picture may turn to, and that what follows may be what stood beside it, or what a key writes elsewhere.

Knows no layers and no net.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.mosaic_cells import factors, shift, signs

RULES, OUTCOMES = 131072, 4096  # that can be known, and contents that they lead to
SURE = 0.8  # how sure it must be
NEAR = 3  # lines above and below where something begins in which it may change cells too
STOOD = 4  # ticks that a cell must have stood still to go on by itself
SETTLE, LATER = 300, 0.25  # settings learnt from, after which rules are drawn up anew; later, a share of all so far
ONCE = 1 << 26  # contexts that are told apart when they are met for the first time

# What is counted: a content; one that moves along; what a key writes where something begins, or in the cell below that;
# that a cell changes; that it does and so does the one to its right, which tells what a key writes; or a content that
# holds only where no other rule tells one, for how often a rule came true does not make it the more telling one.
TO, FROM_RIGHT, FROM_BELOW, FROM_2_BELOW, WRITTEN, WRITTEN_BELOW = 0, -1, -2, -3, -4, -5
CHANGES, WRITES, WRITES_BELOW, ELSE = -6, -7, -8, -9
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
KINDS = (  # of rules: what is counted, and what it looks at (see _contexts); a kind keeps its number
    (21, CHANGES, ("now", "said", "form")),
    (0, TO, ("now", "done", "under", "front")),
    (27, TO, ("now", "done", "under", "form")),
    (40, WRITES, ("done", "form", "paper")),
    (41, WRITES_BELOW, ("done", "form", "paper")),
    (1, TO, ("now", "done", "off")),
    (2, TO, ("now", "done", "under")),
    (3, TO, ("now", "left", "done", "under", "form")),
    (4, TO, ("now", "right", "done", "under", "form")),
    (5, TO, ("now", "place", "done", "under", "form")),
    (6, TO, ("place", "done", "then", "what")),
    (7, TO, ("now", "place", "done", "form", "what")),
    (8, TO, ("now", "right", "place", "done", "form", "what")),
    (28, TO, ("now", "place", "done", "then", "what", "deed")),
    (36, TO, ("place", "done", "form", "what", "deed")),
    (9, TO, ("now", "column", "line", "begun", "done", "form")),
    (10, TO, ("now", "left", "line", "begun", "done", "form")),
    (38, TO, ("now", "tail", "line", "begun", "done", "form")),
    (52, TO, ("now", "height", "last", "done", "what")),
    (53, TO, ("above", "height", "last", "done", "what")),
    (54, TO, ("2 above", "height", "last", "done", "what")),
    (55, TO, ("3 above", "height", "last", "done", "what")),
    (56, TO, ("below", "height", "last", "done", "what")),
    (57, TO, ("2 below", "height", "last", "done", "what")),
    (11, TO, ("now", "place", "idea", "next", "title")),
    (12, TO, ("now", "place", "idea", "then", "title")),
    (13, TO, ("now", "place", "idea", "front")),
    (14, TO, ("now", "place", "idea", "done", "under")),
    (15, TO, ("now", "place", "idea")),
    (46, TO, ("now", "place", "idea", "own", "title")),
    (47, TO, ("now", "place", "idea", "own")),
    (48, TO, ("now", "place", "idea", "form", "title")),
    (49, TO, ("now", "place", "idea", "form")),
    (16, FROM_RIGHT, ("place", "done", "form", "what")),
    (17, FROM_RIGHT, ("now", "place", "done", "form", "what")),
    (18, FROM_RIGHT, ("right", "place", "done", "form", "what")),
    (29, FROM_RIGHT, ("now", "place", "done", "form", "what", "deed")),
    (37, FROM_RIGHT, ("place", "done", "form", "what", "deed")),
    (23, TO, ("place", "begin", "done", "then")),
    (24, TO, ("place", "row", "done", "then")),
    (25, FROM_BELOW, ("height", "begin", "form", "writes")),
    (26, FROM_BELOW, ("height", "row", "done", "form")),
    (62, FROM_2_BELOW, ("height", "begin", "form", "writes")),
    (63, FROM_2_BELOW, ("height", "row", "done", "form")),
    (42, WRITTEN, ("place", "begin", "form")),
    (43, WRITTEN, ("column", "line", "begun", "form")),
    (44, WRITTEN_BELOW, ("place", "begin", "form")),
    (45, WRITTEN_BELOW, ("column", "line", "begun", "form")),
    (19, ELSE, ("now", "column", "line", "begun", "form", "writes")),
    (20, ELSE, ("now", "left", "line", "begun", "form", "writes")),
    (22, ELSE, ("place", "begin", "then", "writes")),
    (30, ELSE, ("left", "done", "under", "form")),
    (31, ELSE, ("right", "done", "under", "form")),
)
ALONE = ((50, ("now", "place", "age")), (39, ("now", "place", "rest", "latest")))  # of what goes on by itself
LINES = {"above": 1, "2 above": 2, "3 above": 3, "below": -1, "2 below": -2}  # cells that what stands there moves down
FROM_BEGIN = {"line", "begun", "begin", "row"}  # told from where something begins

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
    off: Signs  # (rows, columns) where each lies from what is pressed or let go, 0: far, or nothing is
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


class Rules:
    """Tables of rules; they grow while ``grows``.

    Args:
        rules: (RULES, 3) int64: number of a context, of its outcome (or FROM_RIGHT, ...), and how sure it
            is in millionths; 0: unused.
        outcomes: (OUTCOMES, pixels) uint8, ``none`` where unused.
    """

    def __init__(self, rules: Signs, outcomes: NDArray[np.uint8], none: int, *, grows: bool = False) -> None:
        self.rules, self.outcomes, self.none = rules, outcomes, none
        self._settings, self._due = 0, SETTLE
        if grows:  # a context is counted from the second time on that it is met; most are met once
            self._once = np.zeros(ONCE, np.bool_)
            told = signs(outcomes, none)
            self._contents = dict(zip(told.tolist(), outcomes.copy(), strict=True))
            # How often each was met, what followed most, how often that did, and how often no other was as sure of it:
            self._met: dict[int, list[int]] = {}
            for context, outcome, sure in rules[rules[:, 2] > 0].tolist():
                follows = outcome if outcome < 0 else int(told[outcome])
                self._met[context] = [times_of(sure), follows, times_of(sure), 1]
                self._once[context & (ONCE - 1)] = True
        self._read()

    def __len__(self) -> int:
        """How many are known."""
        return len(self._known)

    def foretell(self, setting: Setting) -> NDArray[np.uint8]:
        """Return what the rules foresee (rows, columns, pixels); ``none`` where they tell nothing."""
        shown, written = signs(setting.cells, self.none), dict[int, int]()
        best, chosen = np.zeros_like(shown), np.zeros_like(shown)
        for what, contexts in self._contexts(setting, shown, written) if len(self) else ():
            sure, outcome = find(self._known, contexts)
            if what == ELSE:
                sure = np.where(best, 0, sure)
            said = (outcome == what) if what in SAID else what in (TO, ELSE)
            better = (sure > best) & said
            best, chosen = np.where(better, sure, best), np.where(better, outcome, chosen)
        told = (best >= SURE * 1e6) & (shown != 0)
        for what, number in written.items():
            chosen[chosen == what] = number
        found = np.full_like(setting.cells, self.none)
        found[told] = self.outcomes[chosen[told]]
        for what, step in MOVES.items():
            moved = told & (chosen == what)
            found[moved] = shift(setting.cells, step)[0][moved]
        return found

    def go_on(self, cells: NDArray[np.uint8], place: Signs, age: Signs, layer: Signs) -> NDArray[np.uint8]:
        """Return what goes on by itself (rows, columns, pixels), as a clock does; ``none`` where nothing does.

        Args:
            cells: (rows, columns, pixels) what is seen.
            place: (rows, columns) as in a :class:`Setting`.
            age: (rows, columns) ticks for which each cell shows what it does.
            layer: (rows, columns) of which layer each is.
        """
        found = np.full_like(cells, self.none)
        for contexts in alone(signs(cells, self.none), place, age, layer) if len(self) else ():
            sure, outcome = find(self._known, contexts)
            told = (sure >= SURE * 1e6) & (found[..., 0] == self.none)
            found[told] = self.outcomes[outcome[told]]
        return found

    def learn_alone(
        self,
        cells: NDArray[np.uint8],
        place: Signs,
        age: Signs,
        layer: Signs,
        after: NDArray[np.uint8],
        seen: NDArray[np.bool_],
    ) -> None:
        """Count what went on in a tick in which nobody did anything.

        Args:
            cells, place, age, layer: as in :meth:`go_on`.
            after: (rows, columns, pixels) what is seen next.
            seen: (rows, columns) which of it is no guess.
        """
        shown, then = signs(cells, self.none), signs(after, self.none)
        seen = seen & (shown != 0) & (age >= STOOD)
        turn = seen & (then != shown)
        for outcome, content in zip(then[turn].tolist(), after[turn], strict=True):
            self._contents.setdefault(outcome, np.array(content))
        for contexts in alone(shown, place, age, layer):
            again = self._again(contexts, turn)
            came = zip(contexts[turn & again].tolist(), then[turn & again].tolist(), strict=True)
            for context, outcome in came:
                one = self._met.setdefault(context, [0, outcome, 0, 0])
                vote(one, outcome)
                one[3] += 1
            for context in contexts[seen & again & ~turn].tolist():
                if context in self._met:
                    self._met[context][0] += 1

    def learn(
        self,
        setting: Setting,
        open_: NDArray[np.bool_],
        told: NDArray[np.bool_],
        cells: NDArray[np.uint8],
        looks: Sequence[NDArray[np.uint8]],
    ) -> None:
        """Count what followed, and what would have in other colours.

        Args:
            open_: (rows, columns) which cells are to be told by rules.
            told: (rows, columns) which of these the idea lets change: that they do not is worth a rule, too.
            cells: (rows, columns, pixels) what is seen next.
            looks: colours (colours + 1,) that those of the setting may be; a context that is the same in several looks
                counts once.
        """
        found = self.foretell(setting)
        false = (found[..., 0] != self.none) & (found != setting.cells).any(-1)
        told = told | false  # if these do not change: an exception is worth a rule, too
        counted: set[int] = set()
        for into in looks:
            counted |= self._count(setting.turned(into), (open_, told), into[cells], counted)
        self._settings += 1
        if self._settings >= self._due:
            self.settle()
            self._due = self._settings + max(SETTLE, int(LATER * self._settings))

    def cast_for(self, context: int) -> int | None:
        """Return the number of the cast that always follows a ``context``; None: none is known to."""
        sure, outcome = find(self._known, np.array([context]))
        return CASTS - int(outcome[0]) if sure[0] >= SURE * 1e6 and outcome[0] <= CASTS else None

    def learn_cast(self, context: int, cast: int | None) -> None:
        """Count which cast followed; None: none did."""
        one = self._met.setdefault(context, [0, NO_CAST, 0, 0])
        vote(one, NO_CAST if cast is None else CASTS - cast)
        one[3] += 1

    def _again(self, contexts: Signs, turn: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which contexts were met before, and take note of those in which something turned."""
        again = self._once[contexts & (ONCE - 1)]
        self._once[contexts[turn] & (ONCE - 1)] = True
        return np.asarray(again)

    def _count(
        self,
        setting: Setting,
        which: tuple[NDArray[np.bool_], NDArray[np.bool_]],
        cells: NDArray[np.uint8],
        counted: set[int],
    ) -> set[int]:
        """Count what followed all contexts that are not ``counted`` yet, and return which were."""
        shown, then, written = signs(setting.cells, self.none), signs(cells, self.none), dict[int, int]()
        open_, told = which[0] & (shown != 0), which[1]
        turn = open_ & ((then != shown) | told)
        stay = open_ & ~turn
        for outcome, content in zip(then[turn].tolist(), cells[turn], strict=True):
            self._contents.setdefault(outcome, np.array(content))
        from_ = {what: _moved(shown, step) for what, step in MOVES.items()}
        fresh, surest = set[int](), [(0, [0])] * int(turn.sum())
        for what, contexts in self._contexts(setting, shown, written):
            if what in WRITING:  # what a key writes is followed by what shows where it writes next
                contexts = np.where(_moved(then != shown, MOVES[FROM_RIGHT]), contexts, 0)
            again, follows = self._again(contexts, turn), np.where(turn, then, 0)
            if what in SAID:
                from_ |= {one: self._told[number] for one, number in written.items()}
                follows = np.where(then == from_[what], what, follows)
                trivial = (then == from_[what]) & (then == shown[setting.blank]) if what in MOVES else False
                contexts = np.where(turn & trivial, 0, contexts)  # what is empty may have come from anywhere
            elif what == CHANGES:
                follows = np.where(turn, what, follows)
            met, now = (
                zip(contexts[turn].tolist(), follows[turn].tolist(), again[turn].tolist(), strict=True),
                set[int](),
            )
            for i, (context, outcome, known) in enumerate(met):
                if not known or not context:
                    continue
                one = self._met.setdefault(context, [0, outcome, 0, 0])
                if context not in counted and context not in now:  # what moves as one is one
                    vote(one, outcome)
                    now.add(context)
                if one[1] == outcome:
                    sure = sure_of(one[0], one[2])
                    if what in (CHANGES, ELSE) or what in WRITING:
                        one[3] += 1
                    elif what in (TO, outcome) and sure > surest[i][0]:
                        surest[i] = sure, one
            fresh |= now
            stayed = stay & again
            if what in SAID:
                stayed &= shown != from_[what]  # what is alike may have moved or not
            for context in set(contexts[stayed].tolist()) - counted:
                if context in self._met:
                    self._met[context][0] += 1
                    fresh.add(context)
        for sure, one in surest:
            if sure:
                one[3] += 1
        return fresh

    def settle(self) -> None:
        """Draw up the tables: of the rules that came true often enough, those that were needed most.

        One in ten is ever the surest; the others would say what it says, or less.
        """
        found = []
        for context, (times, outcome, most, needed) in self._met.items():
            sure = sure_of(times, most)
            if needed and sure >= SURE * 1e6:
                found.append((needed, most, context, outcome, sure))
        found.sort(reverse=True)
        numbers: dict[int, int] = {}
        self.rules[:], self.outcomes[:] = 0, self.none
        for i, (*_, context, outcome, sure) in enumerate(found[:RULES]):
            number = outcome if NO_OTHER <= outcome < 0 else numbers.setdefault(outcome, len(numbers))
            if number < OUTCOMES:
                self.rules[i] = context, number, sure
            if 0 <= number < OUTCOMES:
                self.outcomes[number] = self._contents[outcome]
        self._read()

    @property
    def counted(self) -> tuple[Signs, NDArray[np.uint8]]:
        """What was counted (n, 5): contexts, how often each was met, what followed most, how often, how needed it was.

        And the contents (k, pixels) that followed.
        """
        rows = [(context, *one) for context, one in self._met.items() if one[0] > 1]
        contents = np.array(list(self._contents.values()), np.uint8).reshape(-1, self.outcomes.shape[1])
        return np.array(rows, np.int64).reshape(-1, 5), contents

    def take(self, counted: Signs, contents: NDArray[np.uint8]) -> None:
        """Take what was counted, in place of what this has counted so far."""
        self._met = {context: one for context, *one in counted.tolist()}
        self._contents = dict(zip(signs(contents, self.none).tolist(), contents, strict=True))
        self._once[counted[:, 0] & (ONCE - 1)] = True
        self.settle()

    def _read(self) -> None:
        self._known, self._told = sorted_rules(self.rules), signs(self.outcomes, self.none)

    def _contexts(self, setting: Setting, shown: Signs, written: dict[int, int]) -> Iterator[tuple[int, Signs]]:
        """Yield, for each kind of rule, what is counted, and a number (rows, columns) for what it looks at.

        It is 0 where a cell is none of the rule's business. What is done is found to write goes into ``written``:
        numbers of outcomes.

        Where a cell changes for what it shows alone, as a caret does when a key is typed, something begins; others are
        told by where they lie from there. What changes near a pointer that is pressed, as a button does, is what is
        meant.
        """
        parts: dict[str, Any] = {
            **{"now": shown, "place": setting.place, "column": setting.column, "off": setting.off},
            **{"height": setting.height, "tail": setting.tail, "last": setting.last},
            **{name: _moved(shown, np.array([0, down])) for name, down in LINES.items()},
            **{"left": _moved(shown, np.array([1, 0])), "right": _moved(shown, MOVES[FROM_RIGHT])},
            "under": shown[setting.pressed].reshape(1, 1) if setting.pressed else 0,
            "then": (signs(setting.then, self.none) @ factors(len(setting.then))).reshape(1, 1),
            **{"line": 0, "begun": 0, "begin": 0, "row": 0, "what": 0, "writes": 0},
        }
        for name in ("title", "paper", "said", "done", "front", "form", "own", "deed", "next", "idea"):
            parts[name] = np.full((1, 1), getattr(setting, name))
        begun, begins, row, column = False, dict[int, NDArray[np.bool_]](), 0, 0
        for number, counted, names in KINDS:
            if not begun and (counted in WRITING or not FROM_BEGIN.isdisjoint(names)):
                continue
            if counted in WRITING.values() and counted not in written:
                continue
            if ("idea" in names and not setting.idea) or (setting.cast and "now" not in names):
                continue
            told = np.full_like(shown, factors(64)[number])
            for name, factor in zip(names, factors(8), strict=False):
                told += parts[name] * factor
            if counted in WRITING:
                told = np.where(begins[counted], told, 0)
            elif not FROM_BEGIN.isdisjoint(names):
                told = np.where(setting.layer == setting.layer[row, column], told, 0)
            yield counted, told
            if counted in WRITING:
                sure, outcome = find(self._known, told[begins[counted]])
                if sure.max(initial=0) >= SURE * 1e6:
                    written[WRITING[counted]], parts["writes"] = int(outcome[0]), 1
            if number == 1 and setting.pressed:
                fires = find(self._known, told)[0] > 0
                parts["what"] = setting.place[fires][:1].reshape(-1, 1) if fires.any() else 0
            elif number in (0, 21) and setting.said and not setting.idea and not begun:
                fires = find(self._known, told)[0] > 0
                if begun := bool(fires.any()):
                    row, column = np.argwhere(fires)[0]
                    begins = {what: np.zeros_like(fires) for what in WRITING}
                    begins[WRITES][row, column] = True
                    begins[WRITES_BELOW][row + 1 : row + 2, column] = fires[row + 1 : row + 2, column]
                    lines = np.arange(len(shown))[:, None] - row
                    parts["line"] = np.where(abs(lines) <= NEAR, lines + NEAR + 1, 0)
                    parts["begun"] = 1 + setting.column[row, column].reshape(1, 1)
                    parts["begin"] = setting.place[row, column].reshape(1, 1)
                    parts["row"] = 1 + setting.row[row, column].reshape(1, 1)


def _moved(shown: Signs, step: NDArray[np.int64]) -> Signs:
    """Return what every cell would show if all moved by ``step`` (across, down); 0 where nothing comes from."""
    moved, inside = shift(shown, step)
    return np.where(inside, moved, 0)


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
    for number, names in ALONE:
        told = np.full_like(shown, factors(64)[number])
        for name, factor in zip(names, factors(8), strict=False):
            told += parts[name] * factor
        yield told


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


def sure_of(times: int, most: int) -> int:
    """Return how sure it is, in millionths, what follows: ``most`` of so many times it did."""
    return int(1e6 * (most - 0.5) / (times + 0.5))


def times_of(sure: int) -> int:
    """Return how many times without an exception make one so sure."""
    return round(0.5 * (1e6 + sure) / (1e6 - sure))


def vote(one: list[int], outcome: int) -> None:
    """Count an outcome; another takes the place of what followed most before when that is no majority any more."""
    one[0] += 1
    if one[1] == outcome:
        one[2] += 1
    elif 2 * one[2] < one[0]:
        one[1:3] = outcome, 1


def empty_rules(pixels: int, colours: int) -> dict[str, NDArray[Any]]:
    """Return tables in which nothing is known."""
    return {"rules": np.zeros((RULES, 3), np.int64), "outcomes": np.full((OUTCOMES, pixels), colours, np.uint8)}
