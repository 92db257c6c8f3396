"""The listener with a recogniser and a detector that a test writes down: when it acts, and when it does not.

Sound is a drawing: its level is how likely speech is, so every wait can be counted in windows.
"""

from pathlib import Path

import numpy as np
import pytest

from dreamloop.input.listen import Listener, Patience, Utterance
from dreamloop.input.resolve import PhraseResolver
from dreamloop.input.schema import ActionSchema
from dreamloop.input.speech import Heard
from dreamloop.input.vad import RATE_HZ, WINDOW_S, Sound

DOOM = ActionSchema.load(Path(__file__).parents[2] / "demos" / "doom" / "schema.toml")
PHRASES = [text for phrase in DOOM.phrases for text in phrase.say]


class DrawnVad:
    """Loud is speech."""

    name = "drawn"

    def speech(self, window: Sound) -> float:
        return float(np.abs(window).mean())

    def reset(self) -> None:
        return None


class Prompter:
    """Hears what a test says next, and keeps what it was given."""

    name, streaming = "prompter", False

    def __init__(self, *lines: Heard) -> None:
        self.lines = list(lines)
        self.given: list[Sound] = []
        self.fed = 0

    def start(self) -> None:
        self.fed = 0

    def feed(self, sound: Sound) -> None:
        self.fed += len(sound)

    def guess(self, clean: Sound) -> Heard:
        self.given.append(clean)
        return self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]

    def news(self) -> list[str]:
        return []


class Follower(Prompter):
    """Hears along: after so many samples of an utterance, it has these words."""

    streaming = True

    def __init__(self, *partials: tuple[float, Heard]) -> None:
        super().__init__(Heard("", 1.0))
        self.partials = partials

    def guess(self, clean: Sound) -> Heard:
        said = [heard for seconds, heard in self.partials if self.fed >= seconds * RATE_HZ]
        return said[-1] if said else Heard("", 1.0)


def along(*partials: tuple[float, str]) -> Listener:
    """A listener whose recogniser has these words after so many seconds of an utterance."""
    follower = Follower(*((seconds, Heard(text, 0.9)) for seconds, text in partials))
    return Listener(follower, DrawnVad(), PhraseResolver(DOOM), PHRASES)


def listener(*lines: Heard, patience: Patience | None = None) -> tuple[Listener, Prompter]:
    prompter = Prompter(*lines)
    return Listener(prompter, DrawnVad(), PhraseResolver(DOOM), PHRASES, patience), prompter


def drawn(*stretches: tuple[float, float]) -> Sound:
    """Sound out of stretches of (level, seconds), each a whole number of windows."""
    pieces = [np.full(round(seconds / WINDOW_S) * 512, level, np.float32) for level, seconds in stretches]
    return np.concatenate(pieces)


def hear(ears: Listener, sound: Sound, block: int = 512) -> list[Utterance]:
    """Feed sound in blocks; the stream begins at 0 s."""
    found: list[Utterance] = []
    for start in range(0, len(sound), block):
        piece = sound[start : start + block]
        found += ears.feed(piece, (start + len(piece)) / RATE_HZ)
    return found


SPEECH = ((0.1, 0.64), (0.9, 0.64))  # quiet, then somebody speaks: until 1.28 s


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("turn around", "sure_s"),
        ("go forward", "sure_s"),
        ("open", "unsure_s"),  # "the door" may follow
        ("run", "unsure_s"),  # "forward" may follow
        ("turn left", "unsure_s"),  # a number may follow
        ("turn left ninety", "sure_s"),
        ("the weather is nice", "other_s"),
    ],
)
def test_how_long_the_wait_is_depends_on_what_was_said(text: str, wait: str) -> None:
    ears, _ = listener(Heard(text, 0.9))
    (one,) = hear(ears, drawn(*SPEECH, (0.1, 1.28)))
    assert one.end_s == pytest.approx(1.28)
    assert one.decided_s - one.end_s == pytest.approx(getattr(ears.patience, wait), abs=WINDOW_S + 1e-6)
    assert one.decided_s - one.end_s >= getattr(ears.patience, wait) - 1e-6
    assert one.text == text
    assert bool(one.commands) == (wait != "other_s")


@pytest.mark.parametrize("block", [1, 160, 512, 700, 16000])
def test_the_size_of_the_blocks_changes_nothing(block: int) -> None:
    sound = drawn(*SPEECH, (0.1, 1.28))
    stop = 40 * 512 + 100
    ears, prompter = listener(Heard("fire", 0.9))
    found = hear(ears, sound, block) if block > 1 else hear(ears, sound[:stop], block) + hear_from(ears, sound, stop)
    assert [(one.text, round(one.end_s, 4), round(one.decided_s, 4)) for one in found] == [("fire", 1.28, 1.44)]
    assert len(prompter.given) == 1


def hear_from(ears: Listener, sound: Sound, start: int) -> list[Utterance]:
    return ears.feed(sound[start:], len(sound) / RATE_HZ)


def test_the_recogniser_gets_what_came_before_the_first_sound() -> None:
    """Guards against a first consonant that the detector was too late for."""
    ears, prompter = listener(Heard("fire", 0.9))
    hear(ears, drawn(*SPEECH, (0.1, 1.28)))
    before_s = round(ears.patience.before_s / WINDOW_S) * WINDOW_S
    assert len(prompter.given[0]) / RATE_HZ == pytest.approx(before_s + 0.64 + 0.096, abs=0.001)
    assert prompter.fed >= len(prompter.given[0])


def test_a_pause_within_a_sentence_does_not_cut_it() -> None:
    ears, prompter = listener(Heard("turn left ninety", 0.9), Heard("turn left ninety and fire", 0.9))
    sound = drawn(*SPEECH, (0.1, 0.128), (0.9, 0.32), (0.1, 1.28))
    (one,) = hear(ears, sound)
    assert [command.text for command in one.commands] == ["turn left 90", "fire"]
    assert len(prompter.given[1]) > len(prompter.given[0])


def test_two_commands_with_a_pause_between_are_two_utterances() -> None:
    ears, _ = listener(Heard("fire", 0.9), Heard("turn around", 0.9))
    found = hear(ears, drawn(*SPEECH, (0.1, 0.64), (0.9, 0.32), (0.1, 0.64)))
    assert [one.text for one in found] == ["fire", "turn around"]


def test_a_click_is_no_utterance() -> None:
    ears, prompter = listener(Heard("fire", 0.9))
    assert hear(ears, drawn((0.1, 0.64), (0.9, 0.064), (0.1, 1.28))) == []
    assert prompter.given == []


def test_whoever_speaks_for_too_long_is_not_listened_to_until_they_pause() -> None:
    ears, prompter = listener(Heard("fire", 0.9))
    long = ears.patience.longest_s + 1.28
    sound = drawn((0.1, 0.64), (0.9, long), (0.1, 0.64), (0.9, 0.64), (0.1, 0.64))
    (one,) = hear(ears, sound)
    assert one.end_s == pytest.approx(0.64 + long + 0.64 + 0.64, abs=WINDOW_S)
    assert len(prompter.given) == 1


@pytest.mark.parametrize(("loud", "sure", "acts"), [(0.9, 0.5, False), (0.9, 0.9, True), (0.51, 0.5, True)])
def test_what_is_heard_well_must_be_understood_well(loud: float, sure: float, acts: bool) -> None:
    """In noise a recogniser cannot be as sure as in quiet."""
    ears, _ = listener(Heard("fire", sure))
    rng = np.random.default_rng(0)
    level = 0.01 if loud > 0.6 else 0.3
    quiet = (level * rng.choice([-1.0, 1.0], 40 * 512)).astype(np.float32)
    found = hear(ears, np.concatenate([quiet, drawn((loud, 0.64)), quiet]))
    assert [bool(one.commands) for one in found] == [acts]


def test_words_that_the_resolver_hardly_understood_do_not_act() -> None:
    ears, _ = listener(Heard("open the window door", 0.9))
    (one,) = hear(ears, drawn(*SPEECH, (0.1, 1.28)))
    assert one.commands == ()


def test_letting_the_talk_key_go_decides_at_once() -> None:
    ears, _ = listener(Heard("open", 0.9))
    sound = drawn(*SPEECH)
    assert hear(ears, sound) == []
    (one,) = ears.finish(1.28)
    assert [command.phrase.name for command in one.commands] == ["open the door"]
    assert one.decided_s == 1.28
    assert ears.finish(1.5) == []


def test_finishing_when_nobody_spoke_is_nothing() -> None:
    ears, prompter = listener(Heard("open", 0.9))
    hear(ears, drawn((0.1, 1.28)))
    assert ears.finish(1.28) == []
    assert prompter.given == []


LONG = ((0.1, 0.64), (0.9, 2.56), (0.1, 1.28))  # the detector hears speech until 3.2 s


def test_a_recogniser_that_hears_along_acts_before_the_sound_ends() -> None:
    """Guards against waiting for a silence that a fan never lets come, when the words are known."""
    (one,) = hear(along((0.64, "turn"), (0.96, "turn around")), drawn(*LONG))
    assert [command.text for command in one.commands] == ["turn around"]
    known_s = 0.64 - 0.288 + 0.96  # what was said before the detector noticed is fed, too
    assert one.decided_s == pytest.approx(known_s + Patience().steady_s, abs=2 * WINDOW_S)
    assert one.end_s == pytest.approx(known_s, abs=2 * WINDOW_S)


def test_what_was_done_early_is_not_done_again() -> None:
    found = hear(along((0.64, "go forward"), (1.6, "go forward and fire")), drawn(*LONG))
    assert [[command.text for command in one.commands] for one in found] == [["go forward"], ["fire"]]
    assert found[1].decided_s < 3.2


@pytest.mark.parametrize("text", ["turn left", "open", "the weather is nice", "don't shoot"])
def test_nothing_acts_early_that_might_go_on_or_is_no_command(text: str) -> None:
    (one,) = hear(along((0.64, text)), drawn(*LONG))
    assert one.decided_s > 3.2
    assert bool(one.commands) == (text in ("turn left", "open"))


def test_words_that_still_change_do_not_act_early() -> None:
    """Half of "go back" is no reason to walk: the words must stand still first."""
    texts = ["go forward", "go back", "go ahead", "go right", "turn around"]
    changing = along(*((0.64 + i * 0.16, texts[i % len(texts)]) for i in range(12)), (2.56, "fire"))
    (one,) = hear(changing, drawn(*LONG))
    assert [command.text for command in one.commands] == ["fire"]


def test_words_that_turn_out_otherwise_do_not_act_twice() -> None:
    """What was done cannot be undone; another reading of the same sound must not act on top of it."""
    found = hear(along((0.64, "go forward"), (1.6, "go far away")), drawn(*LONG))
    assert [one.text for one in found] == ["go forward"]


def test_an_early_action_leaves_the_next_utterance_alone() -> None:
    ears = along((0.64, "fire"))
    found = hear(ears, drawn(*LONG, *LONG))
    assert [one.text for one in found] == ["fire", "fire"]


def test_what_comes_just_before_speech_is_not_taken_for_noise() -> None:
    """Guards against a filter that takes the first consonant of a word for the noise of the room."""
    rng = np.random.default_rng(0)
    hiss = (0.3 * rng.choice([-1.0, 1.0], 6 * 512)).astype(np.float32)  # loud, but no speech to the detector yet
    room = (0.001 * rng.choice([-1.0, 1.0], 60 * 512)).astype(np.float32)
    ears, _ = listener(Heard("stop", 0.9))
    hear(ears, np.concatenate([room, hiss, drawn((0.9, 0.64))]))
    assert ears._denoiser.above_db(drawn((0.9, 0.64))) > 50.0
