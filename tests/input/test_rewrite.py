"""What the phrases do not cover is asked about in a thread, and from the real game's listener to a real HTTP server."""

import shutil
import subprocess
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dreamloop.input import hearing as hearing_module
from dreamloop.input.hearing import Message, ProcessHearing, Server, Told, _listen
from dreamloop.input.listen import Utterance
from dreamloop.input.microphone import Block
from dreamloop.input.resolve import Command, PhraseResolver, Resolver
from dreamloop.input.resolve_http import ResolverError
from dreamloop.input.rewrite import WAITING, Rewriter
from dreamloop.input.schema import ActionSchema
from dreamloop.input.source import open_source
from dreamloop.input.speech import Heard
from dreamloop.input.vad import RATE_HZ, Sound

DOOM = ActionSchema.load(Path(__file__).parents[2] / "demos" / "doom" / "schema.toml")
PLAIN = PhraseResolver(DOOM)


def utterance(text: str, believed: bool = True) -> Utterance:
    return Utterance(text, 0.9, tuple(PLAIN.resolve(text)), 1.0, 1.2, believed)


class Slow(Resolver):
    """Takes everything for "fire", when a test lets it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go = threading.Event()

    def resolve(self, utterance: str) -> list[Command]:
        self.asked.append(utterance)
        assert self.go.wait(30)
        return PLAIN.resolve("fire")

    def news(self) -> list[str]:
        return ["slow server"]


class Ends:
    """A rewriter with both of its ends."""

    def __init__(self) -> None:
        self.resolver = Slow()
        self.handed: list[Utterance] = []
        self.told: list[str] = []
        self.rewriter = Rewriter(self.resolver, self.handed.append, self.told.append)

    def acts(self) -> list[tuple[str, list[str]]]:
        return [(one.text, [command.text for command in one.commands]) for one in self.handed]

    def finish(self) -> None:
        self.resolver.go.set()
        self.rewriter.close()


def test_commands_go_by_and_other_words_are_asked_about() -> None:
    ends = Ends()
    ends.rewriter.take(utterance("open the door"))
    assert ends.acts() == [("open the door", ["open the door"])]
    ends.rewriter.take(utterance("give them hell"))
    ends.finish()
    assert ends.resolver.asked == ["give them hell"]
    assert ends.acts()[1:] == [("give them hell", ["fire"])]
    assert ends.told == ["slow server"]


def test_a_resolver_that_breaks_is_told_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """One odd answer ended the thread, and nothing was ever asked again."""
    ends = Ends()
    answers: Iterator[RuntimeError | list[Command]] = iter([RuntimeError("odd"), PLAIN.resolve("fire")])

    def resolve(utterance: str) -> list[Command]:
        answer = next(answers)
        if isinstance(answer, RuntimeError):
            raise answer
        return answer

    monkeypatch.setattr(ends.resolver, "resolve", resolve)
    for text in ("give them hell", "let them have it"):
        ends.rewriter.take(utterance(text))
    ends.finish()
    assert ends.acts() == [("give them hell", []), ("let them have it", ["fire"])]
    assert ends.told[0] == "language model: RuntimeError: odd"


def test_noise_is_not_asked_about() -> None:
    ends = Ends()
    for one in (utterance("but a whole", believed=False), utterance("")):
        ends.rewriter.take(one)
    ends.finish()
    assert ends.resolver.asked == []
    assert [commands for _, commands in ends.acts()] == [[], []]


def test_a_slow_answer_does_not_act_after_a_later_command() -> None:
    """Guards against walking off after "stop", because an older sentence was still being thought about."""
    ends = Ends()
    ends.rewriter.take(utterance("give them hell"))
    ends.rewriter.take(utterance("stop"))
    ends.finish()
    assert ends.acts() == [("stop", ["stop"]), ("give them hell", [])]


def test_whoever_talks_on_is_not_waited_for() -> None:
    ends = Ends()
    for i in range(WAITING + 10):
        ends.rewriter.take(utterance(f"sentence {i}"))  # never waits, though nothing is answered
    assert len(ends.handed) >= 8
    ends.finish()
    assert len(ends.handed) == WAITING + 10


# -- the listener of the game, as its process runs it ----------------------------------------------------------------


class FakeRecogniser:
    """Hears what a test says next."""

    name, streaming = "fake", False

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)

    def start(self) -> None:
        return None

    def feed(self, sound: Sound) -> None:
        return None

    def guess(self, clean: Sound) -> Heard:
        return Heard(self.lines.pop(0), 0.9)

    def news(self) -> list[str]:
        return []


class LoudVad:
    name = "loud"

    def speech(self, window: Sound) -> float:
        return float(np.abs(window).mean())

    def reset(self) -> None:
        return None


class Pipe:
    """The game's end of the pipe: says as many things as it is asked for and then hangs up when all is answered."""

    def __init__(self, utterances: int) -> None:
        quiet, loud = np.full(512 * 30, 0.1, np.float32), np.full(512 * 20, 0.9, np.float32)
        self.blocks = [Block(np.concatenate([quiet, loud, quiet]), float(i)) for i in range(utterances)]
        self.wanted, self.sent = utterances, list[Message]()
        self.changed = threading.Condition()

    def send(self, message: Message) -> None:
        with self.changed:
            self.sent.append(message)
            self.changed.notify_all()

    def recv(self) -> Block:
        if self.blocks:
            return self.blocks.pop(0)
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.utterances) >= self.wanted, 30), self.sent
        raise EOFError

    @property
    def utterances(self) -> list[Utterance]:
        return [one for one in self.sent if isinstance(one, Utterance)]

    @property
    def lines(self) -> list[str]:
        return [one.line for one in self.sent if isinstance(one, Told)]


Say = Callable[..., Pipe]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Say:
    """Run the listener's process, in this one, on words that a recogniser is made to hear."""

    def run(server: Server | None, *lines: str) -> Pipe:
        monkeypatch.setattr(hearing_module, "recogniser_for", lambda *_, **__: FakeRecogniser(*lines))
        monkeypatch.setattr(hearing_module, "open_vad", LoudVad)
        monkeypatch.setattr("dreamloop.input.hearing.signal.signal", lambda *_: None)
        pipe = Pipe(len(lines))
        _listen(pipe, DOOM.to_dict(), None, server)  # type: ignore[arg-type]
        return pipe

    return run


def test_the_game_asks_a_real_server_for_what_the_phrases_do_not_cover(play: Say, server: Any) -> None:
    server.says({"commands": [{"phrase": "turn left", "number": 90}]})
    pipe = play(Server(server.url, "tiny"), "fire", "swing round to port")
    assert [[command.text for command in one.commands] for one in pipe.utterances] == [["fire"], ["turn left 90"]]
    assert [asked["messages"][1]["content"] for asked in server.asked] == ["swing round to port"]
    assert server.asked[0]["model"] == "tiny"
    assert pipe.lines == ["voice: listening with fake"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("no JSON", "not JSON"),
        ({"commands": [{"control": "trun", "value": 1}]}, "unknown control 'trun'"),
        (None, "time"),
    ],
)
def test_a_server_that_fails_is_told_once_and_the_phrases_go_on(
    content: object, line: str, play: Say, server: Any
) -> None:
    """Guards against a line of news per sentence while a server is down."""
    release = threading.Event()
    if content is None:
        server.answer = lambda asked: (500, bytes(release.wait(30)))
    else:
        server.says(content)
    said = ["swing round to port", "fire", "give them hell", "shoot"]
    pipe = play(Server(server.url, timeout_s=0.1 if content is None else 30.0), *said)
    release.set()
    assert sorted(one.text for one in pipe.utterances) == sorted(said)
    assert [one.text for one in pipe.utterances if one.commands] == ["fire", "shoot"]
    (told,) = pipe.lines[1:]
    assert told.startswith("voice: language model: ")
    assert line in told


def test_without_a_server_nobody_is_asked(play: Say, server: Any) -> None:
    pipe = play(None, "swing round to port")
    assert [one.commands for one in pipe.utterances] == [()]
    assert server.asked == []


@pytest.mark.parametrize("url", ["localhost:8080", "http://", "http://host:port/v1", "file:///etc/passwd"])
def test_an_address_that_is_none_is_one_sentence_before_anything_starts(url: str) -> None:
    with pytest.raises(ResolverError, match="allowed: http://HOST:PORT/v1"):
        open_source("voice", schema=DOOM, clock=lambda: 0.0, resolver=url)


def test_a_real_listener_in_its_process_asks_a_real_server(server: Any, tmp_path: Path) -> None:
    """Speech by flite, pocketsphinx, the pipe and HTTP: only the microphone and the language model are not there."""
    pytest.importorskip("pocketsphinx", reason="pocketsphinx is missing: pip install -e '.[voice]' in the checkout")
    if shutil.which("flite") is None:
        pytest.skip("flite is missing: apt install flite")
    path = tmp_path / "said.wav"
    subprocess.run(["flite", "-voice", "kal16", "-t", "The weather is very nice today.", "-o", str(path)], check=True)
    with wave.open(str(path)) as file:
        said = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
    server.says({"commands": [{"phrase": "fire"}]})
    hearing = ProcessHearing(DOOM, None, Server(server.url, timeout_s=60.0))
    try:
        assert wait_for(hearing, Told).line == "voice: listening with pocketsphinx"
        hearing.hear(Block(np.pad(said, (RATE_HZ, 2 * RATE_HZ)), 10.0))
        one = wait_for(hearing, Utterance)
    finally:
        hearing.close()
    assert [command.text for command in one.commands] == ["fire"], one
    assert server.asked[0]["messages"][1]["content"] == one.text


def wait_for(hearing: ProcessHearing, kind: type[Any]) -> Any:
    """Return the next message of a kind, from a process that may be slow to start."""
    deadline = time.monotonic() + 120.0
    while time.monotonic() < deadline:
        found = [one for one in hearing.take() if isinstance(one, kind)]
        if found:
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"no {kind.__name__} in two minutes")
