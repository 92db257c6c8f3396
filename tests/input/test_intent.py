"""Phrases over time: taps, holds, amounts, scripts, and who ends whom."""

import pytest

from dreamloop.input.intent import IntentPlayer
from dreamloop.input.schema import ActionSchema

SCHEMA = ActionSchema.from_dict(
    {
        "format": 1,
        "name": "test",
        "stop": ["stop", "halt"],
        "control": [
            {"name": "forward", "kind": "button", "phrases": [{"say": "go", "act": "hold"}]},
            {"name": "back", "kind": "button", "phrases": [{"say": "back", "seconds": 1.0}]},
            {"name": "run", "kind": "button"},
            {"name": "fire", "kind": "button", "phrases": ["fire"]},
            {
                "name": "turn",
                "kind": "axis",
                "range": [-12, 12],
                "phrases_negative": [{"say": "left", "total": -45, "seconds": 0.5}, {"say": "veer left", "value": -2}],
                "phrases_positive": [{"say": "right", "total": 45, "seconds": 0.5}],
            },
        ],
        "opposites": [{"pair": ["forward", "back"]}],
        "derived": [
            {"name": "sprint", "sets": {"forward": 1, "run": 1}, "phrases": [{"say": "sprint", "act": "hold"}]}
        ],
        "phrase": [
            {"say": "turn around", "steps": [{"seconds": 0.5, "total": {"turn": 180}}]},
            {
                "say": "peek",
                "steps": [
                    {"seconds": 0.2, "set": {"turn": 3}},
                    {"seconds": 0.1},
                    {"seconds": 0.2, "set": {"turn": -3}},
                ],
            },
        ],
    }
)


@pytest.fixture
def player() -> IntentPlayer:
    return IntentPlayer(SCHEMA)


def say(player: IntentPlayer, text: str, number: float | None = None) -> None:
    phrase = player.find(text)
    assert phrase is not None
    player.say(phrase, number)


def ticks(player: IntentPlayer, dt_s: float, count: int) -> list[dict[str, float]]:
    return [player.tick(dt_s) for _ in range(count)]


def test_a_plain_phrase_taps_for_one_tick(player: IntentPlayer) -> None:
    say(player, "Fire!")
    assert ticks(player, 0.1, 2) == [{"fire": 1.0}, {}]


def test_a_hold_lasts_until_stop(player: IntentPlayer) -> None:
    say(player, "go")
    assert ticks(player, 10.0, 100) == [{"forward": 1.0}] * 100
    say(player, "halt")
    assert player.tick(0.1) == {}


def test_a_number_of_seconds_ends_a_hold(player: IntentPlayer) -> None:
    say(player, "go", 0.5)
    assert ticks(player, 0.1, 6) == [{"forward": 1.0}] * 5 + [{}]


def test_the_opposite_ends_a_hold(player: IntentPlayer) -> None:
    """Otherwise 'back' after 'go' would cancel out to standing still."""
    say(player, "go")
    say(player, "back")
    assert ticks(player, 0.5, 3) == [{"back": 1.0}, {"back": 1.0}, {}]


def test_the_opposite_ends_a_derived_control_too(player: IntentPlayer) -> None:
    say(player, "sprint")
    assert player.tick(0.1) == {"sprint": 1.0}
    say(player, "back")
    assert player.tick(0.1) == {"back": 1.0}


@pytest.mark.parametrize("rate_hz", [5, 20, 35, 60, 144, 240])
@pytest.mark.parametrize(("text", "total"), [("turn around", 180.0), ("left", -45.0), ("right", 45.0)])
def test_an_amount_is_given_in_full_at_any_rate(text: str, total: float, rate_hz: float) -> None:
    """Turning around must be 180 degrees in a slow world too, where one tick cannot turn that far."""
    player = IntentPlayer(SCHEMA)
    say(player, text)
    given = [one["turn"] for one in ticks(player, 1 / rate_hz, 400) if "turn" in one]
    assert sum(given) == pytest.approx(total)
    assert max(map(abs, given)) <= 12.0
    fastest = abs(total) / 12.0
    assert len(given) == pytest.approx(max(0.5 * rate_hz, fastest), abs=1.01)


def test_a_number_replaces_an_amount_at_the_same_speed(player: IntentPlayer) -> None:
    say(player, "left", 90.0)
    given = [one["turn"] for one in ticks(player, 0.02, 200) if "turn" in one]
    assert sum(given) == pytest.approx(-90.0)
    assert len(given) == 50


def test_the_latest_word_on_a_control_wins(player: IntentPlayer) -> None:
    say(player, "turn around")
    player.tick(0.1)
    say(player, "left")
    assert player.tick(0.1)["turn"] == pytest.approx(-9.0)


def test_different_controls_go_on_together(player: IntentPlayer) -> None:
    say(player, "go")
    say(player, "left")
    assert set(player.tick(0.1)) == {"forward", "turn"}


def test_a_script_goes_through_its_steps(player: IntentPlayer) -> None:
    say(player, "peek")
    values = [one.get("turn") for one in ticks(player, 0.1, 6)]
    assert values == [3.0, 3.0, None, -3.0, -3.0, None]


def test_a_value_is_held_for_a_while(player: IntentPlayer) -> None:
    say(player, "veer left")
    assert ticks(player, 0.25, 3) == [{"turn": -2.0}, {"turn": -2.0}, {}]


def test_words_are_compared_without_case_and_punctuation(player: IntentPlayer) -> None:
    assert player.find(" Turn  AROUND. ") is player.find("turn around")
    assert player.find("dance") is None
