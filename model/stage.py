"""Stages: what draws a dreamed frame once more before it is shown, and the chain of a world model and its stages.

A stage is a function of the dynamics' frame and keeps nothing. So the dynamics decides: it is fed its own frames, its
frames are what is recorded, hashed and saved, and a stage may be switched on or off over the same session. A net that
feeds its large picture back, as DIAMOND's upsampler does, decides the future with it and is part of its architecture.
Knows nothing about windows or files of recordings.
"""

import importlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dreamloop.input.errors import unknown
from dreamloop.model.world_model import Card, Frame, ModelError, ModelState, OpenOptions, Prepared, Scene, WorldModel


@runtime_checkable
class Stage(Protocol):
    """Draws frames anew, larger as a rule. Same frames, weights, device, dtype and thread count: same bytes."""

    card: Card  # width_px and height_px are those of what it draws
    takes_px: tuple[int, int]  # width and height of what it is given

    def draw(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return frames (n, h, w, 3) drawn anew, (n, card.height_px, card.width_px, 3)."""
        ...


def list_stages() -> list[str]:
    """Return the kinds of stages on disk (``stage_<kind>.py``) and in the entry point ``dreamloop.stages``."""
    here = [path.stem.removeprefix("stage_") for path in Path(__file__).parent.glob("stage_*.py")]
    return sorted({*here, *(point.name for point in entry_points(group="dreamloop.stages"))})


def open_stage(weights: Path, options: OpenOptions | None = None) -> Stage:
    """Open the stage whose weights these are; their card names the plug.

    A plug is one module with ``build(card, weights, options) -> Stage``.

    Raises:
        ModelError: a kind of stage that is not here.
        CheckpointError: weights that are missing, damaged or foreign.
    """
    from dreamloop.model.checkpoint import load_card  # here: a chain of a model without torch must not load it

    card = load_card(weights)
    points = [point for point in entry_points(group="dreamloop.stages") if point.name == card.arch]
    if points:
        plug = points[0].load()
    elif card.arch in list_stages():
        plug = importlib.import_module(f"dreamloop.model.stage_{card.arch}")
    else:
        raise ModelError(f"{weights}: " + unknown("kind of stage", card.arch, list_stages()))
    stage: Stage = plug.build(card, weights, options or OpenOptions())
    return stage


class Chain:
    """A WorldModel whose frames go through stages. The card's size is the last stage's; all else is the dynamics'.

    Args:
        dynamics: decides the future; never sees what the stages draw.
        stages: names and stages, in their order.

    Raises:
        ModelError: a stage that takes frames of another size than those before it gives.
    """

    def __init__(self, dynamics: WorldModel, stages: Sequence[tuple[str, Stage]]) -> None:
        self.dynamics, self.stages = dynamics, tuple(stages)
        self.players = dynamics.players
        size = (dynamics.card.width_px, dynamics.card.height_px)
        for name, stage in self.stages:
            if stage.takes_px != size:
                raise ModelError(f"stage '{name}' takes frames of {_words(stage.takes_px)}, it is given {_words(size)}")
            size = (stage.card.width_px, stage.card.height_px)
        self.card = replace(dynamics.card, width_px=size[0], height_px=size[1])
        self.device = getattr(dynamics, "device", "cpu")
        self.dtype = getattr(dynamics, "dtype", "")
        self._ms = {f"{name}_ms": 0.0 for name, _ in self.stages}
        shape = (self.players, dynamics.card.height_px, dynamics.card.width_px, 3)
        self._decided: NDArray[np.uint8] = np.zeros(shape, np.uint8)

    def reset(self, player: int, scene: Scene | None, seed: int) -> Frame:
        """Start over; a scene has frames of the dynamics' size."""
        return self._show(player, self.dynamics.reset(player, scene, seed))

    def step(self, actions: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Dream the next frames and draw them (n, h, w, 3)."""
        self._decided = self.dynamics.step(actions)
        return self.draw(self._decided)

    def prepare(self) -> None:
        """Let the dynamics prepare, where they can; a stage has nothing to prepare."""
        if isinstance(self.dynamics, Prepared):
            self.dynamics.prepare()

    def save(self, player: int) -> ModelState:
        """Return the dynamics' state; a stage keeps none."""
        return self.dynamics.save(player)

    def load(self, player: int, state: ModelState) -> Frame:
        """Go back to ``state``, whichever stages it was saved under."""
        return self._show(player, self.dynamics.load(player, state))

    def stats(self) -> Mapping[str, float]:
        """Return the dynamics' figures and the time of every stage."""
        return {**self.dynamics.stats(), **self._ms}

    def draw(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the dynamics' frames (n, h, w, 3) as they are shown."""
        for name, stage in self.stages:
            started_s = time.perf_counter()
            frames = stage.draw(frames)
            self._ms[f"{name}_ms"] = 1e3 * (time.perf_counter() - started_s)
        return frames

    def decided(self, player: int) -> Frame:
        """Return the dynamics' own frame (h, w, 3) behind the one that ``player`` is shown."""
        frame: Frame = self._decided[player].copy()
        return frame

    def _show(self, player: int, frame: Frame) -> Frame:
        self._decided = self._decided.copy()
        self._decided[player] = frame
        shown: Frame = self.draw(frame[np.newaxis])[0]
        return shown


def dynamics_of(model: WorldModel) -> WorldModel:
    """Return what decides the future: the dynamics of a chain, any other model itself."""
    return model.dynamics if isinstance(model, Chain) else model


def _words(size_px: tuple[int, int]) -> str:
    return f"{size_px[0]} x {size_px[1]}"
