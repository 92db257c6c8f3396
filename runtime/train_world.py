"""Training of a world's weights: simulators or recordings in, a checkpoint with its card out.

Starts the simulators, shows the progress and writes the card; how a net learns is model/train.py's business.
"""

import multiprocessing as mp
import os
import platform
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from queue import Full
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from dreamloop.input.errors import ConfigError
from dreamloop.model.checkpoint import save_checkpoint
from dreamloop.model.dataset import DataError, Episode
from dreamloop.model.device import choose_device
from dreamloop.model.recording import Recording
from dreamloop.model.train import Report, train
from dreamloop.model.train_config import TrainConfig, load_train_config
from dreamloop.model.train_store import load_weights, read_progress
from dreamloop.model.world_model import Card
from dreamloop.runtime.collect import episodes
from dreamloop.runtime.world import World, find_world

TEST_SEED = 1_000_000_000  # maps from this seed on are for testing and never trained on


def train_world(
    name: str,
    *,
    minutes: float | None = None,
    resume: bool = False,
    data: Iterable[Path] = (),
    config_path: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
    workers: int = 0,
    overrides: dict[str, Any] | None = None,
) -> Path:
    """Train the weights of a world and return the checkpoint, ready to be played.

    Args:
        data: recordings to learn from, beside what the simulator gives (alone, when the world has no simulator).
        out: folder of the run (default ``runs/<world>``); the checkpoint is ``<out>/<world>.safetensors``.
        workers: simulators that run at the same time; 0: one per core.

    Raises:
        DataError: neither a simulator nor recordings.
        ConfigError: a mistake in the configuration, or a run in ``out`` that ``resume`` does not allow to touch.
    """
    world = find_world(name)
    config = load_train_config(config_path or _default(world), minutes=minutes, **(overrides or {}))
    config = replace(config, net=replace(config.net, **_shape(world)))
    folder = out or Path("runs") / world.name
    if not resume and (folder / "run.safetensors").exists():
        raise ConfigError(f"{folder} holds a run already; go on with --resume, or choose another folder with --out")
    with _processes(), _live(world, list(data), workers) as (seen, held_out), _progress() as report:
        train(config, seen, held_out, folder, device=str(choose_device(device)), resume=resume, report=report)
    return export(world, config, folder)


def export(world: World, config: TrainConfig, folder: Path) -> Path:
    """Write the averaged weights of a run with their card and return the path."""
    progress = read_progress(folder)
    provenance = {
        "trained_on": f"{world.simulator or 'recordings'}, {config.pool_frames} frames at {world.rate_hz} Hz",
        "steps": progress["step"],
        "frames_drawn": progress["frames"],
        "minutes": round(progress["elapsed_s"] / 60, 1),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, {_gpu()}",
        "date": time.strftime("%Y-%m-%d"),
        "command": f"dreamloop train {world.name} --minutes {config.minutes:g}",
        "config": {name: value for name, value in asdict(config).items() if name != "net"},
    }
    card = Card(
        name=config.name,
        arch="dream",
        width_px=config.net.width_px,
        height_px=config.net.height_px,
        rate_hz=world.rate_hz,
        schema=world.schema.to_dict(),
        context_frames=config.net.context,
        provenance=provenance,
        config=asdict(config.net),
    )
    path = folder / f"{world.name}.safetensors"
    save_checkpoint(path, load_weights(folder), card)
    return path


def _default(world: World) -> Path | None:
    path = world.folder / "train.toml"
    return path if path.exists() else None


def _shape(world: World) -> dict[str, int]:
    return {"height_px": world.height_px, "width_px": world.width_px, "actions": world.schema.size}


def _gpu() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"


@contextmanager
def _processes() -> Iterator[None]:
    """Join the other processes of a torchrun, when there are any."""
    if "WORLD_SIZE" not in os.environ:
        yield
        return
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    try:
        yield
    finally:
        dist.destroy_process_group()


@contextmanager
def _live(world: World, data: list[Path], workers: int) -> Iterator[tuple[Iterator[Episode], Iterator[Episode]]]:
    """Open the streams of episodes to learn from and of held-out ones; close the simulators in the end."""
    recorded = (_read(path) for path in data)
    if world.simulator is None:
        if not data:
            raise DataError(f"the world '{world.name}' has no simulator to learn from; give recordings with --data")
        held_out = _read(data[-1])
        yield recorded, iter([held_out])
        return
    rank = int(os.environ.get("RANK", 0))
    count = workers or max(1, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
    context, stop = mp.get_context("spawn"), mp.get_context("spawn").Event()
    queue: Any = context.Queue(2 * count)
    seeds = np.random.default_rng(rank).integers(0, TEST_SEED // 2, count).tolist()
    crew = [
        context.Process(target=_simulate, args=(str(world.folder), seed, queue, stop), daemon=True) for seed in seeds
    ]
    for process in crew:
        process.start()
    try:
        yield _chain(recorded, queue), _held_out(world)
    finally:
        stop.set()
        for process in crew:
            process.terminate()
            process.join()


def _chain(recorded: Iterator[Episode], queue: Any) -> Iterator[Episode]:
    yield from recorded
    while True:
        episode: Episode = queue.get()
        yield episode


def _simulate(folder: str, seed: int, queue: Any, stop: Any) -> None:
    """Play the simulator in a process of its own until told to stop."""
    for frames, actions, _ in episodes(find_world(folder), seed=seed, maps="train"):
        while not stop.is_set():
            try:
                queue.put((frames, actions), timeout=0.5)
                break
            except Full:
                continue
        if stop.is_set():
            return


def _held_out(world: World) -> Iterator[Episode]:
    for frames, actions, _ in episodes(world, seed=TEST_SEED, maps="test"):
        yield frames, actions


def _read(path: Path) -> Episode:
    recording = Recording.open(path)
    return recording.frames(0, len(recording)), recording.actions


@contextmanager
def _progress() -> Iterator[Report]:
    """A progress bar over the time box, with the losses beside it."""
    columns = (TextColumn("training"), BarColumn(), TimeRemainingColumn(), TextColumn("{task.fields[figures]}"))
    with Progress(*columns) as bar:
        task = bar.add_task("train", total=1.0, figures="collecting play ...")

        def report(figures: dict[str, float]) -> None:
            text = "  ".join(f"{name} {value:.4g}" for name, value in figures.items() if name != "share")
            bar.update(task, completed=figures["share"], figures=text)

        yield report
