"""Merges the sources into one InputState per tick. Motion is summed, taps are latched, a phrase counts once.

The window feeds device events as they come; the loop polls as late as it can before a step. Feeding and
polling may happen on two threads. Knows no device; reads no clock: the time is an argument.
"""

import threading
from collections.abc import Sequence
from dataclasses import replace

from dreamloop.input.intent import IntentPlayer, Latches
from dreamloop.input.resolve import Command, PhraseResolver
from dreamloop.input.schema import ActionSchema
from dreamloop.input.source import DeviceEvent, Source, Tick, open_source
from dreamloop.input.state import InputState

WINDOW_SOURCES = ("keyboard", "mouse", "gamepad")  # sources that live on the window's events


class Poller:
    """One player's input. Without a schema, phrases are listed but do nothing."""

    def __init__(self, sources: Sequence[Source] | None = None, schema: ActionSchema | None = None) -> None:
        self.sources = [open_source(name) for name in WINDOW_SOURCES] if sources is None else list(sources)
        self._lock = threading.Lock()
        self._phrases: list[tuple[str, float | None, float]] = []  # fed from outside: words, number, time
        self._player: IntentPlayer | None = None
        self._latches: Latches | None = None
        self._resolver: PhraseResolver | None = None
        self.use(schema)

    def use(self, schema: ActionSchema | None) -> None:
        """Take another schema from the next tick on; what phrases hold is let go."""
        with self._lock:
            self._player = IntentPlayer(schema) if schema else None
            self._resolver = PhraseResolver(schema) if schema else None
            self._latches = Latches(schema) if schema else None
            if schema:
                for source in self.sources:
                    source.use(schema)

    def feed(self, event: DeviceEvent) -> None:
        """Take one device event from the window."""
        if event.kind == "focus_lost":
            self.release_all()
            return
        with self._lock:
            if event.kind == "phrase":
                self._phrases.append((event.part, event.x or None, event.time_s))
            for source in self.sources:
                source.handle(event)

    def poll(self, tick: int, dt_s: float, now_s: float) -> InputState:
        """Return what happened since the last poll, as tick ``tick`` of ``dt_s`` seconds, at ``now_s``."""
        with self._lock:
            seen = self._gather(now_s)
            phrases = self._listen(seen)
            intents = {**(self._player.tick(dt_s) if self._player else {}), **seen.intents}
            state = InputState(
                tick=tick,
                dt_s=dt_s,
                held=frozenset(seen.held),
                tapped=frozenset(seen.tapped),
                motion_px=seen.motion_px,
                wheel=seen.wheel,
                pointer=seen.pointer,
                axes=seen.axes,
                intents=intents,
                phrases=phrases,
                event_s=seen.event_s,
                sampled_s=now_s,
            )
            latched = self._latches.tick(state, seen.presses) if self._latches else {}
            return replace(state, intents={**latched, **intents}) if latched else state

    def _gather(self, now_s: float) -> Tick:
        seen = Tick()
        for words, number, time_s in self._phrases:
            seen.say(words, number)
            seen.stamp(time_s)
        self._phrases.clear()
        for source in self.sources:
            source.poll(seen, now_s)
        return seen

    def _listen(self, seen: Tick) -> tuple[str, ...]:
        """Start what was said and return it as the state lists it: ``turn left 90``. No command is listed as it is."""
        listed = []
        for words, number, phrase in seen.said:
            if phrase is None and self._latches and self._latches.spell(words):
                listed.append(words)
                continue
            commands = [Command(phrase, number)] if phrase else self._understand(words, number)
            for command in commands:
                if self._player:
                    self._player.say(command.phrase, command.number)
                if self._latches and command.phrase.stops:
                    self._latches.forget()
                listed.append(command.text)
            if not commands:
                listed.append(words)
        return tuple(listed)

    def _understand(self, words: str, number: float | None) -> list[Command]:
        """Return the commands in words that a source hands on as they are: the exact phrase, else free phrasing."""
        if self._player is None or self._resolver is None:
            return []
        phrase = self._player.find(words)
        return [Command(phrase, number)] if phrase else self._resolver.resolve(words)

    def release_all(self) -> None:
        """Let go of every held part and of what phrases hold; taps and motion not yet polled still count."""
        with self._lock:
            for source in self.sources:
                source.release_all()
            if self._player:
                self._player.stop()
            if self._latches:
                self._latches.forget()

    def news(self) -> list[str]:
        """Return what the sources have to tell the player: a missing microphone, a phrase heard."""
        return [line for source in self.sources for line in source.news()]

    def close(self) -> None:
        """Give the devices back."""
        for source in self.sources:
            source.close()
