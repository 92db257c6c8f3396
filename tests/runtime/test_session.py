"""What a player can ask for while playing, through a whole session in a headless window."""

import gc
import os
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dreamloop.input.errors import SchemaError
from dreamloop.input.schema_text import new_schema
from dreamloop.input.source import DeviceEvent, open_source
from dreamloop.model.arch_echo import read_back
from dreamloop.model.recording import Recording
from dreamloop.model.world_model import Frame, WorldModel
from dreamloop.runtime import places
from dreamloop.runtime.clock import SystemClock
from dreamloop.runtime.model_thread import ModelThread, _Job
from dreamloop.runtime.redream import open_recorded, scenes_of, verify
from dreamloop.runtime.session import Start
from dreamloop.runtime.stamps import Stopwatch
from dreamloop.runtime.world import World


def ticks(stage: Any) -> list[int]:
    """The model's tick that each frame shows."""
    return [tick for tick, _ in stage.shown()]


def verified(path: Path, world: World) -> bool:
    """Dream a recording again and say whether every frame is the same."""
    with Recording.open(path) as recording:
        model = open_recorded(recording, world)
        return verify(recording, model, scenes_of(world, recording, 1)).exact


def test_a_session_reports_what_it_came_to(direct: Any) -> None:
    report = direct(frames=31).session.run()
    assert report.frames == 30
    assert report.world_s == pytest.approx(0.5)
    assert report.wall_s == pytest.approx(29 / 60)


def test_pause_stops_the_world_and_single_steps_move_it(direct: Any) -> None:
    stage = direct(frames=None)
    stage.at_frame(3, lambda: stage.press("p", "/p"))
    stage.at_frame(3, lambda: stage.press(".", "/.") if stage.session.pacer.paused else None)
    looks: list[int] = []

    def look() -> None:
        if stage.session.pacer.paused:
            looks.append(len(stage.frames))
            if len(looks) == 40:
                stage.press(".", "/.")
            if len(looks) == 80:
                stage.window.close()

    stage.every_look(look)
    stage.session.run()
    assert looks[0] <= 4
    assert looks[-1] == looks[30] + 1, "one single step in forty looks, and not more"


def test_motion_made_during_a_pause_is_not_meant_for_the_world(direct: Any) -> None:
    """Guards against the view jumping when a pause ends."""
    stage = direct(frames=6)
    stage.at_frame(2, lambda: stage.press("p"))
    looks: list[int] = []

    def look() -> None:
        if stage.session.pacer.paused:
            looks.append(1)
            if len(looks) == 5:
                stage.window.inject(DeviceEvent("motion", x=300.0, y=0.0))
            if len(looks) == 10:
                stage.press("p")

    stage.every_look(look)
    stage.session.run()
    assert stage.column("turn") == [0.0] * 6


def test_start_over_resets_with_another_seed(direct: Any, tmp_path: Path) -> None:
    path = tmp_path / "reset.dream"
    stage = direct(frames=10, options=direct.options(record=path))
    stage.at_frame(4, lambda: stage.press("r"))
    stage.session.run()
    assert ticks(stage) == [0, 1, 2, 3, 0, 1, 2, 3, 4, 5]
    assert not np.array_equal(stage.frames[0], stage.frames[4]), "another seed dreams another dream"
    with Recording.open(path) as recording:
        (mark,) = recording.marks
        assert (mark.kind, mark.at, mark.values["seed"], mark.values["frame"]) == ("reset", 4, 8, True)
        assert len(recording) == 10
    assert verified(path, stage.world)


def test_save_and_load_come_back_to_the_same_frame(direct: Any, tmp_path: Path) -> None:
    path = tmp_path / "saved.dream"
    stage = direct(frames=14, options=direct.options(record=path))
    stage.at_frame(1, lambda: stage.press("w"))
    stage.at_frame(4, lambda: stage.press("f6"))
    stage.at_frame(9, lambda: stage.press("f9"))
    stage.session.run()
    assert places.saved_game("echo").is_file()
    saved, loaded = stage.frames[3], stage.frames[9]
    assert np.array_equal(saved, loaded)
    assert ticks(stage)[9:] == [3, 4, 5, 6, 7]
    with Recording.open(path) as recording:
        assert [mark.kind for mark in recording.marks] == ["save", "branch"]
        assert recording.marks[1].values == {"to": 3, "by": "load"}
    assert verified(path, stage.world)


def test_a_saved_game_outlives_its_session(direct: Any, tmp_path: Path) -> None:
    first = direct(frames=6)
    first.at_frame(5, lambda: first.press("f6"))
    first.session.run()
    path = tmp_path / "second.dream"
    second = direct(frames=8, options=direct.options(seed=99, record=path))
    second.at_frame(2, lambda: second.press("f9"))
    second.session.run()
    assert np.array_equal(second.frames[2], first.frames[4])
    with Recording.open(path) as recording:
        assert [mark.kind for mark in recording.marks] == ["load"]
    assert verified(path, second.world)


def test_a_saved_game_that_was_exchanged_since_is_read_again(direct: Any) -> None:
    """The game saved last is kept at hand; the player may have put another one in its place."""
    first = direct(frames=6)
    first.at_frame(5, lambda: first.press("f6"))
    first.session.run()
    path = places.saved_game("echo")
    other = path.read_bytes()
    stage = direct(frames=14)
    stage.at_frame(3, lambda: stage.press("f6"))

    def exchange() -> None:
        stage.session.commands.close()  # it is written
        path.write_bytes(other)
        os.utime(path, (1, 1))

    stage.at_frame(8, exchange)
    stage.at_frame(9, lambda: stage.press("f9"))
    stage.session.run()
    assert np.array_equal(stage.frames[9], first.frames[4])


@pytest.mark.parametrize("damage", [b"", b"not a saved game", None])
def test_a_missing_or_broken_saved_game_is_said_and_play_goes_on(direct: Any, damage: bytes | None) -> None:
    stage = direct(frames=12)
    if damage is not None:
        places.saved_game("echo").write_bytes(damage)
    stage.at_frame(2, lambda: stage.press("f9"))
    notices: list[bool] = []
    stage.at_frame(6, lambda: notices.append("notice" in stage.window.layers))
    stage.session.run()
    assert notices == [True]
    assert ticks(stage) == list(range(12))


def test_holding_backspace_goes_back_and_play_goes_on_from_there(direct: Any, tmp_path: Path) -> None:
    path = tmp_path / "rewound.dream"
    stage = direct(frames=None, options=direct.options(record=path))
    stage.at_frame(1, lambda: stage.press("w"))
    stage.at_frame(100, lambda: stage.press("backspace"))
    stage.at_frame(115, lambda: stage.press("/backspace"))
    stage.at_frame(140, stage.window.close)
    stage.session.run()
    with Recording.open(path) as recording:
        (mark,) = recording.marks
        assert (mark.kind, mark.at, mark.values["by"]) == ("branch", 100, "rewind")
        landed = mark.values["to"]
        assert 30 < landed < 75, "half a second at 1.5 to 2 times real time"
    assert ticks(stage)[115] == landed
    assert ticks(stage)[116] == landed + 1
    assert verified(path, stage.world)


def test_the_way_back_shows_every_picture_in_between(direct: Any) -> None:
    """Smooth: not a jump from snapshot to snapshot."""
    stage = direct(frames=None)
    stage.at_frame(120, lambda: stage.press("backspace"))
    stage.at_frame(140, lambda: stage.press("/backspace"))
    stage.at_frame(150, stage.window.close)
    stage.session.run()
    back = stage.frames[120:140]
    assert len({frame.tobytes() for frame in back}) == 20
    like = [int(np.argmin([np.abs(frame.astype(int) - old).mean() for old in stage.frames[:120]])) for frame in back]
    assert like == sorted(like, reverse=True)
    assert max(newer - older for newer, older in pairwise(like)) <= 5


def test_rewinding_to_the_beginning_stays_there(direct: Any) -> None:
    stage = direct(frames=None)
    stage.at_frame(40, lambda: stage.press("backspace"))
    stage.at_frame(70, lambda: stage.press("/backspace"))
    stage.at_frame(80, stage.window.close)
    stage.session.run()
    assert ticks(stage)[70:74] == [1, 2, 3, 4]


def test_a_bookmark_is_kept_in_the_recording(direct: Any, tmp_path: Path) -> None:
    path = tmp_path / "marked.dream"
    stage = direct(frames=6, options=direct.options(record=path))
    stage.at_frame(3, lambda: stage.press("b"))
    stage.session.run()
    with Recording.open(path) as recording:
        assert [(mark.kind, mark.at) for mark in recording.marks] == [("bookmark", 3)]


def test_keeping_the_last_minutes_writes_a_recording(direct: Any) -> None:
    stage = direct(frames=30, options=direct.options(keep_s=1.0))
    stage.at_frame(20, lambda: stage.press("k"))
    stage.session.run()
    (path,) = places.kept().glob("echo_*.dream")
    with Recording.open(path) as recording:
        assert 10 <= len(recording) <= 30
        assert recording.tick(len(recording) - 1).frame is not None


def test_a_screenshot_is_a_png_of_what_is_showing(direct: Any) -> None:
    from PIL import Image

    stage = direct(frames=6)
    stage.at_frame(3, lambda: stage.press("f12"))
    stage.session.run()
    (path,) = places.screenshots().glob("echo_*.png")
    with Image.open(path) as image:
        assert read_back(np.asarray(image), stage.world.schema.size)[0] == 2


def test_hud_help_and_menu_come_and_go(direct: Any) -> None:
    stage = direct(frames=None)
    seen: dict[str, set[str]] = {}
    stage.at_frame(2, lambda: stage.press("f1"))
    stage.at_frame(4, lambda: seen.update(figures=set(stage.window.layers)))
    stage.at_frame(5, lambda: stage.press("f2"))
    stage.at_frame(7, lambda: seen.update(help=set(stage.window.layers)))
    stage.at_frame(8, lambda: stage.press("f2", "f1"))
    stage.at_frame(10, lambda: seen.update(off=set(stage.window.layers)))
    stage.at_frame(11, lambda: stage.press("escape"))
    looks: list[int] = []

    def in_menu() -> None:
        if stage.window.taker is not None:
            looks.append(len(stage.frames))
            if len(looks) == 3:
                seen.update(menu=set(stage.window.layers))
                stage.press("down", "up", "up", "return")  # the last line: quit

    stage.every_look(in_menu)
    stage.session.run()
    assert "hud" in seen["figures"]
    assert "help" in seen["help"]
    assert not {"hud", "help"} & seen["off"]
    assert "menu" in seen["menu"]
    assert not stage.window.is_open
    assert len(set(looks)) == 1, "the world stands still while the menu is open"


def test_a_phrase_that_is_written_acts_as_if_it_were_said(direct: Any) -> None:
    """Slash opens a line; what is written goes to the resolver, and no letter of it to the game."""
    stage = direct(frames=None)
    heard: list[tuple[str, str]] = []
    feed = stage.session.poller.feed

    def listen(event: Any) -> None:
        heard.append((event.kind, event.part))
        feed(event)

    stage.session.poller.feed = listen
    stage.window.on_event = listen
    seen: dict[str, bool] = {}
    stage.at_frame(2, lambda: stage.window.inject(DeviceEvent("down", "key:/")))
    stage.at_frame(5, lambda: seen.update(open="prompt" in stage.window.layers))
    stage.at_frame(5, lambda: stage.press("g", "o", "space", "x", "backspace", "return"))
    stage.at_frame(9, lambda: seen.update(closed="prompt" not in stage.window.layers))
    stage.at_frame(10, stage.window.close)
    stage.session.run()
    assert seen == {"open": True, "closed": True}
    assert [part for kind, part in heard if kind == "phrase"] == ["go"]
    assert not {"key:g", "key:o"} & {part for _, part in heard}


def test_the_help_shows_for_the_first_seconds(direct: Any) -> None:
    stage = direct(frames=60 * 9, options=direct.options(help=True))
    seen: list[bool] = []
    for second in (1, 8):
        stage.at_frame(60 * second, lambda: seen.append("help" in stage.window.layers))
    stage.session.run()
    assert seen == [True, False]


def write_bindings(world: World, path: Path, old: str = "", new: str = "") -> None:
    """A player's own bindings, with something replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(new_schema(world.schema, world.name).replace(old, new), encoding="utf-8")


def test_a_players_own_bindings_are_used(direct: Any, echo: World, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    write_bindings(echo, path, '["w", "up"]', '["i"]')
    stage = direct(frames=5, options=direct.options(schema=path))
    stage.at_frame(1, lambda: stage.press("i", "w"))
    stage.session.run()
    assert stage.column("forward") == [0, 1, 1, 1, 1]


def test_a_bad_schema_ends_the_session_before_it_begins(direct: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('format = 1\nname = "x"\n[[control]]\nname = "go"\nkind = "buton"\n', encoding="utf-8")
    stage = direct(options=direct.options(schema=path))
    with pytest.raises(SchemaError, match="buton"):
        stage.session.run()
    assert not stage.window.is_open


def test_bindings_are_read_again_while_playing(direct: Any, echo: World, tmp_path: Path) -> None:
    """F5, and on save; a broken file changes nothing and ends nothing."""
    path = tmp_path / "mine.toml"
    write_bindings(echo, path)
    stage = direct(frames=300, options=direct.options(schema=path))
    stage.at_frame(10, lambda: path.write_text("broken [", encoding="utf-8"))
    stage.at_frame(100, lambda: stage.press("w"))
    stage.at_frame(110, lambda: stage.press("/w"))
    stage.at_frame(120, lambda: write_bindings(echo, path, '["w", "up"]', '["i"]'))
    stage.at_frame(121, lambda: stage.press("f5"))
    stage.at_frame(150, lambda: stage.press("i"))
    stage.session.run()
    forward = stage.column("forward")
    assert forward[105] == 1, "the old bindings go on after a broken file"
    assert forward[200] == 1, "the new ones count after F5"


def test_a_scripted_source_plays_the_demo(direct: Any, echo: World) -> None:
    stage = direct(frames=60, sources=[open_source("script", path=echo.demo_script, schema=echo.schema)])
    stage.session.run()
    assert sum(stage.column("forward")) == 40


def test_the_same_seed_and_input_give_the_same_frames(direct: Any, echo: World) -> None:
    def run() -> list[bytes]:
        stage = direct(frames=40, sources=[open_source("script", path=echo.demo_script, schema=echo.schema)])
        stage.session.run()
        return [frame.tobytes() for frame in stage.frames]

    assert run() == run()


def test_a_session_can_begin_in_the_middle_of_something(direct: Any, tmp_path: Path) -> None:
    """Taking over from a replay: the recording begins with the state, so it can be dreamed again."""
    path = tmp_path / "taken.dream"

    def bring(model: WorldModel) -> Frame:
        frame = model.reset(0, None, 5)
        for _ in range(10):
            frame = model.step(np.zeros((1, 10), np.float32))[0]
        return frame

    start = Start(bring, {"from": "other.dream", "tick": 10})
    stage = direct(frames=6, options=direct.options(record=path), start=start)
    stage.session.run()
    assert ticks(stage) == [10, 11, 12, 13, 14, 15]
    with Recording.open(path) as recording:
        assert [mark.kind for mark in recording.marks] == ["takeover", "state"]
        assert len(recording) == 5
    assert verified(path, stage.world)


def test_news_of_a_source_is_passed_on(direct: Any) -> None:
    from dreamloop.input.source import NullSource

    stage = direct(frames=40, sources=[NullSource("voice", "no microphone: plug one in")])
    seen: list[bool] = []
    stage.at_frame(30, lambda: seen.append("notice" in stage.window.layers))
    stage.session.run()
    assert seen == [True]
    assert stage.session.heard == ["no microphone: plug one in"]


def test_a_model_prepares_the_next_frame_when_this_one_is_out_of_its_hands(direct: Any) -> None:
    """What fails there is not lost: the step does it again, and tells."""
    stage = direct(frames=8)
    order: list[str] = []
    step = stage.model.step

    def told(actions: Any) -> Any:
        order.append("step")
        return step(actions)

    def prepare() -> None:
        order.append("prepare")
        raise RuntimeError("not now")

    stage.model.step, stage.model.prepare = told, prepare
    assert stage.session.run().frames == 7
    assert order[-14:] == ["step", "prepare"] * 7


def test_it_prepares_when_the_frame_is_taken_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs, taken = list[_Job](), list[bool]()

    class Watched(_Job):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            jobs.append(self)

    monkeypatch.setattr("dreamloop.runtime.model_thread._Job", Watched)
    monkeypatch.setattr("dreamloop.runtime.model_thread.TAKEN_S", 10.0)
    thread = ModelThread(lambda: None, lambda: True, Stopwatch(SystemClock()))  # type: ignore[arg-type, return-value]
    for _ in range(20):
        thread.call(lambda: 1, lambda: taken.append(jobs[-1].taken.is_set()))
        assert thread.rests(10.0)
    thread.close()
    assert taken == [True] * 20


def test_what_is_loaded_is_not_gone_through_again_in_the_middle_of_play(direct: Any) -> None:
    stage, frozen = direct(frames=8), list[int]()
    stage.model.prepare = lambda: frozen.append(gc.get_freeze_count())
    stage.session.run()
    assert max(frozen) > 1000
    assert gc.get_freeze_count() == 0


def test_what_a_player_does_is_read_when_the_model_is_ready_for_it(direct: Any) -> None:
    """The model prepares for a while: the input of the next tick is read after that, not before."""
    stage = direct(frames=8, options=direct.options(paced=False))
    rested: list[bool] = []
    poll = stage.session.poller.poll

    def told(*args: Any) -> Any:
        rested.append(stage.session.model.rests(0.0))
        return poll(*args)

    stage.model.prepare = lambda: threading.Event().wait(0.02)
    stage.session.poller.poll = told
    stage.session.run()
    assert len(rested) == 7
    assert all(rested[1:])


def test_a_window_closed_while_loading_ends_quietly(direct: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that never comes back must not keep the person waiting for ever."""
    import threading

    monkeypatch.setattr("dreamloop.runtime.model_thread.GRACE_ROUNDS", 3)
    stage = direct(frames=None)
    never = threading.Event()
    stage.session._make_model = lambda: never.wait(10) and stage.model
    stage.window.on_pump = stage.window.close
    report = stage.session.run()
    never.set()
    assert report.frames == 0
    assert "the window was closed" in report.notes[0]
