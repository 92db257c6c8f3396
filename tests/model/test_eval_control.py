"""Control: an obedient dream scores 1, a contrary one 0, a frozen one 0; walls do not count."""

from typing import Any

import numpy as np
import pytest

from dreamloop.input.schema import ActionSchema
from dreamloop.model.album import Album
from dreamloop.model.eval_control import Place, measure_control, measure_delta, measure_reader, opposite_pairs
from dreamloop.model.eval_play import EvaluationError
from dreamloop.model.world_model import Scene

HOLD = 4


def places(pattern: Any, count: int = 5, wall: bool = False) -> list[Place]:
    """Places of the pattern world; with ``wall``, the first one lets nobody move forward."""
    made = []
    presses = [press for pair in opposite_pairs(pattern.schema) for press in pair.presses]
    for i in range(count):
        play = pattern.play(6, f"place {i}")
        held = {}
        for press in presses:
            action = np.zeros(3, np.float32) if wall and i == 0 and press.name == "forward" else press.action
            frames, poses = pattern.follow(np.stack([action] * (HOLD + 1)), play.frames[-1])
            held[press.name] = (frames[1:], poses)
        made.append(Place(Scene(play.name, play.frames, play.actions), held))
    return made


def measure(pattern: Any, model: Any, oracle: Any, **options: Any) -> dict[str, Any]:
    plays = [pattern.play(60, "a"), pattern.play(60, "b")]
    return measure_control(model, places(pattern), plays, oracle, pattern.schema, starts=8, **options)


def test_pairs_are_the_schemas_opposites_and_the_ends_of_every_axis(pattern: Any) -> None:
    pairs = opposite_pairs(pattern.schema)
    assert [pair.name for pair in pairs] == ["forward/back", "turn-/+"]
    low, high = pairs[1].presses
    assert (low.name, low.sign, high.name, high.sign) == ("turn-", -1, "turn+", 1)
    assert low.action.tolist() == pytest.approx([0, 0, -1 / 3])
    assert high.action.tolist() == pytest.approx([0, 0, 1 / 3])


def test_a_schema_without_opposites_has_no_kctrl() -> None:
    schema = ActionSchema.from_dict(
        {"format": 1, "name": "one", "control": [{"name": "go", "kind": "button", "help": "go", "keys": ["w"]}]}
    )
    with pytest.raises(EvaluationError, match="'one' has no opposite controls"):
        opposite_pairs(schema)


def test_an_obedient_dream_scores_one(pattern: Any, make_pattern_model: Any, oracle: Any) -> None:
    figures = measure(pattern, make_pattern_model(), oracle)
    assert (figures["kctrl"], figures["kctrl_ceiling"]) == (1.0, 1.0)
    assert figures["pairs"]["forward/back"]["places"] == 5
    assert figures["pairs"]["turn-/+"]["motion"] == "turn"
    assert figures["idm_accuracy"] == 1.0
    assert figures["delta_psnr_db"] > 5
    assert figures["hold_ticks"] == HOLD


def test_a_contrary_dream_scores_nothing(pattern: Any, make_pattern_model: Any, oracle: Any) -> None:
    """Guards against swapped signs, which users of published models have met."""
    figures = measure(pattern, make_pattern_model(sign=-1), oracle)
    assert (figures["kctrl"], figures["kctrl_ceiling"]) == (0.0, 1.0)


def test_a_frozen_dream_scores_nothing(pattern: Any, make_pattern_model: Any, oracle: Any) -> None:
    figures = measure(pattern, make_pattern_model(mend=lambda before, after: before), oracle)
    assert figures["kctrl"] == 0.0
    assert figures["delta_psnr_db"] == 0.0


def test_a_dream_that_only_turns_scores_half(pattern: Any, make_pattern_model: Any, oracle: Any) -> None:
    class OnlyTurns(make_pattern_model):  # type: ignore[misc]
        def step(self, actions: Any) -> Any:
            return super().step(actions * np.array([0, 0, 1], np.float32))

    figures = measure(pattern, OnlyTurns(), oracle)
    assert figures["kctrl"] == 0.5
    assert figures["pairs"]["forward/back"]["kctrl"] == 0.0
    assert figures["pairs"]["turn-/+"]["kctrl"] == 1.0


def test_a_place_before_a_wall_does_not_count(pattern: Any, make_pattern_model: Any, oracle: Any) -> None:
    plays = [pattern.play(60)]
    walled = places(pattern, 5, wall=True)
    figures = measure_control(make_pattern_model(), walled, plays, oracle, pattern.schema, starts=8)
    assert figures["pairs"]["forward/back"]["places"] == 4
    assert figures["pairs"]["turn-/+"]["places"] == 5
    assert figures["kctrl"] == 1.0


def test_without_poses_every_place_counts(pattern: Any, make_pattern_model: Any, oracle: Any) -> None:
    blind = [
        Place(
            place.scene, {name: (frames, np.full_like(poses, np.nan)) for name, (frames, poses) in place.held.items()}
        )
        for place in places(pattern)
    ]
    figures = measure_control(make_pattern_model(), blind, [pattern.play(60)], oracle, pattern.schema, starts=8)
    assert figures["pairs"]["forward/back"]["places"] == 5


def test_a_reader_that_knows_no_motion_is_said(pattern: Any, make_pattern_model: Any, oracle: Any) -> None:
    oracle.drives = {"turn": ("turn", 1)}
    with pytest.raises(EvaluationError, match="no motion that 'forward/back' drives"):
        measure(pattern, make_pattern_model(), oracle)


def test_a_wrong_reader_has_its_accuracy_printed(pattern: Any, oracle: Any) -> None:
    class Lies:
        motions, drives = oracle.motions, oracle.drives

        def displacement(self, frames: Any) -> Any:
            return oracle.displacement(frames) * np.array([1, 1, -1, 1], np.float32)

    row = measure_reader(Lies(), [pattern.play(80)], HOLD)
    assert row["idm"]["ahead"]["sign_accuracy"] == 1.0
    assert row["idm"]["turn"]["sign_accuracy"] == 0.0
    assert row["idm"]["look"]["sign_accuracy"] is None, "nothing looked up, so there is nothing to be right about"
    assert row["idm_accuracy"] == 0.5
    assert row["idm"]["ahead"]["variance_explained"] == pytest.approx(1.0)


def test_delta_is_the_same_for_the_same_seed(pattern: Any, make_pattern_model: Any) -> None:
    plays = [pattern.play(60)]
    once, again = (measure_delta(make_pattern_model(n), plays, 8, seed=3) for n in (2, 5))
    assert once == again


def test_the_album_shows_both_presses(pattern: Any, make_pattern_model: Any, oracle: Any) -> None:
    album = Album()
    measure(pattern, make_pattern_model(), oracle, album=album)
    strips = album.of("control")
    assert len(strips) == 2
    assert [name for name, _ in strips[0].rows] == ["forward: truth", "forward: dream", "back: truth", "back: dream"]
