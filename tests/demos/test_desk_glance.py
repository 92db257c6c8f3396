"""What is seen of the desk's windows at a glance: whatever was believed, what can be read is right afterwards."""

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="the simulator needs gymnasium: pip install -e '.[sim]' in the checkout")

from dreamloop.demos.desk.desktop import move, open_app, tick
from dreamloop.demos.desk.explorer import make_explorer
from dreamloop.demos.desk.glance import glance
from dreamloop.demos.desk.screen import Screen, colourful
from dreamloop.demos.desk.simulator import furnish
from dreamloop.demos.desk.state import APPS, COLUMNS, ROWS, SIZES, Desk, window_at


def seen(desk: Desk) -> Desk:
    """Return what a glance makes of a desk's picture if an empty one was believed."""
    believed = Desk(pointer=desk.pointer)
    glance(colourful(Screen().draw(desk)), believed)
    return believed


def in_full(desk: Desk) -> dict[int, tuple[int, int]]:
    """Return where the windows lie whose titles nothing covers, the pointer neither."""
    found, (x, y) = {}, (desk.pointer[0] // 8, desk.pointer[1] // 8)
    for app in desk.order:
        window, width = desk.windows[app], SIZES[app][0]
        title = [(window.x + i, window.y) for i in range(width)]
        pointed = any(0 <= column - x <= 2 and 0 <= row - y <= 2 for column, row in title)
        if not pointed and all(window_at(desk, *cell) == app for cell in title):
            found[app] = (window.x, window.y)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_of_a_desk_of_which_nothing_was_known_all_is_seen_that_can_be_read(seed: int) -> None:
    desk, user = furnish(np.random.default_rng(seed)), make_explorer(seed)
    for n in range(400):
        tick(desk, user.choose(desk))
        if n % 20 == 0:
            believed = seen(desk)
            shown = in_full(desk)
            assert {app: (believed.windows[app].x, believed.windows[app].y) for app in shown} == shown
            assert {app for app in shown if believed.windows[app].visible} == set(shown)
            assert set(believed.order) <= set(desk.order), "nothing is seen that is not there"
            if desk.front in shown:
                assert believed.front == desk.front
                assert believed.accent == desk.accent
            assert (believed.dark, believed.large) == (desk.dark, desk.large)


def test_what_is_believed_and_not_seen_is_gone() -> None:
    desk = Desk()
    for app in range(len(APPS)):
        believed = Desk(pointer=desk.pointer)
        open_app(believed, app)
        glance(colourful(Screen().draw(desk)), believed)
        assert believed.order == []
        assert not believed.windows[app].open, "the task bar names it no more"


def test_a_minimised_window_is_told_from_a_closed_one() -> None:
    desk = Desk()
    open_app(desk, 1)
    desk.windows[1].minimised = True
    desk.order.remove(1)
    believed = Desk(pointer=desk.pointer)
    open_app(believed, 1)
    glance(colourful(Screen().draw(desk)), believed)
    assert believed.windows[1].open
    assert believed.windows[1].minimised


def test_what_may_lie_beneath_is_believed_on() -> None:
    desk, believed = Desk(), Desk()
    for one in (desk, believed):
        open_app(one, 5)
        move(one, 5, 8, 3)
        open_app(one, 0)
    believed.windows[0].x += 3
    glance(colourful(Screen().draw(desk)), believed)
    assert believed.order == [5, 0]
    assert (believed.windows[0].x, believed.windows[5].y) == (desk.windows[0].x, 3)


@pytest.mark.parametrize("seed", range(4))
def test_which_of_two_lies_above_is_seen_by_their_frames(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(30):
        desk = Desk(pointer=(250, 180))
        for app in rng.permutation(len(APPS))[:3].tolist():
            open_app(desk, app)
            move(desk, app, int(rng.integers(6, COLUMNS)), int(rng.integers(ROWS)))
        shown, believed = in_full(desk), seen(desk)
        for app in shown:
            window, (width, height) = desk.windows[app], SIZES[app]
            cells = [(window.x + i, window.y + j) for i in range(width) for j in range(height)]
            assert all(window_at(believed, *cell) == app for cell in cells if window_at(desk, *cell) == app)


def test_a_picture_without_any_desk_changes_no_window_that_is_not_believed() -> None:
    believed = Desk()
    glance(np.random.default_rng(0).integers(0, 256, (192, 256, 3)).astype(np.uint8), believed)
    assert believed.order == []
