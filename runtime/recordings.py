"""What `dreamloop recordings` does: list, show, stats, repair, and forgetting what a player said or did.

Returns plain data and text; prints nothing. Knows nothing about windows or models.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dreamloop.input.errors import DreamloopError
from dreamloop.input.schema import ActionSchema
from dreamloop.model.recording import SUFFIX, Mark, Recording, RecordingError, RecordingWriter, Tick
from dreamloop.model.tick_codec import TickData
from dreamloop.model.world_model import Frame
from dreamloop.runtime.branches import as_number, short_text, tree
from dreamloop.runtime.hud import clock_label, megabytes
from dreamloop.runtime.in_flight import Entry, path_beside, read_in_flight
from dreamloop.runtime.ring import write_tick

SHEET_PICTURES = 12


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of the list."""

    path: Path
    nbytes: int
    world: str = ""
    source: str = ""  # "play", "simulator", "import"
    ticks: int = 0
    world_s: float = 0.0  # length in world time
    frames: str = ""  # how pictures are kept
    marks: int = 0
    complete: bool = False
    error: str = ""  # why it cannot be read, "" when it can


@dataclass(frozen=True, slots=True)
class ControlStats:
    """How one entry of the action vector was used."""

    name: str
    used: float  # share of ticks in which it was not idle
    mean: float
    p5: float
    p95: float
    histogram: tuple[int, ...]  # ticks in ten equal parts of -1..1


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures of one or more recordings of the same action layout."""

    recordings: int
    ticks: int
    world_s: float
    nbytes: int
    ticks_each: tuple[int, ...]
    with_pictures: int
    controls: tuple[ControlStats, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair came to."""

    path: Path  # the mended file
    ticks: int
    pictures: int
    lost_bytes: int
    gaps: int
    saved: int = 0  # of the ticks, those that were only in the file beside it (runtime/in_flight.py)

    def sentence(self) -> str:
        """Say it in one sentence."""
        lost = f"{self.lost_bytes} bytes in {self.gaps} places were lost" if self.gaps else "nothing was lost"
        saved = f"; the last {self.saved} ticks had not been written yet when it ended" if self.saved else ""
        return f"{self.path} holds {self.ticks} ticks and {self.pictures} pictures; {lost}{saved}"


def find_recordings(places: Iterable[Path]) -> list[Path]:
    """Return the recordings in files and folders (searched all the way down), sorted."""
    found: set[Path] = set()
    for place in places:
        found.update(place.rglob(f"*{SUFFIX}") if place.is_dir() else [place])
    return sorted(found)


def summarise(path: Path) -> Summary:
    """Return what the list says of one file; a broken file is said to be broken, not raised."""
    try:
        nbytes = path.stat().st_size
        with Recording.open(path) as recording:
            header = recording.header
            return Summary(
                path,
                nbytes,
                str(header.get("world", "")),
                str(header.get("source", "")),
                len(recording),
                world_seconds(recording),
                recording.frames_mode,
                len(recording.marks),
                recording.complete,
            )
    except (DreamloopError, OSError) as error:
        return Summary(path, 0, error=str(error))


def world_seconds(recording: Recording) -> float:
    """Return the length of a recording in world time, seconds; 0 when it has no rate."""
    rate_hz = as_number(recording.header.get("rate_hz"))
    return len(recording) / rate_hz if rate_hz else 0.0


def show(recording: Recording) -> list[str]:
    """Return lines about a recording: its facts, how whole it is, and its branches as a tree."""
    header = recording.header
    lines = [
        f"{recording.path}",
        f"  {len(recording)} ticks, {clock_label(world_seconds(recording))} of world time, "
        f"{megabytes(recording.path.stat().st_size)}, pictures: {recording.frames_mode}",
    ]
    lines += [f"  {name}: {short_text(value)}" for name, value in header.items() if name not in ("schema", "frames")]
    if not recording.complete:
        lines.append("  it was not closed: the program was killed, or the file was cut")
        late = read_in_flight(recording.path, len(recording), recording.marks)
        if late:
            lines.append(
                f"  {len(late)} ticks and marks more can be had: `dreamloop recordings repair {recording.path}`"
            )
    for gap in recording.gaps:
        where = f"bytes {gap.from_byte} to {gap.to_byte - 1}"
        lines.append(f"  {where} cannot be read, {gap.at} ticks come before them")
    return [*lines, *tree(recording)]


def stats(paths: Sequence[Path]) -> Stats:
    """Return figures over recordings: lengths, and how each control was used.

    Raises:
        RecordingError: a file cannot be read, or the files have different action layouts.
    """
    lengths, nbytes, seconds, pictures = [], 0, 0.0, 0
    tables: list[np.ndarray[Any, np.dtype[np.float32]]] = []
    columns: tuple[str, ...] = ()
    for path in paths:
        with Recording.open(path) as recording:
            names = control_names(recording)
            if tables and names != columns and len(recording):
                raise RecordingError(f"{path} has another action layout than {paths[0]}; ask for each by itself")
            columns = names if len(recording) else columns
            lengths.append(len(recording))
            seconds += world_seconds(recording)
            nbytes += path.stat().st_size
            pictures += sum(tick.has_frame for tick in recording.ticks)
            if len(recording):
                tables.append(recording.actions)
    actions = np.concatenate(tables) if tables else np.zeros((0, 0), np.float32)
    controls = tuple(_control(name, actions[:, i]) for i, name in enumerate(columns)) if len(actions) else ()
    return Stats(len(paths), sum(lengths), seconds, nbytes, tuple(lengths), pictures, controls)


def _control(name: str, values: np.ndarray[Any, np.dtype[np.float32]]) -> ControlStats:
    p5, p95 = np.percentile(values, (5, 95)).tolist()
    counts, _ = np.histogram(np.clip(values, -1, 1), bins=10, range=(-1, 1))
    used, mean = float((values != 0).mean()), float(values.mean())
    return ControlStats(name, used, mean, p5, p95, tuple(int(count) for count in counts))


def control_names(recording: Recording) -> tuple[str, ...]:
    """Return a name per entry of the recorded actions; "entry 3" where the schema does not tell."""
    size = recording.tick(0).action.size if len(recording) else 0
    try:
        columns = ActionSchema.from_dict(recording.header["schema"]).columns
    except (KeyError, DreamloopError):
        columns = ()
    return columns if len(columns) == size else tuple(f"entry {i}" for i in range(size))


def contact_sheet(recording: Recording, pictures: int = SHEET_PICTURES, across: int = 4) -> Frame:
    """Return one picture (h, w, 3) of pictures evenly spread over the recording, row by row.

    Raises:
        RecordingError: it has no pictures.
    """
    kept = [i for i, tick in enumerate(recording.ticks) if tick.has_frame]
    if not kept:
        raise RecordingError(f"{recording.path} has no pictures; replay it with its world's model")
    chosen = [kept[round(place)] for place in np.linspace(0, len(kept) - 1, min(pictures, len(kept)))]
    first = recording.frames(chosen[0], chosen[0] + 1)[0]
    h, w = first.shape[:2]
    across = min(across, len(chosen))
    sheet = np.zeros((-(-len(chosen) // across) * h, across * w, 3), np.uint8)
    for place, i in enumerate(chosen):
        frame = recording.frames(i, i + 1)[0]
        if frame.shape != first.shape:
            frame = np.asarray(Image.fromarray(frame).resize((w, h)))
        y, x = place // across * h, place % across * w
        sheet[y : y + h, x : x + w] = frame
    return sheet


def repair(path: Path, out: Path | None = None) -> Repair:
    """Write everything that can be read of ``path`` to ``out`` (default: ``<name>-repaired.dream`` beside it).

    Where the recorder was killed, what it had in hand (runtime/in_flight.py) is put behind. The original stays as it
    is; every stretch that had to be left out becomes a "gap" mark.

    Raises:
        RecordingError: nothing can be read, or ``out`` exists.
    """
    out = out or path.with_name(f"{path.stem}-repaired{SUFFIX}")
    pictures = 0

    def keep(tick: Tick) -> tuple[TickData, bytes]:
        nonlocal pictures
        try:
            picture = tick.picture
        except RecordingError:
            picture = b""
        pictures += bool(picture)
        return _data(tick), picture

    with Recording.open(path, scan=True) as recording:
        marks = list(recording.marks)
        for gap in recording.gaps:
            marks.append(Mark("gap", gap.at, {"bytes": gap.to_byte - gap.from_byte}))
        late = read_in_flight(path, len(recording), marks)
        ticks = _copy(recording, out, range(len(recording)), sorted(marks, key=lambda mark: mark.at), keep, late)
        return Repair(out, ticks, pictures, recording.lost_bytes, len(recording.gaps), ticks - len(recording))


def forget_speech(path: Path) -> int:
    """Take every recognised phrase out of a recording, in place; return how many there were.

    What the phrases did (the action) stays, so the recording can still be dreamed again.
    """
    said = 0

    def mute(data: TickData) -> TickData:
        nonlocal said
        said += len(data.state.phrases)
        return replace(data, state=replace(data.state, phrases=()))

    _rewrite(path, None, mute)
    return said


def forget_ticks(path: Path, start: int, stop: int) -> int:
    """Take ticks start..stop-1 out of a recording, in place; return how many are left.

    Marks inside go too. What comes after stands behind a "gap" mark and cannot be dreamed again exactly, for what
    led to it is forgotten.

    Raises:
        RecordingError: there are no such ticks.
    """
    with Recording.open(path) as recording:
        if not 0 <= start < stop <= len(recording):
            raise RecordingError(f"{path} has ticks 0 to {len(recording) - 1}, asked to forget {start} to {stop - 1}")
    return _rewrite(path, range(start, stop), lambda data: data)


def _rewrite(path: Path, without: range | None, change: Callable[[TickData], TickData]) -> int:
    """Write ``path`` anew without some ticks; the old file is replaced only when the new one is whole.

    What a killed recorder had in hand is put behind, changed likewise, and the file beside it goes: it would still
    hold what is to be forgotten.
    """
    scratch = path.with_name(path.name + ".tmp")
    with Recording.open(path) as recording:
        chosen: Sequence[int] = range(len(recording))
        marks = list(recording.marks)
        late = read_in_flight(path, len(recording), marks)
        if without is not None:
            chosen = [i for i in chosen if i not in without]
            marks = [_moved(mark, without) for mark in marks if mark.at not in without]
            marks.append(Mark("gap", without.start, {"bytes": 0}))
            late = [(at, _moved(entry, without) if isinstance(entry, Mark) else entry) for at, entry in late]
        late = [(at, change(entry) if isinstance(entry, TickData) else entry) for at, entry in late]
        scratch.unlink(missing_ok=True)
        ordered = sorted(marks, key=lambda mark: mark.at)
        ticks = _copy(recording, scratch, chosen, ordered, lambda tick: (change(_data(tick)), tick.picture), late)
    os.replace(scratch, path)
    path_beside(path).unlink(missing_ok=True)
    return ticks


def _moved(mark: Mark, without: range) -> Mark:
    """Count a mark's ticks anew after ``without`` is gone; a tick that is gone becomes None."""

    def move(tick: int) -> int | None:
        if tick in without:
            return None
        return tick - len(without) if tick >= without.stop else tick

    values: Mapping[str, Any] = mark.values
    changed = {name: move(values[name]) for name in ("to", "first") if isinstance(values.get(name), int)}
    return Mark(mark.kind, move(mark.at) or 0, {**values, **changed})


def _copy(
    recording: Recording,
    out: Path,
    chosen: Sequence[int],
    marks: Sequence[Mark],
    keep: Callable[[Tick], tuple[TickData, bytes]],
    late: Sequence[Entry] = (),
) -> int:
    """Write chosen ticks and marks of a recording to ``out``, then what came ``late``.

    A mark's place counts in ticks of the new file.
    """
    waiting = list(marks)
    header = {name: value for name, value in recording.header.items() if name != "frames"}
    mode: Any = recording.frames_mode
    with RecordingWriter(out, header, frames=mode if mode in ("jpeg", "none") else "lossless") as writer:
        for i in chosen:
            while waiting and waiting[0].at <= writer.ticks:
                mark = waiting.pop(0)
                writer.mark(mark.kind, **mark.values)
            data, picture = keep(recording.tick(i))
            write_tick(writer, data, picture)
        for mark in waiting:
            writer.mark(mark.kind, **mark.values)
        for _, entry in late:
            if isinstance(entry, TickData):
                write_tick(writer, entry, b"")
            else:
                writer.mark(entry.kind, **entry.values)
        return writer.ticks


def _data(tick: Tick) -> TickData:
    return TickData(tick.state, tick.action, tick.frame_hash, tick.timings, tick.extra)
