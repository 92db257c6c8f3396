"""PSNR, SSIM, sharpness, motion and colours: against slow references and cases that fit on a napkin."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dreamloop.model.picture_figures import (
    PSNR_CAP_DB,
    colour_distance,
    colour_histogram,
    motion,
    psnr_db,
    sharpness,
    ssim,
)


def slow_ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Wang et al. 2004, window by window, in float64."""
    luma = np.array([0.299, 0.587, 0.114])
    x, y = a.astype(np.float64) @ luma, b.astype(np.float64) @ luma
    at = np.arange(11) - 5.0
    window = np.exp(-(at[:, None] ** 2 + at**2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2, scores = (0.01 * 255) ** 2, (0.03 * 255) ** 2, []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            p, q = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
            cov = (window * (p - mp) * (q - mq)).sum()
            scores.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return float(np.mean(scores))


def flat(level: int, size: int = 16) -> torch.Tensor:
    return torch.full((1, size, size, 3), level, dtype=torch.uint8)


@pytest.mark.parametrize("noise", [0, 10, 80])
def test_ssim_equals_the_slow_reference(noise: int) -> None:
    rng = np.random.default_rng(noise)
    a = rng.integers(0, 256, (20, 24, 3), np.uint8)
    b = np.clip(a + rng.integers(-noise, noise + 1, a.shape), 0, 255).astype(np.uint8)
    fast = float(ssim(torch.from_numpy(a)[None], torch.from_numpy(b)[None]))
    assert fast == pytest.approx(slow_ssim(a, b), abs=2e-4)


def test_equal_pictures_score_one_and_the_cap() -> None:
    picture = torch.randint(0, 256, (2, 16, 16, 3), dtype=torch.uint8)
    assert ssim(picture, picture).tolist() == pytest.approx([1.0, 1.0])
    assert psnr_db(picture, picture).tolist() == pytest.approx([PSNR_CAP_DB] * 2, abs=0.01)


def test_psnr_of_a_known_error() -> None:
    assert float(psnr_db(flat(100), flat(110))) == pytest.approx(20 * np.log10(25.5), abs=1e-4)


def test_sharpness_counts_levels_per_pixel() -> None:
    stripes = flat(0)
    stripes[:, :, 1::2] = 10
    assert float(sharpness(stripes)) == pytest.approx(10.0)
    assert float(sharpness(flat(77))) == 0.0


def test_motion_is_the_mean_change() -> None:
    half = flat(0)
    half[:, :8] = 30
    assert float(motion(flat(0), half)) == pytest.approx(15.0)


def test_colour_distance_is_how_far_levels_move() -> None:
    black, grey = colour_histogram(flat(0)), colour_histogram(flat(128))
    assert black.shape == (1, 3, 256)
    assert black.sum(-1).tolist() == [[1.0, 1.0, 1.0]]
    assert float(colour_distance(black, grey)) == pytest.approx(128.0)
    red = flat(0)
    red[..., 0] = 90
    assert float(colour_distance(black, colour_histogram(red))) == pytest.approx(30.0)
