"""What a recorder has in hand, in a file mapped into memory: it outlives a process that is killed.

The loop only queues; the recorder's thread writes. What waits in that queue would die with the process, so the loop
copies it into pages that belong to the system and not to the process: some microseconds, no call that could wait for a
disk. The file lies beside the recording while that is being written, holds the last thousand ticks or so, and goes
when the recording is closed. `dreamloop recordings repair` takes from it what the recording lacks. Knows no threads.
"""

import mmap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamloop.model.framing import FramedBytes, Record, RecordingError, pack_record, unpack_payload
from dreamloop.model.recording import Mark
from dreamloop.model.recording_layout import MARK
from dreamloop.model.tick_codec import TICK, TickData, TickDecoder, TickEncoder

SUFFIX = ".inflight"
SIZE = 1 << 18
LONGEST = 1 << 12  # bytes in one value of a mark; what is longer (a saved game) is left out

Entry = tuple[int, TickData | Mark]  # ticks that come before it, and what it is


def path_beside(recording: Path) -> Path:
    """Return the file that belongs to a recording."""
    return recording.with_name(recording.name + SUFFIX)


class InFlight:
    """A ring of records; the newest overwrite the oldest."""

    def __init__(self, recording: Path) -> None:
        """Make the file and touch all its pages, so that no later touch has to wait.

        Raises:
            OSError: the file system cannot do it; a recorder then goes without.
        """
        self._path = path_beside(recording)
        with open(self._path, "w+b") as file:
            file.write(bytes(SIZE))
            file.flush()
            self._pages = mmap.mmap(file.fileno(), SIZE)
        self._at, self._count = 0, 0

    def tick(self, number: int, data: TickData) -> None:
        """Keep a tick that ``number`` ticks come before."""
        self._put([TICK, number, TickEncoder().encode(data)])

    def mark(self, number: int, kind: str, values: Mapping[str, Any]) -> None:
        """Keep a mark that ``number`` ticks come before."""
        short = {name: value for name, value in values.items() if not isinstance(value, bytes) or len(value) <= LONGEST}
        self._put([MARK, number, kind, short])

    def close(self, remove: bool) -> None:
        """Let the pages go, and with ``remove`` the file, when everything is in the recording."""
        self._pages.close()
        if remove:
            self._path.unlink(missing_ok=True)

    def _put(self, fields: list[Any]) -> None:
        record = pack_record([fields[0], self._count, *fields[1:]], check=False)
        self._count += 1
        if self._at + len(record) > SIZE:
            self._at = 0
        if len(record) <= SIZE:
            self._pages[self._at : self._at + len(record)] = record
            self._at += len(record)


def read_in_flight(recording: Path, ticks: int, marks: Sequence[Mark]) -> list[Entry]:
    """Return what the file beside ``recording`` knows of after its first ``ticks`` ticks, in order.

    Ticks come without the hash of their picture, which nobody had worked out yet. What has a gap before it is left out.

    Args:
        recording: the recording, not the file beside it.
        ticks: how many it holds.
        marks: those that it holds; none comes twice.
    """
    try:
        data = path_beside(recording).read_bytes()
    except OSError:
        return []
    found: dict[int, list[Any]] = {}
    for record in FramedBytes(data, recording).records(0):
        if isinstance(record, Record):
            fields = _fields(record)
            found[fields[1] if len(fields) > 3 and isinstance(fields[1], int) else -1] = fields
    known = [(mark.at, mark.kind) for mark in marks]
    entries: list[Entry] = []
    for _, fields in sorted(found.items()):
        try:
            entry = _entry(fields, ticks)
        except (RecordingError, IndexError, TypeError, ValueError):
            continue
        if isinstance(entry, TickData):
            entries.append((ticks, entry))
            ticks += 1
        elif entry is not None and (entry.at, entry.kind) not in known:
            entries.append((entry.at, entry))
    return entries


def _fields(record: Record) -> list[Any]:
    try:
        return unpack_payload(record.payload)
    except RecordingError:
        return []


def _entry(fields: list[Any], ticks: int) -> TickData | Mark | None:
    """Return the tick or mark of a record when it is the next one after ``ticks`` ticks."""
    kind, _, number, what = fields[:4]
    if number != ticks:
        return None
    if kind == TICK:
        return TickDecoder().decode(what)
    return Mark(str(what), int(number), dict(fields[4])) if kind == MARK else None
