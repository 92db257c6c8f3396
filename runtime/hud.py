"""The head-up display: what it shows, as plain data, and how it is drawn. Drawing needs no display.

It tells how the loop is doing: frames a second, world time against wall time, the six stamps of the last frame and
how the durations between them are distributed, memory, the action vector live, what the model says of itself, what
was heard, what the recorder has to say. Knows nothing about where these figures come from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dreamloop.model.world_model import Frame
from dreamloop.runtime.paint import AMBER, BLUE, GREEN, INK, MUTED, RED, Canvas, Picture, fit, text_width, wrap
from dreamloop.runtime.stamps import FrameStamps, Quantiles

SLOW = 0.95  # below this share of real time the world counts as slowed down


@dataclass(frozen=True, slots=True)
class HudData:
    """Everything that the display shows at one moment."""

    title: str  # name of the world
    state: str = ""  # "paused", "rewinding", "" while it runs
    frames_per_s: float = 0.0
    rate_hz: float = 0.0  # the world's own rate
    speed: float = 1.0  # world time over wall time
    world_s: float = 0.0  # world time played
    wall_s: float = 0.0  # wall time played, without pauses
    stamps: FrameStamps | None = None  # of the last frame
    durations: Mapping[str, Quantiles] = field(default_factory=dict)  # name -> distribution
    frame_times_s: Sequence[float] = ()  # newest last
    miss_rate: float = 0.0  # share of frames that took longer than a tick
    memory_bytes: int = 0  # resident memory of the process
    model: Mapping[str, float] = field(default_factory=dict)  # WorldModel.stats()
    controls: Sequence[tuple[str, float]] = ()  # name and entry of the action vector, -1..1
    heard: Sequence[str] = ()  # what voice heard and did, newest last
    recalled: Sequence[tuple[str, Frame]] = ()  # remembered frames that are read now, and how old they are
    notes: Sequence[str] = ()  # what the recorder and others have to say


def speed_label(speed: float) -> str:
    """Say how fast the world runs: "real time" or, slowed down, "0.8x real time"."""
    return "real time" if SLOW <= speed <= 2 - SLOW else f"{speed:.2g}x real time"


def clock_label(seconds: float) -> str:
    """Minutes and seconds, with hours when there are any.

    >>> clock_label(75.4), clock_label(3661)
    ('1:15', '1:01:01')
    """
    whole = int(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def figure(name: str, value: float) -> tuple[str, str]:
    """Return label and text of a model's figure, the unit taken from the end of its name.

    >>> figure("memory_bytes", 3_500_000.0), figure("dynamics_ms", 12.34), figure("pages", 12.0)
    (('memory', '3.5 MB'), ('dynamics', '12.3 ms'), ('pages', '12'))
    """
    stem, _, unit = name.rpartition("_")
    stem = stem.replace("_", " ")
    if unit == "bytes":
        return stem, megabytes(value)
    if unit == "s" and stem:
        return stem, f"{value * 1e3:.1f} ms"
    if unit in ("ms", "hz", "db", "px") and stem:
        return stem, f"{value:.1f} {unit}"
    return name.replace("_", " "), f"{value:,.0f}" if float(value).is_integer() else f"{value:.3g}"


def megabytes(value: float) -> str:
    """Bytes as people read them."""
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.1f} MB"


def draw_hud(data: HudData, unit: float) -> Picture:
    """Draw the display; ``unit`` scales everything (1.0: 13 px letters)."""
    return _Hud(data, unit).draw()


def draw_recalled(recalled: Sequence[tuple[str, Frame]], unit: float) -> Picture:
    """Draw the remembered frames that are read now, one below the other, each with its label."""
    size = max(round(13 * unit), 9)
    line, pad, inner = round(size * 1.5), round(12 * unit), round(148 * unit)
    heights = [round(inner * frame.shape[0] / frame.shape[1]) for _, frame in recalled]
    canvas = Canvas(inner + 2 * pad, 2 * pad + line + sum(height + line for height in heights))
    canvas.panel(0, 0, canvas.width_px, canvas.height_px, radius=pad)
    canvas.text(pad, pad, fit("remembered", size, inner), size)
    y = pad + line
    for (label, frame), height in zip(recalled, heights, strict=True):
        canvas.image(pad, y, inner, height, frame)
        canvas.text(pad, y + height + 1, fit(label, size - 1, inner), size - 1, MUTED)
        y += height + line
    return canvas.picture()


class _Hud:
    """One drawing: a cursor that walks down a panel."""

    def __init__(self, data: HudData, unit: float) -> None:
        self._data = data
        self._size = max(round(13 * unit), 9)
        self._line = round(self._size * 1.5)
        self._pad = round(12 * unit)
        self._width = round(304 * unit)
        self._y = self._pad
        inner = self._width - 2 * self._pad
        self._heard = [wrap(line, self._size, inner) for line in data.heard]
        self._notes = [wrap(line, self._size, inner) for line in data.notes]

    def draw(self) -> Picture:
        height = self._height()
        self._canvas = Canvas(self._width, height)
        self._canvas.panel(0, 0, self._width, height, radius=self._pad)
        self._headline()
        self._curve()
        self._stamps()
        self._durations()
        self._figures()
        self._controls()
        self._words(self._heard, BLUE)
        self._words(self._notes, MUTED)
        return self._canvas.picture()

    def _height(self) -> int:
        """Lines that will be drawn, in pixels: the panel is as high as what it says."""
        data = self._data
        lines = 6.6
        lines += (len(data.durations) + 1) if data.durations else 0
        lines += 1 + len(data.model)
        lines += len(data.controls) * 0.8 + 0.6 if data.controls else 0
        lines += sum(len(words) for words in (*self._heard, *self._notes))
        return round(lines * self._line + 2 * self._pad)

    def _row(self, left: str, right: str, colour: tuple[int, int, int, int] = INK) -> None:
        self._canvas.text(self._pad, self._y, left, self._size, MUTED)
        self._canvas.text(self._width - self._pad, self._y, right, self._size, colour, "right")
        self._y += self._line

    def _headline(self) -> None:
        data, big = self._data, round(self._size * 1.25)
        slow = data.speed < SLOW
        label = data.state or speed_label(data.speed)
        colour = AMBER if slow or data.state else GREEN
        title = fit(data.title, big, self._width // 2 - self._pad)
        self._canvas.text(self._pad, self._y, title, big)
        self._canvas.text(self._width - self._pad, self._y + 2, label, self._size, colour, "right")
        self._y += round(self._line * 1.15)
        rate = f"{data.frames_per_s:.1f} of {data.rate_hz:g} frames/s"
        times = f"world {clock_label(data.world_s)}   wall {clock_label(data.wall_s)}"
        self._row(rate, times, MUTED)

    def _curve(self) -> None:
        height = round(self._line * 1.5)
        inner = self._width - 2 * self._pad
        tick_s = 1 / self._data.rate_hz if self._data.rate_hz else 1.0
        times = self._data.frame_times_s
        self._canvas.curve(self._pad, self._y, inner, height, times, tick_s, 2 * tick_s)
        self._y += height + self._line // 3

    def _stamps(self) -> None:
        """The six moments of the last frame on one line, milliseconds from the sampling of the input."""
        stamps = self._data.stamps
        names = ("event", "sample", "model", "done", "window", "screen")
        if stamps is None:
            moments: list[float | None] = [None] * 6
        else:
            taken = [stamps.event_s, stamps.sampled_s, stamps.model_started_s]
            taken += [stamps.model_done_s, stamps.handed_s, stamps.presented_s]
            moments = [None if moment is None else (moment - stamps.sampled_s) * 1e3 for moment in taken]
        step = (self._width - 2 * self._pad) / 6
        small = max(self._size - 2, 8)
        for index, (name, moment) in enumerate(zip(names, moments, strict=True)):
            right = round(self._pad + (index + 1) * step) - 2
            self._canvas.text(right, self._y, name, small, MUTED, "right")
            text = "-" if moment is None else f"{moment:.1f}"
            self._canvas.text(right, self._y + round(self._line * 0.85), text, self._size, INK, "right")
        self._y += round(self._line * 1.95)

    def _durations(self) -> None:
        if not self._data.durations:
            return
        inner = self._width - 2 * self._pad
        stops = [self._pad + round(inner * share) for share in (0.64, 0.82, 1.0)]
        small = max(self._size - 2, 8)
        self._canvas.text(self._pad, self._y, "milliseconds", small, MUTED)
        for stop, name in zip(stops, ("p50", "p95", "p99"), strict=True):
            self._canvas.text(stop, self._y, name, small, MUTED, "right")
        self._y += round(self._line * 0.9)
        for name, spread in self._data.durations.items():
            self._canvas.text(self._pad, self._y, name, self._size, MUTED)
            for stop, value in zip(stops, (spread.p50_s, spread.p95_s, spread.p99_s), strict=True):
                self._canvas.text(stop, self._y, f"{value * 1e3:.1f}", self._size, INK, "right")
            self._y += self._line

    def _figures(self) -> None:
        data = self._data
        colour = RED if data.miss_rate > 0.05 else INK
        self._row("late frames", f"{data.miss_rate:.1%}", colour)
        self._row("process memory", megabytes(data.memory_bytes))
        for name, value in data.model.items():
            label, text = figure(name, value)
            self._row(f"model {label}", text)

    def _controls(self) -> None:
        if not self._data.controls:
            return
        self._y += self._line // 4
        pitch, small = round(self._line * 0.8), max(self._size - 1, 8)
        names = max(text_width(name, small) for name, _ in self._data.controls)
        left = self._pad + min(names, self._width // 3) + self._pad
        width = self._width - self._pad - left - round(self._size * 3.2)
        for name, value in self._data.controls:
            colour = INK if value else MUTED
            self._canvas.text(self._pad, self._y, fit(name, small, self._width // 3), small, colour)
            top, height = self._y + round(small * 0.3), round(small * 0.6)
            self._canvas.meter(left, top, width, height, value, centred=True)
            text = f"{value:+.2f}" if value else "0"
            self._canvas.text(self._width - self._pad, self._y, text, small, colour, "right")
            self._y += pitch
        self._y += self._line // 4

    def _words(self, told: Sequence[Sequence[str]], colour: tuple[int, int, int, int]) -> None:
        for line in (line for lines in told for line in lines):
            self._canvas.text(self._pad, self._y, line, self._size, colour)
            self._y += self._line
