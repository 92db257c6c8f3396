"""The suite "interface": plays the simulator beside the dream of a world that has a judge; both are measured.

A judge is named by ``judge`` in world.toml. How a dream is judged is model/eval_interface.py's business.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.album import Album
from dreamloop.model.eval_interface import (
    Person,
    Told,
    measure_at_once,
    measure_play,
    measure_recall,
    measure_stillness,
    measure_used,
    scene_of,
)
from dreamloop.model.world_model import WorldModel
from dreamloop.runtime.world import World

Progress = Callable[[float], None]


def told_play(world: World, ticks: int, seed: int) -> list[Told]:
    """Return ``ticks`` ticks of the scripted player in the simulator of unseen places."""
    env, player = world.make_env(maps="test", seed=seed), world.make_explorer(seed)
    frame, info = env.reset(seed=seed)
    player.reset(seed)
    told = [_told(frame, world.schema.neutral, info)]
    for _ in range(ticks - 1):
        action = np.asarray(player.act(frame, info), np.float32)
        frame, _, _, _, info = env.step(action)
        told.append(_told(frame, action, info))
    env.close()
    return told


def given_play(world: World, start: Any, actions: Iterable[NDArray[np.float32]]) -> Iterator[Told]:
    """Yield what the simulator shows of given actions (a,) from a given state of it; the first is of the state."""
    env = world.make_env(maps="test", seed=0)
    frame, info = env.reset(seed=0, options={"state": copy.deepcopy(start)})
    for tick, action in enumerate(actions):
        if tick:
            frame, _, _, _, info = env.step(action)
        yield _told(frame, action, info)
    env.close()


def _told(frame: NDArray[np.uint8], action: NDArray[np.float32], info: dict[str, Any]) -> Told:
    kept = copy.deepcopy({name: info[name] for name in info if name != "changed"})
    return Told(frame, action, tuple(info["kinds"]), info["changed"].copy(), kept)


def run_interface(
    world: World,
    opened: Callable[[int], WorldModel],
    *,
    plays: int,
    ticks: int,
    recalls: int,
    away_s: tuple[float, ...],
    uses: int,
    used_s: tuple[float, ...],
    still_s: tuple[float, ...],
    players: int,
    seed: int,
    album: Album,
    progress: Progress,
) -> dict[str, Any]:
    """Measure everything.

    Args:
        opened: opens the model for a number of players.
        plays: of the scripted player, each dreamed for ``ticks`` ticks after its history.
        recalls: places in which things are hidden and shown again, for every time away.
        away_s: seconds for which they are hidden.
        uses: places in which what is written is hidden while all the rest is used, for every time of use.
        used_s: seconds of it.
        still_s: seconds of world time after which untouched pixels are compared.
    """
    judge = world.make_judge()
    history = world.card().context_frames
    found = [told_play(world, history + ticks, seed + 1000 + n) for n in range(plays)]
    model = opened(min(players, plays))
    figures = measure_play(model, found, judge, history=history, seed=seed, album=album, progress=progress)
    one = opened(1)
    figures["at_once"] = measure_at_once(one, found, judge, history=history, seed=seed, progress=progress)
    figures["recall"] = {}
    for seconds in away_s:
        hidden = (
            (list(given_play(world, start, actions)), region)
            for n in range(recalls)
            for _, start, actions, region in judge.recall_plays(seed + n, seconds)
        )
        figures["recall"][f"{seconds:g}"] = measure_recall(one, hidden, judge.shown_ticks)
    figures["letters_after_use"] = {}
    for seconds in used_s:
        used = [play for n in range(uses) for play in used_plays(world, seed + n, seconds)]
        done = partial(_share, progress, len(used) * seconds * world.rate_hz)
        figures["letters_after_use"][f"{seconds:g}"] = measure_used(one, used, judge, progress=done)
    figures["untouched_exact_after_s"] = _stillness(world, one, found[0], history, still_s)
    return figures


def used_plays(world: World, seed: int, used_s: float) -> list[tuple[list[Told], Person]]:
    """Return how plays begin of which the judge says who goes on: all but what is written is used for so long."""
    plays = world.make_judge().used_plays(seed, used_s)
    return [(list(given_play(world, start, shown)), person) for _, start, shown, person in plays]


def _share(progress: Progress, of: float, done: float) -> None:
    progress(min(done / of, 1.0))


def _stillness(
    world: World, model: WorldModel, play: list[Told], history: int, still_s: tuple[float, ...]
) -> dict[str, float]:
    """Let the last true action be repeated, without button or key, and see what of the picture stays."""
    start = play[:history]
    quiet = world.schema.neutral.copy()
    names = list(world.schema.columns)
    for control in (one for one in world.schema.controls if one.kind == "pointer"):
        for axis in "xy":
            at = names.index(f"{control.name}.{axis}")
            quiet[at] = start[-1].action[at]
    ticks = sorted({round(s * world.rate_hz) for s in still_s})
    env = world.make_env(maps="test", seed=0)
    before, _ = env.reset(seed=0, options={"state": copy.deepcopy(start[-1].info["state"])})
    touched = np.zeros(before.shape[:2], np.bool_)
    for _ in range(max(ticks)):
        *_, info = env.step(quiet)
        touched |= info["changed"]
    touched |= _near(touched)
    endless: Iterator[NDArray[np.float32]] = cycle([quiet])
    figures = measure_stillness(model, scene_of(start), endless, touched, ticks)
    return {f"{tick / world.rate_hz:g}": share for tick, share in zip(ticks, figures.values(), strict=True)}


def _near(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Widen a mask to whole cells of 8 pixels: digits that did not show within the minute lie there."""
    h, w = mask.shape
    cells = mask.reshape(h // 8, 8, w // 8, 8).any((1, 3))
    return np.repeat(np.repeat(cells, 8, 0), 8, 1)
