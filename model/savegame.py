"""A saved game as bytes or as a file: one player's ModelState, bit-exact, with the checks of a recording.

Same container as a recording (model/framing.py) under another magic: a header record, one record per
piece of a value, an end record. Unlike a recording, a cut or flipped saved game is refused: half a state
is no state. Knows nothing about what a model keeps in its state.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from dreamloop.model.framing import (
    PREAMBLE,
    FramedBytes,
    FramedFile,
    FramedReader,
    FramedSink,
    Record,
    RecordingError,
    pack_preamble,
    pack_record,
    read_preamble,
    unpack_payload,
)
from dreamloop.model.whole_file import whole_file
from dreamloop.model.world_model import ModelState

MAGIC = b"\x89DSV\r\n\x1a\n"
VERSION = 1
SUFFIX = ".dreamsave"
HEADER, VALUE, PIECE, END = 0, 1, 2, 3  # kinds of records
PIECE_BYTES = 16 << 20  # arrays travel in pieces, so that no record is longer than the container allows
_ARRAY_KINDS = "biufc"  # bool, int, unsigned, float, complex: nothing that holds objects
_BIG = 1 << 63  # integers from here on (random states have 128 bits) travel as text


def pack_state(state: ModelState, about: Mapping[str, Any] | None = None) -> bytes:
    """Return ``state`` as bytes; ``about`` is msgpack-able and says what a person wants to know of it.

    Raises:
        RecordingError: the state holds something that is no array, number, text or bytes.
    """
    return b"".join(_pieces(state, about or {}))


def unpack_state(data: bytes, where: str = "saved game") -> tuple[ModelState, Mapping[str, Any]]:
    """Return the state and what it said about itself; ``where`` names it in errors.

    Raises:
        RecordingError: not a saved game, of a newer format, cut or damaged.
    """
    return _read(FramedBytes(data, Path(where)))


def write_savegame(path: Path, state: ModelState, about: Mapping[str, Any] | None = None) -> int:
    """Write ``state`` to ``path`` (atomically; an older file gives way) and return its size in bytes."""
    pieces = _pieces(state, about or {})
    try:
        with whole_file(path) as scratch, closing(FramedSink(scratch, next(pieces), replace=True)) as sink:
            for piece in pieces:
                sink.append(piece)
    except OSError as error:
        raise RecordingError(f"cannot write {path}: {error.strerror}") from error
    return sink.offset


def read_savegame(path: Path) -> tuple[ModelState, Mapping[str, Any]]:
    """Return the state in the file ``path`` and what it said about itself.

    Raises:
        RecordingError: no such file, or one that :func:`unpack_state` refuses.
    """
    file = FramedFile(Path(path))
    try:
        return _read(file)
    finally:
        file.close()


def _pieces(state: ModelState, about: Mapping[str, Any]) -> Iterator[bytes]:
    yield pack_preamble(MAGIC, VERSION)
    head = {"arch": state.arch, "weights_hash": state.weights_hash, "tick": state.tick, "about": dict(about)}
    yield pack_record([HEADER, head])
    for name, value in state.values.items():
        if isinstance(value, np.ndarray):
            yield from _array_pieces(name, value)
        elif isinstance(value, bool | float | str | bytes):
            yield pack_record([VALUE, name, "scalar", value])
        elif isinstance(value, int):
            yield pack_record([VALUE, name, "int", str(value) if abs(value) >= _BIG else value])
        else:
            raise RecordingError(f"a state cannot be saved: '{name}' is a {type(value).__name__}")
    yield pack_record([END, len(state.values)])


def _array_pieces(name: str, value: np.ndarray[Any, Any]) -> Iterator[bytes]:
    if value.dtype.kind not in _ARRAY_KINDS:
        raise RecordingError(f"a state cannot be saved: '{name}' is an array of {value.dtype}")
    little = value.astype(value.dtype.newbyteorder("<"), order="C", copy=False)
    yield pack_record([VALUE, name, "array", little.dtype.str, list(value.shape)])
    data = np.ascontiguousarray(little).reshape(-1).view(np.uint8)
    for start in range(0, len(data), PIECE_BYTES):
        yield pack_record([PIECE, data[start : start + PIECE_BYTES].tobytes()], check=False)


def _read(file: FramedReader) -> tuple[ModelState, Mapping[str, Any]]:
    read_preamble(file.bytes_at(0, PREAMBLE.size), MAGIC, VERSION, file.path, "saved game")
    records = _whole_records(file)
    try:
        first = next(records, None)
        if first is None or first[0] != HEADER:
            raise RecordingError(f"{file.path} is cut or damaged in its header: a saved game must be whole")
        head = first[1]
        values = dict(_values(records, file.path))
        state = ModelState(str(head["arch"]), str(head["weights_hash"]), int(head["tick"]), values)
        return state, dict(head["about"])
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise RecordingError(f"{file.path} is not understood: {error!r}") from error


def _whole_records(file: FramedReader) -> Iterator[list[Any]]:
    for item in file.records(PREAMBLE.size):
        if not isinstance(item, Record):
            raise RecordingError(f"{file.path} is cut or damaged at byte {item[0]}: a saved game must be whole")
        yield unpack_payload(item.payload)


def _values(records: Iterator[list[Any]], path: Path) -> Iterator[tuple[str, Any]]:
    for count, fields in enumerate(records):
        if fields[0] == END:
            if fields[1] != count or next(records, None) is not None:
                raise RecordingError(f"{path} holds {count} values where {fields[1]} were written")
            return
        _, name, kind, *rest = fields
        if kind == "array":
            yield name, _array(records, *rest)
        else:
            yield name, int(rest[0]) if kind == "int" else rest[0]
    raise RecordingError(f"{path} is cut before its end: a saved game must be whole")


def _array(records: Iterator[list[Any]], code: str, shape: list[int]) -> np.ndarray[Any, Any]:
    dtype = np.dtype(code)
    if dtype.kind not in _ARRAY_KINDS:
        raise ValueError(f"an array of {code}")
    count = 1
    for side in shape:
        count *= int(side)
    data = bytearray()
    while len(data) < count * dtype.itemsize:
        kind, piece = next(records, (-1, b""))
        if kind != PIECE or not piece:
            raise ValueError("an array that ends too early")
        data += piece
    return np.frombuffer(bytes(data), dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=True)
