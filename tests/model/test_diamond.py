"""DIAMOND's worlds against numbers that the published code gave, and what the published files need.

``golden/diamond.npz`` holds outputs only. They were made with the code at github.com/eloialonso/diamond, commits
5bcd159 (main, Atari) and 851cefb (csgo), PyTorch 2.13, float32 on a CPU: its nets were built at the small sizes below,
given the weights, pictures, actions and random numbers that :func:`seeded` and its neighbours make here (all from
NumPy's PCG64, so they do not hang on a version of PyTorch), and run through its own ``Denoiser`` and
``DiffusionSampler`` in the order of ``WorldModelEnv.step``.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamloop.input.errors import ConfigError
from dreamloop.input.schema_files import load_layout
from dreamloop.model.arch_diamond import DiamondModel, build, empty_nets
from dreamloop.model.checkpoint import CheckpointError, save_checkpoint
from dreamloop.model.diamond_config import PRESETS, DiamondConfig, choose, read_config
from dreamloop.model.diamond_sampler import scales
from dreamloop.model.world_model import Card, ModelError, OpenOptions, Scene

torch.set_num_threads(1)

GOLDEN = Path(__file__).parent / "golden" / "diamond.npz"
SMALL = {"cond": 32, "depths": [2, 1, 1], "widths": [32, 64, 64], "attention": [False, False, True]}
CONFIGS: dict[str, dict[str, Any]] = {
    "atari": {"choices": ["noop", "fire", "right", "left"], "denoiser": SMALL},
    "csgo": {"preset": "csgo", "denoiser": SMALL, "upsampler": SMALL},
    "csgo-high": {"preset": "csgo-high", "denoiser": SMALL, "upsampler": SMALL},
}
HEIGHT, WIDTH, FRAMES = 10, 14, 4  # of the dreamed picture; frames that are generated


def seeded(seed: int, *shape: int) -> NDArray[np.float32]:
    """Normal numbers that are the same on every machine."""
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape).astype(np.float32)


def seeded_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Weights of a useful size for every tensor, by the order of the names."""
    weights = {}
    for i, name in enumerate(sorted(shapes)):
        values = seeded(1000 + i, *shapes[name])
        fan_in = int(np.prod(shapes[name][1:]))
        size = 1.0 if "noise_" in name else 0.3 if len(shapes[name]) == 1 else 1.0 / np.sqrt(fan_in)
        weights[name] = torch.from_numpy(values * np.float32(size))
    return weights


def seeded_frames(factor: int) -> NDArray[np.uint8]:
    """Four true frames (t, h, w, 3)."""
    shape = (4, HEIGHT * factor, WIDTH * factor, 3)
    return np.random.Generator(np.random.PCG64(factor)).integers(0, 256, shape, np.uint8)


def seeded_actions(count: int, size: int) -> NDArray[np.float32]:
    """Switches (t, size), each on or off."""
    return (seeded(77, count, size) > 0.4).astype(np.float32)


class SeededStream:
    """Random numbers in the order of the draws."""

    def __init__(self, seed: int) -> None:
        self.draws = np.random.Generator(np.random.PCG64(seed))

    def __call__(self, *shape: int) -> Tensor:
        return torch.from_numpy(self.draws.standard_normal((1, *shape)).astype(np.float32))


def small_model(name: str, dtype: str = "float32") -> DiamondModel:
    """The model at the small size, with seeded weights."""
    config = read_config(CONFIGS[name])
    nets = empty_nets(config)
    weights = seeded_weights({key: tuple(value.shape) for key, value in nets.state_dict().items()})
    nets.load_state_dict(weights, assign=True)
    factor = config.upsampler.factor if config.upsampler else 1
    schema = load_layout("csgo").to_dict()
    if config.choices:
        controls = [{"name": stick, "kind": "button", "keys": [stick[0]]} for stick in ("fire", "right", "left")]
        schema = {"format": 1, "name": "stick", "control": controls}
    card = Card(name, "diamond", WIDTH * factor, HEIGHT * factor, 15.0, schema, 4, config=CONFIGS[name])
    return DiamondModel(nets, config, card, OpenOptions(device="cpu", dtype=dtype))


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[Any]]:
    return dict(np.load(GOLDEN))


def relative_error(got: Any, wanted: Any) -> float:
    """|got - wanted| / |wanted|."""
    got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    return float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize("part", ["atari", "csgo", "csgo-upsampler"])
def test_one_evaluation_of_the_net_gives_the_published_numbers(part: str, golden: dict[str, NDArray[Any]]) -> None:
    name, _, second = part.partition("-")
    model = small_model(name)
    stage = model.upsampler if second else model.dynamics
    assert stage is not None
    net, sigma = stage.net, 1.7
    pictures = net.config.frames + (net.config.factor > 1)
    size = (HEIGHT * net.config.factor, WIDTH * net.config.factor)
    at = scales(stage.sampler.config, sigma)
    actions = None
    if net.config.actions:
        switches = seeded_actions(4, net.config.actions)
        switches = np.eye(4, dtype=np.float32)[[0, 3, 1, 2]] if name == "atari" else switches
        actions = torch.from_numpy(switches)[None]
    with torch.no_grad():
        noisy = torch.from_numpy(seeded(5, 1, 3, *size)) * sigma
        led = net.lead([(at.c_noise, at.c_noise_cond)], actions)
        drawn = net(noisy * at.c_in, torch.from_numpy(seeded(6, 1, 3 * pictures, *size)) / 0.5, led[0])
    assert relative_error(drawn, golden[f"{part}/net"]) < 1e-5


@pytest.mark.parametrize("name", CONFIGS)
def test_generated_frames_are_the_published_ones(
    name: str, golden: dict[str, NDArray[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every frame is fed back, so that a slip in the order of frames, actions or levels shows at once.

    Fractions of a level are cut off, so a value on the edge between two levels may fall either way in the last bit of a
    float32: such a value is one level off, and fewer than one in a thousand are.
    """
    model, stream = small_model(name), SeededStream(3)
    monkeypatch.setattr("dreamloop.model.arch_diamond.SeededNoise", lambda *_: stream)
    model.history[0] = torch.from_numpy(seeded_frames(1))
    if model.upsampler is not None:
        model.large[0] = torch.from_numpy(seeded_frames(5)[-1:])
    size = model.config.denoiser.actions
    model.actions[0] = torch.from_numpy(seeded_actions(4, size)) if size == 51 else torch.eye(4)[[0, 3, 1, 2]]
    played = seeded_actions(4 + FRAMES, model.schema.size)[4:]
    frames = np.stack([model.step(action[None])[0] for action in played])
    wanted = golden[f"{name}/frames"].astype(np.int64)
    off = np.abs(frames.astype(np.int64) - wanted)
    assert off.max() <= 1, "more than a level: not a matter of rounding"
    assert (off > 0).mean() < 1e-3
    assert relative_error(frames, wanted) < 2e-4


@pytest.mark.parametrize("name", ["atari", "csgo"])
def test_bfloat16_stays_near_float32(name: str) -> None:
    frames = []
    for dtype in ("float32", "bfloat16"):
        model = small_model(name, dtype)
        model.reset(0, None, seed=1)
        frames.append(model.step(seeded_actions(1, model.schema.size))[0].astype(float))
    assert 0 < np.abs(frames[0] - frames[1]).mean() < 3


def test_the_published_sizes() -> None:
    """Names and shapes of the published checkpoints, on the meta device: nothing is allocated."""
    atari = {name: tuple(tensor.shape) for name, tensor in empty_nets(PRESETS["atari"]).state_dict().items()}
    csgo = {name: tuple(tensor.shape) for name, tensor in empty_nets(PRESETS["csgo"]).state_dict().items()}
    inner = "denoiser.inner_model."
    assert atari[inner + "noise_emb.weight"] == (1, 128)
    assert atari[inner + "act_emb.0.weight"] == (4, 64)
    assert atari[inner + "conv_in.weight"] == (64, 15, 3, 3)
    assert inner + "noise_cond_emb.weight" not in atari
    assert csgo[inner + "noise_cond_emb.weight"] == (1, 1024)
    assert csgo[inner + "act_emb.0.weight"] == (51, 512)
    assert csgo["upsampler.inner_model.conv_in.weight"] == (64, 9, 3, 3)
    assert "upsampler.inner_model.act_emb.0.weight" not in csgo
    assert csgo[inner + "unet.u_blocks.0.resblocks.2.conv1.weight"] == (512, 1536, 3, 3)
    count = sum(int(np.prod(shape)) for shape in csgo.values())
    assert 4 * count == pytest.approx(1.53e9, rel=0.01)  # bytes of the published file


def test_a_scene_fills_both_stages() -> None:
    """Counter-Strike's scenes are large pictures; the small ones that dreaming needs are made from them."""
    model = small_model("csgo")
    frames = np.full((2, HEIGHT * 5, WIDTH * 5, 3), 100, np.uint8)
    frames[1, :, WIDTH * 5 // 2 :] = 200
    shown = model.reset(0, Scene("wall", frames, np.zeros((2, 51), np.float32)), seed=1)
    assert np.array_equal(shown, frames[1])
    assert model.history.shape == (1, 4, HEIGHT, WIDTH, 3)
    assert (model.history[0, :3] == 100).all()
    assert model.history[0, 3, :, 0].float().mean() == pytest.approx(100, abs=1)
    assert model.history[0, 3, :, -1].float().mean() == pytest.approx(200, abs=1)


def test_two_stages_save_load_and_time_themselves() -> None:
    """The large picture is part of the state: without it the next frame would start from black."""
    model = small_model("csgo")
    model.reset(0, None, seed=4)
    actions = seeded_actions(6, 51)
    for action in actions[:3]:
        model.step(action[None])
    state = model.save(0)
    once = [model.step(action[None]) for action in actions[3:]]
    model.reset(0, None, seed=9)
    model.load(0, state)
    again = [model.step(action[None]) for action in actions[3:]]
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    assert set(model.stats()) == {"dynamics_ms", "upsampler_ms", "memory_bytes", "steps"}


@pytest.mark.parametrize("preset", ["atari", "csgo"])
def test_steps_change_between_two_frames(preset: str) -> None:
    """As if the world had been opened with so many; back at its own number it draws as before."""
    model, action = small_model(preset), seeded_actions(1, 51 if preset == "csgo" else 3)

    def frame(steps: int) -> bytes:
        model.reset(0, None, seed=4)
        model.steps = steps
        return model.step(action).tobytes()

    own = model.steps
    assert model.step_choices == tuple(sorted({10, 4, 2, 1, own}, reverse=True))
    frames = {steps: frame(steps) for steps in model.step_choices}
    assert model.stats()["steps"] == 1
    assert len(set(frames.values())) == len(frames), "every number of steps draws another picture"
    assert frame(own) == frames[own]


@pytest.mark.parametrize(
    ("pressed", "wanted"),
    [
        ({"right"}, "right"),
        ({"right", "fire"}, "rightfire"),
        ({"up", "right"}, "right"),
        ({"up"}, "noop"),
        (set(), "noop"),
        ({"left", "fire"}, "fire"),
    ],
)
def test_a_joystick_gives_the_nearest_action_that_the_game_knows(pressed: set[str], wanted: str) -> None:
    choices = ("noop", "fire", "right", "left", "rightfire")
    assert choices[choose(choices, frozenset(pressed))] == wanted


def checkpoint(folder: Path, change: Any = None) -> tuple[Path, Card]:
    """A small checkpoint of ours whose tensors ``change`` may spoil."""
    tensors = dict(empty_nets(read_config(CONFIGS["atari"])).state_dict())
    tensors = seeded_weights({name: tuple(tensor.shape) for name, tensor in tensors.items()})
    if change is not None:
        change(tensors)
    path = folder / "small.safetensors"
    return path, save_checkpoint(path, tensors, small_model("atari").card)


def _rename(tensors: dict[str, Tensor]) -> None:
    tensors["denoiser.inner_model.conv_inn.weight"] = tensors.pop("denoiser.inner_model.conv_in.weight")


def _reshape(tensors: dict[str, Tensor]) -> None:
    tensors["denoiser.inner_model.conv_in.weight"] = torch.zeros(32, 12, 3, 3)


def _shorten(tensors: dict[str, Tensor]) -> None:
    tensors["denoiser.inner_model.act_emb.0.weight"] = torch.zeros(6, 8)


def _stranger(tensors: dict[str, Tensor]) -> None:
    tensors["model.embed_tokens.weight"] = torch.zeros(3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_rename, r"lacks the tensor 'denoiser.inner_model.conv_in.weight'; did you mean '.*conv_inn.weight'"),
        (_reshape, r"'denoiser.inner_model.conv_in.weight' in .* has shape \(32, 12, 3, 3\), the model takes"),
        (_shorten, r"knows 6 actions, the world lists 4"),
        (_stranger, r"'model.embed_tokens.weight' that the model does not know"),
    ],
)
def test_spoilt_weights_are_named(change: Any, words: str, tmp_path: Path) -> None:
    path, card = checkpoint(tmp_path, change)
    with pytest.raises(CheckpointError, match=words):
        build(card, path, OpenOptions(device="cpu"))


def test_unused_parts_of_a_published_checkpoint_are_left_out(tmp_path: Path) -> None:
    def add(tensors: dict[str, Tensor]) -> None:
        tensors["actor_critic.lstm.weight"], tensors["rew_end_model.head.weight"] = torch.zeros(2), torch.zeros(2)

    path, card = checkpoint(tmp_path, add)
    assert build(card, path, OpenOptions(device="cpu")).players == 1


def test_a_wrong_configuration_names_the_nearest_key() -> None:
    with pytest.raises(ConfigError, match="did you mean 'steps'"):
        read_config({"sampler": {"step": 3}})
    with pytest.raises(ConfigError, match="did you mean 'csgo'"):
        read_config({"preset": "cs-go"})
    with pytest.raises(ConfigError, match="did you mean 'upfire'"):
        read_config({"choices": ["upfires"]})
    with pytest.raises(ConfigError, match="must be of type int"):
        read_config({"sampler": {"steps": "three"}})


def test_a_schema_that_does_not_fit_is_refused() -> None:
    model = small_model("csgo")
    schema = {"format": 1, "name": "few", "control": [{"name": "go", "kind": "button", "keys": ["g"]}]}
    config = model.config
    nets = empty_nets(config)
    nets.load_state_dict(seeded_weights({n: tuple(t.shape) for n, t in nets.state_dict().items()}), assign=True)
    with pytest.raises(ModelError, match="has 1 entries, the net takes 51"):
        DiamondModel(nets, config, replace(model.card, schema=schema), OpenOptions(device="cpu"))


def test_presets_have_the_published_samplers() -> None:
    fast, high = PRESETS["csgo"], PRESETS["csgo-high"]
    assert (fast.sampler.steps, fast.upsampler_sampler.steps) == (1, 1)
    assert (high.sampler.steps, high.upsampler_sampler.steps) == (3, 10)
    assert DiamondConfig().sampler.steps == 3
