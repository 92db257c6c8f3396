"""Measures a world's model by suites: gathers true play, hands it to model/eval_*.py, and puts the figures together.

The figures are plain values, ready for JSON, with what they were measured on beside them; pictures go into an album.
How they are shown is runtime/report.py's business.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from dreamloop.input.errors import MissingPartError, unknown
from dreamloop.input.schema import ActionSchema
from dreamloop.model.album import Album
from dreamloop.model.device import choose_device, idle_threads
from dreamloop.model.eval_control import measure_control, opposite_pairs
from dreamloop.model.eval_drift import WINDOWS, measure_drift
from dreamloop.model.eval_fidelity import measure_fidelity
from dreamloop.model.eval_play import EvaluationError, Play, context_of
from dreamloop.model.inverse_dynamics import FILE_NAME, load_reader, save_reader
from dreamloop.model.lanes import Lanes
from dreamloop.model.train_inverse import gather, train_reader
from dreamloop.model.world_model import OpenOptions, WorldModel
from dreamloop.runtime.bench import BenchSize, apart, bench
from dreamloop.runtime.clock import Clock, SystemClock
from dreamloop.runtime.measured_on import head
from dreamloop.runtime.memory_suite import PARTS, MemorySize, Suite
from dreamloop.runtime.true_play import find_places, lessons, true_plays, wander
from dreamloop.runtime.world import World

INTERFACE_TICKS = 200  # of a dream beside the simulator: 10 s of a desktop
Progress = Callable[[str, float], None]  # what is going on, and the share of it that is done


@dataclass(frozen=True, slots=True)
class EvalSize:
    """How much is measured. The defaults are the protocol; smaller ones are for trying things out."""

    starts: int = 2048  # of fidelity
    plays: int = 16  # episodes of true play, each on an unseen map
    play_ticks: int = 800
    interface_plays: int = 48  # of the scripted user of an interface: one that goes astray is not to decide a figure
    ahead_starts: int = 128  # of the dreams of 64 ticks, and of delta PSNR
    free_ticks: int = 21_000  # of free running: 10 minutes at 35 Hz
    free_scenes: int = 2  # that run free side by side
    wander_ticks: int = 21_000  # of the wandering player whose actions they are given
    stretch_ticks: int = 525  # of a stretch of real play that looks are compared with, 15 s; at most a window
    places: int = 32  # of KCtrl
    recalls: int = 8  # places in which things are hidden and shown again, three ways each
    away_s: tuple[float, ...] = (5.0, 20.0, 60.0)  # for which they are hidden
    uses: int = 1  # places in which what is written is hidden while all the rest is used, two ways each
    used_s: tuple[float, ...] = (60.0, 600.0, 3600.0)  # of that use
    still_s: tuple[float, ...] = (60.0, 600.0, 3600.0)  # of world time, after which untouched pixels are compared
    players: int = 16  # dreamed at once where starts are independent
    history_ticks: int = 0  # of true play that a dream starts from; 0: what the model's card asks for
    workers: int = 0  # simulators at the same time; 0: one per core
    memory: MemorySize = MemorySize()  # noqa: RUF009 (frozen)
    memory_parts: tuple[str, ...] = PARTS
    bench: BenchSize = BenchSize()  # noqa: RUF009 (frozen)

    def shorter(self, factor: float) -> "EvalSize":
        """Return a size of about ``factor`` times the work, for a first look."""
        return replace(
            self,
            starts=max(round(self.starts * factor), 64),
            plays=max(round(self.plays * factor), 4),
            interface_plays=max(round(self.interface_plays * factor), 4),
            ahead_starts=max(round(self.ahead_starts * factor), 16),
            free_ticks=max(round(self.free_ticks * factor), 200),
            wander_ticks=max(round(self.wander_ticks * factor), 8 * self.stretch_ticks),
            places=max(round(self.places * factor), 4),
            memory=self.memory.shorter(factor),
            recalls=max(round(self.recalls * factor), 1),
            away_s=tuple(max(s * factor, 0.5) for s in self.away_s),
            uses=max(round(self.uses * factor), 1),
            used_s=tuple(max(s * factor, 1.0) for s in self.used_s),
            still_s=tuple(max(s * factor, 1.0) for s in self.still_s),
            bench=replace(
                self.bench,
                rounds=max(round(self.bench.rounds * factor), 2),
                frames=max(round(self.bench.frames * factor), 40),
            ),
        )


@dataclass(slots=True)
class Work:
    """What the suites of one evaluation share."""

    world: World
    size: EvalSize
    options: OpenOptions
    seed: int
    album: Album
    clock: Clock
    progress: Progress
    cores: int  # threads that torch may use; lanes share them out
    keep: Callable[[Mapping[str, Any]], None] = lambda figures: None  # takes a suite's figures while they grow
    have: Mapping[str, Any] = field(default_factory=dict)  # figures of the same measurement, stopped before its end
    plays: list[Play] | None = None

    def open(self, players: int) -> WorldModel:
        """Open the model for so many players at once; on a processor they are shared out over lanes, one a core."""
        lanes = math.gcd(players, self.cores) if choose_device(self.options.device).type == "cpu" else 1
        if lanes == 1:
            return self.world.open_model(replace(self.options, players=players))
        try:
            return Lanes(lambda n: self.world.open_model(replace(self.options, players=n, threads=1)), players, lanes)
        finally:
            torch.set_num_threads(self.cores)  # everything else may use them all again

    def step(self, what: str) -> Callable[[float], None]:
        """Return a function that reports the share of ``what`` that is done."""
        return lambda share: self.progress(what, share)

    def true_plays(self) -> list[Play]:
        """Return true play on unseen maps, played once for all suites."""
        if self.plays is None:
            self.plays = []
            size = self.size
            self.progress("true play", 0.0)
            for play in true_plays(self.world, size.plays, size.play_ticks, self.seed, workers=size.workers):
                self.plays.append(play)
                self.progress("true play", len(self.plays) / self.size.plays)
        return self.plays


def run_fidelity(work: Work) -> dict[str, Any]:
    """One step ahead from true history."""
    plays = work.true_plays()
    return measure_fidelity(
        work.open(work.size.players),
        plays,
        starts=work.size.starts,
        seed=work.seed,
        history=work.size.history_ticks,
        album=work.album,
        progress=work.step("fidelity"),
    )


def run_drift(work: Work) -> dict[str, Any]:
    """64 ticks under true actions, then free running."""
    size, plays = work.size, work.true_plays()
    stretch = min(size.stretch_ticks, max(size.free_ticks // WINDOWS, 2))  # a short window varies more than a long one
    wandering = work.step("wandering")
    return measure_drift(
        work.open(size.free_scenes),
        plays,
        wander(work.world, size.wander_ticks, size.stretch_ticks, stretch, work.seed + 1, wandering, size.workers),
        starts=size.ahead_starts,
        ticks=size.free_ticks,
        seed=work.seed,
        history=size.history_ticks,
        album=work.album,
        progress=work.step("drift"),
        keep=lambda part: work.keep({**part, "partial": True}),
    )


def run_control(work: Work) -> dict[str, Any]:
    """Opposite controls from one place, read by the inverse-dynamics net."""
    path = work.world.folder / FILE_NAME
    if not path.is_file():
        raise MissingPartError(
            f"the control suite reads motion with {path.name}, which is not in {work.world.folder}; "
            f"train it with 'dreamloop train {work.world.name} --inverse-dynamics'"
        )
    model = work.open(work.size.players)
    schema = ActionSchema.from_dict(model.card.schema, where=f"card of {model.card.name}")
    reader = load_reader(path, schema)
    pairs = opposite_pairs(schema)
    places = find_places(
        work.world,
        pairs,
        work.size.places,
        work.seed + 2,
        context_of(model, work.size.history_ticks),
        work.step("places to try controls at"),
        work.size.workers,
    )
    figures = measure_control(
        model,
        places,
        work.true_plays(),
        reader,
        schema,
        starts=work.size.ahead_starts,
        seed=work.seed,
        history=work.size.history_ticks,
        album=work.album,
        progress=work.step("control"),
    )
    return figures | {"idm_weights_hash": reader.card.weights_hash if reader.card else ""}


def run_memory(work: Work) -> dict[str, Any]:
    """Leaving and coming back, with the memory and without; things that were changed meanwhile."""
    size, model = work.size, work.open(1)
    pairs = opposite_pairs(ActionSchema.from_dict(model.card.schema, where=f"card of {model.card.name}"))
    axes = [pair for pair in pairs if pair.name.endswith("-/+")]

    def opened(policy: str, players: int) -> WorldModel:
        players = -(-players // work.cores) * work.cores  # so that they divide into lanes; one that is too many idles
        return replace(work, options=replace(work.options, memory=policy)).open(players)

    suite = Suite(
        work.world,
        size.memory,
        opened,
        (axes or pairs)[0].presses[0],
        context_of(model, size.history_ticks),
        work.seed + 3,
        size.workers,
        work.album,
        work.progress,
        work.keep,
    )
    return suite.run(size.memory_parts, work.have.get("memory", {}))


def run_latency(work: Work) -> dict[str, Any]:
    """The real loop, as ``dreamloop bench`` measures it."""
    measured = bench(
        work.world, size=work.size.bench, options=work.options, seed=work.seed, clock=work.clock, progress=work.progress
    )
    latency: dict[str, Any] = measured["latency"]
    return latency


def run_interface(work: Work) -> dict[str, Any]:
    """Pointer, transitions, letters, what was hidden and what nobody touched: for worlds that have a judge."""
    from dreamloop.runtime.interface_play import run_interface as run

    return run(
        work.world,
        work.open,
        plays=work.size.interface_plays,
        ticks=min(work.size.play_ticks, INTERFACE_TICKS),
        recalls=work.size.recalls,
        away_s=work.size.away_s,
        uses=work.size.uses,
        used_s=work.size.used_s,
        still_s=work.size.still_s,
        players=work.size.players,
        seed=work.seed,
        album=work.album,
        progress=work.step("interface"),
    )


SUITES: dict[str, Callable[[Work], dict[str, Any]]] = {
    "fidelity": run_fidelity,
    "drift": run_drift,
    "control": run_control,
    "memory": run_memory,
    "interface": run_interface,
    "latency": run_latency,
}


ALL = ("fidelity", "drift", "control", "memory", "latency")


def choose_suites(names: Iterable[str], judged: bool = False) -> list[str]:
    """Return the suites of these names in their usual order; a name may hold several with commas.

    "all" is all that go with the world: one that is ``judged`` is an interface, without poses or opposite controls.

    Raises:
        EvaluationError: a suite that does not exist; the sentence lists those that do.
    """
    asked = [name.strip() for text in names for name in text.split(",") if name.strip()] or ["all"]
    wanted = ALL if not judged else ("fidelity", "interface", "latency")
    for name in asked:
        if name != "all" and name not in SUITES:
            raise EvaluationError(unknown("suite", name, [*SUITES, "all"]))
    return [name for name in SUITES if name in asked or ("all" in asked and name in wanted)]


def evaluate(
    world: World,
    suites: Sequence[str] = ("all",),
    *,
    size: EvalSize | None = None,
    options: OpenOptions | None = None,
    seed: int = 0,
    album: Album | None = None,
    clock: Clock | None = None,
    progress: Progress = lambda what, share: None,
    keep: Callable[[Mapping[str, Any]], None] = lambda figures: None,
    have: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Measure a world's model and return ``{world, model, hardware, date, ..., fidelity: {...}, drift: {...}, ...}``.

    Args:
        world: whose model; all suites but latency need its simulator.
        suites: "fidelity", "drift", "control", "memory", "latency" or "all".
        size: how much is measured.
        options: device, dtype and threads; the number of players is a suite's own business.
        seed: of true play, of the starts and of the dreams. Same seed, same machine: same figures.
        album: takes the pictures for a report.
        clock: what tells date and time.
        progress: called with what is going on and the share of it that is done.
        keep: called with the figures so far whenever there are more of them; what is not whole says ``partial``.
        have: what ``keep`` got last when the same measurement was stopped; what is whole there is not measured again.

    Raises:
        EvaluationError: an unknown suite, too little true play, or figures of another measurement to go on with.
        MissingPartError: no simulator, or no inverse-dynamics net for the control suite.
        DreamloopError: a model that cannot be opened.
    """
    chosen = choose_suites(suites, world.judge is not None)
    work = Work(
        world,
        size or EvalSize(),
        options or OpenOptions(),
        seed,
        album or Album(),
        clock or SystemClock(),
        progress,
        (options and options.threads) or idle_threads(),
    )
    how_much = {name: value for name, value in asdict(work.size).items() if name != "memory_parts"}
    figures = head(world, apart(lambda: work.open(1)), seed, work.clock) | {"size": _plain(how_much)}
    work.have = _same_measurement(have or {}, figures)
    for name in SUITES:
        there = work.have.get(name)
        whole = there is not None and not there.get("partial")
        if whole and not (name == "memory" and name in chosen):  # which looks after its own parts
            figures[name] = there
        if name in figures or name not in chosen:
            continue
        progress(name, 0.0)
        before = dict(figures)
        work.keep = lambda part, n=name, b=before: keep(b | {n: dict(part), "partial": True})  # type: ignore[misc]
        suite = SUITES[name]
        figures[name] = suite(work) if suite is run_latency else apart(lambda run=suite: run(work))  # type: ignore[misc]
        keep(figures | {"partial": True})
    return figures


def _plain(size: Mapping[str, Any]) -> dict[str, Any]:
    """Return the size as it comes back from a file: lists in place of tuples, so that both can be compared."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in size.items()}


def _same_measurement(have: Mapping[str, Any], figures: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ``have`` when it was measured on the same weights, with the same seed and as much of everything."""
    for name in ("world", "weights_hash", "seed", "size"):
        if have and have.get(name) != figures[name]:
            raise EvaluationError(
                f"the figures to go on with were measured with another {name}; measure into another file, or anew"
            )
    return have


def train_inverse_dynamics(
    world: World,
    minutes: float,
    out: Path | None = None,
    *,
    episodes: int = 48,
    ticks: int = 600,
    seed: int = 0,
    clock: Clock | None = None,
    progress: Progress = lambda what, share: None,
) -> dict[str, Any]:
    """Train the net that reads motion off pictures for the control suite, write it, and return how good it is.

    It learns from the simulator's training maps: half of the episodes are the scripted player's, half are drills in
    which random controls are held. Collecting takes up to half of the time, and what was collected by then is used.

    Args:
        world: with a simulator that tells poses.
        minutes: of collecting and training; the check on unseen maps comes on top.
        out: file of the weights; default ``inverse_dynamics.safetensors`` in the world's folder.
        episodes: at most so many are collected.
        ticks: length of an episode.
        seed: of play and of training.
        clock: what tells the time.
        progress: called with what is going on and the share of it that is done.
    """
    from dreamloop.model.eval_control import HOLD_TICKS, measure_reader

    clock = clock or SystemClock()
    path = out or world.folder / FILE_NAME
    begun_s = clock.now_s()

    played = lessons(
        world,
        episodes,
        ticks,
        seed,
        lambda: clock.now_s() - begun_s <= 60 * minutes / 2,
        lambda share: progress("collecting play", share),
    )
    gathered = gather(played, seed)
    left = max(minutes - (clock.now_s() - begun_s) / 60, 0.25 * minutes)
    reader = train_reader(
        gathered,
        world.schema,
        minutes=left,
        now_s=clock.now_s,
        seed=seed,
        report=lambda figures: progress("training", figures["share"]),
    )
    held_out = measure_reader(reader, list(true_plays(world, 8, ticks, seed)), HOLD_TICKS)
    assert reader.card is not None
    about = {
        "date": clock.stamp().partition("_")[0],
        "command": f"dreamloop train {world.name} --inverse-dynamics --minutes {minutes:g}",
        "held_out": held_out,
    }
    card = replace(reader.card, provenance={**reader.card.provenance, **about}, licence=world.licence or "MIT")
    save_reader(path, reader, card)
    return held_out | {"path": str(path), "samples": card.provenance["samples"]}
