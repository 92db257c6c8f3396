"""The pointer's sprite: found in play, laid over a picture, and lifted off it again."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dreamloop.model import arch_mosaic
from dreamloop.model.mosaic_cells import to_cells
from dreamloop.model.mosaic_config import mosaic_config
from dreamloop.model.mosaic_net import AROUND, INKS, Seen
from dreamloop.model.mosaic_player import MosaicPlayer
from dreamloop.model.mosaic_sprite import BEFORE, CLEAR, SIDE, Sprite, SpriteLooks, on_the_way, seen_next, uncover

TINY = replace(mosaic_config(arch_mosaic.tiny_card().config), button=2)
SIZE = (TINY.height_px, TINY.width_px)
NOTHING = np.zeros((0, 64), np.uint8)


def arrow() -> Sprite:
    """Three pixels: the tip, one below, one to the right of it."""
    pixels = np.full((SIDE, SIDE), CLEAR, np.uint8)
    pixels[BEFORE, BEFORE], pixels[BEFORE + 1, BEFORE], pixels[BEFORE, BEFORE + 1] = 6, 7, 7
    return Sprite(pixels)


def action(x: int, y: int) -> NDArray[np.float32]:
    return np.array([x / (TINY.width_px - 1), y / (TINY.height_px - 1), 0, 0], np.float32)


def test_a_sprite_is_what_goes_wherever_the_pointer_goes() -> None:
    rng, looks, sprite = np.random.default_rng(0), SpriteLooks(TINY.colours), arrow()
    for _ in range(400):
        place = np.array([rng.integers(TINY.width_px), rng.integers(TINY.height_px)])
        looks.look(sprite.lay(rng.integers(0, 6, SIZE).astype(np.uint8), place), place)
    assert np.array_equal(looks.sprite(), sprite.pixels)
    nobody = SpriteLooks(TINY.colours)
    for _ in range(400):
        place = np.array([rng.integers(TINY.width_px), rng.integers(TINY.height_px)])
        nobody.look(rng.integers(0, 6, SIZE).astype(np.uint8), place)
    assert not Sprite(nobody.sprite()).found


@pytest.mark.parametrize("place", [(0, 0), (63, 31), (30, 10)])
def test_what_is_laid_over_a_picture_is_seen_there_and_nowhere_else(place: tuple[int, int]) -> None:
    at, blank = np.array(place), np.zeros(SIZE, np.uint8)
    picture = arrow().lay(blank.copy(), at)
    assert np.array_equal(picture != 0, arrow().covers(at, SIZE))
    assert arrow().fits(picture, at)
    assert not arrow().fits(picture, (at + 20) % 30)


def test_what_the_pointer_hides_is_told_by_what_is_seen_later() -> None:
    """The picture turns from 1 to 2 while the pointer stands on it, and is seen whole when it has gone."""
    sprite = arrow()
    places = [np.array([40, 20]), np.array([10, 10]), np.array([10, 10]), np.array([40, 20])]
    bare = [np.full(SIZE, number, np.uint8) for number in (1, 1, 2, 2)]
    pictures = [sprite.lay(picture.copy(), place) for picture, place in zip(bare, places, strict=True)]
    ahead = seen_next(pictures, places, [False] * 4, sprite)
    assert ahead[1][0][10, 10] == 2
    assert ahead[3][0][20, 40] == CLEAR, "nobody has seen it yet"
    assert not any(drawn.any() for _, drawn in ahead)
    player = MosaicPlayer(TINY, sprite)
    actions = [action(*place) for place in places]
    beneath = list(player.watch(pictures, actions, lambda: NOTHING))
    assert [int(cells.max()) for cells in beneath] == [1, 1, 2, 2]
    assert [int(cells.min()) for cells in beneath] == [1, 1, 2, 2]
    assert np.array_equal(player.picture(), pictures[-1])


def test_a_first_picture_whose_pointer_is_elsewhere_is_not_taken() -> None:
    sprite = arrow()
    shown = [sprite.lay(np.full(SIZE, 1, np.uint8), np.array(place)) for place in ((5, 5), (40, 20))]
    player = MosaicPlayer(TINY, sprite)
    assert len(list(player.watch(shown, [action(50, 9), action(40, 20)], lambda: NOTHING))) == 1
    assert int(player.memory.now.max()) == 1


def test_a_cell_that_is_hidden_in_part_is_taken_for_what_fits() -> None:
    hidden = np.array([False, False, True, True])
    before, seen = np.array([1, 1, 1, 1], np.uint8), np.array([2, 2, 0, 0], np.uint8)
    none = NOTHING[:, :4]
    part, unknown, later = (
        np.array([1, 1, 1, 4], np.uint8),
        np.full(4, CLEAR, np.uint8),
        np.array([2, 2, 3, 3], np.uint8),
    )
    fits, near = np.array([[2, 2, 2, 2]], np.uint8), np.array([[2, 2, 2, 2], [2, 2, 3, 2]], np.uint8)
    assert uncover(np.array([1, 1, 0, 0], np.uint8), hidden, before, later, fits, none).tolist() == [1, 1, 1, 1]
    assert uncover(seen, hidden, part, later, none, none).tolist() == [2, 2, 3, 3]
    assert uncover(seen, hidden, before, unknown, none, none).tolist() == [2, 2, 2, 2], "in another colour"
    assert uncover(seen, hidden, part, unknown, none, none).tolist() == [2, 2, 1, 4], "nobody knows what 4 became"
    assert uncover(seen, hidden, before, later, fits, none).tolist() == [2, 2, 2, 2]
    assert uncover(seen, hidden, before, later, near, none).tolist() == [2, 2, 3, 2]
    assert uncover(seen, hidden, before, later, near, fits).tolist() == [2, 2, 2, 2], "it came along"


def test_what_is_drawn_later_is_not_there_yet() -> None:
    """A stroke goes under the sprite, right and down: every tick shows as much of it as was drawn by then."""
    pixels = np.full((SIDE, SIDE), CLEAR, np.uint8)
    pixels[BEFORE : BEFORE + 10, BEFORE : BEFORE + 10] = 7  # a square that hides what is right of it and below
    sprite = Sprite(pixels)
    places = [np.array([10 + 4 * i, 10 + 2 * i]) for i in range(6)] + [np.array([50, 5])] * 2
    held = [0, 1, 1, 1, 1, 1, 0, 0]
    bare, canvas = [], np.full(SIZE, 1, np.uint8)
    for i, place in enumerate(places):
        if held[i]:
            x0, y0 = places[i - 1]
            for step in range(5):
                x, y = x0 + (place[0] - x0) * step // 4, y0 + (place[1] - y0) * step // 4
                canvas[y - 1 : y + 2, x - 1 : x + 2] = 3
        bare.append(canvas.copy())
    pictures = [sprite.lay(picture.copy(), place) for picture, place in zip(bare, places, strict=True)]
    actions = [action(*place) + np.array([0, 0, down, 0], np.float32) for place, down in zip(places, held, strict=True)]
    player = MosaicPlayer(TINY, sprite)
    wrong = []
    for cells, true in zip(player.watch(pictures, actions, lambda: NOTHING), bare, strict=True):
        shown = cells.reshape(4, 8, 8, 8).swapaxes(1, 2).reshape(SIZE)
        wrong.append(int((shown != true).sum()))
    assert wrong[-1] == 0
    assert max(wrong) <= 6, "some pixels at the end of the stroke"


@pytest.mark.parametrize("colours", [1, 2])
def test_a_plain_ground_is_no_sprite(colours: int) -> None:
    """Its colour is under the pointer in every look, and everywhere else as well."""
    rng, looks, sprite = np.random.default_rng(0), SpriteLooks(TINY.colours), arrow()
    nobody = SpriteLooks(TINY.colours)
    for _ in range(400):
        place = np.array([rng.integers(TINY.width_px), rng.integers(TINY.height_px)])
        ground = (rng.random(SIZE) < 0.01 * (colours - 1)).astype(np.uint8)
        nobody.look(ground, place)
        looks.look(sprite.lay(ground.copy(), place), place)
    assert not Sprite(nobody.sprite()).found
    assert np.array_equal(looks.sprite(), sprite.pixels)


def test_a_pointer_that_is_down_may_draw_in_the_colours_it_has_met() -> None:
    """Pressed on 2, it draws in 5: then its last place and what it drew last are 5, and 2 it was pressed on before."""
    player, picture = MosaicPlayer(TINY), np.full(SIZE, 1, np.uint8)
    picture[:8, :8] = 2
    places: list[tuple[int, int]] = []

    def tick(x: int, y: int, down: bool, draws: int = 0) -> list[int]:
        player.act(action(x, y) + np.array([0, 0, down, 0], np.float32))
        inks = player.look()[Seen._fields.index("inks")]
        if draws:
            picture[on_the_way(SIZE, np.array(places[-1]), np.array((x, y)))] = draws
        player.show(to_cells(picture, TINY.cell))
        places.append((x, y))
        return [int(ink) for ink in inks]

    none = TINY.colours
    assert tick(3, 3, False) == [none] * 3
    assert tick(3, 3, True) == [2, none, none]
    assert tick(3, 3, False) == [none] * 3
    assert tick(20, 12, True) == [2, none, 2], "it was pressed on 2 before"
    assert tick(30, 12, True, draws=2) == [1, none, 2]
    assert tick(40, 20, True, draws=2) == [2, 2, 2]
    assert tick(40, 20, False) == [none] * 3
    assert tick(50, 6, True) == [2, 2, 1]
    again = MosaicPlayer(TINY)
    again.restore(player.state())
    assert again.inks.tolist() == [2, 1]


def test_the_way_of_a_pointer_that_is_down_is_offered_as_drawn() -> None:
    player, cells = MosaicPlayer(TINY), np.full((*TINY.grid, 64), 1, np.uint8)
    cells[0, 0] = 2
    for x, y, down in ((4, 4, False), (4, 4, True), (4, 4, False), (12, 4, True)):
        player.act(action(x, y) + np.array([0, 0, down, 0], np.float32))
        player.look()
        player.show(cells.copy())
    player.act(action(20, 10) + np.array([0, 0, 1, 0], np.float32))
    drawn = player.look()[0][:, :, -AROUND - 1]  # in the colour that it was pressed on before
    wanted = np.full(SIZE, 1, np.uint8)
    wanted[:8, :8] = 2
    wanted[on_the_way(SIZE, np.array([12, 4]), np.array([20, 10]))] = 2
    changed = (to_cells(wanted, TINY.cell) != cells).any(-1)
    assert np.array_equal(drawn[changed], to_cells(wanted, TINY.cell)[changed])
    assert (drawn[~changed] == TINY.colours).all()
    player.act(action(20, 10))
    assert (player.look()[0][:, :, -AROUND - INKS : -AROUND] == TINY.colours).all(), "it is up"


PLACES = st.tuples(st.integers(-4, SIZE[1] + 4), st.integers(-4, SIZE[0] + 4))


@given(PLACES, PLACES)
def test_a_brush_meets_three_pixels_around_every_step_of_its_way(start: tuple[int, int], end: tuple[int, int]) -> None:
    wanted, steps = np.zeros(SIZE, np.bool_), max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    for i in range(steps + 1):
        x, y = (a + (b - a) * i // steps for a, b in zip(start, end, strict=True))
        wanted[max(y - 1, 0) : max(y + 2, 0), max(x - 1, 0) : max(x + 2, 0)] = True
    assert np.array_equal(on_the_way(SIZE, np.array(start), np.array(end)), wanted)
