"""Recordings as a LeRobot v3 data set: parquet, mp4 and meta files, as that project's own reader takes them.

One episode per stretch of a recording in which every tick follows from the last: a rewind ends an episode.

In a recording, action i *led to* picture i; in LeRobot's rows an action is taken *at* the picture beside
it. So row t holds picture t and, as ``action``, the one of tick t + 1 (idle in the last row).
``previous.action`` keeps the action that led to the picture, so that nothing is lost on the way back.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamloop.input.errors import MissingPartError
from dreamloop.model.recording import Recording, RecordingError
from dreamloop.runtime.export_jsonl import json_bytes
from dreamloop.runtime.recordings import control_names
from dreamloop.runtime.video import VideoWriter

CODEBASE = "v3.0"
VIDEO_KEY = "observation.image"
ACTION, PREVIOUS, STATE, REWARD, DONE = "action", "previous.action", "observation.state", "next.reward", "next.done"
POSE = ("x", "y", "angle_deg", "pitch_deg")
OURS = "meta/dreamloop.json"  # headers of the recordings, for the way back
CHUNK_FILES, DATA_MB, VIDEO_MB = 1000, 100, 200
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-000/file-000.parquet"
VIDEO_KEY_EVERY = 8  # frames between two key frames: training jumps about
PICTURE_SAMPLES = 32  # pictures per episode that the statistics look at

Columns = dict[str, NDArray[Any]]


def export_lerobot(
    recordings: Sequence[Recording],
    out: Path,
    *,
    within: tuple[int, int] | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Write recordings to the folder ``out`` and return the number of episodes.

    Args:
        recordings: of one world; pictures of one size and actions of one layout.
        out: a folder that does not exist, or is empty.
        within: only these ticks (first, one past the last) of each recording.
        report: called with ticks done and ticks in all.

    Raises:
        RecordingError: no pictures, different layouts, or ``out`` holds something.
        MissingPartError: PyAV or pyarrow is not installed.
    """
    if out.exists() and any(out.iterdir()):
        raise RecordingError(f"{out} is not empty; choose another folder, nothing is overwritten")
    episodes = [
        (recording, max(start, within[0]) if within else start, min(stop, within[1]) if within else stop)
        for recording in recordings
        for start, stop in recording.runs()
    ]
    episodes = [(recording, start, stop) for recording, start, stop in episodes if stop - start >= 2]
    if not episodes:
        raise RecordingError(f"{recordings[0].path if recordings else out}: there are no two pictures in a row")
    total, done = sum(stop - start for _, start, stop in episodes), 0
    with _DataSet(out, episodes[0][0]) as data:
        for recording, start, stop in episodes:
            data.add(recording, start, stop)
            done += stop - start
            report(done, total)
    return len(episodes)


@dataclass(slots=True)
class _Place:
    """Which of the numbered files is being filled."""

    number: int = 0

    @property
    def names(self) -> dict[str, int]:
        """Chunk and file, as the path patterns call them."""
        return {"chunk_index": self.number // CHUNK_FILES, "file_index": self.number % CHUNK_FILES}


@dataclass(slots=True)
class _Figures:
    """Statistics of one feature, episode by episode."""

    count: int = 0
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None
    total: NDArray[np.float64] | None = None
    squares: NDArray[np.float64] | None = None

    def add(self, values: NDArray[Any]) -> None:
        """Take the values (t, ...) of an episode."""
        wide = values.astype(np.float64)
        low, high, total, squares = wide.min(0), wide.max(0), wide.sum(0), (wide**2).sum(0)
        first = self.count == 0
        self.low = low if first or self.low is None else np.minimum(self.low, low)
        self.high = high if first or self.high is None else np.maximum(self.high, high)
        self.total = total if first or self.total is None else self.total + total
        self.squares = squares if first or self.squares is None else self.squares + squares
        self.count += len(values)

    def read(self) -> dict[str, Any]:
        """Return min, max, mean, std and count as lists."""
        assert self.total is not None
        assert self.squares is not None
        mean = self.total / self.count
        std = np.sqrt(np.maximum(self.squares / self.count - mean**2, 0))
        named = {"min": self.low, "max": self.high, "mean": mean, "std": std}
        lists = {name: np.atleast_1d(value).tolist() for name, value in named.items() if value is not None}
        return {**lists, "count": [self.count]}


class _DataSet:
    """A data set under way."""

    def __init__(self, out: Path, first: Recording) -> None:
        self._arrow, self._parquet = import_pyarrow()
        self._out = out
        self._fps = max(round(float(first.header.get("rate_hz") or 30.0)), 1)
        self._names = control_names(first)
        self._has_pose = len(first.tick(0).extra.get("pose", ())) == len(POSE)
        self._size: tuple[int, int] | None = None  # height and width
        self._data_place, self._video_place = _Place(), _Place()
        self._data: Any = None
        self._video: VideoWriter | None = None
        self._rows = 0
        self._episodes: list[dict[str, Any]] = []
        self._headers: list[dict[str, Any]] = []
        self._tasks: dict[str, int] = {}
        self._figures: dict[str, _Figures] = {}

    def add(self, recording: Recording, start: int, stop: int) -> None:
        """Append ticks start..stop-1 of a recording as one episode."""
        if control_names(recording) != self._names:
            raise RecordingError(f"{recording.path} has another action layout than the first recording")
        video = self._add_video(recording, start, stop)
        columns = self._columns(recording, start, stop)
        task = _task(recording)
        self._tasks.setdefault(task, len(self._tasks))
        columns["task_index"] = np.full(stop - start, self._tasks[task], np.int64)
        figures = {name: _Figures() for name in columns}
        for name, values in columns.items():
            figures[name].add(values)
            self._figures.setdefault(name, _Figures()).add(values)
        stats = {name: one.read() for name, one in figures.items()} | {VIDEO_KEY: video.pop("stats")}
        data = self._add_rows(columns)
        self._episodes.append(
            {
                "episode_index": len(self._episodes),
                "tasks": [task],
                "length": stop - start,
                **data,
                "dataset_from_index": self._rows,
                "dataset_to_index": self._rows + stop - start,
                **video,
                "meta/episodes/chunk_index": 0,
                "meta/episodes/file_index": 0,
                **{f"stats/{name}/{key}": value for name, one in stats.items() for key, value in one.items()},
            }
        )
        header = {name: value for name, value in recording.header.items() if name != "frames"}
        self._headers.append({"recording": recording.path.name, "start": start, "stop": stop, "header": header})
        self._rows += stop - start

    def _columns(self, recording: Recording, start: int, stop: int) -> Columns:
        ticks = [recording.tick(i) for i in range(start, stop)]
        before = np.stack([tick.action for tick in ticks])
        count = stop - start
        columns: Columns = {
            ACTION: np.concatenate([before[1:], np.zeros((1, before.shape[1]), np.float32)]),
            PREVIOUS: before,
            REWARD: np.array([float(tick.extra.get("reward", 0.0)) for tick in ticks], np.float32),
            DONE: np.array([bool(tick.extra.get("ended", False)) for tick in ticks]),
            "timestamp": (np.arange(count) / self._fps).astype(np.float32),
            "frame_index": np.arange(count, dtype=np.int64),
            "episode_index": np.full(count, len(self._episodes), np.int64),
            "index": np.arange(self._rows, self._rows + count, dtype=np.int64),
        }
        if self._has_pose:
            columns[STATE] = np.array([tick.extra["pose"] for tick in ticks], np.float32)
        return columns

    def _add_rows(self, columns: Columns) -> dict[str, int]:
        """Append an episode to the parquet file that is being filled."""
        table = self._arrow.table({name: self._column(values) for name, values in columns.items()})
        path = self._out / DATA_PATH.format(**self._data_place.names)
        if self._data is not None and path.stat().st_size > DATA_MB << 20:
            self._data.close()
            self._data_place.number += 1
            self._data, path = None, self._out / DATA_PATH.format(**self._data_place.names)
        if self._data is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._data = self._parquet.ParquetWriter(path, table.schema, compression="snappy")
        self._data.write_table(table)
        return {f"data/{name}": number for name, number in self._data_place.names.items()}

    def _column(self, values: NDArray[Any]) -> Any:
        if values.ndim == 1:
            return self._arrow.array(values)
        flat = self._arrow.array(values.reshape(-1))
        return self._arrow.FixedSizeListArray.from_arrays(flat, values.shape[1])

    def _add_video(self, recording: Recording, start: int, stop: int) -> dict[str, Any]:
        """Append an episode's pictures to the film that is being filled."""
        if self._video is not None and self._video.path.stat().st_size > VIDEO_MB << 20:
            self._video.close()
            self._video_place.number += 1
            self._video = None
        if self._video is None:
            path = self._out / VIDEO_PATH.format(video_key=VIDEO_KEY, **self._video_place.names)
            self._video = VideoWriter(path, self._fps, key_every=VIDEO_KEY_EVERY)
        first, figures = self._video.frames, _Figures()
        every = max((stop - start) // PICTURE_SAMPLES, 1)
        for i in range(start, stop):
            frame = recording.frames(i, i + 1)[0]
            self._size = self._size or (frame.shape[0], frame.shape[1])
            if frame.shape[:2] != self._size:
                raise RecordingError(f"{recording.path}: picture {i} has another size than the first one")
            self._video.add(frame)
            if (i - start) % every == 0:
                pixels = frame.reshape(-1, 3).astype(np.float32) / 255
                figures.add(pixels)
                self._figures.setdefault(VIDEO_KEY, _Figures()).add(pixels)
        stats = _per_channel(figures.read())
        place = {f"videos/{VIDEO_KEY}/{name}": number for name, number in self._video_place.names.items()}
        return {
            **place,
            f"videos/{VIDEO_KEY}/from_timestamp": first / self._fps,
            f"videos/{VIDEO_KEY}/to_timestamp": self._video.frames / self._fps,
            "stats": stats,
        }

    def _features(self) -> dict[str, Any]:
        height, width = self._size or (0, 0)
        names = list(self._names)
        one = {"shape": [1], "names": None}
        features: dict[str, Any] = {
            VIDEO_KEY: {
                "dtype": "video",
                "shape": [height + height % 2, width + width % 2, 3],
                "names": ["height", "width", "channels"],
                "info": {
                    "video.height": height + height % 2,
                    "video.width": width + width % 2,
                    "video.codec": "h264",
                    "video.pix_fmt": "yuv420p",
                    "video.is_depth_map": False,
                    "video.fps": self._fps,
                    "video.channels": 3,
                    "has_audio": False,
                },
            },
            ACTION: {"dtype": "float32", "shape": [len(names)], "names": names},
            PREVIOUS: {"dtype": "float32", "shape": [len(names)], "names": names},
            REWARD: {"dtype": "float32", **one},
            DONE: {"dtype": "bool", **one},
            "timestamp": {"dtype": "float32", **one},
            **{name: {"dtype": "int64", **one} for name in ("frame_index", "episode_index", "index", "task_index")},
        }
        if self._has_pose:
            features[STATE] = {"dtype": "float32", "shape": [len(POSE)], "names": list(POSE)}
        return features

    def _info(self) -> dict[str, Any]:
        return {
            "codebase_version": CODEBASE,
            "robot_type": None,
            "total_episodes": len(self._episodes),
            "total_frames": self._rows,
            "total_tasks": len(self._tasks),
            "chunks_size": CHUNK_FILES,
            "data_files_size_in_mb": DATA_MB,
            "video_files_size_in_mb": VIDEO_MB,
            "fps": self._fps,
            "splits": {"train": f"0:{len(self._episodes)}"},
            "data_path": DATA_PATH,
            "video_path": VIDEO_PATH,
            "features": self._features(),
        }

    def finish(self) -> None:
        """Write the meta files; without them there is no data set."""
        stats = {name: one.read() for name, one in self._figures.items()}
        stats[VIDEO_KEY] = _per_channel(stats[VIDEO_KEY])
        path = self._out / EPISODES_PATH
        path.parent.mkdir(parents=True, exist_ok=True)
        self._parquet.write_table(self._arrow.Table.from_pylist(self._episodes), path)
        self._parquet.write_table(self._task_table(), self._out / "meta/tasks.parquet")
        _write_json(self._out / "meta/stats.json", stats)
        _write_json(self._out / OURS, {"size": self._size, "episodes": self._headers})
        _write_json(self._out / "meta/info.json", self._info())

    def _task_table(self) -> Any:
        """The tasks with their names as pandas' index, which is where LeRobot looks for them."""
        table = self._arrow.table({"task_index": list(self._tasks.values()), "task": list(self._tasks)})
        columns = [
            {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64"},
            {"name": "task", "field_name": "task", "pandas_type": "unicode", "numpy_type": "object"},
        ]
        about = {"index_columns": ["task"], "column_indexes": [], "columns": columns, "pandas_version": "2.2.0"}
        return table.replace_schema_metadata({"pandas": json.dumps(about)})

    def __enter__(self) -> "_DataSet":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for writer in (self._data, self._video):
            if writer is not None:
                writer.close()
        if kind is None:
            self.finish()


def _per_channel(figures: dict[str, Any]) -> dict[str, Any]:
    """Return a picture's figures in the shape (3, 1, 1)."""
    return {name: value if name == "count" else [[[one]] for one in value] for name, value in figures.items()}


def _task(recording: Recording) -> str:
    header: Mapping[str, Any] = recording.header
    place = header.get("scene") or header.get("map")
    return f"play {header.get('world') or 'a world'}" + (f" from {place}" if place else "")


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False, default=json_bytes), encoding="utf-8")


def import_pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and its parquet part, or raise MissingPartError with what to install."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingPartError("LeRobot data sets need pyarrow: pip install -e '.[lerobot]' in the checkout") from error
    return pyarrow, pyarrow.parquet
