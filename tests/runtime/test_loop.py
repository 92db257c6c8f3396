"""The loop, through the echo model: what a player does is what the very next frame shows, whatever goes wrong."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dreamloop.input.source import DeviceEvent
from dreamloop.input.state import InputState
from dreamloop.model.recording import Recording
from dreamloop.model.recording_writer import RecordingWriter
from dreamloop.model.world_model import Action, Frame, ModelError
from dreamloop.runtime import loop
from dreamloop.runtime.recorder import SessionRecorder


class Diary:
    """Stands in for every part of the loop and writes down what is asked of it."""

    def __init__(self, frames: int) -> None:
        self.lines: list[str] = []
        self.tick = 0
        self._left = frames

    @property
    def is_open(self) -> bool:
        return self._left > 0

    def poll(self, tick: int) -> InputState:
        self.lines.append(f"poll {tick}")
        return InputState(tick=tick)

    def encode(self, state: InputState) -> Action:
        self.lines.append(f"encode {state.tick}")
        return np.full(1, state.tick, np.float32)

    def step(self, action: Action) -> Frame:
        self.lines.append(f"step {action[0]:.0f}")
        return np.full((1, 1, 3), int(action[0]), np.uint8)

    def show(self, frame: Frame) -> None:
        self.lines.append(f"show {frame[0, 0, 0]}")
        self._left -= 1

    def add(self, state: InputState, action: Action, frame: Frame) -> None:
        self.lines.append(f"add {state.tick} {action[0]:.0f} {frame[0, 0, 0]}")

    def wait(self) -> None:
        self.lines.append("wait")
        self.tick += 1


def test_one_tick_is_poll_encode_step_show_add_wait() -> None:
    diary = Diary(frames=2)
    loop.play(diary, diary, diary, diary, diary, diary)
    assert diary.lines == [
        *("poll 0", "encode 0", "step 0", "show 0", "add 0 0 0", "wait"),
        *("poll 1", "encode 1", "step 1", "show 1", "add 1 1 1", "wait"),
    ]


def test_the_loop_is_under_twenty_lines() -> None:
    assert len(inspect.getsource(loop.play).splitlines()) < 20


def test_frame_n_shows_action_n(direct: Any) -> None:
    """Guards against a frame of free latency: showing the frame before the one just computed."""
    stage = direct(frames=6)
    stage.at_frame(1, lambda: stage.press("w"))
    stage.at_frame(3, lambda: stage.press("/w"))
    stage.session.run()
    assert [tick for tick, _ in stage.shown()] == [0, 1, 2, 3, 4, 5]
    assert stage.column("forward") == [0, 1, 1, 0, 0, 0]


def test_motion_is_summed_over_a_tick(direct: Any) -> None:
    """Guards against keeping only the last motion event of a tick."""
    stage = direct(frames=4)
    moves = [DeviceEvent("motion", x=3.0, y=-2.0), DeviceEvent("motion", x=4.0, y=-5.0)]
    stage.at_frame(1, lambda: stage.window.inject(*moves))
    stage.session.run()
    _, action = stage.shown()[1]
    values = stage.world.schema.decode(action)
    assert values["turn"] == pytest.approx(7 * 0.15)
    assert values["look"] == pytest.approx(7 * 0.15)
    assert stage.world.schema.decode(stage.shown()[2][1])["turn"] == 0.0


def test_a_tap_within_a_tick_counts_once(direct: Any) -> None:
    """Guards against keys that are asked for instead of remembered: press and release between two polls."""
    stage = direct(frames=4)
    stage.at_frame(1, lambda: stage.press("space", "/space"))
    stage.session.run()
    assert stage.column("jump") == [0, 1, 0, 0]


def test_an_event_while_the_model_is_busy_counts_in_the_next_tick(direct: Any) -> None:
    """A slow step must not make the input deaf."""
    stage = direct(frames=4)
    pressed: list[bool] = []

    def press() -> None:
        if not pressed:
            pressed.append(True)
            stage.press("d", "/d")

    stage.model.on_step = press
    stage.session.run()
    assert stage.column("right") == [0, 0, 1, 0]


def test_losing_the_focus_lets_go_of_everything(direct: Any) -> None:
    stage = direct(frames=5)
    stage.at_frame(1, lambda: stage.press("w"))
    stage.at_frame(3, lambda: stage.window.inject(DeviceEvent("focus_lost")))
    stage.session.run()
    assert stage.column("forward") == [0, 1, 1, 0, 0]


def test_ticks_are_paced_exactly(direct: Any) -> None:
    stage = direct(frames=61, step_s=0.005)
    report = stage.session.run()
    assert report.frames == 60
    assert stage.session.ring.frames_per_s() == pytest.approx(60.0)
    assert report.late_frames == 0
    assert stage.clock.now_s() - 100.0 == pytest.approx(1.0, abs=0.02)


def test_a_slow_model_slows_the_world_down_and_says_so(direct: Any) -> None:
    """Guards against frames that are skipped in silence, and against bursts that catch up afterwards."""
    stage = direct(frames=121, step_s=1 / 48)  # the world wants 60 a second
    badges: list[bool] = []
    stage.at_frame(118, lambda: badges.append("badge" in stage.window.layers))
    report = stage.session.run()
    assert [tick for tick, _ in stage.shown()] == list(range(121))
    assert stage.session.ring.speed() == pytest.approx(0.8, abs=0.01)
    assert report.late_frames == 120
    assert badges == [True]


def test_one_slow_step_is_caught_up_only_within_half_a_tick(direct: Any) -> None:
    stage = direct(frames=20, step_s=0.001)

    def slow_once() -> None:
        stage.model.step_s = 0.1 if len(stage.frames) == 5 else 0.001

    stage.model.on_step = slow_once
    stage.session.run()
    assert stage.clock.now_s() - 100.0 == pytest.approx(18 / 60 + 0.1, abs=0.02)


def test_a_model_that_raises_ends_the_session_in_one_sentence(direct: Any, tmp_path: Path) -> None:
    path = tmp_path / "failed.dream"
    options = direct.options(record=path)
    stage = direct(frames=None, fail_at=5, options=options)
    with pytest.raises(
        ModelError, match=r"^the model failed \(RuntimeError: the weights are on fire\)\. The game is saved: .*$"
    ):
        stage.session.run()
    assert not stage.window.is_open
    with Recording.open(path) as recording:
        assert recording.complete
        assert len(recording) == 5  # the start, and the four ticks before


def test_a_window_closed_in_the_middle_keeps_every_tick(direct: Any, tmp_path: Path) -> None:
    path = tmp_path / "closed.dream"
    options = direct.options(record=path)
    stage = direct(frames=None, options=options)
    steps: list[int] = []

    def close_while_busy() -> None:
        steps.append(1)
        if len(steps) == 4:
            stage.window.close()

    stage.model.on_step = close_while_busy
    report = stage.session.run()
    assert report.frames == 4
    assert len(stage.frames) == 4  # the start and three ticks: a closed window shows nothing more
    with Recording.open(path) as recording:
        assert recording.complete
        assert len(recording) == 5


def test_a_full_queue_drops_pictures_and_no_action(direct: Any, tmp_path: Path) -> None:
    """The loop must not wait for a slow disk, and must not lose what the player did."""
    path = tmp_path / "slow.dream"

    def slow_writer(*args: Any, **kwargs: Any) -> RecordingWriter:
        writer = RecordingWriter(*args, **kwargs)
        tick = writer.tick

        def slow_tick(*values: Any, **named: Any) -> None:
            sum(range(20_000))  # a disk that is slower than the loop
            tick(*values, **named)

        writer.tick = slow_tick  # type: ignore[method-assign]
        return writer

    def recorder(header: Mapping[str, Any]) -> SessionRecorder:
        return SessionRecorder(path, header, queue_frames=2, open_writer=slow_writer)

    stage = direct(frames=200, make_recorder=recorder)
    report = stage.session.run()
    with Recording.open(path) as recording:
        assert len(recording) == 200
        assert recording.complete
        kept = sum(tick.has_frame for tick in recording.ticks)
        dropped = sum(mark.values["count"] for mark in recording.marks if mark.kind == "dropped")
        assert kept < 200
        assert kept + dropped == 200
        assert all(len(tick.frame_hash) == 8 for tick in recording.ticks)
    assert any("pictures dropped" in note for note in report.notes)


def test_the_recording_holds_what_was_shown(direct: Any, tmp_path: Path) -> None:
    path = tmp_path / "whole.dream"
    options = direct.options(record=path)
    stage = direct(frames=8, options=options)
    stage.at_frame(2, lambda: stage.press("a"))
    stage.session.run()
    with Recording.open(path) as recording:
        assert recording.header["seed"] == 7
        assert recording.header["world"] == "echo"
        assert [tick.state.tick for tick in recording.ticks] == list(range(8))
        for tick, frame in zip(recording.ticks, stage.frames, strict=True):
            assert tick.frame is not None
            assert np.array_equal(tick.frame, frame)
        assert set(recording.tick(1).timings) == {"model_started_s", "model_done_s", "handed_s", "presented_s"}
