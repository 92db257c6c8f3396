"""The command ``dreamloop play``: in a window, headless, or as a clip where there is no display."""

import shlex
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamloop.input.errors import ConfigError, unknown

if TYPE_CHECKING:
    from dreamloop.input.source import Source
    from dreamloop.runtime.clock import Clock
    from dreamloop.runtime.headless import GameWindow
    from dreamloop.runtime.session import PlayOptions, SessionReport, Start
    from dreamloop.runtime.world import World

KEEP_S = 180.0  # how much of the past is kept in memory, for the key that keeps it
CLIP_S = 30.0  # length of the clip that is played where there is no display
KEPT = ("lossless", "jpeg", "none")
SCALINGS = ("sharp", "smooth")


def play(
    world: Annotated[str, typer.Argument(help="Name of a world, or its folder.")] = "doom",
    record: Annotated[Path | None, typer.Option(help="Record the session in this file (.dream).")] = None,
    keep_frames: Annotated[str, typer.Option(help="Pictures in the recording: lossless, jpeg, none.")] = "lossless",
    schema: Annotated[Path | None, typer.Option(help="Your own bindings (TOML).")] = None,
    weights: Annotated[Path | None, typer.Option(help="Other weights: a file, or a folder of published ones.")] = None,
    stage: Annotated[
        list[str] | None, typer.Option(help="Draw frames with this stage of the world; several in turn; none.")
    ] = None,
    scene: Annotated[str | None, typer.Option(help="Scene to start in: name or number.")] = None,
    load: Annotated[Path | None, typer.Option(help="Begin from a saved game (.dreamsave).")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the dream; another one every time unless given.")] = None,
    voice: Annotated[bool, typer.Option("--voice", help="Listen to the microphone.")] = False,
    voice_model: Annotated[Path | None, typer.Option(help="Folder of a vosk model.")] = None,
    microphone: Annotated[str | None, typer.Option(help="Name or number of the microphone.")] = None,
    push_to_talk: Annotated[bool, typer.Option("--push-to-talk", help="Listen only while a key is down.")] = False,
    resolver: Annotated[
        str | None,
        typer.Option(help="Ask this language model what other words mean: http://HOST:PORT/v1 (OpenAI's API)."),
    ] = None,
    resolver_model: Annotated[str, typer.Option(help="The model, as that server names it.")] = "default",
    source: Annotated[
        list[str] | None, typer.Option(help="Another input source: NAME, or NAME:option=value,...; may be repeated.")
    ] = None,
    script: Annotated[Path | None, typer.Option(help="Let a script of timed inputs play (TOML).")] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Without a window, as fast as it goes.")] = False,
    frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.")] = None,
    clip: Annotated[Path | None, typer.Option(help="Film it (.mp4, .gif); implies --headless.")] = None,
    fullscreen: Annotated[bool, typer.Option("--fullscreen", help="Fill the screen (F11).")] = False,
    scaling: Annotated[str, typer.Option(help="sharp: whole pixels; smooth: as large as it fits (F8).")] = "sharp",
    scale: Annotated[int, typer.Option(min=0, help="Window pixels per frame pixel; 0: what suits.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16.")] = "auto",
    threads: Annotated[
        int, typer.Option(min=0, help="Processor threads of the model; 0: as many as are idle at the start.")
    ] = 0,
    plain: Annotated[bool, typer.Option("--plain", help="Not with the net that `dreamloop compile` made.")] = False,
) -> None:
    """Play a world."""
    from dreamloop.model.world_model import OpenOptions
    from dreamloop.runtime import places
    from dreamloop.runtime.doctor import has_display
    from dreamloop.runtime.session import PlayOptions
    from dreamloop.runtime.world import find_world

    _check("--keep-frames", keep_frames, KEPT)
    _check("--scaling", scaling, SCALINGS)
    spoken = {
        "--resolver": resolver is not None,
        "--push-to-talk": push_to_talk,
        "--microphone": microphone is not None,
        "--voice-model": voice_model is not None,
    }
    if any(spoken.values()) and not voice:
        named = next(name for name, given in spoken.items() if given)
        raise ConfigError(f"{named} is about spoken words, but nothing is listened to; say --voice too")
    found = find_world(world).with_weights(weights)
    silent = headless or clip is not None
    no_display = not silent and not has_display()
    alone = silent or no_display
    if headless and clip is None and frames is None:
        raise ConfigError("--headless plays without an end; say how far with --frames N")
    options = PlayOptions(
        seed=seed if seed is not None else (0 if alone else _any_seed()),
        scene=scene,
        stages=_stages(found, stage),
        schema=schema,
        model=OpenOptions(device=device, dtype=dtype, threads=threads, compiled=None if plain else places.compiled()),
        record=record,
        frames=keep_frames,  # type: ignore[arg-type]
        warm_up=not alone,
        help=not alone,
        rewind=not alone,
        keep_s=0.0 if alone else KEEP_S,
        again=shlex.join([world, *(["--weights", str(weights)] if weights is not None else [])]),
    )
    start = _saved_start(load) if load is not None else None
    if no_display:
        clip = _clip_path(found)
        typer.echo("There is no display, so the world's scripted demo is played into a clip.")
    if alone:
        _play_alone(found, options, frames or round(CLIP_S * found.rate_hz), clip, script, source or (), start)
        return
    heard: dict[str, Any] = {"model": voice_model, "device": microphone, "push_to_talk": push_to_talk}
    heard |= {"resolver": resolver, "resolver_model": resolver_model} if resolver is not None else {}
    sources = _sources(found, script, heard if voice else None, source or ())
    _play_in_window(found, options, sources, frames, fullscreen, scaling, scale, start)


def _check(option: str, got: str, allowed: Sequence[str]) -> None:
    if got not in allowed:
        raise ConfigError(unknown(f"value of {option}", got, allowed))


def _stages(world: "World", asked: Sequence[str] | None) -> tuple[str, ...]:
    """The stages that were asked for, the world's own when none were, nothing for "none"."""
    if asked is None:
        return (world.stage,) if world.stage else ()
    names = tuple(name for name in asked if name != "none")
    world.stage_paths(names)  # says now what is wrong
    return names


def _any_seed() -> int:
    import secrets

    return secrets.randbelow(2**31)


def _clip_path(world: "World") -> Path:
    from dreamloop.runtime import places
    from dreamloop.runtime.clip import has_video
    from dreamloop.runtime.clock import SystemClock

    suffix = ".mp4" if has_video() else ".gif"
    return places.clips() / f"{world.name}_{SystemClock().stamp()}{suffix}"


def _sources(
    world: "World", script: Path | None, voice: dict[str, Any] | None, others: Sequence[str] = ()
) -> "list[Source]":
    """The window's own devices, with a script, a microphone or sources from outside beside them."""
    from dreamloop.input.poll import WINDOW_SOURCES
    from dreamloop.input.source import open_source
    from dreamloop.runtime.clock import SystemClock

    sources = [open_source(name) for name in WINDOW_SOURCES]
    sources += [_outside(given) for given in others]
    if script is not None:
        sources.append(open_source("script", path=script, schema=world.schema))
    if voice is not None:
        given = {name: value for name, value in voice.items() if value}
        sources.append(open_source("voice", schema=world.schema, clock=SystemClock().now_s, **given))
    return sources


def _saved_start(path: Path) -> "Start":
    """Begin from a saved game; what is wrong with the file is said before a window opens."""
    from dreamloop.model.savegame import read_savegame
    from dreamloop.runtime.session import Start

    state, about = read_savegame(path)
    return Start(lambda model: model.load(0, state), {"from": path.name, "tick": about.get("tick")})


def _outside(given: str) -> "Source":
    """Open a source from ``NAME`` or ``NAME:option=value,option=value``; a value that reads as a number is one."""
    from dreamloop.input.source import open_source

    name, _, rest = given.partition(":")
    pairs = [pair.partition("=") for pair in rest.split(",") if pair]
    for option, equals, _ in pairs:
        if not option or not equals:
            raise ConfigError(f"got '--source {given}', allowed: NAME, or NAME:option=value,option=value")
    return open_source(name, **{option: _number_or_text(value) for option, _, value in pairs})


def _number_or_text(value: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def _play_alone(
    world: "World",
    options: "PlayOptions",
    frames: int,
    clip: Path | None,
    script: Path | None,
    others: Sequence[str],
    start: "Start | None" = None,
) -> None:
    """Play without a window: world time is counted, not waited for."""
    from contextlib import ExitStack

    from dreamloop.input.source import open_source
    from dreamloop.runtime.clip import ClipWriter
    from dreamloop.runtime.clock import FakeClock, SystemClock
    from dreamloop.runtime.headless import HeadlessWindow

    script = script or world.demo_script
    sources = [open_source("script", path=script, schema=world.schema)] if script else []
    sources += [_outside(given) for given in others]
    scale = max(512 // world.shown_px(options.stages)[0], 1)
    wall = SystemClock()
    with ExitStack() as stack:
        film = stack.enter_context(ClipWriter(clip, world.rate_hz, scale)) if clip else None
        window = HeadlessWindow(frames + 1, film.add if film else None)  # and the frame of the start
        started_s = wall.now_s()
        report = _run(world, window, FakeClock(), options, sources, start)
        took_s = wall.now_s() - started_s
    rate = report.frames / took_s
    typer.echo(f"{report.frames} frames in {took_s:.1f} s: {rate:.1f} a second, loading included")
    if clip is not None:
        typer.echo(f"clip: {clip}")
    _say_end(report)


def _play_in_window(
    world: "World",
    options: "PlayOptions",
    sources: "list[Source]",
    frames: int | None,
    fullscreen: bool,
    scaling: str,
    scale: int,
    start: "Start | None" = None,
) -> None:
    from dreamloop.runtime.clock import SystemClock
    from dreamloop.runtime.window import PygameWindow, WindowOptions

    if not world.is_ready:
        world.card()  # says so before a window opens
    clock = SystemClock()
    window_options = WindowOptions(fullscreen, scaling, scale, None if frames is None else frames + 1)  # type: ignore[arg-type]
    size = world.shown_px(options.stages)
    window = PygameWindow(f"{world.title} - dreamloop", size, clock, window_options)
    _say_end(_run(world, window, clock, options, sources, start))


def _run(
    world: "World",
    window: "GameWindow",
    clock: "Clock",
    options: "PlayOptions",
    sources: "list[Source]",
    start: "Start | None" = None,
) -> "SessionReport":
    from dreamloop.runtime.session import Session

    with _closed_by_signals(window):
        return Session(world, window, clock, options, sources=sources, start=start).run()


def _say_end(report: "SessionReport") -> None:
    if report.recording is not None:
        typer.echo(f"recording: {report.recording}")
    for note in report.notes:
        typer.echo(note, err=True)


@contextmanager
def _closed_by_signals(window: "GameWindow") -> Iterator[None]:
    """Ctrl-C and a polite kill close the window, so that the recording ends as it should; a second one interrupts."""

    def close(number: int, frame: object) -> None:
        window.is_open = False
        signal.signal(number, signal.default_int_handler)

    before = {number: signal.signal(number, close) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
