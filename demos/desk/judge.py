"""How a dream of the desk is judged: where its pointer is, what its notes say, plays that hide things and show them.

It looks at pictures beside the desk they ought to show, whoever drew them. Knows nothing about models.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamloop.demos.desk.colours import DARK, RGB, TEXT, WINDOW
from dreamloop.demos.desk.desktop import Act, move, open_app
from dreamloop.demos.desk.font import CELL, PLAIN, TALL
from dreamloop.demos.desk.person import Person, look_at_notes, use_all_but_notes
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
Frame = NDArray[np.uint8]


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

    def used_plays(self, seed: int, used_s: float) -> Iterator[tuple[str, Desk, NDArray[np.float32], Person]]:
        """Yield plays that hide the notes, use all the rest for so many seconds, and show the notes again at the end.

        Whoever uses it looks at the picture now and then and takes the windows that lie there for what there is. The
        notes and the look are not to change: should they be seen to, they are put back before all else.

        Yields:
            name; the desk as it is found; actions (t, a) to look at the notes; and who acts from there on.
        """
        for name, hide in (("minimised", "minimise"), ("closed", "close")):
            desk = self._written(np.random.default_rng([seed, 3]))
            acts = look_at_notes(desk.pointer)
            yield name, desk, np.stack([encode(act) for act in acts]), use_all_but_notes(desk, seed, hide, used_s)

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
        acts = [*look_at_notes(at), Act(at, intent=hide)]
        for _ in range(round(away_s * RATE_HZ)):
            dx, dy = rng.integers(-5, 6, 2)
            at = (int(np.clip(at[0] + dx, 0, 40)), int(np.clip(at[1] + dy, 90, 180)))
            acts.append(Act(at))
        acts += [Act(at, intent=show)] + [Act(at)] * 3
        return np.stack([encode(act) for act in acts])


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
