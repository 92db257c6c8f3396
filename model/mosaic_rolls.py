"""Layers whose rows roll: what leaves one at its top, because there is no more room below, comes back.

A layer that rolls is kept as it was just before: a *page*. When its rows come down again it shows that page. In a
dream they do where the teller leaves open what it shows, for one does not see a picture whether anything lies above.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.mosaic_cells import signs
from dreamloop.model.mosaic_letters import bare_of, last_of
from dreamloop.model.mosaic_pile import Page, Pile

if TYPE_CHECKING:
    from dreamloop.model.mosaic_telling import Telling

FARTHEST = 3  # rows by which a layer rolls at once
LEAST, CLEARLY = 4, 2.0  # cells that must roll; how many to one that does not
TOP = 2  # cells of the first line; where so many change and nothing rolled, it is another one
OPEN = 0.7  # share of the cells that would change about which the teller must not be sure

Cells = NDArray[np.uint8]


def follow(pile: Pile, k: int, before: Cells) -> None:
    """Take note of how the rows of a layer rolled, if they did, which showed ``before`` (height, width, pixels)."""
    after = pile.contents[k, : len(before), : before.shape[1]]
    own = pile.pages_of(k)
    if up := rolled_up(before, after, pile.none):
        own = [*own, Page(k, up, before)]
    elif own and _rolled(after, before, pile.none)[0] == own[-1].by:
        own = own[:-1]
    elif own and (after[1, 1:-1] != before[1, 1:-1]).any(-1).sum() >= TOP:
        own = []
    if own and last_of(after, pile.none) < last_of(own[-1].cells, pile.none):
        own = []  # it is full as long as anything is above it
    pile.keep_pages(k, own)


def rolled_up(before: Cells, after: Cells, none: int) -> int:
    """Return by how many rows a layer (height, width, pixels) rolled up for want of room, 0: it did not."""
    by, last = _rolled(before, after, none)
    return by if last + by > len(before) - 2 else 0


def as_one(pile: Pile, told: Cells, sure: NDArray[np.bool_]) -> Cells:
    """Return what is seen (rows, columns, pixels) of rows that roll up, as ``told``: they all do; ``none`` elsewhere.

    A cell that is told for ``sure`` (rows, columns) to be empty is: a caret does not come along.
    """
    found = np.full_like(told, pile.none)
    k = pile.front
    y, x, h, w = pile.rects[k].tolist()
    if not k or (pile.owner[y : y + h, x : x + w] != k).any():
        return found
    before, after = pile.contents[k, :h, :w], told[y : y + h, x : x + w]
    if by := rolled_up(before, after, pile.none):
        last = last_of(before, pile.none)
        rows = slice(y + 1, y + 1 + last - by), slice(x + 1, x + w - 1)
        bare = (told[rows] == bare_of(before, pile.none)).all(-1) & sure[rows]
        found[rows] = np.where(bare[..., None], pile.none, before[1 + by : 1 + last, 1:-1])
    return found


def _rolled(before: Cells, after: Cells, none: int) -> tuple[int, int]:
    """Return by how many rows what is written in a layer rolled up, 0: it did not; and the last row written in."""
    was, now, last = signs(before, none), signs(after, none), last_of(before, none)
    best, chosen = 0.0, 0
    for by in range(1, min(FARTHEST, last - 1) + 1):
        there, here, then = was[1 + by : 1 + last, 1:-1], was[1 : 1 + last - by, 1:-1], now[1 : 1 + last - by, 1:-1]
        came, wrong = int(((then == there) & (then != here)).sum()), int((then != there).sum())
        if came >= LEAST and came - CLEARLY * wrong > best:
            best, chosen = came - CLEARLY * wrong, by
    return chosen, last


def above(pile: Pile, k: int) -> list[Cells]:
    """Return the lines (height, width, pixels) that left a layer at its top, the last one the latest."""
    return [page.cells[1 : 1 + page.by] for page in pile.pages_of(k)]


def rolled_back(pile: Pile, telling: "Telling", ruled: Cells) -> Cells:
    """Return what is seen (rows, columns, pixels) if the layer in front rolls back; ``none`` if it does not.

    Args:
        telling: what the teller says.
        ruled: (rows, columns, pixels) what the rules say, ``none`` where they say nothing.
    """
    found = np.full((*pile.grid, pile.contents.shape[-1]), pile.none, np.uint8)
    pages = pile.pages_of(pile.front)
    if not pages:
        return found
    mine = (pile.owner == pile.front) & (pile.at[0] > 0)
    then = pages[-1].cells[pile.at[0][mine], pile.at[1][mine]]
    differs = signs(then, pile.none) != pile.now[mine]
    otherwise = telling.stays[mine] | (telling.changes[mine] & (telling.cells[mine] != then).any(-1))
    otherwise |= (ruled[mine, 0] != pile.none) & (ruled[mine] != then).any(-1)
    if differs.sum() >= LEAST and (~otherwise[differs]).mean() >= OPEN:
        found[mine] = then
        bare = (found == bare_of(pages[-1].cells, pile.none)).all(-1)
        found[bare & telling.changes] = pile.none  # a caret, say, which a page that was written anew lacks
    return found
