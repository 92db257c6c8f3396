"""What a place is known to have: walls that nobody sees through, levels of the ground, things that face whoever looks.

What was measured of a page is off by some map units, and from an arm's length a wall is then drawn out of two places at
once: what a page shows is put onto the surface that it nearly lies on. Nothing is seen behind a wall.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamloop.model.depth import CLOSEST
from dreamloop.model.gait import EYES

NEAREST = 12.0  # nearness of a wall, at most: of one whose corner somebody stands in who is 16 map units from it
SAME = 0.2  # share of nearness within which two things may be one
ON = (8.0, 0.04)  # map units, and share of the distance, by which what lies on a surface may be measured off it
WIDE = 44.0  # map units to each side of its middle that a thing may show
TALL = 120.0  # ... and over the lowest ground of all
FARTHEST = 300.0  # map units from which pages tell it
CLEAR = (16.0, 0.1)  # map units, and share of the distance, that it is before the next wall there


class Camera(NamedTuple):
    """What every picture is taken with."""

    fov_deg: float  # across
    lens: float  # focal length over half the height of the picture
    reach: float  # distance at which nearness is 1
    height_px: int
    width_px: int

    @property
    def half(self) -> float:
        """Half of what a picture shows across of what is one unit ahead."""
        return math.tan(math.radians(self.fov_deg / 2))

    def tilt(self, pitch_deg: float) -> float:
        """How far below the middle of a picture the horizon is, of half its height."""
        return self.lens * math.tan(math.radians(pitch_deg))


class Surfaces:
    """Walls, levels, and where things stand.

    Args:
        walls: (n, 4) lines that nobody sees through, from where to where, map units.
        levels: (m,) heights of the ground, map units.
        things: (k, 2 or more) where those stand that face whoever looks, map units; None: none do.
    """

    def __init__(
        self,
        camera: Camera,
        walls: NDArray[np.floating],
        levels: NDArray[np.floating],
        things: NDArray[np.floating] | None = None,
    ) -> None:
        self.camera = camera
        self.things = torch.zeros(0, 2) if things is None else torch.from_numpy(np.array(things[:, :2])).float()
        self.walls, self.levels = torch.from_numpy(walls).float(), torch.from_numpy(np.unique(levels)).float()

    def least(self, pose: Tensor, across: Tensor) -> Tensor:
        """Return the nearness (w,) of the walls in columns (w,) of the view from a pose (4,): nothing is behind."""
        if not len(self.walls):
            return torch.zeros_like(across)
        far, meets = seen_along(pose, across * self.camera.half, self.walls)
        return torch.where(meets, self.camera.reach / far, 0.0).amax(0).clamp_max(NEAREST)

    def put_on(self, near: Tensor, poses: Tensor, heights: Tensor, grid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Put what pages show onto the surfaces.

        Args:
            near: (n, h, w) nearness; NaN: not told.
            poses: (n, 4) where they were taken, and heights (n,) of the ground there, map units.
            grid: (2, h, w) as ``coordinates`` gives it.

        Returns:
            Nearness (n, h, w), where it is of something over the walls, as the sky is, and of which thing, -1 of none.
        """
        least = torch.stack([self.least(pose, grid[0, 0]) for pose in poses])[:, None]
        over, best = ~before(near, least.clamp_max(CLOSEST)) & ~near.isnan(), near
        reach, far = self.camera.reach, self.camera.reach / near
        off, whose = torch.full_like(near, math.inf), torch.full(near.shape, -1, dtype=torch.int16)
        down = grid[1] - self.camera.lens * torch.tan(torch.deg2rad(poses[:, 3]))[:, None, None]
        eyes = (heights + EYES)[:, None, None]

        def put(distance: Tensor, nearness: Tensor, thing: int = -1, where: Tensor | bool = True) -> None:
            """Put onto something what is nearer to it than to what came before."""
            nonlocal best, off
            apart = (distance - far).abs()
            on = (apart < ON[0] + ON[1] * far) & (apart < off) & where
            best, off = torch.where(on, nearness, best), torch.where(on, apart, off)
            whose[on] = thing

        surfaces = [least.expand_as(near)]
        surfaces += [reach * down / self.camera.lens / (eyes - level).clamp_min(1.0) for level in self.levels]
        for surface in surfaces:
            put(reach / surface.clamp_min(1e-3), surface.clamp_max(NEAREST))
        # What stands close before a wall, or far away, is left as it was measured: it would take some of that along.
        low = float(self.levels.min()) if len(self.levels) else math.inf
        free = ~over & (far * (1 + CLEAR[1]) < reach / least.clamp_min(1e-3) - CLEAR[0])
        free &= eyes - down * far / self.camera.lens < low + TALL
        for thing, (ahead, right) in enumerate(zip(*(one.T for one in seen_from(poses, self.things)), strict=True)):
            ahead, aside = ahead[:, None, None], grid[0] * self.camera.half * far - right[:, None, None]
            put(ahead, reach / ahead, thing, free & (ahead < FARTHEST) & (aside.abs() < WIDE))
        return best, over, whose


def a_unit_ahead(pose: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far east and north (w,) of a pose (4,) that is which is a unit ahead and so much (w,) to the right."""
    yaw = torch.deg2rad(pose[2])
    return yaw.cos() + right * yaw.sin(), yaw.sin() - right * yaw.cos()


def seen_along(pose: Tensor, right: Tensor, lines: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far ahead lines (n, 4) are, as in ``a_unit_ahead``, and whether they are met there: (n, w) each."""
    east, north = a_unit_ahead(pose, right)
    x, y = (lines[:, :2] - pose[:2]).T[..., None]
    wide, tall = (lines[:, 2:] - lines[:, :2]).T[..., None]
    whole = east * tall - north * wide
    far, along = (x * tall - y * wide) / whole, (x * north - y * east) / whole
    return far, (along >= 0) & (along <= 1) & (far > 0)


def before(near: Tensor, least: Tensor) -> Tensor:
    """Say whether something that is so near is before a wall that is, or is that wall."""
    return near >= least * (1 - SAME) - 0.02


def seen_from(poses: Tensor, things: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far ahead of poses (n, 4), and how far to the right, things (k, 2) are: (n, k) each, map units."""
    yaw = torch.deg2rad(poses[:, 2])[:, None]
    east, north = (things[None] - poses[:, None, :2]).unbind(-1)
    return east * yaw.cos() + north * yaw.sin(), east * yaw.sin() - north * yaw.cos()
