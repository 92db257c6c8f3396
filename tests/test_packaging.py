"""What is installed: the wheel holds every module and data file, and imports as ``dreamloop.*`` only.

Guards against what an editable install hides: a sub-package that pyproject.toml does not list and a data file that no
glob matches both work from the checkout and are missing from the wheel.
"""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("runtime", "model", "input", "demos")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
UNPACKED = ("__pycache__", "runs", "recordings", "_vizdoom")  # folders that a wheel never holds
TEXTS = (".md",)  # read on the project's page, not at run time; the wheel may hold them


def files_on_disk() -> set[str]:
    """Every file of the four rooms that must be in the wheel, relative to the repository."""
    found = (path for room in ROOMS for path in (ROOT / room).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in found if not is_left_out(path)}


def is_left_out(path: Path) -> bool:
    """Whether a wheel does without this file."""
    hidden = any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    return hidden or path.suffix in TEXTS or any(part in UNPACKED for part in path.parts)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the checkout with the setuptools that is installed, and no network."""
    source = tmp_path_factory.mktemp("source")
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns(*UNPACKED[1:]))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, source)
    out = tmp_path_factory.mktemp("wheel")
    program = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, str(out)], cwd=source, check=True, capture_output=True, timeout=120)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel was unpacked into, as an installer would."""
    target = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def test_the_wheel_holds_every_file_and_nothing_else(installed: Path) -> None:
    """Modules, TOML, scenes and weights are all in; tests, caches and build leftovers are not."""
    package = installed / "dreamloop"
    packed = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    wanted = files_on_disk()
    assert not wanted - packed, f"missing from the wheel (packages or package-data): {sorted(wanted - packed)}"
    surplus = {name for name in packed - wanted if not name.endswith(TEXTS)}
    assert not surplus, f"in the wheel by accident: {sorted(surplus)}"
    assert {path.name for path in installed.iterdir() if path.is_dir()} == {package.name, dist_info(installed).name}


def dist_info(installed: Path) -> Path:
    """The metadata folder of the unpacked wheel."""
    (path,) = installed.glob("*.dist-info")
    return path


def test_licence_and_notice_travel_with_the_wheel(installed: Path) -> None:
    """BSD-3-Clause asks that Freedoom's notice goes along with every binary distribution."""
    licences = dist_info(installed) / "licenses"
    assert "MIT License" in (licences / "LICENSE").read_text()
    assert "Contributors to the Freedoom project" in (licences / "NOTICE").read_text()


def test_every_module_imports_from_the_wheel(installed: Path) -> None:
    """Each module is imported from the unpacked wheel, away from the checkout, once, and under one name only."""
    names = sorted(
        "dreamloop." + path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in files_on_disk()
        if path.endswith(".py") and not path.endswith("__main__.py")
    )
    program = (
        "import importlib, os, sys\n"
        "here, *names = sys.argv[1:]\n"
        "for name in names:\n"
        "    module = importlib.import_module(name)\n"
        "    assert module.__file__.startswith(here + os.sep), (name, module.__file__)\n"
        "twice = {'runtime', 'model', 'input', 'demos'} & set(sys.modules)\n"
        "assert not twice, twice\n"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, sys.argv[1])\n{program}", str(installed), *names]
    result = subprocess.run(command, cwd=installed, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr


def test_the_worlds_are_found_in_the_wheel(installed: Path) -> None:
    """A world is found beside the installed code, with its schema; not only in a checkout."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from dreamloop.runtime.world import list_worlds, find_world\n"
        "print(*sorted(find_world(name).folder for name in ('doom', 'echo')))\n"
    )
    command = [sys.executable, "-c", program, str(installed)]
    result = subprocess.run(command, cwd=installed, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert all(folder.startswith(str(installed)) for folder in result.stdout.split())


def python_files() -> list[Path]:
    """Every Python file of the rooms and the tests (the links for the type checker lead to the same files)."""
    folders = [ROOT / room for room in (*ROOMS, "tests")]
    found = (path for folder in folders for path in sorted(folder.rglob("*.py")))
    return [path for path in found if "typing" not in path.relative_to(ROOT).parts]


def imported(tree: ast.AST) -> list[tuple[int, str]]:
    """(line, module) of every import in a syntax tree; a relative one starts with a dot."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.lineno, "." * node.level + (node.module or "")))
    return found


def test_nobody_imports_a_room_by_its_bare_name() -> None:
    """``import model`` from the repository's folder loads a second copy of every class."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in python_files()
        for line, name in imported(ast.parse(path.read_text()))
        if name.split(".")[0] in ("", *ROOMS)
    ]
    assert not wrong, wrong


def test_every_dependency_is_pinned() -> None:
    """Each requirement, extras and build tools too, has one exact version in constraints.txt that satisfies it."""
    pins = dict(pinned())
    wanted = [Requirement(text) for text in PROJECT["project"]["dependencies"] + PROJECT["build-system"]["requires"]]
    wanted += [Requirement(text) for extra in PROJECT["project"]["optional-dependencies"].values() for text in extra]
    for requirement in wanted:
        name = canonicalize_name(requirement.name)
        if name != "dreamloop":
            assert name in pins, f"{requirement.name} has no pin in constraints.txt"
            assert requirement.specifier.contains(pins[name]), f"{pins[name]} is not {requirement}"


def pinned() -> list[tuple[str, str]]:
    """(name, version) of each line of constraints.txt; anything but an exact pin is an error."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    matches = [re.fullmatch(r"([A-Za-z0-9._-]+)==([^+\s]+)", line) for line in lines]
    assert all(matches), [line for line, match in zip(lines, matches, strict=True) if not match]
    return [(canonicalize_name(match[1]), match[2]) for match in matches if match]


def test_all_the_extras_are_in_all() -> None:
    """``dreamloop[all]`` is every extra but the developer's."""
    extras = PROJECT["project"]["optional-dependencies"]
    (everything,) = [Requirement(text) for text in extras["all"]]
    assert everything.extras == set(extras) - {"all", "dev"}


def test_the_command_is_installed() -> None:
    """The entry point of pyproject.toml loads and can be called."""
    (command,) = entry_points(group="console_scripts", name="dreamloop")
    assert callable(command.load())
    assert requires("dreamloop"), "the installed metadata is older than pyproject.toml: run make setup"


def test_the_change_log_knows_this_version() -> None:
    """The newest entry of CHANGELOG.md is the version of pyproject.toml, or work that is not released yet."""
    entries = re.findall(r"^## \[?([^\]\s]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert PROJECT["project"]["version"] in entries[:2]


def test_setup_script_and_makefile_agree() -> None:
    """Every mode of scripts/setup.sh that the Makefile asks for exists, and the script is sound shell."""
    script = (ROOT / "scripts" / "setup.sh").read_text()
    asked = set(re.findall(r"setup\.sh (\w+)", (ROOT / "Makefile").read_text()))
    known = set(re.findall(r"^    (\w+)\) install_", script, re.MULTILINE))
    assert asked <= known, asked - known
    for path in ("scripts/setup.sh", ".ci/run"):
        subprocess.run(["bash", "-n", str(ROOT / path)], check=True, timeout=30)
