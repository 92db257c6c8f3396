"""Recordings as JSON lines beside a film, and back: the form that any tool can read.

A folder with ``ticks.jsonl`` and ``frames.mp4``. The first line is ``{"dreamloop": header}``; then a line
per tick or mark, in order. Actions come back exactly, pictures as good as the film's codec. Films with
JSON lines of others come in too: a line per frame with an ``action`` (numbers in the schema's layout, or
control names with values).
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dreamloop.input.errors import DreamloopError
from dreamloop.input.schema import ActionSchema
from dreamloop.input.state import InputState
from dreamloop.model.recording import Recording, RecordingWriter, Tick, frame_hash
from dreamloop.model.whole_file import whole_file
from dreamloop.model.world_model import Action, Frame
from dreamloop.runtime.video import VideoWriter, read_video

TICKS, FRAMES = "ticks.jsonl", "frames.mp4"


class ImportDataError(DreamloopError):
    """Data of another program that cannot become a recording."""


def export_jsonl(
    recording: Recording,
    out: Path,
    ticks: range,
    frame_of: Callable[[int], Frame],
    *,
    lossless: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write ``ticks`` of a recording to the folder ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    rate_hz = float(recording.header.get("rate_hz") or 30.0)
    header = dict(recording.header)
    if ticks.start:
        header |= {"initial_frame": False, "first_tick": recording.tick(ticks.start).state.tick}
    marks = [mark for mark in recording.marks if ticks.start <= mark.at <= ticks.stop]
    with (
        (out / TICKS).open("w", encoding="utf-8") as lines,
        VideoWriter(out / FRAMES, rate_hz, lossless=lossless) as film,
    ):
        lines.write(_line({"dreamloop": header}))
        for i in ticks:
            while marks and marks[0].at <= i:
                mark = marks.pop(0)
                lines.write(_line({"mark": mark.kind, "values": dict(mark.values)}))
            tick = recording.tick(i)
            picture = film.frames if tick.has_frame or header.get("frames") == "none" else None
            lines.write(_line(_tick(tick, picture)))
            if picture is not None:
                film.add(frame_of(i))
            report(i + 1 - ticks.start, len(ticks))
        for mark in marks:
            lines.write(_line({"mark": mark.kind, "values": dict(mark.values)}))


def import_jsonl(source: Path, out: Path, schema: ActionSchema | None = None, rate_hz: float | None = None) -> int:
    """Turn JSON lines and the film beside them into a recording; return its number of ticks.

    Args:
        source: a folder with ``ticks.jsonl`` and ``frames.mp4``, or a ``.jsonl`` file with the film of the same name.
        out: the new recording.
        schema: action layout of lines that name controls, and of the recording when the lines do not tell.
        rate_hz: ticks per second, when the lines do not tell.

    Raises:
        ImportDataError: lines that are no JSON or no ticks, or fewer frames than lines that name one.
        VideoError: the film cannot be read.
    """
    text, film = (source / TICKS, source / FRAMES) if source.is_dir() else (source, source.with_suffix(".mp4"))
    lines = _read_lines(text)
    first = next(lines, None)
    if first is None:
        raise ImportDataError(f"{text} is empty")
    if "dreamloop" in first[1]:
        header = {**json_plain(first[1]["dreamloop"]), "imported_from": "jsonl"}
    else:
        header = {"source": "import", "imported_from": "jsonl", "initial_frame": False}
        lines = _chain(first, lines)
    if schema is not None and "schema" not in header:
        header |= {"schema": schema.to_dict(), "fingerprint": schema.fingerprint}
    if rate_hz is not None:
        header["rate_hz"] = rate_hz
    header.pop("frames", None)
    if out.exists():
        raise ImportDataError(f"{out} exists already; choose another name, nothing is overwritten")
    with whole_file(out) as scratch:
        return _write_all(scratch, header, lines, _Frames(film), schema, text)


def _write_all(
    path: Path,
    header: Mapping[str, Any],
    lines: Iterator[tuple[int, dict[str, Any]]],
    frames: "_Frames",
    schema: ActionSchema | None,
    source: Path,
) -> int:
    with RecordingWriter(path, header, replace=True) as writer:
        for number, line in lines:
            if "mark" in line:
                writer.mark(str(line["mark"]), **json_plain(line.get("values", {})))
            else:
                _write(writer, line, schema, frames, f"{source}, line {number}")
        return writer.ticks


class _Frames:
    """The frames of a film, asked for in rising order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frames = read_video(path)
        self._next = 0

    @property
    def next(self) -> int:
        """Number of the frame that comes next."""
        return self._next

    def frame(self, index: int) -> Frame:
        """Return frame ``index``, at or after the last one asked for."""
        for frame in self._frames:
            self._next += 1
            if self._next > index:
                return frame
        raise ImportDataError(f"{self._path} has {self._next} frames, the lines ask for frame {index}")


def _write(
    writer: RecordingWriter, line: Mapping[str, Any], schema: ActionSchema | None, frames: _Frames, where: str
) -> None:
    try:
        index = line.get("frame", frames.next)
        picture = None if index is None else frames.frame(int(index))
        if picture is not None and "size" in line:
            w, h = line["size"]
            picture = picture[:h, :w]
        hashed = bytes.fromhex(line["hash"]) if "hash" in line else b"" if picture is None else frame_hash(picture)
        state = InputState.from_dict(line.get("state", {"tick": writer.ticks}))
        action = _action(line["action"], schema)
        extra = json_plain(line.get("extra", {}))
        writer.tick(state, action, picture, hashed, dict(line.get("timings", {})), extra)
    except (KeyError, ValueError, TypeError) as error:
        raise ImportDataError(f"{where} is no tick: {error!r}") from error


def _action(values: Any, schema: ActionSchema | None) -> Action:
    if not isinstance(values, Mapping):
        return np.asarray(values, np.float32)
    if schema is None:
        raise ImportDataError("lines that name controls need an action schema; give one with --schema or --world")
    return schema.vector(**{str(name): float(value) for name, value in values.items()})


def _tick(tick: Tick, picture: int | None) -> dict[str, Any]:
    line: dict[str, Any] = {
        "tick": tick.index,
        "frame": picture,
        "action": [float(value) for value in tick.action],
        "state": tick.state.to_dict(),
        "timings": dict(tick.timings),
        "extra": dict(tick.extra),
    }
    if tick.frame_hash:
        line["hash"] = tick.frame_hash.hex()
    if picture is not None and tick.frame is not None and (tick.frame.shape[0] % 2 or tick.frame.shape[1] % 2):
        line["size"] = [tick.frame.shape[1], tick.frame.shape[0]]
    return {name: value for name, value in line.items() if value != {}}


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, default=json_bytes, separators=(",", ":"), ensure_ascii=False) + "\n"


def json_bytes(value: Any) -> Any:
    """Return bytes as ``{"base64": ...}``, for ``json.dumps(default=...)``; :func:`json_plain` undoes it."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    raise ImportDataError(f"a {type(value).__name__} cannot be written as JSON")


def json_plain(value: Any) -> Any:
    """Turn ``{"base64": ...}`` back into bytes, all the way down."""
    if isinstance(value, dict):
        if set(value) == {"base64"}:
            return base64.b64decode(value["base64"])
        return {name: json_plain(part) for name, part in value.items()}
    return [json_plain(part) for part in value] if isinstance(value, list) else value


def _read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                if text.strip():
                    value = json.loads(text)
                    if not isinstance(value, dict):
                        raise ImportDataError(f"{path}, line {number} is no JSON object")
                    yield number, value
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ImportDataError(f"cannot read {path}: {error}") from error


def _chain(
    first: tuple[int, dict[str, Any]], rest: Iterator[tuple[int, dict[str, Any]]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    yield first
    yield from rest
