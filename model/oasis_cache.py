"""Keys and values of the frames that Oasis has seen, so that a new frame is evaluated alone.

One pre-allocated buffer: (blocks, players, places * heads, slots, d). A player's frame number i lies in slot
i % slots; its own turn (rotary embedding) is already in the keys, so that the order of the slots does not matter.
What later frames see of a frame is what was stored last under its number. Knows nothing about nets.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


class KeyValueCache:
    """Cost and size are the same for the first frame and for the last."""

    def __init__(self, blocks: int, players: int, rows: int, slots: int, width: int, kind: Tensor) -> None:
        shape = (blocks, players, rows, slots, width)
        self.keys = torch.zeros(shape, dtype=kind.dtype, device=kind.device)
        self.values = torch.zeros_like(self.keys)
        self.slots = slots
        self.counts = [0] * players  # frames that are stored for good; the next one gets this number

    @property
    def nbytes(self) -> int:
        """Size of the buffers."""
        return self.keys.nbytes + self.values.nbytes

    def fill(self, player: int) -> "Filling":
        """Return what stores t frames of one player from number 0 on, each seeing those before it."""
        return Filling(self, player)

    def step(self, players: slice) -> "Stepping":
        """Return what stores one frame of each of these players under its next number, seeing all that is stored."""
        return Stepping(self, players)


class Filling:
    """See KeyValueCache.fill."""

    def __init__(self, cache: KeyValueCache, player: int) -> None:
        self._cache, self._player = cache, player

    def __call__(self, block: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Store and look; the shapes are those of oasis_dit.Attend with one player."""
        ticks = k.shape[2]
        self._cache.keys[block, self._player, :, :ticks] = k[0]
        self._cache.values[block, self._player, :, :ticks] = v[0]
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)


class Stepping:
    """See KeyValueCache.step."""

    def __init__(self, cache: KeyValueCache, players: slice) -> None:
        self._keys, self._values = cache.keys[:, players], cache.values[:, players]
        device = cache.keys.device
        counts = torch.tensor(cache.counts[players])
        self._row = torch.arange(len(counts), device=device)
        self._slot = (counts % cache.slots).to(device)
        seen = torch.arange(cache.slots) <= counts[:, None]  # past the first round every slot is
        self._seen = seen[:, None, None].to(device)  # (n, 1, 1, slots)

    def __call__(self, block: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Store and look; the shapes are those of oasis_dit.Attend with t = 1."""
        keys, values = self._keys[block], self._values[block]
        keys[self._row, :, self._slot] = k[:, :, 0]
        values[self._row, :, self._slot] = v[:, :, 0]
        return F.scaled_dot_product_attention(q, keys, values, attn_mask=self._seen)
