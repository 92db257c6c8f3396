"""The configuration of a training run: two frozen dataclasses read from one TOML file. An unknown key is an error."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dreamloop.input.errors import ConfigError, unknown
from dreamloop.model.dream_config import NetConfig


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How to train. The stages are shares of the whole time: one-step, own rollouts, then adversarial polish."""

    net: NetConfig = field(default_factory=NetConfig)
    name: str = "doom-small"  # the name on the card
    minutes: float = 60.0  # time box of the whole run, over all resumes
    steps: int = 0  # end after so many steps instead of by the clock (0: by the clock); for comparing arms
    batch: int = 32  # frames drawn per step
    depth_until: float = 0.06  # share of the time in which nets that read depth learn just that
    depth_batch: int = 64
    depth_lr: float = 2e-3
    rollouts_from: float = 0.40  # share of the time after which a part of the batch is drawn on the net's own frames
    polish_from: float = 0.55  # share of the time after which a critic joins
    decay_from: float = 0.80  # share of the time after which the learning rates fall linearly to a twentieth
    dreams: float = 0.75  # part of a batch drawn on own frames, once rollouts have begun
    dream_slots: int = 96  # rollouts kept alive between steps
    horizon: int = 32  # ticks of a rollout in which the truth still teaches (its weight falls linearly to zero)
    long_share: float = 0.34  # part of the rollouts that goes on past the horizon, judged by the critic alone
    long_age: int = 1024  # ticks after which a long rollout starts over
    context_noise: float = 0.10  # largest standard deviation of the noise on the true context, in -1..1 units
    adversarial: float = 0.03  # weight of the critic beside the L1 loss
    flow: float = 0.5  # weight of the L1 loss of the moved frame alone, before anything is painted over it
    true_flow: float = 0.5  # part of that loss that moves the true last frame and not the dreamed one
    choosing: float = 0.5  # weight of the loss of choosing between the last frame and the pages, where there are pages
    texture: float = 0.3  # weight of the loss that asks for the right edge energy in every patch
    unseen: float = 0.1  # part of the L1 loss that is left where the flow points outside the last frame
    painting: float = 0.02  # price of painting a pixel that could have been fetched
    walking: float = 0.2  # weight of the loss of the step that is made, for nets with memory
    polish_lr: float = 0.3  # multiplier of the learning rates once the critic has joined: it keeps them both stable
    muon: bool = True  # Muon for the matrices inside the blocks (off: Adam for everything)
    muon_lr: float = 1e-3  # matrices inside the residual blocks
    adam_lr: float = 6e-4  # everything else
    critic_lr: float = 3e-4
    ema: float = 0.999  # decay of the averaged weights, the ones that are played
    clip: float = 1.0  # gradient norm
    pool_frames: int = 120_000  # frames held in memory
    test_frames: int = 8_400  # held-out frames for the figures in the log
    seed: int = 0
    checkpoint_s: float = 120.0
    sample_s: float = 240.0  # seconds between held-out figures and sample pictures


def load_train_config(path: Path | None, **overrides: Any) -> TrainConfig:
    """Read ``[train]`` and ``[net]`` of a TOML file; overrides (None: not given) win.

    Raises:
        ConfigError: a file that is no TOML, an unknown key or a value of the wrong type, with the nearest name.
    """
    values = read_tables(path)
    net: NetConfig = build_config(NetConfig, values.get("net", {}), "net")
    given = {name: value for name, value in overrides.items() if value is not None}
    config: TrainConfig = build_config(TrainConfig, {**values.get("train", {}), **given}, "train", net=net)
    return config


def read_tables(path: Path | None) -> Mapping[str, Any]:
    """Return the tables ``[train]`` and ``[net]`` of a TOML file; nothing when there is no file.

    Raises:
        ConfigError: a file that is no TOML, or a table that is neither.
    """
    if path is None:
        return {}
    try:
        values: Mapping[str, Any] = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"training configuration {path} cannot be read ({error})") from error
    for table in values:
        if table not in ("train", "net"):
            raise ConfigError(f"{path}: " + unknown("table", table, ["train", "net"]))
    return values


def net_config(values: Mapping[str, Any]) -> NetConfig:
    """Rebuild the net's configuration from a card."""
    config: NetConfig = build_config(NetConfig, values, "net")
    return config


def build_config(cls: type[Any], values: Mapping[str, Any], table: str, **fixed: Any) -> Any:
    """Return a frozen configuration of ``cls`` with ``values`` in place of its defaults.

    Raises:
        ConfigError: an unknown key or a value of the wrong type, with the nearest name.
    """
    known = {item.name: item for item in fields(cls)}
    ready = {}
    for name, value in values.items():
        if name not in known:
            raise ConfigError(unknown(f"key in [{table}]", name, known))
        default = known[name].default
        if isinstance(value, list):
            value = tuple(value)
        if isinstance(default, float) and type(value) is int:
            value = float(value)
        if type(value) is not type(default):
            kind = type(default).__name__
            raise ConfigError(f"[{table}] {name} is {value!r}; it must be of type {kind}, like {default!r}")
        ready[name] = value
    return cls(**ready, **fixed)
