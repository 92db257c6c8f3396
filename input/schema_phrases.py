"""Reads what phrases do from an action schema: taps, holds, amounts, small timed scripts.

Knows nothing about speech: a phrase is words that somebody said, typed or scripted.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dreamloop.input import schema_keys as keys
from dreamloop.input.control import Field, Phrase, Step
from dreamloop.input.mistakes import Mistakes, Path
from dreamloop.input.words import plain

NUMBERS = ("total", "seconds", "value")
SAY = keys.Rule("a text, or a list of texts that mean the same", lambda value: keys.is_text(value) or _texts(value))
SECONDS = keys.Rule("a number of seconds from 0 to 3600", lambda value: keys.is_number(value) and 0 <= value <= 3600)
TABLE: dict[str, keys.Rule] = {
    "say": SAY,
    "act": keys.Rule.one_of(keys.ACTS),
    "seconds": SECONDS,
    "value": keys.Rule("a number in the control's unit, held", keys.is_number, keys.AXES),
    "total": keys.Rule("a number in the control's unit, spread over the seconds", keys.is_number, keys.AXES),
    "number": keys.Rule.one_of(NUMBERS, why=f"what a spoken number replaces: {', '.join(NUMBERS)}"),
    "help": keys.CONTROL["help"],
}
SCRIPT: dict[str, keys.Rule] = {
    "say": SAY,
    "help": keys.CONTROL["help"],
    "number": TABLE["number"],
    "steps": keys.Rule("a list of tables {seconds, set, total}", lambda value: _tables(value)),
}
STEP: dict[str, keys.Rule] = {
    "seconds": SECONDS,
    "set": keys.Rule("a table of controls and values", lambda value: isinstance(value, Mapping)),
    "total": keys.Rule("a table of axes and amounts", lambda value: isinstance(value, Mapping)),
    "act": TABLE["act"],
}
TAP_S = 0.0  # a tap lasts one tick, however long the tick is
AXIS_S = 0.5  # how long a plain phrase pulls an axis


def _texts(value: Any) -> bool:
    return keys.is_texts(value) and bool(value)


def _tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value)


class PhraseReader:
    """Collects the phrases of all tables; words that stand twice are a mistake."""

    def __init__(self, mistakes: Mistakes, fields: Mapping[str, Field]) -> None:
        self.mistakes = mistakes
        self.fields = dict(fields)
        self.targets = set(fields)
        self.phrases: list[Phrase] = []
        self._seen: dict[str, str] = {}

    def read_all(self, top: Mapping[str, Any], derived: Sequence[str]) -> None:
        """Read the phrases of controls, derived controls and scripts, and the words that stop."""
        self.targets |= set(derived)
        for i, table in enumerate(top.get("control", [])):
            if name := _name(table, self.fields):
                self._of_control(table, self.fields[name], ("control", i))
        for i, table in enumerate(top.get("derived", [])):
            if name := _name(table, derived):
                self._listed(table.get("phrases"), name, 1.0, "button", ("derived", i, "phrases"))
        for i, table in enumerate(top.get("phrase", [])):
            if isinstance(table, Mapping):
                self._script(table, ("phrase", i))
        stops = top.get("stop", ["stop"] if self.phrases else [])
        if stops:
            self._add(Phrase(tuple(stops), (), stops=True), "stop", ("stop",))

    def _of_control(self, table: Mapping[str, Any], field: Field, path: Path) -> None:
        if field.kind == "button":
            self._listed(table.get("phrases"), field.name, 1.0, "button", (*path, "phrases"))
        if field.kind == "axis":
            pull = max(abs(field.low), abs(field.high))
            if keys.is_positive(table.get("key_value")):
                pull = float(table["key_value"])
            self._listed(table.get("phrases_negative"), field.name, -pull, "axis", (*path, "phrases_negative"))
            self._listed(table.get("phrases_positive"), field.name, pull, "axis", (*path, "phrases_positive"))
        if field.kind == "choice" and isinstance(table.get("options"), list):
            for i, option in enumerate(table["options"]):
                if isinstance(option, Mapping):
                    self._listed(option.get("phrases"), field.name, float(i), "choice", (*path, "options"))

    def _listed(self, phrases: Any, name: str, value: float, kind: str, path: Path) -> None:
        """Read a list of phrases that drive one field; plain texts of a list mean the same."""
        if not keys.is_phrases(phrases):
            return  # noted already, or not there
        texts = tuple(one for one in phrases if isinstance(one, str))
        what = f"control {name!r}: phrases"
        if texts:
            self._add(Phrase(texts, (self._step({}, name, value, kind),), name), what, path)
        for table in phrases:
            if isinstance(table, Mapping) and (good := self._check(table, TABLE, what, path, kind)):
                step = self._step(good, name, value, kind)
                number = good.get("number", self._number(good))
                self._add(Phrase(_say(good), (step,), name, number), what, path)

    def _number(self, good: Mapping[str, Any]) -> str:
        """Return what a spoken number replaces unless the table says so: the amount, else the time."""
        return "total" if "total" in good else "value" if "value" in good else "seconds"

    def _step(self, good: Mapping[str, Any], name: str, value: float, kind: str) -> Step:
        """Return what a phrase does: a button is tapped, an axis pulled for a while, until told otherwise."""
        act = good.get("act", "tap")
        seconds = good.get("seconds", None if act == "hold" else AXIS_S if kind == "axis" else TAP_S)
        seconds = None if seconds is None else float(seconds)
        if "total" in good:
            return Step(seconds if seconds is not None else AXIS_S, totals=((name, float(good["total"])),))
        return Step(seconds, sets=((name, float(good.get("value", value))),))

    def _script(self, table: Mapping[str, Any], path: Path) -> None:
        what = f"phrase {int(path[1]) + 1}"
        good = self._check(table, SCRIPT, what, path, "")
        if good is None:
            return
        if "steps" not in good:
            if "steps" not in table:
                self.mistakes.add(path, what, f"'steps' is missing, allowed: {SCRIPT['steps'].allowed}")
            return
        steps = [self._script_step(one, what, (*path, "steps")) for one in good["steps"]]
        self._add(Phrase(_say(good), tuple(steps), "", good.get("number", "")), what, path)

    def _script_step(self, table: Mapping[str, Any], what: str, path: Path) -> Step:
        good = self._check({"say": "-", **table}, {**STEP, "say": SAY}, f"{what}: step", path, "") or {}
        sets = self._values(good.get("set", {}), self.targets, what, path)
        axes = {name for name, field in self.fields.items() if field.kind == "axis"}
        totals = self._values(good.get("total", {}), axes, what, path)
        seconds = good.get("seconds", None if good.get("act") == "hold" and not totals else TAP_S)
        return Step(None if seconds is None else float(seconds), sets, totals)

    def _values(
        self, table: Mapping[str, Any], known: set[str], what: str, path: Path
    ) -> tuple[tuple[str, float], ...]:
        found = []
        for name, value in table.items():
            if name not in known:
                self.mistakes.unknown(path, what, name, known)
            elif not keys.is_number(value):
                self.mistakes.allowed(path, f"{what}: {name}", value, "a number")
            else:
                found.append((name, float(value)))
        return tuple(found)

    def _check(
        self, table: Mapping[str, Any], rules: Mapping[str, keys.Rule], what: str, path: Path, kind: str
    ) -> dict[str, Any] | None:
        """Return the good entries of a phrase's table, or None when it has no words."""
        good = {}
        for key, value in table.items():
            rule = rules.get(key)
            if rule is None or (kind and kind not in rule.kinds and rule.kinds != keys.ALL):
                self.mistakes.unknown(path, what, key, rules)
            elif not rule.test(value):
                self.mistakes.allowed(path, f"{what}: {key}", value, rule.allowed, rule.choices)
            else:
                good[key] = value
        if "say" not in table:
            self.mistakes.add(path, what, f"'say' is missing, allowed: {SAY.allowed}")
        return good if "say" in good else None

    def _add(self, phrase: Phrase, what: str, path: Path) -> None:
        """Keep a phrase; words that are empty or that another phrase has already are noted."""
        for text in phrase.say:
            key = plain(text)
            if not key:
                self.mistakes.allowed(path, what, text, "words to say")
            elif key in self._seen:
                self.mistakes.add(path, what, f"the phrase '{text}' stands twice, in {self._seen[key]} too")
            else:
                self._seen[key] = what
        self.phrases.append(phrase)


def _name(table: Any, known: Iterable[str]) -> str:
    """Return the name of a table when it is one of ``known``, else nothing: it was noted before."""
    name = table.get("name") if isinstance(table, Mapping) else None
    return name if isinstance(name, str) and name in known else ""


def _say(good: Mapping[str, Any]) -> tuple[str, ...]:
    say = good["say"]
    return (say,) if isinstance(say, str) else tuple(say)
