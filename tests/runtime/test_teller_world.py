"""`dreamloop train WORLD --teller` end to end, in miniature: play goes on beside the learning; the rest stays."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch

from dreamloop.model.checkpoint import CheckpointError, load_checkpoint
from dreamloop.model.dataset import DataError, Episode
from dreamloop.model.teller_lessons import Watcher
from dreamloop.runtime.clock import Clock
from dreamloop.runtime.teller_world import train_teller
from dreamloop.runtime.world import find_world

pytest.importorskip("gymnasium", reason="the simulator needs gymnasium: pip install -e '.[sim]' in the checkout")


def test_the_teller_is_taught_and_all_else_is_kept(tmp_path: Path, ticking: type[Clock]) -> None:
    world = find_world("desk")
    figures = train_teller(
        world, 0.1, out=tmp_path, batch=2, shelf=30, held_out=1, ticks=60, workers=1, clock=ticking()
    )
    assert world.weights is not None
    before, card = load_checkpoint(world.weights)
    after, new = load_checkpoint(tmp_path / "teller.safetensors")
    assert after.keys() == before.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("teller.") for name in changed)
    assert new.provenance["teller"]["started_from"] == card.weights_hash
    assert new.provenance["teller"]["steps"] == figures["steps"] > 0
    assert new.provenance["teller"]["tellings"] >= 30
    assert 0.5 < figures["cells"] <= 1.0, "it goes on from what it knew"


@pytest.mark.parametrize("whole", [1, 3])
def test_play_that_fails_is_heard_of(
    whole: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticking: type[Clock]
) -> None:
    seen, watch = count(), Watcher.__call__

    def look(self: Watcher, episode: Episode) -> Path | None:
        if next(seen) >= whole:  # the first is looked at only; the third comes while it is being taught
            raise ValueError("no play")
        return watch(self, episode)

    monkeypatch.setattr(Watcher, "__call__", look)
    given: dict[str, Any] = {"batch": 2, "shelf": 30, "held_out": 1, "ticks": 60, "workers": 1, "clock": ticking()}
    with pytest.raises(ValueError, match="no play"):
        train_teller(find_world("desk"), 30.0, out=tmp_path, **given)


def test_play_in_which_nothing_is_begun_ends_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticking: type[Clock]
) -> None:
    monkeypatch.setattr(Watcher, "__call__", lambda self, episode: None)
    with pytest.raises(DataError, match="nothing is ever begun"):
        train_teller(find_world("desk"), 0.1, out=tmp_path, held_out=1, ticks=5, workers=1, clock=ticking())


def test_only_a_mosaic_has_a_teller(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="architecture"):
        train_teller(find_world("doom"), 0.1, out=tmp_path)
