"""A world that is easy to know: a picture that is rolled about. Models that are perfect, frozen, grey or contrary."""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dreamloop.input.schema import ActionSchema
from dreamloop.model.eval_play import Play
from dreamloop.model.world_model import Card, Frame, ModelState, Scene

H, W = 32, 48
SCHEMA = {
    "format": 1,
    "name": "pattern",
    "control": [
        {"name": "forward", "kind": "button", "help": "down", "keys": ["w"]},
        {"name": "back", "kind": "button", "help": "up", "keys": ["s"]},
        {"name": "turn", "kind": "axis", "help": "sideways", "unit": "deg", "range": [-3.0, 3.0], "motion": "x"},
    ],
    "opposites": [{"pair": ["forward", "back"]}],
}
Roll = tuple[int, int]  # pixels down and right


def roll_of(action: NDArray[np.float32]) -> Roll:
    """How far an action (3,) rolls the picture."""
    return round(float(action[0] - action[1])), round(float(3 * action[2]))


class PatternWorld:
    """Makes true play, places and readers."""

    def __init__(self, seed: int = 0) -> None:
        self.schema = ActionSchema.from_dict(SCHEMA)
        self.rng = np.random.default_rng(seed)
        self.picture = self.rng.integers(0, 256, (H, W, 3), np.uint8)

    def follow(
        self, actions: NDArray[np.float32], first: Frame | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        """Return frames (t, h, w, 3) and poses (t, 4) of actions (t, 3); the first action is not taken."""
        frames, pose = [self.picture if first is None else first], [(0.0, 0.0, 90.0, 0.0)]
        for action in actions[1:]:
            down, right = roll_of(action)
            frames.append(np.roll(frames[-1], (down, right), (0, 1)))
            x, y, angle, pitch = pose[-1]
            heading = math.radians(angle)
            pose.append((x + down * math.cos(heading), y + down * math.sin(heading), angle - right, pitch))
        return np.stack(frames), np.array(pose, np.float32)

    def play(self, ticks: int, name: str = "play", hold: int = 4) -> Play:
        """Return true play under random actions, each held for ``hold`` ticks."""
        actions = np.zeros((ticks, 3), np.float32)
        actions[:, :2] = np.repeat(self.rng.integers(0, 2, (ticks // hold + 1, 2)), hold, 0)[:ticks]
        actions[:, 2] = np.repeat(self.rng.integers(-1, 2, ticks // hold + 1), hold)[:ticks]
        frames, poses = self.follow(actions)
        return Play(name, frames, actions, poses)


class PatternModel:
    """A WorldModel of the pattern world. ``mend`` turns what it ought to show into what it shows."""

    def __init__(self, players: int = 3, sign: int = 1, mend: Callable[[Frame, Frame], Frame] | None = None) -> None:
        self.card = Card("pattern", "pattern", W, H, 25.0, SCHEMA, context_frames=2)
        self.players = players
        self.sign = sign
        self.mend = mend or (lambda before, after: after)
        self.shown = np.zeros((players, H, W, 3), np.uint8)
        self.resets: list[tuple[int, str, int]] = []

    def reset(self, player: int, scene: Scene | None, seed: int) -> Frame:
        """Start from the last frame of a scene."""
        assert scene is not None
        self.resets.append((player, scene.name, seed))
        self.shown[player] = scene.frames[-1]
        first: Frame = self.shown[player].copy()
        return first

    def step(self, actions: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Roll every player's picture."""
        rolled = [
            self.mend(frame, np.roll(frame, np.multiply(self.sign, roll_of(action)), (0, 1)))
            for frame, action in zip(self.shown, actions, strict=True)
        ]
        self.shown = np.stack(rolled)
        shown: NDArray[np.uint8] = self.shown.copy()
        return shown

    def save(self, player: int) -> ModelState:
        """Not needed here."""
        raise NotImplementedError

    def load(self, player: int, state: ModelState) -> Frame:
        """Not needed here."""
        raise NotImplementedError

    def stats(self) -> Mapping[str, float]:
        """Nothing to tell."""
        return {}


class OracleReader:
    """Finds the roll between two frames by trying all small ones; 0 where none fits."""

    motions: tuple[str, ...] = ("ahead", "right", "turn", "look")
    drives: Mapping[str, tuple[str, int]] = {"forward": ("ahead", 1), "back": ("ahead", -1), "turn": ("turn", 1)}

    def displacement(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return ahead and turn over the ticks after the second frame."""
        return np.array([self._net(row) for row in frames], np.float32)

    def _net(self, frames: NDArray[np.uint8]) -> tuple[float, float, float, float]:
        steps = [self._step(a, b) for a, b in pairwise(frames[1:])]
        down, right = np.sum(steps, axis=0)
        return float(down), 0.0, float(right), 0.0

    def _step(self, before: Frame, after: Frame) -> Roll:
        for down in (0, 1, -1):
            for right in (0, 1, -1, 2, -2, 3, -3):
                if np.array_equal(np.roll(before, (down, right), (0, 1)), after):
                    return down, right
        return 0, 0


@pytest.fixture
def pattern() -> PatternWorld:
    """A pattern world."""
    return PatternWorld()


@pytest.fixture
def make_pattern_model() -> type[PatternModel]:
    """Opens models of the pattern world."""
    return PatternModel


@pytest.fixture
def oracle() -> OracleReader:
    """A reader that is never wrong."""
    return OracleReader()
