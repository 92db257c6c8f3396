"""docs/write-an-input-source.md is executed: its code is a source that keeps the contract and plays, found as a plug.

The device is a socket that sends OSC as a phone would. Guards against a page that was right once.
"""

import inspect
import re
import socket
import struct
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dreamloop.input.poll import Poller
from dreamloop.input.schema import ActionSchema
from dreamloop.input.source import NullSource, list_sources, open_source

PAGE = Path(__file__).parents[2] / "docs" / "write-an-input-source.md"


def blocks(language: str) -> list[str]:
    """The page's code of one language, block by block."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The folder of an installed package, with the page's code and the page's entry point."""
    (tmp_path / "dreamloop_osc.py").write_text(blocks("python")[0], encoding="utf-8")
    project = tomllib.loads(blocks("toml")[0])["project"]
    about = tmp_path / f"dreamloop_osc-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        f"[{group}]\n" + "\n".join(f"{name} = {plug}" for name, plug in points.items())
        for group, points in project["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def installed(package: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(package))
    yield package
    sys.modules.pop("dreamloop_osc", None)


def padded(text: str) -> bytes:
    data = text.encode() + b"\0"
    return data + b"\0" * (-len(data) % 4)


def packet(address: str, value: float | int | str) -> bytes:
    """An OSC message, written by the specification and not by the page."""
    match value:
        case str():
            return padded(address) + padded(",s") + padded(value)
        case int():
            return padded(address) + padded(",i") + struct.pack(">i", value)
    return padded(address) + padded(",f") + struct.pack(">f", value)


class Phone:
    """A device that sends OSC."""

    def __init__(self, source: Any) -> None:
        self._address = source.socket.getsockname()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, *packets: bytes) -> None:
        for one in packets:
            self._socket.sendto(one, self._address)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def desk(installed: Path) -> Iterator[tuple[Poller, Phone, ActionSchema]]:
    schema = ActionSchema.from_dict(tomllib.loads(blocks("toml")[1]))
    source: Any = open_source("osc", port=0)
    phone = Phone(source)
    yield Poller([source], schema), phone, schema
    phone.close()
    source.close()


def test_the_entry_point_is_found(installed: Path) -> None:
    assert "osc" in list_sources()
    source = open_source("osc", port=0)
    assert not isinstance(source, NullSource)
    source.close()


def test_buttons_faders_and_words_reach_the_vector(desk: tuple[Poller, Phone, ActionSchema]) -> None:
    poller, phone, schema = desk
    phone.send(packet("/1/push1", 1.0), packet("/1/fader1", 0.25), packet("/1/fader1", -0.5))
    state = poller.poll(0, 0.1, 7.0)
    assert schema.decode(schema.encode(state)) == {"forward": 1.0, "turn": -6.0}
    assert state.event_s == 7.0
    phone.send(packet("/1/push1", 0), packet("/1/fader1", 0))
    assert not schema.encode(poller.poll(1, 0.1, 7.1)).any()
    phone.send(packet("/say", "could you go forward please"))
    state = poller.poll(2, 0.1, 7.2)
    assert state.phrases == ("go forward",)
    assert schema.decode(schema.encode(state))["forward"] == 1.0


def test_a_tap_between_two_polls_counts_once(desk: tuple[Poller, Phone, ActionSchema]) -> None:
    """Guards against an example that shows only the last packet of a tick."""
    poller, phone, schema = desk
    phone.send(packet("/1/push1", 1), packet("/1/push1", 0))
    assert [schema.decode(schema.encode(poller.poll(tick, 0.1, 0.0)))["forward"] for tick in range(2)] == [1.0, 0.0]


def test_packets_that_are_no_osc_are_stepped_over(desk: tuple[Poller, Phone, ActionSchema]) -> None:
    poller, phone, schema = desk
    phone.send(b"hello", b"\xff\xfe\0\0,f\0\0", padded("/1/push1") + padded(",f"), packet("/1/push1", 1.0))
    assert schema.decode(schema.encode(poller.poll(0, 0.1, 0.0)))["forward"] == 1.0


def test_a_port_in_use_is_told_once_and_the_game_goes_on(desk: tuple[Poller, Phone, ActionSchema]) -> None:
    source: Any = desk[0].sources[0]
    other = open_source("osc", port=source.socket.getsockname()[1])
    assert isinstance(other, NullSource)
    (line,) = other.news()
    assert line.startswith("osc: port ")
    assert "close what else uses it" in line


def contract_tests() -> list[str]:
    """Names of the contract tests over every source, but for those about files of the house."""
    names = [name for name in vars(contract().TestContract) if name.startswith("test_")]
    return [name for name in names if name != "test_documents_itself_and_reads_no_clock"]


def contract() -> ModuleType:
    spec = util.spec_from_file_location("source_contract", Path(__file__).with_name("test_sources.py"))
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", contract_tests())
def test_the_example_keeps_the_contract(name: str, installed: Path) -> None:
    test: Callable[..., None] = getattr(contract().TestContract(), name)
    assert "options" in inspect.signature(test).parameters
    test("osc", {"osc": {"port": 0}})


def test_the_example_is_as_short_as_its_title_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    (most,) = re.findall(r"^# .* in (\d+) lines$", page, re.MULTILINE)
    assert len([line for line in blocks("python")[0].splitlines() if line.strip()]) <= int(most)


def test_the_command_line_plays_with_it(package: Path) -> None:
    """The real command in a process of its own finds the plug, and hands its options on."""
    arguments = ["play", "echo", "--headless", "--frames", "3", "--source", "osc:port=0"]
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(package)!r}); "]
    command[-1] += f"sys.argv[1:] = {arguments!r}; from dreamloop.runtime.cli import main; main()"
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "3 frames" in done.stdout
    bad = subprocess.run([*command[:2], command[2].replace("port=0", "prot=0")], capture_output=True, text=True)
    assert bad.returncode == 2
    assert "got an unexpected keyword argument 'prot'" in bad.stderr
