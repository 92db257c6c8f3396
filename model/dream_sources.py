"""Where the pixels of a dreamed frame come from: paint, the last frame, remembered ones; and which of them is liked.

Every pixel is taken from one source. The net says how much it prefers each; beside that, what is known of a player's
motion and of how worn the pictures are speaks for one or another. Nothing here is learnt.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from dreamloop.model.layers import warp
from dreamloop.model.wear import PART, liking, worn

REST_PX, SLIGHT = 0.5, 0.08  # what would move by less stays, and is mended only by more than this (of -1..1)
RESTING = 0.02  # strides a tick: who is to go on slower than this, and holds no key, stands
TRUSTED = 4.0  # logits per resampling that speak for a page put together of measured ones ...
TRUSTED_LIMIT = 24.0  # ... and at most, or where anybody moves
STOOD = 1e-3  # map units, and degrees, from one tick to the next: who moves by less stands
SLOW = 0.2  # strides a tick: who is slower than this and goes on has just set out


class Sources(NamedTuple):
    """Where every pixel of a frame may come from: paint, the last frame (source 1), k pages (from source 2 on)."""

    painted: Tensor  # (b, 3, h, w)
    images: Tensor  # (b, 1 + k, 3, h, w) the last frame and the pages
    where: Tensor  # (b, 1 + k, h, w, 2) where in each the net points, for ``warp``
    logits: Tensor  # (b, 2 + k, 1, h, w) how much paint and each image are preferred
    inside: Tensor  # (b, k, 1, h, w) 1 where a page holds the place that is pointed at
    worn: Tensor | None = None  # (b, 1 + k, h / PART, w / PART) how worn what each image would show is, if known
    rests: Tensor | None = None  # (b, n, h, w) where what the first n, which are the last frame, show stays, in play
    of_last: int = 1  # of the images, how many are the last frame: as the flow moves it, and as depth lays it

    @property
    def hard(self) -> Tensor:
        """The source (b, 1, h, w) that is preferred."""
        best, hard = self.logits[:, 0], torch.zeros_like(self.logits[:, 0], dtype=torch.long)
        for source in range(1, self.logits.shape[1]):  # an argmax over so few channels takes longer
            better = self.logits[:, source] > best
            best, hard = torch.where(better, self.logits[:, source], best), hard.masked_fill(better, source)
        return hard


class Recall(NamedTuple):
    """What is remembered of the place that is about to be drawn, for k pages; an absent page is zeros."""

    frames: Tensor  # (b, k, 3, h, w) float32 in -1..1
    poses: Tensor  # (b, laid, 4) where they were taken; with depth the last frame's comes first, here and in ``place``
    pose: Tensor  # (b, 4) where the frame that is drawn will be taken
    place: Tensor  # (b, laid, PLACE) as ``camera.place`` gives it
    speed: Tensor  # (b, 2) the step of the last tick, ahead and to the right, in strides
    near: Tensor | None = None  # (b, laid, h / FINE, w / FINE) how near the things in them are, where it is known
    wear: Tensor | None = None  # (b, 1 + k, h / PART, w / PART) how worn the last frame and the pages are
    held: Tensor | None = None  # (b,) share of the step that something in the way takes; it comes with the wear
    shows: Tensor | None = None  # (b, h, w) 1 where the first page shows anything, 2 where that is so now, whatever was
    made: Tensor | None = None  # (b,) 1 where it was put together of measured ones

    def each(self, change: Callable[[Tensor], Tensor]) -> "Recall":
        """Return it with every part that it has changed."""
        told = {name: change(part) for name, part in self._asdict().items() if part is not None}
        return self._replace(**told)


class Fetched(NamedTuple):
    """The pages, every pixel fetched from where the net points."""

    frames: Tensor  # (b, k, 3, h, w)
    choice: Tensor  # (b, k, 1, h, w) 1 where it was taken
    inside: Tensor  # (b, k, 1, h, w) 1 where the page holds the place that is pointed at


class Drawn(NamedTuple):
    """A frame and what it was made of."""

    frame: Tensor  # (b, 3, h, w)
    moved: Tensor  # (b, 3, h, w) the last frame, every pixel fetched from where the flow points
    painted: Tensor  # (b, 3, h, w) what would be there without the last frame
    trust: Tensor  # (b, 1, h, w) how little of it is painted; without pages, above 0.5 the moved pixel is taken
    seen: Tensor  # (b, 1, h, w) 1 where the flow points inside the last frame, 0 where the mirror begins
    fetched: Fetched | None = None
    step: Tensor | None = None  # (b, 2) ahead and to the right, in strides
    where: Tensor | None = None  # (b, h, w, 2) where in the last frame the flow points, for ``warp``
    soft: Tensor | None = None  # (b, 2 + k, 1, h, w) likelihood of painting, the last frame and every page
    wear: Tensor | None = None  # (b, h / PART, w / PART) how worn the frame is, where that of its sources is known


def rest(found: Sources, grid: Tensor) -> Sources:
    """Leave where it is what the net would fetch from less than ``REST_PX`` aside in the last frame.

    It is no motion but the net's trembling, and a bicubic filter that shifts a picture to and fro burns it out in
    some seconds; so does a net that mends it again and again.
    """
    own, last = grid.permute(1, 2, 0), found.of_last
    h, w = grid.shape[1:]
    aside, below = ((found.where[:, :last, ..., i] - grid[i]).abs() for i in (0, 1))
    rests = (aside < 2 * REST_PX / w) & (below < 2 * REST_PX / h)
    where = found.where.clone()
    where[:, :last] = torch.where(rests[..., None], own, where[:, :last])
    return found._replace(where=where, rests=rests)


def leave_still(frame: Tensor, picture: Tensor, found: Sources, hard: Tensor, recall: Recall | None) -> Tensor:
    """Return ``frame`` (b, 3, h, w) without what was slightly mended of a ``picture`` that rests.

    Nor is anything mended of what was measured.

    Args:
        hard: (b, 1, h, w) the source of every pixel.
    """
    if found.rests is None:
        return frame
    mended = (frame - picture).abs().amax(1)
    still = torch.stack([found.rests[:, i] & (hard[:, 0] == 1 + i) for i in range(found.of_last)]).any(0)
    same = (mended < SLIGHT) & still
    if recall is not None and recall.made is not None:
        same = same | ((hard[:, 0] == 1 + found.of_last) & (recall.made[:, None, None] > 0))
    return torch.where(same[:, None], picture, frame)


def prefer_moving(found: Sources, strength: float, speed: Tensor, foreseen: Tensor, step: Tensor) -> Sources:
    """Prefer the last frame, laid as far on as its depth says, while a player gathers speed and meets no wall.

    The flow is learnt from play, which mostly runs; of a player who sets out it makes one who hardly moves.

    Args:
        strength: logits.
        speed, foreseen, step: (b, 2) strides: the last step, the one that keys foretell, the one that is told.
    """
    goes = (step * foreseen).sum(1) > 0.5 * foreseen.square().sum(1).clamp_min(RESTING**2)
    sets_out = (goes & (speed.norm(dim=1) < SLOW)).float()[:, None, None, None]
    liked = found.logits[:, 2:3] + strength * sets_out[:, None] * found.inside[:, :1]
    return found._replace(logits=torch.cat([found.logits[:, :2], liked, found.logits[:, 3:]], 1))


def prefer_unworn(found: Sources, recall: Recall, grid: Tensor, strength: float) -> Sources:
    """Prefer what was fetched less often, where it is known, and what stands still to who is stopped by it."""
    if recall.wear is None or recall.held is None:
        return found
    pictures = [0] * found.of_last + list(range(1, recall.wear.shape[1]))  # that the sources are fetched from
    each = worn(recall.wear[:, pictures], found.where.detach(), grid)
    liked = liking(each, found.where.detach(), grid, found.inside, recall.held, strength)
    return found._replace(logits=torch.cat([found.logits[:, :2], found.logits[:, 2:] + liked], 1), worn=each)


def take_measured(found: Sources, recall: Recall, grid: Tensor) -> Sources:
    """Take a first page that was put together of measured ones from where it is: from a hair aside it would blur."""
    if recall.wear is None or recall.shows is None or recall.made is None:
        return found
    first, made = found.of_last, recall.made[:, None, None] * (recall.shows > 0) > 0
    where, inside, logits = found.where.clone(), found.inside.clone(), found.logits.clone()
    where[:, first] = torch.where(made[..., None], grid.permute(1, 2, 0), where[:, first])
    row = first - found.where.shape[1]  # of those that may be pages, which are the last ones
    shut = made & (inside[:, row, 0] == 0)  # by where the net would have fetched it
    logits[:, row, 0] = torch.where(shut, 0.0, logits[:, row, 0])
    inside[:, row, 0] = torch.where(made, 1.0, inside[:, row, 0])
    return found._replace(where=where, inside=inside, logits=logits)


def prefer_measured(found: Sources, recall: Recall) -> Sources:
    """Prefer a first page that was put together of measured ones.

    To who goes, turns or rises, however slowly, and where anything hangs on the camera; else the more the oftener the
    last frame was fetched: what has changed is new in that.
    """
    if found.worn is None or recall.shows is None or recall.made is None:
        return found
    liked = F.interpolate((TRUSTED * found.worn[:, :1]).clamp(max=TRUSTED_LIMIT), scale_factor=PART, mode="bilinear")
    moves = (recall.pose - recall.poses[:, 0]).abs().amax(1) > STOOD
    liked = torch.where(moves[:, None, None, None] | (recall.shows > 1)[:, None], TRUSTED_LIMIT, liked)
    first, logits = 1 + found.of_last, found.logits.clone()
    logits[:, first] += liked * ((recall.shows > 0) * recall.made[:, None, None])[:, None]
    return found._replace(logits=logits)


def mix(found: Sources, mode: str) -> Drawn:
    """Take every pixel from one source: a mixture would be blur. The gradient is that of the soft choice."""
    painted, hard = found.painted, found.hard
    fetched = [warp(found.images[:, i], found.where[:, i], mode) for i in range(found.where.shape[1])]
    soft, picture, wear = found.logits.softmax(1), painted, wear_of(found, hard)
    for source, image in enumerate(fetched, 1):
        picture = torch.where(hard == source, image, picture)
    for source, image in enumerate([painted, *fetched]):
        picture = picture + (soft - soft.detach())[:, source] * image
    seen = (found.where[:, 0].detach().abs().amax(-1) <= 1)[:, None].float()
    pages = None
    if len(fetched) > 1:
        taken = torch.stack([(hard == 2 + page).float() for page in range(len(fetched) - 1)], 1)
        pages = Fetched(torch.stack(fetched[1:], 1), taken, found.inside)
    return Drawn(
        picture, fetched[0], painted, 1 - soft[:, 0], seen, pages, where=found.where[:, 0], soft=soft, wear=wear
    )


def wear_of(found: Sources, hard: Tensor) -> Tensor | None:
    """Return how worn (b, h / PART, w / PART) a frame is that takes the sources ``hard`` (b, 1, h, w)."""
    if found.worn is None:
        return None
    each = torch.cat([torch.zeros_like(found.worn[:, :1]), found.worn], 1)  # what is painted is new
    return each.gather(1, hard[..., PART // 2 :: PART, PART // 2 :: PART])[:, 0]
