"""How far things are, read off one frame: so that a remembered frame can be laid into the view from another place.

Learnt from a simulator's depth buffer and applied to true and dreamed frames alike. Nearness is ``reach`` over the
distance along the view's axis: 0 is the horizon, large is close. Knows nothing about poses.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dreamloop.model.layers import Blocks, Conv, Films, Shrink, unfold

FINE = 2  # pixels of one side that share a nearness
WIDTHS = (32, 64, 96)
CLOSEST = 8.0  # nearness is at most this: an eighth of ``reach``


class DepthNet(nn.Module):
    """A small U-Net at 1/4, 1/8 and 1/16 of the frame."""

    one: Tensor

    def __init__(self, size: int = 4) -> None:
        super().__init__()
        self.size = size
        a, b, c = WIDTHS
        self.register_buffer("one", torch.ones(1, 1), persistent=False)
        self.stem = Conv(3 * size * size, a, 1)
        self.down = nn.ModuleList((Blocks(1, a, 1), Blocks(1, b, 1), Blocks(2, c, 1)))
        self.shrink = nn.ModuleList((Shrink(a, b), Shrink(b, c)))
        self.grow = nn.ModuleList((Conv(b, 4 * a, 1), Conv(c, 4 * b, 1)))
        self.up = nn.ModuleList((Blocks(1, a, 1), Blocks(1, b, 1)))
        self.head = Conv(a, (size // FINE) ** 2, 1, gain=0.1)
        self.films: Films | None = None  # for play

    def forward(self, folded: Tensor) -> Tensor:
        """Return the nearness (b, 1, h / 2, w / 2) float32 of frames in -1..1, folded (b, 3 * size^2, ...)."""
        x = self.stem(folded)
        one = self.one.to(x.dtype).expand(len(x), -1)
        under = one if self.films is None else self.films(one)
        skips = []
        for level, blocks in enumerate(self.down):
            if level:
                skips.append(x)
                x = self.shrink[level - 1](x)
            x = blocks(x, under)
        for level in (1, 0):
            x = skips[level] + unfold(self.grow[level](x), 2)
            x = self.up[level](x, under)
        raw = unfold(self.head(x).float(), self.size // FINE)
        return F.softplus(raw).clamp_max(CLOSEST)


def nearness(distance: Tensor, reach: float) -> Tensor:
    """Turn distances along the view's axis (any shape, NaN: not told), in map units, into nearness."""
    return (reach / distance.clamp_min(1.0)).clamp_max(CLOSEST)


def depth_error(told: Tensor, truth: Tensor) -> Tensor:
    """Return the mean error of nearness (b, 1, h, w), half of it relative; NaN in ``truth`` does not count.

    What is laid into another view is off by a parallax that grows with the error of nearness itself; the relative half
    keeps far walls apart.
    """
    known = ~truth.isnan()
    sure = torch.where(known, truth, told.detach())
    apart = (told - sure).abs()
    return ((apart + 0.5 * apart / (sure + 0.1)) * known).sum() / known.sum().clamp_min(1)
