"""Layers: found from how a picture changes, they foresee whole pictures; what is known of them carries over."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dreamloop.model.mosaic_cells import MARKS, shift, signs
from dreamloop.model.mosaic_known import MET, VOTES, Known, beginnings, empty_tables
from dreamloop.model.mosaic_layers import FACTS, IDEAS, Layers, densest
from dreamloop.model.mosaic_pile import (
    APPEAR,
    CARRY,
    CAST,
    HIDE,
    LEAP,
    MOST,
    OF_IT,
    RAISE,
    TOLD,
    UNKNOWN,
    Dreamed,
    Idea,
)

ROWS, COLUMNS, PIXELS, NONE = 12, 16, 4, 60
REST = np.zeros(2, np.int64)
SIZES = ((5, 6), (4, 7), (6, 5))  # of the windows
ACTS = st.tuples(st.sampled_from("ohc"), st.integers(0, 2), st.integers(-4, 4), st.integers(-3, 3))
PLACES = ((1, 1), (3, 7), (5, 4))


class Desktop:
    """Windows over a ground; a window's every cell shows something of its own."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.ground = rng.integers(0, 10, (ROWS, COLUMNS, PIXELS)).astype(np.uint8)
        self.contents = [
            rng.integers(10 + 10 * i, 20 + 10 * i, (h, w, PIXELS)).astype(np.uint8) for i, (h, w) in enumerate(SIZES)
        ]
        self.places = [np.array(place) for place in PLACES]
        self.order: list[int] = []

    def cells(self) -> NDArray[np.uint8]:
        picture = self.ground.copy()
        for i in self.order:
            (y, x), (h, w) = self.places[i], SIZES[i]
            picture[y : y + h, x : x + w] = self.contents[i]
        return picture

    def open(self, i: int) -> None:
        self.hide(i)
        self.order.append(i)

    def hide(self, i: int) -> None:
        self.order = [one for one in self.order if one != i]


def layers_of(desktop: Desktop, known: Known | None = None) -> Layers:
    layers = Layers((ROWS, COLUMNS), PIXELS, NONE, known or Known.nothing((ROWS, COLUMNS), PIXELS, NONE), leap=2)
    layers.show(desktop.cells(), REST, REST, 1)
    return layers


def kind_that_came(layers: Layers, cells: NDArray[np.uint8], moved: NDArray[np.int64] = REST) -> int:
    """Return the kind of the idea that came true, -1: none; take the picture as shown."""
    ideas = layers.ideas(moved)
    came = layers.explain(cells, ideas)
    layers.show(cells, moved, REST, 2)
    return ideas[came].kind if came >= 0 else -1


def test_what_appears_is_a_layer_that_goes_and_comes_back_with_what_lies_beneath() -> None:
    desktop = Desktop()
    layers = layers_of(desktop)
    desktop.open(0)
    assert kind_that_came(layers, desktop.cells()) == -1  # nobody could know
    assert layers.rects[1].tolist() == [*PLACES[0], *SIZES[0]]
    desktop.hide(0)
    assert kind_that_came(layers, desktop.cells()) == HIDE
    desktop.open(0)
    assert kind_that_came(layers, desktop.cells()) == RAISE
    assert layers.front == 1


def test_what_is_held_is_carried_and_uncovers_what_it_hid() -> None:
    desktop = Desktop()
    layers = layers_of(desktop)
    for i in (0, 1):
        desktop.open(i)
        layers.show(desktop.cells(), REST, REST, 2)
    layers.press(3, 8)  # the second window
    desktop.places[1] = desktop.places[1] + (4, 1)
    moved = np.array([1, 4])  # across, down
    idea = next(idea for idea in layers.ideas(moved) if idea.kind == CARRY)
    assert np.array_equal(layers.compose(idea), desktop.cells())
    assert kind_that_came(layers, desktop.cells(), moved) == CARRY
    assert layers.sure[2]


def test_a_layer_stays_inside_and_off_the_floor() -> None:
    desktop = Desktop()
    desktop_layers = Layers((ROWS, COLUMNS), PIXELS, NONE, Known.nothing((ROWS, COLUMNS), PIXELS, NONE), floor=2)
    desktop_layers.show(desktop.cells(), REST, REST, 1)
    desktop.open(0)
    desktop_layers.show(desktop.cells(), REST, REST, 2)
    desktop_layers.press(1, 1)
    (idea,) = (idea for idea in desktop_layers.ideas(np.array([-9, 30])) if idea.kind == CARRY)
    assert (idea.y, idea.x) == (ROWS - 2 - SIZES[0][0], 0)


def test_what_moves_though_it_was_no_layer_becomes_one_and_what_it_hid_is_unknown() -> None:
    desktop = Desktop()
    desktop.open(2)
    layers = layers_of(desktop)
    layers.press(*PLACES[2])
    desktop.places[2] = desktop.places[2] + (0, 2)
    step = np.array([2, 0])
    assert layers.explain(desktop.cells(), layers.ideas(step)) == -1
    layers.show(desktop.cells(), step, step, 2)
    assert layers.rects[1].tolist() == [5, 6, *SIZES[2]]
    _, becomes = layers.foresee(Idea(HIDE, 1))
    assert (becomes % 4)[5:11, 6:9].tolist() == [[UNKNOWN] * 3] * 6  # it hid them before and after
    desktop.places[2] = desktop.places[2] + (1, 0)
    assert kind_that_came(layers, desktop.cells(), np.array([2, 1])) == CARRY


def test_what_is_foreseen_says_what_becomes_of_every_cell() -> None:
    desktop = Desktop()
    layers = layers_of(desktop)
    for i in (0, 2):
        desktop.open(i)
        layers.show(desktop.cells(), REST, REST, 2)
    cells, becomes = layers.foresee(Idea(RAISE, 1, *PLACES[0]))
    y, x = PLACES[2]
    inside = becomes % 4
    assert inside[y, x] == TOLD  # hidden by the other one
    assert cells[y, x].tolist() == desktop.contents[0][y - 1, x - 1].tolist()
    assert inside[1, 1] == OF_IT
    assert (cells[1, 1] == NONE).all()
    assert inside[0, 0] == 0


def test_all_colours_turn_at_once_also_of_what_is_hidden() -> None:
    desktop, known = Desktop(), Known.nothing((ROWS, COLUMNS), PIXELS, NONE)
    known.grows = True
    desktop.ground = np.repeat(desktop.ground[:1], ROWS, 0)
    plain = desktop.ground.copy()
    for _ in range(VOTES):
        layers = layers_of(desktop, known)
        layers.show(59 - desktop.cells(), REST, REST, 2)
    assert known.counts["casts"] == 1
    desktop.ground = plain
    layers = layers_of(desktop, known)
    ideas = [idea for idea in layers.ideas(REST) if idea.kind == CAST]
    assert [np.array_equal(layers.compose(idea), 59 - plain) for idea in ideas] == [True]
    assert kind_that_came(layers, 59 - plain) == CAST


def test_a_size_that_is_known_is_found_in_a_picture_that_never_changed() -> None:
    desktop, known = Desktop(), Known.nothing((ROWS, COLUMNS), PIXELS, NONE)
    known.grows = True
    top = signs(desktop.contents[0], NONE)[0, :MARKS]
    for _ in range(VOTES):
        known.learn_size(top, *SIZES[0])
    known.learn_size(top[:1].repeat(MARKS), 2, 2)  # tells nothing
    assert known.counts["sizes"] == 1
    desktop.open(0)
    layers = layers_of(desktop, Known(vars(known)))
    assert layers.rects[1].tolist() == [*PLACES[0], *SIZES[0]]
    assert layers.rects[1].tolist() == [*PLACES[0], *SIZES[0]]


def test_what_appeared_more_than_once_is_offered_again() -> None:
    desktop, known = Desktop(), Known.nothing((ROWS, COLUMNS), PIXELS, NONE)
    known.grows = True
    top = signs(desktop.contents[0], NONE)[0, :MARKS]
    for _ in range(VOTES):
        known.learn_appearance(top, *PLACES[0], desktop.contents[0])
    layers = layers_of(desktop, known)
    (idea,) = (idea for idea in layers.ideas(REST) if idea.kind == APPEAR)
    desktop.open(0)
    assert np.array_equal(layers.compose(idea), desktop.cells())
    assert kind_that_came(layers, desktop.cells()) == APPEAR
    assert layers.rects[1].tolist() == [*PLACES[0], *SIZES[0]]


def test_what_appeared_is_handed_on_with_how_often_it_was_met() -> None:
    """What came a few times where another comes always is no look: somebody painted before it was closed."""
    desktop, known = Desktop(), Known(empty_tables((ROWS, COLUMNS), PIXELS, NONE), counts=True)
    stray = desktop.contents[0].copy()
    stray[0] = stray[0, ::-1]
    for window, times in ((desktop.contents[0], 200), (stray, VOTES), (desktop.contents[1], VOTES)):
        place = PLACES[1] if len(window) == SIZES[1][0] else PLACES[0]
        for _ in range(times):
            known.learn_appearance(signs(window, NONE)[0, :MARKS], *place, window)
    met, looks = known.met_looks
    assert sorted(met[:, -1].tolist()) == [VOTES, VOTES, 200]
    again = Known(empty_tables((ROWS, COLUMNS), PIXELS, NONE))
    again.take_looks(met, looks)
    shown = {cells.tobytes() for *_, cells in again._looks}
    assert shown == {desktop.contents[i].reshape(-1, PIXELS).tobytes() for i in (0, 1)}
    assert sorted(again.met_looks[0].tolist()) == sorted(met.tolist())
    assert Known(vars(again)).counts["appearances"] == again.counts["appearances"] == 2


def test_what_appeared_as_expected_is_counted_as_well() -> None:
    """Or only what is odd would be: what is known of a window would become what it shows when it is not expected."""
    desktop = Desktop()
    known = Known(vars(knows(desktop, 0)), counts=True)
    before = known.met_looks[0][:, -1].tolist()
    layers = layers_of(desktop, known)
    desktop.open(0)
    assert kind_that_came(layers, desktop.cells()) == APPEAR
    assert known.met_looks[0][:, -1].tolist() == [before[0] + 1]


def test_a_title_that_is_not_in_front_is_known_by_a_colour_that_several_turn_to() -> None:
    known = Known.nothing((ROWS, COLUMNS), PIXELS, NONE)
    known.grows = True
    front, behind = np.full((2, 40, PIXELS), 1, np.uint8), np.full((2, 40, PIXELS), 5, np.uint8)
    front[1] = 2
    for _ in range(VOTES):
        for title, other in zip(front, behind, strict=True):
            known.learn_turn(title, other)
    assert known.is_behind(behind[0])
    assert not any(known.is_behind(title) for title in front)


def knows(desktop: Desktop, *windows: int) -> Known:
    """What is known once some windows were seen again and again."""
    known = Known.nothing((ROWS, COLUMNS), PIXELS, NONE)
    known.grows = True
    for i in windows:
        top = signs(desktop.contents[i], NONE)[0, :MARKS]
        for _ in range(VOTES):
            known.learn_size(top, *SIZES[i])
            known.learn_appearance(top, *PLACES[i], desktop.contents[i])
    return Known(vars(known))


def test_what_was_hidden_of_a_window_from_the_start_is_what_it_is_of_others() -> None:
    desktop = Desktop()
    known = knows(desktop, 0, 2)
    for i in (0, 2):
        desktop.open(i)
    layers = layers_of(desktop, known)
    raise_0 = next(idea for idea in layers.ideas(REST) if idea.kind == RAISE)
    assert tuple(layers.rects[raise_0.layer, :2]) == PLACES[0]
    desktop.open(0)
    assert np.array_equal(layers.compose(raise_0), desktop.cells())


def test_a_window_whose_title_is_hidden_is_known_by_what_is_seen_of_its_rows() -> None:
    """Nobody saw its title here. When what lies over it goes, it is seen in colours that it has not in front."""
    desktop = Titled()
    desktop.places = [np.array(place) for place in ((2, 1), (0, 0), (6, 9))]
    for i, contents in enumerate(desktop.contents):
        contents[0] = np.random.default_rng(i).integers(0, 2, (SIZES[i][1], PIXELS)) + 50
    turns = Known(empty_tables((ROWS, COLUMNS), PIXELS, NONE), grows=True)
    first = layers_of(desktop, turns)
    for tick, i in enumerate((0, 2, 0, 2, 0, 2)):
        desktop.open(i)
        first.show(desktop.cells(), REST, REST, tick)
    known = Known(vars(knows(desktop, 0, 1, 2)) | {"turns": turns.turns}, grows=True)
    for _ in range(VOTES):
        known.learn_size(signs(desktop.contents[1] + 2, NONE)[0, :MARKS], *SIZES[1])  # behind others
    for i in (0, 1, 2):
        desktop.open(i)
    layers = layers_of(desktop, Known(vars(known)))
    assert (2, 1, *SIZES[0]) in {tuple(rect) for rect in layers.rects[layers.level > 0].tolist()}
    desktop.hide(1)
    hidden = [layers.compose(idea) for idea in layers.ideas(REST) if idea.kind == HIDE]
    assert any((picture == desktop.cells())[2:7, 1:7].all() for picture in hidden)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_who_lies_over_whom_is_seen_where_a_title_goes_on_or_not(order: tuple[int, int]) -> None:
    desktop = Desktop()
    desktop.contents[2][0] = 35  # a title of one colour, but for what is written in it
    desktop.contents[2][0, :, 0] = 30 + np.arange(SIZES[2][1])
    desktop.places[1] = np.array((3, 8))  # off its beginning
    known = knows(desktop, 1, 2)
    for i in order:
        desktop.open(i)
    layers = layers_of(desktop, known)
    assert layers.rects[layers.front, :2].tolist() == desktop.places[order[1]].tolist()
    assert (layers.level > 0).sum() == 2


def test_what_lies_beneath_a_window_that_was_there_already_is_not_known() -> None:
    """Half hidden it was taken for the ground; it comes to the front, and nobody has seen the ground below it."""
    desktop, known = Desktop(), Known.nothing((ROWS, COLUMNS), PIXELS, NONE)
    desktop.places[2] = np.array((2, 1))
    known.grows = True
    for _ in range(VOTES):
        known.learn_appearance(signs(desktop.contents[0], NONE)[0, :MARKS], *PLACES[0], desktop.contents[0])
    for i in (0, 2):
        desktop.open(i)
    layers = layers_of(desktop, Known(vars(known)))
    desktop.open(0)
    assert kind_that_came(layers, desktop.cells()) == APPEAR
    ground = layers.contents[0, 1:6, 1:7]
    assert (ground[0] == NONE).all()
    assert (ground[:, 5] == NONE).all()
    assert (ground[1:, :5] != NONE).all(), "what was seen there before"


def test_what_appears_is_what_appeared_most_often_and_not_what_did_last() -> None:
    desktop, known = Desktop(), Known.nothing((ROWS, COLUMNS), PIXELS, NONE)
    known.grows = True
    top = signs(desktop.contents[0], NONE)[0, :MARKS]
    for seen in range(2 * VOTES):
        look = desktop.contents[0].copy()
        if seen % 2 == 0:
            look[seen % 4 + 1] = seen  # something lay over it
        known.learn_appearance(top, *PLACES[0], look)
    (one,) = Known(vars(known)).offer(signs(desktop.ground, NONE), np.zeros(NONE, np.bool_))
    assert np.array_equal(one.cells, desktop.contents[0])


def test_what_is_there_already_does_not_appear_and_what_is_uncovered_did_not() -> None:
    desktop, known = Desktop(), Known.nothing((ROWS, COLUMNS), PIXELS, NONE)
    known.grows = True
    for _ in range(VOTES):
        known.learn_appearance(signs(desktop.contents[0], NONE)[0, :MARKS], *PLACES[0], desktop.contents[0])
        known.learn_size(signs(desktop.contents[0], NONE)[0, :MARKS], *SIZES[0])
    desktop.open(0)
    layers = layers_of(desktop, known)
    assert not any(idea.kind == APPEAR for idea in layers.ideas(REST))
    desktop.hide(0)
    layers.show(desktop.cells(), REST, REST, 2)
    assert [idea.kind for idea in layers.ideas(REST)] == [RAISE], "it comes back as it was, or not at all"
    desktop.places = [np.array((2, 2)), np.array((0, 0)), np.array((2, 2))]
    desktop.open(1)
    desktop.open(2)
    layers.show(desktop.cells(), REST, REST, 3)
    before = known.counts["appearances"]
    for tick in range(VOTES):
        desktop.hide(2)
        layers.show(desktop.cells(), REST, REST, 4 + 2 * tick)
        desktop.open(2)
        layers.show(desktop.cells(), REST, REST, 5 + 2 * tick)
    assert known.counts["appearances"] == before


def test_what_appeared_is_offered_in_the_colours_of_the_picture() -> None:
    """It was seen in one look; a cast turns it into another, which shares more with what is there now."""
    desktop, known = Desktop(), Known.nothing((ROWS, COLUMNS), PIXELS, NONE)
    known.grows = True
    desktop.contents[0][0, 0] = 7  # a content that another window shows, too
    for _ in range(VOTES):
        known.learn_appearance(signs(desktop.contents[0], NONE)[0, :MARKS], *PLACES[0], desktop.contents[0])
    before = np.repeat(np.arange(NONE, dtype=np.uint8), 40)
    for _ in range(VOTES):
        known.learn_cast(known.cast_of(before, NONE - 1 - before))
    turned = NONE - 1 - desktop.contents[0]
    for shown, expected in ((7, desktop.contents[0]), (NONE - 8, turned)):
        desktop.ground[ROWS - 1] = shown
        (one,) = known.offer(signs(desktop.ground, NONE), np.zeros(NONE, np.bool_))
        assert np.array_equal(one.cells, expected)
        seen = np.bincount(expected.ravel(), minlength=NONE)[:NONE] > 0
        (one,) = known.offer(np.zeros((ROWS, COLUMNS), np.int64), seen)
        assert np.array_equal(one.cells, expected), "its colours are there, though none of its contents is"


def test_a_cast_that_would_make_two_colours_one_gives_no_look() -> None:
    known = Known.nothing((ROWS, COLUMNS), PIXELS, NONE)
    known.grows = True
    cells = np.random.default_rng(0).integers(0, 8, (*SIZES[0], PIXELS)).astype(np.uint8)
    for _ in range(VOTES):
        known.learn_appearance(signs(cells, NONE)[0, :MARKS], *PLACES[0], cells)
    merging, other = (np.full(NONE, NONE, np.uint8) for _ in range(2))
    merging[3], other[3] = 4, 9
    for _ in range(VOTES):
        known.learn_cast(merging)
        known.learn_cast(other)
    assert known.counts["casts"] == 2
    looks = [look for *_, look in known._looks]
    assert len(looks) == 2, "as it was seen, and with another colour in place of one"
    assert any((look == 9).any() for look in looks)


def test_what_lies_beneath_is_taken_for_what_lay_there_before_until_it_is_seen() -> None:
    desktop, known = Desktop(), Known.nothing((ROWS, COLUMNS), PIXELS, NONE)
    known.grows = True
    for _ in range(MET):
        known.learn_ground(desktop.ground)
    for _ in range(VOTES):
        known.learn_size(signs(desktop.contents[0], NONE)[0, :MARKS], *SIZES[0])
    assert known.counts["grounds"] == 1
    desktop.open(0)
    desktop.ground[1, 1] = 5  # it is another one there
    layers = layers_of(desktop, Known(vars(known)))
    desktop.hide(0)
    (idea,) = (idea for idea in layers.ideas(REST) if idea.kind == HIDE)
    wrong = (layers.compose(idea) != desktop.cells()).any(-1)
    assert wrong.tolist() == [[(y, x) == (1, 1) for x in range(COLUMNS)] for y in range(ROWS)]
    assert layers.guessed.sum() == SIZES[0][0] * SIZES[0][1]
    layers.show(desktop.cells(), REST, REST, 2)
    assert not layers.guessed.any()
    assert np.array_equal(layers.compose(), desktop.cells())


def test_what_a_dream_spoils_of_the_ground_is_mended_where_nobody_sees_it() -> None:
    desktop, known = Desktop(), Known.nothing((ROWS, COLUMNS), PIXELS, NONE)
    known.grows = True
    for _ in range(MET):
        known.learn_ground(desktop.ground)
    layers = layers_of(desktop, Known(vars(known)))
    desktop.open(0)
    layers.show(desktop.cells(), REST, REST, 2)
    desktop.hide(0)
    layers.show(desktop.cells(), REST, REST, 3)
    torn, (y, x) = desktop.ground.copy(), PLACES[0]
    torn[y, x : x + 6], torn[ROWS - 1, :6] = 58, 58
    for dreamed, spoils in ((None, False), (Dreamed(None), True)):
        again = Layers((ROWS, COLUMNS), PIXELS, NONE, Known(vars(known)), leap=2)
        again.restore(layers.state())
        again.show(torn, REST, REST, 4, dreamed)
        assert np.array_equal(again.compose(), torn), "what is shown is what is seen"
        (comes,) = (idea for idea in again.ideas(REST) if idea.kind == RAISE)
        again.show(again.compose(comes), REST, REST, 5, Dreamed(comes))
        (goes,) = (idea for idea in again.ideas(REST) if idea.kind == HIDE)
        again.show(again.compose(goes), REST, REST, 6, Dreamed(goes))
        beneath = again.compose()[y, x : x + 6]
        assert np.array_equal(beneath, (desktop.ground if spoils else torn)[y, x : x + 6])
        assert (again.compose()[ROWS - 1, :6] == 58).all(), "it was seen all the time"


def test_a_title_that_a_dream_spoilt_is_mended_where_it_is_hidden() -> None:
    desktop, known = Desktop(), Known.nothing((ROWS, COLUMNS), PIXELS, NONE)
    known.grows = True
    for _ in range(VOTES):
        known.learn_appearance(signs(desktop.contents[0], NONE)[0, :MARKS], *PLACES[0], desktop.contents[0])
    for cells, mended in ((1, True), (4, False)):
        layers = layers_of(desktop, known)
        (comes,) = (idea for idea in layers.ideas(REST) if idea.kind == APPEAR)
        layers.show(layers.compose(comes), REST, REST, 2, Dreamed(comes))
        k = layers.front
        layers.contents[k, 0, 1 : 1 + cells] = 58
        layers.refresh()
        (goes,) = (idea for idea in layers.ideas(REST) if idea.kind == HIDE)
        layers.show(layers.compose(goes), REST, REST, 3, Dreamed(goes))
        assert np.array_equal(layers.contents[k, 0, :6], desktop.contents[0][0]) == mended


def test_what_a_dream_has_torn_brings_nothing_back_beside_what_was_believed() -> None:
    """After an hour a torn title was once taken for what had been written first, and the text was overwritten."""
    desktop, known = Desktop(), Known.nothing((ROWS, COLUMNS), PIXELS, NONE)
    known.grows = True
    for _ in range(VOTES):
        known.learn_size(signs(desktop.contents[0], NONE)[0, :MARKS], *SIZES[0])
    desktop.open(1)
    layers = layers_of(Desktop(), known)
    layers.show(desktop.cells(), REST, REST, 2)
    before, (y, x), (h, w) = layers.state(), PLACES[0], SIZES[0]
    (goes,) = (idea for idea in layers.ideas(REST) if idea.kind == HIDE)
    torn = layers.compose(goes)
    torn[y : y + h, x : x + w] = desktop.contents[0]
    for believed, seen in ((None, True), (goes, False)):
        again = Layers((ROWS, COLUMNS), PIXELS, NONE, known, leap=2)
        again.restore(before)
        again.show(torn, REST, REST, 3, Dreamed(believed))
        assert bool(((again.rects[1:] == (y, x, h, w)).all(1) & (again.level[1:] > 0)).any()) == seen


def test_the_state_is_all_there_is() -> None:
    desktop = Desktop()
    layers = layers_of(desktop)
    for i in (0, 1, 2):
        desktop.open(i)
        layers.show(desktop.cells(), REST, REST, 2)
    again = Layers((ROWS, COLUMNS), PIXELS, NONE, Known.nothing((ROWS, COLUMNS), PIXELS, NONE), leap=2)
    again.restore(layers.state())
    assert again.ideas(REST) == layers.ideas(REST)
    for idea in layers.ideas(REST):
        assert np.array_equal(again.compose(idea), layers.compose(idea))
    again.spoilt[:] = True
    again.restore({name: value for name, value in layers.state().items() if name != "layer_spoilt"})
    assert not again.spoilt.any(), "of a game that was saved by an earlier version"
    layers.forget()
    assert np.array_equal(layers.compose(), desktop.cells())
    assert layers.ideas(REST) == []


class Titled(Desktop):
    """The top row of the window in front is in two other colours than that of the others."""

    def cells(self) -> NDArray[np.uint8]:
        picture = super().cells()
        for i in self.order:
            (y, x), (_, w) = self.places[i], SIZES[i]
            title = np.random.default_rng(i).integers(0, 2, (w, PIXELS)) + (50 if i == self.order[-1] else 52)
            if all(i == self.seen_at(y, x + j) for j in range(w)):
                picture[y, x : x + w] = title
        return picture

    def seen_at(self, y: int, x: int) -> int:
        """Return the window that is seen at a cell."""
        inside = [i for i in self.order if self.places[i][0] <= y < self.places[i][0] + SIZES[i][0]]
        return [i for i in inside if self.places[i][1] <= x < self.places[i][1] + SIZES[i][1]][-1]


def test_how_titles_turn_with_the_front_is_learnt_and_foreseen_to_the_last_cell() -> None:
    known = Known(empty_tables((ROWS, COLUMNS), PIXELS, NONE), grows=True)
    desktop = Titled()
    desktop.places = [np.array(place) for place in ((0, 0), (0, 8), (6, 6))]
    layers = layers_of(desktop, known)
    for tick, i in enumerate((0, 1, 2, 1, 0, 2, 1, 0)):
        desktop.open(i)
        layers.show(desktop.cells(), REST, REST, tick)
    assert known.counts["turns"] == 1
    for i in (2, 0, 1, 2):
        desktop.open(i)
        raised = [layers.compose(idea) for idea in layers.ideas(REST) if idea.kind == RAISE]
        assert any(np.array_equal(picture, desktop.cells()) for picture in raised)
        layers.show(desktop.cells(), REST, REST, 20 + i)
    out, back = layers.turned_looks()
    y, x = desktop.places[2]
    assert (out[y, x : x + SIZES[2][1]] >= 52).all(), "that of the front layer, as it will look behind others"
    y, x = desktop.places[0]
    assert (back[y, x : x + SIZES[0][1]] < 52).all(), "that of another, as it will look in front"
    assert (back[5] == NONE).all(), "no colour of it would be another"
    desktop.hide(2)
    hidden = [layers.compose(idea) for idea in layers.ideas(REST) if idea.kind == HIDE]
    assert any(np.array_equal(picture, desktop.cells()) for picture in hidden), "the next one comes to the front"


def test_what_comes_to_an_empty_picture_comes_in_the_colours_of_the_front() -> None:
    """It was hidden while another was in front; what was hidden later, from the front, tells those colours."""
    known = Known(empty_tables((ROWS, COLUMNS), PIXELS, NONE), grows=True)
    desktop = Titled()
    desktop.places = [np.array(place) for place in ((0, 0), (0, 8), (6, 6))]
    layers = layers_of(desktop, known)
    for tick, i in enumerate((0, 1, 2, 1, 0, 2, 1, 0, 1)):
        desktop.open(i)
        layers.show(desktop.cells(), REST, REST, tick)
    for i in (0, 2, 1):
        desktop.hide(i)
        layers.show(desktop.cells(), REST, REST, 20 + i)
    assert not layers.front
    desktop.open(0)
    raised = [layers.compose(idea) for idea in layers.ideas(REST) if idea.kind == RAISE]
    assert any(np.array_equal(picture, desktop.cells()) for picture in raised)


def test_what_is_hidden_does_not_appear_whatever_colours_it_begins_in() -> None:
    desktop, known = Desktop(), Known.nothing((ROWS, COLUMNS), PIXELS, NONE)
    known.grows = True
    written = np.random.default_rng(3).integers(0, 2, (SIZES[0][1], PIXELS)).astype(np.uint8)
    written[0, 0] = 0
    desktop.contents[0][0] = 50 + written
    for _ in range(VOTES):
        known.learn_appearance(signs(desktop.contents[0], NONE)[0, :MARKS], *PLACES[0], desktop.contents[0])
    for top, there in ((52 + written, True), (53 - written, True), (52 + written[::-1], False)):
        other = Desktop()
        other.contents[0][0] = top
        layers = layers_of(other, known)
        other.open(0)
        layers.show(other.cells(), REST, REST, 2)
        other.hide(0)
        layers.show(other.cells(), REST, REST, 3)
        assert any(idea.kind == APPEAR for idea in layers.ideas(REST)) == (not there)


def test_a_layer_that_is_gone_is_given_up() -> None:
    """Something else fills its place at once, and then nothing does: no idea tells of it."""
    desktop = Desktop()
    layers = layers_of(desktop)
    desktop.open(0)
    layers.show(desktop.cells(), REST, REST, 2)
    assert layers.rects[1, 2]
    desktop.hide(0)
    cells = desktop.cells()
    (y, x), (h, w) = PLACES[0], SIZES[0]
    cells[y : y + h, x : x + w] = np.random.default_rng(5).integers(40, 50, (h, w, PIXELS))
    layers.show(cells, REST, REST, 3)
    layers.show(desktop.cells(), REST, REST, 4)
    assert np.array_equal(layers.compose(), desktop.cells())
    assert not layers.level[1:].any()


def test_what_comes_back_elsewhere_or_changed_is_one_layer_and_not_two() -> None:
    desktop = Desktop()
    layers = layers_of(desktop)
    desktop.open(0)
    layers.show(desktop.cells(), REST, REST, 2)
    desktop.hide(0)
    layers.show(desktop.cells(), REST, REST, 3)
    desktop.places[0] = np.array((6, 9))
    desktop.contents[0][2:] = 59
    desktop.open(0)
    layers.show(desktop.cells(), REST, REST, 4)
    assert [tuple(rect[2:]) for rect in layers.rects[1:] if rect[2]] == [SIZES[0]]


def test_ideas_are_told_to_the_net_as_numbers() -> None:
    desktop = Desktop()
    layers = layers_of(desktop)
    desktop.open(1)
    layers.show(desktop.cells(), REST, REST, 2)
    ideas = layers.ideas(REST)
    facts = layers.facts(ideas, np.array([7, 3]), np.array([0, 0]), 9)
    assert facts.numbers.shape == (IDEAS, FACTS)
    assert [int(row[: LEAP + 4].argmax()) for row in facts.numbers[: len(ideas)]] == [idea.kind for idea in ideas]
    assert not facts.numbers[len(ideas) :].any()
    assert np.array_equal(facts.marks[0], desktop.contents[1][0, :MARKS])


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from("ohc"), st.integers(0, 2), st.integers(-4, 4), st.integers(-3, 3)), max_size=12)
)
def test_whatever_windows_do_the_picture_is_kept_and_what_was_seen_is_foreseen(
    acts: list[tuple[str, int, int, int]],
) -> None:
    """After every window was seen once, alone, whatever they do is an idea, to the last cell."""
    desktop = Desktop()
    layers = layers_of(desktop)
    for i in range(3):
        desktop.open(i)
        layers.show(desktop.cells(), REST, REST, 2)
        desktop.hide(i)
        layers.show(desktop.cells(), REST, REST, 2)
    for act, i, across, down in acts:
        moved = REST
        if act == "o":
            desktop.open(i)
        elif act == "h":
            desktop.hide(i)
        elif i in desktop.order:
            desktop.open(i)
            layers.show(desktop.cells(), REST, REST, 3)
            y, x = desktop.places[i]
            layers.press(int(y), int(x))
            new = np.clip((y + down, x + across), 0, (ROWS - SIZES[i][0], COLUMNS - SIZES[i][1]))
            moved, desktop.places[i] = np.array([across, down]), new
        cells = desktop.cells()
        pictures = [layers.compose(idea) for idea in (None, *layers.ideas(moved))]
        assert any(np.array_equal(picture, cells) for picture in pictures)
        layers.show(cells, moved, moved, 3)
        assert np.array_equal(layers.compose(), cells)


def test_more_things_than_layers_are_no_harm() -> None:
    rng = np.random.default_rng(3)
    layers = Layers((ROWS, COLUMNS), PIXELS, NONE, Known.nothing((ROWS, COLUMNS), PIXELS, NONE))
    cells = np.zeros((ROWS, COLUMNS, PIXELS), np.uint8)
    for _ in range(40):
        (y, x), (h, w) = rng.integers(0, 7, 2), rng.integers(4, 6, 2)
        cells = cells.copy()
        cells[y : y + h, x : x + w] = rng.integers(1, NONE, (h, w, PIXELS))
        layers.show(cells, REST, REST, 2)
        assert np.array_equal(layers.compose(), cells)
        assert len(layers.ideas(REST)) <= IDEAS


def test_phantoms_give_way_before_what_was_hidden_longest() -> None:
    """As many things as there is room for: one begins as nothing that is known, one is there twice, two are hidden."""
    known = Known.nothing((ROWS, COLUMNS), PIXELS, NONE)
    known.grows = True
    rng = np.random.default_rng(4)
    tops = rng.integers(0, 2, (MOST + 4, 6, PIXELS)).astype(np.uint8) + 5
    tops[7, :MARKS] = tops[3, :MARKS]
    for top in np.delete(tops, 5, 0):
        for _ in range(VOTES):
            known.learn_size(signs(top, NONE)[:MARKS], 2, 6)
    layers = Layers((ROWS, COLUMNS), PIXELS, NONE, known)

    def put(k: int, top: NDArray[np.uint8], level: int) -> None:
        layers.contents[k, 0, :6], layers.contents[k, 1, :6] = top, k
        layers.rects[k], layers.level[k], layers.since[k] = (k % 9, k % 8, 2, 6), level, k
        layers.refresh()

    for k in range(MOST):
        put(k + 1, tops[k], 0 if k < 2 else k)
    gone = []
    for top in tops[MOST:]:
        gone.append(layers._free())
        put(gone[-1], top, 50 + len(gone))
    assert gone == [6, 8, 1, 2], "the strange one, the later one of two, then what is hidden, the longest first"


@pytest.mark.parametrize("seed", range(5))
def test_the_densest_rectangle_is_that_of_a_slow_search(seed: int) -> None:
    worth = np.random.default_rng(seed).normal(-0.2, 1.0, (5, 6))
    slow = max(
        float(worth[y : y + h, x : x + w].sum())
        for y in range(5)
        for x in range(6)
        for h in range(1, 6 - y)
        for w in range(1, 7 - x)
    )
    score, (y, x, h, w) = densest(worth)
    assert score == pytest.approx(slow)
    assert float(worth[y : y + h, x : x + w].sum()) == pytest.approx(slow)


def test_shift_and_beginnings() -> None:
    values = np.arange(6).reshape(2, 3)
    moved, inside = shift(values, np.array([1, 0]))
    assert moved.tolist() == [[0, 0, 1], [3, 3, 4]]
    assert inside.tolist() == [[False, True, True]] * 2
    assert beginnings(np.zeros((2, MARKS - 1), np.int64)).shape == (2, 0)


def test_what_comes_back_to_where_it_was_pressed_is_carried_there() -> None:
    desktop = Desktop()
    layers = layers_of(desktop)
    desktop.open(0)
    layers.show(desktop.cells(), REST, REST, 2)
    layers.press(*PLACES[0])
    desktop.places[0] = desktop.places[0] + (2, 0)
    assert kind_that_came(layers, desktop.cells(), np.array([0, 2])) == CARRY
    desktop.places[0] = np.array(PLACES[0])
    assert kind_that_came(layers, desktop.cells(), REST) == CARRY
    layers.let_go()
    assert not any(idea.kind == CARRY for idea in layers.ideas(np.array([1, 1])))


def test_what_is_found_where_something_was_pressed_is_held() -> None:
    """It is no layer when it is pressed: all that is known is that what begins so is so large."""
    desktop = Desktop()
    known = knows(desktop, 0, 2)
    desktop.places[2] = np.array((2, 2))
    for i in (0, 2):
        desktop.open(i)
    layers = layers_of(desktop, known)
    layers._drop(next(k for k in range(1, 4) if tuple(layers.rects[k, :2]) == PLACES[0]))
    layers.press(1, 2)  # its top row
    assert layers.grip.tolist() == [0, 1, 2]
    desktop.open(0)
    desktop.places[0] = desktop.places[0] + (1, 1)
    layers.show(desktop.cells(), np.array([1, 1]), np.array([1, 1]), 3)
    desktop.places[0] = desktop.places[0] + (1, 0)
    assert kind_that_came(layers, desktop.cells(), np.array([1, 2])) == CARRY


def test_what_the_pointer_only_passes_is_not_held() -> None:
    desktop = Desktop()
    layers = layers_of(desktop)
    desktop.open(0)
    layers.show(desktop.cells(), REST, REST, 2)
    layers.press(8, 2)  # the ground
    for moved in ((0, -5), (-3, -5)):  # over the window, and beyond the edge
        desktop.ground[11, 15] += 1
        layers.show(desktop.cells(), np.array(moved), REST, 3)
        assert layers.grip.tolist() == [0, 8, 2]
    assert not any(idea.kind == CARRY for idea in layers.ideas(np.array([0, -5])))


def test_what_goes_and_was_no_layer_leaves_none_behind() -> None:
    desktop = Desktop()
    known = Known.nothing((ROWS, COLUMNS), PIXELS, NONE)
    known.grows = True
    for _ in range(2 * MET):
        known.learn_ground(desktop.ground)
    desktop.open(2)
    layers = layers_of(desktop, Known(vars(known)))
    desktop.hide(2)
    assert kind_that_came(layers, desktop.cells()) == -1
    assert not layers.level.any()
    assert np.array_equal(layers.compose(), desktop.cells())


def within(layers: Layers, desktop: Desktop) -> int:
    """Put a small layer over the second window and within it, and return its number."""
    cells = desktop.cells()
    cells[4:6, 8:11] = 59 - cells[4:6, 8:11]
    return layers._add(np.array([4, 8, 2, 3]), cells, 3)


def test_a_dream_goes_by_what_was_believed_and_not_by_how_it_looks() -> None:
    """Within another and over it: whether it goes or the other comes to the front cannot be seen."""
    desktop = Desktop()
    layers = layers_of(desktop)
    desktop.open(1)
    layers.show(desktop.cells(), REST, REST, 2)
    other = layers.front
    front = within(layers, desktop)
    before = layers.state()
    for idea in (
        Idea(HIDE, front, *layers.rects[front, :2].tolist()),
        Idea(RAISE, other, *layers.rects[other, :2].tolist()),
    ):
        layers.restore(before)
        layers.show(layers.compose(idea), REST, REST, 5, Dreamed(idea))
        assert layers.front == other
        assert bool(layers.level[front]) == (idea.kind == RAISE)


def test_what_is_pressed_is_what_goes_where_that_looks_like_another_coming() -> None:
    desktop = Desktop()
    layers = layers_of(desktop)
    desktop.open(1)
    layers.show(desktop.cells(), REST, REST, 2)
    front = within(layers, desktop)
    layers.press(4, 8)
    assert kind_that_came(layers, desktop.cells()) == HIDE
    assert layers.level[front] == 0


def test_what_is_hidden_of_a_title_turns_with_what_is_seen_of_it() -> None:
    desktop = Desktop()
    known = Known.nothing((ROWS, COLUMNS), PIXELS, NONE)
    known.grows = True
    for i in (0, 2):
        desktop.contents[i][0] = 50 + np.arange(SIZES[i][1])[:, None] % 2  # in front
    for _ in range(VOTES):
        known.learn_turn(np.full((8, PIXELS), 50, np.uint8), np.full((8, PIXELS), 55, np.uint8))
    desktop.places[2] = np.array((0, 3))  # over the end of its title
    layers = layers_of(desktop, Known(vars(known)))
    desktop.open(0)
    layers.show(desktop.cells(), REST, REST, 2)
    desktop.open(2)
    desktop.contents[0][0][desktop.contents[0][0] == 50] = 55
    layers.show(desktop.cells(), REST, REST, 3)
    assert layers.level[1]
    assert layers.contents[1, 0, : SIZES[0][1]].tolist() == desktop.contents[0][0].tolist()


def test_what_an_idea_settles_is_not_for_the_teller() -> None:
    desktop = Desktop()
    desktop.places = [np.array(place) for place in ((0, 0), (7, 8), (5, 1))]
    layers = layers_of(desktop)
    for i in (0, 1, 2):
        desktop.open(i)
        layers.show(desktop.cells(), REST, REST, 2 + i)
    raised = next(idea for idea in layers.ideas(REST) if idea.kind == RAISE and idea.layer == 1)
    tops = layers.settled(raised)
    assert tops[7, 8:15].all()
    assert tops.sum() == SIZES[1][1]
    assert not layers.settled(None).any()
    desktop.hide(0)
    layers.show(desktop.cells(), REST, REST, 9)
    raised = next(idea for idea in layers.ideas(REST) if idea.kind == RAISE and not layers.level[idea.layer])
    (y, x), w = desktop.places[2], SIZES[2][1]
    open_ = ~layers.settled(raised)
    assert open_[y, x : x + w].all(), "the top row of what is in front"
    assert open_.sum() == w, "the teller cannot know where it comes up"
