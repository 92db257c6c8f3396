"""The control table of a world as a person reads it, taken from the schema's own tables.

Plain rows; runtime/panels.py draws them and the command line prints them. Knows no window.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dreamloop.input.schema import ActionSchema
from dreamloop.runtime.keys import key_label

MOUSE_LABELS = {"left": "left", "right": "right", "middle": "middle", "x1": "back", "x2": "forward"}
PAD_LABELS = {
    "left_shoulder": "LB",
    "right_shoulder": "RB",
    "+left_trigger": "LT",
    "+right_trigger": "RT",
    "left_trigger": "LT",
    "right_trigger": "RT",
    "left_stick": "LS click",
    "right_stick": "RS click",
}


@dataclass(frozen=True, slots=True)
class HelpRow:
    """One line of the table: what it does, and with what."""

    name: str
    help: str
    keys: tuple[str, ...] = ()  # labels of keys, several when any of them does it
    mouse: tuple[str, ...] = ()
    pad: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


def help_rows(schema: ActionSchema) -> list[HelpRow]:
    """Return a row per control, option and derived control, in the schema's order; axes have one per direction."""
    rows: list[HelpRow] = []
    for table in schema.values.get("control", ()):
        rows += _rows_of(table)
    for table in schema.values.get("derived", ()):
        rows.append(_row(table, table["name"], table.get("help", "")))
    return rows


def _rows_of(table: Mapping[str, Any]) -> Iterable[HelpRow]:
    name, text = table["name"], table.get("help", "").split(";")[0] or table["name"]
    if table["kind"] == "axis":
        sides = [(side, f"_{side}") for side in ("negative", "positive")]
        keys = [" / ".join(either) for _, suffix in sides if (either := _keys(table, suffix))]
        mouse = _mouse(table, "") + [label for _, suffix in sides for label in _mouse(table, suffix)[:1]]
        pad = [_pad_label(part.lstrip("+-")) for part in table.get("pad", ())] + [
            label for _, suffix in sides for label in _pad(table, suffix)[:1]
        ]
        said = [phrase for _, suffix in sides for phrase in _said(table, suffix)[:1]]
        return [HelpRow(name, text, tuple(keys), tuple(mouse), tuple(dict.fromkeys(pad)), tuple(said))]
    if table["kind"] == "choice":
        options = [one for one in table.get("options", ()) if isinstance(one, Mapping)]
        return [_row(one, one["name"], one.get("help", one["name"])) for one in options]
    if table["kind"] == "pointer":
        clicks = [f"{button} click" for button in table.get("clicks", ("left",))]
        return [HelpRow(name, text, mouse=("move", *clicks))]
    return [_row(table, name, text)]


def _row(table: Mapping[str, Any], name: str, text: str) -> HelpRow:
    chords = ["+".join(key_label(part.partition(":")[2]) for part in chord) for chord in table.get("chords", ())]
    return HelpRow(
        name,
        text or name,
        tuple(_keys(table, "") + chords),
        tuple(_mouse(table, "")),
        tuple(_pad(table, "")),
        tuple(_said(table, "")),
    )


def _keys(table: Mapping[str, Any], suffix: str) -> list[str]:
    keys = [key_label(key) for key in table.get(f"keys{suffix}", ())]
    return keys + [char.upper() for char in table.get(f"chars{suffix}", ())]


def _mouse(table: Mapping[str, Any], suffix: str) -> list[str]:
    labels = [MOUSE_LABELS.get(button, button) for button in table.get(f"mouse{suffix}", ())]
    if not suffix and "motion" in table:
        labels.insert(0, "move sideways" if "x" in table["motion"] else "move up, down")
    if not suffix and "wheel" in table:
        labels.append("wheel")
    return labels


def _pad(table: Mapping[str, Any], suffix: str) -> list[str]:
    return [_pad_label(part) for part in table.get(f"pad{suffix}", ())]


def _pad_label(part: str) -> str:
    if part in PAD_LABELS:
        return PAD_LABELS[part]
    stick, _, axis = part.lstrip("+-").rpartition("_")
    if stick in ("left", "right") and axis in ("x", "y"):  # a sign in front means that half of the way
        way = {"-x": " left", "+x": " right", "-y": " up", "+y": " down"}.get(part[:1] + axis, "")
        return f"{stick[0].upper()} stick{way}"
    if part.startswith("dpad_"):
        return f"pad {part.removeprefix('dpad_')}"
    return part.upper() if len(part) == 1 else part


def _said(table: Mapping[str, Any], suffix: str) -> list[str]:
    """The phrases as they are said; a phrase may be a table with ``say``, one text or several."""
    said: list[str] = []
    for phrase in table.get(f"phrases{suffix}", ()):
        words = phrase.get("say", ()) if isinstance(phrase, Mapping) else phrase
        said += [words] if isinstance(words, str) else list(words)
    return said
