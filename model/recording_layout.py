"""Where things lie in a recording: found through the index, or by reading every byte when there is none.

Knows the kinds of records and how ticks hang together; knows nothing about pictures or what marks mean.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dreamloop.model.framing import FramedFile, Record, RecordingError, unpack_payload
from dreamloop.model.tick_codec import KEY, KEY_EVERY, TICK, TickDecoder

MAGIC = b"\x89DRM\r\n\x1a\n"  # shows at once when a transfer rewrote line ends or stripped the eighth bit
VERSION = 1
HEADER, MARK, INDEX, FRAME = 0, 2, 3, 4  # kinds of records; TICK is 1
TAIL = struct.Struct("<Q8s")  # offset of the index, magic
TAIL_MAGIC = b"DRMINDEX"


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened between two ticks: a bookmark, a scene change, a pause, a branch, a note."""

    kind: str
    at: int  # how many ticks of the recording come before it
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of bytes that cannot be read."""

    at: int  # how many readable ticks come before it
    from_byte: int
    to_byte: int


@dataclass(frozen=True, slots=True)
class Block:
    """A key tick and the ticks that build on it."""

    first: int  # index of its first tick
    count: int
    offset: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything a reader needs to find a tick."""

    blocks: tuple[Block, ...]
    marks: tuple[Mark, ...]
    gaps: tuple[Gap, ...]
    complete: bool  # closed properly, with an index


def read_layout(file: FramedFile, first: int, *, scan: bool) -> Layout:
    """Return the layout of the records from byte ``first`` on; ``scan`` reads and checks every byte."""
    index = _index_record(file)
    if index is not None and not scan:
        layout = _from_index(file, first, index)
        if layout is not None:
            return layout
    walk = _Walk(file)
    for item in file.records(first, file.size if index is None else index.end):
        walk.add(item)
    return walk.layout(complete=index is not None)


def _index_record(file: FramedFile) -> Record | None:
    tail = file.bytes_at(max(file.size - TAIL.size, 0), TAIL.size)
    if len(tail) != TAIL.size or TAIL.unpack(tail)[1] != TAIL_MAGIC:
        return None
    offset = TAIL.unpack(tail)[0]
    record = file.record_at(offset) if offset < file.size else None
    return record if record and record.kind == INDEX and record.end == file.size - TAIL.size else None


def _from_index(file: FramedFile, first: int, index: Record) -> Layout | None:
    """Return the layout that the index describes, None when it makes no sense."""
    try:
        _, count, packed_keys, packed_marks = unpack_payload(index.payload)
        keys, marks = (np.frombuffer(packed, "<u8").tolist() for packed in (packed_keys, packed_marks))
        sizes = [min(KEY_EVERY, count - i * KEY_EVERY) for i in range(len(keys))]
    except (RecordingError, ValueError, TypeError):
        return None
    if len(keys) != -(-count // KEY_EVERY) or any(not first <= key < index.offset for key in [*keys, *marks]):
        return None
    records = [file.record_at(offset, index.offset) for offset in marks]
    found = [parse_mark(record) for record in records if record is not None]
    blocks = tuple(Block(i * KEY_EVERY, size, keys[i]) for i, size in enumerate(sizes))
    return Layout(blocks, tuple(mark for mark in found if mark), (), complete=True)


def picture_end(file: FramedFile, offset: int) -> int:
    """Return where the picture's record at ``offset`` ends, -1 when there is none.

    Kind and both lengths must agree; the bytes of the picture are not checked.
    """
    span = file.span_at(offset)
    if span is None:
        return -1
    head = file.bytes_at(span[0], 7)
    widths = {0xC4: 1, 0xC5: 2, 0xC6: 4}  # of the length in msgpack's bin 8, 16 and 32
    width = widths.get(head[2]) if head[:2] == bytes((0x92, FRAME)) else None
    fits = width is not None and int.from_bytes(head[3 : 3 + width], "big") == span[1] - span[0] - 3 - width
    return span[1] if fits else -1


def parse_mark(record: Record) -> Mark | None:
    """Return the mark in ``record``, None when it is no mark."""
    try:
        number, kind, at, values = unpack_payload(record.payload)
        return Mark(str(kind), int(at), dict(values)) if number == MARK else None
    except (RecordingError, ValueError, TypeError):
        return None


class _Walk:
    """Gathers blocks, marks and gaps while a file is read from front to back."""

    def __init__(self, file: FramedFile) -> None:
        self._file = file
        self._blocks: list[Block] = []
        self._marks: list[Mark] = []
        self._gaps: list[Gap] = []
        self._ticks = 0
        self._decoder: TickDecoder | None = None  # None: the chain from the last key tick is broken

    def add(self, item: Record | tuple[int, int]) -> None:
        """Take the next record, or the next stretch of unreadable bytes."""
        if not isinstance(item, Record):
            self._gap(*item)
            if picture_end(self._file, item[0]) != item[1]:
                self._decoder = None
        elif item.kind == TICK:
            self._tick(item)
        elif item.kind == MARK:
            mark = parse_mark(item)
            if mark is None:
                self._gap(item.offset, item.end)
            else:
                self._marks.append(Mark(mark.kind, self._ticks, mark.values))

    def layout(self, *, complete: bool) -> Layout:
        """Return what was gathered."""
        return Layout(tuple(self._blocks), tuple(self._marks), tuple(self._gaps), complete)

    def _tick(self, record: Record) -> None:
        try:
            fields = unpack_payload(record.payload)
            is_key = bool(fields[1] & KEY)
            if is_key:
                self._decoder = TickDecoder()
            if self._decoder is None:
                raise RecordingError("the key tick is missing")
            self._decoder.decode(fields)
        except (RecordingError, TypeError, IndexError):
            self._decoder = None
            self._gap(record.offset, record.end)
            return
        if is_key:
            self._blocks.append(Block(self._ticks, 1, record.offset))
        else:
            last = self._blocks[-1]
            self._blocks[-1] = Block(last.first, last.count + 1, last.offset)
        self._ticks += 1

    def _gap(self, start: int, end: int) -> None:
        last = self._gaps[-1] if self._gaps else None
        if last is not None and last.to_byte == start and last.at == self._ticks:
            self._gaps[-1] = Gap(last.at, last.from_byte, end)
        else:
            self._gaps.append(Gap(self._ticks, start, end))
