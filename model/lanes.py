"""Copies of one model, stepped at the same time on a thread each. To its user they are one model with more players.

On a few cores this beats threads inside one copy: small layers leave those waiting for each other. Knows nothing about
how a copy works, only the contract.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from dreamloop.model.world_model import Frame, ModelError, ModelState, Scene, WorldModel, check_player


class Lanes:
    """A WorldModel made of ``lanes`` others; player p is player p % share of lane p // share."""

    def __init__(self, open_one: Callable[[int], WorldModel], players: int, lanes: int) -> None:
        """Open ``lanes`` copies with ``open_one(players)``; ``players`` must be a multiple of ``lanes``."""
        if players % lanes:
            raise ModelError(f"{players} players do not divide into {lanes} lanes")
        self._share = players // lanes
        self._copies = [open_one(self._share) for _ in range(lanes)]
        self._threads = [ThreadPoolExecutor(1, initializer=_one_thread) for _ in range(lanes)]
        for thread in self._threads:  # a thread learns its number of torch threads once, when it starts
            thread.submit(torch.get_num_threads).result()
        self.card, self.players = self._copies[0].card, players

    def reset(self, player: int, scene: Scene | None, seed: int) -> Frame:
        """Start ``player`` over."""
        lane, inside = self._where(player)
        return self._threads[lane].submit(self._copies[lane].reset, inside, scene, seed).result()

    def step(self, actions: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Step all lanes at once."""
        parts = np.split(actions, len(self._copies))
        work = zip(self._threads, self._copies, parts, strict=True)
        running = [thread.submit(copy.step, part) for thread, copy, part in work]
        return np.concatenate([done.result() for done in running])

    def save(self, player: int) -> ModelState:
        """Return the state of ``player``."""
        lane, inside = self._where(player)
        return self._copies[lane].save(inside)

    def load(self, player: int, state: ModelState) -> Frame:
        """Go back to ``state``."""
        lane, inside = self._where(player)
        return self._copies[lane].load(inside, state)

    def stats(self) -> Mapping[str, float]:
        """Return the figures of all lanes, added up."""
        told = [copy.stats() for copy in self._copies]
        return {name: sum(stats[name] for stats in told) for name in told[0]}

    def pose(self, player: int) -> NDArray[np.float64] | None:
        """Return where ``player`` is by the model's own reckoning, None where it reckons nothing."""
        lane, inside = self._where(player)
        reckoned = getattr(self._copies[lane], "pose", None)
        return None if reckoned is None else reckoned(inside)

    def _where(self, player: int) -> tuple[int, int]:
        check_player(player, self.players)
        return divmod(player, self._share)


def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.get_num_threads()  # torch settles the number for this thread at its first question
