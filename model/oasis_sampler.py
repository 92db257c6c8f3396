"""Oasis's sampler: DDIM over a sigmoid schedule with velocities. Knows nothing about nets, players or files."""

from dataclasses import dataclass

import torch
from torch import Tensor

LEVELS = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """One evaluation: from the share of signal (squared) ``share`` at noise level ``label`` to ``share_next``."""

    label: int  # 0 (clean) .. 999
    share: float
    share_next: float


def shares() -> Tensor:
    """Return the share of signal, squared, at every noise level (float32, as the published code has it)."""
    ticks = torch.linspace(0, LEVELS, LEVELS + 1, dtype=torch.float64, device="cpu") / LEVELS
    low, high = torch.tensor(-3.0).sigmoid(), torch.tensor(3.0).sigmoid()
    curve = (-(ticks * 6 - 3).sigmoid() + high) / (high - low)
    curve = curve / curve[0]
    betas = torch.clip(1 - curve[1:] / curve[:-1], 0, 0.999)
    return torch.cumprod(1.0 - betas.float(), 0)


def plan(steps: int) -> list[Step]:
    """Return the evaluations of one frame, from pure noise to a clean frame."""
    share = shares()
    labels = [int(level) for level in torch.linspace(-1, LEVELS - 1, steps + 1, device="cpu")]
    pairs = zip(reversed(labels[1:]), reversed(labels[:-1]), strict=True)
    return [Step(at, share[at].item(), share[to].item() if to >= 0 else 1.0) for at, to in pairs]


def advance(step: Step, latents: Tensor, velocity: Tensor) -> Tensor:
    """Return less noisy latents (n, c, h, w)."""
    share = torch.tensor(step.share)
    onward = torch.tensor(step.share_next)
    clean = share.sqrt() * latents - (1 - share).sqrt() * velocity
    noise = ((1 / share).sqrt() * latents - clean) / (1 / share - 1).sqrt()
    return onward.sqrt() * clean + noise * (1 - onward).sqrt()
