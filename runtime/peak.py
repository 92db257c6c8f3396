"""The machine's arithmetic: the fastest matrix product, convolution and copy that it was seen to do.

A net is compared with this and not with a data sheet. Knows nothing about models.
"""

from collections.abc import Callable

import torch
from torch.nn import functional as F

MATRICES = (512, 1024, 2048)  # rows of the square matrices that are tried
ROUNDS = 5  # of which the fastest counts


def measure_peak(device: str, dtype: torch.dtype, now_s: Callable[[], float]) -> dict[str, float]:
    """Return ``matmul_tflop_per_s``, ``conv_tflop_per_s`` and the greater of them as ``tflop_per_s``."""
    matmul = max(_matmul(n, device, dtype, now_s) for n in MATRICES)
    conv = _conv(device, dtype, now_s)
    return {"tflop_per_s": max(matmul, conv), "matmul_tflop_per_s": matmul, "conv_tflop_per_s": conv}


def measure_bandwidth(device: str, now_s: Callable[[], float]) -> float:
    """Return how many bytes a second the memory moves: a copy of 256 MiB, read and written."""
    source = torch.zeros(256 << 20, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _fastest(lambda: target.copy_(source), device, now_s)


def _matmul(n: int, device: str, dtype: torch.dtype, now_s: Callable[[], float]) -> float:
    a, b = torch.randn(n, n, device=device).to(dtype), torch.randn(n, n, device=device).to(dtype)
    return 2e-12 * n**3 / _fastest(lambda: a @ b, device, now_s)


def _conv(device: str, dtype: torch.dtype, now_s: Callable[[], float]) -> float:
    """A 3x3 convolution of 128 channels at 64x64, 8 pictures: the shape that nets of this kind are made of, large."""
    b, c, s = 8, 128, 64
    x = torch.randn(b, c, s, s, device=device).to(dtype).contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(c, c, 3, 3, device=device).to(dtype).contiguous(memory_format=torch.channels_last)
    return 2e-12 * b * c * c * 9 * s * s / _fastest(lambda: F.conv2d(x, kernel, padding=1), device, now_s)


@torch.no_grad()
def _fastest(work: Callable[[], torch.Tensor], device: str, now_s: Callable[[], float]) -> float:
    """Return the seconds of the fastest of several rounds, after two that do not count."""
    seconds = []
    for _ in range(ROUNDS + 2):
        begun_s = now_s()
        work()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        seconds.append(now_s() - begun_s)
    return min(seconds[2:])
