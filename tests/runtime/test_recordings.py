"""Listing, drawing, counting, mending and forgetting recordings."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dreamloop.input.state import InputState
from dreamloop.model.recording import Recording, RecordingError, RecordingWriter, frame_hash
from dreamloop.model.tick_codec import TickData
from dreamloop.runtime.branches import tree
from dreamloop.runtime.in_flight import InFlight, path_beside
from dreamloop.runtime.recordings import (
    contact_sheet,
    find_recordings,
    forget_speech,
    forget_ticks,
    repair,
    show,
    stats,
    summarise,
)
from dreamloop.runtime.world import find_world

SCHEMA = find_world("echo").schema
HEADER = {
    "world": "echo",
    "schema": SCHEMA.to_dict(),
    "rate_hz": 10.0,
    "seed": 5,
    "scene": "yard",
    "source": "play",
}


def frame(i: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.full((6, 8, 3), i, np.uint8)


def write(path: Path, ticks: int = 100, **header: Any) -> Path:
    """A session with rewinds: 0-29, back to 20: 30-39, back to 35: 40-49, back to 20 again: 50-69, a new
    start.
    """
    marks: dict[int, tuple[str, dict[str, Any]]] = {
        12: ("bookmark", {"text": "the door"}),
        30: ("branch", {"to": 20, "by": "rewind"}),
        40: ("branch", {"to": 35, "by": "load"}),
        50: ("branch", {"to": 20, "by": "rewind"}),
        70: ("reset", {"scene": None, "seed": 6, "frame": True}),
        90: ("load", {"name": "quick", "state": b"x" * 100}),
    }
    with RecordingWriter(path, {**HEADER, **header}) as writer:
        for i in range(ticks):
            if i in marks:
                writer.mark(marks[i][0], **marks[i][1])
            action = SCHEMA.vector(forward=i % 2)
            phrases = ("open the door",) if i == 8 else ()
            writer.tick(InputState(tick=i, phrases=phrases), action, frame(i), frame_hash(frame(i)))
    return path


def test_the_tree_of_a_session(tmp_path: Path) -> None:
    with Recording.open(write(tmp_path / "a.dream")) as recording:
        assert tree(recording) == [
            "  ├─ scene yard, seed 5: ticks 0 to 29 (3.0 s)",
            "  │  │  * bookmark before tick 12: text the door",
            "  │  ├─ rewind to tick 20: ticks 30 to 39 (1.0 s)",
            "  │  │  └─ load to tick 35: ticks 40 to 49 (1.0 s)",
            "  │  └─ rewind to tick 20: ticks 50 to 69 (2.0 s)",
            "  ├─ start over in the same place, seed 6: ticks 70 to 89 (2.0 s)",
            "  └─ loaded game quick: ticks 90 to 99 (1.0 s)",
        ]


def test_show_tells_the_facts_and_what_is_lost(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dream")
    whole = "\n".join(show(Recording.open(path)))
    assert "100 ticks, 0:10 of world time" in whole
    assert "seed: 5" in whole
    assert "not closed" not in whole
    path.write_bytes(path.read_bytes()[:5000])
    cut = "\n".join(show(Recording.open(path)))
    assert "it was not closed" in cut
    assert "cannot be read" in cut


def test_the_list_takes_broken_files_in_its_stride(tmp_path: Path) -> None:
    write(tmp_path / "a.dream")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.dream").write_bytes(b"no recording")
    rows = [summarise(path) for path in find_recordings([tmp_path])]
    assert [(row.ticks, row.world, row.complete) for row in rows] == [(100, "echo", True), (0, "", False)]
    assert rows[0].world_s == 10.0
    assert "not a dreamloop recording" in rows[1].error
    assert "cannot read" in summarise(tmp_path / "none.dream").error or summarise(tmp_path / "none.dream").error


def test_stats_count_controls(tmp_path: Path) -> None:
    found = stats([write(tmp_path / "a.dream"), write(tmp_path / "b.dream", ticks=50)])
    assert (found.recordings, found.ticks, found.ticks_each, found.with_pictures) == (2, 150, (100, 50), 150)
    assert found.world_s == 15.0
    forward = next(control for control in found.controls if control.name == "forward")
    assert forward.used == 0.5
    assert sum(forward.histogram) == 150
    assert forward.histogram[-1] == 75


def test_stats_of_different_layouts_are_refused(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "b.dream", {}) as writer:
        writer.tick(InputState(), np.zeros(2, np.float32), None, b"")
    with pytest.raises(RecordingError, match="another action layout"):
        stats([write(tmp_path / "a.dream"), tmp_path / "b.dream"])


def test_a_contact_sheet_shows_the_whole_length(tmp_path: Path) -> None:
    sheet = contact_sheet(Recording.open(write(tmp_path / "a.dream")), pictures=8, across=4)
    assert sheet.shape == (12, 32, 3)
    assert (sheet[0, 0, 0], sheet[-1, -1, 0]) == (0, 99)


def test_repair_of_a_cut_file_keeps_everything_before_the_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dream")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    done = repair(path)
    mended = Recording.open(done.path)
    assert mended.complete
    assert mended.check().gaps == ()
    assert done.ticks == len(mended) == len(Recording.open(path))
    assert done.ticks - done.pictures in (0, 1)  # the last picture may be cut
    assert path.stat().st_size == len(data) // 2
    for i, tick in enumerate(mended.ticks[: done.pictures]):
        assert tick.frame_hash == frame_hash(mended.frames(i, i + 1)[0])
    assert any(mark.kind == "gap" for mark in mended.marks)


def test_repair_of_a_flipped_tick_goes_on_at_the_next_key_tick(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dream", frames="lossless")
    data = bytearray(path.read_bytes())
    middle = data.find(b"branch") - 40  # in the ticks before the first branch
    data[middle] ^= 1
    path.write_bytes(data)
    done = repair(path)
    mended = Recording.open(done.path)
    assert done.gaps >= 1
    numbers = [tick.state.tick for tick in mended.ticks]
    assert numbers[-36:] == list(range(64, 100))
    assert numbers[:25] == list(range(25))
    gap = next(mark for mark in mended.marks if mark.kind == "gap")
    assert numbers[gap.at] == 64 or done.ticks == 100


def test_repair_does_not_overwrite(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dream")
    repair(path)
    with pytest.raises(RecordingError, match="exists already"):
        repair(path)


def test_speech_can_be_forgotten(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dream")
    assert b"open the door" in path.read_bytes()
    assert forget_speech(path) == 1
    assert b"open the door" not in path.read_bytes()
    recording = Recording.open(path)
    assert len(recording) == 100
    assert len(recording.marks) == 6
    assert np.array_equal(recording.frames(99, 100)[0], frame(99))


def test_what_a_killed_recorder_had_in_hand_is_forgotten_too(tmp_path: Path) -> None:
    """The file beside a recording that was not closed holds the last thousand ticks, with what was said in them."""
    path = write(tmp_path / "a.dream")
    said = InputState(tick=100, phrases=("close the window",))
    hand = InFlight(path)
    hand.tick(100, TickData(said, SCHEMA.neutral, b"", {}, {}))
    hand.close(remove=False)
    assert b"close the window" in path_beside(path).read_bytes()
    assert forget_speech(path) == 2
    assert not path_beside(path).exists()
    assert b"close the window" not in path.read_bytes()
    assert len(Recording.open(path)) == 101


def test_ticks_can_be_forgotten(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dream")
    assert forget_ticks(path, 30, 50) == 80
    recording = Recording.open(path)
    assert [tick.state.tick for tick in recording.ticks] == [*range(30), *range(50, 100)]
    assert [(mark.kind, mark.at) for mark in recording.marks] == [
        ("bookmark", 12),
        ("branch", 30),
        ("gap", 30),
        ("reset", 50),
        ("load", 70),
    ]
    with pytest.raises(RecordingError, match="asked to forget 5 to 499"):
        forget_ticks(path, 5, 500)
