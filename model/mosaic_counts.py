"""What is counted for rules, strokes and what appears, as plain arrays: from play of many processes, put together.

Knows nothing about where play comes from.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from dreamloop.model.dataset import Episode
from dreamloop.model.mosaic_known import Known
from dreamloop.model.mosaic_moments import Eyes
from dreamloop.model.whole_file import whole_file

Counted = NDArray[np.int64]


class Counts(NamedTuple):
    """Counts of some episodes."""

    rules: Counted  # (n, 5) as mosaic_rules.Rules.counted
    contents: NDArray[np.uint8]  # (k, pixels)
    strokes: Counted  # (m, 4) as mosaic_strokes.Strokes.counted
    places: Counted  # (p, 6) and looks (p, cells, pixels), as mosaic_known.Known.met_looks
    looks: NDArray[np.uint8]
    episodes: Counted  # (1,) how many

    @classmethod
    def of(cls, known: Known, episodes: int) -> "Counts":
        """Return what was counted."""
        return cls(*known.by_rule.counted, known.by_stroke.counted, *known.met_looks, np.array([episodes]))

    def put_in(self, known: Known) -> None:
        """Let rules, strokes and what may appear follow from these counts."""
        known.take_looks(self.places, self.looks)
        known.by_rule.take(self.rules, self.contents)
        known.by_stroke.take(self.strokes)

    def save(self, path: Path) -> None:
        """Write them to a file, whole or not at all."""
        with whole_file(path) as scratch:
            save_file({name: np.ascontiguousarray(part) for name, part in self._asdict().items()}, scratch)

    @classmethod
    def load(cls, path: Path) -> "Counts":
        """Read what :meth:`save` wrote."""
        return cls(**load_file(path))

    @classmethod
    def join(cls, parts: Sequence["Counts"]) -> "Counts":
        """Add counts up, at least one; of what appears at the same place, what was met most often is kept."""
        # Of a context that was followed by this here and by that there, what followed more often is kept.
        return cls(
            _add_up(np.concatenate([one.rules for one in parts])),
            np.unique(np.concatenate([one.contents for one in parts]), axis=0),
            _add_up(np.concatenate([one.strokes for one in parts])),
            *_met_most(np.concatenate([one.places for one in parts]), np.concatenate([one.looks for one in parts])),
            np.sum([one.episodes for one in parts], 0),
        )


def _add_up(counted: Counted) -> Counted:
    """Return counts (n, 4 or more): context, times, outcome, most and what else is to be summed; each context once."""
    if not len(counted):
        return counted
    pairs, which = np.unique(counted[:, [0, 2]], axis=0, return_inverse=True)
    sums = np.zeros((len(pairs), counted.shape[1]), np.int64)
    np.add.at(sums, which.ravel(), counted)
    sums[:, [0, 2]] = pairs
    order = np.lexsort((-sums[:, 3], sums[:, 0]))
    sums = sums[order]
    first = np.flatnonzero(np.append(True, sums[1:, 0] != sums[:-1, 0]))
    found = sums[first]
    for column in {1, *range(4, sums.shape[1])}:
        found[:, column] = np.add.reduceat(sums[:, column], first)
    return found


def _met_most(places: Counted, looks: NDArray[np.uint8]) -> tuple[Counted, NDArray[np.uint8]]:
    """Return of what appeared (n, 6) at the same place in the same size what was met most, and its looks."""
    order = places[:, -1].argsort(kind="stable")[::-1]
    first = np.unique(places[order, :-1], axis=0, return_index=True)[1]
    return places[order][first], looks[order][first]


def count(eyes: Eyes, counts: Counts | None, episodes: Iterable[Episode]) -> Counts:
    """Follow episodes, and count what follows what; what was ``counts`` before is gone on from."""
    known = Known(eyes.learnt, counts=True)
    if counts is not None:
        counts.put_in(known)
    number = 0 if counts is None else int(counts.episodes[0])
    for episode in episodes:
        for _ in eyes.follow(episode, known):
            pass
        number += 1
    return Counts.of(known, number)
