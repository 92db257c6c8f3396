"""Doors that go up when they are used, wait, and come down again, as Doom's do. Knows nothing of pictures.

A door lies across a way: a block that fills it, whose longer sides are its faces. Everything is counted in whole ticks.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.camera import Poses
from dreamloop.model.world_model import Doors

BODY = 56.0  # map units that a body is tall
REACH = 64.0  # map units from the middle of who uses a door to its face, at most
Line = tuple[tuple[float, float], tuple[float, float]]


class Leaf(NamedTuple):
    """How one door is."""

    up: float = 0.0  # map units that it is open
    goes: int = 0  # 1 up, -1 down, 0 neither
    waits: int = 0  # ticks until it comes down


SHUT = Leaf()


class Body(NamedTuple):
    """Who may be in the way of a door that comes down."""

    x: float
    y: float
    height: float  # of the feet, map units
    girth: float  # from the middle to the sides


def faces(place: Sequence[float]) -> tuple[Line, Line]:
    """Return both faces of a door (west, south, east, north, ...), what is before them to the right."""
    west, south, east, north = place[:4]
    if east - west < north - south:
        return ((west, north), (west, south)), ((east, south), (east, north))
    return ((west, south), (east, south)), ((east, north), (west, north))


def before(x: float, y: float, line: Line) -> bool:
    """Say whether a place is before a face, to the right of its line."""
    (x0, y0), (x1, y1) = line
    return (x - x0) * (y1 - y0) - (y - y0) * (x1 - x0) > 0


def used(doors: Doors, pose: Poses, walls: NDArray[np.floating]) -> int | None:
    """Return which door somebody at a pose (4,) uses: the nearest ahead, if no wall (n, 4 or more) is before it."""
    x, y, yaw = (float(value) for value in pose[:3])
    way = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    nearest, found = min((_met(x, y, way, wall) for wall in walls.tolist()), default=math.inf), None
    for door, place in enumerate(doors.places.tolist()):
        for (x0, y0), (x1, y1) in faces(place):
            far = _met(x, y, way, (x0, y0, x1, y1)) if before(x, y, ((x0, y0), (x1, y1))) else math.inf
            if far <= min(REACH, nearest):
                nearest, found = far, door
    return found


def _met(x: float, y: float, way: tuple[float, float], line: Sequence[float]) -> float:
    """Return how far ahead a line is met; endless where it is not."""
    x0, y0, x1, y1 = line[:4]
    whole = way[0] * (y1 - y0) - way[1] * (x1 - x0)
    if not whole:
        return math.inf
    far = ((x0 - x) * (y1 - y0) - (y0 - y) * (x1 - x0)) / whole
    along = ((x0 - x) * way[1] - (y0 - y) * way[0]) / whole
    return far if far >= 0 and 0 <= along <= 1 else math.inf


def after(doors: Doors, leaves: Sequence[Leaf], use: int | None, body: Body) -> tuple[Leaf, ...]:
    """Return how doors are a tick later.

    Args:
        use: the door that is used in this tick, before anything moves.
        body: who is there at its end.
    """
    return tuple(
        _moved(doors, place, _asked(leaf) if door == use else leaf, body)
        for door, (leaf, place) in enumerate(zip(leaves, doors.places.tolist(), strict=True))
    )


def _asked(leaf: Leaf) -> Leaf:
    """A door that is shut or comes down is to go up, any other to come down."""
    return leaf._replace(goes=1 if leaf == SHUT or leaf.goes < 0 else -1, waits=0)


def _moved(doors: Doors, place: Sequence[float], leaf: Leaf, body: Body) -> Leaf:
    top = place[5]
    if leaf.goes > 0:
        up = min(leaf.up + doors.speed, top)
        return Leaf(up, 0, doors.waits) if up == top else leaf._replace(up=up)
    if leaf.goes < 0:
        up = max(leaf.up - doors.speed, 0.0)
        if bars(place, place[4] + up, body):
            return leaf._replace(goes=1)
        return leaf._replace(up=up) if up else SHUT
    return leaf._replace(goes=-int(leaf.waits == 1), waits=max(leaf.waits - 1, 0))


def bars(place: Sequence[float], ceiling: float, body: Body) -> bool:
    """Say whether a body has no room in a door that is open up to ``ceiling``, map units."""
    west, south, east, north, floor = place[:5]
    inside = body.x + body.girth > west and body.x - body.girth < east
    inside = inside and body.y + body.girth > south and body.y - body.girth < north
    return inside and lacks_room(floor, ceiling, body.height)


def lacks_room(floor: float, ceiling: float, height: float) -> bool:
    """Say whether a body that is so high does not fit between a floor and a ceiling, map units."""
    return ceiling - max(floor, height) < BODY
