"""What a figure was measured on: machine, model, seed, date. It stands at the head of every result."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dreamloop.model.world_model import WorldModel
from dreamloop.runtime.clock import Clock
from dreamloop.runtime.world import World

LIBRARIES = ("dreamloop", "torch", "numpy", "vizdoom")


def head(world: World, model: WorldModel, seed: int, clock: Clock) -> dict[str, Any]:
    """Return the facts that belong beside every figure of ``model``."""
    card = model.card
    return {
        "world": world.name,
        "model": card.name,
        "arch": card.arch,
        "weights_hash": card.weights_hash,
        "date": clock.stamp().partition("_")[0],
        "hardware": hardware(str(getattr(model, "device", "cpu"))),
        "device": str(getattr(model, "device", "cpu")),
        "dtype": str(getattr(model, "dtype", "")).removeprefix("torch."),
        "threads": _threads(),
        "load_per_core": _load_per_core(),
        "seed": seed,
        "spacing_ms": 1000.0 / card.rate_hz,
        "width_px": card.width_px,
        "height_px": card.height_px,
        "versions": {name: found for name in LIBRARIES if (found := _version(name))},
    }


def hardware(device: str = "cpu") -> str:
    """Return processor, cores and graphics card in one line."""
    cores = _cores()
    return f"{_processor()}, {cores} core{'s' if cores > 1 else ''}, {_gpu(device)}"


def _processor() -> str:
    """Return the name that the processor gives itself, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _gpu(device: str) -> str:
    torch = sys.modules.get("torch")
    if torch is not None and device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    return "Apple GPU" if device.startswith("mps") else "no GPU"


def _load_per_core() -> float | None:
    """Return how many programs wanted each core during the last minute: figures of a busy machine are not its own."""
    return round(os.getloadavg()[0] / _cores(), 2) if hasattr(os, "getloadavg") else None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _threads() -> int:
    torch = sys.modules.get("torch")
    return int(torch.get_num_threads()) if torch is not None else 0


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
