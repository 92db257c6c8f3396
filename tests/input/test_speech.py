"""Recognisers: pocketsphinx on speech that flite makes, vosk's wiring on a stand-in, and what is missing."""

import json
import math
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dreamloop.input.errors import MissingPartError
from dreamloop.input.hearing import listener_for, recogniser_for
from dreamloop.input.listen import Listener, Patience
from dreamloop.input.resolve import PhraseResolver
from dreamloop.input.schema import ActionSchema
from dreamloop.input.speech import (
    PocketsphinxRecogniser,
    VoskRecogniser,
    check_recogniser,
    find_vosk_model,
    open_recogniser,
    pcm,
)
from dreamloop.input.vad import RATE_HZ, Sound

DOOM = ActionSchema.load(Path(__file__).parents[2] / "demos" / "doom" / "schema.toml")
Say = Callable[[str], Sound]


@pytest.fixture(scope="module")
def say(tmp_path_factory: pytest.TempPathFactory) -> Say:
    """Speech by flite."""
    if shutil.which("flite") is None:
        pytest.skip("flite is missing: apt install flite")
    folder = tmp_path_factory.mktemp("said")

    def speak(text: str) -> Sound:
        path = folder / "said.wav"
        subprocess.run(["flite", "-voice", "kal16", "-t", text, "-o", str(path)], check=True)
        with wave.open(str(path)) as file:
            assert file.getframerate() == RATE_HZ
            raw = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return (raw / 32768).astype(np.float32)

    return speak


@pytest.fixture(scope="module")
def doom() -> Any:
    """The recogniser that a player of Doom gets."""
    pytest.importorskip("pocketsphinx", reason="pocketsphinx is missing: pip install -e '.[voice]' in the checkout")
    return recogniser_for(DOOM)


@pytest.mark.parametrize("text", ["open the door", "turn left", "go forward", "shoot"])
def test_phrases_are_heard(text: str, doom: Any, say: Say) -> None:
    assert doom.guess(say(text)).text == text


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("Could you open that door please?", "open the door"),
        ("Can you turn left?", "turn left"),
        ("Please stop.", "stop"),
    ],
)
def test_a_command_is_heard_with_words_around_it(text: str, command: str, doom: Any, say: Say) -> None:
    """Guards against "could you", which is rare in books, heard as "but you"."""
    assert [one.text for one in PhraseResolver(DOOM).resolve(doom.guess(say(text)).text)] == [command]


@pytest.mark.parametrize("text", ["The weather has been very strange this week.", "Good morning."])
def test_other_words_are_heard_as_other_words(text: str, doom: Any, say: Say) -> None:
    listener = listener_for(DOOM, doom)
    sound = np.pad(say(text), (RATE_HZ, RATE_HZ))
    (one,) = listener.feed(sound.astype(np.float32), 3.0)
    assert one.commands == ()


@pytest.mark.parametrize(
    "text",
    [
        "Could you pass me the salt please?",
        "Can you hear the music?",
        "Would you like some tea?",
        "Let's have lunch now.",
        "You should try the soup.",
        "I want to sleep.",
        "Will you call your mother?",
        "Okay, and then we had dinner.",
    ],
)
def test_what_begins_like_a_command_is_none(text: str, doom: Any, say: Say) -> None:
    """Guards against "could you" making a command of whatever follows it."""
    listener = listener_for(DOOM, doom)
    sound = np.pad(say(text), (RATE_HZ, RATE_HZ)).astype(np.float32)
    heard = listener.feed(sound, len(sound) / RATE_HZ)
    assert heard
    assert not any(one.commands for one in heard), heard


def test_speech_becomes_a_command_through_the_real_listener(doom: Any, say: Say) -> None:
    listener = listener_for(DOOM, doom)
    sound = np.pad(say("turn around"), (RATE_HZ, RATE_HZ)).astype(np.float32)
    (one,) = listener.feed(sound, len(sound) / RATE_HZ)
    assert [command.phrase.name for command in one.commands] == ["turn around"]
    assert 0.0 < one.decided_s - one.end_s < 0.3
    assert one.confidence == 0.9


def test_silence_is_no_command(doom: Any) -> None:
    listener = listener_for(DOOM, doom)
    assert listener.feed(np.zeros(4 * RATE_HZ, np.float32), 4.0) == []
    assert not PhraseResolver(DOOM).resolve(doom.guess(np.zeros(RATE_HZ, np.float32)).text)


def test_the_same_sound_is_the_same_words(doom: Any, say: Say) -> None:
    """Guards against a recogniser that carries something over from one utterance to the next."""
    sound = say("look down")
    first = doom.guess(sound)
    doom.guess(say("keep shooting"))
    assert doom.guess(sound) == first


def test_a_word_that_pocketsphinx_does_not_know_is_told_once() -> None:
    pytest.importorskip("pocketsphinx", reason="pocketsphinx is missing: pip install -e '.[voice]' in the checkout")
    recogniser = PocketsphinxRecogniser(["fire", "fire the blorgonator"])
    assert recogniser.news() == [
        "voice: 'fire the blorgonator' has a word that pocketsphinx does not know and is not listened for"
    ]
    assert recogniser.news() == []


def test_the_language_model_adds_up(doom: Any) -> None:
    """ARPA's shares: what single words get is one, or pocketsphinx weighs them wrongly without a word."""
    from dreamloop.input.speech import language_model

    lines = language_model(doom._decoder, ["fire", "open the door"], ["ninety"], ["could you"]).splitlines()
    start, stop = lines.index("\\1-grams:"), lines.index("\\2-grams:")
    singles = {row.split("\t")[1]: 10 ** float(row.split("\t")[0]) for row in lines[start + 1 : stop - 1]}
    assert {"fire", "open_the_door", "ninety", "could_you"} <= singles.keys()
    words = [share for word, share in singles.items() if word not in ("<s>", "</s>", "<UNK>")]
    assert math.fsum(words) == pytest.approx(1.0, abs=0.01)
    assert lines[1] == f"ngram 1={len(singles)}"
    assert lines[2] == f"ngram 2={len(lines) - stop - 3}"


def test_samples_are_clipped_and_not_wrapped() -> None:
    assert np.frombuffer(pcm(np.array([0.0, 1.0, -1.0, 3.0, -3.0], np.float32)), "<i2").tolist() == [
        0,
        32767,
        -32767,
        32767,
        -32768,
    ]


class StandIn:
    """What vosk's recogniser does, as far as it is used."""

    def __init__(self, model: str, rate_hz: int, grammar: str = "[]") -> None:
        self.model, self.rate_hz, self.grammar = model, rate_hz, json.loads(grammar)
        self.bytes, self.resets, self.partial_words = 0, 0, False

    def SetPartialWords(self, on: bool) -> None:  # noqa: N802
        self.partial_words = on

    def Reset(self) -> None:  # noqa: N802
        self.resets += 1
        self.bytes = 0

    def AcceptWaveform(self, data: bytes) -> bool:  # noqa: N802
        self.bytes += len(data)
        return False

    def PartialResult(self) -> str:  # noqa: N802
        words = [{"word": "open", "conf": 0.97}, {"word": "door", "conf": 0.61}]
        return json.dumps({"partial": "open the door", "partial_result": words} if self.bytes else {"partial": ""})


@pytest.fixture
def vosk(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(Model=str, KaldiRecognizer=StandIn, SetLogLevel=lambda level: None, __spec__=object())
    monkeypatch.setitem(sys.modules, "vosk", module)


def a_model(folder: Path) -> Path:
    (folder / "am").mkdir(parents=True)
    return folder


def test_vosk_listens_for_the_phrases_and_says_how_sure_it_is(vosk: None, tmp_path: Path) -> None:
    recogniser = open_recogniser(["Open the door!", "fire"], ["ninety"], [], a_model(tmp_path / "model"))
    assert isinstance(recogniser, VoskRecogniser)
    inner = recogniser._recogniser
    assert inner.grammar == ["fire", "ninety", "open the door", "[unk]"]
    recogniser.start()
    assert recogniser.guess(np.zeros(1, np.float32)).text == ""
    recogniser.feed(np.zeros(512, np.float32))
    assert inner.bytes == 1024
    heard = recogniser.guess(np.zeros(1, np.float32))
    assert (heard.text, heard.confidence) == ("open the door", 0.61), "as sure as of its least sure word"


def test_vosk_takes_down_any_words_where_a_language_model_reads_them(vosk: None, tmp_path: Path) -> None:
    """Guards against a server that is asked what "[unk] [unk]" means."""
    recogniser = recogniser_for(DOOM, a_model(tmp_path / "model"), free=True)
    assert isinstance(recogniser, VoskRecogniser)
    assert recogniser._recogniser.grammar == []


def test_a_vosk_that_hears_along_acts_before_the_speaker_pauses(vosk: None, tmp_path: Path) -> None:
    """The real listener on vosk's partial results, with a detector that never hears a pause."""
    recogniser = recogniser_for(DOOM, a_model(tmp_path / "model"))
    listener = Listener(recogniser, Always(), PhraseResolver(DOOM), ["open the door"], Patience(confidence=0.6))
    found = listener.feed(np.full(2 * RATE_HZ, 0.1, np.float32), 2.0)
    assert [[command.text for command in one.commands] for one in found] == [["open the door"]]
    assert found[0].decided_s < 0.5


class Always:
    """A detector that always hears speech."""

    name = "always"

    def speech(self, window: Sound) -> float:
        return 1.0

    def reset(self) -> None:
        return None


def test_a_vosk_model_is_found_where_it_is_put(vosk: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOSK_MODEL_PATH", raising=False)
    monkeypatch.setattr("dreamloop.input.speech.user_data_path", lambda *_, **__: tmp_path)
    assert find_vosk_model() is None
    home = a_model(tmp_path / "vosk" / "vosk-model-small-en-us")
    assert find_vosk_model() == home
    other = a_model(tmp_path / "other")
    monkeypatch.setenv("VOSK_MODEL_PATH", str(other))
    assert find_vosk_model() == other
    assert find_vosk_model(home) == home
    with pytest.raises(MissingPartError, match=r"no vosk model in '.*nowhere'; download a small model from https://.*"):
        find_vosk_model(tmp_path / "nowhere")


def test_what_is_missing_is_said_with_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingPartError, match="the schema has no phrases"):
        check_recogniser([])
    monkeypatch.setattr("dreamloop.input.speech.importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPartError, match=r"a vosk model is there but vosk is not: pip install"):
        check_recogniser(["fire"], a_model(tmp_path / "model"))
    monkeypatch.setattr("dreamloop.input.speech.find_vosk_model", lambda folder: None)
    with pytest.raises(
        MissingPartError, match=r"voice needs a recogniser: pip install -e '\.\[voice\]' in the checkout"
    ):
        open_recogniser(["fire"])
