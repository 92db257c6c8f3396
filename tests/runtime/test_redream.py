"""Dreaming again: bit for bit through rewinds, resets and loaded games; differences are found and measured."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dreamloop.input.errors import SchemaError
from dreamloop.input.schema import ActionSchema
from dreamloop.input.state import InputState
from dreamloop.model.arch_echo import EchoModel, read_back
from dreamloop.model.recording import Recording, RecordingWriter, frame_hash
from dreamloop.model.savegame import pack_state
from dreamloop.model.world_model import Card, ModelState, Scene
from dreamloop.runtime import session_header
from dreamloop.runtime.redream import Redream, ReplayError, take_over, verify
from dreamloop.runtime.world import find_world

ECHO = find_world("echo")
SIZE = ECHO.schema.size


def echo(**changes: Any) -> EchoModel:
    return EchoModel(replace(ECHO.card(), width_px=96, height_px=64, **changes), 1)


def no_scene(name: str | None) -> Scene | None:
    assert name is None
    return None


class Session:
    """Plays the echo model with random actions and records it."""

    def __init__(self, path: Path, frames: Any = "lossless", seed: int = 5) -> None:
        self.model, self.seed = echo(), seed
        header = session_header.build(ECHO, self.model, ECHO.schema, None, seed)
        self.writer = RecordingWriter(path, header, frames=frames)
        self.rng = np.random.default_rng(0)
        self.states: dict[int, ModelState] = {}
        self.add(np.zeros(SIZE, np.float32), self.model.reset(0, None, seed))

    def add(self, action: Any, frame: Any) -> None:
        self.writer.tick(InputState(tick=self.writer.ticks), action, frame, frame_hash(frame))
        self.states[self.writer.ticks - 1] = self.model.save(0)

    def play(self, ticks: int) -> "Session":
        for _ in range(ticks):
            action = self.rng.uniform(-1, 1, SIZE).astype(np.float32)
            self.add(action, self.model.step(action[np.newaxis])[0])
        return self

    def rewind(self, to: int) -> "Session":
        self.model.load(0, self.states[to])
        self.writer.mark("branch", to=to, by="rewind")
        return self

    def reset(self, seed: int) -> "Session":
        self.writer.mark("reset", scene=None, seed=seed, frame=True)
        self.add(np.zeros(SIZE, np.float32), self.model.reset(0, None, seed))
        return self

    def load(self, state: ModelState) -> "Session":
        self.writer.mark("load", name="quick", state=pack_state(state))
        self.model.load(0, state)
        return self


@pytest.fixture
def long_session(tmp_path: Path) -> Path:
    """A session with everything in it: rewinds inside rewinds, a reset, a game saved elsewhere."""
    path = tmp_path / "long.dream"
    elsewhere = Session(tmp_path / "elsewhere.dream", seed=9).play(7)
    session = Session(path).play(30).rewind(20).play(10).rewind(20).play(5).rewind(-0).play(3)
    session.reset(77).play(10).rewind(34).play(4).load(elsewhere.model.save(0)).play(6)
    session.writer.close()
    return path


def test_a_session_with_rewinds_resets_and_loads_is_dreamed_again_bit_for_bit(long_session: Path) -> None:
    seen: list[tuple[int, int]] = []
    with Recording.open(long_session) as recording:
        found = verify(recording, echo(), no_scene, lambda done, total: seen.append((done, total)))
    assert found.exact
    assert found.compared == found.ticks == len(recording) == 70
    assert np.isinf(found.psnr_db).all()
    assert "bit for bit" in found.sentence()
    assert seen[-1] == (70, 70)


def test_states_are_let_go_once_nobody_goes_back_to_them(long_session: Path) -> None:
    dream = Redream(Recording.open(long_session), echo(), no_scene)
    assert len(list(dream)) == 70
    assert dream._states == {}


def test_without_pictures_it_is_verified_all_the_same(tmp_path: Path) -> None:
    session = Session(tmp_path / "a.dream", frames="none").play(12).rewind(3).play(4)
    session.writer.close()
    recording = Recording.open(tmp_path / "a.dream")
    assert verify(recording, echo(), no_scene).exact
    frames = [dreamed.frame for dreamed in Redream(recording, echo(), no_scene)]
    assert frames[-1] is not None
    assert np.array_equal(read_back(frames[-1], SIZE)[1], recording.actions[-1])


def test_the_first_tick_that_differs_is_named_with_a_curve(tmp_path: Path) -> None:
    class Drifting(EchoModel):
        def step(self, actions: Any) -> Any:
            frames = super().step(actions)
            return frames + np.uint8(self._players[0].tick > 5)

    path = tmp_path / "a.dream"
    Session(path).play(20).writer.close()
    model = Drifting(echo().card, 1)
    found = verify(Recording.open(path), model, no_scene)
    assert not found.exact
    assert found.first_difference == 6
    assert (found.compared, found.equal) == (21, 6)
    assert list(found.curve()) == [1, 2, 4, 8]
    assert found.curve()[1] == pytest.approx(48.13, abs=0.2)
    assert math.isinf(found.psnr_db[5])
    assert "tick 6" in found.sentence()


def test_other_weights_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.dream"
    Session(path).play(3).writer.close()
    found = verify(Recording.open(path), echo(weights_hash="abc"), no_scene)
    assert "weights none then, abc now" in found.differences


def test_a_flipped_action_is_found_by_its_hash(tmp_path: Path) -> None:
    """Guards against a verification that compares a dream with itself."""
    path = tmp_path / "a.dream"
    session = Session(path).play(5)
    frame = session.model.step(np.ones((1, SIZE), np.float32))[0]
    session.writer.tick(InputState(), np.zeros(SIZE, np.float32), frame, frame_hash(frame))
    session.writer.close()
    assert verify(Recording.open(path), echo(), no_scene).first_difference == 6


def test_a_kept_ring_is_dreamed_from_its_state(tmp_path: Path) -> None:
    session = Session(tmp_path / "a.dream").play(10)
    with RecordingWriter(tmp_path / "ring.dream", {"first_tick": 11, "seed": 5, "world": "echo"}) as writer:
        writer.mark("state", state=pack_state(session.model.save(0)))
        for i in range(5):
            action = np.full(SIZE, i / 5, np.float32)
            frame = session.model.step(action[np.newaxis])[0]
            writer.tick(InputState(tick=11 + i), action, frame, frame_hash(frame))
    assert verify(Recording.open(tmp_path / "ring.dream"), echo(), no_scene).exact


def simulated(path: Path, ticks: int) -> Recording:
    with RecordingWriter(path, {"source": "simulator", "seed": 1, "initial_frame": True}) as writer:
        for i in range(ticks):
            frame = np.full((64, 96, 3), i, np.uint8)
            writer.tick(InputState(), np.full(SIZE, i / 10, np.float32), frame, frame_hash(frame))
    return Recording.open(path)


def test_a_simulators_episode_is_dreamed_from_its_pictures_when_asked(tmp_path: Path) -> None:
    recording = simulated(tmp_path / "a.dream", 6)
    with pytest.raises(ReplayError, match="pictures only"):
        list(Redream(recording, echo(), no_scene))
    dreamed = list(Redream(recording, echo(context_frames=2), no_scene, anchor=True))
    assert [one.frame is None for one in dreamed] == [True, True, False, False, False, False]
    assert dreamed[-1].frame is not None
    assert read_back(dreamed[-1].frame, SIZE)[0] == 4


def test_taking_over_goes_on_exactly_where_the_recording_was(long_session: Path) -> None:
    recording = Recording.open(long_session)
    for index in (0, 25, 45, 69):
        model = echo()
        frame, exact = take_over(recording, model, no_scene, index)
        assert exact
        assert frame_hash(frame) == recording.tick(index).frame_hash
    with pytest.raises(ReplayError, match="ticks 0 to 69, asked for 70"):
        take_over(recording, echo(), no_scene, 70)


def test_taking_over_falls_back_on_the_pictures(tmp_path: Path) -> None:
    recording = simulated(tmp_path / "a.dream", 6)
    model = echo(context_frames=2)
    frame, exact = take_over(recording, model, no_scene, 4)
    assert not exact
    assert (frame == 4).all()
    tick, action = read_back(model.load(0, model.save(0)), SIZE)
    assert (tick, action[0]) == (0, np.float32(0.4))


def test_actions_are_carried_over_to_another_layout_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.dream"
    Session(path).play(5).writer.close()
    recording = Recording.open(path)
    tables = ECHO.schema.to_dict()
    reversed_schema = ActionSchema.from_dict({**tables, "control": tables["control"][::-1]})
    dreamed = list(Redream(recording, echo(schema=reversed_schema.to_dict()), no_scene))
    assert dreamed[3].frame is not None
    _, action = read_back(dreamed[3].frame, SIZE)
    wanted = ECHO.schema.decode(ECHO.schema.vector(**ECHO.schema.decode(recording.actions[3])))
    assert reversed_schema.decode(action) == pytest.approx(wanted)


def test_a_model_that_needs_more_than_was_recorded_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dream"
    Session(path).play(2).writer.close()
    tables = ECHO.schema.to_dict()
    more = {**tables["control"][0], "name": "fly", "keys": ["f7"]}
    card: Card = replace(echo().card, schema={**tables, "control": [*tables["control"], more]})
    with pytest.raises(SchemaError, match="fly"):
        Redream(Recording.open(path), EchoModel(card, 1), no_scene)


def test_scenes_are_asked_for_by_name(tmp_path: Path) -> None:
    model = echo()
    scene = Scene("yard", np.zeros((1, 64, 96, 3), np.uint8), np.ones((1, SIZE), np.float32))
    path = tmp_path / "a.dream"
    with RecordingWriter(path, session_header.build(ECHO, model, ECHO.schema, scene, 3)) as writer:
        frame = model.reset(0, scene, 3)
        writer.tick(InputState(), np.zeros(SIZE, np.float32), frame, frame_hash(frame))
    assert verify(Recording.open(path), echo(), lambda name: scene if name == "yard" else None).exact


def test_minutes_kept_with_a_key_are_dreamed_again_bit_for_bit(direct: Any, tmp_path: Path) -> None:
    """The whole way: a session that records nothing, a key, a file, a verified replay."""
    stage = direct(frames=80, options=direct.options(keep_s=1.0))
    stage.at_frame(10, lambda: stage.press("w"))
    stage.at_frame(70, lambda: stage.press("k", "/k"))
    stage.session.run()
    (kept,) = (tmp_path / "home").rglob("*.dream")
    with Recording.open(kept) as recording:
        assert 20 < len(recording) <= 60
        assert recording.actions.any()
        assert verify(recording, ECHO.open_model(), no_scene).exact
