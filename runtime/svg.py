"""Small charts as SVG text, for pages that load nothing from anywhere. Colours are CSS variables of the page.

Knows how to draw lines and bars, not what they mean.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 14, 26  # margins around the plot


@dataclass(frozen=True, slots=True)
class Line:
    """A named line: values over the places of the x axis; None is a gap."""

    name: str
    values: Sequence[float | None]
    tone: str = "a"  # the page's colours: a to e
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """A range of y that is shaded."""

    name: str
    low: float
    high: float


def line_chart(
    title: str, places: Sequence[str], lines: Sequence[Line], *, unit: str = "", band: Band | None = None
) -> str:
    """Draw lines over evenly spaced places; ``band`` shades the range in which values should lie."""
    values = [value for line in lines for value in line.values if value is not None]
    values += [band.low, band.high] if band else []
    ticks = nice_ticks(min(values, default=0.0), max(values, default=1.0))
    plot = _Plot(ticks, len(places))
    parts = [plot.grid(unit)]
    if band is not None:
        top, bottom = plot.y(band.high), plot.y(band.low)
        height = max(bottom - top, 1)
        parts.append(
            f'<rect class="band" x="{LEFT}" y="{top:.1f}" width="{WIDTH - LEFT - RIGHT}" height="{height:.1f}"/>'
        )
    parts += [plot.place(i, name) for i, name in enumerate(places)]
    parts += [_path(plot, line) for line in lines]
    names = [(line.name, f"{line.tone} dashed" if line.dashed else line.tone) for line in lines]
    return _figure(title, "".join(parts), names + ([(band.name, "band")] if band else []))


def bar_chart(title: str, places: Sequence[str], bars: Sequence[Line], *, unit: str = "", top: float = 0.0) -> str:
    """Draw groups of bars from zero up; every ``Line`` is one bar in each group."""
    values = [value for bar in bars for value in bar.values if value is not None]
    plot = _Plot(nice_ticks(0.0, max([top, *values], default=1.0)), len(places))
    parts = [plot.grid(unit), *(plot.place(i, name) for i, name in enumerate(places))]
    wide = 0.7 * plot.pitch / max(len(bars), 1)
    for k, bar in enumerate(bars):
        for i, value in enumerate(bar.values):
            if value is not None:
                parts.append(_bar(plot, plot.x(i) + (k - len(bars) / 2) * wide, wide, value, bar.tone))
    return _figure(title, "".join(parts), [(bar.name, bar.tone) for bar in bars])


def nice_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers that enclose ``low`` and ``high``, about ``about`` of them."""
    if not math.isfinite(low) or not math.isfinite(high) or high <= low:
        low, high = (low - 0.5, low + 0.5) if math.isfinite(low) else (0.0, 1.0)
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(m for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


class _Plot:
    """Where things go inside a chart."""

    def __init__(self, ticks: Sequence[float], places: int) -> None:
        self.ticks = ticks
        self.pitch = (WIDTH - LEFT - RIGHT) / max(places, 1)

    def x(self, place: int) -> float:
        return LEFT + (place + 0.5) * self.pitch

    def y(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        share = (value - low) / ((high - low) or 1.0)
        return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)

    def grid(self, unit: str) -> str:
        rows = []
        for value in self.ticks:
            y = self.y(value)
            rows.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            rows.append(f'<text class="tick" x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
        if unit:
            rows.append(f'<text class="tick" x="{LEFT}" y="{TOP - 3}">{escape(unit)}</text>')
        return "".join(rows)

    def place(self, i: int, name: str) -> str:
        at = f'x="{self.x(i):.1f}" y="{HEIGHT - BOTTOM + 17}"'
        return f'<text class="tick" {at} text-anchor="middle">{escape(name)}</text>'


def _path(plot: _Plot, line: Line) -> str:
    points, drawn, pen = [], [], "M"
    for i, value in enumerate(line.values):
        if value is None:
            pen = "M"
            continue
        x, y = plot.x(i), plot.y(value)
        points.append(f"{pen}{x:.1f} {y:.1f}")
        label = f"<title>{escape(line.name)}: {value:.3g}</title>"
        drawn.append(f'<circle class="dot {line.tone}" cx="{x:.1f}" cy="{y:.1f}" r="3">{label}</circle>')
        pen = "L"
    dash = ' stroke-dasharray="5 4"' if line.dashed else ""
    return f'<path class="line {line.tone}" d="{" ".join(points)}"{dash}/>' + "".join(drawn)


def _bar(plot: _Plot, left: float, wide: float, value: float, tone: str) -> str:
    top, bottom = plot.y(max(value, 0.0)), plot.y(0.0)
    box = f'x="{left + 1:.1f}" y="{top:.1f}" width="{max(wide - 2, 1):.1f}" height="{max(bottom - top, 0.5):.1f}"'
    return f'<rect class="bar {tone}" {box} rx="2"><title>{value:.3g}</title></rect>'


def _figure(title: str, inside: str, names: Sequence[tuple[str, str]]) -> str:
    keys = "".join(f'<span class="key"><i class="{tone}"></i>{escape(name)}</span>' for name, tone in names)
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">{inside}</svg><div class="keys">{keys}</div></figure>'
    )
