"""Ticks to learn from, for the mosaic model: play is followed from its first tick on, and telling ticks are kept.

Most ticks of an interface show nothing new. Those in which a player begins something, or in which much changes, are
always kept; the others in part. Knows nothing about where episodes come from.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamloop.model.dataset import DataError, Episode
from dreamloop.model.mosaic_book import Book
from dreamloop.model.mosaic_config import MosaicTrainConfig
from dreamloop.model.mosaic_known import Known
from dreamloop.model.mosaic_net import AROUND, Seen
from dreamloop.model.mosaic_player import WHOLE, Look, MosaicPlayer, Palette, Part, stack
from dreamloop.model.mosaic_sprite import Sprite, SpriteLooks

LOOKED_AT = 4  # episodes in which a sprite is looked for, where none is known


class Lesson(NamedTuple):
    """One tick: what was known before it, and the picture that it led to."""

    look: Look
    truth: NDArray[np.uint8]  # (rows, columns, pixels)
    turn: bool = False  # much changed, and the whole picture is seen


class Lessons:
    """Keeps the latest ``config.lessons`` lessons and draws batches of them.

    Those in which much changes (a window opens, all colours change) are few, and the hardest to foresee: half as many
    of them alone are kept beside, for a share of every batch. They show the whole picture, most of the others a part of
    it: most of a picture stands still, and to look at all of it costs the time of five lessons. But some show all of
    it, or nobody would learn that what is far from a key or a click stands still.
    """

    def __init__(
        self,
        config: MosaicTrainConfig,
        episodes: Iterable[Episode],
        palette: Palette,
        book: Book,
        sprite: Sprite,
        lore: Known,
    ) -> None:
        self.config, self.palette, self.book, self.sprite, self.lore = config, palette, book, sprite, lore
        self.rng = np.random.default_rng(config.seed)
        self.kept: list[Lesson] = []
        self.turns: deque[Lesson] = deque(maxlen=max(config.lessons // 2, 1))
        self._at = 0
        self._lessons = (lesson for episode in episodes for lesson in self._of(episode))
        self.add(max(config.lessons // 4, config.batch))
        if not self.kept and not self.turns:
            raise DataError("no episodes to train on; run 'dreamloop collect' first, or give a world with a simulator")

    def add(self, n: int) -> None:
        """Take n new lessons in place of the oldest; play that has ended leaves what there is."""
        for lesson in self._lessons:
            if lesson.turn:
                self.turns.append(lesson)
            elif len(self.kept) < self.config.lessons:
                self.kept.append(lesson)
            else:
                self.kept[self._at % self.config.lessons] = lesson
                self._at += 1
            n -= 1
            if n <= 0:
                return

    def batch(self, n: int, device: torch.device | str = "cpu") -> list[tuple[Seen, Tensor]]:
        """Return n lessons, those of the same size together.

        Returns:
            what is seen, and the true cells (b, rows, columns, pixels) uint8; once for every size.
        """
        turns = min(round(n * self.config.turns), n) if self.turns else 0
        turns = turns if self.kept else n
        drawn = [self.turns[i] for i in self.rng.integers(0, max(len(self.turns), 1), turns)]
        drawn += [self.kept[i] for i in self.rng.integers(0, max(len(self.kept), 1), n - turns)]
        batches = (self.batch_of(lessons, device) for lessons in alike(drawn, n))
        return [smudge(seen, truth, self.config.smudge) for seen, truth in batches]

    def batch_of(self, chosen: list[Lesson], device: torch.device | str = "cpu") -> tuple[Seen, Tensor]:
        """Return these lessons as a batch."""
        truth = torch.from_numpy(np.stack([one.truth for one in chosen])).to(device)
        return stack([one.look for one in chosen], device), truth

    def _of(self, episode: Episode) -> Iterator[Lesson]:
        """Follow an episode and yield the lessons that are worth it."""
        counts = self.rng.random() < self.config.counted
        player = MosaicPlayer(self.config.net, self.sprite, self.lore, counts=counts)
        pictures = [self.palette.numbers(frame) for frame in episode[0]]
        for truth in player.watch(pictures, list(episode[1]), lambda: self.book.pages[: self.book.used]):
            changed = (truth != player.memory.now).any(-1)
            self.book.learn(truth[changed & ~player.covered])  # what was hidden in part is but guessed
            changes, began = int(changed.sum()), self._began(player.actions[-1], player.actions[-2])
            worth = self._worth(changes, began, player.actions[-1])
            if player.memory.tick and self.rng.random() < worth:
                turn = changes > self.config.much
                whole = turn or self.rng.random() < self.config.wide
                part = WHOLE if whole else self._part(changed, player.places[0] // self.config.net.cell)
                ideas = player.ideas
                came = 1 + player.layers.explain(truth, ideas)
                idea = [None, *ideas][self._expected(came, len(ideas))]
                yield Lesson(player.look(part, idea), truth[part].copy(), turn)

    def _expected(self, came: int, ideas: int) -> int:
        """Return the number of the idea that a lesson shows as foreseen: the true one, but now and then another."""
        return int(self.rng.integers(0, ideas + 1)) if self.rng.random() < self.config.mistaken else came

    def _part(self, changed: NDArray[np.bool_], pointer: NDArray[np.int64]) -> Part:
        """Choose a part of the picture (rows, columns): around a cell that changes, else around the pointer."""
        where, side = np.argwhere(changed), np.minimum(self.config.part, changed.shape)
        centre = where[self.rng.integers(len(where))] if len(where) else pointer[::-1]
        first = centre - side // 2 + self.rng.integers(-side // 4, side // 4 + 1)
        first = first.clip(0, np.array(changed.shape) - side)
        return slice(first[0], first[0] + side[0]), slice(first[1], first[1] + side[1])

    def _began(self, action: NDArray[np.float32], before: NDArray[np.float32]) -> bool:
        """Say whether more than the pointer's place is another than a tick ago."""
        other, pointer = np.abs(action - before), self.config.net.pointer
        if pointer >= 0:
            other[pointer : pointer + 2] = 0
        return bool(other.any())

    def _worth(self, changes: int, began: bool, action: NDArray[np.float32]) -> float:
        """Return the chance that a tick is kept."""
        config = self.config
        if began or changes > config.much:
            return 1.0
        held = config.net.button >= 0 and action[config.net.button] > 0.5
        if held:  # what looks like a drag and is none teaches as much as a drag
            return min(2 * config.moving, 1.0)
        return config.moving if changes else config.calm


def find_sprite(
    config: MosaicTrainConfig, episodes: Iterable[Episode], palette: Palette
) -> tuple[Sprite, Iterator[Episode]]:
    """Look for the pointer in the first episodes; return it, and all of the episodes."""
    rest = iter(episodes)
    first, looks = list(islice(rest, LOOKED_AT)), SpriteLooks(config.net.colours)
    player = MosaicPlayer(config.net)
    for episode in first:
        for frame, action in zip(episode[0], episode[1], strict=True):
            player.act(action)
            looks.look(palette.numbers(frame), player.places[0])
    return Sprite(looks.sprite()), chain(first, rest)


def alike(lessons: Sequence[Lesson], most: int) -> Iterator[list[Lesson]]:
    """Yield groups of up to ``most`` lessons of one size."""
    for size in sorted({lesson.truth.shape for lesson in lessons}):
        same = [lesson for lesson in lessons if lesson.truth.shape == size]
        yield from (same[first : first + most] for first in range(0, len(same), most))


def smudge(seen: Seen, truth: Tensor, share: float) -> tuple[Seen, Tensor]:
    """Let a share of the cells show what another cell of the same picture shows.

    A dream goes on from its own mistakes. One that stands still is to be left as it is: a net that mends and guesses
    where nothing happens would not keep a picture for an hour. Where something changes the truth stays the truth.
    """
    b, rows, columns = seen.age.shape
    now = seen.sources[:, :, :, 0]
    wrong = torch.rand(b, rows, columns, device=now.device) < share
    other = torch.randint(rows * columns, (b, rows * columns), device=now.device)
    elsewhere = now.flatten(1, 2).gather(1, other[..., None].expand(-1, -1, now.shape[-1])).view_as(now)
    still = (truth == now).all(-1, keepdim=True)
    shown = torch.where(wrong[..., None], elsewhere, now)
    sources = torch.cat([shown[:, :, :, None], seen.sources[:, :, :, 1:]], 3)
    right, left, below, above = sources[:, :, :, -AROUND:].unbind(3)  # beyond the edge of a part they stay
    right[:, :, :-1], left[:, :, 1:] = shown[:, :, 1:], shown[:, :, :-1]
    below[:, :-1], above[:, 1:] = shown[:, 1:], shown[:, :-1]
    return seen._replace(sources=sources), torch.where(still, shown, truth)
