"""LeRobot v3 data sets become recordings: one file per episode. Ours come back as they were, others as they are.

In LeRobot's rows an action is taken at the picture beside it; in a recording action i led to picture i.
So a row's action goes to the next tick, and the first tick has an idle one. Knows parquet and mp4, not
models.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamloop.input.errors import nearest, unknown
from dreamloop.input.schema import ActionSchema
from dreamloop.input.state import InputState
from dreamloop.model.recording import SUFFIX, RecordingWriter, frame_hash
from dreamloop.model.whole_file import whole_file
from dreamloop.model.world_model import Frame
from dreamloop.runtime.export_jsonl import ImportDataError, json_plain
from dreamloop.runtime.export_lerobot import ACTION, DONE, OURS, PREVIOUS, REWARD, STATE, import_pyarrow
from dreamloop.runtime.video import read_video

Row = Mapping[str, Any]


def import_lerobot(
    source: Path,
    out: Path,
    *,
    video_key: str | None = None,
    schema: ActionSchema | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """Turn every episode of a data set into a recording in the folder ``out``; return their paths.

    Args:
        source: the folder with ``meta/info.json``.
        out: folder of the recordings.
        video_key: which camera; None takes the only one, or the first.
        schema: action layout of the recordings, for data sets of others; its length must fit.
        report: called with episodes done and episodes in all.

    Raises:
        ImportDataError: no such data set, another version, no such camera, or a layout that does not fit.
        MissingPartError: PyAV or pyarrow is not installed.
    """
    data = _DataSet(source, video_key)
    if schema is not None and schema.size != data.action_size:
        raise ImportDataError(
            f"{source} has actions of {data.action_size} numbers, schema '{schema.name}' of {schema.size}"
        )
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for done, episode in enumerate(data.episodes, 1):
        path = out / f"{source.name}-{int(episode['episode_index']):06d}{SUFFIX}"
        data.write(episode, path, schema)
        paths.append(path)
        report(done, len(data.episodes))
    return paths


class _DataSet:
    """A LeRobot v3 data set on disk."""

    def __init__(self, root: Path, video_key: str | None) -> None:
        self._arrow, self._parquet = import_pyarrow()
        self._root = root
        info = _read_json(root / "meta/info.json")
        version = str(info.get("codebase_version"))
        if not version.startswith("v3."):
            raise ImportDataError(f"{root} is a LeRobot data set of version {version}; only v3 can be read")
        self._info = info
        self._features: Mapping[str, Any] = info["features"]
        self._fps = float(info["fps"])
        self._key = self._camera(video_key)
        if ACTION not in self._features:
            raise ImportDataError(f"{root} has no feature '{ACTION}'{nearest(ACTION, self._features)}")
        self.action_size = int(np.prod(self._features[ACTION]["shape"]))
        self._ours = json_plain(_read_json(root / OURS)) if (root / OURS).is_file() else {}
        tables = [self._parquet.read_table(path) for path in sorted((root / "meta/episodes").glob("*/*.parquet"))]
        self.episodes: list[Row] = [row for table in tables for row in table.to_pylist()]
        self.episodes.sort(key=lambda row: int(row["episode_index"]))
        self._film: tuple[Path, Iterator[Frame], int] | None = None  # path, frames to come, number of the next

    def _camera(self, wanted: str | None) -> str:
        cameras = [name for name, one in self._features.items() if one["dtype"] == "video"]
        if wanted is None and cameras:
            return cameras[0]
        if wanted not in cameras:
            raise ImportDataError(f"{self._root}: {unknown('film', wanted or '', cameras)}")
        return wanted

    def write(self, episode: Row, path: Path, schema: ActionSchema | None) -> None:
        """Write one episode to ``path``, which must not exist."""
        number = int(episode["episode_index"])
        rows = self._rows(episode)
        actions = self._actions(rows)
        header, size = self._header(number, schema)
        if path.exists():
            raise ImportDataError(f"{path} exists already; choose another folder, nothing is overwritten")
        with whole_file(path) as scratch, RecordingWriter(scratch, header, sync_s=1e9, replace=True) as writer:
            for i, frame in enumerate(self._frames(episode, len(actions))):
                picture = np.ascontiguousarray(frame[: size[0], : size[1]]) if size else frame
                state = InputState(tick=i, dt_s=1 / self._fps)
                writer.tick(state, actions[i], picture, frame_hash(picture), extra=_extra(rows, i))

    def _rows(self, episode: Row) -> dict[str, NDArray[Any]]:
        names = {"chunk_index": episode["data/chunk_index"], "file_index": episode["data/file_index"]}
        path = self._root / str(self._info["data_path"]).format(**names)
        number = int(episode["episode_index"])
        try:
            table = self._parquet.read_table(path, filters=[("episode_index", "=", number)])
        except (OSError, self._arrow.ArrowException) as error:
            raise ImportDataError(f"cannot read {path}: {error}") from error
        wanted = [name for name in (ACTION, PREVIOUS, STATE, REWARD, DONE) if name in table.column_names]
        order = np.argsort(table["frame_index"].to_numpy())
        return {name: np.array(table[name].to_pylist())[order] for name in wanted}

    def _actions(self, rows: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        if PREVIOUS in rows:
            return rows[PREVIOUS].astype(np.float32)
        taken = rows[ACTION].astype(np.float32).reshape(len(rows[ACTION]), -1)
        return np.concatenate([np.zeros((1, taken.shape[1]), np.float32), taken[:-1]])

    def _header(self, number: int, schema: ActionSchema | None) -> tuple[dict[str, Any], tuple[int, int] | None]:
        ours = self._ours.get("episodes", [])
        if number < len(ours):
            header = {**ours[number]["header"], "imported_from": "lerobot"}
            if ours[number]["start"]:
                header |= {"initial_frame": False, "first_tick": ours[number]["start"]}
            height, width = self._ours["size"]
            return header, (height, width)
        header = {
            "source": "import",
            "imported_from": "lerobot",
            "rate_hz": self._fps,
            "initial_frame": True,
            "columns": list(self._features[ACTION].get("names") or ()),
        }
        if schema is not None:
            header |= {"schema": schema.to_dict(), "fingerprint": schema.fingerprint}
        return header, None

    def _frames(self, episode: Row, count: int) -> Iterator[Frame]:
        place = {name: episode[f"videos/{self._key}/{name}"] for name in ("chunk_index", "file_index")}
        path = self._root / str(self._info["video_path"]).format(video_key=self._key, **place)
        first = round(float(episode[f"videos/{self._key}/from_timestamp"]) * self._fps)
        if self._film is None or self._film[0] != path or self._film[2] > first:
            self._film = (path, read_video(path), 0)
        _, frames, at = self._film
        for frame in frames:
            at += 1
            self._film = (path, frames, at)
            if at > first:
                yield frame
            if at == first + count:
                return
        raise ImportDataError(
            f"{path} ends after {at} frames, episode {episode['episode_index']} needs {first + count}"
        )


def _extra(rows: Mapping[str, NDArray[Any]], i: int) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if STATE in rows:
        state = np.atleast_1d(rows[STATE][i])
        extra["pose" if len(state) == 4 else "state"] = [float(value) for value in state]
    if REWARD in rows and rows[REWARD][i]:
        extra["reward"] = float(rows[REWARD][i])
    if DONE in rows and rows[DONE][i]:
        extra["ended"] = True
    return extra


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ImportDataError(f"cannot read {path}: {error}") from error
    if not isinstance(value, dict):
        raise ImportDataError(f"{path} holds no table of names")
    return value
