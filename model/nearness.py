"""How near things are in what a playing model shows and remembers, looked at once and at the right moment.

The next frame needs to know it of the frame that is showing: that is looked at behind it, on a thread of its own, while
the player thinks. A page is looked at when it is read for the first time. Knows nothing about poses or policies.
"""

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from dreamloop.model.dream_net import DreamNet
from dreamloop.model.pixels import to_float
from dreamloop.model.world_model import Frame

KEPT = 600  # pages per player whose nearness is kept, 12 KB each


class Nearness:
    """Of n players. What it keeps follows from the frames alone, so it is no part of a state."""

    def __init__(self, net: DreamNet, players: int) -> None:
        self._net, self._players = net, players
        self._known: OrderedDict[int, tuple[Frame, Tensor]] = OrderedDict()  # of pages, by the identity of the picture
        self._put_off: Future[Tensor] | None = None
        # As many processor threads as all else has, so that it gives the same bytes.
        self._behind = ThreadPoolExecutor(1, "dreamloop-near", torch.set_num_threads, (torch.get_num_threads(),))

    def look_behind(self, shown: Tensor) -> None:
        """Begin to look at the frames (n, h, w, 3) uint8 that are showing from now on."""
        self._put_off = self._behind.submit(self._look, shown)

    def forget(self) -> None:
        """Other frames are showing than those that were looked at."""
        if self._put_off is not None:
            self._put_off.result()
            self._put_off = None

    def of(self, shown: Tensor, pages: Sequence[Sequence[Frame]]) -> Tensor:
        """Return the nearness (n, laid, h / FINE, w / FINE) of the frames that are showing and of everyone's pages."""
        now = self._look(shown) if self._put_off is None else self._put_off.result()
        near = now.new_zeros(len(now), self._net.config.laid, *now.shape[2:])
        near[:, :1] = now
        for row, of_one in enumerate(pages):
            for column, page in enumerate(of_one):
                near[row, 1 + column] = self._of_page(page, shown.device)
        return near

    def _look(self, frames: Tensor) -> Tensor:
        with torch.inference_mode():
            return self._net.near(to_float(frames)[:, None])

    def _of_page(self, page: Frame, device: torch.device) -> Tensor:
        known = self._known.get(id(page))
        if known is None or known[0] is not page:
            near = self._look(torch.from_numpy(np.array(page)).to(device)[None])
            known = self._known[id(page)] = (page, near[0, 0])
            if len(self._known) > KEPT * self._players:
                self._known.popitem(last=False)
        return known[1]
