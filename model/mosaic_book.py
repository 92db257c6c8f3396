"""A book of the contents that cells are known to have: letters, edges, buttons, learnt from play as the palette is.

Most of what appears in an interface has appeared before. A cell that shows such a content is told by one choice among
the pages of the book, not by one for each of its pixels (as image tokens are, VQ-VAE and after; here nothing is lost,
and what is in no book is drawn pixel by pixel).
"""

from collections import Counter
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

EMPTY = 255  # what an unused page is full of
OFTEN = 10  # times that a content is met before it takes a page


class Book:
    """Learns contents (pixels,) uint8 of colour numbers while it ``grows``: those met often, until it is full."""

    def __init__(self, pages: NDArray[np.uint8], grows: bool = False) -> None:
        self.pages, self.grows = np.array(pages), grows
        self.used = int((self.pages[:, 0] != EMPTY).sum())
        self._known = {page.tobytes() for page in self.pages[: self.used]}
        self._met: Counter[bytes] = Counter()

    def learn(self, contents: NDArray[np.uint8]) -> None:
        """Take contents (n, pixels) that appeared together, each of which counts once."""
        if not self.grows or self.used == len(self.pages):
            return
        for content in {content.tobytes() for content in contents} - self._known:
            self._met[content] += 1
            if self._met[content] >= OFTEN and self.used < len(self.pages):
                self.pages[self.used] = np.frombuffer(content, np.uint8)
                self.used += 1
                self._known.add(content)
                del self._met[content]


def signs(contents: Tensor) -> Tensor:
    """Return (...) int64: a number for each of ``contents`` (..., pixels), another for another content."""
    return ((contents.long() + 1) * _factors(contents.shape[-1]).to(contents.device)).sum(-1)


@cache
def _factors(pixels: int) -> Tensor:
    return torch.randint(-(2**62), 2**62, (pixels,), generator=torch.Generator().manual_seed(7))
