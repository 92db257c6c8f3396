"""Lines that are written anew: which row each comes from is found out, and what nobody sees is written anew, too."""

from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dreamloop.model.learn_letters import Example, learn
from dreamloop.model.mosaic_known import Known, empty_tables
from dreamloop.model.mosaic_layers import Layers
from dreamloop.model.mosaic_letters import COLOURS, Letters, begin_of, last_of, shaped_of
from dreamloop.model.mosaic_pile import Pile
from dreamloop.model.mosaic_rewriting import seen_anew, turning

SIDE, NONE = 4, 12
PIXELS = SIDE * SIDE
HEIGHT, WIDTH = 8, 9  # of a layer
LETTERS = "abcdefgh "
SMALL, LARGE = HEIGHT - 2, (HEIGHT - 2) // 2  # lines that it shows
REST = np.zeros(2, np.int64)
Cells = NDArray[np.uint8]


@cache
def font() -> dict[str, NDArray[np.bool_]]:
    """Small letters, bold ones, and both halves of large ones; two of these begin alike: half of one tells little."""
    rng = np.random.default_rng(3)
    glyphs = {char: rng.random((SIDE, SIDE)) < 0.4 for char in LETTERS}
    glyphs["b"][: SIDE // 2] = glyphs["a"][: SIDE // 2]
    glyphs["c"][SIDE // 2 :] = glyphs["a"][SIDE // 2 :]
    glyphs[" "][:] = False
    found = dict[str, NDArray[np.bool_]]()
    for char, glyph in glyphs.items():
        top, bottom = np.split(glyph.repeat(2, 0), 2)
        found |= {f"small {char}": glyph, f"bold {char}": ~glyph, f"top {char}": top, f"bottom {char}": bottom}
    return {name: glyph.ravel() for name, glyph in found.items()}


def window(lines: list[str], large: bool, title: str = "abcd", look: tuple[int, int, int] = (1, 2, 3)) -> Cells:
    """Return a layer in which lines are written, in colours of paper, ink and title."""
    paper, ink, bar = look
    cells = np.full((HEIGHT, WIDTH, PIXELS), paper, np.uint8)
    cells[0], cells[-1], cells[1:, -1] = bar, bar, bar
    for x, char in enumerate(title):
        cells[0, x + 1] = np.where(font()[f"{'bold' if large else 'small'} {char}"], ink, bar)
    shown = lines[-(LARGE if large else SMALL) :]
    for i, line in enumerate(shown):
        for x, char in enumerate(line):
            for j, part in enumerate(("top", "bottom") if large else ("small",)):
                cells[1 + (2 * i + j if large else i), 1 + x][font()[f"{part} {char}"]] = ink
    return cells


def written(rng: np.random.Generator, most: int = SMALL) -> list[str]:
    return ["".join(rng.choice([*LETTERS], WIDTH - 3)) + "a" for _ in range(int(rng.integers(1, most + 1)))]


def example(
    lines: list[str], larger: bool, title: str = "abcd", look: tuple[int, int, int] = (1, 2, 3), when: int = 0
) -> Example:
    before, after = window(lines, not larger, title, look), window(lines, larger, title, look)
    return Example(before, after, np.ones((HEIGHT, WIDTH), np.bool_), when)


@cache
def learnt() -> Letters:
    rng = np.random.default_rng(0)
    tables = learn([example(written(rng), bool(i % 2), when=i) for i in range(1500)], NONE)
    return Letters(tables["lines"], tables["letters"], tables["shapes"], NONE)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), look=st.permutations(range(NONE)))
def test_lines_are_written_anew_in_any_colours(seed: int, look: list[int]) -> None:
    lines = written(np.random.default_rng(seed + 1000))
    one = example(lines, larger=True, look=(look[0], look[1], look[2]))
    told = learnt().anew(one.before)
    known = told[..., 0] != NONE
    assert (told[known] == one.after[known]).all()
    assert known[(one.before != one.after).any(-1)].mean() > 0.95


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_and_back_where_there_was_room_for_all_of_them(seed: int) -> None:
    """A letter is told by both its halves: one alone would be taken for another."""
    one = example(written(np.random.default_rng(seed + 1000), most=LARGE - 1), larger=False)
    told = learnt().anew(one.before)
    known = told[..., 0] != NONE
    assert (told[known] == one.after[known]).all()
    assert known[(one.before != one.after).any(-1)].mean() > 0.9


def test_lines_for_which_there_was_no_room_are_not_made_up() -> None:
    """Of a full layer in large letters nobody can say how many lines there were."""
    told = learnt().anew(window(["ab", "cd", "ef", "gh", "ba"], large=True))
    assert (told[1 : LARGE + 1] == NONE).any(-1).mean() > 0.5


def test_a_shape_that_never_turned_is_not_told() -> None:
    cells = window(["abc"], large=False)
    cells[1, 2] = np.arange(PIXELS) % 3 % 2 + 1
    told = learnt().anew(cells)
    assert (told[1:3, 1] != NONE).all()
    assert (told[1:3, 2] == NONE).all()


def test_a_layer_that_begins_otherwise_is_left_alone() -> None:
    assert (learnt().anew(window(["abc"], large=False, title="hgfe")) == NONE).all()
    assert not learnt().turns(window([], False)[0], window([], True)[0], (HEIGHT, WIDTH + 1))


def test_what_does_not_change_is_no_line() -> None:
    rng, drawn = np.random.default_rng(1), list[Example]()
    for i in range(60):
        one = example(["a"], bool(i % 2), when=i)
        drawing = rng.integers(1, 3, (3, WIDTH - 1, PIXELS))
        one.before[3:6, :-1] = one.after[3:6, :-1] = drawing
        drawn.append(one)
    tables = learn(drawn, NONE)
    told = Letters(tables["lines"], tables["letters"], tables["shapes"], NONE).anew(drawn[0].before)
    assert (told[3:6] == NONE).all()
    assert (told[0, 1:5] == drawn[0].after[0, 1:5]).all()


@given(
    cells=st.lists(st.lists(st.integers(0, NONE), min_size=6, max_size=6), min_size=1, max_size=5),
    turn=st.permutations(range(NONE)),
)
def test_a_shape_has_no_colours_and_with_them_is_what_it_was(cells: list[list[int]], turn: list[int]) -> None:
    given_, into = np.array(cells, np.uint8), np.array([*turn, NONE], np.uint8)
    shaped, other = shaped_of(given_, NONE), shaped_of(into[given_], NONE)
    assert (shaped.sign == other.sign).all()
    assert ((shaped.sign == 0) == ((given_ == NONE).any(1) | ([len(set(c)) > COLOURS for c in cells]))).all()
    good = shaped.sign != 0
    assert (into[shaped.colours[good]] == other.colours[good]).all()
    assert len({tuple(c) for c in given_[good].tolist()}) >= len(set(shaped.sign[good].tolist()))


def test_how_far_down_anything_stands_goes_by_what_is_known() -> None:
    cells = window(["abc", "", "ba"], large=False)
    assert last_of(cells, NONE) == 3
    cells[3] = NONE
    assert last_of(cells, NONE) == 1
    assert last_of(window([], large=False), NONE) == 0
    assert begin_of(cells[0], (HEIGHT, WIDTH), NONE)
    cells[0, 1] = NONE
    assert begin_of(cells[0], (HEIGHT, WIDTH), NONE) == 0


class Screen:
    """Two windows over a ground; the one in front may hide the other."""

    def __init__(self, lines: list[str]) -> None:
        self.lines, self.large, self.hidden, self.bare = lines, False, False, False

    def cells(self) -> Cells:
        cells = np.zeros((10, 22, PIXELS), np.uint8)
        for x, char in enumerate("abcdabcd"):
            cells[0, x] = np.where(font()[f"{'bold' if self.large else 'small'} {char}"], 2, 0)
        if not self.hidden and not self.bare:
            cells[1 : 1 + HEIGHT, 1 : 1 + WIDTH] = window(self.lines, self.large)
        if not self.bare:
            cells[1 : 1 + HEIGHT, 12 : 12 + WIDTH] = window(["gh"], self.large, title="dcba")
        return cells


@pytest.fixture
def known() -> Known:
    rng, both = np.random.default_rng(5), list[Example]()
    for i in range(400):
        lines = written(rng)
        both += [example(lines, bool(i % 2), when=i), example(["gh"], bool(i % 2), title="dcba", when=i)]
    tables = empty_tables((10, 22), PIXELS, NONE) | learn(both, NONE)
    return Known(tables)


def opened(screen: Screen, known: Known) -> Layers:
    layers = Layers((10, 22), PIXELS, NONE, known)
    hidden, screen.hidden = screen.hidden, True
    for shown in (np.zeros_like(screen.cells()), screen.cells()):
        layers.show(shown, REST, REST, 1)
    screen.hidden = False
    layers.show(screen.cells(), REST, REST, 2)
    screen.hidden = hidden
    assert (layers.level > 0).sum() == 2
    return layers


def found_again(layers: Layers) -> Cells:
    """Return what is remembered of the window that is hidden."""
    (k,) = (k for k in np.flatnonzero(layers.rects[:, 2]) if k and layers.rects[k, 1] == 1)
    return layers.contents[k, :HEIGHT, :WIDTH]


def test_a_window_that_is_hidden_is_written_anew_with_those_that_are_seen(known: Known) -> None:
    screen = Screen(["abc", "dab"])
    layers = opened(screen, known)
    screen.hidden = True
    layers.show(screen.cells(), REST, REST, 3)
    screen.large = True
    layers.show(screen.cells(), REST, REST, 4)
    assert (found_again(layers) == window(screen.lines, large=True)).all()


def test_also_where_nothing_but_the_ground_is_seen(known: Known) -> None:
    screen = Screen(["abc", "dab"])
    layers = opened(screen, known)
    for screen.hidden, screen.bare in ((True, False), (True, True)):
        layers.show(screen.cells(), REST, REST, 3)
    assert turning(layers, screen.cells()) == set()
    screen.large = True
    layers.show(screen.cells(), REST, REST, 4)
    assert (found_again(layers) == window(screen.lines, large=True)).all()


def test_lines_for_which_there_was_no_room_come_back(known: Known) -> None:
    screen = Screen(["ab", "cd", "ef", "gh", "ba"])
    layers = opened(screen, known)
    screen.large = True
    layers.show(screen.cells(), REST, REST, 3)
    screen.large = False
    back = seen_anew(layers, turning(layers, screen.cells()))[2 : 1 + HEIGHT, 1 : 1 + WIDTH]
    assert (back == window(screen.lines, large=False)[1:]).all()


def test_also_if_something_was_written_meanwhile(known: Known) -> None:
    screen = Screen(["ab", "cd", "ef", "gh", "ba"])
    layers = opened(screen, known)
    screen.large = True
    layers.show(screen.cells(), REST, REST, 3)
    screen.lines[-1] += "c"
    layers.show(screen.cells(), REST, REST, 4)
    back = seen_anew(layers, {way_back(layers)})
    screen.large = False
    assert (back == screen.cells())[2:HEIGHT, 1 : 1 + WIDTH].all()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000))
def test_and_those_that_rolled_out_while_all_was_large(known: Known, seed: int) -> None:
    screen = Screen(written(np.random.default_rng(seed + 1000), most=1))
    screen.large = True
    layers = opened(screen, known)
    for i, line in enumerate(written(np.random.default_rng(seed), most=SMALL - 1)):
        screen.lines = [*screen.lines, ""]
        for char in "h" + line[1:]:  # a line in which nothing stands is not seen
            screen.lines = [*screen.lines[:-1], screen.lines[-1] + char]
            layers.show(screen.cells(), REST, REST, 3 + i)
    back = seen_anew(layers, {way_back(layers)})
    screen.large = False
    told = back[..., 0] != NONE
    assert (back == screen.cells())[told].all()
    assert told[2 : 2 + len(screen.lines), 1 : 1 + WIDTH].mean() > 0.9


def test_below_what_was_never_seen_nothing_is_made_up(known: Known) -> None:
    screen = Screen(["ab", "cd"])
    screen.large = True
    layers = opened(screen, known)
    (k,) = (k for k in np.flatnonzero(layers.rects[:, 2]) if k and layers.rects[k, 1] == 1)
    layers.contents[k, 5:7, 1:4] = NONE
    layers.refresh()
    back = seen_anew(layers, {way_back(layers)})
    assert (back[4:HEIGHT, 2:WIDTH] == NONE).all()


def test_what_more_was_written_before_it_was_seen_is_not_made_up(known: Known) -> None:
    """The lines of a full layer in large letters are taken for all that there are."""
    screen = Screen(["ab", "cd", "ef", "gh", "ba"])
    screen.large = True
    layers = opened(screen, known)
    back = seen_anew(layers, {way_back(layers)})
    screen.large, screen.lines = False, screen.lines[-LARGE:]
    assert (back == screen.cells())[2:HEIGHT, 1 : 1 + WIDTH].all()


def way_back(layers: Pile) -> int:
    """Return the way in which what is large becomes small."""
    way = layers.known.by_letter.way(window([], large=True)[0], (HEIGHT, WIDTH))
    assert way is not None
    return way


def test_what_turns_at_the_same_time_turns_in_the_same_way(known: Known) -> None:
    letters, size = known.by_letter, (HEIGHT, WIDTH)
    small, large = (
        {letters.way(window([], big, title)[0], size) for title in ("abcd", "dcba")} for big in (False, True)
    )
    assert len(small) == len(large) == 1
    assert small != large
    assert None not in small | large


def test_a_layer_narrower_than_what_it_is_known_by_is_passed_over(known: Known) -> None:
    """At the right edge, where there is nothing beyond it."""
    layers = Layers((10, 22), PIXELS, NONE, known)
    cells = np.zeros((10, 22, PIXELS), np.uint8)
    layers.show(cells, REST, REST, 1)
    cells[2:9, -2:] = np.random.default_rng(0).integers(1, 4, (7, 2, PIXELS))
    layers.show(cells, REST, REST, 2)
    assert layers.rects[1].tolist() == [2, 20, 7, 2]
    cells[2, -2:] = 5
    assert turning(layers, cells) == set()


def test_a_copy_to_look_at_stays_what_it_is(known: Known) -> None:
    screen = Screen(["abc"])
    layers = opened(screen, known)
    copy, before = layers.still(), layers.state()
    screen.large = True
    layers.show(screen.cells(), REST, REST, 3)
    assert all((copy.state()[name] == before[name]).all() for name in before)


def test_a_saved_game_brings_lines_back_too(known: Known) -> None:
    screen = Screen(["ab", "cd", "ef", "gh", "ba"])
    layers = opened(screen, known)
    screen.large = True
    layers.show(screen.cells(), REST, REST, 3)
    again = Layers((10, 22), PIXELS, NONE, known)
    again.restore(layers.state())
    ways = {way_back(layers)}
    assert (seen_anew(again, ways) == seen_anew(layers, ways)).all()
    assert (seen_anew(again, ways)[2 : 1 + HEIGHT, 1 : 1 + WIDTH] == window(screen.lines, large=False)[1:]).all()
