"""The pointer of an interface, lifted off its picture: a sprite that is learnt, and what lies under it.

A pointer is where the player put it; to dream it would be to guess what is known. So the picture is taken apart, as
sprites and playfields once were (Atari's TIA, and layered video representations, Wang and Adelson 1994): the dream
is of what lies beneath, where nothing changes just because a hand moves, and the sprite is laid over it at the end.

What true play shows is covered in part. What is hidden there is taken for what was seen there last, or is seen there
next, or for a known content that fits what is seen around it. Knows nothing about nets.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CLEAR = 255  # where a sprite lets the picture through, and what is not known
BEFORE, SIDE = 8, 32  # pixels of the window in which a sprite is looked for: before the pointer's place, and in all
FEW = 100  # looks that it takes to know a sprite
SURE = 0.97  # share of the looks in which a pixel of a sprite has its colour
FITS = 0.75  # share of a sprite's pixels that must be there, else it is elsewhere

Picture = NDArray[np.uint8]  # (h, w) numbers of colours


class Sprite:
    """What the pointer looks like: ``pixels`` (SIDE, SIDE) of colour numbers, ``CLEAR`` around the shape."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.pixels = np.array(pixels)
        self._rows, self._columns = np.nonzero(self.pixels != CLEAR)
        self._colours = self.pixels[self._rows, self._columns]

    @property
    def found(self) -> bool:
        """Whether there is any."""
        return len(self._rows) > 0

    def at(
        self, place: NDArray[np.int64], size: tuple[int, int]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
        """Return rows, columns and colours of its pixels in a picture of ``size`` (h, w), pointing at x and y."""
        rows, columns = self._rows + place[1] - BEFORE, self._columns + place[0] - BEFORE
        inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
        return rows[inside], columns[inside], self._colours[inside]

    def lay(self, picture: Picture, place: NDArray[np.int64]) -> Picture:
        """Lay it over ``picture``, which is changed and returned."""
        rows, columns, colours = self.at(place, (picture.shape[0], picture.shape[1]))
        picture[rows, columns] = colours
        return picture

    def covers(self, place: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.bool_]:
        """Return which pixels (h, w) it hides."""
        mask = np.zeros(size, np.bool_)
        rows, columns, _ = self.at(place, size)
        mask[rows, columns] = True
        return mask

    def fits(self, picture: Picture, place: NDArray[np.int64]) -> bool:
        """Say whether it is seen at ``place``: at the start of an episode it may still be anywhere."""
        rows, columns, colours = self.at(place, (picture.shape[0], picture.shape[1]))
        return not len(rows) or bool((picture[rows, columns] == colours).mean() >= FITS)


class SpriteLooks:
    """Looks at pictures, and knows the sprite in the end: the pixels that go wherever the pointer goes."""

    def __init__(self, colours: int) -> None:
        self._count = np.zeros((SIDE, SIDE, colours), np.int32)
        self._last = np.full(2, -SIDE)

    def look(self, picture: Picture, place: NDArray[np.int64]) -> None:
        """Take one picture; one that shows the pointer where it was just seen teaches nothing."""
        if np.abs(place - self._last).max() < SIDE // 2:
            return
        self._last = place
        rows, columns = (int(start) - BEFORE + np.arange(SIDE) for start in place[::-1])
        y = np.flatnonzero((rows >= 0) & (rows < picture.shape[0]))
        x = np.flatnonzero((columns >= 0) & (columns < picture.shape[1]))
        np.add.at(self._count, (y[:, None], x[None], picture[np.ix_(rows[y], columns[x])]), 1)

    def sprite(self) -> NDArray[np.uint8]:
        """Return the pixels of the sprite; all are ``CLEAR`` where nothing goes along with the pointer."""
        looks = self._count.sum(-1)
        share = self._count.max(-1) / np.maximum(looks, 1)
        known = (looks >= FEW) & (share >= SURE)
        return np.where(known, self._count.argmax(-1), CLEAR).astype(np.uint8)


def seen_next(
    pictures: Sequence[Picture], places: Sequence[NDArray[np.int64]], sprite: Sprite
) -> list[Picture]:
    """Return, for every picture, what will be seen of it once the pointer has gone; ``CLEAR`` where it never goes."""
    ahead = np.full_like(pictures[-1], CLEAR)
    found = []
    for picture, place in zip(reversed(pictures), reversed(places), strict=True):
        rows, columns, _ = sprite.at(place, (picture.shape[0], picture.shape[1]))
        hidden = ahead[rows, columns]
        ahead = picture.copy()
        ahead[rows, columns] = hidden
        found.append(ahead)
    return found[::-1]


def uncover(
    seen: NDArray[np.uint8],
    hidden: NDArray[np.bool_],
    before: NDArray[np.uint8],
    ahead: NDArray[np.uint8],
    known: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Return one cell (pixels,) whole, of which a part is hidden.

    Args:
        seen: (pixels,) what the picture shows; means nothing where ``hidden``.
        hidden: (pixels,) which of them the pointer hides.
        before: (pixels,) what the cell showed until now.
        ahead: (pixels,) what is seen once the pointer has gone, ``CLEAR`` where that is not known.
        known: (n, pixels) contents that cells are known to have.
    """
    shown = ~hidden
    if (seen[shown] == before[shown]).all():
        return before
    last, come = np.where(hidden, before, seen), np.where(hidden & (ahead != CLEAR), ahead, seen)
    come = np.where(hidden & (ahead == CLEAR), before, come)
    fitting = known[(known[:, shown] == seen[shown]).all(1)] if len(known) else known
    if not len(fitting):
        return come if (ahead[hidden] != CLEAR).all() else last
    nearest: NDArray[np.uint8] = fitting[(fitting != come).sum(1).argmin()]
    return nearest
