"""Measures play: the real session, loop and window, driven by scripted hands; and the model alone.

Two kinds of rounds take turns, so that a busy minute of the machine hits both: *free*, as fast as the model goes, for
frames a second and for the cost of everything around the model; and *paced*, at the world's own rate, for the time
from a device event to the frame that shows it. Knows nothing about how a model works.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np

from dreamloop.input.source import DeviceEvent
from dreamloop.input.state import InputState
from dreamloop.model.world_model import Frame, OpenOptions, WorldModel
from dreamloop.runtime.clock import Clock, SystemClock
from dreamloop.runtime.headless import GameWindow, HeadlessWindow
from dreamloop.runtime.measured_on import head
from dreamloop.runtime.recorder import SessionRecorder
from dreamloop.runtime.session import PlayOptions, Session
from dreamloop.runtime.soak import soak
from dreamloop.runtime.stamps import FrameStamps, StampRing
from dreamloop.runtime.world import World

T = TypeVar("T")
Progress = Callable[[str, float], None]
FREE, PACED = "as fast as the model goes", "at the world's rate"


@dataclass(frozen=True, slots=True)
class BenchSize:
    """How much is measured."""

    rounds: int = 5  # of each kind, taking turns
    frames: int = 120  # per round
    warm_up: int = 10  # frames of a round that do not count
    batch: int = 8  # players of the second batch size
    batch_steps: int = 20
    record_ticks: int = 350  # handed to the recorder at the world's rate
    soak_minutes: float = 0.0
    alone: int = 0  # only so many steps of the model, without the loop: for models that take seconds a frame


class AllStamps(StampRing):
    """A ring that forgets nothing. ``ended_s[i]`` is when the tick of ``kept[i]`` was over."""

    def __init__(self, dt_s: float) -> None:
        super().__init__(dt_s)
        self.kept: list[FrameStamps] = []

    def add(self, stamps: FrameStamps) -> None:
        """Keep the stamps of one more frame."""
        super().add(stamps)
        self.kept.append(stamps)


class Hands:
    """Somebody who plays: about one device event a tick, at any moment of it, mouse and keys in turn.

    Events carry the moment at which they were due, as a device driver would have stamped them; the window only finds
    them when it next looks.
    """

    def __init__(self, clock: Clock, dt_s: float, seed: int, emit: Callable[[DeviceEvent], None]) -> None:
        self._clock, self._dt_s, self._emit = clock, dt_s, emit
        self._rng = np.random.default_rng(seed)
        self._due_s = clock.now_s()
        self._held = False

    def look(self) -> None:
        """Do everything that is due by now."""
        now_s = self._clock.now_s()
        if now_s - self._due_s > 1.0:  # the model was being loaded meanwhile
            self._due_s = now_s
        while self._due_s <= now_s:
            self._emit(self._next(self._due_s))
            self._due_s += self._dt_s * float(self._rng.uniform(0.5, 1.5))

    def _next(self, time_s: float) -> DeviceEvent:
        if self._rng.random() < 0.1:
            self._held = not self._held
            return DeviceEvent("down" if self._held else "up", "key:w", time_s=time_s)
        return DeviceEvent("motion", x=float(self._rng.normal(0, 20)), time_s=time_s)


def bench(
    world: World,
    *,
    size: BenchSize | None = None,
    options: OpenOptions | None = None,
    seed: int = 0,
    window: bool = False,
    stages: Sequence[str] = (),
    untrained: bool = False,
    clock: Clock | None = None,
    progress: Progress = lambda what, share: None,
    keep: Callable[[Mapping[str, Any]], None] = lambda figures: None,
) -> dict[str, Any]:
    """Return ``{..., "latency": {...}}``: speed, latency, overhead, stages, batches and arithmetic of a world's model.

    Args:
        world: what is played; no simulator is needed.
        size: how much is measured, and for how many minutes it is soaked.
        options: device, dtype and threads; the number of players is the bench's own business.
        seed: of the session and of the hands.
        window: play in a real window; otherwise in one that nobody sees, and upload and present are not in the time.
        stages: of the world, that draw every frame once more.
        untrained: seeded random weights of the full size, where the published ones are not at hand.
        clock: what tells the time.
        progress: called with what is going on and the share of it that is done.
        keep: called with the figures so far while it soaks, once a minute of world time.

    Raises:
        DreamloopError: the world cannot be opened, or there is no display for a real window.
    """
    size, clock, options = size or BenchSize(), clock or SystemClock(), replace(options or OpenOptions(), players=1)

    def open_for(players: int) -> WorldModel:
        opening = replace(options, players=players)
        return world.open_untrained(opening) if untrained else world.open_chain(stages, opening)

    model = apart(lambda: open_for(1))
    if size.alone:
        progress("the model alone", 0.0)
        lonely = replace(size, batch_steps=size.alone)
        step_ms = apart(lambda: model_step_ms(world, model, lonely, clock, seed, warm_up=1))
        counted = {"model_alone": {"1": step_ms}} | apart(lambda: arithmetic(world, model, step_ms["p50"], clock))
        return head(world, model, seed, clock) | {"batch": 1, "untrained": untrained, "latency": counted}
    player = _Player(world, model, clock, seed, window)
    rounds: dict[str, list[list[FrameStamps]]] = {FREE: [], PACED: []}
    for turn in range(size.rounds):
        for i, kind in enumerate(rounds):
            progress(f"playing {kind}", (2 * turn + i) / (2 * size.rounds))
            kept = player.play(size.warm_up + size.frames, paced=kind == PACED, turn=turn)
            rounds[kind].append(kept[size.warm_up :])
    latency = _loop_figures(rounds[FREE], rounds[PACED], 1 / world.rate_hz)
    progress("the model alone", 0.0)
    alone = {"1": apart(lambda: model_step_ms(world, model, size, clock, seed))}
    alone[str(size.batch)] = apart(lambda: model_step_ms(world, open_for(size.batch), size, clock, seed))
    latency["model_alone"] = alone
    progress("arithmetic", 0.5)
    latency |= apart(lambda: arithmetic(world, model, alone["1"]["p50"], clock))
    progress("recording", 0.0)
    latency["recording_ms"] = recording_ms(world, clock, size.record_ticks)
    latency |= {"window": "real" if window else "headless", "rounds": size.rounds, "frames": size.frames}
    if size.soak_minutes:
        whole = head(world, model, seed, clock) | {"batch": 1, "untrained": untrained, "latency": latency}
        latency["soak"] = soak(
            world,
            model,
            size.soak_minutes,
            clock,
            seed,
            progress,
            lambda part: keep(whole | {"latency": latency | {"soak": dict(part)}, "partial": True}),
        )
    return head(world, model, seed, clock) | {"batch": 1, "untrained": untrained, "latency": latency}


def apart(work: Callable[[], T]) -> T:
    """Run ``work`` on a thread that ends with it, as play runs a model on a thread of its own, and return its result.

    A team of processor threads that is left over from here would slow the games that are played next
    (runtime/model_thread.py): on two cores a step of the Doom world took 21 ms with it and 15 without.
    """
    with ThreadPoolExecutor(1) as one:
        return one.submit(work).result()


class _Player:
    """Plays sessions with one and the same model."""

    def __init__(self, world: World, model: WorldModel, clock: Clock, seed: int, window: bool) -> None:
        self.world, self.model, self.clock, self.seed = world, model, clock, seed
        self._real = window

    def play(
        self, frames: int, paced: bool, turn: int = 0, on_frame: Callable[[Frame], None] | None = None
    ) -> list[FrameStamps]:
        """Play one session of ``frames`` ticks and return the stamps of all."""
        window = self._window(frames + 1, on_frame)  # the first frame is the start's and no tick
        options = PlayOptions(seed=self.seed + turn, paced=paced, help=False)
        session = Session(self.world, window, self.clock, options, make_model=lambda: self.model)
        hands = Hands(self.clock, session.pacer.dt_s, self.seed + turn, lambda event: window.on_event(event))
        setattr(window, "hands" if self._real else "on_pump", hands.look)
        stamps = AllStamps(session.pacer.dt_s)
        session.ring = stamps
        session.run()
        return stamps.kept

    def _window(self, frames: int, on_frame: Callable[[Frame], None] | None) -> GameWindow:
        """Return a window that closes after ``frames`` frames."""
        if not self._real:
            return HeadlessWindow(frames, on_frame)
        from dreamloop.runtime.bench_window import PlayedWindow

        card = self.model.card
        return PlayedWindow("dreamloop bench", (card.width_px, card.height_px), self.clock, frames, on_frame)


def _loop_figures(free: Sequence[list[FrameStamps]], paced: Sequence[list[FrameStamps]], dt_s: float) -> dict[str, Any]:
    """Return what the two kinds of rounds say of the loop. Overhead is how long the model waits for a free tick."""
    periods = [np.diff([stamps.sampled_s for stamps in kept]) for kept in free]
    overhead = [s.model_started_s - s.ready_s for kept in free for s in kept if s.ready_s is not None]
    waits = [s.input_to_frame_s for kept in paced for s in kept if s.input_to_frame_s is not None]
    late = [s.frame_s > dt_s for kept in paced for s in kept]
    paced_periods = np.concatenate([np.diff([s.presented_s for s in kept]) for kept in paced])
    speeds = [1 / period.mean() for period in periods]
    return {
        "frames_per_s": float(np.median(speeds)),
        "frames_per_s_range": [float(min(speeds)), float(max(speeds))],
        "paced_frames_per_s": float(1 / paced_periods.mean()),
        "paced_jitter_ms": float(1e3 * np.abs(paced_periods - np.median(paced_periods)).mean()),
        "input_to_frame_ms": percentiles(waits) if waits else None,
        "loop_overhead_ms": percentiles(overhead),
        "miss_rate": float(np.mean(late)),
        "stages_ms": _stages([s for kept in paced for s in kept]),
    }


def _stages(kept: Sequence[FrameStamps]) -> dict[str, dict[str, float]]:
    """Return where the time of a tick at the world's rate goes, between the six stamps."""
    spans = {
        "event_to_sampled": [s.sampled_s - s.event_s for s in kept if s.event_s is not None],
        "preparing": [s.preparing_s for s in kept],
        "sampled_to_model": [s.model_started_s - s.sampled_s - s.preparing_s for s in kept],
        "model": [s.model_s for s in kept],
        "model_to_window": [s.handed_s - s.model_done_s for s in kept],
        "window": [s.show_s for s in kept],
    }
    return {name: percentiles(values) for name, values in spans.items() if values}


def percentiles(seconds: Any) -> dict[str, float]:
    """Return p50, p95 and p99 in milliseconds."""
    p50, p95, p99 = (1e3 * np.percentile(np.asarray(seconds), (50, 95, 99))).tolist()
    return {"p50": p50, "p95": p95, "p99": p99}


def model_step_ms(
    world: World, model: WorldModel, size: BenchSize, clock: Clock, seed: int, warm_up: int = 3
) -> dict[str, Any]:
    """Return the time of a step of the model alone, all players at once, and frames a second over all of them.

    ``stages_ms`` is what the model itself says of its parts: the median of every figure that ends in "_ms".
    """
    scene = world.scene(None, model.card.context_frames)
    for player in range(model.players):
        model.reset(player, scene, seed + player)
    actions = np.tile(world.schema.neutral, (model.players, 1))
    seconds: list[float] = []
    told: dict[str, list[float]] = {}
    for step in range(size.batch_steps + warm_up):
        begun_s = clock.now_s()
        model.step(actions)
        if step >= warm_up:
            seconds.append(clock.now_s() - begun_s)
            for name, value in model.stats().items():
                if name.endswith("_ms"):
                    told.setdefault(name.removesuffix("_ms"), []).append(value)
    parts = {name: float(np.median(values)) for name, values in told.items()}
    return percentiles(seconds) | {"frames_per_s": model.players / float(np.median(seconds)), "stages_ms": parts}


def recording_ms(world: World, clock: Clock, ticks: int) -> dict[str, float]:
    """Return what recording costs the loop, per tick: handing a tick over while the thread writes the one before.

    Pictures are noise, which is the longest to encode; the file is in the folder for temporary files.
    """
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (8, world.height_px, world.width_px, 3), np.uint8)
    timings = dict.fromkeys(("sampled_s", "model_started_s", "model_done_s", "handed_s", "presented_s"), 0.01)
    seconds = []
    with (
        TemporaryDirectory() as folder,
        SessionRecorder(Path(folder) / "bench.dream", {"world": world.name}) as recorder,
    ):
        for tick in range(ticks):
            state = InputState(tick, 1 / world.rate_hz, frozenset({"key:w"}), sampled_s=tick / world.rate_hz)
            action = rng.uniform(-1, 1, world.schema.size).astype(np.float32)
            begun_s = clock.now_s()
            recorder.add(state, action, pictures[tick % len(pictures)], timings)
            seconds.append(clock.now_s() - begun_s)
            clock.sleep(1 / world.rate_hz)
    return percentiles(seconds)


def arithmetic(world: World, model: WorldModel, step_ms: float, clock: Clock) -> dict[str, Any]:
    """Return what a frame of one player costs, and how near to the roof its ``step_ms`` comes; None where uncounted.

    ``gflop_per_frame`` and ``gbyte_per_frame`` are those of the products in one step (runtime/roofline.py), ``roof_ms``
    the time that they must take on this machine, ``roof_share`` that time over the step's.
    """
    import torch

    from dreamloop.runtime.peak import measure_bandwidth, measure_peak
    from dreamloop.runtime.roofline import count_products

    actions = np.tile(world.schema.neutral, (model.players, 1))
    products = count_products(lambda: model.step(actions))
    flop, nbytes = sum(products.flop) / model.players, sum(products.nbytes) / model.players
    if not flop:
        names = ("gflop_per_frame", "achieved_tflop_per_s", "peak", "peak_share", "gbyte_per_frame")
        return dict.fromkeys((*names, "roof_ms", "roof_share"))
    device = str(getattr(model, "device", "cpu"))
    peak = measure_peak(device, getattr(model, "dtype", torch.float32), clock.now_s)
    peak["gbyte_per_s"] = measure_bandwidth(device, clock.now_s) / 1e9
    achieved = flop / (step_ms / 1e3) / 1e12
    roof_ms = 1e3 * products.roof_s(1e12 * peak["tflop_per_s"], 1e9 * peak["gbyte_per_s"]) / model.players
    return {
        "gflop_per_frame": flop / 1e9,
        "achieved_tflop_per_s": achieved,
        "peak": peak,
        "peak_share": achieved / peak["tflop_per_s"],
        "gbyte_per_frame": nbytes / 1e9,
        "roof_ms": roof_ms,
        "roof_share": roof_ms / step_ms,
    }
