"""The doors out: a recording as a film, an animated picture, a strip of pictures, or as data for other programs.

One function per format in one table. Knows nothing about windows; a recording without pictures is dreamed
again by whoever calls (runtime/replay.py) and handed in.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dreamloop.input.errors import DreamloopError, unknown
from dreamloop.model.recording import Mark, Recording, RecordingError, RecordingWriter, frame_hash
from dreamloop.model.world_model import Frame
from dreamloop.runtime.clip import GIF_HZ, gif_durations_ms
from dreamloop.runtime.export_jsonl import export_jsonl
from dreamloop.runtime.export_lerobot import export_lerobot
from dreamloop.runtime.hud import clock_label
from dreamloop.runtime.paint import Picture
from dreamloop.runtime.panels import draw_notice
from dreamloop.runtime.recordings import control_names
from dreamloop.runtime.replay_bar import draw_inputs
from dreamloop.runtime.ring import counted_from
from dreamloop.runtime.video import VideoWriter

FILM_HEIGHT_PX = 480  # at least so high is a film when nobody says otherwise
MAX_GIF_S = 60.0  # a longer one would take gigabytes of memory, and nobody would wait for it
STRIP_PICTURES = 8
CAPTION_S = 2.0  # how long a caption stays
FrameOf = Callable[[int], Frame]


class ExportError(DreamloopError):
    """Something that cannot be exported as asked."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How to export."""

    start: int = 0  # first tick
    stop: int | None = None  # one past the last tick; None: to the end
    scale: int = 0  # film pixels per pixel of the world; 0: as it suits
    inputs: bool = False  # show what the player did
    captions: bool = False  # show what was said and marked
    hud: bool = False  # show time, tick and how long the model took
    lossless: bool = False  # films: keep every bit
    pictures: int = STRIP_PICTURES  # of a strip


@dataclass(frozen=True, slots=True)
class _Task:
    """Everything that a format needs."""

    recording: Recording
    out: Path
    options: ExportOptions
    frame_of: FrameOf
    start: int
    stop: int
    report: Callable[[int, int], None]
    dreamed: bool  # the pictures are not the recorded ones

    @property
    def rate_hz(self) -> float:
        return float(self.recording.header.get("rate_hz") or 30.0)


def export(
    recording: Recording,
    to: str,
    out: Path | None = None,
    options: ExportOptions | None = None,
    *,
    frame_of: FrameOf | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Export a recording and return the path of the file or folder.

    Args:
        recording: what to export.
        to: one of ``FORMATS``.
        out: where to; None takes the recording's own name beside it.
        options: how.
        frame_of: gives the picture of a tick; None takes those in the recording. For recordings without pictures,
            hand in ``DreamedPictures(...).frame``.
        report: called with ticks done and ticks in all.

    Raises:
        ExportError: an unknown format, or a range of ticks that is not there.
        RecordingError: the recording has no pictures.
        MissingPartError: what the format needs is not installed.
    """
    if to not in FORMATS:
        raise ExportError(unknown("export format", to, FORMATS))
    options = options or ExportOptions()
    suffix, work = FORMATS[to]
    stop = len(recording) if options.stop is None else options.stop
    if not 0 <= options.start < stop <= len(recording):
        last = len(recording) - 1
        raise ExportError(f"{recording.path} has ticks 0 to {last}, asked for {options.start} to {stop - 1}")
    out = out or recording.path.with_name(recording.path.stem + suffix)
    frames, there = frame_of or recorded_frames(recording), out.exists()
    try:
        work(_Task(recording, out, options, frames, options.start, stop, report, dreamed=frame_of is not None))
    except DreamloopError:
        if out.is_file() and not there:
            out.unlink()  # half a film is no film
        raise
    return out


def recorded_frames(recording: Recording) -> FrameOf:
    """Return a function that gives a tick's recorded picture; where one was dropped, the one before it."""
    last: list[Frame] = []

    def frame_of(index: int) -> Frame:
        frame = recording.tick(index).frame
        if frame is None and not last:
            raise RecordingError(
                f"{recording.path} has no picture of tick {index}; export it with --dream, which dreams it again"
            )
        if frame is not None:
            last[:] = [frame]
        return last[0]

    return frame_of


def _film(task: _Task) -> None:
    with VideoWriter(task.out, task.rate_hz, lossless=task.options.lossless) as film:
        for i, frame in _dressed_frames(task):
            film.add(frame)
            task.report(i + 1 - task.start, task.stop - task.start)


def _gif(task: _Task) -> None:
    seconds = (task.stop - task.start) / task.rate_hz
    if seconds > MAX_GIF_S:
        raise ExportError(
            f"a gif of {seconds:.0f} s is too long (at most {MAX_GIF_S:.0f} s); give a range of ticks, or take mp4"
        )
    every = max(round(task.rate_hz / GIF_HZ), 1)
    images: list[Image.Image] = []
    for i, frame in _dressed_frames(task):
        if (i - task.start) % every == 0:
            images.append(Image.fromarray(frame).quantize(dither=Image.Dither.NONE))
        task.report(i + 1 - task.start, task.stop - task.start)
    task.out.parent.mkdir(parents=True, exist_ok=True)
    shown_ms = gif_durations_ms(len(images), every / task.rate_hz)
    images[0].save(task.out, save_all=True, append_images=images[1:], duration=shown_ms, loop=0)


def _strip(task: _Task) -> None:
    count = max(min(task.options.pictures, task.stop - task.start), 1)
    chosen = [round(place) for place in np.linspace(task.start, task.stop - 1, count)]
    dress = _Dresser(task)
    frames = [dress(i, task.frame_of(i)) for i in chosen]
    task.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(frames, axis=1)).save(task.out)
    task.report(1, 1)


def _jsonl(task: _Task) -> None:
    ticks = range(task.start, task.stop)
    export_jsonl(task.recording, task.out, ticks, task.frame_of, lossless=task.options.lossless, report=task.report)


def _lerobot(task: _Task) -> None:
    if not task.dreamed:
        export_lerobot([task.recording], task.out, within=(task.start, task.stop), report=task.report)
        return
    with tempfile.TemporaryDirectory(prefix="dreamloop-export-") as folder:
        path = Path(folder) / task.recording.path.name
        _with_pictures(replace(task, out=path))
        with Recording.open(path) as recording:
            export_lerobot([recording], task.out, report=task.report)


def _with_pictures(task: _Task) -> None:
    """Write the recording anew with the pictures of ``frame_of``: played with one model, drawn by another."""
    recording = task.recording
    header = {name: value for name, value in recording.header.items() if name != "frames"}
    if task.start:
        header |= {"initial_frame": False, "first_tick": recording.tick(task.start).state.tick}
    marks = [mark for mark in recording.marks if task.start <= mark.at < task.stop]
    with RecordingWriter(task.out, header) as writer:
        for i in range(task.start, task.stop):
            while marks and marks[0].at <= i:
                mark = marks.pop(0)
                writer.mark(mark.kind, **counted_from(mark.values, task.start))
            tick, frame = recording.tick(i), task.frame_of(i)
            writer.tick(tick.state, tick.action, frame, frame_hash(frame), tick.timings, tick.extra)
            task.report(i + 1 - task.start, task.stop - task.start)


FORMATS: Mapping[str, tuple[str, Callable[[_Task], None]]] = {
    "mp4": (".mp4", _film),
    "gif": (".gif", _gif),
    "png": (".png", _strip),
    "jsonl": ("-jsonl", _jsonl),
    "lerobot": ("-lerobot", _lerobot),
    "dream": ("-pictures.dream", _with_pictures),
}  # name -> (end of the default file name, what does it)


def _dressed_frames(task: _Task) -> Any:
    dress = _Dresser(task)
    for i in range(task.start, task.stop):
        yield i, dress(i, task.frame_of(i))


class _Dresser:
    """Enlarges frames and lays over them what was asked for."""

    def __init__(self, task: _Task) -> None:
        self._task = task
        self._columns = control_names(task.recording) if task.options.inputs else ()
        self._marks = [mark for mark in task.recording.marks if mark.kind in ("bookmark", "reset", "branch", "load")]
        self._said: list[tuple[int, str]] = []  # tick and words of the captions that show

    def __call__(self, index: int, frame: Frame) -> Frame:
        """Return the film's picture of tick ``index``."""
        options = self._task.options
        bare = not (options.inputs or options.captions or options.hud)
        least = 1 if bare and options.lossless else -(-FILM_HEIGHT_PX // frame.shape[0])
        scale = options.scale or max(least, 1)
        large = frame.repeat(scale, axis=0).repeat(scale, axis=1) if scale > 1 else frame
        layers = list(self._layers(index, large.shape[1], large.shape[0]))
        if not layers:
            return large
        image = Image.fromarray(large).convert("RGBA")
        for picture, (x, y) in layers:
            image.alpha_composite(Image.fromarray(picture), (max(x, 0), max(y, 0)))
        return np.asarray(image.convert("RGB"))

    def _layers(self, index: int, width: int, height: int) -> Sequence[tuple[Picture, tuple[int, int]]]:
        """Return the pictures to lay over, each with the place of its top left corner."""
        options, unit = self._task.options, max(min(height / 620, width / 620), 0.4)
        margin = round(12 * unit)
        layers: list[tuple[Picture, tuple[int, int]]] = []
        if options.inputs:
            values = zip(self._columns, self._task.recording.tick(index).action.tolist(), strict=True)
            picture = _cut(draw_inputs(list(values), unit), width, height)
            layers.append((picture, (width - picture.shape[1] - margin, margin)))
        if options.hud:
            picture = _cut(draw_notice([self._facts(index)], unit, width - 2 * margin), width, height)
            layers.append((picture, (margin, margin)))
        words = self._words(index) if options.captions else ""
        if words:
            picture = _cut(draw_notice([words], 1.2 * unit, width - 2 * margin), width, height)
            layers.append((picture, ((width - picture.shape[1]) // 2, height - picture.shape[0] - margin)))
        return layers

    def _facts(self, index: int) -> str:
        timings = self._task.recording.tick(index).timings
        facts = [clock_label(index / self._task.rate_hz), f"tick {index}"]
        if "model_done_s" in timings and "model_started_s" in timings:
            facts.append(f"model {1e3 * (timings['model_done_s'] - timings['model_started_s']):.1f} ms")
        return "   ".join(facts)

    def _words(self, index: int) -> str:
        """What was said or marked within the last seconds."""
        tick = self._task.recording.tick(index)
        self._said += [(index, f'"{phrase}"') for phrase in tick.state.phrases]
        self._said += [(index, _caption(mark)) for mark in self._marks if mark.at == index]
        since = index - CAPTION_S * self._task.rate_hz
        self._said = [(at, words) for at, words in self._said if at > since][-3:]
        return "   ".join(words for _, words in self._said)


def _caption(mark: Mark) -> str:
    text = str(mark.values.get("text") or "")
    return text or {"branch": str(mark.values.get("by", "rewind")), "reset": "start over"}.get(mark.kind, mark.kind)


def _cut(picture: Picture, width: int, height: int) -> Picture:
    """Return a layer that is no larger than the frame it lies on."""
    return picture[:height, :width]
