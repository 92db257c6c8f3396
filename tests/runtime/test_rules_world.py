"""`dreamloop train WORLD --rules` end to end, in miniature: play is followed and counted; the rest stays."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from dreamloop.model.checkpoint import CheckpointError, load_checkpoint
from dreamloop.model.dataset import Episode
from dreamloop.model.mosaic_counts import Counts
from dreamloop.runtime import rules_world
from dreamloop.runtime.rules_world import train_rules
from dreamloop.runtime.world import find_world

pytest.importorskip("gymnasium", reason="the simulator needs gymnasium: pip install -e '.[sim]' in the checkout")


def test_rules_are_counted_and_all_else_is_kept(tmp_path: Path) -> None:
    world = find_world("desk")
    figures = train_rules(world, 0.001, out=tmp_path, ticks=150, workers=1)
    assert world.weights is not None
    before, card = load_checkpoint(world.weights)
    after, new = load_checkpoint(tmp_path / "rules.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {"rules", "outcomes", "strokes"} <= changed <= {"rules", "outcomes", "strokes", "places", "looks"}
    assert len(Counts.load(next((tmp_path / "counts").iterdir())).places) >= int((before["places"][:, 3] > 0).sum()) > 0
    about = new.provenance["rules"]
    assert about["started_from"] == card.weights_hash
    assert figures["rules"] == int((after["rules"][:, 2] > 0).sum()) > 0
    kept = list((tmp_path / "counts").iterdir())
    assert len(kept) == 1
    assert about["episodes"] == int(Counts.load(kept[0]).episodes[0]) > 0
    more = train_rules(world, 0.001, out=tmp_path, ticks=150, workers=1)
    assert more["episodes"] == 2 * about["episodes"], "what was counted is counted on"
    assert more["contexts"] > figures["contexts"]


def test_two_count_different_play(tmp_path: Path) -> None:
    train_rules(find_world("desk"), 0.001, out=tmp_path, ticks=60, workers=2)
    one, other = (Counts.load(file) for file in sorted((tmp_path / "counts").iterdir()))
    assert set(one.rules[:, 0].tolist()) != set(other.rules[:, 0].tolist())


def test_who_has_nobody_to_practise_counts_no_episode_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, played = replace(find_world("desk"), practice=None), list[int]()

    def counted(eyes: object, before: object, play: Iterable[Episode]) -> SimpleNamespace:
        played.extend(hash((frames.tobytes(), actions.tobytes())) for frames, actions, *_ in play)
        return SimpleNamespace(save=lambda file: None)

    monkeypatch.setattr(rules_world, "load_world", lambda folder: world)
    monkeypatch.setattr(rules_world, "count", counted)
    rules_world._count(world.folder, None, tmp_path / "none", 20, 0, 0.5)  # type: ignore[arg-type]
    assert len(played) == len(set(played)) > 2


def test_rules_are_counted_only_for_what_has_them(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="architecture"):
        train_rules(find_world("doom"), 0.001, out=tmp_path)
