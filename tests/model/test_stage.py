"""Stages and the chain: every kind on disk, and that a stage never decides what happens next."""

import importlib
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dreamloop.input.errors import ConfigError
from dreamloop.model.arch_echo import EchoModel
from dreamloop.model.checkpoint import CheckpointError, save_checkpoint
from dreamloop.model.picture_figures import psnr_db
from dreamloop.model.stage import Chain, Stage, dynamics_of, list_stages, open_stage
from dreamloop.model.stage_upsample import (
    UpsampleConfig,
    UpsampleNet,
    add_parts,
    as_net,
    fold_levels,
    spread,
)
from dreamloop.model.stage_upsample import tiny_card as upsample_card
from dreamloop.model.stage_upsample import tiny_weights as upsample_weights
from dreamloop.model.train_stage import StageTrainer, StageTraining, bicubic, box, measure_stage, thin, train_stage
from dreamloop.model.world_model import Card, ModelError, OpenOptions, WorldModel

torch.set_num_threads(1)

SCHEMA = {"format": 1, "name": "tiny", "control": [{"name": "go", "kind": "button", "keys": ["w"]}]}
CPU = OpenOptions(device="cpu", dtype="float32")
kinds = pytest.mark.parametrize("kind", list_stages())


def open_tiny(kind: str, folder: Path) -> Stage:
    """A stage with random weights."""
    plug = importlib.import_module(f"dreamloop.model.stage_{kind}")
    path = folder / f"{kind}.safetensors"
    save_checkpoint(path, plug.tiny_weights(), plug.tiny_card())
    return open_stage(path, CPU)


def noise(count: int, size_px: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    """Pictures of noise (count, h, w, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (count, size_px[1], size_px[0], 3), np.uint8)


class Double:
    """A stage that repeats every pixel."""

    def __init__(self, width_px: int, height_px: int) -> None:
        self.takes_px = (width_px, height_px)
        self.card = Card("double", "double", 2 * width_px, 2 * height_px, 0.0, {})

    def draw(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Twice as large."""
        return frames.repeat(2, 1).repeat(2, 2)


def echo(players: int = 1) -> EchoModel:
    """An echo model of 64 x 48."""
    return EchoModel(Card("tiny", "echo", 64, 48, 30.0, SCHEMA), players)


@kinds
def test_a_stage_draws_what_its_card_says(kind: str, tmp_path: Path) -> None:
    stage = open_tiny(kind, tmp_path)
    frames = noise(2, stage.takes_px)
    drawn = stage.draw(frames)
    assert isinstance(stage, Stage)
    assert drawn.shape == (2, stage.card.height_px, stage.card.width_px, 3)
    assert drawn.dtype == np.uint8
    assert np.array_equal(drawn, stage.draw(frames)), "the same frames give the same bytes"


@kinds
def test_a_stage_keeps_nothing(kind: str, tmp_path: Path) -> None:
    """A frame is drawn the same whatever was drawn before it and whoever else is drawn: else replay would need more."""
    stage = open_tiny(kind, tmp_path)
    one, other = noise(2, stage.takes_px)
    alone = stage.draw(one[None])[0]
    stage.draw(other[None])
    assert np.array_equal(alone, stage.draw(np.stack([one, other]))[0])


@kinds
def test_weights_of_another_stage_are_refused(kind: str, tmp_path: Path) -> None:
    plug = importlib.import_module(f"dreamloop.model.stage_{kind}")
    path = tmp_path / "x.safetensors"
    save_checkpoint(path, plug.tiny_weights(), replace(plug.tiny_card(), arch="upsampel"))
    with pytest.raises(ModelError, match=r"unknown kind of stage 'upsampel'.*did you mean 'upsample'"):
        open_stage(path, CPU)


def test_spoilt_upsampler_weights_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_checkpoint(path, {**upsample_weights(), "last.bias": torch.zeros(3)}, upsample_card())
    with pytest.raises(CheckpointError, match=r"'last.bias' in .* has shape \(3,\)"):
        open_stage(path, CPU)
    save_checkpoint(path, upsample_weights(), replace(upsample_card(), config={"widht": 8}))
    with pytest.raises(ConfigError, match=r"widht.*did you mean 'width'"):
        open_stage(path, CPU)


def test_the_parts_of_a_pixel_average_to_it(tmp_path: Path) -> None:
    """Colours may not drift, whatever the net has learnt; away from black and white, where nothing is clipped."""
    stage = open_tiny("upsample", tmp_path)
    frames = np.random.default_rng(0).integers(90, 160, (1, 32, 48, 3), np.uint8)
    drawn = stage.draw(frames).reshape(1, 32, 2, 48, 2, 3).astype(float)
    assert np.ptp(drawn, (2, 4)).max() > 4, "the net draws something"
    assert np.abs(drawn.mean((2, 4)) - frames).max() <= 0.5


def test_played_and_taught_are_the_same_net(tmp_path: Path) -> None:
    """Play takes the mean out of the kernels, training out of what they say."""
    net = UpsampleNet(UpsampleConfig(8, 1)).train()
    net.load_state_dict(upsample_weights())
    frames = np.random.default_rng(0).integers(90, 160, (1, 32, 48, 3), np.uint8)
    levels = fold_levels(torch.from_numpy(frames))
    with torch.no_grad():
        taught = spread(add_parts(levels, net(as_net(levels, torch.float32))))
    played = open_tiny("upsample", tmp_path).draw(frames)
    assert np.abs(taught.numpy() - played).max() <= 0.51


def test_a_zero_net_repeats_pixels() -> None:
    """Every part lies beside its own pixel: a wrong order of axes would shuffle the picture."""
    frames = torch.from_numpy(noise(2, (8, 4)))
    drawn = spread(add_parts(fold_levels(frames), torch.zeros(2, 48, 2, 4)))
    assert torch.equal(drawn, frames.repeat_interleave(2, 1).repeat_interleave(2, 2).float())


def test_the_box_is_the_simulators() -> None:
    """What is learnt from must be made as the frames that are played."""
    from dreamloop.demos.doom.simulator import halve

    large = noise(1, (16, 12))
    assert np.array_equal(box(torch.from_numpy(large))[0].numpy(), halve(large[0]))


# --- the chain ---


def test_the_card_of_a_chain_has_the_last_stages_size() -> None:
    chain = Chain(echo(2), [("one", Double(64, 48)), ("two", Double(128, 96))])
    assert isinstance(chain, WorldModel)
    assert (chain.card.width_px, chain.card.height_px) == (256, 192)
    assert chain.reset(1, None, 3).shape == (192, 256, 3)
    assert chain.step(np.zeros((2, 1), np.float32)).shape == (2, 192, 256, 3)
    assert {"one_ms", "two_ms"} <= set(chain.stats())


def test_the_dynamics_decides() -> None:
    """It is fed its own frames: with a chain or without, the same future; the state is the same state."""
    chain, alone = Chain(echo(), [("double", Double(64, 48))]), echo()
    for model in (chain, alone):
        model.reset(0, None, 7)
    for value in (0.0, 1.0, 1.0):
        action = np.full((1, 1), value, np.float32)
        shown, own = chain.step(action)[0], alone.step(action)[0]
        assert np.array_equal(chain.decided(0), own)
        assert np.array_equal(shown[::2, ::2], own)
    state = chain.save(0)
    assert np.array_equal(alone.load(0, state), own)
    assert np.array_equal(chain.load(0, state), shown)
    assert dynamics_of(chain) is not chain
    assert dynamics_of(alone) is alone


def test_a_stage_of_another_size_is_refused() -> None:
    with pytest.raises(ModelError, match="stage 'double' takes frames of 32 x 24, it is given 64 x 48"):
        Chain(echo(), [("double", Double(32, 24))])


def test_a_chain_does_not_load_torch() -> None:
    """The echo world starts in a second; the model's thread knows chains and must not pay for them."""
    import subprocess
    import sys

    code = "import dreamloop.model.stage, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- teaching ---


def stripes(count: int) -> NDArray[np.uint8]:
    """Large pictures (count, 48, 64, 3) of slanted edges: what is lost in them can be guessed from the small ones."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :64]
    waves = [np.sin((x * np.cos(a) + y * np.sin(a)) * 0.35 + b) > 0 for a, b in rng.uniform(0, 3, (count, 2))]
    return np.stack([np.where(wave[..., None], 200, 60).astype(np.uint8).repeat(3, -1) for wave in waves])


def test_an_upsampler_learns_to_beat_bicubic(tmp_path: Path) -> None:
    trainer = StageTrainer(UpsampleConfig(16, 1), StageTraining(steps=200, batch=4, texture=0.0))
    told: list[float] = []
    train_stage(stripes(24), trainer, lambda: 0.0, tmp_path / "run.safetensors", lambda f: told.append(f["error"]))
    assert told[-1] < told[0]
    path = tmp_path / "upsample.safetensors"
    card = Card("t", "upsample", 64, 48, 0.0, {}, config=asdict(trainer.net.config))
    save_checkpoint(path, dict(trainer.average.state_dict()), card)
    figures = measure_stage(open_stage(path, CPU), stripes(30)[24:])
    assert figures["stage"]["psnr_db"] > figures["bicubic"]["psnr_db"] + 0.2
    assert figures["stage"]["psnr_db"] > figures["nearest"]["psnr_db"] + 1


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    def run(stop: int) -> StageTrainer:
        trainer, path = StageTrainer(UpsampleConfig(8, 1), StageTraining(steps=6, batch=2)), tmp_path / f"{stop}.st"
        pictures = torch.from_numpy(stripes(6))
        for step in range(6):
            if step == stop:
                trainer.save(path)
                trainer = StageTrainer(UpsampleConfig(8, 1), StageTraining(steps=6, batch=2, seed=9))
                trainer.resume(path)
            trainer.teach(pictures[step : step + 1], step / 6)
        return trainer

    whole, halved = run(-1), run(3)
    assert halved.step == 6
    for one, other in zip(whole.average.parameters(), halved.average.parameters(), strict=True):
        assert torch.equal(one, other)


def test_figures_of_a_stage_that_repeats_pixels() -> None:
    """The measure against itself: such a stage is worth what 'nearest' is worth, and bicubic is smoother."""
    pictures = stripes(4)
    figures = measure_stage(Double(32, 24), pictures)
    assert figures["stage"] == figures["nearest"]
    small = box(torch.from_numpy(pictures)).numpy()
    wanted = float(psnr_db(torch.from_numpy(bicubic(small, (64, 48))), torch.from_numpy(pictures)).mean())
    assert figures["bicubic"]["psnr_db"] == pytest.approx(wanted)
    assert figures["pictures"] == 4


def test_neighbouring_frames_are_thinned_out() -> None:
    episodes = [noise(10, (4, 4), seed) for seed in range(3)]
    kept = thin(episodes, 3, 5)
    assert np.array_equal(kept, np.concatenate([episodes[0][2::3], episodes[1][2::3]])[:5])
