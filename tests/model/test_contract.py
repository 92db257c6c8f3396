"""The WorldModel contract, over every architecture on disk: a new one is tested by existing."""

import importlib
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from dreamloop.input.schema import ActionSchema
from dreamloop.model.checkpoint import save_checkpoint
from dreamloop.model.world_model import (
    Card,
    ModelError,
    OpenOptions,
    Prepared,
    Scene,
    WorldModel,
    list_archs,
    open_model,
)

SCHEMA = {
    "format": 1,
    "name": "tiny",
    "control": [
        {"name": "forward", "kind": "button", "help": "go", "keys": ["w"]},
        {"name": "jump", "kind": "button", "help": "up", "keys": ["space"]},
        {
            "name": "turn",
            "kind": "axis",
            "help": "turn",
            "unit": "deg",
            "range": [-12.0, 12.0],
            "motion": "x",
        },
    ],
}


def plug(arch: str) -> ModuleType:
    """The module of an architecture; a test skips when it is still being written elsewhere."""
    try:
        return importlib.import_module(f"dreamloop.model.arch_{arch}")
    except ModuleNotFoundError as error:
        pytest.skip(f"architecture {arch} needs {error.name}")


def tiny_card(arch: str) -> Card:
    """The smallest card that an architecture runs on: its own ``tiny_card()``, or a plain one."""
    module = plug(arch)
    if hasattr(module, "tiny_card"):
        card: Card = module.tiny_card()
        return card
    return Card(name="tiny", arch=arch, width_px=64, height_px=48, rate_hz=30.0, schema=SCHEMA)


def open_tiny(arch: str, players: int = 1) -> WorldModel:
    """A model with random weights, on one thread."""
    options = OpenOptions(players=players, device="cpu", dtype="float32", threads=1)
    card, weights, module = tiny_card(arch), None, plug(arch)
    if hasattr(module, "tiny_weights"):
        weights = Path(tempfile.mkdtemp()) / "tiny.safetensors"
        card = save_checkpoint(weights, module.tiny_weights(), card)
    return open_model(arch, card, weights, options)


def actions_for(model: WorldModel, ticks: int, seed: int = 0) -> NDArray[np.float32]:
    """Random actions (t, n, a) in the bounds that the schema allows."""
    size = ActionSchema.from_dict(model.card.schema).size
    return np.random.default_rng(seed).uniform(0, 1, (ticks, model.players, size)).astype(np.float32)


def scene_for(model: WorldModel, seed: int = 0) -> Scene:
    """A scene of noise with as much history as the model asks for."""
    rng = np.random.default_rng(seed)
    ticks, size = max(model.card.context_frames, 1), ActionSchema.from_dict(model.card.schema).size
    frames = rng.integers(0, 256, (ticks, model.card.height_px, model.card.width_px, 3), np.uint8)
    poses = np.zeros((ticks, 4), np.float32)
    poses[:, 2] = 10 * np.arange(ticks)  # turning about, so that a model that remembers views keeps some
    return Scene("noise", frames, np.zeros((ticks, size), np.float32), poses=poses)


archs = pytest.mark.parametrize("arch", list_archs())


@archs
def test_frames_have_the_size_on_the_card(arch: str) -> None:
    model = open_tiny(arch, players=2)
    card = model.card
    first = model.reset(0, None, seed=1)
    frames = model.step(actions_for(model, 1)[0])
    assert first.shape == (card.height_px, card.width_px, 3)
    assert first.dtype == np.uint8
    assert frames.shape == (2, card.height_px, card.width_px, 3)
    assert frames.dtype == np.uint8
    assert isinstance(model, WorldModel)


@archs
@pytest.mark.parametrize("with_scene", [False, True])
def test_same_seed_and_actions_give_the_same_bytes(arch: str, with_scene: bool) -> None:
    def run() -> bytes:
        model = open_tiny(arch)
        first = model.reset(0, scene_for(model) if with_scene else None, seed=7)
        frames = [model.step(action) for action in actions_for(model, 4)]
        return first.tobytes() + b"".join(frame.tobytes() for frame in frames)

    assert run() == run()


@archs
def test_another_seed_gives_another_future(arch: str) -> None:
    """Guards against a seed that is accepted and ignored."""

    def run(seed: int) -> bytes:
        model = open_tiny(arch)
        model.reset(0, scene_for(model), seed=seed)
        return b"".join(model.step(action).tobytes() for action in actions_for(model, 3))

    assert run(1) != run(2)


@archs
def test_save_step_load_step_is_bit_exact(arch: str) -> None:
    """Guards against state that lives outside of ``save``: a random generator, a cache, a tick counter, a memory."""
    model = open_tiny(arch)
    model.reset(0, scene_for(model), seed=3)
    for action in actions_for(model, 20, seed=1):  # until what the scene brought is old enough to be remembered
        model.step(action)
    assert model.stats().get("pages_read", 1.0) > 0
    before, after = np.split(actions_for(model, 8), 2)
    for action in before:
        shown = model.step(action)[0]
    state = model.save(0)
    once = [model.step(action).copy() for action in after]
    back = model.load(0, state)
    again = [model.step(action).copy() for action in after]
    assert np.array_equal(back, shown)
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))


@archs
def test_a_state_loads_into_another_model_with_the_same_weights(arch: str) -> None:
    """A saved game must outlive the process; the models are opened one after the other."""
    model = open_tiny(arch)
    model.reset(0, scene_for(model), seed=3)
    actions = actions_for(model, 4)
    model.step(actions[0])
    state = model.save(0)
    once = [model.step(action).copy() for action in actions[1:]]
    other = open_tiny(arch)
    other.reset(0, None, seed=99)
    other.load(0, state)
    again = [other.step(action).copy() for action in actions[1:]]
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))


@archs
def test_what_is_prepared_beforehand_changes_no_frame(arch: str) -> None:
    """Also when somebody starts over, or loads, between the preparing and the step."""
    assert arch != "dream" or isinstance(open_tiny(arch), Prepared), "the one of ours that does"

    def run(prepares: bool) -> bytes:
        model = open_tiny(arch, players=2)

        def prepare() -> None:
            if prepares and isinstance(model, Prepared):
                model.prepare()

        seen = [model.reset(0, scene_for(model), seed=7), model.reset(1, None, seed=8)]
        state = model.save(0)
        for tick, action in enumerate(actions_for(model, 6)):
            prepare()
            if tick == 2:
                seen.append(model.load(1, state))
            if tick == 4:
                seen.append(model.reset(0, scene_for(model, seed=5), seed=9))
            seen.extend(model.step(action))
        return b"".join(frame.tobytes() for frame in seen)

    assert run(False) == run(True)


@archs
def test_later_steps_never_change_a_saved_state(arch: str) -> None:
    model = open_tiny(arch)
    model.reset(0, scene_for(model), seed=3)
    actions = actions_for(model, 3)
    model.step(actions[0])
    state = model.save(0)
    before = {name: np.copy(value) for name, value in state.values.items() if isinstance(value, np.ndarray)}
    frames = model.step(actions[1])
    kept = frames.copy()
    model.step(actions[2])
    assert all(np.array_equal(before[name], state.values[name]) for name in before)
    assert np.array_equal(frames, kept), "a returned frame was overwritten by the next step"


@archs
def test_players_do_not_notice_each_other(arch: str) -> None:
    """Resetting or driving one player leaves the others' frames alone, whatever their neighbours do."""

    def run(noisy: bool) -> bytes:
        model = open_tiny(arch, players=3)
        for player in range(3):
            model.reset(player, scene_for(model, seed=player), seed=player)
        actions = actions_for(model, 5)
        if noisy:
            actions[:, 0] = 1.0 - actions[:, 0]
        seen = []
        for tick, action in enumerate(actions):
            if noisy and tick == 2:
                model.reset(0, None, seed=50)
                model.load(2, model.save(2))
            seen.append(model.step(action)[1:].tobytes())
        return b"".join(seen)

    assert run(noisy=False) == run(noisy=True)


@archs
def test_wrong_actions_are_refused_in_one_sentence(arch: str) -> None:
    model = open_tiny(arch)
    model.reset(0, None, seed=0)
    good = actions_for(model, 1)[0]
    with pytest.raises(ModelError, match="shape"):
        model.step(good[:, :-1])
    bad = good.copy()
    bad[0, 0] = np.nan
    with pytest.raises(ModelError, match="finite"):
        model.step(bad)


@archs
def test_a_foreign_state_is_refused(arch: str) -> None:
    model = open_tiny(arch)
    model.reset(0, None, seed=0)
    state = model.save(0)
    with pytest.raises(ModelError):
        model.load(0, replace(state, arch="another"))
    with pytest.raises(ModelError):
        model.load(0, replace(state, weights_hash="of other weights"))


@archs
def test_stats_are_finite_numbers_with_units(arch: str) -> None:
    model = open_tiny(arch)
    model.reset(0, None, seed=0)
    model.step(actions_for(model, 1)[0])
    for name, value in model.stats().items():
        assert np.isfinite(value), name


def test_an_unknown_architecture_names_the_nearest() -> None:
    with pytest.raises(ModelError, match="did you mean 'echo'"):
        open_model("ecko", tiny_card("echo"))


def test_the_echo_model_does_not_import_torch() -> None:
    """The first window opens in a second: the null twin must not load a gigabyte of libraries."""
    import subprocess

    code = "import dreamloop.model.arch_echo, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
