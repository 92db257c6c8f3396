"""What stops a player: taught from true play through the net's own eyes, and nothing else of the net is touched."""

import dataclasses
from itertools import count

import numpy as np
import pytest
import torch

from dreamloop.model.arch_dream import tiny_card
from dreamloop.model.camera import FADING
from dreamloop.model.dataset import DataError
from dreamloop.model.dream_config import NetConfig
from dreamloop.model.dream_net import DreamNet
from dreamloop.model.eval_play import Play
from dreamloop.model.taught import weights_of
from dreamloop.model.train_config import net_config
from dreamloop.model.train_walk import TAUGHT, Ticks, push, step_figures, teach, watch

TINY: NetConfig = net_config(tiny_card().config)
PUSH = 0.1  # strides a tick that "forward" adds


def tiny_net() -> DreamNet:
    """A net of random weights that knows what its first key does."""
    torch.manual_seed(0)
    net = DreamNet(TINY)
    net.pushing.weight.data.zero_()
    net.pushing.weight.data[0, 0] = PUSH
    return net


def corridor(ticks: int, seed: int) -> Play:
    """Along the x axis with "forward" held most of the time; where the picture is bright there is a wall."""
    rng = np.random.default_rng(seed)
    actions = np.zeros((ticks, TINY.actions), np.float32)
    actions[:, 0] = np.repeat(rng.random(ticks // 8 + 1) < 0.8, 8)[:ticks]
    walls = np.repeat(rng.random(ticks // 8 + 1) < 0.5, 8)[:ticks]
    frames = np.where(walls, 220, 30).astype(np.uint8)[:, None, None, None] + np.zeros(
        (1, TINY.height_px, TINY.width_px, 3), np.uint8
    )
    poses, speed = np.zeros((ticks, 4), np.float32), 0.0
    for tick in range(1, ticks):
        speed = 0.0 if walls[tick - 1] else FADING * speed + PUSH * float(actions[tick, 0])
        poses[tick, 0] = poses[tick - 1, 0] + speed * TINY.stride
    return Play("corridor", frames, actions, poses)


def test_teaching_begins_with_what_is_foreseen_and_finds_the_walls() -> None:
    net = tiny_net()
    seen = watch(net, [corridor(400, 1), corridor(400, 2)])
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    clock = count()
    teach(net, seen, minutes=1 / 60, now_s=lambda: next(clock) / 10)  # ten steps
    assert step_figures(net, seen)["told_error"] < 2 * step_figures(net, seen)["foreseen_error"]
    clock = count()
    teach(net, seen, minutes=1 / 60, now_s=lambda: next(clock) / 900)
    figures = step_figures(net, watch(net, [corridor(200, 3)]))
    assert figures["told_error"] < 0.9 * figures["foreseen_error"]
    assert figures["walls_seen"] > 0.8
    assert figures["ways_seen"] > 0.8
    touched = {name.split(".")[0] for name, weight in net.state_dict().items() if not torch.equal(weight, before[name])}
    assert touched == {"ground", "walk"}


def test_what_the_keys_push_is_fitted_to_play_whatever_stands_in_the_way() -> None:
    net = tiny_net()
    net.pushing.weight.data.normal_()
    push(net, [corridor(200, 1), corridor(200, 2)])
    expected = torch.zeros_like(net.pushing.weight)
    expected[0, 0] = PUSH
    torch.testing.assert_close(net.pushing.weight.data, expected, atol=1e-3, rtol=0)


def test_what_is_foreseen_is_what_a_free_way_shows() -> None:
    seen = watch(tiny_net(), [corridor(200, 1)])
    free = seen.true[:, 0] > 0
    astray = 0.03  # strides: what a heading that is off by a degree makes of a step
    torch.testing.assert_close(seen.foreseen[free], seen.true[free], atol=astray, rtol=0)


def test_only_the_taught_weights_are_put_in_and_in_the_same_dtype() -> None:
    net = tiny_net()
    like = {name: torch.zeros_like(weight).bfloat16() for name, weight in net.state_dict().items()}
    mixed = weights_of(net, like, TAUGHT)
    assert {name.split(".")[0] for name, weight in mixed.items() if weight.any()} == {"pushing", "ground", "walk"}
    assert {weight.dtype for weight in mixed.values()} == {torch.bfloat16}


def test_play_without_poses_and_a_net_that_foresees_nothing_are_refused() -> None:
    play = corridor(60, 1)
    with pytest.raises(DataError, match="brings none"):
        watch(tiny_net(), [dataclasses.replace(play, poses=None)])
    with pytest.raises(DataError, match="foresees"):
        push(DreamNet(dataclasses.replace(TINY, depth=False)), [play])
    with pytest.raises(DataError, match="foresees"):
        watch(DreamNet(dataclasses.replace(TINY, depth=False)), [play])


def test_figures_of_nothing_are_not_a_number() -> None:
    nobody_goes = Ticks(torch.zeros(4, 16, 2, 3), torch.zeros(4, TINY.cond + 50), torch.zeros(4, 2), torch.zeros(4, 2))
    assert np.isnan(step_figures(tiny_net(), nobody_goes)["walls_seen"])
