"""What a person sees of the windows at a glance: where their titles are read in a picture, and so what lies where.

A desk that is believed is put right by it. The picture may be anybody's, a dream's above all; what a window holds is
not read. Knows nothing about models.
"""

import numpy as np
from numpy.typing import NDArray

from dreamloop.demos.desk.colours import ACCENT, DARK, DESKTOP, IDLE, LINE, RGB, TEXT, WHITE
from dreamloop.demos.desk.font import BOLD, CELL, PLAIN
from dreamloop.demos.desk.screen import POINTER_SHAPE
from dreamloop.demos.desk.state import APPS, BAR_ROW, COLUMNS, ICON_PITCH, ICON_TOP, ROWS, SIZES, SLOT, Desk, window_at

ENOUGH, LETTERS = 3, 2  # cells of a title, and letters of its name, that have to be seen where it is believed;
# elsewhere half of both: what a dream tears off a title is none
_NAMES = [(app, i, char) for app, name in enumerate(APPS) for i, char in enumerate(name)]
Frame = NDArray[np.uint8]
Cells = NDArray[np.uint8]  # (..., pixels of a cell, 3)


def glance(frame: Frame, desk: Desk) -> None:
    """Put right what is believed of a desk's look and windows by a picture (h, w, 3) of it.

    A window of which no title is seen, though nothing that is believed covers it, is gone; one whose title may be
    covered is believed on.
    """
    cells, front = _cells(frame), None
    _look(frame, cells, desk)
    found = _titles(cells, desk)
    for app, window in enumerate(desk.windows):
        if app in found:
            window.y, window.x, in_front = found[app]
            window.open, window.minimised = True, False
            front = app if in_front else front
            if app not in desk.order:
                desk.order.insert(0, app)
        elif window.visible and not _covered(desk, app):
            window.open, window.minimised = _in_bar(frame, desk, app), True
            desk.order.remove(app)
    _put_in_order(frame, desk)
    if front is not None:
        desk.order.remove(front)
        desk.order.append(front)


def _cells(frame: Frame) -> Cells:
    split = frame.reshape(ROWS, CELL, COLUMNS, CELL, 3).swapaxes(1, 2)
    return split.reshape(ROWS, COLUMNS, CELL * CELL, 3)


def _pointed(pointer: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the cells (rows, columns) that the pointer may hide."""
    hidden, (height, width) = np.zeros((ROWS, COLUMNS), np.bool_), POINTER_SHAPE.shape
    x, y = pointer
    hidden[y // CELL : (y + height) // CELL + 1, x // CELL : (x + width) // CELL + 1] = True
    return hidden


def _where(cells: Cells, glyph: NDArray[np.bool_] | None, ink: int, ground: int) -> NDArray[np.bool_]:
    """Return which cells (...) show a glyph (cell, cell) in one colour on another; None: the ground alone."""
    wanted = np.broadcast_to(RGB[ground], (CELL, CELL, 3)).copy()
    if glyph is not None:
        wanted[glyph] = RGB[ink]
    return np.asarray((cells == wanted.reshape(-1, 3)).all((-1, -2)))


def _titles(cells: Cells, desk: Desk) -> dict[int, tuple[int, int, bool]]:
    """Return row and column of the titles that are seen, by application, and whether in the colours of the front.

    What is seen most of is read first, and no cell is read twice: "calc" has letters of "clock".
    """
    shade, glyphs = _shade(desk), BOLD if desk.large else PLAIN
    shown = {}  # which cells show a character, by character and whether in the colours of the front
    for front, ink, ground in ((True, WHITE, ACCENT + desk.accent), (False, TEXT + shade, IDLE + shade)):
        for char in {*"".join(APPS), "_", "x"}:
            shown[char, front] = _where(cells, glyphs[char], ink, ground)
        shown[" ", front] = _where(cells, None, ink, ground)
    found: dict[int, tuple[int, int, bool]] = {}
    free = np.ones((ROWS, COLUMNS), np.bool_)
    while True:
        best = (0, 0, 0, 0, False)
        for app, name in enumerate(APPS):
            for front in (False, True) if app not in found else ():
                width, height = SIZES[app]
                high, wide = BAR_ROW - height + 1, COLUMNS - width + 1
                title = name.ljust(width - 2) + "_x"
                seen = np.stack([(shown[char, front] & free)[:high, i : wide + i] for i, char in enumerate(title)])
                cells_seen, letters_seen = seen.sum(0), seen[: len(name)].sum(0)
                fits = (2 * cells_seen >= len(title)) & (2 * letters_seen >= len(name))
                window = desk.windows[app]
                if window.visible:
                    at = window.y, window.x
                    fits[at] = cells_seen[at] >= ENOUGH and letters_seen[at] >= LETTERS
                score = 2 * cells_seen * fits
                score[window.y, window.x] += score[window.y, window.x] > 0  # of two alike the one that is believed
                y, x = divmod(int(score.argmax()), wide)
                best = max(best, (int(score[y, x]), app, y, x, front))
        if not best[0]:
            return found
        _, app, y, x, front = best
        found[app] = y, x, front
        free[y, x : x + SIZES[app][0]] = False


def _covered(desk: Desk, app: int) -> bool:
    """Say whether so much of a title is believed to be covered that it could not be read."""
    window, width = desk.windows[app], SIZES[app][0]
    free = ~_pointed(desk.pointer)[window.y, window.x : window.x + width]
    free &= [window_at(desk, window.x + i, window.y) == app for i in range(width)]
    return int(free.sum()) < ENOUGH or int(free[: len(APPS[app])].sum()) < LETTERS


def _put_in_order(frame: Frame, desk: Desk) -> None:
    """Put windows above others where a larger share of their frames is seen than of those, in what both have."""
    line = (frame == RGB[LINE + _shade(desk)]).all(-1)
    for _ in desk.order:
        for app in list(desk.order):
            for other in desk.order[desk.order.index(app) + 1 :]:
                if _seen_in(line, desk, app, other) > _seen_in(line, desk, other, app):
                    desk.order.remove(app)
                    desk.order.insert(desk.order.index(other) + 1, app)


def _seen_in(line: NDArray[np.bool_], desk: Desk, app: int, other: int) -> float:
    """Return which share of an application's frame is seen inside another's window; a half where none is there."""
    one, (w, h), two, (w2, h2) = desk.windows[app], SIZES[app], desk.windows[other], SIZES[other]
    edge = np.zeros(line.shape, np.bool_)
    top, left, bottom, right = (one.y + 1) * CELL, one.x * CELL, (one.y + h) * CELL - 1, (one.x + w) * CELL - 1
    edge[top : bottom + 1, [left, right]] = edge[bottom, left : right + 1] = True
    inside = (slice(two.y * CELL, (two.y + h2) * CELL), slice(two.x * CELL, (two.x + w2) * CELL))
    there = line[inside][edge[inside]]
    return float(there.mean()) if there.size else 0.5


def _in_bar(frame: Frame, desk: Desk, app: int) -> bool:
    """Say whether an application has a place in the task bar."""
    return bool((frame[BAR_ROW * CELL, app * SLOT * CELL] == RGB[LINE + _shade(desk)]).all())


def _shade(desk: Desk) -> int:
    """Return what is added to colours that are others in the dark."""
    return DARK if desk.dark else 0


def _look(frame: Frame, cells: Cells, desk: Desk) -> None:
    """Read the look: the ground's colour, the letters of the icons' names, the accent of the task bar."""
    light, dark = (int((frame == RGB[DESKTOP + shade]).all(-1).sum()) for shade in (0, DARK))
    if dark != light:
        desk.dark = dark > light
    ground, labels = DESKTOP + _shade(desk), cells[ICON_TOP + 2 :: ICON_PITCH]
    small, large = (
        sum(bool(_where(labels[app, i], glyphs[char], WHITE, ground)) for app, i, char in _NAMES)
        for glyphs in (PLAIN, BOLD)
    )
    if large != small:
        desk.large = large > small
    accents = [int((frame[BAR_ROW * CELL :] == RGB[ACCENT + i]).all(-1).sum()) for i in range(4)]
    if any(accents):
        desk.accent = int(np.argmax(accents))
