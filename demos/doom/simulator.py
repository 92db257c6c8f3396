"""The Doom world's simulator: a gymnasium environment over ViZDoom with the action layout of schema.toml.

One step is one tic (35 Hz). The engine draws 256x192; the observation is its 2x2 box average, 128x96.
It knows nothing about models or recordings.

Reward: +1 a monster killed, +0.1 a pick-up, +0.05 for each 256-unit square of the map first visited,
-1 at death. The episode ends (terminated) at death or when the map says so.
"""

import contextlib
import shutil
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from dreamloop.demos.doom.maps import TEST_SEEDS_FROM, MapPlan, generate, opened
from dreamloop.demos.doom.sight import Sight, sight_of_plan, sight_of_sectors
from dreamloop.demos.doom.udmf import wad_bytes
from dreamloop.input.errors import ConfigError, MissingPartError, unknown

RATE_HZ = 35
TURN_DEG = 12.0  # one unit of the turn axis, per tic, to the right
LOOK_DEG = 6.0  # one unit of the look axis, per tic, up
PITCH_LIMIT_DEG = 25.0
STEP_DEG = 360.0 / 65536  # the finest turn of the engine
STARTS = 5  # attempts to start an engine, see DoomEnv._start
NATIVE = (256, 192)
UNITS_PER_DEPTH = 7.2  # map units for one step of the engine's depth buffer
MAP_UNITS = 32_767  # to every side of the middle of any map
SETTLE_TICS = 3  # after which who was put somewhere stands there
CLOCK_TICS = 320  # after which eyes and hands of who walks sway and swing as before, by the engine's clock
DEAF_TICS = 16  # a new Doom player does not react for 7 tics, and its weapon rises for 14

BUTTONS = (
    "MOVE_FORWARD",
    "MOVE_BACKWARD",
    "MOVE_LEFT",
    "MOVE_RIGHT",
    "SPEED",
    "TURN_LEFT_RIGHT_DELTA",
    "LOOK_UP_DOWN_DELTA",
    "ATTACK",
    "USE",
)  # the order of schema.toml
TURN, LOOK = 5, 6
VARIABLES = (
    "POSITION_X",
    "POSITION_Y",
    "ANGLE",
    "PITCH",
    "POSITION_Z",
    "CAMERA_POSITION_Z",
    "HEALTH",
    "KILLCOUNT",
    "ITEMCOUNT",
)

STOCK = {
    "my_way_home": "map01",
    "deadly_corridor": "map01",
    "health_gathering": "map01",
    "health_gathering_supreme": "map01",
    "defend_the_center": "map01",
    "defend_the_line": "map01",
    "take_cover": "map01",
}
FREEDOOM = {
    "E1M1": "freedoom1.wad",
    "E1M2": "freedoom1.wad",
    "E1M3": "freedoom1.wad",
    "MAP01": "freedoom2.wad",
    "MAP02": "freedoom2.wad",
    "MAP03": "freedoom2.wad",
}
SMALL = 16  # tiles of a side of a small map
MAP_SETS = ("train", "test", "stock", "freedoom")
DOORS = ("shut", "open")  # of small maps

Info = dict[str, Any]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class MapChoice:
    """Which map to load: the game's WAD, the map's own WAD (or None), its lump, its plan when generated."""

    name: str
    game_wad: str
    lump: str
    wad: str | None = None
    plan: MapPlan | None = None


def make_env(
    maps: str = "train",
    seed: int = 0,
    width_px: int = 128,
    height_px: int = 96,
    monsters: bool = True,
    **options: Any,
) -> "DoomEnv":
    """Return the environment on a set of maps: train, test, stock or freedoom; ``seed`` is for a first reset.

    Without ``monsters`` nothing in a map moves by itself, for measurements that come back to a place.
    """
    return DoomEnv(maps=maps, seed=seed, width_px=width_px, height_px=height_px, monsters=monsters, **options)


class DoomEnv(gymnasium.Env[Pixels, NDArray[np.float32]]):
    """Doom, one tic per step. ``reset(options={"map_seed": n})`` or ``{"map": name}`` picks a map.

    ``{"pose": (x, y, degrees)}`` begins at that place of it, to the whole map unit, looking that way; with
    ``{"clock": tic}`` it waits there until eyes and hands of who sets out sway and swing as they do after so many tics.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": RATE_HZ}  # noqa: RUF012 gymnasium's own

    def __init__(
        self,
        maps: str = "train",
        seed: int = 0,
        width_px: int = 128,
        height_px: int = 96,
        render_mode: str | None = "rgb_array",
        distances: bool = False,
        monsters: bool = True,
        small: bool = False,
        weapon: bool = True,
        doors: str | None = None,
    ) -> None:
        """With ``distances``, info tells how far everything in view is, as ``distance``: map units (48, 64).

        With ``small``, generated maps have a few rooms, and ``doors`` that are "shut", doors that stand "open", or
        arches in their places. Without ``weapon``, it is not drawn.
        """
        if maps not in MAP_SETS:
            raise ConfigError(unknown("set of maps", maps, MAP_SETS))
        if doors is not None and doors not in DOORS:
            raise ConfigError(unknown("manner of doors", doors, DOORS))
        if doors is not None and not small:
            raise ConfigError(f"doors '{doors}' are for small maps (allowed: small, or no word of doors)")
        if (width_px, height_px) not in ((128, 96), NATIVE):
            raise ConfigError(f"frame size {width_px}x{height_px} is not offered (allowed: 128x96, 256x192)")
        self._vizdoom = _import_vizdoom()
        self.maps, self.render_mode, self.distances, self.monsters = maps, render_mode, distances, monsters
        self.small, self.weapon, self.doors = small, weapon, doors
        self.halve = (width_px, height_px) != NATIVE
        shape = (height_px, width_px, 3)
        self.observation_space = gymnasium.spaces.Box(0, 255, shape, np.uint8)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (len(BUTTONS),), np.float32)
        self._first_seed: int | None = seed
        self._folder = Path(tempfile.mkdtemp(prefix="dreamloop-doom-"))
        self._engine: list[Any] = []  # the running engine; outlives the environment only to be closed
        weakref.finalize(self, _stop, self._engine, self._folder)
        self._choice: MapChoice | None = None
        self._frame: Pixels = np.zeros(shape, np.uint8)
        self._distance: NDArray[np.float16] | None = None
        self._values: dict[str, float] = dict.fromkeys(VARIABLES, 0.0)
        self._owed_deg = {TURN: 0.0, LOOK: 0.0}
        self._visited: set[tuple[int, int]] = set()
        self._monsters: tuple[tuple[str, float, float], ...] = ()
        self._sights: dict[str, Sight] = {}  # of given maps, by name; surveyed once
        self._sight: Sight | None = None

    # --- gymnasium ---

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Pixels, Info]:
        """Start an episode; the same seed (and options) gives the same map and the same frames."""
        if seed is None and self._np_random is None:
            seed = self._first_seed
        super().reset(seed=seed)
        choice = self._choose(options or {})
        episode_seed = int(self.np_random.integers(1, 2**31 - 1))
        self._launch(choice)
        self._game.set_seed(episode_seed)
        self._game.new_episode()
        self._game.advance_action(DEAF_TICS)
        self._visited, self._owed_deg = set(), {TURN: 0.0, LOOK: 0.0}
        self._observe()
        if options and "pose" in options:
            self._stand(*_pose(options["pose"]), _tic(options.get("clock")))
        self._explored()
        return self._frame.copy(), self._info()

    def step(self, action: NDArray[np.float32]) -> tuple[Pixels, float, bool, bool, Info]:
        """Play one tic; buttons count as pressed above 0.5, axes are clipped to -1..1."""
        before = dict(self._values)
        self._game.make_action(self._buttons(action), 1)
        dead = bool(self._game.is_player_dead())
        over = bool(self._game.is_episode_finished())
        if not over:
            self._observe()
        reward = self._values["KILLCOUNT"] - before["KILLCOUNT"]
        reward += 0.1 * (self._values["ITEMCOUNT"] - before["ITEMCOUNT"])
        reward += 0.05 * self._explored() - 1.0 * dead
        return self._frame.copy(), float(reward), dead or over, False, self._info()

    def render(self) -> Pixels:
        """Return the frame of the last step."""
        return self._frame.copy()

    def go_to(self, x: float, y: float) -> None:
        """Be somewhere else from the next step on, as no player can: for those who survey a map."""
        self._game.send_game_command(f"warp {x:.0f} {y:.0f}")

    def _stand(self, x: float, y: float, degrees: float, clock: int | None) -> None:
        """Be at a place, look a way, and have come to rest there, when eyes and hands sway as at ``clock``."""
        self.go_to(x, y)
        still = [0.0] * len(BUTTONS)
        turn = list(still)
        turn[TURN] = self._whole(TURN, (self._values["ANGLE"] - degrees + 180) % 360 - 180)
        for buttons in (turn, *[still] * SETTLE_TICS):
            self._game.make_action(buttons, 1)
        if clock is not None:
            for _ in range((clock - self._clock) % CLOCK_TICS):
                self._game.make_action(still, 1)
        self._owed_deg = {TURN: 0.0, LOOK: 0.0}
        self._observe()

    def close(self) -> None:
        """Stop the engine and remove the temporary map."""
        _stop(self._engine, self._folder)

    # --- maps ---

    def _choose(self, options: dict[str, Any]) -> MapChoice:
        if self.maps in ("train", "test"):
            low, high = (0, TEST_SEEDS_FROM) if self.maps == "train" else (TEST_SEEDS_FROM, 2**31 - 1)
            map_seed = int(options.get("map_seed", self.np_random.integers(low, high)))
            if not low <= map_seed < high:
                raise ConfigError(f"map seed {map_seed} is not one of {self.maps} (allowed: {low} to {high - 1})")
            return MapChoice(f"gen{map_seed}", "freedoom2.wad", "MAP01", "generated", self._plan(map_seed))
        table = STOCK if self.maps == "stock" else FREEDOOM
        names = sorted(table)
        name = str(options.get("map", names[int(self.np_random.integers(len(names)))]))
        if name not in table:
            raise ConfigError(unknown(f"{self.maps} map", name, names))
        if self.maps == "freedoom":
            return MapChoice(name, table[name], name)
        wad = Path(self._vizdoom.scenarios_path) / f"{name}.wad"
        return MapChoice(name, "freedoom2.wad", table[name], str(wad))

    def _launch(self, choice: MapChoice) -> None:
        """Load the map; the engine reads WADs only when it starts (0.1 s), so a new map means a new start."""
        if self._engine and self._choice is not None and self._choice.name == choice.name:
            return
        while self._engine:
            self._engine.pop().close()
        if choice.plan is not None:
            self._sight = sight_of_plan(choice.plan)
        else:
            if choice.name not in self._sights:
                self._sights[choice.name] = self._survey(choice)
            self._sight = self._sights[choice.name]
        game = self._prepare(choice)
        self._start(game)
        self._engine.append(game)
        self._choice = choice

    def _start(self, game: Any) -> None:
        """Start the engine. It makes a folder in the working directory, and dies when another engine was faster."""
        vizdoom = self._vizdoom
        for attempts_left in range(STARTS - 1, -1, -1):
            try:
                Path("_vizdoom").mkdir(exist_ok=True)
                game.init()
                return
            except (vizdoom.ViZDoomUnexpectedExitException, vizdoom.ViZDoomErrorException):
                if not attempts_left:
                    raise

    def _plan(self, map_seed: int) -> MapPlan:
        if not self.small:
            return generate(map_seed)
        plan = generate(map_seed, tiles=SMALL, doors=self.doors is not None)
        return opened(plan) if self.doors == "open" else plan

    def _survey(self, choice: MapChoice) -> Sight:
        """Start the map once only to read its sectors: they cost more per tic than the picture."""
        game = self._prepare(choice)
        game.set_sectors_info_enabled(True)
        self._start(game)
        sectors = [
            (s.floor_height, s.ceiling_height, [(w.x1, w.y1, w.x2, w.y2, w.is_blocking) for w in s.lines])
            for s in game.get_state().sectors
        ]
        game.close()
        return sight_of_sectors(sectors)

    def _prepare(self, choice: MapChoice) -> Any:
        """Return an engine set up for the map, not yet started."""
        vizdoom = self._vizdoom
        self._folder.mkdir(exist_ok=True)
        game = vizdoom.DoomGame()
        game.set_doom_game_path(str(Path(vizdoom.__file__).parent / choice.game_wad))
        game.set_doom_config_path(str(self._folder / "engine.ini"))
        if choice.plan is not None:
            wad = self._folder / "map.wad"
            wad.write_bytes(wad_bytes(choice.plan))
            game.set_doom_scenario_path(str(wad))
        elif choice.wad is not None:
            game.set_doom_scenario_path(choice.wad)
        game.set_doom_map(choice.lump)
        self._configure(game)
        return game

    def _configure(self, game: Any) -> None:
        vizdoom = self._vizdoom
        game.set_screen_resolution(vizdoom.ScreenResolution.RES_256X192)
        game.set_screen_format(vizdoom.ScreenFormat.RGB24)
        game.set_mode(vizdoom.Mode.PLAYER)
        game.set_doom_skill(1)
        game.set_window_visible(False)
        game.set_sound_enabled(False)
        game.set_render_hud(False)
        game.set_render_weapon(self.weapon)
        game.set_render_crosshair(False)
        game.set_render_decals(True)
        game.set_render_particles(True)
        game.set_render_messages(False)
        game.set_render_corpses(True)
        game.set_labels_buffer_enabled(self.monsters)  # they say where monsters are
        game.set_depth_buffer_enabled(self.distances)
        game.set_episode_timeout(0)
        if not self.monsters:
            game.add_game_args("-nomonsters")
        game.add_game_args("+con_midtime 0")  # "you need the red key" would stay over the picture
        game.add_game_args("+sv_infiniteammo 1")  # a player who shoots keeps the pistol in view
        game.set_available_buttons([getattr(vizdoom.Button, name) for name in BUTTONS])
        game.set_available_game_variables([getattr(vizdoom.GameVariable, name) for name in VARIABLES])

    # --- one tic ---

    def _buttons(self, action: NDArray[np.float32]) -> list[float]:
        """Return the engine's values for one action vector."""
        clipped = np.clip(np.asarray(action, np.float32), -1.0, 1.0)
        values = [float(value > 0.5) for value in clipped]
        values[TURN] = self._whole(TURN, float(clipped[TURN]) * TURN_DEG)
        pitch = self._pitch
        tilt = float(np.clip(pitch + clipped[LOOK] * LOOK_DEG, -PITCH_LIMIT_DEG, PITCH_LIMIT_DEG)) - pitch
        values[LOOK] = self._whole(LOOK, tilt)
        return values

    def _whole(self, axis: int, degrees: float) -> float:
        """Return what the engine can turn of ``degrees``, and owe the rest to the next tic.

        The engine counts in 1/65536 of a circle and rounds down: to the left and back again would be off by 0.005
        degrees a tic, a quarter of the view in four minutes.
        """
        if not degrees:
            return 0.0
        wanted = (degrees + self._owed_deg[axis]) / STEP_DEG
        steps = round(wanted)
        self._owed_deg[axis] = (wanted - steps) * STEP_DEG
        return (steps + 0.25) * STEP_DEG if steps else 0.0

    @property
    def plan(self) -> MapPlan | None:
        """The generated map being played; None on given maps."""
        return self._choice.plan if self._choice else None

    @property
    def _game(self) -> Any:
        if not self._engine:
            raise ConfigError("the simulator was stepped before reset, or after close")
        return self._engine[0]

    @property
    def _clock(self) -> int:
        return int(self._game.get_episode_time())

    @property
    def _pitch(self) -> float:
        """Degrees above the horizon; the engine counts them downward."""
        down = self._values["PITCH"]
        return -(down - 360.0 if down > 180.0 else down)

    def _observe(self) -> None:
        state = self._game.get_state()
        if state is None:
            return
        native = state.screen_buffer
        self._frame = halve(native) if self.halve else np.array(native, np.uint8)
        if self.distances:
            self._distance = distances_of(state.depth_buffer)
        self._values = dict(zip(VARIABLES, (float(v) for v in state.game_variables), strict=True))
        self._monsters = tuple(
            (label.object_name, float(label.object_position_x), float(label.object_position_y))
            for label in state.labels or ()
            if label.object_category == "Monster"
        )

    def _explored(self) -> int:
        square = (int(self._values["POSITION_X"] // 256), int(self._values["POSITION_Y"] // 256))
        new = square not in self._visited
        self._visited.add(square)
        return int(new)

    def _info(self) -> Info:
        """Where the player is, and what a person would see at a glance: for explorers, never for models."""
        values = self._values
        x, y, angle = values["POSITION_X"], values["POSITION_Y"], values["ANGLE"]
        info: Info = {
            "pose": (x, y, angle, self._pitch),
            "height": values["POSITION_Z"],
            "eyes": values["CAMERA_POSITION_Z"],
            "clock": self._clock,
            "map": self._choice.name if self._choice else "",
            "health": values["HEALTH"],
            "kills": int(values["KILLCOUNT"]),
            "items": int(values["ITEMCOUNT"]),
            "monsters": self._monsters,
        }
        if self._distance is not None:
            info["distance"] = self._distance
        if self._sight is not None:
            info["clear"], info["door_ahead"] = self._sight.look(x, y, angle)
            info["room"] = self._sight.room(x, y, angle)
        if self.plan is not None:
            room = self.plan.room_at(x, y)
            info["exits"] = self.plan.exits(room) if room is not None else []
        return info


def _pose(told: Any) -> tuple[float, float, float]:
    """Return x, y and degrees of a pose, whose pitch is left out."""
    values = [float(value) for value in told]
    if len(values) not in (3, 4) or not np.isfinite(values).all() or max(map(abs, values[:2])) > MAP_UNITS:
        raise ConfigError(f"pose {told} is not x, y and degrees (allowed: x and y within {MAP_UNITS} map units)")
    return values[0], values[1], values[2]


def _tic(told: Any) -> int | None:
    """Return the tic that a clock tells; None: any."""
    if told is not None and (not isinstance(told, int) or isinstance(told, bool)):
        raise ConfigError(f"clock {told!r} is not a number of tics (allowed: a whole number)")
    return told


def _import_vizdoom() -> Any:
    try:
        import vizdoom
    except ImportError as error:
        raise MissingPartError(
            'the Doom simulator needs vizdoom, which is not installed; run: pip install "vizdoom>=1.3"'
        ) from error
    return vizdoom


def _stop(engine: list[Any], folder: Path) -> None:
    """Close the engine first: it writes into the folder as it ends."""
    while engine:
        engine.pop().close()
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        Path("_vizdoom").rmdir()  # the engine leaves it, empty, in the working directory


def halve(native: Pixels) -> Pixels:
    """Return the 2x2 box average, rounded: uint8 (2h, 2w, 3) -> (h, w, 3)."""
    rows = native[0::2].astype(np.uint16) + native[1::2]
    return ((rows[:, 0::2] + rows[:, 1::2] + 2) >> 2).astype(np.uint8)


def distances_of(depth: Pixels) -> NDArray[np.float16]:
    """Turn the engine's depth (192, 256), 0..255, into map units along the view's axis, (48, 64).

    The scale was fitted by laying frames into later views. The weapon, at depth 0, hides what is behind it: NaN there.
    """
    near = np.where(depth > 0, 1.0 / (UNITS_PER_DEPTH * (depth.astype(np.float32) + 1.0)), np.nan)
    blocks = near.reshape(48, 4, 64, 4)
    seen = (depth > 0).reshape(48, 4, 64, 4).sum((1, 3))
    mean = np.nansum(blocks, (1, 3)) / np.maximum(seen, 1)
    return np.where(seen > 0, 1.0 / np.maximum(mean, 1e-4), np.nan).astype(np.float16)
