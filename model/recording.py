"""The one file format: a recorded session is a training episode is a test case.

Writes and reads `.dream` files: a header, one record per tick (what the player did, the action, the hash of the
picture that showed its effect), the pictures if wanted, and marks. Every record goes straight to the operating
system, so a killed process loses at most the one in flight, and whatever a cut or a flipped bit leaves is read.
Knows nothing about windows, models or simulators. The bytes are specified in docs/recording-format.md.

Tick i's frame shows the effect of tick i's action. Where ``header["initial_frame"]`` is true, tick 0 is the frame
of the reset, with an action of zeros.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from dreamloop.input.state import InputState
from dreamloop.model.frame_codec import FrameMode, check_mode, decode_frame, encode_frame, frame_hash
from dreamloop.model.framing import (
    PREAMBLE,
    FramedFile,
    FramedSink,
    Record,
    RecordingError,
    pack_preamble,
    pack_record,
    read_preamble,
    unpack_payload,
)
from dreamloop.model.tick_codec import KEY, KEY_EVERY, TICK, TickData, TickDecoder, TickEncoder
from dreamloop.model.world_model import Action, Frame, Scene

__all__ = ["Gap", "Mark", "Recording", "RecordingError", "RecordingWriter", "Tick", "frame_hash"]

MAGIC = b"\x89DRM\r\n\x1a\n"  # shows at once when a transfer rewrote line ends or stripped the eighth bit
VERSION = 1
SUFFIX = ".dream"
HEADER, MARK, INDEX, FRAME = 0, 2, 3, 4  # kinds of records; TICK is 1
_TAIL = struct.Struct("<Q8s")  # offset of the index, magic
_TAIL_MAGIC = b"DRMINDEX"
_TICK_GUESS_S = 1 / 32  # length of a tick that does not say how long it is, for the sync to disk


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
class Tick:
    """One tick of a recording; its picture is decoded when it is asked for."""

    index: int
    state: InputState
    action: Action  # (a,)
    frame_hash: bytes  # 8 bytes; b"" when unknown
    timings: Mapping[str, float]
    extra: Mapping[str, Any]
    has_frame: bool
    load_frame: Callable[[], Frame | None]

    @property
    def frame(self) -> Frame | None:
        """The picture (h, w, 3) that shows the effect of the action, None when it was not kept.

        Raises:
            RecordingError: the picture is there but damaged.
        """
        return self.load_frame()


class RecordingWriter:
    """Writes one recording, record by record. Not safe to share between threads; runtime/recorder.py owns a thread."""

    def __init__(
        self,
        path: Path,
        header: Mapping[str, Any],
        *,
        frames: FrameMode = "lossless",
        sync_s: float = 1.0,
        replace: bool = False,
        open_sink: Callable[..., FramedSink] = FramedSink,
    ) -> None:
        """Create ``path`` and write its header.

        Args:
            path: the new file; it must not exist unless ``replace``.
            header: msgpack-able facts of the session (names in docs/recording-format.md).
            frames: how pictures are kept.
            sync_s: seconds of world time after which the disk is asked to hold what was written. A killed process
                loses nothing either way; this is about power cuts.
            replace: overwrite a file that exists.
            open_sink: where the bytes go; the seam for tests of full disks.

        Raises:
            RecordingError: the file exists or cannot be written, or the header cannot be packed.
        """
        check_mode(frames)
        record = pack_record([HEADER, {**header, "frames": frames}])
        self.path, self.frames, self.ticks = Path(path), frames, 0
        self._sync_s, self._unsynced_s = sync_s, 0.0
        self._encoder = TickEncoder()
        self._keys: list[int] = []
        self._marks: list[int] = []
        self._sink: FramedSink | None = open_sink(self.path, pack_preamble(MAGIC, VERSION), replace=replace)
        self._sink.append(record)

    @property
    def nbytes(self) -> int:
        """Bytes in the file so far."""
        return self._open().offset

    def tick(
        self,
        state: InputState,
        action: Action,
        frame: Frame | None,
        frame_hash: bytes,  # the argument says what it is; the function of that name is not needed here
        timings: Mapping[str, float] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Append one tick and, unless frames are "none", its picture (h, w, 3) uint8.

        Raises:
            RecordingError: the tick could not be written; the file stands as before, and the call may be repeated.
                When only the picture failed, ``ticks`` has grown and :meth:`mark` can say so.
        """
        data = TickData(state, np.asarray(action, np.float32).reshape(-1), frame_hash, timings or {}, extra or {})
        sink, is_key, offset = self._open(), self._encoder.next_is_key, self._open().offset
        sink.append(pack_record(self._encoder.encode(data)))
        self._encoder.commit(data)
        self.ticks += 1
        if is_key:
            self._keys.append(offset)
        if frame is not None and self.frames != "none":
            sink.append(pack_record([FRAME, encode_frame(frame, self.frames)]))
        self._unsynced_s += state.dt_s if state.dt_s > 0 else _TICK_GUESS_S
        if self._unsynced_s >= self._sync_s:
            sink.sync()
            self._unsynced_s = 0.0

    def mark(self, kind: str, **values: Any) -> None:
        """Append a mark between the ticks written so far and the next; kinds in docs/recording-format.md."""
        sink = self._open()
        offset = sink.offset
        sink.append(pack_record([MARK, kind, values]))
        self._marks.append(offset)

    def close(self) -> None:
        """Write the index and close; a file without it is read too, only slower."""
        if self._sink is None:
            return
        sink, self._sink = self._sink, None
        try:
            lists = [np.array(offsets, "<u8").tobytes() for offsets in (self._keys, self._marks)]
            offset = sink.offset
            sink.append(pack_record([INDEX, self.ticks, *lists]) + _TAIL.pack(offset, _TAIL_MAGIC))
        finally:
            sink.close()

    def abandon(self) -> None:
        """Close without an index, as when the disk is full."""
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def _open(self) -> FramedSink:
        if self._sink is None:
            raise RecordingError(f"{self.path} is closed; nothing can be added to it")
        return self._sink

    def __enter__(self) -> "RecordingWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class _Block:
    """A key tick and the ticks that build on it."""

    first: int  # index of its first tick
    count: int
    offset: int


class Recording:
    """Read access to a recording: lazy, with bounded memory. Open it with :meth:`open`."""

    def __init__(self, file: FramedFile, header: Mapping[str, Any], version: int) -> None:
        self.path = file.path
        self.header = header
        self.version = version
        self.complete = False  # closed properly, with an index
        self.gaps: tuple[Gap, ...] = ()  # what could not be read; empty for a file that was not scanned
        self.marks: tuple[Mark, ...] = ()
        self.frames_mode: str = str(header.get("frames", "none"))
        self._file = file
        self._blocks: list[_Block] = []
        self._cache: tuple[int, list[Tick]] = (-1, [])
        self._actions: NDArray[np.float32] | None = None

    @classmethod
    def open(cls, path: Path, *, scan: bool = False) -> "Recording":
        """Open a recording: by its index, or by reading all of it when it has none (cut, damaged) or on ``scan``.

        Raises:
            RecordingError: not a recording, a newer format, or nothing in it can be read.
        """
        file = FramedFile(Path(path))
        try:
            version = read_preamble(file.bytes_at(0, PREAMBLE.size), MAGIC, VERSION, file.path, "recording")
            record = file.record_at(PREAMBLE.size)
            if record is None or record.kind != HEADER:
                raise RecordingError(f"{path} is cut or damaged in its header (byte {PREAMBLE.size}): nothing to read")
            fields = unpack_payload(record.payload)
            if len(fields) < 2 or not isinstance(fields[1], dict):
                raise RecordingError(f"{path} has a header that is no table of names")
            recording = cls(file, fields[1], version)
            if scan or not recording._read_index(record.end):
                recording._scan(record.end)
        except RecordingError:
            file.close()
            raise
        return recording

    @property
    def lost_bytes(self) -> int:
        """Bytes of the file that cannot be read (known for scanned files)."""
        return sum(gap.to_byte - gap.from_byte for gap in self.gaps)

    @property
    def ticks(self) -> "Ticks":
        """The ticks as a lazy sequence."""
        return Ticks(self)

    @property
    def actions(self) -> NDArray[np.float32]:
        """All actions (t, a)."""
        if self._actions is None:
            rows = [tick.action for tick in self.ticks]
            width = rows[0].size if rows else 0
            if any(row.size != width for row in rows):
                raise RecordingError(f"{self.path} holds actions of different lengths; they make no table")
            self._actions = np.stack(rows) if rows else np.zeros((0, 0), np.float32)
        return self._actions

    @property
    def initial_frame(self) -> bool:
        """True when tick 0 is the frame of a reset and its action is zeros."""
        return bool(self.header.get("initial_frame", False))

    def __len__(self) -> int:
        last = self._blocks[-1] if self._blocks else None
        return last.first + last.count if last else 0

    def frames(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return the pictures of ticks start..stop-1, (t, h, w, 3).

        Raises:
            RecordingError: a tick in that range is outside the recording, or has no picture or another size.
        """
        if not 0 <= start < stop <= len(self):
            raise RecordingError(f"{self.path} has ticks 0 to {len(self) - 1}, asked for {start} to {stop - 1}")
        out: NDArray[np.uint8] | None = None
        for i in range(start, stop):
            frame = self.tick(i).frame
            if frame is None:
                raise RecordingError(f"{self.path} has no picture of tick {i}; replay it with its world's model")
            if out is None:
                out = np.empty((stop - start, *frame.shape), np.uint8)
            if frame.shape != out.shape[1:]:
                raise RecordingError(f"{self.path}: the picture of tick {i} is {frame.shape}, before {out.shape[1:]}")
            out[i - start] = frame
        assert out is not None
        return out

    def scene(self, end: int, context: int) -> Scene:
        """Return the ``context`` frames and actions before tick ``end`` as a place to start from."""
        start = max(end - context, 0)
        actions = np.stack([self.tick(i).action for i in range(start, end)]) if 0 <= start < end <= len(self) else None
        frames = self.frames(start, end)
        assert actions is not None
        return Scene(f"{self.path.stem}@{end}", frames, actions)

    def tick(self, index: int) -> Tick:
        """Return tick ``index``; negative numbers count from the end.

        Raises:
            RecordingError: the tick's bytes are damaged.
            IndexError: no such tick.
        """
        index += len(self) if index < 0 else 0
        if not 0 <= index < len(self):
            raise IndexError(f"tick {index} of {len(self)}")
        number, ticks = self._cache
        if number < 0 or not self._blocks[number].first <= index < self._blocks[number].first + len(ticks):
            number = _last_not_after(self._blocks, index)
            ticks = self._read_block(self._blocks[number])
            self._cache = (number, ticks)
        return ticks[index - self._blocks[number].first]

    def check(self) -> "Recording":
        """Read every byte and return a recording of what is readable, with its gaps."""
        return Recording.open(self.path, scan=True)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "Recording":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def _read_block(self, block: _Block) -> list[Tick]:
        decoder = TickDecoder()
        ticks: list[tuple[TickData, int]] = []
        offset = block.offset
        while True:
            kind = self._file.kind_at(offset)
            if kind == TICK and len(ticks) == block.count or kind < 0:
                break
            if kind == FRAME and ticks:
                ticks[-1] = (ticks[-1][0], offset)
            elif kind == TICK:
                record = self._file.record_at(offset)
                if record is None:
                    break
                ticks.append((decoder.decode(unpack_payload(record.payload)), -1))
            elif kind == INDEX:
                break
            offset = _end_of(self._file, offset)
        if len(ticks) < block.count:
            raise RecordingError(
                f"{self.path} is damaged at byte {offset}, in tick {block.first + len(ticks)}; "
                f"`dreamloop recordings repair {self.path}` keeps the rest"
            )
        return [self._tick(block.first + i, data, at) for i, (data, at) in enumerate(ticks)]

    def _tick(self, index: int, data: TickData, frame_at: int) -> Tick:
        def load() -> Frame | None:
            return None if frame_at < 0 else self._load_frame(index, frame_at)

        return Tick(
            index, data.state, data.action, data.frame_hash, data.timings, data.extra, frame_at >= 0, load
        )

    def _load_frame(self, index: int, offset: int) -> Frame:
        record = self._file.record_at(offset)
        if record is None:
            raise RecordingError(f"{self.path} is damaged at byte {offset}, in the picture of tick {index}")
        fields = unpack_payload(record.payload)
        if len(fields) != 2 or not isinstance(fields[1], bytes):
            raise RecordingError(f"{self.path}: the picture of tick {index} holds no bytes")
        return decode_frame(fields[1])

    def _read_index(self, first: int) -> bool:
        """Fill blocks and marks from the index; False when there is none that makes sense."""
        size = self._file.size
        tail = self._file.bytes_at(max(size - _TAIL.size, 0), _TAIL.size)
        if len(tail) != _TAIL.size or _TAIL.unpack(tail)[1] != _TAIL_MAGIC:
            return False
        record = self._file.record_at(_TAIL.unpack(tail)[0])
        if record is None or record.kind != INDEX or record.end != size - _TAIL.size:
            return False
        try:
            _, count, *lists = unpack_payload(record.payload)
            keys, marks = (np.frombuffer(packed, "<u8").astype(np.int64) for packed in lists)
            self.marks = tuple(self._mark_at(int(offset), record.offset) for offset in marks)
        except (RecordingError, ValueError, TypeError):
            return False
        if len(keys) != -(-count // KEY_EVERY) or any(not first <= key < record.offset for key in keys):
            return False
        sizes = [min(KEY_EVERY, count - i * KEY_EVERY) for i in range(len(keys))]
        self._blocks = [_Block(i * KEY_EVERY, n, int(keys[i])) for i, n in enumerate(sizes)]
        self.complete = True
        return True

    def _mark_at(self, offset: int, limit: int) -> Mark:
        record = self._file.record_at(offset, limit)
        if record is None or record.kind != MARK:
            raise RecordingError(f"{self.path} has no mark at byte {offset}")
        return _mark(unpack_payload(record.payload))

    def _scan(self, first: int) -> None:
        """Fill blocks, marks and gaps by reading every record from byte ``first`` on."""
        scan = _Scan(self._file)
        for item in self._file.records(first):
            scan.add(item)
        scan.finish()
        self._blocks, self.marks, self.gaps = scan.blocks, tuple(scan.marks), tuple(scan.gaps)
        self.complete = scan.complete


class Ticks(Sequence[Tick]):
    """The ticks of a recording; reads as it goes."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def __len__(self) -> int:
        return len(self._recording)

    @overload
    def __getitem__(self, index: int) -> Tick: ...
    @overload
    def __getitem__(self, index: slice) -> list[Tick]: ...
    def __getitem__(self, index: int | slice) -> Tick | list[Tick]:
        if isinstance(index, slice):
            return [self._recording.tick(i) for i in range(*index.indices(len(self)))]
        return self._recording.tick(index)

    def __iter__(self) -> Iterator[Tick]:
        return (self._recording.tick(i) for i in range(len(self)))
