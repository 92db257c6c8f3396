"""docs/write-an-arch.md is executed: its code is an architecture that keeps the contract and plays.

Guards against a page that was right once.
"""

import importlib.util
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from dreamloop.model import world_model
from dreamloop.model.world_model import OpenOptions
from dreamloop.runtime.world import load_world

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "write-an-arch.md"


def blocks() -> list[str]:
    """The page's Python code, block by block."""
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def load(path: Path, name: str) -> ModuleType:
    """Import a file as a module of that name."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def arch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The page's architecture, found by the name "linear" as if it lay in model/."""
    path = tmp_path / "arch_linear.py"
    path.write_text("\n\n".join(blocks()[:2]), encoding="utf-8")
    module = load(path, "dreamloop.model.arch_linear")
    monkeypatch.setitem(sys.modules, "dreamloop.model.arch_linear", module)
    monkeypatch.setattr(world_model, "list_archs", lambda: ["linear"])
    return module


def contract_tests() -> list[str]:
    """Names of the contract tests that take an architecture."""
    module = load(Path(__file__).parent / "test_contract.py", "contract_tests")
    return [
        name
        for name, test in vars(module).items()
        if name.startswith("test_") and "arch" in inspect.signature(test).parameters
    ]


@pytest.mark.parametrize("name", contract_tests())
def test_the_example_keeps_the_contract(name: str, arch: ModuleType) -> None:
    contract = load(Path(__file__).parent / "test_contract.py", "contract_tests")
    test = getattr(contract, name)
    for with_scene in (False, True) if "with_scene" in inspect.signature(test).parameters else (None,):
        test("linear", **({} if with_scene is None else {"with_scene": with_scene}))


def test_the_example_has_sixty_lines_of_code() -> None:
    code = [line for line in blocks()[0].splitlines() if line.strip()]
    assert len(code) <= 60


def test_the_example_plays_from_a_world_folder(
    arch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks()[2], str(PAGE), "exec"), vars(arch))
    model = load_world(tmp_path / "linear-world").open_model(OpenOptions(players=1))
    still = model.reset(0, None, seed=0)
    pushed = model.step(np.array([[0, 1]], np.float32))[0]
    assert not np.array_equal(still, pushed)
