"""True play from a world's simulator, for measuring models and for teaching the inverse-dynamics net.

Drives simulators through runtime/collect.py; everything stays in memory. Measurements use the maps "test", which no
model is trained on; teaching uses "train". Knows nothing about models.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamloop.input.schema import ActionSchema
from dreamloop.model.eval_control import HOLD_TICKS, Pair, Place, Press
from dreamloop.model.eval_drift import Wander
from dreamloop.model.eval_play import EvaluationError, Play
from dreamloop.model.look import EVERY, Look, look_of
from dreamloop.model.world_model import Action, Frame
from dreamloop.runtime.collect import Job, Pool, episodes, simulate, simulator_of
from dreamloop.runtime.world import World

SETTLE_TICKS = 35  # a second of doing nothing, so that no place is entered in full run
WALK_TICKS = (30, 150)  # how far the scripted player goes before it settles
NOWHERE = (np.nan,) * 4

Progress = Callable[[float], None]


def true_plays(world: World, count: int, ticks: int, seed: int, maps: str = "test", workers: int = 1) -> Iterator[Play]:
    """Play ``count`` episodes of ``ticks`` ticks with the scripted player, each on a map of its own."""
    played = episodes(world, seed, maps=maps, ticks=ticks, limit=count, workers=workers)
    for i, (frames, actions, poses, *_) in enumerate(played):
        yield Play(f"{maps} map {i + 1}", frames, actions, poses)


def wander(
    world: World,
    ticks: int,
    episode_ticks: int,
    stretch_ticks: int,
    seed: int,
    progress: Progress = lambda share: None,
    workers: int = 1,
) -> Wander:
    """Let the scripted player wander for ``ticks`` ticks; keep what it did, and how stretches of it looked.

    Args:
        world: with a simulator.
        ticks: in all.
        episode_ticks: spent on one map before the next.
        stretch_ticks: of a stretch whose looks are taken; at most an episode.
        seed: of the episodes.
        progress: called with the share that is done.
        workers: simulators at the same time; 0: one per core.
    """
    actions: list[NDArray[np.float32]] = []
    looks: list[Look] = []
    done = 0
    for frames, did, *_ in episodes(world, seed, maps="test", ticks=episode_ticks + 1, workers=workers):
        actions.append(did[1:])
        done += len(did) - 1
        for first in range(0, len(frames) - stretch_ticks, stretch_ticks):
            looks.append(look_of(frames[first : first + stretch_ticks + 1], min(EVERY, stretch_ticks)))
        progress(min(done / ticks, 1.0))
        if done >= ticks and len(looks) > 1:
            break
    return Wander(np.concatenate(actions)[: max(ticks, 1)], looks, stretch_ticks)


def find_places(
    world: World,
    pairs: Sequence[Pair],
    count: int,
    seed: int,
    context: int,
    progress: Progress = lambda share: None,
    workers: int = 1,
) -> list[Place]:
    """Find ``count`` places on unseen maps and hold every control of ``pairs`` there, each from the same moment.

    The simulator is taken back to the moment by playing the same episode again; where that does not give the same
    picture, or the player died, the place is passed over. ``workers`` as in :func:`wander`; it changes no place.

    Raises:
        EvaluationError: too many places had to be passed over.
    """
    presses = [press for pair in pairs for press in pair.presses]
    places: list[Place] = []
    waiting: deque[Future[Place | None]] = deque()
    numbers = iter(range(4 * count))
    with Pool(workers) as pool:
        while len(places) < count:
            for number in islice(numbers, pool.size + 1 - len(waiting)):
                waiting.append(pool.start(_probe, world.folder, presses, context, _seed(seed, number)))
            if not waiting:
                break
            place = pool.result(waiting.popleft())
            if place is not None:
                places.append(place)
                progress(len(places) / count)
    if len(places) == count:
        return places
    raise EvaluationError(
        f"only {len(places)} of {count} places were found in '{world.name}': its simulator does not give the same "
        "frames for the same seed and actions"
    )


def _size(world: World) -> dict[str, int]:
    return {"width_px": world.width_px, "height_px": world.height_px}


def _seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number, 77]).generate_state(1)[0]) >> 1


def _probe(folder: Path, presses: Sequence[Press], context: int, seed: int) -> Place | None:
    """Try one place, in whichever process this is; the simulator stays for the next one."""
    world, env, explorer = simulator_of(Job(folder, "test", seed, 0))
    return _Prober(world, env, presses, context).place(explorer, seed)


@dataclass(frozen=True, slots=True)
class _Prober:
    """Walks to a place, and from there tries every press."""

    world: World
    env: Any
    presses: Sequence[Press]
    context: int

    def place(self, explorer: Any, seed: int) -> Place | None:
        """Return a place, None when the way there cannot be gone again."""
        neutral = self.world.schema.neutral
        longer = max(self.context - SETTLE_TICKS - WALK_TICKS[0], 0)  # the way must hold the history asked for
        ticks = longer + int(np.random.default_rng(seed).integers(*WALK_TICKS))
        job = Job(self.world.folder, "test", seed, ticks)
        steps = list(simulate(self.env, explorer, neutral, job))
        way = [step.action for step in steps[1:]] + [neutral] * SETTLE_TICKS
        frames, poses = _go(self.env, seed, way)
        if len(frames) < len(way) + 1 or len(steps) < ticks:
            return None
        held = {}
        for press in self.presses:
            again, moved = _go(self.env, seed, [*way, *[press.action] * HOLD_TICKS])
            whole = len(again) == len(frames) + HOLD_TICKS
            if not whole or not np.array_equal(again[len(frames) - 1], frames[-1]):
                return None
            held[press.name] = (np.stack(again[len(frames) :]), np.array(moved[len(frames) - 1 :], np.float32))
        walked = Play(
            f"test map, seed {seed}", np.stack(frames), np.stack([neutral, *way]), np.array(poses, np.float32)
        )
        return Place(walked.scene(len(frames), self.context), held)


def _go(env: Any, seed: int, actions: Sequence[Action]) -> tuple[list[Frame], list[Any]]:
    """Play these actions from the reset on; return the frames and poses, fewer when the episode ended."""
    frame, info = env.reset(seed=seed)
    frames, poses = [frame], [info.get("pose", NOWHERE)]
    for action in actions:
        frame, _, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            break
        frames.append(frame)
        poses.append(info.get("pose", NOWHERE))
    return frames, poses


def drills(world: World, count: int, ticks: int, seed: int, maps: str = "train") -> Iterator[Play]:
    """Play ``count`` episodes in which one or two random controls are held: every control, all over its range.

    A scripted player hardly ever looks up while standing still; a ruler must know that, too.
    """
    env, driller = world.make_env(maps=maps, **_size(world)), Driller(world.schema)
    try:
        for number in range(count):
            job = Job(world.folder, maps, _seed(seed, number), ticks)
            steps = list(simulate(env, driller, world.schema.neutral, job))
            poses = np.array([step.info.get("pose", NOWHERE) for step in steps], np.float32)
            frames, actions = np.stack([step.frame for step in steps]), np.stack([step.action for step in steps])
            yield Play(f"drill {number + 1}", frames, actions, poses)
    finally:
        env.close()


def lessons(
    world: World,
    episodes: int,
    ticks: int,
    seed: int,
    goes_on: Callable[[], bool],
    progress: Progress = lambda share: None,
) -> Iterator[Play]:
    """Play on training maps, the scripted player and drills in turn, as long as it ``goes_on``.

    Args:
        world: with a simulator.
        episodes: at most so many, half of them drills.
        ticks: length of an episode.
        seed: of both kinds.
        goes_on: asked after every two episodes.
        progress: called with the share that is done.
    """
    half = episodes // 2
    sources = (true_plays(world, half, ticks, seed, maps="train"), drills(world, half, ticks, seed))
    for i, pair in enumerate(zip(*sources, strict=True)):
        yield from pair
        progress((i + 1) / half)
        if not goes_on():
            return


class Driller:
    """A player that holds up to two controls for 6 to 24 ticks, then others. Same shape as an explorer."""

    def __init__(self, schema: ActionSchema) -> None:
        self._schema = schema
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Start the random stream over."""
        self._rng = np.random.default_rng([seed, 0xD])
        self._left, self._action = 0, self._schema.neutral

    def act(self, observation: Frame, info: Mapping[str, Any]) -> Action:
        """Return the next action; neither picture nor info is read."""
        if self._left <= 0:
            self._left = int(self._rng.integers(6, 25))
            picked = self._rng.choice(len(self._schema.controls), int(self._rng.integers(0, 3)), replace=False)
            controls = [self._schema.controls[i] for i in picked]
            self._action = self._schema.vector(
                **{control.name: self._value(control.kind, control.low, control.high) for control in controls}
            )
        self._left -= 1
        return self._action

    def _value(self, kind: str, low: float, high: float) -> float:
        """Return a press; an axis is rather moved a little than to its end."""
        if kind != "axis":
            return high
        return float(self._rng.choice([low, high]) * self._rng.uniform(0.05, 0.7) ** 1.5)
