"""Free phrasing to a schema's phrases: "could you open that door please" is "open the door". Small and deterministic.

How it decides, in this order:

1. Words are lower-cased, punctuation goes, numbers are read ("one hundred eighty degrees").
2. Fillers ("could you", "please", "that") are dropped; what is left are the words that count.
3. Phrases are laid over those words, each phrase's own words in order and without gaps, so that as many letters as
   possible are covered. A control's synonyms count as its words; a long word may have a letter wrong.
4. What no phrase covers speaks against a command: less than two thirds covered is no command ("we should open a bank
   account"), and so is what follows a negation ("don't shoot"). Only "stop" counts whatever follows it.
5. A number goes to the phrase around it or before it, if that phrase can take it.

Several commands in one utterance come out in order. Knows nothing about sound or devices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from dreamloop.input.control import Phrase
from dreamloop.input.schema import ActionSchema
from dreamloop.input.words import LONGEST, Language, Token, distance, tokens

ENOUGH = 0.66  # share of the letters that count which must be covered


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that an utterance asks for."""

    phrase: Phrase
    number: float | None = None
    score: float = 1.0  # 0..1, how much of the utterance was understood

    @property
    def text(self) -> str:
        """The command as an input state lists it."""
        return self.phrase.name if self.number is None else f"{self.phrase.name} {self.number:g}"


class Resolver(Protocol):
    """Turns an utterance into commands, in order; none when it is no command."""

    def resolve(self, utterance: str) -> list[Command]: ...

    def news(self) -> list[str]:
        """Return lines for the player that were not returned before: a server that does not answer."""
        return []


@dataclass(frozen=True, slots=True)
class Pattern:
    """The words of one way to say a phrase, without fillers."""

    phrase: Phrase
    words: tuple[Token, ...]
    synonyms: frozenset[tuple[str, str]]  # (word of the phrase, word that may stand for it)


@dataclass(frozen=True, slots=True)
class Match:
    """A pattern laid over words ``start`` to ``stop``; ``weight`` is the letters covered, less the wrong ones."""

    pattern: Pattern
    start: int
    stop: int
    weight: float


class PhraseResolver(Resolver):
    """The deterministic resolver over one schema's phrases."""

    def __init__(self, schema: ActionSchema) -> None:
        self.language = Language.of(schema.values.get("language", {}))
        synonyms = {control.name: frozenset(control.synonyms) for control in schema.controls}
        self._patterns = [
            Pattern(phrase, words, synonyms.get(phrase.control, frozenset()))
            for phrase in schema.phrases
            for text in phrase.say
            if (words := self._content(tokens(text, self.language), keep_all=True))
        ]
        self._exact = {pattern.words: pattern for pattern in reversed(self._patterns)}

    def resolve(self, utterance: str) -> list[Command]:
        """Return the commands of an utterance, in order."""
        said = tokens(utterance[:2000], self.language)
        if not said or len(said) > LONGEST:
            return []
        words = self._content(said, keep_all=False)
        if (whole := self._exact.get(tuple(said))) or (whole := self._exact.get(words)):
            return [Command(whole.phrase)]
        matches = self._lay(words)
        total = sum(_weight(word) for word in words if not _is_amount(word))
        covered = sum(match.weight for match in matches)
        if not matches or covered < ENOUGH * total:
            halts = [match for match in matches if match.start == 0 and match.pattern.phrase.stops]
            return [Command(match.pattern.phrase, None, covered / total) for match in halts]
        score = min(covered / total, 1.0) if total else 1.0
        return [
            Command(match.pattern.phrase, self._number(match, matches, words), score)
            for match in matches
            if not self._forbidden(match, matches, words)
        ]

    def _content(self, said: Sequence[Token], keep_all: bool) -> tuple[Token, ...]:
        """Return the words that count; of a phrase made of fillers only, all of them."""
        kept = tuple(word for word in said if word.text not in self.language.fillers)
        return kept if kept or not keep_all else tuple(said)

    def _lay(self, words: tuple[Token, ...]) -> list[Match]:
        """Return the matches, side by side, that cover most letters; of two that cover the same, the fewer."""
        best: list[tuple[float, int, list[Match]]] = [(0.0, 0, [])]
        for stop in range(1, len(words) + 1):
            options = [best[stop - 1]]
            for pattern in self._patterns:
                match = self._match(pattern, words, stop)
                if match:
                    weight, count, before = best[match.start]
                    options.append((weight + match.weight, count - 1, [*before, match]))
            best.append(max(options, key=lambda option: option[:2]))
        return best[-1][2]

    def _match(self, pattern: Pattern, words: tuple[Token, ...], stop: int) -> Match | None:
        """Return the pattern laid over the words that end at ``stop``; numbers in between are stepped over."""
        i, weight = stop, 0.0
        for wanted in reversed(pattern.words):
            while i and _is_amount(words[i - 1]) and wanted.number is None and i < stop:
                i -= 1
            if not i:
                return None
            closeness = self._closeness(words[i - 1], wanted, pattern)
            if not closeness:
                return None
            weight += closeness * _weight(words[i - 1])
            i -= 1
        return Match(pattern, i, stop, weight)

    def _closeness(self, said: Token, wanted: Token, pattern: Pattern) -> float:
        """Return 1 for the same word or a synonym, less for a slip of the pen, 0 for another word."""
        if said.number is not None or wanted.number is not None:
            return float(said.number == wanted.number)
        if said.text == wanted.text or (wanted.text, said.text) in pattern.synonyms:
            return 1.0
        shortest = 4 if len(pattern.words) > 1 else 6
        return _slip(said.text, wanted.text) if min(len(said.text), len(wanted.text)) >= shortest else 0.0

    def _forbidden(self, match: Match, matches: list[Match], words: tuple[Token, ...]) -> bool:
        """Say whether a negation stands between the match before and this one."""
        since = max((other.stop for other in matches if other.stop <= match.start), default=0)
        return any(word.text in self.language.negations for word in words[since : match.start])

    def _number(self, match: Match, matches: list[Match], words: tuple[Token, ...]) -> float | None:
        """Return the number said within a match, after it, or before the first one, if its phrase can take it."""
        until = min((other.start for other in matches if other.start >= match.stop), default=len(words))
        since = 0 if match is matches[0] else match.start
        wanted = match.pattern.phrase.number
        for word in words[since:until]:
            if word.number is None or word in match.pattern.words:
                continue
            if wanted and (wanted == "seconds") == (word.unit == "seconds"):
                return word.number
        return None


def _is_amount(word: Token) -> bool:
    return word.number is not None


def _weight(word: Token) -> float:
    """Return how much a word counts: its letters, so that one long word outweighs a short one."""
    return float(len(word.text)) if word.number is None else 3.0


@lru_cache(maxsize=4096)
def _slip(said: str, wanted: str) -> float:
    """Return how close two words are that begin alike: 0.8 with one letter wrong, 0.6 with two in a long word."""
    if said[:1] != wanted[:1]:
        return 0.0
    most = 2 if min(len(said), len(wanted)) >= 8 else 1
    wrong = distance(said, wanted, most)
    return 1.0 - 0.2 * wrong if wrong <= most else 0.0
