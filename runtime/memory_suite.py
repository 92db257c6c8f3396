"""The parts of the memory suite: finds places in the simulator, has model/eval_*.py dream them, gathers the figures.

Every part stands alone, is handed over as soon as it is done, and is not done again when it is there already, so that a
suite of hours may be stopped. Knows nothing about how a model remembers.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dreamloop.input.errors import unknown
from dreamloop.model.album import Album
from dreamloop.model.eval_changes import measure_changes
from dreamloop.model.eval_control import Press
from dreamloop.model.eval_hysteresis import measure_hysteresis, pairs_of, there_and_back
from dreamloop.model.eval_memory import ARMS, GAPS, Keep, Revisit, measure_revisits
from dreamloop.model.eval_play import EvaluationError
from dreamloop.model.memory import DEFAULT_POLICY
from dreamloop.model.world_model import WorldModel
from dreamloop.runtime import revisits
from dreamloop.runtime.walker import can_walk
from dreamloop.runtime.world import World

RETRACE_GAPS = (16, 32, 64, 128, 256)  # ticks
CHANGE_WAY = 400  # ticks of the scripted player's, after the context, in which it must change something
PARTS = ("turning", "walking", "retrieval", "hysteresis", "changes", "roaming")

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class MemorySize:
    """How much is measured. Ticks are those of each place."""

    places: int = 8  # to come back to by turning, as many by walking, and scenes to roam
    ticks: int = 8192  # that the memory one plays with is dreamed for
    other_ticks: int = 1024  # that the other policies are: they lose soon, and time is dear
    retraced: int = 12  # ways that are gone back
    turned: int = 8  # places of the hysteresis
    changes: int = 24  # things changed

    def shorter(self, factor: float) -> "MemorySize":
        """Return a size of about ``factor`` times the work."""
        few = max(factor**0.5, 0.25)  # places and ticks both
        return MemorySize(
            places=max(round(self.places * few), 2),
            ticks=max(_power(self.ticks * factor / few), 128),
            other_ticks=max(min(_power(self.other_ticks * factor / few), self.other_ticks), 128),
            retraced=max(round(self.retraced * factor), 2),
            turned=max(round(self.turned * factor), 2),
            changes=max(round(self.changes * factor), 2),
        )


def _power(ticks: float) -> int:
    """Return the greatest power of two that is not above ``ticks``."""
    return 1 << (max(int(ticks), 1).bit_length() - 1)


def choose_parts(names: Iterable[str]) -> tuple[str, ...]:
    """Return the parts of these names in their usual order, all for no names; a name may hold several with commas.

    Raises:
        EvaluationError: a part that does not exist; the sentence lists those that do.
    """
    asked = [name.strip() for text in names for name in text.split(",") if name.strip()]
    for name in asked:
        if name not in PARTS:
            raise EvaluationError(unknown("part of the memory suite", name, PARTS))
    return tuple(name for name in PARTS if name in asked or not asked)


@dataclass(frozen=True, slots=True)
class Suite:
    """What the parts share."""

    world: World
    size: MemorySize
    open: Callable[[str, int], WorldModel]  # a policy and a number of players
    press: Press  # turns the player
    context: int  # true ticks that a dream starts from
    seed: int
    workers: int
    album: Album
    progress: Progress
    keep: Keep

    def run(self, parts: tuple[str, ...], have: Mapping[str, Any]) -> dict[str, Any]:
        """Return the figures of ``parts``, and of all parts that ``have`` holds whole, which are taken from there."""
        size = self.size
        figures: dict[str, Any] = {
            "control": self.press.control,
            "history_ticks": self.context,
            "seed": self.seed,
            "monsters": not self.world.can_leave_out_monsters(),
            "arm_ticks": self._arms(),
            "places": size.places,
        }
        work = {
            "turning": self._turning,
            "walking": self._walking,
            "retrieval": self._retrieval,
            "hysteresis": self._hysteresis,
            "changes": self._changes,
            "roaming": self._roaming,
        }
        for name in PARTS:
            before, there = figures, have.get(name)
            if there and not there.get("partial"):
                figures = figures | {name: there}
            if name in figures or name not in parts:
                continue
            self.progress(f"memory, {name}: places", 0.0)
            try:
                done = work[name](self._keeper(name, before))
            except EvaluationError as error:  # the other parts are worth having
                done = {"not_measured": str(error)}
            figures = figures | {name: done}
            self.keep(figures | {"partial": True})
        return figures | _headline(figures)

    def _keeper(self, name: str, before: Mapping[str, Any]) -> Keep:
        """Return what hands over the figures of a part that is under way, beside those of the parts before it."""
        return lambda part: self.keep({**before, name: dict(part), "partial": True})

    def _arms(self) -> dict[str, int]:
        others = min(self.size.other_ticks, self.size.ticks)
        return {arm: self.size.ticks if arm == DEFAULT_POLICY else others for arm in ARMS}

    def _turning(self, keep: Keep) -> dict[str, Any]:
        return self._revisits("turning", "Turned away and back", revisits.turning, self.press, keep)

    def _walking(self, keep: Keep) -> dict[str, Any]:
        self._check_walk()
        return self._revisits("walking", "Walked away and home", revisits.walking, None, keep)

    def _roaming(self, keep: Keep) -> dict[str, Any]:
        self._check_walk()
        gaps = [gap for gap in GAPS if gap <= self.size.ticks]
        plan = revisits.plan_of(self.world, self.context, self.size.ticks, gaps)
        told: Callable[[float], None] = lambda share: self.progress("memory, roaming: places", share)  # noqa: E731
        found = revisits.find_in_scenes(self.world, plan, self.size.places, told, self.workers)
        return self._dream("roaming", "Walked about in a scene", found, self._arms(), gaps, keep)

    def _check_walk(self) -> None:
        if not can_walk(self.world.schema):
            raise EvaluationError("walking needs a pair of opposites and an axis in degrees, which the schema has not")

    def _revisits(
        self, name: str, title: str, go: Callable[[revisits.Plan], Any], press: Press | None, keep: Keep
    ) -> dict[str, Any]:
        gaps = [gap for gap in GAPS if gap <= self.size.ticks]
        plan = revisits.plan_of(self.world, self.context, self.size.ticks, gaps, press)
        found = self._find(go, plan, self.size.places, name)
        return self._dream(name, title, found, self._arms(), gaps, keep)

    def _retrieval(self, keep: Keep) -> dict[str, Any]:
        ticks = min(self.context, max(RETRACE_GAPS)) - 2
        plan = revisits.plan_of(self.world, self.context, max(ticks, 1), RETRACE_GAPS)
        found = self._find(revisits.retracing, plan, self.size.retraced, "retrieval")
        arms = dict.fromkeys(self._arms(), ticks)
        return self._dream("retrieval", "The way back", found, arms, list(RETRACE_GAPS), keep)

    def _dream(
        self, name: str, title: str, found: list[Revisit], arms: Mapping[str, int], gaps: list[int], keep: Keep
    ) -> dict[str, Any]:
        return measure_revisits(
            lambda policy: self.open(policy, len(found)),
            found,
            arms=arms,
            gaps=gaps,
            seed=self.seed,
            album=self.album,
            title=title,
            keep=keep,
            progress=lambda share: self.progress(f"memory, {name}", share),
        )

    def _hysteresis(self, keep: Keep) -> dict[str, Any]:
        actions = there_and_back(self.press.action)
        plan = revisits.plan_of(self.world, self.context, len(actions), press=self.press)
        found = self._find(revisits.standing, plan, self.size.turned, "hysteresis")
        truth = np.stack([pairs_of(frames) for _, frames in found])
        return measure_hysteresis(
            lambda policy: self.open(policy, len(found)),
            [scene for scene, _ in found],
            actions,
            truth,
            arms=list(self._arms()),
            seed=self.seed,
            album=self.album,
            progress=lambda share: self.progress("memory, hysteresis", share),
        )

    def _changes(self, keep: Keep) -> dict[str, Any]:
        plan = revisits.plan_of(self.world, self.context, 0, press=self.press, way=self.context + CHANGE_WAY)
        cases = self._find(revisits.changing, plan, self.size.changes, "changes")
        return measure_changes(
            lambda policy: self.open(policy, len(cases)),
            cases,
            arms=list(self._arms()),
            seed=self.seed,
            album=self.album,
            progress=lambda share: self.progress("memory, changes", share),
        )

    def _find(self, go: Callable[[revisits.Plan], Any], plan: revisits.Plan, count: int, name: str) -> list[Any]:
        number = PARTS.index(name)
        return revisits.find(
            go,
            plan,
            count,
            self.seed + 31 * number,
            f"places for '{name}'",
            lambda share: self.progress(f"memory, {name}: places", share),
            self.workers,
        )


def _headline(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures that are quoted: the memory's curve over all walks and turns, what stays changed."""
    ways = [figures[name] for name in ("turning", "walking", "roaming") if "arms" in figures.get(name, {})]
    headline: dict[str, Any] = {}
    if ways:
        headline["forgetting"] = _pooled([way["arms"].get(DEFAULT_POLICY, {}) for way in ways])
        curve = [row["psnr_db"] for row in headline["forgetting"].values()]
        headline["forgetting_db"] = curve[0] - curve[-1] if curve else None
    if DEFAULT_POLICY in figures.get("changes", {}).get("arms", {}):
        headline["changed_state"] = figures["changes"]["arms"][DEFAULT_POLICY]["kept"]
    return headline


def _pooled(curves: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the mean of curves by gap, every place counting once, where all of them reach."""
    pooled = {}
    for gap in curves[0]:
        rows = [curve[gap] for curve in curves if gap in curve]
        if len(rows) == len(curves):
            n = sum(row["n"] for row in rows)
            mean = sum(row["n"] * row["psnr_db"] for row in rows) / n
            ci = sum((row["n"] * row["ci_db"]) ** 2 for row in rows) ** 0.5 / n
            pooled[gap] = {"psnr_db": mean, "ci_db": ci, "n": n}
    return pooled
