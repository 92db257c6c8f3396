"""A player that walks away from a place and back to it, again and again, in a world whose simulator tells poses.

It steers by the simulator's pose, so it really comes back; whoever dreams beside it only gets its actions. Where it is
told how much room there is it keeps clear of walls: what stops a body that nobody has seen is another question than
what is remembered. Knows the schema's first pair of opposites as ahead and back, and an axis in degrees that turns to
the right.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from dreamloop.input.schema import ActionSchema
from dreamloop.model.camera import Poses, turned
from dreamloop.model.world_model import Action

FASTEST_DEG = 5.0  # per tick
NEAR = 0.6  # strides: near enough to a point
SHARP_DEG = 0.5  # degrees: near enough to a heading
COAST = 10.0  # ticks of travel that a mover may still have in it when nothing is pressed any more
GIVE_UP = 90  # ticks to reach a point, or a heading
REST = 4  # ticks at home
TRIP = (8.0, 30.0)  # strides away, when there is room
MARGIN = 16.0  # map units that are left free ahead
SHORT_TRIP = (3.0, 6.0)  # strides ahead or back without turning
SHORT_TRIPS = (1.0, 1.0, 0.25)  # how likely the first, the second and every later trip is a short one


def can_walk(schema: ActionSchema) -> bool:
    """Say whether the schema has what walking needs."""
    return bool(schema.opposites) and _turn_of(schema) is not None


def _turn_of(schema: ActionSchema) -> str | None:
    names = [control.name for control in schema.controls if control.kind == "axis" and control.unit == "deg"]
    return names[0] if names else None


class Walker:
    """Goes to a point, looks around, comes home, stands as it stood; then to another point."""

    def __init__(self, schema: ActionSchema, home: Poses, stride: float, seed: int) -> None:
        """``home``: the pose (4,) to come back to; ``stride``: map units of a tick at full walk."""
        self._schema, self._home, self._stride = schema, np.asarray(home, np.float64), stride
        (self._ahead, self._back), self._turn = schema.opposites[0], _turn_of(schema)
        self._rng = np.random.default_rng([seed, 0x3A])
        self._last: tuple[float, float] | None = None
        self._plan: list[tuple[str, float, float]] = []  # what is left of the trip: ("to", x, y), ("face", yaw, 0), ...
        self._left = self._trips = 0

    def act(self, info: Mapping[str, Any]) -> Action:
        """Return the next action (a,) for where ``info`` says that the player is."""
        x, y, yaw, _ = info["pose"]
        speed = 0.0 if self._last is None else math.dist(self._last, (x, y))
        self._last = (x, y)
        if not self._plan:
            self._set_out(info)
        for _ in range(len(self._plan)):
            action = self._go_on(x, y, yaw, speed)
            if action is not None:
                return action
        return self._schema.neutral

    def _set_out(self, info: Mapping[str, Any]) -> None:
        """Choose a point in a direction with room, and the way back."""
        home_x, home_y, home_yaw, _ = self._home
        told = info.get("room", info.get("clear"))
        room = None if told is None else np.maximum(np.asarray(told, np.float64) - MARGIN, 0.0)
        short = self._rng.random() < SHORT_TRIPS[min(self._trips, len(SHORT_TRIPS) - 1)]
        self._trips, self._left = self._trips + 1, GIVE_UP
        if short:
            far = float(self._rng.uniform(*SHORT_TRIP)) * self._stride
            ahead, back = (math.inf, 0.0) if room is None else (room[0], room[len(room) // 2])
            far = min(far, ahead) if ahead >= back else -min(far, back)
            way = math.radians(home_yaw)
            there = (home_x + far * math.cos(way), home_y + far * math.sin(way))
            self._plan = [("slide", *there), ("slide", home_x, home_y), ("face", home_yaw, 0.0), ("rest", 0.0, 0.0)]
            return
        angle, far = float(self._rng.uniform(0, 360)), float(self._rng.uniform(*TRIP)) * self._stride
        if room is not None:
            pick = int(self._rng.choice(len(room), p=(room + 1e-3) / np.sum(room + 1e-3)))
            angle, far = float(info["pose"][2]) - pick * 360.0 / len(room), min(far, float(room[pick]))
        look = angle + float(self._rng.choice([-1, 1]) * self._rng.uniform(60, 180))
        way = math.radians(angle)
        self._plan = [
            ("to", home_x + far * math.cos(way), home_y + far * math.sin(way)),
            ("face", look, 0.0),
            ("to", home_x, home_y),
            ("face", home_yaw, 0.0),
            ("rest", 0.0, 0.0),
        ]

    def _go_on(self, x: float, y: float, yaw: float, speed: float) -> Action | None:
        """Return what the first step of the plan asks for; None when it is done, and drop it."""
        kind, *at = self._plan[0]
        self._left -= 1
        action: Action | None = None
        if kind == "to" and self._left > 0:
            action = self._approach(math.dist((x, y), at), _bearing(x, y, at[0], at[1], yaw), speed)
        elif kind == "slide" and self._left > 0:
            action = self._slide(at[0] - x, at[1] - y, math.radians(yaw), speed)
        elif kind == "face" and self._left > 0:
            off = float(turned(np.array(at[0] - yaw)))
            action = self._turned(off) if abs(off) > SHARP_DEG else None
        elif kind == "rest" and self._left > GIVE_UP - REST:
            action = self._schema.neutral
        if action is None:
            self._plan.pop(0)
            self._left = GIVE_UP
        return action

    def _approach(self, far: float, off: float, speed: float) -> Action | None:
        """Turn to a point and walk to it, slowing down early enough to stand there."""
        if far < NEAR * self._stride:
            return None if speed < 0.05 * self._stride else self._schema.neutral
        if abs(off) > 20:
            return self._turned(off)
        coming = COAST * speed
        press = far > coming + 2 * self._stride or speed < 0.05 * self._stride
        turn = max(min(off, FASTEST_DEG), -FASTEST_DEG)
        return self._schema.vector(**{self._ahead: float(press), str(self._turn): -turn})

    def _slide(self, east: float, north: float, yaw: float, speed: float) -> Action | None:
        """Go ahead or back, without turning, until the point is beside the player."""
        far = east * math.cos(yaw) + north * math.sin(yaw)
        still = speed < 0.05 * self._stride
        if abs(far) < NEAR * self._stride:
            return None if still else self._schema.neutral
        press = still or abs(far) > COAST * speed + self._stride
        return self._schema.vector(**{self._ahead if far > 0 else self._back: float(press)})

    def _turned(self, off: float) -> Action:
        """Turn by ``off`` degrees counterclockwise, as far as one tick allows."""
        return self._schema.vector(**{str(self._turn): -max(min(off, FASTEST_DEG), -FASTEST_DEG)})


def _bearing(x: float, y: float, to_x: float, to_y: float, yaw: float) -> float:
    return float(turned(np.array(math.degrees(math.atan2(to_y - y, to_x - x)) - yaw)))
