"""Was a remembered place drawn again? Lays a page into the view that is showing and compares where the page covers it.

Needs no truth, so it can be asked all along an hour of free running. Knows the geometry of poses, and no memory policy.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from dreamloop.model.camera import Poses, look_into, turned
from dreamloop.model.layers import coordinates
from dreamloop.model.world_model import Frame

NEAR_UNITS = 24.0  # from farther away a page shows another perspective, which is no fault of the drawing
COVERS = 0.5  # share of the view that a page must cover to be compared


@dataclass(frozen=True, slots=True)
class PageRead:
    """A page that was read for the frame that is showing."""

    frame: Frame  # (h, w, 3)
    pose: Poses  # (4,) that it was taken at
    age_ticks: int  # since it was taken


@dataclass(frozen=True, slots=True)
class Camera:
    """What a picture's geometry depends on."""

    fov_deg: float
    lens: float


def laid(page: Frame, taken: Poses, pose: Poses, camera: Camera) -> tuple[Frame, NDArray[np.bool_]]:
    """Return the page as it would look from ``pose``, were all it shows far away, and where it covers the view."""
    h, w, _ = page.shape
    with torch.inference_mode():
        poses = torch.from_numpy(np.asarray(taken, np.float32))[None, None]
        here = torch.from_numpy(np.asarray(pose, np.float32))[None]
        where = look_into(poses, here, coordinates(h, w), camera.fov_deg, camera.lens)[0]
        picture = torch.from_numpy(np.array(page)).permute(2, 0, 1)[None].float()
        moved = F.grid_sample(picture, where, padding_mode="border", align_corners=False)
        inside = where[0].abs().amax(-1) <= 1
    return moved[0].permute(1, 2, 0).round().to(torch.uint8).numpy(), inside.numpy()


def found_again_db(shown: Frame, pose: Poses, page: PageRead, camera: Camera) -> float | None:
    """Return PSNR (dB) between what is showing and the page, where it covers the view; None where it hardly does."""
    off = np.asarray(page.pose) - pose
    if np.hypot(off[0], off[1]) > NEAR_UNITS or abs(turned(off[2])) > camera.fov_deg / 2:
        return None
    moved, inside = laid(page.frame, page.pose, pose, camera)
    if inside.mean() < COVERS:
        return None
    error = float(np.square(shown[inside].astype(np.float32) - moved[inside]).mean())
    return float(10 * np.log10(255**2 / max(error, 1e-2)))
