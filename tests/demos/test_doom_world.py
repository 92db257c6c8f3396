"""The Doom world's folder: its world.toml, its scripted demo and its README agree with the code."""

import re
from pathlib import Path

import pytest

from dreamloop.input.source_script import read_script
from dreamloop.runtime.world import find_world

pytest.importorskip("gymnasium", reason="the simulator needs gymnasium: pip install -e '.[sim]' in the checkout")

from dreamloop.demos.doom import simulator


def test_world_names_what_the_simulator_gives() -> None:
    world = find_world("doom")
    assert world.rate_hz == simulator.RATE_HZ
    assert world.schema.size == len(simulator.BUTTONS)
    assert (2 * world.width_px, 2 * world.height_px) == simulator.NATIVE
    assert world.make_explorer(1).act is not None


def test_the_stage_draws_at_the_engines_own_size() -> None:
    world = find_world("doom")
    assert world.shown_px(["upsample"]) == simulator.NATIVE
    assert world.stage == "", "off unless asked for: 35 frames a second come first"
    assert world.stages["upsample"].stat().st_size < 4 << 20


def test_the_demo_is_half_a_minute_and_uses_every_control() -> None:
    world = find_world("doom")
    assert world.demo_script is not None
    steps, loops = read_script(world.demo_script, world.schema)
    assert not loops
    assert 20 * world.rate_hz <= sum(step.ticks for step in steps) <= 40 * world.rate_hz
    parts = {part for step in steps for part in (*step.hold, *step.tap)}
    wanted = {"key:w", "key:s", "key:a", "key:d", "key:left shift", "key:space", "mouse:left"}
    assert wanted <= parts
    for axis in (0, 1):
        assert {step.motion_px[axis] > 0 for step in steps if step.motion_px[axis]} == {True, False}


def test_the_example_of_the_readme_runs() -> None:
    pytest.importorskip("vizdoom", reason="the simulator needs vizdoom: pip install -e '.[sim]' in the checkout")
    text = (Path(simulator.__file__).parent / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    exec(code, {})
