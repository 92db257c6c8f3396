"""Picture strips that a measurement keeps for its report. Knows nothing about files, models or HTML."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.world_model import Frame


@dataclass(frozen=True, slots=True)
class Strip:
    """Rows of frames that belong together: by habit the truth above the dream."""

    suite: str  # which part of a report it belongs to
    title: str
    rows: Sequence[tuple[str, Sequence[Frame]]]  # name of a row and its frames (h, w, 3), all of one size
    columns: Sequence[str] = ()  # a name per column

    def picture(self, gap_px: int = 2, level: int = 255) -> NDArray[np.uint8]:
        """Return all rows as one picture (h, w, 3), with gaps of ``gap_px`` between the frames."""
        h, w, _ = self.rows[0][1][0].shape
        across = max(len(frames) for _, frames in self.rows)
        tall, wide = len(self.rows) * (h + gap_px) - gap_px, across * (w + gap_px) - gap_px
        sheet = np.full((tall, wide, 3), level, np.uint8)
        for i, (_, frames) in enumerate(self.rows):
            for j, frame in enumerate(frames):
                top, left = i * (h + gap_px), j * (w + gap_px)
                sheet[top : top + h, left : left + w] = frame
        return sheet


@dataclass(slots=True)
class Album:
    """What a suite puts its strips into; a suite without an album keeps none."""

    strips: list[Strip] = field(default_factory=list)

    def add(self, strip: Strip) -> None:
        """Keep one more strip."""
        self.strips.append(strip)

    def of(self, suite: str) -> list[Strip]:
        """Return the strips of one suite, in order."""
        return [strip for strip in self.strips if strip.suite == suite]
