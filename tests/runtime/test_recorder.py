"""The recorder: never in the loop's way, never loses what the player did, says when something is amiss."""

import errno
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dreamloop.input.state import InputState
from dreamloop.model.framing import FramedSink
from dreamloop.model.recording import Recording, RecordingError, RecordingWriter, frame_hash
from dreamloop.model.savegame import unpack_state
from dreamloop.model.tick_codec import TickData
from dreamloop.model.world_model import ModelState
from dreamloop.runtime.in_flight import SIZE, InFlight, path_beside, read_in_flight
from dreamloop.runtime.recorder import NullRecorder, SessionRecorder
from dreamloop.runtime.recordings import repair, show

HEADER = {"world": "test"}


def frame(i: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(i).integers(0, 256, (24, 32, 3), np.uint8)


def action(i: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array([i, 0.5, -1], np.float32)


def add(recorder: SessionRecorder | NullRecorder, ticks: range) -> None:
    for i in ticks:
        recorder.add(InputState(tick=i, dt_s=1 / 35), action(i), frame(i), {"model_s": 0.01}, {"n": i})


class FailingSink(FramedSink):
    """A disk that holds ``capacity`` bytes; None means enough."""

    capacity: int | None = None

    def write_some(self, data: bytes) -> int:
        room = len(data) if self.capacity is None else self.capacity - self.path.stat().st_size
        if room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write_some(data[:room])


def writer_on(sinks: list[FailingSink]) -> Any:
    """Return an opener of writers whose sinks are put into ``sinks``."""

    def sink(*args: Any, **options: Any) -> FailingSink:
        sinks.append(FailingSink(*args, **options))
        return sinks[-1]

    return lambda *args, **options: RecordingWriter(*args, **options, open_sink=sink)


def test_everything_added_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.dream"
    with SessionRecorder(path, HEADER) as recorder:
        add(recorder, range(3))
        recorder.mark("bookmark", text="here")
        add(recorder, range(3, 5))
    with Recording.open(path) as recording:
        assert recording.complete
        assert len(recording) == 5
        assert [(mark.kind, mark.at) for mark in recording.marks] == [("bookmark", 3)]
        for i, tick in enumerate(recording.ticks):
            assert tick.state.tick == i
            assert np.array_equal(tick.action, action(i))
            assert tick.frame is not None
            assert np.array_equal(tick.frame, frame(i))
            assert tick.frame_hash == frame_hash(frame(i))
            assert (tick.timings["model_s"], tick.extra["n"]) == (0.01, i)


def test_the_frame_may_be_reused_by_the_model(tmp_path: Path) -> None:
    """Guards against a queue that holds a view of a buffer which the next step overwrites."""
    path = tmp_path / "a.dream"
    buffer, vector = frame(0), action(0)
    with SessionRecorder(path, HEADER) as recorder:
        recorder.add(InputState(), vector, buffer)
        buffer[:] = 0
        vector[:] = 0
    recording = Recording.open(path)
    assert np.array_equal(recording.frames(0, 1)[0], frame(0))
    assert np.array_equal(recording.actions[0], action(0))


def test_a_slow_disk_drops_pictures_and_never_actions(tmp_path: Path) -> None:
    path = tmp_path / "a.dream"
    gate = threading.Event()

    class SlowSink(FramedSink):
        def write_some(self, data: bytes) -> int:
            assert gate.wait(10)
            return super().write_some(data)

    gate.set()
    recorder = SessionRecorder(
        path,
        HEADER,
        queue_frames=4,
        open_writer=lambda *args, **options: RecordingWriter(*args, **options, open_sink=SlowSink),
    )
    gate.clear()
    add(recorder, range(20))
    gate.set()
    assert recorder.drain(10)
    add(recorder, range(20, 22))
    recorder.close()
    recording = Recording.open(path)
    kept = [tick.has_frame for tick in recording.ticks]
    assert len(recording) == 22
    assert np.array_equal(recording.actions[:, 0], np.arange(22))
    assert kept[:4] == [True] * 4
    assert kept[20:] == [True] * 2
    assert recorder.dropped_frames == kept.count(False) >= 10
    dropped = next(mark for mark in recording.marks if mark.kind == "dropped")
    assert kept[dropped.values["first"] :][: dropped.values["count"]] == [False] * dropped.values["count"]
    assert all(tick.frame_hash == frame_hash(frame(i)) for i, tick in enumerate(recording.ticks))
    assert "dropped" in recorder.note


def test_a_full_disk_keeps_actions_in_memory_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamloop.runtime.recorder.RETRY_S", 0.001)
    path, sinks = tmp_path / "a.dream", list[FailingSink]()
    recorder = SessionRecorder(path, HEADER, open_writer=writer_on(sinks))
    add(recorder, range(5))
    assert recorder.drain(10)
    sinks[0].capacity = 0
    add(recorder, range(5, 50))
    assert not recorder.drain(0.05)
    assert recorder.waiting == 45
    assert "No space left" in recorder.note
    sinks[0].capacity = None
    assert recorder.drain(10)
    assert "waits" not in recorder.note, "what is over is not said any more"
    assert "No space left on device: 45 pictures dropped, actions are kept" in recorder.note
    recorder.close()
    recording = Recording.open(path)
    assert recording.complete
    assert np.array_equal(recording.actions[:, 0], np.arange(50))
    assert recording.check().gaps == ()


def test_the_last_bytes_of_a_disk_go_to_actions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for less than a picture still holds dozens of ticks; what is left at the end is said."""
    monkeypatch.setattr("dreamloop.runtime.recorder.RETRY_S", 0.001)
    path, sinks = tmp_path / "a.dream", list[FailingSink]()
    recorder = SessionRecorder(path, HEADER, open_writer=writer_on(sinks))
    sinks[0].capacity = path.stat().st_size + 1000
    add(recorder, range(60))
    with pytest.raises(RecordingError, match=r"refused the last \d+ ticks"):
        recorder.close()
    recording = Recording.open(path)
    assert 15 < len(recording) < 60
    assert not any(tick.has_frame for tick in recording.ticks)
    assert recording.lost_bytes == 0


def test_the_ring_keeps_the_last_ticks_and_the_state_they_began_with(tmp_path: Path) -> None:
    told: list[str] = []
    recorder = SessionRecorder(None, HEADER, ring_ticks=20)
    for i in range(50):
        add(recorder, range(i, i + 1))
        if i == 44:
            recorder.mark("branch", to=3, by="rewind")
            recorder.mark("branch", to=42, by="rewind")
        if i % 2 == 0:
            recorder.snapshot(ModelState("echo", "", i, {"x": np.arange(i)}))
    recorder.keep(tmp_path / "kept.dream", told.append)
    recorder.close()
    recording = Recording.open(tmp_path / "kept.dream")
    first = recording.header["first_tick"]
    assert recording.marks[0].kind == "state"
    assert unpack_state(recording.marks[0].values["state"])[0].tick == first - 1
    assert [tick.state.tick for tick in recording.ticks] == list(range(first, 50))
    assert 30 <= first <= 41
    assert np.array_equal(recording.frames(len(recording) - 1, len(recording))[0], frame(49))
    branches = [mark.values["to"] for mark in recording.marks if mark.kind == "branch"]
    assert branches == [None, 42 - first]
    assert told == [f"kept the last {50 - first} ticks in {tmp_path / 'kept.dream'}"]


def test_a_ring_that_has_forgotten_nothing_is_the_whole_session(tmp_path: Path) -> None:
    recorder = SessionRecorder(None, {**HEADER, "seed": 3, "initial_frame": True}, ring_ticks=100)
    add(recorder, range(1))
    recorder.snapshot(ModelState("echo", "", 0, {}))
    add(recorder, range(1, 5))
    recorder.keep(tmp_path / "kept.dream")
    recorder.close()
    with Recording.open(tmp_path / "kept.dream") as recording:
        assert recording.initial_frame
        assert "first_tick" not in recording.header
        assert len(recording) == 5


def test_the_ring_is_bounded_in_bytes(tmp_path: Path) -> None:
    recorder = SessionRecorder(None, HEADER, ring_ticks=1000, ring_bytes=20_000)
    add(recorder, range(60))
    recorder.keep(tmp_path / "kept.dream")
    recorder.close()
    assert 4 <= len(Recording.open(tmp_path / "kept.dream")) <= 12
    assert recorder.note.startswith("kept the last")


def test_pages_that_the_states_of_the_ring_share_count_once(tmp_path: Path) -> None:
    """Counting the long memory anew with every state left only seconds in the ring once the memory was full."""
    page = np.zeros(50_000, np.uint8)
    recorder = SessionRecorder(None, HEADER, ring_ticks=60, ring_bytes=300_000)
    for i in range(60):
        add(recorder, range(i, i + 1))
        recorder.snapshot(ModelState("echo", "", i, {"page/0000": page, "own": np.zeros(10)}))
    recorder.keep(tmp_path / "kept.dream")
    recorder.close()
    assert len(Recording.open(tmp_path / "kept.dream")) == 60


def test_a_kept_ring_holds_a_state_only_where_nothing_else_leads_on(tmp_path: Path) -> None:
    """With a long memory a state is twenty megabytes, and there is one every ten seconds."""
    recorder = SessionRecorder(None, HEADER, ring_ticks=64)
    for i in range(100):
        add(recorder, range(i, i + 1))
        recorder.snapshot(ModelState("echo", "", i, {"x": np.arange(i)}))
        if i == 80:
            recorder.mark("branch", to=3, by="rewind")
    recorder.keep(tmp_path / "kept.dream")
    recorder.close()
    recording = Recording.open(tmp_path / "kept.dream")
    states = [mark.at for mark in recording.marks if mark.kind == "state"]
    lost = next(mark.at for mark in recording.marks if mark.kind == "branch")
    assert len(states) == 2
    assert states[0] == 0
    assert lost < states[1] <= lost + 8


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.dream"
    path.write_text("precious")
    with pytest.raises(RecordingError, match="exists already"):
        SessionRecorder(path, HEADER)
    recorder = SessionRecorder(None, HEADER, ring_ticks=4)
    add(recorder, range(2))
    recorder.keep(path)
    recorder.close()
    assert "exists already" in recorder.note
    assert path.read_text() == "precious"


def test_the_null_twin_takes_everything() -> None:
    recorder = NullRecorder()
    add(recorder, range(2))
    recorder.mark("bookmark")
    recorder.close()
    assert recorder.note == ""


def test_adding_costs_the_loop_little(tmp_path: Path) -> None:
    """The bar is 0.3 ms at p99 on a free machine; here the median, so that a busy one does not fail."""
    picture = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    taken: list[float] = []
    with SessionRecorder(tmp_path / "a.dream", HEADER, queue_frames=50) as recorder:
        for i in range(200):
            start = time.perf_counter()
            recorder.add(InputState(tick=i), action(i), picture)
            taken.append(time.perf_counter() - start)
    assert statistics.median(taken) < 0.001


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
@pytest.mark.parametrize("arguments", [["--kills", "25"], ["--kills", "10", "--recorder"]])
def test_killed_at_random_moments_it_loses_at_most_the_record_in_flight(arguments: list[str]) -> None:
    """A thousand kills take a minute: tests/tools/kill_recorder.py --kills 1000."""
    tool = Path(__file__).parent.parent / "tools" / "kill_recorder.py"
    done = subprocess.run([sys.executable, str(tool), *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["with_ticks"] > 0


def test_what_was_in_hand_outlives_the_process(tmp_path: Path) -> None:
    """The queue dies with a killed process; what was added is all the same in the file beside the recording."""
    path, gate = tmp_path / "a.dream", threading.Event()

    class StuckSink(FramedSink):
        def write_some(self, data: bytes) -> int:
            gate.wait(10)
            return super().write_some(data)

    gate.set()
    stuck = lambda *args, **options: RecordingWriter(*args, **options, open_sink=StuckSink)  # noqa: E731
    recorder = SessionRecorder(path, HEADER, open_writer=stuck)
    add(recorder, range(3))
    recorder.mark("bookmark", text="written")
    assert recorder.drain(10)
    gate.clear()
    add(recorder, range(3, 6))
    recorder.mark("branch", to=1, by="rewind")
    recorder.mark("load", name="far away", state=bytes(100_000))
    add(recorder, range(6, 8))
    for left in (path, path_beside(path)):  # as a kill would leave them: the thread is stuck in its first tick
        shutil.copy(left, tmp_path / left.name.replace("a.", "killed."))
    killed = tmp_path / "killed.dream"
    with Recording.open(killed) as recording:
        assert len(recording) == 3
        assert "7 ticks and marks more" in "\n".join(show(recording))
    mended = repair(killed)
    assert mended.saved == 5
    with Recording.open(mended.path) as recording:
        assert np.array_equal(recording.actions, np.stack([action(i) for i in range(8)]))
        assert [tick.state.tick for tick in recording.ticks] == list(range(8))
        assert [(mark.kind, mark.at) for mark in recording.marks] == [("bookmark", 3), ("branch", 6), ("load", 6)]
        assert "state" not in recording.marks[2].values, "too long to be kept twice"
        assert not recording.tick(7).frame_hash, "nobody had worked it out"
    gate.set()
    recorder.close()
    assert not path_beside(path).exists()
    assert len(Recording.open(path)) == 8


def test_the_file_beside_it_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "a.dream"
    in_flight = InFlight(path)
    for i in range(4000):
        in_flight.tick(i, TickData(InputState(tick=i, sampled_s=i / 35), action(i), b"", {"model_s": 0.01}))
    in_flight.close(remove=False)
    assert path_beside(path).stat().st_size == SIZE
    assert read_in_flight(path, 0, []) == [], "what came before it is gone, so nothing follows"
    entries = read_in_flight(path, 3000, [])
    assert [tick.state.tick for _, tick in entries if isinstance(tick, TickData)] == list(range(3000, 4000))


@pytest.mark.parametrize("damage", [b"", b"nonsense" * 1000])
def test_a_damaged_file_beside_it_says_nothing(tmp_path: Path, damage: bytes) -> None:
    path_beside(tmp_path / "a.dream").write_bytes(damage)
    assert read_in_flight(tmp_path / "a.dream", 0, []) == []
