"""DIAMOND's denoising net: a U-Net over the last frames and one noisy frame, led by noise level and actions.

Written from the published description (Alonso et al. 2024, "Diffusion for World Modeling"); the tensors have the names
of the published checkpoints. Knows nothing about samplers, players or files.

What is led by noise level and action is the same for every pixel, so it is worked out apart (:meth:`DiamondNet.lead`):
once per frame for all noise levels, and once for good where there are no actions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GROUP = 32  # channels of one normalisation group
HEAD = 8  # channels of one attention head
EPSILON = 1e-5


@dataclass(frozen=True, slots=True)
class NetConfig:
    """The shape of one net."""

    frames: int = 4  # true frames that it sees
    cond: int = 256  # width of what leads it
    depths: tuple[int, ...] = (2, 2, 2, 2)  # residual blocks per level
    widths: tuple[int, ...] = (64, 64, 64, 64)  # channels per level
    attention: tuple[bool, ...] = (False, False, False, False)
    actions: int = 4  # entries of an action; 0: it sees none
    factor: int = 1  # an upsampler's: how much larger than the small picture that it sees as well
    context_level: bool = False  # whether it is told how noisy the true frames are


class DiamondNet(nn.Module):
    """The inner model: noisy frame and context in, what the preconditioning calls F out."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        self.noise_emb = FourierFeatures(config.cond)
        if config.context_level:
            self.noise_cond_emb = FourierFeatures(config.cond)
        if config.actions:
            self.act_emb = nn.Sequential(Table(config.actions, config.cond // config.frames))
        self.cond_proj = nn.Sequential(
            nn.Linear(config.cond, config.cond), nn.SiLU(), nn.Linear(config.cond, config.cond)
        )
        pictures = config.frames + (config.factor > 1) + 1
        self.conv_in = nn.Conv2d(3 * pictures, config.widths[0], 3, padding=1)
        self.unet = UNet(config)
        self.norm_out = GroupNorm(config.widths[0])
        self.conv_out = nn.Conv2d(config.widths[0], 3, 3, padding=1)

    def lead(self, levels: Sequence[tuple[float, float]], actions: Tensor | None) -> list[list[Tensor]]:
        """Return, per noise level, what every normalisation multiplies by and adds, in the order of use.

        ``levels``: (c_noise, c_noise_cond) pairs; ``actions``: (n, t, a) of which each entry switches an embedding on.
        """
        weight = self.noise_emb.weight
        level = torch.tensor(levels, dtype=weight.dtype, device=weight.device)
        cond = self.noise_emb(level[:, 0])
        if self.config.context_level:
            cond = cond + self.noise_cond_emb(level[:, 1])
        if actions is None:
            cond = cond[:, None]  # (levels, 1, cond)
        else:
            table = cast(Tensor, self.act_emb[0].weight)
            embedded = actions.to(weight.dtype) @ table.to(weight.dtype)
            cond = cond[:, None] + embedded.flatten(1)[None]  # (levels, n, cond)
        cond = self.cond_proj(cond.to(self.conv_in.weight.dtype))
        rows = [norm.linear(cond) for norm in self.modules() if isinstance(norm, AdaGroupNorm)]
        return [[row[i] for row in rows] for i in range(len(levels))]

    def forward(self, noisy: Tensor, context: Tensor, led: list[Tensor]) -> Tensor:
        """Draw (n, 3, h, w) from a scaled noisy frame (n, 3, h, w) and a scaled context (n, 3 * pictures, h, w)."""
        x = self.conv_in(torch.cat([context, noisy], 1))
        x = self.unet(x, iter(led))
        drawn: Tensor = self.conv_out(F.silu(self.norm_out(x)))
        return drawn


class UNet(nn.Module):
    """Levels down, two blocks with attention at the bottom, levels up; every output on the way down is used once."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        widths, cond = config.widths, config.cond
        plan = list(zip((widths[0], *widths), widths, config.depths, config.attention, strict=False))
        downs = [Blocks([above, *[here] * (depth - 1)], [here] * depth, cond, a) for above, here, depth, a in plan]
        ups = [
            Blocks([2 * here] * depth + [above + here], [here] * depth + [above], cond, a)
            for above, here, depth, a in reversed(plan)
        ]
        # Registered in the order of use: DiamondNet.lead relies on it.
        self.d_blocks = nn.ModuleList(downs)
        self.mid_blocks = Blocks([widths[-1]] * 2, [widths[-1]] * 2, cond, True)
        self.u_blocks = nn.ModuleList(ups)
        self.downsamples = nn.ModuleList([nn.Identity(), *(Downsample(width) for width in widths[:-1])])
        self.upsamples = nn.ModuleList([nn.Identity(), *(Upsample(width) for width in reversed(widths[:-1]))])

    def forward(self, x: Tensor, led: Iterator[Tensor]) -> Tensor:
        """Keep the size (n, c, h, w); a size that cannot be halved often enough is padded at the right and bottom."""
        height, width = x.shape[-2:]
        unit = 2 ** (len(self.d_blocks) - 1)
        x = F.pad(x, (0, -width % unit, 0, -height % unit))
        kept: list[Tensor] = []
        for blocks, down in zip(self.d_blocks, self.downsamples, strict=True):
            kept.append(x := down(x))
            for block in cast(Blocks, blocks):
                kept.append(x := block(x, led))
        for block in self.mid_blocks:
            x = block(x, led)
        for blocks, up in zip(self.u_blocks, self.upsamples, strict=True):
            x = up(x)
            for block in cast(Blocks, blocks):
                x = block(torch.cat([x, kept.pop()], 1), led)
        return x[..., :height, :width]


class Blocks(nn.Module):
    """A list of residual blocks under the name that the checkpoints give it."""

    def __init__(self, wide_in: list[int], wide_out: list[int], cond: int, attention: bool) -> None:
        super().__init__()
        pairs = zip(wide_in, wide_out, strict=True)
        self.resblocks = nn.ModuleList([ResBlock(c_in, c_out, cond, attention) for c_in, c_out in pairs])

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self.resblocks)


class ResBlock(nn.Module):
    """Two led normalisations and convolutions around a shortcut, attention after them where it is asked for."""

    def __init__(self, c_in: int, c_out: int, cond: int, attention: bool) -> None:
        super().__init__()
        self.proj = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()
        self.norm1 = AdaGroupNorm(c_in, cond)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.norm2 = AdaGroupNorm(c_out, cond)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.attn = Attention(c_out) if attention else nn.Identity()

    def forward(self, x: Tensor, led: Iterator[Tensor]) -> Tensor:
        """(n, c_in, h, w) to (n, c_out, h, w)."""
        y = self.conv1(F.silu(self.norm1(x, next(led)), inplace=True))
        y = self.conv2(F.silu(self.norm2(y, next(led)), inplace=True))
        drawn: Tensor = self.attn(y.add_(self.proj(x)))
        return drawn


class AdaGroupNorm(nn.Module):
    """Group normalisation whose scale and shift are led; its linear map is used by DiamondNet.lead."""

    def __init__(self, channels: int, cond: int) -> None:
        super().__init__()
        self.groups = max(1, channels // GROUP)
        self.linear = nn.Linear(cond, 2 * channels)

    def forward(self, x: Tensor, led: Tensor) -> Tensor:
        """Normalise x (n, c, h, w), times 1 + scale, plus shift; ``led`` (n or 1, 2c) holds scale, then shift."""
        scale, shift = led.chunk(2, -1)
        if len(led) == 1:  # one for all: the normalisation applies it itself, a pass over the picture less
            return F.group_norm(x, self.groups, 1 + scale[0], shift[0], EPSILON)
        x = F.group_norm(x, self.groups, eps=EPSILON)
        return x * (1 + scale[:, :, None, None]) + shift[:, :, None, None]


class GroupNorm(nn.Module):
    """Group normalisation with a scale and a shift of its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(max(1, channels // GROUP), channels, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        normed: Tensor = self.norm(x)
        return normed


class Attention(nn.Module):
    """Every place looks at every place, heads of eight channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // HEAD)
        self.norm = GroupNorm(channels)
        self.qkv_proj = nn.Conv2d(channels, 3 * channels, 1)
        self.out_proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (n, c, h, w)."""
        n, c, h, w = x.shape
        x = self.norm(x)  # the shortcut, too, starts after the normalisation: so the published weights were trained
        qkv = self.qkv_proj(x).reshape(n, 3, self.heads, c // self.heads, h * w)
        q, k, v = qkv.transpose(-2, -1).contiguous().unbind(1)  # each (n, heads, places, channels of a head)
        y = F.scaled_dot_product_attention(q, k, v).transpose(-2, -1).reshape(n, c, h, w)
        seen: Tensor = self.out_proj(y)
        return x + seen


class Downsample(nn.Module):
    """Half the height and width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) to (n, c, h / 2, w / 2)."""
        half: Tensor = self.conv(x)
        return half


class Upsample(nn.Module):
    """Twice the height and width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) to (n, c, 2h, 2w)."""
        twice: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return twice


class Table(nn.Module):
    """A row per action. (nn.Embedding's random start costs a second of imports on the meta device.)"""

    def __init__(self, actions: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(actions, width))


class FourierFeatures(nn.Module):
    """A number as waves of fixed random frequencies: cosines, then sines."""

    weight: Tensor

    def __init__(self, cond: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(1, cond // 2))

    def forward(self, number: Tensor) -> Tensor:
        """(levels,) to (levels, cond)."""
        angle = 2 * torch.pi * number[:, None] @ self.weight
        return torch.cat([angle.cos(), angle.sin()], -1)
