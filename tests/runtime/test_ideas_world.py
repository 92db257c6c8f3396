"""`dreamloop train WORLD --ideas` end to end, in miniature: play is followed, kept, taught from; the rest stays."""

from pathlib import Path

import pytest
import torch

from dreamloop.model.checkpoint import CheckpointError, load_checkpoint
from dreamloop.model.dataset import DataError
from dreamloop.model.mosaic_moments import Eyes, Moments
from dreamloop.runtime.clock import Clock
from dreamloop.runtime.ideas_world import train_ideas
from dreamloop.runtime.world import find_world

pytest.importorskip("gymnasium", reason="the simulator needs gymnasium: pip install -e '.[sim]' in the checkout")


def test_ideas_are_taught_and_all_else_is_kept(tmp_path: Path, ticking: type[Clock]) -> None:
    world = find_world("desk")
    figures = train_ideas(world, 0.4, out=tmp_path, held_out=1, ticks=200, workers=1, clock=ticking())
    assert world.weights is not None
    before, card = load_checkpoint(world.weights)
    after, new = load_checkpoint(tmp_path / "ideas.safetensors")
    assert after.keys() == before.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("ideas.") for name in changed)
    assert {after[name].dtype for name in changed} == {before["stem.weight"].dtype}
    assert new.provenance["ideas"]["started_from"] == card.weights_hash
    assert new.provenance["ideas"]["held_out"]["happened"] == figures["happened"] > 0
    kept = sorted((tmp_path / "moments").iterdir())
    assert len(kept) == 2
    assert new.provenance["ideas"]["moments"] == len(Moments.load(kept[0]).came), "the other is looked at only"
    train_ideas(world, 0.1, out=tmp_path, held_out=1, ticks=200, workers=1, following=0.0, clock=ticking())
    assert sorted((tmp_path / "moments").iterdir()) == kept, "what was followed is not followed again"


def test_only_a_net_that_has_ideas_can_be_taught_them(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="architecture"):
        train_ideas(find_world("doom"), 0.1, out=tmp_path)


def test_play_in_which_nothing_happens_ends_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticking: type[Clock]
) -> None:
    monkeypatch.setattr(Eyes, "__call__", lambda self, episode: None)
    with pytest.raises(DataError, match="nothing ever comes"):
        train_ideas(find_world("desk"), 0.1, out=tmp_path, ticks=5, workers=1, clock=ticking())
    assert not (tmp_path / "ideas.safetensors").exists()
