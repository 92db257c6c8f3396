"""Hysteresis: does the way back look like the way out? The dream is compared with itself, at the same poses.

A player rests, turns away for half of the ticks and back for the other half. Frames of the way back are set against the
frames of the way out that were seen in the same direction; no truth is needed, the simulator's own pair is the ceiling.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dreamloop.model.album import Album, Strip
from dreamloop.model.eval_play import dream, mean_and_ci
from dreamloop.model.picture_figures import psnr_db
from dreamloop.model.world_model import Scene, WorldModel

OUT = 64  # ticks out, and back: at 4 degrees a tick two thirds of a circle
REST = 16  # ticks of nothing before
GAPS = (8, 32, 64, 96, 120)  # ticks between a view and its return


def there_and_back(press: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return actions (REST + 2 OUT, a): rest, ``press`` out, ``press`` undone."""
    signs = np.concatenate([np.zeros(REST), np.ones(OUT), -np.ones(OUT)])
    return (signs[:, None] * press).astype(np.float32)


def pair_at(gap: int) -> tuple[int, int]:
    """Return the rows, in the frames after each action, of one view on the way out and ``gap`` ticks later."""
    turn = REST + OUT - 1  # the farthest view: what comes after it was seen before it
    return turn - gap // 2, turn + gap // 2


def measure_hysteresis(
    open_model: Callable[[str], WorldModel],
    scenes: Sequence[Scene],
    actions: NDArray[np.float32],
    truth: NDArray[np.uint8],
    *,
    arms: Sequence[str],
    seed: int = 0,
    album: Album | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Return ``{places, arms: {arm: {gap: {psnr_db, ci_db, n}}}}``; the arm "simulator" is the ceiling.

    Args:
        actions: (k, a) of :func:`there_and_back`.
        truth: (n, 2 * len(GAPS), h, w, 3) the simulator's pairs, as :func:`pairs_of` picks them.
    """
    names = [scene.name for scene in scenes]
    figures: dict[str, Any] = {"places": len(scenes), "scenes": names, "arms": {"simulator": _score(truth)}}
    found = {"simulator": truth}
    script = np.repeat(actions[None], len(scenes), 0)
    for number, arm in enumerate(arms):
        pairs = np.empty_like(truth)
        for rows, frames in dream(open_model(arm), scenes, script, seed):
            pairs[rows] = np.stack([pairs_of(one) for one in frames])
        found[arm] = pairs
        figures["arms"][arm] = _score(pairs)
        progress((number + 1) / len(arms))
    if album is not None:
        columns = [name for gap in GAPS for name in ("out", f"{gap} later")]
        for which, scene in enumerate(scenes[:2]):
            rows_of = [(arm, list(pairs[which])) for arm, pairs in found.items()]
            album.add(Strip("memory", f"Out and back: {scene.name}", rows_of, columns))
    return figures


def pairs_of(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pick (2 * len(GAPS), h, w, 3) out of the frames after each action: out and back for every gap."""
    return frames[[row for gap in GAPS for row in pair_at(gap)]]


def _score(pairs: NDArray[np.uint8]) -> dict[str, dict[str, Any]]:
    scores = psnr_db(torch.from_numpy(pairs[:, 0::2]), torch.from_numpy(pairs[:, 1::2])).double().numpy()
    rows = {}
    for column, gap in enumerate(GAPS):
        mean, ci = mean_and_ci(scores[:, column])
        rows[str(gap)] = {"psnr_db": mean, "ci_db": ci, "n": len(scores)}
    return rows
