"""Teaching a world's net what cells show next (model/train_teller.py): play from the simulator in, a checkpoint out.

Play goes on while the net learns, in as many processes as there are cores; the simulator shows it without its pointer.
"""

import copy
import os
import shutil
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from dreamloop.model.checkpoint import load_for, save_checkpoint
from dreamloop.model.dataset import DataError
from dreamloop.model.device import choose_device, choose_dtype
from dreamloop.model.mosaic_config import mosaic_config
from dreamloop.model.mosaic_net import MosaicNet
from dreamloop.model.mosaic_teller import Teller
from dreamloop.model.taught import fill_rest, weights_of
from dreamloop.model.teller_lessons import Shelf, Watcher
from dreamloop.model.train_teller import TellerTraining, teach_teller, teller_figures
from dreamloop.model.world_model import Card
from dreamloop.runtime.clock import Clock, SystemClock
from dreamloop.runtime.collect import BARE, SHORT_TICKS, episodes
from dreamloop.runtime.measured_on import hardware
from dreamloop.runtime.places import taught_file
from dreamloop.runtime.world import World

TAUGHT = ("teller",)
BLOCKS = 6  # of attention
FIRST = 2000  # tellings, or a full shelf, with which teaching begins
ROOM = 4e9  # bytes that play which waits to be looked at may take
LIKED = {"cuda": (384, 250_000)}  # tellings to a step and on the shelf; others: see train_teller


def train_teller(
    world: World,
    minutes: float,
    start: Path | None = None,
    out: Path | None = None,
    *,
    batch: int = 0,
    shelf: int = 0,
    held_out: int = 24,
    ticks: int = SHORT_TICKS,
    device: str = "auto",
    workers: int = 0,
    seed: int = 0,
    clock: Clock | None = None,
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> dict[str, Any]:
    """Teach the teller of a checkpoint, write it, and return how good it is on unseen places.

    Args:
        world: with a simulator whose ``make_env`` takes ``bare``, and weights of the architecture "mosaic".
        minutes: of teaching; the first play and the check come on top.
        start: the checkpoint; default the world's own. Its teller goes on learning, if it has one.
        out: file of the new one, or a folder for ``teller.safetensors``; default ``runs/<world>``.
        batch: tellings to a step; 0: 64, or 384 on a GPU.
        shelf: tellings that are kept to be drawn from; 0: 20,000, or 250,000 on a GPU (a hundred thousand bytes each,
            for a picture of the desk's size).
        held_out: episodes of unseen play that the figures are of.
        ticks: of an episode.
        workers: processes that play; 0: one per core.
        seed: of the play, and of what is drawn from it.

    Raises:
        CheckpointError: no checkpoint, or one of another architecture.
        DataError: play in which nothing is ever begun.
    """
    clock = clock or SystemClock()
    end = taught_file(world.name, "teller", out)
    path, tensors, card = load_for(world.name, start or world.weights, "mosaic")
    on, net = choose_device(device), _opened(path, tensors, card)
    config, usual = net.config, LIKED.get(on.type, (64, 20_000))
    teller: Teller = copy.deepcopy(net.teller).to(on)
    teller.dtype = choose_dtype("auto", on)
    training, saved = TellerTraining(batch=batch or usual[0]), list[str]()

    def save(average: Teller, **more: Any) -> None:
        net.teller.load_state_dict(average.state_dict())
        about = {
            "command": f"dreamloop train {world.name} --teller --minutes {minutes:g} --start {path.name}",
            "hardware": hardware(str(on)),
            "date": clock.stamp().partition("_")[0],
            "tellings": seen.added,
            "training": asdict(training),
            "started_from": card.weights_hash,
            **more,
        }
        shape = {"tell": list(config.tell), "tell_blocks": config.tell_blocks}
        told = replace(card, config={**card.config, **shape}, provenance={**card.provenance, "teller": about})
        saved.append(save_checkpoint(end, weights_of(net, tensors, TAUGHT), told).weights_hash)

    with TemporaryDirectory(dir=_quick_folder(), prefix="dreamloop-") as folder:
        play = Play(world, Watcher(config, net.palette.numpy(), Path(folder)), ticks, workers, seed)
        progress("playing", 0.0)
        unseen, seen = play.unseen(held_out, on), Shelf(shelf or usual[1], config, on)
        with play.going_on(seen) as check:

            def report(figures: dict[str, float]) -> None:
                check()
                progress(_words(figures), figures["share"])

            average, steps = teach_teller(
                teller,
                seen,
                unseen,
                minutes=minutes,
                now_s=clock.now_s,
                config=training,
                keep=save,
                report=report,
                seed=seed,
            )
        figures = teller_figures(average, unseen)
        save(average, steps=steps, held_out=figures)
    return {**figures, "steps": steps, "tellings": seen.added, "weights_hash": saved[-1], "path": str(end)}


def _opened(path: Path, tensors: Mapping[str, Tensor], card: Card) -> MosaicNet:
    """Return the net of a checkpoint; one without a teller gets one that knows nothing."""
    config = mosaic_config(card.config)
    net = MosaicNet(replace(config, tell_blocks=config.tell_blocks or BLOCKS))
    fill_rest(net, path, tensors, TAUGHT)
    if config.tell_blocks:
        net.load_state_dict(tensors)
    return net


@dataclass(frozen=True)
class Play:
    """Play of a world without its pointer, as eyes see it."""

    world: World
    eyes: Watcher
    ticks: int  # of an episode
    workers: int  # processes; 0: one per core
    seed: int

    def unseen(self, held_out: int, device: torch.device) -> Shelf:
        """Return what so many episodes of unseen places tell.

        Raises:
            DataError: nothing.
        """
        shelf = Shelf(self.ticks * held_out, self.eyes.config, device)
        for file in self._episodes(maps="test", limit=held_out, workers=self.workers):
            if file is not None:
                shelf.add(file)
        if not shelf.filled:
            raise DataError(f"nothing is ever begun in the play of '{self.world.name}' that was looked at")
        return shelf

    @contextmanager
    def going_on(self, shelf: Shelf) -> Iterator[Callable[[], None]]:
        """Play beside what is done here, and put what it tells on the shelf; begin once there is some.

        Yields:
            what raises the error that play ended with, if it did.
        """
        kinds = (False, True) if self.world.practice else (False,)  # as people play, and what they rarely do
        each = max((self.workers or os.cpu_count() or 1) // len(kinds), 1)
        turns = [self._episodes(practice=one, workers=each) for one in kinds]
        stop, begun, failed = threading.Event(), threading.Event(), list[Exception]()

        def feed() -> None:
            try:
                for turn in cycle(turns):
                    if stop.is_set():
                        return
                    file = next(turn)
                    if file is not None:
                        shelf.add(file)
                    if shelf.added >= min(shelf.size, FIRST):
                        begun.set()
            except Exception as error:  # noqa: BLE001 it is raised by check
                failed.append(error)
                begun.set()
            finally:
                for turn in turns:
                    turn.close()

        def check() -> None:
            if failed:
                raise failed[0]

        thread = threading.Thread(target=feed, name="play", daemon=True)
        thread.start()
        try:
            begun.wait()
            check()
            yield check
        finally:
            stop.set()
            thread.join()

    def _episodes(self, **options: Any) -> Generator[Path | None, None, None]:
        return episodes(self.world, self.seed, ticks=self.ticks, env_options=BARE, then=self.eyes, **options)


def _quick_folder() -> str | None:
    """Return a folder that lies in memory, where there is one with room."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > ROOM else None


def _words(figures: dict[str, float]) -> str:
    parts = [f"{name} {figures[name]:.3f}" for name in figures if name not in ("share", "step", "seen")]
    return f"teaching, step {figures['step']:.0f}, {figures['seen']:.0f} tellings: " + ", ".join(parts)
