"""Drift: frozen, grey and perfect dreams are called what they are."""

from typing import Any

import numpy as np
import pytest
import torch

from dreamloop.model.album import Album
from dreamloop.model.eval_drift import AHEAD, Wander, judge, measure_drift, roll_out
from dreamloop.model.eval_play import EvaluationError
from dreamloop.model.look import Look, LookMeter, RealLooks, look_of
from dreamloop.model.picture_figures import PSNR_CAP_DB


def wander(pattern: Any, stretches: int = 4) -> Wander:
    plays = [pattern.play(60) for _ in range(stretches)]
    actions = np.concatenate([play.actions[1:] for play in plays])
    return Wander(actions, [look_of(play.frames) for play in plays], 60)


def measure(pattern: Any, model: Any, album: Album | None = None) -> dict[str, Any]:
    plays = [pattern.play(100, "a"), pattern.play(100, "b")]
    return measure_drift(model, plays, wander(pattern), starts=6, ticks=100, album=album)


def test_a_perfect_dream_neither_drifts_nor_collapses(pattern: Any, make_pattern_model: Any) -> None:
    figures = measure(pattern, make_pattern_model())
    assert list(figures["psnr_db_at"]) == [str(k) for k in AHEAD]
    assert all(db == pytest.approx(PSNR_CAP_DB, abs=0.01) for db in figures["psnr_db_at"].values())
    assert all(figures["copy_first_psnr_db_at"][k] < figures["psnr_db_at"][k] for k in figures["psnr_db_at"])
    assert len(figures["windows"]) == 10
    assert all(window["sharpness_ratio"] == pytest.approx(1.0, abs=0.02) for window in figures["windows"])
    assert figures["D"] == pytest.approx(0.0, abs=0.02)
    assert (figures["scenes"], figures["ticks"], figures["minutes"]) == (3, 100, pytest.approx(100 / 25 / 60))


def test_what_is_done_is_handed_over_window_by_window(pattern: Any, make_pattern_model: Any) -> None:
    """A suite of a quarter of an hour that was stopped once had nothing to show."""
    told: list[Any] = []
    plays = [pattern.play(100, "a"), pattern.play(100, "b")]
    whole = measure_drift(make_pattern_model(), plays, wander(pattern), starts=6, ticks=100, keep=told.append)
    assert "windows" not in told[0]
    assert "psnr_db_at" in told[0]
    assert [len(one["windows"]) for one in told[1:]] == list(range(1, 11))
    assert told[-1] == whole


def test_a_frozen_dream_has_no_motion_and_says_so(pattern: Any, make_pattern_model: Any) -> None:
    """Guards against calling a still picture stable: its sharpness and colours are perfect."""
    figures = measure(pattern, make_pattern_model(mend=lambda before, after: before))
    assert all(window["motion_ratio"] == 0.0 for window in figures["windows"])
    assert figures["windows_frozen"] == 10
    assert figures["windows"][0]["scenes_frozen"] == 3


def test_a_dream_that_fades_to_grey_has_collapsed(pattern: Any, make_pattern_model: Any) -> None:
    def fade(before: Any, after: Any) -> Any:
        return (after * 0.9 + 12.8).astype(np.uint8)

    figures = measure(pattern, make_pattern_model(mend=fade))
    last = figures["windows"][-1]
    assert last["collapsed"]
    assert last["scenes_collapsed"] == 3
    assert last["sharpness_ratio"] < 0.1
    assert last["colour_distance"] > figures["real"]["colour_distance_max"]
    assert figures["D"] > 0.8


def test_one_collapsed_scene_is_enough() -> None:
    """Guards against a mean over scenes that hides the one that died."""
    flat = torch.zeros(3, 256)
    flat[:, 100] = 1.0
    real = RealLooks([Look(4.0, 1.0, flat), Look(6.0, 3.0, flat)])
    good, dead = Look(5.0, 2.0, flat), Look(0.1, 2.0, flat)
    figures = judge([[good] * 4, [good, good, good, dead]], real)
    assert [window["collapsed"] for window in figures["windows"]] == [False, True]
    assert figures["windows"][1]["scenes_collapsed"] == 1
    assert figures["windows_collapsed"] == 1
    assert figures["windows"][0]["sharpness_ratio"] == pytest.approx(1.0)
    assert figures["real"]["sharpness_ratio_range"] == pytest.approx([0.8, 1.2])
    worst = (3 * 5.0 + 0.1) / 4 / 5.0
    assert figures["D"] == pytest.approx(1 - worst)


def test_too_sharp_is_a_collapse_too() -> None:
    flat = torch.zeros(3, 256)
    real = RealLooks([Look(4.0, 1.0, flat), Look(6.0, 3.0, flat)])
    assert real.collapsed(Look(6.1, 2.0, flat))
    assert not real.collapsed(Look(6.0, 2.0, flat))
    assert real.frozen(Look(5.0, 0.9, flat))


def test_the_meter_gathers_players_side_by_side() -> None:
    before, after = np.zeros((2, 12, 12, 3), np.uint8), np.zeros((2, 12, 12, 3), np.uint8)
    after[1] = 8
    meter = LookMeter()
    meter.add(before, after)
    meter.add(after, after)
    still, moved = meter.read()
    assert (still.motion_levels, moved.motion_levels) == (0.0, 4.0)
    assert float(moved.colours[0, 8]) == pytest.approx(1.0)
    assert len(meter) == 0


def test_every_scene_begins_elsewhere_in_the_script() -> None:
    actions = np.arange(10, dtype=np.float32)[:, None]
    script = roll_out(actions, 2, 12)
    assert script[:, 0, 0].tolist() == [0.0, 5.0]
    assert script[1, :, 0].tolist() == [5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6]


def test_too_few_ticks_for_ten_windows(pattern: Any, make_pattern_model: Any) -> None:
    with pytest.raises(EvaluationError, match="10 windows need 20"):
        measure_drift(make_pattern_model(), [pattern.play(100)], wander(pattern), starts=2, ticks=15)


def test_strips_show_truth_above_dream_and_every_window(pattern: Any, make_pattern_model: Any) -> None:
    album = Album()
    measure(pattern, make_pattern_model(), album)
    *ahead, free = album.of("drift")
    assert len(ahead) == 4
    assert [name for name, _ in ahead[0].rows] == ["truth", "dream"]
    assert len(free.rows) == 3
    assert [len(frames) for _, frames in free.rows] == [10, 10, 10]
