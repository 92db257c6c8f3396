"""Write the script of the Doom world's demo: a way through the first scene, in keys and motions of the mouse.

Where a scene begins changes when the scenes are made anew, and the way with it: the places that it leads to stand in
``WAY``, which is to be drawn anew then. Run ``python -m dreamloop.demos.doom.make_demo``.
"""

import json
import math
from bisect import bisect_left
from pathlib import Path

import numpy as np

from dreamloop.input.poll import Poller
from dreamloop.input.source_script import ScriptSource, ScriptStep
from dreamloop.model.camera import Poses, turned
from dreamloop.model.recording import Recording
from dreamloop.runtime.collect import simulator_of
from dreamloop.runtime.revisits import home_of, plan_of
from dreamloop.runtime.world import World, find_world

DEG_PER_PX = 0.15  # as the schema has it
COASTS, LONGEST = 14, 80  # ticks until who lets go stands nearly still; most that a key is held
TURN = 9.0  # degrees a tick, about, of who turns towards a place
HEAD = """\
# Half a minute of play for a machine without a window: every control is used at least once. One tick is 1/35 s.
# It goes through the rooms of the first scene, and over what lies there. Written by make_demo.py.
help = "look around, walk through the rooms, take what lies there, look up and down, fire, step aside, run, look back"
"""
WALKS, RUNS = ("key:w",), ("key:w", "key:left shift")
AROUND = (ScriptStep(18, motion_px=(0.0, -7)), ScriptStep(36, motion_px=(0.0, 7)), ScriptStep(18, motion_px=(0.0, -7)))
Turn = tuple[float, int]  # degrees, counter-clockwise, and ticks
Go = tuple[tuple[str, ...], float, float]  # keys, and the place that they lead to; none: it is only looked at
WAY: list[ScriptStep | Turn | Go] = [
    ScriptStep(20),
    (40, 24),
    (-40, 24),
    (WALKS, 440, 610),
    (-70, 30),
    (50, 20),
    (WALKS, 200, 840),
    ScriptStep(8),
    ((), 420, 600),
    ScriptStep(12),
    *AROUND,
    ScriptStep(24, hold=("mouse:left",)),
    (WALKS, 350, 610),
    (WALKS, 350, 380),
    (-50, 22),
    (100, 40),
    (RUNS, 350, 610),
    (WALKS, 580, 632),
    (WALKS, 850, 632),
    ScriptStep(12, hold=("key:a",)),
    ScriptStep(8),
    ScriptStep(12, hold=("key:d",)),
    ScriptStep(8),
    (WALKS, 850, 840),
    ((), 760, 984),
    ScriptStep(20),
    ScriptStep(14, hold=("key:s",)),
    ScriptStep(10),
    (RUNS, 850, 632),
    ScriptStep(8, tap=("key:space",)),
    (WALKS, 850, 400),
    (-60, 26),
    (120, 44),
    ScriptStep(30),
]


class Demo:
    """The script so far; where it leads to is found out in the simulator."""

    def __init__(self, world: World) -> None:
        path = world.scenes[0]
        plan = plan_of(world, 0, 0).within(path.stem, Recording.open(path).header["place"])
        home = home_of(plan)
        assert home is not None
        self.world, self.seed, self.home, self.env = world, plan.job.seed, home[1], simulator_of(plan.job)[1]
        self.steps = list[ScriptStep]()

    def pose(self, *more: ScriptStep) -> Poses:
        """Return where the script leads to (4,), and ``more`` after it."""
        source = ScriptSource((*self.steps, *more))
        poller = Poller([source], schema=self.world.schema)
        _, info = self.env.reset(seed=self.seed, options=self.home)
        for tick in range(source.length_ticks):
            *_, info = self.env.step(self.world.schema.encode(poller.poll(tick, 1 / self.world.rate_hz, 0.0)))
        return np.array(info["pose"], np.float64)

    def turn(self, degrees: float, ticks: int) -> None:
        """Turn counter-clockwise."""
        if ticks:
            self.steps.append(ScriptStep(ticks, motion_px=(round(-degrees / ticks / DEG_PER_PX, 2), 0.0)))

    def go(self, keys: tuple[str, ...], x: float, y: float) -> None:
        """Turn towards a place, and hold keys until one will have come so far."""
        here = self.pose()
        way = float(x - here[0]), float(y - here[1])
        off = float(turned(math.degrees(math.atan2(way[1], way[0])) - here[2]))
        self.turn(off, math.ceil(abs(off) / TURN))
        if keys:
            start, rest = self.pose(), ScriptStep(COASTS)

            def gone(ticks: int) -> float:
                return math.hypot(*(self.pose(ScriptStep(ticks, hold=keys), rest) - start)[:2])

            ticks = bisect_left(range(1, LONGEST), math.hypot(*way), key=gone) + 1
            self.steps += [ScriptStep(ticks, hold=keys), rest]


def text_of(step: ScriptStep) -> str:
    """Return a step as the file has it."""
    told = {name: list(getattr(step, name)) for name in ("hold", "tap", "motion_px")}
    lines = [f"{name} = {json.dumps(value)}" for name, value in told.items() if any(value)]
    return "\n".join(["[[step]]", f"ticks = {step.ticks}", *lines, ""])


def write(world: World) -> str:
    """Return the script."""
    demo = Demo(world)
    for one in WAY:
        if isinstance(one, ScriptStep):
            demo.steps.append(one)
        elif len(one) == 2:
            demo.turn(*one)
        else:
            demo.go(*one)
    return "\n".join([HEAD, *map(text_of, demo.steps)])


if __name__ == "__main__":
    Path(__file__).with_name("demo.script.toml").write_text(write(find_world("doom")), encoding="utf-8")
