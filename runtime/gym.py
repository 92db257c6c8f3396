"""The dream as an environment for reinforcement learning: ``gymnasium.make("dreamloop/Doom-v0")``.

Importing this module registers every world that can be played by name; ``gymnasium.make`` does so by itself when asked
for ``"dreamloop.runtime.gym:dreamloop/Doom-v0"``. ``gymnasium.make_vec(id, num_envs=n)`` is one model that dreams for n
players at once. Rewards and ends are those of the world's reward head (model/reward_net.py); a world without one pays
nothing. Knows models by their contract only.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamloop.input.errors import ConfigError, MissingPartError, unknown
from dreamloop.model.world_model import Action, Frame, OpenOptions, Scene
from dreamloop.runtime.clock import Clock, SystemClock
from dreamloop.runtime.reward_world import open_head
from dreamloop.runtime.world import find_world, list_worlds

try:
    import gymnasium
    from gymnasium.vector import AutoresetMode
    from gymnasium.vector.utils import batch_space
except ImportError as error:
    raise MissingPartError("gymnasium is not installed; run: pip install 'gymnasium>=1.1'") from error

Info = dict[str, Any]
RENDER_MODES = ("rgb_array", "human")
EPISODE_S = 30.0  # of world time; then an episode is cut off
MANY = 2**31  # seeds of dreams lie below


@dataclass(frozen=True, slots=True)
class DreamOptions:
    """What one may choose when an environment is made; every field is a keyword of ``gymnasium.make``."""

    frame_skip: int = 1  # ticks of the world per step; the action is held, rewards are summed
    episode_s: float = EPISODE_S  # world seconds until an episode is cut off (truncated); 0: never
    scene: str | None = None  # where every episode begins; None: a scene drawn by the seed
    device: str = "auto"
    dtype: str = "auto"
    threads: int = 0


class Dream:
    """n players dreaming side by side, and what their ticks are worth."""

    def __init__(self, world: str | Path, players: int, options: DreamOptions) -> None:
        if options.frame_skip < 1:
            raise ConfigError(f"frame_skip is {options.frame_skip}; a step is one tick or more")
        self.world, self.options = find_world(world), options
        opening = OpenOptions(players, options.device, options.dtype, options.threads)
        self.model = self.world.open_model(opening)
        head = open_head(self.world)
        self._judge = head[0].open(head[1], players) if head else None
        self._scenes: dict[str, Scene | None] = {}
        card = self.model.card
        self.frames = np.zeros((players, card.height_px, card.width_px, 3), np.uint8)  # what each player is shown
        self.scenes, self.seeds = [""] * players, [0] * players
        self.ticks = np.zeros(players, np.int64)
        self._last = round(options.episode_s * self.world.rate_hz) or np.iinfo(np.int64).max

    def begin(self, player: int, rng: np.random.Generator, scene: str | None = None) -> None:
        """Let ``player`` begin an episode, in ``scene`` or in one that ``rng`` draws."""
        names = self.world.scene_names
        drawn = str(rng.choice(names)) if names else None
        name = scene or self.options.scene or drawn
        seed = int(rng.integers(MANY))
        self.frames[player] = self.model.reset(player, self._scene(name), seed)
        if self._judge is not None:
            self._judge.reset(player, self.frames[player])
        self.scenes[player], self.seeds[player], self.ticks[player] = name or "", seed, 0

    def step(self, actions: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Take ``frame_skip`` ticks with ``actions`` (n, a); return rewards, ends and cuts (n,)."""
        actions = np.ascontiguousarray(actions, np.float32)
        rewards, ended = np.zeros(len(actions)), np.zeros(len(actions), np.bool_)
        for _ in range(self.options.frame_skip):
            self.frames = self.model.step(actions).copy()  # a reset writes into it
            self.ticks += 1
            if self._judge is not None:
                outcome = self._judge.step(actions, self.frames)
                rewards += np.where(ended, 0.0, outcome.rewards)
                ended |= outcome.ended
        return rewards, ended, ~ended & (self.ticks >= self._last)

    def info(self, player: int) -> Info:
        """Return where the player began and for how many ticks it has dreamed."""
        return {"scene": self.scenes[player], "seed": self.seeds[player], "tick": int(self.ticks[player])}

    def _scene(self, name: str | None) -> Scene | None:
        if name is None:
            return None
        if name not in self._scenes:
            self._scenes[name] = self.world.scene(name, self.model.card.context_frames)
        return self._scenes[name]


class Screen:
    """Shows frames in a window at the world's own rate; opened with the first frame."""

    def __init__(self, title: str, rate_hz: float, clock: Clock) -> None:
        self._title, self._dt_s, self._clock = title, 1 / rate_hz, clock
        self._window: Any = None
        self._due_s = clock.now_s()

    def show(self, frame: Frame) -> None:
        """Show ``frame`` (h, w, 3) when it is due."""
        if self._window is None:
            from dreamloop.runtime.window import PygameWindow

            self._window = PygameWindow(self._title, (frame.shape[1], frame.shape[0]), self._clock)
        self._window.pump()
        self._clock.sleep(self._due_s - self._clock.now_s())
        self._window.show(frame)
        self._due_s = max(self._due_s + self._dt_s, self._clock.now_s())

    def close(self) -> None:
        """Close the window; may be called twice."""
        if self._window is not None:
            self._window.close()
            self._window = None


class DreamEnv(gymnasium.Env[Frame, Action]):
    """A world's dream for one player.

    Observations are frames, uint8 (h, w, 3); actions are vectors as the world's action schema lays them out. ``reset``
    takes ``options={"scene": name}``. Keywords besides ``world`` and ``render_mode``: the fields of
    :class:`DreamOptions`.
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 35}  # noqa: RUF012 gymnasium's own

    def __init__(self, world: str | Path, render_mode: str | None = None, **options: Any) -> None:
        self.render_mode = _checked(render_mode)
        self.dream = Dream(world, 1, DreamOptions(**options))
        self.observation_space, self.action_space = _spaces(self.dream)
        rate_hz = self.dream.world.rate_hz / self.dream.options.frame_skip
        self.metadata = {**self.metadata, "render_fps": round(rate_hz)}
        self._screen = Screen(self.dream.world.title, rate_hz, SystemClock())

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Frame, Info]:
        """Begin an episode; the same seed gives the same scene and the same dream."""
        super().reset(seed=seed)
        self.dream.begin(0, self.np_random, (options or {}).get("scene"))
        return self._shown(), self.dream.info(0)

    def step(self, action: Action) -> tuple[Frame, float, bool, bool, Info]:
        """Dream one step on."""
        rewards, ended, cut = self.dream.step(np.asarray(action)[np.newaxis])
        return self._shown(), float(rewards[0]), bool(ended[0]), bool(cut[0]), self.dream.info(0)

    def render(self) -> Frame | None:
        """Return the frame that is showing; None where a window shows it."""
        return self.dream.frames[0].copy() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Close the window, if there is one."""
        self._screen.close()

    def _shown(self) -> Frame:
        frame: Frame = self.dream.frames[0].copy()
        if self.render_mode == "human":
            self._screen.show(frame)
        return frame


class DreamVectorEnv(gymnasium.vector.VectorEnv[NDArray[np.uint8], NDArray[np.float32], NDArray[Any]]):
    """A world's dream for ``num_envs`` players at once: one evaluation of the model a tick, whatever their number.

    Environment i of ``reset(seed=s)`` begins as ``DreamEnv.reset(seed=s + i)`` does. An environment that is over begins
    again with the next step, which ignores its action (gymnasium's next-step mode).
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 gymnasium's own
        "render_modes": list(RENDER_MODES),
        "render_fps": 35,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(self, world: str | Path, num_envs: int = 1, render_mode: str | None = None, **options: Any) -> None:
        self.render_mode, self.num_envs = _checked(render_mode), num_envs
        self.dream = Dream(world, num_envs, DreamOptions(**options))
        self.single_observation_space, self.single_action_space = _spaces(self.dream)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        rate_hz = self.dream.world.rate_hz / self.dream.options.frame_skip
        self.metadata = {**self.metadata, "render_fps": round(rate_hz)}
        self._screen = Screen(self.dream.world.title, rate_hz, SystemClock())
        self._rngs = [np.random.default_rng() for _ in range(num_envs)]
        self._over = np.zeros(num_envs, np.bool_)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: Info | None = None
    ) -> tuple[NDArray[np.uint8], Info]:
        """Begin an episode everywhere; with a list of seeds, each with its own."""
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else seed or [None] * self.num_envs
        if len(seeds) != self.num_envs:
            raise ConfigError(f"{len(seeds)} seeds were given for {self.num_envs} environments")
        for i, one in enumerate(seeds):
            if one is not None:
                self._rngs[i] = gymnasium.utils.seeding.np_random(one)[0]
            self.dream.begin(i, self._rngs[i], (options or {}).get("scene"))
        self._over[:] = False
        return self._shown(), self._infos()

    def step(
        self, actions: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], NDArray[Any], NDArray[Any], NDArray[Any], Info]:
        """Dream one step on everywhere; those that were over begin anew instead."""
        rewards, ended, cut = self.dream.step(np.asarray(actions))
        for i in np.flatnonzero(self._over):
            self.dream.begin(int(i), self._rngs[i])
        rewards[self._over] = 0.0
        ended, cut = ended & ~self._over, cut & ~self._over
        self._over = ended | cut
        return self._shown(), rewards, ended, cut, self._infos()

    def render(self) -> tuple[Frame, ...] | None:
        """Return the frames that are showing; None where a window shows them."""
        return tuple(self.dream.frames.copy()) if self.render_mode == "rgb_array" else None

    def close_extras(self, **kwargs: Any) -> None:
        """Close the window, if there is one."""
        self._screen.close()

    def _shown(self) -> NDArray[np.uint8]:
        frames: NDArray[np.uint8] = self.dream.frames.copy()
        if self.render_mode == "human":
            self._screen.show(tile(frames))
        return frames

    def _infos(self) -> Info:
        each = [self.dream.info(i) for i in range(self.num_envs)]
        return {name: np.array([info[name] for info in each]) for name in each[0]}


def tile(frames: NDArray[np.uint8]) -> Frame:
    """Lay frames (n, h, w, 3) side by side in rows, about as many rows as columns; return one (h', w', 3)."""
    n, h, w, _ = frames.shape
    across = int(np.ceil(np.sqrt(n)))
    down = -(-n // across)
    sheet = np.zeros((down * across, h, w, 3), np.uint8)
    sheet[:n] = frames
    return np.ascontiguousarray(sheet.reshape(down, across, h, w, 3).swapaxes(1, 2).reshape(down * h, across * w, 3))


def _checked(render_mode: str | None) -> str | None:
    if render_mode is not None and render_mode not in RENDER_MODES:
        raise ConfigError(unknown("render mode", render_mode, RENDER_MODES))
    return render_mode


def _spaces(dream: Dream) -> tuple[Any, Any]:
    """Return the spaces of one player's observations and actions; gymnasium's own types do not know a Box's dtype."""
    return gymnasium.spaces.Box(0, 255, dream.frames.shape[1:], np.uint8), dream.world.schema.space


def world_id(name: str) -> str:
    """Return the id of a world by its name: "doom" is "dreamloop/Doom-v0"."""
    return f"dreamloop/{''.join(part.capitalize() for part in re.split(r'[^a-zA-Z0-9]+', name))}-v0"


def register_worlds() -> list[str]:
    """Register every world that can be played by name and is not registered yet; return the ids of all."""
    ids = {world_id(name): name for name in list_worlds()}
    for identity, name in ids.items():
        if identity not in gymnasium.registry:
            gymnasium.register(
                identity,
                entry_point="dreamloop.runtime.gym:DreamEnv",
                vector_entry_point="dreamloop.runtime.gym:DreamVectorEnv",
                kwargs={"world": name},
            )
    return sorted(ids)


register_worlds()
