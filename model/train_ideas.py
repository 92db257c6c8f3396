"""Teaches a mosaic net which ideas come true (mosaic_ideas.py), and nothing else. The rest stays as it is.

Moments are kept (mosaic_moments.py), so the small part can be taught the same ones over and over. A part of them is
not taught but looked at in between: what is kept in the end is what was best there.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from dreamloop.model.mosaic_ideas import believe
from dreamloop.model.mosaic_moments import Moments
from dreamloop.model.mosaic_net import MosaicNet

Report = Callable[[dict[str, float]], None]
LEARNING_RATE, DECAY = 2e-3, 0.02
AVERAGE = 0.998  # of the weights
MOST = 5.0  # ticks, of those that a moment stands for, that count
LOOK_STEPS = 250  # between two looks at what is not taught


def teach(
    net: MosaicNet,
    moments: Moments,
    unseen: Moments,
    *,
    minutes: float,
    now_s: Callable[[], float],
    batch: int = 256,
    seed: int = 0,
    report: Report = lambda figures: None,
) -> int:
    """Teach the ideas of ``net``, in place, for ``minutes``; return the number of steps.

    Args:
        unseen: moments that are not taught, by which the best weights are chosen.
    """
    torch.manual_seed(seed)
    rng, device = np.random.default_rng(seed), net.palette.device
    happened, idle = np.flatnonzero(moments.came > 0), np.flatnonzero(moments.came == 0)
    taught = net.ideas.requires_grad_(True)
    average = {name: value.clone() for name, value in taught.state_dict().items()}
    best, kept = np.inf, average
    optimiser = torch.optim.AdamW(taught.parameters(), lr=LEARNING_RATE, weight_decay=DECAY, betas=(0.9, 0.99))
    begun_s, step, share = now_s(), 0, 0.0
    while share < 1.0:
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, (step + 1) / 50) * min(1.0, 2.05 - 2 * share)
        loss = _loss(net, moments, np.concatenate([_drawn(rng, part, batch // 2) for part in (happened, idle)]), device)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(taught.parameters(), 1.0)
        optimiser.step()
        step += 1
        rate = min(AVERAGE, step / (10 + step))
        for name, value in taught.state_dict().items():
            average[name].lerp_(value, 1 - rate)
        share = (now_s() - begun_s) / max(60 * minutes, 1e-9)
        if step % LOOK_STEPS == 0 or share >= 1.0:
            figures = _with(taught, average, lambda: idea_figures(net, unseen))
            if figures["loss"] < best:
                best, kept = figures["loss"], {name: value.clone() for name, value in average.items()}
            report({"share": min(share, 1.0), "step": float(step), "taught_loss": float(loss.detach()), **figures})
    taught.load_state_dict(kept)
    return step


@torch.no_grad()
def idea_figures(net: MosaicNet, moments: Moments) -> dict[str, float]:
    """Return how well ideas are weighed: the share right of those that came true, and the share of ticks in which one
    is believed though none did, by which play would come apart."""
    device, right, happened, false, idle, loss, ticks = net.palette.device, 0, 0, 0.0, 0.0, 0.0, 0.0
    for first in range(0, len(moments.came), 512):
        chosen = np.arange(first, min(first + 512, len(moments.came)))
        moment, came = moments.batch(chosen, device)
        stands = torch.from_numpy(moments.stands[chosen]).to(device)
        logits = net.weigh(moment)
        told = believe(logits)
        right += int(((told == came) & (came > 0)).sum())
        happened += int((came > 0).sum())
        false += float((stands * ((told > 0) & (came == 0))).sum())
        idle += float((stands * (came == 0)).sum())
        weights = stands.clamp(max=MOST)
        loss += float((weights * F.cross_entropy(logits, came, reduction="none")).sum())
        ticks += float(weights.sum())
    return {"right": right / max(happened, 1), "false": false / max(idle, 1), "loss": loss / max(ticks, 1)}


def _loss(net: MosaicNet, moments: Moments, chosen: NDArray[np.int64], device: torch.device) -> Tensor:
    moment, came = moments.batch(chosen, device)
    weights = torch.from_numpy(moments.stands[chosen].clip(max=MOST)).to(device)
    losses = F.cross_entropy(net.weigh(moment), came, reduction="none")
    return (weights * losses).sum() / weights.sum()


def _drawn(rng: np.random.Generator, among: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    return among[rng.integers(0, len(among), n)] if len(among) else among


def _with(module: nn.Module, weights: dict[str, Tensor], ask: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Return what ``ask`` says while ``module`` has other weights."""
    own = {name: value.clone() for name, value in module.state_dict().items()}
    module.load_state_dict(weights)
    answer = ask()
    module.load_state_dict(own)
    return answer
