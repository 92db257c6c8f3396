"""What every input source promises, over every plug on disk, and what each of them does of its own."""

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dreamloop.input.errors import ConfigError
from dreamloop.input.poll import Poller
from dreamloop.input.schema import ActionSchema
from dreamloop.input.source import (
    EVENT_KINDS,
    DeviceEvent,
    NullSource,
    Source,
    SourceError,
    Tick,
    list_sources,
    open_source,
)
from dreamloop.input.source_gamepad import GamepadSource
from dreamloop.input.source_script import ScriptSource

DOOM = Path(__file__).parents[2] / "demos" / "doom" / "schema.toml"
SCRIPT = """
[[step]]
ticks = 2
hold = ["key:w"]
motion_px = [4.0, 0.0]
[[step]]
tap = ["mouse:left"]
phrases = ["open the door"]
intents = {turn = -4.0}
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "demo.script.toml"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def options(script: Path) -> dict[str, dict[str, Any]]:
    """What a source needs to be opened without any device."""
    return {
        "script": {"path": script},
        "voice": {"schema": ActionSchema.load(DOOM), "clock": lambda: 0.0, "device": "none"},
    }


@pytest.mark.parametrize("name", list_sources())
class TestContract:
    def test_opens_without_a_device_and_tells_why_once(self, name: str, options: dict[str, Any]) -> None:
        source = open_source(name, **options.get(name, {}))
        assert source.name == name
        source.news()
        assert source.news() == []
        source.close()

    def test_takes_any_event_and_never_fails(self, name: str, options: dict[str, Any]) -> None:
        source = open_source(name, **options.get(name, {}))
        for kind in EVENT_KINDS:
            for part in ("", "key:w", "mouse:left", "pad", "pad:a", "pad:left_x", "midi:note60", "nonsense", ":"):
                for x in (0.0, 1.0, -1e9):
                    source.handle(DeviceEvent(kind, part, x, x, 1.0))
        source.poll(Tick(), 1.0)
        source.release_all()
        tick = Tick()
        source.poll(tick, 2.0)
        if name != "script":
            assert not tick.held
            assert not tick.axes
        source.close()

    def test_a_poll_takes_what_happened_and_the_next_is_quiet(self, name: str, options: dict[str, Any]) -> None:
        source = open_source(name, **options.get(name, {}))
        for one in ("key:w", "mouse:left", "pad:a"):
            source.handle(DeviceEvent("down", one, time_s=1.0))
            source.handle(DeviceEvent("up", one, time_s=1.0))
        source.handle(DeviceEvent("motion", x=3.0))
        for _ in range(6):
            source.poll(tick := Tick(), 2.0)
        assert tick == Tick()
        source.close()

    def test_documents_itself_and_reads_no_clock(self, name: str) -> None:
        module = sys.modules[f"dreamloop.input.source_{name}"]
        assert module.__doc__
        text = inspect.getsource(module)
        assert "import time" not in text
        assert "pygame" not in text.split('"""')[2].split("def ")[0]


def test_an_unknown_source_gets_the_nearest_name() -> None:
    with pytest.raises(SourceError, match=r"unknown input source 'keybord'.*did you mean 'keyboard'"):
        open_source("keybord")


def test_an_option_that_a_source_does_not_take() -> None:
    with pytest.raises(SourceError, match="input source 'mouse': got an unexpected keyword argument 'speed'"):
        open_source("mouse", speed=3)


def test_a_null_source_says_why_once_and_is_silent() -> None:
    source = NullSource("voice", "no microphone")
    poller = Poller([source])
    assert poller.news() == ["no microphone"]
    assert poller.news() == []
    assert poller.poll(0, 0.1, 0.0).active == frozenset()


def test_a_script_plays_its_steps_and_ends(script: Path) -> None:
    schema = ActionSchema.load(DOOM)
    source = open_source("script", path=script, schema=schema)
    assert isinstance(source, ScriptSource)
    assert source.length_ticks == 3
    poller = Poller([source], schema)
    states = [poller.poll(tick, 1 / 35, tick / 35) for tick in range(8)]
    values = [schema.decode(schema.encode(state)) for state in states]
    assert [one["forward"] for one in values] == [1, 1, 0, 0, 0, 0, 0, 0]
    assert [round(one["turn"], 5) for one in values] == [0.6, 0.6, -4, 0, 0, 0, 0, 0]
    assert [one["attack"] for one in values][:4] == [0, 0, 1, 0]
    assert [one["use"] for one in values] == [0, 0, 1, 1, 1, 1, 0, 0]  # the door is opened for a tenth of a second
    assert states[2].phrases == ("open the door",)
    assert source.finished


def test_a_script_loops_on_request(script: Path) -> None:
    source = open_source("script", path=script, loop=True)
    poller = Poller([source])
    held = ["key:w" in poller.poll(tick, 0.1, 0.0).held for tick in range(7)]
    assert held == [True, True, False, True, True, False, True]


def test_a_script_that_is_wrong_tells_every_mistake(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('lop = true\n[[step]]\nticks = 0\nhold = ["w"]\nholt = []\n[[step]]\nintents = {turnn = 1}\n')
    with pytest.raises(ConfigError) as caught:
        open_source("script", path=path, schema=ActionSchema.load(DOOM))
    told = str(caught.value)
    for line in (
        ":1: ",
        "did you mean 'loop'",
        ":3: ",
        ":4: ",
        ":5: ",
        "did you mean 'hold'",
        ":7: ",
        "did you mean 'turn'",
    ):
        assert line in told
    with pytest.raises(ConfigError, match="cannot read script"):
        open_source("script", path=tmp_path / "none.toml")


class FakePad:
    """What SDL hands out for an opened controller, as far as it is used."""

    name = "Fake Pad"

    def __init__(self, index: int) -> None:
        self.instance, self.open = index + 10, True

    def as_joystick(self) -> "FakePad":
        return self

    def get_instance_id(self) -> int:
        return self.instance

    def quit(self) -> None:
        self.open = False


def test_gamepads_come_and_go() -> None:
    pads: list[FakePad] = []

    def opener(index: int) -> FakePad | None:
        if index == 7:
            return None  # a joystick without a controller mapping
        pads.append(FakePad(index))
        return pads[-1]

    source = GamepadSource(opener)
    for index in (0, 7, 1):
        source.handle(DeviceEvent("added", "pad", float(index)))
    source.handle(DeviceEvent("down", "pad:a"))
    source.handle(DeviceEvent("axis", "pad:left_x", 1.0))
    source.handle(DeviceEvent("removed", "pad", 10.0))
    source.handle(DeviceEvent("removed", "pad", 99.0))
    source.poll(tick := Tick(), 0.0)
    assert not tick.held
    assert tick.tapped == {"pad:a", "pad:+left_x"}
    assert source.news() == ["gamepad: Fake Pad is plugged in"] * 2 + ["gamepad: unplugged"]
    assert [pad.open for pad in pads] == [False, True]
    source.close()
    assert [pad.open for pad in pads] == [False, False]


class Fixed(Source):
    def __init__(self, name: str, value: float) -> None:
        self.name, self.value = name, value

    def poll(self, tick: Tick, now_s: float) -> None:
        tick.deflect("pad:left_x", self.value)


def test_of_two_sources_on_one_axis_the_harder_push_counts() -> None:
    assert Poller([Fixed("one", -0.8), Fixed("two", 0.3)]).poll(0, 0.1, 0.0).axes == {"pad:left_x": -0.8}


def test_a_virtual_gamepad_through_sdl(tmp_path: Path) -> None:
    """A real SDL device, attached to nothing: mapping, events, hot plug and unplug go through SDL itself."""
    script = Path(__file__).parent / "virtual_gamepad.py"
    env = {**os.environ, "SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy", "PYGAME_HIDE_SUPPORT_PROMPT": "1"}
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, env=env)
    if run.returncode == 77:
        pytest.skip(run.stdout.strip())
    assert run.returncode == 0, run.stdout + run.stderr
