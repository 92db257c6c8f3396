"""Moments of play are followed, kept and joined; what ideas are taught is what comes true, and nothing else changes."""

from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

from dreamloop.model.mosaic_cells import MARKS
from dreamloop.model.mosaic_config import mosaic_config
from dreamloop.model.mosaic_ideas import NEAR
from dreamloop.model.mosaic_layers import FACTS
from dreamloop.model.mosaic_moments import Eyes, Moments
from dreamloop.model.mosaic_net import MosaicConfig, MosaicNet
from dreamloop.model.train_ideas import idea_figures, teach

SIZE = 8
NET: MosaicConfig = mosaic_config(
    {
        **{"height_px": 12 * SIZE, "width_px": 16 * SIZE, "actions": 4, "action_ticks": 2, "colours": 8, "slots": 2},
        **{"looks": 1, "emb": 2, "widths": (8, 8), "down": (1, 1), "up": (1, 0), "cond": 8, "stamp": 2, "fine": 8},
        **{"book": 8, "code": 8, "ask": 16, "page": 16, "pointer": 0, "button": 2},
    }
)


def a_net() -> MosaicNet:
    torch.manual_seed(0)
    net = MosaicNet(NET)
    net.palette.copy_(torch.arange(8, dtype=torch.uint8)[:, None].expand(8, 3) * 30)
    return net.requires_grad_(False)


def a_play(ticks: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A window appears and goes: column 3 of the actions says when."""
    rng = np.random.default_rng(seed)
    window = np.random.default_rng(1).integers(1, 8, (5 * SIZE, 7 * SIZE)).astype(np.uint8)
    frames, actions, open_ = [], [], False
    for _ in range(ticks):
        does = rng.random() < 0.2
        open_ ^= does
        picture = np.zeros((12 * SIZE, 16 * SIZE), np.uint8)
        if open_:
            picture[2 * SIZE : 7 * SIZE, 3 * SIZE : 10 * SIZE] = window
        frames.append(np.repeat(30 * picture[..., None], 3, 2))
        actions.append([0.9, 0.9, 0.0, float(does)])
    return np.stack(frames), np.array(actions, np.float32)


def followed(plays: int, first: int = 0) -> Moments:
    eyes = Eyes.of(a_net())
    parts = [eyes(a_play(60, seed)) for seed in range(first, first + plays)]
    return Moments.join([part for part in parts if part is not None])


def test_what_is_followed_is_what_ideas_are_weighed_by() -> None:
    moments = followed(2)
    n = len(moments.came)
    assert n == len(moments.ideas) == len(moments.near) == len(moments.stands)
    assert moments.facts.shape == (moments.ideas.sum(), FACTS)
    assert (moments.came <= moments.ideas).all()
    assert moments.came.any(), "the window comes and goes"
    assert (moments.stands[moments.came > 0] == 1).all(), "what happens is never left out"
    moment, came = moments.batch(np.arange(n))
    assert moment.facts.shape == (n, moments.ideas.max(), FACTS)
    assert moment.marks.shape == (n, moments.ideas.max(), MARKS)
    assert moment.near.shape == (n, (2 * NEAR + 1) ** 2)
    assert np.array_equal(came.numpy(), moments.came)
    assert (moment.facts.any(-1).sum(1).numpy() == moments.ideas).all()


def test_moments_are_the_same_joined_saved_and_in_any_company(tmp_path: Path) -> None:
    one, two = followed(1), followed(1, first=7)
    both = Moments.join([one, two])
    both.save(tmp_path / "both.safetensors")
    again = Moments.load(tmp_path / "both.safetensors")
    at = len(one.came) + 1
    (alone, _), (joined, _) = two.batch(np.array([1])), again.batch(np.array([at]))
    for part, other in ((alone.marks, joined.marks), (alone.near, joined.near)):
        assert torch.equal(alone.contents[part], joined.contents[other])
    assert torch.equal(alone.facts, joined.facts)
    assert torch.equal(alone.actions, joined.actions)
    (many, _) = again.batch(np.arange(len(again.came)))
    net = a_net()
    assert torch.allclose(net.weigh(many)[at, : 1 + alone.facts.shape[1]], net.weigh(alone)[0], atol=1e-5)


def test_a_net_learns_what_comes_true_and_nothing_else_of_it_changes() -> None:
    net, moments, unseen = a_net(), followed(12), followed(3, first=50)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    told: list[dict[str, float]] = []
    ticks = count()
    steps = teach(net, moments, unseen, minutes=5.0, now_s=lambda: float(next(ticks)), batch=32, report=told.append)
    assert steps == pytest.approx(300, abs=3)
    figures = idea_figures(net, unseen)
    assert figures["right"] > 0.9
    assert figures["false"] < 0.05
    assert figures["loss"] == pytest.approx(min(one["loss"] for one in told)), "the best is kept"
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith("ideas.") for name in changed)


def test_without_ideas_there_is_nothing_to_keep() -> None:
    frames, actions = a_play(10, 0)
    assert Eyes.of(a_net())((np.zeros_like(frames), np.zeros_like(actions))) is None
    assert (
        Eyes.of(MosaicNet(replace(NET, pointer=-1, button=-1)))((np.zeros_like(frames), np.zeros_like(actions))) is None
    )
