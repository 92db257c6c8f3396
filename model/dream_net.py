"""The net of the built-in model: recent frames, actions and a little noise in, the next frame out.

A U-Net on 4x4 folded pixels says where every pixel of the next frame comes from (a flow into the last frame), how far
to trust that, and what is new; a refining stage then sees the composed picture and corrects it. Everything it draws
has the size of the frame: no tokenizer, no upsampler.

Knows nothing about players, seeds, uint8 or training.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dreamloop.model.layers import Blocks, Conv, Linear, coordinates, fold, sources, unfold, warp


@dataclass(frozen=True, slots=True)
class NetConfig:
    """The shape of the net. Frozen into the card of every checkpoint."""

    height_px: int = 96
    width_px: int = 128
    actions: int = 9  # length of the action vector
    ages: tuple[int, ...] = (
        1,
        2,
        4,
        8,
    )  # the frames it sees, in ticks before the one it draws; must begin with 1
    action_ticks: int = 4  # how many of the latest actions it sees
    fold: int = 4  # pixels of one side that are folded into channels
    widths: tuple[int, ...] = (64, 128, 256)  # channels at 1/4, 1/8, 1/16
    down: tuple[int, ...] = (1, 1, 3)  # residual blocks on the way down, per width
    up: tuple[int, ...] = (2, 2, 0)  # residual blocks on the way up, per width
    refine: int = 2  # residual blocks that see the composed picture
    cond: int = 128  # width of the condition made of actions and noise level
    noise: int = 4  # channels of noise, so that what is unseen can be drawn and not averaged
    warp: bool = True  # fetch pixels from the last frame by a flow (off: the ablation)
    warp_mode: str = "bicubic"

    @property
    def context(self) -> int:
        """How many past frames must be kept."""
        return max(self.ages)


class DreamNet(nn.Module):
    """One evaluation draws one frame."""

    grid: Tensor
    places: Tensor

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        self._dtype = torch.float32
        s, widths = config.fold, config.widths
        h, w = config.height_px // s, config.width_px // s
        self.register_buffer("grid", coordinates(config.height_px, config.width_px), persistent=False)
        self.register_buffer("places", coordinates(h, w), persistent=False)
        pixels = 3 * s * s
        self.know = nn.Sequential(
            Linear(config.actions * config.action_ticks + 1, config.cond),
            nn.SiLU(),
            Linear(config.cond, config.cond),
            nn.SiLU(),
        )
        self.stem = Conv(pixels * len(config.ages) + 2 + config.noise, widths[0], 1)
        self.down = nn.ModuleList(Blocks(n, c, config.cond) for n, c in zip(config.down, widths, strict=True))
        self.up = nn.ModuleList(Blocks(n, c, config.cond) for n, c in zip(config.up, widths, strict=True))
        self.shrink = nn.ModuleList(Conv(4 * a, b, 1) for a, b in pairwise(widths))
        self.grow = nn.ModuleList(Conv(b, 4 * a, 1) for a, b in pairwise(widths))
        self.merge = nn.ModuleList(Conv(2 * a, a, 1) for a in widths[:-1])
        self.head = Conv(widths[0], pixels + 3 * s * s, 1, gain=0.1)  # new pixels, flow, trust
        self.look = Conv(pixels + widths[0] + config.noise, widths[0], 1)
        self.refine = Blocks(config.refine, widths[0], config.cond)
        self.mend = Conv(widths[0], pixels, 1, gain=0.02)

    def forward(self, context: Tensor, actions: Tensor, level: Tensor, noise: Tensor) -> Tensor:
        """Draw the next frame.

        Args:
            context: (b, t, 3, h, w) float32 in -1..1, the frames of ``config.ages`` in that order (newest first).
            actions: (b, action_ticks, a), oldest first; the last one leads to the frame that is drawn.
            level: (b,) standard deviation of the noise that was added to ``context``.
            noise: (b, config.noise, h / fold, w / fold) standard normal.

        Returns:
            (b, 3, h, w) float32, about -1..1.
        """
        return self.draw(context, actions, level, noise).frame

    def draw(self, context: Tensor, actions: Tensor, level: Tensor, noise: Tensor) -> "Drawn":
        """Draw the next frame and return it with its parts, which training teaches one by one."""
        dtype = self.dtype
        cond = self.know(torch.cat([actions.flatten(1), 10 * level[:, None]], 1).to(dtype))
        noise = noise.to(dtype)
        features = self._features(context, cond, noise)
        picture, parts = self._compose(context[:, 0], self.head(features).float())
        known = fold(picture.to(dtype), self.config.fold)
        x = self.look(torch.cat([known, features, noise], 1).contiguous(memory_format=torch.channels_last))
        x = self.refine(x, cond)
        return Drawn(picture + unfold(self.mend(x).float(), self.config.fold), *parts)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the arithmetic inside; the pictures stay float32."""
        return self._dtype

    def compute_in(self, dtype: torch.dtype) -> "DreamNet":
        """Choose the dtype of the arithmetic and return self."""
        self._dtype = dtype
        return self

    def freeze(self) -> "DreamNet":
        """Cast the weights to the dtype of the arithmetic, once and for all, and return self: for play only."""
        for parameter in self.parameters():
            parameter.data = parameter.data.to(self._dtype)
        return self.requires_grad_(False).eval()

    def _features(self, context: Tensor, cond: Tensor, noise: Tensor) -> Tensor:
        b, t, c, h, w = context.shape
        folded = fold(context.reshape(b, t * c, h, w).to(noise.dtype), self.config.fold)
        places = self.places.to(noise.dtype).expand(b, -1, -1, -1)
        x: Tensor = self.stem(torch.cat([folded, places, noise], 1).contiguous(memory_format=torch.channels_last))
        skips = []
        for level, blocks in enumerate(self.down):
            if level:
                skips.append(x)
                x = self.shrink[level - 1](fold(x, 2))
            x = blocks(x, cond)
        for level in reversed(range(len(self.up) - 1)):
            x = unfold(self.grow[level](x), 2)
            x = self.merge[level](torch.cat([x, skips[level]], 1).contiguous(memory_format=torch.channels_last))
            x = self.up[level](x, cond)
        return x

    def _compose(self, last: Tensor, head: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Take every pixel either from the last frame or from what is painted: a mixture of both would be blur."""
        s = self.config.fold
        new, flow, trust = head.tensor_split((3 * s * s, 5 * s * s), 1)
        painted = unfold(new, s)
        if not self.config.warp:
            nothing = torch.zeros_like(painted[:, :1])
            return painted, (painted, painted, nothing, nothing + 1)
        where = sources(10 * unfold(flow, s), self.grid)
        moved = warp(last, where, self.config.warp_mode)
        seen = (where.detach().abs().amax(-1) <= 1)[:, None].float()
        trust = torch.sigmoid(unfold(trust, s) + 2.0)
        gate = (trust > 0.5).float() + (trust - trust.detach())  # hard; its gradient is that of the soft one
        return torch.lerp(painted, moved, gate), (moved, painted, trust, seen)


class Drawn(NamedTuple):
    """A frame and what it was made of."""

    frame: Tensor  # (b, 3, h, w)
    moved: Tensor  # (b, 3, h, w) the last frame, every pixel fetched from where the flow points
    painted: Tensor  # (b, 3, h, w) what would be there without the last frame
    trust: Tensor  # (b, 1, h, w) above 0.5 the moved pixel is taken, else the painted one
    seen: Tensor  # (b, 1, h, w) 1 where the flow points inside the last frame, 0 where the mirror begins


def pick_context(frames: Tensor, ages: tuple[int, ...]) -> Tensor:
    """Pick the frames of ``ages`` out of a history (b, t, ...), oldest first, in the order of ``ages``."""
    return torch.stack([frames[:, -age] for age in ages], 1)


def draw_noise(config: NetConfig, seed: int, tick: int) -> Tensor:
    """Return the noise (noise, h / fold, w / fold) of one player's tick: a function of seed and tick alone."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + tick) % 2**63)
    return torch.randn(
        config.noise, config.height_px // config.fold, config.width_px // config.fold, generator=generator
    )


def count_flop(net: DreamNet) -> float:
    """Return the floating-point operations of one evaluation for one player (a multiply-add counts as two)."""
    from torch.utils.flop_counter import FlopCounterMode

    config = net.config
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(
            torch.zeros(1, len(config.ages), 3, config.height_px, config.width_px),
            torch.zeros(1, config.action_ticks, config.actions),
            torch.zeros(1),
            draw_noise(config, 0, 0)[None],
        )
    return float(counter.get_total_flops())
