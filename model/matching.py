"""Block matching: how badly a picture fits the one before it under every small shift. Nothing here is learnt.

Motion between two frames is in these costs for anyone to read; a net that must discover matching by itself takes a
hundred times as many frames to get there.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

CELL = 16  # pixels a side of the cells that costs are averaged over
NEAR = (3, 2)  # largest shift across and down that is tried in the full picture, pixels
FAR = (9, 4)  # the same in the half-size picture
SHARPNESS = 8.0  # how much more a better fit counts in the mean shift
COSTS = (2 * NEAR[0] + 1) * (2 * NEAR[1] + 1) + (2 * FAR[0] + 1) * (2 * FAR[1] + 1) + 6  # channels of the result


def match_costs(before: Tensor, after: Tensor) -> Tensor:
    """Compare two grey pictures (b, h, w), float -1..1, under shifts.

    Returns:
        (b, COSTS, h / 16, w / 16): for each of two scales the mean absolute difference under every shift, over its mean
        over all shifts, less one; the logarithm of that mean; and the mean shift across and down, the better fits
        counting more.
    """
    near = _costs(_detail(before), _detail(after), NEAR, CELL)
    small = [F.avg_pool2d(picture[:, None], 2)[:, 0] for picture in (before, after)]
    far = _costs(_detail(small[0]), _detail(small[1]), FAR, CELL // 2)
    return torch.cat([near, far], 1)


def _detail(grey: Tensor) -> Tensor:
    """Take the local mean away: a light that goes on is no motion."""
    x = grey[:, None]
    return x - F.avg_pool2d(x, 9, 1, 4, count_include_pad=False)


def _costs(before: Tensor, after: Tensor, reach: tuple[int, int], cell: int) -> Tensor:
    across, down = reach
    b, _, h, w = before.shape
    padded = F.pad(before, (across, across, down, down), mode="replicate")
    ways = [(y, x) for y in range(2 * down + 1) for x in range(2 * across + 1)]
    costs = before.new_empty(b, len(ways), h // cell, w // cell)
    for i, (y, x) in enumerate(ways):  # one at a time: all shifts side by side would not fit into any cache
        costs[:, i : i + 1] = F.avg_pool2d((padded[:, :, y : y + h, x : x + w] - after).abs_(), cell)
    mean = costs.mean(1, keepdim=True) + 1e-3
    costs = costs / mean - 1
    where = costs.new_tensor(ways) - costs.new_tensor([down, across])
    shift = torch.einsum("bnhw,na->bahw", (-SHARPNESS * costs).softmax(1), where)
    return torch.cat([costs, mean.log(), shift], 1)
