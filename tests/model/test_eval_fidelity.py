"""Fidelity: perfect and still models whose figures are known beforehand; the same starts for any number of players."""

from typing import Any

import numpy as np
import pytest

from dreamloop.model.album import Album
from dreamloop.model.eval_fidelity import measure_fidelity
from dreamloop.model.eval_play import EvaluationError, draw_starts
from dreamloop.model.picture_figures import PSNR_CAP_DB


def test_a_perfect_model_reaches_the_cap(pattern: Any, make_pattern_model: Any) -> None:
    plays = [pattern.play(40, "a"), pattern.play(40, "b")]
    figures = measure_fidelity(make_pattern_model(), plays, starts=20)
    assert figures["psnr_db"] == pytest.approx(PSNR_CAP_DB, abs=0.01)
    assert figures["ssim"] == pytest.approx(1.0)
    assert figures["copy_last_psnr_db"] < figures["psnr_db"]
    assert figures["gain_db"] == pytest.approx(figures["psnr_db"] - figures["copy_last_psnr_db"])
    assert figures["codec_psnr_db"] is None
    assert (figures["starts"], figures["plays"], figures["spacing_ms"]) == (20, 2, 40.0)


def test_a_frozen_model_is_as_good_as_copying(pattern: Any, make_pattern_model: Any) -> None:
    frozen = make_pattern_model(mend=lambda before, after: before)
    figures = measure_fidelity(frozen, [pattern.play(60)], starts=30)
    assert figures["psnr_db"] == figures["copy_last_psnr_db"]
    assert figures["ssim"] == figures["copy_last_ssim"]
    assert figures["moving"]["share"] < 1.0
    assert figures["moving"]["psnr_db"] < figures["psnr_db"], "still pictures must not hide in the mean"


@pytest.mark.parametrize("players", [1, 7])
def test_the_number_of_players_changes_no_figure(pattern: Any, make_pattern_model: Any, players: int) -> None:
    """Guards against the last batch, which is filled up, leaking into the figures; and against its seeds."""
    dim = lambda before, after: (after // 2).astype(np.uint8)  # noqa: E731
    play = pattern.play(40)
    model = make_pattern_model(players, mend=dim)
    assert measure_fidelity(model, [play], starts=10) == measure_fidelity(
        make_pattern_model(3, mend=dim), [play], starts=10
    )
    assert {(name, seed) for _, name, seed in model.resets} == {
        (name, seed) for seed, (name) in enumerate(dict.fromkeys(name for _, name, _ in model.resets))
    }


def test_starts_are_different_and_leave_room(pattern: Any) -> None:
    plays = [pattern.play(20, "a"), pattern.play(12, "b")]
    starts = draw_starts(plays, 12, context=8, ahead=3, seed=0)
    assert len({(start.play.name, start.at) for start in starts}) == 12
    assert all(start.at >= 8 and start.at + 3 <= len(start.play.frames) for start in starts)
    assert {start.play.name for start in starts} == {"a", "b"}


def test_too_little_play_is_said_in_one_sentence(pattern: Any, make_pattern_model: Any) -> None:
    with pytest.raises(EvaluationError, match=r"99 starts .* holds 8"):
        measure_fidelity(make_pattern_model(), [pattern.play(10)], starts=99)


def test_the_strip_shows_truth_above_dream(pattern: Any, make_pattern_model: Any) -> None:
    album = Album()
    measure_fidelity(make_pattern_model(), [pattern.play(40)], starts=9, album=album)
    (strip,) = album.of("fidelity")
    assert [name for name, _ in strip.rows] == ["before", "truth", "dream"]
    assert np.array_equal(strip.rows[1][1][0], strip.rows[2][1][0])
    assert strip.picture(gap_px=2).shape == (3 * 34 - 2, 8 * 50 - 2, 3)
