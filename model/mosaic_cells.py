"""Pictures as cells of colour numbers: cut, put together, told apart, moved and turned to other colours.

Knows nothing of what they show.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

MARKS = 4  # cells at the beginning of the top row that a thing is known by


def to_cells(picture: NDArray[Any], cell: int) -> NDArray[Any]:
    """Cut pictures (..., h, w) into cells (..., rows, columns, cell * cell)."""
    *lead, h, w = picture.shape
    cells = picture.reshape(*lead, h // cell, cell, w // cell, cell).swapaxes(-3, -2)
    return cells.reshape(*lead, h // cell, w // cell, cell * cell)


def from_cells(cells: NDArray[Any], cell: int) -> NDArray[Any]:
    """Put cells (..., rows, columns, cell * cell) together into pictures (..., h, w)."""
    *lead, rows, columns, _ = cells.shape
    pictures = cells.reshape(*lead, rows, columns, cell, cell).swapaxes(-3, -2)
    return pictures.reshape(*lead, rows * cell, columns * cell)


def shift(values: NDArray[Any], step: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return ``values`` (rows, columns, ...) moved by ``step`` (across, down), and which of them lay inside."""
    rows, columns = values.shape[:2]
    y, x = np.arange(rows)[:, None] - step[1], np.arange(columns) - step[0]
    inside = (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
    return values[y.clip(0, rows - 1), x.clip(0, columns - 1)], inside


def signs(contents: NDArray[np.uint8], none: int) -> NDArray[np.int64]:
    """Return (...) a number for each of ``contents`` (..., pixels), another for another content, 0 for none."""
    told = (contents.astype(np.int64) + 1) @ factors(contents.shape[-1])
    return np.asarray(np.where(contents[..., 0] == none, 0, told | 1))


def turned(contents: NDArray[np.uint8], cast: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``contents`` in the colours that a cast (colours,) turns theirs into; those it does not know stay."""
    none = len(cast)
    into = np.append(np.where(cast == none, np.arange(none), cast), none).astype(np.uint8)
    return np.asarray(into[contents])


def moves_of(cast: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which colours (colours,) a cast turns into others."""
    return np.asarray((cast != len(cast)) & (cast != np.arange(len(cast))))


def ink_of(contents: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which pixels are of another colour than most of ``contents`` are."""
    return np.asarray(contents != np.bincount(contents.ravel(), minlength=1).argmax())


def plain(contents: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which contents (..., pixels) are of one colour."""
    return np.asarray((contents == contents[..., :1]).all(-1))


def shares(contents: NDArray[np.uint8], none: int) -> NDArray[np.float64]:
    """Return the share (colours,) of the pixels of ``contents`` that are of each colour."""
    return np.asarray(np.bincount(contents.ravel(), minlength=none + 1)[:none] / max(contents.size, 1))


@cache
def factors(n: int) -> NDArray[np.int64]:
    return np.random.default_rng(7).integers(-(2**62), 2**62, n) | 1
