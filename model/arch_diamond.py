"""DIAMOND's worlds: a small picture is dreamed, and where the world has one an upsampler draws it large.

Plays the published weights of the Atari games and of Counter-Strike (converted by ``dreamloop weights convert``) for n
players. What is fed back are the levels 0..255 that the samplers gave, as published. Knows nothing about windows or
files of recordings; the nets are in diamond_net.py, the samplers in diamond_sampler.py.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from dreamloop.input.errors import unknown
from dreamloop.input.schema import ActionSchema
from dreamloop.input.state import InputState
from dreamloop.model.checkpoint import CheckpointError
from dreamloop.model.device import choose_engine
from dreamloop.model.diamond_config import DiamondConfig, choose, read_config
from dreamloop.model.diamond_net import DiamondNet
from dreamloop.model.diamond_sampler import Noise, Sampler, SamplerConfig, unit
from dreamloop.model.noise import SeededNoise
from dreamloop.model.published import fill, one_file, random_weights, read_weights
from dreamloop.model.world_model import (
    STEP_CHOICES,
    Card,
    Frame,
    ModelError,
    ModelState,
    OpenOptions,
    Scene,
    check_actions,
    check_player,
    check_scene,
    check_state,
)

STICK = ("up", "down", "left", "right", "fire")
UNUSED = ("rew_end_model.", "actor_critic.")  # parts of the published checkpoints that dreaming does without


def build(card: Card, weights: Path | None, options: OpenOptions) -> "DiamondModel":
    """Open a checkpoint of ours, or a folder with one converted published file.

    Raises:
        CheckpointError: weights that are missing, damaged, foreign or of another shape.
        ConfigError: a configuration with an unknown key or value.
    """
    if weights is None:
        raise CheckpointError(f"the world '{card.name}' names no weights; see 'dreamloop weights'")
    path = one_file(weights)
    tensors, card = read_weights(path, card)
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(UNUSED)}
    config = read_config(card.config)
    _check_choices(path, config, tensors)
    nets = empty_nets(config)
    fill(path, nets, tensors)
    return DiamondModel(nets, config, card, options)


def build_untrained(card: Card, options: OpenOptions) -> "DiamondModel":
    """Open a model with seeded random weights, for timing."""
    config = read_config(card.config)
    nets = empty_nets(config)
    nets.load_state_dict(random_weights(nets.state_dict()), assign=True)
    return DiamondModel(nets, config, replace(card, weights_hash="untrained"), options)


def _check_choices(path: Path, config: DiamondConfig, tensors: Mapping[str, Tensor]) -> None:
    """A game's list of actions is written by hand: say so when it is not as long as the weights'."""
    known = tensors.get("denoiser.inner_model.act_emb.0.weight")
    if config.choices and known is not None and len(known) != len(config.choices):
        raise CheckpointError(
            f"{path} knows {len(known)} actions, the world lists {len(config.choices)} ({', '.join(config.choices)}): "
            "choices in world.toml must be the game's own, in the emulator's order"
        )


def empty_nets(config: DiamondConfig) -> nn.ModuleDict:
    """Return the nets without memory for their weights, under the names that the published checkpoints have."""
    with torch.device("meta"):
        nets = {"denoiser": nn.ModuleDict({"inner_model": DiamondNet(config.denoiser)})}
        if config.upsampler is not None:
            nets["upsampler"] = nn.ModuleDict({"inner_model": DiamondNet(config.upsampler)})
    return nn.ModuleDict(nets)


class Stage:
    """One net with its sampler: a picture out of noise, some true frames, and actions or a small picture."""

    def __init__(self, net: DiamondNet, config: SamplerConfig, device: torch.device, dtype: torch.dtype) -> None:
        self.net, self.dtype = _prepared(net, device, dtype), dtype
        self.use(config)
        self.ms = 0.0  # time of the last frame

    def use(self, config: SamplerConfig) -> None:
        """Draw with this sampler from the next frame on."""
        self.sampler = Sampler(config)
        # Without actions the same numbers lead every frame, so they are worked out once.
        self.constant = None if self.net.config.actions else self.net.lead(self.sampler.levels, None)

    def draw(self, frames: Tensor, noise: Noise, actions: Tensor | None = None, small: Tensor | None = None) -> Tensor:
        """Return the next picture as levels (n, h, w, 3) after ``frames`` (n, t, h, w, 3), led by ``actions``
        (n, t, a) or by the ``small`` picture (n, h, w, 3).
        """
        started_s = time.perf_counter()
        led = self.constant or self.net.lead(self.sampler.levels, actions)
        context = unit(frames.movedim(-1, -3)).flatten(1, 2)
        extra = None if small is None else _enlarge(unit(small.movedim(-1, -3)), self.net.config.factor)

        def evaluate(noisy: Tensor, pictures: Tensor, number: int) -> Tensor:
            return self.net(_as_net(noisy, self.dtype), _as_net(pictures, self.dtype), led[number])  # type: ignore[no-any-return]

        drawn = self.sampler.sample(evaluate, context, noise, extra).movedim(1, -1).contiguous()
        if drawn.is_cuda:
            torch.cuda.synchronize(drawn.device)
        self.ms = 1e3 * (time.perf_counter() - started_s)
        return drawn


class DiamondModel:
    """A WorldModel. All players are drawn in one evaluation of each net."""

    def __init__(self, nets: nn.ModuleDict, config: DiamondConfig, card: Card, options: OpenOptions) -> None:
        self.card, self.players, self.config = card, options.players, config
        self.device, self.dtype = choose_engine(options)
        net = cast(DiamondNet, nets.get_submodule("denoiser.inner_model"))
        self.dynamics = Stage(net, config.sampler, self.device, self.dtype)
        self.upsampler: Stage | None = None
        if config.upsampler is not None:
            net = cast(DiamondNet, nets.get_submodule("upsampler.inner_model"))
            self.upsampler = Stage(net, config.upsampler_sampler, self.device, self.dtype)
        self.schema = ActionSchema.from_dict(card.schema, where=f"card of {card.name}")
        self._check_schema()
        self._allocate()

    def _allocate(self) -> None:
        n, frames, factor = self.players, self.config.denoiser.frames, 1
        if self.config.upsampler is not None:
            factor = self.config.upsampler.factor
        height, width = self.card.height_px // factor, self.card.width_px // factor
        self.history = torch.zeros(n, frames, height, width, 3, dtype=torch.uint8, device=self.device)
        self.large = torch.zeros(n, 0, 0, 0, 3, dtype=torch.uint8, device=self.device)
        if self.config.upsampler is not None:
            size = (self.config.upsampler.frames, height * factor, width * factor, 3)
            self.large = torch.zeros(n, *size, dtype=torch.uint8, device=self.device)
        self.actions = torch.zeros(n, frames, self.config.denoiser.actions, device=self.device)
        self.seeds, self.ticks = [0] * n, [0] * n

    @property
    def steps(self) -> int:
        """Steps of the dynamics' sampler; may be changed between two frames."""
        return self.dynamics.sampler.config.steps

    @steps.setter
    def steps(self, count: int) -> None:
        self.dynamics.use(replace(self.dynamics.sampler.config, steps=count))

    @property
    def step_choices(self) -> tuple[int, ...]:
        """Numbers of steps that are worth offering, most first."""
        return tuple(sorted({*STEP_CHOICES, self.config.sampler.steps}, reverse=True))

    def reset(self, player: int, scene: Scene | None, seed: int) -> Frame:
        """Start over in ``scene``; a scene with less history than the net sees is padded with its first frame."""
        check_player(player, self.players)
        self.seeds[player], self.ticks[player] = seed, 0
        for part in (self.history, self.large, self.actions):
            part[player].zero_()
        self.actions[player] = self._switches(self.schema.encode(InputState())[None])
        if scene is not None:
            check_scene(scene, self.card, self.schema.size)
            frames = torch.from_numpy(_last(scene.frames, self.history.shape[1])).to(self.device)
            if self.upsampler is not None:
                self.large[player] = frames[-self.large.shape[1] :]
                frames = _shrink(frames, self.history.shape[2:4])
            self.history[player] = frames
            self.actions[player] = self._switches(_last(scene.actions, self.actions.shape[1]))
        return self._shown(player)

    @torch.no_grad()
    def step(self, actions: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Draw the frames (n, h, w, 3) that ``actions`` (n, a) lead to."""
        check_actions(actions, self.players, self.schema.size)
        self.actions = torch.cat([self.actions[:, 1:], self._switches(actions)[:, None]], 1)
        noise = SeededNoise(self.seeds, self.ticks, self.device)
        drawn = self.dynamics.draw(self.history, noise, actions=self.actions)
        self.history = torch.cat([self.history[:, 1:], drawn[:, None]], 1)
        if self.upsampler is not None:
            drawn = self.upsampler.draw(self.large, noise, small=drawn)
            self.large = torch.cat([self.large[:, 1:], drawn[:, None]], 1)
        self.ticks = [tick + 1 for tick in self.ticks]
        shown: NDArray[np.uint8] = drawn.cpu().numpy().copy()
        return shown

    def save(self, player: int) -> ModelState:
        """Return the pictures, the actions, the seed and the tick of ``player``."""
        check_player(player, self.players)
        parts = {"history": self.history, "large": self.large, "actions": self.actions}
        values: dict[str, Any] = {name: part[player].cpu().numpy().copy() for name, part in parts.items()}
        values["seed"] = self.seeds[player]
        return ModelState(self.card.arch, self.card.weights_hash, self.ticks[player], values)

    def load(self, player: int, state: ModelState) -> Frame:
        """Go back to ``state``."""
        check_player(player, self.players)
        check_state(state, self.card)
        for name, part in (("history", self.history), ("large", self.large), ("actions", self.actions)):
            part[player] = torch.from_numpy(np.array(state.values[name])).to(self.device)
        self.seeds[player], self.ticks[player] = int(state.values["seed"]), state.tick
        return self._shown(player)

    def stats(self) -> Mapping[str, float]:
        """Return the time of each stage of the last step and the size of what is remembered."""
        figures = {"dynamics_ms": self.dynamics.ms, "steps": float(self.steps)}
        if self.upsampler is not None:
            figures["upsampler_ms"] = self.upsampler.ms
        parts = (self.history, self.large, self.actions)
        return figures | {"memory_bytes": float(sum(part.nbytes for part in parts))}

    def _switches(self, actions: NDArray[np.float32]) -> Tensor:
        """Turn actions (t, a) in the schema's layout into the net's switches (t, net's actions), each 0 or 1."""
        on = np.asarray(actions) > 0.5
        if self.config.choices:
            names = self.schema.columns
            chosen = [
                choose(self.config.choices, frozenset(name for name, is_on in zip(names, row, strict=True) if is_on))
                for row in on
            ]
            on = np.eye(len(self.config.choices), dtype=bool)[chosen]
        return torch.from_numpy(on.astype(np.float32)).to(self.device)

    def _shown(self, player: int) -> Frame:
        part = self.history if self.upsampler is None else self.large
        frame: Frame = part[player, -1].cpu().numpy().copy()
        return frame

    def _check_schema(self) -> None:
        if not self.config.choices:
            if self.schema.size != self.config.denoiser.actions:
                raise ModelError(
                    f"the schema '{self.schema.name}' has {self.schema.size} entries, "
                    f"the net takes {self.config.denoiser.actions}"
                )
            return
        for name in self.schema.columns:
            if name not in STICK:
                raise ModelError(unknown("control of a joystick", name, STICK))


def _prepared(net: DiamondNet, device: torch.device, dtype: torch.dtype) -> DiamondNet:
    """Freeze the net for playing; the waves of the noise level need float32 whatever the rest runs in."""
    waves = {name: tensor for name, tensor in net.state_dict().items() if "noise" in name}
    net = net.to(device=device, dtype=dtype).eval().requires_grad_(False)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for name, tensor in waves.items():
        part, attribute = name.split(".")
        setattr(getattr(net, part), attribute, tensor.to(device))
    return net


def _as_net(pictures: Tensor, dtype: torch.dtype) -> Tensor:
    return pictures.to(dtype=dtype, memory_format=torch.channels_last)


def _enlarge(pictures: Tensor, factor: int) -> Tensor:
    return F.interpolate(pictures, scale_factor=factor, mode="bicubic")


def _shrink(frames: Tensor, size: torch.Size) -> Tensor:
    """Return levels (t, h, w, 3) made small as the training data was: bicubic, smoothed, rounded to levels."""
    small = F.interpolate(frames.movedim(-1, 1).float(), tuple(size), mode="bicubic", antialias=True)
    return small.round().clamp(0, 255).byte().movedim(1, -1).contiguous()


def _last(rows: NDArray[Any], length: int) -> NDArray[Any]:
    """Return the last ``length`` rows; where there are fewer, the first one is repeated before them."""
    short = max(length - len(rows), 0)
    return np.ascontiguousarray(np.concatenate([np.repeat(rows[:1], short, 0), rows[-length:]]))


_TINY = {
    "choices": ["noop", "fire", "right", "left"],
    "denoiser": {"cond": 16, "depths": [1, 1], "widths": [8, 8], "attention": [False, False]},
    "sampler": {"steps": 2},
}


def tiny_card() -> Card:
    """Return the card of a joystick game with a net of a few thousand weights, for tests of the contract."""
    controls = [{"name": name, "kind": "button", "keys": [name[0]]} for name in ("fire", "right", "left")]
    schema = {"format": 1, "name": "tiny", "control": controls}
    return Card("tiny", "diamond", 24, 18, 15.0, schema, context_frames=4, config=_TINY)


def tiny_weights() -> dict[str, Tensor]:
    """Return untrained weights for :func:`tiny_card`."""
    torch.manual_seed(0)
    shapes = empty_nets(read_config(_TINY)).state_dict()
    return {name: torch.randn(tensor.shape) / 4 for name, tensor in shapes.items()}
