"""`dreamloop train WORLD --letters` end to end, in miniature: how lines are written anew is learnt; the rest stays."""

from pathlib import Path

import pytest
import torch

from dreamloop.model.checkpoint import CheckpointError, load_checkpoint
from dreamloop.model.dataset import DataError
from dreamloop.runtime.letters_world import TAUGHT, train_letters
from dreamloop.runtime.world import find_world

pytest.importorskip("gymnasium", reason="the simulator needs gymnasium: pip install -e '.[sim]' in the checkout")


def test_letters_are_learnt_and_all_else_is_kept(tmp_path: Path) -> None:
    world = find_world("desk")
    assert world.weights is not None
    figures = train_letters(world, 0.25, out=tmp_path, held_out=2, ticks=150, workers=2)
    before, card = load_checkpoint(world.weights)
    after, new = load_checkpoint(tmp_path / "letters.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed <= set(TAUGHT)
    assert {name: after[name].dtype for name in TAUGHT} == {name: before[name].dtype for name in TAUGHT}
    assert new.provenance["letters"]["started_from"] == card.weights_hash
    assert figures["layers"] > 50
    assert figures["held_out"]["right"] > 0.2
    assert figures["held_out"]["wrong"] < 0.03


def test_play_in_which_nothing_is_written_anew_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing is ever written anew"):
        train_letters(find_world("desk"), 0.0001, out=tmp_path, ticks=2, workers=1)
    assert not list(tmp_path.iterdir())


def test_letters_are_learnt_only_for_what_has_them(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="was made for the architecture"):
        train_letters(find_world("doom"), 0.01, out=tmp_path)
