"""The commands ``dreamloop weights``: put published weights where ``play`` finds them, convert, check, list."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Get, convert and check weights that others published.")

WORLD = "Name of a world, or its folder."


@app.command()
def add(
    world: Annotated[str, typer.Argument(help=WORLD)],
    source: Annotated[str, typer.Argument(help="A folder that holds the files, or hf:OWNER/NAME to download them.")],
) -> None:
    """Put a world's weights where `play` finds them; run it again to go on after a stop."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from dreamloop.input.errors import ConfigError
    from dreamloop.runtime import weights_store
    from dreamloop.runtime.world import find_world

    found = find_world(world)
    if found.published is None:
        own = "has its own" if found.weights is not None else "needs none"
        raise ConfigError(f"world '{found.name}' takes no published weights: it {own}")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, transient=True) as bars:
        tasks: dict[str, int] = {}

        def show(name: str, done: int, size: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=size)
            bars.update(tasks[name], completed=done)  # type: ignore[arg-type]

        folder = weights_store.add(found.name, found.published, source, show)
    typer.echo(f"{', '.join(found.published.files)} in {folder}; dreamloop play {found.name}")


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A pickled file (.pt, .pth, .ckpt, .bin).")],
    target: Annotated[Path | None, typer.Argument(help="The .safetensors file; default: beside it.")] = None,
) -> None:
    """Turn pickled weights into safetensors, without running anything that is in them."""
    from dreamloop.model.convert import convert as convert_file

    target = target or source.with_suffix(".safetensors")
    count = convert_file(source, target)
    typer.echo(f"{count} tensors in {target}")


@app.command()
def check(world: Annotated[str, typer.Argument(help=WORLD)]) -> None:
    """Read a world's files again and compare them with what was added."""
    from dreamloop.input.errors import ConfigError
    from dreamloop.runtime import weights_store
    from dreamloop.runtime.world import find_world

    found = find_world(world)
    if found.published is None or found.weights is None:
        raise ConfigError(f"world '{found.name}' has no published weights to check")
    spoilt = weights_store.check(found.published, found.weights, found.name)
    if spoilt:
        names = ", ".join(spoilt)
        raise weights_store.WeightsError(
            f"{names} in {found.weights} is not what was added; delete it and run 'dreamloop weights add' again"
        )
    typer.echo(f"{', '.join(found.published.files)} in {found.weights}: whole")


@app.command()
def start(
    world: Annotated[str, typer.Argument(help=WORLD)],
    pictures: Annotated[list[Path], typer.Argument(help="Pictures, oldest first, or a folder of a published spawn.")],
    name: Annotated[str | None, typer.Option(help="Name of the scene; default: the last picture's.")] = None,
) -> None:
    """Make a scene to start from out of pictures of your own."""
    from dreamloop.runtime.start_scenes import make_scene
    from dreamloop.runtime.world import find_world

    found = find_world(world)
    path = make_scene(found, pictures, name)
    typer.echo(f"{path}; dreamloop play {found.name} --scene {path.stem}")
