"""Learning how a world writes lines anew (model/mosaic_letters.py): play from the simulator in, a checkpoint out."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dreamloop.model.checkpoint import load_for, save_checkpoint
from dreamloop.model.dataset import DataError
from dreamloop.model.learn_letters import Example, learn
from dreamloop.model.letter_lessons import Reader
from dreamloop.model.mosaic_config import mosaic_config
from dreamloop.model.mosaic_letters import Letters
from dreamloop.model.mosaic_moments import Eyes
from dreamloop.model.mosaic_net import MosaicNet
from dreamloop.model.taught import fill_rest, weights_of
from dreamloop.runtime.clock import Clock, SystemClock
from dreamloop.runtime.collect import BARE, SHORT_TICKS, episodes
from dreamloop.runtime.places import taught_file
from dreamloop.runtime.world import World

TAUGHT = ("lines", "letters", "shapes")


def train_letters(
    world: World,
    minutes: float,
    start: Path | None = None,
    out: Path | None = None,
    *,
    held_out: int = 24,
    ticks: int = SHORT_TICKS,
    workers: int = 0,
    seed: int = 0,
    clock: Clock | None = None,
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> dict[str, Any]:
    """Learn how lines are written anew from play, write a checkpoint that knows it, and return how right that is.

    Args:
        world: with a simulator whose ``make_env`` takes ``bare``, and weights of the architecture "mosaic".
        minutes: of looking at play.
        start: the checkpoint; default the world's own. What it knows of letters is left aside.
        out: file of the new one, or a folder for ``letters.safetensors``; default ``runs/<world>``.
        held_out: episodes of unseen play that the figures are of.
        ticks: of an episode.
        workers: processes that play and look; 0: one per core.
        seed: of the play.

    Raises:
        CheckpointError: no checkpoint, or one of another architecture.
        DataError: play in which nothing is ever written anew.
    """
    clock = clock or SystemClock()
    end = taught_file(world.name, "letters", out)
    path, tensors, card = load_for(world.name, start or world.weights, "mosaic")
    net = MosaicNet(mosaic_config(card.config))
    fill_rest(net, path, tensors, TAUGHT)
    options: dict[str, Any] = {
        **{"ticks": ticks, "workers": workers, "env_options": BARE, "then": Reader(Eyes.of(net))},
        "practice": world.practice is not None,
    }
    examples, played, begun_s = list[Example](), 0, clock.now_s()
    for found in episodes(world, seed, **options):
        examples += [one._replace(when=(ticks + 1) * played + one.when) for one in found]
        played += 1
        share = (clock.now_s() - begun_s) / max(60 * minutes, 1e-9)
        progress("looking at play", min(share, 1.0))
        if share >= 1.0:
            break
    if not examples:
        raise DataError(f"nothing is ever written anew in the play of '{world.name}' that was looked at")
    progress("aligning", 1.0)
    tables = learn(examples, net.config.colours)
    unseen = [one for found in episodes(world, seed, maps="test", limit=held_out, **options) for one in found]
    figures = letter_figures(Letters(tables["lines"], tables["letters"], tables["shapes"], net.config.colours), unseen)
    for name, table in tables.items():
        getattr(net, name).copy_(torch.from_numpy(table))
    about = {
        "command": f"dreamloop train {world.name} --letters --minutes {minutes:g} --start {path.name}",
        "date": clock.stamp().partition("_")[0],
        "episodes": played,
        "layers": len(examples),
        "held_out": figures,
        "started_from": card.weights_hash,
    }
    card = replace(card, provenance={**card.provenance, "letters": about})
    saved = save_checkpoint(end, weights_of(net, tensors, TAUGHT), card)
    return {**about, "weights_hash": saved.weights_hash, "path": str(end)}


def letter_figures(letters: Letters, examples: Iterable[Example]) -> dict[str, float]:
    """Return shares: of the cells that changed, how many are told right; of all, how many are told wrong."""
    changed = right = wrong = cells = 0
    for one in examples:
        told = letters.anew(one.before)
        seen = one.seen & (one.after[..., 0] != letters.none)
        known, good = told[..., 0] != letters.none, (told == one.after).all(-1)
        turns = seen & (one.before != one.after).any(-1)
        changed, right = changed + int(turns.sum()), right + int((turns & known & good).sum())
        wrong, cells = wrong + int((seen & known & ~good).sum()), cells + int(seen.sum())
    return {"changed": changed, "right": right / max(changed, 1), "wrong": wrong / max(cells, 1)}
