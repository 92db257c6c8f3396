"""The voice: what is said into a microphone, as phrases of the schema. Open, or only while a key is held.

A thread carries sound from the microphone to the listener, which runs in a process of its own; a poll takes what was
understood meanwhile. Without a microphone the source is silent, says so once, and listens when one is plugged in.
Knows no recogniser and no sound library.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dreamloop.input.hearing import Hearing, ProcessHearing, Server, Told
from dreamloop.input.listen import Utterance
from dreamloop.input.microphone import Block, Microphone
from dreamloop.input.resolve import Command
from dreamloop.input.resolve_http import check_url
from dreamloop.input.schema import ActionSchema
from dreamloop.input.source import DeviceEvent, Source, Tick
from dreamloop.input.speech import check_recogniser

WAIT_S = 0.05  # for sound, before the microphone is looked after
LATE_S = 2.0  # what was said longer ago, while the game was paused, is not meant for it any more
TALK_KEYS = ("v", "t", "g", "right ctrl")  # the first that the schema does not use

MakeHearing = Callable[[ActionSchema], Hearing]


class TalkKey:
    """Which blocks were said with the key down; the block in which it comes up still counts."""

    def __init__(self, part: str) -> None:
        self.part = part
        self._down = False
        self._released_s = float("-inf")
        self._talking = False

    def handle(self, event: DeviceEvent) -> None:
        """Note that the key went down or up."""
        if event.part == self.part and event.kind in ("down", "up"):
            self._turn(event.kind == "down", event.time_s)

    def release(self, now_s: float) -> None:
        """The window lost the key."""
        self._turn(False, now_s)

    def _turn(self, down: bool, time_s: float) -> None:
        if self._down and not down:
            self._released_s = time_s
        self._down = down

    def hears(self, block: Block) -> bool:
        """Say whether any of ``block`` was said while the key was down."""
        return self._down or block.began_s < self._released_s

    def ends(self, block: Block) -> bool:
        """Say whether ``block`` is the first after the key was let go."""
        was, self._talking = self._talking, self.hears(block)
        return was and not self._talking


class VoiceSource(Source):
    """Turns speech into phrases; tells what was heard, how sure it is, and what that did."""

    def __init__(
        self, schema: ActionSchema, microphone: Microphone, make_hearing: MakeHearing, talk_key: str = ""
    ) -> None:
        self.name = "voice"
        self._schema, self._microphone, self._make_hearing = schema, microphone, make_hearing
        self._key = TalkKey(talk_key) if talk_key else None
        self._hearing: Hearing | None = None
        self._news = [f"voice: hold {talk_key.partition(':')[2].upper()} while you speak"] if talk_key else []
        self._now_s = float("-inf")
        self._changed = threading.Lock()  # the hearing is exchanged by the thread or by ``use``
        self._closing = False
        self._thread: threading.Thread | None = None

    def start(self, clock: Callable[[], float]) -> "VoiceSource":
        """Look for the microphone now, and listen to it from now on in a thread."""
        self.listen(clock())

        def run() -> None:
            while not self._closing:
                self.listen(clock(), WAIT_S)

        self._thread = threading.Thread(target=run, name="dreamloop-voice", daemon=True)
        self._thread.start()
        return self

    def listen(self, now_s: float, wait_s: float = 0.0) -> None:
        """Look after the microphone and pass on what it heard. The thread does this all the time."""
        line = self._microphone.look_after(now_s)
        if line:
            self._news.append(line)
        if self._hearing is None and self._microphone.is_open:
            with self._changed:
                self._hearing = self._make_hearing(self._schema)
        blocks = self._microphone.take(wait_s)
        with self._changed:
            for block in blocks:
                self._pass_on(block)

    def _pass_on(self, block: Block) -> None:
        if self._hearing is None:
            return
        if self._key is None or self._key.hears(block):
            self._hearing.hear(block)
        if self._key is not None and self._key.ends(block):
            self._hearing.enough(block.began_s)

    def use(self, schema: ActionSchema) -> None:
        if _phrases(schema) == _phrases(self._schema):
            return
        self._schema = schema
        with self._changed:
            if self._hearing is not None:
                self._hearing.close()
                self._hearing = self._make_hearing(schema)

    def handle(self, event: DeviceEvent) -> None:
        if self._key is not None:
            self._key.handle(event)

    def poll(self, tick: Tick, now_s: float) -> None:
        self._now_s = now_s
        for message in self._hearing.take() if self._hearing else ():
            if isinstance(message, Told):
                self._news.append(message.line)
            else:
                self._act(message, tick, now_s)

    def _act(self, said: Utterance, tick: Tick, now_s: float) -> None:
        late = now_s - said.decided_s > LATE_S
        for command in () if late else said.commands:
            tick.say(command.phrase.name, command.number, command.phrase)
            tick.stamp(said.end_s)
        if said.text:
            did = ", ".join(deed(command) for command in said.commands) or "no command"
            did = f"{did}, too late" if said.commands and late else did
            self._news.append(f'heard "{said.text}" {said.confidence:.0%}: {did}')

    def release_all(self) -> None:
        if self._key is not None:
            self._key.release(self._now_s)

    def news(self) -> list[str]:
        told, self._news = self._news, []
        return told

    def close(self) -> None:
        self._closing = True
        self._hush()  # first, so that the thread does not wait for a listener that takes nothing
        if self._thread is not None:
            self._thread.join()
        self._microphone.close()
        self._hush()

    def _hush(self) -> None:
        if self._hearing is not None:
            self._hearing.close()


def deed(command: Command) -> str:
    """What a command does, as the player reads it: ``turn left 90 (turn)``."""
    control = command.phrase.control
    return f"{command.text} ({control})" if control else command.text


def _phrases(schema: ActionSchema) -> Any:
    """Return what the listener takes from a schema."""
    return schema.phrases, schema.controls, schema.values.get("language")


def talk_key(schema: ActionSchema) -> str:
    """Return the part of the push-to-talk key: the first of ``TALK_KEYS`` that the schema leaves free."""
    taken = {part for field in schema.fields for press in field.bindings.presses for part in press.parts}
    free = [key for key in TALK_KEYS if f"key:{key}" not in taken and f"char:{key}" not in taken]
    return f"key:{(free or TALK_KEYS)[0]}"


def build(
    schema: ActionSchema,
    clock: Callable[[], float],
    model: Path | None = None,
    device: str | None = None,
    push_to_talk: bool = False,
    resolver: str | None = None,
    resolver_model: str = "default",
    driver: Any = None,
) -> VoiceSource:
    """Return the voice of one player.

    Args:
        schema: whose phrases may be said.
        clock: the game's, for the stamps of the sound.
        model: folder of a vosk model; None: where it is looked for anyway, else pocketsphinx.
        device: name or number of the microphone; None: the system's choice.
        push_to_talk: listen only while a key is held.
        resolver: address of a language model's server that is asked about what the phrases do not cover; None: nobody.
        resolver_model: the model, as that server names it.
        driver: stands in for sounddevice in tests.

    Raises:
        MissingPartError: a part is missing that no plugging in can bring.
        ResolverError: ``resolver`` is no http or https address.
    """
    if resolver is not None:
        check_url(resolver)
    server = None if resolver is None else Server(resolver, resolver_model)
    check_recogniser(schema.phrases, model)
    microphone = Microphone(device, clock, driver)
    key = talk_key(schema) if push_to_talk else ""
    source = VoiceSource(schema, microphone, lambda wanted: ProcessHearing(wanted, model, server), key)
    return source.start(clock)
