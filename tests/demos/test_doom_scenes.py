"""What scenes of the Doom world tell: the weapon cut out with its edges, and the lines that stop a body."""

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="the simulator needs gymnasium: pip install -e '.[sim]' in the checkout")

from dreamloop.demos.doom.make_scenes import doors_of, matte, room_of, walls_of
from dreamloop.demos.doom.maps import LIP, UNIT, generate, opened
from dreamloop.model.room import Room


def test_what_is_cut_out_covers_any_background_as_it_covered_those_it_was_seen_before() -> None:
    """Also at its edges, which it shares with what is behind; and until it rests again."""
    rng = np.random.default_rng(0)
    cover = np.zeros((5, 8, 8, 1), np.float32)
    cover[:, 2:6, 2:6], cover[:, 2, 2:6], cover[:, 5, 2:6] = 1, 0.25, 0.75
    cover[2:4, 1, 4] = 0.5
    colours = np.full((5, 8, 8, 3), (200, 120, 40), np.float32)
    colours[2] = (250, 250, 200)
    bare = rng.integers(0, 256, (4, 5, 8, 8, 3)).astype(np.float32)
    found = matte(np.rint(colours * cover + (1 - cover) * bare), bare)
    assert len(found) == 4, "from then on it rests"
    np.testing.assert_array_equal(found[..., 3:], np.rint(255 * cover[:4]))
    behind = np.array([30.0, 60.0, 90.0])
    laid = found[..., :3] + (1 - found[..., 3:] / 255) * behind
    np.testing.assert_allclose(laid, (colours * cover + (1 - cover) * behind)[:4], atol=1.5)


@pytest.mark.parametrize("seed", [3, 11])
def test_the_lines_of_a_map_are_around_the_squares_in_which_bodies_fit(seed: int) -> None:
    """Read from the map or found around the squares, walls of one side lie in the same places."""
    plan = generate(seed, tiles=3, doors=False)
    room, things = room_of(plan)
    told, found = walls_of(plan), Room(room, UNIT, things).walls
    edges = [{edge for wall in walls if not wall[4] for edge in _edges(wall)} for walls in (told, found)]
    assert len(edges[0] & edges[1]) > 0.9 * max(len(edges[0]), len(edges[1])), "but for what nobody fits into"


@pytest.mark.parametrize("seed", [3, 11])
def test_doors_are_across_ways_and_open_up_to_their_lip(seed: int) -> None:
    """What a scene tells of a door is what the map has there, shut and open."""
    plan = generate(seed, tiles=16)
    up = opened(plan)
    doors = doors_of(plan)
    assert len(doors) == sum(link.kind == "door" for link in plan.links) > 0
    assert np.array_equal(doors_of(up)[:, :6], doors[:, :6])
    for west, south, east, north, floor, opens, tall in doors.astype(int):
        assert {east - west, north - south} == {2 * UNIT, 8 * UNIT}
        number = plan.cells[west // UNIT, south // UNIT]
        assert (plan.cells[west // UNIT : east // UNIT, south // UNIT : north // UNIT] == number).all()
        shut, open_ = plan.sectors[number], up.sectors[number]
        assert (shut.floor, shut.ceiling, open_.floor) == (floor, floor, floor)
        assert open_.ceiling == floor + opens == floor + tall - LIP
    others = [(a, b) for a, b in zip(plan.sectors, up.sectors, strict=True) if not a.door]
    assert all(a == b for a, b in others), "nothing else is changed"


def _edges(wall: np.ndarray) -> set[tuple[float, ...]]:
    """Cut a wall into pieces as long as a cell, with their direction."""
    (x0, y0, x1, y1), n = wall[:4], round(max(abs(wall[2] - wall[0]), abs(wall[3] - wall[1])) / UNIT)
    points = np.linspace((x0, y0), (x1, y1), n + 1)
    return {tuple(np.concatenate(pair).tolist()) for pair in pairwise(points)}
