"""The import contracts of pyproject.toml: that they hold for every plug on disk, and that a breach is caught.

Guards against contracts that pass because they see nothing: import-linter once saw a room without ``__init__.py`` as no
package at all, and a plug that is missing from an independence contract may import its neighbours in silence.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("runtime", "model", "input", "demos")
PLUGS = [("model", "arch_"), ("model", "stage_"), ("input", "source_")]


def contracts() -> list[dict[str, Any]]:
    """The contracts as pyproject.toml lists them."""
    values = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed: list[dict[str, Any]] = values["tool"]["importlinter"]["contracts"]
    return listed


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four rooms as a package ``dreamloop`` of their own, with pyproject.toml beside them."""
    root = tmp_path_factory.mktemp("contracts")
    for room in ROOMS:
        shutil.copytree(ROOT / room, root / "dreamloop" / room, ignore=lambda _, names: filter(is_data, names))
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def is_data(name: str) -> bool:
    """Whether a file plays no part in imports (pictures, weights, caches)."""
    return name == "__pycache__" or Path(name).suffix not in ("", ".py")


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Run lint-imports over the copy in ``root``, and not over the installed package."""
    program = "from importlinter.cli import lint_imports_command as run; run()"
    command = [sys.executable, "-c", program, "--no-cache", "--no-logo"]
    surroundings = os.environ | {"PYTHONPATH": str(root)}
    return subprocess.run(command, cwd=root, env=surroundings, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(("room", "prefix"), PLUGS)
def test_every_plug_on_disk_is_under_an_independence_contract(room: str, prefix: str) -> None:
    """A new plug that nobody lists would be free to import its neighbours."""
    on_disk = {f"dreamloop.{room}.{path.stem}" for path in (ROOT / room).glob(f"{prefix}*.py")}
    listed = {name for c in contracts() if c["type"] == "independence" for name in c["modules"]}
    assert on_disk <= listed, f"add to the independence contract in pyproject.toml: {sorted(on_disk - listed)}"


def test_the_contracts_hold(copy: Path) -> None:
    """The tree as it stands breaks no contract; and the linter sees the modules at all."""
    result = lint(copy)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


BREACHES = {
    "upwards": ("input/state.py", "import dreamloop.model.pixels"),
    "model to a source": ("model/pixels.py", "import dreamloop.input.source_mouse"),
    "model to the poller": ("model/pixels.py", "from dreamloop.input import poll"),
    "model to the window": ("model/pixels.py", "import pygame"),
    "plug to plug": ("model/arch_echo.py", "import dreamloop.model.arch_dream"),
    "source to source": ("input/source_mouse.py", "import dreamloop.input.source_keyboard"),
    "runtime to a world": ("runtime/clock.py", "import dreamloop.demos.doom.maps"),
    "a world to a model": ("demos/doom/maps.py", "import dreamloop.model.pixels"),
    "input to torch": ("input/state.py", "import torch"),
}


@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_is_caught(name: str, copy: Path) -> None:
    """One forbidden import, put into a copy of the tree, makes lint-imports fail and name the file."""
    file, line = BREACHES[name]
    path = copy / "dreamloop" / file
    sound = path.read_text()
    path.write_text(f"{sound}\n{line}\n")
    try:
        result = lint(copy)
    finally:
        path.write_text(sound)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"dreamloop.{file.removesuffix('.py').replace('/', '.')} -> {line.split()[1]}" in result.stdout
