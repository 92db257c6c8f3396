"""The surfaces that a place is known to have: walls that nobody sees through, and levels of the ground.

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

SAME = 0.2  # share of nearness within which two things may be one
ON = (8.0, 0.04)  # map units, and share of the distance, by which what lies on a surface may be measured off it


class Camera(NamedTuple):
    """What every picture is taken with."""

    fov_deg: float  # across
    lens: float  # focal length over half the height of the picture
    reach: float  # distance at which nearness is 1
    height_px: int
    width_px: int


class Surfaces:
    """Walls and levels.

    Args:
        walls: (n, 4) lines that nobody sees through, from where to where, map units.
        levels: (m,) heights of the ground, map units.
    """

    def __init__(self, camera: Camera, walls: NDArray[np.floating], levels: NDArray[np.floating]) -> None:
        self.camera = camera
        self.walls, self.levels = torch.from_numpy(walls).float(), torch.from_numpy(np.unique(levels)).float()

    def least(self, pose: Tensor, across: Tensor) -> Tensor:
        """Return the nearness (w,) of the walls in columns (w,) of the view from a pose (4,): nothing is behind."""
        if not len(self.walls):
            return torch.zeros_like(across)
        yaw, half = torch.deg2rad(pose[2]), math.tan(math.radians(self.camera.fov_deg / 2))
        right = across * half
        east, north = yaw.cos() + right * yaw.sin(), yaw.sin() - right * yaw.cos()  # a unit ahead
        x, y = (self.walls[:, :2] - pose[:2]).T[..., None]
        wide, tall = (self.walls[:, 2:] - self.walls[:, :2]).T[..., None]
        whole = east * tall - north * wide
        far, along = (x * tall - y * wide) / whole, (x * north - y * east) / whole
        meets = (along >= 0) & (along <= 1) & (far > 0)
        return torch.where(meets, self.camera.reach / far, 0.0).amax(0).clamp_max(CLOSEST)

    def put_on(self, near: Tensor, poses: Tensor, heights: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Put what pages show onto the surfaces.

        Args:
            near: (n, h, w) nearness; NaN: not told.
            poses: (n, 4) where they were taken, and heights (n,) of the ground there, map units.
            grid: (2, h, w) as ``coordinates`` gives it.

        Returns:
            Nearness (n, h, w), and where it is of something over the walls, as the sky is.
        """
        least = torch.stack([self.least(pose, grid[0, 0]) for pose in poses])[:, None]
        over, best = ~before(near, least) & ~near.isnan(), near
        off = torch.full_like(near, math.inf)
        down = grid[1] - self.camera.lens * torch.tan(torch.deg2rad(poses[:, 3]))[:, None, None]
        eyes = (heights + EYES)[:, None, None]
        surfaces = [least.expand_as(near)]
        surfaces += [
            self.camera.reach * down / self.camera.lens / (eyes - level).clamp_min(1.0) for level in self.levels
        ]
        far = self.camera.reach / near
        for surface in surfaces:
            apart = (self.camera.reach / surface.clamp_min(1e-3) - far).abs()
            on = (apart < ON[0] + ON[1] * far) & (apart < off)
            best, off = torch.where(on, surface.clamp_max(CLOSEST), best), torch.where(on, apart, off)
        return best, over


def before(near: Tensor, least: Tensor) -> Tensor:
    """Say whether something that is so near is before a wall that is, or is that wall."""
    return near >= least * (1 - SAME) - 0.02
