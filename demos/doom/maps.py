"""Generated Doom maps: a seed gives rooms, corridors, doors and things, as plain data (udmf.py writes them).

Knows nothing about ViZDoom or files, so the generator is tested without a simulator. The plan is painted on a
grid of cells (16 map units each). Walls are one tile (4 cells, 64 units) thick, so textures stay aligned.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

TEST_SEEDS_FROM = 1_000_000_000  # train maps have seeds below, test maps from here on; the two never meet
UNIT = 16  # map units per cell
TILE = 4  # cells per tile, so a tile is 64 map units
SOLID = -1  # cell value of rock

Rect = tuple[int, int, int, int]  # x, y, w, h in tiles, or in cells where said


@dataclass(frozen=True)
class Theme:
    """The few textures of one kind of room; a place is recognised by them."""

    name: str
    wall: str
    accent: str  # a second wall of the same family, for one room in four and for pillars
    door: str
    floor: str
    ceiling: str  # F_SKY1: an open court
    light: tuple[int, int]  # lowest and highest sector light, 0..255
    props: tuple[int, ...]  # things that stand in such rooms (doomednum)


LAMP, SHORT_LAMP, FLOOR_LAMP, CANDLES, BARREL = 85, 86, 2028, 35, 2035
TREE, BROWN_STUMP, TECH_COLUMN, GREEN_COLUMN, RED_COLUMN = 43, 47, 48, 30, 32

THEMES = (
    Theme("redbrick", "ZZWOLF11", "BRICK11", "BIGDOOR5", "FLAT5_1", "CEIL1_1", (184, 224), (CANDLES, RED_COLUMN)),
    Theme("tantech", "STARTAN2", "STARBR2", "BIGDOOR4", "FLOOR4_8", "CEIL3_5", (176, 224), (LAMP, BARREL)),
    Theme("greentech", "STARG1", "STARG2", "BIGDOOR2", "FLOOR0_3", "FLAT4", (184, 232), (SHORT_LAMP, BARREL)),
    Theme("marble", "MARBLE2", "GSTONE1", "BIGDOOR3", "DEM1_6", "FLAT1_1", (192, 232), (GREEN_COLUMN, CANDLES)),
    Theme("wood", "WOOD9", "PANEL4", "BIGDOOR5", "FLOOR5_4", "CEIL3_3", (192, 232), (FLOOR_LAMP, CANDLES)),
    Theme("rock", "ROCK5", "ROCK4", "BIGDOOR7", "RROCK16", "FLAT5_5", (200, 232), (TREE, BROWN_STUMP)),
    Theme("silver", "SILVER1", "SILVER2", "BIGDOOR2", "FLAT14", "FLAT20", (176, 216), (LAMP, TECH_COLUMN)),
    Theme("greyrock", "STONE4", "ZZWOLF1", "BIGDOOR2", "FLOOR7_2", "F_SKY1", (200, 240), (TREE, BARREL)),
    Theme("sandstone", "BRICK6", "BRICK12", "BIGDOOR7", "GRASS1", "F_SKY1", (200, 240), (TREE, BROWN_STUMP)),
    Theme(
        "cement",
        "CEMENT6",
        "GRAYVINE",
        "BIGDOOR3",
        "FLAT5_7",
        "FLAT19",
        (176, 216),
        (SHORT_LAMP, TECH_COLUMN),
    ),
)

PICKUPS = (2011, 2012, 2014, 2014, 2015, 2007, 2008, 2018)  # health, bonuses, armour, bullets, shells
MONSTERS = (3004, 3004, 3001)  # zombieman twice, imp
CEILING_LIGHT = "FLAT2"
LIP = 4  # map units that an open door hangs down


@dataclass(frozen=True)
class Sector:
    """One floor and ceiling (heights in map units), its light 0..255, and the wall drawn around it."""

    floor: int
    ceiling: int
    floor_flat: str
    ceiling_flat: str
    light: int
    wall: str
    door: str = ""  # door texture when the sector is a door
    opens: int = 0  # ... and how far it goes up
    window: bool = False  # too high to climb
    step: bool = False  # raised inside a room: its edge shows its own wall


@dataclass(frozen=True)
class Room:
    """A rectangle of tiles (x, y, w, h) with a theme; ``index`` is also the index of its sector."""

    index: int
    rect: Rect
    theme: Theme


@dataclass(frozen=True)
class Link:
    """A way (door, arch) or a view (window) between two rooms; ``rect`` is in cells."""

    kind: str
    rooms: tuple[int, int]
    rect: Rect


@dataclass(frozen=True)
class Thing:
    """An actor of the map at x, y (map units), facing ``angle_deg``."""

    kind: int
    x: int
    y: int
    angle_deg: int = 0


@dataclass
class MapPlan:
    """A whole map: what :func:`generate` returns and :mod:`udmf` writes."""

    seed: int
    cells: NDArray[np.int16]  # (x, y) sector index of every cell, SOLID for rock
    rooms: list[Room] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    sectors: list[Sector] = field(default_factory=list)
    things: list[Thing] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"gen{self.seed}"

    def room_at(self, x: float, y: float) -> Room | None:
        """Return the room around a point in map units; None inside doorways."""
        tx, ty = x / (UNIT * TILE), y / (UNIT * TILE)
        for room in self.rooms:
            rx, ry, w, h = room.rect
            if rx <= tx < rx + w and ry <= ty < ry + h:
                return room
        return None

    def exits(self, room: Room) -> list[tuple[float, float, float, float]]:
        """Return each way out of a room as (x, y) in front of the doorway and (x, y) behind it, map units."""
        found = []
        for link in self.links:
            if link.kind == "window" or room.index not in link.rooms:
                continue
            x, y, w, h = (value * UNIT for value in link.rect)
            cx, cy = x + w / 2, y + h / 2
            upright = self.cells[link.rect[0] - 1, link.rect[1]] in link.rooms
            dx, dy = (w / 2 + 40, 0.0) if upright else (0.0, h / 2 + 40)
            sign = 1 if link.rooms[0] == room.index else -1
            found.append((cx - sign * dx, cy - sign * dy, cx + sign * 2 * dx, cy + sign * 2 * dy))
        return found

    def is_door(self, sector: int) -> bool:
        return sector >= 0 and bool(self.sectors[sector].door)


def generate(seed: int, tiles: int | None = None, doors: bool = True) -> MapPlan:
    """Return the map of ``seed``: the same seed gives the same map on every machine.

    Args:
        tiles: of a side; None: 25 to 32.
        doors: without, there are arches in their places.
    """
    rng = np.random.default_rng([seed, 0xD00])
    tiles = tiles or int(rng.integers(25, 33))
    plan = MapPlan(seed, np.full(((tiles + 2) * TILE, (tiles + 2) * TILE), SOLID, np.int16))
    leaves: list[Rect] = []
    _split(rng, (1, 1, tiles, tiles), leaves)
    palette = rng.choice(len(THEMES), size=5, replace=False)
    for rect in leaves:
        _add_room(rng, plan, rect, THEMES[int(rng.choice(palette))])
    _link_rooms(rng, plan, doors)
    for room in plan.rooms:
        _furnish(rng, plan, room)
    _populate(rng, plan)
    return plan


def opened(plan: MapPlan) -> MapPlan:
    """Return a map with its doors open, as they are once they were used."""
    return replace(plan, sectors=[replace(one, ceiling=one.ceiling + one.opens) for one in plan.sectors])


def _split(rng: np.random.Generator, rect: Rect, leaves: list[Rect]) -> None:
    """Cut a rectangle of tiles until rooms of 4 to 9 tiles a side are left; big cuts may leave a corridor."""
    x, y, w, h = rect
    longest = max(w, h)
    if longest <= 9 and (longest <= 6 or min(w, h) < 4 or rng.random() < 0.75):
        leaves.append(rect)
        return
    if longest < 9:
        leaves.append(rect)
        return
    corridor = int(rng.integers(2, 4)) if longest >= 14 and min(w, h) >= 8 and rng.random() < 0.6 else 0
    gap = corridor + 2 if corridor else 1
    cut = int(rng.integers(4, longest - gap - 3))
    if longest >= 14:  # near the middle, or the rooms come out as slices
        cut = int(np.clip(cut, longest // 2 - gap - 1, longest // 2 + 1))
    if w >= h:
        first, second = (x, y, cut, h), (x + cut + gap, y, w - cut - gap, h)
        hall = (x + cut + 1, y, corridor, h)
    else:
        first, second = (x, y, w, cut), (x, y + cut + gap, w, h - cut - gap)
        hall = (x, y + cut + 1, w, corridor)
    if corridor:
        leaves.append(hall)
    _split(rng, first, leaves)
    _split(rng, second, leaves)


def _add_room(rng: np.random.Generator, plan: MapPlan, rect: Rect, theme: Theme) -> None:
    index = len(plan.sectors)
    floor = 8 * int(rng.integers(0, 4))
    narrow = min(rect[2:]) <= 3
    height = int(rng.choice([144, 160] if narrow else [144, 160, 192, 224]))
    light = int(rng.integers(theme.light[0] // 8, theme.light[1] // 8 + 1)) * 8
    wall = theme.accent if rng.random() < 0.25 else theme.wall
    plan.sectors.append(Sector(floor, floor + height, theme.floor, theme.ceiling, light, wall))
    plan.rooms.append(Room(index, rect, theme))
    _paint(plan, _cells(rect), index)


def _cells(rect: Rect) -> Rect:
    x, y, w, h = rect
    return x * TILE, y * TILE, w * TILE, h * TILE


def _paint(plan: MapPlan, rect: Rect, sector: int) -> None:
    x, y, w, h = rect
    plan.cells[x : x + w, y : y + h] = sector


def _neighbours(plan: MapPlan) -> list[tuple[int, int, bool, int, int, int]]:
    """Return (a, b, upright, wall, low, high) in tiles: rooms with one wall between, and their common span."""
    found = []
    for a in plan.rooms:
        for b in plan.rooms:
            ax, ay, aw, ah = a.rect
            bx, by, bw, bh = b.rect
            if ax + aw + 1 == bx and min(ay + ah, by + bh) - max(ay, by) >= 2:
                found.append((a.index, b.index, True, ax + aw, max(ay, by), min(ay + ah, by + bh)))
            if ay + ah + 1 == by and min(ax + aw, bx + bw) - max(ax, bx) >= 2:
                found.append((a.index, b.index, False, ay + ah, max(ax, bx), min(ax + aw, bx + bw)))
    return found


def _link_rooms(rng: np.random.Generator, plan: MapPlan, doors: bool) -> None:
    """Join all rooms by a random spanning tree, then add loops (nobody paces up and down) and windows."""
    pairs = _neighbours(plan)
    group = {room.index: room.index for room in plan.rooms}
    for i in rng.permutation(len(pairs)):
        a, b, upright, wall, low, high = pairs[int(i)]
        joins = group[a] != group[b]
        if joins:
            old, new = group[b], group[a]
            group = {room: new if g == old else g for room, g in group.items()}
        dice = rng.random()
        if joins or dice < 0.45:
            kind = "door" if rng.random() < 0.5 and doors else "arch"
        elif dice < 0.65:
            kind = "window"
        else:
            continue
        width = 2 if kind == "door" else int(rng.integers(2, min(4, high - low) + 1))
        start = int(rng.integers(low, high - width + 1))
        _add_link(plan, kind, (a, b), upright, (wall * TILE, start * TILE, width * TILE))


def _add_link(plan: MapPlan, kind: str, rooms: tuple[int, int], upright: bool, place: tuple[int, int, int]) -> None:
    """Cut a way through the wall at ``place`` = (wall, start, width) in cells."""
    wall, start, width = place
    a, b = (plan.sectors[room] for room in rooms)
    theme = plan.rooms[rooms[0]].theme
    floor = max(a.floor, b.floor)
    top = min(a.ceiling, b.ceiling, floor + 128)
    light = (a.light + b.light) // 2
    ceiling_flat = "CEIL3_5"

    def strip(depth: int, thick: int) -> Rect:
        return (wall + depth, start, thick, width) if upright else (start, wall + depth, width, thick)

    def add(rect: Rect, sector: Sector) -> None:
        _paint(plan, rect, len(plan.sectors))
        plan.sectors.append(sector)

    if kind == "door":
        frame = Sector(floor, top, "FLOOR0_6", ceiling_flat, light, a.wall)
        add(strip(0, 1), frame)
        add(strip(3, 1), Sector(floor, top, "FLOOR0_6", ceiling_flat, light, b.wall))
        add(
            strip(1, 2),
            Sector(floor, floor, "FLOOR0_6", ceiling_flat, light, "DOORTRAK", theme.door, top - LIP - floor),
        )
    elif kind == "arch":
        add(strip(0, TILE), Sector(floor, top, a.floor_flat, ceiling_flat, light, a.wall))
    else:
        add(strip(0, TILE), Sector(floor + 40, top, "FLOOR0_6", ceiling_flat, light, a.wall, window=True))
    plan.links.append(Link(kind, rooms, strip(0, TILE)))


def _furnish(rng: np.random.Generator, plan: MapPlan, room: Room) -> None:
    """Give a wide room pillars, a platform, a pool of carpet or a ceiling lamp; narrow ones stay free."""
    x, y, w, h = _cells(room.rect)
    base = plan.sectors[room.index]
    if min(room.rect[2:]) < 5:
        return
    shape = rng.choice(["pillars", "platform", "sunken", "lamp", "lamp", "none"])
    inset = 2 * TILE
    middle: Rect = (x + inset, y + inset, w - 2 * inset, h - 2 * inset)
    if shape == "pillars" and min(room.rect[2:]) >= 6:
        for px in (x + TILE + 2, x + w - 2 * TILE - 2):
            for py in (y + TILE + 2, y + h - 2 * TILE - 2):
                _paint(plan, (px, py, TILE, TILE), SOLID)
    elif shape in ("platform", "sunken"):
        step = 16 if shape == "platform" else -16
        flat = "FLOOR0_6" if shape == "platform" else "FLOOR1_1"
        _paint(plan, middle, len(plan.sectors))
        raised = Sector(base.floor + step, base.ceiling, flat, base.ceiling_flat, base.light, "METAL1", step=True)
        plan.sectors.append(raised)
    elif shape == "lamp" and base.ceiling_flat != "F_SKY1":
        bright = min(255, base.light + 32)
        _paint(plan, middle, len(plan.sectors))
        lamp = Sector(base.floor, base.ceiling - 8, base.floor_flat, CEILING_LIGHT, bright, "METAL1", step=True)
        plan.sectors.append(lamp)


def _free_spot(rng: np.random.Generator, plan: MapPlan, room: Room, taken: list[Thing]) -> tuple[int, int] | None:
    """Return a place (map units) in the room, 48 units from walls and 72 from other things, or None."""
    x, y, w, h = _cells(room.rect)
    for _ in range(12):
        cx, cy = int(rng.integers(x + 3, x + w - 3)), int(rng.integers(y + 3, y + h - 3))
        px, py = cx * UNIT + UNIT // 2, cy * UNIT + UNIT // 2
        patch = plan.cells[cx - 3 : cx + 4, cy - 3 : cy + 4]
        if (patch != SOLID).all() and all(abs(t.x - px) + abs(t.y - py) > 72 for t in taken):
            return px, py
    return None


def _populate(rng: np.random.Generator, plan: MapPlan) -> None:
    """Place the player, the furniture of each theme, pick-ups and a few monsters far from the start."""
    order = [plan.rooms[int(i)] for i in rng.permutation(len(plan.rooms))]
    start = max(order[:4], key=lambda room: room.rect[2] * room.rect[3])
    spot = _free_spot(rng, plan, start, [])
    sx, sy, sw, sh = _cells(start.rect)
    px, py = spot or ((sx + sw // 2) * UNIT, (sy + sh // 2) * UNIT)
    plan.things.append(Thing(1, px, py, 45 * int(rng.integers(0, 8))))
    for room in order:
        wishes = [int(rng.choice(room.theme.props)) for _ in range(int(rng.integers(0, 3)))]
        wishes += [int(rng.choice(PICKUPS)) for _ in range(int(rng.integers(0, 3)))]
        if room is not start and rng.random() < 0.3:
            wishes += [int(rng.choice(MONSTERS)) for _ in range(int(rng.integers(1, 3)))]
        if min(room.rect[2:]) <= 2:
            wishes = [w for w in wishes if w in PICKUPS or w in MONSTERS]
        for kind in wishes:
            spot = _free_spot(rng, plan, room, plan.things)
            if spot is not None:
                plan.things.append(Thing(kind, *spot, 45 * int(rng.integers(0, 8))))
