"""Trains the inverse-dynamics net on true play with poses. Knows nothing about simulators, files or world models."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from dreamloop.input.schema import ActionSchema
from dreamloop.model.eval_play import EvaluationError, Play
from dreamloop.model.inverse_dynamics import (
    ARCH,
    BEFORE,
    MOTIONS,
    InverseDynamics,
    ReaderConfig,
    ReaderNet,
    Traces,
    trace,
)
from dreamloop.model.pixels import to_float
from dreamloop.model.world_model import Card

Report = Callable[[dict[str, float]], None]
LEARNING_RATE = 2e-3
MIRROR = np.array([1, -1, -1, 1], np.float32)  # what becomes of MOTIONS when left and right are swapped


def own_motion(poses: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn poses (t, 4) into the motion (t - 1, 4) of every tick, in the frame that the player had before it.

    A pose is x, y in map units, angle in degrees (counter-clockwise from +x) and pitch in degrees (up).
    """
    step = np.diff(poses.astype(np.float64), axis=0)
    angle = np.radians(poses[:-1, 2].astype(np.float64))
    ahead = step[:, 0] * np.cos(angle) + step[:, 1] * np.sin(angle)
    right = step[:, 0] * np.sin(angle) - step[:, 1] * np.cos(angle)
    turn = -((step[:, 2] + 180.0) % 360.0 - 180.0)
    return np.stack([ahead, right, turn, step[:, 3]], 1).astype(np.float32)


def find_drives(
    columns: Sequence[str], actions: NDArray[np.float32], motions: NDArray[np.float32]
) -> dict[str, tuple[str, int]]:
    """Say which motion every control drives, and with which sign, by their correlation over true play.

    Args:
        columns: a names.
        actions: (n, a).
        motions: (n, 4) of the same ticks.

    Returns:
        Control -> (motion, +1 or -1); a control that is never used, or drives nothing (below 0.1), is left out.
    """
    a, m = actions - actions.mean(0), motions - motions.mean(0)
    scale = np.outer(np.linalg.norm(a, axis=0), np.linalg.norm(m, axis=0))
    correlation = (a.T @ m) / np.maximum(scale, 1e-9)
    best = np.abs(correlation).argmax(1)
    return {
        name: (MOTIONS[best[i]], 1 if correlation[i, best[i]] > 0 else -1)
        for i, name in enumerate(columns)
        if abs(correlation[i, best[i]]) >= 0.1
    }


@dataclass(frozen=True, slots=True)
class Lessons:
    """True play as training data: traces, actions and motions of consecutive ticks; the frames are let go."""

    traces: Traces  # float16, row i compares frames i and i + 1
    actions: Tensor  # (t, a); row i led to frame i + 1; NaN in mirrored play
    motions: Tensor  # (t, 4); row i is the motion that frame i + 1 shows
    usable: NDArray[np.int64]  # rows whose row before is of the same play
    size_px: tuple[int, int]  # height and width of the frames


@torch.no_grad()
def gather(plays: Iterable[Play], seed: int = 0) -> Lessons:
    """Work plays up, one at a time. A third each is softened once, twice and not at all: dreams are soft.

    Every play is learnt from in the mirror, too; there nobody says which controls were pressed.

    Raises:
        EvaluationError: none of them brings poses.
    """
    parts, usable, begin, size_px = [], [], 0, (0, 0)
    rng = np.random.default_rng(seed)
    for play in plays:
        if play.poses is None or np.isnan(play.poses).any() or len(play.frames) <= BEFORE:
            continue
        moved, unknown = own_motion(play.poses), np.full_like(play.actions[1:], np.nan)
        parts.append((*_traces(play.frames, int(rng.integers(3))), play.actions[1:], moved))
        parts.append((*_traces(play.frames[:, :, ::-1].copy(), int(rng.integers(3))), unknown, moved * MIRROR))
        for _ in range(2):
            usable.append(np.arange(begin + BEFORE - 1, begin + len(play.frames) - 1))
            begin += len(play.frames) - 1
        size_px = play.frames.shape[1:3]
    if not parts:
        raise EvaluationError("motion is learnt from poses, and the true play brings none (info['pose'])")
    costs, seen, actions, motions = zip(*parts, strict=True)
    return Lessons(
        Traces(torch.cat(costs), torch.cat(seen)),
        torch.from_numpy(np.concatenate(actions)),
        torch.from_numpy(np.concatenate(motions)),
        np.concatenate(usable),
        size_px,
    )


def _traces(frames: NDArray[np.uint8], softer: int) -> tuple[Tensor, Tensor]:
    """Return the traces of a play in half precision, worked out in pieces that overlap by one frame."""
    costs, seen = [], []
    for first in range(0, len(frames) - 1, 64):
        x = to_float(torch.from_numpy(frames[first : first + 65]))
        for _ in range(softer):
            x = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        traces = trace(x)
        costs.append(traces.costs.half())
        seen.append(traces.seen.half())
    return torch.cat(costs), torch.cat(seen)


def train_reader(
    lessons: Lessons,
    schema: ActionSchema,
    *,
    minutes: float,
    now_s: Callable[[], float],
    batch: int = 128,
    seed: int = 0,
    report: Report = lambda figures: None,
) -> InverseDynamics:
    """Train a reader for ``minutes``: Adam, learning rate down to zero over the time box; ``now_s`` tells the time."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    config = make_config(lessons, schema)
    net = ReaderNet(config)
    sample = lessons.traces.costs[torch.from_numpy(rng.choice(lessons.usable, min(1024, len(lessons.usable))))].float()
    net.mean.copy_(sample.mean((0, 2, 3))[:, None, None])
    net.spread.copy_(sample.std((0, 2, 3)).clamp_min(1e-2)[:, None, None])
    optimiser = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=0.02)
    begun_s, step, share = now_s(), 0, 0.0
    while share < 1.0:
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, (step + 1) / 50) * (1 - share)
        loss = _loss(net, config, lessons, torch.from_numpy(rng.choice(lessons.usable, batch)))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        share = (now_s() - begun_s) / max(60 * minutes, 1e-9)
        if step % 50 == 1:
            report({"share": min(share, 1.0), "step": float(step), "loss": float(loss.detach())})
    return InverseDynamics(net, config, _card(config, schema, lessons, step * batch, minutes))


def make_config(lessons: Lessons, schema: ActionSchema) -> ReaderConfig:
    """Measure the units of motion, and which control drives which, on true play."""
    motions, actions = lessons.motions[lessons.usable].numpy(), lessons.actions[lessons.usable].numpy()
    told = np.isfinite(actions).all(1)
    scale = tuple(float(value) for value in np.maximum(motions.std(0), 1e-3))
    axes = {control.name for control in schema.controls if control.kind == "axis"}
    return ReaderConfig(
        *lessons.size_px,
        controls=schema.columns,
        motion_scale=scale,
        drives=find_drives(schema.columns, actions[told], motions[told]),
        axes=tuple(name in axes for name in schema.columns),
    )


def _loss(net: ReaderNet, config: ReaderConfig, lessons: Lessons, rows: Tensor) -> Tensor:
    costs, seen = lessons.traces.costs, lessons.traces.seen
    said, m = net(costs[rows - 1].float(), costs[rows].float(), seen[rows].float()), len(MOTIONS)
    moved = (lessons.motions[rows] / torch.tensor(config.motion_scale)).clamp(-8, 8)
    loss = F.smooth_l1_loss(said[:, :m], moved, beta=1.0)
    told, axis = lessons.actions[rows].isfinite().all(1), torch.tensor(config.axes)
    pressed, named = lessons.actions[rows][told], said[told, m:]
    if axis.any() and told.any():
        loss = loss + F.smooth_l1_loss(named[:, axis], pressed[:, axis], beta=1.0)
    if axis.all() or not told.any():
        return loss
    return loss + 0.2 * F.binary_cross_entropy_with_logits(named[:, ~axis], (pressed[:, ~axis] > 0.5).float())


def _card(config: ReaderConfig, schema: ActionSchema, lessons: Lessons, samples: int, minutes: float) -> Card:
    provenance = {
        "what": "motion and controls from three frames; the ruler of the control suite",
        "true_frames": len(lessons.actions) // 2,
        "samples": samples,
        "minutes": minutes,
    }
    return Card(
        name=f"{schema.name}-inverse-dynamics",
        arch=ARCH,
        width_px=config.width_px,
        height_px=config.height_px,
        rate_hz=0.0,
        schema=schema.to_dict(),
        context_frames=BEFORE + 1,
        provenance=provenance,
        config=asdict(config),
    )
