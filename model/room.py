"""Where there is room for a body, measured, and what a body does there: it slides along what stops it, and falls.

The rules are those of Doom's engine, as far as they show (the positions of its players follow from them to a hundredth
of a map unit): what is in the way stops the movement across it and leaves the one along it; who walks off a step is
pushed by no key and braked by no friction until it lands. Knows nothing of pictures.
"""

import math
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

GRAVITY = 1.0  # map units a tick, every tick; twice as much in the first
CLIMB = 24.0  # map units that a body steps up
TOUCH = 1e-3  # map units by which what a body only touches is not beneath it
CLEAR = 1 / 32  # of a tick's way that a body stays away from what stops it
WALLS = 3  # that a body slides along in one tick
NO_ROOM = -math.inf
Way = tuple[float, float]  # east and north, map units


class Fall(NamedTuple):
    """How high a body is, and how fast it falls."""

    height: float  # of its feet, map units
    speed: float = 0.0  # map units a tick, downward negative; not 0 also in the tick in which it lands
    lands: bool = False

    @property
    def floats(self) -> bool:
        """Whether there is nothing to push against."""
        return self.speed < 0 and not self.lands

    @property
    def brakes(self) -> bool:
        """Whether friction has taken its part of the last step."""
        return self.speed == 0


class Room:
    """A map of squares in which the middle of a body may be.

    Args:
        places: (n, 3) middles of squares, in rows and columns as far apart as the squares are wide, and the height
            of the ground there, map units; at least one.
        girth: from a body's middle to its sides, map units. A body is a square that does not turn.
        things: (k, 3) that stand there: x, y, and from their middle to their sides.
    """

    def __init__(self, places: NDArray[np.floating], girth: float, things: NDArray[np.floating] | None = None) -> None:
        self.squares, self.girth, self.things = places, girth, np.zeros((0, 3)) if things is None else np.array(things)
        steps = np.concatenate([np.diff(np.unique(column)) for column in places[:, :2].T])
        self.side = float(steps.min()) if len(steps) else girth
        self._corner = [float(low) - self.side / 2 for low in places[:, :2].min(0)]
        self._floors = {self._square(x, y): float(height) for x, y, height in places.tolist()}

    @property
    def places(self) -> NDArray[np.floating]:
        """The middles (n, 3) of the squares in which no thing is in a body's way."""
        return self.squares[[not self._touches(x, y) for x, y, _ in self.squares]]

    def has(self, x: float, y: float) -> bool:
        """Say whether the middle of a body can be at a place."""
        return self._fits(x, y, math.inf)

    def floor(self, x: float, y: float) -> float:
        """Return how high a body stands at a place: as high as the highest ground beneath it that is known."""
        reach = self.girth - TOUCH
        (left, low), (right, high) = self._square(x - reach, y - reach), self._square(x + reach, y + reach)
        squares = product(range(left, right + 1), range(low, high + 1))
        return max((self._floors.get(square, NO_ROOM) for square in squares), default=NO_ROOM)

    def go(self, at: Way, speed: Way, height: float) -> tuple[Way, Way]:
        """Return how far a body that stands so high at a place goes with a speed in a tick, and the speed it keeps.

        It goes up to what stops it, and on along it with what is left of the tick.
        """
        east, north = at
        if self._touches(east + speed[0], north + speed[1]):  # one cannot go up to a thing, only past it
            for way in ((0.0, speed[1]), (speed[0], 0.0)):
                if self._fits(east + way[0], north + way[1], height):
                    return way, way
            return (0.0, 0.0), (0.0, 0.0)
        for _ in range(WALLS):
            if self._fits(east + speed[0], north + speed[1], height):  # of the way only the end counts
                return (east + speed[0] - at[0], north + speed[1] - at[1]), speed
            found = self._stops(east, north, speed, height)
            if found is None:
                break
            share, across = found
            before = max(share - CLEAR, 0.0)
            east, north = east + before * speed[0], north + before * speed[1]
            left = [part * (1 - share) for part in speed]
            left[across] = 0.0
            speed = left[0], left[1]
        return (east - at[0], north - at[1]), (0.0, 0.0)

    def _fits(self, x: float, y: float, height: float) -> bool:
        return self._open(self._square(x, y), height) and not self._touches(x, y)

    def _open(self, square: tuple[int, int], height: float) -> bool:
        """Say whether a body that stands so high can step into a square."""
        return NO_ROOM < self._floors.get(square, NO_ROOM) <= height + CLIMB

    def _stops(self, east: float, north: float, speed: Way, height: float) -> tuple[float, int] | None:
        """Return at which share of a tick's way something lies across it, and along which side of the map it is gone.

        None: the way is free.
        """
        at = [(east - self._corner[0]) / self.side, (north - self._corner[1]) / self.side]
        way = [part / self.side if abs(part) > TOUCH**2 else 0.0 for part in speed]
        square = [math.floor(at[0]), math.floor(at[1])]
        ahead = [1 if part > 0 else -1 for part in way]
        # At which share of the way the next edge is met, east or west, and north or south.
        shares = [(square[i] + (ahead[i] > 0) - at[i]) / way[i] if way[i] else math.inf for i in (0, 1)]
        while True:
            axis = int(shares[1] < shares[0])
            if shares[axis] >= 1:
                return None
            square[axis] += ahead[axis]
            if not self._open((square[0], square[1]), height):
                return max(shares[axis], 0.0), axis
            shares[axis] += abs(1 / way[axis])

    def _touches(self, x: float, y: float) -> bool:
        """Say whether a body at a place is in a thing."""
        if not len(self.things):
            return False
        reach = self.girth + self.things[:, 2]
        return bool(((abs(self.things[:, 0] - x) < reach) & (abs(self.things[:, 1] - y) < reach)).any())

    def _square(self, x: float, y: float) -> tuple[int, int]:
        return math.floor((x - self._corner[0]) / self.side), math.floor((y - self._corner[1]) / self.side)


def fallen(fall: Fall, floor: float) -> Fall:
    """Return how a body that is somewhere over a floor is a tick later."""
    if floor >= fall.height:
        return Fall(floor)
    if fall.speed == 0:
        return Fall(fall.height, -2 * GRAVITY)
    height = fall.height + fall.speed
    return Fall(floor, fall.speed, lands=True) if height <= floor else Fall(height, fall.speed - GRAVITY)
