"""A scripted user of the desk: aims, overshoots, drags, types, changes its mind, waits. It shows a model what work is.

It reads ``info`` (the desk, as a person sees it at a glance), never the picture. An activity is a generator of acts,
one a tick; ``HABITS`` says how often each is taken up.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamloop.demos.desk.desktop import INTENTS, KEYS, Act
from dreamloop.demos.desk.font import CELL
from dreamloop.demos.desk.simulator import encode, written
from dreamloop.demos.desk.state import (
    APPS,
    BAR_ROW,
    CALC,
    CALC_KEYS,
    CANVAS,
    HEIGHT,
    ICON_LEFT,
    ICON_PITCH,
    ICON_TOP,
    NOTES,
    PAINT,
    PLAYER,
    SETTINGS,
    SIZES,
    SLOT,
    WIDTH,
    Desk,
    icon_at,
    window_at,
)

Acts = Iterator[Act]
LIKING = 0.8  # how differently people like to do things: deviation of the log of a habit's weight


def make_explorer(seed: int = 0) -> "Explorer":
    """Return a scripted user; the same seed and the same desk give the same work."""
    return Explorer(seed)


def make_practice(seed: int = 0) -> "Explorer":
    """Return one in a hurry, who does often what takes long to learn: writes, calculates, changes the look."""
    return Explorer(seed, PRACTICE, haste=4.0)


class Explorer:
    """Turns info into actions, float32 (62,), one per tick.

    Args:
        habits: how often it takes up what, where that is not as in ``HABITS``.
        haste: how many times faster than others it moves the pointer; it waits as much less.
    """

    def __init__(self, seed: int = 0, habits: Mapping[str, float] | None = None, haste: float = 1.0) -> None:
        self.habits, self.haste = habits or {}, haste
        self.reset(seed)

    def reset(self, seed: int | None = None) -> None:
        """Forget what it was doing; with a seed, start the random stream over."""
        if seed is not None:
            self.rng = np.random.default_rng([seed, 0xDE])
        self.patience = float(self.rng.uniform(0.1, 1.0)) / self.haste  # no two people work alike
        self.desk = Desk()
        self.at: tuple[float, float] = (WIDTH / 2, HEIGHT / 2)
        self.life = self._live()

    def act(self, observation: NDArray[np.uint8], info: Mapping[str, Any]) -> NDArray[np.float32]:
        """Return the next action; the picture itself is not read."""
        return encode(self.choose(info["state"]))

    def choose(self, desk: Desk) -> Act:
        """Return what it does next to a desk."""
        self.desk = desk
        if desk.pointer != self._pixel():
            self.at = desk.pointer
        return next(self.life)

    # --- what to do ---

    def _live(self) -> Acts:
        names = [*HABITS, *(name for name in self.habits if name not in HABITS)]
        known = HABITS | DRILLS
        weights = np.array([self.habits.get(name, known[name][0]) for name in names])
        weights = weights * np.exp(self.rng.normal(0, LIKING, len(weights)))
        while True:
            habit = known[str(self.rng.choice(names, p=weights / weights.sum()))][1]
            yield from habit(self)
            if self.rng.random() < 0.5:
                yield from self.wait(1, 12)

    def open_by_icon(self) -> Acts:
        """Click an icon that can be seen."""
        app = int(self.rng.integers(len(APPS)))
        cells = [(ICON_LEFT + i, ICON_TOP + ICON_PITCH * app + j) for i in (0, 1) for j in (0, 1)]
        free = [cell for cell in cells if window_at(self.desk, *cell) is None and icon_at(*cell) == app]
        if free:
            yield from self.click_cell(*self._pick(free))

    def by_bar(self) -> Acts:
        """Click an open application's place in the task bar: restore, focus or minimise."""
        app = self._pick([app for app, window in enumerate(self.desk.windows) if window.open])
        if app is not None:
            yield from self.click_cell(app * SLOT + int(self.rng.integers(SLOT)), BAR_ROW)

    def focus(self) -> Acts:
        """Click some part of a window that is not in front."""
        app = self._pick(self.desk.order[:-1])
        if app is not None and app != SETTINGS:
            cells = [cell for cell in self._seen(app) if cell[1] > self.desk.windows[app].y]
            if cells and app not in (CALC, PAINT):
                yield from self.click_cell(*self._pick(cells))

    def hide(self) -> Acts:
        """Minimise or close a window by the boxes of its title."""
        app = self._pick(self.desk.order)
        if app is not None:
            window, right = self.desk.windows[app], self.desk.windows[app].x + SIZES[app][0] - 1
            cell = (right - int(self.rng.random() < 0.55), window.y)
            if cell in self._seen(app):
                yield from self.click_cell(*cell)

    def drag(self) -> Acts:
        """Take a window by its title and put it somewhere; now and then change one's mind on the way."""
        app = self._pick(self.desk.order)
        if app is None:
            return
        width, window = SIZES[app][0], self.desk.windows[app]
        title = [cell for cell in self._seen(app) if cell[1] == window.y and cell[0] < window.x + width - 2]
        if not title:
            return
        cell = self._pick(title)
        yield from self.move_to(*self._middle(*cell))
        yield self._act(held=True)
        for _ in range(1 + int(self.rng.random() < 0.25)):
            near = self.rng.normal(0, 50, 2)
            x, y = self.at[0] + near[0], self.at[1] + near[1]
            yield from self.move_to(x, y, held=True)
            yield from self.wait(0, 3, held=True)
        yield self._act()

    def write(self) -> Acts:
        """Type some words into the notes, with a slip of the finger now and then."""
        if self.desk.front != NOTES:
            yield from self._bring(NOTES)
        if self.desk.front != NOTES or self.rng.random() < 0.1:
            return
        quick = self.rng.random() < 0.5
        if self.rng.random() < 0.7:
            yield from self._aside()
        for key in written(self.rng, int(self.rng.integers(3, 22))):
            if self.rng.random() < 0.06 and len(key) == 1:
                yield from self._press_key(str(self.rng.choice(KEYS[:26])), quick)
                yield from self.wait(1, 6)
                yield from self._press_key("backspace", quick)
            yield from self._press_key(key, quick)
            if self.rng.random() < 0.04:
                yield from self.wait(5, 20)

    def erase(self) -> Acts:
        """Take some letters back."""
        if self.desk.front == NOTES:
            for _ in range(int(self.rng.integers(1, 9))):
                yield from self._press_key("backspace", True)

    def calculate(self) -> Acts:
        """Work out a small sum with the mouse, or half of it with the keys."""
        if self.desk.front != CALC:
            yield from self._bring(CALC)
        if self.desk.front != CALC:
            return
        small = self.rng.random() < 0.7
        one, two = (str(self.rng.integers(0, 20 if small else 1000)) for _ in "ab")
        keys = ("c" if self.rng.random() < 0.6 else "") + one + str(self.rng.choice([*"+-*/"])) + two + "="
        for key in keys:
            if key.isdigit() and self.rng.random() < 0.2:
                yield from self._press_key(key, False)
            else:
                yield from self._click_key(key)
            if self.desk.front != CALC or self.rng.random() < 0.03:
                return

    def paint(self) -> Acts:
        """Take a colour and draw a few strokes."""
        if self.desk.front != PAINT:
            yield from self._bring(PAINT)
        for _ in range(int(self.rng.integers(1, 4))):
            if self.desk.front != PAINT:
                return
            window = self.desk.windows[PAINT]
            if self.rng.random() < 0.4:
                yield from self.click(*self._inside(window.x + 2 * int(self.rng.integers(6)), window.y + 8, 2, 1))
            yield from self.move_to(*self._spot())
            yield self._act(held=True)
            for _ in range(int(self.rng.integers(1, 4))):
                yield from self.move_to(*self._spot(), held=True)
            yield self._act()

    def set_up(self) -> Acts:
        """Change the look."""
        if self.desk.front != SETTINGS:
            yield from self._bring(SETTINGS)
        if self.desk.front != SETTINGS:
            return
        window = self.desk.windows[SETTINGS]
        spots = [(8, 1, 3, 2), (6, 5, 3, 2), (9, 5, 3, 2), *((4 + 2 * i, 3, 2, 2) for i in range(4))]
        x, y, width, height = spots[int(self.rng.choice(7, p=[0.3, 0.15, 0.15, 0.1, 0.1, 0.1, 0.1]))]
        yield from self.click(*self._inside(window.x + x, window.y + y, width, height))

    def play(self) -> Acts:
        """Press the player's button."""
        window = self.desk.windows[PLAYER]
        if (window.x, window.y + 1) in self._seen(PLAYER):
            yield from self.click(*self._inside(window.x, window.y + 1, 2, 2))

    def intend(self) -> Acts:
        """Say what is wanted."""
        yield self._act(intent=str(self.rng.choice(INTENTS)))
        yield from self.wait(2, 12)

    def wander(self) -> Acts:
        """Move the pointer somewhere, for no reason; perhaps turn round half way."""
        yield from self.move_to(float(self.rng.uniform(0, WIDTH)), float(self.rng.uniform(0, HEIGHT)))

    def idle(self) -> Acts:
        """Sit and look."""
        yield from self.wait(5, 40)

    # --- what hardly anybody does, to practise on ---

    def resize(self) -> Acts:
        """Make the text larger and smaller again, in words; over the notes, mostly, and with something written anew."""
        if self.desk.front != NOTES and self.rng.random() < 0.6:
            yield self._act(intent="open_notes")
        for _ in range(int(self.rng.integers(1, 4))):
            yield self._act(intent="smaller_text" if self.desk.large else "bigger_text")
            yield from self.wait(0, 6)
            for key in written(self.rng, int(self.rng.integers(0, 4))):
                yield self._act(key=key)

    def say(self) -> Acts:
        """Say what is wanted, one thing after the other, whatever was done just before."""
        for _ in range(int(self.rng.integers(1, 5))):
            yield self._act(intent=str(self.rng.choice(INTENTS)))
            yield from self.wait(0, 6)

    def type_blindly(self) -> Acts:
        """Type into whatever is in front."""
        for _ in range(int(self.rng.integers(1, 8))):
            yield self._act(key=str(self.rng.choice(KEYS)))
            yield from self.wait(0, 2)

    def add_up(self) -> Acts:
        """Do sums with the keys, one after the other, and take some back; only the operators have to be clicked."""
        if self.desk.front != CALC:
            yield self._act(intent="open_calc")
        for _ in range(int(self.rng.integers(1, 5))):
            high = 20 if self.rng.random() < 0.7 else 1000
            for key in str(self.rng.integers(high)):
                yield self._act(key=key)
            yield from self._click_key(str(self.rng.choice([*"+-*/"])))
            for key in str(self.rng.integers(high)):
                yield self._act(key=key)
            if self.rng.random() < 0.5:
                yield from self._click_key("=")
            else:
                yield self._act(key=str(self.rng.choice(["enter", "enter", "enter", "c", "backspace"])))
            yield from self.wait(0, 4)
            if self.desk.front != CALC:
                return

    # --- hands ---

    def move_to(self, x: float, y: float, held: bool = False) -> Acts:
        """Move the pointer as a hand does: fast in the middle, sometimes too far and back."""
        if self.rng.random() < 0.05 and not held:
            x, y = float(self.rng.uniform(0, WIDTH)), float(self.rng.uniform(0, HEIGHT))  # another mind
        far = math.dist(self.at, (x, y))
        goals = [(x, y)]
        if far > 30 and self.rng.random() < 0.3:
            over = float(self.rng.uniform(0.03, 0.12))
            goals.insert(0, (x + over * (x - self.at[0]), y + over * (y - self.at[1])))
        for goal in goals:
            start, far = self.at, math.dist(self.at, goal)
            ticks = max(int((2 + far / float(self.rng.uniform(14, 34))) / self.haste), 1)
            for i in range(1, ticks + 1):
                part = i / ticks
                eased = part * part * part * (part * (6 * part - 15) + 10)
                self.at = tuple(a + (b - a) * eased for a, b in zip(start, goal, strict=True))  # type: ignore[assignment]
                yield self._act(held=held)

    def click(self, x: float, y: float) -> Acts:
        """Go there, press, let go."""
        yield from self.move_to(x, y)
        if self.rng.random() < 0.3:
            yield from self.wait(1, 5)
        for _ in range(int(self.rng.integers(1, 4))):
            yield self._act(held=True)
        yield self._act()

    def click_cell(self, column: int, row: int) -> Acts:
        """Click somewhere in a cell."""
        yield from self.click(*self._inside(column, row, 1, 1))

    def wait(self, low: int, high: int, held: bool = False) -> Acts:
        """Do nothing for a while."""
        for _ in range(round(self.patience * self.rng.integers(low, high + 1))):
            yield self._act(held=held)

    def _click_key(self, key: str) -> Acts:
        """Click a key of the calculator."""
        row = next(i for i, keys in enumerate(CALC_KEYS) if key in keys)
        window, column = self.desk.windows[CALC], CALC_KEYS[row].index(key)
        yield from self.click(*self._inside(window.x + 2 * column, window.y + 3 + 2 * row, 2, 2))

    def _press_key(self, key: str, quick: bool) -> Acts:
        yield self._act(key=key)
        yield from self.wait(0, 1 if quick else 4)

    def _bring(self, app: int) -> Acts:
        """Get an application to the front, one way or another."""
        ways = [self._act(intent=f"open_{APPS[app]}")]
        window = self.desk.windows[app]
        cells = [cell for cell in self._seen(app) if cell[1] == window.y and cell[0] < window.x + SIZES[app][0] - 2]
        if self.rng.random() < 0.3:
            yield ways[0]
        elif window.open and self.rng.random() < 0.5:
            yield from self.click_cell(app * SLOT + 2, BAR_ROW)
        elif cells:
            yield from self.click_cell(*self._pick(cells))
        else:
            cell = (ICON_LEFT + 1, ICON_TOP + ICON_PITCH * app)
            if window_at(self.desk, *cell) is None:
                yield from self.click_cell(*cell)
        yield from self.wait(1, 4)

    def _aside(self) -> Acts:
        """Move the pointer off what is being written."""
        window, (width, height) = self.desk.windows[NOTES], SIZES[NOTES]
        x = (window.x + width) * CELL + float(self.rng.uniform(4, 40))
        yield from self.move_to(x, (window.y + height) * CELL + float(self.rng.uniform(-30, 30)))

    def _act(self, held: bool = False, key: str = "", intent: str = "") -> Act:
        return Act(self._pixel(), held, key, intent)

    def _pixel(self) -> tuple[int, int]:
        x, y = (round(min(max(a, 0), high - 1)) for a, high in zip(self.at, (WIDTH, HEIGHT), strict=True))
        return x, y

    def _spot(self) -> tuple[float, float]:
        """Return a place on the canvas, in pixels of the screen."""
        left, top = self.desk.windows[PAINT].x * CELL, (self.desk.windows[PAINT].y + 1) * CELL
        x, y = self.rng.uniform(4, CANVAS[1] - 4), self.rng.uniform(4, CANVAS[0] - 4)
        return left + float(x), top + float(y)

    def _middle(self, column: int, row: int) -> tuple[float, float]:
        return self._inside(column, row, 1, 1)

    def _inside(self, column: int, row: int, width: int, height: int) -> tuple[float, float]:
        """Return a place in pixels well inside a rectangle of cells."""
        x = (column + float(self.rng.uniform(0.15, 0.85)) * width) * CELL
        return x, (row + float(self.rng.uniform(0.15, 0.85)) * height) * CELL

    def _seen(self, app: int) -> list[tuple[int, int]]:
        """Return the cells of a window that nothing covers."""
        window, (width, height) = self.desk.windows[app], SIZES[app]
        if not window.visible:
            return []
        cells = [(window.x + i, window.y + j) for j in range(height) for i in range(width)]
        return [cell for cell in cells if window_at(self.desk, *cell) == app]

    def _pick(self, options: list[Any]) -> Any:
        return options[int(self.rng.integers(len(options)))] if options else None


HABITS: dict[str, tuple[float, Callable[[Explorer], Acts]]] = {
    "open_by_icon": (0.14, Explorer.open_by_icon),
    "by_bar": (0.10, Explorer.by_bar),
    "focus": (0.08, Explorer.focus),
    "hide": (0.12, Explorer.hide),
    "drag": (0.12, Explorer.drag),
    "write": (0.13, Explorer.write),
    "erase": (0.04, Explorer.erase),
    "calculate": (0.06, Explorer.calculate),
    "paint": (0.06, Explorer.paint),
    "set_up": (0.05, Explorer.set_up),
    "play": (0.04, Explorer.play),
    "intend": (0.16, Explorer.intend),
    "wander": (0.10, Explorer.wander),
    "idle": (0.05, Explorer.idle),
}
DRILLS: dict[str, tuple[float, Callable[[Explorer], Acts]]] = {  # of who practises alone
    "resize": (0.6, Explorer.resize),
    "type_blindly": (0.06, Explorer.type_blindly),
    "add_up": (0.3, Explorer.add_up),
    "say": (0.2, Explorer.say),
}
PRACTICE = {
    **{"write": 0.34, "erase": 0.14, "calculate": 0.14, "set_up": 0.18, "hide": 0.12, "paint": 0.05},
    **{"drag": 0.04, "wander": 0.0, "idle": 0.02, "intend": 0.12},
    **{name: weight for name, (weight, _) in DRILLS.items()},
}
