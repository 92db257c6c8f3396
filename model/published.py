"""Weights as others published them: safetensors without a card of ours, read key for key.

The card then comes from the world; its hash is the one that the weights store noted, or is taken over the tensors.
Nothing is ever unpickled here. Knows nothing about what the tensors mean.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from dreamloop.model.checkpoint import CheckpointError, check_tensors, load_checkpoint, weights_hash
from dreamloop.model.world_model import Card

PICKLED = (".pt", ".pth", ".ckpt", ".bin", ".pkl")


def one_file(weights: Path) -> Path:
    """Return ``weights`` when it is a file, else the only .safetensors file in that folder."""
    if not weights.is_dir():
        return weights
    found = sorted(weights.glob("*.safetensors"))
    if len(found) != 1:
        pickled = sorted(path.name for path in weights.iterdir() if path.suffix in PICKLED)
        hint = f"; convert {pickled[0]} with 'dreamloop weights convert'" if pickled and not found else ""
        names = ", ".join(path.name for path in found) or "none"
        raise CheckpointError(f"{weights} must hold exactly one .safetensors file, got {names}{hint}")
    return found[0]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors of a safetensors file, whoever wrote it.

    Raises:
        CheckpointError: no such file, a pickled one, a damaged one, or a tensor that holds no numbers with fractions.
    """
    if not path.is_file():
        raise CheckpointError(f"no weights at {path}")
    if path.suffix in PICKLED:
        raise CheckpointError(f"{path} is pickled and is not opened to play; 'dreamloop weights convert' makes it safe")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged, cut short or no safetensors file ({error})") from error
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise CheckpointError(f"tensor '{name}' in {path} is of type {tensor.dtype}; weights are float numbers")
    return tensors


def read_weights(path: Path, card: Card) -> tuple[dict[str, Tensor], Card]:
    """Read one file: with a card of ours inside that card is returned, else ``card`` with the hash of the weights."""
    if path.is_file() and path.suffix == ".safetensors" and _has_card(path):
        tensors, own = load_checkpoint(path)
        if own.arch != card.arch:
            raise CheckpointError(f"{path} was made for the architecture '{own.arch}', not '{card.arch}'")
        return tensors, own
    tensors = read_tensors(path)
    return tensors, card if card.weights_hash else replace(card, weights_hash=weights_hash(tensors))


def fill(path: Path, module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Make ``tensors`` the weights of ``module`` (built on the meta device) without copying them.

    Raises:
        CheckpointError: a tensor that is missing, of another shape, or unknown; the sentence names it.
    """
    check_tensors(path, tensors, module.state_dict())
    plain = {name: tensor.float() for name, tensor in tensors.items()}
    module.load_state_dict(plain, assign=True)


def random_weights(shapes: Mapping[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """Return seeded random numbers for every tensor, of a size that keeps a deep net's output within bounds."""
    stream = torch.Generator().manual_seed(seed)
    made = {}
    for name, shape in shapes.items():
        values = torch.rand(shape.shape, generator=stream).sub_(0.5)
        made[name] = values.div_(max(shape[0].numel() if shape.dim() else 1, 1) ** 0.5)
    return made


def _has_card(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt") as file:
            return "dreamloop_card" in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False
