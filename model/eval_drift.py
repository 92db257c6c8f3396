"""What becomes of a dream that goes on: against the truth while there is one, by its looks afterwards.

Two parts. *Ahead*: PSNR 1, 4, 16 and 64 ticks ahead under true actions, beside copying the first frame. *Free running*:
thousands of ticks under a wandering player's actions, cut into ten windows; each window's sharpness, colours and motion
are set against stretches of real play, and a window has collapsed when a scene leaves the range that those span.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dreamloop.model.album import Album, Strip
from dreamloop.model.eval_play import (
    EvaluationError,
    Play,
    Start,
    context_of,
    draw_starts,
    dream,
    mean_and_ci,
    spacing_ms,
)
from dreamloop.model.look import EVERY, Look, LookMeter, RealLooks
from dreamloop.model.picture_figures import colour_distance, psnr_db
from dreamloop.model.world_model import Scene, WorldModel

AHEAD = (1, 4, 16, 64)  # ticks
SHOWN = (1, 4, 8, 16, 32, 64)  # ticks in a strip
WINDOWS = 10
RULE = (
    "a window has collapsed when, in any of its scenes, the mean sharpness lies outside the least to the greatest mean "
    "of real stretches, or the colours are farther from real play's than those of any real stretch from the others'; "
    "it is frozen when less moves than in any real stretch"
)
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Wander:
    """A wandering player: what they did, and how real play under those actions looks."""

    actions: NDArray[np.float32]  # (t, a)
    looks: Sequence[Look]  # of real stretches, each on a map of its own
    stretch_ticks: int  # length of a stretch


def measure_drift(
    model: WorldModel,
    plays: Sequence[Play],
    wander: Wander,
    *,
    starts: int = 256,
    ticks: int = 21_000,
    seed: int = 0,
    history: int = 0,
    album: Album | None = None,
    progress: Progress = lambda share: None,
    keep: Callable[[Mapping[str, Any]], None] = lambda figures: None,
) -> dict[str, Any]:
    """Return the figures of both parts; the scenes that run free are as many as the model has players.

    ``keep`` is called with the figures so far, first those of the first part, then again after every window.

    Raises:
        EvaluationError: too little true play, or fewer ticks than windows.
    """
    ahead_share = starts * max(AHEAD) / (starts * max(AHEAD) + ticks * model.players)
    context = context_of(model, history)
    figures = measure_ahead(model, plays, starts, seed, context, album, lambda share: progress(ahead_share * share))
    keep(figures)
    real = RealLooks(wander.looks)
    scenes = [s.play.scene(s.at, context) for s in _spread(model, plays, seed, context)]
    script = roll_out(wander.actions, len(scenes), ticks)
    about = _about(model, wander, scenes, ticks)
    windows, pictures = run_free(
        model,
        scenes,
        script,
        seed,
        lambda share: progress(ahead_share + (1 - ahead_share) * share),
        lambda looks: keep(figures | judge(looks, real) | about),
    )
    if album is not None:
        names = [f"{(i + 1) * (ticks // WINDOWS) / model.card.rate_hz:.0f} s" for i in range(WINDOWS)]
        rows = [(scene.name, [frames[i] for frames in pictures]) for i, scene in enumerate(scenes[:8])]
        album.add(Strip("drift", "Free running: the last frame of every window, one scene a row", rows, names))
    return figures | judge(windows, real) | about


def _about(model: WorldModel, wander: Wander, scenes: Sequence[Scene], ticks: int) -> dict[str, Any]:
    return {
        "rule": RULE,
        "ticks": ticks,
        "minutes": ticks / model.card.rate_hz / 60,
        "scenes": len(scenes),
        "history_ticks": len(scenes[0].frames),
        "looked_at_every_ticks": min(EVERY, ticks // WINDOWS),
        "real_stretch_ticks": wander.stretch_ticks,
        "spacing_ms": spacing_ms(model),
    }


def measure_ahead(
    model: WorldModel,
    plays: Sequence[Play],
    starts: int,
    seed: int,
    context: int,
    album: Album | None,
    progress: Progress,
) -> dict[str, Any]:
    """Return PSNR (dB) after 1, 4, 16 and 64 ticks of true actions, beside copying the last true frame."""
    ahead = max(AHEAD)
    chosen = draw_starts(plays, starts, context, ahead, seed)
    actions = np.stack([s.play.actions[s.at : s.at + ahead] for s in chosen])
    drawn_db, copy_db = np.zeros((starts, len(AHEAD))), np.zeros((starts, len(AHEAD)))
    for rows, frames in dream(model, [s.play.scene(s.at, context) for s in chosen], actions, seed):
        for i, start in enumerate(chosen[rows], rows.start):
            truth = _at(start.play.frames[start.at : start.at + ahead], AHEAD)
            drawn_db[i] = psnr_db(truth, _at(frames[i - rows.start], AHEAD)).numpy()
            copy_db[i] = psnr_db(truth, torch.from_numpy(start.play.frames[start.at - 1])).numpy()
            if album is not None and i < 4:
                album.add(_strip(start.play, start.at, frames[i - rows.start]))
        progress(rows.stop / starts)
    return {
        "psnr_db_at": {str(k): float(db) for k, db in zip(AHEAD, drawn_db.mean(0), strict=True)},
        "psnr_ci_db_at": {str(k): mean_and_ci(drawn_db[:, j])[1] for j, k in enumerate(AHEAD)},
        "copy_first_psnr_db_at": {str(k): float(db) for k, db in zip(AHEAD, copy_db.mean(0), strict=True)},
        "starts": starts,
    }


def _at(frames: NDArray[np.uint8], ticks: Sequence[int]) -> torch.Tensor:
    return torch.from_numpy(frames[[k - 1 for k in ticks]])


def _strip(play: Play, at: int, frames: NDArray[np.uint8]) -> Strip:
    truth = [play.frames[at + k - 1] for k in SHOWN]
    rows = [("truth", truth), ("dream", [frames[k - 1] for k in SHOWN])]
    return Strip("drift", f"True actions, {play.name} from tick {at}", rows, [f"{k} ticks" for k in SHOWN])


def _spread(model: WorldModel, plays: Sequence[Play], seed: int, context: int) -> list[Start]:
    """Return one start per player, on different plays as far as there are enough."""
    return [
        draw_starts([plays[player % len(plays)]], 1, context, 1, seed + player)[0] for player in range(model.players)
    ]


def roll_out(actions: NDArray[np.float32], scenes: int, ticks: int) -> NDArray[np.float32]:
    """Return actions (n, ticks, a): every scene begins at another place of the wanderer's, which goes round."""
    begin = np.arange(scenes)[:, None] * (len(actions) // scenes)
    script: NDArray[np.float32] = actions[(begin + np.arange(ticks)) % len(actions)]
    return script


def run_free(
    model: WorldModel,
    scenes: Sequence[Scene],
    script: NDArray[np.float32],
    seed: int,
    progress: Progress = lambda share: None,
    keep: Callable[[Sequence[Sequence[Look]]], None] = lambda looks: None,
) -> tuple[list[list[Look]], list[NDArray[np.uint8]]]:
    """Dream on under ``script`` (n, t, a) and return, window by window, every scene's look and last frame.

    ``keep`` is called with the looks so far after every window.

    Raises:
        EvaluationError: fewer than two ticks a window.
    """
    ticks = script.shape[1]
    if ticks < 2 * WINDOWS:
        raise EvaluationError(f"{ticks} ticks of free running were asked for; {WINDOWS} windows need {2 * WINDOWS}")
    before = np.stack([model.reset(player, scene, seed + player) for player, scene in enumerate(scenes)])
    meter, looks, pictures = LookMeter(), [], []
    every, length = min(EVERY, ticks // WINDOWS), ticks // WINDOWS
    for tick in range(length * WINDOWS):
        frames = model.step(np.ascontiguousarray(script[:, tick]))
        if tick % length % every == every - 1:
            meter.add(before, frames)
        if tick % length == length - 1:
            looks.append(meter.read())
            pictures.append(frames)
            keep(looks)
        before = frames
        if tick % 50 == 0:
            progress(tick / ticks)
    return looks, pictures


def judge(windows: Sequence[Sequence[Look]], real: RealLooks) -> dict[str, Any]:
    """Set the looks of windows (each one look per scene) against real play's; D is over the windows' sharpness."""
    rows = [_judge_window(looks, real) for looks in windows]
    kept = [min(row["sharpness_ratio"], 1 / max(row["sharpness_ratio"], 1e-6)) for row in rows]
    return {
        "windows": rows,
        "D": (max(kept) - min(kept)) / max(kept) if max(kept) else 0.0,
        "windows_collapsed": sum(row["collapsed"] for row in rows),
        "windows_frozen": sum(row["frozen"] for row in rows),
        "real": {
            "stretches": real.count,
            "sharpness_levels": real.sharpness_levels,
            "sharpness_ratio_range": [value / max(real.sharpness_levels, 1e-6) for value in real.sharpness_range],
            "motion_levels": real.motion_levels,
            "motion_ratio_range": [value / max(real.motion_levels, 1e-6) for value in real.motion_range],
            "colour_spread_levels": real.colour_spread_levels,
            "colour_distance_max": real.farthest_levels / max(real.colour_spread_levels, 1e-6),
        },
    }


def _judge_window(looks: Sequence[Look], real: RealLooks) -> dict[str, Any]:
    """Return the means over scenes, as ratios to real play, and how many scenes are out of its range."""
    pooled = torch.stack([look.colours for look in looks]).mean(0)
    levels = float(colour_distance(pooled, real.colours))
    apart = [real.colour_levels(look) / max(real.colour_spread_levels, 1e-6) for look in looks]
    collapsed, frozen = sum(map(real.collapsed, looks)), sum(map(real.frozen, looks))
    sharp = [look.sharpness_levels / max(real.sharpness_levels, 1e-6) for look in looks]
    moved = [look.motion_levels / max(real.motion_levels, 1e-6) for look in looks]
    return {
        "sharpness_ratio": float(np.mean(sharp)),
        "sharpness_ratio_range": [min(sharp), max(sharp)],
        "colour_distance": levels / max(real.colour_spread_levels, 1e-6),
        "colour_distance_worst": max(apart),
        "motion_ratio": float(np.mean(moved)),
        "motion_ratio_range": [min(moved), max(moved)],
        "collapsed": collapsed > 0,
        "frozen": frozen > 0,
        "scenes_collapsed": collapsed,
        "scenes_frozen": frozen,
    }
