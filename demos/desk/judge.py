"""How a dream of the desk is judged: where its pointer is, what its notes say, plays that hide things and show them.

It looks at pictures beside the desk they ought to show, whoever drew them. Knows nothing about models.
"""

import copy
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamloop.demos.desk.colours import DARK, RGB, TEXT, WINDOW
from dreamloop.demos.desk.desktop import Act, move, open_app, tick
from dreamloop.demos.desk.explorer import make_explorer
from dreamloop.demos.desk.font import CELL, PLAIN, TALL
from dreamloop.demos.desk.glance import glance
from dreamloop.demos.desk.screen import POINTER_SHAPE, shown_lines
from dreamloop.demos.desk.simulator import encode
from dreamloop.demos.desk.state import HEIGHT, NOTES, PAINT, RATE_HZ, SIZES, WIDTH, Desk, window_at
from dreamloop.demos.desk.words import WORDS

FAR_PX = 24  # a pointer further off than this counts as lost, and as this far off
POINTER_FITS = 0.75  # share of its pixels that must fit, else there is no pointer
KINDS = (
    *("open", "close", "focus", "drag", "minimise", "restore"),
    *("toggle", "type", "erase", "calculate", "paint", "intent"),
)
GLANCE = 4  # ticks between one look at the windows and the next, of who uses them
PATIENCE, TRIES = 2 * GLANCE, 5  # ticks after which one tries again to put something away, and how often
Frame = NDArray[np.uint8]
Acting = NDArray[np.float32]  # (a,) or (t, a)
Person = Generator[tuple[Acting, dict[str, Any]], Frame | None, None]


def make_judge() -> "Judge":
    """Return the judge of the desk."""
    return Judge()


class Judge:
    """Reads pictures of the desk."""

    shown_ticks = 2 * RATE_HZ - 2  # all that comes before something is hidden
    kinds = KINDS  # of transitions; ``info["kinds"]`` says which happen in a tick

    def pointer_error_px(self, frame: Frame, info: Mapping[str, Any]) -> float:
        """Return how far the picture's pointer is from where it ought to be; ``FAR_PX`` where none is found near."""
        x0, y0 = info["pointer"]
        inside = POINTER_SHAPE != 255
        rows, columns = np.nonzero(inside)
        wanted = RGB[POINTER_SHAPE[inside]].astype(np.int16)
        best = (0.0, float(FAR_PX))
        for y in range(max(y0 - FAR_PX, 0), min(y0 + FAR_PX + 1, HEIGHT)):
            for x in range(max(x0 - FAR_PX, 0), min(x0 + FAR_PX + 1, WIDTH)):
                seen = (y + rows < HEIGHT) & (x + columns < WIDTH)
                pixels = frame[y + rows[seen], x + columns[seen]].astype(np.int16)
                fits = float((np.abs(pixels - wanted[seen]).max(-1) <= 8).mean())
                far = float(np.hypot(x - x0, y - y0))
                if (fits, -far) > (best[0], -best[1]):
                    best = (fits, far)
        return min(best[1], float(FAR_PX)) if best[0] >= POINTER_FITS else float(FAR_PX)

    def letters(self, frame: Frame, info: Mapping[str, Any]) -> tuple[int, int]:
        """Read the notes' visible characters back; return how many are right, and how many there are."""
        desk: Desk = info["state"]
        right = total = 0
        for column, row, char in written_cells(desk):
            total += 1
            right += read_letter(frame, column, row, desk) == char
        return right, total

    def recall_plays(
        self, seed: int, away_s: float
    ) -> Iterator[tuple[str, Desk, NDArray[np.float32], NDArray[np.bool_]]]:
        """Yield plays in which something is hidden for ``away_s`` seconds of other use, and shown again at the end.

        Yields:
            name, the desk as it is found, actions (t, a), and which pixels (h, w) are shown again.
        """
        for name, hide, show in (
            ("covered", "open_paint", "close"),
            ("minimised", "minimise", "open_notes"),
            ("closed", "close", "open_notes"),
        ):
            rng = np.random.default_rng([seed, 3])
            desk = self._written(rng)
            if name == "covered":  # what will cover the notes is seen before, else nobody could know its place
                open_app(desk, PAINT)
                move(desk, PAINT, desk.windows[NOTES].x + 1, desk.windows[NOTES].y + 1)
            yield name, desk, self._away(desk, hide, show, away_s, rng), shown_again(desk, name)

    def used_plays(self, seed: int, used_s: float, blind: bool = False) -> Iterator[tuple[str, Desk, Acting, Person]]:
        """Yield plays that hide the notes, use all the rest for so many seconds, and show the notes again at the end.

        Nothing is meant to change the look or the notes meanwhile. Whoever uses it looks at the picture, takes what
        lies there for what there is, and puts the notes away where they show themselves; unless ``blind``.

        Yields:
            name; the desk as it is found; actions (t, a) to look at the notes; and who acts from there on: is sent
            pictures (h, w, 3), None first, and yields an action (a,) with what the judge is to be told of the next.
        """
        for name, hide in (("minimised", "minimise"), ("closed", "close")):
            desk = self._written(np.random.default_rng([seed, 3]))
            acts = _look(desk.pointer)
            yield name, desk, np.stack([encode(act) for act in acts]), _use(copy.deepcopy(desk), seed, hide, used_s, blind)

    def _written(self, rng: np.random.Generator) -> Desk:
        """Return a desk with notes in which something is written."""
        desk = Desk(dark=bool(rng.random() < 0.5), accent=int(rng.integers(4)), pointer=(3, 150))
        desk.lines = [str(rng.choice(WORDS)) + " " + str(rng.choice(WORDS)) for _ in range(3)]
        open_app(desk, NOTES)
        move(desk, NOTES, int(rng.integers(7, 16)), int(rng.integers(1, 10)))
        return desk

    def _away(self, desk: Desk, hide: str, show: str, away_s: float, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return actions: look at the notes, hide, move the pointer about at the left for a while, show, rest."""
        at = desk.pointer
        acts = [*_look(at), Act(at, intent=hide)]
        for _ in range(round(away_s * RATE_HZ)):
            dx, dy = rng.integers(-5, 6, 2)
            at = (int(np.clip(at[0] + dx, 0, 40)), int(np.clip(at[1] + dy, 90, 180)))
            acts.append(Act(at))
        acts += [Act(at, intent=show)] + [Act(at)] * 3
        return np.stack([encode(act) for act in acts])


def _look(at: tuple[int, int]) -> list[Act]:
    """Return acts: look at the notes for two seconds, the pointer at rest."""
    return [*[Act(at)] * RATE_HZ, Act(at, intent="open_notes"), *[Act(at)] * (RATE_HZ - 1)]


def _use(desk: Desk, seed: int, hide: str, used_s: float, blind: bool) -> Person:
    """Use a desk that was looked at: hide the notes, use all the rest, show them."""
    for act in _look(desk.pointer):
        tick(desk, act)
    user, look, tried = make_explorer(seed), (desk.dark, desk.large, desk.accent), 0
    for n in range(round(used_s * RATE_HZ) + 1):
        away = _to_put_away(desk, look, hide)
        tried = tried + 1 if away else 0
        if 0 < tried <= TRIES * PATIENCE:  # before all else; in between one looks what has become of it
            act = Act(desk.pointer, intent=away if tried % PATIENCE == 1 else "")
        else:
            act = _sparing(desk, user.choose(desk))
        tick(desk, act)
        frame = yield encode(act), {"state": desk}
        if frame is not None and not blind and n % GLANCE == 0:
            glance(frame, desk)
    for intent in ("", "open_notes", "", "", ""):
        act = Act(desk.pointer, intent=intent)
        tick(desk, act)
        yield encode(act), {"state": desk}


def _to_put_away(desk: Desk, look: tuple[bool, bool, int], hide: str) -> str:
    """Return the intent that takes what is seen nearer to how it was left: the look as it was, the notes away."""
    if desk.dark != look[0]:
        return "dark_mode" if look[0] else "light_mode"
    if desk.large != look[1]:
        return "bigger_text" if look[1] else "smaller_text"
    if desk.accent != look[2]:
        return "next_colour"
    if desk.windows[NOTES].visible:
        return hide if desk.front == NOTES else "open_notes"
    return ""


def _sparing(desk: Desk, act: Act) -> Act:
    """Return an act, or if it would change what is to be spared, no more of it than where the pointer goes."""
    then = copy.deepcopy(desk)
    tick(then, act)
    return act if _spared(then) == _spared(desk) else Act(act.pointer)


def _spared(desk: Desk) -> tuple[Any, ...]:
    """Return what is not to change while all the rest is used: the notes, and how all that is written looks."""
    return desk.lines, desk.windows[NOTES], desk.dark, desk.large, desk.accent


def written_cells(desk: Desk) -> list[tuple[int, int, str]]:
    """Return column, row and character of everything in the notes that can be seen and is not under the pointer."""
    window, pitch, found = desk.windows[NOTES], 2 if desk.large else 1, []
    if not window.visible:
        return []
    tip = (desk.pointer[0] // CELL, desk.pointer[1] // CELL)
    for i, line in enumerate(shown_lines(desk)):
        for j, char in enumerate(line):
            column, row = window.x + 1 + j, window.y + 1 + i * pitch
            covered = any(window_at(desk, column, row + k) != NOTES for k in range(pitch))
            pointed = 0 <= column - tip[0] <= 2 and -1 <= row - tip[1] <= 2
            if char != " " and not covered and not pointed:
                found.append((column, row, char))
    return found


def read_letter(frame: Frame, column: int, row: int, desk: Desk) -> str:
    """Return the character that fits best what is seen at a cell of the notes."""
    glyphs, high = (TALL, 2) if desk.large else (PLAIN, 1)
    cell = frame[row * CELL : (row + high) * CELL, column * CELL : (column + 1) * CELL].astype(np.int16)
    shade = DARK if desk.dark else 0
    ink, paper = RGB[TEXT + shade].astype(np.int16), RGB[WINDOW + shade].astype(np.int16)
    dark = np.abs(cell - ink).sum(-1) < np.abs(cell - paper).sum(-1)
    return min(glyphs, key=lambda char: int((glyphs[char] != dark).sum()))


def shown_again(desk: Desk, name: str) -> NDArray[np.bool_]:
    """Return the pixels (h, w) of the notes' text that were hidden."""
    window, (width, height) = desk.windows[NOTES], SIZES[NOTES]
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    top, left = (window.y + 1) * CELL, (window.x + 1) * CELL
    mask[top : top + (height - 2) * CELL, left : left + (width - 2) * CELL] = True
    if name == "covered":
        other, (across, down) = desk.windows[PAINT], SIZES[PAINT]
        under = np.zeros_like(mask)
        under[other.y * CELL : (other.y + down) * CELL, other.x * CELL : (other.x + across) * CELL] = True
        mask &= under
    return mask
