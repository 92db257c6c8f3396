"""The one conversion between pictures people see (uint8, channels last) and pictures nets see (float, -1..1)."""

import torch
from torch import Tensor


def to_float(frames: Tensor) -> Tensor:
    """Turn uint8 (..., h, w, 3) into float32 (..., 3, h, w) in -1..1."""
    return frames.movedim(-1, -3).float().mul_(1 / 127.5).sub_(1.0)


def to_uint8(frames: Tensor) -> Tensor:
    """Turn float (..., 3, h, w) in -1..1 into uint8 (..., h, w, 3); what lies outside is clipped."""
    levels = frames.float().add(1.0).mul_(127.5).round_().clamp_(0, 255)
    return levels.to(torch.uint8).movedim(-3, -1).contiguous()


def quantise(frames: Tensor) -> Tensor:
    """Round float pictures to the 256 levels that a screen shows (DIAMOND does this before feeding a frame back)."""
    return frames.float().add(1.0).mul_(127.5).round_().clamp_(0, 255).mul_(1 / 127.5).sub_(1.0)
