"""The commands for those who make worlds: ``collect``, ``train``, ``eval``, ``bench``. Thin: each calls one module."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

WORLD = "Name of a world, or its folder."
DEVICE = "auto, cpu, cuda, cuda:1, mps."
DTYPE = "auto, float32, bfloat16."
THREADS = "Processor threads of the model; 0: as many as are idle at the start."
WEIGHTS = "Other weights than the world's."
JSON = "Write the figures to this file, as one JSON object."
REPORT = "Write a page with plots and pictures to this file (HTML)."


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
    data: Annotated[list[Path] | None, typer.Option(help="Recordings, or folders, to learn from as well.")] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration (TOML); default: the world's train.toml.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default runs/WORLD.")] = None,
    device: Annotated[str, typer.Option(help=DEVICE)] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Simulators at the same time; 0: one per core.")] = 0,
    start: Annotated[Path | None, typer.Option(help="A checkpoint to begin with, instead of random weights.")] = None,
    inverse_dynamics: Annotated[
        bool, typer.Option("--inverse-dynamics", help="Train the net that `eval --suite control` reads motion with.")
    ] = False,
    reward: Annotated[
        bool, typer.Option("--reward", help="Train the net that says what a tick of the dream is worth.")
    ] = False,
    walk: Annotated[
        bool, typer.Option("--walk", help="Teach the net of --start how its player goes, and nothing else.")
    ] = False,
    ideas: Annotated[
        bool, typer.Option("--ideas", help="Teach the net of --start what windows do, and nothing else.")
    ] = False,
    rules: Annotated[
        bool, typer.Option("--rules", help="Count what follows what in play, for the net of --start, and nothing else.")
    ] = False,
    teller: Annotated[
        bool, typer.Option("--teller", help="Teach the net of --start what cells show next, and nothing else.")
    ] = False,
    letters: Annotated[
        bool,
        typer.Option("--letters", help="Learn how lines are written anew, for the net of --start, and nothing else."),
    ] = False,
    stage: Annotated[str | None, typer.Option(help="Train a stage that draws the frames once more: upsample.")] = None,
) -> None:
    """Train the world's weights, from its simulator or from recordings; or one of the small nets beside them."""
    from dreamloop.runtime.train_world import train_world
    from dreamloop.runtime.world import find_world

    if ideas + rules + letters + teller > 1:
        raise typer.BadParameter(
            "--ideas, --rules, --letters and --teller are taught one after the other; name one of them"
        )
    if (ideas or rules or letters or teller) and (resume or data or config is not None):
        raise typer.BadParameter(
            "--ideas, --rules, --letters and --teller go on by themselves and take no --resume, --data or --config"
        )
    if stage is not None:
        from dreamloop.runtime.stage_world import train_world_stage

        return _train_part(train_world_stage, find_world(world), stage, minutes or 15.0, out, resume=resume)
    if inverse_dynamics:
        from dreamloop.runtime.evaluate_world import train_inverse_dynamics

        return _train_part(train_inverse_dynamics, find_world(world), minutes or 10.0, out)
    if reward:
        from dreamloop.runtime.reward_world import train_reward

        return _train_part(train_reward, find_world(world), minutes or 10.0, out, data=data or ())
    if walk:
        from dreamloop.runtime.walk_world import train_walk

        taught = find_world(world), minutes or 15.0, start, out
        return _train_part(train_walk, *taught, device=device, config_path=config)
    if rules:
        from dreamloop.runtime.rules_world import train_rules

        return _train_part(train_rules, find_world(world), minutes or 60.0, start, out, workers=workers)
    if letters:
        from dreamloop.runtime.letters_world import train_letters

        return _train_part(train_letters, find_world(world), minutes or 10.0, start, out, workers=workers)
    if teller:
        from dreamloop.runtime.teller_world import train_teller

        taught = find_world(world), minutes or 60.0, start, out
        return _train_part(train_teller, *taught, device=device, workers=workers)
    if ideas:
        from dreamloop.runtime.ideas_world import train_ideas

        taught = find_world(world), minutes or 30.0, start, out
        return _train_part(train_ideas, *taught, device=device, workers=workers)
    path = train_world(
        world,
        minutes=minutes,
        resume=resume,
        data=data or (),
        config_path=config,
        out=out,
        device=device,
        workers=workers,
        start=start,
    )
    typer.echo(f"weights: {path}")


def _train_part(train: Callable[..., Mapping[str, Any]], *args: Any, **options: Any) -> None:
    """Train a part of a world's weights, with a bar, and print its figures."""
    with _progress() as progress:
        figures = train(*args, **options, progress=progress)
    _print(figures)


def evaluate(
    world: Annotated[str, typer.Argument(help=WORLD)] = "doom",
    suite: Annotated[
        list[str] | None, typer.Option(help="fidelity, drift, control, memory, interface, latency or all.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help=WEIGHTS)] = None,
    json: Annotated[Path | None, typer.Option("--json", help=JSON)] = None,
    report: Annotated[Path | None, typer.Option(help=REPORT)] = None,
    quick: Annotated[float, typer.Option(min=0.001, max=1.0, help="Share of the full work, for a first look.")] = 1.0,
    part: Annotated[list[str] | None, typer.Option(help="Parts of the memory suite; default all.")] = None,
    places: Annotated[
        int, typer.Option(min=0, help="Places to come back to, whatever --quick says; 0: as it says.")
    ] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what the file of --json holds.")] = False,
    history: Annotated[int, typer.Option(min=0, help="True ticks a dream starts from; 0: as the card asks.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of true play, of the starts and of the dreams.")] = 0,
    device: Annotated[str, typer.Option(help=DEVICE)] = "auto",
    dtype: Annotated[str, typer.Option(help=DTYPE)] = "auto",
    threads: Annotated[int, typer.Option(min=0, help=THREADS)] = 0,
) -> None:
    """Measure a world's model: fidelity, drift, control, memory, interface, latency."""
    from dreamloop.model.album import Album
    from dreamloop.model.world_model import OpenOptions
    from dreamloop.runtime.evaluate_world import EvalSize, choose_suites
    from dreamloop.runtime.evaluate_world import evaluate as measure
    from dreamloop.runtime.memory_suite import choose_parts
    from dreamloop.runtime.world import find_world

    found = find_world(world).with_weights(weights)
    suites, album = choose_suites(suite or ["all"], found.judge is not None), Album()
    whole = EvalSize(history_ticks=history, memory_parts=choose_parts(part or []))
    size = whole if quick == 1.0 else whole.shorter(quick)
    size = replace(size, memory=replace(size.memory, places=places or size.memory.places))
    options = OpenOptions(device=device, dtype=dtype, threads=threads)
    with _progress() as progress:
        figures = measure(
            found,
            suites,
            size=size,
            options=options,
            seed=seed,
            album=album,
            progress=progress,
            keep=lambda figures: _write(figures, json),
            have=_read(json) if resume else None,
        )
    _finish(figures, json, report, album)


def bench(
    world: Annotated[str, typer.Argument(help=WORLD)] = "doom",
    weights: Annotated[Path | None, typer.Option(help=WEIGHTS)] = None,
    json: Annotated[Path | None, typer.Option("--json", help=JSON)] = None,
    report: Annotated[Path | None, typer.Option(help=REPORT)] = None,
    window: Annotated[bool, typer.Option("--window", help="In a real window; its time is then inside.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each kind.")] = 5,
    frames: Annotated[int, typer.Option(min=20, help="Frames of a round.")] = 120,
    alone: Annotated[int, typer.Option(min=0, help="Only so many steps of the model, without the loop.")] = 0,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Seeded random weights of the full size, where there are no others.")
    ] = False,
    stage: Annotated[list[str] | None, typer.Option(help="With this stage of the world behind the model.")] = None,
    soak: Annotated[
        float, typer.Option(min=0.0, help="Then play on for so many minutes of world time: does anything grow?")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the dream and of the hands that play.")] = 0,
    device: Annotated[str, typer.Option(help=DEVICE)] = "auto",
    dtype: Annotated[str, typer.Option(help=DTYPE)] = "auto",
    threads: Annotated[int, typer.Option(min=0, help=THREADS)] = 0,
) -> None:
    """Measure speed and latency of play: frames a second, the six stamps, overhead, stages, arithmetic."""
    from dreamloop.model.world_model import OpenOptions
    from dreamloop.runtime.bench import BenchSize
    from dreamloop.runtime.bench import bench as measure
    from dreamloop.runtime.world import find_world

    size = BenchSize(rounds=rounds, frames=frames, soak_minutes=soak, alone=alone)
    options = OpenOptions(device=device, dtype=dtype, threads=threads)
    with _progress() as progress:
        figures = measure(
            find_world(world).with_weights(weights),
            size=size,
            options=options,
            seed=seed,
            window=window,
            stages=stage or (),
            untrained=untrained,
            progress=progress,
            keep=lambda figures: _write(figures, json),
        )
    _finish(figures, json, report, None)


def compile_(
    world: Annotated[str, typer.Argument(help=WORLD)] = "doom",
    device: Annotated[str, typer.Option(help=DEVICE)] = "auto",
    dtype: Annotated[str, typer.Option(help=DTYPE)] = "auto",
) -> None:
    """Compile the net of a world ahead, for this machine; `dreamloop play` takes it from then on. Takes minutes."""
    from dreamloop.model.world_model import OpenOptions
    from dreamloop.runtime.compile_world import compile_world
    from dreamloop.runtime.world import find_world

    with _progress() as progress:
        figures = compile_world(find_world(world), OpenOptions(device=device, dtype=dtype), progress=progress)
    _print(figures)


@contextmanager
def _progress() -> Iterator[Callable[[str, float | None], None]]:
    """A bar on stderr that says what is being done; a share of None only says that it is."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None)
        now = [""]

        def report(what: str, share: float | None) -> None:
            if what != now[0]:
                now[0] = what
                bar.reset(task, description=what)
            bar.update(task, completed=share or 0.0, total=None if share is None else 1.0)

        yield report


def _lines() -> Callable[[str, float | None], None]:
    """Progress for a log: a line whenever something else is done, and at every tenth of it."""
    last: list[tuple[str, int]] = []

    def report(what: str, share: float | None) -> None:
        tenth = int(10 * (share or 0.0))
        if last[-1:] != [(what, tenth)]:
            last[:] = [(what, tenth)]
            typer.echo(what if share is None else f"{what}: {10 * tenth} %", err=True)

    return report


def _finish(figures: Mapping[str, Any], json: Path | None, report: Path | None, album: Any) -> None:
    """Print the figures and write what was asked for."""
    _print(figures)
    if json is not None:
        _write(figures, json)
        typer.echo(f"figures: {json}")
    if report is not None:
        from dreamloop.runtime.report import write_report

        typer.echo(f"report: {write_report(figures, report, album)}")


def _write(figures: Mapping[str, Any], path: Path | None) -> None:
    """Write the figures, atomically, where a file was asked for: what is there is whole, whenever it is stopped."""
    import json as writer

    from dreamloop.model.whole_file import whole_file

    if path is None:
        return
    with whole_file(path) as scratch:
        scratch.write_text(writer.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _read(path: Path | None) -> dict[str, Any]:
    """Return the figures in the file of ``--json``; none where there is no file yet."""
    import json as reader

    from dreamloop.input.errors import ConfigError

    if path is None:
        raise ConfigError("--resume goes on with the figures in the file of --json; name that file")
    try:
        figures = reader.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise ConfigError(f"{path} holds no figures to go on with: {error}") from error
    return figures if isinstance(figures, dict) else {}


def _print(figures: Mapping[str, Any]) -> None:
    rows = list(_flat(figures, ""))
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        typer.echo(f"{name.ljust(width)}  {text}")


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield a line per figure, its name with dots; lists of tables only as their length."""
    if isinstance(value, Mapping):
        for key, inside in value.items():
            yield from _flat(inside, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        plain = all(isinstance(one, int | float | str) for one in value) and len(value) <= 12
        yield name, ", ".join(map(_short, value)) if plain else f"({len(value)} entries)"
    else:
        yield name, _short(value)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
