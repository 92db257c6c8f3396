"""Doors as pages show them shut: hung into views that were put together as if there were none, as far as they are down.

A door is flat, and what it shows goes up with it: every pixel of its face is looked for in the page that was taken from
about as far away. Knows nothing of how doors come to move.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from dreamloop.model.camera import Poses
from dreamloop.model.doors import before, faces
from dreamloop.model.gait import EYES
from dreamloop.model.layers import coordinates, enlarged, middles
from dreamloop.model.standing import BEFORE, Stood, fetched
from dreamloop.model.surfaces import Camera, a_unit_ahead, seen_along, seen_from
from dreamloop.model.world_model import Doors, Frame

TRIED = 3  # pages that a face is taken from: what is beyond the edge of one, the next tells
FARTHEST = 6.0  # times ``reach``: what is farther is not drawn
OFF = 0.15  # share of the distance by which a page may be measured off a face that it shows


class DoorPages:
    """Pictures of shut doors.

    Args:
        doors: where they are.
        frames: pages (h, w, 3) that show them shut, and nothing that hangs on the camera.
        poses: (k, 4) where those were taken, and heights (k,) of the ground there, map units.
        near: (k, h', w') nearness of what they show; NaN: not told.
    """

    def __init__(
        self,
        camera: Camera,
        doors: Doors,
        frames: Iterable[Frame],
        poses: NDArray[np.floating],
        heights: NDArray[np.floating],
        near: NDArray[np.floating],
    ) -> None:
        self.camera, self.doors, self.frames = camera, doors, [np.array(frame) for frame in frames]
        for frame in self.frames:
            frame.flags.writeable = False  # snapshots share it
        self.poses = torch.from_numpy(np.array(poses)).float()
        self.heights, self.measured = np.array(heights, np.float64), np.array(near)
        self.near = torch.from_numpy(np.array(near)).float().nan_to_num(0.0)
        self.grid = coordinates(camera.height_px, camera.width_px)
        places = doors.places.tolist()
        self.faces = [(door, line) for door, place in enumerate(places) for line in faces(place)]
        self.lines = torch.tensor([[*start, *end] for _, (start, end) in self.faces]).reshape(-1, 4)
        self.middles = (self.lines[:, :2] + self.lines[:, 2:]) / 2
        self.shown = [self._told(face) for face in range(len(self.faces))]

    @property
    def nbytes(self) -> int:
        """Bytes of the pictures, and of how near what they show is."""
        return sum(frame.nbytes for frame in self.frames) + self.measured.nbytes + self.near.nbytes

    def _told(self, face: int) -> dict[int, float]:
        """Return from how far pages show a face: those that are before it, and look at it."""
        ahead, _ = seen_from(self.poses, self.middles[face : face + 1])
        return {
            page: float(ahead[page, 0])
            for page in range(len(self.frames))
            if self._before(face, self.poses[page]) and self._looks_at(face, page)
        }

    def _before(self, face: int, pose: Tensor) -> bool:
        return before(float(pose[0]), float(pose[1]), self.faces[face][1])

    def _looks_at(self, face: int, page: int) -> bool:
        """Say whether the middle of a page is a face's, at the height of the eyes."""
        ahead, right = (float(part) for part in seen_from(self.poses[page : page + 1], self.middles[face : face + 1]))
        if ahead <= 1 or abs(right) > 0.1 * ahead:
            return False
        h, w = self.near.shape[1:]
        return abs(float(self.near[page, h // 2, w // 2]) * ahead / self.camera.reach - 1) < OFF

    @torch.inference_mode()
    def hang(self, pose: Poses, height: float, near: Tensor, least: Tensor, ups: Sequence[float]) -> list[Stood]:
        """Return what is seen of doors from ``pose`` (4,), ``height`` map units up, the farthest first.

        Args:
            near: (h', w') nearness of what else the view shows, 0 where that is not known.
            least: (w,) nearness of the walls in all columns of the view: nothing is seen behind them.
            ups: map units that every door is open.
        """
        here, places = torch.from_numpy(pose).float(), self.doors.places.tolist()
        near = torch.maximum(enlarged(near, self.camera.height_px // near.shape[0]), least)
        parts = list[tuple[float, Callable[[], Stood | None]]]()
        for door, (place, up) in enumerate(zip(places, ups, strict=True)):
            middle = (place[0] + place[2]) / 2, (place[1] + place[3]) / 2
            apart = math.hypot(middle[0] - pose[0], middle[1] - pose[1])
            if up >= place[5] or apart > FARTHEST * self.camera.reach:
                continue
            if up > 0:
                parts.append((apart, partial(self._below, place, here, height, near, up)))
            for face in (2 * door, 2 * door + 1):
                if self.shown[face] and self._before(face, here):
                    apart = float((self.middles[face] - here[:2]).norm())
                    parts.append((apart, partial(self._hang, face, here, height, near, up)))
        hung = [draw() for _, draw in sorted(parts, key=lambda part: -part[0])]
        return [one for one in hung if one is not None]

    def _hang(self, face: int, here: Tensor, height: float, near: Tensor, up: float) -> Stood | None:
        """Return what is seen of a face that has gone up so far."""
        camera, place = self.camera, self.doors.places[self.faces[face][0]].tolist()
        right = self.grid[0, 0] * camera.half
        far, meets = (part[0] for part in seen_along(here, right, self.lines[face : face + 1]))
        meets &= far > 1
        if not bool(meets.any()):
            return None
        first, last = torch.nonzero(meets)[[0, -1], 0].tolist()
        columns = slice(first, last + 1)
        far, right = far[columns], right[columns]
        up_there = height + EYES - self._down(here)[:, columns] * far / camera.lens  # (h, w'), over the map's zero
        nearness = camera.reach / far
        open_ = (up_there > place[4] + up) & (up_there < place[4] + place[6]) & meets[columns]
        open_ &= nearness * BEFORE > near[:, columns]
        if not bool(open_.any()):
            return None
        east, north = a_unit_ahead(here, right)
        points = torch.stack([here[0] + far * east, here[1] + far * north], 1)
        shown, colours = torch.zeros_like(open_), torch.zeros(3, *open_.shape)
        for number, page in enumerate(self._pages(face, float(far.median()))):
            at, there = self._where(page, points, up_there - up)
            told = F.grid_sample(self.near[page][None, None], at, mode="nearest", align_corners=False)[0, 0]
            new = open_ & ((told / there - 1).abs() < OFF) & ~shown
            # What no page shows goes on as at the edge of the first: better than to see through a door.
            colours = torch.where(new if number else open_, fetched(self.frames[page], at), colours)
            shown |= new
            if bool((shown | ~open_).all()):
                break
        whole = torch.zeros(camera.width_px)
        whole[columns] = nearness
        return Stood(columns, open_, colours, whole[self._small])

    def _below(self, place: list[float], here: Tensor, height: float, near: Tensor, up: float) -> Stood | None:
        """Return what is seen of a door from below, which is of one colour."""
        over, camera = place[4] + up - height - EYES, self.camera
        if over <= 0:
            return None
        down = self._down(here)
        far = torch.where(down < 0, -camera.lens * over / down, 0.0)
        ways = a_unit_ahead(here, self.grid[0, 0] * camera.half)
        x, y = (part + far * way for part, way in zip(here[:2], ways, strict=True))
        west, south, east, north = place[:4]
        nearness = camera.reach / far.clamp_min(1.0)
        shown = (x > west) & (x < east) & (y > south) & (y < north) & (far > 1) & (nearness * BEFORE > near)
        if not bool(shown.any()):
            return None
        colours = torch.tensor(place[7:10])[:, None, None].expand(3, *shown.shape)
        return Stood(slice(0, camera.width_px), shown, colours, nearness[self._small, self._small])

    def _down(self, here: Tensor) -> Tensor:
        """Return how far down (h, w) of the horizon every pixel looks."""
        return self.grid[1] - self.camera.tilt(float(here[3]))

    @property
    def _small(self) -> slice:
        """Which rows and columns of a picture are those of a map of nearness."""
        return middles(self.camera.height_px // self.near.shape[1])

    def _where(self, page: int, points: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
        """Return where in a page (1, h, w, 2) that is which is at points (w, 2) so far up (h, w), and how near (w,)."""
        camera = self.camera
        ahead, right = (part[0] for part in seen_from(self.poses[page : page + 1], points))
        ahead = ahead.clamp_min(1.0)
        down = (float(self.heights[page]) + EYES - up) * camera.lens / ahead + camera.tilt(float(self.poses[page, 3]))
        across = (right / (ahead * camera.half)).expand_as(down)
        return torch.stack([across, down], -1)[None], camera.reach / ahead

    def _pages(self, face: int, far: float) -> list[int]:
        """Return the pages that show a face from about as far as it is, of equals the first."""
        told = self.shown[face]
        return sorted(told, key=lambda page: abs(math.log2(told[page] / max(far, 1.0))))[:TRIED]
