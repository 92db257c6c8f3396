"""Teaching a world's net how its player goes (model/train_walk.py): play from the simulator in, a checkpoint out."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from dreamloop.model.checkpoint import load_for, save_checkpoint
from dreamloop.model.device import choose_device, choose_dtype
from dreamloop.model.dream_net import DreamNet
from dreamloop.model.eval_play import Play
from dreamloop.model.taught import fill_rest, weights_of
from dreamloop.model.train_config import net_config, read_tables
from dreamloop.model.train_walk import TAUGHT, push, step_figures, teach, watch
from dreamloop.runtime.clock import Clock, SystemClock
from dreamloop.runtime.places import taught_file
from dreamloop.runtime.true_play import drills, lessons, true_plays
from dreamloop.runtime.world import World

PLAYING, LOOKING = 1 / 6, 2 / 3  # shares of the time after which no more is played, and looked at


def train_walk(
    world: World,
    minutes: float,
    start: Path | None = None,
    out: Path | None = None,
    *,
    episodes: int = 64,
    ticks: int = 400,
    held_out: int = 8,
    device: str = "auto",
    seed: int = 0,
    config_path: Path | None = None,
    clock: Clock | None = None,
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> dict[str, Any]:
    """Teach the net of a checkpoint how its player goes, write it, and return how good it is on unseen maps.

    What the controls push is fitted first, and then what stops a player is taught.

    Half of the episodes are the scripted player's, half are drills in which random controls are held, from rest and
    into walls.

    Args:
        world: with a simulator that tells poses.
        minutes: of playing, looking and teaching; the check on unseen maps comes on top.
        start: the checkpoint; default the world's own.
        out: file of the new one, or a folder for ``walk.safetensors``; default ``runs/<world>``.
        episodes: at most so many are looked at, of ``ticks`` ticks each.
        held_out: episodes on unseen maps that the figures are of.
        config_path: a TOML file whose ``[net]`` is put over that of the checkpoint's card.

    Raises:
        CheckpointError: no checkpoint, or one of another architecture.
        DataError: a net that foresees no steps, or play without poses.
    """
    clock, place = clock or SystemClock(), choose_device(device)
    end = taught_file(world.name, "walk", out)
    path, tensors, card = load_for(world.name, start or world.weights, "dream")
    config = net_config({**card.config, **read_tables(config_path).get("net", {})})
    net = DreamNet(config)
    fill_rest(net, path, tensors, TAUGHT)
    net = net.to(place)
    begun_s = clock.now_s()

    def goes_on(share: float) -> bool:
        return clock.now_s() - begun_s <= 60 * minutes * share

    played = lessons(world, episodes, ticks, seed, lambda: goes_on(PLAYING), lambda share: progress("playing", share))
    plays = list(played)
    push(net, plays)
    eyes = copy.deepcopy(net).compute_in(choose_dtype("auto", place)).freeze()
    looked_at = _looked_at(plays, lambda: goes_on(LOOKING), lambda share: progress("looking at play", share))
    seen = watch(eyes, looked_at, seed)
    left = max(minutes - (clock.now_s() - begun_s) / 60, minutes / 4)
    shown = teach(
        net,
        seen,
        minutes=left,
        now_s=clock.now_s,
        seed=seed,
        report=lambda figures: progress("teaching", figures["share"]),
    )
    half = max(held_out // 2, 1)
    unseen = [*true_plays(world, half, ticks, seed), *drills(world, half, ticks, seed, maps="test")]
    figures = step_figures(net, watch(eyes, unseen, seed))
    about = {
        "walk": {
            "command": f"dreamloop train {world.name} --walk --minutes {minutes:g} --start {path.name}"
            + (f" --config {config_path}" if config_path else ""),
            "date": clock.stamp().partition("_")[0],
            "ticks": len(seen.true),
            "shown": shown,
            "held_out": figures,
            "started_from": card.weights_hash,
        }
    }
    card = replace(card, provenance={**card.provenance, **about}, config=asdict(config))
    card = save_checkpoint(end, weights_of(net, tensors, TAUGHT), card)
    return figures | {"weights_hash": card.weights_hash, "path": str(end)}


def _looked_at(plays: list[Play], goes_on: Callable[[], bool], told: Callable[[float], None]) -> Iterator[Play]:
    """Hand over plays, and keep none of them: at least two, others as long as it ``goes_on``."""
    count = len(plays)
    while plays and (count - len(plays) < 2 or goes_on()):
        yield plays.pop(0)
        told(1 - len(plays) / count)
    plays.clear()
