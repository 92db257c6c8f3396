"""The reward of a dream: a small net that tells from what was shown and pressed what the simulator would have paid.

It sees four small pictures of the last quarter of a second, the actions, the motion that the inverse-dynamics net reads
off the frames, and how new the place is by dead reckoning (model/odometer.py). Out come the chance of every kind of
reward that the simulator was seen to pay, and the chance that the episode ends here. model/train_reward.py trains it.
Knows nothing about world models, simulators or environments.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from dreamloop.input.schema import ActionSchema
from dreamloop.model.checkpoint import CheckpointError, check_tensors, load_checkpoint, save_checkpoint
from dreamloop.model.inverse_dynamics import MOTIONS, InverseDynamics
from dreamloop.model.odometer import TICKS_ACROSS, Odometer, Trail
from dreamloop.model.world_model import Card, Frame

ARCH = "reward"
FILE_NAME = "reward.safetensors"  # in a world's folder
AGES = (0, 2, 4, 8)  # ticks before now of the pictures that the net sees
SHRINK = 4  # frame pixels per picture pixel, a side
RECENT = 8  # ticks that the mean of the actions goes over
FADE = 0.97  # share of its newness that a path keeps each tick
NEVER = 2.0  # an end threshold that no chance reaches


@dataclass(frozen=True, slots=True)
class RewardConfig:
    """The shape of the net and the meaning of what it says. Frozen into the card."""

    height_px: int
    width_px: int
    controls: tuple[str, ...]  # names of the action vector's entries, in order
    kinds: tuple[float, ...]  # the rewards that the simulator was seen to pay; a tick without one is no kind
    step: float  # how far a player typically goes ahead in a tick, in the units of the motions
    end_threshold: float = NEVER  # chance from which on a dream ends here
    width: int = 16

    @property
    def facts(self) -> int:
        """Length of the vector of facts."""
        return 2 * len(self.controls) + len(MOTIONS) + 2 * len(TICKS_ACROSS)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the net is told of one tick of n players."""

    pictures: NDArray[np.uint8]  # (n, 3, h / SHRINK, w / SHRINK)
    facts: NDArray[np.float32]  # (n, f)


class Witness:
    """Follows n players and works out what the net is told; the same code in training and at play."""

    def __init__(self, config: RewardConfig, reader: InverseDynamics, players: int) -> None:
        self._config, self._odometer = config, Odometer(reader, players)
        self._scale = np.array(reader.config.motion_scale, np.float32)
        self._trails = [Trail(config.step) for _ in range(players)]
        self._actions = np.zeros((players, RECENT, len(config.controls)), np.float32)
        self._newness = np.zeros((players, len(TICKS_ACROSS)), np.float32)

    def reset(self, player: int, frame: Frame) -> NDArray[np.uint8]:
        """Let ``player`` begin where ``frame`` (h, w, 3) shows; return its small picture."""
        self._odometer.reset(player, frame)
        self._trails[player].clear()
        self._actions[player] = 0
        self._newness[player] = 0
        picture: NDArray[np.uint8] = shrink(frame[np.newaxis])[0]
        return picture

    def step(self, actions: NDArray[np.float32], frames: NDArray[np.uint8]) -> Seen:
        """Take in one tick: ``actions`` (n, a) led to ``frames`` (n, h, w, 3)."""
        motions = self._odometer.step(frames)
        self._actions = np.concatenate([self._actions[:, 1:], actions[:, np.newaxis]], 1)
        new = np.stack([trail.move(motion) for trail, motion in zip(self._trails, motions, strict=True)])
        self._newness = FADE * self._newness + new
        facts = (actions, self._actions.mean(1), motions / self._scale, new, self._newness)
        return Seen(shrink(frames), np.concatenate(facts, 1).astype(np.float32))


def shrink(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the box averages (n, 3, h / SHRINK, w / SHRINK) of frames (n, h, w, 3)."""
    small = F.avg_pool2d(torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float(), SHRINK)
    pictures: NDArray[np.uint8] = np.asarray(small.round().byte().numpy(), np.uint8)
    return pictures


class RewardNet(nn.Module):
    """Pictures (b, 3 * len(AGES), h, w) and facts (b, f) in; logits of none and every kind, then of the end, out."""

    mean: Tensor
    spread: Tensor

    def __init__(self, config: RewardConfig) -> None:
        super().__init__()
        w = config.width
        rows, columns = config.height_px // SHRINK, config.width_px // SHRINK
        for _ in range(3):
            rows, columns = -(-rows // 2), -(-columns // 2)
        self.register_buffer("mean", torch.zeros(config.facts))  # of the facts in true play, and their spread
        self.register_buffer("spread", torch.ones(config.facts))
        self.look = nn.ModuleList(
            nn.Conv2d(before, after, 3, 2, 1) for before, after in ((3 * len(AGES), w), (w, w), (w, w))
        )
        self.sight = nn.Linear(w * rows * columns, 64)
        self.deeds = nn.Linear(config.facts, 64)
        self.mix = nn.Linear(128, 64)
        self.out = nn.Linear(64, len(config.kinds) + 2)

    def forward(self, pictures: Tensor, facts: Tensor) -> Tensor:
        """Return (b, kinds + 2)."""
        x = pictures.float() / 127.5 - 1
        for layer in self.look:
            x = F.silu(layer(x))
        sight = F.silu(self.sight(F.dropout(x.flatten(1), 0.2, self.training)))
        deeds = F.silu(self.deeds((facts - self.mean) / self.spread))
        out: Tensor = self.out(F.silu(self.mix(torch.cat([sight, deeds], 1))))
        return out


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one tick of n players is worth."""

    rewards: NDArray[np.float32]  # (n,): expected
    chances: NDArray[np.float32]  # (n, kinds): of every kind
    end_chance: NDArray[np.float32]  # (n,)
    ended: NDArray[np.bool_]  # (n,)


class RewardHead:
    """The trained net with its kinds. :meth:`open` makes it follow players."""

    def __init__(self, net: RewardNet, config: RewardConfig, card: Card | None = None) -> None:
        self.net, self.config, self.card = net.eval(), config, card

    @torch.no_grad()
    def judge(self, pictures: NDArray[np.uint8], facts: NDArray[np.float32]) -> Outcome:
        """Judge pictures (n, 3 * len(AGES), h, w) and facts (n, f)."""
        said = self.net(torch.from_numpy(pictures), torch.from_numpy(facts))
        chances = said[:, :-1].softmax(1)[:, 1:].numpy()
        end = said[:, -1].sigmoid().numpy()
        rewards = chances @ np.array(self.config.kinds, np.float32)
        return Outcome(rewards, chances, end, end >= self.config.end_threshold)

    def open(self, reader: InverseDynamics, players: int) -> "Judge":
        """Return a judge of ``players`` players."""
        return Judge(self, reader, players)


class Judge:
    """Follows n players of a dream and says what each tick is worth."""

    def __init__(self, head: RewardHead, reader: InverseDynamics, players: int) -> None:
        self._head, self._witness = head, Witness(head.config, reader, players)
        small = (3, head.config.height_px // SHRINK, head.config.width_px // SHRINK)
        self._pictures = np.zeros((players, AGES[-1] + 1, *small), np.uint8)  # newest first

    def reset(self, player: int, frame: Frame) -> None:
        """Let ``player`` begin where ``frame`` (h, w, 3) shows."""
        self._pictures[player] = self._witness.reset(player, frame)

    def step(self, actions: NDArray[np.float32], frames: NDArray[np.uint8]) -> Outcome:
        """Judge one tick: ``actions`` (n, a) led to ``frames`` (n, h, w, 3)."""
        seen = self._witness.step(actions, frames)
        self._pictures = np.concatenate([seen.pictures[:, np.newaxis], self._pictures[:, :-1]], 1)
        n, _, _, h, w = self._pictures.shape
        return self._head.judge(self._pictures[:, list(AGES)].reshape(n, -1, h, w), seen.facts)


def save_head(path: Path, head: RewardHead, card: Card) -> Card:
    """Write a head with half-precision weights (under 1 MB) and its card."""
    return save_checkpoint(path, {name: value.half() for name, value in head.net.state_dict().items()}, card)


def load_head(path: Path, schema: ActionSchema) -> RewardHead:
    """Read a head and check that it was trained with the controls of ``schema``.

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
    net = RewardNet(config)
    check_tensors(path, tensors, net.state_dict())
    net.load_state_dict({name: value.float() for name, value in tensors.items()})
    return RewardHead(net, config, card)


def _read_config(values: Mapping[str, Any]) -> RewardConfig:
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return RewardConfig(**{**values, **lists})
