"""Oasis against numbers that the published code gave, its cache against no cache, and what the published files need.

``golden/oasis.npz`` holds outputs only. They were made with the code at github.com/etched-ai/open-oasis, commit
f59deef, PyTorch 2.13, float32 on a CPU without autocast: its ``DiT`` and ``AutoencoderKL`` were built at the small
sizes below, given the weights, pictures, actions and random numbers that :func:`seeded` and its neighbours make here
(all from NumPy's PCG64), and run in the order of its ``generate.py``, with a window of 5 frames in place of 32.
"""

import threading
from concurrent.futures import Future
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from dreamloop.input.errors import ConfigError
from dreamloop.input.schema_files import load_layout
from dreamloop.model.arch_oasis import AUTOENCODER, DYNAMICS, OasisModel, build, empty_nets, read_config
from dreamloop.model.checkpoint import CheckpointError
from dreamloop.model.oasis_config import OasisConfig
from dreamloop.model.oasis_dit import causal
from dreamloop.model.oasis_sampler import advance, plan
from dreamloop.model.world_model import Card, ModelError, OpenOptions, Scene

torch.set_num_threads(1)

GOLDEN = Path(__file__).parent / "golden" / "oasis.npz"
HEIGHT, WIDTH, PROMPT, FRAMES = 16, 24, 2, 8  # pixels; frames that are given; frames that are generated
SMALL = OasisConfig(
    hidden=64,
    depth=2,
    heads=2,
    window=5,
    vae_patch=4,
    vae_hidden=64,
    vae_heads=2,
    encoder_depth=2,
    decoder_depth=2,
    recompute_every=2,
)


def seeded(seed: int, *shape: int) -> NDArray[np.float32]:
    """Normal numbers that are the same on every machine."""
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape).astype(np.float32)


def seeded_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Weights of a useful size for every tensor, by the order of the names."""
    weights = {}
    for i, name in enumerate(sorted(shapes)):
        values = seeded(1000 + i, *shapes[name])
        size = 0.2 if len(shapes[name]) == 1 else 1.0 / np.sqrt(np.prod(shapes[name][1:]))
        weights[name] = torch.from_numpy(values * np.float32(size))
    return weights


def seeded_prompt() -> NDArray[np.uint8]:
    """The given frames (t, h, w, 3)."""
    return np.random.Generator(np.random.PCG64(2)).integers(0, 256, (PROMPT, HEIGHT, WIDTH, 3), np.uint8)


def seeded_actions() -> NDArray[np.float32]:
    """Actions (t, 25) of the given and the generated frames; the first is all zeros."""
    actions = np.clip(seeded(77, PROMPT + FRAMES, 25), -1, 1)
    actions[0] = 0
    return actions


class SeededStream:
    """Random numbers in the order of the draws."""

    def __init__(self, seed: int) -> None:
        self.draws = np.random.Generator(np.random.PCG64(seed))

    def __call__(self, *shape: int) -> Tensor:
        return torch.from_numpy(self.draws.standard_normal((1, *shape)).astype(np.float32))


def small_card(config: OasisConfig = SMALL) -> Card:
    """A card of the small size."""
    return Card("small", "oasis", WIDTH, HEIGHT, 20.0, load_layout("oasis").to_dict(), config=asdict(config))


def small_tensors() -> dict[str, dict[str, Tensor]]:
    """Seeded weights of both nets."""
    nets = empty_nets(SMALL, small_card())
    return {
        name: seeded_weights({key: tuple(value.shape) for key, value in net.state_dict().items()})
        for name, net in nets.items()
    }


def small_model(dtype: str = "float32", **changes: Any) -> OasisModel:
    """The model at the small size, with seeded weights."""
    config = replace(SMALL, **changes)
    nets = empty_nets(config, small_card(config))
    for name, tensors in small_tensors().items():
        nets[name].load_state_dict(tensors, assign=True)
    return OasisModel(nets, small_card(config), OpenOptions(device="cpu", dtype=dtype))


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[Any]]:
    return dict(np.load(GOLDEN))


def relative_error(got: Any, wanted: Any) -> float:
    """|got - wanted| / |wanted|."""
    got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    return float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted))


def test_the_autoencoder_gives_the_published_numbers(golden: dict[str, NDArray[Any]]) -> None:
    model = small_model()
    pictures = torch.from_numpy(seeded_prompt()).movedim(-1, 1) / 255 * 2 - 1
    with torch.no_grad():
        latents = model.autoencoder.encode(pictures)
        back = model.autoencoder.decode(torch.from_numpy(seeded(8, *latents.shape)))
    assert relative_error(latents, golden["encoded"]) < 1e-5
    assert relative_error(back, golden["decoded"]) < 1e-5


def test_one_evaluation_of_the_dynamics_gives_the_published_numbers(golden: dict[str, NDArray[Any]]) -> None:
    model = small_model()
    latents = torch.from_numpy(seeded(9, 2, 3, 16, HEIGHT // 4, WIDTH // 4))
    levels, actions = torch.tensor([[14, 14, 899], [14, 14, 99]]), torch.from_numpy(seeded(10, 2, 3, 25))
    with torch.no_grad():
        led = model.dynamics.lead(levels, actions)
        velocity = model.dynamics(latents, led, torch.arange(3)[None], causal)
    assert relative_error(velocity, golden["velocity"]) < 1e-5


@pytest.mark.parametrize("steps", [10, 4])
def test_generated_frames_are_the_published_ones(
    steps: int, golden: dict[str, NDArray[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the edge of the window: evaluated anew at every frame it goes on as published."""
    stream = SeededStream(3)
    monkeypatch.setattr("dreamloop.model.arch_oasis.SeededNoise", lambda *_: stream)
    model = small_model(steps=steps, recompute_every=1)
    actions = seeded_actions()
    model.reset(0, Scene("start", seeded_prompt(), actions[:PROMPT]), seed=0)
    frames, latents = [], []
    for action in actions[PROMPT:]:
        frames.append(model.step(action[None])[0])
        model.settle()
        latents.append(model.latents[0, model.cache.counts[0] - 1].numpy().copy())
    assert relative_error(latents, golden[f"latents_{steps}"]) < 1e-4
    off = np.abs(np.stack(frames).astype(int) - golden[f"frames_{steps}"].astype(int))
    assert off.max() <= 1, "more than a level: not a matter of rounding"
    assert (off > 0).mean() < 1e-3
    assert relative_error(frames, golden[f"frames_{steps}"]) < 1e-4


def uncached(model: OasisModel, actions: NDArray[np.float32], stream: SeededStream) -> list[Tensor]:
    """The slow, obvious way: the whole window at every evaluation, nothing kept."""
    latents = model.latents[:, : model.cache.counts[0]].clone()
    made = []
    for i in range(PROMPT, len(actions)):
        fresh = stream(*latents.shape[2:]).clamp(-20, 20)
        for step in plan(model.steps):
            window = torch.cat([latents, fresh[:, None]], 1)[:, -model.config.window :]
            levels = torch.full(window.shape[:2], 14)
            levels[:, -1] = step.label
            seen = torch.from_numpy(actions[i + 1 - window.shape[1] : i + 1])[None]
            ticks = torch.arange(window.shape[1])[None]
            velocity = model.dynamics(window, model.dynamics.lead(levels, seen), ticks, causal)
            fresh = advance(step, fresh, velocity[:, -1])
        latents = torch.cat([latents, fresh[:, None]], 1)
        made.append(fresh[0])
    return made


@torch.no_grad()
def run(model: OasisModel, monkeypatch: pytest.MonkeyPatch, cached: bool) -> list[Tensor]:
    """Latents of the generated frames."""
    stream, actions = SeededStream(3), seeded_actions()
    monkeypatch.setattr("dreamloop.model.arch_oasis.SeededNoise", lambda *_: stream)
    model.reset(0, Scene("start", seeded_prompt(), actions[:PROMPT]), seed=0)
    if not cached:
        return uncached(model, actions, stream)
    made = []
    for action in actions[PROMPT:]:
        model.step(action[None])
        model.settle()
        made.append(model.latents[0, (model.cache.counts[0] - 1) % model.config.window].clone())
    return made


@pytest.mark.parametrize("every", [0, 1, 3])
def test_the_cache_changes_nothing_until_the_window_is_full(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first frames are those of the whole window evaluated again and again; with recompute_every = 1 all are."""
    fast = run(small_model(steps=4, recompute_every=every), monkeypatch, cached=True)
    slow = run(small_model(steps=4), monkeypatch, cached=False)
    exact = FRAMES if every == 1 else SMALL.window - PROMPT
    for i in range(exact):
        assert relative_error(fast[i], slow[i]) < 1e-4
    assert all(torch.isfinite(latents).all() for latents in fast)


def test_a_sliding_window_saves_its_keys_and_values() -> None:
    """They hold what has left the window, so they cannot be worked out again."""
    model = small_model(steps=2, recompute_every=0)
    model.reset(0, None, seed=1)
    actions = seeded(5, 12, 25)
    for action in actions[:8]:
        model.step(action[None])
    state = model.save(0)
    once = [model.step(action[None]) for action in actions[8:]]
    other = small_model(steps=2, recompute_every=0)
    other.load(0, state)
    again = [other.step(action[None]) for action in actions[8:]]
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))


def test_a_saved_game_is_small_when_the_window_is_recomputed() -> None:
    """Rewinding keeps many states: megabytes of keys and values must not be in them."""
    model, sliding = small_model(steps=1), small_model(steps=1, recompute_every=0)
    for one in (model, sliding):
        one.reset(0, None, seed=1)
        one.step(seeded(5, 1, 25))
    assert "keys" not in model.save(0).values
    assert sliding.save(0).nbytes > model.save(0).nbytes + model.cache.nbytes / 2


def test_steps_change_between_two_frames() -> None:
    model = small_model()
    model.reset(0, None, seed=1)
    for steps in (10, 4, 2, 1):
        model.steps = steps
        model.step(np.zeros((1, 25), np.float32))
        assert model.stats()["evaluations"] == steps + 1
    assert {"dynamics_ms", "decode_ms", "behind_ms", "wait_ms", "memory_bytes"} <= set(model.stats())


def test_bfloat16_stays_near_float32() -> None:
    frames = []
    for dtype in ("float32", "bfloat16"):
        model = small_model(dtype, steps=4)
        model.reset(0, Scene("start", seeded_prompt(), seeded_actions()[:PROMPT]), seed=0)
        frames.append(model.step(seeded_actions()[PROMPT:][:1])[0].astype(float))
    assert 0 < np.abs(frames[0] - frames[1]).mean() < 3


def test_a_frame_is_shown_before_it_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The player need not wait for what only the next frame needs; whatever looks at the window waits for it."""
    model, go, stored = small_model(steps=1), threading.Event(), []
    prepare = OasisModel._prepare_next

    def slowly(self: OasisModel, latents: Tensor, actions: Tensor) -> None:
        go.wait(10)
        prepare(self, latents, actions)
        stored.append(1)

    monkeypatch.setattr(OasisModel, "_prepare_next", slowly)
    model.reset(0, None, seed=1)
    model.step(seeded(5, 1, 25))
    assert not stored, "the frame is there and the storing has not even begun"
    go.set()
    assert len(model.save(0).values["latents"]) == 2, "the start and the new frame"
    assert stored


@pytest.mark.parametrize("every", [0, 1, 2])
def test_storing_behind_the_frame_changes_no_byte(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same frames as when everything happens in turn on one thread, over the edge of the window."""

    def run(in_turn: bool) -> list[bytes]:
        model = small_model(steps=2, recompute_every=every)
        if in_turn:
            submit = lambda work, *given: [work(*given), Future()][1]  # noqa: E731
            monkeypatch.setattr(model._behind, "submit", submit)
            monkeypatch.setattr(Future, "result", lambda self, timeout=None: None)
        model.reset(0, Scene("start", seeded_prompt(), seeded_actions()[:PROMPT]), seed=0)
        frames = [model.step(action[None]).tobytes() for action in seeded_actions()[PROMPT:]]
        monkeypatch.undo()
        return frames

    assert run(in_turn=True) == run(in_turn=False)


def test_a_failure_behind_a_frame_is_told_at_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against an error on a thread that nobody listens to, and a window that silently lacks a frame."""
    model = small_model(steps=1)
    model.reset(0, None, seed=1)

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(model, "_commit", full)
    model.step(seeded(5, 1, 25))
    with pytest.raises(torch.OutOfMemoryError):
        model.step(seeded(5, 1, 25))


def test_levels_of_the_published_ten_steps() -> None:
    assert [step.label for step in plan(10)] == [999, 899, 799, 699, 599, 499, 399, 299, 199, 99]
    assert plan(1)[0].share_next == 1.0


def test_the_published_sizes() -> None:
    """Names and shapes of the published checkpoints, on the meta device: nothing is allocated."""
    card = Card("oasis", "oasis", 640, 360, 20.0, load_layout("oasis").to_dict())
    nets = empty_nets(read_config(card), card)
    dynamics = {name: tuple(tensor.shape) for name, tensor in nets["dynamics"].state_dict().items()}
    autoencoder = {name: tuple(tensor.shape) for name, tensor in nets["autoencoder"].state_dict().items()}
    assert dynamics["x_embedder.proj.weight"] == (1024, 16, 2, 2)
    assert dynamics["t_embedder.mlp.0.weight"] == (1024, 256)
    assert dynamics["t_embedder.mlp.2.weight"] == (1024, 1024)
    assert dynamics["external_cond.weight"] == (1024, 25)
    assert dynamics["blocks.15.t_attn.to_qkv.weight"] == (3072, 1024)
    assert "blocks.0.s_attn.to_qkv.bias" not in dynamics
    assert dynamics["blocks.0.s_attn.to_out.bias"] == (1024,)
    assert dynamics["blocks.0.s_mlp.fc1.weight"] == (4096, 1024)
    assert dynamics["blocks.0.s_adaLN_modulation.1.weight"] == (6144, 1024)
    assert dynamics["final_layer.linear.weight"] == (64, 1024)
    assert dynamics["final_layer.adaLN_modulation.1.weight"] == (2048, 1024)
    assert sum(int(np.prod(shape)) for shape in dynamics.values()) == pytest.approx(608e6, rel=0.01)
    assert autoencoder["patch_embed.proj.weight"] == (1024, 3, 20, 20)
    assert autoencoder["quant_conv.weight"] == (32, 1024)
    assert autoencoder["decoder.11.attn.qkv.bias"] == (3072,)
    assert autoencoder["predictor.weight"] == (1200, 1024)
    assert sum(int(np.prod(shape)) for shape in autoencoder.values()) == pytest.approx(229e6, rel=0.01)


def published_folder(folder: Path, change: Any = None) -> Path:
    """The two files as they are published: names of their own, no card, rotary frequencies under some name."""
    tensors = small_tensors()
    tensors["dynamics"]["spatial_rotary_emb.freqs"] = torch.zeros(8)
    tensors["dynamics"]["blocks.0.t_attn.rotary_emb.freqs"] = torch.zeros(16)
    if change is not None:
        change(tensors)
    for name, part in ((DYNAMICS, "dynamics"), (AUTOENCODER, "autoencoder")):
        save_file(tensors[part], folder / name)
    return folder


def test_the_published_files_are_opened_as_they_are(tmp_path: Path) -> None:
    model = build(small_card(), published_folder(tmp_path), OpenOptions(device="cpu", dtype="float32"))
    assert len(model.card.weights_hash) == 16
    shown = model.reset(0, Scene("start", seeded_prompt()[:1], np.zeros((1, 25), np.float32)), seed=1)
    assert np.array_equal(shown, seeded_prompt()[0])
    assert model.step(np.zeros((1, 25), np.float32)).shape == (1, HEIGHT, WIDTH, 3)


def _rename(tensors: dict[str, Any]) -> None:
    tensors["dynamics"]["blocks.0.s_mlp.fc3.bias"] = tensors["dynamics"].pop("blocks.0.s_mlp.fc1.bias")


def _reshape(tensors: dict[str, Any]) -> None:
    tensors["autoencoder"]["predictor.weight"] = torch.zeros(48, 65)


def _whole(tensors: dict[str, Any]) -> None:
    tensors["autoencoder"]["predictor.weight"] = torch.zeros(48, 64, dtype=torch.int64)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_rename, rf"{DYNAMICS} lacks the tensor 'blocks.0.s_mlp.fc1.bias'; did you mean 'blocks."),
        (_reshape, rf"'predictor.weight' in .*{AUTOENCODER} has shape \(48, 65\), the model takes \(48, 64\)"),
        (_whole, r"'predictor.weight' in .* is of type torch.int64; weights are float numbers"),
    ],
)
def test_spoilt_weights_are_named(change: Any, words: str, tmp_path: Path) -> None:
    folder = published_folder(tmp_path, change)
    with pytest.raises(CheckpointError, match=words):
        build(small_card(), folder, OpenOptions(device="cpu"))


def test_missing_cut_and_pickled_files_are_named(tmp_path: Path) -> None:
    folder = published_folder(tmp_path)
    path = folder / DYNAMICS
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=rf"{DYNAMICS} is damaged, cut short or no safetensors file"):
        build(small_card(), folder, OpenOptions(device="cpu"))
    path.unlink()
    with pytest.raises(CheckpointError, match=rf"no weights at .*{DYNAMICS}"):
        build(small_card(), folder, OpenOptions(device="cpu"))
    pickled = tmp_path / "oasis500m.pt"
    pickled.write_bytes(b"\x80\x04")
    with pytest.raises(CheckpointError, match="is pickled and is not opened to play"):
        build(small_card(), pickled, OpenOptions(device="cpu"))


def test_wrong_configuration_and_schema_are_named() -> None:
    card = small_card()
    for config, words in (
        ({"step": 4}, "did you mean 'steps'"),
        ({"steps": 0}, "steps = 0 must be from 1"),
        ({"recompute_every": 32}, r"recompute_every = 32 must be from 0"),
    ):
        with pytest.raises(ConfigError, match=words):
            read_config(replace(card, config=config))
    with pytest.raises(ConfigError, match="not made of squares of 8 pixels"):
        read_config(replace(card, width_px=25))
    few = {"format": 1, "name": "few", "control": [{"name": "go", "kind": "button", "keys": ["g"]}]}
    with pytest.raises(ModelError, match="the schema has 1 entries, the net takes 25"):
        OasisModel(empty_nets(SMALL, card), replace(card, schema=few), OpenOptions(device="cpu"))
