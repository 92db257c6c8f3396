"""Where there is room for a body, measured, and what a body does there: it slides along what stops it, and falls.

The rules are those of Doom's engine, as far as they show (the positions of its players follow from them to the last
bit, minutes long): what is in the way stops the movement across it and leaves the one along it; who walks off a step is
braked by no friction until it lands. Knows nothing of pictures.
"""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain, pairwise, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.doors import Body, bars, faces, lacks_room
from dreamloop.model.momentum import ONE, Parts, parts_of, times

GRAVITY = 1.0  # map units a tick, every tick; twice as much in the first
CLIMB = 24.0  # map units that a body steps up
CLEAR = ONE // 32  # share of a tick's way, in parts of one, that a body stays away from what stops it
BLOCK = 128 * ONE  # parts of a map unit; walls are felt as far as their blocks reach
WALLS = 2  # that a body slides along in one tick
NO_ROOM = -math.inf
Way = tuple[float, float]  # east and north, map units
Square = tuple[int, int]


class Fall(NamedTuple):
    """How high a body is, and how fast it falls."""

    height: float  # of its feet, map units
    speed: float = 0.0  # map units a tick, downward negative; not 0 also in the tick in which it lands
    lands: bool = False

    @property
    def floats(self) -> bool:
        """Whether there is hardly anything to push against."""
        return self.speed < 0 and not self.lands

    @property
    def brakes(self) -> bool:
        """Whether friction has taken its part of the last step."""
        return self.speed == 0


class _Wall(NamedTuple):
    """What corners of bodies feel: a line across one side of the map."""

    stops: int  # who goes down (-1) or up (1) that side: they come from its front
    length: int  # map units
    both: bool  # whether it is felt by whoever's middle is behind it, too
    top: float  # who stands less than a step below is not stopped
    door: int = -1  # whose face it is: who has room beneath that is not stopped


class Room:
    """A map of squares in which the middle of a body may be.

    Args:
        places: (n, 3) middles of squares, in rows and columns as far apart as the squares are wide, and the height
            of the ground there, map units; at least one.
        girth: from a body's middle to its sides, map units. A body is a square that does not turn. Without walls it
            should be a multiple of a square's side.
        things: (k, 3) that stand there: x, y, and from their middle to their sides.
        walls: (m, 5) x and y where they begin and end, with their front to the right, and whether they have two fronts
            (1) or one (0). None, or where not all lie along a side of the map: they are around the squares.
        doors: (d, 5 or more) west, south, east and north sides of doors, and the height of the ground there; they are
            shut, until ``ceilings`` says how high (d,) they are open, map units.
    """

    def __init__(
        self,
        places: NDArray[np.floating],
        girth: float,
        things: NDArray[np.floating] | None = None,
        walls: NDArray[np.floating] | None = None,
        doors: NDArray[np.floating] | None = None,
    ) -> None:
        self.doors = [] if doors is None else doors.tolist()
        self.ceilings = [door[4] for door in self.doors]
        self.squares, self.girth = places, girth
        self.things = np.zeros((0, 3)) if things is None else np.array(things, np.float64)
        steps = np.concatenate([np.diff(np.unique(column)) for column in places[:, :2].T])
        side = float(steps.min()) if len(steps) else girth
        self._side, self._girth = round(side * ONE), round(girth * ONE)  # these and all below in parts of a map unit
        self._corner = [round((float(low) - side / 2) * ONE) for low in places[:, :2].min(0)]
        self._floors = {self._square(parts_of((x, y))): float(height) for x, y, height in places.tolist()}
        straight = walls is not None and len(walls) and ((walls[:, :2] == walls[:, 2:4]).sum(1) == 1).all()
        self.walls = walls if walls is not None and straight else self._around()
        self._origin = np.rint(self.walls[:, :4].reshape(-1, 2).min(0) * ONE).astype(int).tolist()  # of blocks
        self._felt = defaultdict[tuple[int, int, int], list[_Wall]](list)  # by axis, place on it, and block
        for wall in self.walls.tolist():
            self._feel((wall[0], wall[1]), (wall[2], wall[3]), bool(wall[4]), math.inf)
        for square, floor in self._floors.items():
            for axis, side in product((0, 1), (-1, 1)):
                higher = self._floors.get(_next(square, axis, side), NO_ROOM)
                if higher > floor + CLIMB:
                    self._feel(*self._face(axis, side, square[axis], square[1 - axis], 1), both=True, top=higher)
        for number, door in enumerate(self.doors):
            for start, end in faces(door):
                self._feel(start, end, both=True, top=math.inf, door=number)
        self._places = [sorted({place for axis, place, _ in self._felt if axis == side}) for side in (0, 1)]

    @property
    def places(self) -> NDArray[np.floating]:
        """The middles (n, 3) of the squares in which no thing is in a body's way."""
        return self.squares[[not self._touches(parts_of((x, y))) for x, y, _ in self.squares.tolist()]]

    @property
    def solid(self) -> NDArray[np.floating]:
        """The walls (n, 4) of one side, from where to where: nobody sees or reaches through them."""
        return self.walls[self.walls[:, 4] == 0, :4]

    def has(self, x: float, y: float) -> bool:
        """Say whether the middle of a body can be at a place."""
        at = parts_of((x, y))
        return self._square(at) in self._floors and not self._touches(at)

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
        axis = self._free(here, hop, height)
        return (here, (0, 0)) if axis is None else (_plus(here, _only(hop, axis)), _only(left, axis))

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
            kept = _only(hop, 1 - across)
            if self._fits(_plus(here, kept), height):
                return _plus(here, kept), kept
        axis = self._free(here, hop, height)
        return here if axis is None else _plus(here, _only(hop, axis)), kept

    def _free(self, here: Parts, hop: Parts, height: float) -> int | None:
        """Return along which side of the map a hop can be gone, north or south before east or west; None: neither."""
        return next((axis for axis in (1, 0) if self._fits(_plus(here, _only(hop, axis)), height)), None)

    def _wall(self, here: Parts, hop: Parts, height: float) -> tuple[int, int] | None:
        """Return at which share of a hop a body meets a wall, and across which side of the map; None: it meets none.

        Only three corners of a body feel walls, not the one behind. They feel a wall for as far as their block of the
        map reaches, beyond the wall's end; and coming from behind it, too, if the middle is before it.
        """
        met = list[tuple[int, int]]()
        lead = [1 if part > 0 else -1 for part in hop]
        for axis in (0, 1):
            met += self._met(here, hop, height, axis, lead[axis], (-1, 1))
            met += self._met(here, hop, height, axis, -lead[axis], (lead[1 - axis],))
        return min(met) if met else None

    def _met(
        self, here: Parts, hop: Parts, height: float, axis: int, side: int, corners: tuple[int, ...]
    ) -> list[tuple[int, int]]:
        """As :meth:`_wall`, for what lies across one side of the map, and the corners on one side of the body."""
        long, ahead = abs(hop[axis]), 1 if hop[axis] > 0 else -1
        at = here[axis] + side * self._girth
        asides = [here[1 - axis] + corner * self._girth - self._origin[1 - axis] for corner in corners]
        blocks = {place // BLOCK for aside in asides for place in (aside, aside + hop[1 - axis])}
        places, (low, high) = self._places[axis], sorted((at, at + hop[axis]))
        for place in places[bisect_left(places, low) : bisect_right(places, high)][::ahead]:
            far = abs(place - at)
            for wall in chain.from_iterable(self._felt.get((axis, place, block), ()) for block in blocks):
                # How deep one must be behind it to be there: products of the engine lose their last bits.
                behind = long - far if wall.stops == ahead else far
                if (wall.both or wall.stops == side) and behind * wall.length >= ONE and self._stops(wall, height):
                    return [(round(far * ONE / long), axis)]
        return []

    def _stops(self, wall: _Wall, height: float) -> bool:
        """Say whether a wall stops a body that is so high."""
        if wall.door < 0:
            return height + CLIMB < wall.top
        return lacks_room(self.doors[wall.door][4], self.ceilings[wall.door], height)

    def _feel(self, start: Way, end: Way, both: bool, top: float, door: int = -1) -> None:
        """Remember a wall in all blocks in which it lies."""
        axis = int(start[0] != end[0])
        along = sorted(round(one[1 - axis] * ONE) - self._origin[1 - axis] for one in (start, end))
        rises = end[1 - axis] > start[1 - axis]
        wall = _Wall(1 if rises == bool(axis) else -1, (along[1] - along[0]) // ONE, both, top, door)
        for block in range(along[0] // BLOCK, along[1] // BLOCK + 1):
            self._felt[axis, round(start[axis] * ONE), block].append(wall)

    def _around(self) -> NDArray[np.float64]:
        """Return the walls around all that bodies cover whose middles are in the squares."""
        sides = self._girth // self._side
        around = range(-sides, sides + 1)
        bare = {(i + across, j + up) for i, j in self._floors for across, up in product(around, around)}
        faces = defaultdict[tuple[int, int, int], list[int]](list)
        for square, axis, side in product(sorted(bare), (0, 1), (-1, 1)):
            if _next(square, axis, side) not in bare:
                faces[axis, side, square[axis]].append(square[1 - axis])
        walls = []
        for face, places in faces.items():
            for first, end in _runs(sorted(places)):
                start, stop = self._face(*face, first, end - first)
                walls.append((*start, *stop, 0.0))
        return np.array(walls)

    def _face(self, axis: int, side: int, along: int, aside: int, length: int) -> tuple[Way, Way]:
        """Return a side of so many squares in a row as a wall in map units whose front they are."""
        corner, width = [one / ONE for one in self._corner], self._side / ONE
        place = corner[axis] + (along + (side > 0)) * width
        ends = [corner[1 - axis] + (aside + shift) * width for shift in (0, length)]
        if (side > 0) != bool(axis):
            ends.reverse()
        start, end = ((one, place) if axis else (place, one) for one in ends)
        return start, end

    def _fits(self, at: Parts, height: float) -> bool:
        known = self._square(at) in self._floors
        return known and self._floor(at) <= height + CLIMB and not self._touches(at) and not self._barred(at, height)

    def _barred(self, at: Parts, height: float) -> bool:
        """Say whether a body at a place would be in a door that is not open enough."""
        body = Body(at[0] / ONE, at[1] / ONE, height, self.girth)
        return any(bars(door, ceiling, body) for door, ceiling in zip(self.doors, self.ceilings, strict=True))

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


def _next(square: Square, axis: int, side: int) -> Square:
    i, j = square
    return (i, j + side) if axis else (i + side, j)


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Yield where runs of numbers begin, and where they have ended."""
    ends = [k for k in range(1, len(numbers)) if numbers[k] > numbers[k - 1] + 1]
    for first, end in pairwise([0, *ends, len(numbers)]):
        yield numbers[first], numbers[end - 1] + 1


def _plus(at: Parts, way: Parts) -> Parts:
    return at[0] + way[0], at[1] + way[1]


def _only(way: Parts, axis: int) -> Parts:
    return (0, way[1]) if axis else (way[0], 0)


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
