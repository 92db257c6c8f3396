"""Polling loses nothing: the poller against a slow, obvious reference over thousands of random event streams."""

import math
import random
import threading
from dataclasses import dataclass, field

import pytest

from dreamloop.input.poll import Poller
from dreamloop.input.schema import ActionSchema
from dreamloop.input.source import DeviceEvent
from dreamloop.input.source_gamepad import GamepadSource
from dreamloop.input.source_keyboard import KeyboardSource
from dreamloop.input.source_mouse import MouseSource
from dreamloop.input.state import InputState

PARTS = ["key:w", "key:s", "char:é", "mouse:left", "mouse:right", "pad:a", "pad:dpad_up"]
SCHEMA = ActionSchema.from_dict(
    {
        "format": 1,
        "name": "test",
        "control": [
            {"name": "forward", "kind": "button", "keys": ["w"], "phrases": [{"say": "go", "act": "hold"}]},
            {"name": "turn", "kind": "axis", "range": [-9, 9], "motion": "x", "phrases_positive": ["right"]},
            {"name": "lamp", "kind": "button", "keys": ["l"], "toggle": True},
            {
                "name": "slot",
                "kind": "choice",
                "sticky": True,
                "options": [{"name": "one", "keys": ["1"], "phrases": ["one"]}, {"name": "two", "keys": ["2"]}],
            },
        ],
    }
)


def event(kind: str, part: str = "", x: float = 0.0, y: float = 0.0, time_s: float = 0.0) -> DeviceEvent:
    return DeviceEvent(kind, part, x, y, time_s)


def window_poller(schema: ActionSchema | None = None) -> Poller:
    return Poller([KeyboardSource(), MouseSource(), GamepadSource(lambda index: None)], schema)


@dataclass
class Stream:
    """Random device events in order of time, as a window would hand them on."""

    events: list[DeviceEvent] = field(default_factory=list)

    @classmethod
    def make(cls, chance: random.Random, seconds: float, events: int) -> "Stream":
        times = sorted(chance.uniform(0.0, seconds) for _ in range(events))
        return cls([cls.one(chance, time_s) for time_s in times])

    @staticmethod
    def one(chance: random.Random, time_s: float) -> DeviceEvent:
        kind = chance.choices(
            ["down", "up", "motion", "wheel", "pointer", "axis", "phrase", "focus_lost"], [6, 6, 8, 2, 2, 3, 1, 0.3]
        )[0]
        match kind:
            case "down" | "up":
                return event(kind, chance.choice(PARTS), time_s=time_s)
            case "motion" | "wheel":
                return event(kind, "", chance.randint(-50, 50), chance.randint(-50, 50), time_s)
            case "pointer":
                return event(kind, "", chance.random(), chance.random(), time_s)
            case "axis":
                return event(kind, "pad:left_x", round(chance.uniform(-1, 1), 2), 0.0, time_s)
            case "phrase":
                return event(kind, chance.choice(["go", "right", "hello"]), time_s=time_s)
        return event(kind, time_s=time_s)


class Reference:
    """Goes through the whole history of events for every tick: slow, and plainly right."""

    def __init__(self, events: list[DeviceEvent]) -> None:
        self.events = events

    def tick(self, since_s: float, until_s: float) -> dict[str, object]:
        new = [one for one in self.events if since_s < one.time_s <= until_s]
        return {
            "motion_px": tuple(sum(getattr(one, axis) for one in new if one.kind == "motion") for axis in "xy"),
            "wheel": tuple(sum(getattr(one, axis) for one in new if one.kind == "wheel") for axis in "xy"),
            "pointer": next(((e.x, e.y) for e in self._before(until_s) if e.kind == "pointer"), None),
            "held": {part for part in PARTS if self.down(part, self._before(until_s))},
            "tapped": {part for part in PARTS if any(self.pressed(part, one) for one in new)},
            "phrases": tuple(one.part for one in new if one.kind == "phrase"),
        }

    def _before(self, time_s: float) -> list[DeviceEvent]:
        """Everything up to a time, the latest first."""
        return [one for one in self.events if one.time_s <= time_s][::-1]

    @staticmethod
    def down(part: str, latest_first: list[DeviceEvent]) -> bool:
        for one in latest_first:
            if one.kind == "focus_lost":
                return False
            if one.part == part:
                return one.kind == "down"
        return False

    def pressed(self, part: str, one: DeviceEvent) -> bool:
        earlier = self.events[: self.events.index(one)][::-1]
        return one.kind == "down" and one.part == part and not self.down(part, earlier)


def ours(state: InputState) -> dict[str, object]:
    names = [part for part in PARTS if part in state.held]
    return {
        "motion_px": state.motion_px,
        "wheel": state.wheel,
        "pointer": state.pointer,
        "held": set(names),
        "tapped": {part for part in PARTS if part in state.tapped},
        "phrases": state.phrases,
    }


@pytest.mark.parametrize("seed", range(8))
def test_no_tap_and_no_motion_is_lost_at_any_rate(seed: int) -> None:
    """DIAMOND overwrites motion within a frame and loses taps shorter than one."""
    chance = random.Random(seed)
    for _ in range(400):
        rate_hz = chance.choice([5, 10, 15, 20, 35, 60, 120, 240, chance.uniform(5, 240)])
        stream = Stream.make(chance, seconds=6.5 / rate_hz, events=chance.randint(0, 30))
        poller, reference, waiting, since_s = window_poller(), Reference(stream.events), stream.events[:], -1.0
        for tick in range(8):
            now_s = (tick + chance.uniform(0.0, 0.9)) / rate_hz
            while waiting and waiting[0].time_s <= now_s:
                poller.feed(waiting.pop(0))
            state = poller.poll(tick, 1 / rate_hz, now_s)
            assert ours(state) == reference.tick(since_s, now_s)
            since_s = now_s


def test_the_earliest_event_of_a_tick_is_stamped() -> None:
    poller = window_poller()
    for one in (event("motion", x=1, time_s=2.0), event("down", "key:w", time_s=1.5), event("wheel", y=1, time_s=3.0)):
        poller.feed(one)
    assert poller.poll(0, 0.1, 4.0).event_s == 1.5
    after = poller.poll(1, 0.1, 5.0)
    assert after.event_s is None
    assert after.sampled_s == 5.0
    assert after.held == {"key:w"}


def test_losing_the_focus_lets_everything_go_but_keeps_what_happened() -> None:
    poller = window_poller(SCHEMA)
    for one in (event("down", "key:w"), event("motion", x=3), event("axis", "pad:left_x", 1.0), event("phrase", "go")):
        poller.feed(one)
    assert poller.poll(0, 0.1, 0.0).intents["forward"] == 1.0
    poller.feed(event("down", "key:d"))
    poller.feed(event("motion", x=4))
    poller.feed(event("focus_lost"))
    state = poller.poll(1, 0.1, 0.1)
    assert state.held == frozenset()
    assert state.axes == {}
    assert "forward" not in state.intents
    assert state.tapped == {"key:d"}
    assert state.motion_px == (4.0, 0.0)


def test_key_repeat_is_no_tap() -> None:
    poller = window_poller()
    poller.feed(event("down", "key:w"))
    poller.poll(0, 0.1, 0.0)
    poller.feed(event("down", "key:w"))
    assert poller.poll(1, 0.1, 0.1).tapped == frozenset()


def test_a_phrase_counts_once() -> None:
    poller = window_poller(SCHEMA)
    poller.feed(event("phrase", "Right!"))
    assert poller.poll(0, 0.1, 0.0).phrases == ("right",)
    assert poller.poll(1, 0.1, 0.1).phrases == ()


def test_a_notch_of_the_wheel_is_a_tap_too() -> None:
    poller = window_poller()
    poller.feed(event("wheel", y=2))
    state = poller.poll(0, 0.1, 0.0)
    assert state.wheel == (0.0, 2.0)
    assert state.tapped == {"mouse:wheel_up"}


def test_half_a_stick_is_a_button_that_does_not_drum() -> None:
    poller = window_poller()
    taps = 0
    for tick, value in enumerate([0.0, 0.6, 0.49, 0.51, 0.45, 0.55, 0.2, 0.1]):
        poller.feed(event("axis", "pad:left_y", -value))
        state = poller.poll(tick, 0.1, 0.0)
        taps += "pad:-left_y" in state.tapped
        assert ("pad:-left_y" in state.held) == (1 <= tick <= 5)
    assert taps == 1


def test_a_flick_of_the_stick_within_one_tick_is_not_lost() -> None:
    poller = window_poller()
    for value in (1.0, 0.0):
        poller.feed(event("axis", "pad:right_trigger", value))
    assert poller.poll(0, 0.1, 0.0).tapped == {"pad:+right_trigger"}


def test_a_toggle_switches_with_every_press() -> None:
    poller = window_poller(SCHEMA)
    lit = []
    for tick, kind in enumerate(["down", "up", "", "down", "up", "down"]):
        if kind:
            poller.feed(event(kind, "key:l"))
        lit.append(SCHEMA.decode(SCHEMA.encode(poller.poll(tick, 0.1, 0.0)))["lamp"])
    assert lit == [1, 1, 1, 0, 0, 1]


def test_a_sticky_choice_stays_as_it_was_chosen() -> None:
    poller = window_poller(SCHEMA)
    chosen = []
    for tick, one in enumerate([None, event("down", "key:2"), event("up", "key:2"), event("phrase", "one"), None]):
        if one:
            poller.feed(one)
        chosen.append(SCHEMA.decode(SCHEMA.encode(poller.poll(tick, 0.1, 0.0)))["slot"])
    assert chosen == [-1, 1, 1, 0, 0]


def test_feeding_from_another_thread_loses_nothing() -> None:
    """The window feeds from the main thread while the loop polls from another."""
    poller = window_poller()
    done = threading.Event()

    def feed() -> None:
        for _ in range(5000):
            poller.feed(event("motion", x=1, y=-1))
        done.set()

    thread = threading.Thread(target=feed)
    thread.start()
    moved = [0.0, 0.0]
    last = False
    while not last:
        last = done.is_set()
        state = poller.poll(0, 0.01, 0.0)
        moved[0] += state.motion_px[0]
        moved[1] += state.motion_px[1]
    thread.join()
    assert moved == [5000.0, -5000.0]


def test_a_state_survives_a_recording() -> None:
    poller = window_poller(SCHEMA)
    for one in (
        event("down", "key:w"),
        event("motion", x=3, y=1),
        event("phrase", "go"),
        event("axis", "pad:left_x", 0.3),
    ):
        poller.feed(one)
    state = poller.poll(3, 0.1, 7.0)
    assert InputState.from_dict(state.to_dict()) == state
    assert math.isclose(state.dt_s, 0.1)


TYPIST = ActionSchema.from_dict(
    {
        "format": 1,
        "name": "typist",
        "stop": ["stop"],
        "control": [
            {
                "name": "key",
                "kind": "choice",
                "queue": True,
                "spell": ["write"],
                "options": [
                    {"name": "a", "keys": ["a"]},
                    {"name": "b", "keys": ["b"]},
                    {"name": "two", "keys": ["2"], "writes": "2"},
                    {"name": "space", "keys": ["space"], "writes": " "},
                ],
            }
        ],
    }
)


def typed(poller: Poller, ticks: int) -> list[float]:
    states = [poller.poll(tick, 0.05, 0.0) for tick in range(ticks)]
    return [TYPIST.decode(TYPIST.encode(state))["key"] for state in states]


def test_fast_typing_loses_nothing_and_a_held_key_types_once() -> None:
    """Three presses within one tick, one key twice: each counts for one tick, in order; holding adds nothing."""
    poller = window_poller(TYPIST)
    for kind, key in (("down", "b"), ("up", "b"), ("down", "a"), ("down", "2"), ("up", "2"), ("down", "2")):
        poller.feed(event(kind, f"key:{key}"))
    assert typed(poller, 6) == [1, 0, 2, 2, -1, -1]


def test_words_after_write_are_typed_a_character_a_tick() -> None:
    poller = window_poller(TYPIST)
    poller.feed(event("phrase", "write ab 2?"))
    assert typed(poller, 5) == [0, 1, 3, 2, -1]


def test_what_waits_to_be_typed_is_dropped_when_the_window_is_left() -> None:
    poller = window_poller(TYPIST)
    poller.feed(event("phrase", "write ab"))
    assert typed(poller, 1) == [0]
    poller.feed(event("focus_lost"))
    assert typed(poller, 2) == [-1, -1]


def test_stop_ends_what_is_being_typed() -> None:
    poller = window_poller(TYPIST)
    poller.feed(event("phrase", "write abab"))
    assert typed(poller, 1) == [0]
    poller.feed(event("phrase", "stop"))
    assert typed(poller, 2) == [-1, -1]
