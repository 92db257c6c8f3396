"""What the desk is made of, as plain values, and where everything lies. Knows nothing about drawing or time.

Places are counted in cells of 8 pixels, the pointer in pixels. A window's parts are counted from its own corner.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamloop.demos.desk.colours import BLACK, WHITE
from dreamloop.demos.desk.font import CELL

COLUMNS, ROWS = 32, 24  # of the screen
WIDTH, HEIGHT = COLUMNS * CELL, ROWS * CELL
BAR_ROW = ROWS - 1  # of the task bar
SLOT = 5  # cells of one application in the task bar
RATE_HZ = 20

APPS = ("notes", "calc", "paint", "setup", "clock", "music")
NOTES, CALC, PAINT, SETTINGS, CLOCK, PLAYER = range(6)
SIZES = ((14, 9), (8, 11), (12, 9), (12, 7), (8, 4), (10, 4))  # of the windows, width and height
PLACES = ((7, 2), (22, 1), (8, 12), (19, 13), (22, 17), (8, 18))  # where they open first
ICON_LEFT, ICON_TOP, ICON_PITCH = 1, 1, 3  # an icon is two cells square, its name stands below

NOTE_COLUMNS, NOTE_ROWS, NOTE_LINES = 12, 7, 12  # seen at once; kept
CALC_KEYS = ("789/", "456*", "123-", "c0=+")  # two cells square each, from row 3 on
CALC_DIGITS = 4  # of a number that is typed
CANVAS = (7 * CELL, 12 * CELL)  # pixels, rows and columns
TRACKS, TRACK_PX, TICKS_A_PX = 9, 10 * CELL, 5  # the player's bar grows by one pixel every so many ticks


@dataclass(slots=True)
class Window:
    """One application's window; it keeps its place while it is closed."""

    x: int
    y: int
    open: bool = False
    minimised: bool = False

    @property
    def visible(self) -> bool:
        return self.open and not self.minimised


@dataclass(slots=True, eq=False)
class Desk:
    """Everything there is. Two desks that are equal look the same, and go on the same."""

    windows: list[Window] = field(default_factory=lambda: [Window(x, y) for x, y in PLACES])
    order: list[int] = field(default_factory=list)  # applications with visible windows, the front one last
    dark: bool = False
    large: bool = False  # text
    accent: int = 0
    lines: list[str] = field(default_factory=lambda: [""])  # of the notes
    sum: str = "0"  # what the calculator shows
    answered: bool = True  # what it shows is a result: the next digit begins a new number
    canvas: NDArray[np.uint8] = field(default_factory=lambda: np.full(CANVAS, WHITE, np.uint8))
    strokes: int = 0  # counts the changes of the canvas
    colour: int = BLACK  # of the brush
    playing: bool = False
    track: int = 0
    played: int = 0  # ticks of the track
    time: int = 0  # ticks that the clock shows
    pointer: tuple[int, int] = (WIDTH // 2, HEIGHT // 2)
    held: bool = False  # the mouse button
    dragging: tuple[int, int, int] | None = None  # application; pixels from its corner to the pointer
    drawing: bool = False  # a stroke is being made
    pressed: str = ""  # key of the calculator that is down

    @property
    def front(self) -> int | None:
        """The application whose window is in front, None when none is seen."""
        return self.order[-1] if self.order else None

    def __eq__(self, other: object) -> bool:
        """Say whether two desks are in the same state; how often the canvas was changed does not count."""
        if not isinstance(other, Desk):
            return NotImplemented
        mine, theirs = self.to_dict(), other.to_dict()
        return np.array_equal(mine.pop("canvas"), theirs.pop("canvas")) and mine == theirs

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values; the canvas is a copy."""
        return {
            "windows": {
                name: {"x": w.x, "y": w.y, "open": w.open, "minimised": w.minimised}
                for name, w in zip(APPS, self.windows, strict=True)
            },
            "order": [APPS[app] for app in self.order],
            "lines": list(self.lines),
            "canvas": self.canvas.copy(),
            **{
                name: getattr(self, name)
                for name in ("dark", "large", "accent", "sum", "answered", "colour", "playing", "track", "played")
            },
            **{name: getattr(self, name) for name in ("time", "pointer", "held", "dragging", "drawing", "pressed")},
        }


def window_at(desk: Desk, column: int, row: int) -> int | None:
    """Return the application whose window is seen at a cell, None: the desktop or the task bar."""
    for app in reversed(desk.order):
        window, (width, height) = desk.windows[app], SIZES[app]
        if window.x <= column < window.x + width and window.y <= row < window.y + height:
            return app
    return None


def icon_at(column: int, row: int) -> int | None:
    """Return the application whose icon is at a cell of the bare desktop."""
    app, rest = divmod(row - ICON_TOP, ICON_PITCH)
    inside = ICON_LEFT <= column < ICON_LEFT + 2 and rest < 2
    return app if inside and 0 <= app < len(APPS) else None


def slot_at(column: int, row: int) -> int | None:
    """Return the application whose place in the task bar is at a cell."""
    app = column // SLOT
    return app if row == BAR_ROW and app < len(APPS) else None


def calc_key_at(column: int, row: int) -> str:
    """Return the calculator's key at a cell of its window, "" where there is none."""
    if row < 3 or not 0 <= column < 8 or row >= 11:
        return ""
    return CALC_KEYS[(row - 3) // 2][column // 2]
