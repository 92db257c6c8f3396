"""How high the eyes of a body are: they sway as it walks, and follow its feet up a step with delay. Its hands swing.

The rules are those of Doom's engine, as far as they show (the eyes of its players follow from them to a hundredth of a
map unit). Knows nothing of pictures.
"""

import math
from typing import NamedTuple

from dreamloop.model.room import Fall

EYES = 41.0  # map units above the feet of who stands
SWAY_TICKS = 20  # of a step to the left and one to the right
SWAY = 8.0  # map units up and down at most
SWING_TICKS = 64  # of hands from one side to the other and back
SWING = (1 / 20, 2 / 25)  # of the picture's width and height that they swing at most, to each side and down
LIVELY = 1 / 8  # sway for the square of a speed, in map units a tick
RISE, FASTER = 1 / 8, 0.25  # share of what is missing that is made up for in the first tick, and more of it every tick
HARD = -8.0  # map units a tick: who lands faster goes down on their knees


class Gait(NamedTuple):
    """How much lower than in standing the eyes are, and how fast that changes."""

    low: float = 0.0  # map units
    rising: float = 0.0  # map units a tick


def sway(speed: float, clock: int) -> float:
    """Return by how much the eyes are up, map units.

    Args:
        speed: that the body would go with, were nothing in its way, map units a tick.
        clock: ticks since the world began.
    """
    return SWAY * _lively(speed) * math.sin(2 * math.pi * (clock % SWAY_TICKS) / SWAY_TICKS)


def swing(speed: float, clock: int) -> tuple[float, float]:
    """Return how far to the right and down hands are, of the picture's width and height; as for :func:`sway`."""
    angle = 2 * math.pi * (clock % SWING_TICKS) / SWING_TICKS
    lively = _lively(speed)
    return SWING[0] * lively * math.cos(angle), SWING[1] * lively * abs(math.sin(angle))


def _lively(speed: float) -> float:
    return min(LIVELY * speed**2 / SWAY, 1.0)


def rise(gait: Gait) -> Gait:
    """Return the gait a tick later."""
    low, rising = gait.low - gait.rising, gait.rising
    if low < 0:
        return Gait()
    if low > EYES / 2:
        low, rising = EYES / 2, max(rising, 0.0)
    return Gait(low, rising + FASTER if low or rising else 0.0)


def stepped(gait: Gait, before: Fall, after: Fall) -> Gait:
    """Return the gait of a body whose feet went from ``before`` to ``after`` in a tick."""
    if after.lands and after.speed < HARD:
        return Gait(gait.low, after.speed * RISE)
    up = after.height - before.height
    return Gait(gait.low + up, (gait.low + up) * RISE) if up > 0 else gait
