"""How well an interface is dreamed: pointer, transitions by kind, letters, what was hidden, and what nobody touched.

The dream runs beside the simulator under the same actions, started from true history. A transition is right when, a
moment later, the region that it changed looks as the simulator's does. What only the world knows (where the pointer
is in a picture, what is written) its judge reads. Knows nothing about where play comes from.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.album import Album, Strip
from dreamloop.model.world_model import Scene, WorldModel

Frames = NDArray[np.uint8]
Person = Generator[tuple[NDArray[np.float32], Mapping[str, Any]], Frames, None]
"""Yields an action (a,), and what a judge is told of the picture (h, w, 3) that it leads to and that is sent then."""
LEVELS = 8  # a pixel is right when no colour is further off than this
RIGHT = 0.95  # share of a region's pixels that must be right
LATER = 2  # ticks after a transition at which it is judged
AWAIT = 4  # ticks at the end of a play that shows something again
PATIENCE = 10  # ticks that a change is waited for
MANY = 30  # transitions of a kind that are worth a share


class Judge(Protocol):
    """What a world tells of its own pictures."""

    kinds: tuple[str, ...]
    shown_ticks: int  # of a play that is yielded here, which a dream is shown before it goes on by itself

    def pointer_error_px(self, frame: Frames, info: Mapping[str, Any]) -> float:
        """Return how far the pointer in the picture is from the true one."""
        ...

    def letters(self, frame: Frames, info: Mapping[str, Any]) -> tuple[int, int]:
        """Return how many characters can be read back rightly, and how many there are."""
        ...

    def recall_plays(
        self, seed: int, away_s: float
    ) -> Iterator[tuple[str, Any, NDArray[np.float32], NDArray[np.bool_]]]:
        """Yield plays that hide something for so long and show it at their end.

        Yields:
            name; the simulator's state at the start; actions (t, a); the pixels (h, w) that are shown again.
        """
        ...

    def used_plays(self, seed: int, used_s: float) -> Iterator[tuple[str, Any, NDArray[np.float32], Person]]:
        """Yield plays that hide what is written, use all the rest for so many seconds, and show it again at their end.

        Yields:
            name; the simulator's state at the start; actions (t, a) that are played there; and who goes on from there,
            by what a dream shows.
        """
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """One tick of the simulator, and what it tells."""

    frame: Frames
    action: NDArray[np.float32]
    kinds: tuple[str, ...]
    changed: NDArray[np.bool_]  # (h, w) against the tick before
    info: Mapping[str, Any]  # as it was in that tick


def scene_of(play: Sequence[Told]) -> Scene:
    """Return true play as what a dream starts from."""
    return Scene("start", np.stack([one.frame for one in play]), np.stack([one.action for one in play]))


@dataclass(slots=True)
class Tally:
    """Counts of one measurement."""

    pointer_px: list[float] = field(default_factory=list)
    right: dict[str, list[bool]] = field(default_factory=dict)
    delays: list[int] = field(default_factory=list)
    letters: list[int] = field(default_factory=lambda: [0, 0])
    still: list[float] = field(default_factory=list)


def same(a: Frames, b: Frames) -> NDArray[np.bool_]:
    """Return which pixels (..., h, w) of two pictures are the same within ``LEVELS``."""
    return np.asarray(np.abs(a.astype(np.int16) - b).max(-1) <= LEVELS)


def measure_play(
    model: WorldModel,
    plays: Sequence[Sequence[Told]],
    judge: Judge,
    *,
    history: int,
    seed: int = 0,
    album: Album | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Dream along plays, as many at once as the model has players, and return the figures.

    Args:
        plays: true play, each longer than ``history``, which is what a dream starts from.
        judge: reads the world's pictures.
    """
    tally = Tally(right={kind: [] for kind in judge.kinds})
    for first in range(0, len(plays), model.players):
        group = plays[first : first + model.players]
        dreams = dream_along(model, group, history, seed + first)
        for play, dreamed in zip(group, dreams, strict=True):
            _judge_play(tally, play[history:], dreamed, judge, album)
        progress((first + len(group)) / len(plays))
    return figures_of(tally)


def measure_at_once(
    model: WorldModel,
    plays: Sequence[Sequence[Told]],
    judge: Judge,
    *,
    history: int,
    most: int = 2 * MANY,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Judge transitions one by one, each in a dream that starts from the true history just before it.

    So no mistake made before is held against it: beside the figures of a dream that goes on, it tells what is not
    known from what is known but lost.

    Args:
        model: for one player.
        most: transitions of a kind that are judged; the first ones.
    """
    tally = Tally(right={kind: [] for kind in judge.kinds})
    for number, play in enumerate(plays):
        for tick in range(history, len(play) - LATER):
            truth = play[tick : tick + LATER + 1]
            wanted = any(len(tally.right.get(kind, [0] * most)) < most for kind in truth[0].kinds)
            if not wanted or not _stays(truth).any():
                continue
            dreamed = dream_along(model, [play[tick - history : tick + LATER + 1]], history, seed)[0]
            judge_transition(tally, truth, dreamed, 0)
        progress((number + 1) / len(plays))
    figures = figures_of(tally)
    return {name: figures[name] for name in ("transitions", "transitions_right", "worst_kind")}


def dream_along(model: WorldModel, plays: Sequence[Sequence[Told]], history: int, seed: int) -> Frames:
    """Return the dreamed frames (n, t, h, w, 3) of plays, from tick ``history`` on."""
    for player in range(model.players):
        play = plays[min(player, len(plays) - 1)][:history]
        model.reset(player, scene_of(play), seed + player)
    drawn = []
    for tick in range(history, min(map(len, plays))):
        actions = [plays[min(player, len(plays) - 1)][tick].action for player in range(model.players)]
        drawn.append(model.step(np.stack(actions))[: len(plays)].copy())
    return np.stack(drawn, 1)


def _judge_play(tally: Tally, truth: Sequence[Told], dreamed: Frames, judge: Judge, album: Album | None) -> None:
    touched = np.zeros(dreamed.shape[1:3], np.bool_)
    for tick, told in enumerate(truth[: len(dreamed)]):
        touched |= told.changed
        if told.kinds and tick + LATER < len(dreamed):
            judge_transition(tally, truth, dreamed, tick)
        if tick % 5 == 0 and "point" in told.kinds:
            tally.pointer_px.append(judge.pointer_error_px(dreamed[tick], told.info))
    right, total = judge.letters(dreamed[-1], truth[len(dreamed) - 1].info)
    tally.letters[0] += right
    tally.letters[1] += total
    if (~touched).any():
        tally.still.append(float((dreamed[-1] == truth[0].frame).all(-1)[~touched].mean()))
    if album is not None and len(album.of("interface")) < 6:
        marks = [int(i) for i in np.linspace(0, len(dreamed) - 1, 6)]
        rows = [("truth", [truth[i].frame for i in marks]), ("dream", [dreamed[i] for i in marks])]
        album.add(Strip("interface", "The simulator, and the dream beside it", rows, [f"tick {i + 1}" for i in marks]))


def _stays(truth: Sequence[Told]) -> NDArray[np.bool_]:
    """Return what (h, w) changes in the first of some ticks and in none of the others."""
    return np.asarray(truth[0].changed & ~np.any([later.changed for later in truth[1:]], 0))


def judge_transition(tally: Tally, truth: Sequence[Told], dreamed: Frames, tick: int) -> None:
    """Judge what happened in a tick inside the region it changed, less what changes again before it is judged."""
    kinds = [kind for kind in truth[tick].kinds if kind in tally.right]
    region = _stays(truth[tick : tick + LATER + 1])
    if not kinds or not region.any():
        return
    good = bool(same(dreamed[tick + LATER], truth[tick + LATER].frame)[region].mean() >= RIGHT)
    for kind in kinds:
        tally.right[kind].append(good)
    for wait in range(min(PATIENCE, len(dreamed) - tick)):
        if same(dreamed[tick + wait], truth[tick].frame)[region].mean() >= 0.5:
            tally.delays.append(wait)
            return


def figures_of(tally: Tally) -> dict[str, Any]:
    """Return a tally as figures; a kind that never happened has none."""
    shares = {kind: sum(right) / len(right) for kind, right in tally.right.items() if right}
    every = [one for right in tally.right.values() for one in right]
    pointer = np.array(tally.pointer_px or [np.nan])
    return {
        "pointer_error_px": {"mean": float(pointer.mean()), "p50": float(np.median(pointer)), "n": len(pointer)},
        "transitions": {kind: {"right": share, "n": len(tally.right[kind])} for kind, share in shares.items()},
        "transitions_right": sum(every) / len(every) if every else None,
        "worst_kind": min(shares, key=lambda kind: shares[kind]) if shares else None,
        "ticks_to_change": {"mean": float(np.mean(tally.delays)) if tally.delays else None, "n": len(tally.delays)},
        "letters_right": tally.letters[0] / tally.letters[1] if tally.letters[1] else None,
        "letters": tally.letters[1],
        "untouched_exact": float(np.mean(tally.still)) if tally.still else None,
        "judged": {"levels": LEVELS, "region_share": RIGHT, "ticks_later": LATER, "few_below": MANY},
    }


def measure_stillness(
    model: WorldModel,
    scene: Scene,
    actions: Iterator[NDArray[np.float32]],
    touched: NDArray[np.bool_],
    ticks: Sequence[int],
) -> dict[str, float]:
    """Return, for each number of ticks, the share of pixels outside ``touched`` (h, w) that are what they were.

    Args:
        actions: without end; none of them changes anything outside of ``touched`` in the simulator.
    """
    first = model.reset(0, scene, 0).copy()
    found = {}
    for tick in range(1, max(ticks) + 1):
        frame = model.step(next(actions)[None])[0]
        if tick in ticks:
            found[str(tick)] = float((frame == first).all(-1)[~touched].mean())
    return found


def measure_recall(
    model: WorldModel, plays: Iterable[tuple[Sequence[Told], NDArray[np.bool_]]], history: int
) -> dict[str, float]:
    """Return what becomes of hidden regions over plays whose last ``AWAIT`` ticks show them again.

    A dream that never hides anything has nothing to recall: a region is ``right`` only where the dream hid it too.
    ``pixels`` is the share of right pixels at the end, ``hid`` the share of regions that were hidden.
    """
    hid, good, pixels = [], [], []
    for play, region in plays:
        dreamed = dream_along(model, [play], history, 0)[0]
        away, end = play[-AWAIT - 1].frame, play[-1].frame
        covered = region & ~same(away, end)
        hid.append(bool(same(dreamed[-AWAIT - 1], away)[covered].mean() >= RIGHT))
        right = float(same(dreamed[-1], end)[region].mean())
        good.append(hid[-1] and right >= RIGHT)
        pixels.append(right)
    return {"right": float(np.mean(good)), "pixels": float(np.mean(pixels)), "hid": float(np.mean(hid)), "n": len(good)}


def measure_used(
    model: WorldModel,
    plays: Iterable[tuple[Sequence[Told], Person]],
    judge: Judge,
    progress: Callable[[int], None] = lambda ticks: None,
) -> dict[str, Any]:
    """Return which letters are read back rightly at the end of plays of ``judge.used_plays``, which may be long.

    Args:
        plays: true play, and who acts on what is dreamed from its end on.
        progress: is told how many ticks are dreamed.
    """
    counts, ticks = [], 0
    for shown, person in plays:
        model.reset(0, scene_of(shown), 0)
        action, info = next(person)
        while True:
            frame = model.step(action[None])[0]
            progress(ticks := ticks + 1)
            try:
                action, info = person.send(frame)
            except StopIteration:
                break
        counts.append(judge.letters(frame, info))
    right, total = sum(one[0] for one in counts), sum(one[1] for one in counts)
    return {"right": right / total if total else None, "n": total, "plays": [list(one) for one in counts]}
