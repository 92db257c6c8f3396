"""Weights on disk: what was saved comes back, and everything else is refused in one sentence that names the trouble."""

import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from dreamloop.model import arch_dream
from dreamloop.model.checkpoint import CheckpointError, load_card, load_checkpoint, save_checkpoint, weights_hash
from dreamloop.model.world_model import Card, OpenOptions

OPTIONS = OpenOptions(device="cpu", dtype="float32", threads=1)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, arch_dream.tiny_weights(), arch_dream.tiny_card())
    return path


def save(path: Path, change: Callable[[dict[str, Tensor]], object], card: Card | None = None) -> None:
    """Save the tiny weights after a change, with a card that fits them."""
    tensors = arch_dream.tiny_weights()
    change(tensors)
    save_checkpoint(path, tensors, card or arch_dream.tiny_card())


def refusal(path: Path) -> str:
    """The sentence with which the built-in model refuses ``path``."""
    with pytest.raises(CheckpointError) as caught:
        arch_dream.build(arch_dream.tiny_card(), path, OPTIONS)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_weights_and_card_come_back(saved: Path) -> None:
    tensors, card = load_checkpoint(saved)
    wanted = arch_dream.tiny_weights()
    assert tensors.keys() == wanted.keys()
    assert all(torch.equal(tensors[name], wanted[name]) for name in wanted)
    assert card.weights_hash == weights_hash(wanted) != ""
    assert load_card(saved) == card
    assert not list(saved.parent.glob("*.tmp"))


def test_missing_weights_say_what_to_do(tmp_path: Path) -> None:
    assert "train them or put them there" in refusal(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="dreamloop train"):
        arch_dream.build(arch_dream.tiny_card(), None, OPTIONS)


def test_a_renamed_tensor_is_named_with_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "renamed.safetensors"
    save(path, lambda tensors: tensors.update({"stem.wieght": tensors.pop("stem.weight")}))
    assert "lacks the tensor 'stem.weight'; did you mean 'stem.wieght'?" in refusal(path)


def test_an_extra_tensor_is_named(tmp_path: Path) -> None:
    path = tmp_path / "extra.safetensors"
    save(path, lambda tensors: tensors.update({"tail.weight": torch.zeros(2)}))
    assert "holds a tensor 'tail.weight' that the model does not know" in refusal(path)


def test_a_tensor_of_another_shape_is_named_with_both(tmp_path: Path) -> None:
    path = tmp_path / "shape.safetensors"
    save(path, lambda tensors: tensors.update({"stem.bias": torch.zeros(3)}))
    assert "tensor 'stem.bias' in" in refusal(path)
    assert "has shape (3,), the model takes (8,)" in refusal(path)


def test_another_programs_file_is_foreign(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"x": torch.zeros(2)}, path)
    assert "holds no dreamloop card" in refusal(path)


def test_another_architectures_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    card = arch_dream.tiny_card()
    save(path, lambda tensors: None, Card(**{**vars_of(card), "arch": "oasis"}))
    assert "made for the architecture 'oasis', not 'dream'" in refusal(path)


def vars_of(card: Card) -> dict[str, Any]:
    return {name: getattr(card, name) for name in card.__dataclass_fields__}


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    """The classic attack: unpickling runs code."""

    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path(tmp_path / "boom").touch, ())

    for name in ("weights.pt", "weights.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
        refusal(tmp_path / name)
    assert not (tmp_path / "boom").exists()


def test_a_cut_or_changed_file_is_damaged(saved: Path) -> None:
    whole, rng = saved.read_bytes(), random.Random(0)
    head = int.from_bytes(whole[:8], "little") + 8
    for cut in (0, 4, head // 2, head, len(whole) - 1):
        saved.write_bytes(whole[:cut])
        refusal(saved)
    for _ in range(20):
        place = rng.randrange(head, len(whole))
        saved.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert "damaged" in refusal(saved)
