"""DIAMOND's sampler: from a noisy frame to one of 256 levels a colour, in few steps.

EDM preconditioning (Karras et al. 2022, table 1) with DIAMOND's offset noise, and its stochastic sampler (algorithm
2) as DIAMOND runs it. Every noise level of a frame is known before the first frame is drawn, so what a step needs is
worked out once. Knows nothing about nets beyond calling one, and nothing about players or files.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

Evaluate = Callable[[Tensor, Tensor, int], Tensor]  # scaled noisy frame, scaled context, number of the level


class Noise(Protocol):
    """Where random numbers come from."""

    def __call__(self, *shape: int) -> Tensor:
        """Return normal numbers (n, *shape), n players."""
        ...


@dataclass(frozen=True, slots=True)
class SamplerConfig:
    """How a frame is drawn; the defaults are those of the Atari worlds."""

    steps: int = 3  # 1: one evaluation
    sigma_min: float = 2e-3
    sigma_max: float = 5.0
    rho: float = 7.0
    order: int = 1  # 1: Euler, 2: Heun (two evaluations a step but the last)
    s_churn: float = 0.0  # noise that is added again at each step
    s_tmin: float = 0.0  # ... at levels from here
    s_tmax: float = math.inf  # ... to here
    s_noise: float = 1.0  # ... times this
    s_cond: float = 0.0  # noise that is laid over the true frames
    sigma_data: float = 0.5
    sigma_offset_noise: float = 0.3


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the sampler; numbers only."""

    sigma: float
    sigma_hat: float  # after noise was added again
    sigma_next: float


@dataclass(frozen=True, slots=True)
class Scales:
    """EDM's preconditioning at one noise level."""

    c_in: float
    c_skip: float
    c_out: float
    c_noise: float
    c_noise_cond: float


def plan(config: SamplerConfig) -> list[Step]:
    """Return the steps from ``sigma_max`` down to 0."""
    high, low = config.sigma_max ** (1 / config.rho), config.sigma_min ** (1 / config.rho)
    shares = torch.linspace(0, 1, config.steps)  # in float32, as the published code has its levels
    sigmas = [*((high + shares * (low - high)) ** config.rho).tolist(), 0.0]
    churn = min(config.s_churn / config.steps, math.sqrt(2) - 1)
    steps = []
    for sigma, sigma_next in pairwise(sigmas):
        gamma = churn if config.s_tmin <= sigma <= config.s_tmax else 0.0
        steps.append(Step(sigma, sigma * (1 + gamma), sigma_next))
    return steps


def scales(config: SamplerConfig, sigma: float) -> Scales:
    """Return the preconditioning at noise level ``sigma``."""
    s2, d2 = sigma**2 + config.sigma_offset_noise**2, config.sigma_data**2
    c_skip = d2 / (s2 + d2)
    told = math.log(config.s_cond) / 4 if config.s_cond > 0 else 0.0
    return Scales(1 / math.sqrt(s2 + d2), c_skip, math.sqrt(s2 * c_skip), math.log(s2) / 8, told)


class Sampler:
    """Draws frames with a net that it calls by the number of a noise level."""

    def __init__(self, config: SamplerConfig) -> None:
        self.config = config
        self.steps = plan(config)
        heun = [step.sigma_next for step in self.steps if config.order == 2 and step.sigma_next > 0]
        self._at = [scales(config, sigma) for sigma in (*(step.sigma for step in self.steps), *heun)]

    @property
    def levels(self) -> list[tuple[float, float]]:
        """(c_noise, c_noise_cond) of every evaluation: the steps', then those of Heun's second looks."""
        return [(at.c_noise, at.c_noise_cond) for at in self._at]

    def sample(self, evaluate: Evaluate, context: Tensor, noise: Noise, extra: Tensor | None = None) -> Tensor:
        """Return new frames uint8 (n, 3, h, w).

        ``context`` (n, c, h, w) float in -1..1: true frames, oldest first; noise may be laid over them. ``extra``:
        further pictures (n, c, h, w), never noisy.
        """
        _, c, h, w = context.shape
        x = noise(3, h, w)
        levels = torch.empty(0)
        for i, step in enumerate(self.steps):
            if step.sigma_hat > step.sigma:
                x = x + noise(3, h, w) * (self.config.s_noise * math.sqrt(step.sigma_hat**2 - step.sigma**2))
            if self.config.s_cond > 0:
                noise(c, 1, 1)  # offset noise of strength 0: drawn as published, so that the numbers after it agree
                context = context + noise(c, h, w) * self.config.s_cond
            pictures = context if extra is None else torch.cat([context, extra], 1)
            pictures = pictures / self.config.sigma_data
            levels = self._levels(evaluate, x, pictures, i)
            if step.sigma_next > 0:
                x = self._onward(evaluate, x, levels, pictures, i)
        return levels  # the last step goes to noise level 0, where Euler's formula gives exactly this

    def _onward(self, evaluate: Evaluate, x: Tensor, levels: Tensor, pictures: Tensor, i: int) -> Tensor:
        """Take step ``i`` to a noise level above 0: Euler's way, or Heun's."""
        step = self.steps[i]
        slope = (x - unit(levels)) / step.sigma_hat
        span = step.sigma_next - step.sigma_hat
        if self.config.order == 1:
            return x + slope * span
        there = x + slope * span
        again = (there - unit(self._levels(evaluate, there, pictures, len(self.steps) + i))) / step.sigma_next
        return x + (slope + again) * (span / 2)

    def _levels(self, evaluate: Evaluate, x: Tensor, pictures: Tensor, number: int) -> Tensor:
        at = self._at[number]
        drawn = evaluate(x * at.c_in, pictures, number).float()
        return truncate(x * at.c_skip + drawn * at.c_out)


def truncate(frames: Tensor) -> Tensor:
    """Turn float (n, 3, h, w) in -1..1 into levels 0..255, fractions cut off: the published models learnt with that."""
    return frames.clamp(-1, 1).add(1).div(2).mul(255).byte()


def unit(levels: Tensor) -> Tensor:
    """Turn levels 0..255 into -1..1 in the published order of operations: rounding differs from pixels.to_float."""
    return levels.div(255).mul(2).sub(1)
