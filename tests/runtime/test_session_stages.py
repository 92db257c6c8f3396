"""Sessions whose frames are drawn by a stage, whose steps are changed, or whose model fails: what is kept holds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dreamloop.model.arch_echo import EchoModel, read_back
from dreamloop.model.failure import OutOfMemoryError
from dreamloop.model.recording import Recording
from dreamloop.model.savegame import read_savegame
from dreamloop.model.stage import Chain
from dreamloop.model.world_model import Card, ModelError
from dreamloop.runtime import places
from dreamloop.runtime.redream import open_recorded, scenes_of, verify
from dreamloop.runtime.replay import DrawnPictures, RecordedPictures
from dreamloop.runtime.world import World


class Double:
    """A stage that repeats every pixel."""

    def __init__(self, world: World) -> None:
        self.takes_px = (world.width_px, world.height_px)
        self.card = Card("double", "double", 2 * world.width_px, 2 * world.height_px, 0.0, {})

    def draw(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Twice as large."""
        return frames.repeat(2, 1).repeat(2, 2)


class SteppedEcho(EchoModel):
    """An echo model whose frames show in how many steps they were drawn."""

    steps = 10
    step_choices = (10, 4, 2, 1)

    def step(self, actions: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Echo; the first pixel says the number of steps."""
        frames = super().step(actions)
        frames[:, 0, 0] = self.steps
        return frames


def verified(path: Path, world: World, model: Any = None) -> bool:
    """Dream a recording again and say whether every frame is the same."""
    with Recording.open(path) as recording:
        model = model or open_recorded(recording, world)
        return verify(recording, model, scenes_of(world, recording, 1)).exact


@pytest.fixture
def chained(direct: Any) -> Callable[..., Any]:
    """Directs sessions whose frames go through a stage."""

    def direct_chain(**parts: Any) -> Any:
        stage = direct(**parts)
        stage.session._make_model = lambda: Chain(stage.model, [("double", Double(stage.world))])
        return stage

    return direct_chain


def test_the_large_picture_is_shown_and_the_dynamics_own_is_recorded(chained: Any, tmp_path: Path) -> None:
    """A recording made with a stage is the recording that would have been made without it."""
    path = tmp_path / "chained.dream"
    stage = chained(frames=8, options=chained_options(path))
    stage.at_frame(2, lambda: stage.press("w"))
    stage.session.run()
    world = stage.world
    assert stage.frames[0].shape == (2 * world.height_px, 2 * world.width_px, 3)
    with Recording.open(path) as recording:
        assert (recording.header["width_px"], recording.header["height_px"]) == (world.width_px, world.height_px)
        assert recording.header["stages"] == ["double"]
        for shown, tick in zip(stage.frames, recording.ticks, strict=True):
            own = tick.frame
            assert own is not None
            assert np.array_equal(shown[::2, ::2], own)
    assert verified(path, world), "dreamed again without the stage"


def chained_options(path: Path | None) -> Any:
    """Plain options that record."""
    from dreamloop.runtime.session import PlayOptions

    return PlayOptions(seed=7, warm_up=False, help=False, keep_s=0.0, record=path)


def test_going_back_saving_and_loading_through_a_stage(chained: Any, tmp_path: Path) -> None:
    path = tmp_path / "chained.dream"
    stage = chained(frames=None, options=chained_options(path))
    stage.at_frame(1, lambda: stage.press("w"))
    stage.at_frame(20, lambda: stage.press("f6"))
    stage.at_frame(60, lambda: stage.press("backspace"))
    stage.at_frame(70, lambda: stage.press("/backspace"))
    stage.at_frame(90, lambda: stage.press("f9"))
    stage.at_frame(100, stage.window.close)
    stage.session.run()
    assert {frame.shape for frame in stage.frames} == {(2 * stage.world.height_px, 2 * stage.world.width_px, 3)}
    assert verified(path, stage.world)


def test_a_replay_draws_recorded_pictures_with_a_stage(direct: Any, tmp_path: Path) -> None:
    path = tmp_path / "plain.dream"
    stage = direct(frames=4, options=chained_options(path))
    stage.session.run()
    with Recording.open(path) as recording:
        pictures = DrawnPictures(RecordedPictures(recording), [Double(stage.world)])
        assert pictures.ready == 4
        assert np.array_equal(pictures.frame(3)[1::2, 1::2], stage.frames[3])


# --- steps ---


def test_steps_change_with_a_key_and_replay_stays_exact(direct: Any, echo: World, tmp_path: Path) -> None:
    """10, 4, 2, 1 and round again; the marks are what makes the recording the same again."""
    path = tmp_path / "steps.dream"
    stage = direct(frames=40, options=chained_options(path))
    model = SteppedEcho(echo.card(), 1)
    stage.session._make_model = lambda: model
    for frame in (5, 10, 15, 20):
        stage.at_frame(frame, lambda: stage.press("f7", "/f7"))
    stage.session.run()
    drawn_in = [int(frame[0, 0, 0]) for frame in stage.frames]
    assert drawn_in[4:25:5] == [10, 4, 2, 1, 10]
    with Recording.open(path) as recording:
        assert recording.header["steps"] == 10
        assert [mark.values["steps"] for mark in recording.marks if mark.kind == "steps"] == [4, 2, 1, 10]
    other = SteppedEcho(echo.card(), 1)
    other.steps = 2
    assert verified(path, echo, other), "whatever the model was set to before"


def test_steps_survive_rewinding_and_the_kept_minutes(direct: Any, echo: World, tmp_path: Path) -> None:
    """A kept recording begins after the mark that changed the steps; its header must say so."""
    options = direct.options(keep_s=0.5, record=tmp_path / "whole.dream")
    stage = direct(frames=None, options=options)
    stage.session._make_model = lambda: SteppedEcho(echo.card(), 1)
    stage.at_frame(10, lambda: stage.press("f7", "/f7"))
    stage.at_frame(100, lambda: stage.press("backspace"))
    stage.at_frame(110, lambda: stage.press("/backspace"))
    stage.at_frame(200, lambda: stage.press("k"))
    stage.at_frame(230, stage.window.close)
    stage.session.run()
    (kept,) = places.kept().glob("echo_*.dream")
    with Recording.open(kept) as recording:
        assert "first_tick" in recording.header
        assert recording.header["steps"] == 4
    assert verified(kept, echo, SteppedEcho(echo.card(), 1))
    assert verified(tmp_path / "whole.dream", echo, SteppedEcho(echo.card(), 1))


def test_a_model_without_steps_says_so(direct: Any) -> None:
    stage = direct(frames=20)
    stage.at_frame(5, lambda: stage.press("f7"))
    seen: list[bool] = []
    stage.at_frame(10, lambda: seen.append("notice" in stage.window.layers))
    stage.session.run()
    assert seen == [True]


# --- a model that fails in the middle of a game ---


def test_a_full_memory_ends_in_one_sentence_with_the_game_saved(direct: Any, echo: World, tmp_path: Path) -> None:
    """Guards against an hour of play that is lost to one allocation."""
    torch = pytest.importorskip("torch")
    path = tmp_path / "broken.dream"
    stage = direct(frames=None, options=chained_options(path))

    def full() -> None:
        if stage.model._steps == 50:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    stage.model.on_step = full
    with pytest.raises(OutOfMemoryError) as caught:
        stage.session.run()
    saved = places.rescued_game("echo")
    assert f"dreamloop play echo --load {saved}" in str(caught.value)
    assert "--dtype bfloat16" in str(caught.value)
    state, about = read_savegame(saved)
    again = EchoModel(echo.card(), 1).load(0, state)
    tick = read_back(again, echo.schema.size)[0]
    assert 50 - 12 <= tick <= 50, "a fifth of a second ago at most"
    assert about["tick"] == tick
    with Recording.open(path) as recording:
        assert recording.complete
        assert recording.marks[-1].kind == "end"
        assert "memory is full" in recording.marks[-1].values["reason"]


def test_a_kernel_error_saves_the_game_as_well(direct: Any) -> None:
    stage = direct(frames=None, fail_at=30)
    with pytest.raises(ModelError, match=r"the weights are on fire.*The game is saved"):
        stage.session.run()
    assert places.rescued_game("echo").is_file()


def test_a_failure_that_cannot_be_saved_says_both(direct: Any) -> None:
    places.rescued_game("echo").mkdir()
    stage = direct(frames=None, fail_at=30)
    with pytest.raises(ModelError, match=r"on fire.*the game could not be saved"):
        stage.session.run()


def test_a_rescued_game_is_played_on(direct: Any, echo: World) -> None:
    from dreamloop.runtime.cli_play import _saved_start

    stage = direct(frames=None, fail_at=30)
    with pytest.raises(ModelError):
        stage.session.run()
    tick = read_savegame(places.rescued_game("echo"))[1]["tick"]
    later = direct(frames=3, start=_saved_start(places.rescued_game("echo")))
    later.session.run()
    assert [read_back(frame, echo.schema.size)[0] for frame in later.frames] == [tick, tick + 1, tick + 2]
