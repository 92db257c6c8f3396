"""Reads the tables of an action schema into fields, layers, phrases; collects every mistake.

Knows the TOML format (``schema_keys.py`` has the keys); knows nothing about input states or vectors.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dreamloop.input import schema_keys as keys
from dreamloop.input.codec import Codec, MuLaw, OneHot, Scale
from dreamloop.input.control import Bindings, Control, Derived, Field, Layer, Phrase, Press
from dreamloop.input.mistakes import Mistakes, Path
from dreamloop.input.parts import PART, pad_part
from dreamloop.input.schema_phrases import PhraseReader

TOP = {
    "format": keys.Rule(f"{keys.FORMAT}", lambda value: value == keys.FORMAT and not isinstance(value, bool)),
    "name": keys.Rule("a short name", keys.is_text),
    "version": keys.Rule("a positive whole number", keys.is_whole),
    "help": keys.Rule("a line of text", keys.is_text),
    "stop": keys.Rule("a list of phrases that stop what phrases hold", keys.is_texts),
    "language": keys.Rule("a table [language]", lambda value: isinstance(value, Mapping)),
    **{
        table: keys.Rule(f"tables [[{table}]]", lambda value: isinstance(value, list))
        for table in ("control", "opposites", "exclusive", "derived", "layer", "phrase")
    },
}
BOUND = {name: rule for name, rule in keys.CONTROL.items() if name in keys.BINDING}
GROUP = {"help": keys.CONTROL["help"]}
DERIVED = {
    **{name: keys.CONTROL[name] for name in ("name", "help", "phrases", "synonyms")},
    **BOUND,
    "sets": keys.Rule("a table of fields and values, such as {forward = 1}", lambda value: isinstance(value, Mapping)),
}
LAYER = {
    **{name: keys.CONTROL[name] for name in ("name", "help")},
    **BOUND,
    "scale": keys.Rule("a table of axes and factors, such as {turn = 0.3}", lambda value: isinstance(value, Mapping)),
    "bind": keys.Rule("a table of controls and their bindings", lambda value: isinstance(value, Mapping)),
}
OPTION = {
    **{name: keys.CONTROL[name] for name in ("name", "help", "phrases")},
    **BOUND,
    "writes": keys.Rule("the one character that it writes, where that is not its name", keys.is_letter),
}


@dataclass(frozen=True, slots=True)
class Parsed:
    """Everything that a schema file says, compiled."""

    name: str
    version: int
    controls: tuple[Control, ...]
    fields: tuple[Field, ...]
    opposites: tuple[tuple[str, str], ...]
    exclusive: tuple[tuple[str, ...], ...]
    derived: tuple[Derived, ...]
    layers: tuple[Layer, ...]
    phrases: tuple[Phrase, ...]


def read_schema(values: Mapping[str, Any], mistakes: Mistakes) -> Parsed:
    """Return the compiled schema; what could not be read is noted in ``mistakes`` and left out."""
    return Reader(mistakes).read(values)


class Reader:
    """Goes through the tables in order: controls first, then what refers to them."""

    def __init__(self, mistakes: Mistakes) -> None:
        self.mistakes = mistakes
        self.controls: list[Control] = []
        self.fields: list[Field] = []
        self.index: dict[str, int] = {}  # name of a field -> its place in fields

    def read(self, values: Mapping[str, Any]) -> Parsed:
        top = self.check(values, TOP, "", (), "")
        for name in ("format", "name"):
            if name not in values:
                self.mistakes.add((), "", f"'{name}' is missing, allowed: {TOP[name].allowed}")
        self.check(top.get("language", {}), keys.LANGUAGE, "language", ("language",), "")
        for i, table in self.tables(top, "control"):
            self.control(i, table)
        if not top.get("control"):
            self.mistakes.add((), "", "no control, allowed: at least one [[control]] with a name and a kind")
        phrases = PhraseReader(self.mistakes, {field.name: field for field in self.fields})
        derived = [self.derived(i, table) for i, table in self.tables(top, "derived")]
        layers = [self.layer(i, table) for i, table in self.tables(top, "layer")]
        phrases.read_all(top, [one.name for one in derived if one])
        return Parsed(
            name=str(top.get("name", "")),
            version=int(top.get("version", 1)),
            controls=tuple(self.controls),
            fields=tuple(self.fields),
            opposites=tuple((pair[0], pair[1]) for pair in self.groups(top, "opposites", "pair")),
            exclusive=self.groups(top, "exclusive", "group"),
            derived=tuple(one for one in derived if one),
            layers=tuple(one for one in layers if one),
            phrases=tuple(phrases.phrases),
        )

    def tables(self, top: Mapping[str, Any], name: str) -> list[tuple[int, Mapping[str, Any]]]:
        """Return the tables ``[[name]]`` with their numbers; what is no table is noted."""
        found = []
        for i, table in enumerate(top.get(name, [])):
            if isinstance(table, Mapping):
                found.append((i, table))
            else:
                self.mistakes.allowed((name, i), name, table, f"tables [[{name}]]")
        return found

    def check(
        self, values: Mapping[str, Any], rules: Mapping[str, keys.Rule], what: str, path: Path, kind: str
    ) -> dict[str, Any]:
        """Return the entries of a table that follow ``rules``; the others are noted."""
        good: dict[str, Any] = {}
        for key, value in values.items():
            rule = rules.get(key)
            label = f"{what}: {key}" if what else str(key)
            if rule is None or (kind and kind not in rule.kinds):
                known = [name for name, one in rules.items() if not kind or kind in one.kinds]
                self.mistakes.unknown((*path, key), what or "top of the file", key, known)
            elif not rule.test(value):
                self.mistakes.allowed((*path, key), label, value, rule.allowed, rule.choices)
            else:
                wrong = [one for one in value if one not in rule.names] if rule.names is not None else []
                for one in wrong:
                    self.mistakes.unknown((*path, key), label, one, rule.names or ())
                good[key] = [one for one in value if one not in wrong] if wrong else value
        return good

    def missing(
        self, table: Mapping[str, Any], names: Sequence[str], rules: Mapping[str, keys.Rule], what: str, path: Path
    ) -> None:
        """Note the keys that a table must have and has not."""
        for key in [key for key in names if key not in table]:
            self.mistakes.add(path, what, f"'{key}' is missing, allowed: {rules[key].allowed}")

    # -- controls ------------------------------------------------------------------------------------------

    def control(self, number: int, table: Mapping[str, Any]) -> None:
        path: Path = ("control", number)
        what = f"control {table['name']!r}" if keys.is_name(table.get("name")) else f"control {number + 1}"
        kind = table.get("kind")
        if kind not in keys.KINDS:
            self.missing(table, ("name", "kind"), keys.CONTROL, what, path)
            self.check(table, keys.CONTROL, what, path, "")
            return
        good = self.check(table, keys.CONTROL, what, path, kind)
        if "name" not in good:
            self.missing(table, ("name",), keys.CONTROL, what, path)
            return
        if any(good["name"] == one.name for one in self.controls):
            self.mistakes.add((*path, "name"), what, "this name stands twice, allowed: one control of a name")
            return
        make: Callable[..., list[Field]] = getattr(self, f"_{kind}")
        made = make(good, what, path)
        start = self.fields[-1].stop if self.fields else 0
        for field in made:
            self.index[field.name] = len(self.fields)
            self.fields.append(replace(field, start=start))
            start = self.fields[-1].stop
        self.controls.append(Control.of(good, tuple(field.name for field in made)))

    def _button(self, good: Mapping[str, Any], what: str, path: Path) -> list[Field]:
        name = good["name"]
        bindings = Bindings(presses=self.presses(good, "", 1.0, what, path), toggle=good.get("toggle", False))
        return [Field(name, name, "button", 0.0, 1.0, 0, Scale(0.0, 1.0, 1.0), bindings=bindings)]

    def _pointer(self, good: Mapping[str, Any], what: str, path: Path) -> list[Field]:
        name = good["name"]
        places = [
            Field(
                *(f"{name}.{axis}", name, "position", 0.0, 1.0, 0, Scale(0.0, 1.0, 1.0)),
                idle=0.5,
                bindings=Bindings(pointer=i),
            )
            for i, axis in enumerate("xy")
        ]
        clicks = [
            Field(
                *(f"{name}.{click}", name, "button", 0.0, 1.0, 0, Scale(0.0, 1.0, 1.0)),
                bindings=Bindings(presses=(Press(frozenset({f"mouse:{click}"})),)),
            )
            for click in dict.fromkeys(good.get("clicks", ["left"]))
        ]
        return [*places, *clicks]

    def _choice(self, good: Mapping[str, Any], what: str, path: Path) -> list[Field]:
        name = good["name"]
        if "options" not in good:
            self.missing(good, ("options",), keys.CONTROL, what, path)
            return []
        presses: list[Press] = []
        for i, option in enumerate(good["options"]):
            if isinstance(option, Mapping):
                inside = self.check(option, OPTION, f"{what}: option {option['name']!r}", (*path, "options"), "button")
                presses.extend(self.presses(inside, "", float(i), what, (*path, "options")))
        if "spell" in good and not good.get("queue", False):
            self.mistakes.add((*path, "spell"), f"{what}: spell", "does nothing without 'queue = true'")
        none = good.get("may_be_none", True)
        codec = OneHot(tuple(float(i) for i in range(len(good["options"]))), none)
        low = -1.0 if none else 0.0
        bindings = Bindings(presses=tuple(presses))
        return [Field(name, name, "choice", low, codec.points[-1], 0, codec, low, bindings)]

    def _axis(self, good: Mapping[str, Any], what: str, path: Path) -> list[Field]:
        name = good["name"]
        codec = self.codec(good, what, path)
        if codec is None:
            return []
        low, high = (float(one) for one in good.get("range", (-1.0, 1.0)))
        return [
            Field(
                name,
                name,
                "axis",
                low,
                high,
                0,
                codec,
                bindings=self.axis_bindings(good, low, high, what, path),
            )
        ]

    def codec(self, good: Mapping[str, Any], what: str, path: Path) -> Codec | None:
        """Return how the axis is written; a key that does not go with the companding is noted."""
        kind = good.get("companding", "linear")
        takes = {"mu-law": ("mu", "levels"), "bins": ("bins",)}.get(kind, ())
        for key in ("mu", "levels", "bins"):
            if key in good and key not in takes:
                self.mistakes.add((*path, key), f"{what}: {key}", f"does not go with companding '{kind}'")
        if kind == "bins":
            if "bins" not in good:
                self.missing(good, ("bins",), keys.CONTROL, what, path)
                return None
            return OneHot(tuple(float(one) for one in good["bins"]))
        low, high = (float(one) for one in good.get("range", (-1.0, 1.0)))
        if kind == "mu-law":
            return MuLaw(low, high, float(good.get("mu", 10.0)), int(good.get("levels", 0)))
        return Scale(low, high, max(abs(low), abs(high)) if kind == "linear" else 1.0)

    def axis_bindings(self, good: Mapping[str, Any], low: float, high: float, what: str, path: Path) -> Bindings:
        """Return what drives an axis. A sign in front of a stick or of motion turns it round."""
        peak = max(abs(low), abs(high))
        step = float(good.get("key_value", peak))
        presses = [
            *self.presses(good, "_negative", -step, what, path),
            *self.presses(good, "_positive", step, what, path),
        ]
        needs = {"per_px": "motion", "per_notch": "wheel"}
        for key, needed in needs.items():
            if key in good and needed not in good:
                self.mistakes.add((*path, key), f"{what}: {key}", f"does nothing without '{needed}'")
        sticks = [pad.lstrip("+-") and pad for pad in good.get("pad", [])]
        return Bindings(
            presses=tuple(presses),
            motion=_moved(good, "motion", "per_px"),
            wheel=_moved(good, "wheel", "per_notch"),
            axes=(
                *self.deflections([_signed("pad", pad) for pad in sticks], peak, what, (*path, "pad")),
                *self.deflections(good.get("axes", []), peak, what, (*path, "axes")),
            ),
            dead_zone=float(good.get("dead_zone", 0.15 if "pad" in good else 0.0)),
        )

    def deflections(self, names: Sequence[str], peak: float, what: str, path: Path) -> list[tuple[str, float]]:
        """Return (part, value at full deflection) of analogue parts, each perhaps with a sign in front."""
        found = []
        for name in names:
            part = name.lstrip("+-")
            if PART.fullmatch(part) is None:
                self.mistakes.allowed(path, what, name, keys.CONTROL["axes"].allowed)
                continue
            found.append((part, -peak if name.startswith("-") else peak))
        return found

    def presses(self, good: Mapping[str, Any], side: str, value: float, what: str, path: Path) -> tuple[Press, ...]:
        """Return the presses listed under ``keys<side>``, ``chars<side>`` and so on."""
        parts = [f"key:{key}" for key in good.get(f"keys{side}", [])]
        parts += [f"char:{char}" for char in good.get(f"chars{side}", [])]
        parts += [f"mouse:{button}" for button in good.get(f"mouse{side}", [])]
        parts += [pad_part(pad) for pad in good.get(f"pad{side}", [])]
        for part in good.get(f"parts{side}", []):
            if not keys.is_part(part):
                self.mistakes.allowed(
                    (*path, f"parts{side}"), what, part, "a part with its device, such as 'midi:note60'"
                )
            parts.append(part)
        alone = [Press(frozenset({part}), value) for part in dict.fromkeys(parts)]
        return (*alone, *(Press(frozenset(chord), value) for chord in good.get(f"chords{side}", [])))

    # -- what refers to controls ---------------------------------------------------------------------------

    def groups(self, top: Mapping[str, Any], table: str, key: str) -> tuple[tuple[str, ...], ...]:
        """Return the groups of buttons in ``[[opposites]] pair`` or ``[[exclusive]] group``."""
        found = []
        buttons = [field.name for field in self.fields if field.kind == "button"]
        size = "two" if key == "pair" else "at least two"
        rules = {**GROUP, key: keys.Rule(f"a list of {size} different buttons", keys.is_texts)}
        for i, values in self.tables(top, table):
            good = self.check(values, rules, table, (table, i), "")
            names = good.get(key, [])
            if len(set(names)) != len(names) or len(names) < 2 or (key == "pair" and len(names) != 2):
                if key in good or key not in values:
                    self.mistakes.allowed((table, i, key), f"{table}: {key}", names, rules[key].allowed)
                continue
            wrong = [name for name in names if name not in buttons]
            for name in wrong:
                self.mistakes.unknown((table, i, key), f"{table}: {key}", name, buttons)
            if not wrong:
                found.append(tuple(names))
        return tuple(found)

    def derived(self, number: int, table: Mapping[str, Any]) -> Derived | None:
        path: Path = ("derived", number)
        what = f"derived {table.get('name', number + 1)!r}"
        good = self.check(table, DERIVED, what, path, "button")
        sets = self.values(good.get("sets", {}), what, (*path, "sets"))
        if good.get("name") in self.index:
            self.mistakes.add((*path, "name"), what, "a control has this name already")
            return None
        if "name" not in good or not sets:
            self.missing(table, ("name", "sets"), DERIVED, what, path)
            return None
        return Derived(good["name"], good.get("help", ""), self.presses(good, "", 1.0, what, path), sets)

    def layer(self, number: int, table: Mapping[str, Any]) -> Layer | None:
        path: Path = ("layer", number)
        what = f"layer {table.get('name', number + 1)!r}"
        good = self.check(table, LAYER, what, path, "button")
        when = self.presses(good, "", 1.0, what, path)
        bound = [self.rebound(name, values, what, path) for name, values in good.get("bind", {}).items()]
        scale = self.values(good.get("scale", {}), what, (*path, "scale"))
        if "name" not in good or not when:
            text = "a layer needs a name and parts that switch it on: keys, chars, mouse, pad, parts or chords"
            self.mistakes.add(path, what, text)
            return None
        return Layer(good["name"], good.get("help", ""), when, tuple(one for one in bound if one), scale)

    def rebound(self, name: str, values: Any, what: str, path: Path) -> tuple[int, Bindings] | None:
        """Return the other bindings that a layer gives to a button or an axis."""
        free = [field.name for field in self.fields if field.kind in ("button", "axis") and "." not in field.name]
        if name not in free:
            self.mistakes.unknown((*path, "bind"), f"{what}: bind", name, free)
            return None
        if not isinstance(values, Mapping):
            self.mistakes.allowed((*path, "bind"), f"{what}: bind", values, "a table of bindings")
            return None
        field = self.fields[self.index[name]]
        rules = {key: rule for key, rule in keys.CONTROL.items() if key not in keys.LAYOUT_KEYS and "phrase" not in key}
        inside = self.check(values, rules, f"{what}: bind {name}", (*path, "bind"), field.kind)
        if field.kind == "button":
            return self.index[name], Bindings(presses=self.presses(inside, "", 1.0, what, path))
        return self.index[name], self.axis_bindings(inside, field.low, field.high, what, path)

    def values(self, table: Mapping[str, Any], what: str, path: Path) -> tuple[tuple[int, float], ...]:
        """Return (index of a field, value) of a table such as ``{forward = 1}``."""
        found = []
        for name, value in table.items():
            if name not in self.index:
                self.mistakes.unknown(path, what, name, self.index)
            elif not keys.is_number(value):
                self.mistakes.allowed(path, f"{what}: {name}", value, "a number")
            else:
                found.append((self.index[name], float(value)))
        return tuple(found)


def _moved(good: Mapping[str, Any], key: str, gain: str) -> tuple[int, float] | None:
    if key not in good:
        return None
    index, sign = keys.MOTIONS[good[key]]
    return index, sign * float(good.get(gain, 1.0))


def _signed(device: str, name: str) -> str:
    sign = name[0] if name[:1] in ("+", "-") else ""
    return f"{sign}{device}:{name.lstrip('+-')}"
