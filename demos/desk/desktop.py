"""The desk's rules: what a tick of pointer, keys and intents does to windows and applications. Draws nothing."""

from dataclasses import dataclass

from dreamloop.demos.desk import apps
from dreamloop.demos.desk.font import CELL
from dreamloop.demos.desk.state import (
    APPS,
    BAR_ROW,
    CALC,
    COLUMNS,
    NOTES,
    PAINT,
    PLAYER,
    SETTINGS,
    SIZES,
    Desk,
    calc_key_at,
    icon_at,
    slot_at,
    window_at,
)

KEYS = (*"abcdefghijklmnopqrstuvwxyz0123456789", " ", "backspace", "enter")
INTENTS = (
    *(f"open_{app}" for app in APPS),
    "close",
    "minimise",
    "next_window",
    "move_left",
    "move_right",
    "move_up",
    "move_down",
    "dark_mode",
    "light_mode",
    "bigger_text",
    "smaller_text",
    "next_colour",
    "play_pause",
    "clear",
)
STEP = 4  # cells that "move it left" moves a window


@dataclass(frozen=True, slots=True)
class Act:
    """One tick of a user."""

    pointer: tuple[int, int]  # pixels
    held: bool = False
    key: str = ""  # one of KEYS
    intent: str = ""  # one of INTENTS


def tick(desk: Desk, act: Act) -> list[str]:
    """Take one tick and return the kinds of what happened in it, in order."""
    kinds = []
    before, desk.pointer = desk.pointer, act.pointer
    if before != act.pointer:
        kinds.append("point")
    if act.held and not desk.held:
        kinds += _press(desk)
    elif act.held:
        kinds += _hold(desk, before)
    elif desk.held:
        desk.dragging, desk.drawing, desk.pressed = None, False, ""
    desk.held = act.held
    if act.key:
        kinds.append(_key(desk, act.key))
    if act.intent:
        did = _intend(desk, act.intent)
        kinds += ["intent", did] if did else []
    return [kind for kind in (*kinds, *apps.go_on(desk)) if kind]


def open_app(desk: Desk, app: int) -> str:
    """Show an application in front, wherever it was."""
    window = desk.windows[app]
    kind = "focus" if window.visible else "restore" if window.open else "open"
    if desk.front == app:
        return ""
    window.open, window.minimised = True, False
    if app in desk.order:
        desk.order.remove(app)
    desk.order.append(app)
    return kind


def _hide(desk: Desk, app: int, close: bool) -> str:
    window = desk.windows[app]
    window.open, window.minimised = not close, not close
    desk.order.remove(app)
    return "close" if close else "minimise"


def move(desk: Desk, app: int, x: int, y: int) -> str:
    """Put a window's corner at a cell, as far as the screen allows."""
    window, (width, height) = desk.windows[app], SIZES[app]
    before = (window.x, window.y)
    window.x, window.y = min(max(x, 0), COLUMNS - width), min(max(y, 0), BAR_ROW - height)
    return "drag" if (window.x, window.y) != before else ""


# -- the mouse -----------------------------------------------------------------------------------------------------


def _press(desk: Desk) -> list[str]:
    """The button goes down: a window, the task bar or an icon is hit."""
    column, row = desk.pointer[0] // CELL, desk.pointer[1] // CELL
    if (app := slot_at(column, row)) is not None:
        if desk.front == app:
            return [_hide(desk, app, close=False)]
        return [open_app(desk, app)] if desk.windows[app].open else []
    if (app := window_at(desk, column, row)) is not None:
        return _press_window(desk, app, column, row)
    app = icon_at(column, row)
    return [] if app is None else [open_app(desk, app)]


def _press_window(desk: Desk, app: int, column: int, row: int) -> list[str]:
    window, width = desk.windows[app], SIZES[app][0]
    column, row = column - window.x, row - window.y
    if row == 0 and column >= width - 2:
        return [_hide(desk, app, close=column == width - 1)]
    kinds = [open_app(desk, app)]
    if row == 0:
        desk.dragging = (app, desk.pointer[0] - window.x * CELL, desk.pointer[1] - window.y * CELL)
    else:
        kinds.append(_press_body(desk, app, column, row))
    return kinds


def _press_body(desk: Desk, app: int, column: int, row: int) -> str:
    if app == CALC and (key := calc_key_at(column, row)):
        desk.pressed = key
        return apps.calculate(desk, key) or "press"
    if app == PAINT and row == 8:
        return apps.choose_paint(desk, column)
    if app == PAINT:
        desk.drawing = True
        at = apps.on_canvas(desk.pointer, (desk.windows[app].x, desk.windows[app].y))
        return apps.stroke(desk, at, at)
    if app == SETTINGS:
        return apps.set_up(desk, column, row)
    if app == PLAYER and column < 2 and row in (1, 2):
        desk.playing = not desk.playing
        return "toggle"
    return ""


def _hold(desk: Desk, before: tuple[int, int]) -> list[str]:
    """The button stays down: a window follows the pointer, a brush draws."""
    if desk.dragging is not None:
        app, dx, dy = desk.dragging
        if desk.windows[app].visible:
            x, y = desk.pointer[0] - dx, desk.pointer[1] - dy
            return [move(desk, app, (x + CELL // 2) // CELL, (y + CELL // 2) // CELL)]
    if desk.drawing and desk.windows[PAINT].visible:
        corner = (desk.windows[PAINT].x, desk.windows[PAINT].y)
        return [apps.stroke(desk, apps.on_canvas(before, corner), apps.on_canvas(desk.pointer, corner))]
    return []


# -- keys and intents ----------------------------------------------------------------------------------------------


def _key(desk: Desk, key: str) -> str:
    """A key goes to the window in front."""
    if desk.front == NOTES:
        return apps.write(desk, key)
    if desk.front == CALC:
        if key == "enter":
            return apps.calculate(desk, "=")
        if key in ("backspace", "c"):
            return apps.calculate(desk, "c")
        return apps.calculate(desk, key) if key.isdigit() else ""
    return ""


def _intend(desk: Desk, intent: str) -> str:
    if intent.startswith("open_"):
        return open_app(desk, APPS.index(intent.removeprefix("open_")))
    if intent == "play_pause":
        desk.playing = not desk.playing
        return "toggle"
    if intent in ("dark_mode", "light_mode", "bigger_text", "smaller_text", "next_colour"):
        return _look(desk, intent)
    app = desk.front
    if app is None:
        return ""
    if intent in ("close", "minimise"):
        return _hide(desk, app, close=intent == "close")
    if intent == "next_window":
        return open_app(desk, desk.order[0])
    if intent == "clear":
        return apps.clear(desk, APPS[app])
    right = {"move_left": -STEP, "move_right": STEP}.get(intent, 0)
    down = {"move_up": -STEP, "move_down": STEP}.get(intent, 0)
    return move(desk, app, desk.windows[app].x + right, desk.windows[app].y + down)


def _look(desk: Desk, intent: str) -> str:
    before = (desk.dark, desk.accent, desk.large)
    if intent in ("dark_mode", "light_mode"):
        desk.dark = intent == "dark_mode"
    elif intent == "next_colour":
        desk.accent = (desk.accent + 1) % 4
    else:
        desk.large = intent == "bigger_text"
    return "toggle" if (desk.dark, desk.accent, desk.large) != before else ""
