"""Training a world's stage from its simulator: what is collected, written, resumed and said."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dreamloop.input.errors import ConfigError
from dreamloop.model.checkpoint import load_card
from dreamloop.model.stage_upsample import UpsampleConfig
from dreamloop.runtime import stage_world as module
from dreamloop.runtime.clock import FakeClock
from dreamloop.runtime.stage_world import train_world_stage
from dreamloop.runtime.world import World, load_world

torch.set_num_threads(1)

WORLD = """
[world]
name = "toy"
rate_hz = 20
width_px = 32
height_px = 24
arch = "echo"
simulator = "sim.py:make_env"
explorer = "sim.py:make_explorer"
"""
SCHEMA = 'format = 1\nname = "toy"\n[[control]]\nname = "go"\nkind = "button"\nkeys = ["w"]\n'
SIM = """
import numpy as np

class Env:
    def __init__(self, maps, width_px, height_px, seed=0):
        self.shape, self.maps = (height_px, width_px, 3), maps

    def reset(self, seed=None, options=None):
        self.rng = np.random.default_rng([seed, self.maps == "test"])
        return self.rng.integers(0, 256, self.shape, np.uint8), {}

    def step(self, action):
        return self.rng.integers(0, 256, self.shape, np.uint8), 0.0, False, False, {}

    def close(self):
        pass

class Explorer:
    def reset(self, seed=None):
        pass

    def act(self, observation, info):
        return np.zeros(1, np.float32)

def make_env(**options):
    return Env(**options)

def make_explorer(seed=0):
    return Explorer()
"""


class Ticking(FakeClock):
    """A second passes with every look."""

    def now_s(self) -> float:
        """Let a second pass."""
        self.advance(1.0)
        return super().now_s()


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose simulator shows noise."""
    monkeypatch.setattr(module, "TEST_PICTURES", 4)
    for name, text in {"world.toml": WORLD, "schema.toml": SCHEMA, "sim.py": SIM}.items():
        (tmp_path / name).write_text(text)
    return load_world(tmp_path)


def train(world: World, out: Path, minutes: float = 0.1, **more: Any) -> dict[str, Any]:
    """A run of some steps."""
    return train_world_stage(
        world, "upsample", minutes, out, pictures=6, net=UpsampleConfig(8, 1), clock=Ticking(0.0), **more
    )


def test_a_run_writes_weights_figures_and_pictures(toy: World, tmp_path: Path) -> None:
    told: list[str] = []
    figures = train(toy, tmp_path / "run", progress=lambda what, share: told.append(what))
    card = load_card(Path(figures["path"]))
    assert (card.arch, card.width_px, card.height_px) == ("upsample", 64, 48)
    assert card.provenance["held_out"]["bicubic"]["psnr_db"] > 0
    assert card.provenance["command"] == "dreamloop train toy --stage upsample --minutes 0.1"
    assert json.loads(json.dumps(figures)) == figures
    assert (tmp_path / "run" / "sample.png").is_file()
    assert {"playing the simulator (train)", "training", "playing the simulator (test)", "measuring"} <= set(told)


def test_a_run_is_not_overwritten_and_goes_on_with_the_same_pictures(toy: World, tmp_path: Path) -> None:
    out = tmp_path / "run"
    first = train(toy, out)
    pictures: NDArray[np.uint8] = np.load(out / "pictures.npy")
    with pytest.raises(ConfigError, match="holds a run already; go on with --resume"):
        train(toy, out)
    second = train(toy, out, minutes=0.2, resume=True)
    assert second["steps"] > first["steps"]
    assert np.array_equal(np.load(out / "pictures.npy"), pictures)


def test_what_is_learnt_from_is_twice_the_worlds_size_and_other_than_what_is_judged(toy: World) -> None:
    """Guards against a stage that is measured on the maps that it was taught."""
    seen = module.large_pictures(toy, 4, 0, "train", lambda what, share: None)
    unseen = module.large_pictures(toy, 4, 0, "test", lambda what, share: None)
    assert seen.shape == unseen.shape == (4, 48, 64, 3)
    assert not np.array_equal(seen, unseen)
