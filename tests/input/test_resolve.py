"""Free phrasing becomes commands, and what is no command becomes none."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamloop.input.resolve import PhraseResolver, Resolver
from dreamloop.input.resolve_http import HttpResolver, ResolverError
from dreamloop.input.schema import ActionSchema
from dreamloop.input.words import Language, distance, plain, tokens

DOOM = ActionSchema.load(Path(__file__).parents[2] / "demos" / "doom" / "schema.toml")
SOME = ["go", "turn", "left", "9", "one", "hundred", "and", "half", "not", "stop"]
PLAIN = PhraseResolver(DOOM)


def resolved(resolver: Resolver, utterance: str) -> list[str]:
    return [command.text for command in resolver.resolve(utterance)]


@pytest.mark.parametrize(
    ("utterance", "commands"),
    [
        ("could you open that door please", ["open the door"]),
        ("let's go ahead", ["go forward"]),
        ("Shoot!", ["fire"]),
        ("turn left ninety degrees", ["turn left 90"]),
        ("turn ninety degrees left", ["turn left 90"]),
        ("turn right by 45", ["turn right 45"]),
        ("turn right 45", ["turn right 45"]),
        ("turn left one hundred and eighty degrees", ["turn left 180"]),
        ("go forward for three seconds and then open the door", ["go forward 3", "open the door"]),
        ("two seconds forward", ["go forward 2"]),
        ("walk half a second", ["go forward 0.5"]),
        ("turn left and shoot, then run", ["turn left", "fire", "run"]),
        ("fire fire fire", ["fire", "fire", "fire"]),
        ("turn left left", ["turn left"]),
        ("stop running", ["stop"]),
        ("open the dorr", ["open the door"]),
        ("go forwrad", ["go forward"]),
        ("now just open it, would you", ["open the door"]),
        ("please stand still", ["stop"]),
    ],
)
def test_commands(utterance: str, commands: list[str]) -> None:
    assert resolved(PLAIN, utterance) == commands


@pytest.mark.parametrize(
    "utterance",
    [
        *("", "   ", "?!", "the", "please", "hello how are you", "we should open a bank account"),
        *("the fire department came", "don't shoot", "do not open the door", "never go back", "the door is open"),
        *("he was walking down the street", "it is a fine day", "what is on the left side of the street"),
        *("i use this program every single day", "they attacked us at night", "seven", "ninety degrees"),
        *("the right answer is number four", "forward this letter to my brother", "shoot the film at sunset"),
        *("turn of the century", "look at the picture", "running shoes are expensive", "no fire without smoke"),
        "go " * 40,
    ],
)
def test_what_is_no_command_becomes_none(utterance: str) -> None:
    assert resolved(PLAIN, utterance) == []


def test_every_phrase_means_itself() -> None:
    for phrase in DOOM.phrases:
        for text in phrase.say:
            assert [command.phrase for command in PLAIN.resolve(text)] == [phrase], text
            assert [command.phrase for command in PLAIN.resolve(f"Could you please {text}, now?")] == [phrase], text


def test_synonyms_and_another_language() -> None:
    schema = ActionSchema.from_dict(
        {
            "format": 1,
            "name": "deutsch",
            "stop": ["halt"],
            "language": {
                "fillers": ["bitte", "die", "mal", "und"],
                "numbers": {"neunzig": 90},
                "units": ["grad"],
                "negations": ["nicht"],
            },
            "control": [
                {
                    "name": "use",
                    "kind": "button",
                    "phrases": ["öffne die Tür"],
                    "synonyms": {"tür": ["pforte"], "öffne": ["mach"]},
                },
                {
                    "name": "turn",
                    "kind": "axis",
                    "range": [-9, 9],
                    "phrases_negative": [{"say": "dreh nach links", "total": -45}],
                },
            ],
        }
    )
    resolver = PhraseResolver(schema)
    assert resolved(resolver, "Bitte öffne mal die Pforte!") == ["öffne die Tür"]
    assert resolved(resolver, "dreh neunzig Grad nach links, öffne die Tür") == [
        "dreh nach links 90",
        "öffne die Tür",
    ]
    assert resolved(resolver, "öffne nicht") == []
    assert resolved(resolver, "HALT") == ["halt"]


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=80)
    | st.lists(st.sampled_from(["go", "turn", "left", "9", "one", "hundred", "and", "half", "not", "stop"])).map(
        " ".join
    )
)
def test_any_text_is_answered(text: str) -> None:
    for command in PLAIN.resolve(text):
        assert command.phrase in DOOM.phrases
        assert 0.0 < command.score <= 1.0


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("ninety", 90),
        ("forty-five", 45),
        ("one hundred", 100),
        ("a hundred and eighty", None),
        ("two hundred thirty four", 234),
        ("three thousand", 3000),
        ("12.5", 12.5),
        ("half", 0.5),
    ],
)
def test_numbers(words: str, number: float | None) -> None:
    found = [token.number for token in tokens(words, Language.of()) if token.number is not None]
    assert found == ([180] if number is None else [number])


def test_seconds_are_converted() -> None:
    (token,) = tokens("two minutes", Language.of())
    assert (token.number, token.unit) == (120.0, "seconds")


@settings(max_examples=200, deadline=None)
@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_distance_is_a_distance(one: str, other: str) -> None:
    assert distance(one, other, 9) == distance(other, one, 9)
    assert (distance(one, other, 9) == 0) == (one == other)
    assert distance(one, other, 9) <= max(len(one), len(other))
    assert plain(plain(one)) == plain(one)


def test_what_is_said_around_a_command_changes_nothing() -> None:
    """Guards against words that the recogniser is told to expect and the resolver then holds against the command."""
    language = Language.of()
    assert language.around
    for group in language.around:
        assert set(group.split()) <= language.fillers, group
        assert [command.text for command in PLAIN.resolve(f"{group} open the door")] == ["open the door"]
    assert not Language.of({"fillers": ["bitte"]}).around, "another language does not take over English"
    assert Language.of({"fillers": ["bitte"], "around": ["bitte"]}).around == {"bitte"}


# -- a language model's server -------------------------------------------------------------------------------------


def test_the_server_is_asked_only_for_what_the_phrases_do_not_cover(server: Any) -> None:
    resolver = HttpResolver(DOOM, server.url, model="tiny")
    assert resolved(resolver, "open the door") == ["open the door"]
    assert server.asked == []
    server.says({"commands": [{"phrase": "turn left", "number": 90}, {"phrase": "Fire!"}]})
    assert resolved(resolver, "swing round to port and give them hell") == ["turn left 90", "fire"]
    asked = server.asked[0]
    assert asked["path"] == "/v1/chat/completions"
    assert asked["model"] == "tiny"
    assert asked["messages"][1] == {"role": "user", "content": "swing round to port and give them hell"}
    assert "turn around" in asked["messages"][0]["content"]
    assert resolver.news() == []


def test_the_server_may_answer_with_controls(server: Any) -> None:
    server.says({"commands": [{"control": "turn", "value": -4, "seconds": 1.5}]})
    (command,) = HttpResolver(DOOM, server.url).resolve("drift gently to port")
    (step,) = command.phrase.steps
    assert (step.seconds, step.sets) == (1.5, (("turn", -4.0),))
    assert command.text == "drift gently to port"


@pytest.mark.parametrize(
    ("content", "news"),
    [
        ({"commands": [{"control": "trun", "value": 1}]}, "unknown control 'trun'"),
        ({"commands": [{"phrase": "dance"}]}, "unknown phrase 'dance'"),
        ({"commands": ["dance", None, 3, {"control": "turn", "value": "much"}]}, "unknown"),
        ({"commands": []}, ""),
        ({"orders": []}, "no list 'commands'"),
        ("[]", "no list 'commands'"),
        ("Sure! I will turn left.", "not JSON"),
        ("{", "not JSON"),
    ],
)
def test_nonsense_gives_no_action_and_one_line(server: Any, content: Any, news: str) -> None:
    server.says(content)
    resolver = HttpResolver(DOOM, server.url)
    assert resolved(resolver, "swing round to port") == []
    told = "\n".join(resolver.news())
    assert news in told if news else not told
    assert resolver.news() == []


@pytest.mark.parametrize(
    ("status", "body", "news"),
    [
        (200, b"<html>", "not JSON"),
        (200, b'{"choices": []}', "no chat completion"),
        (200, b"\xff\xfe\x00", "not JSON"),
        (500, b"", "the server answers 500"),
        (404, b"{}", "the server answers 404"),
    ],
)
def test_a_server_that_is_no_such_server(server: Any, status: int, body: bytes, news: str) -> None:
    server.answer = lambda asked: (status, body)
    resolver = HttpResolver(DOOM, server.url)
    assert resolved(resolver, "swing round to port") == []
    assert news in resolver.news()[0]


def test_a_slow_server_is_not_waited_for(server: Any) -> None:
    release = threading.Event()

    def wait(asked: dict[str, Any]) -> tuple[int, bytes]:
        release.wait(10)
        return 200, b""

    server.answer = wait
    resolver = HttpResolver(DOOM, server.url, timeout_s=0.1)
    started_s = time.monotonic()
    assert resolved(resolver, "swing round to port") == []
    assert time.monotonic() - started_s < 5.0
    assert "no answer in time" in resolver.news()[0]
    release.set()


def test_no_server_at_all(server: Any) -> None:
    server.close()
    resolver = HttpResolver(DOOM, server.url)
    assert resolved(resolver, "swing round to port") == []
    assert "cannot reach the server" in resolver.news()[0]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "localhost:8080", "ftp://x/v1", ""])
def test_only_web_addresses_are_asked(url: str) -> None:
    with pytest.raises(ResolverError, match="allowed: http://HOST:PORT/v1"):
        HttpResolver(DOOM, url)


def test_the_same_trouble_is_told_once(server: Any) -> None:
    """Guards against a line of news per sentence while a server is down."""
    server.close()
    resolver = HttpResolver(DOOM, server.url)
    lines = []
    for text in ("swing round to port", "give them hell"):
        assert resolved(resolver, text) == []
        lines += resolver.news()
    assert len(lines) == 1
