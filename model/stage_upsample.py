"""A stage that draws a frame twice as large: a few convolutions on pixels folded 2x2 say what the box average hid.

Every pixel becomes four, and the average of the four is that pixel: the last layer's kernels are stripped of what they
would add to it. So colours cannot drift, whatever the net has learnt. Knows nothing about worlds.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from dreamloop.model.checkpoint import CheckpointError, check_tensors, load_checkpoint
from dreamloop.model.device import choose_device, choose_dtype
from dreamloop.model.layers import Conv
from dreamloop.model.table import adjust
from dreamloop.model.world_model import Card, OpenOptions

KIND = "upsample"
FACTOR = 2  # pixels drawn for one, a side
FOLD = 2  # pixels that make one place of the net, a side


@dataclass(frozen=True, slots=True)
class UpsampleConfig:
    """The shape of the net; on the card. The defaults cost a fifth of the Doom world's dynamics."""

    width: int = 48  # channels
    depth: int = 3  # convolutions between the first and the last


class UpsampleNet(nn.Module):
    """Folded pixels in, what is added to each of the four pixels that one becomes out."""

    def __init__(self, config: UpsampleConfig) -> None:
        super().__init__()
        folded = 3 * FOLD * FOLD
        self.config = config
        self.first = Conv(folded, config.width)
        self.middle = nn.ModuleList(Conv(config.width, config.width, gain=0.5) for _ in range(config.depth))
        self.last = Conv(config.width, folded * FACTOR * FACTOR, gain=0.1)

    def forward(self, folded: Tensor) -> Tensor:
        """Map (b, 12, h / 2, w / 2) in -1..1 to (b, 48, h / 2, w / 2), laid out as PARTS says."""
        x: Tensor = self.first(folded)
        for layer in self.middle:
            x = x + layer(F.silu(x))
        x = self.last(F.silu(x))
        return without_mean(x, 1) if self.training else x

    def freeze(self, dtype: torch.dtype) -> "UpsampleNet":
        """Cast the weights and take the mean out of the last kernels once and for all; return self, for play only."""
        for parameter in (self.last.weight, self.last.bias):
            parameter.data = without_mean(parameter.data, 0)
        for parameter in self.parameters():
            parameter.data = parameter.data.to(dtype)
        return self.requires_grad_(False).eval()


PARTS = (FOLD, FACTOR, FOLD, FACTOR, 3)  # channels of the last layer: row, its part, column, its part, colour
_OWNER = torch.arange(3 * FOLD * FOLD).view(FOLD, 1, FOLD, 1, 3).expand(PARTS).flatten()  # pixel of every part
_OWNERS = F.one_hot(_OWNER, 3 * FOLD * FOLD).t().float()


def without_mean(x: Tensor, dim: int) -> Tensor:
    """Take from the four parts of every pixel their mean; dimension ``dim`` of x is laid out as PARTS says."""
    parts = x.view(*x.shape[:dim], *PARTS, *x.shape[dim + 1 :])
    return (parts - parts.mean((dim + 1, dim + 3), keepdim=True)).flatten(dim, dim + 4)


def fold_levels(frames: Tensor) -> Tensor:
    """Return uint8 (b, h, w, 3) as float32 levels of places: (b, h / 2, w / 2, 2, 2, 3)."""
    b, h, w, _ = frames.shape
    return frames.view(b, h // FOLD, FOLD, w // FOLD, FOLD, 3).transpose(2, 3).float()


def as_net(levels: Tensor, dtype: torch.dtype) -> Tensor:
    """Return folded levels as the net takes them: (b, 12, h / 2, w / 2) in -1..1, channels last."""
    return levels.flatten(3).mul(1 / 127.5).sub_(1).to(dtype).permute(0, 3, 1, 2)


def add_parts(levels: Tensor, parts: Tensor) -> Tensor:
    """Add what the net said, in units of -1..1, to folded levels: (b, h / 2, w / 2, *PARTS) levels."""
    inside = parts.permute(0, 2, 3, 1).float()
    owners = _OWNERS.to(inside.device)
    # One product with ones and zeros gives every part its pixel: several times as fast as adding with broadcasting.
    large = torch.addmm(inside.reshape(-1, inside.shape[-1]), levels.reshape(-1, 3 * FOLD * FOLD), owners, beta=127.5)
    return large.view(*levels.shape[:3], *PARTS)


def spread(large: Tensor) -> Tensor:
    """Lay (b, h / 2, w / 2, *PARTS) out as a picture (b, 2h, 2w, 3)."""
    b, rows, columns = large.shape[:3]
    lines = large.permute(0, 1, 3, 4, 2, 5, 6, 7)
    return lines.reshape(b, rows * FOLD * FACTOR, columns * FOLD * FACTOR, 3)


def build(card: Card, weights: Path, options: OpenOptions) -> "Upsample":
    """Open the weights of an upsampler.

    Raises:
        CheckpointError: weights that are missing, damaged, foreign or of another shape.
        ConfigError: a configuration with an unknown key or value.
    """
    tensors, card = load_checkpoint(weights)
    if card.arch != KIND:
        raise CheckpointError(f"{weights} was made for the stage '{card.arch}', not '{KIND}'")
    if card.width_px % (FACTOR * FOLD) or card.height_px % (FACTOR * FOLD):
        raise CheckpointError(f"{weights} draws {card.width_px} x {card.height_px}; both must be multiples of 4")
    net = UpsampleNet(read_config(card.config))
    check_tensors(weights, tensors, net.state_dict())
    net.load_state_dict({name: value.float() for name, value in tensors.items()})
    return Upsample(net, card, options)


def read_config(values: Mapping[str, object]) -> UpsampleConfig:
    """Return the configuration on a card."""
    return adjust(UpsampleConfig(), values, "stage")


class Upsample:
    """A Stage: frames twice as large."""

    def __init__(self, net: UpsampleNet, card: Card, options: OpenOptions) -> None:
        self.card = card
        self.takes_px = (card.width_px // FACTOR, card.height_px // FACTOR)
        self.device = choose_device(options.device)
        self.dtype = choose_dtype(options.dtype, self.device)  # threads are the dynamics' choice
        self.net = net.to(self.device).freeze(self.dtype)

    def draw(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return frames (n, h, w, 3) twice as large, (n, 2h, 2w, 3)."""
        with torch.inference_mode():
            levels = fold_levels(torch.from_numpy(np.ascontiguousarray(frames)).to(self.device))
            large = add_parts(levels, self.net(as_net(levels, self.dtype)))
            drawn: NDArray[np.uint8] = spread(large.round_().clamp_(0, 255).to(torch.uint8)).cpu().numpy()
        return drawn


def tiny_card() -> Card:
    """Return the card of a net of a few hundred weights, for tests of the contract."""
    return Card("tiny", KIND, 96, 64, 0.0, {}, config=asdict(_TINY))


def tiny_weights() -> dict[str, Tensor]:
    """Return untrained weights for :func:`tiny_card`."""
    torch.manual_seed(0)
    return {name: value.clone() for name, value in UpsampleNet(_TINY).state_dict().items()}


_TINY = UpsampleConfig(width=8, depth=1)
