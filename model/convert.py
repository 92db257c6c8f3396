"""Pickled weights (``.pt``) read once, without running anything in them, and written as safetensors.

PyTorch's ``weights_only`` reader builds tensors and plain containers and refuses all else. Knows nothing about which
architecture the weights are for: every tensor keeps its name.
"""

import pickle
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from dreamloop.model.checkpoint import CheckpointError
from dreamloop.model.published import PICKLED
from dreamloop.model.whole_file import whole_file


def convert(source: Path, target: Path) -> int:
    """Write the tensors of ``source`` to ``target`` (atomically) and return how many there are.

    Tables in tables are joined with dots. Raises:
        CheckpointError: no such file, a damaged one, one that holds anything but tensors, or a target that is no
            .safetensors file.
    """
    if target.suffix != ".safetensors":
        raise CheckpointError(f"the converted file must be named .safetensors, got {target.name}")
    if not source.is_file():
        raise CheckpointError(f"no file {source} to convert")
    if source.suffix not in PICKLED:
        raise CheckpointError(f"{source.name} is converted from {', '.join(PICKLED)}, got '{source.suffix}'")
    tensors = {name: tensor.contiguous().clone() for name, tensor in _flat(source, "", _read(source))}
    if not tensors:
        raise CheckpointError(f"{source} holds no tensors")
    with whole_file(target) as scratch:
        save_file(tensors, scratch)
    return len(tensors)


def _read(source: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the reader has to say about old formats helps nobody
            return torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        first = str(error).split(". ")[-1].strip().splitlines()[0][:200]
        raise CheckpointError(
            f"{source} is damaged, or holds more than tensors and was not opened, for that could run code ({first})"
        ) from error
    except Exception as error:  # a damaged file makes the reader fail in any way
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise CheckpointError(f"{source} is damaged or cut short ({first})") from error


def _flat(source: Path, name: str, value: Any) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name or "tensor", value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _flat(source, f"{name}.{key}" if name else str(key), part)
    else:
        raise CheckpointError(f"'{name}' in {source} is no tensor but {type(value).__name__}; these are no weights")
