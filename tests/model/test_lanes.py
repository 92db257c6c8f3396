"""Lanes: several copies are one model with more players, and nobody can tell."""

from typing import Any

import numpy as np
import pytest

from dreamloop.model.lanes import Lanes
from dreamloop.model.world_model import Frame, ModelError, ModelState, WorldModel


def test_lanes_dream_what_one_model_dreams(pattern: Any, make_pattern_model: Any) -> None:
    """Guards against players that are mixed up between lanes."""
    play = pattern.play(30)
    one, lanes = make_pattern_model(4), Lanes(make_pattern_model, 4, 2)
    assert isinstance(lanes, WorldModel)
    for model in (one, lanes):
        for player in range(4):
            model.reset(player, play.scene(5 + 4 * player, 8), player)
    actions = np.stack([play.actions[i : i + 6] for i in (3, 9, 14, 20)])
    for tick in range(6):
        assert np.array_equal(one.step(actions[:, tick]), lanes.step(actions[:, tick]))


def test_a_state_goes_from_lane_to_lane(pattern: Any, make_pattern_model: Any) -> None:
    class Remembers(make_pattern_model):  # type: ignore[misc]
        def save(self, player: int) -> ModelState:
            return ModelState("pattern", "", 0, {"shown": self.shown[player].copy()})

        def load(self, player: int, state: ModelState) -> Frame:
            self.shown[player] = state.values["shown"]
            return state.values["shown"]  # type: ignore[no-any-return]

    play = pattern.play(30)
    lanes = Lanes(Remembers, 2, 2)
    for player in range(2):
        lanes.reset(player, play.scene(10 + 9 * player, 8), player)
    shown = lanes.load(1, lanes.save(0))
    assert np.array_equal(shown, play.frames[9])
    frames = lanes.step(np.repeat(play.actions[10:11], 2, 0))
    assert np.array_equal(frames[0], frames[1])


def test_players_must_divide_and_exist(make_pattern_model: Any) -> None:
    with pytest.raises(ModelError, match="3 players do not divide into 2 lanes"):
        Lanes(make_pattern_model, 3, 2)
    with pytest.raises(ModelError, match="player 2 does not exist"):
        Lanes(make_pattern_model, 2, 2).reset(2, None, 0)
