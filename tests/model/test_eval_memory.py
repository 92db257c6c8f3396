"""The memory suite's figures on a world that is easy to know: who remembers wins, who does not is found out."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dreamloop.model.album import Album
from dreamloop.model.eval_changes import Change, changed_region, counts, kept, measure_changes
from dreamloop.model.eval_hysteresis import GAPS as PAIR_GAPS
from dreamloop.model.eval_hysteresis import OUT, REST, measure_hysteresis, pair_at, pairs_of, there_and_back
from dreamloop.model.eval_memory import CHANGED_DB, KEPT, PERIOD, Revisit, gap_of, measure_revisits, sweep, thin
from dreamloop.model.found_again import Camera, PageRead, found_again_db
from dreamloop.model.picture_figures import PSNR_CAP_DB

PRESS = np.array([0, 0, 1 / 3], np.float32)  # rolls the picture by a pixel


def visit_of(pattern: Any, ticks: int = 256) -> Revisit:
    """A place of the pattern world: away and back by rolling."""
    play = pattern.play(12, "place")
    scene, actions = play.scene(12, 4), sweep(PRESS, ticks)
    frames, poses = pattern.follow(np.concatenate([np.zeros((1, 3), np.float32), actions]), scene.frames[-1])
    returns = np.arange(PERIOD, ticks + 1, PERIOD)
    seen = np.repeat(scene.frames[-1:], len(returns), 0)
    return Revisit(scene, actions, returns, frames[returns], seen, poses[1:])


def test_a_return_counts_for_the_least_gap_that_it_does_not_exceed() -> None:
    """A return after 65 ticks once counted as one after 64, which is harder."""
    gaps = (64, 128, 256)
    assert [gap_of(ticks, gaps) for ticks in (32, 33, 64, 65, 128, 256, 257)] == [None, 64, 64, 128, 128, 256, None]


def test_a_view_that_the_world_changed_is_no_return(pattern: Any) -> None:
    """A door that closed by itself meanwhile cannot be remembered."""
    visit = visit_of(pattern)
    truth = visit.truth.copy()
    truth[1] = 255 - truth[1]
    other = Revisit(visit.scene, visit.actions, visit.ticks, truth, visit.seen, visit.poses)
    assert thin(other, (64, 128, 256)).ticks.tolist() == [64, 192, 256]
    assert CHANGED_DB < PSNR_CAP_DB


def test_of_many_returns_in_a_gap_the_latest_few_count(pattern: Any) -> None:
    visit = visit_of(pattern, 1024)
    assert thin(visit, (1024,)).ticks.tolist() == [1024 - PERIOD * i for i in reversed(range(KEPT))]


def test_a_perfect_memory_reaches_the_cap_and_a_frozen_one_what_a_copy_does(
    pattern: Any, make_pattern_model: Callable[..., Any]
) -> None:
    visits = [visit_of(pattern) for _ in range(3)]
    grey = lambda before, after: np.full_like(after, 128)  # noqa: E731
    models = {"renewing": lambda: make_pattern_model(3), "none": lambda: make_pattern_model(3, mend=grey)}
    told: list[Mapping[str, Any]] = []
    album = Album()
    figures = measure_revisits(
        lambda arm: models[arm](),
        visits,
        arms={"renewing": 256, "none": 128},
        gaps=(64, 128, 256),
        album=album,
        title="rolled",
        keep=told.append,
    )
    assert figures["arms"]["renewing"]["256"]["psnr_db"] == pytest.approx(PSNR_CAP_DB, abs=0.01)
    assert figures["arms"]["renewing"]["256"]["n"] == 3
    assert "256" not in figures["arms"]["none"], "it was not dreamed for so long"
    assert figures["arms"]["none"]["64"]["psnr_db"] < 15
    assert figures["arms"]["copy_last"] == figures["arms"]["copy_seen"]
    assert figures["gain_db"].keys() == {"64", "128"}
    assert figures["forgetting_db"] == pytest.approx(0)
    assert "pose_drift" not in figures, "this model reckons no pose"
    assert len(told) == 2
    assert told[0]["partial"]
    (first, *_) = album.strips
    assert [name for name, _ in first.rows] == ["first visit", "truth", "renewing", "none"]
    assert first.columns == ["64", "128", "256"]


def test_more_places_than_players_are_dreamed_in_turns(pattern: Any, make_pattern_model: Callable[..., Any]) -> None:
    """The frames of a second batch were once put where the first one's lay."""
    visits = [visit_of(pattern) for _ in range(3)]
    figures = measure_revisits(lambda arm: make_pattern_model(2), visits, arms={"renewing": 256}, gaps=(64, 256))
    assert figures["arms"]["renewing"]["64"] | {"ticks": 0} == figures["arms"]["renewing"]["256"] | {"ticks": 0}
    assert figures["arms"]["renewing"]["64"]["psnr_db"] == pytest.approx(PSNR_CAP_DB, abs=0.01)


def test_the_drift_of_a_reckoned_pose_is_told(pattern: Any, make_pattern_model: Callable[..., Any]) -> None:
    visits = [visit_of(pattern) for _ in range(2)]
    model = make_pattern_model(2)
    model.pose = lambda player: np.array([3.0, 4.0, 90.0 + 358.0, 0.0])
    figures = measure_revisits(lambda arm: model, visits, arms={"renewing": 256}, gaps=(64, 256))
    assert figures["pose_drift"]["64"]["n"] == 2
    assert figures["pose_drift"]["64"]["position_units"] == pytest.approx(5.0)
    assert figures["pose_drift"]["64"]["yaw_deg"] == pytest.approx(2.0), "358 degrees is 2 the other way"


def test_the_way_back_meets_the_way_out() -> None:
    """An odd middle would compare neighbours instead of the same view."""
    actions = there_and_back(PRESS)
    at = np.cumsum(actions[:, 2])
    for gap in PAIR_GAPS:
        out, back = pair_at(gap)
        assert back - out == gap
        assert at[out] == pytest.approx(at[back], abs=1e-5)
    assert len(actions) == REST + 2 * OUT


def test_hysteresis_of_a_perfect_dream_is_the_simulators_own(
    pattern: Any, make_pattern_model: Callable[..., Any]
) -> None:
    scene, actions = pattern.play(12).scene(12, 4), there_and_back(PRESS)
    frames, _ = pattern.follow(np.concatenate([np.zeros((1, 3), np.float32), actions]), scene.frames[-1])
    truth = pairs_of(frames[1:])[None]
    figures = measure_hysteresis(lambda arm: make_pattern_model(1), [scene], actions, truth, arms=["renewing"])
    assert figures["arms"]["renewing"] == figures["arms"]["simulator"]
    assert figures["arms"]["renewing"]["64"]["psnr_db"] == pytest.approx(PSNR_CAP_DB, abs=0.01)


def lamp(pattern: Any) -> Change:
    """A corner that was switched on while it was in view."""
    scene, actions = pattern.play(12).scene(12, 4), sweep(PRESS, 2 * PERIOD)
    unchanged = np.repeat(scene.frames[-1:], 2, 0)
    changed = unchanged.copy()
    changed[:, :8, :8] = 255 - changed[:, :8, :8]
    lit = scene.frames.copy()
    lit[-1] = changed[0]
    return Change("use", type(scene)("lamp", lit, scene.actions), actions, changed, unchanged)


def test_what_was_changed_must_be_found_changed(pattern: Any, make_pattern_model: Callable[..., Any]) -> None:
    cases = [lamp(pattern) for _ in range(3)]
    forgets: list[NDArray[np.uint8]] = [case.unchanged[0] for case in cases]
    models = {
        "renewing": lambda: make_pattern_model(3),
        "none": lambda: make_pattern_model(3, mend=lambda before, after: forgets[0]),
    }
    album = Album()
    figures = measure_changes(lambda arm: models[arm](), cases, arms=["renewing", "none"], album=album)
    assert figures["controls"] == {"use": 3}
    assert figures["arms"]["renewing"]["kept"] == {"share": 1.0, "ci": 0.0, "n": 3}
    assert set(figures["arms"]["renewing"]["by_return"]) == {"64", "128"}
    assert kept(cases[0], np.stack([forgets[0]] * 2)) == [False, False]
    assert len(album.strips) == 3


def test_a_change_that_is_undone_or_too_small_is_not_asked_about() -> None:
    a = np.zeros((3, 40, 40, 3), np.uint8)
    b = a.copy()
    b[1, :10, :10] = 99
    b[2] = 99
    assert counts(a, b).tolist() == [False, True, False]
    assert changed_region(a, b)[1].sum() == 100


def test_a_page_is_found_again_where_it_lies_and_not_elsewhere() -> None:
    """A page must be laid by the turn between the poses before it is compared."""
    rng = np.random.default_rng(0)
    camera = Camera(90.0, 1.6)
    page = np.repeat(np.repeat(rng.integers(0, 256, (12, 16, 3), np.uint8), 8, 0), 8, 1)
    read = PageRead(page, np.zeros(4), 400)
    here = found_again_db(page, np.zeros(4), read, camera)
    assert here is not None
    assert here > 40
    turned = found_again_db(page, np.array([0, 0, 9.0, 0]), read, camera)
    assert turned is not None
    assert turned < 20
    assert found_again_db(page, np.array([0, 0, 60.0, 0]), read, camera) is None, "hardly in view"
    assert found_again_db(page, np.array([99.0, 0, 0, 0]), read, camera) is None, "another perspective"
