"""`dreamloop memory show`: what a saved game of a small untrained net remembers, without its weights."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from dreamloop.model import arch_dream
from dreamloop.model.arch_dream import DreamModel
from dreamloop.model.dream_net import DreamNet
from dreamloop.model.savegame import write_savegame
from dreamloop.model.train_config import net_config
from dreamloop.model.world_model import OpenOptions, Scene
from dreamloop.runtime.cli import app
from dreamloop.runtime.memory_show import MemoryShowError, draw, read_remembered, told
from dreamloop.runtime.world import World

TICKS = 30


@pytest.fixture
def model() -> DreamModel:
    """A model that has walked and turned for a while in a room that it knows the poses of."""
    card = arch_dream.tiny_card()
    net = DreamNet(net_config(card.config))
    net.load_state_dict(arch_dream.tiny_weights())
    model = DreamModel(net, card, OpenOptions(threads=1, dtype="float32"))
    rng = np.random.default_rng(0)
    poses = np.stack([40.0 * np.arange(20), np.zeros(20), 9.0 * np.arange(20), np.zeros(20)], 1).astype(np.float32)
    frames = rng.integers(0, 256, (20, 32, 48, 3), np.uint8)
    model.reset(0, Scene("room", frames, np.zeros((20, 3), np.float32), poses), 0)
    for _ in range(TICKS):
        model.step(np.array([[1, 1, 0]], np.float32))
    return model


@pytest.fixture
def saved(model: DreamModel, tmp_path: Path) -> Path:
    """That model's saved game."""
    path = tmp_path / "game.dreamsave"
    write_savegame(path, model.save(0))
    return path


def test_what_is_remembered_is_what_the_model_kept(model: DreamModel, saved: Path) -> None:
    memory = read_remembered(saved)
    kept = model.travellers[0].memory
    assert len(memory.frames) == len(kept.frames) >= 20
    assert memory.nbytes == kept.nbytes
    assert (np.diff(memory.ticks) >= 0).all(), "the oldest first"
    for slot, tick, pose, frame in zip(memory.slots, memory.ticks, memory.poses, memory.frames, strict=True):
        assert kept.policy.tick_of(int(slot)) == tick
        np.testing.assert_array_equal(kept.policy.pose_of(int(slot)), pose)
        np.testing.assert_array_equal(kept.frames[int(slot)], frame)
    assert memory.ages.min() >= 0
    assert memory.tick == 20 + TICKS
    assert dict(told(memory, 35.0))["pages"] == str(len(memory.frames))


def test_the_pages_that_are_read_tell_pose_and_age(model: DreamModel) -> None:
    pose, pages = model.pages_read(0)
    assert pose.shape == (4,)
    assert len(pages) == len(model.remembered(0)) == int(model.stats()["pages_read"])
    assert all(page.age_ticks > 0 and page.frame.shape == (32, 48, 3) for page in pages)


def test_the_command_says_and_draws_it(saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "pictures" / "memory.png"
    done = CliRunner().invoke(app, ["memory", "show", str(saved), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "pages   " in done.stdout
    picture = np.array(Image.open(out))
    assert picture.shape[2] == 3
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 200, "pages are in it, and not a sheet of one colour"


def test_a_memory_of_one_page_can_be_drawn(saved: Path) -> None:
    """A map of one point has no extent to divide by."""
    whole = read_remembered(saved)
    one = type(whole)(whole.tick, whole.slots[:1], whole.ticks[:1], whole.poses[:1], whole.frames[:1], whole.poses[0])
    assert draw(one, 35.0).size[0] > 480


def test_a_model_without_pages_is_said_in_one_sentence(echo: World, tmp_path: Path) -> None:
    path = tmp_path / "echo.dreamsave"
    write_savegame(path, echo.open_model(OpenOptions()).save(0))
    with pytest.raises(MemoryShowError, match="'echo', which keeps no remembered frames"):
        read_remembered(path)
    done = CliRunner().invoke(app, ["memory", "show", str(tmp_path / "none.dreamsave")])
    assert done.exit_code == 2
