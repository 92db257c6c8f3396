"""The commands for recordings: ``replay``, ``export``, ``recordings ...``. Thin: each calls one module."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamloop.input.errors import MissingPartError

if TYPE_CHECKING:
    from dreamloop.model.recording import Recording
    from dreamloop.model.world_model import Frame, WorldModel
    from dreamloop.runtime.redream import Redream
    from dreamloop.runtime.replay import Pictures
    from dreamloop.runtime.world import World

app = typer.Typer(no_args_is_help=True, help="List, show, repair and delete recordings.")
FILE = "A recording (.dream)."


def replay(
    file: Annotated[Path, typer.Argument(help=FILE)],
    verify: Annotated[bool, typer.Option("--verify", help="Dream it again and compare every frame.")] = False,
    dream: Annotated[bool, typer.Option("--dream", help="Show it dreamed again, not its pictures.")] = False,
    other: Annotated[
        str | None, typer.Option("--with", help="Another model beside it: a checkpoint, or a world.")
    ] = None,
    world: Annotated[str | None, typer.Option(help="World it was played in, when it does not say.")] = None,
) -> None:
    """Show a recording in a window with a time line, or verify it by dreaming it again."""
    from dreamloop.model.recording import Recording
    from dreamloop.runtime.redream import world_of
    from dreamloop.runtime.world import find_world

    with Recording.open(file) as recording:
        if recording.lost_bytes:
            typer.echo(f"{file}: {recording.lost_bytes} bytes cannot be read; the rest is shown", err=True)
        if verify:
            _verify(recording, find_world(world) if world else world_of(recording))
            return
        _show(recording, world, dream, other)


def _verify(recording: "Recording", world: "World") -> None:
    from rich.progress import Progress

    from dreamloop.runtime.redream import open_recorded, scenes_of, verify

    model = open_recorded(recording, world)
    scenes = scenes_of(world, recording, model.card.context_frames)
    with Progress(transient=True) as bar:
        task = bar.add_task("dreaming again", total=len(recording))
        result = verify(recording, model, scenes, lambda done, total: bar.update(task, completed=done))
    typer.echo(result.sentence())
    if not result.exact:
        raise typer.Exit(1)


def _show(recording: "Recording", world_name: str | None, dream: bool, other: str | None) -> None:
    """Show it in a window; when the person takes over, play on from there in the same window."""
    from dreamloop.runtime.clock import SystemClock
    from dreamloop.runtime.doctor import has_display
    from dreamloop.runtime.redream import world_of
    from dreamloop.runtime.replay import Replay
    from dreamloop.runtime.window import PygameWindow
    from dreamloop.runtime.world import find_world

    if not has_display():
        raise MissingPartError(f"a replay needs a display; `dreamloop export {recording.path} --to mp4` makes a film")

    def world() -> "World":
        return find_world(world_name) if world_name else world_of(recording)

    pictures = _pictures(recording, world, dream, other)
    clock = SystemClock()
    width, height = (int(recording.header.get(name, 0)) or 128 for name in ("width_px", "height_px"))
    window = PygameWindow(f"{recording.path.name} - dreamloop", (width, height), clock)
    try:
        end = Replay(recording, pictures, window, clock).run()
    finally:
        pictures.close()
        window.close()
    if end.take_over:
        _play_on(recording, world(), end.index)


def _pictures(recording: "Recording", world: "Callable[[], World]", dream: bool, other: str | None) -> "Pictures":
    """The recorded pictures, or a dream where there are none or one is asked for; another model's beside them."""
    from dreamloop.runtime.redream import open_other, open_recorded
    from dreamloop.runtime.replay import DreamedPictures, RecordedPictures, SideBySide

    there = len(recording) > 0 and recording.tick(0).has_frame
    pictures: Pictures
    if there and not dream:
        pictures = RecordedPictures(recording)
    else:
        pictures = DreamedPictures(*_dreamed(recording, world(), open_recorded(recording, world())))
    if other is None:
        return pictures
    return SideBySide([pictures, DreamedPictures(*_dreamed(recording, world(), open_other(other), anchor=True))])


def _dreamed(
    recording: "Recording", world: "World", model: "WorldModel", anchor: bool = False
) -> "tuple[Redream, int, tuple[int, int]]":
    from dreamloop.runtime.redream import Redream, scenes_of

    scenes = scenes_of(world, recording, model.card.context_frames)
    redream = Redream(recording, model, scenes, anchor=anchor)
    return redream, len(recording), (model.card.width_px, model.card.height_px)


def _play_on(recording: "Recording", world: "World", index: int) -> None:
    from dreamloop.runtime.cli_play import _any_seed, _play_in_window, _sources
    from dreamloop.runtime.redream import recorded_options, scenes_of, take_over
    from dreamloop.runtime.session import PlayOptions, Start

    def bring(model: "WorldModel") -> "Frame":
        return take_over(recording, model, scenes_of(world, recording, model.card.context_frames), index)[0]

    start = Start(bring, {"from": recording.path.name, "tick": index})
    options = PlayOptions(seed=_any_seed(), model=recorded_options(recording))
    _play_in_window(world, options, _sources(world, None, None), None, False, "sharp", 0, start)
