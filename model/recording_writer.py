"""Writes a recording, record by record; each goes straight to the system. model/recording.py reads it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from dreamloop.input.state import InputState
from dreamloop.model.frame_codec import FrameMode, check_mode, encode_frame
from dreamloop.model.framing import FramedSink, RecordingError, pack_preamble, pack_record
from dreamloop.model.recording_layout import FRAME, HEADER, INDEX, MAGIC, MARK, TAIL, TAIL_MAGIC, VERSION
from dreamloop.model.tick_codec import TickData, TickEncoder
from dreamloop.model.world_model import Action, Frame

_TICK_GUESS_S = 1 / 32  # length of a tick that does not say how long it is, for the sync to disk


class RecordingWriter:
    """Writes one recording, record by record. For one thread only; runtime/recorder.py gives it one."""

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
            sync_s: seconds of world time after which the disk is asked to hold what was written; a killed
                process loses nothing either way, this is about power cuts.
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
        *,
        picture: bytes = b"",
    ) -> None:
        """Append one tick and, unless frames are "none", its picture (h, w, 3) uint8.

        ``picture`` is the frame already encoded (model/frame_codec.py), in place of ``frame``.

        Raises:
            RecordingError: the tick could not be written; the file is as before and the call may be repeated.
                When only the picture failed, ``ticks`` has grown and :meth:`mark` can say so.
        """
        data = TickData(state, np.asarray(action, np.float32).reshape(-1), frame_hash, timings or {}, extra or {})
        sink, is_key, offset = self._open(), self._encoder.next_is_key, self._open().offset
        if frame is not None and not picture and self.frames != "none":
            picture = encode_frame(frame, self.frames)
        sink.append(pack_record(self._encoder.encode(data)))
        self._encoder.commit(data)
        self.ticks += 1
        if is_key:
            self._keys.append(offset)
        if picture and self.frames != "none":
            sink.append(pack_record([FRAME, picture], check=False))
        self._unsynced_s += state.dt_s if state.dt_s > 0 else _TICK_GUESS_S
        if self._unsynced_s >= self._sync_s:
            sink.sync()
            self._unsynced_s = 0.0

    def mark(self, kind: str, **values: Any) -> None:
        """Append a mark between the ticks written so far and the next; kinds in docs/recording-format.md."""
        sink = self._open()
        offset = sink.offset
        sink.append(pack_record([MARK, kind, self.ticks, values]))
        self._marks.append(offset)

    def close(self) -> None:
        """Write the index and close; a file without it is read too, only slower."""
        if self._sink is None:
            return
        sink, self._sink = self._sink, None
        try:
            lists = [np.array(offsets, "<u8").tobytes() for offsets in (self._keys, self._marks)]
            offset = sink.offset
            sink.append(pack_record([INDEX, self.ticks, *lists]) + TAIL.pack(offset, TAIL_MAGIC))
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
