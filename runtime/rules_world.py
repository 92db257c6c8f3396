"""Counting the rules of a world's interface (model/mosaic_rules.py): play from the simulator in, a checkpoint out."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import torch

from dreamloop.model.checkpoint import load_for, save_checkpoint
from dreamloop.model.dataset import Episode
from dreamloop.model.mosaic_config import mosaic_config
from dreamloop.model.mosaic_contexts import ALONE, BESIDE, KINDS
from dreamloop.model.mosaic_counts import Counts, count
from dreamloop.model.mosaic_known import Known
from dreamloop.model.mosaic_moments import Eyes
from dreamloop.model.mosaic_net import MosaicNet
from dreamloop.model.taught import fill_rest, weights_of
from dreamloop.runtime.clock import SystemClock
from dreamloop.runtime.collect import SHORT_TICKS, Pool, episodes
from dreamloop.runtime.places import taught_file
from dreamloop.runtime.world import World, load_world

COUNTED = ("rules", "outcomes", "strokes")  # from nothing
TAUGHT = (*COUNTED, "places", "looks")  # and what goes on from what the checkpoint knows
FORMAT = 2  # another one where the code that follows sees the same play differently
TURNS = 5  # times that what was counted is written down


def train_rules(
    world: World,
    minutes: float,
    start: Path | None = None,
    out: Path | None = None,
    *,
    ticks: int = SHORT_TICKS,
    workers: int = 0,
    seed: int = 0,
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> dict[str, Any]:
    """Count what follows what in play, and write a checkpoint that knows the rules.

    Each process counts play of its own, and what they counted is added up. It is kept beside the checkpoint: run it
    again, and more comes to it.

    Args:
        world: with a simulator, and weights of the architecture "mosaic".
        minutes: of following play.
        start: the checkpoint; default the world's own. Its rules are left aside: they say too little of how often.
        out: file of the new one, or a folder for ``rules.safetensors``; default ``runs/<world>``.
        ticks: of an episode.
        workers: processes that play and follow; 0: one per core.

    Raises:
        CheckpointError: no checkpoint, or one of another architecture.
    """
    end = taught_file(world.name, "rules", out)
    path, tensors, card = load_for(world.name, start or world.weights, "mosaic")
    net = MosaicNet(mosaic_config(card.config))
    fill_rest(net, path, tensors, COUNTED)
    eyes = Eyes.of(net)
    folder = end.parent / "counts"
    folder.mkdir(parents=True, exist_ok=True)
    with Pool(workers) as pool:
        files = [folder / f"{_sign(eyes, ticks)}-s{seed}-{worker}.safetensors" for worker in range(pool.size)]
        for turn in range(TURNS):
            progress("counting", turn / TURNS)
            work = [
                pool.start(_count, world.folder, eyes, file, ticks, seed + 1000 * worker, 60 * minutes / TURNS)
                for worker, file in enumerate(files)
            ]
            for future in work:
                pool.result(future)
    progress("adding up", 1.0)
    counts = Counts.join([Counts.load(file) for file in sorted(folder.glob(f"{_sign(eyes, ticks)}-*.safetensors"))])
    known = Known(eyes.learnt, counts=True)
    counts.put_in(known)
    for name in TAUGHT:
        getattr(net, name).copy_(torch.from_numpy(getattr(known, name)))
    about = {
        "command": f"dreamloop train {world.name} --rules --minutes {minutes:g} --start {path.name}",
        "date": SystemClock().stamp().partition("_")[0],
        "episodes": int(counts.episodes[0]),
        "contexts": len(counts.rules),
        "started_from": card.weights_hash,
    }
    card = replace(card, provenance={**card.provenance, "rules": about})
    saved = save_checkpoint(end, weights_of(net, tensors, TAUGHT), card)
    return {**about, **known.counts, "weights_hash": saved.weights_hash, "path": str(end)}


def _count(folder: Path, eyes: Eyes, file: Path, ticks: int, seed: int, seconds: float) -> None:
    """Count for so many seconds, one episode at least, on top of what the file holds."""
    torch.set_num_threads(1)
    before = Counts.load(file) if file.exists() else None
    until = time.monotonic() + seconds
    world, first = load_world(folder), int(before.episodes[0]) if before else 0
    kinds = (False, True) if world.practice else (False,)  # as people play, and what they rarely do
    turns = [episodes(world, seed, ticks=ticks, first=first, practice=one) for one in kinds]
    played = (next(turn) for turn in cycle(turns))

    def in_time() -> Iterator[Episode]:
        yield next(played)
        while time.monotonic() < until:
            yield next(played)

    count(eyes, before, in_time()).save(file)


def _sign(eyes: Eyes, ticks: int) -> str:
    """Return a word for what eyes know and what is counted: to others the same play looks different."""
    return eyes.sign(FORMAT, KINDS, ALONE, BESIDE, eyes.config, ticks, without=TAUGHT)
