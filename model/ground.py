"""What a player has seen to stand in the way: a map of the ground, drawn from the depth of frames as they go by.

An occupancy grid (Moravec and Elfes, 1985): every frame votes for the squares in which its rays end, and against those
that they pass through. So a wall stays where it was seen, when it is behind the player or too close to be judged. Where
a true history brings distances, they were measured, and are believed for good.
Steps are (ahead, right) in map units, in the heading that is looked along. Knows no net and holds no tensors.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.camera import Poses

SIDE = 8.0  # map units of a square
SQUARES = 512  # of a side of the map; beyond its edge it repeats, so who goes 4,096 units may meet old walls
SECOND = 1  # a ray ends at the second-nearest pixel of its column: one alone may be an error
SURE, LEAST, MOST = 9, -6, 24  # votes from which on a square is solid; between these they stay
FIXED = 100  # votes of what was measured: no guess changes them
PAST = 0.8  # sine of the angle from what touches a player beyond which a step goes past it
THICK = 2  # squares; what stands in the way is no thinner, and depths are no more exact
FRESH, WORN = 4.0, 6.0  # how worn a frame is (model/wear.py) that has all its votes, and one that has none
TURNS = np.radians([0, 20, -20, 40, -40, 60, -60])  # ways past, the straight one first
WAYS = np.stack([np.cos(TURNS), np.sin(TURNS)], 1)
NOTHING = np.zeros((0, 2))
Places = NDArray[np.float64]  # (n, 2) ahead and to the right, in map units


@dataclass(frozen=True, slots=True)
class Sight:
    """How much is made of a ray."""

    far: float  # map units; what seems farther away is not judged
    ends: int  # votes for the square in which it ends
    passes: int  # ... against those that it passes through
    short: float  # share of its length along which it surely does
    rays: int  # to a column of the picture: far away there must be no gaps between them


GUESSED = Sight(80.0, 3, 3, 1.0, 1)  # by the net: a wall far away may be anywhere
MEASURED = Sight(512.0, 12, 2, 0.95, 3)


@dataclass(frozen=True, slots=True)
class Eye:
    """The camera, and the player around it; lengths in map units."""

    fov_deg: float  # across
    lens: float  # focal length over half the height of the picture
    reach: float  # distance at which nearness is 1
    girth: float  # from the player's middle to what stops it
    low: float  # below the eye: over what is no higher a player steps
    high: float  # above the eye: under what is higher a player passes


@dataclass
class Ground:
    """One player's map."""

    eye: Eye
    votes: NDArray[np.int8] = field(default_factory=lambda: np.zeros((SQUARES, SQUARES), np.int8))
    _told: dict[str, NDArray[np.generic]] | None = field(default=None, repr=False)  # state, until somebody votes again

    def see(self, pose: Poses, near: NDArray[np.float32], wear: float = 0.0, sight: Sight = GUESSED) -> None:
        """Take the nearness (h, w) of what a frame at ``pose`` (4,) shows; a worn one has fewer votes, or none."""
        believed = min(max((WORN - wear) / (WORN - FRESH), 0.0), 1.0)
        for_, against = round(sight.ends * believed), round(sight.passes * believed)
        if not for_:
            return
        self._told = None
        ends, beside = self._ends(near, float(pose[3]), sight.rays)
        yaw = math.radians(pose[2])
        # Along every ray: squares that are free, up to a square before its end.
        steps = np.arange(0.5 * SIDE, sight.far, SIDE)
        free = sight.short * np.minimum(ends, sight.far)[:, None] - 1.5 * SIDE > steps
        ahead, right = (steps * np.ones_like(ends)[:, None])[free], (steps * beside[:, None])[free]
        passed = self._squares(pose, yaw, ahead, right)
        hit = ends < sight.far
        solid = (ends[hit] + SIDE * np.arange(THICK)[:, None]).ravel()
        ended = self._squares(pose, yaw, solid, solid * np.tile(beside[hit], THICK))
        votes = self.votes.reshape(-1)
        passed, ended = (squares[np.abs(votes[squares]) < FIXED] for squares in (passed, ended))
        before = votes[ended].copy()
        votes[passed] = np.maximum(votes[passed] - against, LEAST)  # once a square, however many rays pass through it
        votes[ended] = np.minimum(before + for_, MOST)

    def fix(self, walked: NDArray[np.floating[Any]]) -> None:
        """Let what was measured so far stay as it is, and all places (n, 2) be free where somebody ``walked``."""
        self._told = None
        self.votes[self.votes >= SURE] = FIXED
        self.votes[self.votes < 0] = -FIXED
        reach = int(self.eye.girth // SIDE)
        for across in range(-reach, reach + 1):
            for up in range(-reach, reach + 1):
                columns, rows = (np.floor(walked / SIDE).astype(np.int64) + np.array([across, up])).T
                middle = (np.stack([columns, rows], 1) + 0.5) * SIDE
                touched = np.hypot(*(middle - walked).T) < self.eye.girth - SIDE / 2
                self.votes[rows[touched] % SQUARES, columns[touched] % SQUARES] = -FIXED

    def around(self, pose: Poses, radius: float) -> Places:
        """Return the middles (n, 2) of solid squares within about ``radius`` of ``pose``, ahead and right."""
        n = int(radius // SIDE) + 1
        column, row = int(pose[0] // SIDE), int(pose[1] // SIDE)
        steps = np.arange(-n, n + 1)
        solid = self.votes[((row + steps) % SQUARES)[:, None], (column + steps) % SQUARES] >= SURE
        if not solid.any():
            return NOTHING
        rows, columns = np.nonzero(solid)
        east, north = (column + steps[columns] + 0.5) * SIDE - pose[0], (row + steps[rows] + 0.5) * SIDE - pose[1]
        cos, sin = math.cos(math.radians(pose[2])), math.sin(math.radians(pose[2]))
        return np.stack([east * cos + north * sin, east * sin - north * cos], 1)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return the squares that anybody voted on: the same arrays until somebody votes again."""
        if self._told is None:
            at = np.flatnonzero(self.votes)
            self._told = {"ground/at": at.astype(np.int32), "ground/votes": self.votes.reshape(-1)[at]}
        return dict(self._told)

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Go back to what ``state()`` returned, to an empty map where there is none."""
        self.votes, self._told = np.zeros_like(self.votes), None
        if "ground/at" in state:
            self.votes.reshape(-1)[state["ground/at"]] = state["ground/votes"]

    def _ends(
        self, near: NDArray[np.float32], pitch_deg: float, rays: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how far ahead (w * rays,) every ray ends, and how far it goes aside (w * rays,) per unit ahead."""
        eye, (h, w) = self.eye, near.shape
        ahead = eye.reach / np.maximum(near.astype(np.float64), 1e-3)
        y = ((np.arange(h) + 0.5) * 2 / h - 1 - eye.lens * math.tan(math.radians(pitch_deg)))[:, None]
        below = y * ahead / eye.lens
        stops = (below < eye.low) & (below > -eye.high)
        ends = np.partition(np.where(stops, ahead, np.inf), SECOND, axis=0)[SECOND]
        across = (np.arange(w * rays) + 0.5) * 2 / (w * rays) - 1
        return ends.repeat(rays), across * math.tan(math.radians(eye.fov_deg / 2))

    def _squares(
        self, pose: Poses, yaw: float, ahead: NDArray[np.float64], right: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Return the numbers of the squares at places seen from ``pose``."""
        cos, sin = math.cos(yaw), math.sin(yaw)
        x, y = pose[0] + ahead * cos + right * sin, pose[1] + ahead * sin - right * cos
        column, row = (np.floor(at / SIDE).astype(np.int64) % SQUARES for at in (x, y))
        return np.asarray(row * SQUARES + column)


def held_up(step: NDArray[np.float64], things: Places, girth: float) -> NDArray[np.float64]:
    """Return what ``things`` (n, 2) leave of a ``step`` (2,) of a player who reaches ``girth`` to every side.

    Of the straight way and of ways past, each as far as it is free, the one that gains most ground is taken.
    """
    length = math.hypot(*step)
    if length < 1e-9 or not len(things):
        return step
    ways = WAYS @ np.array([step, [-step[1], step[0]]]) / length
    along, aside = things @ ways.T, things @ (ways[:, ::-1] * [-1, 1]).T
    # What touches the player already stops whoever goes at it, and nobody who goes past.
    apart = np.hypot(*things.T)[:, None]
    wide = np.where(apart < girth, PAST * apart, girth)
    free = np.where(apart < girth, 0.0, along - np.sqrt(np.maximum(wide**2 - aside**2, 0)))
    room = np.where((np.abs(aside) < wide) & (along > 0), free, np.inf).min(0)
    gone = np.clip(room, 0, length * WAYS[:, 0])
    best = int((gone * WAYS[:, 0]).argmax())
    return np.asarray(ways[best] * gone[best])
