"""The replay in a window: position and keys, recorded and dreamed pictures, side by side, taking over."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dreamloop.input.source import DeviceEvent
from dreamloop.input.state import InputState
from dreamloop.model.arch_echo import EchoModel
from dreamloop.model.recording import Recording, RecordingWriter, frame_hash
from dreamloop.model.world_model import ModelError
from dreamloop.runtime import session_header
from dreamloop.runtime.clock import FakeClock
from dreamloop.runtime.headless import HeadlessWindow
from dreamloop.runtime.redream import Redream, open_recorded, scenes_of, world_of
from dreamloop.runtime.replay import DreamedPictures, RecordedPictures, Replay, ReplayEnd, SideBySide, beside
from dreamloop.runtime.replay_bar import bar_share
from dreamloop.runtime.timeline import Timeline
from dreamloop.runtime.world import find_world

ECHO = find_world("echo")


def record(path: Path, ticks: int = 40, frames: Any = "lossless") -> Recording:
    """A session in the echo world with a bookmark at tick 10."""
    model = ECHO.open_model()
    rng = np.random.default_rng(0)
    with RecordingWriter(path, session_header.build(ECHO, model, ECHO.schema, None, 3), frames=frames) as writer:
        for i in range(ticks):
            action = rng.random(ECHO.schema.size).astype(np.float32) if i else ECHO.schema.neutral
            frame = model.step(action[None])[0] if i else model.reset(0, None, 3)
            if i == 10:
                writer.mark("bookmark", text="here")
            writer.tick(InputState(tick=i, dt_s=1 / 60), action, frame, frame_hash(frame))
    return Recording.open(path)


def dream(recording: Recording) -> Redream:
    world = world_of(recording)
    model = open_recorded(recording, world)
    return Redream(recording, model, scenes_of(world, recording, model.card.context_frames))


class Hands:
    """Presses keys of a headless window, one per pump, then closes it."""

    def __init__(self, window: HeadlessWindow, keys: Iterable[str]) -> None:
        self._window, self._keys = window, iter(keys)
        window.on_pump = self.move

    def move(self) -> None:
        key = next(self._keys, "escape")
        if key:
            self._window.inject(DeviceEvent("down", f"key:{key}"))


def watch(recording: Recording, keys: Sequence[str]) -> tuple[ReplayEnd, list[Any], HeadlessWindow]:
    shown: list[Any] = []
    window = HeadlessWindow(on_frame=shown.append)
    Hands(window, keys)
    replay = Replay(recording, RecordedPictures(recording), window, FakeClock())
    return replay.run(), shown, window


def test_it_plays_every_tick_at_the_worlds_own_rate(tmp_path: Path) -> None:
    recording = record(tmp_path / "a.dream")
    end, shown, _ = watch(recording, [""] * 90)
    assert end == ReplayEnd(39, take_over=False)
    order = [frame_hash(frame) for frame in shown]
    wanted = [tick.frame_hash for tick in recording.ticks]
    assert [one for i, one in enumerate(order) if i == 0 or one != order[i - 1]] == wanted


def test_keys_pause_step_seek_and_jump_to_marks(tmp_path: Path) -> None:
    recording = record(tmp_path / "a.dream")
    end, shown, window = watch(recording, ["space", ".", ".", ",", "m", ".", "i"])
    assert end.index == 11
    assert np.array_equal(shown[-1], recording.frames(11, 12)[0])
    assert window.layers == {}
    assert watch(recording, ["space", "end", "n"])[0].index == 10
    assert watch(recording, ["space", "end", "home"])[0].index == 0


def test_a_person_can_take_over(tmp_path: Path) -> None:
    end, _, window = watch(record(tmp_path / "a.dream"), ["space", "m", "return"])
    assert end == ReplayEnd(10, take_over=True)
    assert window.is_open
    assert window.taker is None


def test_without_pictures_it_is_dreamed_again(tmp_path: Path) -> None:
    whole, bare = record(tmp_path / "a.dream"), record(tmp_path / "b.dream", frames="none")
    pictures = DreamedPictures(dream(bare), len(bare), (64, 64))
    pictures.wait()
    assert pictures.ready == 40
    for i in (0, 39, 7):
        assert np.array_equal(pictures.frame(i), whole.frames(i, i + 1)[0])
    pictures.close()


def test_a_dream_that_fails_ends_the_replay_in_words(tmp_path: Path) -> None:
    recording = record(tmp_path / "a.dream")

    class Broken(EchoModel):
        def step(self, actions: Any) -> Any:
            raise ModelError("the model failed on purpose")

    model = Broken(ECHO.card(), 1)
    pictures = DreamedPictures(Redream(recording, model, lambda name: None), 40, (64, 64))
    with pytest.raises(ModelError, match="on purpose"):
        Replay(recording, pictures, HeadlessWindow(), FakeClock()).run()
    pictures.close()


def test_a_dream_that_fails_beside_another_ends_the_replay_too(tmp_path: Path) -> None:
    """The replay waited for ever for pictures that nobody was dreaming any more."""
    recording = record(tmp_path / "a.dream")
    world = world_of(recording)

    def nowhere(name: str | None) -> None:
        raise ModelError("the scene is gone")

    failing = DreamedPictures(Redream(recording, open_recorded(recording, world), nowhere), 40, (64, 64))
    both = SideBySide([RecordedPictures(recording), failing])
    with pytest.raises(ModelError, match="is gone"):
        Replay(recording, both, HeadlessWindow(), FakeClock()).run()
    both.close()


def test_two_sources_stand_side_by_side(tmp_path: Path) -> None:
    recording = record(tmp_path / "a.dream")
    dreamed = DreamedPictures(dream(recording), 40, (64, 64))
    dreamed.wait()
    both = SideBySide([RecordedPictures(recording), dreamed])
    assert both.ready == 40
    left, right = np.split(both.frame(20), 2, axis=1)
    assert np.array_equal(left, right)
    both.close()


def test_a_smaller_picture_is_enlarged_to_stand_beside_a_larger_one() -> None:
    small, large = np.full((2, 3, 3), 9, np.uint8), np.zeros((4, 5, 3), np.uint8)
    row = beside([small, large])
    assert row.shape == (4, 11, 3)
    assert (row[:, :6] == 9).all()


def test_a_missing_picture_shows_the_one_before_it(tmp_path: Path) -> None:
    path = tmp_path / "a.dream"
    with RecordingWriter(path, {"width_px": 4, "height_px": 3}) as writer:
        for i in range(4):
            frame = None if i in (0, 2) else np.full((3, 4, 3), i, np.uint8)
            writer.tick(InputState(), np.zeros(1, np.float32), frame, b"")
    pictures = RecordedPictures(Recording.open(path))
    assert [int(pictures.frame(i)[0, 0, 0]) for i in range(4)] == [40, 1, 1, 3]


def test_the_timeline_stops_at_the_end_and_starts_over() -> None:
    line = Timeline(100, 10.0, stops=[30, 60, 500])
    assert line.advance(1.0) == 10
    line.change_speed(1)
    assert line.advance(1.0) == 30
    line.jump(1)
    assert line.index == 60
    line.jump(1)
    assert line.index == 99
    line.jump(-1)
    line.jump(-1)
    line.jump(-1)
    assert line.index == 0
    line.advance(1e6)
    assert (line.index, line.playing) == (99, False)
    line.toggle()
    assert (line.index, line.playing) == (0, True)
    for _ in range(20):
        line.change_speed(-1)
    assert line.speed == 0.125
    assert Timeline(0, 10.0).advance(1.0) == 0


def test_a_click_on_the_line_finds_its_place() -> None:
    assert bar_share((0, 10), (800, 600), 1.0) is None
    left, middle, right = (bar_share((x, 580), (800, 600), 1.0) for x in (46, 400, 754))
    assert left == 0.0
    assert middle == pytest.approx(0.5, abs=0.01)
    assert right == 1.0
