"""Draws a desk: every pixel follows from the state alone. Windows are drawn once for what they show, then copied.

Pictures are numbers of colours (uint8, rows first) until the very end. Knows nothing about what happens next.
"""

from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

from dreamloop.demos.desk.colours import (
    ACCENT,
    BLACK,
    BLUE,
    BUTTON,
    DARK,
    DESKTOP,
    GREEN,
    IDLE,
    LINE,
    PAINTS,
    RED,
    RGB,
    TEXT,
    WHITE,
    WINDOW,
    YELLOW,
)
from dreamloop.demos.desk.font import BOLD, CELL, PLAIN, TALL
from dreamloop.demos.desk.state import (
    APPS,
    BAR_ROW,
    CALC_KEYS,
    HEIGHT,
    ICON_LEFT,
    ICON_PITCH,
    ICON_TOP,
    NOTE_ROWS,
    RATE_HZ,
    SIZES,
    SLOT,
    TICKS_A_PX,
    WIDTH,
    Desk,
)

Picture = NDArray[np.uint8]  # (h, w) numbers of colours

POINTER = (
    "X..........",
    "XX.........",
    "XoX........",
    "XooX.......",
    "XoooX......",
    "XooooX.....",
    "XoooooX....",
    "XooooooX...",
    "XoooXXXXX..",
    "XoXooX.....",
    "XX.XooX....",
    "X...XX.....",
)
POINTER_SHAPE = np.array([[{".": 255, "X": BLACK, "o": WHITE}[pixel] for pixel in row] for row in POINTER], np.uint8)
_ICONS = (  # a shape of four blocks a side for each application, and its colours
    (("oooo", "oxxo", "oxxo", "oooo"), (WHITE, BLUE)),
    (("xxxx", "oxox", "xoxo", "oxox"), (BLACK, YELLOW)),
    (("oxoo", "xxoo", "ooxo", "ooox"), (WHITE, RED)),
    (("xoox", "oxxo", "oxxo", "xoox"), (GREEN, WHITE)),
    (("oxxo", "xoox", "xoox", "oxxo"), (BLACK, WHITE)),
    (("xooo", "xxxo", "xxxo", "xooo"), (RED, WHITE)),
)


class Sheet:
    """A picture that is drawn on in cells, in the colours and letters of a look."""

    def __init__(self, width: int, height: int, dark: bool, large: bool, fill: int = WINDOW) -> None:
        self.shade, self.large = DARK if dark else 0, large
        self.pixels = np.full((height * CELL, width * CELL), self.colour(fill), np.uint8)

    def colour(self, colour: int) -> int:
        """Return a colour of the light look as it is in this one; accents, paints, black and white stay."""
        return colour + self.shade if colour < DARK else colour

    def fill(self, x: int, y: int, width: int, height: int, colour: int, inset: int = 0) -> None:
        """Fill a rectangle of cells, ``inset`` pixels smaller on every side."""
        x, y, right, bottom = x * CELL, y * CELL, (x + width) * CELL, (y + height) * CELL
        self.pixels[y + inset : bottom - inset, x + inset : right - inset] = self.colour(colour)

    def text(self, x: int, y: int, text: str, colour: int = TEXT, tall: bool = False) -> None:
        """Write from a cell on; large text is bold, or ``tall``, two cells high, where there is room."""
        glyphs = TALL if tall and self.large else BOLD if self.large else PLAIN
        for i, char in enumerate(text):
            glyph = glyphs[char]
            rows = self.pixels[y * CELL : y * CELL + len(glyph), (x + i) * CELL : (x + i + 1) * CELL]
            rows[glyph] = self.colour(colour)


class Screen:
    """Draws desks one after the other; what did not change is not drawn again."""

    def __init__(self, pointer: bool = True) -> None:
        self.pointer = pointer  # is drawn, too
        self._kept: dict[str, tuple[Hashable, Picture]] = {}

    def draw(self, desk: Desk) -> Picture:
        """Return the picture (192, 256) of a desk."""
        look = (desk.dark, desk.large)
        picture = self._keep("desktop", look, lambda: _desktop(desk)).copy()
        for app in desk.order:
            window = desk.windows[app]
            front = app == desk.front
            key = (*look, desk.accent if front or app == 3 else -1, front, CONTENT[app](desk))
            seen = self._keep(APPS[app], key, lambda app=app: _window(desk, app))  # type: ignore[misc]
            y, x = window.y * CELL, window.x * CELL
            picture[y : y + seen.shape[0], x : x + seen.shape[1]] = seen
        bar = (*look, desk.accent, desk.front, *((w.open, w.minimised) for w in desk.windows))
        picture[BAR_ROW * CELL :] = self._keep("bar", bar, lambda: _bar(desk))
        if self.pointer:
            _point(picture, *desk.pointer)
        return picture

    def _keep(self, name: str, key: Hashable, draw: Callable[[], Picture]) -> Picture:
        kept = self._kept.get(name)
        if kept is None or kept[0] != key:
            kept = self._kept[name] = (key, draw())
        return kept[1]


def colourful(picture: Picture) -> NDArray[np.uint8]:
    """Return the picture in RGB, (h, w, 3)."""
    return np.take(RGB, picture, axis=0)


def _point(picture: Picture, x: int, y: int) -> None:
    """Lay the pointer over the picture, its tip at (x, y)."""
    under = picture[y : y + POINTER_SHAPE.shape[0], x : x + POINTER_SHAPE.shape[1]]
    shape = POINTER_SHAPE[: under.shape[0], : under.shape[1]]
    np.copyto(under, shape, where=shape != 255)


def _desktop(desk: Desk) -> Picture:
    sheet = Sheet(WIDTH // CELL, HEIGHT // CELL, desk.dark, desk.large, DESKTOP)
    for app, name in enumerate(APPS):
        y = ICON_TOP + app * ICON_PITCH
        icon(sheet, ICON_LEFT, y, app)
        sheet.text(0, y + 2, name, WHITE)
    return sheet.pixels


def icon(sheet: Sheet, x: int, y: int, app: int) -> None:
    """Draw an application's picture, two cells square."""
    shape, (ground, ink) = _ICONS[app]
    blocks = np.array([[ink if block == "x" else ground for block in row] for row in shape], np.uint8)
    inside = sheet.pixels[y * CELL + 1 : (y + 2) * CELL - 1, x * CELL + 1 : (x + 2) * CELL - 1]
    inside[:] = np.kron(blocks, np.ones((4, 4), np.uint8))[1:15, 1:15]


def _bar(desk: Desk) -> Picture:
    sheet = Sheet(WIDTH // CELL, 1, desk.dark, desk.large, BUTTON)
    for app, name in enumerate(APPS):
        window = desk.windows[app]
        if window.open:
            front = app == desk.front
            fill = ACCENT + desk.accent if front else IDLE if window.visible else BUTTON
            sheet.fill(app * SLOT, 0, SLOT, 1, LINE)
            sheet.pixels[1:7, app * SLOT * CELL + 1 : (app + 1) * SLOT * CELL - 1] = sheet.colour(fill)
            sheet.text(app * SLOT, 0, name, WHITE if front else TEXT)
    return sheet.pixels


def _window(desk: Desk, app: int) -> Picture:
    width, height = SIZES[app]
    sheet, front = Sheet(width, height, desk.dark, desk.large), app == desk.front
    BODY[app](sheet, desk)
    sheet.pixels[CELL:, [0, -1]] = sheet.pixels[-1] = sheet.colour(LINE)
    sheet.fill(0, 0, width, 1, ACCENT + desk.accent if front else IDLE)
    ink = WHITE if front else TEXT
    sheet.text(0, 0, APPS[app], ink)
    sheet.text(width - 2, 0, "_", ink)
    sheet.text(width - 1, 0, "x", ink)
    return sheet.pixels


def shown_lines(desk: Desk) -> list[str]:
    """Return the lines of the notes that are seen."""
    return desk.lines[-(NOTE_ROWS // 2 if desk.large else NOTE_ROWS) :]


def _notes(sheet: Sheet, desk: Desk) -> None:
    lines, pitch = shown_lines(desk), 2 if desk.large else 1
    for row, line in enumerate(lines):
        sheet.text(1, 1 + row * pitch, line, tall=True)
    x, y = (1 + len(lines[-1])) * CELL, (1 + (len(lines) - 1) * pitch) * CELL
    sheet.pixels[y : y + pitch * CELL - 1, x : x + 2] = sheet.colour(ACCENT)


def shown_sum(desk: Desk) -> str:
    """Return what the calculator's display shows, right-aligned."""
    return desk.sum[-7:].rjust(7)


def _calc(sheet: Sheet, desk: Desk) -> None:
    sheet.fill(0, 1, 8, 2, WHITE, inset=2)
    sheet.text(0, 1 if desk.large else 2, shown_sum(desk), BLACK, tall=True)
    for row, keys in enumerate(CALC_KEYS):
        for column, key in enumerate(keys):
            x, y, down = column * 2, 3 + row * 2, key == desk.pressed
            sheet.fill(x, y, 2, 2, LINE, inset=1)
            sheet.fill(x, y, 2, 2, ACCENT if down else BUTTON, inset=2)
            glyph = (BOLD if sheet.large else PLAIN)[key]
            sheet.pixels[y * CELL + 4 : y * CELL + 12, x * CELL + 4 : x * CELL + 12][glyph] = (
                WHITE if down else sheet.colour(TEXT)
            )


def _paint(sheet: Sheet, desk: Desk) -> None:
    sheet.pixels[CELL : 8 * CELL] = desk.canvas
    for i, colour in enumerate(PAINTS):
        sheet.fill(2 * i, 8, 2, 1, LINE, inset=0 if colour == desk.colour else 1)
        sheet.fill(2 * i, 8, 2, 1, colour, inset=2)


def _settings(sheet: Sheet, desk: Desk) -> None:
    sheet.text(1, 1, "dark")
    sheet.fill(8, 1, 3, 2, LINE, inset=3)
    sheet.fill(9 if desk.dark else 8, 1, 2, 2, ACCENT + desk.accent if desk.dark else WHITE, inset=4)
    sheet.text(1, 3, "hue")
    for i in range(4):
        sheet.fill(4 + 2 * i, 3, 2, 2, TEXT if i == desk.accent else WINDOW, inset=1)
        sheet.fill(4 + 2 * i, 3, 2, 2, ACCENT + i, inset=3)
    sheet.text(1, 5, "text")
    for x, mine, glyph in ((6, not desk.large, PLAIN["A"]), (9, desk.large, BOLD["A"])):
        sheet.fill(x, 5, 3, 2, ACCENT + desk.accent if mine else BUTTON, inset=2)
        spot = sheet.pixels[5 * CELL + 4 : 6 * CELL + 4, (x + 1) * CELL : (x + 2) * CELL]
        spot[glyph] = WHITE if mine else sheet.colour(TEXT)


def shown_time(desk: Desk) -> str:
    """Return what the clock shows: minutes and seconds."""
    seconds = desk.time // RATE_HZ
    return f"{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _clock(sheet: Sheet, desk: Desk) -> None:
    sheet.text(1, 2 if not desk.large else 1, shown_time(desk), tall=True)


def _player(sheet: Sheet, desk: Desk) -> None:
    sheet.fill(0, 1, 2, 2, BUTTON, inset=2)
    if desk.playing:
        sheet.pixels[12:20, [5, 6, 9, 10]] = sheet.colour(TEXT)
    else:
        for i in range(8):
            sheet.pixels[12 + i, 5 : 5 + 2 * min(i + 1, 8 - i)] = sheet.colour(TEXT)
    sheet.text(3, 1, f"song {desk.track + 1}")
    sheet.fill(0, 3, 10, 1, LINE, inset=2)
    sheet.pixels[3 * CELL + 2 : 4 * CELL - 2, : desk.played // TICKS_A_PX] = ACCENT + 2


BODY: tuple[Callable[[Sheet, Desk], None], ...] = (_notes, _calc, _paint, _settings, _clock, _player)
CONTENT: tuple[Callable[[Desk], Hashable], ...] = (  # what a window shows, beside its look
    lambda desk: tuple(shown_lines(desk)),
    lambda desk: (desk.sum, desk.pressed),
    lambda desk: (desk.strokes, desk.colour),
    lambda desk: desk.accent,
    lambda desk: desk.time // RATE_HZ,
    lambda desk: (desk.playing, desk.track, desk.played // TICKS_A_PX),
)
