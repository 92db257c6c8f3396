"""Action schemas: a TOML file that names what a player can do, and the one vector per tick made of it.

The order of the controls is the layout of the vector. A schema encodes an input state into a vector, decodes
a vector into named values, and is fitted to the schema that a model was trained with. Knows nothing about
windows, sources or models; ``docs/write-an-action-schema.md`` tells the format.
"""

import copy
import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dreamloop.input import schema_keys as keys
from dreamloop.input.control import Control, Derived, Field, Layer, Phrase, halves
from dreamloop.input.errors import SchemaError, unknown
from dreamloop.input.mistakes import Mistake, Mistakes
from dreamloop.input.schema_read import read_schema
from dreamloop.input.state import InputState

if TYPE_CHECKING:
    import gymnasium

Vector = NDArray[np.float32]  # (a,)


@dataclass(frozen=True)
class ActionSchema:
    """A layout of the action vector and the bindings that fill it. Equal schemas say the same."""

    values: Mapping[str, Any] = field(hash=False)  # the TOML file as it was read
    name: str = field(compare=False)
    version: int = field(compare=False)
    controls: tuple[Control, ...] = field(compare=False)
    fields: tuple[Field, ...] = field(compare=False)  # one row per number: the table that encode and decode loop over
    opposites: tuple[tuple[str, str], ...] = field(compare=False)
    exclusive: tuple[tuple[str, ...], ...] = field(compare=False)
    derived: tuple[Derived, ...] = field(compare=False)
    layers: tuple[Layer, ...] = field(compare=False)
    phrases: tuple[Phrase, ...] = field(compare=False)
    size: int = field(compare=False)  # a
    columns: tuple[str, ...] = field(compare=False)  # a name per entry of the vector
    fingerprint: str = field(
        compare=False, hash=True
    )  # 16 hex digits over what a model sees: names, kinds, ranges, order
    index: Mapping[str, int] = field(compare=False)  # name of a field -> its place in fields
    neutral: Vector = field(compare=False)  # (a,) the vector of a player who does nothing

    # -- reading and writing -------------------------------------------------------------------------------

    @classmethod
    def load(cls, path: Path) -> "ActionSchema":
        """Read a TOML file.

        Raises:
            SchemaError: the file cannot be read, or says something that is not allowed; lists every mistake.
        """
        values, mistakes = _read_file(Path(path))
        if mistakes:
            raise mistakes.error()
        return cls._build(values, mistakes)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "schema") -> "ActionSchema":
        """Build a schema from TOML values or from :meth:`to_dict`'s; ``where`` names it in errors."""
        return cls._build(values, Mistakes(where))

    def to_dict(self) -> dict[str, Any]:
        """Return the schema as plain values; ``from_dict`` makes an equal schema of them."""
        return copy.deepcopy(dict(self.values))

    @classmethod
    def _build(cls, values: Mapping[str, Any], mistakes: Mistakes) -> "ActionSchema":
        parsed = read_schema(values, mistakes)
        if mistakes:
            raise mistakes.error()
        layout = [control.layout for control in parsed.controls]
        neutral = np.zeros(parsed.fields[-1].stop, np.float32)
        for row in parsed.fields:
            neutral[row.start : row.stop] = row.codec.encode(row.idle)
        neutral.setflags(write=False)
        return cls(
            values=copy.deepcopy(dict(values)),
            **{name: getattr(parsed, name) for name in parsed.__slots__},
            size=len(neutral),
            columns=_columns(parsed.controls, parsed.fields),
            fingerprint=hashlib.sha256(json.dumps(layout).encode()).hexdigest()[:16],
            index={row.name: i for i, row in enumerate(parsed.fields)},
            neutral=neutral,
        )

    # -- one tick ------------------------------------------------------------------------------------------

    def encode(self, state: InputState) -> Vector:
        """Return the action vector (a,) of one tick of player input."""
        action = self.neutral.copy()
        for row, value in zip(self.fields, self.read(state), strict=True):
            action[row.start : row.stop] = row.codec.encode(value)
        return action

    def read(self, state: InputState) -> list[float]:
        """Return every field's value in its own unit, after layers, intents, opposites and so on."""
        active = state.active | halves(state) if state.axes else state.active
        values = [row.read(state, active) for row in self.fields]
        for layer in self.layers:
            if any(press.parts <= active for press in layer.when):
                self._apply_layer(layer, state, active, values)
        for derived in self.derived:
            if state.intents.get(derived.name, 0.0) > 0 or any(press.parts <= active for press in derived.presses):
                self._ask(values, derived.sets)
        if state.intents:
            asked = [(self.index[name], value) for name, value in state.intents.items() if name in self.index]
            self._ask(values, asked)
        for group in self.exclusive:
            self._keep_first(values, group)
        for one, other in self.opposites:
            i, j = self.index[one], self.index[other]
            if values[i] > 0 and values[j] > 0:
                values[i] = values[j] = 0.0
        return values

    def _apply_layer(self, layer: Layer, state: InputState, active: frozenset[str], values: list[float]) -> None:
        for i, bindings in layer.bindings:
            values[i] = self.fields[i].rebound(bindings).read(state, active)
        for i, factor in layer.scale:
            values[i] *= factor

    def _ask(self, values: list[float], asked: Sequence[tuple[int, float]]) -> None:
        """Merge values that voice, a script or a derived control asks for: buttons add up, axes give way."""
        for i, value in asked:
            values[i] = max(values[i], value) if self.fields[i].kind == "button" else value

    def _keep_first(self, values: list[float], group: tuple[str, ...]) -> None:
        """Let only the first pressed button of a group count, in the order of the schema's list."""
        pressed = [self.index[name] for name in group if values[self.index[name]] > 0]
        for i in pressed[1:]:
            values[i] = 0.0

    # -- vectors by name -----------------------------------------------------------------------------------

    def decode(self, action: Vector | Sequence[float]) -> dict[str, float]:
        """Return field name -> value in its own unit (degrees, 0 or 1, index of an option, -1 for none).

        Raises:
            SchemaError: the vector has another length than this schema's.
        """
        if len(action) != self.size:
            raise SchemaError(f"an action of {len(action)} numbers, schema '{self.name}' has {self.size}")
        numbers = [float(entry) for entry in action]
        return {row.name: row.codec.decode(numbers[row.start : row.stop]) for row in self.fields}

    def vector(self, **values: float) -> Vector:
        """Return the vector (a,) of these field values, all others idle: ``vector(forward=1, turn=-4.0)``."""
        action = self.neutral.copy()
        for name, value in values.items():
            if name not in self.index:
                raise SchemaError(unknown("control", name, self.index))
            row = self.fields[self.index[name]]
            action[row.start : row.stop] = row.codec.encode(value)
        return action

    @property
    def space(self) -> "gymnasium.spaces.Box":
        """The action space as reinforcement learning tools want it. Needs gymnasium."""
        from gymnasium.spaces import Box

        bounds = [row.codec.bounds for row in self.fields for _ in range(row.codec.size)]
        low, high = np.array(bounds, np.float32).T
        return Box(low, high, dtype=np.float32)

    # -- other schemas -------------------------------------------------------------------------------------

    def fit(self, wanted: "ActionSchema") -> "ActionSchema":
        """Return ``wanted``'s layout driven by this schema's bindings; controls it lacks are left out.

        Raises:
            SchemaError: a control that ``wanted`` has is missing here, or is of another kind.
        """
        own = {table["name"]: table for table in self.values["control"]}
        tables = []
        for table in wanted.values["control"]:
            name = table["name"]
            if name not in own:
                raise SchemaError(
                    f"schema '{self.name}' lacks what '{wanted.name}' needs: {unknown('control', name, own)}"
                )
            if own[name]["kind"] != table["kind"]:
                raise SchemaError(
                    f"control '{name}' has kind {own[name]['kind']} in schema '{self.name}', "
                    f"'{wanted.name}' needs kind {table['kind']}"
                )
            tables.append(_refit(table, own[name]))
        kept = {key: value for key, value in self.values.items() if key not in ("opposites", "exclusive")}
        groups = {key: wanted.values[key] for key in ("opposites", "exclusive") if key in wanted.values}
        return ActionSchema.from_dict({**kept, **groups, "name": wanted.name, "control": tables}, where=self.name)


def check_file(path: Path) -> list[Mistake]:
    """Return every mistake in a schema file, in the order of its lines; none means that it is good."""
    values, mistakes = _read_file(Path(path))
    if not mistakes:
        read_schema(values, mistakes)
    return sorted(mistakes.found, key=lambda one: one.line or 0)


def _read_file(path: Path) -> tuple[dict[str, Any], Mistakes]:
    """Return the values of a TOML file; a file that cannot be read is a mistake like any other."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        mistakes = Mistakes(str(path))
        mistakes.add((), "", f"cannot read this action schema: {reason}")
        return {}, mistakes
    mistakes = Mistakes(str(path), text)
    try:
        return tomllib.loads(text), mistakes
    except (RecursionError, ValueError) as error:
        mistakes.add((), "", f"this is not TOML: {error}")
        return {}, mistakes


def _columns(controls: Sequence[Control], fields: Sequence[Field]) -> tuple[str, ...]:
    """Return a name per entry: ``forward``, ``pointer.x``, ``weapon.knife``, ``mouse_x.-10``."""
    by_name = {control.name: control for control in controls}
    names: list[str] = []
    for row in fields:
        control = by_name[row.control]
        if control.kind == "choice":
            names.extend(f"{row.name}.{option}" for option in control.options)
        elif control.companding == "bins":
            names.extend(f"{row.name}.{point:g}" for point in control.bins)
        else:
            names.append(row.name)
    return tuple(names)


def _refit(wanted: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return a control's table with the layout of ``wanted`` and the bindings of ``own``."""
    table = {key: value for key, value in own.items() if key not in keys.LAYOUT_KEYS}
    table |= {key: value for key, value in wanted.items() if key in keys.LAYOUT_KEYS}
    if "options" in table:
        bound = {one["name"]: one for one in own.get("options", ()) if isinstance(one, Mapping)}
        names = [one["name"] if isinstance(one, Mapping) else one for one in table["options"]]
        table["options"] = [bound.get(name, name) for name in names]
    return table
