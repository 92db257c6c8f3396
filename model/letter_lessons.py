"""Layers that are written anew, found in play: what to learn from how letters turn (see learn_letters.py).

The play is shown without its pointer; it is looked at in any process. Knows nothing about where play comes from.
"""

from dataclasses import dataclass

import numpy as np

from dreamloop.model.dataset import Episode
from dreamloop.model.learn_letters import Example
from dreamloop.model.mosaic_cells import MARKS, to_cells
from dreamloop.model.mosaic_known import Known
from dreamloop.model.mosaic_moments import Eyes
from dreamloop.model.mosaic_pile import Pile
from dreamloop.model.mosaic_player import MosaicPlayer, Palette


@dataclass(frozen=True)
class Reader:
    """Looks for layers that are written anew in play that is shown without its pointer; goes to other processes."""

    eyes: Eyes

    def __call__(self, episode: Episode) -> list[Example]:
        """Return the examples of an episode."""
        palette, found = Palette(self.eyes.learnt["palette"]), list[Example]()
        player = MosaicPlayer(self.eyes.config, None, Known(self.eyes.learnt))
        for tick, (frame, action) in enumerate(zip(episode[0], episode[1], strict=True)):
            player.act(action)
            cells = to_cells(palette.numbers(frame), self.eyes.config.cell)
            before = player.layers.still() if (cells != player.memory.now).any() else None
            player.show(cells)
            found += [] if before is None else _written_anew(before, player.layers, tick)
        return found


def _written_anew(before: Pile, after: Pile, when: int) -> list[Example]:
    """Return the layers that lie as they did, and begin otherwise, as far as they are seen."""
    found = list[Example]()
    for k in np.flatnonzero((before.level > 0) & (after.level > 0) & (before.rects == after.rects).all(1)):
        y, x, h, w = after.rects[k].tolist()
        inside = (slice(y, y + h), slice(x, x + w))
        seen = (before.owner[inside] == k) & (after.owner[inside] == k)
        example = Example(before.contents[k, :h, :w], after.contents[k, :h, :w].copy(), seen, when)
        begins, then = example.begins(after.none)
        if seen[0, :MARKS].all() and begins and then and begins != then:
            found.append(example)
    return found
