"""Shows a recording: from its pictures, or by dreaming it again, or both side by side; with a time line and keys.

Where there are no pictures, the dream runs ahead on a thread of its own and its pictures wait in a
temporary file, so that one can go back and forth in it. A person can take over at any tick. Knows nothing
about devices.
"""

import math
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import numpy as np

from dreamloop.input.errors import DreamloopError
from dreamloop.input.schema import ActionSchema
from dreamloop.model.frame_codec import decode_frame, encode_frame
from dreamloop.model.recording import Recording
from dreamloop.model.stage import Stage
from dreamloop.model.world_model import Frame
from dreamloop.runtime.clock import Clock
from dreamloop.runtime.headless import GameWindow
from dreamloop.runtime.redream import Redream
from dreamloop.runtime.replay_bar import bar_share, draw_bar, draw_inputs
from dreamloop.runtime.timeline import Timeline

TICK_S = 1 / 120  # between two looks at the keys
GREY = 40  # of a picture that nobody has
HELP = "space pause   , . step   arrows seek   up down speed   m marks   i inputs   Enter play on from here"


class Pictures(Protocol):
    """Where a replay's pictures come from."""

    @property
    def ready(self) -> int:
        """Ticks from the beginning on that can be shown now."""
        ...

    def frame(self, index: int) -> Frame:
        """Return the picture of tick ``index`` < ``ready``."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class RecordedPictures:
    """The pictures in the recording; where one is missing, the one before it."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self.ready = len(recording)
        width, height = (int(recording.header.get(name, 0)) or 64 for name in ("width_px", "height_px"))
        self._blank: Frame = np.full((height, width, 3), GREY, np.uint8)

    def frame(self, index: int) -> Frame:
        """Return the picture of tick ``index``, or of the last tick before it that has one."""
        for i in range(index, max(index - 512, -1), -1):
            tick = self._recording.tick(i)
            if tick.has_frame:
                frame = tick.frame
                if frame is not None:
                    return frame
        return self._blank

    def close(self) -> None:
        """Nothing to let go of."""


class DreamedPictures:
    """Pictures dreamed again, ahead of the one who watches, on a thread of their own.

    Args:
        dream: the recording and the model.
        total: ticks in the recording.
        size_px: width and height of what is shown while the state is not known.
    """

    def __init__(self, dream: Redream, total: int, size_px: tuple[int, int]) -> None:
        self._dream, self.total = dream, total
        self.error: DreamloopError | None = None
        self._blank: Frame = np.full((size_px[1], size_px[0], 3), GREY, np.uint8)
        self._spool: BinaryIO = tempfile.TemporaryFile(prefix="dreamloop-replay-")  # noqa: SIM115 (closed in close)
        self._places: list[tuple[int, int]] = []  # offset and length of each picture
        self._lock = threading.Lock()
        self._stop = False
        self._thread = threading.Thread(target=self._work, name="redream", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> int:
        """Ticks dreamed so far."""
        return len(self._places)

    def frame(self, index: int) -> Frame:
        """Return the picture of tick ``index``; the last one dreamed when it is not there yet."""
        with self._lock:
            if not self._places:
                return self._blank
            offset, length = self._places[min(index, len(self._places) - 1)]
            self._spool.seek(offset)
            return decode_frame(self._spool.read(length))

    def wait(self) -> None:
        """Wait until everything is dreamed.

        Raises:
            DreamloopError: the dream failed.
        """
        self._thread.join()
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Stop dreaming and remove the temporary file."""
        self._stop = True
        self._thread.join()
        self._spool.close()

    def _work(self) -> None:
        offset = 0
        try:
            for dreamed in self._dream:
                packed = encode_frame(self._blank if dreamed.frame is None else dreamed.frame, "lossless")
                with self._lock:
                    self._spool.seek(offset)
                    self._spool.write(packed)
                    self._places.append((offset, len(packed)))
                offset += len(packed)
                if self._stop:
                    return
        except DreamloopError as error:
            self.error = error


class DrawnPictures:
    """Pictures as the stages of the world draw them. They are recorded as the dynamics made them."""

    def __init__(self, pictures: Pictures, stages: Sequence[Stage]) -> None:
        self._pictures, self._stages = pictures, stages

    @property
    def ready(self) -> int:
        """As many as there are to draw."""
        return self._pictures.ready

    @property
    def error(self) -> DreamloopError | None:
        """Why dreaming them again failed."""
        return getattr(self._pictures, "error", None)

    def frame(self, index: int) -> Frame:
        """Return the picture of tick ``index``, drawn."""
        frames = self._pictures.frame(index)[np.newaxis]
        for stage in self._stages:
            frames = stage.draw(frames)
        drawn: Frame = frames[0]
        return drawn

    def close(self) -> None:
        """Close what they are drawn from."""
        self._pictures.close()


class SideBySide:
    """Two or more sources of pictures next to each other, the heights made equal by whole-number or nearest
    scaling.
    """

    def __init__(self, parts: Sequence[Pictures]) -> None:
        self._parts = parts

    @property
    def ready(self) -> int:
        """Ticks that all of them have."""
        return min(part.ready for part in self._parts)

    @property
    def error(self) -> DreamloopError | None:
        """Why one of them cannot go on; None when all is well."""
        return next((error for part in self._parts if (error := getattr(part, "error", None))), None)

    def frame(self, index: int) -> Frame:
        """Return the pictures of tick ``index`` in one row."""
        return beside([part.frame(index) for part in self._parts])

    def close(self) -> None:
        """Close all of them."""
        for part in self._parts:
            part.close()


def beside(frames: Sequence[Frame]) -> Frame:
    """Return frames (h, w, 3) in one row, as high as the highest; smaller ones are enlarged without
    smoothing.
    """
    height = max(frame.shape[0] for frame in frames)
    rows = []
    for frame in frames:
        h, w = frame.shape[:2]
        width = round(w * height / h)
        down = np.arange(height) * h // height
        across = np.arange(width) * w // width
        rows.append(frame if h == height else frame[down[:, None], across])
    return np.ascontiguousarray(np.concatenate(rows, axis=1))


@dataclass(frozen=True, slots=True)
class ReplayEnd:
    """How a replay in a window ended."""

    index: int  # the tick that was showing
    take_over: bool  # the person wants to play on from there


class Replay:
    """A recording in a window.

    Args:
        recording: what is shown.
        pictures: where its pictures come from.
        window: where it is shown; the headless twin will do.
        clock: what paces it.
    """

    def __init__(self, recording: Recording, pictures: Pictures, window: GameWindow, clock: Clock) -> None:
        self._recording, self._pictures = recording, pictures
        self._window, self._clock = window, clock
        rate_hz = float(recording.header.get("rate_hz", 30.0))
        self.timeline = Timeline(len(recording), rate_hz, [mark.at for mark in recording.marks])
        self._schema = _schema_of(recording)
        self._inputs = self._schema is not None
        self._take_over = False
        self._shown = -1
        self._drawn: tuple[object, ...] = ()
        self._keys: dict[str, Callable[[], None]] = {
            "space": self.timeline.toggle,
            "p": self.timeline.toggle,
            ".": lambda: self.timeline.step(1),
            ",": lambda: self.timeline.step(-1),
            "right": lambda: self.timeline.skip(2.0),
            "left": lambda: self.timeline.skip(-2.0),
            "pageup": lambda: self.timeline.skip(-20.0),
            "pagedown": lambda: self.timeline.skip(20.0),
            "home": lambda: self.timeline.seek(0),
            "end": lambda: self.timeline.seek(math.inf),
            "up": lambda: self.timeline.change_speed(1),
            "down": lambda: self.timeline.change_speed(-1),
            "m": lambda: self.timeline.jump(1),
            "n": lambda: self.timeline.jump(-1),
            "i": self._toggle_inputs,
            "return": self._play_on,
            "escape": window.close,
            "q": window.close,
        }

    def run(self) -> ReplayEnd:
        """Show the recording until the window is closed or the person takes over (then it stays open).

        Raises:
            DreamloopError: dreaming again failed.
        """
        self._window.taker = self._take
        then_s = self._clock.now_s()
        while self._window.is_open and not self._take_over:
            self._window.pump()
            now_s = self._clock.now_s()
            self._advance(now_s - then_s)
            then_s = now_s
            self._draw()
            self._clock.sleep(TICK_S)
        self._window.taker = None
        for layer in ("replay", "inputs"):
            self._window.set_layer(layer, None)
        return ReplayEnd(self.timeline.index, self._take_over)

    def _take(self, key: str, spot: tuple[int, int] | None) -> None:
        if spot is not None:
            share = bar_share(spot, self._window.size_px, self._window.unit)
            if share is not None:
                self.timeline.seek(share * (self.timeline.length - 1))
        elif key in self._keys:
            self._keys[key]()

    def _advance(self, dt_s: float) -> None:
        """Move on, but not beyond what has been dreamed."""
        error = getattr(self._pictures, "error", None)
        if error is not None:
            raise error
        if self.timeline.index + 1 < self._pictures.ready or self._pictures.ready >= self.timeline.length:
            self.timeline.advance(dt_s)

    def _draw(self) -> None:
        index = min(self.timeline.index, max(self._pictures.ready - 1, 0))
        timeline, window = self.timeline, self._window
        look = (index, timeline.playing, timeline.speed, self._pictures.ready, window.size_px, self._inputs)
        if look != self._drawn:
            self._drawn = look
            marks = [(mark.at, mark.kind) for mark in self._recording.marks]
            ready = self._pictures.ready / max(timeline.length, 1)
            window.set_layer("replay", draw_bar(timeline, marks, ready, HELP, window.size_px, window.unit), "bottom")
            if self._inputs and self._schema is not None and timeline.length:
                values = zip(self._schema.columns, self._recording.tick(index).action.tolist(), strict=True)
                window.set_layer("inputs", draw_inputs(list(values), window.unit), "top-right")
            window.show(self._pictures.frame(index))

    def _toggle_inputs(self) -> None:
        self._inputs = not self._inputs
        if not self._inputs:
            self._window.set_layer("inputs", None)

    def _play_on(self) -> None:
        self._take_over = True


def _schema_of(recording: Recording) -> ActionSchema | None:
    try:
        schema = ActionSchema.from_dict(recording.header["schema"])
    except (KeyError, DreamloopError):
        return None
    return schema if not len(recording) or schema.size == recording.tick(0).action.size else None
