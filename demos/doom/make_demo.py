"""Write the script of the Doom world's demo: a way through the first scene, in keys and motions of the mouse.

Where a scene begins changes when the scenes are made anew, and the way with it: the places that it leads to stand in
``WAY``, which is to be drawn anew then. Run ``python -m dreamloop.demos.doom.make_demo``.
"""

import math
from bisect import bisect_left
from pathlib import Path

import numpy as np

from dreamloop.demos.doom.make_scenes import MAPS, OPTIONS
from dreamloop.model.camera import Poses
from dreamloop.model.recording import Recording
from dreamloop.runtime.collect import Job, simulator_of
from dreamloop.runtime.world import World, find_world

DEG_PER_PX = 0.15
COASTS, LONGEST = 14, 80  # ticks until who lets go stands still; most that a key is held
TURN = 9.0  # degrees a tick, about
HEAD = """\
# Half a minute of play for a machine without a window: every control is used at least once. One tick is 1/35 s.
# It goes through the rooms of the first scene, and over what lies there. Written by make_demo.py.
help = "look around, walk through the rooms, take what lies there, look up and down, fire, step aside, run, look back"
"""
Move = tuple[str, float, float]
WAY: list[
    Move
] = [  # wait: ticks; turn: degrees, ticks; go, run, face: a place; press: a key (below), ticks; tilt: px, ticks
    ("wait", 20, 0),
    ("turn", 40, 24),
    ("turn", -40, 24),
    ("go", 440, 610),
    ("turn", -70, 30),
    ("turn", 50, 20),
    ("go", 200, 840),
    ("wait", 8, 0),
    ("face", 420, 600),
    ("wait", 12, 0),
    ("tilt", -7, 18),
    ("tilt", 7, 36),
    ("tilt", -7, 18),
    ("press", 0, 24),
    ("go", 350, 610),
    ("go", 350, 380),
    ("turn", -50, 22),
    ("turn", 100, 40),
    ("run", 350, 610),
    ("go", 580, 632),
    ("go", 850, 632),
    ("press", 1, 12),
    ("wait", 8, 0),
    ("press", 2, 12),
    ("wait", 8, 0),
    ("go", 850, 840),
    ("face", 760, 984),
    ("wait", 20, 0),
    ("press", 3, 14),
    ("wait", 10, 0),
    ("run", 850, 632),
    ("press", 4, 8),
    ("go", 850, 400),
    ("turn", -60, 26),
    ("turn", 120, 44),
    ("wait", 30, 0),
]
KEYS = ("mouse:left", "key:a", "key:d", "key:s", "key:space")


def step(ticks: int, **more: object) -> str:
    """Return a step of the script."""
    told = [f"{name} = {value}" for name, value in more.items()]
    return "\n".join(["[[step]]", f"ticks = {ticks}", *told, ""])


def write(world: World) -> str:
    """Return the script: what is held how long is found out in the simulator, which is played along."""
    path = world.scenes[0]
    seed = int(Recording.open(path).header["place"]["seed"])
    scene, env = world.scene(path.stem), simulator_of(Job(world.folder, MAPS, seed, 0, OPTIONS))[1]
    assert scene is not None
    assert scene.poses is not None
    start = {"pose": [float(value) for value in scene.poses[-1]], "clock": scene.clock}
    done, steps = [], list[str]()

    def play(ticks: int, told: dict[str, float], **more: object) -> None:
        done.extend([world.schema.vector(**told)] * ticks)
        steps.append(step(ticks, **more))

    def pose() -> Poses:
        env.reset(seed=seed, options=start)
        info = {"pose": start["pose"]}
        for action in done:
            *_, info = env.step(action)
        return np.array(info["pose"], np.float64)

    def turn(degrees: float, ticks: int) -> None:
        if ticks:
            px = round(float(-degrees) / ticks / DEG_PER_PX, 2)
            play(ticks, {"turn": px * DEG_PER_PX}, motion_px=[px, 0.0])

    def face(x: float, y: float) -> float:
        here = pose()
        off = float((math.degrees(math.atan2(y - here[1], x - here[0])) - here[2] + 180) % 360 - 180)
        turn(off, math.ceil(abs(off) / TURN))
        return math.hypot(x - here[0], y - here[1])

    def go(x: float, y: float, keys: dict[str, float], names: list[str]) -> None:
        far, here, before = face(x, y), pose(), list(done)

        def gone(ticks: int) -> float:
            done[:] = [*before, *[world.schema.vector(**keys)] * ticks, *[world.schema.neutral] * COASTS]
            return math.hypot(*(pose() - here)[:2])

        ticks = bisect_left(range(1, LONGEST), far, key=gone) + 1
        done[:] = before
        play(ticks, keys, hold=names)
        play(COASTS, {})

    for what, one, two in WAY:
        if what == "wait":
            play(int(one), {})
        elif what == "turn":
            turn(one, int(two))
        elif what == "tilt":
            play(int(two), {"look": one * DEG_PER_PX}, motion_px=[0.0, one])
        elif what == "press":
            tap = KEYS[int(one)] == "key:space"
            told = dict(zip(KEYS, ("attack", "left", "right", "back", "use"), strict=True))[KEYS[int(one)]]
            play(int(two), {told: 1.0}, **{"tap" if tap else "hold": [KEYS[int(one)]]})
        elif what == "face":
            face(one, two)
        else:
            run = what == "run"
            go(one, two, {"forward": 1.0} | ({"run": 1.0} if run else {}), ["key:w", *["key:left shift"] * run])
    return "\n".join([HEAD, *steps])


if __name__ == "__main__":
    Path(__file__).with_name("demo.script.toml").write_text(
        write(find_world("doom")).replace("'", '"'), encoding="utf-8"
    )
