"""Framed msgpack records in a file: the container under recordings and saved games.

A file is a 16-byte preamble, then records; each record is its length (LEB128), a CRC32 over length and
payload, and the payload, one msgpack array whose first entry is the record's kind. Knows nothing about
what the records mean. The byte layout is specified in docs/recording-format.md.
"""

import os
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack

from dreamloop.input.errors import DreamloopError

PREAMBLE = struct.Struct("<8sHHI")  # magic, version, reserved (0), CRC32 of the twelve bytes before it
MAX_RECORD_BYTES = (1 << 26) - 1  # longer lengths are damage, so a flipped bit never asks for gigabytes
MAX_ITEMS = 512  # entries of one msgpack array or map, so that a small file cannot ask for much memory
WINDOW_BYTES = 1 << 18  # how much of a file is held at a time while it is read
_LENGTH_BYTES = 4  # longest LEB128 length that MAX_RECORD_BYTES allows
_CRC = struct.Struct("<I")
_PAYLOAD_START = re.compile(rb"[\x92-\x9f][\x00-\x0f]")  # a short msgpack array that begins with a small integer


class RecordingError(DreamloopError):
    """A recording or saved game that cannot be written or read; the sentence names the file and the byte."""


def pack_preamble(magic: bytes, version: int) -> bytes:
    """Return the first 16 bytes of a file."""
    head = PREAMBLE.pack(magic, version, 0, 0)[:-4]
    return head + _CRC.pack(zlib.crc32(head))


def read_preamble(data: bytes, magic: bytes, newest: int, path: Path, what: str) -> int:
    """Return the version in ``data``, the first bytes of ``path``.

    Raises:
        RecordingError: not such a file, damaged in its first bytes, or written by a newer version.
    """
    if len(data) < PREAMBLE.size and magic.startswith(data[: len(magic)]):
        raise RecordingError(f"{path} ends after {len(data)} bytes, before its header: nothing was recorded in it")
    if data[: len(magic)] != magic:
        raise RecordingError(f"{path} is not a dreamloop {what} (its first bytes are {bytes(data[:8])!r})")
    _, version, _, crc = PREAMBLE.unpack(data[: PREAMBLE.size])
    if crc != zlib.crc32(data[: PREAMBLE.size - 4]):
        raise RecordingError(f"{path} is damaged in its first 16 bytes: a bit was flipped there")
    if version > newest:
        raise RecordingError(f"{path} has format {version}, this dreamloop reads formats 1 to {newest}: update it")
    return int(version)


def pack_record(fields: list[Any], *, check: bool = True) -> bytes:
    """Return one record: ``fields`` is [kind, ...], at most 15 msgpack-able entries.

    ``check`` makes sure that the record can be read back; pictures do without it.

    Raises:
        RecordingError: a value that msgpack cannot hold, a list of more than 512, or a record above 64 MiB.
    """
    try:
        payload: bytes = msgpack.packb(fields, use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordingError(f"a value cannot be recorded: {error}") from error
    if len(payload) > MAX_RECORD_BYTES:
        raise RecordingError(f"a record of {len(payload)} bytes is too long (at most {MAX_RECORD_BYTES})")
    if check:
        unpack_payload(payload)
    length = pack_varint(len(payload))
    return length + _CRC.pack(zlib.crc32(payload, zlib.crc32(length))) + payload


def unpack_payload(payload: bytes) -> list[Any]:
    """Return the entries of a record's payload, with bounded memory.

    Raises:
        RecordingError: not one msgpack array.
    """
    try:
        fields = msgpack.unpackb(
            payload, strict_map_key=False, max_array_len=MAX_ITEMS, max_map_len=MAX_ITEMS, max_ext_len=0
        )
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise RecordingError(f"a record does not hold msgpack: {error}") from error
    if not isinstance(fields, list) or not fields or not isinstance(fields[0], int):
        raise RecordingError("a record does not begin with its kind")
    return fields


def pack_varint(value: int) -> bytes:
    """Return the LEB128 form of ``value`` >= 0."""
    out = bytearray()
    append_varint(out, value)
    return bytes(out)


def append_varint(out: bytearray, value: int) -> None:
    """Put the LEB128 form of ``value`` >= 0 at the end of ``out``."""
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def read_varint(data: bytes, offset: int) -> tuple[int, int]:
    """Return (value, offset behind it); IndexError when ``data`` ends first."""
    value = shift = 0
    while True:
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
        shift += 7
        if shift > 63:
            raise IndexError("a varint of more than nine bytes")


@dataclass(frozen=True, slots=True)
class Record:
    """One whole record of a file."""

    offset: int  # of its length
    end: int  # offset behind it
    payload: bytes

    @property
    def kind(self) -> int:
        """The record's kind; every payload is a short array that begins with it."""
        return self.payload[1]


class FramedReader:
    """Walks the records of a file (:class:`FramedFile`) or of a block of memory (:class:`FramedBytes`)."""

    path: Path  # names the source in errors
    size: int

    def bytes_at(self, offset: int, count: int) -> bytes:
        """Return up to ``count`` bytes from ``offset`` on; fewer at the end."""
        raise NotImplementedError

    def record_at(self, offset: int, limit: int | None = None) -> Record | None:
        """Return the record at ``offset``, or None when it is cut or damaged."""
        found = self.span_at(offset)
        limit = self.size if limit is None else limit
        if found is None or found[1] > limit:
            return None
        begin, end = found
        payload = self.bytes_at(begin, end - begin)
        head = self.bytes_at(offset, begin - offset)
        crc = zlib.crc32(payload, zlib.crc32(head[:-4]))
        if len(payload) != end - begin or crc != _CRC.unpack(head[-4:])[0]:
            return None
        return Record(offset, end, payload) if _PAYLOAD_START.match(payload) else None

    def span_at(self, offset: int) -> tuple[int, int] | None:
        """Return where the payload at ``offset`` begins and ends, unchecked; None when impossible."""
        head = self.bytes_at(offset, _LENGTH_BYTES)
        try:
            length, used = read_varint(head, 0)
        except IndexError:
            return None
        begin = offset + used + _CRC.size
        plausible = 2 <= length <= MAX_RECORD_BYTES and begin + length <= self.size
        return (begin, begin + length) if plausible else None

    def kind_at(self, offset: int) -> int:
        """Return the kind of the record at ``offset`` without checking it; -1 when there is none."""
        span = self.span_at(offset)
        return -1 if span is None else self.bytes_at(span[0], 2)[1]

    def records(self, offset: int, limit: int | None = None) -> Iterator[Record | tuple[int, int]]:
        """Walk the file: every readable record, and (from, to) for each stretch that is not."""
        limit = self.size if limit is None else limit
        while offset < limit:
            record = self.record_at(offset, limit)
            if record is None:
                resumed = self._resume(offset + 1, limit)
                yield offset, resumed
                offset = resumed
            else:
                yield record
                offset = record.end

    def _resume(self, offset: int, limit: int) -> int:
        """Return the offset of the first readable record from ``offset`` on, or ``limit``."""
        while offset < limit:
            chunk = self.bytes_at(offset, min(WINDOW_BYTES, limit - offset))
            for match in _PAYLOAD_START.finditer(chunk):
                begin = offset + match.start()
                for start in range(begin - _CRC.size - 1, begin - _CRC.size - _LENGTH_BYTES - 1, -1):
                    span = self.span_at(start) if start >= offset else None
                    if span is not None and span[0] == begin and self.record_at(start, limit) is not None:
                        return start
            if offset + len(chunk) >= limit or len(chunk) < 64:
                return limit
            offset += len(chunk) - 16  # a record's head may lie across the window's edge
        return limit


class FramedBytes(FramedReader):
    """A framed file that lies in memory."""

    def __init__(self, data: bytes, path: Path) -> None:
        self.path, self.size = path, len(data)
        self._data = data

    def bytes_at(self, offset: int, count: int) -> bytes:
        """Return up to ``count`` bytes from ``offset`` on; fewer at the end."""
        return self._data[offset : offset + count]


class FramedFile(FramedReader):
    """A file, read through one small window: memory stays bounded by ``WINDOW_BYTES``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise RecordingError(f"cannot read {path}: {error.strerror}") from error
        self.size = os.fstat(self._file).st_size
        self._start = 0
        self._window = b""

    def bytes_at(self, offset: int, count: int) -> bytes:
        """Return up to ``count`` bytes from ``offset`` on; fewer at the end of the file."""
        begin = offset - self._start
        if begin < 0 or begin + count > len(self._window):
            try:
                os.lseek(self._file, offset, os.SEEK_SET)
                self._window = os.read(self._file, min(max(count, WINDOW_BYTES), max(self.size - offset, 0)))
            except OSError as error:
                raise RecordingError(f"cannot read {self.path}: {error.strerror}") from error
            self._start, begin = offset, 0
        return self._window[begin : begin + count]

    def close(self) -> None:
        """Close the file; reading afterwards is an error."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class FramedSink:
    """Appends whole records straight to the system: a killed process loses only the one in flight."""

    def __init__(self, path: Path, preamble: bytes, *, replace: bool = False) -> None:
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0) | (os.O_TRUNC if replace else os.O_EXCL)
        self.path = path
        self.offset = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, flags, 0o644)
        except FileExistsError as error:
            raise RecordingError(f"{path} exists already; choose another name, nothing is overwritten") from error
        except OSError as error:
            raise RecordingError(f"cannot write {path}: {error.strerror}") from error
        try:
            self.append(preamble)
        except RecordingError:
            os.close(self._file)
            raise

    def append(self, data: bytes) -> None:
        """Write all of ``data`` or nothing.

        Raises:
            RecordingError: the disk is full or failed; the file ends where it ended before.
        """
        written = 0
        try:
            while written < len(data):
                written += self.write_some(data[written:])
        except OSError as error:
            self._cut_back()
            raise RecordingError(f"cannot write to {self.path}: {error.strerror}") from error
        self.offset += len(data)

    def write_some(self, data: bytes) -> int:
        """Write what the system takes and return how much; the seam for tests of full disks."""
        return os.write(self._file, data)

    def _cut_back(self) -> None:
        try:
            os.ftruncate(self._file, self.offset)
            os.lseek(self._file, self.offset, os.SEEK_SET)
        except OSError:
            return  # not a plain file, or a failing disk: the reader steps over the broken record

    def sync(self) -> None:
        """Ask the operating system to put everything on the disk."""
        try:
            os.fsync(self._file)
        except OSError:
            return  # a pipe or device has nothing to sync; a failing disk shows itself at the next write

    def close(self) -> None:
        """Sync and close."""
        if self._file >= 0:
            self.sync()
            os.close(self._file)
            self._file = -1
