"""Strokes: a pointer that is down draws on the canvas and nowhere else, in the colour that was picked or the last."""

import copy
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dreamloop.model import arch_mosaic
from dreamloop.model.mosaic_cells import from_cells, to_cells
from dreamloop.model.mosaic_config import mosaic_config
from dreamloop.model.mosaic_known import Known, empty_tables
from dreamloop.model.mosaic_net import Seen
from dreamloop.model.mosaic_pile import IN_FRONT, TOLD
from dreamloop.model.mosaic_player import MosaicPlayer
from dreamloop.model.mosaic_sprite import on_the_way
from dreamloop.model.mosaic_strokes import Strokes, empty_strokes

TINY = replace(mosaic_config(arch_mosaic.tiny_card().config), button=2)
SIZE, PIXELS, NONE = (TINY.height_px, TINY.width_px), TINY.cell**2, TINY.colours
PAINTS = {(4, 4): 5, (4, 12): 6}  # where a colour is picked, x and y
CANVAS = 24  # pixels; right of it is the canvas


class Painter:
    """A canvas, two paints beside it, and a player that sees what is done to them."""

    def __init__(self, known: Known, marks: bool = False) -> None:
        self.marks = marks
        self.player, self.picture, self.colour = MosaicPlayer(TINY, known=known), np.full(SIZE, 1, np.uint8), 5
        self.picture[:8, :8], self.picture[8:16, :8] = 5, 6
        self.before = (0, 0)

    def mark(self, colour: int) -> None:
        """Pick a colour; where paints are marked, so is this one."""
        self.colour = colour
        if self.marks:
            for (x, y), paint in PAINTS.items():
                self.picture[y, x + 2] = 3 if paint == colour else paint

    def tick(self, place: tuple[int, int], down: bool, shown: bool = True) -> NDArray[np.uint8]:
        """Move there, and return the picture that is foreseen; show the true one."""
        player, held = self.player, bool(self.player.actions[-1, 2] > 0.5)
        player.act(np.array([place[0] / (SIZE[1] - 1), place[1] / (SIZE[0] - 1), down, 0], np.float32))
        look = dict(zip(Seen._fields, player.look(), strict=True))
        told = look["becomes"] % IN_FRONT == TOLD
        foreseen = from_cells(np.where(told[..., None], look["foreseen"], to_cells(self.picture, TINY.cell)), TINY.cell)
        self.mark(PAINTS.get(place, self.colour) if down and not held else self.colour)
        if down and place[0] >= CANVAS and (not held or self.before[0] >= CANVAS):
            way = on_the_way(SIZE, np.array(self.before if held else place), np.array(place))
            way[:, :CANVAS] = False
            self.picture[way] = self.colour
        self.before = place
        player.show(to_cells(self.picture, TINY.cell))
        return foreseen

    def work(self, seed: int, times: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(times):
            if rng.random() < 0.5:
                paint = list(PAINTS)[rng.integers(2)]
                self.tick(paint, False)
                self.tick(paint, True)
            self.tick((10, 20), False)
            first = (int(rng.integers(CANVAS + 2, SIZE[1])), int(rng.integers(SIZE[0])))
            self.tick(first, False)
            self.tick(first, True)
            for _ in range(3):
                self.tick((int(rng.integers(CANVAS + 2, SIZE[1])), int(rng.integers(SIZE[0]))), True)
            self.tick(first, False)
            self.picture[:, CANVAS:] = 1  # a clean sheet
            self.tick(first, False)
            self.tick((12, int(rng.integers(SIZE[0]))), True)  # drawn across no canvas
            self.tick((14, 3), True)
            self.tick((14, 3), False)


@cache
def _taught() -> Known:
    known = Known(empty_tables(TINY.grid, PIXELS, NONE), grows=True)
    Painter(known).work(1, 300)
    known.by_stroke.settle()
    return known


def taught() -> Known:
    """Return what was learnt from some painting; it may learn on."""
    return copy.deepcopy(_taught())


def test_a_stroke_is_foreseen_from_its_first_dot_on_in_the_colour_that_was_picked() -> None:
    painter = Painter(taught())
    for paint in PAINTS:
        painter.tick(paint, False)
        painter.tick(paint, True)
        painter.tick(paint, False)
        for place in ((40, 10), (50, 20), (30, 12)):
            foreseen = painter.tick(place, True)
            assert np.array_equal(foreseen, painter.picture)
        assert (painter.picture == PAINTS[paint]).any()
        painter.tick((30, 12), False)


def test_nothing_is_drawn_beside_the_canvas_or_with_a_button_that_is_up() -> None:
    painter = Painter(taught())
    for place, down in (((12, 4), True), ((14, 20), True), ((14, 20), False), ((40, 10), False), ((50, 10), False)):
        assert np.array_equal(painter.tick(place, down), painter.picture)


def test_a_dream_that_goes_on_from_a_saved_state_draws_the_same() -> None:
    known = taught()
    painter, again = Painter(known), Painter(known)
    for place, down in (((4, 12), False), ((4, 12), True), ((4, 12), False), ((40, 10), True)):
        painter.tick(place, down)
    again.player.restore(painter.player.state())
    again.picture, again.before, again.colour = painter.picture.copy(), painter.before, painter.colour
    assert np.array_equal(again.tick((50, 20), True), painter.tick((50, 20), True))


def test_a_table_holds_all_that_is_known() -> None:
    known = taught()
    again = Known({name: np.array(getattr(known, name)) for name in empty_tables(TINY.grid, PIXELS, NONE)})
    assert len(again.by_stroke) == len(known.by_stroke) > 10
    painter = Painter(again)
    painter.tick((4, 4), False)
    painter.tick((4, 4), True)
    painter.tick((4, 4), False)
    assert np.array_equal(painter.tick((40, 10), True), painter.picture)


def test_a_brush_that_shows_its_colour_needs_no_stroke_seen_before() -> None:
    """Beside the picked paint a mark is set; whoever sees the picture for the first time draws in that colour."""
    known = Known(empty_tables(TINY.grid, PIXELS, NONE), grows=True)
    for seed in range(40):
        Painter(known, marks=True).work(seed, 8)
        known.by_stroke.settle()
    for paint, colour in PAINTS.items():
        fresh = Painter(known, marks=True)
        fresh.mark(colour)
        fresh.tick((10, 20), False)
        assert np.array_equal(fresh.tick((40, 10), True), fresh.picture), paint
        assert (fresh.picture[:, CANVAS:] == colour).any()


def test_what_says_another_colour_than_most_does_tells_more() -> None:
    """Blank paper goes with the usual colour, and there is much of it; a mark beside a paint goes with that one."""
    strokes = Strokes(empty_strokes()["strokes"], NONE)
    paper, mark, usual, other = [1, 2, 3], 4, 5, 6
    strokes.take(np.array([*((one, 400, usual, 390) for one in paper), (mark, 40, other, 39)]))
    assert strokes.brush(np.array([*paper, mark])) == other
    assert strokes.brush(np.array(paper)) == usual
    assert strokes.brush(np.array([99])) == NONE
