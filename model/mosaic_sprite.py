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
MORE = 0.3  # by which that share must be above the colour's in the pictures, else it is the ground's
BRUSH = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), -1).reshape(
    -1, 2
)  # pixels that a pointer may draw, from its place
FITS = 0.75  # share of a sprite's pixels that must be there, else it is elsewhere

Picture = NDArray[np.uint8]  # (h, w) numbers of colours


class Sprite:
    """What the pointer looks like: ``pixels`` (SIDE, SIDE) of colour numbers, ``CLEAR`` around the shape."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.pixels = np.array(pixels)
        self._rows, self._columns = np.nonzero(self.pixels != CLEAR)
        self._colours = self.pixels[self._rows, self._columns]

    @property
    def size(self) -> int:
        """How many pixels it has."""
        return len(self._rows)

    @property
    def found(self) -> bool:
        """Whether there is any."""
        return self.size > 0

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
        self._all = np.zeros(colours, np.int64)
        self._last = np.full(2, -SIDE)

    def look(self, picture: Picture, place: NDArray[np.int64]) -> None:
        """Take one picture; one that shows the pointer where it was just seen teaches nothing."""
        if np.abs(place - self._last).max() < SIDE // 2:
            return
        self._last = place
        self._all += np.bincount(picture.ravel(), minlength=len(self._all))
        rows, columns = (int(start) - BEFORE + np.arange(SIDE) for start in place[::-1])
        y = np.flatnonzero((rows >= 0) & (rows < picture.shape[0]))
        x = np.flatnonzero((columns >= 0) & (columns < picture.shape[1]))
        np.add.at(self._count, (y[:, None], x[None], picture[np.ix_(rows[y], columns[x])]), 1)

    def sprite(self) -> NDArray[np.uint8]:
        """Return the pixels of the sprite; all are ``CLEAR`` where nothing goes along with the pointer."""
        looks = self._count.sum(-1)
        share = self._count.max(-1) / np.maximum(looks, 1)
        usual = (self._all / max(self._all.sum(), 1))[self._count.argmax(-1)]
        known = (looks >= FEW) & (share >= SURE) & (share >= usual + MORE)
        return np.where(known, self._count.argmax(-1), CLEAR).astype(np.uint8)


def seen_next(
    pictures: Sequence[Picture], places: Sequence[NDArray[np.int64]], held: Sequence[bool], sprite: Sprite
) -> list[tuple[Picture, NDArray[np.bool_]]]:
    """Return, for every picture, what will be seen of it once the pointer has gone, and what of that it drew just now.

    A pointer that is ``held`` down may draw along its way, in the colour that is seen there. What it will draw
    later is not there yet.

    Returns:
        (h, w) numbers of colours, ``CLEAR`` where nobody can tell; (h, w) which hidden pixels are drawn in this tick.
    """
    size = (pictures[0].shape[0], pictures[0].shape[1])
    ahead, drawn = np.full(size, CLEAR, np.uint8), np.zeros(size, np.bool_)
    later, found = np.zeros(size, np.bool_), []
    for i in reversed(range(len(pictures))):
        rows, columns, _ = sprite.at(places[i], size)
        hidden, due = ahead[rows, columns], (drawn | later)[rows, columns]
        ahead, later, drawn = pictures[i].copy(), np.zeros(size, np.bool_), np.zeros(size, np.bool_)
        ahead[rows, columns], later[rows, columns] = hidden, due
        told = ahead.copy()
        told[rows, columns] = np.where(due, CLEAR, hidden)
        if held[i]:
            way = on_the_way(size, places[i - 1 if held[i - 1] else i], places[i])
            beside = way.copy()
            beside[rows, columns] = False
            drawn = way & (ahead == _mostly(pictures[i][beside]))  # also what is seen: it was not there a tick ago
            now = (drawn & ~beside)[rows, columns]
            told[rows, columns] = np.where(now, hidden, told[rows, columns])
        mask = np.zeros(size, np.bool_)
        mask[rows, columns] = drawn[rows, columns]
        found.append((told, mask))
    return found[::-1]


def on_the_way(size: tuple[int, int], start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which pixels (h, w) a brush meets on its way from one place (x, y) to another, a digital line."""
    steps = max(int(np.abs(end - start).max()), 1)
    line = start + (end - start) * np.arange(steps + 1)[:, None] // steps
    x, y = (line[:, None] + BRUSH).reshape(-1, 2).T
    inside = (y >= 0) & (y < size[0]) & (x >= 0) & (x < size[1])
    mask = np.zeros(size, np.bool_)
    mask[y[inside], x[inside]] = True
    return mask


def _mostly(colours: NDArray[np.uint8]) -> int:
    """Return the colour of most of ``colours``, -1 where there is none."""
    if not len(colours):
        return -1
    count = np.bincount(colours)
    return int(count.argmax()) if count.max() > len(colours) / 2 else -1


def recoloured(
    seen: NDArray[np.uint8], shown: NDArray[np.bool_], before: NDArray[np.uint8]
) -> NDArray[np.uint8] | None:
    """Return a cell (pixels,) in other colours, if what is ``shown`` of it tells which; None where that is not so."""
    pairs = np.unique(np.stack([before[shown], seen[shown]], 1), axis=0)
    if len(np.unique(pairs[:, 0])) != len(pairs) or not np.isin(before, pairs[:, 0]).all():
        return None
    turned = np.arange(CLEAR + 1, dtype=np.uint8)
    turned[pairs[:, 0]] = pairs[:, 1]
    return np.where(shown, seen, turned[before])


def uncover(
    seen: NDArray[np.uint8],
    hidden: NDArray[np.bool_],
    before: NDArray[np.uint8],
    ahead: NDArray[np.uint8],
    known: NDArray[np.uint8],
    carried: NDArray[np.uint8],
    drawn: bool = False,
) -> NDArray[np.uint8]:
    """Return one cell (pixels,) whole, of which a part is hidden; where what is seen stays, the cell does.

    Args:
        seen: (pixels,) what the picture shows; means nothing where ``hidden``.
        hidden: (pixels,) which of them the pointer hides.
        before: (pixels,) what the cell showed until now.
        ahead: (pixels,) what is seen once the pointer has gone, ``CLEAR`` where nobody can tell.
        known: (n, pixels) contents that cells are known to have.
        carried: (n, pixels) contents that come along with the pointer; they go before all others.
        drawn: the pointer may draw here in this tick: then what differs was drawn.
    """
    shown = ~hidden
    told = hidden & (ahead != CLEAR)
    come = np.where(told, ahead, np.where(hidden, before, seen))
    if drawn and (come != before)[hidden].any():
        return come
    if (seen[shown] == before[shown]).all():
        return before
    recast = recoloured(seen, shown, before)
    for options in (carried, known):
        fitting = options[(options[:, shown] == seen[shown]).all(1)] if len(options) else options
        if len(fitting):
            break
    if not len(fitting):
        return come if recast is None else recast
    nearest: NDArray[np.uint8] = fitting[(fitting != come).sum(1).argmin()]
    return nearest
