"""The desk's simulator: a gymnasium environment with the action layout of schema.toml, 20 ticks a second.

``reset(seed=n)`` decides how the desk is found: what lies open where, what is written, in which look. From there on
nothing is left to chance. Knows nothing about models or recordings.
"""

from itertools import pairwise
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from dreamloop.demos.desk import apps
from dreamloop.demos.desk.colours import PAINTS
from dreamloop.demos.desk.desktop import INTENTS, KEYS, Act, move, open_app, tick
from dreamloop.demos.desk.screen import Picture, Screen, colourful
from dreamloop.demos.desk.state import (
    APPS,
    CALC,
    CANVAS,
    COLUMNS,
    HEIGHT,
    NOTES,
    PAINT,
    PLAYER,
    RATE_HZ,
    ROWS,
    WIDTH,
    Desk,
)
from dreamloop.demos.desk.words import WORDS
from dreamloop.input.errors import ConfigError, unknown

MAP_SETS = ("train", "test")
POINTER, BUTTON = slice(0, 2), 2
KEY = slice(3, 3 + len(KEYS))
INTENT = slice(KEY.stop, KEY.stop + len(INTENTS))
SIZE = INTENT.stop

Info = dict[str, Any]
Pixels = NDArray[np.uint8]


def make_env(
    maps: str = "train", seed: int = 0, width_px: int = WIDTH, height_px: int = HEIGHT, bare: bool = False
) -> "DeskEnv":
    """Return the environment; ``maps`` says which desks are found ("train", "test": never trained on).

    Args:
        bare: leave the pointer off the pictures.
    """
    return DeskEnv(maps, seed, width_px, height_px, bare=bare)


def encode(act: Act) -> NDArray[np.float32]:
    """Return the action vector (a,) of one tick."""
    action = np.zeros(SIZE, np.float32)
    action[POINTER] = act.pointer[0] / (WIDTH - 1), act.pointer[1] / (HEIGHT - 1)
    action[BUTTON] = act.held
    if act.key:
        action[KEY.start + KEYS.index(act.key)] = 1.0
    if act.intent:
        action[INTENT.start + INTENTS.index(act.intent)] = 1.0
    return action


def decode(action: NDArray[np.float32]) -> Act:
    """Return what an action vector says; a button, key or intent counts above 0.5, the strongest of each."""
    x, y = np.clip(action[POINTER], 0.0, 1.0)
    key, intent = int(action[KEY].argmax()), int(action[INTENT].argmax())
    return Act(
        pointer=(round(float(x) * (WIDTH - 1)), round(float(y) * (HEIGHT - 1))),
        held=bool(action[BUTTON] > 0.5),
        key=KEYS[key] if action[KEY][key] > 0.5 else "",
        intent=INTENTS[intent] if action[INTENT][intent] > 0.5 else "",
    )


class DeskEnv(gymnasium.Env[Pixels, NDArray[np.float32]]):
    """A little desktop. It pays nothing and never ends."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": RATE_HZ}  # noqa: RUF012 gymnasium's own

    def __init__(
        self,
        maps: str = "train",
        seed: int = 0,
        width_px: int = WIDTH,
        height_px: int = HEIGHT,
        render_mode: str | None = "rgb_array",
        bare: bool = False,
    ) -> None:
        if maps not in MAP_SETS:
            raise ConfigError(unknown("set of maps", maps, MAP_SETS))
        if (width_px, height_px) != (WIDTH, HEIGHT):
            raise ConfigError(f"frame size {width_px}x{height_px} is not offered (allowed: {WIDTH}x{HEIGHT})")
        self.maps, self.render_mode, self._first_seed = maps, render_mode, seed
        self.observation_space = gymnasium.spaces.Box(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        self.action_space = gymnasium.spaces.Box(0.0, 1.0, (SIZE,), np.float32)
        self.desk, self._screen = Desk(), Screen(pointer=not bare)
        self.picture: Picture = self._screen.draw(self.desk)
        self._changed = np.zeros((HEIGHT, WIDTH), np.bool_)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Pixels, Info]:
        """Find a desk; the same seed finds the same one. ``options={"state": desk}`` puts a given one there."""
        if seed is None and self._np_random is None:
            seed = self._first_seed
        super().reset(seed=seed)
        rng = np.random.default_rng([MAP_SETS.index(self.maps), int(self.np_random.integers(2**31))])
        self.desk = (options or {}).get("state") or furnish(rng)
        self.picture = self._screen.draw(self.desk)
        self._changed = np.zeros((HEIGHT, WIDTH), np.bool_)
        return colourful(self.picture), self._info([])

    def step(self, action: NDArray[np.float32]) -> tuple[Pixels, float, bool, bool, Info]:
        """Take one tick."""
        kinds = tick(self.desk, decode(action))
        before, self.picture = self.picture, self._screen.draw(self.desk)
        self._changed = before != self.picture
        return colourful(self.picture), 0.0, False, False, self._info(kinds)

    def render(self) -> Pixels:
        """Return the frame of the last step."""
        return colourful(self.picture)

    def _info(self, kinds: list[str]) -> Info:
        """The whole state, what just happened, and which pixels it changed: for users, judges and tests."""
        return {
            "state": self.desk,  # itself, to be looked at and not changed; to_dict() gives plain values
            "kinds": kinds,
            "changed": self._changed,
            "pointer": self.desk.pointer,
            "map": self.maps,
        }


def furnish(rng: np.random.Generator) -> Desk:
    """Return a desk as somebody may have left it. What nobody has seen of it is as it is when it is new."""
    desk = Desk(dark=bool(rng.random() < 0.35), large=bool(rng.random() < 0.3), accent=int(rng.integers(4)))
    desk.time = int(rng.integers(0, 3600 * RATE_HZ))
    desk.pointer = (int(rng.integers(WIDTH)), int(rng.integers(HEIGHT)))
    for app in rng.permutation(len(APPS))[: rng.integers(0, 5)]:
        open_app(desk, int(app))
        if rng.random() < 0.7:
            move(desk, int(app), int(rng.integers(COLUMNS)), int(rng.integers(ROWS)))
    if NOTES in desk.order:
        for key in written(rng, int(rng.integers(0, 40))):
            apps.write(desk, key)
    if CALC in desk.order and rng.random() < 0.5:
        desk.sum = str(rng.integers(0, 10_000))
    if PLAYER in desk.order:
        desk.playing, desk.track = bool(rng.random() < 0.5), int(rng.integers(9))
        desk.played = int(rng.integers(0, 400))
    if PAINT in desk.order:
        _scribble(desk, rng)
    return desk


def _scribble(desk: Desk, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(0, 4))):
        desk.colour = int(rng.choice(PAINTS))
        points = rng.integers(0, (CANVAS[1], CANVAS[0]), (int(rng.integers(2, 5)), 2))
        for a, b in pairwise(points):
            apps.stroke(desk, (int(a[0]), int(a[1])), (int(b[0]), int(b[1])))


def written(rng: np.random.Generator, length: int) -> list[str]:
    """Return about so many keys of words, numbers and a few new lines."""
    keys: list[str] = []
    while len(keys) < length:
        word = str(rng.choice(WORDS)) if rng.random() < 0.85 else str(rng.integers(0, 1000))
        keys += [*word, "enter" if rng.random() < 0.2 else " "]
    return keys
