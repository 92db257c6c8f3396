"""Views whose distances were measured, put together into the view from another pose.

Image-based rendering (McMillan and Bishop, 1995): every pixel of the present view is looked for in the pages that may
show it, each as far away as was measured, and taken from the one that shows it best. What is in front hides what is
behind, also where it is seen from the back; a page taken from near here is believed about that before one from afar.
What no page shows stays open: a net has to draw it. Nothing is learnt.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from dreamloop.model.camera import CLOSE, Poses
from dreamloop.model.depth import CLOSEST
from dreamloop.model.door_pages import DoorPages
from dreamloop.model.layers import coordinates, enlarged, middles
from dreamloop.model.memory import slot_name
from dreamloop.model.memory_policies import greedy
from dreamloop.model.standing import Standing, Stood
from dreamloop.model.surfaces import SAME, Camera, Surfaces, before
from dreamloop.model.world_model import Frame, Gesture

MOST = 10  # pages that a view is put together from
GUESSES = (3, 2)  # how often distances are guessed anew: at every other pixel down and across, then at all of them
FIRST = 2.0  # nearness that is guessed first: from too near a guess finds its way, from afar it misses what is close
FIRST_GUESSES = (0, 4)  # for the first look at all pages
COARSE = 4  # of the pixels of a map of nearness one in so many is looked at first, down and across
LOOKS = (6, 8)  # directions, down and across, in which all pages are looked at
FAR = 6.0  # times ``reach``: pages from farther away are not looked at
OFF = 1.5  # pixels of a map of nearness by which a place may be missed
BENT = 0.12  # share of nearness by which it may be off the plane of its neighbours: beyond, a pixel shows two things
UNSURE = 0.03  # share of nearness by which what was measured may be off
RIVALS = (2.0, 0.1)  # a page is hidden by those from up to so many times as far as itself, and so much of ``reach``
LEAST = 0.05  # share of a view that pages must show, or it is left to the net
WORTH = 0.005  # share of the view that a page must add
GAPS = 4  # times that a picture is halved to fill its gaps
RIM = 3  # pixels around what hangs on the camera that are left open, too
EDGE = 2  # pixels by which a page goes on beyond its upper and lower edge, where another one would lie
STEADY = 10  # levels by which what is in the same place in all pages differs among most of them

_EDGES = ((EDGE, EDGE), (0, 0), (0, 0))


class View(NamedTuple):
    """A view that was put together."""

    frame: Frame  # (h, w, 3)
    known: NDArray[np.bool_]  # (h, w) what pages show of it, and what hangs on the camera
    near: NDArray[np.float32]  # (h', w') nearness of what it shows, what is not known as what is beside it
    hangs: NDArray[np.bool_]  # (h, w) where what hangs on the camera is, or may have been

    def over(self, frame: Frame) -> Frame:
        """Return ``frame`` with the view over it, as far as that is known."""
        return np.where((self.known & ~self.hangs)[..., None], self.frame, frame)


class Hangs(NamedTuple):
    """What hangs on the camera."""

    right: float  # how far it has swung, of the picture's width
    down: float  # ... and of its height
    doing: int = 0  # 0: rests; else the tick of its gesture


class Found(NamedTuple):
    """What pages (k) show of directions (h, w)."""

    at: Tensor  # (k, h, w, 2) where in the page, -1..1
    told: Tensor  # (k, h, w) how near it is from here
    front: Tensor  # (k, h, w) which of them show something, seen from its front, that no other page hides
    worth: Tensor  # (k, h, w) 0..1 how well: as large as it is here, and where it is looked for


class Gallery:
    """The measured pages of one player, by slots of the memory.

    Args:
        frames: the pages (h, w, 3).
        poses: (4,) where they were taken.
        near: (h', w') nearness of what they show; NaN: not known.
        heights: of the ground that the pages were taken from, map units.
        overlay: (h, w) what hangs on the camera, in pages as in views; None: nothing does.
        gesture: what hangs on the camera at rest, and in the ticks of its gesture.
        hanging: (4, h, w) what was cut out of the pages, as ``state`` has it; None: it is to be.
        surfaces: that the place is known to have; None: none is known.
        doors: that the place has; in the pages they are open.
    """

    def __init__(
        self,
        camera: Camera,
        frames: Mapping[int, Frame],
        poses: Mapping[int, Poses],
        near: Mapping[int, NDArray[np.float16]],
        heights: Mapping[int, float],
        overlay: NDArray[np.bool_] | None = None,
        gesture: Gesture | None = None,
        hanging: NDArray[np.float32] | None = None,
        surfaces: Surfaces | None = None,
        doors: DoorPages | None = None,
    ) -> None:
        self.doors = doors
        self.surfaces = surfaces or Surfaces(camera, np.zeros((0, 4)), np.zeros(0))
        size = (camera.height_px, camera.width_px)
        self.camera, self.measured, self.measured_from = camera, dict(near), dict(heights)
        self.overlay = np.zeros(size, np.bool_) if overlay is None else overlay
        self.slots = list(near)
        self.frames = [frames[slot] for slot in self.slots]
        self.poses = torch.from_numpy(np.stack([poses[slot] for slot in self.slots])).float()
        self.heights = torch.tensor([heights[slot] for slot in self.slots])
        told = torch.from_numpy(np.stack(list(near.values()))).float()
        self.whole, self.fine, self.few = coordinates(*size), coordinates(*told.shape[1:]), coordinates(*LOOKS)
        told, over, whose = self.surfaces.put_on(told, self.poses, self.heights, self.fine)
        self.near = told.nan_to_num(0.0)
        self.rim = torch.from_numpy(widened(self.overlay, RIM))
        self.cut = _cut_out(self.frames, self.overlay) if hanging is None else hanging
        self.hanging = torch.tensor(self.cut)[None]  # (t, 4, h, w), at rest first
        if gesture is not None:
            self.hanging = torch.cat([self.hanging, _lit_as(self.hanging, gesture.shown)])
        self.light = None if gesture is None else gesture.light
        self.step = size[0] // self.near.shape[1]  # pixels of one side that share a nearness
        hidden = self.rim[middles(self.step), middles(self.step)]
        stands = F.max_pool2d((whose >= 0).float()[:, None], 3, 1, 1)[:, 0] > 0  # at its edges pixels show both
        known = (~told.isnan() & ~hidden & ~stands) * (1.0 + over)
        whose[:, hidden] = -1
        self.live = torch.ones(len(self.slots), dtype=torch.bool)
        pages = self.frames, self.poses, self.heights, self.live
        self.standing = Standing(self.surfaces, whose, self.near, *pages, self.rim)
        sure = torch.stack([known, _doubt(self.near)], 1)
        small = middles(COARSE)
        self.maps = self.near[:, None], sure
        self.first = self.near[:, None, small, small].contiguous(), sure[:, :, small, small].contiguous()
        self.chosen = torch.zeros(0, dtype=torch.long)  # rows that views are put together from
        self.taken = _rows(self.maps, self.chosen)
        self.atlas = torch.zeros(0)  # (1, 3, (h + 2 * EDGE) * chosen, w)

    @property
    def nbytes(self) -> int:
        """Bytes of what was measured, as it is kept and as it is looked at."""
        told = sum(one.nbytes for one in self.measured.values())
        told += 0 if self.doors is None else self.doors.nbytes
        return told + sum(one.nbytes for one in (*self.maps, *self.first, self.standing.whose))

    @property
    def reading(self) -> list[int]:
        """Slots of the pages that views are put together from."""
        return [self.slots[row] for row in self.chosen.tolist()]

    def drop(self, slot: int) -> None:
        """A page is no longer what it was."""
        if self.measured.pop(slot, None) is not None:
            self.live[self.slots.index(slot)] = False
            self.take([one for one in self.reading if one != slot])

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return what was measured."""
        near = {slot_name("near", slot): one for slot, one in self.measured.items()}
        heights = np.array([self.measured_from[slot] for slot in self.measured])
        chosen = np.array(self.reading, np.int64)
        own = {"overlay": self.overlay, "heights": heights, "chosen": chosen}
        return {**near, **own, "hanging": self.cut}  # for pages it was cut out of may have been dropped

    @torch.inference_mode()
    def choose(self, pose: Poses, height: float) -> None:
        """Choose the pages that views from about ``pose`` (4,), ``height`` map units up, are put together from."""
        rows, worth = self._look(torch.from_numpy(pose).float(), height)
        self.take([self.slots[row] for row in rows[greedy(worth.numpy(), MOST, WORTH)].tolist()])

    def _look(self, pose: Tensor, height: float) -> tuple[Tensor, Tensor]:
        """Look coarsely at all pages around: return their rows (k,), and how well each shows what is seen (k, ...)."""
        apart = (self.poses[:, :2] - pose[:2]).norm(dim=1)
        rows = torch.nonzero(self.live & (apart < FAR * self.camera.reach))[:, 0]
        here, off = (pose, height - self.heights[rows]), OFF * COARSE * 2 / self.near.shape[2]
        found = self._find(self.poses[rows], _rows(self.first, rows), here, self.few, FIRST_GUESSES, off)
        return rows, found.worth.flatten(1)

    def take(self, slots: list[int]) -> None:
        """Put views together from these pages."""
        chosen = torch.tensor(sorted(self.slots.index(slot) for slot in slots), dtype=torch.long)
        if not torch.equal(chosen, self.chosen) or not len(self.atlas):
            self.chosen, self.taken = chosen, _rows(self.maps, chosen)
            tall = [torch.from_numpy(np.pad(self.frames[row], _EDGES, "edge")) for row in chosen.tolist()]
            self.atlas = torch.cat(tall).permute(2, 0, 1)[None].float() if tall else torch.zeros(0)

    def worth(self, poses: Poses, heights: NDArray[np.float64]) -> Tensor:
        """Return how well every page shows what is seen from poses (m, 4), 0..1: (n, m * directions) float16."""
        found = torch.zeros(len(self.slots), len(poses), LOOKS[0] * LOOKS[1], dtype=torch.float16)
        for number, (pose, height) in enumerate(zip(torch.from_numpy(poses).float(), heights, strict=True)):
            rows, worth = self._look(pose, float(height))
            found[rows, number] = worth.half()
        return found.flatten(1)

    @torch.inference_mode()
    def show(
        self,
        pose: Poses,
        height: float,
        hangs: Hangs | None = None,
        gone: Sequence[int] = (),
        ups: Sequence[float] = (),
    ) -> View | None:
        """Put the view from ``pose`` (4,), ``height`` map units up, together; None where hardly any of it is shown.

        Args:
            hangs: what hangs on the camera; None: that is not known, and left open.
            gone: numbers of the surfaces' things that are there no more.
            ups: map units that every door is open; without, all are.
        """
        if not len(self.chosen):
            return None
        h, w = self.near.shape[1:]
        here = torch.from_numpy(pose).float()
        up = height - self.heights[self.chosen]
        found = self._find(self.poses[self.chosen], self.taken, (here, up), self.fine, GUESSES, OFF * 2 / w)
        best, known = _best(found.worth), found.front.any(0)
        near = found.told.gather(0, best[None])[0]
        at = found.at.permute(0, 3, 1, 2)
        one = best[None, None].expand(1, 2, -1, -1)
        # Each pixel is as large as step x step of the picture; within it a page goes on as it does beside it.
        at, slope_x, slope_y = (part.gather(0, one)[0] for part in (at, _slope(at, -1), _slope(at, -2)))
        step = self.step
        aside = (torch.arange(step) + 0.5) / step - 0.5
        wide = (
            at[:, :, None, :, None]
            + slope_x[:, :, None, :, None] * aside
            + slope_y[:, :, None, :, None] * aside[:, None, None]
        )
        x, y = wide.reshape(2, h * step, w * step).clamp(-1, 1)
        page = enlarged(best, step)
        # The pages stand one above the other, each a little longer than it is, or their edges would mix. A cubic filter
        # (Keys, 1981) leaves them as sharp as they are: a linear one takes a quarter of it.
        pages, size = len(self.chosen), self.camera.height_px
        y = (y * size / (size + 2 * EDGE) + 2 * page + 1 - pages) / pages
        at = torch.stack([x, y], -1)[None]
        frame = F.grid_sample(self.atlas, at, mode="bicubic", padding_mode="border", align_corners=False)
        told = known
        known = enlarged(known, step)
        if self.doors is not None and ups:
            least = self.surfaces.least(here, self.whole[0, 0])
            doors = self.doors.hang(pose, height, torch.where(told, near, 0.0), least, ups)
            known, near, told = _laid_over(frame, known, near, told, doors)
        stood = self.standing.stand(pose, height, torch.where(told, near, 0.0), gone)
        known, near, told = _laid_over(frame, known, near, told, stood)
        picture, known = _filled(frame, known[None, None].float(), GAPS)
        if not (known[0, 0] * ~self.rim > 0).float().mean() > LEAST:
            return None
        hung = torch.zeros_like(self.rim)
        if hangs is None:
            known[0, 0, self.rim] = 0
        else:
            if self.light is not None:
                picture = picture * float(self.light[hangs.doing])
            picture, cover = self._hang(picture.clamp(0, 255), hangs)
            known = torch.maximum(known, cover)
            hung = self.rim | (cover[0, 0] > 0)
        picture = picture[0].round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous()
        near, _ = _filled(near[None, None], told[None, None].float(), GAPS - 1)
        known = known[0, 0] > 0
        return View(picture.numpy(), known.numpy(), near[0, 0].clamp(0, CLOSEST).numpy(), hung.numpy())

    def _hang(self, picture: Tensor, hangs: Hangs) -> tuple[Tensor, Tensor]:
        """Lay what hangs on the camera over a picture (1, 3, h, w), and return where: (1, 1, h, w)."""
        grid = self.whole - 2 * torch.tensor(hangs[:2])[:, None, None]
        one = self.hanging[hangs.doing, None]
        laid = F.grid_sample(one, grid.permute(1, 2, 0)[None], padding_mode="border", align_corners=False)
        cover = laid[:, 3:]
        return picture * (1 - cover) + laid[:, :3], (cover > 0.5).float()

    def _find(
        self,
        pages: Tensor,
        maps: tuple[Tensor, Tensor],
        here: tuple[Tensor, Tensor],
        grid: Tensor,
        guesses: tuple[int, int],
        off: float,
    ) -> Found:
        """Look for what is seen in directions (2, h, w) in pages (k, 4).

        As in ``camera.lay``; and what was found is looked at from here, to see whether it is what was looked for.

        Args:
            maps: nearness (k, 1, h', w'), and (k, 2, h', w') 1 where it is told, 2 where that is the sky over a wall,
                and by how much it may be off.
            here: the pose (4,) that is looked from, and how much higher (k,) that is than the pages', map units.
            guesses: coarse ones, fine ones.
            off: by how much it may be missed, of half a view.
        """
        (near, sure), (pose, up) = maps, here
        least = self.surfaces.least(pose, grid[0, 0])
        camera, half = self.camera, self.camera.half
        yaw, turn = torch.deg2rad(pose[2]), torch.deg2rad(pages[:, 2] - pose[2])
        east, north = ((pages[:, :2] - pose[:2]) / camera.reach).unbind(-1)
        ahead, right = east * yaw.cos() + north * yaw.sin(), east * yaw.sin() - north * yaw.cos()
        tilt = camera.lens * torch.tan(torch.deg2rad(pages[:, 3]))
        own_tilt = camera.lens * torch.tan(torch.deg2rad(pose[3]))
        up = up * camera.lens / camera.reach
        cos, sin, ahead, right, tilt, up = (x[:, None, None] for x in (turn.cos(), turn.sin(), ahead, right, tilt, up))
        ahead_there, aside_there = ahead * cos - right * sin, (ahead * sin + right * cos) / half

        def guess(grid: Tensor, told: Tensor | None, times: int) -> tuple[Tensor, Tensor, Tensor]:
            across, down = grid[0], grid[1] - own_tilt
            toward, aside = cos - across * (half * sin), sin / half + across * cos
            if told is None:  # nothing is behind a wall
                told = self.surfaces.least(pose, across[0]).clamp_min(FIRST).expand_as(toward)
            at, there = toward.new_empty(*toward.shape, 2), toward
            for _ in range(times):
                depth = torch.addcmul(toward, ahead_there, told, value=-1).clamp_min_(CLOSE)
                torch.div(torch.addcmul(aside, aside_there, told, value=-1), depth, out=at[..., 0])
                torch.div(torch.addcmul(down, up, told, value=-1), depth, out=at[..., 1])
                at[..., 1] += tilt
                there = F.grid_sample(near, at, padding_mode="border", align_corners=False)[:, 0]
                told = torch.addcmul(cos, at[..., 0], half * sin).addcmul_(ahead, there).clamp_min_(0.1)
                torch.div(there, told, out=told)
            return at, told, there

        told = None
        if guesses[0]:
            _, told, _ = guess(F.avg_pool2d(grid, 2), None, guesses[0])
            told = F.interpolate(told[:, None], scale_factor=2, mode="bilinear", align_corners=False)[:, 0]
        at, told, there = guess(grid, told, guesses[1])
        across, down = grid[0], grid[1] - own_tilt
        told_there, doubt = F.grid_sample(sure, at, align_corners=False).unbind(1)  # nothing beyond the picture
        far = 1 / there.clamp_min(0.02)
        ahead_here = torch.addcmul(ahead, torch.addcmul(cos, at[..., 0], half * sin), far)
        told = 1 / ahead_here.clamp_min(0.02)
        x = torch.addcmul(right / half, torch.addcmul(sin / half, at[..., 0], cos, value=-1), far, value=-1) * told
        y = torch.addcmul(up, at[..., 1] - tilt, far) * told
        missed = torch.maximum((x - across).abs_(), (y - down).abs_())
        seen = (ahead_here > 0.05) & (told_there > 0.6) & (missed < off)
        seen &= before(told, least) | (told_there > 1.5)
        apart = (ahead.square() + right.square() + up.square()).sqrt()
        nearest = _nearest(torch.where(seen, told, -1.0), apart.flatten())
        back = at[..., 1:, 0] < at[..., :-1, 0]  # a mirrored picture is of a wall's other side
        faces = ~(F.pad(back, (0, 1)) | F.pad(back, (1, 0)))
        front = seen & faces & (told >= nearest * (1 - SAME) - 0.02)
        worth = torch.minimum(there / told, told * far) * (1 - 0.3 / off * missed)
        worth /= 1 + 0.3 / off * doubt * apart / half
        return Found(at, told, front, torch.where(front, worth, 0.0))


def _laid_over(
    frame: Tensor, known: Tensor, near: Tensor, told: Tensor, stood: Sequence[Stood]
) -> tuple[Tensor, Tensor, Tensor]:
    """Lay what was stood up over a frame (1, 3, h, w), in place, one over the other.

    Returns:
        What is known of it (h, w), nearness (h', w') and what is told of that, with it.
    """
    step = known.shape[0] // near.shape[0]
    small = middles(step), middles(step)
    for thing in stood:
        place, where = (..., thing.columns), torch.zeros_like(known)
        where[place] = thing.shown
        frame[place] = torch.where(thing.shown, thing.colours, frame[place])
        near, told = torch.where(where[small], thing.near, near), told | where[small]
        known = known | where
    return known, near, told


def _slope(at: Tensor, dim: int) -> Tensor:
    """Return half of what lies between the neighbours on both sides; at the edges, one has only itself beyond it."""
    last = at.shape[dim] - 1
    ends = [at.narrow(dim, first, 1) for first in (0, 1, last - 1, last)]
    middle = at.narrow(dim, 2, last - 1) - at.narrow(dim, 0, last - 1)
    return torch.cat([ends[1] - ends[0], middle, ends[3] - ends[2]], dim) / 2


def _rows(maps: tuple[Tensor, Tensor], rows: Tensor) -> tuple[Tensor, Tensor]:
    return maps[0][rows], maps[1][rows]


def _filled(picture: Tensor, known: Tensor, halvings: int) -> tuple[Tensor, Tensor]:
    """Fill small gaps of a picture (1, c, h, w) from around them (pull and push; Gortler et al., 1996).

    Returns:
        The picture, all of it filled somehow, and what is ``known`` (1, 1, h, w) now: gaps of some pixels, too.
    """
    if bool((known == 1).all()):
        return picture, known
    pictures, shares = [picture * known], [known]
    for _ in range(halvings):
        pictures.append(F.avg_pool2d(pictures[-1], 2))
        shares.append(F.avg_pool2d(shares[-1], 2))
    filled = pictures[-1] / shares[-1].clamp_min(1e-6)
    filled = torch.where(shares[-1] > 0, filled, filled.sum((2, 3), keepdim=True) / (shares[-1] > 0).sum().clamp_min(1))
    for one, share in zip(pictures[-2::-1], shares[-2::-1], strict=True):
        wide = F.interpolate(filled, scale_factor=2, mode="bilinear")
        filled = torch.where(share > 0, one / share.clamp_min(1e-6), wide)
    return filled, F.interpolate(shares[-1], scale_factor=2**halvings)


def widened(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """Return a mask (h, w) with a rim."""
    wide = F.max_pool2d(torch.from_numpy(mask)[None, None].float(), 2 * by + 1, 1, by)
    return np.asarray(wide[0, 0].numpy() > 0.5)


def _cut_out(frames: list[Frame], overlay: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Cut out of pages (h, w, 3) what hangs on the camera in the same place in all of them.

    Returns:
        (4, h, w) its colours, 0 where it is not, and 1 where it is.
    """
    found = np.zeros((*overlay.shape, 4), np.float32)
    shown = np.stack([frame[overlay] for frame in frames]).astype(np.float32)
    middle = np.median(shown, 0)
    steady = np.median(np.abs(shown - middle).max(-1), 0) < STEADY
    found[overlay] = np.concatenate([middle, np.ones((len(middle), 1))], 1) * steady[:, None]
    return np.ascontiguousarray(found.transpose(2, 0, 1))


def _lit_as(hanging: Tensor, gesture: NDArray[np.uint8]) -> Tensor:
    """Return the ticks of a gesture (t, h, w, 4), the first of which is at rest, in the light of ``hanging``.

    Returns:
        (t - 1, 4, h, w), without the one at rest.
    """
    shown = torch.from_numpy(np.array(gesture)).permute(0, 3, 1, 2).float()
    cover = shown[:, 3:] / 255
    both = (cover[:1] == 1) * hanging[:, 3:]
    light = (hanging[:, :3] * both).sum() / (shown[:1, :3] * both).sum() if both.any() else 1.0
    lit = torch.cat([(shown[:, :3] * light).clamp(0, 255), cover], 1)[1:]
    rests = (shown[1:] == shown[:1]).flatten(1).all(1)
    return torch.where(rests[:, None, None, None], hanging, lit)


def _best(worth: Tensor) -> Tensor:
    """Return which of pages (k, h, w) is worth most, the first of equals: an argmax over so few takes longer."""
    most, best = worth[0], torch.zeros_like(worth[0], dtype=torch.long)
    for row in range(1, len(worth)):
        better = worth[row] > most
        most, best = torch.where(better, worth[row], most), best.masked_fill_(better, row)
    return best


def _nearest(told: Tensor, apart: Tensor) -> Tensor:
    """Return the largest of what pages (k, ...) tell, for each page that of its rivals, and of itself.

    Args:
        apart: (k,) how far away they were taken.
    """
    sorted_apart, order = apart.sort()
    rivals = torch.searchsorted(sorted_apart, RIVALS[0] * apart + RIVALS[1], right=True)
    if len(told) > MOST:
        return told[order].cummax(0).values[rivals - 1]
    largest = list[Tensor]()
    for row in order.tolist():  # a cummax over so few takes three times as long
        largest.append(torch.maximum(told[row], largest[-1]) if largest else told[row])
    return torch.stack([largest[count - 1] for count in rivals.tolist()]) if largest else told


def _doubt(near: Tensor) -> Tensor:
    """Return by how much nearness (n, h, w) may be off: where a pixel shows two things, as far as those are apart."""
    wide = F.pad(near[:, None], (1, 1, 1, 1), mode="replicate")
    spread = (F.max_pool2d(wide, 3, 1) + F.max_pool2d(-wide, 3, 1))[:, 0]
    return torch.where(_bent(near), spread, UNSURE * near)


def _bent(near: Tensor) -> Tensor:
    """Return where nearness (n, h, w) is not as on a plane, on which it is linear: there a pixel shows two things."""
    wide = F.pad(near[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    across = (wide[:, 1:-1, 2:] + wide[:, 1:-1, :-2] - 2 * near).abs()
    down = (wide[:, 2:, 1:-1] + wide[:, :-2, 1:-1] - 2 * near).abs()
    bent = torch.maximum(across, down) > BENT * (near + 0.05)
    bent[:, :, 0] = bent[:, :, -1] = bent[:, 0] = bent[:, -1] = False
    return bent
