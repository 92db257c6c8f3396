"""What phrases do over time: taps, holds until "stop", amounts spread over seconds, small scripts.

A schema's ``encode`` is a pure function of one tick, so whatever lasts longer than a tick lives here and
reaches ``encode`` as ``InputState.intents``: control -> value in its own unit. A recording therefore replays
without this file. Also here, for the same reason: toggles and choices that stay. Knows no devices, no speech.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dreamloop.input.control import Phrase, Step
from dreamloop.input.schema import ActionSchema
from dreamloop.input.state import InputState
from dreamloop.input.words import plain

ENOUGH = 1e-9  # what is left of a time or an amount that counts as nothing


@dataclass(slots=True)
class Running:
    """A phrase that is acting: the step it is in, how long that still takes, what is still to be given."""

    phrase: Phrase
    steps: tuple[Step, ...]
    number: int = 0
    left_s: float | None = None  # None: until stopped
    left: dict[str, float] = field(default_factory=dict)  # field -> amount still to be given
    begun: bool = False

    def touches(self) -> set[str]:
        """Return the names of everything that the phrase sets, in any of its steps."""
        return {name for step in self.steps for name, _ in (*step.sets, *step.totals)}


class IntentPlayer:
    """Keeps the phrases that are acting. The latest word on a control wins; a phrase ends its opposite's."""

    def __init__(self, schema: ActionSchema) -> None:
        self.schema = schema
        self._by_words = {plain(text): phrase for phrase in schema.phrases for text in phrase.say}
        self._running: list[Running] = []
        self._against = _opposed(schema)

    def find(self, text: str) -> Phrase | None:
        """Return the phrase that has exactly these words, or None."""
        return self._by_words.get(plain(text))

    def say(self, phrase: Phrase, number: float | None = None) -> None:
        """Start what a phrase does; a number said with it replaces its amount, its time or its value."""
        if phrase.stops:
            self.stop()
            return
        new = Running(phrase, tuple(_with_number(step, phrase.number, number) for step in phrase.steps))
        touched = new.touches()
        against = touched.union(*(self._against.get(name, frozenset()) for name in touched))
        self._running = [one for one in self._running if not against & one.touches()]
        self._running.append(new)

    def stop(self) -> None:
        """Let go of everything that phrases hold."""
        self._running.clear()

    def tick(self, dt_s: float) -> dict[str, float]:
        """Return what phrases ask for in a tick of ``dt_s`` seconds, and move on."""
        asked: dict[str, float] = {}
        for one in self._running:
            asked.update(self._advance(one, dt_s))
        self._running = [one for one in self._running if one.number < len(one.steps)]
        return asked

    def _advance(self, one: Running, dt_s: float) -> dict[str, float]:
        """Give one tick of a phrase's step; go to the next step when its time and its amounts are used up."""
        step = one.steps[one.number]
        if not one.begun:
            one.begun, one.left_s, one.left = True, step.seconds, dict(step.totals)
        asked = dict(step.sets)
        for name, rest in one.left.items():
            asked[name] = self._share(name, rest, one.left_s or 0.0, dt_s)
            one.left[name] = rest - asked[name]
        if one.left_s is not None:
            one.left_s = max(one.left_s - dt_s, 0.0)
            if one.left_s <= ENOUGH and all(abs(rest) <= ENOUGH for rest in one.left.values()):
                one.number += 1
                one.begun = False
        return asked

    def _share(self, name: str, rest: float, left_s: float, dt_s: float) -> float:
        """Return this tick's share of an amount: even over the time left, at most what the control can do."""
        share = rest if left_s <= dt_s + ENOUGH else rest * dt_s / left_s
        if name not in self.schema.index:
            return share
        row = self.schema.fields[self.schema.index[name]]
        return min(max(share, row.low), row.high)


def _with_number(step: Step, what: str, number: float | None) -> Step:
    """Return the step with a spoken number in place of its amount, its time or its value; signs stay."""
    if number is None or not what:
        return step
    if what == "seconds":
        return Step(number, step.sets, step.totals)

    def put(pairs: Iterable[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
        return tuple((name, -abs(number) if value < 0 else abs(number)) for name, value in pairs)

    return Step(step.seconds, put(step.sets), step.totals) if what == "value" else _stretched(step, put(step.totals))


def _stretched(step: Step, totals: tuple[tuple[str, float], ...]) -> Step:
    """Return the step with other amounts, at the same speed: twice the angle takes twice the time."""
    before = max((abs(value) for _, value in step.totals), default=0.0)
    after = max((abs(value) for _, value in totals), default=0.0)
    factor = after / before if before else 1.0
    return Step(None if step.seconds is None else step.seconds * factor, step.sets, totals)


def _opposed(schema: ActionSchema) -> dict[str, frozenset[str]]:
    """Return, per control, the controls that a phrase for it ends: opposites, others of its group."""
    against: dict[str, set[str]] = {}
    for group in (*schema.opposites, *schema.exclusive):
        for name in group:
            against.setdefault(name, set()).update(set(group) - {name})
    for derived in schema.derived:  # ends what its parts end, and is ended with them
        parts = {schema.fields[i].name for i, _ in derived.sets}
        against[derived.name] = parts.union(*(against.get(part, set()) for part in parts))
        for part in parts:
            for name in set(against.get(part, set())) - {derived.name}:
                against.setdefault(name, set()).add(derived.name)
    return {name: frozenset(others) for name, others in against.items()}


class Latches:
    """Controls that remember: toggles that a press switches, choices that stay, choices in which presses queue up."""

    def __init__(self, schema: ActionSchema) -> None:
        self._toggles = {one.name: False for one in schema.controls if one.toggle}
        self._choices = {one.name: -1.0 for one in schema.controls if one.sticky}
        self._queues: dict[str, deque[float]] = {one.name: deque() for one in schema.controls if one.queue}
        self._spellers = [one for one in schema.controls if one.spell and one.queue]
        self._rows = {row.name: row for row in schema.fields}
        self._was: set[str] = set()

    def spell(self, words: str) -> bool:
        """Queue what is to be typed when ``words`` begin with one that is followed by it; say whether they do."""
        head, _, text = words.strip().partition(" ")
        for control in self._spellers:
            if plain(head) in control.spell and text:
                self._queues[control.name].extend(control.spelled(text.lower()))
                return True
        return False

    def forget(self) -> None:
        """Drop what waits to be typed."""
        for queue in self._queues.values():
            queue.clear()

    def tick(self, state: InputState, presses: Sequence[str] = ()) -> dict[str, float]:
        """Return what the latches ask for after this tick's phrases and ``presses``: parts, in the order of time."""
        if not self._toggles and not self._choices and not self._queues:
            return {}
        active, asked = state.active, {}
        for name in self._toggles:
            bound = self._rows[name].bindings.presses
            down = any(press.parts <= active for press in bound)
            tapped = any(press.parts <= active and press.parts & state.tapped for press in bound)
            if tapped or (down and name not in self._was):
                self._toggles[name] = not self._toggles[name]
            (self._was.add if down else self._was.discard)(name)
            if self._toggles[name]:
                asked[name] = 1.0
        for name in self._choices:
            pressed = self._rows[name].read(state, active)
            chosen = state.intents.get(name, pressed)
            if chosen >= 0:
                self._choices[name] = chosen
            asked[name] = self._choices[name]
        for name, queue in self._queues.items():
            bound = self._rows[name].bindings.presses
            for part in presses:
                queue.extend(one.value for one in bound if part in one.parts and one.parts <= active)
            asked[name] = queue.popleft() if queue else -1.0
        return asked
