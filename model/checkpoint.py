"""Weights on disk: safetensors with the card as JSON in its metadata. Nothing is ever unpickled.

Knows nothing about what the tensors mean; the architecture that reads them says which names it needs.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from dreamloop.input.errors import DreamloopError, nearest
from dreamloop.model.whole_file import whole_file
from dreamloop.model.world_model import Card

Net = TypeVar("Net", bound=nn.Module)


class CheckpointError(DreamloopError):
    """A checkpoint that is missing, damaged, foreign or of another shape."""


def weights_hash(tensors: Mapping[str, Tensor]) -> str:
    """Return sha256 (hex, 16 characters) over names, dtypes, shapes and bytes of ``tensors``."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], card: Card) -> Card:
    """Write ``tensors`` and ``card`` atomically to ``path``; return the card with the weights' hash in it."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    card = replace(card, weights_hash=weights_hash(plain))
    with whole_file(path) as scratch:
        save_file(plain, scratch, metadata={"dreamloop_card": json.dumps(asdict(card), sort_keys=True)})
    return card


def load_card(path: Path) -> Card:
    """Read only the card of a checkpoint.

    Raises:
        CheckpointError: no such file, not safetensors, or not one of ours.
    """
    if not path.is_file():
        raise CheckpointError(f"no weights at {path}; train them or put them there")
    if path.suffix != ".safetensors":
        raise CheckpointError(f"weights {path.name} must be a .safetensors file; pickled formats are never opened")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file ({error})") from error
    if "dreamloop_card" not in metadata:
        raise CheckpointError(f"{path} is a safetensors file of another program: it holds no dreamloop card")
    return _card(path, metadata["dreamloop_card"])


def _card(path: Path, text: str) -> Card:
    known = {field.name for field in fields(Card)}
    try:
        values = json.loads(text)
        return Card(**{name: value for name, value in values.items() if name in known})
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"the card in {path} cannot be read ({error})") from error


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], Card]:
    """Read tensors and card and check that the tensors are those that the card was written for.

    Raises:
        CheckpointError: as :func:`load_card`, or when the tensors are not the ones that were saved.
    """
    card = load_card(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error})") from error
    if weights_hash(tensors) != card.weights_hash:
        raise CheckpointError(f"{path} is damaged: its tensors are not the ones its card was written for")
    return tensors, card


def check_tensors(path: Path, got: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Raise CheckpointError naming the first tensor of ``got`` that does not match ``wanted``."""
    for name, tensor in wanted.items():
        if name not in got:
            raise CheckpointError(f"{path} lacks the tensor '{name}'{nearest(name, got)}")
        if got[name].shape != tensor.shape:
            raise CheckpointError(
                f"tensor '{name}' in {path} has shape {tuple(got[name].shape)}, the model takes {tuple(tensor.shape)}"
            )
    for name in got:
        if name not in wanted:
            raise CheckpointError(f"{path} holds a tensor '{name}' that the model does not know{nearest(name, wanted)}")


def load_for(name: str, weights: Path | None, arch: str) -> tuple[Path, dict[str, Tensor], Card]:
    """Read the checkpoint of the world ``name``, made for ``arch``, and return where it is, too.

    Raises:
        CheckpointError: no weights, or weights that are damaged or foreign.
    """
    if weights is None:
        raise CheckpointError(f"the world '{name}' names no weights; train them with 'dreamloop train'")
    tensors, card = load_checkpoint(weights)
    if card.arch != arch:
        raise CheckpointError(f"{weights} was made for the architecture '{card.arch}', not '{arch}'")
    return weights, tensors, card


def load_net(card: Card, weights: Path | None, arch: str, make: Callable[[Mapping[str, Any]], Net]) -> tuple[Net, Card]:
    """Open a checkpoint as the net that ``make`` builds from its configuration, with its own card.

    Args:
        card: the world's; its name stands in the message when there are no weights.

    Raises:
        CheckpointError: no weights, or weights that are damaged, foreign or of another shape.
    """
    path, tensors, card = load_for(card.name, weights, arch)
    net = make(card.config)
    check_tensors(path, tensors, net.state_dict())
    net.load_state_dict(tensors)
    return net, card
