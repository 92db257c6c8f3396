"""The doors out and in: films, pictures, JSON lines, LeRobot; actions come back exactly, pictures to the codec."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dreamloop.input.schema import ActionSchema
from dreamloop.input.state import InputState
from dreamloop.model.recording import Recording, RecordingError, RecordingWriter, frame_hash
from dreamloop.runtime.clip import gif_durations_ms
from dreamloop.runtime.export import FORMATS, ExportError, ExportOptions, export
from dreamloop.runtime.export_jsonl import ImportDataError, import_jsonl
from dreamloop.runtime.export_lerobot import export_lerobot
from dreamloop.runtime.import_lerobot import import_lerobot
from dreamloop.runtime.redream import psnr_db
from dreamloop.runtime.video import VideoError, VideoWriter, read_video
from dreamloop.runtime.world import find_world

pytest.importorskip("av", reason="films need PyAV: pip install -e '.[video]' in the checkout")
pytest.importorskip("pyarrow", reason="LeRobot data sets need pyarrow: pip install -e '.[lerobot]' in the checkout")

SCHEMA = find_world("echo").schema
HEADER = {
    "world": "echo",
    "source": "play",
    "schema": SCHEMA.to_dict(),
    "fingerprint": SCHEMA.fingerprint,
    "rate_hz": 20.0,
    "seed": 3,
    "initial_frame": True,
}


def frame(i: int, size: tuple[int, int] = (48, 64)) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A smooth picture that changes slowly, as a film codec likes it."""
    down, across = np.mgrid[: size[0], : size[1]] * 4.0
    return np.stack([down + i, across, 255 - down - i], axis=-1).clip(0, 255).astype(np.uint8)


def record(path: Path, ticks: int = 40, size: tuple[int, int] = (48, 64), **header: Any) -> Recording:
    """A session with a phrase, a bookmark, a rewind in the middle, poses and timings."""
    rng = np.random.default_rng(1)
    with RecordingWriter(path, {**HEADER, **header}) as writer:
        for i in range(ticks):
            if i == 10:
                writer.mark("bookmark", text="the door")
            if i == 25:
                writer.mark("branch", to=20, by="rewind")
            state = InputState(
                tick=i,
                dt_s=0.05,
                held=frozenset({"key:w"} if i % 3 else ()),
                motion_px=(1.5 * i, -2.0),
                phrases=("open",) if i == 5 else (),
                event_s=i * 0.05,
                sampled_s=i * 0.05 + 0.001,
            )
            action = rng.uniform(-1, 1, SCHEMA.size).astype(np.float32) * (i > 0)
            extra = (
                {"pose": [float(i), 2.0, 90.0, -1.0], "reward": 0.5} if i % 2 else {"pose": [float(i), 2.0, 90.0, -1.0]}
            )
            picture = frame(i, size)
            writer.tick(state, action, picture, frame_hash(picture), {"model_done_s": 0.01 * i}, extra)
    return Recording.open(path)


def test_a_film_has_a_picture_a_tick(tmp_path: Path) -> None:
    recording = record(tmp_path / "a.dream")
    seen: list[tuple[int, int]] = []
    out = export(recording, "mp4", report=lambda done, total: seen.append((done, total)))
    assert out == tmp_path / "a.mp4"
    frames = list(read_video(out))
    assert len(frames) == 40
    assert frames[0].shape == (480, 640, 3)
    small = frames[30].reshape(48, 10, 64, 10, 3).mean((1, 3)).astype(np.uint8)
    assert psnr_db(small, recording.frames(30, 31)[0]) > 30
    assert seen[-1] == (40, 40)


def test_a_lossless_film_is_the_same_bits(tmp_path: Path) -> None:
    recording = record(tmp_path / "a.dream")
    out = export(recording, "mp4", options=ExportOptions(lossless=True, start=5, stop=15))
    assert np.array_equal(np.stack(list(read_video(out))), recording.frames(5, 15))


def test_overlays_change_only_films_that_ask_for_them(tmp_path: Path) -> None:
    recording = record(tmp_path / "a.dream")
    plain = list(read_video(export(recording, "mp4", tmp_path / "plain.mp4")))
    options = ExportOptions(inputs=True, captions=True, hud=True)
    dressed = list(read_video(export(recording, "mp4", tmp_path / "dressed.mp4", options)))
    corner = np.s_[:200, 320:]
    bottom = np.s_[400:, 200:440]
    assert np.abs(plain[12][corner].astype(int) - dressed[12][corner]).mean() > 10
    assert np.abs(plain[12][bottom].astype(int) - dressed[12][bottom]).mean() > 5  # "the door"
    assert np.abs(plain[2][bottom].astype(int) - dressed[2][bottom]).mean() < 2  # nothing was said yet


def test_a_gif_moves_at_the_right_speed(tmp_path: Path) -> None:
    out = export(record(tmp_path / "a.dream"), "gif", options=ExportOptions(scale=1))
    with Image.open(out) as image:
        assert image.size == (64, 48)
        assert getattr(image, "n_frames", 1) == 40
        assert image.info["duration"] == 50


def test_a_gif_of_hours_is_refused(tmp_path: Path) -> None:
    recording = record(tmp_path / "a.dream", rate_hz=0.5)
    with pytest.raises(ExportError, match="range of ticks"):
        export(recording, "gif")


def test_a_strip_stands_in_one_row(tmp_path: Path) -> None:
    out = export(record(tmp_path / "a.dream"), "png", options=ExportOptions(scale=1, pictures=4))
    strip = np.asarray(Image.open(out))
    assert strip.shape == (48, 256, 3)
    assert np.array_equal(strip[:, :64], frame(0))
    assert np.array_equal(strip[:, 192:], frame(39))


@pytest.mark.parametrize("size", [(48, 64), (47, 63)])
@pytest.mark.parametrize("lossless", [False, True])
def test_json_lines_and_back(tmp_path: Path, size: tuple[int, int], lossless: bool) -> None:
    recording = record(tmp_path / "a.dream", size=size)
    folder = export(recording, "jsonl", options=ExportOptions(lossless=lossless))
    assert import_jsonl(folder, tmp_path / "back.dream") == 40
    back = Recording.open(tmp_path / "back.dream")
    assert np.array_equal(back.actions, recording.actions)
    assert [(mark.kind, mark.at, mark.values) for mark in back.marks] == [
        (mark.kind, mark.at, mark.values) for mark in recording.marks
    ]
    for one, other in zip(recording.ticks, back.ticks, strict=True):
        assert (one.state, one.frame_hash, one.timings, one.extra) == (
            other.state,
            other.frame_hash,
            other.timings,
            other.extra,
        )
        assert one.frame is not None
        assert other.frame is not None
        assert one.frame.shape == other.frame.shape
        assert psnr_db(one.frame, other.frame) > (1e9 if lossless else 30)
    assert back.header["seed"] == 3
    assert back.header["imported_from"] == "jsonl"


def test_json_lines_of_others_come_in(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "play.mp4", 20, lossless=True) as film:
        for i in range(3):
            film.add(frame(i))
    lines = [{"action": {"forward": 1}}, {"action": {}}, {"action": {"left": 1.0}}]
    (tmp_path / "play.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    assert import_jsonl(tmp_path / "play.jsonl", tmp_path / "play.dream", SCHEMA, 20.0) == 3
    recording = Recording.open(tmp_path / "play.dream")
    assert np.array_equal(recording.actions[0], SCHEMA.vector(forward=1))
    assert np.array_equal(recording.frames(0, 3)[2], frame(2))
    assert recording.header["rate_hz"] == 20.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("not json", "cannot read"),
        ("[1]", "no JSON object"),
        ('{"frame": null}', "line 1 is no tick"),
        ('{"action": "x", "frame": null}', "is no tick"),
        ('{"action": {"forward": 1}, "frame": null}', "need an action schema"),
        ('{"action": [0], "frame": 7}', "asks? for frame 7|cannot read"),
    ],
)
def test_broken_json_lines_get_a_sentence(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.jsonl").write_text(text)
    with pytest.raises((ImportDataError, VideoError), match=message):
        import_jsonl(tmp_path / "x.jsonl", tmp_path / "x.dream")
    assert [path.name for path in tmp_path.iterdir()] == ["x.jsonl"]


def test_lerobot_and_back(tmp_path: Path) -> None:
    one, two = record(tmp_path / "a.dream"), record(tmp_path / "b.dream", ticks=15)
    assert export_lerobot([one, two], tmp_path / "data") == 3  # the rewind parts the first one
    paths = import_lerobot(tmp_path / "data", tmp_path / "back")
    spans = [(one, 0, 25), (one, 25, 40), (two, 0, 15)]
    for path, (original, start, stop) in zip(paths, spans, strict=True):
        back = Recording.open(path)
        assert len(back) == stop - start
        assert np.array_equal(back.actions, original.actions[start:stop])
        assert back.header["schema"] == original.header["schema"]
        assert back.initial_frame == (start == 0)
        assert back.tick(1).extra["pose"] == original.tick(start + 1).extra["pose"]
        for i in range(len(back)):
            assert psnr_db(back.frames(i, i + 1)[0], original.frames(start + i, start + i + 1)[0]) > 30


def test_lerobots_rows_pair_a_picture_with_the_action_taken_at_it(tmp_path: Path) -> None:
    import pyarrow.parquet as parquet

    recording = record(tmp_path / "a.dream", ticks=20)
    export(recording, "lerobot", tmp_path / "data")
    rows = parquet.read_table(tmp_path / "data/data/chunk-000/file-000.parquet").to_pydict()
    assert np.array_equal(np.float32(rows["action"][:-1]), recording.actions[1:])
    assert not any(rows["action"][-1])
    assert rows["timestamp"][:3] == pytest.approx([0.0, 0.05, 0.1])
    info = json.loads((tmp_path / "data/meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["total_frames"]) == ("v3.0", 20, 20)
    assert info["features"]["action"]["names"] == list(SCHEMA.columns)
    stats = json.loads((tmp_path / "data/meta/stats.json").read_text())
    assert np.allclose(stats["action"]["max"], np.vstack([recording.actions[1:], np.zeros(SCHEMA.size)]).max(0))
    assert np.shape(stats["observation.image"]["mean"]) == (3, 1, 1)


def test_lerobot_data_of_others_comes_in_with_the_action_shifted(tmp_path: Path) -> None:
    import pyarrow.parquet as parquet

    recording = record(tmp_path / "a.dream", ticks=20)
    export(recording, "lerobot", tmp_path / "data")
    (tmp_path / "data/meta/dreamloop.json").unlink()
    table = parquet.read_table(tmp_path / "data/data/chunk-000/file-000.parquet")
    parquet.write_table(table.drop_columns(["previous.action"]), tmp_path / "data/data/chunk-000/file-000.parquet")
    back = Recording.open(import_lerobot(tmp_path / "data", tmp_path / "back", schema=SCHEMA)[0])
    assert np.array_equal(back.actions[1:], recording.actions[1:])
    assert not back.actions[0].any()
    assert back.initial_frame
    assert back.header["fingerprint"] == SCHEMA.fingerprint
    small = ActionSchema.from_dict({**SCHEMA.to_dict(), "control": SCHEMA.to_dict()["control"][:1], "opposites": []})
    with pytest.raises(ImportDataError, match="actions of"):
        import_lerobot(tmp_path / "data", tmp_path / "again", schema=small)
    with pytest.raises(ImportDataError, match=r"did you mean 'observation\.image'"):
        import_lerobot(tmp_path / "data", tmp_path / "again", video_key="observation.imag")


def test_what_cannot_be_exported_gets_a_sentence(tmp_path: Path) -> None:
    recording = record(tmp_path / "a.dream")
    with pytest.raises(ExportError, match=r"did you mean 'mp4'"):
        export(recording, "mp3")
    with pytest.raises(ExportError, match="ticks 0 to 39, asked for 30 to 99"):
        export(recording, "mp4", options=ExportOptions(start=30, stop=100))
    with RecordingWriter(tmp_path / "bare.dream", HEADER, frames="none") as writer:
        for i in range(3):
            writer.tick(InputState(tick=i), SCHEMA.neutral, frame(i), b"")
    bare = Recording.open(tmp_path / "bare.dream")
    for to in FORMATS:
        with pytest.raises(RecordingError, match=r"no picture|no two pictures"):
            export(bare, to)
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"a.dream", "bare.dream"}


def test_pictures_that_were_dreamed_again_take_the_place_of_recorded_ones(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "bare.dream", HEADER, frames="none") as writer:
        for i in range(6):
            if i == 4:
                writer.mark("bookmark", text="here")
            writer.tick(InputState(tick=i), SCHEMA.vector(forward=1), frame(i), b"")
    bare = Recording.open(tmp_path / "bare.dream")
    assert len(list(read_video(export(bare, "mp4", frame_of=frame)))) == 6
    back = Recording.open(import_lerobot(export(bare, "lerobot", frame_of=frame), tmp_path / "back")[0])
    assert np.array_equal(back.actions, bare.actions)
    drawn = Recording.open(export(bare, "dream", frame_of=frame, options=ExportOptions(start=2)))
    assert np.array_equal(drawn.frames(0, 4)[3], frame(5))
    assert drawn.tick(3).frame_hash == frame_hash(frame(5))
    assert [(mark.kind, mark.at) for mark in drawn.marks] == [("bookmark", 2)]


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    recording = record(tmp_path / "a.dream")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "precious").touch()
    with pytest.raises(RecordingError, match="not empty"):
        export(recording, "lerobot", tmp_path / "data")


def test_a_gif_lasts_as_long_as_the_play() -> None:
    """Every picture at 50 ms made films of 35 Hz run an eighth too fast; a GIF counts in hundredths of a second."""
    shown_ms = gif_durations_ms(70, 2 / 35)
    assert sum(shown_ms) == pytest.approx(4000, abs=10)
    assert set(shown_ms) == {50, 60}
