"""What lies over the frame: the keys, the control table, the figures, the panels. Pictures, so no display is needed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dreamloop.input.schema import ActionSchema
from dreamloop.runtime.clock import FakeClock
from dreamloop.runtime.headless import HeadlessWindow
from dreamloop.runtime.help import help_rows
from dreamloop.runtime.hud import HudData, clock_label, draw_hud, figure, speed_label
from dreamloop.runtime.hud_figures import resident_bytes
from dreamloop.runtime.keys import COMMANDS, CommandKeys, bound_parts, key_label, wants_motion
from dreamloop.runtime.overlays import MENU, Overlays
from dreamloop.runtime.paint import Canvas, Picture, fit, text_width, wrap
from dreamloop.runtime.panels import draw_help, draw_menu, draw_notice, draw_progress, menu_line, menu_top
from dreamloop.runtime.stamps import FrameStamps, Quantiles
from dreamloop.runtime.world import World, find_world

LAYOUTS = sorted((Path(__file__).parents[2] / "input" / "layouts").glob("*.toml"))


def full() -> HudData:
    """Figures of every kind."""
    return HudData(
        title="Doom",
        frames_per_s=34.9,
        rate_hz=35.0,
        speed=0.82,
        world_s=75.0,
        wall_s=90.0,
        stamps=FrameStamps(5, 9.997, 10.0, 10.0003, 10.0183, 10.0184, 10.0197),
        durations={name: Quantiles(0.02, 0.03, 0.04) for name in ("input to frame", "model", "window", "loop")},
        frame_times_s=[0.02, 0.03] * 100,
        miss_rate=0.07,
        memory_bytes=512_000_000,
        model={"memory_bytes": 3.4e6, "dynamics_ms": 12.3, "pages": 12.0},
        controls=[("forward", 1.0), ("turn", -0.37), ("a very long name of a control", 0.0)],
        heard=['heard "open the door" 92%: use'],
        notes=["recording x.dream, 1.2 MB" * 5],
    )


def ink(picture: Picture) -> int:
    """Pixels that something was drawn on."""
    return int((picture[..., 3] > 0).sum())


def test_a_letter_that_the_schema_uses_belongs_to_the_game() -> None:
    keys = CommandKeys({"key:p", "char:b"})
    assert keys.find("key:p") is None
    assert keys.find("key:b", "char:b") is None
    paused = keys.find("key:p", alt=True)
    assert paused is not None
    assert paused.name == "pause"
    reset = keys.find("key:r")
    assert reset is not None
    assert reset.name == "reset"


def test_the_function_keys_are_always_the_windows() -> None:
    keys = CommandKeys({"key:f1", "key:escape"})
    assert keys.find("key:f1") is not None
    assert keys.find("key:escape") is not None
    assert keys.find("mouse:left") is None


def test_the_label_of_a_taken_key_says_what_to_hold() -> None:
    keys = CommandKeys({"key:r", "key:p"})
    labels = {command.name: keys.label(command) for command in COMMANDS}
    assert labels["reset"] == "Alt R"
    assert labels["pause"] == "Pause", "the second key of the command is free"
    assert labels["next_scene"] == "N"
    assert labels["help"] == "F2"


def test_no_two_commands_share_a_key() -> None:
    keys = [key for command in COMMANDS for key in command.keys]
    assert len(keys) == len(set(keys))
    assert key_label("return") == "Enter"


def test_parts_and_motion_of_a_schema(echo: World) -> None:
    parts = bound_parts(echo.schema)
    assert {"key:w", "key:space", "mouse:left", "pad:a"} <= parts
    assert wants_motion(echo.schema)
    assert not wants_motion(
        ActionSchema.from_dict({"format": 1, "name": "x", "control": [{"name": "a", "kind": "button"}]})
    )


def test_the_control_table_says_what_drives_each_control(echo: World) -> None:
    rows = {row.name: row for row in help_rows(echo.schema)}
    assert rows["forward"].keys == ("W", "Up")
    assert rows["forward"].pad == ("L stick up", "pad up")
    assert rows["forward"].said[0] == "go forward"
    assert rows["turn"].keys == ("Q", "E")
    assert rows["turn"].mouse == ("move sideways",)
    assert rows["look"].pad == ("R stick",)
    assert rows["pointer"].mouse == ("move", "left click")


@pytest.mark.parametrize("path", LAYOUTS, ids=[path.stem for path in LAYOUTS])
@pytest.mark.parametrize("width", [320, 640, 1600])
def test_the_help_of_any_schema_fits_into_its_window(path: Path, width: int) -> None:
    rows = help_rows(ActionSchema.load(path))
    keys = [("F1", "figures"), ("Backspace", "hold: rewind")]
    picture = draw_help("World", rows, keys, "a hint", 1.0, width)
    assert picture.shape[1] <= max(width, 120)
    assert ink(picture) > 1000


def test_the_help_of_doom_shows_its_keys() -> None:
    rows = {row.name: row for row in help_rows(find_world("doom").schema)}
    assert rows["forward"].keys[0] == "W"
    assert "move sideways" in rows["turn"].mouse
    assert rows["turn"].keys == ("Left / Q", "Right / E"), "every key that turns"


def test_figures_controls_prompt_and_notices_leave_each_other_room() -> None:
    window, clock = HeadlessWindow(None), FakeClock()
    overlays = Overlays(window, clock, "World")

    def shown() -> set[str]:
        clock.advance(1.0)
        overlays.refresh(full)
        return set(window.layers)

    overlays.toggle_hud()
    assert "hud" in shown()
    overlays.toggle_help()
    assert shown() >= {"help"}
    assert "hud" not in shown()
    overlays.toggle_help()
    assert "hud" in shown()
    overlays.toggle_help()
    overlays.toggle_hud()
    assert "hud" in shown(), "one press shows what the controls hid"
    assert "help" not in shown()
    overlays.notice("saved", seconds=99.0)
    overlays.open_prompt(lambda said: None)
    assert "notice" not in shown()


@pytest.mark.parametrize("unit", [0.8, 1.0, 2.4])
@pytest.mark.parametrize("data", [full(), HudData(title="empty")])
def test_the_figures_can_be_drawn_at_any_size(unit: float, data: HudData) -> None:
    picture = draw_hud(data, unit)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 4
    assert picture.shape[1] == round(304 * unit)


def test_the_last_line_of_the_figures_is_inside_the_panel() -> None:
    """Guards against a panel that is shorter than what is written on it."""
    picture = draw_hud(full(), 1.0)
    bright = np.flatnonzero((picture[..., :3].min(axis=2) > 120).any(axis=1))
    assert picture.shape[0] - 30 < bright[-1] < picture.shape[0] - 6


def test_labels() -> None:
    assert speed_label(1.0) == "real time"
    assert speed_label(0.8) == "0.8x real time"
    assert speed_label(0.123) == "0.12x real time"
    assert clock_label(3661.9) == "1:01:01"
    assert figure("memory_bytes", 3_500_000.0) == ("memory", "3.5 MB")
    assert figure("cache_bytes", 3.5e9) == ("cache", "3.50 GB")
    assert figure("dynamics_ms", 12.34) == ("dynamics", "12.3 ms")
    assert figure("pages", 12.0) == ("pages", "12")
    assert figure("share", 0.1234) == ("share", "0.123")
    assert resident_bytes() > 1_000_000


def test_text_is_cut_to_its_place() -> None:
    assert fit("short", 13, 200) == "short"
    cut = fit("a line that is much too long for its place", 13, 100)
    assert cut.endswith("...")
    assert text_width(cut, 13) <= 100
    canvas = Canvas(60, 20)
    canvas.text(2, 2, "öffne die Tür", 13)  # letters that the built-in typeface lacks
    assert ink(canvas.picture()) > 20


def test_what_was_heard_is_broken_into_lines() -> None:
    """Guards against figures that cut off what a sentence did, because the sentence was long."""
    line = 'heard "could you turn left ninety degrees please" 90%: turn left 90 (turn)'
    first, second = wrap(line, 13, 280)
    assert f"{first} {second}" == line
    assert max(text_width(first, 13), text_width(second, 13)) <= 280
    assert wrap("short", 13, 280) == ["short"]
    assert wrap("", 13, 280) == []
    cut = wrap(line * 3, 13, 280)
    assert len(cut) == 2
    assert cut[1].endswith("...")
    assert wrap("w" * 99, 13, 280)[0].endswith("...")


def test_the_panels_can_be_drawn() -> None:
    assert ink(draw_menu("Doom", ["one", "two"], 1, 1.0)) > 1000
    assert ink(draw_notice(["a line", "another"], 1.0, 400)) > 500
    for share in (None, 0.0, 0.5, 2.0):
        assert ink(draw_progress("Doom", "loading", share, 0.3, 1.0)) > 1000
    assert menu_line(menu_top(1, 1.0) + 3, 3, 1.0) == 1
    assert menu_line(menu_top(0, 1.0) - 5, 3, 1.0) is None
    assert menu_line(menu_top(3, 1.0) + 1, 3, 1.0) is None


def make_overlays() -> tuple[Overlays, HeadlessWindow, FakeClock]:
    window, clock = HeadlessWindow(), FakeClock(10.0)
    return Overlays(window, clock, "Echo"), window, clock


def test_a_notice_goes_by_itself() -> None:
    overlays, window, clock = make_overlays()
    overlays.notice("saved")
    overlays.refresh(full)
    assert "notice" in window.layers
    clock.advance(3.0)
    overlays.refresh(full)
    assert "notice" not in window.layers


def test_the_figures_are_drawn_five_times_a_second_and_only_when_they_show() -> None:
    overlays, _, clock = make_overlays()
    asked: list[float] = []

    def data() -> HudData:
        asked.append(clock.now_s())
        return full()

    for _ in range(250):
        overlays.refresh(data)
        clock.advance(0.004)
    assert asked == []
    overlays.toggle_hud()
    for _ in range(250):
        overlays.refresh(data)
        clock.advance(0.004)
    assert 4 <= len(asked) <= 6


def test_progress_moves_while_something_long_is_under_way() -> None:
    """Never a window that looks hung."""
    overlays, window, clock = make_overlays()
    overlays.progress("loading the model")
    pictures = set()
    for _ in range(20):
        overlays.animate()
        pictures.add(window.layers["progress"].tobytes())
        clock.advance(0.05)
    assert len(pictures) >= 8
    overlays.progress("")
    assert "progress" not in window.layers


def test_the_badge_stays_as_long_as_it_is_true() -> None:
    overlays, window, _ = make_overlays()
    overlays.badge("", 1.0)
    assert "badge" not in window.layers
    overlays.badge("", 0.8)
    assert "badge" in window.layers
    overlays.badge("paused", 0.8)
    overlays.badge("", 0.99)
    assert "badge" not in window.layers


def test_the_menu_is_chosen_from_with_keys_and_clicks() -> None:
    overlays, window, _ = make_overlays()
    chosen: list[str] = []
    overlays.open_menu(chosen.append)
    assert window.taker is not None
    window.taker("down", None)
    window.taker("return", None)
    assert chosen == [MENU[1][1]]
    assert window.taker is None
    overlays.open_menu(chosen.append)
    window.taker("escape", None)
    assert chosen[-1] == ""
    overlays.open_menu(chosen.append)
    height = window.layers["menu"].shape[0]
    spot = (window.size_px[0] // 2, (window.size_px[1] - height) // 2 + menu_top(6, 1.0) + 4)
    window.taker("click", spot)
    assert chosen[-1] == "quit"
    overlays.open_menu(chosen.append)
    window.taker("click", (2, 2))
    assert chosen[-1] == "", "a click beside the menu closes it"


def test_remembered_frames_lie_beside_the_figures_and_go_with_them() -> None:
    """The panel once stayed on the picture when the figures were switched off."""
    overlays, window, clock = make_overlays()
    page = np.zeros((96, 128, 3), np.uint8)
    page[:, 64:] = (200, 30, 30)
    overlays.toggle_hud()
    overlays.refresh(lambda: replace(full(), recalled=[("0.9 s ago", page), ("1:10 ago", page)]))
    picture = window.layers["recalled"]
    assert (picture[..., :3] == (200, 30, 30)).all(-1).sum() > 2 * 64 * 96
    clock.advance(1.0)
    overlays.refresh(full)
    assert "recalled" not in window.layers, "nothing is being read now"
    overlays.refresh(full)
    overlays.toggle_hud()
    assert not window.layers
