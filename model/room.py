"""Where there is room for a body, measured, and what a body does there: it slides along what stops it, and falls.

The rules are those of Doom's engine, as far as they show (the positions of its players follow from them to the last
bit, minutes long): what is in the way stops the movement across it and leaves the one along it; who walks off a step is
braked by no friction until it lands. Knows nothing of pictures.
"""

import math
from collections import defaultdict
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.momentum import ONE, Parts, parts_of, times

GRAVITY = 1.0  # map units a tick, every tick; twice as much in the first
CLIMB = 24.0  # map units that a body steps up
CLEAR = ONE // 32  # share of a tick's way, in parts of one, that a body stays away from what stops it
BLOCK = 128 * ONE  # parts of a map unit; walls are felt as far as their blocks reach
WALLS = 2  # that a body slides along in one tick
NO_ROOM = -math.inf
Way = tuple[float, float]  # east and north, map units
Square = tuple[int, int]
Wall = tuple[int, int, int, int]  # across which side of the map, at which edge, which way it stops, and in which block


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
        side = float(steps.min()) if len(steps) else girth
        self._side, self._girth = round(side * ONE), round(girth * ONE)  # these and all below in parts of a map unit
        sides = self._girth // self._side
        self._corner = [round((float(low) - side / 2) * ONE) - sides * self._side for low in places[:, :2].min(0)]
        self._floors = {self._square(parts_of((x, y))): float(height) for x, y, height in places.tolist()}
        self._walls = self._walls_around(sides)

    @property
    def places(self) -> NDArray[np.floating]:
        """The middles (n, 3) of the squares in which no thing is in a body's way."""
        return self.squares[[not self._touches(parts_of((x, y))) for x, y, _ in self.squares.tolist()]]

    def has(self, x: float, y: float) -> bool:
        """Say whether the middle of a body can be at a place."""
        return self._fits(parts_of((x, y)), math.inf)

    def floor(self, x: float, y: float) -> float:
        """Return how high a body stands at a place: as high as the highest ground beneath it that is known."""
        return self._floor(parts_of((x, y)))

    def go(self, at: Way, speed: Way, height: float) -> tuple[Way, Way]:
        """Return how far a body that stands so high at a place goes with a speed in a tick, and the speed it keeps.

        It goes up to what stops it, and on along it with what is left of the tick.
        """
        start, left = parts_of(at), parts_of(speed)
        here = begun = start
        hops = 1 + max(abs(left[0]), abs(left[1])) // max(self._girth - ONE, ONE)  # nobody jumps over what stops them
        for hop in range(1, hops + 1):
            there = _plus(begun, _part(left, hop, hops))
            if self._fits(there, height):
                here = there
                continue
            if self._touches(there):
                here, left = self._pass(here, left, hops, height)
                break
            here, kept = self._slide(here, _part(left, 1, hops), height)
            left = left if kept is None else (kept[0] * hops, kept[1] * hops)
            gone = _part(left, hop, hops)
            begun = here[0] - gone[0], here[1] - gone[1]
        return ((here[0] - start[0]) / ONE, (here[1] - start[1]) / ONE), (left[0] / ONE, left[1] / ONE)

    def _pass(self, here: Parts, left: Parts, hops: int, height: float) -> tuple[Parts, Parts]:
        """Return where a body gets that runs into a thing, and what it keeps: one cannot go up to it, only past it."""
        hop = _part(left, 1, hops)
        for way, kept in (((0, hop[1]), (0, left[1])), ((hop[0], 0), (left[0], 0))):
            there = _plus(here, way)
            if self._fits(there, height):
                return there, kept
        return here, (0, 0)

    def _slide(self, here: Parts, hop: Parts, height: float) -> tuple[Parts, Parts | None]:
        """Return where a body gets that runs into a wall, and what it keeps; None: its speed, for it found no wall."""
        kept = None
        for _ in range(WALLS):
            found = self._wall(here, hop, height)
            if found is None:
                break
            share, across = found
            if share > CLEAR:
                before = _plus(here, (times(hop[0], share - CLEAR), times(hop[1], share - CLEAR)))
                if not self._fits(before, height):
                    break
                here = before
            if share >= ONE:
                return here, kept
            hop = times(hop[0], ONE - share), times(hop[1], ONE - share)
            kept = (0, hop[1]) if across == 0 else (hop[0], 0)
            if self._fits(_plus(here, kept), height):
                return _plus(here, kept), kept
        for way in ((0, hop[1]), (hop[0], 0)):
            if self._fits(_plus(here, way), height):
                return _plus(here, way), kept
        return here, kept

    def _wall(self, here: Parts, hop: Parts, height: float) -> tuple[int, int] | None:
        """Return at which share of a hop a body meets a wall, and across which side of the map; None: it meets none.

        Only the corners of a body feel walls, so it meets nothing narrower than it is; and they feel a wall for as far
        as their block of the map reaches, beyond the wall's end.
        """
        found = [met for axis in (0, 1) if (met := self._met(here, hop, height, axis)) is not None]
        return min(found) if found else None

    def _met(self, here: Parts, hop: Parts, height: float, axis: int) -> tuple[int, int] | None:
        """As :meth:`_wall`, for what lies across one side of the map, and the two corners that go ahead there."""
        if not hop[axis]:
            return None
        ahead, other, long = (1 if hop[axis] > 0 else -1), 1 - axis, abs(hop[axis])
        lead = here[axis] + ahead * self._girth - self._corner[axis]
        sides = [here[other] + side - self._corner[other] for side in (-self._girth, self._girth - 1)]
        edge = -(-lead // self._side) if ahead > 0 else lead // self._side
        while (far := abs(edge * self._side - lead)) <= long:
            beyond = edge if ahead > 0 else edge - 1
            aside = [side + hop[other] * far // long for side in sides]
            floors = [self._floors.get(_square_at(axis, beyond, side // self._side), NO_ROOM) for side in aside]
            blocks = {place // BLOCK for side in sides for place in (side, side + hop[other])}
            lengths = (self._walls.get((axis, edge, ahead, block), 0) for block in blocks)
            # How deep one must be behind a wall to have met it: products of the engine lose their last bits.
            if max(floors) > height + CLIMB or (long - far) * max(lengths) >= ONE:
                return round(far * ONE / long), axis
            edge += ahead
        return None

    def _walls_around(self, sides: int) -> dict[Wall, int]:
        """Return the walls where no body gets, from whose middle it is so many squares to its sides.

        With the length of the longest wall of the kind, map units.
        """
        around = range(-sides, sides + 1)
        bare = {(i + across, j + up) for i, j in self._floors for across, up in product(around, around)}
        faces = defaultdict[tuple[int, int, int], set[int]](set)
        for square in bare:
            for axis, ahead in product((0, 1), (-1, 1)):
                if _square_at(axis, square[axis] + ahead, square[1 - axis]) not in bare:
                    faces[axis, square[axis] + (ahead > 0), ahead].add(square[1 - axis])
        walls = defaultdict[Wall, int](int)
        for face, places in faces.items():
            along = np.array(sorted(places))
            for run in np.split(along, np.flatnonzero(np.diff(along) > 1) + 1):
                for block in {int(place) * self._side // BLOCK for place in run}:
                    walls[*face, block] = max(walls[*face, block], len(run) * self._side // ONE)
        return dict(walls)

    def _fits(self, at: Parts, height: float) -> bool:
        known = self._square(at) in self._floors
        return known and self._floor(at) <= height + CLIMB and not self._touches(at)

    def _floor(self, at: Parts) -> float:
        (left, low), (right, high) = (
            self._square((at[0] + side, at[1] + side)) for side in (-self._girth, self._girth - 1)
        )
        squares = product(range(left, right + 1), range(low, high + 1))
        return max((self._floors.get(square, NO_ROOM) for square in squares), default=NO_ROOM)

    def _touches(self, at: Parts) -> bool:
        """Say whether a body at a place is in a thing."""
        if not len(self.things):
            return False
        reach = self.girth + self.things[:, 2]
        east, north = abs(self.things[:, 0] - at[0] / ONE), abs(self.things[:, 1] - at[1] / ONE)
        return bool(((east < reach) & (north < reach)).any())

    def _square(self, at: Parts) -> Square:
        return (at[0] - self._corner[0]) // self._side, (at[1] - self._corner[1]) // self._side


def _square_at(axis: int, along: int, aside: int) -> Square:
    return (aside, along) if axis else (along, aside)


def _plus(at: Parts, way: Parts) -> Parts:
    return at[0] + way[0], at[1] + way[1]


def _part(way: Parts, hop: int, hops: int) -> Parts:
    """Return what so many hops of all are of a way."""
    return int(way[0] * hop / hops), int(way[1] * hop / hops)


def fallen(fall: Fall, floor: float) -> Fall:
    """Return how a body that is somewhere over a floor is a tick later."""
    if floor >= fall.height:
        return Fall(floor)
    if fall.speed == 0:
        return Fall(fall.height, -2 * GRAVITY)
    height = fall.height + fall.speed
    return Fall(floor, fall.speed, lands=True) if height <= floor else Fall(height, fall.speed - GRAVITY)
