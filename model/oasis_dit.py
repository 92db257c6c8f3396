"""Oasis's dynamics: a transformer over latent frames, attention in space and then in time in every block.

The tensors have the names of the published checkpoint. How a frame sees the frames before it is handed in
(:class:`Attend`), so the net itself knows nothing about caches, samplers or players.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dreamloop.model.oasis_config import OasisConfig
from dreamloop.model.oasis_rotary import grid_turns, time_turns, turn

EPSILON = 1e-6
WAVES = 128  # frequencies that a noise level is told in


class Attend(Protocol):
    """How queries see keys and values over time."""

    def __call__(self, block: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return what the queries of block number ``block`` see; all (n, places * heads, t, d)."""
        ...


def causal(block: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Let every frame see itself and the frames before it among those given: the slow, obvious reference."""
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


class Dynamics(nn.Module):
    """Noisy latent frames in, velocities out."""

    def __init__(self, config: OasisConfig, rows: int, columns: int) -> None:
        super().__init__()
        d, patch = config.hidden, config.patch
        self.config, self.rows, self.columns = config, rows // patch, columns // patch
        self.x_embedder = nn.ModuleDict({"proj": nn.Conv2d(config.channels, d, patch, stride=patch)})
        self.t_embedder = nn.ModuleDict({"mlp": nn.Sequential(nn.Linear(2 * WAVES, d), nn.SiLU(), nn.Linear(d, d))})
        self.external_cond = nn.Linear(config.actions, d)
        self.blocks = nn.ModuleList([Block(d, config.heads) for _ in range(config.depth)])
        self.final_layer = nn.ModuleDict({"linear": nn.Linear(d, patch * patch * config.channels)})
        self.final_layer["adaLN_modulation"] = _modulation(d, 2)
        # Plain attributes: a net that was built on the meta device still needs them.
        self._pairs = d // config.heads // 2
        turns = grid_turns(self.rows, self.columns, self._pairs // 2, 128.0)
        self._place = (turns.cos(), turns.sin())

    def lead(self, levels: Tensor, actions: Tensor) -> list[Tensor]:
        """Return what leads every part of the net, from noise levels (...,) and actions (..., a): for each block
        (..., 6d) in space and (..., 6d) in time, then (..., 2d) for the last layer.
        """
        dtype = self.external_cond.weight.dtype
        rates = torch.exp(-math.log(10000) * torch.arange(WAVES, device=levels.device) / WAVES)
        angles = levels[..., None].float() * rates
        waves = torch.cat([angles.cos(), angles.sin()], -1).to(dtype)
        cond = self.t_embedder["mlp"](waves) + self.external_cond(actions.to(dtype))
        parts = [part for block in self.blocks for part in cast(Block, block).modulations]
        return [part(cond) for part in (*parts, self.final_layer["adaLN_modulation"])]

    def forward(
        self, latents: Tensor, led: Sequence[Tensor], ticks: Tensor, attend: Attend, last: bool = True
    ) -> Tensor:
        """Return velocities for latents (n, t, c, h, w), led by (n, t, ...), at ``ticks`` (n or 1, t) of the window.

        ``last`` False: only the keys and values are wanted; what comes back means nothing.
        """
        n, t = latents.shape[:2]
        x = self.x_embedder["proj"](latents.flatten(0, 1).to(self.external_cond.weight.dtype))
        x = x.flatten(2).transpose(1, 2).reshape(n, t, self.rows * self.columns, -1)
        turns = time_turns(ticks, self._pairs)[:, None]
        when = (turns.cos(), turns.sin())  # angles stay float32, whatever the rest runs in
        where = self._place = (self._place[0].to(x.device), self._place[1].to(x.device))  # copied once
        rest = iter(led)
        for number, block in enumerate(self.blocks):
            x = block(x, rest, where, when, number, attend)
        return self._last(x, next(rest)) if last else x

    def _last(self, x: Tensor, led: Tensor) -> Tensor:
        c, patch = self.config.channels, self.config.patch
        shift, scale = led.unsqueeze(-2).chunk(2, -1)
        x = self.final_layer["linear"](_norm(x) * (1 + scale) + shift)
        x = x.reshape(*x.shape[:2], self.rows, self.columns, patch, patch, c)
        return x.permute(0, 1, 6, 2, 4, 3, 5).flatten(5, 6).flatten(3, 4).float()


class Block(nn.Module):
    """Attention over a frame's places and a perceptron, then attention over a place's past and a perceptron."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.s_attn, self.s_mlp, self.s_adaLN_modulation = _attention(d), _perceptron(d), _modulation(d, 6)
        self.t_attn, self.t_mlp, self.t_adaLN_modulation = _attention(d), _perceptron(d), _modulation(d, 6)

    @property
    def modulations(self) -> tuple[nn.Module, nn.Module]:
        """What turns noise level and action into shifts, scales and gates."""
        return self.s_adaLN_modulation, self.t_adaLN_modulation

    def forward(
        self,
        x: Tensor,
        led: Iterator[Tensor],
        where: tuple[Tensor, Tensor],
        when: tuple[Tensor, Tensor],
        number: int,
        attend: Attend,
    ) -> Tensor:
        """Keep the shape (n, t, places, d)."""
        shift, scale, gate, *rest = next(led).unsqueeze(-2).chunk(6, -1)
        x = x + gate * self._in_space(_norm(x) * (1 + scale) + shift, where)
        x = x + _mlp(self.s_mlp, x, rest)
        shift, scale, gate, *rest = next(led).unsqueeze(-2).chunk(6, -1)
        x = x + gate * self._in_time(_norm(x) * (1 + scale) + shift, when, number, attend)
        return x + _mlp(self.t_mlp, x, rest)

    def _in_space(self, x: Tensor, where: tuple[Tensor, Tensor]) -> Tensor:
        q, k, v = self.s_attn["to_qkv"](x.flatten(0, 1)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(turn(q, *where), turn(k, *where), v)
        seen: Tensor = self.s_attn["to_out"](y.transpose(1, 2).flatten(2))
        return seen.view(x.shape)

    def _in_time(self, x: Tensor, when: tuple[Tensor, Tensor], number: int, attend: Attend) -> Tensor:
        n, t, places, _ = x.shape
        split = self.t_attn["to_qkv"](x).unflatten(-1, (3, self.heads, -1)).permute(3, 0, 2, 4, 1, 5)
        q, k, v = split.reshape(3, n, places * self.heads, t, -1)
        y = attend(number, turn(q, *when), turn(k, *when), v)
        y = y.reshape(n, places, self.heads, t, -1).permute(0, 3, 1, 2, 4).flatten(3)
        seen: Tensor = self.t_attn["to_out"](y)
        return seen


def _attention(d: int) -> nn.ModuleDict:
    return nn.ModuleDict({"to_qkv": nn.Linear(d, 3 * d, bias=False), "to_out": nn.Linear(d, d)})


def _perceptron(d: int) -> nn.ModuleDict:
    return nn.ModuleDict({"fc1": nn.Linear(d, 4 * d), "fc2": nn.Linear(4 * d, d)})


def _modulation(d: int, parts: int) -> nn.Sequential:
    return nn.Sequential(nn.SiLU(), nn.Linear(d, parts * d))


def _norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], eps=EPSILON)


def _mlp(layers: nn.ModuleDict, x: Tensor, led: Sequence[Tensor]) -> Tensor:
    shift, scale, gate = led
    wide = F.gelu(layers["fc1"](_norm(x) * (1 + scale) + shift), approximate="tanh")
    drawn: Tensor = gate * layers["fc2"](wide)
    return drawn
