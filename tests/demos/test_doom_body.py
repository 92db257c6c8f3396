"""A player who is dreamed goes where the simulator's goes: by the keys alone, in a scene that was measured."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("vizdoom", reason="the Doom simulator is not installed")

from dreamloop.demos.doom.simulator import CLOCK_TICS, TURN_DEG
from dreamloop.model.doors import SHUT
from dreamloop.model.gait import EYES
from dreamloop.model.recording import Recording
from dreamloop.model.world_model import OpenOptions, Scene
from dreamloop.runtime import revisits
from dreamloop.runtime.collect import simulator_of
from dreamloop.runtime.world import World, find_world

TICKS = 600
OFTEN = {"forward": 0.6, "back": 0.15, "left": 0.25, "right": 0.25, "run": 0.5}


def to_a_door(pose: np.ndarray, places: np.ndarray) -> tuple[float, float]:
    """Return by how much one must turn to the right to look at the nearest door, and how far away it is."""
    ways = (places[:, :2] + places[:, 2:4]) / 2 - pose[:2]
    east, north = ways[np.hypot(*ways.T).argmin()]
    return float((pose[2] - np.degrees(np.arctan2(north, east)) + 180) % 360 - 180), float(np.hypot(east, north))


def beside(number: int) -> tuple[World, Scene, Any, int, Any]:
    """Return the world, one of its scenes, the simulator of its place, the seed of that, and a model that is there."""
    world = find_world("doom")
    path = world.scenes[number]
    job = revisits.plan_of(world, 64, TICKS).within(path.stem, Recording.open(path).header["place"]).job
    scene = world.scene(path.stem)
    assert scene is not None
    model: Any = world.open_model(OpenOptions(threads=1))
    model.reset(0, scene, 0)
    return world, scene, simulator_of(job)[1], job.seed, model


@pytest.mark.parametrize("number", [0, 2, 5])
def test_who_is_dreamed_is_where_the_simulators_player_is_to_the_last_bit(number: int) -> None:
    """Somebody runs and turns about, into walls and things, off steps and along corners, without looking."""
    (world, scene, env, seed, model), rng = beside(number), np.random.default_rng(number)
    assert scene.poses is not None
    env.reset(seed=seed, options={"pose": [float(value) for value in scene.poses[-1]], "clock": scene.clock})
    player, idle, held = model.travellers[0], np.zeros(2, np.float32), 0
    player.gallery = None  # nobody looks
    action = world.schema.neutral
    for tick in range(TICKS):
        if tick % 20 == 0:
            keys = {name: 1.0 for name, often in OFTEN.items() if rng.random() < often}
            action = world.schema.vector(turn=float(rng.normal(0, 2)), **keys)
        *_, info = env.step(action)
        player.remember(action)
        held += not np.allclose(player.step.gone, player.step.foreseen)
        player.settle(action, idle, scene.frames[-1])
        assert player.pose[:2] == pytest.approx(info["pose"][:2], abs=1e-6), f"tick {tick}"
        assert player.fall.height == info["height"]
    assert held > TICKS / 8, "much was in the way"


@pytest.mark.parametrize("number", [10, 11])
def test_doors_open_for_who_uses_them_as_those_of_the_simulator_do(number: int) -> None:
    """From where every face was looked at somebody goes to it, uses it again and again, stands in it, goes through."""
    (world, scene, env, seed, model), rng = beside(number), np.random.default_rng(number)
    assert scene.doors is not None
    assert scene.poses is not None
    player, idle, within, moving = model.travellers[0], np.zeros(2, np.float32), 0, 0
    player.gallery, places = None, scene.doors.places
    for start in scene.poses[2 : scene.doors.pages : 5]:
        *_, info = env.reset(seed=seed, options={"pose": [float(value) for value in start]})
        player.pose, player.fall = np.array(info["pose"]), player.fall._replace(height=info["height"], speed=0.0)
        player.speed, player.kept, player.using = np.zeros(2), np.zeros(2), False
        player._set_doors((SHUT,) * len(places))
        for tick in range(TICKS // 3):
            off, _ = to_a_door(player.pose, places)
            keys = {"forward": rng.random() < 0.9, "use": rng.random() < 0.15, "left": tick > 150}
            turn = float(np.clip(off / TURN_DEG, -1, 1))
            action = world.schema.vector(turn=turn, **{name: float(key) for name, key in keys.items()})
            *_, info = env.step(action)
            player.remember(action)
            player.settle(action, idle, scene.frames[-1])
            assert player.pose[:2] == pytest.approx(info["pose"][:2], abs=1e-6), f"tick {tick}"
            assert player.fall.height == info["height"]
            inside = (player.pose[:2] > places[:, :2]) & (player.pose[:2] < places[:, 2:4])
            within, moving = within + bool(inside.all(1).any()), moving + any(leaf.goes for leaf in player.leaves)
    assert within > 30, "somebody was in a door"
    assert moving > 100, "they went up and down"


def test_a_door_that_moves_is_seen_to_and_a_game_that_is_loaded_goes_on_with_it() -> None:
    """The dream is near the simulator while a door goes up, and the same bytes come after loading in the middle."""
    (world, scene, env, seed, model) = beside(10)
    assert scene.doors is not None
    home = [float(value) for value in scene.poses[-1]]  # type: ignore[index]
    env.reset(seed=seed, options={"pose": home, "clock": scene.clock})
    player = model.travellers[0]
    off, saved, shown, done = list[float](), None, list[np.ndarray](), list[np.ndarray]()
    used_at = None
    while used_at is None or len(shown) < used_at + 20:
        aside, far = to_a_door(player.pose, scene.doors.places)
        if used_at is None and far < 70 and abs(aside) < 2:
            used_at = len(shown)
        if used_at is not None and len(shown) == used_at + 5:
            saved = model.save(0)
        walks = {"turn": float(np.clip(aside / TURN_DEG, -1, 1)), "forward": float(abs(aside) < 30)}
        action = world.schema.vector(use=float(len(shown) == used_at), **(walks if used_at is None else {}))
        true, dream = env.step(action)[0], model.step(action[None])[0]
        off.append(float(np.abs(true.astype(float) - dream).mean()))
        shown.append(dream)
        done.append(action)
        assert len(shown) < 200
    assert player.leaves != (SHUT,) * len(player.leaves)
    assert np.abs(shown[used_at].astype(float) - shown[-1]).mean() > 20, "it is open now"
    assert np.mean(off[used_at:]) < 15
    assert saved is not None
    *_, other = beside(10)
    other.load(0, saved)
    for number in range(used_at + 5, len(shown)):
        np.testing.assert_array_equal(other.step(done[number][None])[0], shown[number])


@pytest.mark.parametrize("number", [1, 4])
def test_eyes_sway_as_those_of_the_simulator(number: int) -> None:
    """To a tenth of a map unit, in walking, running and stopping, up and down steps."""
    (world, scene, env, seed, model), rng = beside(number), np.random.default_rng(number)
    assert scene.poses is not None
    assert scene.clock is not None
    home = [float(value) for value in scene.poses[-1]]
    _, info = env.reset(seed=seed, options={"pose": home, "clock": scene.clock})
    assert (info["clock"] - scene.clock) % CLOCK_TICS == 0
    player, off, up = model.travellers[0], [], []
    for tick in range(150):
        if tick % 25 == 0:
            held = {str(rng.choice(["forward", "back", "left", "right"])): 1.0, "run": float(rng.random() < 0.3)}
            action = world.schema.vector(**held) if tick % 50 == 0 else world.schema.neutral
        *_, info = env.step(action)
        player.remember(action)
        up.append(player._looks(action, player.step).level)
        off.append(up[-1] - (info["eyes"] - EYES))
        player.settle(action, np.zeros(2, np.float32), scene.frames[-1])
    assert np.ptp(up) > 4, "they do sway"
    assert np.abs(off).max() < 0.1


def test_items_are_taken_in_the_tick_in_which_the_simulators_player_takes_them() -> None:
    """Somebody walks onto every item of a scene from eighty map units away, where there is room for that.

    The simulator counts bonuses, and no armour or ammunition: of this scene's items there are those, and what heals.
    """
    (world, scene, env, seed, model), walked = beside(5), 0
    assert scene.items is not None
    forward, idle = world.schema.vector(forward=1.0), np.zeros(2, np.float32)
    for x, y, *_ in scene.items.tolist():
        model.reset(0, scene, 0)
        player = model.travellers[0]
        ways = [(x - 80 * east, y - 80 * north, yaw) for east, north, yaw in ((1, 0, 0), (-1, 0, 180), (0, 1, 90))]
        free = [
            (*start, yaw)
            for *start, yaw in ways
            if all(player.room.has(*(np.array(start) * k + np.array([x, y]) * (8 - k)) / 8) for k in range(9))
        ]
        if not free:
            continue
        _, info = env.reset(seed=seed, options={"pose": [*free[0], 0.0], "clock": scene.clock})
        player.gallery, player.pose = None, np.array(info["pose"], np.float64)
        player.speed = player.kept = np.zeros(2)
        player.fall = player.fall._replace(height=info["height"])
        for _ in range(20):
            *_, info = env.step(forward)
            player.remember(forward)
            player.settle(forward, idle, scene.frames[-1])
            assert player.taken.sum() == info["items"]
        walked += 1
    assert walked >= 4
