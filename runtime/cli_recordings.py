"""The commands for recordings: ``replay``, ``export``, ``recordings ...``. Thin: each calls one module."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamloop.input.errors import ConfigError, MissingPartError

if TYPE_CHECKING:
    from dreamloop.model.recording import Recording
    from dreamloop.model.world_model import Frame, WorldModel
    from dreamloop.runtime.redream import Redream
    from dreamloop.runtime.replay import Pictures
    from dreamloop.runtime.world import World

app = typer.Typer(no_args_is_help=True, help="List, show, repair and delete recordings.")
FILE = "A recording (.dream)."
WORLD = "World it was played in, when it does not say."
WEIGHTS = "The weights it was played with, when they are not the world's own."
TO = (
    "mp4: film. gif: animated picture. png: strip of pictures. jsonl: folder of JSON lines and a film. lerobot: "
    "LeRobot v3 data set. dream: another recording, of a stretch, or with pictures where this one has none."
)


def replay(
    file: Annotated[Path, typer.Argument(help=FILE)],
    verify: Annotated[bool, typer.Option("--verify", help="Dream it again and compare every frame.")] = False,
    dream: Annotated[bool, typer.Option("--dream", help="Show it dreamed again, not its pictures.")] = False,
    other: Annotated[
        str | None, typer.Option("--with", help="Another model beside it: a checkpoint, or a world.")
    ] = None,
    stage: Annotated[list[str] | None, typer.Option(help="Draw its pictures with this stage of its world.")] = None,
    world: Annotated[str | None, typer.Option(help=WORLD)] = None,
    weights: Annotated[Path | None, typer.Option(help=WEIGHTS)] = None,
    record: Annotated[Path | None, typer.Option(help="Record what you play after Enter in this file (.dream).")] = None,
) -> None:
    """Show a recording in a window with a time line, or verify it by dreaming it again."""
    from dreamloop.model.recording import Recording

    with Recording.open(file) as recording:
        if recording.lost_bytes:
            typer.echo(f"{file}: {recording.lost_bytes} bytes cannot be read; the rest is shown", err=True)
        place = _Place(recording, world, weights)
        if verify:
            _verify(recording, place())
            return
        _show(recording, place, dream, other, record, stage or ())


def export(
    file: Annotated[Path, typer.Argument(help=FILE)],
    to: Annotated[str, typer.Option(help=TO)],
    out: Annotated[Path | None, typer.Option(help="File or folder; default: beside the recording.")] = None,
    start: Annotated[int, typer.Option(min=0, help="First tick.")] = 0,
    stop: Annotated[int | None, typer.Option(min=1, help="One past the last tick; default: all.")] = None,
    scale: Annotated[int, typer.Option(min=0, help="Film pixels per pixel; 0: what suits.")] = 0,
    inputs: Annotated[bool, typer.Option("--inputs", help="Show what the player did.")] = False,
    captions: Annotated[bool, typer.Option("--captions", help="Show what was said and marked.")] = False,
    hud: Annotated[bool, typer.Option("--hud", help="Show time, tick and the model's time.")] = False,
    lossless: Annotated[bool, typer.Option("--lossless", help="Films keep every bit.")] = False,
    pictures: Annotated[int, typer.Option(min=1, help="How many pictures a strip (png) has.")] = 8,
    dream: Annotated[bool, typer.Option("--dream", help="Dream it again, even where it has pictures.")] = False,
    world: Annotated[str | None, typer.Option(help=WORLD)] = None,
    weights: Annotated[Path | None, typer.Option(help=WEIGHTS)] = None,
) -> None:
    """Turn a recording into a film, pictures, data for other programs, or a recording with pictures."""
    from dreamloop.model.recording import Recording
    from dreamloop.runtime.export import ExportOptions
    from dreamloop.runtime.export import export as export_to
    from dreamloop.runtime.replay import DreamedPictures

    options = ExportOptions(start, stop, scale, inputs, captions, hud, lossless, pictures)
    with Recording.open(file) as recording, _bar("exporting") as report:
        pictures_ = None
        if dream or (len(recording) and not recording.tick(0).has_frame):
            pictures_ = _pictures(recording, _Place(recording, world, weights), True, None)
            if isinstance(pictures_, DreamedPictures):
                pictures_.wait()
        try:
            frame_of = pictures_.frame if pictures_ else None
            path = export_to(recording, to, out, options, frame_of=frame_of, report=report)
        finally:
            if pictures_:
                pictures_.close()
    typer.echo(str(path))


@app.command("list")
def list_(
    where: Annotated[list[Path] | None, typer.Argument(help="Files and folders; default: kept ones, and here.")] = None,
) -> None:
    """List recordings: world, length, size, pictures, and whether they are whole."""
    from dreamloop.model.recording import SUFFIX
    from dreamloop.runtime import places
    from dreamloop.runtime.hud import clock_label, megabytes
    from dreamloop.runtime.recordings import find_recordings, summarise

    found = find_recordings(where or [places.kept(), *Path.cwd().glob(f"*{SUFFIX}")])  # not those of worlds below here
    for one in map(summarise, found):
        if one.error:
            typer.echo(f"{one.path}: {one.error}")
            continue
        whole = "" if one.complete else ", not closed"
        length = f"{clock_label(one.world_s)} ({one.ticks} ticks)"
        facts = f"{one.world or 'unknown world'}, {length}, {megabytes(one.nbytes)}, pictures {one.frames}"
        typer.echo(f"{one.path}: {facts}, {one.marks} marks{whole}")
    if not found:
        typer.echo("no recordings; `dreamloop play --record FILE` makes one")


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help=FILE)],
    sheet: Annotated[Path | None, typer.Option(help="Write a sheet of pictures to this file (.png).")] = None,
) -> None:
    """Show what a recording holds: its facts, how whole it is, its branches as a tree."""
    from PIL import Image

    from dreamloop.model.recording import Recording
    from dreamloop.runtime.recordings import contact_sheet
    from dreamloop.runtime.recordings import show as describe

    with Recording.open(file, scan=True) as recording:
        for line in describe(recording):
            typer.echo(line)
        if sheet is not None:
            Image.fromarray(contact_sheet(recording)).save(sheet)
            typer.echo(f"pictures: {sheet}")


@app.command()
def stats(where: Annotated[list[Path], typer.Argument(help="Files and folders.")]) -> None:
    """Count: lengths, and how each control was used."""
    from dreamloop.runtime.hud import clock_label, megabytes
    from dreamloop.runtime.recordings import find_recordings
    from dreamloop.runtime.recordings import stats as count

    found = count(find_recordings(where))
    time = clock_label(found.world_s)
    typer.echo(f"{found.recordings} recordings, {found.ticks} ticks, {time} of play, {megabytes(found.nbytes)}")
    typer.echo(f"{found.with_pictures} ticks with a picture")
    for control in found.controls:
        spread = f"5%..95%: {control.p5:+.2f}..{control.p95:+.2f}"
        typer.echo(f"{control.name:<20} used {control.used:6.1%}  mean {control.mean:+.3f}  {spread}")


@app.command()
def repair(
    file: Annotated[Path, typer.Argument(help=FILE)],
    out: Annotated[Path | None, typer.Option(help="The mended file; default: NAME-repaired.dream.")] = None,
) -> None:
    """Write everything that can be read of a cut or damaged recording to a new file."""
    from dreamloop.runtime.recordings import repair as mend

    typer.echo(mend(file, out).sentence())


@app.command()
def forget(
    file: Annotated[Path, typer.Argument(help=FILE)],
    speech: Annotated[bool, typer.Option("--speech", help="Everything that was said.")] = False,
    start: Annotated[int | None, typer.Option(min=0, help="First tick to forget.")] = None,
    stop: Annotated[int | None, typer.Option(min=1, help="One past the last tick to forget.")] = None,
) -> None:
    """Take what was said, or a stretch of play, out of a recording for good."""
    from dreamloop.runtime.recordings import forget_speech, forget_ticks

    if not speech and (start is None or stop is None):
        raise ConfigError("say what to forget: --speech, or --start N --stop M")
    if speech:
        typer.echo(f"{forget_speech(file)} phrases forgotten in {file}")
    if start is not None and stop is not None:
        typer.echo(f"{forget_ticks(file, start, stop)} ticks are left in {file}")


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="A LeRobot data set, or JSON lines with their film.")],
    out: Annotated[Path, typer.Option(help="Folder (LeRobot) or file (.dream) of the recordings.")],
    schema: Annotated[str | None, typer.Option(help="Action layout, when the data does not bring it.")] = None,
    rate_hz: Annotated[float | None, typer.Option(min=0.1, help="Ticks per second (JSON lines).")] = None,
    video_key: Annotated[str | None, typer.Option(help="Which camera (LeRobot).")] = None,
) -> None:
    """Turn data of other programs into recordings."""
    from dreamloop.runtime.cli_schema import find_any
    from dreamloop.runtime.export_jsonl import import_jsonl
    from dreamloop.runtime.import_lerobot import import_lerobot

    layout = find_any(schema) if schema else None
    if (source / "meta" / "info.json").is_file():
        with _bar("importing") as report:
            paths = import_lerobot(source, out, video_key=video_key, schema=layout, report=report)
        typer.echo(f"{len(paths)} recordings in {out}")
    else:
        typer.echo(f"{import_jsonl(source, out, layout, rate_hz)} ticks in {out}")


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr for work that knows how much there is."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@dataclass(frozen=True, slots=True)
class _Place:
    """Finds the world of a recording when somebody asks for it: pictures can be shown without."""

    recording: "Recording"
    name: str | None
    weights: Path | None

    def __call__(self) -> "World":
        from dreamloop.runtime.redream import world_of
        from dreamloop.runtime.world import find_world

        world = find_world(self.name) if self.name else world_of(self.recording)
        return replace(world, weights=self.weights) if self.weights else world


def _verify(recording: "Recording", world: "World") -> None:
    from dreamloop.runtime.redream import open_recorded, scenes_of, verify

    model = open_recorded(recording, world)
    scenes = scenes_of(world, recording, model.card.context_frames)
    with _bar("dreaming again") as report:
        result = verify(recording, model, scenes, report)
    typer.echo(result.sentence())
    if not result.exact:
        raise typer.Exit(1)


def _show(
    recording: "Recording", place: _Place, dream: bool, other: str | None, record: Path | None, stages: Sequence[str]
) -> None:
    """Show it in a window; when the person takes over, play on from there."""
    from dreamloop.model.stage import open_stage
    from dreamloop.runtime.clock import SystemClock
    from dreamloop.runtime.doctor import has_display
    from dreamloop.runtime.replay import DrawnPictures, Replay
    from dreamloop.runtime.window import PygameWindow

    if not has_display():
        raise MissingPartError(f"a replay needs a display; `dreamloop export {recording.path} --to mp4` makes a film")
    drawn = [open_stage(path) for _, path in place().stage_paths(stages)] if stages else []
    pictures = _pictures(recording, place, dream, other)
    if drawn:
        pictures = DrawnPictures(pictures, drawn)
    clock = SystemClock()
    width, height = (int(recording.header.get(name, 0)) or 128 for name in ("width_px", "height_px"))
    window = PygameWindow(f"{recording.path.name} - dreamloop", (width, height), clock)
    try:
        end = Replay(recording, pictures, window, clock).run()
    finally:
        pictures.close()
        window.close()
    if end.take_over:
        _play_on(recording, place(), end.index, record)


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


def _play_on(recording: "Recording", world: "World", index: int, record: Path | None) -> None:
    from dreamloop.runtime.cli_play import _any_seed, _play_in_window, _sources
    from dreamloop.runtime.redream import recorded_options, scenes_of, take_over
    from dreamloop.runtime.session import PlayOptions, Start

    def bring(model: "WorldModel") -> "Frame":
        return take_over(recording, model, scenes_of(world, recording, model.card.context_frames), index)[0]

    start = Start(bring, {"from": recording.path.name, "tick": index})
    options = PlayOptions(seed=_any_seed(), model=recorded_options(recording), record=record)
    _play_in_window(world, options, _sources(world, None, None), None, False, "sharp", 0, start)
