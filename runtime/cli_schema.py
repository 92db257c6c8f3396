"""The commands ``dreamloop schema ...``: check, show, try and start an action schema."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from dreamloop.input.errors import ConfigError

if TYPE_CHECKING:
    from dreamloop.input.schema import ActionSchema

app = typer.Typer(no_args_is_help=True, help="Check, show, try and start action schemas.")
SOURCE = "A TOML file, the name of a shipped layout, or the name of a world."


@app.command()
def check(file: Annotated[Path, typer.Argument(help="A TOML file.")]) -> None:
    """List every mistake in an action schema, each with its line."""
    from dreamloop.input.schema import ActionSchema, check_file

    mistakes = check_file(file)
    for mistake in mistakes:
        typer.echo(str(mistake), err=True)
    if mistakes:
        raise typer.Exit(2)
    schema = ActionSchema.load(file)
    typer.echo(f"{file}: good; {len(schema.controls)} controls, {schema.size} numbers, layout {schema.fingerprint}")


@app.command()
def show(source: Annotated[str, typer.Argument(help=SOURCE)]) -> None:
    """Show the control table as a person reads it."""
    from dreamloop.input.schema_text import describe

    schema = find_any(source)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("entry", "control", "value", "devices", "phrases", "what it does"):
        table.add_column(heading, overflow="fold")
    for row in describe(schema):
        table.add_row(row.entries, row.control, row.value, row.devices, row.phrases, row.help)
    Console().print(table)
    typer.echo(f"{schema.size} numbers, layout {schema.fingerprint}")


@app.command()
def new(
    world: Annotated[str, typer.Option("--from", help=SOURCE)],
    out: Annotated[Path | None, typer.Option(help="File to write; default: print it.")] = None,
) -> None:
    """Start a schema file of your own from a world's, to rebind keys, mouse, pad and phrases."""
    from dreamloop.input.schema_text import new_schema

    text = new_schema(find_any(world), world)
    if out is None:
        typer.echo(text, nl=False)
        return
    if out.exists():
        raise ConfigError(f"{out} exists already; choose another name, nothing is overwritten")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    typer.echo(f"{out}: change it, then: dreamloop schema check {out}")


@app.command("try")
def try_(
    source: Annotated[str, typer.Argument(help=SOURCE)],
    frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.")] = None,
    voice: Annotated[bool, typer.Option("--voice", help="Listen to the microphone.")] = False,
) -> None:
    """Open a window that shows the live action vector: press, move and see it."""
    from dataclasses import replace

    from dreamloop.input.errors import MissingPartError
    from dreamloop.runtime.cli_play import _play_in_window, _sources
    from dreamloop.runtime.doctor import has_display
    from dreamloop.runtime.session import PlayOptions
    from dreamloop.runtime.world import find_world

    schema = find_any(source)
    if not has_display():
        raise MissingPartError("trying a schema needs a display; `dreamloop schema show` prints its table")
    echo = find_world("echo")
    world = replace(echo, name=f"try-{schema.name}", title=f"Trying {schema.name}", schema=schema)
    sources = _sources(world, None, {} if voice else None)
    _play_in_window(world, PlayOptions(keep_s=0.0), sources, frames, False, "sharp", 0)


def find_any(source: str) -> "ActionSchema":
    """Return the schema of a world, of a file, or of a shipped layout."""
    from dreamloop.input.schema import ActionSchema
    from dreamloop.input.schema_files import find_schema
    from dreamloop.runtime.world import find_world, list_worlds

    if source in list_worlds():
        return find_world(source).schema
    return ActionSchema.load(find_schema(source))
