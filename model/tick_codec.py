"""One tick of a recording as a few bytes, and back. Knows nothing about files or pictures.

A tick is written as the difference to the one before it; every ``KEY_EVERY``-th is a key tick that stands
alone, so damage is contained and a reader can start there. Ten minutes at 35 Hz have to fit into a
megabyte, which leaves 47 bytes for a tick with its hash, clock times, timings and checksum. Layout:
docs/recording-format.md.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from dreamloop.input.state import InputState
from dreamloop.model.frame_codec import HASH_BYTES
from dreamloop.model.framing import RecordingError, append_varint, read_varint
from dreamloop.model.world_model import Action

TICK = 1  # the record's kind
KEY_EVERY = 64
TIMINGS, ACTION, MOTION, EVENT, HELD, TAPPED, AXES, POINTER, EXTRA, REST, KEY = (1 << bit for bit in range(11))
_STICKY = ("dt_s", "intents")  # written in REST when they differ from the tick before
_FLEETING = ("wheel", "phrases")  # written in REST when they are not empty


@dataclass(frozen=True, slots=True)
class TickData:
    """One tick without its picture. Clock times and timings are kept to the microsecond."""

    state: InputState
    action: Action  # (a,)
    frame_hash: bytes  # 8 bytes, or b"" when it was not known
    timings: Mapping[str, float] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Before:
    """What the next tick is a difference to."""

    state: InputState = field(default_factory=lambda: InputState(tick=-1))
    action: Action = field(default_factory=lambda: np.zeros(0, np.float32))
    sampled_us: int = 0
    names: tuple[str, ...] = ()
    stamps: tuple[int, ...] = ()  # timings as whole quanta


class TickEncoder:
    """Turns ticks into the entries of tick records."""

    def __init__(self) -> None:
        self._before = _Before()
        self._count = 0

    @property
    def next_is_key(self) -> bool:
        """True when the next tick will stand alone."""
        return self._count % KEY_EVERY == 0

    def encode(self, tick: TickData) -> list[Any]:
        """Return the entries for ``framing.pack_record``; nothing changes until :meth:`commit`."""
        before = _Before() if self.next_is_key else self._before
        state, flags = tick.state, KEY if self.next_is_key else 0
        if tick.action.shape != before.action.shape and not flags & KEY:
            raise RecordingError(f"an action has shape {tick.action.shape}, the one before {before.action.shape}")
        names, stamps = tuple(tick.timings), _quanta(tick.timings)
        rest = _rest(state, before, names)
        fields: list[tuple[int, Any]] = [
            (TIMINGS, _pack_stamps(stamps, before, names)),
            (ACTION, _pack_action(tick.action, before.action, bool(flags & KEY))),
            (MOTION, [_short(value) for value in state.motion_px] if any(state.motion_px) else None),
            (EVENT, None if state.event_s is None else _us(state.sampled_s) - _us(state.event_s)),
            (HELD, None if state.held == before.state.held else sorted(state.held)),
            (TAPPED, sorted(state.tapped) or None),
            (AXES, _pack_axes(state.axes, before.state.axes)),
            (POINTER, None if state.pointer == before.state.pointer else list(state.pointer or ())),
            (EXTRA, dict(tick.extra) or None),
            (REST, rest or None),
        ]
        present = [(flag, value) for flag, value in fields if value is not None]
        for flag, _ in present:
            flags |= flag
        values = [value for _, value in present]
        return [TICK, flags, _hash_number(tick.frame_hash), _us(state.sampled_s) - before.sampled_us, *values]

    def commit(self, tick: TickData) -> None:
        """Make ``tick`` the one that the next is a difference to; call it once its record is in the file."""
        action = tick.action.copy()
        names, stamps = tuple(tick.timings), _quanta(tick.timings)
        self._before = _Before(tick.state, action, _us(tick.state.sampled_s), names, stamps)
        self._count += 1


class TickDecoder:
    """Turns the entries of tick records back into ticks; begins at a key tick."""

    def __init__(self) -> None:
        self._before: _Before | None = None

    def decode(self, fields: Sequence[Any]) -> TickData:
        """Return the tick of one record.

        Raises:
            RecordingError: entries that make no tick, or a first record that is no key tick.
        """
        try:
            if not fields[1] & KEY and self._before is None:
                raise RecordingError("a tick record stands alone, but the key tick it builds on is missing")
            return self._decode(fields, _Before() if fields[1] & KEY or self._before is None else self._before)
        except (ValueError, TypeError, IndexError, KeyError, OverflowError, AttributeError) as error:
            raise RecordingError(f"a tick record cannot be understood: {error}") from error

    def _decode(self, fields: Sequence[Any], before: _Before) -> TickData:
        flags, number, sampled = fields[1:4]
        present = [flag for flag in (1 << bit for bit in range(10)) if flags & flag]
        got = dict(zip(present, fields[4:], strict=True))
        rest = got.get(REST, {})
        sampled_us = before.sampled_us + sampled
        state = InputState(
            tick=int(rest.get("tick", before.state.tick + 1)),
            dt_s=float(rest.get("dt_s", before.state.dt_s)),
            held=frozenset(got[HELD]) if HELD in got else before.state.held,
            tapped=frozenset(got.get(TAPPED, ())),
            motion_px=_two(got.get(MOTION, (0.0, 0.0))),
            wheel=_two(rest.get("wheel", (0.0, 0.0))),
            pointer=(_two(got[POINTER]) if got[POINTER] else None) if POINTER in got else before.state.pointer,
            axes=_unpack_axes(got[AXES], before.state.axes) if AXES in got else before.state.axes,
            intents=dict(rest.get("intents", before.state.intents)),
            phrases=tuple(rest.get("phrases", ())),
            event_s=(sampled_us - got[EVENT]) / 1e6 if EVENT in got else None,
            sampled_s=sampled_us / 1e6,
        )
        names = tuple(rest["names"]) if "names" in rest else before.names
        names = names if TIMINGS in got else ()
        stamps = _unpack_stamps(got[TIMINGS], before, names) if TIMINGS in got else ()
        timings = {name: value / _per_unit(name) for name, value in zip(names, stamps, strict=True)}
        action = _unpack_action(got.get(ACTION, b""), before.action, bool(flags & KEY))
        self._before = _Before(state, action, sampled_us, names, stamps)
        hashed = b"" if number is None else int(number).to_bytes(HASH_BYTES, "big")
        return TickData(state, action, hashed, timings, dict(got.get(EXTRA, {})))


def _rest(state: InputState, before: _Before, names: tuple[str, ...]) -> dict[str, Any]:
    rest: dict[str, Any] = {}
    if state.tick != before.state.tick + 1:
        rest["tick"] = state.tick
    for name in _STICKY:
        value = getattr(state, name)
        if value != getattr(before.state, name):
            rest[name] = dict(value) if isinstance(value, Mapping) else value
    for name in _FLEETING:
        value = getattr(state, name)
        if value and value != (0.0, 0.0):
            rest[name] = list(value)
    if names and names != before.names:
        rest["names"] = list(names)
    return rest


def _us(seconds: float) -> int:
    """Return a clock time in whole microseconds."""
    if not math.isfinite(seconds):
        raise RecordingError(f"a clock time of {seconds} cannot be recorded; times are finite")
    return round(seconds * 1e6)


def _short(value: float) -> float | int:
    """Return a whole number as an int, which msgpack keeps in one to three bytes."""
    return int(value) if float(value).is_integer() else float(value)


def _two(values: Sequence[float]) -> tuple[float, float]:
    x, y = values
    return float(x), float(y)


def _hash_number(hashed: bytes) -> int | None:
    if len(hashed) not in (0, HASH_BYTES):
        raise RecordingError(f"a frame hash has {len(hashed)} bytes, a recording takes {HASH_BYTES}")
    return int.from_bytes(hashed, "big") if hashed else None


@cache
def _per_unit(name: str) -> float:
    """Return the steps per unit in which a timing is kept: 1e6 for names in ``_s``, else 1e3."""
    return 1e6 if name.endswith("_s") else 1e3


def _quanta(timings: Mapping[str, float]) -> tuple[int, ...]:
    finite = math.isfinite
    return tuple([round(float(value) * _per_unit(name)) if finite(value) else 0 for name, value in timings.items()])


def _steps(stamps: Sequence[int]) -> list[int]:
    """Return each stamp as its distance to the one before it: stages take about as long as a tick ago."""
    return [value - (stamps[i - 1] if i else 0) for i, value in enumerate(stamps)]


def _pack_stamps(stamps: tuple[int, ...], before: _Before, names: tuple[str, ...]) -> bytes | None:
    if not stamps:
        return None
    base = _steps(before.stamps) if names == before.names and before.stamps else [0] * len(stamps)
    out = bytearray()
    for value, old in zip(_steps(stamps), base, strict=True):
        change = value - old
        append_varint(out, change << 1 if change >= 0 else (-change << 1) - 1)
    return bytes(out)


def _unpack_stamps(data: bytes, before: _Before, names: tuple[str, ...]) -> tuple[int, ...]:
    base = _steps(before.stamps) if names == before.names and before.stamps else [0] * len(names)
    stamps: list[int] = []
    offset = 0
    for old in base:
        coded, offset = read_varint(data, offset)
        change = -((coded + 1) >> 1) if coded & 1 else coded >> 1
        stamps.append(old + change + (stamps[-1] if stamps else 0))
    return tuple(stamps)


def _entry(size: int) -> np.dtype[Any]:
    """Return the layout of one changed entry of an action of ``size`` entries."""
    return np.dtype([("index", "u1" if size <= 256 else "<u2"), ("value", "<f4")])


def _pack_action(action: Action, before: Action, key: bool) -> bytes | None:
    if key:
        return action.astype("<f4").tobytes()
    changed = np.flatnonzero(action.view(np.uint32) != before.view(np.uint32))
    if not changed.size:
        return None
    entries = np.empty(changed.size, _entry(action.size))
    entries["index"], entries["value"] = changed, action[changed]
    return entries.tobytes()


def _unpack_action(data: bytes, before: Action, key: bool) -> Action:
    if key:
        return np.frombuffer(data, "<f4").astype(np.float32)
    entries = np.frombuffer(data, _entry(before.size))
    action = before.copy()
    action[entries["index"]] = entries["value"]
    return action


def _pack_axes(axes: Mapping[str, float], before: Mapping[str, float]) -> list[Any] | None:
    """Return [names or None, values]: names only when changed, values as float32 where exact."""
    if axes == before:
        return None
    values = np.fromiter(axes.values(), "<f8", len(axes))
    short = values.astype("<f4")
    names = None if list(axes) == list(before) else list(axes)
    return [names, (short if (short == values).all() else values).tobytes()]


def _unpack_axes(fields: Sequence[Any], before: Mapping[str, float]) -> dict[str, float]:
    names = list(before) if fields[0] is None else list(fields[0])
    kind = "<f4" if len(fields[1]) == 4 * len(names) else "<f8"
    return dict(zip(names, np.frombuffer(fields[1], kind).tolist(), strict=True))
