"""A player who is dreamed goes where the simulator's goes: by the keys alone, in a scene that was measured."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("vizdoom", reason="the Doom simulator is not installed")

from dreamloop.demos.doom.simulator import CLOCK_TICS
from dreamloop.model.gait import EYES
from dreamloop.model.recording import Recording
from dreamloop.model.world_model import OpenOptions
from dreamloop.runtime import revisits
from dreamloop.runtime.collect import simulator_of
from dreamloop.runtime.world import find_world

TICKS = 500


@pytest.mark.parametrize("number", [0, 2])
def test_a_walk_of_some_hundred_ticks_is_reckoned_to_the_map_unit(number: int) -> None:
    """Between walls, up and down steps: what was off by 20 units after 256 ticks is off by none."""
    world = find_world("doom")
    path = world.scenes[number]
    plan = revisits.plan_of(world, 64, TICKS, (64, 128, 256, 512))
    visit = revisits.roaming(plan.within(path.stem, Recording.open(path).header["place"]))
    assert visit is not None
    model: Any = world.open_model(OpenOptions(threads=1))
    model.reset(0, visit.scene, 0)
    player = model.travellers[0]
    frame, idle = visit.scene.frames[-1], np.zeros(2, np.float32)
    off = []
    for action, pose in zip(visit.actions, visit.poses, strict=True):
        player.remember(action)
        player.settle(action, idle, frame)
        off.append(np.hypot(*(player.pose[:2] - pose[:2])))
    assert np.hypot(*np.diff(visit.poses[:, :2], axis=0).T).sum() > 300, "somebody walked"
    assert max(off) < 1.0, "and was reckoned"
    assert len(visit.ticks), "and came back to what was seen before"


@pytest.mark.parametrize("number", [1, 4])
def test_eyes_sway_as_those_of_the_simulator(number: int) -> None:
    """To a tenth of a map unit, in walking, running and stopping, up and down steps."""
    world = find_world("doom")
    path, rng = world.scenes[number], np.random.default_rng(number)
    job = revisits.plan_of(world, 64, TICKS).within(path.stem, Recording.open(path).header["place"]).job
    scene, env = world.scene(path.stem), simulator_of(job)[1]
    assert scene is not None
    assert scene.poses is not None
    assert scene.clock is not None
    home = [float(value) for value in scene.poses[-1]]
    _, info = env.reset(seed=job.seed, options={"pose": home, "clock": scene.clock})
    assert (info["clock"] - scene.clock) % CLOCK_TICS == 0
    model: Any = world.open_model(OpenOptions(threads=1))
    model.reset(0, scene, 0)
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
