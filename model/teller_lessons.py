"""Play to teach a teller with (see mosaic_teller.py): of every tick in which something is begun, before and after.

The play is shown without its pointer, so nothing has to be guessed; it is looked at in any process, and handed over in
a file. Knows nothing about where play comes from.
"""

from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor

from dreamloop.model.dataset import Episode
from dreamloop.model.mosaic_cells import to_cells
from dreamloop.model.mosaic_hand import Hand, is_begun
from dreamloop.model.mosaic_net import MosaicConfig
from dreamloop.model.mosaic_player import Palette
from dreamloop.model.mosaic_teller import Glance
from dreamloop.model.mosaic_telling import as_glance, glance_of

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Watcher:
    """Looks at an episode, keeps its tellings in a file of ``folder``, and returns where; goes to other processes."""

    config: MosaicConfig
    palette: NDArray[np.uint8]  # (colours, 3)
    folder: Path

    def __call__(self, episode: Episode) -> Path | None:
        """Return the file, None where nothing is ever begun."""
        found = self.look(episode)
        if not len(found["now"]):
            return None
        path = self.folder / f"{uuid4().hex}.safetensors"
        save_file(found, path)
        return path

    def look(self, episode: Episode) -> Arrays:
        """Return the tellings of an episode (n, ...), as fields of a glance and ``then``, the cells that follow."""
        config, hand, kept = self.config, Hand(self.config), list[tuple[NDArray[Any], ...]]()
        pictures, now = Palette(self.palette), None
        for frame, action in zip(episode[0], episode[1], strict=True):
            hand.act(action)
            then = to_cells(pictures.numbers(frame), config.cell)
            if now is not None and is_begun(config, hand.actions[-2:]):
                kept.append((now, *glance_of(hand), then))
            if now is not None:
                hand.show((then != now).any(-1), now)
            now = then
        names = (*Glance._fields, "then")
        parts = [np.stack(part) for part in zip(*kept, strict=True)] if kept else [np.zeros(0)] * len(names)
        return dict(zip(names, parts, strict=True))


class Lesson(NamedTuple):
    """A batch to learn from."""

    glance: Glance
    then: Tensor  # (b, rows, columns, pixels) uint8
    counts: Tensor  # (b, rows, columns) which cells are to be learnt from: a smudge that stays is nobody's fault


class Shelf:
    """Keeps the latest tellings on a device."""

    def __init__(self, size: int, config: MosaicConfig, device: torch.device | str) -> None:
        self.size, self.config, self.device = size, config, torch.device(device)
        self.parts: dict[str, Tensor] = {}
        self._lock = Lock()  # one thread may add while another draws
        self.filled = self.head = self.added = 0

    def add(self, path: Path) -> None:
        """Take what a file holds, and delete it."""
        self.put(load_file(path))
        path.unlink()

    def put(self, found: Arrays) -> None:
        """Take tellings."""
        n = min(len(found["now"]), self.size)
        tensors = {name: torch.from_numpy(part[-n:]).to(self.device) for name, part in found.items()}
        at = (self.head + torch.arange(n, device=self.device)) % self.size
        with self._lock:
            if not self.parts:
                self.parts = {name: part.new_zeros(self.size, *part.shape[1:]) for name, part in tensors.items()}
            for name, part in tensors.items():
                self.parts[name].index_copy_(0, at, part)
            self.head, self.added = (self.head + n) % self.size, self.added + n
            self.filled = min(self.filled + n, self.size)

    def draw(self, n: int, smudged: float = 0.0) -> Lesson:
        """Return n tellings drawn at random, a share of them ``smudged`` as a dream's own mistakes do."""
        rows = torch.randint(self.filled, (n,), device=self.device)
        return self.at(rows, smudged)

    def at(self, rows: Tensor, smudged: float = 0.0) -> Lesson:
        """Return the tellings of some rows."""
        with self._lock:
            parts = {name: part[rows] for name, part in self.parts.items()}
        glance = as_glance([parts[name] for name in Glance._fields])
        then, now = parts["then"], glance.now
        counts = torch.ones(now.shape[:3], dtype=torch.bool, device=self.device)
        if smudged:
            seen, where = smudge(now, glance.ago, smudged)
            counts = ~where | (then != now).any(-1)
            glance = glance._replace(now=seen)
        return Lesson(glance, then, counts)


def smudge(now: Tensor, ago: Tensor, share: float, most: int = 8) -> tuple[Tensor, Tensor]:
    """Let some cells of a ``share`` of the pictures show what others of the same picture do.

    Half of them are cells that have changed lately: there a dream goes wrong.

    Returns:
        The pictures (b, rows, columns, pixels), and which cells are wrong (b, rows, columns).
    """
    b, rows, columns, pixels = now.shape
    n, device = rows * columns, now.device
    lately = (ago > 0).flatten(1).float() + 1e-3

    def places() -> Tensor:
        anywhere = torch.randint(n, (b, most), device=device)
        return torch.where(torch.rand(b, most, device=device) < 0.5, lately.multinomial(most, True), anywhere)

    to, of = places(), places()
    many = torch.randint(1, most + 1, (b, 1), device=device) * (torch.rand(b, 1, device=device) < share)
    meant = torch.arange(most, device=device) < many
    row = torch.arange(b, device=device)[:, None].expand(-1, most)
    seen = now.view(b, n, pixels).clone()
    seen[row[meant], to[meant]] = now.view(b, n, pixels)[row[meant], of[meant]]
    return seen.view_as(now), (seen.view_as(now) != now).any(-1)
