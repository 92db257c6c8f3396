"""Nets compiled ahead: what is found, what is refused, and that a model plays with what fits."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dreamloop.model.arch_dream import DreamModel, Flat, play, tiny_card
from dreamloop.model.compiled import compile_net, open_package, outdated, package_name
from dreamloop.model.dream_net import DreamNet, Past
from dreamloop.model.dream_sources import Recall
from dreamloop.model.train_config import net_config
from dreamloop.model.world_model import ModelError, OpenOptions, Scene

torch.set_num_threads(1)


class Twice(nn.Module):
    """The smallest net."""

    def forward(self, x: Tensor) -> Tensor:
        """Twice x."""
        return 2 * x


def tiny_model(folder: Path | None = None) -> DreamModel:
    """A model of random weights that looks for its compiled net in ``folder``."""
    torch.manual_seed(0)
    card = tiny_card()
    options = OpenOptions(device="cpu", dtype="float32", threads=1, compiled=folder)
    return DreamModel(DreamNet(net_config(card.config)), card, options)


def frames_of(model: DreamModel) -> list[bytes]:
    """The first frames of a dream."""
    model.reset(0, None, 3)
    return [model.step(np.ones((1, 3), np.float32)).tobytes() for _ in range(3)]


@pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler: g++")
def test_a_net_is_compiled_and_loaded_again(tmp_path: Path) -> None:
    x = torch.arange(6.0)
    compile_net(Twice(), (x,), tmp_path / "twice.pt2")
    loaded = open_package(tmp_path, "twice.pt2")
    assert loaded is not None
    assert torch.equal(loaded(x), 2 * x)
    assert [path.name for path in tmp_path.iterdir()] == ["twice.pt2"], "no half packages are left"


def test_what_cannot_be_compiled_is_said_in_one_sentence(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x  # depends on the numbers: torch.export refuses

    with pytest.raises(ModelError, match="torch could not compile the net") as caught:
        compile_net(Odd(), (torch.ones(2),), tmp_path / "odd.pt2")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_model_plays_with_the_package_that_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = tiny_model()
    wanted = frames_of(plain)
    (tmp_path / plain.package()).write_bytes(b"a package")
    used: list[int] = []

    def load(path: str) -> Any:
        assert path == str(tmp_path / plain.package())

        def compiled(*inputs: Tensor) -> Any:
            used.append(1)
            return Flat(plain.net)(*inputs)

        return compiled

    monkeypatch.setattr(torch._inductor, "aoti_load_package", load)
    fast = tiny_model(tmp_path)
    assert fast.compiled == plain.package()
    assert plain.compiled == ""
    assert frames_of(fast) == wanted
    assert len(used) == 3


def test_what_is_compiled_takes_every_part_of_a_tick_in_its_place() -> None:
    """Guards against two tensors of one shape that change places on their way through a list."""
    model = tiny_model()
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (24, 32, 48, 3), np.uint8)
    poses = np.zeros((24, 4), np.float32)
    poses[:, 2] = 20 * np.arange(24)
    model.reset(0, Scene("noise", frames, np.zeros((24, 3), np.float32), poses=poses), 3)
    module, inputs = model.compilable()
    last, folded, actions, level, noise, pages, poses_seen, pose, place, speed, near, wear, *more = inputs
    held, shows, made = more
    assert pages.any(), "something is remembered"
    with torch.inference_mode():
        got = module(*inputs)
        recall = Recall(
            **{"frames": pages, "poses": poses_seen, "pose": pose, "place": place, "speed": speed, "near": near},
            **{"wear": wear, "held": held, "shows": shows, "made": made},
        )
        frame, step, worn = model.net.play(Past(last=last, folded=folded), actions, level, noise, recall)
    assert step is not None
    assert torch.equal(got[0], frame)
    assert torch.equal(got[1], step)
    assert worn is not None
    assert torch.equal(got[2], worn)


def test_a_broken_package_is_as_good_as_none(tmp_path: Path) -> None:
    """A cache may be cut by a full disk; the game is played all the same."""
    plain = tiny_model()
    (tmp_path / plain.package()).write_bytes(b"cut short")
    model = tiny_model(tmp_path)
    assert model.compiled == ""
    assert frames_of(model) == frames_of(plain)


def test_a_package_fits_one_machine_and_one_way_to_play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Guards against machine code of another torch, dtype or batch that is run because the weights are the same."""
    card, cpu = tiny_card(), torch.device("cpu")
    names = {
        package_name(card, cpu, torch.float32, 1),
        package_name(card, cpu, torch.bfloat16, 1),
        package_name(card, cpu, torch.float32, 2),
    }
    monkeypatch.setattr(torch, "__version__", "9.9")
    names.add(package_name(card, cpu, torch.float32, 1))
    assert len(names) == 4
    assert not outdated(tmp_path, card.weights_hash)
    (tmp_path / package_name(card, cpu, torch.bfloat16, 1)).touch()
    assert outdated(tmp_path, card.weights_hash)


def test_the_flat_net_is_the_net() -> None:
    """What is compiled draws what is played."""
    model = tiny_model()
    model.reset(0, None, 3)
    module, example = model.compilable()
    with torch.no_grad():
        told = module(*example)
        played = play(model.net, *example)
    assert all(torch.equal(one, other) for one, other in zip(told, played, strict=True) if other is not None)
    assert [tuple(part.shape) for part in told] == [(1, 3, 32, 48), (1, 2), (1, 8, 12)]
