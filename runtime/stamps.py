"""When each thing happened to a frame, and what that adds up to: latency, overhead, misses, speed.

Six moments a frame: the first device event arrived, the input was sampled, the model started, the model was
    done, the frame was handed to the window, the frame was presented. Knows nothing about what a frame shows.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from dreamloop.runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class FrameStamps:
    """The six moments of one frame, in seconds of the session's clock."""

    tick: int
    event_s: float | None  # first device event of the tick arrived; None when there was none
    sampled_s: float  # the input of the tick was read
    model_started_s: float
    model_done_s: float
    handed_s: float  # the frame was given to the window
    presented_s: float  # the window had given it to the screen
    said: bool = False  # the event was a phrase, and it arrived when its last word ended
    ready_s: float | None = None  # the model had done with the tick before, and with what it prepared of this one

    @property
    def model_s(self) -> float:
        """Time inside the model."""
        return self.model_done_s - self.model_started_s

    @property
    def show_s(self) -> float:
        """Time inside the window: upload, overlays, present."""
        return self.presented_s - self.handed_s

    @property
    def frame_s(self) -> float:
        """From reading the input to the frame on the screen."""
        return self.presented_s - self.sampled_s

    @property
    def overhead_s(self) -> float:
        """Time between reading the input and presenting that neither the model nor the window spent.

        A model that was still preparing when the input was read spent that time, too.
        """
        return self.frame_s - self.model_s - self.show_s - self.preparing_s

    @property
    def preparing_s(self) -> float:
        """Time after reading the input in which the model was not ready for it yet."""
        return 0.0 if self.ready_s is None else max(self.ready_s - self.sampled_s, 0.0)

    @property
    def input_to_frame_s(self) -> float | None:
        """From the device event to the screen ("input to photon"), None for a tick without an event."""
        return None if self.event_s is None or self.said else self.presented_s - self.event_s

    @property
    def speech_to_frame_s(self) -> float | None:
        """From the end of speech to the screen, the wait for silence included; None where nothing was said."""
        return self.presented_s - self.event_s if self.event_s is not None and self.said else None

    def timings(self) -> dict[str, float]:
        """Return the moments relative to the sampling, seconds, as a recording keeps them."""
        moments = {
            "model_started_s": self.model_started_s,
            "model_done_s": self.model_done_s,
            "handed_s": self.handed_s,
            "presented_s": self.presented_s,
        }
        return {name: round(moment - self.sampled_s, 6) for name, moment in moments.items()}


@dataclass(frozen=True, slots=True)
class Quantiles:
    """The distribution of one duration, seconds."""

    p50_s: float
    p95_s: float
    p99_s: float


class Stopwatch:
    """Collects the moments of the tick that is under way. One tick at a time, written by two threads in
    turn.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tick = 0
        self._event_s: float | None = None
        self._said = False
        self._ready_s: float | None = None
        self._was_ready_s: float | None = None  # that is, before the step that is being timed
        self._moments = {"sampled": 0.0, "started": 0.0, "done": 0.0, "handed": 0.0, "presented": 0.0}

    def sampled(self, tick: int, event_s: float | None, sampled_s: float, said: bool = False) -> None:
        """The input of ``tick`` was read at ``sampled_s``; its first event, a phrase if ``said``, at ``event_s``."""
        self._tick, self._event_s, self._said = tick, event_s, said
        self._moments = dict.fromkeys(self._moments, sampled_s)

    @contextmanager
    def model(self) -> Iterator[None]:
        """Wrap the model's step."""
        self._moments["started"] = self._clock.now_s()
        self._was_ready_s = self._ready_s
        yield
        self._moments["done"] = self._clock.now_s()

    def ready(self) -> None:
        """The model has nothing to do until its next step."""
        self._ready_s = self._clock.now_s()

    @contextmanager
    def show(self) -> Iterator[None]:
        """Wrap the showing of the frame."""
        self._moments["handed"] = self._clock.now_s()
        yield
        self._moments["presented"] = self._clock.now_s()

    def read(self) -> FrameStamps:
        """Return the stamps of the tick that has just been shown."""
        moments = self._moments
        return FrameStamps(
            tick=self._tick,
            event_s=self._event_s,
            sampled_s=moments["sampled"],
            model_started_s=moments["started"],
            model_done_s=moments["done"],
            handed_s=moments["handed"],
            presented_s=moments["presented"],
            said=self._said,
            ready_s=self._was_ready_s,
        )


DURATIONS = ("input_to_frame_s", "speech_to_frame_s", "frame_s", "model_s", "show_s", "overhead_s")


class StampRing:
    """The last ``size`` frames' stamps and their figures.

    Args:
        dt_s: length of a tick, world time: a frame that takes longer is a miss.
    """

    def __init__(self, dt_s: float, size: int = 512) -> None:
        self.dt_s = dt_s
        self.frames = 0  # frames seen since the beginning
        self.misses = 0  # of them, those that took longer than a tick
        self.wall_s = 0.0  # wall time between frames, pauses left out
        self._ring: deque[FrameStamps] = deque(maxlen=size)
        self._gaps_s: deque[float | None] = deque(maxlen=size)  # to the frame before; None across a pause
        self._paused = True

    def add(self, stamps: FrameStamps) -> None:
        """Keep the stamps of one more frame."""
        gap_s = None if self._paused else stamps.presented_s - self._ring[-1].presented_s
        self._paused = False
        self._ring.append(stamps)
        self._gaps_s.append(gap_s)
        self.wall_s += gap_s or 0.0
        self.frames += 1
        self.misses += stamps.frame_s > self.dt_s

    def pause(self) -> None:
        """The time until the next frame was not spent playing."""
        self._paused = True

    @property
    def last(self) -> FrameStamps | None:
        """The newest stamps."""
        return self._ring[-1] if self._ring else None

    @property
    def settled(self) -> bool:
        """Whether there are enough frames for figures that mean something: a second's worth."""
        return len(self._ring) * self.dt_s >= 1.0 or len(self._ring) == self._ring.maxlen

    def frame_times_s(self, count: int) -> list[float]:
        """Return how long the newest ``count`` frames took from input to screen, newest last."""
        return [stamps.frame_s for stamps in list(self._ring)[-count:]]

    @property
    def miss_rate(self) -> float:
        """Share of the ring's frames that took longer than a tick."""
        return sum(stamps.frame_s > self.dt_s for stamps in self._ring) / max(len(self._ring), 1)

    def quantiles(self, duration: str) -> Quantiles | None:
        """Return p50, p95 and p99 of one of ``DURATIONS`` over the ring; None when there is nothing."""
        values = [value for stamps in self._ring if (value := getattr(stamps, duration)) is not None]
        if not values:
            return None
        p50, p95, p99 = np.percentile(values, (50, 95, 99)).tolist()
        return Quantiles(p50, p95, p99)

    def frames_per_s(self, window_s: float = 2.0) -> float:
        """Return frames presented per second over about the last ``window_s`` seconds of play; 0 at first."""
        gaps, span_s = 0, 0.0
        for gap_s in reversed(self._gaps_s):
            if gap_s is None:
                continue
            gaps += 1
            span_s += gap_s
            if span_s >= window_s:
                break
        return gaps / span_s if span_s > 0 else 0.0

    def speed(self, window_s: float = 2.0) -> float:
        """Return world time over wall time: 0.8 is a world at 0.8x real time; 1 before there are figures."""
        return self.frames_per_s(window_s) * self.dt_s or 1.0
