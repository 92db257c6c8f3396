"""The map generator, without a simulator: every seed gives a map that a player can walk through."""

from collections import deque

import numpy as np
import pytest

from dreamloop.demos.doom import maps, udmf
from dreamloop.demos.doom.maps import SOLID, TEST_SEEDS_FROM, THEMES, UNIT, MapPlan, generate
from dreamloop.demos.doom.sight import RAYS, sight_of_plan, sight_of_sectors

SEEDS = [*range(40), 999_999_999, TEST_SEEDS_FROM, 2**31 - 2]


@pytest.fixture(scope="module")
def plans() -> list[MapPlan]:
    return [generate(seed) for seed in SEEDS]


def _reached(plan: MapPlan) -> set[int]:
    """Return the sectors that walking reaches from the start: no rock, no window, steps of at most 24 units."""
    start = plan.things[0]
    first = (start.x // UNIT, start.y // UNIT)
    seen, queue = {first}, deque([first])
    while queue:
        x, y = queue.popleft()
        here = plan.sectors[plan.cells[x, y]]
        for near in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            index = int(plan.cells[near])
            if near in seen or index == SOLID or plan.sectors[index].window:
                continue
            if plan.sectors[index].floor - here.floor <= 24:
                seen.add(near)
                queue.append(near)
    return {int(plan.cells[cell]) for cell in seen}


def test_same_seed_same_map() -> None:
    assert udmf.wad_bytes(generate(7)) == udmf.wad_bytes(generate(7))
    assert udmf.wad_bytes(generate(7)) != udmf.wad_bytes(generate(8))


def test_every_room_can_be_reached(plans: list[MapPlan]) -> None:
    for plan in plans:
        missing = {room.index for room in plan.rooms} - _reached(plan)
        assert not missing, f"map {plan.seed}: rooms {missing} cannot be entered"


def test_the_edge_of_a_map_is_rock(plans: list[MapPlan]) -> None:
    for plan in plans:
        edges = (plan.cells[0], plan.cells[-1], plan.cells[:, 0], plan.cells[:, -1])
        assert all((edge == SOLID).all() for edge in edges)


def test_doors_lie_between_two_rooms(plans: list[MapPlan]) -> None:
    for plan in plans:
        doors = [link for link in plan.links if link.kind == "door"]
        assert doors
        for link in doors:
            x, y, w, h = link.rect
            around = plan.cells[x - 1 : x + w + 1, y - 1 : y + h + 1]
            rooms = {int(index) for index in np.unique(around)} & {room.index for room in plan.rooms}
            assert set(link.rooms) <= rooms
            assert any(plan.is_door(int(index)) for index in np.unique(around))


def test_rooms_are_neither_tiny_nor_huge(plans: list[MapPlan]) -> None:
    for plan in plans:
        assert 10 <= len(plan.rooms) <= 32
        for room in plan.rooms:
            assert 2 <= min(room.rect[2:]) <= 9


def test_heights_let_a_player_pass(plans: list[MapPlan]) -> None:
    for plan in plans:
        for sector in plan.sectors:
            if not sector.door and not sector.window:
                assert sector.ceiling - sector.floor >= 96
            assert 120 <= sector.light <= 255


def test_things_stand_on_free_floor(plans: list[MapPlan]) -> None:
    for plan in plans:
        assert plan.things[0].kind == 1
        assert sum(thing.kind == 1 for thing in plan.things) == 1
        for thing in plan.things:
            cx, cy = thing.x // UNIT, thing.y // UNIT
            assert (plan.cells[cx - 1 : cx + 2, cy - 1 : cy + 2] != SOLID).all()


def test_themes_are_few_and_shared(plans: list[MapPlan]) -> None:
    for plan in plans:
        assert len({room.theme.name for room in plan.rooms}) <= 5
    walls = {theme.wall for theme in maps.THEMES} | {theme.accent for theme in maps.THEMES}
    assert len(walls) <= 20


def test_lines_enclose_every_sector(plans: list[MapPlan]) -> None:
    """As many lines run up as down the border of a sector, so the engine finds it closed."""
    for plan in plans[:10]:
        total = {index: np.zeros(2) for index in range(len(plan.sectors))}
        for line in udmf.lines_of(plan):
            way = np.subtract(line.end, line.start)
            assert line.front != SOLID
            assert (way == 0).sum() == 1
            total[line.front] += way
            if line.back != SOLID:
                total[line.back] -= way
        assert all((value == 0).all() for value in total.values())


def test_the_front_of_a_line_lies_to_its_right() -> None:
    plan = generate(3)
    for line in udmf.lines_of(plan):
        (x0, y0), (x1, y1) = line.start, line.end
        right = np.sign([y1 - y0, x0 - x1]) * UNIT / 2
        x, y = (np.array([(x0 + x1) / 2, (y0 + y1) / 2]) + right).astype(int) // UNIT
        assert plan.cells[x, y] == line.front


def test_exits_lead_into_the_next_room() -> None:
    for seed in range(10):
        plan = generate(seed)
        for room in plan.rooms:
            for near_x, near_y, far_x, far_y in plan.exits(room):
                before, after = plan.room_at(near_x, near_y), plan.room_at(far_x, far_y)
                assert before == room
                assert after is not None
                assert after != room


def test_a_look_around_measures_the_room() -> None:
    plan = generate(5)
    room = max(plan.rooms, key=lambda room: room.rect[2])
    x, y, w, h = (64 * value for value in room.rect)
    clear, _ = sight_of_plan(plan).look(x + w / 2, y + 24, 90.0)  # facing north from the south wall
    assert clear.shape == (RAYS,)
    assert clear[0] > h / 2 - 64
    assert clear[RAYS // 2] <= 64 * 2 + 64  # behind: the wall, or a doorway in it


def test_a_body_needs_more_room_than_a_look() -> None:
    """What stands on the floor stops it, though a ray goes over it; walls stop it a body's half earlier."""
    met = 0
    for seed in range(12):
        plan = generate(seed)
        sight, props = sight_of_plan(plan), {prop for theme in THEMES for prop in theme.props}
        start = next(thing for thing in plan.things if thing.kind == 1)
        (clear, _), room = sight.look(start.x, start.y, 0.0), sight.room(start.x, start.y, 0.0)
        assert (room <= clear).all()
        for thing in (one for one in plan.things if one.kind in props):
            free = sight.room(thing.x - 64, thing.y, 0.0)[0]
            assert free <= 64
            met += sight.look(thing.x - 64, thing.y, 0.0)[0][0] > 64
    assert met > 10


def test_sight_of_given_sectors_knows_walls_steps_and_doors() -> None:
    """Two rooms of 256x256 with a door between them, and a cliff to the north of the second."""
    west = (0.0, 128.0, [(0, 0, 0, 256, True), (0, 0, 256, 0, True), (0, 256, 256, 256, True)])
    door_lines = [(256, 0, 256, 256, False), (272, 0, 272, 256, False)]
    west[2].append(door_lines[0])
    door = (0.0, 0.0, door_lines)
    cliff = (272, 256, 528, 256, False)
    east = (0.0, 128.0, [door_lines[1], (272, 0, 528, 0, True), (528, 0, 528, 256, True), cliff])
    high = (64.0, 128.0, [cliff])
    sight = sight_of_sectors([west, door, east, high])
    clear, at_door = sight.look(224.0, 128.0, 0.0)  # eastward, just before the door
    assert at_door
    assert 280 <= clear[0] <= 330
    north, at_door = sight.look(400.0, 128.0, 90.0)
    assert not at_door
    assert 100 <= north[0] <= 160
