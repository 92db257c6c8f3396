"""Action schemas as a person reads them: the control table, and a TOML file to start a new one from.

Returns rows and text; printing is the command line's affair.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dreamloop.input.control import Bindings, Control, Field, Phrase, Press, Step
from dreamloop.input.schema import ActionSchema

TABLES = ("control", "opposites", "exclusive", "derived", "layer", "phrase")
ARROWS = ("up", "down", "left", "right")
NEW_HEAD = """\
# Your own bindings for the world '{world}'. Change keys, mouse, pad and phrases as you like; name, kind and range of a
# control are what the model knows and must stay. Check it with: dreamloop schema check FILE
# Play with it: dreamloop play {world} --schema FILE
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the control table."""

    control: str
    kind: str
    value: str  # "0 or 1", "-12 to 12 deg", "knife, pistol"
    entries: str  # where it stands in the vector: "5", "13-35", "" for what the model never sees
    devices: str  # "W, up, left stick up"
    phrases: str  # "go forward (until stop), walk"
    help: str


def describe(schema: ActionSchema) -> list[Row]:
    """Return the control table: the controls in the order of the vector, then derived controls, layers and scripts."""
    rows = [_control_row(schema, control) for control in schema.controls]
    for derived in schema.derived:
        sets = ", ".join(f"{schema.fields[i].name} {value:g}" for i, value in derived.sets)
        said = _phrases(schema, derived.name)
        rows.append(Row(derived.name, "derived", sets, "", _pressed(derived.presses), said, derived.help))
    for layer in schema.layers:
        changes = [f"{schema.fields[i].name} x {factor:g}" for i, factor in layer.scale]
        changes += [f"{schema.fields[i].name}: {_devices(bindings)}" for i, bindings in layer.bindings]
        rows.append(Row(layer.name, "layer", ", ".join(changes), "", _pressed(layer.when), "", layer.help))
    for phrase in schema.phrases:
        if not phrase.control:
            kind = "stop" if phrase.stops else "phrase"
            steps = "lets go of what phrases hold" if phrase.stops else ", then ".join(map(_step, phrase.steps))
            rows.append(Row("", kind, steps, "", "", ", ".join(phrase.say), ""))
    return rows


def _control_row(schema: ActionSchema, control: Control) -> Row:
    rows = [schema.fields[schema.index[name]] for name in control.fields]
    first, last = rows[0].start, rows[-1].stop - 1
    return Row(
        control=control.name,
        kind=control.kind,
        value=_value(control),
        entries=str(first) if first == last else f"{first}-{last}",
        devices=", ".join(text for text in (_field_devices(row, control) for row in rows) if text),
        phrases=_phrases(schema, control.name),
        help=control.help,
    )


def _value(control: Control) -> str:
    """Return what a control may be, in words."""
    unit = f" {control.unit}" if control.unit else ""
    if control.kind == "button":
        return "0 or 1"
    if control.kind == "choice":
        return ", ".join((*control.options, *(["none"] if control.may_be_none else [])))
    if control.kind == "pointer":
        return "x, y in 0 to 1" + "".join(f", {click}" for click in control.clicks)
    text = f"{control.low:g} to {control.high:g}{unit}"
    if control.companding == "bins":
        return f"{text}, one of {len(control.bins)}"
    return text if control.companding == "linear" else f"{text}, {control.companding}"


def _field_devices(row: Field, control: Control) -> str:
    if row.kind == "choice":
        shown = [
            f"{control.options[int(press.value)]}: {' + '.join(map(part_text, sorted(press.parts)))}"
            for press in row.bindings.presses
        ]
        return ", ".join(shown)
    return _devices(row.bindings)


def _devices(bindings: Bindings) -> str:
    """Return what drives a field, as a person says it."""
    texts = []
    for sign, mark in ((1.0, "+"), (-1.0, "-")):
        pressed = _pressed(tuple(press for press in bindings.presses if press.value * sign > 0))
        two_ways = any(press.value < 0 for press in bindings.presses)
        if pressed:
            texts.append(f"{mark} {pressed}" if two_ways else pressed)
    if bindings.motion is not None:
        texts.append("mouse up and down" if bindings.motion[0] else "mouse sideways")
    if bindings.wheel is not None:
        texts.append("wheel")
    if bindings.pointer is not None:
        texts.append(f"pointer {'y' if bindings.pointer else 'x'}")
    texts += [part_text(part) for part, _ in bindings.axes]
    return ", ".join(texts)


def _pressed(presses: tuple[Press, ...]) -> str:
    return ", ".join(" + ".join(map(part_text, sorted(press.parts))) for press in presses)


def part_text(part: str) -> str:
    """Return a part as a person says it.

    >>> part_text("key:w"), part_text("mouse:left"), part_text("pad:-left_y"), part_text("pad:+right_trigger")
    ('W', 'left mouse button', 'left stick up', 'right trigger')
    """
    device, _, name = part.partition(":")
    if device in ("key", "char"):
        return name.upper() if len(name) == 1 else f"{name} arrow" if name in ARROWS else name
    if device == "mouse":
        return name.replace("_", " ") if name.startswith("wheel") else f"{name} mouse button"
    if device != "pad":
        return part
    if name[0] in "+-" and name[-2:] in ("_x", "_y"):
        ways = {"-x": "left", "+x": "right", "-y": "up", "+y": "down"}
        return f"{name[1:-2]} stick {ways[name[0] + name[-1]]}"
    if name[-2:] in ("_x", "_y"):
        return f"{name[:-2]} stick {'sideways' if name[-1] == 'x' else 'up and down'}"
    return name.lstrip("+-").replace("_", " ") if len(name) > 1 else f"pad {name.upper()}"


def _phrases(schema: ActionSchema, control: str) -> str:
    texts = [f"{' / '.join(one.say)}{_acts(one)}" for one in schema.phrases if one.control == control]
    return ", ".join(texts)


def _acts(phrase: Phrase) -> str:
    """Return how a control's phrase acts, in brackets; nothing for a plain tap."""
    step = phrase.steps[0]
    if step.seconds is None:
        return " (until stop)"
    if step.totals:
        return f" ({step.totals[0][1]:g} in {step.seconds:g} s)"
    return f" ({step.seconds:g} s)" if step.seconds else ""


def _step(step: Step) -> str:
    what = [f"{name} {value:g}" for name, value in (*step.sets, *step.totals)] or ["wait"]
    time = "until stop" if step.seconds is None else f"in {step.seconds:g} s" if step.seconds else "once"
    return f"{', '.join(what)} {time}"


# -- TOML --------------------------------------------------------------------------------------------------------


def new_schema(schema: ActionSchema, world: str) -> str:
    """Return the text of a new schema file with everything that ``schema`` says, to be changed by its player."""
    return NEW_HEAD.format(world=world) + to_toml(schema.to_dict())


def to_toml(values: Mapping[str, Any]) -> str:
    """Return plain values as TOML; lists of tables at the top become ``[[tables]]``."""
    lines = [f"{_key(key)} = {_toml(value)}" for key, value in values.items() if not _is_tables(key, value)]
    for key, value in values.items():
        if _is_tables(key, value):
            for table in value:
                lines += ["", f"[[{_key(key)}]]", *(f"{_key(name)} = {_toml(one)}" for name, one in table.items())]
    return "\n".join(lines) + "\n"


def _is_tables(key: str, value: Any) -> bool:
    return key in TABLES and isinstance(value, list) and all(isinstance(one, Mapping) for one in value)


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if bare else _toml(key)


def _toml(value: Any) -> str:
    """Return one value as inline TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(map(_char, value)) + '"'
    return repr(value)


def _char(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    return char if char.isprintable() else f"\\U{ord(char):08x}"
