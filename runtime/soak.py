"""The long run: an hour of world time, headless. Does a frame cost more, does memory grow, does the dream hold?

The real session with everything that it keeps, as fast as the model goes, under hands that wander: the same seed moves
them the same way, tick by tick. What is known is handed over once a minute of world time, so a stop loses nothing.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dreamloop.input.errors import MissingPartError
from dreamloop.input.source import DeviceEvent
from dreamloop.input.state import InputState
from dreamloop.model.eval_drift import WINDOWS, judge
from dreamloop.model.found_again import Camera, found_again_db
from dreamloop.model.look import EVERY, Look, LookMeter, RealLooks
from dreamloop.model.picture_figures import colour_distance, psnr_db
from dreamloop.model.world_model import Action, Frame, WorldModel
from dreamloop.runtime.clock import Clock
from dreamloop.runtime.headless import HeadlessWindow
from dreamloop.runtime.hud_figures import resident_bytes
from dreamloop.runtime.recorder import Recorder, SessionRecorder
from dreamloop.runtime.revisits import true_frames
from dreamloop.runtime.session import PlayOptions, Session
from dreamloop.runtime.stamps import FrameStamps, StampRing
from dreamloop.runtime.true_play import wander
from dreamloop.runtime.world import World

COMPARED_EVERY = 350  # ticks between two frames that are kept, to be compared with the simulator's
REVISIT_EVERY = 35  # ticks between two looks at what is being read
OLD_TICKS = 105  # a page that is younger was hardly left
AGES = (OLD_TICKS, 350, 1024, 4096, 16384, 65536)  # ticks: the ages of pages that figures are told for
MEMORY_SAMPLES = 200
REAL_TICKS, REAL_STRETCH_TICKS = 21_000, 525  # of real play that looks are compared with, as in the drift suite
LOOK_AROUND, TURN_ABOUT = 0.4, 0.2  # of somebody who stands, and who walks: so that places are come back to
AROUND_PX, LOOK_TICKS = 2400.0, 140  # a circle of Doom at 0.15 degrees a pixel, and time for two of them
KEYS = ("key:w", "key:s", "key:a", "key:d")

Progress = Callable[[str, float], None]
Keep = Callable[[Mapping[str, Any]], None]


class WanderingHands:
    """Somebody who strolls: keys held for a while, the mouse drawn smoothly towards a new heading now and then."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 0x50A])
        self._held = ""
        self._keep = 0  # ticks until another key
        self._turn_px = self._speed_px = 0.0  # still to turn; per tick

    def tick(self) -> list[DeviceEvent]:
        """Return what the hands do before the next tick."""
        events: list[DeviceEvent] = []
        self._keep -= 1
        if self._keep <= 0:
            self._keep = int(self._rng.integers(12, 71))
            key = "" if self._rng.random() < 0.25 else str(self._rng.choice(KEYS, p=(0.7, 0.1, 0.1, 0.1)))
            if key != self._held:
                events += [DeviceEvent("up", self._held)] if self._held else []
                events += [DeviceEvent("down", key)] if key else []
                self._held = key
            dice = self._rng.random()
            if dice < LOOK_AROUND and not key:
                self._turn_px, self._keep = float(self._rng.choice((-1, 1))) * AROUND_PX, LOOK_TICKS
            elif dice < TURN_ABOUT:
                self._turn_px = float(self._rng.choice((-1, 1))) * AROUND_PX / 2
            elif dice < 0.75:
                self._turn_px = float(self._rng.normal(0, 400))
            events.append(DeviceEvent("down" if self._rng.random() < 0.05 else "up", "key:space"))
        pull = np.clip(0.03 * self._turn_px - 0.36 * self._speed_px, -6, 6)
        self._speed_px = float(np.clip(self._speed_px + pull, -40, 40))
        self._turn_px -= self._speed_px
        events.append(DeviceEvent("motion", x=round(self._speed_px), y=0.0))
        return events


class _Costs(StampRing):
    """A ring that also keeps what every frame cost, in few bytes: the bench must not be what grows."""

    def __init__(self, dt_s: float) -> None:
        super().__init__(dt_s)
        self.frame_s, self.model_s = array("f"), array("f")

    def add(self, stamps: FrameStamps) -> None:
        """Keep the costs of one more frame."""
        super().add(stamps)
        self.frame_s.append(stamps.frame_s)
        self.model_s.append(stamps.model_s)


class _Windows:
    """The looks of ten windows of a run of ``ticks``."""

    def __init__(self, ticks: int) -> None:
        self.looks: list[list[Look]] = []
        self._meter, self._before, self._ticks = LookMeter(), np.zeros(0, np.uint8), ticks
        self._every = min(EVERY, max(ticks // WINDOWS, 1))

    def look(self, tick: int, frame: Frame) -> None:
        """Take in the frame of a tick; the first is that of tick 0, which nobody has moved in yet."""
        if tick and tick % self._every == 0:
            self._meter.add(self._before[None], frame[None])
        self._before = frame.copy()
        if tick and tick % max(self._ticks // WINDOWS, 1) == 0 and len(self._meter) and len(self.looks) < WINDOWS:
            self.looks.append(self._meter.read())


class _Hands(SessionRecorder):
    """Also keeps what was done in every tick, in few bytes."""

    def __init__(self, header: Mapping[str, Any], ring_ticks: int) -> None:
        super().__init__(None, header, ring_ticks=ring_ticks)
        self._done, self._controls = array("f"), 1

    def add(self, state: InputState, action: Action, *told: Any, **more: Any) -> None:
        """Keep the action of one more tick."""
        super().add(state, action, *told, **more)
        self._done.extend(action.tolist())
        self._controls = len(action)

    @property
    def actions(self) -> NDArray[np.float32]:
        """What was done (t, a) in every tick but the first, in which nobody has moved yet."""
        return np.array(self._done, np.float32).reshape(-1, self._controls)[1:]


class Soak:
    """One long run, and what is known of it so far."""

    def __init__(self, world: World, model: WorldModel, minutes: float, real: RealLooks | None, keep: Keep) -> None:
        self.world, self.model, self.minutes, self.real, self._keep = world, model, minutes, real, keep
        self.ticks = max(round(minutes * 60 * world.rate_hz), 20)
        self.minute = min(round(60 * world.rate_hz), self.ticks // 2)
        self.costs = _Costs(1 / world.rate_hz)
        self.memory_mb: list[float] = []
        self.windows, self._seen = _Windows(self.ticks), 0
        shape = (self.ticks // COMPARED_EVERY + 1, world.height_px, world.width_px, 3)
        self._shown = np.full(shape, 1, np.uint8)  # all of it now: the bench must not be what grows
        self.found: list[tuple[int, int, float]] = []  # tick, age of the page, dB

    def look(self, frame: Frame) -> None:
        """Take in the frame of one more tick."""
        tick = self._seen
        self._seen += 1
        self.windows.look(tick, frame)
        if tick % COMPARED_EVERY == 0 and tick // COMPARED_EVERY < len(self._shown):
            self._shown[tick // COMPARED_EVERY] = frame
        if tick % REVISIT_EVERY == 0:
            self._look_back(tick, frame)
        if tick % max(self.ticks // MEMORY_SAMPLES, 1) == 0:
            self.memory_mb.append(resident_bytes() / 1e6)
        if tick and tick % self.minute == 0:
            self._keep(self.figures() | {"partial": True})

    def _look_back(self, tick: int, frame: Frame) -> None:
        """Compare what is showing with the old pages that are being read."""
        read = getattr(self.model, "pages_read", None)
        if read is None:
            return
        pose, pages = read(0)
        config = getattr(self.model, "config")  # noqa: B009 (not of the contract)
        for page in pages:
            if page.age_ticks >= OLD_TICKS:
                db = found_again_db(frame, pose, page, Camera(config.fov_deg, config.lens))
                if db is not None:
                    self.found.append((tick, page.age_ticks, db))

    def figures(self) -> dict[str, Any]:
        """Return what is known so far."""
        frame_s = np.array(self.costs.frame_s)
        first, last = frame_s[: self.minute], frame_s[-self.minute :]
        tenth = max(len(self.memory_mb) // 10, 1)
        told: dict[str, Any] = {
            "minutes": self.minutes,
            "frames": len(frame_s),
            "world_minutes_played": len(frame_s) / self.world.rate_hz / 60,
            "frames_per_s": float(len(frame_s) / frame_s.sum()) if frame_s.sum() else None,
            "cost_ratio": _ratio(last, first, 50),
            "cost_ratio_p95": _ratio(last, first, 95),
            "memory_mb": [round(value, 1) for value in self.memory_mb],
            "first_memory_mb": float(np.median(self.memory_mb[:tenth])) if self.memory_mb else None,
            "last_memory_mb": float(np.median(self.memory_mb[-tenth:])) if self.memory_mb else None,
            "model": {name: float(value) for name, value in self.model.stats().items()},
            "revisits": self._revisits(),
        }
        for name, part in (("first", first), ("last", last)):
            for percentile, label in ((50, "frame_ms"), (95, "frame_p95_ms")):
                told[f"{name}_minute_{label}"] = 1e3 * float(np.percentile(part, percentile)) if len(part) else None
        minutes = [frame_s[at : at + self.minute] for at in range(0, len(frame_s), self.minute)]
        told["frame_ms_by_minute"] = [round(1e3 * float(np.median(part)), 3) for part in minutes]
        if self.windows.looks and self.real is not None:
            told["looks"] = judge(self.windows.looks, self.real)
        return told

    def beside(self, truth: Iterable[Frame]) -> dict[str, Any]:
        """Set the run against what the simulator shows under the same hands, tick by tick; {} where it shows nothing.

        ``truth``: from the first tick in which anybody moves.
        """
        true, rows, ticks = _Windows(self.ticks), list[tuple[int, float]](), 0
        for tick, frame in enumerate(truth, 1):
            if tick >= self._seen:
                break
            ticks = tick
            true.look(tick, frame)
            if tick % COMPARED_EVERY == 0:
                shown = torch.from_numpy(self._shown[tick // COMPARED_EVERY])
                rows.append(
                    (min(tick * WINDOWS // self.ticks, WINDOWS - 1), float(psnr_db(torch.from_numpy(frame), shown)))
                )
        if not ticks:
            return {}
        pairs = [(dream[0], real[0]) for dream, real in zip(self.windows.looks, true.looks, strict=False)]
        by_window = [[db for window, db in rows if window == number] for number in range(WINDOWS)]
        real = 0.0 if self.real is None else self.real.sharpness_levels
        told = {
            "ticks": ticks,
            "n": len(rows),
            "psnr_db": float(np.mean([db for _, db in rows])) if rows else None,
            "psnr_db_by_window": [float(np.mean(one)) if one else None for one in by_window],
            "sharpness_ratio_by_window": [_share(d.sharpness_levels, t.sharpness_levels) for d, t in pairs],
            "motion_ratio_by_window": [_share(d.motion_levels, t.motion_levels) for d, t in pairs],
            "colour_levels_by_window": [float(colour_distance(d.colours, t.colours)) for d, t in pairs],
            "sharpness_of_real_play_by_window": [_share(t.sharpness_levels, real) for _, t in pairs],
        }
        return {"same_keys": told}

    def _revisits(self) -> dict[str, Any]:
        """Return how well old pages are drawn again, by tenth of the run and by age."""
        if not self.found:
            return {"n": 0}
        rows = np.array(self.found)
        tenths = np.minimum(rows[:, 0] * WINDOWS // self.ticks, WINDOWS - 1)
        by_age = {}
        for low, high in pairwise((*AGES, 1 << 30)):
            mine = rows[(rows[:, 1] >= low) & (rows[:, 1] < high)]
            if len(mine):
                by_age[f"{low}+"] = {"psnr_db": float(mine[:, 2].mean()), "n": len(mine)}
        by_window = [rows[tenths == i, 2] for i in range(WINDOWS)]
        return {
            "n": len(rows),
            "psnr_db": float(rows[:, 2].mean()),
            "psnr_db_by_window": [float(one.mean()) if len(one) else None for one in by_window],
            "n_by_window": [len(one) for one in by_window],
            "by_age_ticks": by_age,
            "oldest_ticks": int(rows[:, 1].max()),
        }


def soak(
    world: World,
    model: WorldModel,
    minutes: float,
    clock: Clock,
    seed: int,
    progress: Progress,
    keep: Keep = lambda figures: None,
) -> dict[str, Any]:
    """Play ``minutes`` of world time as fast as it goes; return costs, memory, looks and revisits.

    Where the world has a simulator, the looks are judged against real play's; elsewhere there are no ``looks``.
    """
    run = Soak(world, model, minutes, _real_looks(world, minutes, seed, progress), keep)
    hands = WanderingHands(seed)

    def shown(frame: Frame) -> None:
        run.look(frame)
        window.inject(*hands.tick())
        if window.shown % 50 == 0:
            progress("soaking", window.shown / run.ticks)

    window = HeadlessWindow(run.ticks + 1, shown)
    options = PlayOptions(seed=seed, paced=False, help=False)
    kept = list[_Hands]()

    def record(header: Mapping[str, Any]) -> Recorder:
        kept.append(_Hands(header, round(options.keep_s * world.rate_hz)))
        return kept[0]

    session = Session(world, window, clock, options, make_model=lambda: model, make_recorder=record)
    session.ring = run.costs
    session.run()
    figures = run.figures()
    keep(figures | {"partial": True})
    progress("the same keys in the simulator", 0.0)
    return figures | run.beside(true_frames(world, session.scene or "", kept[0].actions))


def _real_looks(world: World, minutes: float, seed: int, progress: Progress) -> RealLooks | None:
    """Return how real play looks; None where no simulator can tell. A short soak looks at fewer stretches."""
    if world.simulator is None:
        return None
    ticks = int(min(REAL_TICKS, max(minutes * 60 * world.rate_hz, 8 * REAL_STRETCH_TICKS)))
    try:
        real = wander(
            world,
            ticks,
            REAL_STRETCH_TICKS,
            REAL_STRETCH_TICKS,
            seed + 1,
            lambda share: progress("real play to compare with", share),
            workers=0,
        )
    except MissingPartError:
        return None
    return RealLooks(real.looks)


def _share(part: float, whole: float) -> float:
    return part / max(whole, 1e-6)


def _ratio(last: Any, first: Any, percentile: float) -> float | None:
    if not len(first) or not np.percentile(first, percentile):
        return None
    return float(np.percentile(last, percentile) / np.percentile(first, percentile))
