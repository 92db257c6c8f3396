"""Reads motion off pictures: a small net that tells from three frames how the player moved and what they pressed.

It is the ruler of the control suite: trained on true frames and poses (model/train_inverse.py), then used on dreamed
frames, which have no pose. Motions are in the player's own frame: ahead and right in map units, turn (clockwise) and
look (up) in degrees, per tick. Knows nothing about world models.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from dreamloop.input.schema import ActionSchema
from dreamloop.model.checkpoint import CheckpointError, check_tensors, load_checkpoint, save_checkpoint
from dreamloop.model.eval_play import EvaluationError
from dreamloop.model.matching import CELL, COSTS, match_costs
from dreamloop.model.pixels import to_float
from dreamloop.model.world_model import Card

ARCH = "inverse_dynamics"
FILE_NAME = "inverse_dynamics.safetensors"  # in a world's folder
MOTIONS = ("ahead", "right", "turn", "look")  # of one tick, in the player's own frame
BEFORE = 2  # frames it sees before the one that shows the motion
DROPOUT = 0.1  # in training, before the last hidden layer
SEEN = 6 * (CELL // 4) ** 2  # channels of what a cell looks like: a frame and its change, at a quarter of its size


class MotionReader(Protocol):
    """What the control suite needs: motion from frames. The net below is one; tests have an oracle."""

    motions: tuple[str, ...]
    drives: Mapping[str, tuple[str, int]]  # control -> the motion it drives, and the sign of it when pressed

    def displacement(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the net displacement (b, m) over frames (b, 2 + k, h, w, 3), of their last k ticks."""
        ...


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """The shape of the net and the units of what it says. Frozen into the card."""

    height_px: int
    width_px: int
    controls: tuple[str, ...]  # names of the action vector's entries, in order
    motion_scale: tuple[float, ...]  # standard deviation of every motion per tick: the unit of the outputs
    drives: Mapping[str, tuple[str, int]]
    axes: tuple[bool, ...]  # which controls are numbers in -1..1 and not buttons
    width: int = 64  # channels per cell
    mix: int = 128  # width of the hidden layers over all cells


@dataclass(frozen=True, slots=True)
class Traces:
    """What the net reads of consecutive frames: nothing in it is learnt, so it is worked out once per frame."""

    costs: Tensor  # (t - 1, COSTS, rows, columns): how frame i fits frame i + 1 under every shift
    seen: Tensor  # (t - 1, SEEN, rows, columns): frame i + 1 and its change, small


def trace(frames: Tensor) -> Traces:
    """Work out the traces of consecutive float frames (t, 3, h, w)."""
    return trace_pairs(frames[:-1], frames[1:])


def trace_pairs(before: Tensor, now: Tensor) -> Traces:
    """Work out the traces from float frames (b, 3, h, w) to those that follow them, row by row."""
    seen = torch.cat([now, now - before], 1)
    return Traces(match_costs(before.mean(1), now.mean(1)), F.pixel_unshuffle(F.avg_pool2d(seen, 4), CELL // 4))


class ReaderNet(nn.Module):
    """Traces of three frames in; motions (in units of ``motion_scale``) and one number per control out.

    Matching is not learnt: how badly a frame fits the one before it, shifted by so many pixels, is counted per cell of
    16x16 pixels (model/matching.py). What the fits mean for the player's motion is learnt.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        w = config.width
        cells = (config.height_px // CELL) * (config.width_px // CELL)
        self.register_buffer("mean", torch.zeros(COSTS, 1, 1))  # of the costs in true play, and their spread
        self.register_buffer("spread", torch.ones(COSTS, 1, 1))
        self.fit = nn.Conv2d(COSTS, w, 1)
        self.near = nn.Conv2d(w, w, 3, padding=1)
        self.squeeze = nn.Conv2d(w, w // 2, 1)
        self.flow = nn.Linear(w // 2 * cells, config.mix)
        self.glance = nn.Conv2d(SEEN, w // 2, 1)
        self.notice = nn.Conv2d(w // 2, 8, 3, padding=1)
        self.scene = nn.Linear(8 * cells, config.mix // 2)
        self.mix = nn.Linear(2 * config.mix + config.mix // 2, config.mix)
        self.out = nn.Linear(config.mix, len(MOTIONS) + len(config.controls))
        for layer in self.children():  # torch's own start is too small: what is faint would fade from layer to layer
            nn.init.kaiming_normal_(layer.get_parameter("weight"), nonlinearity="relu")
        nn.init.zeros_(self.out.weight)

    def forward(self, before: Tensor, now: Tensor, seen: Tensor) -> Tensor:
        """Map the costs of the tick before and of this one, and what is seen now, to (b, motions + controls)."""
        x = F.silu(self.fit((torch.cat([before, now]) - self.mean) / self.spread))
        x = x + F.silu(self.near(x))
        flows = F.silu(self.flow(F.silu(self.squeeze(x)).flatten(1)))
        scene = F.silu(self.scene(F.silu(self.notice(F.silu(self.glance(seen)))).flatten(1)))
        b = len(now)
        x = F.dropout(torch.cat([flows[:b], flows[b:], scene], 1), DROPOUT, self.training)
        out: Tensor = self.out(F.silu(self.mix(x)))
        return out


class InverseDynamics:
    """The trained net with its units. A ``MotionReader``."""

    motions: tuple[str, ...] = MOTIONS

    def __init__(self, net: ReaderNet, config: ReaderConfig, card: Card | None = None) -> None:
        self.net, self.config, self.card = net.eval(), config, card
        self.drives = config.drives

    @torch.no_grad()
    def read(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (b, k, motions + controls) for every tick of frames (b, 2 + k, h, w, 3) after the second.

        Motions are in map units and degrees; controls are 0..1 for buttons (a probability), -1..1 for axes.
        """
        if frames.shape[1] <= BEFORE:
            raise EvaluationError(f"motion is read off {BEFORE + 1} frames or more, got {frames.shape[1]}")
        said = torch.stack([self._read_one(torch.from_numpy(row)) for row in frames])
        m = len(MOTIONS)
        moved = said[..., :m] * torch.tensor(self.config.motion_scale)
        pressed = torch.where(torch.tensor(self.config.axes), said[..., m:], said[..., m:].sigmoid())
        read: NDArray[np.float32] = torch.cat([moved, pressed], -1).numpy()
        return read

    def displacement(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the net displacement (b, 4) over the last k of 2 + k frames (b, 2 + k, h, w, 3)."""
        total: NDArray[np.float32] = self.read(frames)[:, :, : len(MOTIONS)].sum(1)
        return total

    @torch.no_grad()
    def motion(self, costs_before: Tensor, traces: Traces) -> NDArray[np.float32]:
        """Return the motion (b, 4) of one tick, from its traces and the costs of the tick before."""
        said = self.net(costs_before, traces.costs, traces.seen)[:, : len(MOTIONS)]
        moved: NDArray[np.float32] = (said * torch.tensor(self.config.motion_scale)).numpy()
        return moved

    def _read_one(self, frames: Tensor) -> Tensor:
        traces = trace(to_float(frames))
        said: Tensor = self.net(traces.costs[:-1], traces.costs[1:], traces.seen[1:])
        return said


def save_reader(path: Path, reader: InverseDynamics, card: Card) -> Card:
    """Write a reader with half-precision weights (under 1 MB) and its card."""
    return save_checkpoint(path, {name: value.half() for name, value in reader.net.state_dict().items()}, card)


def load_reader(path: Path, schema: ActionSchema) -> InverseDynamics:
    """Read a reader and check that it was trained with the controls of ``schema``.

    Raises:
        CheckpointError: missing, damaged, of another kind, or for other controls.
    """
    tensors, card = load_checkpoint(path)
    if card.arch != ARCH:
        raise CheckpointError(f"{path} was made for the architecture '{card.arch}', not '{ARCH}'")
    fingerprint = ActionSchema.from_dict(card.schema, where=f"card of {card.name}").fingerprint
    if fingerprint != schema.fingerprint:
        raise CheckpointError(f"{path} was trained with other controls than those of schema '{schema.name}'")
    config = _read_config(card.config)
    net = ReaderNet(config)
    check_tensors(path, tensors, net.state_dict())
    net.load_state_dict({name: value.float() for name, value in tensors.items()})
    return InverseDynamics(net, config, card)


def _read_config(values: Mapping[str, Any]) -> ReaderConfig:
    drives = {name: (str(motion), int(sign)) for name, (motion, sign) in values["drives"].items()}
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return ReaderConfig(**{**values, **lists, "drives": drives})
