"""The table of what an action schema may say: every key, where it may stand, and what its value may be.

Checking, `schema check`, and the documentation read this one table. Knows how values look, not what they do.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from dreamloop.input.codec import COMPANDINGS
from dreamloop.input.parts import KEY_NAMES, MOUSE_NAMES, PAD_AXES, PAD_NAMES, PART

FORMAT = 1
KINDS = ("button", "axis", "pointer", "choice")
ALL = frozenset(KINDS)
LAYOUT_KEYS = (
    "name",
    "kind",
    "unit",
    "range",
    "companding",
    "mu",
    "levels",
    "bins",
    "options",
    "clicks",
    "may_be_none",
)
"""What a model sees of a control; everything else says how a player drives it."""
ACTS = ("tap", "hold")
HALVES = frozenset({f"{sign}{axis}" for sign in "+-" for axis in PAD_AXES})


@dataclass(frozen=True, slots=True)
class Rule:
    """One key: what is allowed in words, a test of the value, the kinds it goes with, names it may list."""

    allowed: str
    test: Callable[[Any], bool]
    kinds: frozenset[str] = ALL
    names: frozenset[str] | None = None  # every string in the value must be one of these
    choices: tuple[str, ...] = ()  # the value itself must be one of these

    @classmethod
    def one_of(cls, choices: Iterable[str], kinds: frozenset[str] = ALL, why: str = "") -> "Rule":
        """Return the rule of a key whose value is one of a few words."""
        known = tuple(choices)
        text = why or f"one of {', '.join(known)}"
        return cls(text, lambda value: isinstance(value, str) and value in known, kinds, None, known)


def is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9 and math.isfinite(value)


def is_positive(value: Any) -> bool:
    return is_number(value) and value > 1e-9


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1_000_000


def is_name(value: Any) -> bool:
    """Say whether a control may be called that: it is a keyword of ``ActionSchema.vector``."""
    return isinstance(value, str) and value.isidentifier() and value.isascii() and len(value) <= 64


def is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(is_text(one) for one in value)


def is_range(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value)) and value[0] < value[1]


def is_bins(value: Any) -> bool:
    rising = isinstance(value, list) and 2 <= len(value) <= 4096 and all(map(is_number, value))
    return rising and all(a < b for a, b in pairwise(value))


def is_options(value: Any) -> bool:
    """Say whether a choice may have these options: names, or tables with a name and bindings."""
    if not isinstance(value, list) or not 2 <= len(value) <= 256:
        return False
    names = [one.get("name") if isinstance(one, Mapping) else one for one in value]
    return all(map(is_name, names)) and len(set(names)) == len(names)


def is_letter(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 1 and value.isprintable()


def is_part(value: Any) -> bool:
    return isinstance(value, str) and PART.fullmatch(value) is not None and value.isprintable()


def is_chords(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, list) and one and all(map(is_part, one)) for one in value)


def is_phrases(value: Any) -> bool:
    """Say whether a list of phrases looks right from afar; its tables are checked one by one."""
    return isinstance(value, list) and all(is_text(one) or isinstance(one, Mapping) for one in value)


def is_synonyms(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(is_texts, value.values()))


def is_word_numbers(value: Any) -> bool:
    """Say whether a value is a table of words and numbers."""
    return isinstance(value, Mapping) and all(map(is_number, value.values()))


BUTTONS = frozenset({"button"})
AXES = frozenset({"axis"})
KEYS_TEXT = "a list of key names by position, such as 'w', 'left shift', 'keypad 1'"
PAD_TEXT = "a list of gamepad parts, such as 'a', 'dpad_up', '-left_y'"
PHRASES_TEXT = "a list of phrases: texts, or tables with 'say'"

MOTIONS: dict[str, tuple[int, float]] = {"x": (0, 1.0), "-x": (0, -1.0), "y": (1, 1.0), "-y": (1, -1.0)}

BINDING: dict[str, Rule] = {
    "keys": Rule(KEYS_TEXT, is_texts, BUTTONS, KEY_NAMES),
    "chars": Rule("a list of characters as the player's layout prints them, such as 'w', '/'", is_texts, BUTTONS),
    "mouse": Rule("a list of mouse buttons", is_texts, BUTTONS, MOUSE_NAMES),
    "pad": Rule(PAD_TEXT, is_texts, BUTTONS | AXES, PAD_NAMES | HALVES),
    "parts": Rule("a list of parts with their device, such as 'midi:note60'", is_texts, BUTTONS),
    "chords": Rule("a list of lists of parts that must be down together", is_chords, BUTTONS),
}
AXIS_BINDING: dict[str, Rule] = {
    **{f"{name}_{side}": rule for side in ("negative", "positive") for name, rule in BINDING.items()},
}
"""On an axis a pressed part pulls one way: ``keys_negative``, ``keys_positive``."""

CONTROL: dict[str, Rule] = {
    "name": Rule("a name of ASCII letters, digits and underscores that starts with a letter", is_name),
    "kind": Rule.one_of(KINDS),
    "help": Rule("a line of text", is_text),
    "unit": Rule("a unit such as 'deg'", is_text, AXES),
    "range": Rule("two numbers [low, high], low < high", is_range, AXES),
    "companding": Rule.one_of(COMPANDINGS, AXES),
    "mu": Rule("a positive number", is_positive, AXES),
    "levels": Rule("a positive whole number: entries are rounded to 1 / levels", is_whole, AXES),
    "bins": Rule("at least two rising numbers in the control's unit", is_bins, AXES),
    "options": Rule(
        "at least two different names, or tables with a name and bindings", is_options, frozenset({"choice"})
    ),
    "may_be_none": Rule("true or false", lambda value: isinstance(value, bool), frozenset({"choice"})),
    "sticky": Rule("true or false", lambda value: isinstance(value, bool), frozenset({"choice"})),
    "queue": Rule("true or false", lambda value: isinstance(value, bool), frozenset({"choice"})),
    "spell": Rule(
        "a list of words, such as 'write', that are followed by what is typed", is_texts, frozenset({"choice"})
    ),
    "clicks": Rule("a list of mouse buttons", is_texts, frozenset({"pointer"}), MOUSE_NAMES),
    "toggle": Rule("true or false", lambda value: isinstance(value, bool), BUTTONS),
    **BINDING,
    **{name: Rule(rule.allowed, rule.test, AXES, rule.names) for name, rule in AXIS_BINDING.items()},
    "key_value": Rule("a positive number in the control's unit", is_positive, AXES),
    "motion": Rule.one_of(MOTIONS, AXES, "mouse motion: 'x', '-x', 'y' (down) or '-y' (up)"),
    "per_px": Rule("a positive number: units per pixel of mouse motion", is_positive, AXES),
    "wheel": Rule.one_of(MOTIONS, AXES, "wheel: 'x', '-x', 'y' (up) or '-y' (down)"),
    "per_notch": Rule("a positive number: units per notch of the wheel", is_positive, AXES),
    "axes": Rule("a list of analogue parts with their device, such as 'midi:cc1' or '-osc:tilt'", is_texts, AXES),
    "dead_zone": Rule("a number from 0 to 0.9", lambda value: is_number(value) and 0 <= value <= 0.9, AXES),
    "phrases": Rule(PHRASES_TEXT, is_phrases, BUTTONS),
    "phrases_negative": Rule(PHRASES_TEXT, is_phrases, AXES),
    "phrases_positive": Rule(PHRASES_TEXT, is_phrases, AXES),
    "synonyms": Rule("a table of a phrase's word and what may stand for it, such as {door = ['gate']}", is_synonyms),
}

LANGUAGE: dict[str, Rule] = {
    "fillers": Rule("a list of words that change nothing, such as 'please'", is_texts),
    "around": Rule("a list of fillers that go together, such as 'could you'", is_texts),
    "negations": Rule("a list of words that forbid what follows, such as 'not'", is_texts),
    "numbers": Rule("a table of words and numbers, such as {one = 1}", is_word_numbers),
    "seconds": Rule("a table of units of time in seconds, such as {minute = 60}", is_word_numbers),
    "units": Rule("a list of other units that follow numbers, such as 'degrees'", is_texts),
}
"""What a resolver must know of a language, apart from the phrases (``input/words.py``)."""
