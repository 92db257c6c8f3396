"""What the documents say is true: their commands and code run, their options and links exist.

Every fenced block of README.md and CONTRIBUTING.md is executed, in order, in one folder per document. What would take
too long has a light stand-in below, by the command's first words; a command that is neither run nor listed fails.
Guards against the README that nobody ran since it was written.
"""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.main import get_command

from dreamloop.runtime import loop
from dreamloop.runtime.cli import app

ROOT = Path(__file__).resolve().parent.parent
EXECUTED = ("README.md", "CONTRIBUTING.md")
BIN = Path(sys.executable).parent
SHELL = ("sh", "bash", "console")
SHOWN = ("text", "mermaid")  # languages of blocks that are looked at, not run

Words = list[str]


def briefly(words: Words) -> Words:
    """Play a few frames, with no window."""
    return [*words, "--headless", "--frames", "8"]


def parsed(words: Words) -> Words:
    """Too long for a test: ask for the help; test_every_command_that_is_named_exists checks the options."""
    return [*words[: 3 if words[1] in GROUPS else 2], "--help"]


def dry(words: Words) -> Words:
    """What make would do; the commands behind its targets are run where they are named."""
    return [words[0], "-n", *words[1:]]


def collects_little(words: Words) -> Words:
    """Collect seventy frames, whatever number is named."""
    return [*words, "--frames", "70", "--workers", "1"]


def nothing(words: Words) -> None:
    """The tests run in the environment already."""


GROUPS = ("schema", "recordings")
STAND_INS: dict[str, Callable[[Words], Words | None]] = {
    "make": dry,
    "source .venv/bin/activate": nothing,
    "tensorboard": nothing,  # a server
    "dreamloop play": briefly,
    "dreamloop collect": collects_little,
    "dreamloop train": parsed,
    "dreamloop eval": parsed,
    "dreamloop bench": parsed,
    "dreamloop schema try": parsed,  # a window
}
RUN = ("dreamloop",)  # programs that are run as they are written


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a document."""

    file: str
    line: int
    language: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}"


def blocks(file: str) -> list[Block]:
    """The fenced blocks of a document, in order."""
    text = (ROOT / file).read_text()
    found = re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(file, text[: m.start()].count("\n") + 1, m[1].strip(), m[2]) for m in found]


def commands(block: Block) -> list[str]:
    """The commands of a shell block: continued lines joined, prompts and comments taken away."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line for line in lines if line.startswith("$ ")]
    bare = [shlex.join(shlex.split(line.removeprefix("$ "), comments=True)) for line in lines]
    return [line for line in bare if line]


def all_commands() -> list[Any]:
    """A test per command, in the order of the documents."""
    shells = [block for file in EXECUTED for block in blocks(file) if block.language in SHELL]
    named = [(block, line) for block in shells for line in commands(block)]
    return [pytest.param(block.file, line, id=f"{block.where} {line}") for block, line in named]


def stand_in(line: str) -> Words | None:
    """What is run for a command; None for nothing at all."""
    words = shlex.split(line)
    for prefix, lighten in STAND_INS.items():
        if words[: len(prefix.split())] == prefix.split():
            return lighten(words)
    assert words[0] in RUN, f"'{line}' is neither run nor given a stand-in: add it to STAND_INS in tests/test_docs.py"
    return words


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder per document, shared by its commands: one may read what another wrote."""
    return {file: tmp_path_factory.mktemp("docs") for file in EXECUTED}


@pytest.mark.parametrize(("file", "line"), all_commands())
def test_command(file: str, line: str, folders: dict[str, Path]) -> None:
    """A command that a document names does what it says, or its stand-in does."""
    words = stand_in(line)
    if words is None:
        return
    folder = ROOT if words[0] == "make" else folders[file]
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        words, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=180, check=False
    )
    assert result.returncode == 0, f"{shlex.join(words)}\n{result.stdout}\n{result.stderr}"


def test_every_block_names_a_language_that_is_checked() -> None:
    """A block without a language would slip through unread."""
    known = (*SHELL, *SHOWN, "python", "toml", "json")
    unknown = [block.where for file in EXECUTED for block in blocks(file) if block.language not in known]
    assert not unknown, f"these blocks are in none of {known}: {unknown}"


def test_data_blocks_can_be_read() -> None:
    """TOML and JSON that a document shows can be parsed."""
    for block in (block for file in EXECUTED for block in blocks(file)):
        if block.language == "toml":
            tomllib.loads(block.text)
        if block.language == "json":
            json.loads(block.text)


def is_loop(block: Block) -> bool:
    return block.text.startswith("while window.is_open")


def test_python_blocks_run(folders: dict[str, Path]) -> None:
    """Code that a document shows runs as it stands; the loop has tests of its own."""
    for block in (block for file in EXECUTED for block in blocks(file)):
        if block.language == "python" and not is_loop(block):
            command = [sys.executable, "-W", "error", "-c", block.text]
            result = subprocess.run(command, cwd=folders[block.file], capture_output=True, text=True, timeout=180)
            assert result.returncode == 0, f"{block.where}\n{result.stderr}"


def the_loop() -> Block:
    """The block of the README that shows the loop."""
    (block,) = [block for block in blocks("README.md") if block.language == "python" and is_loop(block)]
    return block


def test_the_loop_of_the_readme_is_the_loop() -> None:
    """The README shows runtime/loop.py itself, statement for statement, and not how it once was."""
    tree = ast.parse(Path(loop.__file__).read_text())
    (shipped,) = [node for node in ast.walk(tree) if isinstance(node, ast.While)]
    (shown,) = ast.parse(the_loop().text).body
    assert ast.dump(shown) == ast.dump(shipped)


def test_the_loop_of_the_readme_runs() -> None:
    """One verb a line, in that order, until the window closes."""
    said: list[str] = []

    def verb(name: str) -> Callable[..., None]:
        return lambda *values: said.append(name)

    class Window:
        show = staticmethod(verb("show"))

        @property
        def is_open(self) -> bool:
            return said.count("wait") < 2

    parts = {
        "window": Window(),
        "inputs": SimpleNamespace(poll=verb("poll")),
        "schema": SimpleNamespace(encode=verb("encode")),
        "model": SimpleNamespace(step=verb("step")),
        "recorder": SimpleNamespace(add=verb("add")),
        "clock": SimpleNamespace(tick=0, wait=verb("wait")),
    }
    exec(the_loop().text, parts)
    assert said == ["poll", "encode", "step", "show", "add", "wait"] * 2


def documents() -> list[str]:
    """Every document of the repository."""
    rooms = ("docs", "demos", "model", "input", "runtime")
    found = [*ROOT.glob("*.md"), *(path for room in rooms for path in (ROOT / room).rglob("*.md"))]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def named_commands(file: str) -> list[str]:
    """Commands of dreamloop that a document names, in blocks and in passing."""
    inline = re.findall(r"`(dreamloop [^`]+)`", (ROOT / file).read_text())
    shells = [block for block in blocks(file) if block.language in SHELL]
    fenced = [line for block in shells for line in commands(block) if line.startswith("dreamloop ")]
    return [*(re.sub(r"\s+", " ", code) for code in inline), *fenced]


@pytest.mark.parametrize("file", documents())
def test_every_command_that_is_named_exists(file: str) -> None:
    """No document names a command or an option that the command line does not have."""
    for line in named_commands(file):
        words = [word for word in re.split(r"[\s|\[\]]+", line) if word][1:]
        command: Any = get_command(app)
        while hasattr(command, "commands") and words and not words[0].startswith("-"):
            assert words[0] in command.commands, f"{file}: `{line}`: no command '{words[0]}'"
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        named = {word.split("=")[0] for word in words if word.startswith("--")}
        assert named <= options, f"{file}: `{line}`: no option {sorted(named - options)}"


@pytest.mark.parametrize("file", documents())
def test_make_targets_and_links_exist(file: str) -> None:
    """A target or a file that a document points to is there."""
    text = (ROOT / file).read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE))
    assert named <= targets, f"{file}: no make {sorted(named - targets)}"
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)\s#]+)", text)
    missing = [link for link in links if not (ROOT / file).parent.joinpath(link).exists()]
    assert not missing, f"{file}: links to nothing: {missing}"
