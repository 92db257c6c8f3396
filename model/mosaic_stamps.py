"""Stamps of a pointer: what a net has learnt to lay around a place, by the pixel."""

from torch import Tensor
from torch.nn import functional as F

REACH = 16  # pixels on every side of a place that its stamp covers


def stamp(table: Tensor, away: Tensor) -> Tensor:
    """Return the entries (..., c) of a stamp (4 REACH^2, c) at offsets (..., 2) in pixels; zero outside of it."""
    index = away + REACH
    inside = ((index >= 0) & (index < 2 * REACH)).all(-1)
    index = index.clamp(0, 2 * REACH - 1)
    return F.embedding(index[..., 1] * 2 * REACH + index[..., 0], table) * inside[..., None]
