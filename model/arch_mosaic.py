"""A world model for interfaces and other pictures that stand still: plays a MosaicNet for n players.

What ideas and rules foresee is shown as it is; the net draws what nobody has seen yet, and all that changes where no
rules are known. All other cells keep their very bytes. Knows nothing about windows or files of recordings; how cells
are drawn is in mosaic_net.py.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamloop.model.checkpoint import load_net
from dreamloop.model.device import choose_engine
from dreamloop.model.mosaic_book import EMPTY
from dreamloop.model.mosaic_config import mosaic_config
from dreamloop.model.mosaic_hand import is_begun
from dreamloop.model.mosaic_ideas import believe
from dreamloop.model.mosaic_net import MosaicNet
from dreamloop.model.mosaic_pile import Dreamed, Idea
from dreamloop.model.mosaic_player import MosaicPlayer, Palette, stack, stack_moments
from dreamloop.model.mosaic_sprite import Sprite
from dreamloop.model.mosaic_telling import Telling, heed, tell
from dreamloop.model.world_model import (
    Card,
    Frame,
    ModelState,
    OpenOptions,
    Scene,
    check_actions,
    check_player,
    check_scene,
    check_state,
)


def build(card: Card, weights: Path | None, options: OpenOptions) -> "MosaicModel":
    """Open a checkpoint; its own card replaces the world's.

    Raises:
        CheckpointError: no weights, or weights that are damaged, foreign or of another shape.
    """
    net, card = load_net(card, weights, "mosaic", lambda config: MosaicNet(mosaic_config(config)))
    return MosaicModel(net, card, options)


class MosaicModel:
    """A WorldModel. The coarse net runs once for all players; then come the cells that change, of all of them."""

    def __init__(self, net: MosaicNet, card: Card, options: OpenOptions) -> None:
        self.card, self.players, self.config = card, options.players, net.config
        self.device, self.dtype = choose_engine(options)
        self.net = net.to(self.device).compute_in(self.dtype).freeze()
        self.palette, self.sprite = Palette(net.palette.cpu().numpy()), Sprite(net.sprite.cpu().numpy())
        self.lore = net.known()
        book = net.book.cpu().numpy()
        self.contents = book[book[:, 0] != EMPTY]
        self.memory_off = options.memory == "none"
        self.known = [self._blank() for _ in range(self.players)]
        self.ticks, self.seeds = [0] * self.players, [0] * self.players
        self.step_ms, self.drawn_cells = 0.0, 0

    def reset(self, player: int, scene: Scene | None, seed: int) -> Frame:
        """Start over in ``scene``, whose frames are looked at one after the other."""
        check_player(player, self.players)
        self.ticks[player], self.seeds[player] = 0, seed
        self.known[player] = self._blank() if scene is None else MosaicPlayer(self.config, self.sprite, self.lore)
        if scene is not None:
            check_scene(scene, self.card, self.config.actions)
            pictures = [self.palette.numbers(frame) for frame in scene.frames]
            for _ in self.known[player].watch(pictures, list(scene.actions), lambda: self.contents):
                pass
            self._forget(player)
        return self._shown(player)

    def step(self, actions: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Draw the frames (n, h, w, 3) that ``actions`` (n, a) lead to."""
        check_actions(actions, self.players, self.config.actions)
        started_s = time.perf_counter()
        for one, action in zip(self.known, actions, strict=True):
            one.act(action)
        cells, ideas = self._draw()
        for one, picture, idea in zip(self.known, cells, ideas, strict=True):
            one.show(picture, Dreamed(idea))
        for player in range(self.players):
            self._forget(player)
        self.ticks = [tick + 1 for tick in self.ticks]
        frames = np.stack([self._shown(player) for player in range(self.players)])
        self.step_ms = 1e3 * (time.perf_counter() - started_s)
        return frames

    def save(self, player: int) -> ModelState:
        """Return cells, what they remember, actions and pointer of ``player``."""
        check_player(player, self.players)
        values = {"seed": self.seeds[player], **self.known[player].state()}
        return ModelState(self.card.arch, self.card.weights_hash, self.ticks[player], values)

    def load(self, player: int, state: ModelState) -> Frame:
        """Go back to ``state``."""
        check_player(player, self.players)
        check_state(state, self.card)
        self.known[player].restore(dict(state.values))
        self._forget(player)
        self.ticks[player], self.seeds[player] = state.tick, int(state.values["seed"])
        return self._shown(player)

    def stats(self) -> Mapping[str, float]:
        """Return the time of the last step, the cells it drew, and the size of what is remembered."""
        memory = float(sum(one.memory.nbytes + one.layers.nbytes + one.hand.nbytes for one in self.known))
        return {"dynamics_ms": self.step_ms, "memory_bytes": memory, "cells_drawn": float(self.drawn_cells)}

    @torch.inference_mode()
    def _draw(self) -> tuple[NDArray[np.uint8], list[Idea | None]]:
        """Return the next cells (n, rows, columns, pixels) of all players, and the ideas that were believed."""
        told = self._told()
        ideas = self._ideas(told)
        foreseen = [one.foresee(idea, telling) for one, idea, telling in zip(self.known, ideas, told, strict=True)]
        cells, sure = (np.stack(parts) for parts in zip(*foreseen, strict=True))
        self.drawn_cells = 0
        return cells if sure.all() else np.where(sure[..., None], cells, self._drawn(ideas)), ideas

    def _told(self) -> list[Telling | None]:
        """Return what the teller says of every player, None where nothing is begun or there is no teller."""
        told: list[Telling | None] = [None] * self.players
        for row, one in enumerate(self.known):  # each alone: what others begin must not change a byte of a picture
            if self.config.tell_blocks and is_begun(self.config, one.actions[-2:]):
                told[row] = tell(self.net.teller, one.memory.now, one.hand, self.device)
        return told

    def _drawn(self, ideas: list[Idea | None]) -> NDArray[np.uint8]:
        """Return the next cells as the net draws them."""
        config = self.config
        looks = [one.look(idea=idea) for one, idea in zip(self.known, ideas, strict=True)]
        seen = stack(looks, self.device)
        drawn = self.net.look(seen)
        rows = (drawn.change.sigmoid() > config.threshold).nonzero()
        cells = seen.sources[:, :, :, 0].clamp(max=config.colours - 1)
        self.drawn_cells = len(rows)
        if len(rows):
            b, y, x = rows.unbind(1)
            cells[b, y, x] = self.net.choose(drawn, seen, rows, self._throw).to(torch.uint8)
        return np.asarray(cells.cpu().numpy())

    def _ideas(self, tellings: Sequence[Telling | None]) -> list[Idea | None]:
        """Return the idea that is believed of every player: nothing comes, goes or moves of itself."""
        if not any(one.acts for one in self.known):
            return [None] * self.players
        ideas = [one.ideas if one.acts else [] for one in self.known]
        moments = stack_moments([one.moment(told) for one, told in zip(self.known, ideas, strict=True)], self.device)
        logits = self.net.weigh(moments)
        sure = [one.sure(told) for one, told in zip(self.known, ideas, strict=True)]
        for row, telling in enumerate(tellings):
            if telling is not None:
                logits[row] = heed(self.known[row].layers, ideas[row], logits[row], sure[row], telling)
                sure[row] = -1
        weighed = believe(logits).tolist()
        believed = [one if one >= 0 else which - 1 for one, which in zip(sure, weighed, strict=True)]
        return [told[which] if which >= 0 else None for told, which in zip(ideas, believed, strict=True)]

    def _throw(self, logits: Tensor, players: Tensor) -> Tensor:
        luck = self.config.luck
        return logits + luck * self._chance(players.tolist(), logits.shape[1:]) if luck else logits

    def _chance(self, players: list[int], shape: Sequence[int]) -> Tensor:
        """Return noise (n, ...) for cells of ``players``: a function of their seeds and ticks alone."""
        dice = [
            torch.Generator().manual_seed((s * 1_000_003 + t) % 2**63)
            for s, t in zip(self.seeds, self.ticks, strict=True)
        ]
        noise = [torch.rand(*shape, generator=dice[player]) for player in players]
        return -(-torch.stack(noise).clamp_min(1e-9).log()).clamp_min(1e-9).log().to(self.device)

    def _forget(self, player: int) -> None:
        if self.memory_off:
            self.known[player].forget()

    def _blank(self) -> MosaicPlayer:
        player = MosaicPlayer(self.config, self.sprite, self.lore)
        player.memory.now[:] = 0
        return player

    def _shown(self, player: int) -> Frame:
        frame: Frame = self.palette.colours[self.known[player].picture()]
        return frame


def tiny_card() -> Card:
    """Return the card of a net of a few thousand weights, for tests of the contract."""
    controls = [{"name": "cursor", "kind": "pointer"}, {"name": "use", "kind": "button", "keys": ["u"]}]
    schema = {"format": 1, "name": "tiny", "control": controls}
    return Card("tiny", "mosaic", 64, 32, 20.0, schema, _TINY.prefix, config=asdict(_TINY))


def tiny_weights() -> dict[str, Tensor]:
    """Return untrained weights for :func:`tiny_card`; many of their cells change."""
    torch.manual_seed(0)
    net = MosaicNet(_TINY)
    net.palette.copy_(torch.randint(0, 256, net.palette.shape, dtype=torch.uint8))
    net.change.bias.data.fill_(1.0)
    return dict(net.state_dict())


_TINY = mosaic_config(
    {
        **{"height_px": 32, "width_px": 64, "actions": 4, "action_ticks": 2, "colours": 8, "slots": 2, "looks": 1},
        **{"emb": 2, "widths": (8, 8), "down": (1, 1), "up": (1, 0), "cond": 8, "stamp": 2, "fine": 8},
        **{"book": 8, "code": 8, "ask": 16},
        **{"fine_blocks": 1, "prefix": 4, "luck": 1.0, "tell": (8, 16), "tell_blocks": 1},
    }
)
