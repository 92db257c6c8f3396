"""Dreams a recording again: the same scene, seed and actions through a model, tick by tick.

The same model on the same device with the same dtype and thread count gives the same bytes, so a replay
is verified and not hoped for. Follows rewinds, loaded games and resets through the marks of the
recording. Knows nothing about windows.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dreamloop.input.errors import DreamloopError
from dreamloop.input.schema import ActionSchema
from dreamloop.model.recording import Mark, Recording, RecordingError, Tick, frame_hash
from dreamloop.model.savegame import unpack_state
from dreamloop.model.world_model import (
    Action,
    Frame,
    ModelState,
    OpenOptions,
    Scene,
    Stepped,
    WorldModel,
    open_model,
)
from dreamloop.runtime import places
from dreamloop.runtime.session_header import cpu_threads, scene_hash
from dreamloop.runtime.world import World, find_world

Scenes = Callable[[str | None], Scene | None]  # finds a scene by the name that a recording gives it
Report = Callable[[int, int], None]  # called with ticks done and ticks in all


class ReplayError(DreamloopError):
    """A recording that cannot be dreamed again; the sentence says what is missing."""


@dataclass(frozen=True, slots=True)
class Dreamed:
    """One tick dreamed again."""

    tick: Tick
    frame: Frame | None  # None where the state it builds on is not in the recording


@dataclass(frozen=True, slots=True)
class Verification:
    """How a recording compares with dreaming it again."""

    path: Path
    ticks: int
    compared: int  # ticks whose hash could be compared
    equal: int  # of them, those with the same bytes
    first_difference: int | None  # index of the first tick that differs
    psnr_db: NDArray[np.float64]  # (t,): against the recorded pictures; inf: the same; NaN: nothing to compare
    differences: tuple[str, ...] = ()  # what is other than when it was recorded: weights, device, threads ...
    lost_bytes: int = 0

    @property
    def exact(self) -> bool:
        """True when every tick was compared and is the same."""
        return self.compared == self.ticks == self.equal and self.ticks > 0

    def curve(self) -> dict[int, float]:
        """Return PSNR in dB at 1, 2, 4, ... ticks after the first difference, where there are pictures."""
        if self.first_difference is None:
            return {}
        steps = [2**k for k in range(20) if self.first_difference + 2**k - 1 < self.ticks]
        values = {step: float(self.psnr_db[self.first_difference + step - 1]) for step in steps}
        return {step: value for step, value in values.items() if not math.isnan(value)}

    def sentence(self) -> str:
        """Say it in one sentence."""
        if self.exact:
            return f"{self.path}: all {self.ticks} ticks dreamed again, bit for bit"
        if self.compared == 0:
            return f"{self.path}: nothing could be compared"
        why = f" ({'; '.join(self.differences)})" if self.differences else ""
        if self.first_difference is None:
            return f"{self.path}: {self.equal} of {self.ticks} ticks dreamed again, bit for bit; no others compared"
        curve = ", ".join(f"{step}: {value:.1f}" for step, value in self.curve().items())
        after = f"; PSNR in dB after so many ticks: {curve}" if curve else ""
        return (
            f"{self.path}: {self.equal} of {self.compared} ticks are the same; the first that differs is tick "
            f"{self.first_difference}{why}{after}"
        )


def recorded_options(recording: Recording) -> OpenOptions:
    """Return the device, dtype and thread count of the recording, to dream it again on the same."""
    header = recording.header
    return OpenOptions(
        device=str(header.get("device") or "auto"),
        dtype=str(header.get("dtype") or "auto"),
        threads=int(header.get("threads") or 0),
        compiled=places.compiled() if header.get("compiled") else None,
    )


def world_of(recording: Recording) -> World:
    """Return the world that a recording was played in.

    Raises:
        ReplayError: the recording does not say.
        WorldError: no such world here.
    """
    name = recording.header.get("world")
    if not name:
        raise ReplayError(f"{recording.path} does not say which world it was played in; name it with --world")
    return find_world(str(name))


def open_recorded(recording: Recording, world: World, options: OpenOptions | None = None) -> WorldModel:
    """Open the world's model as it was when ``recording`` was made; elsewhere when that device is missing
    here.
    """
    wanted = options or recorded_options(recording)
    try:
        return world.open_model(wanted)
    except DreamloopError:
        if options is not None or wanted.device in ("auto", "cpu"):
            raise
        return world.open_model(OpenOptions(threads=wanted.threads))


def open_other(name: str, options: OpenOptions | None = None) -> WorldModel:
    """Open another model to dream the same actions through: a checkpoint file, or a world by name or folder."""
    if name.endswith(".safetensors"):
        from dreamloop.model.checkpoint import load_card

        card = load_card(Path(name))
        return open_model(card.arch, card, Path(name), options)
    return find_world(name).open_model(options)


def scenes_of(world: World, recording: Recording, context: int) -> Scenes:
    """Return a finder of scenes that notices a scene that is not what it was."""

    def find(name: str | None) -> Scene | None:
        if name is None:
            return None
        scene = world.scene(name, context)
        wanted = recording.header.get("scene_hash")
        if name == recording.header.get("scene") and wanted and scene_hash(scene) != wanted:
            raise ReplayError(f"scene '{name}' of world '{world.name}' is not the one that was played: it was changed")
        return scene

    return find


class Redream:
    """Dreams a recording again, tick by tick, on player 0 of a model.

    Args:
        recording: what to dream.
        model: what dreams it; not necessarily the one that was recorded.
        scenes: finds the scenes that the recording names.
        anchor: where the recording does not hold the state that a tick builds on (a simulator's episode, a game
            saved by another model), begin anew from its pictures. Not for verification.
    """

    def __init__(self, recording: Recording, model: WorldModel, scenes: Scenes, *, anchor: bool = False) -> None:
        self._recording, self._model, self._scenes = recording, model, scenes
        self._anchor = anchor
        self._translate = translator(recording, model)
        self._marks: dict[int, list[Mark]] = {}
        for mark in recording.marks:
            self._marks.setdefault(mark.at, []).append(mark)
        branches = [mark.values.get("to") for mark in recording.marks if mark.kind == "branch"]
        self._wanted = Counter(to for to in branches if isinstance(to, int))  # ticks that are gone back to
        self._states: dict[int, ModelState] = {}
        self._frame: Frame | None = None  # what is showing; None: nobody knows

    def __iter__(self) -> Iterator[Dreamed]:
        reset_frame = self._start()
        for i, tick in enumerate(self._recording.ticks):
            for mark in self._marks.get(i, ()):
                reset_frame = self._follow(mark) or reset_frame
            if self._frame is not None and not reset_frame:
                self._frame = self._model.step(self._translate(tick.action)[np.newaxis])[0]
            reset_frame = False
            self._remember(i)
            yield Dreamed(tick, self._frame)
            if self._frame is None and self._anchor:
                self.anchor(i + 1)

    def anchor(self, end: int) -> bool:
        """Let the dream begin anew from the recorded pictures before tick ``end``; False when there are too few."""
        context = max(self._model.card.context_frames, 1)
        if end < context or not all(self._recording.tick(i).has_frame for i in range(end - context, end)):
            return False
        scene = self._recording.scene(end, context)
        actions = np.stack([self._translate(action) for action in scene.actions])
        fitted = fit_scene(Scene(scene.name, scene.frames, actions), self._model)
        self._frame = self._model.reset(0, fitted, int(self._recording.header.get("seed", 0)))
        return True

    def _start(self) -> bool:
        """Bring the model to the beginning; True when tick 0 is the frame of the reset itself."""
        header = self._recording.header
        self._use_steps(header.get("steps"))
        if any(mark.kind in ("state", "reset") for mark in self._marks.get(0, ())):
            return False
        if "first_tick" in header or "seed" not in header or header.get("source", "play") != "play":
            if self._anchor:
                return False
            raise ReplayError(f"{self._recording.path} does not hold where its dream began; it has pictures only")
        self._reset(header.get("scene"), int(header["seed"]))
        self._remember(-1)
        return self._recording.initial_frame

    def _follow(self, mark: Mark) -> bool:
        """Do what a mark tells; True when the next tick is the frame of a reset."""
        values = mark.values
        if mark.kind == "reset":
            self._reset(values.get("scene"), int(values.get("seed", 0)))
            return bool(values.get("frame", False))
        if mark.kind == "branch":
            to = values.get("to")
            self._load(self._states.get(to) if isinstance(to, int) else None)
            if isinstance(to, int):
                self._wanted[to] -= 1
                if self._wanted[to] <= 0:
                    self._states.pop(to, None)
        elif mark.kind == "steps":
            self._use_steps(values.get("steps"))
        elif mark.kind in ("load", "state"):
            packed = values.get("state")
            self._load(unpack_state(packed, str(self._recording.path))[0] if packed else None)
        return False

    def _reset(self, scene: str | None, seed: int) -> None:
        self._frame = self._model.reset(0, fit_scene(self._scenes(scene), self._model), seed)

    def _use_steps(self, steps: Any) -> None:
        """Draw in so many steps a frame, as the recorded model did; of another kind of model that means nothing."""
        if isinstance(steps, int) and steps >= 1 and isinstance(self._model, Stepped):
            self._model.steps = steps

    def _load(self, state: ModelState | None) -> None:
        foreign = state is not None and state.weights_hash != self._model.card.weights_hash
        self._frame = None if state is None or foreign else self._model.load(0, state)

    def _remember(self, index: int) -> None:
        if self._wanted[index] > 0 and self._frame is not None:
            self._states[index] = self._model.save(0)


def take_over(recording: Recording, model: WorldModel, scenes: Scenes, index: int) -> tuple[Frame, bool]:
    """Bring player 0 of ``model`` to where tick ``index`` of a recording ended, to play on from there.

    Returns:
        the frame that is showing, and whether the state is exactly the recorded one; otherwise the dream goes on
        from the recorded pictures.

    Raises:
        ReplayError: neither the state nor enough pictures are in the recording.
    """
    dream = Redream(recording, model, scenes, anchor=True)
    for dreamed in dream:
        if dreamed.tick.index == index:
            break
    else:
        raise ReplayError(f"{recording.path} has ticks 0 to {len(recording) - 1}, asked for {index}")
    if dreamed.frame is not None and frame_hash(dreamed.frame) == dreamed.tick.frame_hash:
        return dreamed.frame, True
    if dream.anchor(index + 1):
        frame = recording.tick(index).frame
        assert frame is not None
        return frame, False
    if dreamed.frame is None:
        raise ReplayError(f"{recording.path} does not hold the state after tick {index}, nor pictures to begin from")
    return dreamed.frame, False


def translator(recording: Recording, model: WorldModel) -> Callable[[Action], Action]:
    """Return a function that turns recorded actions (a,) into the model's, control by control.

    Raises:
        SchemaError: the model needs a control that was not recorded.
    """
    wanted = ActionSchema.from_dict(model.card.schema, where=f"card of {model.card.name}")
    if "schema" not in recording.header:
        return lambda action: action
    got = ActionSchema.from_dict(recording.header["schema"], where=str(recording.path))
    if got.fingerprint == wanted.fingerprint:
        return lambda action: action
    got.fit(wanted)
    names = [name for name in wanted.index if name in got.index]

    def translate(action: Action) -> Action:
        values = got.decode(action)
        return wanted.vector(**{name: values[name] for name in names})

    return translate


def fit_scene(scene: Scene | None, model: WorldModel) -> Scene | None:
    """Return ``scene`` at the model's frame size and action length, for a model other than the recorded one."""
    if scene is None:
        return None
    size = (model.card.width_px, model.card.height_px)
    frames = scene.frames
    if (frames.shape[2], frames.shape[1]) != size:
        frames = np.stack([np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX)) for frame in frames])
    return replace(scene, frames=frames)


def verify(
    recording: Recording, model: WorldModel, scenes: Scenes, report: Report = lambda done, total: None
) -> Verification:
    """Dream ``recording`` again and compare every hash, and every picture that differs."""
    total = len(recording)
    psnr = np.full(total, math.nan)
    compared = equal = 0
    first: int | None = None
    for i, dreamed in enumerate(Redream(recording, model, scenes)):
        report(i + 1, total)
        if dreamed.frame is None or not dreamed.tick.frame_hash:
            continue
        compared += 1
        if frame_hash(dreamed.frame) == dreamed.tick.frame_hash:
            equal += 1
            psnr[i] = math.inf
        else:
            first = i if first is None else first
            psnr[i] = _psnr(dreamed.tick, dreamed.frame)
    differences = tuple(_differences(recording.header, model))
    return Verification(recording.path, total, compared, equal, first, psnr, differences, recording.lost_bytes)


def psnr_db(one: Frame, other: Frame) -> float:
    """Return the PSNR of two frames (h, w, 3) uint8 in dB; inf when they are the same."""
    error = float(np.mean((one.astype(np.float32) - other.astype(np.float32)) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def _psnr(tick: Tick, frame: Frame) -> float:
    try:
        recorded = tick.frame
    except RecordingError:
        return math.nan
    return math.nan if recorded is None or recorded.shape != frame.shape else psnr_db(recorded, frame)


def _differences(header: Mapping[str, Any], model: WorldModel) -> Iterator[str]:
    """Say what is other than when the recording was made."""
    now = {
        "weights": model.card.weights_hash,
        "device": str(getattr(model, "device", "cpu")),
        "dtype": str(getattr(model, "dtype", "")).removeprefix("torch."),
        "threads": cpu_threads(),
        "compiled": getattr(model, "compiled", ""),
    }
    then = {name: header.get("weights_hash" if name == "weights" else name) for name in now}
    for name, value in now.items():
        if then[name] is not None and then[name] != value:
            yield f"{name} {then[name] or 'none'} then, {value or 'none'} now"
