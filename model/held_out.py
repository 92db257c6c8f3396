"""Quick figures and pictures on held-out play while a net is trained. The full protocols are in eval_*.py."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dreamloop.model.dataset import FramePool
from dreamloop.model.dream_net import DreamNet, draw_noise, pick_context
from dreamloop.model.pixels import quantise, to_float, to_uint8


@torch.no_grad()
def rollout(net: DreamNet, history: Tensor, actions: Tensor, seed: int = 0) -> Tensor:
    """Dream on from true frames.

    Args:
        history: (b, t, h, w, 3) uint8 with at least ``net.config.context`` frames.
        actions: (b, action_ticks - 1 + k, a); the last k of them lead to the k frames that are drawn.

    Returns:
        (b, k, h, w, 3) uint8.
    """
    config, device = net.config, net.grid.device
    frames = to_float(history[:, -config.context :].to(device))
    actions = actions.to(device)
    drawn = []
    for k in range(actions.shape[1] - config.action_ticks + 1):
        noise = torch.stack([draw_noise(config, seed + row, k) for row in range(len(frames))]).to(device)
        level = torch.zeros(len(frames), device=device)
        nearby = actions[:, k : k + config.action_ticks]
        frame = quantise(net(pick_context(frames, config.ages), nearby, level, noise))
        frames = torch.cat([frames[:, 1:], frame[:, None]], 1)
        drawn.append(to_uint8(frame).cpu())
    return torch.stack(drawn, 1)


def psnr_db(a: Tensor, b: Tensor) -> Tensor:
    """Return PSNR in dB per picture of uint8 (..., h, w, 3)."""
    error = (a.float() - b.float()).square().mean(dim=(-3, -2, -1))
    return 10 * torch.log10(255**2 / error.clamp_min(1e-2))


def sharpness(frames: Tensor) -> Tensor:
    """Return the mean absolute gradient, in levels per pixel, of uint8 (..., h, w, 3)."""
    x = frames.float()
    across, down = (x[..., 1:, :] - x[..., :-1, :]).abs(), (x[..., 1:, :, :] - x[..., :-1, :, :]).abs()
    return across.mean(dim=(-3, -2, -1)) + down.mean(dim=(-3, -2, -1))


def held_out_figures(net: DreamNet, pool: FramePool, n: int = 24, ticks: int = 64) -> dict[str, float]:
    """Return PSNR 1, 16 and 64 ticks ahead beside copying, and sharpness and motion over those of the truth."""
    config = net.config
    before = max(config.context, config.action_ticks)
    at = pool.sample(n, before, ticks, np.random.default_rng(1))
    frames, _ = pool.clip(at, -before, ticks)
    _, actions = pool.clip(at, 1 - config.action_ticks, ticks)
    truth, drawn = frames[:, before:], rollout(net, frames[:, :before], actions)
    first = frames[:, before - 1, None]
    figures = {f"psnr_db_{k}": float(psnr_db(drawn[:, k - 1], truth[:, k - 1]).mean()) for k in (1, 4, 16, ticks)}
    figures |= {f"copy_db_{k}": float(psnr_db(first[:, 0], truth[:, k - 1]).mean()) for k in (1, 4, 16, ticks)}
    ahead = before_and_after(net, pool)
    motion = [(x[:, 1:].float() - x[:, :-1].float()).abs()[:, -16:].mean() for x in (drawn, truth)]
    figures["sharp_ratio"] = float(sharpness(drawn[:, -1]).mean() / sharpness(truth[:, -1]).mean())
    figures["motion_ratio"] = float(motion[0] / motion[1])
    return figures | ahead


def before_and_after(net: DreamNet, pool: FramePool, n: int = 192) -> dict[str, float]:
    """Return the one-step PSNR over more starts, beside copy-last."""
    config = net.config
    before = max(config.context, config.action_ticks)
    at = pool.sample(n, before, 1, np.random.default_rng(2))
    frames, _ = pool.clip(at, -before, 1)
    _, actions = pool.clip(at, 1 - config.action_ticks, 1)
    drawn = torch.cat(
        [
            rollout(net, f[:, :before], a)[:, 0]
            for f, a in zip(torch.split(frames, 32), torch.split(actions, 32), strict=True)
        ]
    )
    return {
        "one_step_db": float(psnr_db(drawn, frames[:, -1]).mean()),
        "copy_last_db": float(psnr_db(frames[:, -2], frames[:, -1]).mean()),
    }


def sample_sheet(net: DreamNet, pool: FramePool, path: Path, n: int = 4) -> None:
    """Write a picture: for n starts, truth above dream at ticks 1, 2, 4 ... 256 (as far as the episodes last)."""
    config = net.config
    before = max(config.context, config.action_ticks)
    marks = [1, 4, 8, 16, 32, 64, 128, 256]
    at = pool.sample(n, before, marks[-1], np.random.default_rng(3))
    frames, _ = pool.clip(at, -before, marks[-1])
    _, actions = pool.clip(at, 1 - config.action_ticks, marks[-1])
    drawn = rollout(net, frames[:, :before], actions)
    rows = []
    for row in range(n):
        rows.append(torch.cat([frames[row, before + k - 1] for k in marks], 1))
        rows.append(torch.cat([drawn[row, k - 1] for k in marks], 1))
    Image.fromarray(torch.cat(rows).numpy()).save(path)
