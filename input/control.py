"""What a control is once it has been read: its fields, what drives them, what a phrase does. Plain data.

A *control* is what the schema names ("turn", "pointer", "weapon"). A *field* is one number of it in its own
unit: a button or an axis has one field of the same name, a pointer has ``pointer.x``, ``pointer.y`` and one
per click, a choice has one whose value is the index of the option (-1: none). Knows nothing about TOML files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dreamloop.input.codec import Codec
from dreamloop.input.parts import HALF_THRESHOLD, half, split_half
from dreamloop.input.state import InputState
from dreamloop.input.words import plain


@dataclass(frozen=True, slots=True)
class Press:
    """Parts that, all down together, give the field ``value``."""

    parts: frozenset[str]
    value: float = 1.0


@dataclass(frozen=True, slots=True)
class Bindings:
    """What drives one field."""

    presses: tuple[Press, ...] = ()
    motion: tuple[int, float] | None = None  # (0 right | 1 down, unit per pixel)
    wheel: tuple[int, float] | None = None  # (0 right | 1 up, unit per notch)
    axes: tuple[tuple[str, float], ...] = ()  # (part, value at full deflection)
    dead_zone: float = 0.0  # 0..1: smaller deflections count as none, the rest is stretched over 0..1
    pointer: int | None = None  # 0: x, 1: y of the absolute pointer
    toggle: bool = False  # presses switch it on and off (input/intent.py): it is not read from what is held


@dataclass(frozen=True, slots=True)
class Field:
    """One number that the player controls: how it is read from a tick, and where it goes in the vector."""

    name: str
    control: str
    kind: str  # "button", "axis", "position" (of a pointer), "choice"
    low: float
    high: float
    start: int  # index of its first entry
    codec: Codec
    idle: float = 0.0  # value when nothing drives it
    bindings: Bindings = field(default_factory=Bindings)

    @property
    def stop(self) -> int:
        return self.start + self.codec.size

    def read(self, state: InputState, active: frozenset[str]) -> float:
        """Return the value that the devices ask for, in the field's own unit, not yet clipped."""
        bindings = self.bindings
        if self.kind == "axis":
            return self._read_axis(state, active)
        if self.kind == "position":
            where = state.pointer
            return self.idle if where is None or bindings.pointer is None else where[bindings.pointer]
        if bindings.toggle:
            return self.idle
        pressed = [press.value for press in bindings.presses if press.parts <= active]
        return min(pressed) if pressed else self.idle  # the lowest option wins, whatever the order of a set

    def rebound(self, bindings: Bindings) -> "Field":
        """Return the same field driven by other bindings."""
        return replace(self, bindings=bindings)

    def _read_axis(self, state: InputState, active: frozenset[str]) -> float:
        bindings = self.bindings
        value = sum({press.value for press in bindings.presses if press.parts <= active})
        if bindings.motion is not None:
            value += state.motion_px[bindings.motion[0]] * bindings.motion[1]
        if bindings.wheel is not None:
            value += state.wheel[bindings.wheel[0]] * bindings.wheel[1]
        for part, full in bindings.axes:
            value += full * beyond(state.axes.get(part, 0.0), bindings.dead_zone)
        return value


def beyond(deflection: float, dead_zone: float) -> float:
    """Return a deflection (-1..1) with its dead zone taken out and the rest stretched over 0..1.

    >>> beyond(0.1, 0.2), beyond(-0.6, 0.2), beyond(1.0, 0.2)
    (0.0, -0.5, 1.0)
    """
    size = abs(deflection)
    if size <= dead_zone:
        return 0.0
    stretched = min((size - dead_zone) / (1.0 - dead_zone), 1.0)
    return stretched if deflection > 0 else -stretched


def halves(state: InputState) -> frozenset[str]:
    """Return the halves of the axes that are pushed far enough to count as buttons: ``pad:-left_y``."""
    return frozenset(half(part, value) for part, value in state.axes.items() if abs(value) >= HALF_THRESHOLD)


def parts_of(presses: tuple[Press, ...]) -> frozenset[str]:
    """Return every part that some press listens to, axes' halves as their axes."""
    names: set[str] = set()
    for press in presses:
        for part in press.parts:
            pair = split_half(part)
            names.add(pair[0] if pair else part)
    return frozenset(names)


@dataclass(frozen=True, slots=True)
class Layer:
    """While ``when`` is down, some fields listen to other bindings or move at another scale."""

    name: str
    help: str
    when: tuple[Press, ...]
    bindings: tuple[tuple[int, Bindings], ...] = ()  # (index of the field, what drives it instead)
    scale: tuple[tuple[int, float], ...] = ()  # (index of the field, factor)


@dataclass(frozen=True, slots=True)
class Derived:
    """A control that the model never sees: pressing it sets other controls."""

    name: str
    help: str
    presses: tuple[Press, ...]
    sets: tuple[tuple[int, float], ...]  # (index of the field, value)


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of a phrase's effect: fields held at a value, and amounts to be spread over it."""

    seconds: float | None  # None: until "stop", or until the phrase's opposite; 0: one tick
    sets: tuple[tuple[str, float], ...] = ()  # (field, value in every tick)
    totals: tuple[tuple[str, float], ...] = ()  # (field, amount over the whole step)


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that act. ``say[0]`` is the name under which an input state lists it."""

    say: tuple[str, ...]
    steps: tuple[Step, ...]
    control: str = ""  # the control it was written under, "" for a script of its own
    number: str = ""  # what a number in the utterance replaces: "", "total", "seconds", "value"
    stops: bool = False  # lets go of everything that phrases hold

    @property
    def name(self) -> str:
        return self.say[0]


@dataclass(frozen=True, slots=True)
class Control:
    """One control as the schema names it: what the model sees of it, and what a person reads about it."""

    name: str
    kind: str  # "button", "axis", "pointer", "choice"
    help: str = ""
    unit: str = ""
    low: float = 0.0  # in the control's unit; a choice counts its options from 0
    high: float = 1.0
    companding: str = "linear"
    mu: float = 0.0
    levels: int = 0
    bins: tuple[float, ...] = ()
    options: tuple[str, ...] = ()
    clicks: tuple[str, ...] = ()
    may_be_none: bool = False
    fields: tuple[str, ...] = ()
    synonyms: tuple[tuple[str, str], ...] = ()  # (word of a phrase, word that may stand for it)
    sticky: bool = False  # a choice that stays as it was chosen
    toggle: bool = False  # a button that a press switches on and the next one off
    queue: bool = False  # a choice in which every press counts for one tick, one after the other
    spell: tuple[str, ...] = ()  # words that are followed by what is to be typed, a character a tick
    letters: tuple[tuple[str, float], ...] = ()  # (character, option that writes it)

    @classmethod
    def of(cls, table: Mapping[str, Any], fields: tuple[str, ...]) -> "Control":
        """Return the control that a checked table describes."""
        kind = table["kind"]
        options = tuple(one["name"] if isinstance(one, Mapping) else one for one in table.get("options", ()))
        none = bool(table.get("may_be_none", kind == "choice"))
        low, high = table.get("range", (-1.0, 1.0) if kind == "axis" else (0.0, 1.0))
        if kind == "choice":
            low, high = (-1.0 if none else 0.0), len(options) - 1.0
        companding = table.get("companding", "linear")
        return cls(
            **{name: table[name] for name in ("name", "kind")},
            **{name: table[name] for name in ("help", "unit", "levels") if name in table},
            low=float(low),
            high=float(high),
            companding=companding,
            mu=float(table.get("mu", 10.0)) if companding == "mu-law" else 0.0,
            bins=tuple(float(one) for one in table.get("bins", ())),
            options=options,
            clicks=tuple(dict.fromkeys(table.get("clicks", ("left",)))) if kind == "pointer" else (),
            may_be_none=none,
            fields=fields,
            synonyms=tuple(
                (plain(word), plain(one)) for word, more in table.get("synonyms", {}).items() for one in more
            ),
            sticky=bool(table.get("sticky", False)),
            toggle=bool(table.get("toggle", False)),
            queue=bool(table.get("queue", False)),
            spell=tuple(plain(word) for word in table.get("spell", ())),
            letters=_letters(table.get("options", ())),
        )

    def spelled(self, text: str) -> list[float]:
        """Return the options that write ``text``, character by character; what none of them writes is left out."""
        known = dict(self.letters)
        return [known[char] for char in text if char in known]

    @property
    def layout(self) -> list[Any]:
        """What a model sees of the control: its fingerprint is made of this."""
        return [
            *(self.name, self.kind, self.unit, self.low, self.high, self.companding, self.mu, self.levels),
            *(list(self.bins), list(self.options), list(self.clicks), self.may_be_none),
        ]


def _letters(options: Sequence[Any]) -> tuple[tuple[str, float], ...]:
    named = [one if isinstance(one, Mapping) else {"name": one} for one in options]
    written = [(one.get("writes", one["name"]), float(i)) for i, one in enumerate(named)]
    return tuple((text, value) for text, value in written if isinstance(text, str) and len(text) == 1)
