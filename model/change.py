"""Has a place changed since it was remembered? Lays a page over what is showing and compares them coarsely.

Coarse cells do not notice parallax, noise or a bullet mark; a door that was opened, or a barrel that is gone, they do.
"""

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.camera import Poses, turned
from dreamloop.model.world_model import Frame

CELLS = (12, 16)  # down, across
LEVELS = 40.0  # a cell whose colour differs by more than this has changed
LEAST_CELLS = 6  # so many must have, to be a thing and no flicker
LEAST_COVER = 0.5  # share of the cells that the page must cover


def cells(frame: Frame) -> NDArray[np.float32]:
    """Return mean colours (12, 16, 3) of a frame; a smaller frame has fewer cells."""
    h, w, _ = frame.shape
    rows, columns = min(CELLS[0], h), min(CELLS[1], w)
    tall, wide = h // rows, w // columns
    cut = frame[: rows * tall, : columns * wide].reshape(rows, tall, columns, wide, 3)
    return np.asarray(cut.mean((1, 3), dtype=np.float32))


def has_changed(frame: Frame, pose: Poses, page: Frame, taken: Poses, fov_deg: float, lens: float) -> bool:
    """Say whether ``frame``, seen from ``pose``, shows something else than ``page``, seen from ``taken`` nearby."""
    now, then = cells(frame), cells(page)
    rows, columns, _ = now.shape
    half = np.tan(np.radians(fov_deg / 2))
    across = (np.arange(columns) + 0.5) / columns * 2 - 1
    down = (np.arange(rows) + 0.5) / rows * 2 - 1
    there = np.arctan(across * half) + np.radians(turned(taken[2] - pose[2]))
    ahead = np.abs(there) < np.radians(80)
    x = np.where(ahead, np.tan(np.where(ahead, there, 0.0)) / half, 9.0)
    y = down + lens * (np.tan(np.radians(taken[3])) - np.tan(np.radians(pose[3])))
    inside = (np.abs(y) < 1)[:, None] & (np.abs(x) < 1)[None]
    if inside.mean() < LEAST_COVER:
        return False
    moved = _sample(then, y, x)
    differs = np.abs(now - moved).max(-1) > LEVELS
    return bool((differs & inside).sum() >= min(LEAST_CELLS, max(int(inside.sum()) // 8, 1)))


def _sample(picture: NDArray[np.float32], y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return ``picture`` at rows ``y`` and columns ``x``, -1..1, between the cells; outside, its border."""
    rows, columns, _ = picture.shape
    down, across = np.clip((y + 1) / 2 * rows - 0.5, 0, rows - 1), np.clip((x + 1) / 2 * columns - 0.5, 0, columns - 1)
    top, left = np.floor(down).astype(int), np.floor(across).astype(int)
    below, right = np.minimum(top + 1, rows - 1), np.minimum(left + 1, columns - 1)
    v, u = (down - top)[:, None, None], (across - left)[None, :, None]
    upper = picture[top][:, left] * (1 - u) + picture[top][:, right] * u
    lower = picture[below][:, left] * (1 - u) + picture[below][:, right] * u
    return np.asarray(upper * (1 - v) + lower * v, np.float32)
