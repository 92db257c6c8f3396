"""The listener in a process of its own: recognising takes tens of milliseconds, and no frame may wait for that.

Sound goes in through a pipe, utterances come out. A recogniser that crashes takes its process with it and not the game.
Knows no microphone and no clock.
"""

import multiprocessing
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from dreamloop.input.errors import DreamloopError
from dreamloop.input.listen import Listener, Utterance
from dreamloop.input.microphone import Block
from dreamloop.input.resolve import PhraseResolver
from dreamloop.input.resolve_http import HttpResolver
from dreamloop.input.rewrite import Rewriter
from dreamloop.input.schema import ActionSchema
from dreamloop.input.speech import Recogniser, open_recogniser
from dreamloop.input.vad import open_vad
from dreamloop.input.words import Language


@dataclass(frozen=True, slots=True)
class Told:
    """What the listener has to tell the player."""

    line: str
    over: bool = False  # nothing more will be heard


@dataclass(frozen=True, slots=True)
class Enough:
    """The talk key was let go: decide on what was said up to here."""

    time_s: float


@dataclass(frozen=True, slots=True)
class Server:
    """A language model that is asked about what the phrases do not cover."""

    url: str  # such as http://localhost:8080/v1
    model: str = "default"  # as the server names it
    timeout_s: float = 2.0


Message = Utterance | Told


class Hearing(Protocol):
    """Takes sound and gives back what it means, when it is ready."""

    def hear(self, block: Block) -> None:
        """Go on with the stream."""
        ...

    def enough(self, time_s: float) -> None:
        """Decide on what was said up to ``time_s``."""
        ...

    def take(self) -> list[Message]:
        """Return what was understood since the last call. Does not wait."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


def recogniser_for(schema: ActionSchema, vosk_model: Path | None = None, free: bool = False) -> Recogniser:
    """Return a recogniser of a schema's phrases and of the words that people put around them; ``free``: of any words.

    Raises:
        MissingPartError: no recogniser is there, or the schema has nothing to say.
    """
    language = Language.of(schema.values.get("language", {}))
    phrases = [text for phrase in schema.phrases for text in phrase.say]
    synonyms = {said for control in schema.controls for pair in control.synonyms for said in pair[1].split()}
    others = language.numbers.keys() | language.seconds.keys() | language.units | language.fillers
    words = sorted(others | language.negations | synonyms)
    return open_recogniser(phrases, words, sorted(language.around), vosk_model, free)


def listener_for(schema: ActionSchema, recogniser: Recogniser) -> Listener:
    """Return a listener for a schema's phrases."""
    phrases = [text for phrase in schema.phrases for text in phrase.say]
    return Listener(recogniser, open_vad(), PhraseResolver(schema), phrases)


class ProcessHearing(Hearing):
    """A listener in a process that ends with the game's."""

    def __init__(self, schema: ActionSchema, vosk_model: Path | None = None, server: Server | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        given = (theirs, schema.to_dict(), vosk_model, server)
        self._process = context.Process(target=_listen, args=given, name="dreamloop-voice", daemon=True)
        self._process.start()
        theirs.close()
        self._ready = self._over = False

    def hear(self, block: Block) -> None:
        self._send(block)

    def enough(self, time_s: float) -> None:
        self._send(Enough(time_s))

    def take(self) -> list[Message]:
        found: list[Message] = []
        try:
            while not self._over and self._pipe.poll():
                found.append(self._pipe.recv())
        except (EOFError, OSError):
            found.append(Told("voice: the recogniser has stopped; start again to speak, the game goes on", over=True))
        self._ready = self._ready or bool(found)
        self._over = self._over or any(isinstance(one, Told) and one.over for one in found)
        return found

    def close(self) -> None:
        self._over = True
        self._process.terminate()
        self._process.join()
        self._pipe.close()

    def _send(self, message: Block | Enough) -> None:
        """Send, once the other side is ready; that it has stopped is told by ``take``."""
        if self._ready:
            with suppress(OSError):
                self._pipe.send(message)


def _listen(pipe: Connection, schema: Mapping[str, Any], vosk_model: Path | None, server: Server | None) -> None:
    """What the process does, until the game closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the game's affair
    sending = threading.Lock()

    def send(message: Message) -> None:
        with sending, suppress(OSError):  # the game may close the pipe at any moment
            pipe.send(message)

    try:
        built = ActionSchema.from_dict(schema)
        recogniser = recogniser_for(built, vosk_model, free=server is not None)
        listener = listener_for(built, recogniser)
        hand_on = _asking(built, server, send)
    except DreamloopError as error:
        send(Told(str(error), over=True))
        return
    for line in [f"voice: listening with {recogniser.name}", *recogniser.news()]:
        send(Told(line))
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            return
        heard = listener.feed(message.sound, message.time_s) if isinstance(message, Block) else []
        heard += listener.finish(message.time_s) if isinstance(message, Enough) else []
        for one in heard:
            hand_on(one)


def _asking(
    schema: ActionSchema, server: Server | None, send: Callable[[Message], None]
) -> Callable[[Utterance], None]:
    """Return what utterances are handed to: ``send`` itself or, with a server, what asks it first."""
    if server is None:
        return send
    resolver = HttpResolver(schema, server.url, server.model, server.timeout_s)
    return Rewriter(resolver, send, lambda line: send(Told(f"voice: {line}"))).take
