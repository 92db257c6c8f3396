"""Collecting from a simulator: the same episodes every time, on with it after a stop, whole files only."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from dreamloop.input.errors import MissingPartError
from dreamloop.input.state import InputState
from dreamloop.model.recording import Recording, RecordingError, RecordingWriter
from dreamloop.runtime.collect import CollectError, collect, episodes, recorded_episodes
from dreamloop.runtime.train_world import _sources
from dreamloop.runtime.world import DEMOS, World, load_world

WORLD = """
[world]
name = "toy"
rate_hz = 35
width_px = 16
height_px = 12
arch = "echo"
simulator = "toy.py:make_env"
explorer = "toy.py:make_explorer"
"""
SCHEMA = """
format = 1
name = "toy"
[[control]]
name = "go"
kind = "button"
help = "go"
keys = ["w"]
[[control]]
name = "turn"
kind = "axis"
help = "turn"
unit = "deg"
range = [-12.0, 12.0]
"""
TOY = """
import os
import numpy as np

class Env:
    def __init__(self, maps, seed, width_px, height_px, die_at=None, kill_at=None):
        self.maps, self.shape, self.die_at, self.kill_at = maps, (height_px, width_px, 3), die_at, kill_at

    def reset(self, seed=None, options=None):
        self.rng, self.t = np.random.default_rng(seed), 0
        return self._frame(), self._info()

    def step(self, action):
        self.t += 1
        if self.t == self.kill_at:
            os._exit(9)
        return self._frame(), 0.5, self.t == self.die_at, False, self._info()

    def close(self):
        pass

    def _frame(self):
        return self.rng.integers(0, 256, self.shape, np.uint8)

    def _info(self):
        return {"pose": (1.0 * self.t, 2.0, 90.0, 0.0), "map": "map-" + self.maps}

class Explorer:
    def reset(self, seed=None):
        self.rng = np.random.default_rng(seed)

    def act(self, observation, info):
        return np.array([self.rng.random() < 0.5, self.rng.uniform(-1, 1)], np.float32)

def make_env(**options):
    return Env(**options)

def make_explorer(seed=0):
    return Explorer()
"""


@pytest.fixture
def toy(tmp_path: Path) -> World:
    """A world with a simulator of its own, in three small files."""
    folder = tmp_path / "toy"
    folder.mkdir()
    for name, text in (("world.toml", WORLD), ("schema.toml", SCHEMA), ("toy.py", TOY)):
        (folder / name).write_text(text)
    return load_world(folder)


def test_episodes_become_whole_recordings(toy: World, tmp_path: Path) -> None:
    paths = collect(toy, 50, tmp_path / "out", 1, maps="test", ticks=20, show=False)
    assert len(paths) == 3
    assert not list((tmp_path / "out").glob("*.tmp"))
    recording = Recording.open(paths[1])
    assert recording.complete
    assert len(recording) == 20
    assert recording.initial_frame
    assert recording.header["map"] == "map-test"
    assert recording.header["fingerprint"] == toy.schema.fingerprint
    assert not recording.actions[0].any()
    assert recording.actions[1:].any()
    assert recording.tick(5).extra == {"pose": [5.0, 2.0, 90.0, 0.0], "reward": 0.5}
    assert recording.frames(0, 20).shape == (20, 12, 16, 3)


def test_the_files_hold_what_the_generator_plays(toy: World, tmp_path: Path) -> None:
    paths = collect(toy, 30, tmp_path / "out", 1, seed=7, ticks=15, show=False)
    for path, (frames, actions, poses, *_) in zip(paths, episodes(toy, 7, ticks=15, limit=2), strict=True):
        recording = Recording.open(path)
        assert np.array_equal(recording.frames(0, 15), frames)
        assert np.array_equal(recording.actions, actions)
        assert poses.dtype == np.float32
        assert poses[:, 0].tolist() == list(range(15))


def test_recordings_become_training_episodes_that_nothing_tears(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "a.dream", {}) as writer:
        for i in range(30):
            if i == 12:
                writer.mark("branch", to=4, by="rewind")
            picture = None if i == 20 else np.full((2, 2, 3), i, np.uint8)
            writer.tick(InputState(tick=i), np.array([i], np.float32), picture, b"")
    found = list(recorded_episodes([tmp_path / "a.dream"], ticks=8))
    assert [actions[:, 0].tolist() for _, actions in found] == [
        list(range(8)),
        list(range(8, 12)),
        list(range(12, 20)),
        list(range(21, 29)),
    ]
    assert all((frames[:, 0, 0, 0] == actions[:, 0]).all() for frames, actions in found)


def test_recordings_that_cannot_be_learnt_from_say_so(toy: World, tmp_path: Path) -> None:
    """Guards against play of another action layout, or without pictures, being mixed in or left out in silence."""
    (path,) = collect(toy, 20, tmp_path / "a", 1, ticks=20, show=False)
    assert len(list(recorded_episodes([path], schema=toy.schema))) == 1
    with pytest.raises(RecordingError, match="another action layout than 'echo'"):
        list(recorded_episodes([path], schema=load_world(DEMOS / "echo").schema))
    (bare,) = collect(toy, 20, tmp_path / "b", 1, ticks=20, keep="none", show=False)
    with pytest.raises(RecordingError, match="--to dream` makes a copy with them"):
        list(recorded_episodes([bare]))


def test_training_mixes_recordings_with_the_simulators_play(toy: World, tmp_path: Path) -> None:
    """A folder of recordings comes first, then the simulator goes on without end."""
    paths = collect(toy, 60, tmp_path / "kept", 1, ticks=20, seed=9, show=False)
    seen, held_out = _sources(toy, [tmp_path / "kept"], workers=1)
    for path in paths:
        frames, actions, *_ = next(seen)
        with Recording.open(path) as recording:
            assert np.array_equal(frames, recording.frames(0, 20))
            assert np.array_equal(actions, recording.actions)
    assert len(next(seen)[0]) > 20
    assert len(next(held_out)[0]) > 20


def test_another_seed_gives_other_episodes(toy: World) -> None:
    one, other = (next(episodes(toy, seed, ticks=4))[0] for seed in (0, 1))
    assert not np.array_equal(one, other)


def test_going_on_keeps_whole_files_and_replaces_half_ones(toy: World, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = collect(toy, 60, out, 1, ticks=20, show=False)
    before = [path.read_bytes() for path in first]
    first[1].write_bytes(before[1][: len(before[1]) // 2])
    Path(f"{first[2]}.tmp").write_bytes(before[2][:100])
    first[2].unlink()
    stamp = first[0].stat().st_mtime_ns
    again = collect(toy, 80, out, 1, ticks=20, show=False)
    assert [path.read_bytes() for path in again[:3]] == before
    assert first[0].stat().st_mtime_ns == stamp
    assert len(again) == 4
    assert not list(out.glob("*.tmp"))


def test_an_episode_may_end_early(toy: World, tmp_path: Path) -> None:
    paths = collect(toy, 20, tmp_path / "out", 1, ticks=20, env_options={"die_at": 7}, show=False)
    assert [len(Recording.open(path)) for path in paths] == [8, 8, 8]
    assert Recording.open(paths[0]).tick(-1).extra["ended"] is True


def test_a_folder_of_another_action_layout_is_refused(toy: World, tmp_path: Path) -> None:
    out = tmp_path / "out"
    collect(toy, 5, out, 1, ticks=5, show=False)
    schema = toy.folder / "schema.toml"
    schema.write_text(schema.read_text().replace('"go"', '"walk"'))
    with pytest.raises(CollectError, match="another action layout"):
        collect(load_world(toy.folder), 5, out, 1, ticks=5, show=False)


def test_a_world_without_a_simulator_says_so(toy: World, tmp_path: Path) -> None:
    file = toy.folder / "world.toml"
    file.write_text(file.read_text().replace("explorer =", "# ").replace("simulator =", "# "))
    with pytest.raises(MissingPartError, match="no explorer"):
        collect(load_world(toy.folder), 5, tmp_path / "out", 1, show=False)


def test_worker_processes_do_the_same_work(toy: World, tmp_path: Path) -> None:
    alone = collect(toy, 40, tmp_path / "alone", 1, ticks=10, show=False)
    helped = collect(toy, 40, tmp_path / "helped", 2, ticks=10, show=False)
    assert [path.read_bytes() for path in alone] == [path.read_bytes() for path in helped[:4]]


def test_a_worker_that_dies_is_said_in_words(toy: World, tmp_path: Path) -> None:
    with pytest.raises(CollectError, match="run the same command again"):
        collect(toy, 40, tmp_path / "out", 2, ticks=10, env_options={"kill_at": 5}, show=False)
    shutil.rmtree(tmp_path / "out")
