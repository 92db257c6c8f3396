"""pygame's events become device events; the window on SDL's dummy driver, with events posted as a device would."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pygame
import pytest
from numpy.typing import NDArray
from pygame.event import Event

from dreamloop.input.errors import MissingPartError
from dreamloop.input.source import DeviceEvent
from dreamloop.runtime.clock import FakeClock
from dreamloop.runtime.keys import CommandKeys
from dreamloop.runtime.panels import draw_notice
from dreamloop.runtime.window import PygameWindow, WindowOptions
from dreamloop.runtime.window_events import TABLE, View, translate

VIEW = View(left_px=10, top_px=20, width_px=101, height_px=51)
SCANCODE_W, SCANCODE_F1, SCANCODE_P, SCANCODE_ESC, SCANCODE_BACKSPACE = 26, 58, 19, 41, 42


def key_event(down: bool, scancode: int, key: int, mod: int = 0) -> Event:
    """A key event as pygame makes it."""
    return Event(pygame.KEYDOWN if down else pygame.KEYUP, scancode=scancode, key=key, mod=mod, unicode="")


def parts(events: list[DeviceEvent]) -> list[tuple[str, str]]:
    return [(event.kind, event.part) for event in events]


def test_keys_are_named_by_position_and_by_character() -> None:
    """On a French keyboard the key at W's place prints Z: both names count."""
    down = translate(key_event(True, SCANCODE_W, ord("z")), VIEW, 1.5)
    assert parts(down) == [("down", "key:w"), ("down", "char:z")]
    assert {event.time_s for event in down} == {1.5}
    assert parts(translate(key_event(False, SCANCODE_W, ord("é")), VIEW, 0.0)) == [("up", "key:w"), ("up", "char:é")]
    assert parts(translate(key_event(True, SCANCODE_F1, pygame.K_F1), VIEW, 0.0)) == [("down", "key:f1")]
    assert translate(key_event(True, 500, pygame.K_F1), VIEW, 0.0) == []


def test_mouse_buttons_leave_the_wheel_to_its_own_event() -> None:
    for number, name in ((1, "left"), (2, "middle"), (3, "right")):
        event = Event(pygame.MOUSEBUTTONDOWN, button=number, pos=(0, 0))
        assert parts(translate(event, VIEW, 0.0)) == [("down", f"mouse:{name}")]
    assert translate(Event(pygame.MOUSEBUTTONDOWN, button=4, pos=(0, 0)), VIEW, 0.0) == []
    wheel = Event(pygame.MOUSEWHEEL, x=1, y=-2, precise_x=1.0, precise_y=-2.5, flipped=False)
    (turned,) = translate(wheel, VIEW, 0.0)
    assert (turned.kind, turned.x, turned.y) == ("wheel", 1.0, -2.5)


def test_a_free_mouse_points_and_a_grabbed_one_moves() -> None:
    event = Event(pygame.MOUSEMOTION, pos=(60, 45), rel=(3, -4), buttons=(0, 0, 0))
    (pointer,) = translate(event, VIEW, 0.0)
    assert (pointer.kind, pointer.x, pointer.y) == ("pointer", 0.5, 0.5)
    (motion,) = translate(event, View(grabbed=True, moves=True), 0.0)
    assert (motion.kind, motion.x, motion.y) == ("motion", 3, -4)
    assert translate(event, View(grabbed=True, moves=False), 0.0) == []
    outside = Event(pygame.MOUSEMOTION, pos=(0, 900), rel=(0, 0), buttons=(0, 0, 0))
    (pointer,) = translate(outside, VIEW, 0.0)
    assert (pointer.x, pointer.y) == (0.0, 1.0)


def test_gamepads_speak_in_sdls_names() -> None:
    down = Event(pygame.CONTROLLERBUTTONDOWN, button=0, instance_id=0)
    assert parts(translate(down, VIEW, 0.0)) == [("down", "pad:a")]
    (turned,) = translate(Event(pygame.CONTROLLERAXISMOTION, axis=2, value=-32768, instance_id=0), VIEW, 0.0)
    assert (turned.kind, turned.part, turned.x) == ("axis", "pad:right_x", -1.0)
    (added,) = translate(Event(pygame.CONTROLLERDEVICEADDED, device_index=1), VIEW, 0.0)
    assert (added.kind, added.part, added.x) == ("added", "pad", 1)
    (removed,) = translate(Event(pygame.CONTROLLERDEVICEREMOVED, instance_id=7), VIEW, 0.0)
    assert (removed.kind, removed.part, removed.x) == ("removed", "pad", 7)


def test_what_is_not_a_device_says_nothing() -> None:
    assert translate(Event(pygame.USEREVENT), VIEW, 0.0) == []
    assert parts(translate(Event(pygame.WINDOWFOCUSLOST), VIEW, 0.0)) == [("focus_lost", "")]
    assert len(TABLE) == 12


@pytest.fixture
def window() -> Iterator[PygameWindow]:
    """A window on SDL's dummy driver; 64 x 48 frames in 256 x 192 pixels."""
    made = PygameWindow("test", (64, 48), FakeClock(), WindowOptions(scale=4))
    pygame.event.clear()
    yield made
    made.close()


@pytest.fixture
def seen(window: PygameWindow) -> list[DeviceEvent]:
    """What the window passes on to the game."""
    events: list[DeviceEvent] = []
    window.on_event = events.append
    return events


def test_a_frame_is_shown_in_whole_pixels(window: PygameWindow, tmp_path: Path) -> None:
    from PIL import Image

    frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    window.show(frame)
    window.screenshot(tmp_path / "shot.png")
    with Image.open(tmp_path / "shot.png") as image:
        shot = np.asarray(image.convert("RGB"))
    assert shot.shape == (192, 256, 3)
    assert np.array_equal(shot[::4, ::4], frame)
    assert np.array_equal(shot[3::4, 3::4], frame)


def test_layers_lie_over_the_frame_and_go_again(window: PygameWindow, tmp_path: Path) -> None:
    from PIL import Image

    def shot() -> NDArray[np.uint8]:
        window.screenshot(tmp_path / "shot.png")
        with Image.open(tmp_path / "shot.png") as image:
            return np.asarray(image.convert("RGB")).copy()

    window.show(np.full((48, 64, 3), 200, np.uint8))
    plain = shot()
    window.set_layer("notice", draw_notice(["hello"], 1.0, 200), "bottom")
    covered = shot()
    changed = np.flatnonzero((plain != covered).any(axis=(1, 2)))
    assert changed.size > 0
    assert changed[0] > 96, "a notice lies at the bottom"
    window.set_layer("notice", None)
    assert np.array_equal(shot(), plain)


def test_frames_of_another_size_and_smooth_scaling(window: PygameWindow) -> None:
    window.show(np.zeros((96, 128, 3), np.uint8))
    window._toggle_scaling()
    window.show(np.zeros((30, 40, 3), np.uint8))
    view = window._view()
    assert (view.width_px, view.height_px) == (256, 192)


def test_a_window_smaller_than_the_frame_shows_all_of_it(window: PygameWindow) -> None:
    window.show(np.zeros((480, 640, 3), np.uint8))
    view = window._view()
    assert (view.width_px, view.height_px) == (256, 192)


def test_commands_go_to_the_session_and_the_rest_to_the_game(window: PygameWindow, seen: list[DeviceEvent]) -> None:
    window.keys = CommandKeys({"key:p"})
    for event in (
        key_event(True, SCANCODE_W, ord("w")),
        key_event(False, SCANCODE_W, ord("w")),
        key_event(True, SCANCODE_F1, pygame.K_F1),
        key_event(True, SCANCODE_P, ord("p")),
        key_event(True, SCANCODE_P, ord("p"), pygame.KMOD_LALT),
        key_event(True, SCANCODE_BACKSPACE, pygame.K_BACKSPACE),
        key_event(False, SCANCODE_BACKSPACE, pygame.K_BACKSPACE),
        key_event(True, SCANCODE_ESC, pygame.K_ESCAPE),
    ):
        pygame.event.post(event)
    window.pump()
    assert list(window.commands) == ["hud", "pause", "rewind", "rewind_end", "menu"]
    assert parts(seen)[:5] == [
        ("down", "key:w"),
        ("down", "char:w"),
        ("up", "key:w"),
        ("up", "char:w"),
        ("down", "key:p"),
    ]


def test_a_click_catches_the_mouse_only_where_the_world_wants_it(window: PygameWindow, seen: list[DeviceEvent]) -> None:
    click = [Event(kind, button=1, pos=(5, 5)) for kind in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP)]
    for event in click:
        pygame.event.post(event)
    window.pump()
    assert not window.grabbed
    assert parts(seen) == [("down", "mouse:left"), ("up", "mouse:left")]
    window.wants_motion = True
    seen.clear()
    for event in click:
        pygame.event.post(event)
    window.pump()
    assert window.grabbed
    assert seen == [], "the click that catches the mouse fires no weapon"
    pygame.event.post(key_event(True, SCANCODE_ESC, pygame.K_ESCAPE))
    window.pump()
    assert not window.grabbed
    assert list(window.commands) == ["mouse_grabbed", "mouse_released"]
    pygame.event.post(key_event(True, SCANCODE_ESC, pygame.K_ESCAPE))
    window.pump()
    assert window.commands[-1] == "menu"


def test_an_open_menu_takes_the_keys(window: PygameWindow, seen: list[DeviceEvent]) -> None:
    taken: list[tuple[str, tuple[int, int] | None]] = []
    window.taker = lambda key, spot: taken.append((key, spot))
    pygame.event.post(key_event(True, SCANCODE_W, ord("w")))
    pygame.event.post(Event(pygame.MOUSEBUTTONDOWN, button=1, pos=(7, 8)))
    window.pump()
    assert taken == [("w", None), ("click", (7, 8))]
    assert seen == []


def test_the_start_button_opens_the_menu_and_the_pad_moves_in_it(window: PygameWindow, seen: list[DeviceEvent]) -> None:
    def press(button: int) -> None:
        pygame.event.post(Event(pygame.CONTROLLERBUTTONDOWN, button=button, instance_id=0))
        window.pump()

    press(6)  # SDL's number of "start"
    assert list(window.commands) == ["menu"]
    press(0)
    assert parts(seen) == [("down", "pad:a")]
    taken: list[str] = []
    window.taker = lambda key, spot: taken.append(key)
    for button in (12, 0):
        press(button)
    assert taken == ["down", "return"]
    window.taker = None
    window.keys = CommandKeys({"pad:start"})
    press(6)
    assert parts(seen)[-1] == ("down", "pad:start")


def test_losing_the_focus_lets_the_mouse_go(window: PygameWindow, seen: list[DeviceEvent]) -> None:
    window.wants_motion = True
    pygame.event.post(Event(pygame.MOUSEBUTTONDOWN, button=1, pos=(5, 5)))
    window.pump()
    assert window.grabbed
    pygame.event.post(Event(pygame.WINDOWFOCUSLOST))
    window.pump()
    assert not window.grabbed
    assert parts(seen) == [("focus_lost", "")]


def test_a_closed_window_takes_everything_and_does_nothing(window: PygameWindow) -> None:
    pygame.event.post(Event(pygame.QUIT))
    window.pump()
    assert not window.is_open
    window.show(np.zeros((48, 64, 3), np.uint8))
    window.close()
    window.close()
    window.pump()
    window.set_layer("notice", None)


def test_a_window_can_close_after_so_many_frames() -> None:
    window = PygameWindow("test", (64, 48), FakeClock(), WindowOptions(scale=1, frames=2))
    for _ in range(2):
        assert window.is_open
        window.show(np.zeros((48, 64, 3), np.uint8))
    assert not window.is_open
    window.close()


def test_no_display_is_one_sentence_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise pygame.error("No available video device")

    monkeypatch.setattr(pygame.display, "init", fail)
    with pytest.raises(MissingPartError, match=r"there is no display \(No available video device\).*--headless"):
        PygameWindow("test", (64, 48), FakeClock())
