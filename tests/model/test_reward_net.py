"""The reward of a dream: dead reckoning, what the net is told, learning, figures, and its file."""

from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dreamloop.input.schema import ActionSchema
from dreamloop.model.checkpoint import CheckpointError, save_checkpoint
from dreamloop.model.eval_play import EvaluationError
from dreamloop.model.inverse_dynamics import InverseDynamics, ReaderConfig, ReaderNet
from dreamloop.model.odometer import TICKS_ACROSS, Trail
from dreamloop.model.reward_net import AGES, NEVER, RewardConfig, RewardHead, RewardNet, load_head, save_head
from dreamloop.model.train_reward import (
    Lessons,
    PaidPlay,
    find_kinds,
    gather,
    kind_of,
    make_config,
    measure_head,
    ranking,
    train_head,
)
from dreamloop.model.world_model import Card

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The play of a test is short."""
    monkeypatch.setattr("dreamloop.model.train_reward.LEAST", 8)


@pytest.fixture
def reader(pattern: Any) -> InverseDynamics:
    """A reader that has learnt nothing: it sees no motion."""
    torch.manual_seed(0)
    columns = pattern.schema.columns
    config = ReaderConfig(32, 48, columns, (1.0,) * 4, {}, (False,) * len(columns), width=8, mix=16)
    net = ReaderNet(config)
    torch.nn.init.zeros_(net.out.bias)
    return InverseDynamics(net, config)


def paid(pattern: Any, ticks: int = 60, ended: bool = False) -> PaidPlay:
    """Play that is paid for walking forward, -1 for walking back at a full turn, and ends with going back."""
    play = pattern.play(ticks)
    if ended:
        play.actions[-1] = (0, 1, 0)
    rewards = np.where(play.actions[:, 0] > 0.5, 0.25, 0.0).astype(np.float32)
    rewards[(play.actions[:, 0] < 0.5) & (play.actions[:, 1] > 0.5) & (play.actions[:, 2] > 0.5)] = -1.0
    rewards[0] = 0.0
    return PaidPlay(play.frames, play.actions, rewards, ended)


def learn(pattern: Any, reader: InverseDynamics, steps: int) -> tuple[RewardHead, Lessons]:
    """Train for so many steps: the clock ticks once a step. Return the head and unseen lessons."""
    seconds, config = count(), make_config(pattern.schema, reader)
    lessons = gather([paid(pattern, ended=i % 2 == 0) for i in range(24)], config, reader)
    head = train_head(
        lessons, config, pattern.schema, minutes=steps / 60, now_s=lambda: float(next(seconds)), batch=64, passes=1e9
    )
    return head, gather([paid(pattern, ended=i % 2 == 0) for i in range(8)], config, reader)


def test_a_new_square_is_new_once() -> None:
    """There and back: every square is new on the way out, none on the way home, and small ones are entered oftener."""
    trail = Trail(step=1.0)
    ahead, turn = np.array([1, 0, 0, 0], np.float32), np.array([0, 0, 180, 0], np.float32)
    out = np.stack([trail.move(ahead) for _ in range(256)])
    assert [trail.x, trail.y] == pytest.approx([0, 256])
    assert not trail.move(turn).any(), "turning leads nowhere"
    back = np.stack([trail.move(ahead) for _ in range(250)])
    assert not back.any()
    entered = out.sum(0)
    assert (np.diff(entered) < 0).all()
    assert entered[0] == pytest.approx(256 / TICKS_ACROSS[0] * 1.27, rel=0.2), "a diagonal enters more squares"
    trail.clear()
    assert trail.move(16 * ahead).any(), "a new episode knows nothing"


def test_a_step_to_the_right_is_at_right_angles() -> None:
    trail = Trail(step=1.0)
    trail.move(np.array([0, 0, 90, 0], np.float32))
    trail.move(np.array([3, 2, 0, 0], np.float32))
    assert [trail.x, trail.y] == pytest.approx([3, -2])


def test_play_and_training_see_the_same(pattern: Any, reader: InverseDynamics) -> None:
    """Guards against a judge that stacks pictures or facts another way than the lessons did."""
    play, config = paid(pattern, 30), make_config(pattern.schema, reader)
    config = RewardConfig(**{**asdict(config), "kinds": (0.25, -1.0)})
    lessons = gather([paid(pattern, 12), play], config, reader)
    torch.manual_seed(1)
    head = RewardHead(RewardNet(config), config)
    judge = head.open(reader, 2)
    for player in range(2):
        judge.reset(player, play.frames[0])
    for tick in range(1, 30):
        told = judge.step(np.stack([play.actions[tick]] * 2), np.stack([play.frames[tick]] * 2))
        row = np.array([12 + tick])
        expected = head.judge(lessons.stack(row), lessons.facts[row])
        assert told.rewards == pytest.approx(np.repeat(expected.rewards, 2), abs=1e-5)


def test_lessons_never_look_across_a_start(pattern: Any, reader: InverseDynamics) -> None:
    lessons = gather([paid(pattern, 12), paid(pattern, 20)], make_config(pattern.schema, reader), reader)
    assert lessons.play.tolist() == [0] * 12 + [1] * 20
    assert (lessons.play[lessons.back] == lessons.play[:, None]).all()
    assert lessons.back[12 + AGES[-1]].tolist() == [12 + AGES[-1] - age for age in AGES]
    assert not {0, 12} & set(lessons.usable.tolist())


def test_it_learns_what_is_paid_and_what_ends(pattern: Any, reader: InverseDynamics) -> None:
    head, unseen = learn(pattern, reader, 300)
    assert head.config.kinds == (0.25, -1.0)
    figures = measure_head(head, unseen)
    assert figures["kinds"]["0.25"]["auc"] > 0.95
    assert figures["kinds"]["-1"]["auc"] > 0.9
    assert figures["return_correlation"]["play"] > 0.9
    assert figures["mean_return"]["said"] == pytest.approx(figures["mean_return"]["true"], abs=1.5)


def test_training_ends_after_so_many_passes(pattern: Any, reader: InverseDynamics) -> None:
    """Guards against a long time box in which a few payments are learnt by heart."""
    config = make_config(pattern.schema, reader)
    lessons = gather([paid(pattern) for _ in range(4)], config, reader)
    head = train_head(lessons, config, pattern.schema, minutes=60, now_s=lambda: 0.0, batch=59, passes=10)
    assert head.card is not None
    assert head.card.provenance["samples"] == 10 * len(lessons.usable)


def test_without_ends_it_never_ends(pattern: Any, reader: InverseDynamics) -> None:
    config = make_config(pattern.schema, reader)
    lessons = gather([paid(pattern) for _ in range(4)], config, reader)
    seconds = count()
    head = train_head(lessons, config, pattern.schema, minutes=0.05, now_s=lambda: float(next(seconds)))
    assert head.config.end_threshold == NEVER
    assert measure_head(head, lessons)["ends"]["auc"] is None


def test_kinds_are_what_was_paid_often() -> None:
    rewards = np.array([0] * 50 + [0.05] * 20 + [1.0] * 9 + [0.15] * 2, np.float32)
    kinds = find_kinds(rewards)
    assert kinds == (0.05, 1.0)
    assert kind_of(np.array([0, 0.05, 0.1, 1.05, -1], np.float32), kinds).tolist() == [0, 1, 1, 2, 0]
    with pytest.raises(EvaluationError, match="no reward was paid"):
        find_kinds(np.zeros(9, np.float32))


def test_ranking_is_the_textbooks() -> None:
    scores, labels = np.array([0.1, 0.4, 0.35, 0.8], np.float32), np.array([False, False, True, True])
    assert ranking(scores, labels) == {"count": 2, "share": 0.5, "auc": 0.75, "average_precision": pytest.approx(5 / 6)}
    assert ranking(np.zeros(4, np.float32), labels)["auc"] == 0.5, "ties are worth half"


def test_a_head_comes_back_from_its_file(pattern: Any, reader: InverseDynamics, tmp_path: Path) -> None:
    head, unseen = learn(pattern, reader, 5)
    assert head.card is not None
    save_head(tmp_path / "reward.safetensors", head, head.card)
    again = load_head(tmp_path / "reward.safetensors", pattern.schema)
    assert again.config == head.config
    rows = unseen.usable[:50]
    one, other = (which.judge(unseen.stack(rows), unseen.facts[rows]) for which in (head, again))
    assert one.rewards == pytest.approx(other.rewards, abs=0.02), "half precision"
    foreign = ActionSchema.from_dict({**pattern.schema.to_dict(), "control": pattern.schema.to_dict()["control"][:2]})
    with pytest.raises(CheckpointError, match="other controls"):
        load_head(tmp_path / "reward.safetensors", foreign)


def test_another_kind_of_net_is_refused(pattern: Any, tmp_path: Path) -> None:
    card = Card("x", "inverse_dynamics", 48, 32, 0.0, pattern.schema.to_dict())
    save_checkpoint(tmp_path / "reward.safetensors", {"a": torch.zeros(1)}, card)
    with pytest.raises(CheckpointError, match="not 'reward'"):
        load_head(tmp_path / "reward.safetensors", pattern.schema)
