"""The command line: reads arguments, calls the rest, prints. One sentence and exit code 2 for a user's mistake.

Everything heavy is imported inside the commands, so that ``--help`` answers at once. The commands themselves stand in
runtime/cli_*.py.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamloop.input.errors import DreamloopError
from dreamloop.runtime import cli_lab, cli_memory, cli_play, cli_recordings, cli_schema, cli_weights, sdl

if TYPE_CHECKING:
    from dreamloop.runtime.doctor import Finding

sdl.prepare()


class OneSentence(typer.core.TyperGroup):
    """A group of commands that says a user's mistake in one sentence."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a DreamloopError becomes its text on stderr and exit code 2."""
        try:
            return super().invoke(ctx)
        except DreamloopError as error:
            if ctx.params.get("traceback"):
                raise
            typer.echo(f"dreamloop: {error}", err=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=OneSentence,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Play worlds that a neural network dreams, frame by frame.",
)
app.command("play")(cli_play.play)
app.command("replay")(cli_recordings.replay)
app.command("export")(cli_recordings.export)
app.command("collect")(cli_lab.collect)
app.command("train")(cli_lab.train)
app.command("eval")(cli_lab.evaluate)
app.command("bench")(cli_lab.bench)
app.command("compile")(cli_lab.compile_)
app.add_typer(cli_memory.app, name="memory", cls=OneSentence)
app.add_typer(cli_recordings.app, name="recordings", cls=OneSentence)
app.add_typer(cli_schema.app, name="schema", cls=OneSentence)
app.add_typer(cli_weights.app, name="weights", cls=OneSentence)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"dreamloop {version('dreamloop')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_print_version)
    ] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where an error comes from.")] = False,
) -> None:
    """Options of every command."""


@app.command()
def worlds() -> None:
    """List the worlds that can be played by name."""
    from dreamloop.runtime.world import find_world, list_worlds

    rows = [("WORLD", "SIZE", "RATE", "SCENES", "WEIGHTS", "WHAT IT IS")]
    for name in list_worlds():
        try:
            world = find_world(name)
        except DreamloopError as error:
            rows.append((name, "", "", "", "", f"broken: {error}"))
            continue
        weights = "none needed" if world.weights is None else "there" if world.is_ready else "missing"
        size, rate = f"{world.width_px} x {world.height_px}", f"{world.rate_hz:g} Hz"
        rows.append((name, size, rate, str(len(world.scenes)), weights, world.description))
    _columns(rows)


@app.command()
def doctor() -> None:
    """Say what this machine has and what it lacks, with the mend."""
    from dreamloop.runtime.doctor import examine

    findings = examine()
    _columns([_doctor_row(finding) for finding in findings])
    if not all(finding.works for finding in findings if finding.needed):
        raise typer.Exit(1)


def _doctor_row(finding: "Finding") -> tuple[str, ...]:
    sign = "ok" if finding.works else "MISSING" if finding.needed else "-"
    return (sign, finding.part, f"{finding.what}; {finding.mend}" if finding.mend else finding.what)


def _columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows with their columns aligned, one line a row however long it is."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def main() -> None:
    """Run the command line; the entry point of the package."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
