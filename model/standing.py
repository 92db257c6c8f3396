"""What stands in a place and faces whoever looks, as sprites do: cut out of pages, and stood up in views.

A page shows a thing as a picture of it, upright, at one distance. Taken for a surface that lies where it was seen from
there, it would be a board, and from its side there would be nothing. So views are put together without it, and it is
stood up in them. Knows nothing of how views are put together.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dreamloop.model.camera import Poses
from dreamloop.model.layers import coordinates, enlarged
from dreamloop.model.surfaces import WIDE, Surfaces, seen_from
from dreamloop.model.world_model import Frame

TRIED = 2  # pages that a thing is taken from: what something hides in one, or what is beyond its edge, the next tells
CLOSE = 12.0  # map units; what is nearer is not drawn, and pages from so near do not tell it
PART = 0.04  # of the most that any page shows of a thing: those that show less of it are not asked
BEFORE = 1.03  # times the nearness of what it is drawn over: else it is hidden
HIDES = 1.1  # times its nearness in a page: what is nearer there hides it


class Stood(NamedTuple):
    """A thing that was stood up in a view."""

    columns: slice
    shown: Tensor  # (h, w') where it is, of these columns
    colours: Tensor  # (3, h, w')
    near: float | Tensor  # of all of it, or as a map of nearness has it: of every column, or of every pixel


def fetched(page: Frame, at: Tensor) -> Tensor:
    """Return what a page shows at places (1, h, w, 2), as sharp as it is there: (3, h, w)."""
    picture = torch.from_numpy(np.array(page)).permute(2, 0, 1)[None].float()
    return F.grid_sample(picture, at, mode="bicubic", padding_mode="border", align_corners=False)[0]


class Standing:
    """The things of a place, as pages show them.

    Args:
        surfaces: of the place, which know where things stand.
        whose: (n, h', w') the thing that a pixel of a page shows, -1 none.
        near: (n, h', w') nearness of what pages show.
        frames: the pages (h, w, 3), their poses (n, 4), and heights (n,) of the ground there, map units.
        live: (n,) which of them are what they were, as whoever owns it says.
        hidden: (h, w) what something that hangs on the camera hides in all pages.
    """

    def __init__(
        self,
        surfaces: Surfaces,
        whose: Tensor,
        near: Tensor,
        frames: list[Frame],
        poses: Tensor,
        heights: Tensor,
        live: Tensor,
        hidden: Tensor,
    ) -> None:
        self.surfaces, self.camera, self.things = surfaces, surfaces.camera, surfaces.things
        self.frames, self.poses, self.heights, self.whose, self.near = frames, poses, heights, whose, near
        self.open = (~hidden).float()[None, None]
        self.grid = coordinates(self.camera.height_px, self.camera.width_px)
        self.live = live
        if len(self.things):
            self.ahead, self.right = (part.T for part in seen_from(poses, self.things))  # (k, n)
            share = torch.stack([(whose == thing).float().mean((1, 2)) for thing in range(len(self.things))])
            self.area = share * (self.ahead > CLOSE) * self.ahead.square()  # the same, from wherever all of it is seen

    def stand(self, pose: Poses, height: float, near: Tensor, gone: Sequence[int] = ()) -> list[Stood]:
        """Return what stands in the view from ``pose`` (4,), ``height`` map units up, the farthest first.

        Args:
            near: (h', w') nearness of what else the view shows, 0 where that is not known.
            gone: numbers of things that are there no more.
        """
        if not len(self.things):
            return []
        here = torch.from_numpy(pose).float()
        ahead, right = (part[0].tolist() for part in seen_from(here[None], self.things))
        half = self.camera.half
        found = list[Stood]()
        for thing in sorted(range(len(ahead)), key=lambda one: -ahead[one]):
            far = ahead[thing]
            if thing in gone or far < CLOSE or abs(right[thing]) > far * half + WIDE:
                continue
            stood = self._stand(thing, here, height, far, right[thing], near)
            if stood is not None:
                found.append(stood)
        return found

    def _stand(self, thing: int, here: Tensor, height: float, far: float, right: float, near: Tensor) -> Stood | None:
        camera, half = self.camera, self.camera.half
        middle, wide = right / (far * half), WIDE / (far * half)
        first, last = ((middle + side * wide + 1) / 2 * camera.width_px for side in (-1, 1))
        columns = slice(max(int(first), 0), min(int(last) + 1, camera.width_px))
        if columns.start >= columns.stop:
            return None
        grid, step = self.grid[:, :, columns], camera.height_px // near.shape[0]
        nearness = camera.reach / far
        before = nearness * BEFORE > self.surfaces.least(here, grid[0, 0])
        if not bool(before.any()):
            return None
        open_ = (nearness * BEFORE > enlarged(near, step)[:, columns]) & before
        down = grid[1] - camera.tilt(float(here[3]))
        shown, colours = torch.zeros_like(open_), torch.zeros(3, *open_.shape)
        for page in self._pages(thing, far):
            at = self._where(thing, page, far, height, grid[0] - middle, down)
            there = torch.stack([(self.whose[page] == thing).float(), self.near[page]])[None]
            shows, hides = F.grid_sample(there, at, align_corners=False)[0]
            shows, hides = shows > 0.5, hides > HIDES * camera.reach / float(self.ahead[thing, page])
            tells = ~hides & (F.grid_sample(self.open, at, mode="nearest", align_corners=False)[0, 0] > 0.5)
            new = open_ & shows & tells
            if bool(new.any()):
                colours, shown = torch.where(new, fetched(self.frames[page], at), colours), shown | new
            open_ &= ~tells
            if not bool(open_.any()):
                break
        return Stood(columns, shown, colours, nearness) if bool(shown.any()) else None

    def _where(self, thing: int, page: int, far: float, height: float, aside: Tensor, down: Tensor) -> Tensor:
        """Return where in a page (1, h, w, 2) that is which here is so far aside and down (h, w) from its middle."""
        camera, there = self.camera, float(self.ahead[thing, page])
        up = (height - float(self.heights[page])) * camera.lens / far
        tilt = camera.tilt(float(self.poses[page, 3]))
        middle = float(self.right[thing, page]) / (there * camera.half)
        return torch.stack([middle + aside * (far / there), (down - up) * (far / there) + tilt], -1)[None]

    def _pages(self, thing: int, far: float) -> list[int]:
        """Return the pages that show a thing best to somebody so far away, of equals the first."""
        rows = torch.nonzero(self.live)[:, 0]
        area = self.area[thing, rows]
        shown = area / area.max().clamp_min(1e-6) if len(rows) else area
        off = (self.ahead[thing, rows].clamp_min(CLOSE) / far).log2().abs()
        cost, order = torch.where(shown > PART, off + 2 * (1 - shown), math.inf).sort(stable=True)
        return [int(page) for page in rows[order[cost < math.inf][:TRIED]]]
