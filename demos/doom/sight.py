"""Where there is room to walk: a coarse floor plan that explorers may ask, for generated and for given maps.

A person sees the room; a script reads ``info["clear"]`` and ``info["room"]`` instead. Models never see any of this.
Knows nothing about ViZDoom: a given map comes in as plain sectors (heights and lines).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dreamloop.demos.doom.maps import SOLID, THEMES, UNIT, MapPlan

RAYS = 16  # directions of a look around, counted clockwise from straight ahead
REACH = 1024.0  # how far a ray looks, map units
DOOR_REACH = 48.0  # USE works at 64 from the player's centre; a ray has steps of 16
CLIMB, BODY = 24.0, 56.0  # the highest step, and the lowest opening, that Doom's player passes

Line = tuple[float, float, float, float, bool]  # x1, y1, x2, y2, and whether it blocks always


@dataclass(frozen=True)
class Sight:
    """A grid of cells (UNIT map units each): ``blocked`` for rock, windows and cliffs, ``door`` for doors.

    ``narrow``: where a player's body, which is two cells wide, would touch what blocks, a door, or, on generated maps,
    a column or barrel.
    """

    blocked: NDArray[np.bool_]  # (x, y)
    door: NDArray[np.bool_]
    origin: tuple[float, float]  # map units of the corner of cell 0, 0
    narrow: NDArray[np.bool_]

    def look(self, x: float, y: float, angle_deg: float) -> tuple[NDArray[np.float32], bool]:
        """Return free distances (RAYS,) in map units, clockwise from ahead, and whether a door is in reach."""
        px, py = self._along(x, y, angle_deg)
        near = int(DOOR_REACH / UNIT)
        return _free(self.blocked[px, py]), bool(self.door[px[0, :near], py[0, :near]].any())

    def room(self, x: float, y: float, angle_deg: float) -> NDArray[np.float32]:
        """Return how far a body can go (RAYS,), in map units, clockwise from ahead."""
        return _free(self.narrow[self._along(x, y, angle_deg)])

    def _along(self, x: float, y: float, angle_deg: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the cells (RAYS, steps) along the rays of a look around."""
        angles = np.radians(angle_deg - np.arange(RAYS) * (360.0 / RAYS))[:, None]
        px = ((x - self.origin[0] + np.cos(angles) * _STEPS) / UNIT).astype(np.intp)
        py = ((y - self.origin[1] + np.sin(angles) * _STEPS) / UNIT).astype(np.intp)
        return px.clip(0, self.blocked.shape[0] - 1), py.clip(0, self.blocked.shape[1] - 1)


_STEPS = np.arange(UNIT, REACH, UNIT, dtype=np.float32)


def _free(blocked: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return how far it is to the first of ``blocked`` (RAYS, steps), map units."""
    first = np.where(blocked.any(axis=1), blocked.argmax(axis=1), len(_STEPS) - 1)
    return np.asarray(_STEPS[first])


def _wide(blocked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the cells that are ``blocked`` or touch one that is."""
    edged = np.pad(blocked, 1)
    w, h = blocked.shape
    return np.asarray(np.any([edged[i : i + w, j : j + h] for i in range(3) for j in range(3)], axis=0))


def sight_of_plan(plan: MapPlan) -> Sight:
    """Return the floor plan of a generated map."""
    closed = [i for i, sector in enumerate(plan.sectors) if sector.window]
    door = np.isin(plan.cells, [i for i, sector in enumerate(plan.sectors) if sector.door])
    blocked = (plan.cells == SOLID) | np.isin(plan.cells, closed)
    standing, props = blocked | door, {prop for theme in THEMES for prop in theme.props}
    for thing in plan.things:
        if thing.kind in props:
            standing[int(thing.x // UNIT), int(thing.y // UNIT)] = True
    return Sight(blocked, door, (0.0, 0.0), _wide(standing))


def sight_of_sectors(sectors: Iterable[tuple[float, float, Sequence[Line]]]) -> Sight:
    """Return the floor plan of a given map from its sectors: (floor height, ceiling height, lines)."""
    sides: dict[tuple[tuple[float, float], tuple[float, float]], list[tuple[float, float, bool]]] = {}
    for floor, ceiling, lines in sectors:
        for x1, y1, x2, y2, blocking in lines:
            first, second = sorted(((x1, y1), (x2, y2)))
            sides.setdefault((first, second), []).append((floor, ceiling, blocking))
    points = np.array([end for pair in sides for end in pair] or [(0.0, 0.0)])
    low = points.min(axis=0) - 2 * UNIT
    width, height = ((points.max(axis=0) - low) / UNIT).astype(int) + 3
    blocked, door = np.zeros((width, height), bool), np.zeros((width, height), bool)
    for (start, end), found in sides.items():
        steps = int(max(abs(end[0] - start[0]), abs(end[1] - start[1])) / (UNIT / 2)) + 1
        along = (np.linspace(start, end, steps + 1) - low) / UNIT
        cells = along[:, 0].astype(np.intp), along[:, 1].astype(np.intp)
        blocked[cells] |= _shut(found)
        door[cells] |= _door(found)
    return Sight(blocked, door, (float(low[0]), float(low[1])), _wide(blocked | door))


def _door(sides: list[tuple[float, float, bool]]) -> bool:
    return len(sides) == 2 and any(ceiling - floor < 1.0 for floor, ceiling, _ in sides)


def _shut(sides: list[tuple[float, float, bool]]) -> bool:
    if len(sides) < 2 or any(blocking for _, _, blocking in sides):
        return True
    if _door(sides):
        return False
    opening = min(ceiling for _, ceiling, _ in sides) - max(floor for floor, _, _ in sides)
    step = max(abs(a[0] - b[0]) for a, b in pairwise(sides))
    return opening < BODY or step > CLIMB
