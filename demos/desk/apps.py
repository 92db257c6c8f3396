"""What the applications do with a key or a click: notes, calculator, canvas, settings, player. Knows no windows.

Every function changes the desk and returns the kind of what happened, "" for nothing.
"""

from fractions import Fraction

import numpy as np

from dreamloop.demos.desk.colours import PAINTS, WHITE
from dreamloop.demos.desk.font import CELL
from dreamloop.demos.desk.state import (
    CALC_DIGITS,
    CANVAS,
    NOTE_COLUMNS,
    NOTE_LINES,
    TICKS_A_PX,
    TRACK_PX,
    TRACKS,
    Desk,
)

OPERATORS = "+-*/"


def write(desk: Desk, key: str) -> str:
    """Take a key in the notes: a character, "backspace" or "enter"."""
    lines = desk.lines
    if key == "backspace":
        if lines[-1]:
            lines[-1] = lines[-1][:-1]
        elif len(lines) > 1:
            lines.pop()
        else:
            return ""
        return "erase"
    if key == "enter" or len(lines[-1]) >= NOTE_COLUMNS:
        lines.append("")
        del lines[:-NOTE_LINES]
    if key != "enter":
        lines[-1] += key
    return "type"


def calculate(desk: Desk, key: str) -> str:
    """Take a key of the calculator: a digit, an operator, "=" or "c"."""
    before = (desk.sum, desk.answered)
    left, operator, right = parts(desk.sum)
    if key == "c":
        desk.sum, desk.answered = "0", True
    elif key.isdigit():
        _digit(desk, key, right if operator else left)
    elif key in OPERATORS:
        if operator and right:
            _answer(desk, left, operator, right)
            left = desk.sum
        if left != "error":
            desk.sum, desk.answered = left + key, False
    elif key == "=" and operator and right:
        _answer(desk, left, operator, right)
    return "calculate" if (desk.sum, desk.answered) != before else ""


def _digit(desk: Desk, key: str, number: str) -> None:
    if desk.answered:
        desk.sum, desk.answered = key, False
    elif number == "0":
        desk.sum = desk.sum[:-1] + key
    elif len(number.lstrip("-")) < CALC_DIGITS:
        desk.sum += key


def parts(text: str) -> tuple[str, str, str]:
    """Return left number, operator and right number of what the calculator shows.

    >>> parts("-12+7"), parts("5"), parts("3*")
    (('-12', '+', '7'), ('5', '', ''), ('3', '*', ''))
    """
    for place, char in enumerate(text):
        if place and char in OPERATORS:
            return text[:place], char, text[place + 1 :]
    return text, "", ""


def _answer(desk: Desk, left: str, operator: str, right: str) -> None:
    a, b = Fraction(left), Fraction(right)
    if operator == "/" and b == 0:
        desk.sum = "error"
    else:
        value = a + b if operator == "+" else a - b if operator == "-" else a * b if operator == "*" else a / b
        desk.sum = _shown(value)
    desk.answered = True


def _shown(value: Fraction) -> str:
    """Write a result in at most eight characters: whole, or with what decimals have room."""
    if abs(value) >= 10_000_000:
        return "error"
    if value.denominator == 1:
        return str(value.numerator)
    return f"{float(value):.2f}".rstrip("0").rstrip(".") if abs(value) < 10_000 else str(round(value))


def stroke(desk: Desk, start: tuple[int, int], end: tuple[int, int]) -> str:
    """Draw with a brush of 3x3 pixels from one place of the canvas to another (x, y; may lie outside)."""
    before = desk.canvas.copy()
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    for i in range(steps + 1):
        x = start[0] + (end[0] - start[0]) * i // steps
        y = start[1] + (end[1] - start[1]) * i // steps
        desk.canvas[max(y - 1, 0) : max(y + 2, 0), max(x - 1, 0) : max(x + 2, 0)] = desk.colour
    if np.array_equal(before, desk.canvas):
        return ""
    desk.strokes += 1
    return "paint"


def choose_paint(desk: Desk, column: int) -> str:
    """Take the colour under a column of the row of paints."""
    chosen = PAINTS[min(column // 2, len(PAINTS) - 1)]
    changed, desk.colour = chosen != desk.colour, chosen
    return "toggle" if changed else ""


def clear(desk: Desk, app: str) -> str:
    """Empty the application: the intent "clear"."""
    if app == "paint" and (desk.canvas != WHITE).any():
        desk.canvas = np.full(CANVAS, WHITE, np.uint8)
        desk.strokes += 1
        return "erase"
    if app == "notes" and desk.lines != [""]:
        desk.lines = [""]
        return "erase"
    return calculate(desk, "c") if app == "calc" else ""


def set_up(desk: Desk, column: int, row: int) -> str:
    """Click into the settings: dark mode, accent colour, text size."""
    before = (desk.dark, desk.accent, desk.large)
    if row in (1, 2) and 8 <= column < 11:
        desk.dark = not desk.dark
    elif row in (3, 4) and 4 <= column < 12:
        desk.accent = (column - 4) // 2
    elif row in (5, 6) and 6 <= column < 12:
        desk.large = column >= 9
    return "toggle" if (desk.dark, desk.accent, desk.large) != before else ""


def on_canvas(pointer: tuple[int, int], corner: tuple[int, int]) -> tuple[int, int]:
    """Return a place of the screen, in pixels, as a place of the canvas of a window at ``corner`` (cells)."""
    return pointer[0] - corner[0] * CELL, pointer[1] - (corner[1] + 1) * CELL


def go_on(desk: Desk) -> list[str]:
    """Let a tick pass for what goes on by itself, seen or not: the clock and the player."""
    kinds = []
    desk.time += 1
    if desk.time % 20 == 0:
        kinds.append("clock")
    if desk.playing:
        desk.played += 1
        if desk.played % TICKS_A_PX == 0:
            kinds.append("play")
        if desk.played >= TRACK_PX * TICKS_A_PX:
            desk.played, desk.track = 0, (desk.track + 1) % TRACKS
    return kinds
