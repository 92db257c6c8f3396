"""The memory suite: what a player who leaves and comes back finds, by the ticks dreamed in between.

A player is given true history, leaves, and comes back, again and again, by turning or by walking; the simulator does
the same. A return counts where the simulator's own pose is that of a view that was seen before leaving, so it is a fact
and not a guess, and the dream is compared with what the simulator shows at that tick. Arms differ in the memory alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dreamloop.model.album import Album, Strip
from dreamloop.model.camera import turned
from dreamloop.model.eval_play import mean_and_ci, part_of, watch
from dreamloop.model.memory import DEFAULT_POLICY
from dreamloop.model.picture_figures import psnr_db
from dreamloop.model.world_model import Scene, WorldModel

# The memory, the same without changes, a long context, a state of fixed size, pages by what they show, nothing, and a
# control that must not help.
ARMS = (DEFAULT_POLICY, "bank", "window", "recurrent", "content", "none", "farthest")
GAPS = (64, 128, 256, 512, 1024, 2048, 4096, 8192)  # ticks; a return counts for the least gap that it does not exceed
PERIOD = 64  # ticks from one return to the next when turning
KEPT = 4  # returns of one place that count for one gap, the latest
CHANGED_DB = 22.0  # a view that differs more from the one seen before was changed by the world itself
SHOWN = 4  # places in the album
Keep = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Revisit:
    """A place, what is done from there on, and what the simulator shows whenever a view returns."""

    scene: Scene
    actions: NDArray[np.float32]  # (k, a)
    ticks: NDArray[np.int64]  # (r,) actions taken up to each return
    truth: NDArray[np.uint8]  # (r, h, w, 3) what the simulator shows there
    seen: NDArray[np.uint8]  # (r, h, w, 3) the true frame of the same view from before leaving
    poses: NDArray[np.float32]  # (k, 4) the simulator's, after each action; NaN where it tells none


def sweep(press: NDArray[np.float32], ticks: int) -> NDArray[np.float32]:
    """Return actions (ticks, a): ``press`` away and back, to one side and then to the other, resting at both ends."""
    out = PERIOD // 2 - 2
    there = np.concatenate([np.ones(out), np.zeros(2), -np.ones(out), np.zeros(2)])
    signs = np.tile(np.concatenate([there, -there]), ticks // (2 * PERIOD) + 1)[:ticks]
    return (signs[:, None] * press).astype(np.float32)


def gap_of(ticks: int, gaps: Sequence[int]) -> int | None:
    """Return the gap that a return after ``ticks`` counts for: the least that it does not exceed and half fills."""
    return next((gap for gap in gaps if gap // 2 < ticks <= gap), None)


def thin(visit: Revisit, gaps: Sequence[int]) -> Revisit:
    """Keep the returns that count: the latest few of every gap, where the world itself has not changed."""
    same = _psnr(visit.seen, visit.truth) >= CHANGED_DB if len(visit.ticks) else np.zeros(0, bool)
    picked: list[int] = []
    for gap in gaps:
        fits = [int(row) for row in np.flatnonzero(same) if gap_of(int(visit.ticks[row]), gaps) == gap]
        picked += fits[-KEPT:]
    rows = np.array(picked, np.int64)
    return Revisit(visit.scene, visit.actions, visit.ticks[rows], visit.truth[rows], visit.seen[rows], visit.poses)


def measure_revisits(
    open_model: Callable[[str], WorldModel],
    visits: Sequence[Revisit],
    *,
    arms: Mapping[str, int],
    gaps: Sequence[int] = GAPS,
    seed: int = 0,
    album: Album | None = None,
    title: str = "",
    keep: Keep = lambda figures: None,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Return PSNR by gap and arm, with the 95 % interval over the places, and what copying would give.

    Args:
        open_model: opens the model with the memory policy of an arm.
        visits: places with what the simulator showed.
        arms: how many ticks each policy is dreamed for; longer gaps have no figure.
        gaps: ticks in ascending order.
        keep: called with the figures so far after every arm.
    """
    figures: dict[str, Any] = {
        "places": len(visits),
        "scenes": [visit.scene.name for visit in visits],
        "returns": sum(len(visit.ticks) for visit in visits),
        "arms": {},
    }
    last = [np.repeat(visit.scene.frames[-1:], len(visit.ticks), 0) for visit in visits]
    figures["arms"]["copy_last"] = _by_gap(visits, last, gaps)
    figures["arms"]["copy_seen"] = _by_gap(visits, [visit.seen for visit in visits], gaps)
    work, done, found = sum(arms.values()), 0, {}
    for arm, limit in arms.items():
        model = open_model(arm)
        poses = _Reckoned(model, visits)
        told = part_of(progress, done / work, limit / work)
        found[arm] = _dream(model, visits, limit, seed, poses, told)
        figures["arms"][arm] = _by_gap(visits, found[arm], gaps)
        if arm == DEFAULT_POLICY and poses.told:
            figures["pose_drift"] = poses.drift(gaps)
        done += limit
        keep(figures | {"partial": True})
    figures |= _compared(figures["arms"], gaps)
    if album is not None:
        for which in range(min(len(visits), SHOWN)):
            _show(album, title, visits[which], {arm: frames[which] for arm, frames in found.items()}, gaps)
    return figures


def _dream(
    model: WorldModel,
    visits: Sequence[Revisit],
    limit: int,
    seed: int,
    poses: "_Reckoned",
    progress: Callable[[float], None],
) -> list[NDArray[np.uint8]]:
    """Return the dream's frames (r, h, w, 3) at the returns of every visit, up to ``limit`` ticks."""
    wanted: dict[tuple[int, int], list[NDArray[np.uint8]]] = {}
    due = [{int(tick) for tick in visit.ticks} for visit in visits]

    def look(tick: int, rows: slice, frames: NDArray[np.uint8]) -> None:
        poses.look(tick, rows)
        for row, frame in enumerate(frames, rows.start):
            if tick in due[row]:
                wanted.setdefault((row, tick), []).append(frame.copy())

    actions = np.stack([visit.actions[:limit] for visit in visits])
    watch(model, [visit.scene for visit in visits], actions, seed, look, progress)
    found = []
    for row, visit in enumerate(visits):
        frames = [wanted[row, int(tick)][0] for tick in visit.ticks if (row, int(tick)) in wanted]
        found.append(np.stack(frames) if frames else np.zeros((0, *visit.scene.frames.shape[1:]), np.uint8))
    return found


class _Reckoned:
    """How far the model's own reckoning of where it is strays from the simulator's pose."""

    def __init__(self, model: WorldModel, visits: Sequence[Revisit]) -> None:
        self._model, self._visits = model, visits
        self._errors: dict[int, list[tuple[float, float]]] = {}
        self.told = hasattr(model, "pose")

    def look(self, tick: int, rows: slice) -> None:
        """Note the error after ``tick`` ticks where that is a power of two."""
        if not self.told or tick & (tick - 1) or tick < PERIOD:
            return
        for player, row in enumerate(range(rows.start, rows.stop)):
            visit = self._visits[row]
            pose = getattr(self._model, "pose")(player)  # noqa: B009 (not of the contract)
            if pose is None or visit.scene.poses is None:
                continue
            off = np.asarray(pose) - visit.poses[tick - 1]
            if np.isfinite(off).all():
                self._errors.setdefault(tick, []).append((float(np.hypot(*off[:2])), float(abs(turned(off[2])))))

    def drift(self, gaps: Sequence[int]) -> dict[str, Any]:
        """Return mean errors of position (map units) and yaw (degrees) by ticks, with 95 % intervals."""
        figures = {}
        for tick in gaps:
            errors = np.array(self._errors.get(tick, []))
            if len(errors):
                (far, far_ci), (yaw, yaw_ci) = mean_and_ci(errors[:, 0]), mean_and_ci(errors[:, 1])
                figures[str(tick)] = {
                    "position_units": far,
                    "position_ci_units": far_ci,
                    "yaw_deg": yaw,
                    "yaw_ci_deg": yaw_ci,
                    "n": len(errors),
                }
        return figures


def _by_gap(
    visits: Sequence[Revisit], drawn: Sequence[NDArray[np.uint8]], gaps: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """Return ``{gap: {psnr_db, ci_db, n, ticks}}``: every place counts once in a gap, with the mean of its returns."""
    places: dict[int, list[tuple[float, float]]] = {}
    for visit, frames in zip(visits, drawn, strict=True):
        ticks = visit.ticks[: len(frames)]
        scores = _psnr(frames, visit.truth[: len(frames)]) if len(frames) else np.zeros(0)
        of = np.array([gap_of(int(tick), gaps) or 0 for tick in ticks])
        for gap in gaps:
            if (of == gap).any():
                places.setdefault(gap, []).append((float(scores[of == gap].mean()), float(ticks[of == gap].mean())))
    figures = {}
    for gap, rows in sorted(places.items()):
        mean, ci = mean_and_ci(np.array([score for score, _ in rows]))
        ticks_mean = float(np.mean([tick for _, tick in rows]))
        figures[str(gap)] = {"psnr_db": mean, "ci_db": ci, "n": len(rows), "ticks": ticks_mean}
    return figures


def _compared(arms: Mapping[str, Any], gaps: Sequence[int]) -> dict[str, Any]:
    """Return what the memory gains over nothing by gap, and what it loses from its first gap to its last."""
    figures: dict[str, Any] = {}
    full, none = arms.get(DEFAULT_POLICY, {}), arms.get("none", {})
    figures["gain_db"] = {
        str(gap): full[str(gap)]["psnr_db"] - none[str(gap)]["psnr_db"]
        for gap in gaps
        if str(gap) in full and str(gap) in none
    }
    told = [full[str(gap)]["psnr_db"] for gap in gaps if str(gap) in full]
    figures["forgetting_db"] = told[0] - told[-1] if told else None
    return figures


def _show(
    album: Album, title: str, visit: Revisit, found: Mapping[str, NDArray[np.uint8]], gaps: Sequence[int]
) -> None:
    """One return per gap, a row each for what was seen before, the truth, and every arm as far as it was dreamed."""
    last = {gap_of(int(tick), gaps): row for row, tick in enumerate(visit.ticks)}
    shown = [row for gap, row in last.items() if gap is not None]
    if not shown:
        return
    dark = np.zeros_like(visit.truth[0])
    rows = [("first visit", [visit.seen[row] for row in shown]), ("truth", [visit.truth[row] for row in shown])]
    rows += [(arm, [frames[row] if row < len(frames) else dark for row in shown]) for arm, frames in found.items()]
    album.add(Strip("memory", f"{title}: {visit.scene.name}", rows, [f"{visit.ticks[row]}" for row in shown]))


def _psnr(drawn: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
    scores: NDArray[np.float64] = psnr_db(torch.from_numpy(drawn), torch.from_numpy(truth)).double().numpy()
    return scores
