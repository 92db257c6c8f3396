"""The configuration of a mosaic model's training: a frozen dataclass read from the world's train.toml."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dreamloop.input.schema import ActionSchema
from dreamloop.model.mosaic_net import MosaicConfig
from dreamloop.model.train_config import build_config, read_tables


@dataclass(frozen=True, slots=True)
class MosaicTrainConfig:
    """How to train. What happens rarely is shown often: see ``calm`` and ``moving``."""

    net: MosaicConfig = field(default_factory=MosaicConfig)
    name: str = "mosaic-small"  # the name on the card
    minutes: float = 60.0  # time box of the whole run, over all resumes
    steps: int = 0  # end after so many steps instead of by the clock (0: by the clock)
    batch: int = 16  # lessons per step
    fresh: int = 3  # new ones with every step: to play and to follow a tick costs as much as to learn from a lesson
    part: tuple[int, int] = (12, 12)  # rows and columns of cells that are seen where little changes
    cells: int = 32  # cells per lesson that are told, of those that change to a content that is known
    drawn: int = 12  # cells per lesson that are drawn, of those that change to another
    others: int = 4  # cells that do not change and are drawn too: those most likely to be taken for changing
    calm: float = 0.03  # share of the ticks taken in which nothing changes
    moving: float = 0.2  # share of the ticks taken in which something changes, though the player began nothing
    turns: float = 0.25  # share of a batch in which much changes; of these the whole picture is seen
    wide: float = 0.2  # share of the lessons in which little changes that show the whole picture all the same
    mistaken: float = 0.02  # share of the lessons in which not what came true is foreseen, but anything
    smudge: float = 0.01  # share of the cells that show something wrong, as a dream's own mistakes do
    counted: float = 0.5  # share of the play in which rules are counted: that costs more than to follow it
    much: int = 14  # cells; a tick in which more change is always taken, and shown whole
    gate: float = 1.0  # weight of the loss that says which cells change
    fair: float = 0.75  # how much alike lessons count in the next loss, whatever the number of their cells
    whole: float = 4.0  # ... of the one that says what a cell shows
    pixels: float = 0.2  # ... of the one that draws what no book holds
    muon_lr: float = 2e-3  # matrices inside the residual blocks
    adam_lr: float = 2e-3  # everything else
    decay_from: float = 0.6  # share of the time after which the learning rates fall linearly to a twentieth
    ema: float = 0.998
    clip: float = 1.0
    lessons: int = 2000  # ticks that are kept to be drawn from
    test_ticks: int = 400  # held-out ticks for the figures in the log
    seed: int = 0
    checkpoint_s: float = 120.0
    sample_s: float = 240.0


def load_mosaic_config(
    path: Path | None, schema: ActionSchema, size: Mapping[str, int], **overrides: Any
) -> MosaicTrainConfig:
    """Read ``[train]`` and ``[net]`` of a TOML file; the frame's size and the pointer follow from the world.

    Raises:
        ConfigError: a file that is no TOML, an unknown key or a value of the wrong type, with the nearest name.
    """
    values = read_tables(path)
    columns = list(schema.columns)
    pointer = next((control for control in schema.controls if control.kind == "pointer"), None)
    found = {"pointer": -1, "button": -1}
    if pointer is not None:
        found["pointer"] = columns.index(f"{pointer.name}.x")
        found["button"] = columns.index(f"{pointer.name}.{pointer.clicks[0]}") if pointer.clicks else -1
    net = mosaic_config({**values.get("net", {}), **size, **found, "actions": schema.size})
    given = {name: value for name, value in overrides.items() if value is not None}
    config: MosaicTrainConfig = build_config(MosaicTrainConfig, {**values.get("train", {}), **given}, "train", net=net)
    return config


def mosaic_config(values: Mapping[str, Any]) -> MosaicConfig:
    """Rebuild the net's configuration from a card."""
    config: MosaicConfig = build_config(MosaicConfig, values, "net")
    return config
