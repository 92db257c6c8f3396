"""Rules by which cells of an interface change, counted from play: a letter where a caret stands, a button that lights.

Much of an interface follows from little: from what a cell and those beside it show, and from what was done. A
*context* that was followed by one and the same content again and again is a rule (as in n-grams that back off to
shorter ones; Katz 1987). Nothing is weighed and nothing generalised, but that a rule holds in all colours that the
picture may turn to: all else is left to the net, which is told what the rules foresee.

Knows no layers and no net.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.mosaic_cells import factors, shift, signs

RULES, OUTCOMES = 65536, 3072  # that can be known, and contents that they lead to
SURE = 0.88  # how sure it must be: what is told wrongly stays, what is left open the net may still tell
NEAR = 3  # lines above and below where something begins in which it may change cells too
WHOLLY, LATELY = 0.9, 64  # how sure it must be that nothing else changes, and of how many ticks that is the share
SETTLE = 300  # settings learnt from, after which the rules are drawn up anew
ONCE = 1 << 26  # contexts that are told apart when they are met for the first time

# What is counted: a content, one that moves along, that it changes; of a tick, that nothing else changes; or a content
# that holds only where no other rule tells one, for how often a rule came true does not make it the more telling one.
TO, FROM_RIGHT, FROM_BELOW, CHANGES, WHOLE, ELSE = 0, -1, -2, -3, -4, -5
MOVES = {FROM_RIGHT: np.array([-1, 0]), FROM_BELOW: np.array([0, -1])}  # cells (across, down) that a content moves
KINDS = (  # of rules: what is counted, and what it looks at (see _contexts); a kind keeps its number
    (21, CHANGES, ("now", "said", "form")),
    (0, TO, ("now", "done", "under", "front")),
    (27, TO, ("now", "done", "under", "form")),
    (1, TO, ("now", "done", "off")),
    (2, TO, ("now", "done", "under")),
    (3, TO, ("now", "left", "done", "under", "form")),
    (4, TO, ("now", "right", "done", "under", "form")),
    (5, TO, ("now", "place", "done", "under", "form")),
    (6, TO, ("place", "done", "then", "what")),
    (7, TO, ("now", "place", "done", "form", "what")),
    (8, TO, ("now", "right", "place", "done", "form", "what")),
    (28, TO, ("now", "place", "done", "then", "what", "deed")),
    (9, TO, ("now", "column", "line", "begun", "done", "form")),
    (10, TO, ("now", "left", "line", "begun", "done", "form")),
    (11, TO, ("now", "place", "idea", "next", "title")),
    (12, TO, ("now", "place", "idea", "then", "title")),
    (13, TO, ("now", "place", "idea", "front")),
    (14, TO, ("now", "place", "idea", "done", "under")),
    (15, TO, ("now", "place", "idea")),
    (16, FROM_RIGHT, ("place", "done", "form", "what")),
    (17, FROM_RIGHT, ("now", "place", "done", "form", "what")),
    (18, FROM_RIGHT, ("right", "place", "done", "form", "what")),
    (29, FROM_RIGHT, ("now", "place", "done", "form", "what", "deed")),
    (23, TO, ("place", "begin", "done", "then")),
    (24, TO, ("place", "row", "done", "then")),
    (32, FROM_BELOW, ("height", "begin", "form")),
    (33, FROM_BELOW, ("height", "row", "done", "form")),
    (19, ELSE, ("now", "column", "line", "begun", "form")),
    (20, ELSE, ("now", "left", "line", "begun", "form")),
    (22, ELSE, ("place", "begin", "then")),
    (30, ELSE, ("left", "done", "under", "form")),
    (31, ELSE, ("right", "done", "under", "form")),
)
FROM_BEGIN = {"line", "begun", "begin", "row"}  # told from where something begins

Signs = NDArray[np.int64]


class Setting(NamedTuple):
    """What rules are read from."""

    cells: NDArray[np.uint8]  # (rows, columns, pixels) what is seen
    place: Signs  # (rows, columns) where in which size of layer each lies
    height: Signs  # (rows, columns) in which row of which size of layer
    row: Signs  # (rows, columns) in which row of it
    column: Signs  # ... and column
    off: Signs  # (rows, columns) where each lies from what is pressed or let go, 0: far, or nothing is
    pressed: tuple[int, int] | None  # row and column that the pointer is pressed on in this tick
    then: NDArray[np.uint8]  # (MARKS, pixels) how the layer begins that will be in front
    title: int  # colour that fills most of the top row of the layer in front, ``none`` where there is none
    said: int  # whether more than the pointer's button is on
    done: int  # a number for the controls that are on, for the button of a tick ago, and for the idea
    front: int  # ... for the size of the layer in front
    form: int  # ... for the letters that the layer that will be in front begins with, in whatever colours
    deed: int  # ... for what was done in that before
    next: int  # ... for its size
    idea: int  # ... for the kind of idea that is believed

    def turned(self, into: NDArray[np.uint8]) -> "Setting":
        """Return the same in colours ``into`` (colours + 1,)."""
        return self._replace(cells=into[self.cells], then=into[self.then], title=int(into[self.title]))


class Rules:
    """Tables of rules; they grow while ``grows``.

    Args:
        rules: (RULES, 3) int64: number of a context, of its outcome (or FROM_RIGHT, ...), and how sure it
            is in millionths; 0: unused.
        outcomes: (OUTCOMES, pixels) uint8, ``none`` where unused.
    """

    def __init__(self, rules: Signs, outcomes: NDArray[np.uint8], none: int, *, grows: bool = False) -> None:
        self.rules, self.outcomes, self.none = rules, outcomes, none
        self._settings = 0
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
        shown = signs(setting.cells, self.none)
        best, chosen = np.zeros_like(shown), np.zeros_like(shown)
        for what, contexts in self._contexts(setting, shown) if len(self) else ():
            sure, outcome = find(self._known, contexts)
            if what == ELSE:
                sure = np.where(best, 0, sure)
            better = (sure > best) & ((outcome == what) if what in MOVES else what != CHANGES)
            best, chosen = np.where(better, sure, best), np.where(better, outcome, chosen)
        told = (best >= SURE * 1e6) & (shown != 0)
        found = np.full_like(setting.cells, self.none)
        found[told] = self.outcomes[chosen[told]]
        for what, step in MOVES.items():
            moved = told & (chosen == what)
            found[moved] = shift(setting.cells, step)[0][moved]
        return found

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
        if self._settings % SETTLE == 0:
            self.settle()

    def whole(self, context: int) -> bool:
        """Say whether what is foreseen is all that changes in the front layer, in ticks of a ``context``."""
        sure, _ = find(self._known, np.array([context]))
        return bool(sure[0] >= WHOLLY * 1e6)

    def learn_whole(self, context: int, right: bool) -> None:
        """Count whether what was foreseen was all that changed: of late, for ever more is foreseen."""
        one = self._met.setdefault(context, [0, WHOLE, 0, 0])
        if one[0] >= LATELY:
            one[0], one[2] = LATELY // 2, one[2] // 2
        one[0], one[2], one[3] = one[0] + 1, one[2] + right, one[3] + 1

    def _count(
        self,
        setting: Setting,
        which: tuple[NDArray[np.bool_], NDArray[np.bool_]],
        cells: NDArray[np.uint8],
        counted: set[int],
    ) -> set[int]:
        """Count what followed all contexts that are not ``counted`` yet, and return which were."""
        shown, then = signs(setting.cells, self.none), signs(cells, self.none)
        open_, told = which[0] & (shown != 0), which[1]
        turn = open_ & ((then != shown) | told)
        stay = open_ & ~turn
        for outcome, content in zip(then[turn].tolist(), cells[turn], strict=True):
            self._contents.setdefault(outcome, np.array(content))
        from_ = {what: _moved(shown, step) for what, step in MOVES.items()}
        fresh, surest = set[int](), [(0, [0])] * int(turn.sum())
        for what, contexts in self._contexts(setting, shown):
            came, known, follows = contexts[turn], self._once[contexts & (ONCE - 1)], np.where(turn, then, 0)
            self._once[came & (ONCE - 1)] = True
            if what in (*MOVES, CHANGES):
                follows = np.where(then == from_[what] if what in from_ else turn, what, follows)
            met = zip(came.tolist(), follows[turn].tolist(), known[turn].tolist(), strict=True)
            for i, (context, outcome, again) in enumerate(met):
                if not again:
                    continue
                one = self._met.setdefault(context, [0, outcome, 0, 0])
                if context not in counted:
                    vote(one, outcome)
                    fresh.add(context)
                if one[1] == outcome:
                    sure = sure_of(one[0], one[2])
                    if what == CHANGES:
                        one[3] += 1
                    elif what in (TO, ELSE, outcome) and sure > surest[i][0]:
                        surest[i] = sure, one
            stayed = stay & known
            if what in from_:
                stayed &= shown != from_[what]  # what is alike may have moved or not
            for context in contexts[stayed].tolist():
                if context in self._met and context not in counted:
                    self._met[context][0] += 1
                    fresh.add(context)
        for sure, one in surest:
            if sure:
                one[3] += 1
        return fresh

    def settle(self) -> None:
        """Draw up the tables: of the rules that came true often enough, those that were needed most."""
        found = []
        for context, (times, outcome, most, needed) in self._met.items():
            sure = sure_of(times, most)
            if sure >= SURE * 1e6:
                found.append((needed, most, context, outcome, sure))
        found.sort(reverse=True)
        numbers: dict[int, int] = {}
        self.rules[:], self.outcomes[:] = 0, self.none
        for i, (*_, context, outcome, sure) in enumerate(found[:RULES]):
            number = outcome if outcome in (*MOVES, CHANGES, WHOLE) else numbers.setdefault(outcome, len(numbers))
            if number < OUTCOMES:
                self.rules[i] = context, number, sure
            if 0 <= number < OUTCOMES:
                self.outcomes[number] = self._contents[outcome]
        self._read()

    def _read(self) -> None:
        self._known = sorted_rules(self.rules)

    def _contexts(self, setting: Setting, shown: Signs) -> Iterator[tuple[int, Signs]]:
        """Yield, for each kind of rule, what is counted, and a number (rows, columns) for what it looks at.

        Where a cell changes for what it shows alone, as a caret does when a key is typed, something begins; others are
        told by where they lie from there. What changes near a pointer that is pressed, as a button does, is what is
        meant.
        """
        parts: dict[str, Any] = {
            **{"now": shown, "place": setting.place, "column": setting.column, "off": setting.off},
            "height": setting.height,
            **{"left": _moved(shown, np.array([1, 0])), "right": _moved(shown, MOVES[FROM_RIGHT])},
            "under": shown[setting.pressed].reshape(1, 1) if setting.pressed else 0,
            "then": (signs(setting.then, self.none) @ factors(len(setting.then))).reshape(1, 1),
            **{"line": 0, "begun": 0, "begin": 0, "row": 0, "what": 0},
        }
        for name in ("title", "said", "done", "front", "form", "deed", "next", "idea"):
            parts[name] = np.full((1, 1), getattr(setting, name))
        begun = False
        for number, counted, names in KINDS:
            if not begun and not FROM_BEGIN.isdisjoint(names):
                continue
            told = np.full_like(shown, factors(64)[number])
            for name, factor in zip(names, factors(8), strict=False):
                told += parts[name] * factor
            yield counted, told
            if number == 1 and setting.pressed:
                fires = find(self._known, told)[0] > 0
                parts["what"] = setting.place[fires][:1].reshape(-1, 1) if fires.any() else 0
            elif number in (0, 21) and setting.said and not setting.idea and not begun:
                fires = find(self._known, told)[0] > 0
                if begun := bool(fires.any()):
                    row, column = np.argwhere(fires)[0]
                    lines = np.arange(len(shown))[:, None] - row
                    parts["line"] = np.where(abs(lines) <= NEAR, lines + NEAR + 1, 0)
                    parts["begun"] = 1 + setting.column[row, column].reshape(1, 1)
                    parts["begin"] = setting.place[row, column].reshape(1, 1)
                    parts["row"] = 1 + setting.row[row, column].reshape(1, 1)


def _moved(shown: Signs, step: NDArray[np.int64]) -> Signs:
    """Return what every cell would show if all moved by ``step`` (across, down); 0 where nothing comes from."""
    moved, inside = shift(shown, step)
    return np.where(inside, moved, 0)


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
