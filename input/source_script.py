"""Plays a file of timed inputs: for demos, tests and benchmarks. One poll is one tick; knows nothing of time.

A script is a TOML file of steps, played in order:

    [[step]]
    ticks = 35                       # how long; 1 unless said
    hold = ["key:w"]                 # parts that are down in every tick of the step
    tap = ["mouse:left"]             # parts that go down and up in its first tick
    motion_px = [4.0, 0.0]           # mouse motion per tick: right, down
    wheel = [0.0, 1.0]               # notches in its first tick: right, up
    pointer = [0.5, 0.5]             # where the pointer is, in 0..1 of the frame
    axes = {"pad:left_x" = 0.5}      # where sticks stand in every tick
    phrases = ["open the door"]      # said in its first tick
    intents = {turn = -4.0}          # controls by name, in their own unit, in every tick

``loop = true`` at the top plays it over and over.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dreamloop.input import schema_keys as keys
from dreamloop.input.errors import ConfigError
from dreamloop.input.mistakes import Mistakes
from dreamloop.input.schema import ActionSchema
from dreamloop.input.source import Source, Tick


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(keys.is_number, value))


def _is_parts(value: Any) -> bool:
    return isinstance(value, list) and all(map(keys.is_part, value))


def _is_numbers(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(keys.is_number, value.values()))


PARTS = "a list of parts with their device, such as 'key:w', 'mouse:left'"
STEP: dict[str, keys.Rule] = {
    "ticks": keys.Rule("a positive whole number", keys.is_whole),
    "hold": keys.Rule(PARTS, _is_parts),
    "tap": keys.Rule(PARTS, _is_parts),
    "motion_px": keys.Rule("two numbers: right, down", _is_pair),
    "wheel": keys.Rule("two numbers: right, up", _is_pair),
    "pointer": keys.Rule("two numbers from 0 to 1: right, down", _is_pair),
    "axes": keys.Rule("a table of parts and numbers", _is_numbers),
    "phrases": keys.Rule("a list of texts", keys.is_texts),
    "intents": keys.Rule("a table of controls and numbers", _is_numbers),
}
TOP = ("loop", "step", "help")


@dataclass(frozen=True, slots=True)
class ScriptStep:
    """What is done for a number of ticks; the fields are those of the file."""

    ticks: int = 1
    hold: tuple[str, ...] = ()
    tap: tuple[str, ...] = ()
    motion_px: tuple[float, ...] = (0.0, 0.0)
    wheel: tuple[float, ...] = (0.0, 0.0)
    pointer: tuple[float, ...] | None = None
    axes: Mapping[str, float] = field(default_factory=dict)
    phrases: tuple[str, ...] = ()
    intents: Mapping[str, float] = field(default_factory=dict)


class ScriptSource(Source):
    """Plays steps, then is silent, or starts over when it loops. Losing the focus does not disturb it."""

    def __init__(self, steps: tuple[ScriptStep, ...], loop: bool = False) -> None:
        self.name = "script"
        self.steps = steps
        self.loop = loop
        self.length_ticks = sum(step.ticks for step in steps)
        self._step = 0
        self._tick = 0  # within the step
        self._before: frozenset[str] = frozenset()  # what the last tick held

    @property
    def finished(self) -> bool:
        """Whether every step was played; never so in a loop."""
        return self._step >= len(self.steps)

    def poll(self, tick: Tick, now_s: float) -> None:
        if self.finished:
            return
        step = self.steps[self._step]
        held = frozenset(step.hold)
        tick.hold(held)
        tick.tap(held - self._before)
        self._before = held
        tick.move(step.motion_px[0], step.motion_px[1])
        if step.pointer is not None:
            tick.point(step.pointer[0], step.pointer[1])
        for part, value in step.axes.items():
            tick.deflect(part, value)
        for control, value in step.intents.items():
            tick.ask(control, value)
        if self._tick == 0:
            self._begin(step, tick)
        if step != ScriptStep(ticks=step.ticks):
            tick.stamp(now_s)
        self._advance()

    def _begin(self, step: ScriptStep, tick: Tick) -> None:
        """Write what a step does in its first tick only."""
        tick.tap(step.tap)
        tick.roll(step.wheel[0], step.wheel[1])
        for phrase in step.phrases:
            tick.say(phrase)

    def _advance(self) -> None:
        self._tick += 1
        if self._tick >= self.steps[self._step].ticks:
            self._tick = 0
            self._step += 1
            if self.loop and self.finished:
                self._step = 0


def read_script(path: Path, schema: ActionSchema | None = None) -> tuple[tuple[ScriptStep, ...], bool]:
    """Return the steps of a script file and whether it loops; with a schema, control names are checked.

    Raises:
        ConfigError: every mistake of the file, each with its line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"cannot read script '{path}': {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: this is not TOML: {error}") from None
    mistakes = Mistakes(str(path), text)
    for key in [key for key in values if key not in TOP]:
        mistakes.unknown((key,), "top of the file", key, TOP)
    if not isinstance(values.get("loop", False), bool):
        mistakes.allowed(("loop",), "loop", values["loop"], "true or false")
    tables = values.get("step")
    if not isinstance(tables, list) or not tables:
        mistakes.add((), "", "no step, allowed: at least one table [[step]]")
        tables = []
    steps = [_read_step(table, i, mistakes, schema) for i, table in enumerate(tables)]
    if mistakes:
        raise ConfigError(str(mistakes.error()))
    return tuple(steps), bool(values.get("loop", False))


def _read_step(table: Any, number: int, mistakes: Mistakes, schema: ActionSchema | None) -> ScriptStep:
    what = f"step {number + 1}"
    if not isinstance(table, Mapping):
        mistakes.allowed(("step", number), what, table, "a table [[step]]")
        return ScriptStep()
    good: dict[str, Any] = {}
    for key, value in table.items():
        if key not in STEP:
            mistakes.unknown(("step", number, key), what, key, STEP)
        elif not STEP[key].test(value):
            mistakes.allowed(("step", number, key), f"{what}: {key}", value, STEP[key].allowed)
        else:
            good[key] = tuple(value) if isinstance(value, list) else value
    if schema is not None:
        known = {*schema.index, *(one.name for one in schema.derived)}
        for control in [name for name in good.get("intents", {}) if name not in known]:
            mistakes.unknown(("step", number, "intents"), what, control, known)
    return ScriptStep(**good)


def build(path: Path, loop: bool | None = None, schema: ActionSchema | None = None) -> ScriptSource:
    """Return the script in a file; ``loop`` overrides what the file says."""
    steps, loops = read_script(path, schema)
    return ScriptSource(steps, loops if loop is None else loop)
