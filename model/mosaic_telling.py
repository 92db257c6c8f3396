"""What the teller (mosaic_teller.py) says of players' next pictures, and which ideas (mosaic_ideas.py) that speaks for.

The teller knows what can be seen and nothing of what is hidden; ideas know what is hidden and little of the rest. So
cells change as the teller says where an idea leaves them open, and an idea is believed sooner if it foresees the same
as the teller, but for what it brings up that nobody can see. Knows nothing about training.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamloop.model.mosaic_hand import Hand
from dreamloop.model.mosaic_pile import IN_FRONT, TOLD, Idea, Pile
from dreamloop.model.mosaic_teller import Glance, Teller

CHANGES, CERTAIN = 0.5, 0.6  # chance of a change, and of every pixel's colour then, from which on a cell is told
STAYS = 0.05  # chance of a change below which a cell surely stays
HEEDED = 0.1  # logits for every cell that speaks for an idea
SURE = 3.0  # logits by which an idea is ahead that a rule is sure of
LIKELY = 12  # ideas that are asked about
FEW = (
    3  # cells that change, below which nothing comes up that cannot be seen, and nothing is believed sooner than before
)


class Telling(NamedTuple):
    """What the teller says of one player's next picture."""

    changes: NDArray[np.bool_]  # (rows, columns) which cells change to what is told
    stays: NDArray[np.bool_]  # (rows, columns) which surely do not
    cells: NDArray[np.uint8]  # (rows, columns, pixels)


@torch.inference_mode()
def tell(teller: Teller, cells: NDArray[np.uint8], hand: Hand, device: torch.device) -> Telling:
    """Ask the teller about a player.

    Args:
        cells: (rows, columns, pixels) what is seen.
        hand: that has acted, and was not shown what follows.
    """
    glance = as_glance([torch.from_numpy(part[None]).to(device) for part in (cells, *glance_of(hand))])
    said = teller.look(glance)
    chance = said.change.sigmoid()
    rows = (chance > CHANGES).nonzero()
    then, changes = glance.now.clone(), torch.zeros_like(chance, dtype=torch.bool)
    if len(rows):
        likely, which = teller.contents(said, rows).softmax(-1).max(-1)
        at = tuple(rows.unbind(1))
        then[at], changes[at] = which.to(torch.uint8), likely.amin(1) > CERTAIN
    return Telling(*(part[0].cpu().numpy() for part in (changes, chance < STAYS, then)))


def glance_of(hand: Hand) -> tuple[NDArray[Any], ...]:
    """Return the fields of one player's glance, but what is seen, in the smallest numbers that hold them."""
    return (
        hand.ago.astype(np.uint8),
        hand.done.astype(np.uint8),
        hand.hits.copy(),
        hand.actions[-2:].copy(),
        hand.places.astype(np.int16),
    )


def as_glance(parts: Sequence[Tensor]) -> Glance:
    """Return a glance's fields (b, ...), as they are kept, as the net takes them."""
    now, ago, controls, hits, actions, places = parts
    return Glance(now, ago.long(), controls.long(), hits, actions.float(), places.long())


def heed(pile: Pile, ideas: Sequence[Idea], logits: Tensor, sure: int, telling: Telling) -> Tensor:
    """Return logits (1 + i) of what comes true, none or one of the ideas, with the teller heard.

    Args:
        logits: as the net weighs them.
        sure: the number of an idea that a rule is sure of, -1: of none.
    """
    logits = logits.clone()
    if sure >= 0:
        logits[1 + sure] = logits.max() + SURE
    best, still = int(logits.argmax()), bool(telling.changes.sum() < FEW)
    if best and pile.uncovers(ideas[best - 1]):
        if still:  # of what comes up something can be told: the front turns, if nothing else
            logits[0] = logits.max() + SURE
        return logits
    if not best and still:
        return logits
    heard = [which for which in logits.argsort(descending=True)[:LIKELY].tolist() if which and logits[which].isfinite()]
    speaks = torch.tensor([float(_speaks_for(pile, ideas[which - 1], telling)) for which in heard])
    logits[heard] += HEEDED * speaks.to(logits)
    return logits


def _speaks_for(pile: Pile, idea: Idea, telling: Telling) -> int:
    """Return how many cells an idea foresees as they are told, less those that are told otherwise.

    What it leaves open is told anyway, with an idea or without one.
    """
    cells, becomes = pile.foresee(idea)
    told, changes = becomes % IN_FRONT == TOLD, telling.changes
    same = told & changes & (cells == telling.cells).all(-1)
    other = told & ~same & (changes | telling.stays)
    return int(same.sum()) - int(other.sum())
