"""Words as a resolver compares them: normalised, numbers read, fillers and negations known.

The words of English are in ``english.toml``; another language is another ``[language]`` table in the schema. Knows
nothing about controls.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

LONGEST = 24  # words in an utterance: whoever talks longer is not giving a command


ENGLISH = Path(__file__).parent / "english.toml"


@dataclass(frozen=True, slots=True)
class Language:
    """What a resolver must know of a language, apart from the phrases."""

    fillers: frozenset[str]  # words that change nothing
    around: frozenset[str]  # fillers that go together, said before or after a command
    negations: frozenset[str]  # words that forbid what follows
    units: frozenset[str]  # other units, said after a number and dropped
    seconds: Mapping[str, float]  # units of time -> seconds
    numbers: Mapping[str, float]

    @classmethod
    def of(cls, table: Mapping[str, Any] | None = None) -> "Language":
        """Return English with the lists of a schema's checked ``[language]`` table put in place of its own."""
        values = {**_english(), **({"around": []} if table and "fillers" in table else {}), **(table or {})}
        names = ("fillers", "around", "negations", "units")
        fillers, around, negations, units = (frozenset(map(plain, values[name])) for name in names)
        seconds, numbers = (
            {plain(word): float(one) for word, one in values[name].items()} for name in ("seconds", "numbers")
        )
        return cls(fillers, around, negations, units, seconds, numbers)


@cache
def _english() -> dict[str, Any]:
    return tomllib.loads(ENGLISH.read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Token:
    """One word of an utterance, or one number with its unit."""

    text: str
    number: float | None = None
    unit: str = ""  # "seconds", another unit, or none; a number of seconds is converted already


def plain(text: str) -> str:
    """Return words as they are compared: lower case, single blanks, no punctuation but apostrophes.

    >>> plain("  Open the DOOR! "), plain("forty-five")
    ('open the door', 'forty five')
    """
    folded = text.casefold().replace("\u2019", "'")
    kept = "".join(char if char.isalnum() or char in "'." else " " for char in folded)
    return " ".join(word for word in (raw.strip("'.") for raw in kept.split()) if word)


def tokens(text: str, language: Language) -> list[Token]:
    """Return the words of an utterance with its numbers read: ``ninety degrees`` is one token.

    >>> [(one.text, one.number, one.unit) for one in tokens("turn one hundred and eighty degrees", Language.of())]
    [('turn', None, ''), ('180', 180.0, 'degrees')]
    """
    found: list[Token] = []
    words = plain(text).split()
    i = 0
    while i < len(words):
        number, stop = _number(words, i, language)
        if number is None:
            found.append(Token(words[i]))
            i += 1
            continue
        unit = words[stop] if stop < len(words) else ""
        if unit in language.seconds:
            number, unit, stop = number * language.seconds[unit], "seconds", stop + 1
        elif unit in language.units:
            stop += 1
        else:
            unit = ""
        found.append(Token(f"{number:g}", number, unit))
        i = stop
    return found


def _number(words: list[str], start: int, language: Language) -> tuple[float | None, int]:
    """Return the number that begins at ``start`` and where it ends: ``one hundred and eighty``, ``45``, ``half a``."""
    total, last, i = 0.0, 0.0, start
    seen = False
    while i < len(words):
        value = _value(words[i], language)
        if value is None:
            joins = words[i] in ("and", "a") and seen and i + 1 < len(words)
            if not (joins and _joins(words[i], words[i + 1], last, language)):
                break
            i += 1
            continue
        if not seen or value >= 100.0 > last > 0.0:
            total = value if not seen else total * value
        elif 0.0 < value < last:
            total += value
        else:
            break
        seen, last, i = True, value, i + 1
    return (total, i) if seen else (None, start)


def _joins(word: str, after: str, last: float, language: Language) -> bool:
    """Say whether ``and`` or ``a`` goes on with a number: ``hundred and eighty``, ``half a second``."""
    if word == "a":
        return last == 0.5 and after in language.seconds
    follows = _value(after, language)
    return last >= 100.0 and follows is not None and follows < last


def _value(word: str, language: Language) -> float | None:
    if word in language.numbers:
        return language.numbers[word]
    try:
        value = float(word) if word[0].isdigit() else None
    except ValueError:
        return None
    return value if value is not None and value < 1e6 else None


def distance(one: str, other: str, most: int) -> int:
    """Return how many letters must be put in, left out, changed or swapped with their neighbour; at most ``most`` + 1.

    >>> distance("open", "oepn", 2), distance("door", "doors", 2), distance("left", "right", 2)
    (1, 1, 3)
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)
