"""The commands for those who make worlds: ``collect``, ``train``, ``eval``, ``bench``. Thin: each calls one module."""

from pathlib import Path
from typing import Annotated

import typer

WORLD = "Name of a world, or its folder."


def collect(
    world: Annotated[str, typer.Argument(help=WORLD)],
    frames: Annotated[int, typer.Option(min=1, help="How many frames to collect in all.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the recordings; default recordings/WORLD.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: one per core.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Another seed adds other episodes.")] = 0,
    maps: Annotated[str, typer.Option(help="Which maps the simulator uses: train, test, ...")] = "train",
) -> None:
    """Let the world's scripted player play its simulator, and record it. Run it again to go on after a stop."""
    from dreamloop.runtime.collect import collect as collect_frames
    from dreamloop.runtime.world import find_world

    found = find_world(world)
    folder = out or Path("recordings") / found.name
    paths = collect_frames(found, frames, folder, workers, seed, maps=maps)
    typer.echo(f"{len(paths)} recordings in {folder}")


def train(
    world: Annotated[str, typer.Argument(help=WORLD)],
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Stop after so many minutes.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the last run stopped.")] = False,
    data: Annotated[list[Path] | None, typer.Option(help="Recordings to learn from, beside the simulator.")] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration (TOML); default: the world's train.toml.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default runs/WORLD.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Simulators at the same time; 0: one per core.")] = 0,
) -> None:
    """Train the world's weights, from its simulator or from recordings."""
    from dreamloop.runtime.train_world import train_world

    path = train_world(
        world,
        minutes=minutes,
        resume=resume,
        data=data or (),
        config_path=config,
        out=out,
        device=device,
        workers=workers,
    )
    typer.echo(f"weights: {path}")
