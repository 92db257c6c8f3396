"""Asks a second resolver about what the phrases do not cover, in a thread: a slow one never makes the listener deaf.

An answer that comes after a later command is dropped: whoever said "stop" meanwhile means it. Knows no network and no
recogniser.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import replace

from dreamloop.input.listen import Utterance
from dreamloop.input.resolve import Resolver

WAITING = 4  # utterances at most; whoever talks on is not giving commands


class Rewriter:
    """Takes utterances and hands them on, those that are no command with what the second resolver makes of them."""

    def __init__(self, resolver: Resolver, hand_on: Callable[[Utterance], None], tell: Callable[[str], None]) -> None:
        """``hand_on`` and ``tell`` (a line for the player) are called from this thread and from the caller's."""
        self._resolver, self._hand_on, self._tell = resolver, hand_on, tell
        self._waiting: queue.Queue[tuple[Utterance, int] | None] = queue.Queue(WAITING)
        self._commands = 0  # that were handed on so far
        self._order = threading.Lock()  # between looking at that number and handing on
        self._thread = threading.Thread(target=self._run, name="dreamloop-rewriter", daemon=True)
        self._thread.start()

    def take(self, one: Utterance) -> None:
        """Hand a command on at once, and anything else when it was asked about. Does not wait."""
        if one.commands or not one.believed or not one.text:
            with self._order:
                self._commands += len(one.commands)
                self._hand_on(one)
            return
        try:
            self._waiting.put_nowait((one, self._commands))
        except queue.Full:
            self._hand_on(one)

    def close(self) -> None:
        """Answer what is waiting, then end."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (asked := self._waiting.get()) is not None:
            one, before = asked
            try:
                commands = tuple(self._resolver.resolve(one.text))
                news = self._resolver.news()
            except Exception as error:  # noqa: BLE001 (whatever it was, the next words are still asked about)
                commands, news = (), [f"language model: {type(error).__name__}: {error}"]
            for line in news:
                self._tell(line)
            with self._order:
                overtaken = self._commands != before
                self._hand_on(one if overtaken else replace(one, commands=commands))
