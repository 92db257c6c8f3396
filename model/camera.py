"""The geometry of a pose: where a remembered picture lies in the view from another pose.

A pose is (x, y, yaw, pitch): map units and degrees, yaw counterclockwise, pitch up. The camera shears for pitch, as
Doom's does, and turns about its vertical axis, so a picture taken at the same spot can be moved into the present view
exactly; from another spot it is off by the parallax, for which the distance of what it shows must be known.
"""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Poses = NDArray[np.float64]  # (..., 4): x, y, yaw, pitch
PLACE = 6  # numbers that describe one pose seen from another
FADING = 0.90625  # part of a step that is still there a tick later, with no key held
GUESSES = 4  # how often the distance of what a pixel shows is guessed anew
CLOSE = 0.15  # what lies nearer than this share of its distance is beside or behind a page
OUTSIDE = 9.0  # a coordinate that is surely in no picture


def turned(yaw_deg: Poses) -> Poses:
    """Return angles in -180..180."""
    return (yaw_deg + 180.0) % 360.0 - 180.0


def place(pages: Poses, pose: Poses, reach: float) -> NDArray[np.float32]:
    """Describe ``pages`` (..., 4) as seen from ``pose`` (..., 4): (..., 6) of about unit size.

    Present (1), ahead and to the right in units of ``reach``, sine and cosine of the turn, difference of pitch.
    """
    yaw = np.radians(pose[..., 2])
    east, north = pages[..., 0] - pose[..., 0], pages[..., 1] - pose[..., 1]
    ahead, right = east * np.cos(yaw) + north * np.sin(yaw), east * np.sin(yaw) - north * np.cos(yaw)
    turn = np.radians(pages[..., 2] - pose[..., 2])
    tilt = (pages[..., 3] - pose[..., 3]) / 30.0
    parts = (np.ones_like(ahead), ahead / reach, right / reach, np.sin(turn), np.cos(turn), tilt)
    return np.stack(np.broadcast_arrays(*parts), -1).astype(np.float32)


def moved(pose: Poses, ahead: float, right: float, turn_deg: float, tilt_deg: float, limit_deg: float) -> Poses:
    """Return ``pose`` (4,) after a turn and a tilt (up to ``limit_deg``), and then a step along the new heading."""
    x, y, yaw, pitch = pose
    yaw = yaw + turn_deg
    cos, sin = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    pitch = min(max(pitch + tilt_deg, -limit_deg), limit_deg)
    return np.array([x + ahead * cos + right * sin, y + ahead * sin - right * cos, yaw, pitch])


def look_into(pages: Tensor, pose: Tensor, grid: Tensor, fov_deg: float, lens: float) -> Tensor:
    """Say where every pixel of the view from ``pose`` lies in pictures taken at ``pages``, were they all at one spot.

    Args:
        pages: (b, k, 4) poses of the pictures; pose: (b, 4).
        grid: (2, h, w) as ``coordinates`` gives it; fov_deg: the horizontal angle of view.
        lens: focal length over half the height of the picture; what a tilt moves the horizon by.

    Returns:
        (b, k, h, w, 2) for ``grid_sample``; far outside -1..1 where the direction is not in the picture.
    """
    half = math.tan(math.radians(fov_deg / 2))
    tilt = lens * torch.tan(torch.deg2rad(torch.stack([pages[..., 3], pose[:, None, 3].expand_as(pages[..., 3])])))
    turn = torch.deg2rad(pages[..., 2] - pose[:, None, 2])  # (b, k)
    bearing = torch.atan(grid[0, 0] * half)  # (w,), to the right
    there = bearing + turn[..., None]
    there = torch.remainder(there + math.pi, 2 * math.pi) - math.pi
    ahead = there.abs() < math.radians(80)
    there = there.clamp(-math.radians(80), math.radians(80))
    x = torch.where(ahead, torch.tan(there) / half, torch.full_like(there, 9.0))  # (b, k, w)
    scale = torch.cos(bearing) / torch.cos(there)
    y = (grid[1, :, :1] - tilt[1][..., None, None]) * scale[..., None, :] + tilt[0][..., None, None]  # (b, k, h, w)
    return torch.stack([x[..., None, :].expand_as(y), y], -1)


def lay(pages: Tensor, near: Tensor, pose: Tensor, grid: Tensor, fov_deg: float, lens: float, reach: float) -> Tensor:
    """Say where every pixel of the view from ``pose`` lies in pictures taken at ``pages``, as far away as they show it.

    What a pixel of the present view shows is first looked for as if it were endlessly far; what the page has there is
    at some distance, at which it is looked for again, and so on: a fixed point, which parallax moves to.

    Args:
        pages: (b, k, 4) poses of the pictures; pose: (b, 4); all the same height above the ground.
        near: (b, k, h', w') nearness of what they show, ``reach`` over the distance along their axes.
        grid: (2, h, w) as ``coordinates`` gives it; fov_deg, lens: as for :func:`look_into`.

    Returns:
        (b, k, h, w, 2) for ``grid_sample``; far outside -1..1 where the direction is not in the picture.
    """
    b, k = pages.shape[:2]
    half = math.tan(math.radians(fov_deg / 2))
    yaw, turn = torch.deg2rad(pose[:, None, 2]), torch.deg2rad(pages[..., 2] - pose[:, None, 2])
    east, north = (pages[..., :2] - pose[:, None, :2]).unbind(-1)
    ahead = (east * yaw.cos() + north * yaw.sin()) / reach
    right = (east * yaw.sin() - north * yaw.cos()) / reach
    tilts = lens * torch.tan(torch.deg2rad(torch.stack([pages[..., 3], pose[:, None, 3].expand(b, k)])))
    cos, sin, ahead, right, tilt, own_tilt = (
        x[..., None, None] for x in (turn.cos(), turn.sin(), ahead, right, *tilts)
    )
    across, down = grid[0] * half, grid[1] - own_tilt
    # The way between the two places, as the page sees it.
    ahead_there, aside_there = ahead * cos - right * sin, ahead * sin + right * cos
    toward, aside = cos - across * sin, sin + across * cos
    pictures = near.reshape(b * k, 1, *near.shape[-2:])
    depth, beside = toward, aside / toward.clamp_min(CLOSE)
    found = torch.stack([beside / half, down / depth.clamp_min(CLOSE) + tilt], -1)
    for _ in range(GUESSES - 1):
        at = found.view(b * k, *found.shape[2:])
        there = F.grid_sample(pictures, at, padding_mode="border", align_corners=False).view_as(depth)
        told = there / (cos + beside * sin + ahead * there).clamp_min(0.1)
        depth = toward - ahead_there * told
        beside = (aside - aside_there * told) / depth.clamp_min(CLOSE)
        found = torch.stack([beside / half, down / depth.clamp_min(CLOSE) + tilt], -1)
    return torch.where((depth > CLOSE)[..., None], found, OUTSIDE).clamp(-OUTSIDE, OUTSIDE)


def pushes(actions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what may push a player on: the controls (..., a) and their products in pairs, (..., a * (a + 1) / 2)."""
    first, second = np.triu_indices(actions.shape[-1], 1)
    return np.concatenate([actions, actions[..., first] * actions[..., second]], -1)


def mirrored(way: Any, yaw_rad: Any) -> tuple[Any, Any]:
    """Turn a way, or ways, from east and north into ahead and right of a heading, and back: one mirror does both."""
    (one, other), cos, sin = way, np.cos(yaw_rad), np.sin(yaw_rad)
    return one * cos + other * sin, one * sin - other * cos


def coasting(speed: Poses, turn_deg: Poses) -> Poses:
    """Return what is left of the last step (..., 2), ahead and to the right, after a turn, in the new heading."""
    cos, sin = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    ahead, right = speed[..., 0], speed[..., 1]
    return FADING * np.stack([ahead * cos - right * sin, ahead * sin + right * cos], -1)


def foreseen_step(
    speed: Poses, turn_deg: Poses, actions: NDArray[np.float32], pushing: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the steps (..., 2), in strides, that follow from the last ones, a turn (...) and actions (..., a).

    ``pushing`` (2, a * (a + 1) / 2) are strides ahead and to the right per unit of what :func:`pushes` gives.
    """
    return np.asarray(coasting(speed, turn_deg) + pushes(actions) @ pushing.T)
