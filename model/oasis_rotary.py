"""Rotary position embeddings as the Oasis nets use them: neighbouring entries form the pairs that are turned.

Knows nothing about nets.
"""

import torch
from torch import Tensor


def grid_turns(height: int, width: int, pairs: int, highest: float) -> Tensor:
    """Return the turns (height * width, 2 * pairs) of places on a grid: ``pairs`` for the row, then for the column.

    Rows and columns lie in -1..1; the frequencies go evenly from pi to ``highest`` * pi.
    """
    rates = torch.linspace(1.0, highest, pairs, device="cpu") * torch.pi
    rows = torch.linspace(-1, 1, height, device="cpu")[:, None] * rates
    columns = torch.linspace(-1, 1, width, device="cpu")[:, None] * rates
    shape = (height, width, pairs)
    return torch.cat([rows[:, None].expand(shape), columns[None].expand(shape)], -1).flatten(0, 1)


def time_turns(ticks: Tensor, pairs: int) -> Tensor:
    """Return the turns (..., pairs) at ``ticks`` (...,)."""
    rates = 1.0 / 10000 ** (torch.arange(0, 2 * pairs, 2, device=ticks.device).float() / (2 * pairs))
    return ticks.float()[..., None] * rates


def turn(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn the first pairs of x (..., d) by the angle whose ``cosine`` and ``sine`` (..., pairs) are given."""
    pairs = cosine.shape[-1]
    first, second = x[..., : 2 * pairs].reshape(*x.shape[:-1], pairs, 2).unbind(-1)
    turned = torch.stack([first * cosine - second * sine, second * cosine + first * sine], -1).flatten(-2)
    if 2 * pairs < x.shape[-1]:
        turned = torch.cat([turned, x[..., 2 * pairs :]], -1)
    return turned.to(x.dtype)
