"""Does the dream do what the player does? Opposite controls from one place, read by an inverse-dynamics net.

*KCtrl* (ForgeWM): at each of S places and for each pair of opposite controls hold one, then, from the same place, the
other; credit only where both net displacements have the right sign. The same reader over the simulator's own frames of
the same presses gives the ceiling: what a perfect dream would score. *Delta PSNR* (Genie): PSNR under the true actions
minus PSNR under somebody else's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dreamloop.input.schema import ActionSchema
from dreamloop.model.album import Album, Strip
from dreamloop.model.eval_play import EvaluationError, Play, context_of, draw_starts, dream, spacing_ms
from dreamloop.model.inverse_dynamics import BEFORE, MotionReader
from dreamloop.model.picture_figures import psnr_db
from dreamloop.model.train_inverse import own_motion
from dreamloop.model.world_model import Scene, WorldModel

AXIS_SHARE = 1 / 3  # of an axis's range, held: 4 of Doom's 12 degrees a tick
HOLD_TICKS = 12
LEAST = 0.25  # of the median displacement: what true motion must reach to count as motion
HORIZONS = (1, 4, 16)  # ticks of the delta PSNR
HEADLINE = 4
STRETCHES = 256  # of true play that the reader's own accuracy is measured on, evenly spread
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Press:
    """One control held alone."""

    name: str  # "forward", "turn+"
    control: str
    sign: int  # -1 for the low end of an axis
    action: NDArray[np.float32]  # (a,)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two controls that undo each other."""

    name: str
    presses: tuple[Press, Press]


@dataclass(frozen=True, slots=True)
class Place:
    """A place where the player stands still, and what the simulator shows when each control is held from there."""

    scene: Scene
    held: Mapping[str, tuple[NDArray[np.uint8], NDArray[np.float32]]]  # press -> frames (k, h, w, 3), poses (1 + k, 4)


def opposite_pairs(schema: ActionSchema) -> list[Pair]:
    """Return every pair of opposite controls: the schema's own, and the two ends of every axis that has two.

    Raises:
        EvaluationError: the schema has none.
    """
    pairs = []
    for names in schema.opposites:
        one, other = (Press(name, name, 1, schema.vector(**{name: 1.0})) for name in names)
        pairs.append(Pair(f"{one.name}/{other.name}", (one, other)))
    for control in schema.controls:
        if control.kind == "axis" and control.low < 0 < control.high:
            held = AXIS_SHARE * min(-control.low, control.high)
            ends = [
                Press(f"{control.name}{mark}", control.name, sign, schema.vector(**{control.name: sign * held}))
                for mark, sign in (("-", -1), ("+", 1))
            ]
            pairs.append(Pair(f"{control.name}-/+", (ends[0], ends[1])))
    if not pairs:
        raise EvaluationError(f"schema '{schema.name}' has no opposite controls and no axis, so there is no KCtrl")
    return pairs


def measure_control(
    model: WorldModel,
    places: Sequence[Place],
    plays: Sequence[Play],
    reader: MotionReader,
    schema: ActionSchema,
    *,
    starts: int = 256,
    seed: int = 0,
    history: int = 0,
    album: Album | None = None,
    progress: Progress = lambda share: None,
) -> dict[str, Any]:
    """Return KCtrl beside its ceiling, the reader's own accuracy on true play, and delta PSNR.

    A place counts for a pair where the simulator itself moved the right way, both ways, by a quarter of what it
    usually does: against a wall nobody moves.

    Raises:
        EvaluationError: no pairs, a control that the reader knows nothing of, or no place where anything moves.
    """
    pairs = opposite_pairs(schema)
    presses = [press for pair in pairs for press in pair.presses]
    dreamed = _dream_presses(model, places, presses, seed, lambda share: progress(0.6 * share))
    rows = {}
    for pair in pairs:
        motion, sign = _what_it_drives(reader, pair)
        counts = _moving_places(places, pair, reader, motion, sign)
        truth = [np.stack([place.held[press.name][0] for place in places]) for press in pair.presses]
        dream_right = _right(reader, places, [dreamed[p.name] for p in pair.presses], motion, sign)[:, counts]
        real_right = _right(reader, places, truth, motion, sign)[:, counts]
        rows[pair.name] = {
            "kctrl": float(dream_right.all(0).mean()) if counts.any() else None,
            "kctrl_ceiling": float(real_right.all(0).mean()) if counts.any() else None,
            "right": _shares(pair, dream_right),
            "right_ceiling": _shares(pair, real_right),
            "places": int(counts.sum()),
            "motion": motion,
        }
        if album is not None and counts.any():
            _keep(album, places, pair, truth, [dreamed[p.name] for p in pair.presses], int(np.argmax(counts)))
    scored = [row for row in rows.values() if row["places"]]
    if not scored:
        raise EvaluationError(
            f"nothing moved at any of {len(places)} places, so there is no KCtrl; collect more places"
        )
    figures = {
        "kctrl": float(np.mean([row["kctrl"] for row in scored])),
        "kctrl_ceiling": float(np.mean([row["kctrl_ceiling"] for row in scored])),
        "pairs": rows,
        "places": len(places),
        "hold_ticks": _hold(places),
        "spacing_ms": spacing_ms(model),
    }
    figures |= measure_reader(reader, plays, _hold(places))
    return figures | measure_delta(model, plays, starts, seed, history, lambda share: progress(0.6 + 0.4 * share))


def _hold(places: Sequence[Place]) -> int:
    return len(next(iter(places[0].held.values()))[0])


def _dream_presses(
    model: WorldModel, places: Sequence[Place], presses: Sequence[Press], seed: int, progress: Progress
) -> dict[str, NDArray[np.uint8]]:
    """Return press -> dreamed frames (s, k, h, w, 3) of every place."""
    scenes, ticks, dreamed = [place.scene for place in places], _hold(places), {}
    for i, press in enumerate(presses):
        actions = np.broadcast_to(press.action, (len(scenes), ticks, len(press.action)))
        dreamed[press.name] = np.concatenate([frames for _, frames in dream(model, scenes, actions, seed)])
        progress((i + 1) / len(presses))
    return dreamed


def _what_it_drives(reader: MotionReader, pair: Pair) -> tuple[str, int]:
    """Return the motion that a pair drives and the sign of it under the pair's first control."""
    for press, flip in zip(pair.presses, (1, -1), strict=True):
        if press.control in reader.drives:
            motion, sign = reader.drives[press.control]
            return motion, sign * press.sign * flip
    raise EvaluationError(f"the inverse-dynamics net knows no motion that '{pair.name}' drives; train it anew")


def _shares(pair: Pair, right: NDArray[np.bool_]) -> dict[str, float]:
    """Return the share of places where each press of a pair moved the right way: which half of a pair fails."""
    if not right.size:
        return {}
    return {press.name: float(row.mean()) for press, row in zip(pair.presses, right, strict=True)}


def _right(
    reader: MotionReader,
    places: Sequence[Place],
    frames: Sequence[NDArray[np.uint8]],
    motion: str,
    sign: int,
) -> NDArray[np.bool_]:
    """Return (2, s): whether the first and the second press moved the right way, for every place."""
    column = reader.motions.index(motion)
    before = np.stack([_history(place.scene) for place in places])
    moved = [reader.displacement(np.concatenate([before, shown], 1))[:, column] for shown in frames]
    right: NDArray[np.bool_] = np.sign(np.stack(moved)) == np.array([[sign], [-sign]])
    return right


def _history(scene: Scene) -> NDArray[np.uint8]:
    """Return the last frames of a scene that the reader looks back on; a short scene repeats its first."""
    short = max(BEFORE - len(scene.frames), 0)
    return np.concatenate([np.repeat(scene.frames[:1], short, 0), scene.frames[-BEFORE:]])


def _moving_places(
    places: Sequence[Place], pair: Pair, reader: MotionReader, motion: str, sign: int
) -> NDArray[np.bool_]:
    """Say at which places the simulator itself moved the right way under both presses."""
    column = reader.motions.index(motion)
    true = np.array(
        [[own_motion(place.held[press.name][1])[:, column].sum() for press in pair.presses] for place in places]
    )
    toward = true * np.array([sign, -sign])
    if np.isnan(toward).all():  # a simulator that tells no poses: every place counts
        return np.ones(len(places), np.bool_)
    usual = np.median(np.abs(true), axis=0)
    return np.asarray((toward > np.maximum(LEAST * usual, 1e-6)).all(1))


def _keep(
    album: Album,
    places: Sequence[Place],
    pair: Pair,
    truth: Sequence[NDArray[np.uint8]],
    dreamed: Sequence[NDArray[np.uint8]],
    which: int,
) -> None:
    """Put one place into the album: both presses, truth above dream."""
    ticks = sorted({0, truth[0].shape[1] // 2, truth[0].shape[1] - 1})
    first, rows = places[which].scene.frames[-1], []
    for press, real, drawn in zip(pair.presses, truth, dreamed, strict=True):
        rows.append((f"{press.name}: truth", [first, *(real[which, k] for k in ticks)]))
        rows.append((f"{press.name}: dream", [first, *(drawn[which, k] for k in ticks)]))
    columns = ["start", *(f"{k + 1} ticks" for k in ticks)]
    album.add(Strip("control", f"{pair.name} from one place", rows, columns))


def measure_reader(reader: MotionReader, plays: Sequence[Play], ticks: int) -> dict[str, Any]:
    """Return how well the reader does on true play it never saw: the sign of net displacements over ``ticks``.

    ``idm_accuracy`` is the share of right signs over stretches whose true displacement is at least a quarter of its
    root mean square, averaged over motions; ``idm`` says it per motion, with the share of variance explained.
    """
    said, true = [], []
    for play in plays:
        if play.poses is None or np.isnan(play.poses).any():
            continue
        motions = own_motion(play.poses)
        for at in range(BEFORE, len(play.frames) - ticks + 1, ticks):
            said.append(play.frames[at - BEFORE : at + ticks])
            true.append(motions[at - 1 : at - 1 + ticks].sum(0))
    if not said:
        return {"idm_accuracy": None, "idm": {}}
    spread = np.unique(np.linspace(0, len(said) - 1, STRETCHES).round().astype(int))
    said, true = [said[i] for i in spread], [true[i] for i in spread]
    read = np.concatenate([reader.displacement(np.stack(said[i : i + 32])) for i in range(0, len(said), 32)])
    rows = {name: _reader_row(read[:, m], np.array(true)[:, m]) for m, name in enumerate(reader.motions)}
    scored = [row["sign_accuracy"] for row in rows.values() if row["sign_accuracy"] is not None]
    return {"idm_accuracy": float(np.mean(scored)) if scored else None, "idm": rows}


def _reader_row(read: NDArray[np.float32], true: NDArray[np.float32]) -> dict[str, Any]:
    counts = np.abs(true) > max(LEAST * float(np.sqrt(np.square(true).mean())), 1e-3)
    error, spread = float(np.square(read - true).mean()), float(true.var())
    return {
        "sign_accuracy": float((np.sign(read) == np.sign(true))[counts].mean()) if counts.any() else None,
        "variance_explained": 1 - error / spread if spread > 1e-6 else None,
        "stretches": int(counts.sum()),
    }


def measure_delta(
    model: WorldModel,
    plays: Sequence[Play],
    starts: int,
    seed: int,
    history: int = 0,
    progress: Progress = lambda share: None,
) -> dict[str, Any]:
    """Return by how much dB the true actions beat those of other starts, 1, 4 and 16 ticks ahead."""
    context, ahead = context_of(model, history), max(HORIZONS)
    chosen = draw_starts(plays, starts, context, ahead, seed)
    scenes = [start.play.scene(start.at, context) for start in chosen]
    own = np.stack([start.play.actions[start.at : start.at + ahead] for start in chosen])
    others = np.roll(own, 1, axis=0)  # starts are in random order: the neighbour's actions are as good as any
    db = []
    for half, actions in enumerate((own, others)):
        scores = np.zeros((starts, len(HORIZONS)))
        for rows, frames in dream(model, scenes, actions, seed):
            for i, start in enumerate(chosen[rows], rows.start):
                at = [k - 1 for k in HORIZONS]
                truth = start.play.frames[start.at : start.at + ahead][at]
                scores[i] = psnr_db(torch.from_numpy(truth), torch.from_numpy(frames[i - rows.start][at])).numpy()
            progress((half + rows.stop / starts) / 2)
        db.append(scores.mean(0))
    gain = {str(k): float(value) for k, value in zip(HORIZONS, db[0] - db[1], strict=True)}
    return {"delta_psnr_db": gain[str(HEADLINE)], "delta_psnr_db_at": gain, "delta_starts": starts}
