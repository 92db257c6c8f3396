"""Which idea of what happens to the layers comes true (see mosaic_layers.py): a small net weighs them.

Every idea is weighed by what is known of it and by how its layer begins, against what is done and what lies under the
pointer; that nothing of the kind happens is one more answer.
"""

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dreamloop.model.layers import Linear
from dreamloop.model.mosaic_cells import MARKS
from dreamloop.model.mosaic_layers import FACTS

if TYPE_CHECKING:
    from dreamloop.model.mosaic_net import MosaicConfig

NEAR = 1  # cells on every side of the pointer that are looked at, wherever they are in the picture
BELIEVED = 0.1  # chance that none comes true, below which one is believed: half of what is taught are such moments
LOUD = 3.0  # how loudly actions are told: one control among many is rarely down


class Moment(NamedTuple):
    """What ideas of b players are weighed by; each has up to i of them."""

    facts: Tensor  # (b, i, FACTS) what is known of every idea; zeros where there is none
    marks: Tensor  # (b, i, MARKS) which contents the layer of every idea begins with
    near: Tensor  # (b, cells) which contents the cells around the pointer show
    inside: Tensor  # (b, 2) where in its cell the pointer is, -0.5 to 0.5
    actions: Tensor  # (b, action_ticks, a), oldest first
    contents: Tensor  # (k, pixels) uint8, colours of the contents


def believe(logits: Tensor) -> Tensor:
    """Return the number (b,) of the idea that is believed, counted from 1; 0: none.

    The likeliest, where it is likely enough that any comes true: several may be nearly the same.

    Args:
        logits: (b, 1 + i) as :class:`Ideas` gives them.
    """
    chances = logits.softmax(1)
    return torch.where(chances[:, 0] < BELIEVED, 1 + chances[:, 1:].argmax(1), 0)


class Ideas(nn.Module):
    """Weighs what may happen to the layers by what is done and what lies under the pointer: does it come true?"""

    def __init__(self, config: "MosaicConfig") -> None:
        super().__init__()
        wide, code, pixels = 2 * config.page, config.page, config.cell**2 * config.emb
        self.config = config
        self.code = Linear(pixels, code)
        self.act = Linear(config.actions * config.action_ticks, wide)
        self.at = Linear(sum(config.grid), wide)
        self.under = nn.Sequential(Linear((2 * NEAR + 1) ** 2 * code + 2, wide), nn.SiLU(), Linear(wide, wide))
        self.mix = nn.Sequential(nn.SiLU(), Linear(wide, wide), nn.SiLU())
        self.bind = nn.Sequential(Linear(FACTS + MARKS * code, wide), nn.SiLU(), Linear(wide, wide))
        self.seek = Linear(wide, wide)
        self.weigh = nn.Sequential(Linear(4 * wide, wide), nn.SiLU(), Linear(wide, 1))
        self.none = nn.Sequential(Linear(2 * wide, wide), nn.SiLU(), Linear(wide, 1))

    def forward(self, moment: Moment, ink: Tensor) -> Tensor:
        """Return logits (b, 1 + i): none comes true, or this one does; -inf where there is no idea.

        Args:
            ink: (colours + 1, emb) codes of colours, of the dtype of the arithmetic.
        """
        codes = self.code(F.embedding(moment.contents.int(), ink).flatten(1))
        under = self.under(torch.cat([codes[moment.near].flatten(1), moment.inside.to(ink)], 1))
        act = self.act(LOUD * moment.actions.flatten(1).to(ink))
        done = self.mix(act + under + self._at(moment.actions[:, -1], ink))
        there = moment.facts.any(-1)
        told = self.bind(torch.cat([moment.facts[there].to(ink), codes[moment.marks[there]].flatten(1)], 1))
        player = there.nonzero()[:, 0]
        every = told.new_zeros(*there.shape, told.shape[1]).index_put((there,), told)
        among = every.amax(1).clamp(min=0)  # which of them lies lowest, say, is told by the others
        asked = self.seek(done)[player]
        weighed = self.weigh(torch.cat([told, told * asked, asked, among[player]], 1))[:, 0].float()
        logits = weighed.new_full(there.shape, -torch.inf).index_put((there,), weighed)
        return torch.cat([self.none(torch.cat([done, among], 1)).float(), logits], 1)

    def _at(self, action: Tensor, ink: Tensor) -> Tensor:
        """Return (b, wide): in which row and column of cells the pointer is."""
        config = self.config
        if config.pointer < 0:
            return ink.new_zeros(())
        last = torch.tensor([config.width_px - 1, config.height_px - 1], device=ink.device)
        place = action[:, config.pointer : config.pointer + 2].clamp(0, 1) * last
        x, y = (place.round().long() // config.cell).unbind(1)
        at: Tensor = self.at(torch.cat([F.one_hot(y, config.grid[0]), F.one_hot(x, config.grid[1])], 1).to(ink))
        return at
