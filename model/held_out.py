"""Quick figures and pictures on held-out play while a net is trained. The full protocols are in eval_*.py."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dreamloop.model.dataset import FramePool
from dreamloop.model.dream_net import DreamNet, draw_noise, pick_context
from dreamloop.model.memory import DEFAULT_POLICY
from dreamloop.model.pixels import quantise, to_float, to_uint8
from dreamloop.model.traveller import Traveller, stack_recall
from dreamloop.model.world_model import Scene


@torch.no_grad()
def rollout(
    net: DreamNet,
    history: Tensor,
    actions: Tensor,
    seed: int = 0,
    poses: Tensor | None = None,
    policy: str = DEFAULT_POLICY,
) -> Tensor:
    """Dream on from true frames.

    Args:
        history: (b, t, h, w, 3) uint8 with at least ``net.config.context`` frames.
        actions: (b, action_ticks - 1 + k, a); the last k of them lead to the k frames that are drawn.
        poses: (b, t, 4) of the history, which a net with memory then remembers.

    Returns:
        (b, k, h, w, 3) uint8.
    """
    config, device = net.config, net.grid.device
    frames = to_float(history[:, -config.context :].to(device))
    travellers = _travellers(net, history, poses, policy) if config.pages else []
    actions = actions.to(device)
    drawn = []
    for k in range(actions.shape[1] - config.action_ticks + 1):
        noise = torch.stack([draw_noise(config, seed + row, k) for row in range(len(frames))]).to(device)
        level = torch.zeros(len(frames), device=device)
        nearby = actions[:, k : k + config.action_ticks]
        now = nearby[:, -1].cpu().numpy()
        told = [one.remember(action) for one, action in zip(travellers, now, strict=False)]
        recall = stack_recall(told, device) if told else None
        drawn_now, step, _ = net.play(net.past(pick_context(frames, config.ages)), nearby, level, noise, recall)
        frame = quantise(drawn_now)
        frames = torch.cat([frames[:, 1:], frame[:, None]], 1)
        drawn.append(to_uint8(frame).cpu())
        if step is not None:
            steps = step.cpu().numpy()
            for row, one in enumerate(travellers):
                one.settle(now[row], steps[row], drawn[-1][row].numpy())
    return torch.stack(drawn, 1)


def _travellers(net: DreamNet, history: Tensor, poses: Tensor | None, policy: str) -> list[Traveller]:
    turning = net.turning.weight.detach().float().cpu().numpy()
    pushing = net.pushing.weight.detach().float().cpu().numpy() if net.config.depth else None
    travellers = [Traveller(net.config, turning, pushing, policy) for _ in history]
    for row, one in enumerate(travellers):
        still = np.zeros((len(history[row]), net.config.actions), np.float32)
        one.arrive(Scene("", history[row].numpy(), still, None if poses is None else poses[row].numpy()))
    return travellers


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
    before = max(config.history, config.action_ticks)
    at = pool.sample(n, before, ticks, np.random.default_rng(1))
    frames, _ = pool.clip(at, -before, ticks)
    _, actions = pool.clip(at, 1 - config.action_ticks, ticks)
    truth = frames[:, before:]
    drawn = rollout(net, frames[:, :before], actions, poses=_poses(pool, at, before))
    first = frames[:, before - 1, None]
    figures = {f"psnr_db_{k}": float(psnr_db(drawn[:, k - 1], truth[:, k - 1]).mean()) for k in (1, 4, 16, ticks)}
    figures |= {f"copy_db_{k}": float(psnr_db(first[:, 0], truth[:, k - 1]).mean()) for k in (1, 4, 16, ticks)}
    ahead = before_and_after(net, pool)
    motion = [(x[:, 1:].float() - x[:, :-1].float()).abs()[:, -16:].mean() for x in (drawn, truth)]
    figures["sharp_ratio"] = float(sharpness(drawn[:, -1]).mean() / sharpness(truth[:, -1]).mean())
    figures["motion_ratio"] = float(motion[0] / motion[1])
    return figures | ahead


def _poses(pool: FramePool, at: NDArray[np.int64], before: int) -> Tensor | None:
    """Return the poses (n, before, 4) of the histories, None when not all of them are known."""
    poses = pool.poses[torch.from_numpy(at)[:, None] + torch.arange(-before, 0)]
    return None if bool(poses.isnan().any()) else poses


def before_and_after(net: DreamNet, pool: FramePool, n: int = 192) -> dict[str, float]:
    """Return the one-step PSNR over more starts, beside copy-last."""
    config = net.config
    before = max(config.history, config.action_ticks)
    at = pool.sample(n, before, 1, np.random.default_rng(2))
    frames, _ = pool.clip(at, -before, 1)
    _, actions = pool.clip(at, 1 - config.action_ticks, 1)
    drawn = torch.cat(
        [
            rollout(net, frames[rows, :before], actions[rows], poses=_poses(pool, at[rows], before))[:, 0]
            for rows in (slice(first, first + 32) for first in range(0, n, 32))
        ]
    )
    return {
        "one_step_db": float(psnr_db(drawn, frames[:, -1]).mean()),
        "copy_last_db": float(psnr_db(frames[:, -2], frames[:, -1]).mean()),
    }


def sample_sheet(net: DreamNet, pool: FramePool, path: Path, n: int = 4) -> None:
    """Write a picture: for n starts, truth above dream at ticks 1, 2, 4 ... 256 (as far as the episodes last)."""
    config = net.config
    before = max(config.history, config.action_ticks)  # as a scene does
    marks = [1, 4, 8, 16, 32, 64, 128, 256]
    at = pool.sample(n, before, marks[-1], np.random.default_rng(3))
    frames, _ = pool.clip(at, -before, marks[-1])
    _, actions = pool.clip(at, 1 - config.action_ticks, marks[-1])
    drawn = rollout(net, frames[:, :before], actions, poses=_poses(pool, at, before))
    rows = []
    for row in range(n):
        rows.append(torch.cat([frames[row, before + k - 1] for k in marks], 1))
        rows.append(torch.cat([drawn[row, k - 1] for k in marks], 1))
    Image.fromarray(torch.cat(rows).numpy()).save(path)
