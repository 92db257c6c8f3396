"""Coming back in a toy world: what counts as a return, what is undone, what a press changed."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dreamloop.input.state import InputState
from dreamloop.model.camera import turned
from dreamloop.model.eval_control import opposite_pairs
from dreamloop.model.eval_memory import PERIOD
from dreamloop.model.eval_play import EvaluationError
from dreamloop.model.frame_codec import frame_hash
from dreamloop.model.recording import RecordingWriter
from dreamloop.runtime import revisits
from dreamloop.runtime.memory_suite import PARTS, MemorySize, choose_parts
from dreamloop.runtime.revisits import NEAR_DEG, NEAR_UNITS, plan_of
from dreamloop.runtime.walker import Walker, can_walk
from dreamloop.runtime.world import World, load_world

WORLD = """
[world]
name = "room"
rate_hz = 35
width_px = 24
height_px = 16
arch = "echo"
simulator = "room.py:make_env"
explorer = "room.py:make_explorer"
"""
SCHEMA = """
format = 1
name = "room"
[[control]]
name = "forward"
kind = "button"
help = "ahead"
keys = ["w"]
[[control]]
name = "back"
kind = "button"
help = "back"
keys = ["s"]
[[control]]
name = "turn"
kind = "axis"
help = "turn; positive is to the right"
unit = "deg"
range = [-12.0, 12.0]
motion = "x"
[[control]]
name = "use"
kind = "button"
help = "switch a lamp on"
keys = ["space"]
[[opposites]]
pair = ["forward", "back"]
"""
ROOM = """
import numpy as np

class Env:
    '''Movers that coast; a picture of the pose; a lamp that stays on.'''
    def __init__(self, maps, width_px, height_px, seed=0, monsters=True):
        self.shape, self.monsters = (height_px, width_px, 3), monsters

    def reset(self, seed=None, options=None):
        self.lamp, self.speed = False, 0.0
        self.pose = np.array([*(options or {}).get("pose", (0.0, 0.0, 90.0))[:3], 0.0])
        return self.frame(), self.info()

    def step(self, action):
        self.pose[2] -= 12 * float(action[2])
        self.speed = 0.5 * self.speed + float(action[0] - action[1])
        way = np.radians(self.pose[2])
        self.pose[:2] += 2 * self.speed * np.array([np.cos(way), np.sin(way)])
        self.lamp |= bool(action[3] > 0.5)
        return self.frame(), 0.0, False, False, self.info()

    def frame(self):
        picture = np.zeros(self.shape, np.uint8)
        picture[...] = (np.abs(self.pose[:3]) % 200).astype(np.uint8)
        if self.lamp:
            picture[:4, :4] = 255
        return picture

    def info(self):
        return {"pose": tuple(self.pose)}

    def close(self):
        pass

class Explorer:
    def reset(self, seed=None):
        self.rng, self.t = np.random.default_rng(seed), 0

    def act(self, observation, info):
        self.t += 1
        action = np.zeros(4, np.float32)
        action[0] = self.t % 40 < 20
        action[2] = 0.1 * np.sin(self.t / 9)
        action[3] = self.t % 50 == 0
        return action

def make_env(maps="test", width_px=24, height_px=16, seed=0, monsters=True):
    return Env(maps, width_px, height_px, seed, monsters)

def make_explorer(seed=0):
    explorer = Explorer()
    explorer.reset(seed)
    return explorer
"""


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The toy world."""
    folder = tmp_path_factory.mktemp("room")
    for name, text in {"world.toml": WORLD, "schema.toml": SCHEMA, "room.py": ROOM}.items():
        (folder / name).write_text(text)
    return load_world(folder)


def turn_press(room: World) -> Any:
    """The first end of the turning axis."""
    return next(pair for pair in opposite_pairs(room.schema) if pair.name == "turn-/+").presses[0]


def test_turning_comes_back_to_the_pose_of_the_start(room: World) -> None:
    plan = plan_of(room, 40, 4 * PERIOD, (64, 128, 256), turn_press(room))
    visit = revisits.turning(plan.at(3))
    assert visit is not None
    assert np.abs(visit.ticks - [64, 128, 192, 256]).max() <= 2, "it rests for two ticks before it goes on"
    home = visit.scene.poses[-1]  # type: ignore[index]
    np.testing.assert_allclose(visit.poses[visit.ticks - 1], np.repeat(home[None], 4, 0), atol=1e-3)
    assert len(visit.scene.frames) == 40


def test_a_walker_comes_home_and_every_return_is_a_fact(room: World) -> None:
    """Braking too late, it once swung around home for ever; returns were then none at all."""
    visit = revisits.walking(plan_of(room, 80, 1024, (64, 128, 256, 512, 1024)).at(1))
    assert visit is not None
    assert len(visit.ticks) >= 4
    assert visit.scene.poses is not None
    far = np.hypot(*(visit.poses[:, :2] - visit.scene.poses[-1, :2]).T)
    assert far.max() > 2 * NEAR_UNITS, "it went away"
    for tick in visit.ticks:
        off = visit.scene.poses - visit.poses[tick - 1]
        near = (np.hypot(off[:, 0], off[:, 1]) <= NEAR_UNITS) & (np.abs(turned(off[:, 2])) <= NEAR_DEG)
        assert near.any()


def test_who_roams_a_scene_begins_where_it_ends_and_comes_back_to_what_it_shows(room: World, tmp_path: Path) -> None:
    """A scene of single views: where they were taken from is what is met again."""
    with pytest.raises(EvaluationError, match="no scene that tells"):
        revisits.find_in_scenes(room, plan_of(room, 40, 64), 3)
    folder = shutil.copytree(room.folder, tmp_path / "room")
    poses = [[200.0, 100.0, 0.0, 0.0], [203.0, 100.0, 0.0, 0.0], [40.0, -20.0, 30.0, 0.0]]
    (folder / "world.toml").write_text(WORLD + 'scenes = "scenes"\n')
    (folder / "scenes").mkdir()
    header = {
        "world": room.name,
        "schema": room.schema.to_dict(),
        "schema_fingerprint": room.schema.fingerprint,
        "rate_hz": room.rate_hz,
        "place": {"maps": "test", "seed": 4, "options": {"monsters": False}},
        "views": 2,
    }
    with RecordingWriter(folder / "scenes" / "one.dream", header, frames="lossless") as writer:
        for tick, pose in enumerate(poses):
            frame = np.zeros((16, 24, 3), np.uint8) + (np.abs(np.array(pose[:3])) % 200).astype(np.uint8)
            state = InputState(tick=tick, dt_s=1 / room.rate_hz)
            writer.tick(state, room.schema.neutral, frame, frame_hash(frame), {}, {"pose": pose})
    world = load_world(folder)
    [visit] = revisits.find_in_scenes(world, plan_of(world, 40, 512, (64, 128, 256, 512)), 3)
    assert visit.scene.name == "one"
    np.testing.assert_allclose(visit.poses[0, :2], poses[-1][:2], atol=4)
    assert np.hypot(*(visit.poses[:, :2] - poses[-1][:2]).T).max() > 2 * NEAR_UNITS, "it went away"
    off = visit.poses[visit.ticks - 1] - poses[-1]
    assert len(visit.ticks)
    assert (np.hypot(off[:, 0], off[:, 1]) <= NEAR_UNITS).all()
    shown = list(revisits.true_frames(world, "one", visit.actions[:5]))
    assert [frame[0, 0, :2].tolist() for frame in shown] == np.abs(visit.poses[:5, :2]).astype(np.uint8).tolist()
    assert not list(revisits.true_frames(world, "two", visit.actions[:5])), "no such scene"
    assert not list(revisits.true_frames(room, "one", visit.actions[:5])), "a world without scenes"


def test_a_walker_repeats_itself_and_another_seed_walks_elsewhere(room: World) -> None:
    plan = plan_of(room, 80, 200, (64, 128, 256))

    def walk(seed: int) -> bytes:
        walker = Walker(room.schema, np.zeros(4), 8.0, seed)
        env = room.make_env()
        _, info = env.reset(seed=0)
        actions = []
        for _ in range(plan.ticks):
            actions.append(walker.act(info))
            info = env.step(actions[-1])[-1]
        return np.stack(actions).tobytes()

    assert walk(4) == walk(4) != walk(5)
    assert can_walk(room.schema)


def test_undoing_an_action_swaps_opposites_and_signs_and_lets_the_rest_go(room: World) -> None:
    undone = revisits.undone(room.schema, np.array([1, 0, 0.5, 1], np.float32))
    assert undone.tolist() == [0, 1, -0.5, 0]
    assert not room.schema.neutral.any(), "the schema's own vector is not written into"


def test_the_way_back_meets_what_was_seen(room: World) -> None:
    visit = revisits.retracing(plan_of(room, 60, 50, (16, 32, 64)).at(2))
    assert visit is not None
    assert len(visit.ticks) >= 2, "coasting, the undone way runs beside the old one"


def test_a_change_is_what_the_press_alone_made(room: World) -> None:
    """The lamp of the unchanged run must stay off, and both must have come the same way."""
    plan = plan_of(room, 40, 0, press=turn_press(room), way=200)
    change = revisits.changing(plan.at(1))
    assert change is not None
    assert change.control == "use"
    assert (change.changed[:, :4, :4] == 255).all()
    assert not (change.unchanged[:, :4, :4] == 255).all()
    np.testing.assert_array_equal(change.changed[:, 8:], change.unchanged[:, 8:])
    assert (change.scene.frames[-1, :4, :4] == 255).all(), "the change is seen before the dream begins"


def test_the_same_seed_finds_the_same_places_and_none_is_said(room: World) -> None:
    plan = plan_of(room, 40, 128, (64, 128), turn_press(room))
    one, again = (revisits.find(revisits.turning, plan, 2, 5, "places") for _ in range(2))
    assert [visit.scene.name for visit in one] == [visit.scene.name for visit in again]
    with pytest.raises(EvaluationError, match="none of 2 places"):
        revisits.find(lambda plan: None, plan, 2, 5, "places")


def test_monsters_are_left_out_where_the_simulator_can(room: World, echo: World) -> None:
    assert plan_of(room, 40, 64).job.env_options == {"monsters": False}
    assert not echo.can_leave_out_monsters()


def test_parts_have_names_and_a_quick_suite_is_shorter() -> None:
    assert choose_parts(["changes,turning"]) == ("turning", "changes")
    assert choose_parts([]) == PARTS
    with pytest.raises(EvaluationError, match=r"'walkin'.*did you mean 'walking'"):
        choose_parts(["walkin"])
    size = MemorySize().shorter(0.1)
    assert 128 <= size.other_ticks <= size.ticks < 8192
    assert size.places >= 2


@pytest.mark.parametrize("room_ahead", [40.0, 120.0])
def test_a_walker_goes_no_farther_than_there_is_room_for_its_body(room: World, room_ahead: float) -> None:
    """In a world without walls it believes what it is told of them."""
    walker, at, farthest = Walker(room.schema, np.zeros(4), 8.0, 3), np.zeros(4), 0.0
    ahead = list(room.schema.columns).index(room.schema.opposites[0][0])
    turn = next(i for i, name in enumerate(room.schema.columns) if name == "turn")
    back = list(room.schema.columns).index(room.schema.opposites[0][1])
    for _ in range(400):
        action = walker.act({"pose": at, "room": np.full(16, room_ahead)})
        at[2] -= action[turn]
        push = 8.0 * (action[ahead] - action[back])
        at[:2] += push * np.array([np.cos(np.radians(at[2])), np.sin(np.radians(at[2]))])
        farthest = max(farthest, float(np.hypot(*at[:2])))
    assert 16.0 < farthest <= room_ahead
