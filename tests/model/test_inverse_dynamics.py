"""The inverse-dynamics net: units of motion, learning on a small world, and its file."""

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dreamloop.input.schema import ActionSchema
from dreamloop.model.checkpoint import CheckpointError, save_checkpoint
from dreamloop.model.eval_control import measure_reader
from dreamloop.model.eval_play import EvaluationError, Play
from dreamloop.model.inverse_dynamics import InverseDynamics, load_reader, save_reader
from dreamloop.model.matching import CELL, COSTS, FAR, NEAR, match_costs
from dreamloop.model.train_inverse import find_drives, gather, own_motion, train_reader
from dreamloop.model.world_model import Card

torch.set_num_threads(1)


def train(pattern: Any, steps: int) -> InverseDynamics:
    """Train for so many steps: the clock ticks once a step."""
    seconds = count()
    lessons = gather([pattern.play(120, hold=1) for _ in range(3)])
    return train_reader(lessons, pattern.schema, minutes=steps / 60, now_s=lambda: float(next(seconds)), batch=64)


def test_motion_is_told_in_the_players_own_frame() -> None:
    """East is 0 degrees, angles count counter-clockwise; turning right is positive, over the jump at 360 too."""
    poses = np.array([[0, 0, 90, 0], [0, 5, 90, 0], [3, 5, 90, 2], [3, 5, 350, 2], [3, 5, 10, 0]], np.float32)
    ahead, aside, turned, back = own_motion(poses)
    assert ahead.tolist() == pytest.approx([5, 0, 0, 0], abs=1e-5)
    assert aside.tolist() == pytest.approx([0, 3, 0, 2], abs=1e-5)
    assert turned.tolist() == pytest.approx([0, 0, 100, 0], abs=1e-5)
    assert back.tolist() == pytest.approx([0, 0, -20, -2], abs=1e-5)


def test_what_controls_drive_is_found_in_play(pattern: Any) -> None:
    play = pattern.play(400)
    drives = find_drives(pattern.schema.columns, play.actions[1:], own_motion(play.poses))
    assert drives == {"forward": ("ahead", 1), "back": ("ahead", -1), "turn": ("turn", 1)}


def test_a_control_that_drives_nothing_is_left_out(pattern: Any) -> None:
    actions = np.zeros((50, 1), np.float32)
    assert find_drives(("use",), actions, np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)) == {}


def test_the_cheapest_shift_is_the_true_one() -> None:
    picture = torch.rand(1, 48, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    moved = torch.roll(picture, (1, -2), (1, 2))
    costs = match_costs(picture, moved)
    shifts = (2 * NEAR[0] + 1) * (2 * NEAR[1] + 1)
    assert costs.shape == (1, COSTS, 3, 4)
    near = costs[0, :shifts, 1, 1]
    down, across = divmod(int(near.argmin()), 2 * NEAR[0] + 1)
    assert (down - NEAR[1], across - NEAR[0]) == (-1, 2), "the place that the pixels came from"
    assert costs[0, shifts + 1 : shifts + 3, 1, 1].tolist() == pytest.approx([-1, 2], abs=0.1)
    assert CELL * 3 == 48
    assert FAR[0] > NEAR[0]


def test_a_light_that_goes_on_is_no_motion() -> None:
    picture = torch.rand(1, 48, 64, generator=torch.Generator().manual_seed(0)) - 0.5
    plain, lit = match_costs(picture, picture), match_costs(picture, picture + 0.3)
    assert torch.allclose(plain, lit, atol=1e-3)


def test_it_learns_to_read_motion(pattern: Any) -> None:
    reader = train(pattern, 90)
    row = measure_reader(reader, [pattern.play(120)], 1)
    assert row["idm"]["ahead"]["sign_accuracy"] > 0.9
    assert row["idm"]["turn"]["sign_accuracy"] > 0.9
    said = reader.read(pattern.play(10).frames[None])
    assert said.shape == (1, 8, 7)
    assert ((said[..., 4:6] >= 0) & (said[..., 4:6] <= 1)).all(), "buttons are probabilities"


def test_saved_and_loaded_it_says_the_same(pattern: Any, tmp_path: Path) -> None:
    reader, path = train(pattern, 5), tmp_path / "reader.safetensors"
    assert reader.card is not None
    save_reader(path, reader, reader.card)
    assert path.stat().st_size < 1_000_000
    again = load_reader(path, pattern.schema)
    frames = pattern.play(12).frames[None]
    assert np.allclose(reader.displacement(frames), again.displacement(frames), atol=0.05), "half precision"
    assert again.config == reader.config
    assert again.card is not None
    assert again.card.provenance["samples"] == 5 * 64


def test_play_without_poses_teaches_nothing(pattern: Any) -> None:
    play = pattern.play(20)
    with pytest.raises(EvaluationError, match="poses"):
        gather([Play("blind", play.frames, play.actions, None)])
    nowhere = np.full_like(play.poses, np.nan)
    with pytest.raises(EvaluationError, match="poses"):
        gather([Play("nowhere", play.frames, play.actions, nowhere)])


def test_lessons_never_cross_from_one_play_to_the_next(pattern: Any) -> None:
    lessons = gather([pattern.play(10), pattern.play(6)])
    assert len(lessons.actions) == 2 * (9 + 5), "every play once more in the mirror"
    assert sorted(set(range(28)) - set(lessons.usable.tolist())) == [0, 9, 18, 23]


def test_in_the_mirror_left_is_right_and_nobody_says_what_was_pressed(pattern: Any) -> None:
    lessons = gather([pattern.play(10)])
    plain, mirrored = lessons.motions[:9], lessons.motions[9:]
    assert torch.equal(mirrored, plain * torch.tensor([1.0, -1.0, -1.0, 1.0]))
    assert lessons.actions[:9].isfinite().all()
    assert lessons.actions[9:].isnan().all()


def test_motion_needs_three_frames(pattern: Any) -> None:
    with pytest.raises(EvaluationError, match="3 frames or more, got 2"):
        train(pattern, 2).read(pattern.play(2).frames[None])


def test_another_kind_of_file_and_other_controls_are_refused(pattern: Any, tmp_path: Path) -> None:
    reader, path = train(pattern, 2), tmp_path / "reader.safetensors"
    assert reader.card is not None
    save_reader(path, reader, reader.card)
    other = ActionSchema.from_dict(
        {"format": 1, "name": "other", "control": [{"name": "go", "kind": "button", "help": "go", "keys": ["w"]}]}
    )
    with pytest.raises(CheckpointError, match="other controls than those of schema 'other'"):
        load_reader(path, other)
    foreign = tmp_path / "foreign.safetensors"
    card = Card("x", "dream", 48, 32, 25.0, pattern.schema.to_dict())
    save_checkpoint(foreign, {"a": torch.zeros(1)}, card)
    with pytest.raises(CheckpointError, match="'dream', not 'inverse_dynamics'"):
        load_reader(foreign, pattern.schema)
