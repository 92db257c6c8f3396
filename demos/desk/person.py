"""Somebody who uses the desk by what a picture shows, whoever drew it: a dream is used as it is.

Does what the scripted user does, to the desk that is believed; a glance now and then puts right what is believed of
the windows. Knows nothing about models.
"""

import copy
from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamloop.demos.desk.desktop import Act, tick
from dreamloop.demos.desk.explorer import make_explorer
from dreamloop.demos.desk.glance import glance
from dreamloop.demos.desk.simulator import encode
from dreamloop.demos.desk.state import NOTES, RATE_HZ, Desk

GLANCE = 4  # ticks from one glance to the next
PATIENCE, TRIES = 2 * GLANCE, 5  # ticks after which one tries again to put something away, and how often
Look = tuple[bool, bool, int]
Person = Generator[tuple[NDArray[np.float32], dict[str, Any]], NDArray[np.uint8], None]
"""Yields an action (a,), and what a judge is told of the picture (h, w, 3) that it leads to and that is sent then."""


def look_at_notes(at: tuple[int, int]) -> list[Act]:
    """Return acts: look at the notes for two seconds, the pointer at rest."""
    return [*[Act(at)] * RATE_HZ, Act(at, intent="open_notes"), *[Act(at)] * (RATE_HZ - 1)]


def use_all_but_notes(desk: Desk, seed: int, hide: str, used_s: float) -> Person:
    """Use a desk whose notes were looked at: hide them, use all the rest, show them.

    Args:
        desk: as it was before they were looked at; it is left as it is.
        hide: the intent.
        used_s: seconds of use.
    """
    desk = copy.deepcopy(desk)
    for act in look_at_notes(desk.pointer):
        tick(desk, act)
    user, look, tried = make_explorer(seed), _look(desk), 0
    for n in range(round(used_s * RATE_HZ) + 1):
        away = _to_put_away(desk, look, hide)
        tried = tried + 1 if away else 0
        if 0 < tried <= TRIES * PATIENCE:  # before all else: let go, say it, and look what becomes of it
            act = Act(desk.pointer, intent=away if tried % PATIENCE == 2 else "")
        else:
            act = _sparing(desk, user.choose(desk))
        tick(desk, act)
        frame = yield encode(act), {"state": desk}
        if n % GLANCE == 0:
            glance(frame, desk)
    for intent in ("", "open_notes", "", "", ""):
        act = Act(desk.pointer, intent=intent)
        tick(desk, act)
        yield encode(act), {"state": desk}


def _to_put_away(desk: Desk, look: Look, hide: str) -> str:
    """Return the intent that takes what is seen nearer to how it was left: the look as it was, the notes away."""
    dark, large, accent = look
    if desk.dark != dark:
        return "dark_mode" if dark else "light_mode"
    if desk.large != large:
        return "bigger_text" if large else "smaller_text"
    if desk.accent != accent:
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
    return desk.lines, desk.windows[NOTES], _look(desk)


def _look(desk: Desk) -> Look:
    return desk.dark, desk.large, desk.accent
