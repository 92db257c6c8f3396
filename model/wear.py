"""How worn a picture is: how often what it shows was fetched from what was itself fetched.

Every resampling takes a little of a picture away, and a dream of minutes resamples thousands of times. Of two sources
that show the same thing, the less worn one is liked more: the last frame gives way to a remembered one (as in
image-based rendering, where every view is made from photographs and never from another view). What the flow leaves
where it is, though by its depth it should move, hangs on the camera (a weapon in the hand) and is left alone.

Maps of wear are coarse: a number for PART by PART pixels. Nothing here is learnt.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

PART = 4  # pixels of one side that share a wear
MOST = 60.0  # resamplings; what is more worn is as good as lost
STILL_PX = 0.5  # what is fetched from no farther away is hardly resampled at all
HANGS = 0.35  # what the flow moves by less than this share of what depth foresees hangs on the camera
LIMIT = 8.0  # logits that wear speaks for or against a source, at most
OLD = 8.0  # resamplings after which ...
TRUST = 0.5  # ... depth is trusted by so many logits more than the flow


def worn(wear: Tensor, where: Tensor, grid: Tensor) -> Tensor:
    """Return how worn (b, s, h, w) what each source would show is.

    Args:
        wear: (b, s, h, w) of s pictures.
        where: (b, s, h * PART, w * PART, 2) where each is fetched from, -1..1.
        grid: (2, h * PART, w * PART) as ``coordinates`` gives it.
    """
    b, s, h, w = wear.shape
    at = _coarse(where)
    middle = (at - at.new_tensor([1 / w, 1 / h]) / PART).reshape(b * s, h, w, 2)  # half a pixel from where it was taken
    old = F.grid_sample(wear.reshape(b * s, 1, h, w), middle, padding_mode="border", align_corners=False)
    far = _apart_px(at, _coarse(grid.permute(1, 2, 0)[None, None]))
    return (old.view(b, s, h, w) + (far / STILL_PX).clamp(max=1)).clamp(max=MOST)


def liking(worn: Tensor, where: Tensor, grid: Tensor, inside: Tensor, held: Tensor, strength: float) -> Tensor:
    """Return logits (b, s - 1, 1, h, w) by which sources are liked more than the flow, which is the first of s.

    Args:
        worn: (b, s, h / PART, w / PART) as :func:`worn` gives it.
        where: (b, s, h, w, 2); the second source is the last frame, laid as its depth says.
        grid: (2, h, w).
        inside: (b, s - 1, 1, h, w) where a source has something to show.
        held: (b,) share of the step that something in the way takes: who walks against a wall sees it stand still.
        strength: logits per resampling.
    """
    at, own = _coarse(where), _coarse(grid.permute(1, 2, 0)[None])
    flow, laid = at[:, 0], at[:, 1]
    stands = _apart_px(flow, own) >= HANGS * _apart_px(laid, own)
    less = (strength * (worn[:, :1] - worn[:, 1:])).clamp(-LIMIT, LIMIT)
    trust = TRUST * (worn[:, 0] / OLD).clamp(max=1) + LIMIT * held[:, None, None]
    less = torch.cat([less[:, :1] + trust[:, None], less[:, 1:]], 1) * stands[:, None]
    wide = F.interpolate(less, scale_factor=PART, mode="bilinear")
    return wide[:, :, None] * inside


def _coarse(where: Tensor) -> Tensor:
    return where[..., PART // 2 :: PART, PART // 2 :: PART, :]


def _apart_px(a: Tensor, b: Tensor) -> Tensor:
    """Return how far apart places (..., h, w, 2) are, in pixels of the fine picture."""
    h, w = a.shape[-3:-1]
    return torch.hypot((a[..., 0] - b[..., 0]) * (PART * w / 2), (a[..., 1] - b[..., 1]) * (PART * h / 2))
