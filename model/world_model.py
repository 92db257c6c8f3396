"""The contract between a game loop and whatever dreams its frames, and the door to every implementation.

A world model steps a batch of n independent players. One person, a vector environment, a server full of players
and a branch of the timeline are the same thing with another n. Knows nothing about windows, devices or files of
recordings.

Axes, here and in every file of this room: b batch or players, t time, c channels, h height, w width, n tokens,
d width of a token, a action.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dreamloop.input.errors import DreamloopError, unknown

Frame = NDArray[np.uint8]  # (h, w, 3), RGB
Action = NDArray[np.float32]  # (a,), laid out by the action schema


class ModelError(DreamloopError):
    """A world model that cannot be opened, or was asked for something that it does not have."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a model says of itself; it travels with the weights (model/checkpoint.py)."""

    name: str  # "doom-small"
    arch: str  # the plug that runs it: model/arch_<arch>.py
    width_px: int
    height_px: int
    rate_hz: float  # ticks per second of world time that it was trained at
    schema: Mapping[str, Any]  # the whole action schema it was trained with, as ActionSchema.to_dict() gives it
    context_frames: int = 1  # frames of true history that a scene should bring
    licence: str = "MIT"
    provenance: Mapping[str, Any] = field(default_factory=dict)  # data, steps, compute, command, figures
    config: Mapping[str, Any] = field(default_factory=dict)  # the architecture's own configuration
    weights_hash: str = ""  # sha256 of the tensors, "" for a model without weights


class Gesture(NamedTuple):
    """What hangs on the camera does when it is asked to."""

    column: int  # of the actions that ask for it
    shown: NDArray[np.uint8]  # (t, h, w, 4) at rest, then in every tick from the asking on; colours times their alpha
    light: NDArray[np.float32] | None = None  # (t,) that falls on what else there is, 1 at rest; None: no other


class Doors(NamedTuple):
    """Doors that go up when they are used, wait, and come down again (model/doors.py)."""

    column: int  # of the actions that uses them
    places: NDArray[np.float32]  # (d, 10) west, south, east, north; the ground; how far up they go; how tall they are;
    # and of what colour they are from below
    speed: float  # map units a tick
    waits: int  # ticks that they stay up
    pages: int = 0  # so many of the first frames show them shut, and tell of nothing else


@dataclass(frozen=True, slots=True)
class Scene:
    """A place to start from: true frames and the actions that led from one to the next."""

    name: str
    frames: NDArray[np.uint8]  # (t, h, w, 3), oldest first; the last one is shown
    actions: NDArray[np.float32]  # (t, a): actions[i] led to frames[i]
    poses: NDArray[np.float32] | None = None  # (t, 4) x, y, yaw, pitch in map units and degrees, where they are known
    distances: NDArray[np.float32] | None = None  # (t, h', w') of what is in view, map units; NaN where not known
    walked: NDArray[np.float32] | None = None  # (n, 3) squares with room: x, y, the ground's height (model/room.py)
    overlay: NDArray[np.bool_] | None = None  # (h, w) what hangs on the camera in all of the frames, where it is known
    heights: NDArray[np.float32] | None = None  # (t,) of the ground that they were taken from, map units
    things: NDArray[np.float32] | None = None  # (k, 3) that stand there: x, y, and from their middle to their sides
    walls: NDArray[np.float32] | None = None  # (m, 5) lines that stop who is there (model/room.py)
    clock: int | None = None  # ticks since the world began, where eyes sway by it (model/gait.py)
    items: NDArray[np.float32] | None = None  # (i, 4) that lie there: x, y, z, and from how near they are taken
    gesture: Gesture | None = None  # shows where overlay and clock are known, too
    doors: Doors | None = None


@dataclass(frozen=True, slots=True)
class ModelState:
    """Everything that decides the future of one player: memory, context, random state. Arrays and scalars only."""

    arch: str
    weights_hash: str
    tick: int
    values: Mapping[str, Any]  # name -> numpy array, int, float, str or bytes

    @property
    def nbytes(self) -> int:
        """Size of the arrays in bytes."""
        return sum(value.nbytes for value in self.values.values() if isinstance(value, np.ndarray))


@runtime_checkable
class WorldModel(Protocol):
    """Turns actions into next frames for n players at once.

    Same weights, seed, actions, device, dtype and thread count: same bytes. ``reset`` of one player is not
    noticed by the others.
    """

    card: Card
    players: int

    def reset(self, player: int, scene: Scene | None, seed: int) -> Frame:
        """Start player ``player`` over in ``scene`` (None: a blank start) and return its first frame (h, w, 3)."""
        ...

    def step(self, actions: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Take one tick with ``actions`` (n, a) and return the frames (n, h, w, 3) that show their effect."""
        ...

    def save(self, player: int) -> ModelState:
        """Return everything that decides the future of ``player``; later steps never change what was returned."""
        ...

    def load(self, player: int, state: ModelState) -> Frame:
        """Go back to ``state`` bit-exactly and return the frame that was showing.

        Raises:
            ModelError: when the state was saved by another architecture or other weights.
        """
        ...

    def stats(self) -> Mapping[str, float]:
        """Return live figures for the HUD, units in the names ("memory_bytes", "dynamics_ms"); may be empty."""
        ...


@runtime_checkable
class Prepared(Protocol):
    """What a WorldModel has besides when part of a frame can be reckoned before its action is known.

    The loop calls ``prepare`` when a frame is out of the model's hands and nobody waits for it. It changes no result:
    a step that was not prepared does all of it itself.
    """

    def prepare(self) -> None:
        """Do what the next step needs and no action decides."""
        ...


@runtime_checkable
class Stepped(Protocol):
    """What a WorldModel has besides when it draws a frame in several steps, whose number is the player's choice.

    The number belongs to the session and not to a player's state: it stays when a state is loaded.
    """

    steps: int  # may be changed between two frames; fewer are faster and worse

    @property
    def step_choices(self) -> tuple[int, ...]:
        """Numbers of steps that are worth offering, most first; its own default is among them."""
        ...


STEP_CHOICES = (10, 4, 2, 1)


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """How to open a model."""

    players: int = 1
    device: str = "auto"  # "auto", "cpu", "cuda", "cuda:1", "mps"
    dtype: str = "auto"  # "auto", "float32", "bfloat16"
    threads: int = 0  # CPU threads of torch; 0: as many as are idle when the process begins
    compiled: Path | None = None  # folder of nets that were compiled ahead; one that fits is used
    memory: str = ""  # policy of the long-horizon memory; "": the model's own choice


def list_archs() -> list[str]:
    """Return the architectures found on disk (``arch_<name>.py``) and in the entry point ``dreamloop.models``."""
    here = [path.stem.removeprefix("arch_") for path in Path(__file__).parent.glob("arch_*.py")]
    return sorted({*here, *(point.name for point in entry_points(group="dreamloop.models"))})


def open_model(arch: str, card: Card, weights: Path | None = None, options: OpenOptions | None = None) -> WorldModel:
    """Open the model that plug ``arch`` builds from ``card`` and ``weights``.

    A plug is one module with ``build(card, weights, options) -> WorldModel``.

    Raises:
        ModelError: unknown architecture.
        CheckpointError: weights that are missing, damaged or foreign (model/checkpoint.py).
    """
    model: WorldModel = _plug(arch).build(card, weights, options or OpenOptions())
    return model


def open_untrained(arch: str, card: Card, options: OpenOptions | None = None) -> WorldModel:
    """Open a model of the size on ``card`` with seeded random weights: it costs what the real one costs.

    Raises:
        ModelError: unknown architecture, or one whose plug has no ``build_untrained(card, options)``.
    """
    plug = _plug(arch)
    if not hasattr(plug, "build_untrained"):
        raise ModelError(f"the architecture '{arch}' offers no random weights; it is measured with its own")
    model: WorldModel = plug.build_untrained(card, options or OpenOptions())
    return model


def _plug(arch: str) -> Any:
    points: Sequence[Any] = [point for point in entry_points(group="dreamloop.models") if point.name == arch]
    if points:
        return points[0].load()
    if arch in list_archs():
        return importlib.import_module(f"dreamloop.model.arch_{arch}")
    raise ModelError(unknown("model architecture", arch, list_archs()))


def check_actions(actions: NDArray[np.float32], players: int, size: int) -> None:
    """Raise ModelError unless ``actions`` is (players, size) and finite."""
    if actions.shape != (players, size):
        raise ModelError(f"actions have shape {actions.shape}, the model takes ({players}, {size})")
    if not np.isfinite(actions).all():
        raise ModelError("actions hold a value that is not finite; every control must be a number")


def check_player(player: int, players: int) -> None:
    """Raise ModelError unless there is such a player."""
    if not 0 <= player < players:
        raise ModelError(f"player {player} does not exist; this model has players 0 to {players - 1}")


def check_scene(scene: Scene, card: Card, size: int) -> None:
    """Raise ModelError unless the frames of ``scene`` are of the card's size and its actions of ``size`` controls."""
    wanted = (card.height_px, card.width_px, 3)
    if scene.frames.shape[1:] != wanted or scene.actions.shape[1] != size:
        raise ModelError(
            f"scene '{scene.name}' has frames {scene.frames.shape[1:]} and {scene.actions.shape[1]} controls; "
            f"the model takes {wanted} and {size}"
        )


def check_state(state: ModelState, card: Card) -> None:
    """Raise ModelError when ``state`` was saved by another architecture or with other weights."""
    if (state.arch, state.weights_hash) != (card.arch, card.weights_hash):
        raise ModelError(
            f"the state was saved by '{state.arch}' with weights {state.weights_hash or 'none'}; "
            f"this is '{card.arch}' with weights {card.weights_hash}"
        )
