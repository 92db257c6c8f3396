"""Asks a language model what an utterance means: any server that speaks OpenAI's chat completions.

The deterministic resolver goes first; only what it does not understand is sent. A server that is slow, gone or talks
nonsense costs one line of news and never an action. Runs where the voice is worked on, not in the game's loop.
"""

import json
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from dreamloop.input.control import Phrase, Step
from dreamloop.input.errors import DreamloopError, unknown
from dreamloop.input.resolve import Command, PhraseResolver, Resolver
from dreamloop.input.schema import ActionSchema
from dreamloop.input.schema_text import describe
from dreamloop.input.words import plain

MOST_BYTES = 200_000  # of an answer; whatever is longer is nonsense
MOST_COMMANDS = 8
PROMPT = """\
You turn what a player says into commands of a game. Answer with one JSON object and nothing else:
{"commands": [{"phrase": "turn left", "number": 90}, {"control": "turn", "value": -4, "seconds": 1}]}
Use only these phrases and controls. If the player is not giving a command, answer {"commands": []}.
"""


class ResolverError(DreamloopError):
    """A language model server that cannot be asked as configured."""


def check_url(url: str) -> None:
    """Raise a ResolverError unless ``url`` is an http or https address. Asks nobody."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is no number
        good = False
    if not good:
        raise ResolverError(f"got '{url}' for the language model's server, allowed: http://HOST:PORT/v1")


class HttpResolver(Resolver):
    """Rewrites what the phrases alone do not cover, with the help of a server."""

    def __init__(self, schema: ActionSchema, url: str, model: str = "default", timeout_s: float = 2.0) -> None:
        """``url`` is the server's base, such as ``http://localhost:8080/v1``.

        Raises:
            ResolverError: not an http or https address.
        """
        check_url(url)
        self._url = url.rstrip("/") + "/chat/completions"
        self._model, self._timeout_s = model, timeout_s
        self._schema, self._plain = schema, PhraseResolver(schema)
        self._phrases = {plain(text): phrase for phrase in schema.phrases for text in phrase.say}
        self._controls = {*schema.index, *(one.name for one in schema.derived)}
        self._news: list[str] = []
        self._told: set[str] = set()

    def resolve(self, utterance: str) -> list[Command]:
        """Return the commands of an utterance; the server is asked only when the phrases alone do not cover it."""
        found = self._plain.resolve(utterance)
        if found or not plain(utterance):
            return found
        try:
            return self._commands(self._ask(utterance), utterance)
        except (OSError, ValueError, HTTPException, ResolverError) as error:
            self._tell(f"language model: {_reason(error)}")
            return []

    def news(self) -> list[str]:
        told, self._news = self._news, []
        return told

    def _ask(self, utterance: str) -> Any:
        """Return the JSON value that the server answers; its waiting time is bounded."""
        body = {
            "model": self._model,
            "temperature": 0,
            "response_format": {"type": "json_object"},
            "messages": [
                {"role": "system", "content": PROMPT + self._menu()},
                {"role": "user", "content": utterance},
            ],
        }
        request = urllib.request.Request(
            self._url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:
            content = json.loads(answer.read(MOST_BYTES))
        try:
            text = content["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            raise ResolverError("the answer is no chat completion") from None
        if not isinstance(text, str):  # a refusal, or the call of a tool
            raise ResolverError("the answer holds no text")
        return json.loads(text)

    def _menu(self) -> str:
        """Return the phrases and controls as the server reads them."""
        lines = [f"phrases: {', '.join(phrase.name for phrase in self._schema.phrases)}"]
        lines += [f"control {row.control}: {row.value}; {row.help}" for row in describe(self._schema) if row.control]
        return "\n".join(lines)

    def _commands(self, answer: Any, utterance: str) -> list[Command]:
        """Return the commands in an answer; one that names nothing known is left out and told."""
        listed = answer.get("commands") if isinstance(answer, dict) else None
        if not isinstance(listed, list):
            raise ResolverError("the answer has no list 'commands'")
        found = [self._command(one, utterance) for one in listed[:MOST_COMMANDS]]
        return [one for one in found if one is not None]

    def _command(self, one: Any, utterance: str) -> Command | None:
        one = one if isinstance(one, dict) else {}
        phrase = self._phrases.get(plain(str(one.get("phrase", ""))))
        if phrase is not None:
            return Command(phrase, _number(one.get("number")))
        control, value = str(one.get("control", "")), _number(one.get("value"))
        if control in self._controls and value is not None:
            seconds = _number(one.get("seconds")) or 0.0
            step = Step(min(max(seconds, 0.0), 60.0), sets=((control, value),))
            return Command(Phrase((plain(utterance),), (step,), control))
        name, known = (control, self._controls) if "control" in one else (str(one.get("phrase", "")), self._phrases)
        self._tell(f"language model: {unknown('control' if 'control' in one else 'phrase', name[:60], known)}")
        return None

    def _tell(self, line: str) -> None:
        """Keep a line of news; a line that was told is not told again, however often a server fails."""
        if line not in self._told:
            self._told.add(line)
            self._news.append(line)


def _number(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
    return float(value) if good else None


def _reason(error: Exception) -> str:
    """Return in a few words why asking failed."""
    if isinstance(error, ResolverError):
        return str(error)
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return "no answer in time"
    if isinstance(error, OSError):
        return f"cannot reach the server: {getattr(error, 'reason', error)}"
    return "the answer is not JSON"
