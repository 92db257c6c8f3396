"""Layers that are written anew, all at once (see mosaic_letters.py): those that are seen and those that are not.

That what is written turns is known by the layers whose beginnings are seen: with a picture in which one begins in
other letters, all do. Where none is seen, what is written on the ground tells. What a layer showed before is kept, and
shown again when the writing turns back, if nothing was written meanwhile; lines that rolled out of one come back where
there is room for them (see mosaic_rolls.py).
"""

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.mosaic_cells import MARKS, factors, signs
from dreamloop.model.mosaic_letters import page_of, room_of
from dreamloop.model.mosaic_pile import NEW_ONE, Page, Pile
from dreamloop.model.mosaic_rolls import above

LABELS, ALIKE = 6, 0.8  # cells of the ground that must turn, and the share of them that must do so as they would
Cells = NDArray[np.uint8]


def turning(pile: Pile, cells: Cells) -> set[int]:
    """Return the numbers of the ways in which what is written turns with a picture (rows, columns, pixels).

    None: nothing does. Layers lie as they do now.
    """
    letters, found = pile.known.by_letter, set[int]()
    for k in np.flatnonzero(pile.level) if len(letters) else ():
        y, x, h, w = pile.rects[k].tolist()
        top = (slice(y, y + 1), slice(x, x + MARKS))
        if w < MARKS or (pile.owner[top] != k).any() or (cells[top] == pile.contents[k, :1, :MARKS]).all():
            continue
        way = letters.turns(pile.contents[k, 0, :w], cells[y, x : x + w], (h, w))
        found |= set() if way is None else {way}
    return found or _turning_ground(pile, cells)


def _turning_ground(pile: Pile, cells: Cells) -> set[int]:
    """Return the ways in which what is written on the ground turns: it may be all that is seen."""
    found, letters = set[int](), pile.known.by_letter
    turns = (pile.owner == 0) & (cells != pile.contents[0]).any(-1)
    if turns.sum() < LABELS:
        return found
    before, after = pile.contents[0][turns], cells[turns]
    for way in {way for _, way in letters.after.values() if way is not None}:
        anew = _labels(pile, before, {way})
        told = (anew[:, 0] != pile.none) & (anew != before).any(-1)
        if told.sum() >= LABELS and (anew == after)[told].all(-1).mean() >= ALIKE:
            found.add(way)
    return found


def seen_anew(pile: Pile, ways: set[int]) -> Cells:
    """Return what is seen (rows, columns, pixels) as it is written anew; ``none`` where that is not known."""
    found = np.full((*pile.grid, pile.contents.shape[-1]), pile.none, np.uint8)
    for k in np.flatnonzero(pile.level):
        mine = pile.owner == k
        found[mine] = _anew(pile, int(k), ways)[pile.at[0][mine], pile.at[1][mine]]
    return found


def write_anew(pile: Pile, before: Pile, ways: set[int]) -> None:
    """Write what is not seen of layers as what is seen was written, and keep what they showed.

    Args:
        pile: that was told of the picture.
        before: as it was. What lies elsewhere than it did is not touched.
    """
    stayed = (pile.rects == before.rects).all(1) & (pile.rects[:, 2] > 0)
    pile.past = pile.past.copy()
    for k in {page.layer for page in pile.pages if not stayed[page.layer]}:
        pile.keep_pages(k)  # they are as it was written
    for k in np.flatnonzero(stayed).tolist():
        if k == NEW_ONE or (k and _way(before, k) not in ways):
            continue
        y, x, h, w = pile.rects[k].tolist()
        new = _anew(before, k, ways) if k else _labels(before, before.contents[0], ways)
        known = (pile.owner[y : y + h, x : x + w] != k) & (new[..., 0] != pile.none)
        pile.contents[k, :h, :w][known] = new[known]
        if k:
            pile.past[k, :h, :w] = before.contents[k, :h, :w]
            pile.past_of[k] = _body(pile, k)
            pile.keep_pages(k, _pages_anew(before, k))
    pile.refresh()


def _way(pile: Pile, k: int) -> int | None:
    """Return the way in which what is written in a layer can turn, None: in none."""
    h, w = pile.rects[k, 2:].tolist()
    return pile.known.by_letter.way(pile.contents[k, 0, :w], (h, w))


def _anew(pile: Pile, k: int, ways: set[int]) -> Cells:
    """Return a layer (height, width, pixels) as it is written anew; ``none`` where that is not known."""
    h, w = pile.rects[k, 2:].tolist()
    if _way(pile, k) not in ways:
        return np.full((h, w, pile.contents.shape[-1]), pile.none, np.uint8)
    cells = pile.contents[k, :h, :w]
    found: Cells = pile.known.by_letter.anew(cells)
    if lines := _lines_anew(pile, k):
        found[1:-1] = page_of(cells, lines, pile.none)[1:-1]
    if pile.past_of[k] and pile.past_of[k] == _body(pile, k):
        found[1:] = pile.past[k, 1:h, :w]
    return found


def _lines_anew(pile: Pile, k: int) -> list[Cells] | None:
    """Return the lines (rows, columns, pixels) of a layer as they are written anew, those that left it at its top, too.

    None: it has none.
    """
    h, w = pile.rects[k, 2:].tolist()
    return pile.known.by_letter.lines_anew(pile.contents[k, :h, :w], above(pile, k))


def _pages_anew(pile: Pile, k: int) -> list[Page]:
    """Return the pages of a layer whose lines are written anew: for some there may be no room any more."""
    h, w = pile.rects[k, 2:].tolist()
    cells, lines = pile.contents[k, :h, :w], _lines_anew(pile, k)
    if not lines:
        return []
    room, none = room_of(cells, lines), pile.none
    return [Page(k, len(lines[0]), page_of(cells, lines[: end + room], none)) for end in range(len(lines) - room)]


def _labels(pile: Pile, ground: Cells, ways: set[int]) -> Cells:
    """Return what cells of the ground (..., pixels) show that are written as layers begin; ``none`` of others."""
    letters, found = pile.known.by_letter, np.full_like(ground, pile.none)
    for turn in {line.turn for way in ways for line in letters.titles(way)}:
        new = letters.turned(ground.reshape(1, -1, ground.shape[-1]), turn).reshape(ground.shape)
        known = new[..., 0] != pile.none
        found[known] = new[known]
    return found


def _body(pile: Pile, k: int) -> int:
    """Return a number for what a layer shows below its top row."""
    h, w = pile.rects[k, 2:].tolist()
    told = signs(pile.contents[k, 1:h, :w], pile.none).ravel()
    return int(told @ factors(told.size)) | 1
