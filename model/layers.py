"""The few layers that the built-in model is made of. Knows nothing about frames, actions or time.

Every picture-like tensor is (b, c, h, w) in channels-last memory: that is where convolutions are fast on a CPU.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Conv(nn.Module):
    """A convolution whose kernel is stored as a matrix (out, k*k*in), so that Muon can treat it as one.

    The kernel is cast to the dtype of its input: master weights stay float32 while the arithmetic is bf16.
    """

    def __init__(self, c_in: int, c_out: int, k: int = 3, *, gain: float = 1.0) -> None:
        super().__init__()
        self.k, self.c_in, self.c_out = k, c_in, c_out
        self.packs = False  # for play on a processor, see DreamNet.freeze
        self._packed: dict[torch.Size, Tensor] = {}
        self.weight = nn.Parameter(torch.randn(c_out, k * k * c_in) * gain * (k * k * c_in) ** -0.5)
        self.bias = nn.Parameter(torch.zeros(c_out))

    def forward(self, x: Tensor, *, swish: bool = False) -> Tensor:
        """Convolve (b, c_in, h, w) with same-size padding; ``swish``: and put the result through SiLU."""
        if self.packs and not torch.compiler.is_compiling():
            return self._packed_forward(x, swish)
        x = x.contiguous(memory_format=torch.channels_last)
        done = F.conv2d(x, self._kernel(x.dtype), self.bias.to(x.dtype), padding=self.k // 2)
        return F.silu(done) if swish else done

    def _packed_forward(self, x: Tensor, swish: bool) -> Tensor:
        if self.k == 1:  # as a product of matrices it is quicker; the result lies channels-last
            lies = x.is_contiguous() and len(x) == 1
            rows = x[0].permute(1, 2, 0)[None] if lies else x.permute(0, 2, 3, 1)
            done: Tensor = F.linear(rows, self.weight, self.bias).permute(0, 3, 1, 2)
            return F.silu(done) if swish else done
        packed = self._packed.get(x.shape)
        if packed is None:
            packed = self._packed[x.shape] = self._pack(x)
        pads, ones, then = [self.k // 2] * 2, [1, 1], "swish" if swish else "none"
        done = torch.ops.mkldnn._convolution_pointwise(x, packed, self.bias, pads, ones, ones, 1, then, [], "")
        return done

    def _pack(self, x: Tensor) -> Tensor:
        """Put the kernel once into the order that oneDNN wants for inputs like ``x``, and not anew at every call.

        The bytes that come out are the same. It is what torch's own compiler does.
        """
        kernel, pads, ones = self._kernel(x.dtype).contiguous().to_mkldnn(), [self.k // 2] * 2, [1, 1]
        reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight  # torch's own types leave an argument out
        packed: Tensor = reorder(kernel, pads, ones, ones, 1, list(x.shape))
        return packed

    def _kernel(self, dtype: torch.dtype) -> Tensor:
        return self.weight.to(dtype).view(self.c_out, self.k, self.k, self.c_in).permute(0, 3, 1, 2)


class Shrink(Conv):
    """A 1x1 convolution of a picture that is folded 2x2: half the size.

    For play the kernel is put once into the order in which a channels-last picture folds with the fewest moves.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__(4 * c_in, c_out, 1)
        self._rows: Tensor | None = None

    def forward(self, x: Tensor, *, swish: bool = False) -> Tensor:
        """Map (b, c_in, h, w) to (b, c_out, h / 2, w / 2)."""
        if not self.packs or torch.compiler.is_compiling():
            return super().forward(fold(x, 2), swish=swish)
        if self._rows is None:
            self._rows = self.weight.view(self.c_out, -1, 2, 2).permute(0, 2, 3, 1).reshape(self.c_out, -1)
        b, c, h, w = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(b, h // 2, 2, w // 2, 2, c).transpose(2, 3).reshape(b, h // 2, w // 2, -1)
        done = F.linear(rows, self._rows, self.bias).permute(0, 3, 1, 2)
        return F.silu(done) if swish else done


class Linear(nn.Module):
    """A linear layer that casts its weight to the dtype of its input."""

    def __init__(self, d_in: int, d_out: int, *, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(d_out, d_in) * gain * d_in**-0.5)
        self.bias = nn.Parameter(torch.zeros(d_out))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., d_in) to (..., d_out)."""
        return F.linear(x, self.weight.to(x.dtype), self.bias.to(x.dtype))


class Block(nn.Module):
    """A residual block: normalise over channels, let the condition scale and shift (FiLM), two convolutions."""

    def __init__(self, c: int, cond: int) -> None:
        super().__init__()
        self.film = Linear(cond, 2 * c, gain=0.3)
        self.conv_in = Conv(c, c)
        self.conv_out = Conv(c, c, gain=0.3)

    def forward(self, x: Tensor, cond: "Tensor | Filmed") -> Tensor:
        """Map (b, c, h, w) to the same shape under ``cond`` (b, cond), or what was made of it."""
        film = self.film(cond) if isinstance(cond, Tensor) else cond[self]
        scale, shift = film[:, None, None, :].chunk(2, dim=-1)
        h = F.layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],))
        h = F.silu(torch.addcmul(shift, h, 1 + scale)).permute(0, 3, 1, 2)
        mixed: Tensor = self.conv_out(self.conv_in(h, swish=True))
        return x + mixed


class Blocks(nn.ModuleList):
    """A row of blocks under one condition."""

    def __init__(self, n: int, c: int, cond: int) -> None:
        super().__init__(Block(c, cond) for _ in range(n))

    def forward(self, x: Tensor, cond: "Tensor | Filmed") -> Tensor:
        """Map (b, c, h, w) to the same shape."""
        for block in self:
            x = block(x, cond)
        return x


Filmed = Mapping[Block, Tensor]  # scale and shift (b, 2 * c) of every block


class Films:
    """The scales and shifts of many blocks, made of one condition in one product: for play.

    Args:
        parts: whose blocks are meant; their weights must not change any more.
    """

    def __init__(self, *parts: nn.Module) -> None:
        self.blocks = [module for part in parts for module in part.modules() if isinstance(module, Block)]
        self.sizes = [len(block.film.bias) for block in self.blocks]
        self.weight = torch.cat([block.film.weight for block in self.blocks])
        self.bias = torch.cat([block.film.bias for block in self.blocks])

    def __call__(self, cond: Tensor) -> Filmed:
        """Return what every block takes for ``cond`` (b, cond)."""
        told = torch.split(F.linear(cond, self.weight, self.bias), self.sizes, 1)
        return dict(zip(self.blocks, told, strict=True))


def fold(x: Tensor, s: int) -> Tensor:
    """Space to depth: (b, c, h*s, w*s) to (b, c*s*s, h, w)."""
    return F.pixel_unshuffle(x, s)


def unfold(x: Tensor, s: int) -> Tensor:
    """Depth to space: (b, c*s*s, h, w) to (b, c, h*s, w*s)."""
    return F.pixel_shuffle(x, s)


def coordinates(h: int, w: int) -> Tensor:
    """Return (2, h, w): x and y of every pixel's middle in -1..1, as ``grid_sample`` counts them."""
    x = (torch.arange(w) + 0.5) * (2 / w) - 1
    y = (torch.arange(h) + 0.5) * (2 / h) - 1
    return torch.stack([x.expand(h, w), y[:, None].expand(h, w)])


def enlarged(picture: Tensor, step: int) -> Tensor:
    """Return a picture (h, w) with every pixel ``step`` times as tall and wide."""
    return picture.repeat_interleave(step, 0).repeat_interleave(step, 1)


def middles(step: int) -> slice:
    """Return which rows, or columns, of a picture are the middles of those of one that is ``enlarged`` to it."""
    return slice(step // 2, None, step)


def sources(flow: Tensor, grid: Tensor) -> Tensor:
    """Return (b, h, w, 2): where ``flow`` (b, 2, h, w), in pixels, points from each place of ``grid`` (2, h, w)."""
    h, w = flow.shape[-2:]
    return (grid + flow * flow.new_tensor([2 / w, 2 / h]).view(1, 2, 1, 1)).permute(0, 2, 3, 1)


def warp(image: Tensor, where: Tensor, mode: str = "bicubic") -> Tensor:
    """Fetch every pixel of the result from ``image`` (b, 3, h, w) at ``where`` (b, h, w, 2), -1..1 over the image.

    Bicubic by default: bilinear resampling, repeated every frame, wipes fine texture out within a second. What lies
    outside is the mirrored inside: a wall that comes into view then begins as more wall, not as a smear of its edge.
    """
    return F.grid_sample(image, where, mode=mode, padding_mode="reflection", align_corners=False)


def warp_chosen(images: Tensor, where: Tensor, which: Tensor, mode: str = "bicubic") -> Tensor:
    """Fetch every pixel from one of s images only, for play: ``warp`` of each, but a third of the work for three.

    Args:
        images: (b, s, 3, h, w).
        where: (b, s, h, w, 2), -1..1 over each image.
        which: (b, h, w) index of the image that a pixel is fetched from, 0..s-1.

    Returns:
        (b, 3, h, w): at every pixel, ``warp(images[:, i], where[:, i])`` of its own i, up to rounding.
    """
    b, s, c, h, w = images.shape
    edge = 2  # rows that a bicubic filter looks past a border; beyond it lies the mirrored inside
    padded = torch.cat([images[..., [1, 0], :], images, images[..., [-1, -2], :]], 3)
    tall = padded.transpose(1, 2).reshape(b, c, s * (h + 2 * edge), w)
    at = where.gather(1, which[:, None, ..., None].expand(-1, 1, -1, -1, 2)).squeeze(1)
    y = torch.remainder(at[..., 1] + 1, 4)  # 0..2 is the image, 2..4 its mirror
    row = (2 - (y - 2).abs()) * (h / 2) + edge + which * (h + 2 * edge)
    return warp(tall, torch.stack([at[..., 0], row * (2 / tall.shape[2]) - 1], -1), mode)
