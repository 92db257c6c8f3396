"""How a stretch of frames looks when there is no truth to compare it with: sharpness, motion, colours.

``LookMeter`` gathers them tick by tick and keeps no frames; ``RealLooks`` says what real play's stretches span.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamloop.model.picture_figures import colour_distance, colour_histogram, motion, sharpness

EVERY = 5  # ticks between two frames that looks are taken of


@dataclass(frozen=True, slots=True)
class Look:
    """The look of one stretch of frames of one player."""

    sharpness_levels: float  # mean gradient magnitude, levels per pixel
    motion_levels: float  # mean absolute change from frame to frame
    colours: Tensor  # (3, 256) share of pixels at every level


class LookMeter:
    """Gathers the looks of n players side by side."""

    def __init__(self) -> None:
        self._sharpness: list[Tensor] = []
        self._motion: list[Tensor] = []
        self._colours: Tensor | None = None

    def add(self, before: NDArray[np.uint8], frames: NDArray[np.uint8]) -> None:
        """Take in one tick: the frames (n, h, w, 3) and those of the tick before."""
        then, now = torch.from_numpy(before), torch.from_numpy(frames)
        self._sharpness.append(sharpness(now))
        self._motion.append(motion(then, now))
        colours = colour_histogram(now)
        self._colours = colours if self._colours is None else self._colours + colours

    def __len__(self) -> int:
        return len(self._sharpness)

    def read(self) -> list[Look]:
        """Return one look per player and begin anew."""
        assert self._colours is not None, "nothing was added"
        sharp, moved = torch.stack(self._sharpness).mean(0), torch.stack(self._motion).mean(0)
        colours = self._colours / len(self)
        self._sharpness, self._motion, self._colours = [], [], None
        return [Look(float(s), float(m), c) for s, m, c in zip(sharp, moved, colours, strict=True)]


class RealLooks:
    """What stretches of real play look like: means, and the range from the least to the greatest."""

    def __init__(self, looks: Sequence[Look]) -> None:
        sharp, moved = [look.sharpness_levels for look in looks], [look.motion_levels for look in looks]
        self.count = len(looks)
        self.sharpness_levels, self.motion_levels = float(np.mean(sharp)), float(np.mean(moved))
        self.sharpness_range = (min(sharp), max(sharp))
        self.motion_range = (min(moved), max(moved))
        colours = torch.stack([look.colours for look in looks])
        self.colours = colours.mean(0)
        # The distance of each stretch from the others, not from a mean that it is part of itself.
        others = (colours.sum(0) - colours) / max(len(looks) - 1, 1)
        distances = colour_distance(colours, others) if len(looks) > 1 else torch.zeros(1)
        self.colour_spread_levels, self.farthest_levels = float(distances.mean()), float(distances.max())

    def colour_levels(self, look: Look) -> float:
        """Return how far the colours of a look lie from those of all real play, in levels."""
        return float(colour_distance(look.colours, self.colours))

    def collapsed(self, look: Look) -> bool:
        """Say whether sharpness or colours lie outside the range that stretches of real play span."""
        low, high = self.sharpness_range
        return not low <= look.sharpness_levels <= high or self.colour_levels(look) > self.farthest_levels

    def frozen(self, look: Look) -> bool:
        """Say whether less moves than in any stretch of real play."""
        return look.motion_levels < self.motion_range[0]


def look_of(frames: NDArray[np.uint8], every: int = EVERY) -> Look:
    """Return the look of one stretch (t, h, w, 3), taken at every ``every``-th tick."""
    meter = LookMeter()
    for tick in range(every, len(frames), every):
        meter.add(frames[tick - 1 : tick], frames[tick : tick + 1])
    return meter.read()[0]
