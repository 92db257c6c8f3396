"""A player who is dreamed goes where the simulator's goes: by the keys alone, in a scene that was measured."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("vizdoom", reason="the Doom simulator is not installed")

from dreamloop.model.recording import Recording
from dreamloop.model.world_model import OpenOptions
from dreamloop.runtime import revisits
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
    assert max(off) < 1.0
    assert len(visit.ticks), "and came back to what was seen before"
