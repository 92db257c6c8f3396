"""True play to measure a world model against, and dreams that start from it. Any architecture, by the contract alone.

Knows nothing about where play comes from (runtime/true_play.py drives the simulator) or what is measured.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dreamloop.input.errors import DreamloopError
from dreamloop.model.world_model import Scene, WorldModel


class EvaluationError(DreamloopError):
    """A measurement that cannot be made: nothing to measure on, or a suite that does not exist."""


@dataclass(frozen=True, slots=True)
class Play:
    """A stretch of true play: ``actions[i]`` led to ``frames[i]``."""

    name: str
    frames: NDArray[np.uint8]  # (t, h, w, 3)
    actions: NDArray[np.float32]  # (t, a)
    poses: NDArray[np.float32] | None = None  # (t, 4): x, y in map units, angle and pitch in degrees

    def scene(self, at: int, context: int) -> Scene:
        """Return the ``context`` frames before tick ``at`` as a place to start from."""
        start = max(at - context, 0)
        known = self.poses is not None and bool(np.isfinite(self.poses[start:at]).all())
        poses = self.poses[start:at] if known and self.poses is not None else None
        return Scene(f"{self.name}@{at}", self.frames[start:at], self.actions[start:at], poses)


@dataclass(frozen=True, slots=True)
class Start:
    """A place in a play: the first tick that is dreamed."""

    play: Play
    at: int


def draw_starts(plays: Sequence[Play], n: int, context: int, ahead: int, seed: int) -> list[Start]:
    """Draw ``n`` different starts that have ``context`` ticks before them and ``ahead`` from them on, uniformly.

    Raises:
        EvaluationError: the plays hold fewer than ``n`` of them.
    """
    room = [Start(play, at) for play in plays for at in range(context, len(play.frames) - ahead + 1)]
    if len(room) < n:
        raise EvaluationError(
            f"{n} starts with {ahead} ticks ahead were asked for, the true play holds {len(room)}; collect more of it"
        )
    picked = np.random.default_rng(seed).choice(len(room), n, replace=False)
    return [room[i] for i in picked]


def dream(
    model: WorldModel, scenes: Sequence[Scene], actions: NDArray[np.float32], seed: int
) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
    """Dream from every scene, as many players at once as the model was opened with.

    Args:
        scenes: n places to start from.
        actions: (n, k, a); actions[i, j] leads to frame j of scene i.
        seed: scene i is dreamed with seed + i, whatever the number of players.

    Yields:
        Which scenes, and their frames (m, k, h, w, 3).
    """
    for first in range(0, len(scenes), model.players):
        rows = slice(first, min(first + model.players, len(scenes)))
        batch = [min(first + i, len(scenes) - 1) for i in range(model.players)]  # the last batch repeats its last scene
        for player, i in enumerate(batch):
            model.reset(player, scenes[i], seed + i)
        frames = [model.step(np.ascontiguousarray(actions[batch, k])) for k in range(actions.shape[1])]
        yield rows, np.stack(frames, 1)[: rows.stop - rows.start]


def watch(
    model: WorldModel,
    scenes: Sequence[Scene],
    actions: NDArray[np.float32],
    seed: int,
    look: Callable[[int, slice, NDArray[np.uint8]], None],
    progress: Callable[[float], None] = lambda share: None,
) -> None:
    """Dream as :func:`dream` does, and keep nothing: long dreams do not fit into memory.

    Args:
        look: called after every tick with the number of ticks dreamed (from 1 on), which scenes are being dreamed, and
            their frames (m, h, w, 3).
        progress: called with the share that is done.
    """
    n, ticks = actions.shape[:2]
    for first in range(0, n, model.players):
        rows = slice(first, min(first + model.players, n))
        batch = [min(first + i, n - 1) for i in range(model.players)]
        for player, i in enumerate(batch):
            model.reset(player, scenes[i], seed + i)
        for tick in range(ticks):
            frames = model.step(np.ascontiguousarray(actions[batch, tick]))
            look(tick + 1, rows, frames[: rows.stop - rows.start])
            if tick % 16 == 15:
                progress((first * ticks + (rows.stop - first) * (tick + 1)) / (n * ticks))


def part_of(progress: Callable[[float], None], begun: float, share: float) -> Callable[[float], None]:
    """Return what reports the progress of a part, which begins at ``begun`` and is ``share`` of the whole."""
    return lambda done: progress(begun + share * done)


def context_of(model: WorldModel, history: int = 0) -> int:
    """Return how many true frames a start brings: ``history``, or what the card asks for when that is 0."""
    return max(history or model.card.context_frames, 1)


def spacing_ms(model: WorldModel) -> float:
    """Return the world time between two frames."""
    return 1000.0 / model.card.rate_hz


def mean_and_ci(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean and half the width of its 95 % confidence interval (normal)."""
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return float(values.mean()), 1.96 * spread / len(values) ** 0.5
