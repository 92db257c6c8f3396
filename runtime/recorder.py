"""Keeps what happens in a session without ever holding up the loop.

``add`` copies and queues; a thread of its own hashes, encodes and writes. When the disk or the processor
cannot follow, pictures are dropped and the drop is marked; what the player did is never dropped: it waits
in memory until it can be written, and in pages that outlive the process should it be killed
(runtime/in_flight.py). The last minutes are kept in memory whether or not a file is written,
for "that was great: keep it". Knows nothing about windows, models or worlds; time is not read here.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from dreamloop.input.state import InputState
from dreamloop.model.frame_codec import FrameMode, check_mode, encode_frame, frame_hash
from dreamloop.model.framing import RecordingError
from dreamloop.model.recording_writer import RecordingWriter
from dreamloop.model.tick_codec import TickData
from dreamloop.model.world_model import Action, Frame, ModelState
from dreamloop.runtime.in_flight import InFlight
from dreamloop.runtime.ring import Item, KeepItem, MarkItem, Ring, StateItem, TickItem, write_tick

POLL_S = 0.008  # how often the thread looks for work: waking it from the loop would cost the loop its time slice
RETRY_S = 0.5  # pause between attempts to write to a disk that is full
PICTURELESS_TICKS = 64  # after a failed picture, so many ticks go without one before the next attempt
SNAPSHOT_TICKS = 350  # at most between two states in the ring: ten seconds of Doom
SLOW = "disk or processor too slow"  # why pictures are dropped when it refuses none
OpenWriter = Callable[..., RecordingWriter]


class Recorder(Protocol):
    """What a session tells of itself; :class:`SessionRecorder` keeps it, :class:`NullRecorder` does not."""

    note: str  # what the player should know ("disk full: ..."), "" when all is well
    ticks: int  # ticks added so far; a "branch" mark names one of them by its number

    def add(
        self,
        state: InputState,
        action: Action,
        frame: Frame,
        timings: Mapping[str, float] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep one tick; ``frame`` (h, w, 3) uint8 shows the effect of ``action`` (a,)."""
        ...

    def mark(self, kind: str, **values: Any) -> None:
        """Keep something that happened between two ticks."""
        ...

    def snapshot(self, state: ModelState) -> None:
        """Take the model's state behind the last tick, for who wants to dream from there."""
        ...

    def close(self) -> None:
        """Write what is waiting and end the file."""
        ...


class NullRecorder:
    """Keeps nothing."""

    note = ""
    ticks = 0

    def add(
        self,
        state: InputState,
        action: Action,
        frame: Frame,
        timings: Mapping[str, float] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep nothing but the count."""
        self.ticks += 1

    def mark(self, kind: str, **values: Any) -> None:
        """Keep nothing."""

    def snapshot(self, state: ModelState) -> None:
        """Keep nothing."""

    def close(self) -> None:
        """Do nothing."""


class SessionRecorder:
    """Writes a session to a file (``path`` None: to no file) and keeps its last minutes in memory."""

    def __init__(
        self,
        path: Path | None,
        header: Mapping[str, Any],
        *,
        frames: FrameMode = "lossless",
        queue_frames: int = 64,
        ring_ticks: int = 0,
        ring_bytes: int = 96 << 20,
        open_writer: OpenWriter = RecordingWriter,
    ) -> None:
        """Open the file and start the thread.

        Args:
            path: the new file; None keeps only the ring.
            header: facts of the session (docs/recording-format.md).
            frames: how pictures are kept.
            queue_frames: pictures that may wait for the disk; the next ones are dropped, and marked as such.
            ring_ticks: ticks kept in memory for :meth:`keep`; 0 keeps none.
            ring_bytes: bytes that those may take.
            open_writer: opens the file; the seam for tests.

        Raises:
            RecordingError: the file exists or cannot be written.
        """
        check_mode(frames)
        if frames != "none":
            encode_frame(np.zeros((2, 2, 3), np.uint8), frames)  # the first one loads the codec: 50 ms, not in play
        self.note = ""
        self.dropped_frames = 0  # pictures that could not be kept
        self.ticks = 0  # ticks added; a "branch" mark names one of them by its number
        self.path = path
        self._next_snapshot = 0  # ticks from which on another state is worth keeping
        self._header, self._frames, self._open_writer = dict(header), frames, open_writer
        self._writer = open_writer(path, header, frames=frames) if path else None
        self._in_flight: InFlight | None = None
        if path:
            with suppress(OSError):  # a file system without mapped files; a kill then costs what was waiting
                self._in_flight = InFlight(path)
        self._queue_frames = queue_frames
        self._queue: deque[Item] = deque()
        self._queued_frames, self._encoded_frames = 0, 0  # pictures in all: counted by the loop, by the thread
        self._hurry = threading.Event()  # look for work now
        self._idle = threading.Condition()  # notified when the queue has become empty
        self._closing = self._ended = False
        self._waits = False  # for a disk that is full
        self._failing = 0  # ticks to go without pictures after the disk refused one
        self._run_of_drops, self._first_drop, self._why = 0, 0, SLOW
        self._ring = Ring(ring_ticks, ring_bytes)
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    # --- the loop's side ---

    def add(
        self,
        state: InputState,
        action: Action,
        frame: Frame,
        timings: Mapping[str, float] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep one tick; ``frame`` (h, w, 3) shows the effect of ``action`` (a,). Takes microseconds."""
        full = self._queued_frames - self._encoded_frames >= self._queue_frames
        hashed = frame_hash(frame) if full else b""
        data = TickData(state, np.array(action, np.float32), hashed, dict(timings or {}), dict(extra or {}))
        if self._in_flight and not self._closing:
            with suppress(RecordingError):  # what cannot be recorded is said by the thread
                self._in_flight.tick(self.ticks, data)
        self._put(TickItem(self.ticks, data, None if full else _copy(frame)))
        self._queued_frames += not full
        self.ticks += 1

    def mark(self, kind: str, **values: Any) -> None:
        """Keep something that happened between two ticks; kinds in docs/recording-format.md."""
        if self._in_flight and not self._closing:
            with suppress(RecordingError):
                self._in_flight.mark(self.ticks, kind, values)
        self._put(MarkItem(kind, values))

    def snapshot(self, state: ModelState) -> None:
        """Give the ring the state behind the last tick, so that what follows can be dreamed again.

        May be called as often as there is one; some are kept.
        """
        if self._ring.max_ticks and self.ticks >= self._next_snapshot:
            self._next_snapshot = self.ticks + min(SNAPSHOT_TICKS, self._ring.max_ticks // 8)
            self._put(StateItem(state))

    def keep(self, path: Path, done: Callable[[str], None] | None = None) -> None:
        """Write the last minutes to ``path``; ``done`` gets a sentence about it, on the recorder's thread."""
        self._put(KeepItem(path, done or self._say))

    def drain(self, timeout_s: float | None = None) -> bool:
        """Wait until everything queued so far was dealt with; return whether that came to pass."""
        with self._idle:
            self._hurry.set()
            return self._idle.wait_for(lambda: not self._queue or self._ended, timeout_s)

    @property
    def waiting(self) -> int:
        """Entries that the thread has not dealt with yet."""
        return len(self._queue)

    @property
    def nbytes(self) -> int:
        """Bytes in the file so far; 0 without one."""
        return self._writer.nbytes if self._writer and self._thread.is_alive() else 0

    def close(self) -> None:
        """Write what is waiting, end the file and stop the thread.

        Raises:
            RecordingError: the disk refused what was left; the sentence says how many ticks.
        """
        if self._closing:
            return
        self._closing = True
        self._hurry.set()
        self._thread.join()
        lost = sum(isinstance(item, TickItem) for item in self._queue)
        if self._in_flight:
            self._in_flight.close(remove=not lost)
        if lost:
            raise RecordingError(f"{self.path}: the disk refused the last {lost} ticks; all before them are kept")

    def __enter__(self) -> "SessionRecorder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _put(self, item: Item) -> None:
        if not self._closing:
            self._queue.append(item)  # without a lock: the loop must never wait for the thread

    def _say(self, sentence: str) -> None:
        self.note = sentence

    # --- the thread's side ---

    def _work(self) -> None:
        try:
            while not (self._closing and not self._queue):
                if not self._queue:
                    self._rest(POLL_S)
                elif self._take(self._queue[0]):
                    self._queue.popleft()
                elif self._closing:
                    break
                else:  # the disk is full: what the player did waits, pictures do not
                    self._rest(RETRY_S)
        finally:
            if not self._closing:
                self.note = "recording has stopped: something in it failed"
            self._finish()
            with self._idle:
                self._ended = True
                self._idle.notify_all()

    def _rest(self, seconds: float) -> None:
        """Tell those who wait for an empty queue, and do nothing for a moment."""
        if not self._queue:
            with self._idle:
                self._idle.notify_all()
        if self._hurry.wait(seconds) and not self._closing:
            self._hurry.clear()

    def _take(self, item: Item) -> bool:
        """Deal with one entry; False when it has to be tried again."""
        if isinstance(item, TickItem):
            return self._take_tick(item)
        if isinstance(item, MarkItem):
            return self._take_mark(item)
        if isinstance(item, StateItem):
            self._ring.add(item)
        else:
            item.done(self._keep(item.path))
        return True

    def _take_tick(self, tick: TickItem) -> bool:
        self._encode(tick)
        written = self._write_tick(tick) if self._writer else True
        if written and self._ring.max_ticks:
            self._ring.add(tick, len(tick.picture) + 512)
        return written

    def _encode(self, tick: TickItem) -> None:
        """Hash and encode the picture, once, and let the pixels go."""
        frame = tick.frame
        if frame is None:
            return
        data = tick.data
        tick.data = TickData(data.state, data.action, frame_hash(frame), data.timings, data.extra)
        if self._frames != "none":
            tick.picture = encode_frame(frame, self._frames)
        tick.frame = None
        self._encoded_frames += 1

    def _write_tick(self, tick: TickItem) -> bool:
        writer = self._writer
        assert writer is not None
        before = writer.ticks
        picture = b"" if self._failing else tick.picture
        if not self._failing:
            self._why = SLOW
        try:
            write_tick(writer, tick.data, picture)
        except RecordingError as error:
            self._failing = PICTURELESS_TICKS
            self._why = str(error).rpartition(": ")[2]  # the system's words
            if writer.ticks == before:
                self._wait(error)
                return False
            picture = b""
        self._go_on()
        self._failing = max(self._failing - 1, 0)
        self._count_drop(dropped=self._frames != "none" and not picture)
        return True

    def _count_drop(self, *, dropped: bool) -> None:
        """Count pictures that were not kept, and mark the end of each run of them."""
        assert self._writer is not None
        if dropped:
            if not self._run_of_drops:
                self._first_drop = self._writer.ticks - 1
            self.dropped_frames += 1
            self._run_of_drops += 1
            self.note = f"{self._why}: {self.dropped_frames} pictures dropped, actions are kept"
        elif self._run_of_drops:
            count, self._run_of_drops = self._run_of_drops, 0
            self._take_mark(MarkItem("dropped", {"first": self._first_drop, "count": count}))

    def _take_mark(self, mark: MarkItem) -> bool:
        if self._writer:
            try:
                self._writer.mark(mark.kind, **mark.values)
            except RecordingError as error:
                self._wait(error)
                return False
            self._go_on()
        if self._ring.max_ticks:
            self._ring.add(mark, 256)
        return True

    def _wait(self, error: RecordingError) -> None:
        self._waits = True
        self.note = f"recording waits ({len(self._queue)} ticks in memory): {error}"

    def _go_on(self) -> None:
        """Take back what was said while the disk was full."""
        if self._waits:
            self._waits, self.note = False, "recording goes on"

    def _keep(self, path: Path) -> str:
        """Write the ring to ``path`` and return a sentence about it."""
        ticks = [item for item in self._ring.from_snapshot() if isinstance(item, TickItem)]
        if not ticks:
            return "nothing to keep yet"
        header = {**self._header, **self._ring.header()}
        if self._ring.first:
            header = {**header, "initial_frame": False, "first_tick": ticks[0].data.state.tick}
        try:
            with self._open_writer(path, header, frames=self._frames) as writer:
                self._ring.write(writer)
        except RecordingError as error:
            return f"could not keep the last minutes: {error}"
        return f"kept the last {len(ticks)} ticks in {path}"

    def _finish(self) -> None:
        writer = self._writer
        if writer is None:
            return
        if self._run_of_drops:
            self._count_drop(dropped=False)
        try:
            writer.close()
        except RecordingError as error:
            self.note = f"the recording has no index (it is readable all the same): {error}"


def _copy(frame: Frame) -> Frame:
    """Return a copy made without letting go of Python's lock, which the loop would then have to wait for."""
    return np.frombuffer(frame.tobytes(), frame.dtype).reshape(frame.shape)
