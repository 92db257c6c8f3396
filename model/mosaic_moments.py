"""Moments of true play to learn from which ideas come true (see mosaic_ideas.py), as plain arrays.

Play is followed with all that a net knows of layers, in any process, and of every telling tick only what ideas are
weighed by is kept: a few numbers, and the contents of cells once for all. Knows nothing about where play comes from.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor

from dreamloop.model.dataset import Episode
from dreamloop.model.mosaic_book import EMPTY
from dreamloop.model.mosaic_ideas import Moment
from dreamloop.model.mosaic_known import TABLES, Known
from dreamloop.model.mosaic_layers import LARGE
from dreamloop.model.mosaic_net import MosaicConfig, MosaicNet
from dreamloop.model.mosaic_player import Look, MosaicPlayer, Palette
from dreamloop.model.mosaic_sprite import Sprite
from dreamloop.model.whole_file import whole_file

HELD, CALM = 0.4, 0.03  # share kept of the ticks in which nobody begins anything: while something is held, else


class Moments(NamedTuple):
    """n moments, and what came true in each."""

    ideas: NDArray[np.int64]  # (n,) how many there are
    facts: NDArray[np.float16]  # (ideas of all, FACTS)
    marks: NDArray[np.int32]  # (ideas of all, MARKS) which contents each begins with
    near: NDArray[np.int32]  # (n, cells) which contents the cells around the pointer show
    inside: NDArray[np.float32]  # (n, 2)
    actions: NDArray[np.float32]  # (n, action_ticks, a)
    came: NDArray[np.int64]  # (n,) number of the idea that came true, counted from 1; 0: none
    stands: NDArray[np.float32]  # (n,) for how many ticks of play each stands
    contents: NDArray[np.uint8]  # (k, pixels)

    def batch(self, chosen: NDArray[np.int64], device: torch.device | str = "cpu") -> tuple[Moment, Tensor]:
        """Return some of them as the net takes them, and what came true (b,)."""
        counts = self.ideas[chosen]
        there = np.arange(counts.max(initial=1)) < counts[:, None]
        at = np.where(there, (self.ideas.cumsum() - self.ideas)[chosen, None] + np.arange(there.shape[1]), 0)
        marks, near = self.marks[at], self.near[chosen]
        used, which = np.unique(np.concatenate([marks.ravel(), near.ravel()]), return_inverse=True)
        parts = (
            *((self.facts[at] * there[..., None]).astype(np.float32), which[: marks.size].reshape(marks.shape)),
            *(which[marks.size :].reshape(near.shape), self.inside[chosen], self.actions[chosen], self.contents[used]),
        )
        moment = Moment(*(torch.from_numpy(part).to(device) for part in parts))
        return moment, torch.from_numpy(self.came[chosen]).to(device)

    def save(self, path: Path) -> None:
        """Write them to a file, whole or not at all."""
        with whole_file(path) as scratch:
            save_file({name: np.ascontiguousarray(part) for name, part in self._asdict().items()}, scratch)

    @classmethod
    def load(cls, path: Path) -> "Moments":
        """Read what :meth:`save` wrote."""
        return cls(**load_file(path))

    @classmethod
    def join(cls, parts: Sequence["Moments"]) -> "Moments":
        """Put moments together, at least one."""
        first = np.cumsum([0] + [len(one.contents) for one in parts])
        contents, which = np.unique(np.concatenate([one.contents for one in parts]), axis=0, return_inverse=True)
        numbers = which.ravel().astype(np.int32)
        joined = {
            name: np.concatenate([getattr(one, name) for one in parts])
            for name in cls._fields
            if name not in ("marks", "near", "contents")
        }
        numbered = {
            name: np.concatenate([numbers[at + getattr(one, name)] for one, at in zip(parts, first, strict=False)])
            for name in ("marks", "near")
        }
        return cls(**joined, **numbered, contents=contents)


@dataclass(frozen=True)
class Eyes:
    """Follows play as a net does; goes to other processes."""

    config: MosaicConfig
    learnt: dict[str, NDArray[Any]]  # the tables of a net

    @classmethod
    def of(cls, net: MosaicNet) -> "Eyes":
        """Return the eyes of a net."""
        names = ("palette", "sprite", "book", *TABLES)
        return cls(net.config, {name: getattr(net, name).cpu().numpy() for name in names})

    def __call__(self, episode: Episode) -> Moments | None:
        """Follow an episode; keep every tick in which somebody begins something or much changes, and few others."""
        kept = list[tuple[Look, int, float]]()
        rng = np.random.default_rng(int(episode[0][-1].sum(dtype=np.int64)))
        for player, truth in self.follow(episode, Known(self.learnt)):
            worth = self._worth(player, int((truth != player.memory.now).any(-1).sum()))
            ideas = player.ideas if player.memory.tick and rng.random() < worth else []
            if ideas:
                facts, *rest = player.moment(ideas)
                kept.append(((facts[: len(ideas)], *rest), 1 + player.layers.explain(truth, ideas), 1 / worth))
        return _packed(kept) if kept else None

    def follow(self, episode: Episode, known: Known) -> Iterator[tuple[MosaicPlayer, NDArray[np.uint8]]]:
        """Yield a player that has acted in every tick, and the true cells that it is shown next."""
        learnt = self.learnt
        palette, book = Palette(learnt["palette"]), learnt["book"][learnt["book"][:, 0] != EMPTY]
        player = MosaicPlayer(self.config, Sprite(learnt["sprite"]), known)
        pictures = [palette.numbers(frame) for frame in episode[0]]
        for truth in player.watch(pictures, list(episode[1]), lambda: book):
            yield player, truth

    def sign(self, *about: Any, without: Collection[str] = ()) -> str:
        """Return a word for what is known, but the tables ``without``, and other things that decide what play shows."""
        told = hashlib.sha256(repr(about).encode())
        for name in sorted(set(self.learnt) - set(without)):
            told.update(np.ascontiguousarray(self.learnt[name]).tobytes())
        return told.hexdigest()[:12]

    def _worth(self, player: MosaicPlayer, changes: int) -> float:
        """Return the chance that a tick is kept."""
        config, now, before = self.config, *player.actions[[-1, -2]]
        began = now != before
        if config.pointer >= 0:
            began[config.pointer : config.pointer + 2] = False
        if changes >= LARGE or began.any():
            return 1.0
        return HELD if config.button >= 0 and now[config.button] > 0.5 else CALM


def _packed(kept: Sequence[tuple[Look, int, float]]) -> Moments:
    """Put moments together, each content once."""
    looks, came, stands = zip(*kept, strict=True)
    facts, marks, near, inside, actions = zip(*looks, strict=True)
    counts = np.array([len(one) for one in facts])
    begins = np.concatenate([one[:n] for one, n in zip(marks, counts, strict=True)])
    pixels = begins.shape[-1]
    every = np.concatenate([begins.reshape(-1, pixels), np.concatenate(near)])
    contents, which = np.unique(every, axis=0, return_inverse=True)
    numbers, split = which.ravel().astype(np.int32), begins.size // pixels
    return Moments(
        ideas=counts,
        facts=np.concatenate(facts).astype(np.float16),
        marks=numbers[:split].reshape(begins.shape[:-1]),
        near=numbers[split:].reshape(len(kept), -1),
        inside=np.stack(inside),
        actions=np.stack(actions),
        came=np.array(came),
        stands=np.array(stands, np.float32),
        contents=contents,
    )
