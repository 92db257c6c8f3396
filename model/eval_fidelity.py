"""How good the next frame is: every start with true history, one step, beside copying the last frame.

Protocol: at least 2,048 starts on play that the model never saw; PSNR and SSIM per frame, averaged over frames.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dreamloop.model.album import Album, Strip
from dreamloop.model.eval_play import Play, context_of, draw_starts, dream, mean_and_ci, spacing_ms
from dreamloop.model.picture_figures import PSNR_CAP_DB, psnr_db, ssim
from dreamloop.model.world_model import WorldModel

STRIP = 8  # starts shown in a report


def measure_fidelity(
    model: WorldModel,
    plays: Sequence[Play],
    *,
    starts: int = 2048,
    seed: int = 0,
    history: int = 0,
    album: Album | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Return PSNR (dB) and SSIM one step ahead, beside copy-last on the same starts.

    ``moving`` repeats them over the starts where truth moved at all: on a still picture copy-last is perfect, and
    its PSNR is only a matter of where PSNR is capped. ``psnr_of_mean_error_db`` depends on no cap.

    Raises:
        EvaluationError: less true play than ``starts`` asks for.
    """
    context = context_of(model, history)
    chosen = draw_starts(plays, starts, context, 1, seed)
    actions = np.stack([start.play.actions[start.at][None] for start in chosen])
    truth = np.stack([start.play.frames[start.at] for start in chosen])
    last = np.stack([start.play.frames[start.at - 1] for start in chosen])
    drawn = np.empty_like(truth)
    for rows, frames in dream(model, [start.play.scene(start.at, context) for start in chosen], actions, seed):
        drawn[rows] = frames[:, 0]
        progress(rows.stop / starts)
    model_db, model_ssim = _against(truth, drawn)
    copy_db, copy_ssim = _against(truth, last)
    moving = (truth != last).any(axis=(1, 2, 3))
    if album is not None:
        columns = [start.play.name for start in chosen[:STRIP]]
        shown = {"before": last, "truth": truth, "dream": drawn}
        rows_shown = [(name, list(frames[:STRIP])) for name, frames in shown.items()]
        album.add(Strip("fidelity", "One step ahead from true history", rows_shown, columns))
    mean_db, ci_db = mean_and_ci(model_db)
    return {
        "psnr_db": mean_db,
        "psnr_ci_db": ci_db,
        "ssim": float(model_ssim.mean()),
        "copy_last_psnr_db": float(copy_db.mean()),
        "copy_last_ssim": float(copy_ssim.mean()),
        "codec_psnr_db": None,
        "gain_db": mean_db - float(copy_db.mean()),
        "moving": {
            "share": float(moving.mean()),
            "psnr_db": float(model_db[moving].mean()) if moving.any() else None,
            "copy_last_psnr_db": float(copy_db[moving].mean()) if moving.any() else None,
        },
        "psnr_of_mean_error_db": _pooled_db(truth, drawn),
        "copy_last_psnr_of_mean_error_db": _pooled_db(truth, last),
        "psnr_cap_db": PSNR_CAP_DB,
        "starts": starts,
        "plays": len(plays),
        "spacing_ms": spacing_ms(model),
    }


def _against(truth: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return PSNR in dB and SSIM, (n,) each, in pieces that keep the memory small."""
    db, similar = [], []
    for first in range(0, len(truth), 64):
        a, b = torch.from_numpy(truth[first : first + 64]), torch.from_numpy(drawn[first : first + 64])
        db.append(psnr_db(a, b).double().numpy())
        similar.append(ssim(a, b).double().numpy())
    return np.concatenate(db), np.concatenate(similar)


def _pooled_db(truth: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> float:
    """Return the PSNR of the mean squared error over all frames."""
    errors = [float(np.square(a.astype(np.float32) - b).mean()) for a, b in zip(truth, drawn, strict=True)]
    return float(10 * np.log10(255**2 / max(float(np.mean(errors)), 1e-2)))
