"""How one number in a control's own unit becomes entries of the action vector, and back. Knows no devices.

==========  ==================================================================================================
`linear`    value / max(|low|, |high|): one entry in -1..1
`raw`       the value itself: one entry in the control's own unit
`mu-law`    sign(v) ln(1 + mu |v| / peak) / ln(1 + mu): fine near zero, as Minecraft models want it
`bins`      one-hot over listed values, the nearest one set: as DIAMOND's CS:GO wants its mouse
==========  ==================================================================================================
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

COMPANDINGS = ("linear", "raw", "mu-law", "bins")


class Codec(Protocol):
    """Turns one number into ``size`` entries and back."""

    @property
    def size(self) -> int: ...

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest value of an entry."""
        ...

    def encode(self, value: float) -> Sequence[float]: ...

    def decode(self, entries: Sequence[float]) -> float: ...


@dataclass(frozen=True, slots=True)
class Scale:
    """One entry: the clipped value divided by ``peak``."""

    low: float
    high: float
    peak: float
    size: int = 1

    @property
    def bounds(self) -> tuple[float, float]:
        return self.low / self.peak, self.high / self.peak

    def encode(self, value: float) -> Sequence[float]:
        return (min(max(value, self.low), self.high) / self.peak,)

    def decode(self, entries: Sequence[float]) -> float:
        return float(entries[0]) * self.peak


@dataclass(frozen=True, slots=True)
class MuLaw:
    """One entry in -1..1 by mu-law, rounded to ``1 / levels`` (0: not rounded)."""

    low: float
    high: float
    mu: float
    levels: int = 0
    size: int = 1

    @property
    def peak(self) -> float:
        return max(abs(self.low), abs(self.high))

    @property
    def bounds(self) -> tuple[float, float]:
        return self.encode(self.low)[0], self.encode(self.high)[0]

    def encode(self, value: float) -> Sequence[float]:
        clipped = min(max(value, self.low), self.high)
        entry = math.log1p(self.mu * abs(clipped) / self.peak) / math.log1p(self.mu)
        if self.levels:
            entry = round(entry * self.levels) / self.levels
        return (math.copysign(entry, clipped),)

    def decode(self, entries: Sequence[float]) -> float:
        entry = float(entries[0])
        return math.copysign(math.expm1(abs(entry) * math.log1p(self.mu)) / self.mu * self.peak, entry)


@dataclass(frozen=True, slots=True)
class OneHot:
    """One entry per rising point, the nearest is 1; ``may_be_none``: below ``points[0] - 0.5`` none is."""

    points: tuple[float, ...]
    may_be_none: bool = False
    bounds: tuple[float, float] = (0.0, 1.0)

    @property
    def size(self) -> int:
        return len(self.points)

    def encode(self, value: float) -> Sequence[float]:
        entries = [0.0] * len(self.points)
        if not (self.may_be_none and value < self.points[0] - 0.5):
            entries[self._nearest(value)] = 1.0
        return entries

    def decode(self, entries: Sequence[float]) -> float:
        best = max(range(len(self.points)), key=lambda i: float(entries[i]))
        if self.may_be_none and float(entries[best]) <= 0.0:
            return -1.0
        return self.points[best]

    def _nearest(self, value: float) -> int:
        """Return the index of the nearest point; halfway between two it is the lower one."""
        right = bisect_left(self.points, value)
        if right == 0 or right == len(self.points):
            return min(right, len(self.points) - 1)
        return right - 1 if value - self.points[right - 1] <= self.points[right] - value else right
