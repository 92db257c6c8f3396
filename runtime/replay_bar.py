"""Draws what lies over a replay: the time line with its marks, and what the player did. Pictures only, no
window.
"""

from collections.abc import Sequence

from dreamloop.runtime.hud import clock_label
from dreamloop.runtime.paint import AMBER, BLUE, EDGE, FAINT, GREEN, INK, MUTED, RED, Canvas, Picture, fit, text_width
from dreamloop.runtime.panels import Type
from dreamloop.runtime.timeline import Timeline

COLOURS = {
    "bookmark": GREEN,
    "branch": AMBER,
    "load": AMBER,
    "reset": BLUE,
    "dropped": RED,
    "gap": RED,
}  # of marks on the line; others are grey
EDGE_PX = 28  # between the panel and the edges of the window, at both sides together


def _panel_px(window_px: tuple[int, int]) -> int:
    return max(window_px[0] - 2 * EDGE_PX, 80)


def bar_share(spot: tuple[int, int], window_px: tuple[int, int], unit: float) -> float | None:
    """Return where on the line (0..1) a click at ``spot`` lies; None beside it."""
    type_, width = Type(unit), _panel_px(window_px)
    left = (window_px[0] - width) // 2 + type_.pad
    inner = width - 2 * type_.pad
    near_bottom = spot[1] > window_px[1] - 5 * type_.line
    if not near_bottom or not left - type_.pad <= spot[0] <= left + inner + type_.pad:
        return None
    return min(max((spot[0] - left) / max(inner, 1), 0.0), 1.0)


def draw_bar(
    timeline: Timeline,
    marks: Sequence[tuple[int, str]],
    ready: float,
    help_line: str,
    window_px: tuple[int, int],
    unit: float,
) -> Picture:
    """Draw the time line across the window.

    Args:
        timeline: where the replay stands.
        marks: (tick, kind) of the recording's marks.
        ready: share of the recording that can be shown already.
        help_line: the keys, in one line.
        window_px: width and height of the window.
        unit: scale; 1.0 means 13 px letters.
    """
    type_ = Type(unit)
    width, bar = _panel_px(window_px), max(round(6 * unit), 4)
    height = 2 * type_.line + bar + 2 * type_.pad
    canvas = Canvas(width, height)
    canvas.panel(0, 0, width, height, radius=type_.pad // 2)
    inner, y = width - 2 * type_.pad, type_.pad + type_.line
    last = max(timeline.length - 1, 1)
    canvas.box(type_.pad, y, inner, bar, FAINT)
    canvas.box(type_.pad, y, round(inner * min(ready, 1.0)), bar, EDGE)
    canvas.box(type_.pad, y, round(inner * timeline.index / last), bar, BLUE)
    for at, kind in marks:
        canvas.box(type_.pad + round(inner * min(at, last) / last) - 1, y - bar, 3, 3 * bar, COLOURS.get(kind, MUTED))
    here = type_.pad + round(inner * timeline.index / last)
    canvas.box(here - 2, y - bar, 5, 3 * bar, INK)
    now, end = (clock_label(ticks / timeline.rate_hz) for ticks in (timeline.index, timeline.length))
    state = f"{timeline.speed:g}x" if timeline.playing else "paused"
    canvas.text(type_.pad, type_.pad // 2, f"{now} of {end}", type_.size)
    canvas.text(width // 2, type_.pad // 2, state, type_.size, GREEN if timeline.playing else AMBER, "centre")
    canvas.text(width - type_.pad, type_.pad // 2, f"tick {timeline.index}", type_.size, MUTED, "right")
    keys = fit(help_line, type_.small, inner)
    canvas.text(width // 2, y + 2 * bar + type_.pad // 2, keys, type_.small, MUTED, "centre")
    return canvas.picture()


def draw_inputs(values: Sequence[tuple[str, float]], unit: float) -> Picture:
    """Draw what the player did in a tick: every control by name, its entry of the action vector as a bar."""
    type_ = Type(unit)
    names = max((text_width(name, type_.small) for name, _ in values), default=0)
    bar, pad, line = round(70 * unit), type_.pad // 2, round(type_.small * 1.45)
    width, height = names + bar + 3 * pad, len(values) * line + 2 * pad
    canvas = Canvas(width, height)
    canvas.panel(0, 0, width, height, radius=pad)
    for row, (name, value) in enumerate(values):
        y = pad + row * line
        canvas.text(pad, y, name, type_.small, INK if value else MUTED)
        canvas.meter(2 * pad + names, y + 2, bar, max(type_.small - 2, 4), value, centred=True)
    return canvas.picture()
