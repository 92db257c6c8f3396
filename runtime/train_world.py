"""Training of a world's weights: simulators or recordings in, a checkpoint with its card out.

Starts the simulators, shows the progress and writes the card; how a net learns is model/train.py's business.
"""

import os
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from dreamloop.input.errors import ConfigError
from dreamloop.model.checkpoint import CheckpointError, check_tensors, load_checkpoint, save_checkpoint
from dreamloop.model.dataset import DataError, Episode
from dreamloop.model.device import choose_device
from dreamloop.model.dream_net import DreamNet
from dreamloop.model.mosaic_config import MosaicTrainConfig, load_mosaic_config
from dreamloop.model.mosaic_net import MosaicNet
from dreamloop.model.train import Report, train
from dreamloop.model.train_config import TrainConfig, load_train_config, net_config
from dreamloop.model.train_mosaic import train_mosaic
from dreamloop.model.train_store import load_weights, read_progress
from dreamloop.model.world_model import Card
from dreamloop.runtime.collect import episodes, recorded_episodes
from dreamloop.runtime.recordings import find_recordings
from dreamloop.runtime.world import World, find_world


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
    start: Path | None = None,
    overrides: dict[str, Any] | None = None,
) -> Path:
    """Train the weights of a world and return the checkpoint, ready to be played.

    Args:
        data: recordings, or folders of them, to learn from, beside what the simulator gives (alone, when the world has
            no simulator). Collected or played, they must bring pictures and the world's action layout.
        out: folder of the run (default ``runs/<world>``); the checkpoint is ``<out>/<world>.safetensors``.
        workers: simulators that run at the same time; 0: one per core.
        start: a checkpoint of the same family to begin with; its history goes on in the new card.

    Raises:
        DataError: neither a simulator nor recordings.
        CheckpointError: ``start`` is damaged, or was made for something else.
        ConfigError: a mistake in the configuration, or a run in ``out`` that ``resume`` does not allow to touch.
    """
    world = find_world(name)
    folder = out or Path("runs") / world.name
    if not resume and (folder / "run.safetensors").exists():
        raise ConfigError(f"{folder} holds a run already; go on with --resume, or choose another folder with --out")
    path, given = config_path or _default(world), {"minutes": minutes, **(overrides or {})}
    if world.arch == "mosaic":
        sources = _sources(world, list(data), workers)
        return _train_mosaic(world, path, given, folder, sources, device, resume, start, config_path)
    config = load_train_config(path, **given)
    config = replace(config, net=replace(config.net, **_shape(world)))
    begun = _begun(start, world) if start is not None else None
    seen, held_out = _sources(world, list(data), workers, {"distances": True} if config.net.depth else {})
    with _processes(), _progress() as report:
        train(
            config,
            seen,
            held_out,
            folder,
            device=str(choose_device(device)),
            resume=resume,
            start=begun.weights if begun else None,
            report=report,
        )
    return export(world, config, folder, begun, config_path)


def _train_mosaic(
    world: World,
    path: Path | None,
    given: Mapping[str, Any],
    folder: Path,
    sources: tuple[Iterable[Episode], Iterable[Episode]],
    device: str,
    resume: bool,
    start: Path | None,
    asked: Path | None,
) -> Path:
    """Train a world of the architecture "mosaic" and return its checkpoint."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(f"the architecture '{world.arch}' is trained by one process, not under torchrun")
    size = {"height_px": world.height_px, "width_px": world.width_px}
    config = load_mosaic_config(path, world.schema, size, **given)
    begun = _begun(start, world, MosaicNet(config.net)) if start is not None else None
    weights = begun.weights if begun else None
    with _progress() as report:
        train_mosaic(
            config, *sources, folder, device=str(choose_device(device)), resume=resume, start=weights, report=report
        )
    return export(world, config, folder, begun, asked)


@dataclass(frozen=True)
class Begun:
    """The checkpoint that a run begins with."""

    path: Path
    weights: dict[str, Tensor]
    card: Card


def _begun(path: Path, world: World, net: nn.Module | None = None) -> Begun:
    """Read a checkpoint to begin with; it must fit ``net``, or else the net of its own card."""
    tensors, card = load_checkpoint(path)
    if card.arch != ("dream" if net is None else "mosaic") or card.schema != world.schema.to_dict():
        raise CheckpointError(f"{path} was made for {card.arch} '{card.name}' with other controls than '{world.name}'")
    check_tensors(path, tensors, (net or DreamNet(net_config(card.config))).state_dict())
    floats = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    return Begun(path, floats, card)


def export(
    world: World,
    config: TrainConfig | MosaicTrainConfig,
    folder: Path,
    begun: Begun | None = None,
    asked: Path | None = None,
) -> Path:
    """Write the averaged weights of a run with their card, which names the configuration ``asked`` for, if any."""
    progress = read_progress(folder)
    provenance = {
        "trained_on": f"{world.simulator or 'recordings'}, {_amount(config)} at {world.rate_hz} Hz",
        "steps": progress["step"],
        "frames_drawn": progress["frames"],
        "minutes": round(progress["elapsed_s"] / 60, 1),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, {_gpu()}",
        "date": time.strftime("%Y-%m-%d"),
        "command": f"dreamloop train {world.name} --minutes {config.minutes:g}"
        + (f" --config {asked}" if asked else ""),
        "config": {name: value for name, value in asdict(config).items() if name != "net"},
    }
    if begun is not None:
        provenance["command"] += f" --start {begun.path.name}"
        provenance["started_from"] = {"weights_hash": begun.card.weights_hash, **begun.card.provenance}
    card = Card(
        name=config.name,
        arch="mosaic" if isinstance(config, MosaicTrainConfig) else "dream",
        width_px=config.net.width_px,
        height_px=config.net.height_px,
        rate_hz=world.rate_hz,
        schema=world.schema.to_dict(),
        context_frames=config.net.prefix if isinstance(config, MosaicTrainConfig) else config.net.history,
        provenance=provenance,
        config=asdict(config.net),
    )
    path = folder / f"{world.name}.safetensors"
    weights = load_weights(folder).items()
    half = {name: tensor.bfloat16() if tensor.is_floating_point() else tensor for name, tensor in weights}  # as played
    save_checkpoint(path, half, card)
    return path


def _amount(config: TrainConfig | MosaicTrainConfig) -> str:
    return "fresh play" if isinstance(config, MosaicTrainConfig) else f"{config.pool_frames} frames"


def _default(world: World) -> Path | None:
    path = world.folder / "train.toml"
    return path if path.exists() else None


def _shape(world: World) -> dict[str, Any]:
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


def _sources(
    world: World, data: list[Path], workers: int, options: Mapping[str, Any] | None = None
) -> tuple[Iterator[Episode], Iterator[Episode]]:
    """Return the episodes to learn from, recordings first, and the held-out ones."""
    data = find_recordings(data)
    recorded = recorded_episodes(data, schema=world.schema)
    if world.simulator is None:
        if not data:
            raise DataError(f"the world '{world.name}' has no simulator to learn from; give recordings with --data")
        return recorded, recorded_episodes(data[-1:], schema=world.schema)
    rank = int(os.environ.get("RANK", 0))
    played = episodes(world, seed=rank, maps="train", workers=workers, env_options=options)
    return chain(recorded, played), episodes(world, seed=0, maps="test", env_options=options)


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
