"""What the cells of a picture show next, told by a net that was shown very much play: the teller.

A U-Net over the cells with attention at its coarser size sees what every cell shows, with which deed it last changed,
where the pointer is and what is done, and says which cells change; of those, what each of their pixels shows. Trained
on true pictures alone, without the pointer and without layers, so a GPU can be kept busy with it. What nobody can see,
as what lies under a window, it does not know, and then no colour is likely: that is for ideas to say.

Knows nothing about players, layers or files.
"""

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dreamloop.model.layers import Blocks, Conv, Linear, Shrink, unfold
from dreamloop.model.mosaic_hand import DEEDS
from dreamloop.model.mosaic_ideas import LOUD
from dreamloop.model.mosaic_stamps import REACH, stamp

if TYPE_CHECKING:
    from dreamloop.model.mosaic_net import MosaicConfig

INK = 8  # channels of a colour's code
CODE = 96  # of what a cell shows
CAUSE = 48  # of the deed that it last changed with


class Glance(NamedTuple):
    """What the teller sees of b players before a tick is drawn."""

    now: Tensor  # (b, rows, columns, pixels) uint8, ``colours`` where nothing is known
    ago: Tensor  # (b, rows, columns) int64, which of the latest deeds the cell changed with, from 1; 0: none
    controls: Tensor  # (b, DEEDS) int64, what each was, from 1; 0: none
    hits: Tensor  # (b, DEEDS, pixels) uint8, what lay under the pointer then
    actions: Tensor  # (b, 2, a) of the tick before and of this one
    places: Tensor  # (b, 3, 2) int64, pixels: the pointer now, a tick ago, where its button went down


class Told(NamedTuple):
    """What the teller says, ready to be asked for contents."""

    change: Tensor  # (b, rows, columns) logits
    features: Tensor  # (b, rows, columns, c)
    codes: Tensor  # (b, rows, columns, CODE)
    did: Tensor  # (b, ...)


class Teller(nn.Module):
    """``look`` once at the whole picture, then ask for the ``contents`` of some cells."""

    ink: Tensor
    where: Tensor  # (rows, columns, rows + columns) which row and column each cell is in
    dtype: torch.dtype = torch.float32  # of the arithmetic

    def __init__(self, config: "MosaicConfig") -> None:
        super().__init__()
        self.config = config
        fine, coarse = config.tell
        rows, columns = config.grid
        pixels, cond = config.cell**2, 2 * config.cond
        codes = torch.randn(config.colours + 1, INK, generator=torch.Generator().manual_seed(2))
        self.register_buffer("ink", codes, persistent=False)
        down, across = torch.eye(rows)[:, None].expand(-1, columns, -1), torch.eye(columns).expand(rows, -1, -1)
        self.register_buffer("where", torch.cat([down, across], -1), persistent=False)
        self.read = nn.Sequential(Linear(pixels * INK, 256), nn.SiLU(), Linear(256, CODE))
        self.control = nn.Parameter(0.3 * torch.randn(config.actions + 1, CAUSE))
        self.when = nn.Parameter(0.3 * torch.randn(DEEDS + 1, CAUSE))
        self.hit = Linear(CODE, CAUSE)
        self.know = nn.Sequential(
            Linear(2 * config.actions + 9 * CODE + 2, cond), nn.SiLU(), Linear(cond, cond), nn.SiLU()
        )
        self.stem = Linear(CODE + CAUSE + rows + columns, fine)
        self.stamps = nn.Parameter(0.1 * torch.randn(3, 4 * REACH * REACH, fine))
        self.first = Blocks(2, fine, cond)
        self.shrink = Shrink(fine, coarse)
        self.at = nn.Parameter(0.1 * torch.randn((rows // 2) * (columns // 2), coarse))
        self.among = nn.ModuleList(Among(coarse, cond) for _ in range(config.tell_blocks))
        self.grow = Conv(coarse, 4 * fine, 1)
        self.merge = Conv(2 * fine, fine, 1)
        self.last = Blocks(2, fine, cond)
        self.change = Linear(fine, 1, gain=0.0)
        self.change.bias.data.fill_(-2.0)  # most cells stand still, but before it is taught it is sure of none
        asked = fine + CODE + 2 * config.actions
        self.content = nn.Sequential(
            Linear(asked, 512), nn.SiLU(), Linear(512, 512), nn.SiLU(), Linear(512, pixels * config.colours)
        )

    def look(self, glance: Glance) -> Told:
        """Say which cells change."""
        dtype, b = self.dtype, len(glance.now)
        ink = self.ink.to(dtype)
        codes = self._read(glance.now, ink)
        hits = self.hit(self._read(glance.hits, ink)) + self.control.to(dtype)[glance.controls]
        caused = torch.cat([torch.zeros_like(hits[:, :1]), hits], 1) + self.when.to(dtype)
        row = torch.arange(b, device=codes.device)
        cause = caused[row[:, None, None], glance.ago]
        did = LOUD * glance.actions.flatten(1).to(dtype)
        cond = self.know(torch.cat([did, self._under(codes, glance.places[:, 0])], 1))
        x = self.stem(torch.cat([codes, cause, self.where.to(dtype).expand(b, -1, -1, -1)], -1))
        x = (x + self._pointer(glance.places, x.dtype)).permute(0, 3, 1, 2)
        x = self.first(x, cond)
        coarse = self.shrink(x)
        h, w = coarse.shape[2:]
        tokens = coarse.permute(0, 2, 3, 1).reshape(b, h * w, -1) + self.at.to(dtype)
        for block in self.among:
            tokens = block(tokens, cond)
        coarse = tokens.view(b, h, w, -1).permute(0, 3, 1, 2)
        x = self.last(self.merge(torch.cat([unfold(self.grow(coarse), 2), x], 1)), cond)
        features = F.layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],))
        return Told(self.change(features)[..., 0].float(), features, codes, did)

    def contents(self, told: Told, rows: Tensor) -> Tensor:
        """Return logits (n, pixels, colours) of what cells ``rows`` (n, 3: player, row, column) show if they change."""
        b, y, x = rows.unbind(1)
        about = torch.cat([told.features[b, y, x], told.codes[b, y, x], told.did[b]], 1)
        logits: Tensor = self.content(about).view(len(rows), self.config.cell**2, self.config.colours)
        return logits.float()

    def _read(self, contents: Tensor, ink: Tensor) -> Tensor:
        codes: Tensor = self.read(F.embedding(contents.int(), ink).flatten(-2))
        return codes

    def _under(self, codes: Tensor, place: Tensor) -> Tensor:
        """Return (b, 9 * CODE + 2): what the cells around the pointer show, and where in its cell it is."""
        cell, (b, rows, columns, _) = self.config.cell, codes.shape
        step = torch.arange(-1, 2, device=codes.device)
        x, y = (place // cell).unbind(1)
        wide = F.pad(codes, (0, 0, 1, 1, 1, 1))
        at_y = (y[:, None, None] + 1 + step[:, None]).clamp(0, rows + 1)
        at_x = (x[:, None, None] + 1 + step).clamp(0, columns + 1)
        near = wide[torch.arange(b, device=codes.device)[:, None, None], at_y, at_x]
        inside = (place % cell).to(codes.dtype) / cell - 0.5
        return torch.cat([near.flatten(1), inside], 1)

    def _pointer(self, places: Tensor, dtype: torch.dtype) -> Tensor:
        """Return (b, rows, columns, c): the stamps of the three places, as the corners of cells see them."""
        rows, columns = self.config.grid
        step = (self.config.cell * torch.arange(n, device=places.device) for n in (columns, rows))
        corner = torch.stack(torch.meshgrid(*step, indexing="xy"), -1)
        stamps = [stamp(self.stamps[i].to(dtype), corner - places[:, None, None, i]) for i in range(3)]
        return stamps[0] + stamps[1] + stamps[2]


class Among(nn.Module):
    """Attention among places and a layer for each, both under a condition (as in a DiT; Peebles and Xie, 2023)."""

    def __init__(self, c: int, cond: int, heads: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.film = Linear(cond, 4 * c, gain=0.3)
        self.ask, self.out = Linear(c, 3 * c), Linear(c, c, gain=0.3)
        self.wide, self.back = Linear(c, 4 * c), Linear(4 * c, c, gain=0.3)

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        """Map (b, n, c) to the same shape under ``cond`` (b, ...)."""
        b, n, c = x.shape
        scale, shift, scale_2, shift_2 = self.film(cond)[:, None].chunk(4, -1)
        rows = torch.addcmul(shift, F.layer_norm(x, (c,)), 1 + scale)
        q, k, v = self.ask(rows).view(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        heard = F.scaled_dot_product_attention(q, k, v)
        x = x + self.out(heard.transpose(1, 2).reshape(b, n, c))
        rows = torch.addcmul(shift_2, F.layer_norm(x, (c,)), 1 + scale_2)
        told: Tensor = self.back(F.silu(self.wide(rows)))
        return x + told
