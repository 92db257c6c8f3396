"""Rows that roll out of a layer at its top: kept page by page, brought back, carried over when text is written anew."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dreamloop.model.mosaic_known import Known
from dreamloop.model.mosaic_layers import Layers
from dreamloop.model.mosaic_pile import PAGES, Page
from dreamloop.model.mosaic_rolls import above, as_one, rolled_back, rolled_up
from dreamloop.model.mosaic_telling import Telling

ROWS, COLUMNS, PIXELS, NONE = 14, 20, 4, 60
HEIGHT, WIDTH, PAPER, INK = 9, 12, 1, 2
REST = np.zeros(2, np.int64)
Cells = NDArray[np.uint8]
LINES = st.lists(st.integers(0, 9), min_size=6, max_size=20)  # more than there are pages, too


def line(number: int) -> Cells:
    """Return a line (columns, pixels) that is written like no other."""
    return np.random.default_rng(number).integers(3, 12, (WIDTH - 4, PIXELS)).astype(np.uint8)


def window(numbers: list[int], high: int, letters: int = WIDTH - 4) -> Cells:
    """Return a layer that shows as many of the last lines as it can, with a caret behind the letters of the last."""
    cells = np.full((HEIGHT, WIDTH, PIXELS), PAPER, np.uint8)
    cells[0] = np.arange(12, 12 + WIDTH)[:, None]
    cells[1:, [0, -1]] = 40
    cells[-1] = 41
    shown = numbers[-((HEIGHT - 2) // high) :]
    for i, number in enumerate(shown):
        rows = slice(1 + i * high, 1 + (i + 1) * high)
        cells[rows, 1:-3] = line(number) + np.arange(high, dtype=np.uint8)[:, None, None]
    if shown:
        last = slice(1 + (len(shown) - 1) * high, 1 + len(shown) * high)
        cells[last, 1 + letters : -1] = PAPER
        cells[last, 1 + letters] = INK
    return cells


def screen(numbers: list[int], high: int, letters: int = WIDTH - 4) -> Cells:
    cells = np.zeros((ROWS, COLUMNS, PIXELS), np.uint8)
    cells[2 : 2 + HEIGHT, 4 : 4 + WIDTH] = window(numbers, high, letters)
    return cells


def opened(numbers: list[int], high: int) -> Layers:
    layers = Layers((ROWS, COLUMNS), PIXELS, NONE, Known.nothing((ROWS, COLUMNS), PIXELS, NONE))
    layers.show(np.zeros((ROWS, COLUMNS, PIXELS), np.uint8), REST, REST, 1)
    layers.show(screen(numbers, high), REST, REST, 2)
    assert layers.rects[layers.front].tolist() == [2, 4, HEIGHT, WIDTH]
    return layers


def unsure(layers: Layers) -> Telling:
    """Return what a teller says that cannot tell whether a layer rolls: nothing."""
    nothing = np.zeros(layers.grid, np.bool_)
    return Telling(nothing, ~(layers.owner == layers.front), layers.compose())


def no_rule(layers: Layers) -> Cells:
    return np.full_like(layers.compose(), NONE)


@settings(deadline=None)
@given(numbers=LINES, high=st.integers(1, 2))
def test_pages_are_kept_while_lines_are_written_and_given_back_while_they_are_taken_away(
    numbers: list[int], high: int
) -> None:
    numbers = [10 * i + number for i, number in enumerate(numbers)]  # no two are alike
    room, layers = (HEIGHT - 2) // high, opened(numbers[:1], high)
    for end in range(2, len(numbers) + 1):
        layers.show(screen(numbers[:end], high), REST, REST, end + 1)
    gone = max(len(numbers) - room, 0)
    kept = above(layers, layers.front)
    assert len(kept) == min(gone, PAGES)
    for number, cells in zip(numbers[gone - len(kept) : gone], kept, strict=True):
        assert len(cells) == high
        assert (cells[0, 1:-3] == line(number)).all()
    for end in range(len(numbers) - 1, gone and len(numbers) - min(gone, PAGES) - 1, -1):
        told = screen(numbers[:end], high)
        back = rolled_back(layers, unsure(layers), no_rule(layers))
        known = back[..., 0] != NONE
        assert known.any() == (end >= room)
        assert (back[known] == told[known]).all()
        layers.show(told, REST, REST, 20 + end)
    assert not layers.pages_of(layers.front)


@pytest.fixture
def rolled() -> Layers:
    layers = opened([0, 10, 20], 2)
    layers.show(screen([0, 10, 20, 30], 2), REST, REST, 3)
    assert len(layers.pages_of(layers.front)) == 1
    return layers


def test_a_layer_does_not_roll_back_against_the_word_of_the_teller(rolled: Layers) -> None:
    telling = unsure(rolled)
    assert (rolled_back(rolled, telling, no_rule(rolled)) != NONE).any()
    assert (rolled_back(rolled, telling._replace(stays=~telling.changes), no_rule(rolled)) == NONE).all()
    changes = rolled.owner == rolled.front
    assert (rolled_back(rolled, telling._replace(changes=changes), no_rule(rolled)) == NONE).all()


def test_nor_against_that_of_the_rules(rolled: Layers) -> None:
    """They know a layer that rolls up when they see one."""
    assert (rolled_back(rolled, unsure(rolled), screen([10, 20, 30, 40], 2)) == NONE).all()
    assert (rolled_back(rolled, unsure(rolled), screen([0, 10, 20], 2)) != NONE).any()


def test_what_is_emptied_has_nothing_above_it(rolled: Layers) -> None:
    rolled.show(screen([50], 2), REST, REST, 4)
    assert not rolled.pages_of(rolled.front)


def test_a_roll_that_was_missed_leaves_no_hole_in_what_is_above(rolled: Layers) -> None:
    """Nothing is better than lines of which one is missing."""
    rolled.show(screen([50, 60, 70], 2), REST, REST, 4)
    assert not rolled.pages_of(rolled.front)


def test_a_page_without_a_caret_lets_it_be_told(rolled: Layers) -> None:
    told = screen([0, 10, 20], 2)
    (page,) = rolled.pages
    bare = page.cells.copy()
    bare[5:7, -3] = PAPER
    rolled.pages = (page._replace(cells=bare),)
    caret = (told == INK).all(-1)
    back = rolled_back(rolled, unsure(rolled)._replace(changes=caret, cells=told), no_rule(rolled))
    assert (back[caret] == NONE).all()
    assert (back != NONE).any()


def test_a_page_turns_its_colours_with_everything(rolled: Layers) -> None:
    into = np.arange(NONE, dtype=np.uint8)
    into[PAPER] = 50
    rolled.turn(into)
    (page,) = rolled.pages_of(rolled.front)
    assert (page.cells[1:-1, -2] == 50).all()


def test_pages_go_with_their_layer(rolled: Layers) -> None:
    gone = rolled.front
    rolled.pages = (*rolled.pages, Page(gone + 1, 2, window([0], 2)))
    rolled._drop(gone)
    assert [page.layer for page in rolled.pages] == [gone + 1]
    rolled.forget()
    assert rolled.pages == ()


def test_a_saved_game_has_the_pages(rolled: Layers) -> None:
    again = opened([0], 2)
    again.restore(rolled.state())
    for page, other in zip(rolled.pages, again.pages, strict=True):
        assert page[:2] == other[:2]
        assert (page.cells == other.cells).all()
    assert again.nbytes == rolled.nbytes


def test_one_that_was_saved_before_there_were_pages_has_none(rolled: Layers) -> None:
    old = {name: value for name, value in rolled.state().items() if not name.startswith("page_")}
    rolled.restore(old)
    assert rolled.pages == ()


@settings(deadline=None)
@given(seed=st.integers(0, 1000), wrong=st.integers(0, 6), high=st.integers(1, 2))
def test_what_rolls_rolls_as_one(seed: int, wrong: int, high: int) -> None:
    """Some cells that are told otherwise, or not at all, come along; where a caret stood nothing does."""
    room, rng = (HEIGHT - 2) // high, np.random.default_rng(seed)
    numbers = [10 * i for i in range(room + 1)]
    layers, then = opened(numbers[:-1], high), screen(numbers, high, 1)
    told, rows = then.copy(), room * high - high
    sure = np.ones(layers.grid, np.bool_)
    for at in zip(3 + rng.integers(0, rows, wrong), 5 + rng.integers(0, WIDTH - 4, wrong), strict=True):
        if rng.random() < 0.5:
            told[at] = rng.integers(3, 40, PIXELS)
        else:  # it is not told
            told[at], sure[at] = PAPER, False
    found = as_one(layers, told, sure)
    known = found[..., 0] != NONE
    assert known.any()
    body = slice(3, 1 + HEIGHT), slice(5, 3 + WIDTH)  # a letter of the new line is as it was told
    assert (np.where(known[..., None], found, told)[body] == then[body]).all()


def test_what_only_changes_does_not_roll() -> None:
    layers = opened([0, 10, 20], 2)
    assert (as_one(layers, screen([0, 10, 40], 2), np.ones(layers.grid, np.bool_)) == NONE).all()
    assert not rolled_up(window([0, 10, 20], 2), window([], 2), NONE)
    assert not rolled_up(window([0], 2), window([], 2), NONE)  # it is only emptied
    assert not rolled_up(window([0, 10], 1), window([10], 1), NONE)  # there was room
