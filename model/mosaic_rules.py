"""Rules by which cells of an interface change, counted from play: a letter where a caret stands, a button that lights.

Much of an interface follows from little: from what a cell and those beside it show, and from what was done. A
*context* that was followed by one and the same content again and again is a rule (as in n-grams that back off to
shorter ones; Katz 1987). Nothing is weighed and nothing generalised, but that a rule holds in all colours that the
picture may turn to, and that what follows may be what stood beside it, or what a key writes elsewhere.

Knows no layers and no net.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.mosaic_cells import shift, signs
from dreamloop.model.mosaic_contexts import (
    ANEW,
    CASTS,
    CHANGES,
    ELSE,
    FROM_RIGHT,
    MOVES,
    NO_CAST,
    NO_OTHER,
    SAID,
    STOOD,
    SURE,
    TO,
    WRITING,
    Setting,
    Signs,
    alone,
    beside,
    contexts_of,
    find,
    moved,
    sorted_rules,
)

RULES, OUTCOMES = 131072, 4096  # that can be known, and contents that they lead to
SETTLE, LATER = 300, 0.25  # settings learnt from, after which rules are drawn up anew; later, a share of all so far
SEVERAL = 3  # cells that change of a layer that is written anew
ONCE = 1 << 26  # contexts that are told apart when they are met for the first time


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
            self._known_of = np.zeros(ONCE, np.bool_)  # a quick look whether one may be counted already
            told = signs(outcomes, none)
            self._contents = dict(zip(told.tolist(), outcomes.copy(), strict=True))
            # How often each was met, what followed most, how often that did, and how often no other was as sure of it:
            self._met: dict[int, list[int]] = {}
            for context, outcome, sure in rules[rules[:, 2] > 0].tolist():
                follows = outcome if outcome < 0 else int(told[outcome])
                self._met[context] = [times_of(sure), follows, times_of(sure), 1]
                self._mark(np.array([context]))
        self._read()

    def __len__(self) -> int:
        """How many are known."""
        return len(self._known)

    def foretell(self, setting: Setting) -> NDArray[np.uint8]:
        """Return what the rules foresee (rows, columns, pixels); ``none`` where they tell nothing."""
        shown, written = signs(setting.cells, self.none), dict[int, int]()
        best, chosen = np.zeros_like(shown), np.zeros_like(shown)
        for what, contexts in contexts_of(self._known, setting, shown, self.none, written) if len(self) else ():
            sure, outcome = find(self._known, contexts)
            if what == ELSE:
                sure = np.where(best, 0, sure)
            elif what == ANEW:
                sure = np.where(setting.mine | self._changes_several(sure, outcome, shown, setting.layer), sure, 0)
            said = (outcome == what) if what in SAID else what in (TO, ELSE, ANEW)
            better = (sure > best) & said
            best, chosen = np.where(better, sure, best), np.where(better, outcome, chosen)
        told = (best >= SURE * 1e6) & (shown != 0)
        for what, number in written.items():
            chosen[chosen == what] = number
        found = np.full_like(setting.cells, self.none)
        found[told] = self.outcomes[chosen[told]]
        for what, step in MOVES.items():
            came = told & (chosen == what)
            found[came] = shift(setting.cells, step)[0][came]
        after = np.where(told, signs(found, self.none), 0)
        for contexts in beside(setting, shown, after) if len(self) else ():
            sure, outcome = find(self._known, contexts)
            other = ~told & (sure >= SURE * 1e6) & (outcome >= 0) & (shown != 0)
            found[other] = self.outcomes[outcome[other]]
            told |= other
        return found

    def _changes_several(self, sure: Signs, outcome: Signs, shown: Signs, layer: Signs) -> NDArray[np.bool_]:
        """Return where a kind of rule changes several cells (rows, columns) of the same layer."""
        changes = (sure >= SURE * 1e6) & (outcome >= 0) & (shown != 0)
        changes[changes] = self._told[outcome[changes]] != shown[changes]
        return np.asarray((np.bincount(layer[changes], minlength=layer.max() + 1) >= SEVERAL)[layer])

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

    def _mark(self, contexts: Signs) -> None:
        """Take note of contexts that are counted."""
        self._once[contexts & (ONCE - 1)] = True
        self._known_of[contexts & (ONCE - 1)] = True

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
        from_ = {what: moved(shown, step) for what, step in MOVES.items()}
        fresh, surest = set[int](), [(0, [0])] * int(turn.sum())
        other = ((ELSE, contexts) for contexts in beside(setting, shown, then))
        for what, contexts in chain(contexts_of(self._known, setting, shown, self.none, written), other):
            if what in WRITING:  # what a key writes is followed by what shows where it writes next
                contexts = np.where(moved(then != shown, MOVES[FROM_RIGHT]), contexts, 0)
            follows, stayed = then, stay
            if what in SAID:
                from_ |= {one: self._told[number] for one, number in written.items()}
                follows = np.where(then == from_[what], what, then)
                stayed = stay & (shown != from_[what])  # what is alike may have moved or not
                if what in MOVES:  # what is empty may have come from anywhere
                    contexts = np.where(turn & (then == from_[what]) & (then == shown[setting.blank]), 0, contexts)
            elif what == CHANGES:
                follows = np.full_like(then, what)
            again = self._again(contexts, turn)
            met = list(zip(contexts[turn].tolist(), follows[turn].tolist(), again[turn].tolist(), strict=True))
            votes, against = dict[int, Counter[int]](), Counter[int]()
            for context, outcome, known in met:
                if known and context and context not in counted:
                    votes.setdefault(context, Counter())[outcome] += 1
            stayed = stayed & again & self._known_of[contexts & (ONCE - 1)]
            for context, content in zip(contexts[stayed].tolist(), shown[stayed].tolist(), strict=True):
                one = self._met.get(context)
                if one is not None and one[1] != content and context not in counted:
                    against[context] += 1  # a rule that tells what stands there already has not failed
            self._vote(votes, against, what)
            fresh |= votes.keys() | against.keys()
            for i, (context, outcome, _) in enumerate(met):
                one = self._met.get(context)
                if one is None or one[1] != outcome:
                    continue
                sure = sure_of(one[0], one[2])
                if what in (CHANGES, ELSE) or what in WRITING:
                    one[3] += 1
                elif what in (TO, ANEW, outcome) and sure > surest[i][0]:
                    surest[i] = sure, one
        for sure, one in surest:
            if sure:
                one[3] += 1
        return fresh

    def _vote(self, votes: Mapping[int, Counter[int]], against: Mapping[int, int], what: int) -> None:
        """Count once for each context what followed (cells that turned to each outcome), or that it did not."""
        for context, outcomes in votes.items():
            one = self._met.setdefault(context, [0, outcomes.most_common(1)[0][0], 0, 0])
            self._known_of[context & (ONCE - 1)] = True
            others = outcomes.total() - outcomes[what] + against.get(context, 0)
            if what not in MOVES:
                vote(one, outcomes.most_common(1)[0][0])
                one[0] += context in against
            elif outcomes[what] >= others:  # what moves as one is one, though a caret goes its own way
                vote(one, what)
            else:
                one[0] += 1
        for context in against.keys() - votes.keys():
            self._met[context][0] += 1

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
        self._mark(counted[:, 0])
        self.settle()

    def _read(self) -> None:
        self._known, self._told = sorted_rules(self.rules), signs(self.outcomes, self.none)


def sure_of(times: int, most: int) -> int:
    """Return how sure it is, in millionths, what follows: ``most`` of so many times it did."""
    return int(1e6 * (most - 0.5) / (times + 0.5))


def times_of(sure: int) -> int:
    """Return how many times without an exception make one so sure."""
    return round(0.5 * (1e6 + sure) / (1e6 - sure))


def vote(one: list[int], outcome: int) -> None:
    """Count an outcome; another takes the place of what followed most before when that is no majority any more.

    It is counted from then on: what was held against the one before is not held against it.
    """
    one[0] += 1
    if one[1] == outcome:
        one[2] += 1
    elif 2 * one[2] < one[0]:
        one[:] = [1, outcome, 1, *(0 for _ in one[3:])]


def empty_rules(pixels: int, colours: int) -> dict[str, NDArray[Any]]:
    """Return tables in which nothing is known."""
    return {"rules": np.zeros((RULES, 3), np.int64), "outcomes": np.full((OUTCOMES, pixels), colours, np.uint8)}
