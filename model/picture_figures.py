"""Figures of pictures: PSNR and SSIM against the truth; sharpness, colours and motion without one.

Every function takes uint8 pictures, channels last. Knows nothing about models or suites.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from dreamloop.model.held_out import psnr_db, sharpness

__all__ = ["PSNR_CAP_DB", "colour_distance", "colour_histogram", "motion", "psnr_db", "sharpness", "ssim"]

PSNR_CAP_DB = 68.13  # what psnr_db gives for equal pictures: 10 log10(255^2 / 0.01)
LEVELS = 256
_LUMA = (0.299, 0.587, 0.114)
_WINDOW, _SIGMA = 11, 1.5  # of Wang et al. 2004
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def luma(frames: Tensor) -> Tensor:
    """Return the brightness (..., h, w) in levels, float32, of (..., h, w, 3) (ITU-R BT.601)."""
    return frames.float() @ frames.new_tensor(_LUMA, dtype=torch.float32)


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Return the structural similarity (b,) of pictures (b, h, w, 3), at least 11 pixels a side.

    Wang et al. 2004: 11x11 gaussian window of 1.5 pixels on the brightness, only where the window lies inside.
    """
    x, y = luma(a)[:, None], luma(b)[:, None]
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    brightness = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (var_x + var_y + _C2)
    return (brightness * structure).mean(dim=(1, 2, 3))


def _blur(x: Tensor) -> Tensor:
    """Convolve (b, 1, h, w) with the gaussian window, one axis after the other, without padding."""
    weights = torch.exp(-((torch.arange(_WINDOW) - _WINDOW // 2).float() ** 2) / (2 * _SIGMA**2))
    weights = (weights / weights.sum()).to(x.device)
    return F.conv2d(F.conv2d(x, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))


def motion(before: Tensor, after: Tensor) -> Tensor:
    """Return the mean absolute change in levels, per picture of (..., h, w, 3)."""
    return (after.float() - before.float()).abs().mean(dim=(-3, -2, -1))


def colour_histogram(frames: Tensor) -> Tensor:
    """Return the share of pixels at every level, per picture and channel: (b, h, w, 3) -> (b, 3, 256)."""
    b, h, w, c = frames.shape
    rows = torch.arange(b * c).view(b, 1, 1, c) * LEVELS
    counts = torch.bincount((frames.long() + rows).reshape(-1), minlength=b * c * LEVELS)
    return counts.view(b, c, LEVELS).float() / (h * w)


def colour_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return how many levels colours must move, on average, to turn histogram ``a`` into ``b``: (..., 3, 256) -> (...).

    The earth mover's distance of each channel: the area between the cumulative histograms.
    """
    return (a.cumsum(-1) - b.cumsum(-1)).abs().sum(-1).mean(-1)
