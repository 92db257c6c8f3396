"""The one file format: a recorded session is a training episode is a test case.

Writes and reads `.dream` files: a header, one record per tick (what the player did, the action, the hash
of the picture that showed its effect), the pictures if wanted, and marks. Every record goes straight to
the operating system, so a killed process loses at most the one in flight, and whatever a cut or a flipped
bit leaves is read. Knows nothing about windows, models or simulators. The bytes are specified in
docs/recording-format.md.

Tick i's frame shows the effect of tick i's action. Where ``header["initial_frame"]`` is true, tick 0 is
the frame of the reset, with an action of zeros.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any, TypeGuard, overload

import numpy as np
from numpy.typing import NDArray

from dreamloop.input.state import InputState
from dreamloop.model.distance_codec import inflated, unpack_distances
from dreamloop.model.frame_codec import MAX_FRAME_PX, decode_frame, frame_hash
from dreamloop.model.framing import PREAMBLE, FramedFile, RecordingError, read_preamble, unpack_payload
from dreamloop.model.recording_layout import (
    HEADER,
    MAGIC,
    VERSION,
    Block,
    Gap,
    Layout,
    Mark,
    picture_end,
    read_layout,
)
from dreamloop.model.recording_writer import RecordingWriter
from dreamloop.model.tick_codec import TICK, TickData, TickDecoder
from dreamloop.model.world_model import Action, Doors, Frame, Gesture, Scene

__all__ = ["SUFFIX", "Gap", "Mark", "Recording", "RecordingError", "RecordingWriter", "Tick", "frame_hash"]

SUFFIX = ".dream"
MOST_OF_A_GESTURE = 64  # ticks
BREAKS = frozenset({"reset", "branch", "load", "gap"})  # marks behind which the world does not go on as before


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
    load_picture: Callable[[], bytes]
    max_px: int  # pixels that a picture may have

    @property
    def frame(self) -> Frame | None:
        """The picture (h, w, 3) that shows the effect of the action, None when it was not kept.

        Raises:
            RecordingError: the picture is there but damaged.
        """
        return decode_frame(self.load_picture(), self.max_px) if self.has_frame else None

    @property
    def picture(self) -> bytes:
        """The picture as it is in the file (WebP, PNG or JPEG); b"" when it was not kept.

        Raises:
            RecordingError: the picture is there but damaged.
        """
        return self.load_picture() if self.has_frame else b""


class Recording:
    """Read access to a recording: lazy, with bounded memory. Open it with :meth:`open`."""

    def __init__(self, file: FramedFile, header: Mapping[str, Any], version: int, layout: Layout) -> None:
        self.path = file.path
        self.header = header
        self.version = version
        self.marks = layout.marks
        self.gaps = layout.gaps  # what could not be read; known when the file was scanned
        self.complete = layout.complete  # closed properly, with an index
        sides = [header.get("width_px"), header.get("height_px")]
        told = prod(side if isinstance(side, int) else 1 for side in sides)
        self._max_px = min(max(MAX_FRAME_PX, told), 16 * MAX_FRAME_PX)
        self._file = file
        self._blocks = layout.blocks
        self._cache: tuple[Block, list[Tick]] | None = None
        self._actions: NDArray[np.float32] | None = None

    @classmethod
    def open(cls, path: Path | str, *, scan: bool = False) -> "Recording":
        """Open a recording: by its index, or by reading it all when that is missing or on ``scan``.

        Raises:
            RecordingError: not a recording, a newer format, or nothing in it can be read.
        """
        file = FramedFile(Path(path))
        try:
            version = read_preamble(file.bytes_at(0, PREAMBLE.size), MAGIC, VERSION, file.path, "recording")
            record = file.record_at(PREAMBLE.size)
            fields = unpack_payload(record.payload) if record is not None and record.kind == HEADER else []
            if record is None or len(fields) < 2 or not isinstance(fields[1], dict):
                raise RecordingError(f"{path} is cut or damaged in its header, from byte {PREAMBLE.size} on")
            return cls(file, fields[1], version, read_layout(file, record.end, scan=scan))
        except RecordingError:
            file.close()
            raise

    @property
    def frames_mode(self) -> str:
        """How pictures are kept: "lossless", "jpeg" or "none"."""
        return str(self.header.get("frames", "none"))

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

    def runs(self) -> list[tuple[int, int]]:
        """Return (start, stop) of every stretch of ticks with pictures in which each tick follows from the last.

        A rewind, a reset, a loaded game, a gap or a missing picture ends a stretch: across it there is nothing
        to learn.
        """
        breaks = {mark.at for mark in self.marks if mark.kind in BREAKS} | {gap.at for gap in self.gaps}
        runs: list[tuple[int, int]] = []
        for i, tick in enumerate(self.ticks):
            if not tick.has_frame:
                continue
            if runs and runs[-1][1] == i and i not in breaks:
                runs[-1] = (runs[-1][0], i + 1)
            else:
                runs.append((i, i + 1))
        return runs

    def scene(self, end: int, context: int) -> Scene:
        """Return the ``context`` frames and actions before tick ``end`` as a place to start from.

        A recording that begins with views of the place, as its header says, brings them too.
        """
        start = 0 if self.header.get("views") else max(end - context, 0)
        frames = self.frames(start, end)
        ticks = [self.tick(i) for i in range(start, end)]
        actions = np.stack([tick.action for tick in ticks])
        told = all("pose" in tick.extra for tick in ticks)
        poses = np.array([tick.extra["pose"] for tick in ticks], np.float32) if told else None
        if poses is not None and (poses.shape != (len(ticks), 4) or not np.isfinite(poses).all()):
            poses = None  # the simulator did not know
        distances, heights = self._distances(ticks), [tick.extra.get("height") for tick in ticks]
        clock = ticks[-1].extra.get("clock") if ticks else None
        known = all(isinstance(one, int | float) and math.isfinite(one) for one in heights)
        return Scene(
            f"{self.path.stem}@{end}",
            frames,
            actions,
            poses,
            distances,
            self._places("ground", 3),
            self._overlay(frames.shape[1:3]),
            np.array(heights, np.float32) if known else None,
            self._places("things", 3),
            self._places("walls", 5),
            clock if _whole(clock) else None,
            self._places("items", 4),
            self._gesture((*frames.shape[1:3], 4), actions.shape[1]),
            self._doors(len(ticks), actions.shape[1]) if start == 0 else None,
        )

    def _distances(self, ticks: Sequence[Tick]) -> NDArray[np.float32] | None:
        """Return how far what these ticks show is (t, h, w), None unless all tell it in one size."""
        shape = self.header.get("distance_shape")
        if not (
            isinstance(shape, list) and len(shape) == 2 and all(isinstance(n, int) and 0 < n <= 512 for n in shape)
        ):
            return None
        told = [tick.extra.get("distance") for tick in ticks]
        found = [unpack_distances(one, (shape[0], shape[1])) for one in told if isinstance(one, bytes)]
        whole = [one for one in found if one is not None]
        return np.stack(whole) if len(whole) == len(ticks) else None

    def _places(self, what: str, columns: int) -> NDArray[np.float32] | None:
        """Return where ground, things, walls or items are (n, columns), map units, where it tells (model/room.py)."""
        told = self.header.get(what)
        if not isinstance(told, bytes) or len(told) % (2 * columns):
            return None
        return np.frombuffer(told, "<i2").reshape(-1, columns).astype(np.float32)

    def _gesture(self, size: tuple[int, ...], columns: int) -> Gesture | None:
        """Return what hangs on the camera does when an action asks for it, where the header tells: (t, *size)."""
        told = self.header.get("gesture")
        if not isinstance(told, Mapping):
            return None
        column, ticks, packed = told.get("column"), told.get("ticks"), told.get("shown")
        if not (isinstance(column, int) and isinstance(ticks, int) and isinstance(packed, bytes)):
            return None
        if not (0 <= column < columns and 1 < ticks <= MOST_OF_A_GESTURE):
            return None
        shown, light = inflated(packed, (ticks, *size)), told.get("light")
        light = light if isinstance(light, list) and len(light) == ticks and light[0] == 1 else []
        known = bool(light) and all(isinstance(one, int | float) and 0 < one < 4 for one in light)
        return None if shown is None else Gesture(column, shown, np.array(light, np.float32) if known else None)

    def _doors(self, ticks: int, columns: int) -> Doors | None:
        """Return the doors of the place, and how many first ticks show them shut, where the header tells."""
        told, places = self.header.get("doors"), self._places("door_places", 10)
        if not isinstance(told, Mapping) or places is None:
            return None
        column, speed, waits, pages = (told.get(name) for name in ("column", "speed", "waits", "pages"))
        if not (_whole(column) and _whole(waits) and _whole(pages)):
            return None
        if not (_whole(speed) or isinstance(speed, float)) or not 0 < speed < math.inf:
            return None
        known = 0 <= column < columns and waits > 0 and 0 < pages < ticks and len(places)
        return Doors(column, places, float(speed), waits, pages) if known else None

    def _overlay(self, size: tuple[int, int]) -> NDArray[np.bool_] | None:
        """Return what hangs on the camera (h, w), where it tells that, a bit a pixel."""
        told = self.header.get("overlay")
        if not isinstance(told, bytes) or 8 * len(told) != size[0] * size[1]:
            return None
        return np.unpackbits(np.frombuffer(told, np.uint8)).reshape(size).astype(np.bool_)

    def tick(self, index: int) -> Tick:
        """Return tick ``index``; negative numbers count from the end.

        Raises:
            RecordingError: the tick's bytes are damaged.
            IndexError: no such tick.
        """
        index += len(self) if index < 0 else 0
        if not 0 <= index < len(self):
            raise IndexError(f"tick {index} of {len(self)}")
        block, ticks = self._cache or (Block(0, 0, 0), [])
        if not block.first <= index < block.first + len(ticks):
            block = self._blocks[bisect_right(self._blocks, index, key=lambda block: block.first) - 1]
            ticks = self._read_block(block)
            self._cache = (block, ticks)
        return ticks[index - block.first]

    def check(self) -> "Recording":
        """Read every byte and return a recording of what is readable, with its gaps."""
        return Recording.open(self.path, scan=True)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "Recording":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def _read_block(self, block: Block) -> list[Tick]:
        """Read a key tick and what builds on it; pictures are only located."""
        decoder, offset = TickDecoder(), block.offset
        ticks: list[Tick] = []
        while len(ticks) < block.count:
            record = self._file.record_at(offset)
            if record is None:
                raise self._damage(offset, block.first + len(ticks))
            offset = record.end
            if record.kind == TICK:
                data = decoder.decode(unpack_payload(record.payload))
                end = picture_end(self._file, offset)
                ticks.append(self._tick(block.first + len(ticks), data, offset if end >= 0 else -1))
                offset = max(offset, end)
        return ticks

    def _damage(self, offset: int, index: int) -> RecordingError:
        mend = f"`dreamloop recordings repair {self.path}` keeps the rest"
        return RecordingError(f"{self.path} is damaged at byte {offset}, near tick {index}; {mend}")

    def _tick(self, index: int, data: TickData, frame_at: int) -> Tick:
        def load() -> bytes:
            return self._load_picture(index, frame_at)

        kept = frame_at >= 0
        return Tick(index, data.state, data.action, data.frame_hash, data.timings, data.extra, kept, load, self._max_px)

    def _load_picture(self, index: int, offset: int) -> bytes:
        record = self._file.record_at(offset)
        if record is None:
            raise RecordingError(f"{self.path} is damaged at byte {offset}, in the picture of tick {index}")
        fields = unpack_payload(record.payload)
        if len(fields) != 2 or not isinstance(fields[1], bytes):
            raise RecordingError(f"{self.path}: the picture of tick {index} holds no bytes")
        return fields[1]


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


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
