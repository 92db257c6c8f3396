"""The command ``dreamloop memory``: what a saved game remembers."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Look into the memory of a saved game.")


@app.callback()
def memory() -> None:
    """Look into the memory of a saved game."""


@app.command()
def show(
    savegame: Annotated[
        Path, typer.Argument(help="A saved game (.dreamsave), or the name of a world: its quick save.")
    ],
    out: Annotated[Path | None, typer.Option(help="PNG to write; default: beside the saved game.")] = None,
    rate: Annotated[float, typer.Option(min=0.1, help="Ticks a second of the world, for ages.")] = 35.0,
) -> None:
    """Say what is remembered, and draw it: a map of the poses, and the pages as small pictures."""
    from dreamloop.runtime import places
    from dreamloop.runtime.memory_show import draw, read_remembered, told

    path = savegame if savegame.suffix or savegame.exists() else places.saved_game(str(savegame))
    remembered = read_remembered(path)
    for name, text in told(remembered, rate):
        typer.echo(f"{name.ljust(8)}{text}")
    target = out or path.with_suffix(".png")
    target.parent.mkdir(parents=True, exist_ok=True)
    draw(remembered, rate).save(target)
    typer.echo(f"drawn: {target}")
