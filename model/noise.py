"""Random numbers that are a function of seed and tick alone, for any number of players at once.

Drawn on the CPU whatever the device, so that a dream is the same dream everywhere. Knows nothing about models.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


class SeededNoise:
    """Normal numbers for one tick of n players; later calls go on in the same streams."""

    def __init__(self, seeds: Sequence[int], ticks: Sequence[int], device: torch.device) -> None:
        pairs = zip(seeds, ticks, strict=True)
        self._streams = [torch.Generator().manual_seed((seed * 1_000_003 + tick) % 2**63) for seed, tick in pairs]
        self._device = device

    def __call__(self, *shape: int) -> Tensor:
        """Return (n, *shape), a player's numbers the same whoever else plays."""
        drawn = torch.stack([torch.randn(shape, generator=stream) for stream in self._streams])
        return drawn.to(self._device, non_blocking=True)
