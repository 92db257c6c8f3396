"""Tables of a card's configuration turned into dataclasses, with one sentence for a key or value that does not fit.

Knows nothing about what the keys mean.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from dreamloop.input.errors import ConfigError, unknown

T = TypeVar("T")


def adjust(base: T, values: Mapping[str, Any], table: str) -> T:
    """Return ``base`` (a flat dataclass) with ``values`` in place of its own.

    Raises:
        ConfigError: a key that it does not have, with the nearest one; a value of another type than its own.
    """
    known = [field.name for field in fields(base)]  # type: ignore[arg-type]
    ready: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise ConfigError(unknown(f"key in [{table}]", name, known))
        ready[name] = _fit(getattr(base, name), value, f"[{table}] {name}")
    changed: T = replace(base, **ready)  # type: ignore[type-var]
    return changed


def _fit(present: Any, value: Any, what: str) -> Any:
    if isinstance(present, tuple) and isinstance(value, list):
        value = tuple(value)
    if isinstance(present, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(present):
        raise ConfigError(f"{what} is {value!r}; it must be of type {type(present).__name__}, like {present!r}")
    return value
