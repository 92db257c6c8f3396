"""The changed-state test: is a thing that was changed, left and come back to found as it was left?

Each case is played twice in the simulator with the same seed: with the press that changes something (a door opens, a
shot leaves its mark), and without it. Where the two pictures differ is the changed region, and there the dream, which
saw the change in its true history and then turned away and back, must lie nearer to the changed truth than to the
other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.album import Album, Strip
from dreamloop.model.eval_memory import PERIOD
from dreamloop.model.eval_play import mean_and_ci, part_of, watch
from dreamloop.model.world_model import Scene, WorldModel

LEVELS = 24  # a pixel has changed when a channel differs by more than this
LEAST = 0.001  # share of the picture that must have changed: 12 pixels of 128x96, a bullet mark nearby
MOST = 0.6  # more than that is another view and no changed thing
SHOWN = 6  # cases in the album


@dataclass(frozen=True, slots=True)
class Change:
    """One case. Returns where the two pictures do not differ any more (a door that closed itself) do not count."""

    control: str  # the press that made the change
    scene: Scene  # its true history ends with the change in view
    actions: NDArray[np.float32]  # (k, a) away and back
    changed: NDArray[np.uint8]  # (r, h, w, 3) the simulator at every return
    unchanged: NDArray[np.uint8]  # (r, h, w, 3) the same without the press


def changed_region(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where pictures (..., h, w, 3) differ: (..., h, w)."""
    return np.asarray(np.abs(a.astype(np.int16) - b).max(-1) > LEVELS)


def counts(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Say which pairs of pictures (r, h, w, 3) differ in a region worth asking about: (r,)."""
    share = changed_region(a, b).mean((-2, -1))
    return np.asarray((share >= LEAST) & (share <= MOST))


def measure_changes(
    open_model: Callable[[str], WorldModel],
    cases: Sequence[Change],
    *,
    arms: Sequence[str],
    seed: int = 0,
    album: Album | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Return the share of returns found as they were left, by arm, return and control, with 95 % intervals.

    ``kept`` of an arm is the share of cases at their first return; chance would be a half.
    """
    names = [case.scene.name for case in cases]
    figures: dict[str, Any] = {"cases": len(cases), "scenes": names, "controls": _tally(cases), "arms": {}}
    found = {}
    for number, arm in enumerate(arms):
        told = part_of(progress, number / len(arms), 1 / len(arms))
        drawn = found[arm] = _returns(open_model(arm), cases, seed, told)
        figures["arms"][arm] = _judge(cases, drawn)
    if album is not None:
        for which in _picked(cases):
            case = cases[which]
            rows = [("as left", [case.changed[0]]), ("unchanged", [case.unchanged[0]])]
            rows += [(arm, [drawn[which][0]]) for arm, drawn in found.items()]
            before = ("last seen", [case.scene.frames[-1]])
            album.add(Strip("memory", f"Changed by '{case.control}': {case.scene.name}", [before, *rows]))
    return figures


def kept(case: Change, drawn: NDArray[np.uint8]) -> list[bool | None]:
    """Say for every return whether ``drawn`` (r, h, w, 3) is as it was left; None where there is nothing to ask."""
    told: list[bool | None] = []
    for frame, a, b, asked in zip(
        drawn, case.changed, case.unchanged, counts(case.changed, case.unchanged), strict=True
    ):
        region = changed_region(a, b)
        near, far = (np.abs(frame.astype(np.int16) - truth)[region].mean() if asked else 0.0 for truth in (a, b))
        told.append(bool(near < far) if asked else None)
    return told


def _returns(
    model: WorldModel, cases: Sequence[Change], seed: int, progress: Callable[[float], None]
) -> NDArray[np.uint8]:
    drawn = np.stack([np.zeros_like(case.changed) for case in cases])

    def look(tick: int, rows: slice, frames: NDArray[np.uint8]) -> None:
        if tick % PERIOD == 0:
            drawn[rows, tick // PERIOD - 1] = frames

    watch(model, [c.scene for c in cases], np.stack([c.actions for c in cases]), seed, look, progress)
    return drawn


def _judge(cases: Sequence[Change], drawn: NDArray[np.uint8]) -> dict[str, Any]:
    told = [kept(case, frames) for case, frames in zip(cases, drawn, strict=True)]
    by_return = {}
    for number in range(len(told[0])):
        rows = [float(one[number] is True) for one in told if one[number] is not None]
        if rows:
            by_return[str((number + 1) * PERIOD)] = _share(rows)
    controls = sorted({case.control for case in cases})
    firsts = {
        name: [float(one[0] is True) for one, case in zip(told, cases, strict=True) if case.control == name]
        for name in controls
    }
    every = [value for rows in firsts.values() for value in rows]
    return {"kept": _share(every), "by_return": by_return, "by_control": {n: _share(v) for n, v in firsts.items()}}


def _share(rows: Sequence[float]) -> dict[str, Any]:
    mean, ci = mean_and_ci(np.array(rows))
    return {"share": mean, "ci": ci, "n": len(rows)}


def _tally(cases: Sequence[Change]) -> dict[str, int]:
    names = [case.control for case in cases]
    return {name: names.count(name) for name in sorted(set(names))}


def _picked(cases: Sequence[Change]) -> list[int]:
    """Return a few cases, of every control some."""
    order = sorted(range(len(cases)), key=lambda i: ([c.control for c in cases[:i]].count(cases[i].control), i))
    return order[:SHOWN]
