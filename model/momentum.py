"""How a body gains speed from what pushes it and loses it to friction: in the whole numbers of Doom's engine.

The engine counts in 65,536ths of a map unit and has 8,192 headings to push along. Who rounds as it does is where its
players are after minutes; who does not is parted from them by the first corner that only one of the two gets past.
"""

import math

import numpy as np

from dreamloop.model.camera import FADING

ONE = 65_536  # parts of a map unit
HEADINGS = 8_192
STEERS = 1 / 256  # share of a push that is there in the air
CREEP = ONE // 16  # parts a tick: who is slower, east and north, and pushes nothing has come to rest
Parts = tuple[int, int]  # east and north, parts of a map unit


def parts_of(way: tuple[float, float]) -> Parts:
    """Return a way, map units, in parts."""
    return round(way[0] * ONE), round(way[1] * ONE)


def times(length: int, share: int) -> int:
    """Return a share, in parts of one, of a length in parts: rounded down, as all products are."""
    return length * share >> 16


def braked(speed: Parts) -> Parts:
    """Return what friction leaves of a speed a tick later."""
    return times(speed[0], _FADING), times(speed[1], _FADING)


def pushed(push: Parts, yaw_deg: float) -> Parts:
    """Return by how much a push, ahead and to the right, makes somebody with a heading faster."""
    quarter = HEADINGS // 4
    heading = _of_a_turn(yaw_deg) * HEADINGS // ONE
    aside, (ahead, right) = heading - quarter, push
    east = times(ahead, _sine(heading + quarter)) + times(right, _sine(aside + quarter))
    return east, times(ahead, _sine(heading)) + times(right, _sine(aside))


def whole_yaw(yaw_deg: float) -> float:
    """Return the heading nearest to one that the engine can count."""
    return _of_a_turn(yaw_deg) * 360 / ONE


def creeps(speed: Parts) -> bool:
    """Say whether a speed is one that nothing is left of when nobody pushes."""
    return max(abs(speed[0]), abs(speed[1])) < CREEP


def _of_a_turn(yaw_deg: float) -> int:
    """Return a heading as the engine counts it, in parts of a turn."""
    return round(yaw_deg * ONE / 360)


def _sine(heading: int) -> int:
    return int(_SINES[heading % HEADINGS])


def _sines() -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the sine of every heading, in parts of one: the second quarter of a turn mirrors the first."""
    first = (ONE * np.sin(np.arange(HEADINGS // 4) * 2 * math.pi / HEADINGS)).astype(np.int64)
    half = np.concatenate([first, first[::-1]])
    half[HEADINGS // 4] = ONE
    return np.concatenate([half, -half])


_FADING = int(FADING * ONE)
_SINES = _sines()
