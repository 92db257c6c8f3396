"""The window's own keys: one table of commands, and who gets a key that the world's schema uses too.

A letter that the schema binds belongs to the game; with Alt held it is the window's all the same. Keys that no
schema is likely to want (F1 to F12, Esc) are always the window's. Knows no window library.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dreamloop.input.control import Bindings
from dreamloop.input.schema import ActionSchema


@dataclass(frozen=True, slots=True)
class Command:
    """Something that a player asks the window or the session for."""

    name: str
    keys: tuple[str, ...]  # key names by position; the first is shown in the help
    help: str
    held: bool = False  # acts as long as the key is down; its end is the command "<name>_end"
    pad: str = ""  # gamepad button that calls it too


COMMANDS: tuple[Command, ...] = (
    Command("hud", ("f1",), "figures"),
    Command("help", ("f2", "h"), "this help"),
    Command("menu", ("escape",), "let the mouse go, menu", pad="start"),
    Command("pause", ("p", "pause"), "pause"),
    Command("single_step", (".",), "one tick"),
    Command("reset", ("r",), "start over"),
    Command("next_scene", ("n",), "next scene"),
    Command("rewind", ("backspace",), "hold: rewind", held=True),
    Command("say", ("/",), "say it in writing"),
    Command("save", ("f6",), "save"),
    Command("load", ("f9",), "load"),
    Command("bookmark", ("b",), "bookmark"),
    Command("keep", ("k",), "keep the last minutes"),
    Command("reload_schema", ("f5",), "read the controls again"),
    Command("steps", ("f7",), "fewer steps a frame"),
    Command("scaling", ("f8",), "sharp or smooth"),
    Command("fullscreen", ("f11",), "full screen"),
    Command("screenshot", ("f12",), "screenshot"),
)
_ALWAYS = frozenset({"escape", *(f"f{number}" for number in range(1, 25))})


class CommandKeys:
    """Finds the command of a key.

    Args:
        taken: parts that the world's schema listens to (:func:`bound_parts`).
    """

    def __init__(self, taken: Iterable[str] = (), commands: tuple[Command, ...] = COMMANDS) -> None:
        self._taken = frozenset(taken)
        self._by_key: Mapping[str, Command] = {key: command for command in commands for key in command.keys}
        self._by_pad: Mapping[str, Command] = {f"pad:{one.pad}": one for one in commands if one.pad}

    def find(self, part: str, char: str = "", alt: bool = False) -> Command | None:
        """Return the command of ``part`` ("key:p" and its printed character, "pad:start"); None: it is the game's."""
        if part in self._by_pad:
            return None if part in self._taken else self._by_pad[part]
        device, _, key = part.partition(":")
        command = self._by_key.get(key) if device == "key" else None
        if command is None or key in _ALWAYS or alt:
            return command
        return None if part in self._taken or char in self._taken else command

    def label(self, command: Command) -> str:
        """The key that calls ``command``, as the help shows it."""
        free = [key for key in command.keys if key in _ALWAYS or f"key:{key}" not in self._taken]
        return key_label(free[0]) if free else f"Alt {key_label(command.keys[0])}"


def key_label(key: str) -> str:
    """A key's name as it is written on a key.

    >>> key_label("w"), key_label("left shift"), key_label("f1"), key_label("escape")
    ('W', 'L Shift', 'F1', 'Esc')
    """
    short = {"escape": "Esc", "backspace": "Back", "return": "Enter", "pageup": "PgUp", "pagedown": "PgDn"}
    if key in short:
        return short[key]
    side, _, rest = key.partition(" ")
    if rest and side in ("left", "right"):
        return f"{side[0].upper()} {rest.capitalize()}"
    return key.upper() if len(key) == 1 else key.capitalize()


def bound_parts(schema: ActionSchema) -> frozenset[str]:
    """Return every key, character and button that ``schema`` listens to."""
    bindings: list[Bindings] = [field.bindings for field in schema.fields]
    bindings += [changed for layer in schema.layers for _, changed in layer.bindings]
    presses = [press for binding in bindings for press in binding.presses]
    presses += [press for layer in schema.layers for press in layer.when]
    presses += [press for derived in schema.derived for press in derived.presses]
    return frozenset(part for press in presses for part in press.parts)


def wants_motion(schema: ActionSchema) -> bool:
    """Say whether ``schema`` is driven by relative mouse motion, so that the window should grab the mouse."""
    bindings: list[Bindings] = [field.bindings for field in schema.fields]
    bindings += [changed for layer in schema.layers for _, changed in layer.bindings]
    return any(binding.motion is not None for binding in bindings)
