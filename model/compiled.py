"""Nets that were compiled ahead: one package a model, loaded without a compiler, used only when it fits exactly.

A package is made by ``torch.export`` and AOTInductor on the machine that plays; it holds machine code, so it is looked
for only in the folder that the caller names, under a name that tells weights, torch, processor, device, dtype, players.
Fused operations round in another way than single ones: frames of a compiled net are the same every time, but not the
same bytes as without it. Knows nothing about what a net draws.
"""

import hashlib
import json
import os
import platform
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from dreamloop.model.world_model import Card, ModelError

SUFFIX = ".pt2"
Compiled = Callable[..., Any]


@runtime_checkable
class Compilable(Protocol):
    """What a WorldModel has besides when its net can be compiled ahead."""

    compiled: str  # name of the package in use, "" for none

    def package(self) -> str:
        """Return the name of the package that fits this model."""
        ...

    def compilable(self) -> tuple[nn.Module, tuple[Tensor, ...]]:
        """Return the net as a module of tensors only, and tensors to try it with."""
        ...


NET_VERSION = 3  # of what nets take and do beside their weights: packages of another one are compiled anew


def package_name(card: Card, device: torch.device, dtype: torch.dtype, players: int) -> str:
    """Return the file name of a model's package on this machine."""
    shape = json.dumps(card.config, sort_keys=True, default=str)
    maker = f"{torch.__version__} {platform.machine()} {_processor()} {torch.backends.cpu.get_cpu_capability()}"
    here = hashlib.sha256(f"{NET_VERSION} {shape} {maker}".encode()).hexdigest()[:8]
    kind = str(dtype).removeprefix("torch.")
    return f"{card.weights_hash}-{here}-{str(device).replace(':', '')}-{kind}-{players}{SUFFIX}"


def compile_net(net: nn.Module, example: tuple[Tensor, ...], path: Path) -> None:
    """Compile ``net`` for tensors like ``example`` into ``path``, atomically. Takes a minute or several.

    Raises:
        ModelError: there is no C++ compiler, or torch cannot compile this net.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"tmp-{path.name}")
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exported = torch.export.export(net, example)
            torch._inductor.aoti_compile_and_package(exported, package_path=str(scratch))
    except Exception as error:
        scratch.unlink(missing_ok=True)
        what = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        raise ModelError(f"torch could not compile the net ({what}); it needs a C++ compiler (g++ or clang)") from error
    os.replace(scratch, path)


def outdated(folder: Path, weights_hash: str) -> bool:
    """Say whether ``folder`` holds a package of these weights at all: to be asked when none fits."""
    return any(folder.glob(f"{weights_hash}-*{SUFFIX}"))


def open_package(folder: Path | None, name: str) -> Compiled | None:
    """Return the compiled net in ``folder``, None where there is none that fits or it cannot be loaded."""
    if folder is None or not (folder / name).is_file():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded: Compiled = torch._inductor.aoti_load_package(str(folder / name))
    except (RuntimeError, OSError, ValueError):
        return None
    return loaded


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
