"""Checkpoints of a training run: everything needed to go on, as safetensors and JSON, written atomically."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from dreamloop.model.checkpoint import check_tensors
from dreamloop.model.whole_file import whole_file

if TYPE_CHECKING:
    from dreamloop.model.train import Trainer
    from dreamloop.model.train_mosaic import MosaicTrainer


def save_run(folder: Path, trainer: "Trainer | MosaicTrainer", keep_as: str | None = None) -> None:
    """Write ``folder/run.safetensors``; with ``keep_as``, also the averaged weights under that name."""
    tensors: dict[str, Tensor] = {}
    for name in _parts(trainer):
        tensors |= {f"{name}/{key}": value for key, value in getattr(trainer, name).state_dict().items()}
    for who, optimisers in trainer.optimisers.items():
        for k, optimiser in enumerate(optimisers):
            tensors |= _flatten(f"optim/{who}/{k}", optimiser)
    about = {"progress": json.dumps(vars(trainer.progress))}
    _write(folder / "run.safetensors", tensors, about)
    if keep_as:
        _write(folder / f"{keep_as}.safetensors", dict(trainer.ema.state_dict()), about)


def load_run(folder: Path, trainer: "Trainer | MosaicTrainer") -> bool:
    """Go on from ``folder/run.safetensors`` when it is there; return whether it was.

    Raises:
        CheckpointError: a run of a net of another shape.
    """
    path = folder / "run.safetensors"
    if not path.exists():
        return False
    device = str(trainer.device)
    with safe_open(path, framework="pt", device=device) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        progress = json.loads(file.metadata()["progress"])
    for name in _parts(trainer):
        part = {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}
        module = getattr(trainer, name)
        check_tensors(path, part, module.state_dict())
        module.load_state_dict(part)
    for who, optimisers in trainer.optimisers.items():
        for k, optimiser in enumerate(optimisers):
            _restore(f"optim/{who}/{k}", optimiser, tensors)
    for name, value in progress.items():
        setattr(trainer.progress, name, value)
    return True


def _parts(trainer: "Trainer | MosaicTrainer") -> list[str]:
    return [name for name in ("net", "ema", "critic") if hasattr(trainer, name)]


def _flatten(prefix: str, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    state: dict[int, dict[str, Any]] = optimiser.state_dict()["state"]
    return {
        f"{prefix}/{row}/{name}": torch.as_tensor(value)
        for row, values in state.items()
        for name, value in values.items()
    }


def _restore(prefix: str, optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    whole = optimiser.state_dict()
    for key, value in tensors.items():
        if key.startswith(prefix + "/"):
            row, name = key.removeprefix(prefix + "/").split("/")
            whole["state"].setdefault(int(row), {})[name] = value
    optimiser.load_state_dict(whole)


def _write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    with whole_file(path) as scratch:
        save_file(plain, scratch, metadata=metadata)


def load_weights(folder: Path) -> dict[str, Tensor]:
    """Return the averaged weights of a run: the ones that are played."""
    with safe_open(folder / "run.safetensors", framework="pt") as file:
        names = [name for name in file.keys() if name.startswith("ema/")]  # noqa: SIM118 (not a dict)
        return {name.removeprefix("ema/"): file.get_tensor(name) for name in names}


def read_progress(folder: Path) -> dict[str, Any]:
    """Return how far a run has come: step, frames, elapsed_s."""
    with safe_open(folder / "run.safetensors", framework="pt") as file:
        progress: dict[str, Any] = json.loads(file.metadata()["progress"])
        return progress
