"""A scripted player for the Doom world: calm, curious, human in its rhythm. It shows a model how play looks.

It walks where there is room, holds what it does for 12 to 70 tics, turns its head smoothly (critically damped
toward a heading), stops, looks around, steps sideways, goes back, opens doors and fires at what it sees. It
reads ``info`` (pose, clear distances, monsters, door ahead) and makes do with the pose; it knows no engine.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORWARD, BACK, LEFT, RIGHT, RUN, TURN, LOOK, ATTACK, USE = range(9)  # the layout of schema.toml
TURN_DEG, LOOK_DEG = 12.0, 6.0  # degrees per tic of a full axis
STIFFNESS = 0.18  # per tic: a turn of 90 degrees peaks near 6 degrees a tic
FASTEST_DEG = 7.0  # per tic
STUCK_TICS = 8
HOLD = (12, 70)  # shortest and longest time that one intention lasts, tics


@dataclass
class Intention:
    """What the player is about to do for ``left`` tics: held buttons, a heading, and how it was named."""

    name: str
    left: int
    held: tuple[int, ...] = ()
    steer: bool = False  # keep choosing where there is room while walking
    path: tuple[tuple[float, float], ...] = ()  # points still to walk to, map units
    again: int = 0  # tics until the next change of heading while looking around


# name, weight, held buttons: a list a reader can check against "does every control occur alone?"
HABITS: tuple[tuple[str, float, tuple[int, ...]], ...] = (
    ("travel", 0.17, (FORWARD,)),
    ("travel_fast", 0.10, (FORWARD, RUN)),
    ("walk", 0.10, (FORWARD,)),
    ("run", 0.06, (FORWARD, RUN)),
    ("look_around", 0.14, ()),
    ("spin", 0.05, ()),
    ("stand", 0.14, ()),
    ("strafe_left", 0.05, (LEFT,)),
    ("strafe_right", 0.05, (RIGHT,)),
    ("strafe_look_left", 0.04, (LEFT,)),
    ("strafe_look_right", 0.04, (RIGHT,)),
    ("walk_left", 0.025, (FORWARD, LEFT)),
    ("walk_right", 0.025, (FORWARD, RIGHT)),
    ("run_strafe_left", 0.01, (LEFT, RUN)),
    ("run_strafe_right", 0.01, (RIGHT, RUN)),
    ("back", 0.09, (BACK,)),
    ("turn_back", 0.03, ()),
    ("shoot", 0.02, ()),
)
STRAIGHT = ("stand", "strafe_left", "strafe_right", "run_strafe_left", "run_strafe_right", "back", "shoot")


def make_explorer(seed: int = 0) -> "Explorer":
    """Return a scripted player; the same seed and the same world give the same play."""
    return Explorer(seed)


def _bearing(x: float, y: float, to_x: float, to_y: float, angle_deg: float) -> float:
    """Return how far (degrees, counter-clockwise, -180..180) a point lies off the heading."""
    return (math.degrees(math.atan2(to_y - y, to_x - x)) - angle_deg + 180.0) % 360.0 - 180.0


class Explorer:
    """Turns info into actions, float32 (9,), one per tic."""

    def __init__(self, seed: int = 0) -> None:
        self.reset(seed)

    def reset(self, seed: int | None = None) -> None:
        """Forget the episode; with a seed, start the random stream over."""
        if seed is not None:
            self.rng = np.random.default_rng([seed, 0xE7])
        self.intention = Intention("stand", 10)
        self.aim_deg: float | None = None  # Doom angle that the head turns to, None: keep still
        self.speed_deg = 0.0  # clockwise, per tic
        self.pitch_aim_deg = 0.0
        self.nod_rest = int(self.rng.integers(60, 260))  # tics until the next look up or down, or back to level
        self.pitch_speed_deg = 0.0
        self.stuck = 0
        self.use_rest = 0
        self.used_at = (0.0, 0.0)
        self.wait = 0  # tics to stand while a door opens
        self.fire_left = 0
        self.fight_rest = 0
        self.last_xy: tuple[float, float] | None = None

    def act(self, observation: NDArray[np.uint8], info: Mapping[str, Any]) -> NDArray[np.float32]:
        """Return the next action; the picture itself is not read."""
        x, y, angle, pitch = info["pose"]
        self._notice_walls(x, y, angle, info)
        self._notice_monsters(x, y, angle, info)
        if self.intention.left <= 0:
            self._decide(angle, info)
        self.intention.left -= 1
        self._steer(x, y, angle, info)
        action = np.zeros(9, np.float32)
        self.wait -= 1
        if self.wait <= 0:
            action[list(self.intention.held)] = 1.0
        action[TURN] = self._turn(angle) / TURN_DEG
        action[LOOK] = self._nod(pitch) / LOOK_DEG
        action[ATTACK] = self._fires()
        action[USE] = self._opens(info)
        return action

    # --- what to do ---

    def _decide(self, angle: float, info: Mapping[str, Any]) -> None:
        weights = np.array([weight for _, weight, _ in HABITS])
        name, _, held = HABITS[int(self.rng.choice(len(HABITS), p=weights / weights.sum()))]
        low, high = HOLD
        left = int(self.rng.integers(low, high + 1))
        if name in ("stand", "back", "spin"):
            left = int(self.rng.integers(low, 45))
        elif name in ("walk", "run"):
            left = int(self.rng.integers(25, high + 1))
        held = self._with_room(held, info)
        self.intention = Intention(name, left, held, steer=held[:1] == (FORWARD,))
        self.aim_deg = None
        if name.startswith("travel"):
            self._set_out(angle, info)
        elif name in STRAIGHT:
            self.fire_left = int(self.rng.integers(4, 30)) if name == "shoot" else 0
        elif name == "turn_back":
            self.aim_deg = angle + self._side() * float(self.rng.uniform(150, 200))
            self.intention.left = 35
        elif name == "spin":
            self.aim_deg = angle + self._side() * 400.0  # farther than it will get: a steady turn
        elif name.startswith("strafe_look"):
            self.aim_deg = angle + self._side() * float(self.rng.uniform(30, 120))
        else:
            self.aim_deg = self._roomy(angle, info)

    def _set_out(self, angle: float, info: Mapping[str, Any]) -> None:
        """Choose a way out of the room, rather ahead than behind, and walk there; without any, just walk."""
        exits = info.get("exits")
        if not exits:
            self.aim_deg = self._roomy(angle, info)
            return
        x, y = info["pose"][:2]
        off = np.array([abs(_bearing(x, y, e[0], e[1], angle)) for e in exits])
        near = np.array([math.dist((x, y), e[:2]) for e in exits])
        liking = np.exp(-off / 80.0) * np.where(near < 90, 0.3, 1.0)
        near_x, near_y, far_x, far_y = exits[int(self.rng.choice(len(exits), p=liking / liking.sum()))]
        self.intention.path = ((near_x, near_y), (far_x, far_y))
        self.intention.left = 150
        self.intention.steer = False

    def _follow(self, x: float, y: float, angle: float) -> None:
        """Turn to the next point of the path; reaching the last one ends the intention."""
        doing = self.intention
        if math.dist((x, y), doing.path[0]) < 36:
            doing.path = doing.path[1:]
        if not doing.path:
            doing.left = 0
            return
        off = _bearing(x, y, *doing.path[0], angle)
        if abs(off) > 3 or self.aim_deg is not None:
            self.aim_deg = angle + off
        slow = abs(off) > 55  # do not walk away from the point while turning to it
        doing.held = () if slow else ((FORWARD, RUN) if doing.name == "travel_fast" else (FORWARD,))

    def _steer(self, x: float, y: float, angle: float, info: Mapping[str, Any]) -> None:
        """While walking or looking around, change the heading now and then."""
        doing = self.intention
        if doing.path:
            self._follow(x, y, angle)
            return
        doing.again -= 1
        if doing.again > 0:
            return
        if doing.name == "look_around":
            doing.again = int(self.rng.integers(14, 34))
            self.aim_deg = angle + self._side() * float(self.rng.uniform(25, 130))
        elif doing.steer:
            doing.again = int(self.rng.integers(12, 30))
            self.aim_deg = self._roomy(angle, info)

    def _roomy(self, angle: float, info: Mapping[str, Any]) -> float:
        """Return a heading with room ahead: far directions are likelier, and so are those in view."""
        clear = info.get("clear")
        if clear is None:
            return angle + float(self.rng.normal(0, 35))
        bearing = -np.arange(len(clear)) * (360.0 / len(clear))
        bearing = (bearing + 180.0) % 360.0 - 180.0
        liking = (np.asarray(clear, np.float64) / 256.0) ** 2 * np.exp(-np.abs(bearing) / 70.0) + 1e-6
        pick = int(self.rng.choice(len(liking), p=liking / liking.sum()))
        return angle + float(bearing[pick]) + float(self.rng.normal(0, 7))

    def _with_room(self, held: tuple[int, ...], info: Mapping[str, Any]) -> tuple[int, ...]:
        """Swap sides, or stand, rather than press sideways or backward into a wall."""
        clear = info.get("clear")
        if clear is None:
            return held
        room = {RIGHT: float(clear[len(clear) // 4]), LEFT: float(clear[3 * len(clear) // 4])}
        if BACK in held and clear[len(clear) // 2] < 120:
            return ()
        for side, other in ((LEFT, RIGHT), (RIGHT, LEFT)):
            if side in held and room[side] < 100:
                swap = (other,) if room[other] > room[side] else ()
                return tuple(b for b in held if b != side) + swap
        return held

    def _side(self) -> int:
        return 1 if self.rng.random() < 0.5 else -1

    # --- what is noticed ---

    def _notice_walls(self, x: float, y: float, angle: float, info: Mapping[str, Any]) -> None:
        moved = 99.0 if self.last_xy is None else math.dist(self.last_xy, (x, y))
        self.last_xy = (x, y)
        pushing = bool(self.intention.held) and self.wait <= 0
        self.stuck = self.stuck + 1 if pushing and moved < 1.5 else 0
        waiting = bool(info.get("door_ahead")) and FORWARD in self.intention.held
        clear = info.get("clear")
        close = (
            clear is not None
            and FORWARD in self.intention.held
            and clear[0] < 80
            and not waiting
            and not self.intention.path
        )
        if self.stuck > (20 if waiting else STUCK_TICS) or (close and self.rng.random() < 0.25):
            self._turn_away(angle, info)

    def _turn_away(self, angle: float, info: Mapping[str, Any]) -> None:
        self.stuck = 0
        self.intention = Intention("turn_away", int(self.rng.integers(14, 26)), again=99)
        clear = info.get("clear")
        if clear is None:
            self.aim_deg = angle + self._side() * float(self.rng.uniform(70, 170))
            return
        bearing = -np.arange(len(clear)) * (360.0 / len(clear))
        bearing = (bearing + 180.0) % 360.0 - 180.0
        liking = np.where(np.abs(bearing) > 40, np.asarray(clear, np.float64), 0.0) ** 2 + 1e-6
        pick = int(self.rng.choice(len(liking), p=liking / liking.sum()))
        self.aim_deg = angle + float(bearing[pick])

    def _notice_monsters(self, x: float, y: float, angle: float, info: Mapping[str, Any]) -> None:
        """Turn to a monster in view and fire at it, most of the time."""
        self.fight_rest -= 1
        monsters = info.get("monsters", ())
        if not monsters:
            return
        _, mx, my = min(monsters, key=lambda m: math.dist((x, y), (m[1], m[2])))
        off = _bearing(x, y, mx, my, angle)
        if self.intention.name == "fight":
            self.aim_deg = angle + 1.3 * off
            if abs(off) < 7:
                self.fire_left = max(self.fire_left, 3)
        elif self.fight_rest <= 0:
            self.fight_rest = int(self.rng.integers(40, 140))
            if self.rng.random() < 0.75:
                held = ((), (LEFT,), (RIGHT,), (BACK,), (FORWARD,))[int(self.rng.integers(5))]
                self.intention = Intention("fight", int(self.rng.integers(40, 110)), held, again=99)

    # --- hands ---

    def _turn(self, angle: float) -> float:
        """Return degrees to turn clockwise now: a critically damped approach to the heading."""
        if self.aim_deg is None:
            self.speed_deg *= 0.6
            if abs(self.speed_deg) < 0.3:
                self.speed_deg = 0.0
            return self.speed_deg
        off = angle - self.aim_deg  # clockwise positive; aims may be more than a full turn away
        if abs(off) < 360.0 and self.intention.name != "spin":
            off = (off + 180.0) % 360.0 - 180.0
        limit = FASTEST_DEG if self.intention.name != "spin" else 5.0
        pull = float(np.clip(STIFFNESS**2 * off - 2 * STIFFNESS * self.speed_deg, -0.9, 0.9))
        self.speed_deg = float(np.clip(self.speed_deg + pull, -limit, limit))
        if abs(off) < 0.7 and abs(self.speed_deg) < 0.4:
            self.aim_deg, self.speed_deg = None, 0.0
        return self.speed_deg

    def _nod(self, pitch: float) -> float:
        self.nod_rest -= 1
        if self.nod_rest <= 0:
            level = self.pitch_aim_deg == 0.0
            self.nod_rest = int(self.rng.integers(20, 80)) if level else int(self.rng.integers(30, 160))
            self.pitch_aim_deg = float(self.rng.uniform(-16, 14)) if level else 0.0
        off = self.pitch_aim_deg - pitch
        if abs(off) < 0.5 and abs(self.pitch_speed_deg) < 0.3:
            self.pitch_speed_deg = 0.0
            return 0.0
        pull = STIFFNESS**2 * off - 2 * STIFFNESS * self.pitch_speed_deg
        self.pitch_speed_deg = float(np.clip(self.pitch_speed_deg + pull, -2.5, 2.5))
        return self.pitch_speed_deg

    def _fires(self) -> float:
        self.fire_left -= 1
        if self.fire_left < -1 and self.rng.random() < 0.003:
            self.fire_left = int(self.rng.integers(2, 16))
        return float(self.fire_left > 0)

    def _opens(self, info: Mapping[str, Any]) -> float:
        """Press USE at a door in reach, once; where doors are not told, when stuck; rarely for nothing."""
        self.use_rest -= 1
        elsewhere = self.last_xy is None or math.dist(self.last_xy, self.used_at) > 100
        walking = FORWARD in self.intention.held
        if "door_ahead" in info:
            reason = info["door_ahead"] and walking and (elsewhere or (self.stuck >= 3 and self.use_rest <= 0))
        else:
            reason = walking and self.stuck == 4
        if reason:
            self.use_rest, self.wait = 25, 12
            self.used_at = self.last_xy or (0.0, 0.0)
        return float(reason or self.rng.random() < 0.001)
