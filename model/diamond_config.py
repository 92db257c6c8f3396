"""The published DIAMOND worlds as configuration, and how a card or world.toml changes them.

Figures are those of the published configuration files (github.com/eloialonso/diamond: main for Atari, csgo for
Counter-Strike). Knows nothing about tensors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dreamloop.input.errors import ConfigError, unknown
from dreamloop.model.diamond_net import NetConfig
from dreamloop.model.diamond_sampler import SamplerConfig
from dreamloop.model.table import adjust

# What the 18 actions of an Atari joystick are called, in the emulator's order; a game knows some of them.
JOYSTICK = (
    *("noop", "fire", "up", "right", "left", "down", "upright", "upleft", "downright", "downleft"),
    *("upfire", "rightfire", "leftfire", "downfire", "uprightfire", "upleftfire", "downrightfire", "downleftfire"),
)


@dataclass(frozen=True, slots=True)
class DiamondConfig:
    """A dynamics net with its sampler, and where there is one an upsampler with its own."""

    denoiser: NetConfig = field(default_factory=NetConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    upsampler: NetConfig | None = None
    upsampler_sampler: SamplerConfig = field(default_factory=SamplerConfig)
    choices: tuple[str, ...] = ()  # a game's joystick actions, one at a time; empty: every entry is a switch


_CSGO_NET = NetConfig(
    cond=2048, widths=(128, 256, 512, 1024), attention=(False, False, True, True), actions=51, context_level=True
)
_CSGO_UPSAMPLER = NetConfig(
    frames=1,
    cond=2048,
    widths=(64, 64, 128, 256),
    attention=(False, False, False, True),
    actions=0,
    factor=5,
    context_level=True,
)
_CSGO_SAMPLER = SamplerConfig(steps=1, s_cond=0.005, sigma_offset_noise=0.1)
_CSGO_UPSAMPLING = SamplerConfig(
    steps=1, sigma_min=1.0, order=2, s_churn=10.0, s_tmin=1.0, s_tmax=5.0, s_noise=0.9, sigma_offset_noise=0.1
)
_ATARI = DiamondConfig(choices=("noop", "fire", "right", "left"))
_CSGO = DiamondConfig(_CSGO_NET, _CSGO_SAMPLER, _CSGO_UPSAMPLER, _CSGO_UPSAMPLING)
PRESETS: Mapping[str, DiamondConfig] = {
    "atari": _ATARI,
    "csgo": _CSGO,  # published as "fast"
    "csgo-high": replace(  # published as "higher_quality"
        _CSGO, sampler=replace(_CSGO_SAMPLER, steps=3), upsampler_sampler=replace(_CSGO_UPSAMPLING, steps=10, order=1)
    ),
}
_TABLES = ("denoiser", "sampler", "upsampler", "upsampler_sampler")


def read_config(values: Mapping[str, Any]) -> DiamondConfig:
    """Build the configuration from a card's: ``preset``, ``choices`` and the tables that change the preset.

    Raises:
        ConfigError: an unknown preset, key or action, with the nearest name.
    """
    name = values.get("preset", "atari")
    if name not in PRESETS:
        raise ConfigError(unknown("preset of DIAMOND", str(name), PRESETS))
    config = PRESETS[name]
    for key in values:
        if key not in (*_TABLES, "preset", "choices"):
            raise ConfigError(unknown("key in the configuration of DIAMOND", key, [*_TABLES, "preset", "choices"]))
    changed: dict[str, Any] = {
        table: adjust(getattr(config, table) or NetConfig(), values[table], table)
        for table in _TABLES
        if table in values
    }
    if "choices" in values:
        changed["choices"] = _choices(values["choices"])
    config = replace(config, **changed)
    if config.choices:
        config = replace(config, denoiser=replace(config.denoiser, actions=len(config.choices)))
    return config


def _choices(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in JOYSTICK:
            raise ConfigError(unknown("joystick action", str(name), JOYSTICK))
    return tuple(names)


def choose(choices: Sequence[str], pressed: frozenset[str]) -> int:
    """Return the number of the action that comes nearest to what is pressed ("up", "down", "left", "right", "fire").

    A game that lacks a combination gets the part of it that it knows: fire first, then sideways, then up and down.
    """
    up = "up" if "up" in pressed else "down" if "down" in pressed else ""
    side = "right" if "right" in pressed else "left" if "left" in pressed else ""
    fire = "fire" if "fire" in pressed else ""
    wanted = [up + side + fire, side + fire, up + fire, fire, up + side, side, up]
    known = [choices.index(name) for name in wanted if name in choices]
    return known[0] if known else choices.index("noop") if "noop" in choices else 0
