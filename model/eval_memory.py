"""The memory suite: what a player who looks away and turns back finds, by the ticks dreamed in between.

A player stands still, turns away, turns back, again and again; the simulator does the same. Each time the view at the
start returns, the dream is compared with what the simulator shows at that tick, so a revisit is a fact and not a guess.
The player is given true history up to the start, and everything after it is dreamed. Arms differ in the memory alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dreamloop.model.album import Album, Strip
from dreamloop.model.eval_play import dream, mean_and_ci
from dreamloop.model.picture_figures import psnr_db
from dreamloop.model.world_model import Scene, WorldModel

ARMS = ("bank", "window", "none", "farthest")  # the memory, a long context, nothing, and a control that must not help
PERIOD = 64  # ticks from one return to the next
SHOWN = 4  # places in the album


@dataclass(frozen=True, slots=True)
class Revisit:
    """A place, what is done there, and what the simulator shows of it."""

    scene: Scene
    actions: NDArray[np.float32]  # (k, a); the view of the scene's last frame returns every PERIOD ticks
    truth: NDArray[np.uint8]  # (k / PERIOD, h, w, 3) at the returns


def sweep(press: NDArray[np.float32], ticks: int) -> NDArray[np.float32]:
    """Return actions (ticks, a): ``press`` away and back, to one side and then to the other, resting at both ends."""
    out = PERIOD // 2 - 2
    there = np.concatenate([np.ones(out), np.zeros(2), -np.ones(out), np.zeros(2)])
    signs = np.tile(np.concatenate([there, -there]), ticks // (2 * PERIOD) + 1)[:ticks]
    return (signs[:, None] * press).astype(np.float32)


def measure_memory(
    open_model: Callable[[str], WorldModel],
    visits: Sequence[Revisit],
    *,
    arms: Sequence[str] = ARMS,
    seed: int = 0,
    album: Album | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Return PSNR at every return, per arm, with the 95 % interval over the places, and what copying would give.

    Args:
        open_model: opens the model with the memory policy of an arm.
        visits: places with what the simulator showed.
    """
    returns = len(visits[0].truth)
    gaps = [PERIOD * (i + 1) for i in range(returns)]
    scenes, actions = [visit.scene for visit in visits], np.stack([visit.actions for visit in visits])
    truth = np.stack([visit.truth for visit in visits])
    start = np.stack([scene.frames[-1] for scene in scenes])
    figures: dict[str, Any] = {"places": len(visits), "gaps": gaps, "arms": {}}
    figures["copy_first_psnr_db"] = [_psnr(start, truth[:, i])[0] for i in range(returns)]
    found = {}
    for number, arm in enumerate(arms):
        frames = np.empty_like(truth)
        for rows_of, drawn in dream(open_model(arm), scenes, actions, seed):
            frames[rows_of] = drawn[:, PERIOD - 1 :: PERIOD]
        found[arm] = frames
        scores = [_psnr(frames[:, i], truth[:, i]) for i in range(returns)]
        figures["arms"][arm] = {"psnr_db": [one[0] for one in scores], "psnr_ci_db": [one[1] for one in scores]}
        progress((number + 1) / len(arms))
    if "bank" in figures["arms"] and "none" in figures["arms"]:
        bank, none = (figures["arms"][arm]["psnr_db"] for arm in ("bank", "none"))
        figures["gain_db"] = [a - b for a, b in zip(bank, none, strict=True)]
        figures["forgetting_db"] = bank[0] - bank[-1]
    if album is not None:
        shown = sorted({0, returns // 4, returns // 2, returns - 1})
        for which, visit in enumerate(visits[:SHOWN]):
            rows = [("start", [start[which]] * len(shown)), ("truth", [truth[which, i] for i in shown])]
            rows += [(arm, [frames[which, i] for i in shown]) for arm, frames in found.items()]
            album.add(Strip("memory", f"Turned away and back: {visit.scene.name}", rows, [f"{gaps[i]}" for i in shown]))
    return figures


def _psnr(drawn: NDArray[np.uint8], truth: NDArray[np.uint8]) -> tuple[float, float]:
    return mean_and_ci(psnr_db(torch.from_numpy(drawn), torch.from_numpy(truth)).double().numpy())
