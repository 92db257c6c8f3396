"""Teaches a dream net how its player goes: what pushes, and the small part that corrects the step for what stops.

True play is looked at once through the net's own eyes, and what it saw is kept, so that the part can be taught the
same ticks over and over: most of play meets no wall. Knows nothing about simulators.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dreamloop.model.dataset import DataError, FramePool
from dreamloop.model.dream_net import DreamNet, draw_noise, pick_context
from dreamloop.model.dream_sources import RESTING
from dreamloop.model.eval_play import Play
from dreamloop.model.pixels import to_float
from dreamloop.model.pushing import pushing_of
from dreamloop.model.recalls import Recalls

Report = Callable[[dict[str, float]], None]
LEARNING_RATE = 1e-3
ROWS = 32  # ticks that are looked at together
TAUGHT = ("pushing", "ground", "walk")


class Ticks(NamedTuple):
    """n ticks of true play as the net sees them."""

    coarse: Tensor  # (n, c, h, w) half precision
    about: Tensor  # (n, ...) half precision
    foreseen: Tensor  # (n, 2) strides, were there no wall
    true: Tensor  # (n, 2) strides

    def rows(self, index: Tensor) -> "Ticks":
        """Return some of them."""
        return Ticks(*(part[index] for part in self))


def push(net: DreamNet, plays: Iterable[Play]) -> None:
    """Fit what the controls of ``net`` push to the poses of ``plays``, before their ticks are looked at.

    Raises:
        DataError: the net foresees no steps.
    """
    _check(net)
    walks = [(play.actions, play.poses) for play in plays if _told(play) and play.poses is not None]
    if walks:
        net.pushing.weight.data.copy_(torch.from_numpy(pushing_of(walks, net.config.stride)))


@torch.no_grad()
def watch(net: DreamNet, plays: Iterable[Play], seed: int = 0) -> Ticks:
    """Look at every tick of ``plays`` that has enough history.

    Raises:
        DataError: none of them brings poses, or the net foresees no steps.
    """
    _check(net)
    parts = [part for number, play in enumerate(plays) if _told(play) for part in _watch(net, play, seed + number)]
    if not parts:
        raise DataError("steps are learnt from poses, and the true play brings none (info['pose'])")
    return Ticks(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _check(net: DreamNet) -> None:
    if not net.config.depth:
        raise DataError("only a net that lays pictures by their depth foresees steps")


def _told(play: Play) -> bool:
    return play.poses is not None and bool(np.isfinite(play.poses).all())


def _watch(net: DreamNet, play: Play, seed: int) -> list[Ticks]:
    config, device = net.config, net.grid.device
    pool = FramePool(len(play.frames), config.height_px, config.width_px, config.actions)
    assert play.poses is not None
    pool.add((play.frames, play.actions, play.poses))
    recalls, seen = Recalls(pool, config, 1, seed, net.pushing.weight.float().cpu().numpy()), []
    first = max(config.context, config.action_ticks) + 1
    for start in range(first, len(play.frames), ROWS):
        positions = np.arange(start, min(start + ROWS, len(play.frames)))
        frames, _ = pool.clip(positions, -config.context, 0)
        _, actions = pool.clip(positions, 1 - config.action_ticks, 1)
        recall = recalls.recall(np.full(len(positions), -1), positions)
        recall = recall.each(lambda part: part.to(device))
        noise = torch.stack([draw_noise(config, seed, int(at)) for at in positions]).to(device, net.dtype)
        past = net.past(pick_context(to_float(frames.to(device)), config.ages))
        cond = net.condition(actions.to(device), torch.zeros(len(positions), device=device))
        whole, laid = net.lay(past.last, recall)
        assert whole is not None
        coarse, _ = net.descend(past, cond, noise, whole, laid)
        true = torch.from_numpy(recalls.steps(positions)).float()
        told = true.isfinite().all(1)
        about = net.about_step(cond, whole)
        ticks = Ticks(coarse.half().cpu(), about.half().cpu(), net.foreseen(recall).cpu(), true)
        seen.append(ticks.rows(told))
    return seen


def teach(
    net: DreamNet,
    ticks: Ticks,
    *,
    minutes: float,
    now_s: Callable[[], float],
    batch: int = 128,
    seed: int = 0,
    report: Report = lambda figures: None,
) -> int:
    """Teach ``net`` what stops a player, in place, for ``minutes``; return the number of ticks that were shown.

    They begin with what was foreseen. An error counts by its share of the step, and squared: walls are few, and of
    plain errors the smallest sum is that of no walls at all.
    """
    torch.manual_seed(seed)
    last = net.get_submodule(f"walk.{len(net.walk) - 1}")
    for parameter in last.parameters():
        parameter.data.zero_()
    taught = [parameter for name in TAUGHT[1:] for parameter in net.get_submodule(name).parameters()]
    optimiser = torch.optim.AdamW(taught, lr=LEARNING_RATE, weight_decay=0.05)
    begun_s, step, share, device = now_s(), 0, 0.0, net.grid.device
    while share < 1.0:
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, (step + 1) / 50) * (1 - share)
        some = Ticks(*(part.float().to(device) for part in ticks.rows(torch.randint(len(ticks.true), (batch,)))))
        wrong = (net.tell_step(some.coarse, some.about, some.foreseen) - some.true).square().sum(1)
        loss = (wrong / (some.foreseen.norm(dim=1) + 0.1).square()).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        share = (now_s() - begun_s) / max(60 * minutes, 1e-9)
        if step % 50 == 1:
            report({"share": min(share, 1.0), "step": float(step), "loss": float(loss.detach())})
    return step * batch


@torch.no_grad()
def step_figures(net: DreamNet, ticks: Ticks) -> dict[str, float]:
    """Return mean errors in strides of what is told and of what is foreseen, and which walls and ways are seen.

    Of the ticks in which a player is to go on: ``walls_seen`` is the share of those that hardly did (less than 0.4 of
    what was foreseen) in which less than half was told, ``ways_seen`` of those that did (0.7) in which more was.
    """
    device, told = net.grid.device, []
    for first in range(0, len(ticks.true), 512):
        some = Ticks(*(part[first : first + 512].float().to(device) for part in ticks))
        told.append(net.tell_step(some.coarse, some.about, some.foreseen).cpu())
    step, foreseen = torch.cat(told), ticks.foreseen
    goes = foreseen.norm(dim=1) > RESTING
    square = foreseen.square().sum(1).clamp_min(RESTING**2)
    along, true = ((x * foreseen).sum(1) / square for x in (step, ticks.true))
    walls, ways = goes & (true < 0.4), goes & (true > 0.7)
    return {
        "ticks": float(len(ticks.true)),
        "told_error": float((step - ticks.true).abs().mean()),
        "foreseen_error": float((foreseen - ticks.true).abs().mean()),
        "walls": float(walls.float().mean()),
        "walls_seen": _share(along < 0.5, walls),
        "ways_seen": _share(along > 0.5, ways),
    }


def _share(found: Tensor, among: Tensor) -> float:
    return float(found[among].float().mean()) if among.any() else float("nan")
