"""Writes a map plan as a WAD with a map in UDMF, the text format of maps. Reads no file and knows no engine.

Every boundary between cells of different sectors becomes a line; a run of equal boundaries becomes one line.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dreamloop.demos.doom.maps import SOLID, UNIT, MapPlan, Sector, Thing

DOOR_RAISE = 12  # zdoom's line special: opens on USE, waits, closes
DOOR_SPEED, DOOR_WAIT = 96, 150  # eighths of a unit per tic; tics
TEXTURE_WIDTH = 256  # map units after which every wall texture in use repeats
MAPINFO = """map MAP01 "generated" { sky1 = "P-SKY1" }
clearskills
skill gentle { DamageFactor = 0.3 SpawnFilter = Baby }
"""  # Freedoom's daylight, and monsters that a player outlives

Fields = Mapping[str, int | float | str]


@dataclass(frozen=True)
class Line:
    """A line from start to end (map units), with sector ``front`` to its right and ``back`` to its left."""

    start: tuple[int, int]
    end: tuple[int, int]
    front: int
    back: int


def wad_bytes(plan: MapPlan) -> bytes:
    """Return the map as a PWAD: MAPINFO (sky and skill), MAP01, TEXTMAP (namespace zdoom), ENDMAP."""
    lumps = (("MAPINFO", MAPINFO), ("MAP01", ""), ("TEXTMAP", textmap(plan)), ("ENDMAP", ""))
    body, directory = b"", b""
    for name, text in lumps:
        data = text.encode("ascii")
        directory += struct.pack("<ii8s", 12 + len(body), len(data), name.encode("ascii"))
        body += data
    return struct.pack("<4sii", b"PWAD", len(lumps), 12 + len(body)) + body + directory


def textmap(plan: MapPlan) -> str:
    """Return the UDMF text of the map."""
    vertices: dict[tuple[int, int], int] = {}
    lines: list[Fields] = []
    sides: list[Fields] = []
    for line in lines_of(plan):
        fields: dict[str, int] = {
            "v1": vertices.setdefault(line.start, len(vertices)),
            "v2": vertices.setdefault(line.end, len(vertices)),
            "sidefront": len(sides),
        }
        sides.append(_side(plan, line, line.front, line.back))
        if line.back != SOLID:
            fields["sideback"] = len(sides)
            sides.append(_side(plan, line, line.back, line.front))
        lines.append(fields | _manners(plan, line))
    blocks = [_block("linedef", line) for line in lines]
    blocks += [_block("sidedef", side) for side in sides]
    blocks += [_block("vertex", {"x": float(x), "y": float(y)}) for x, y in vertices]
    blocks += [_block("sector", _sector(sector)) for sector in plan.sectors]
    blocks += [_block("thing", _thing(thing)) for thing in plan.things]
    return 'namespace = "zdoom";\n' + "\n".join(blocks) + "\n"


def lines_of(plan: MapPlan) -> list[Line]:
    """Return the lines of a map. A door is always the back of its lines: USE works on the sector behind."""
    lines = []
    for along_y in (True, False):
        cells = plan.cells if along_y else plan.cells.T
        for i, first, last, low, high in _runs(cells):
            # Of a line going up (+y) the right is the high side, of one going right (+x) the low side.
            high_in_front = low == SOLID or not (high == SOLID or plan.is_door(high))
            front, back = (high, low) if high_in_front else (low, high)
            start, end = (first, last) if high_in_front == along_y else (last, first)
            ends = ((i, start), (i, end)) if along_y else ((start, i), (end, i))
            (x0, y0), (x1, y1) = ends
            lines.append(Line((x0 * UNIT, y0 * UNIT), (x1 * UNIT, y1 * UNIT), front, back))
    return lines


def _runs(cells: NDArray[np.int16]) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield (i, first, last, low, high): from row first to last, column i-1 is ``low`` and i is ``high``."""
    for i in range(1, len(cells)):
        low, high = cells[i - 1], cells[i]
        changes = np.flatnonzero((np.diff(low) != 0) | (np.diff(high) != 0)) + 1
        for first, last in pairwise([0, *(int(change) for change in changes), len(low)]):
            if low[first] != high[first]:
                yield i, first, last, int(low[first]), int(high[first])


def _manners(plan: MapPlan, line: Line) -> dict[str, int]:
    """How a line behaves: rock blocks, doors open on USE, the track beside a door stays where it is."""
    if line.back == SOLID:
        return {"blocking": True, "dontpegbottom": plan.is_door(line.front)}
    if not plan.is_door(line.back):
        return {"twosided": True}
    door = {"special": DOOR_RAISE, "arg1": DOOR_SPEED, "arg2": DOOR_WAIT}
    return {"twosided": True, **door, "playeruse": True, "repeatspecial": True}


def _side(plan: MapPlan, line: Line, own: int, other: int) -> Fields:
    """The textures seen from sector ``own`` toward ``other``, aligned to the map's own grid."""
    sector = plan.sectors[own]
    (x0, y0), (x1, y1) = line.start, line.end
    along = x0 if x0 != x1 else y0
    offset = (along if x1 + y1 > x0 + y0 else -along) % TEXTURE_WIDTH
    if other == SOLID:
        return {"sector": own, "texturemiddle": sector.wall, "offsetx": offset}
    beyond = plan.sectors[other]
    if beyond.door:
        return {"sector": own, "texturetop": beyond.door, "texturebottom": sector.wall, "offsetx": 0}
    lower = beyond.wall if beyond.step else sector.wall
    return {"sector": own, "texturetop": sector.wall, "texturebottom": lower, "offsetx": offset}


def _sector(sector: Sector) -> Fields:
    return {
        "heightfloor": sector.floor,
        "heightceiling": sector.ceiling,
        "texturefloor": sector.floor_flat,
        "textureceiling": sector.ceiling_flat,
        "lightlevel": sector.light,
    }


def _thing(thing: Thing) -> Fields:
    """A thing is there at every skill and in every kind of game."""
    when = ("skill1", "skill2", "skill3", "skill4", "skill5", "single", "coop", "dm")
    place = {"x": float(thing.x), "y": float(thing.y), "angle": thing.angle_deg, "type": thing.kind}
    return place | dict.fromkeys(when, True)


def _block(kind: str, fields: Fields) -> str:
    return f"{kind} {{ " + " ".join(f"{name} = {_value(value)};" for name, value in fields.items()) + " }"


def _value(value: int | float | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)
