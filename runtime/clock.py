"""Time. The only file of the house that reads a clock; everything else is handed one, or a number of seconds.

``now_s`` counts seconds from an arbitrary start and never goes back. Knows nothing about ticks of a world:
the pacer (runtime/pacer.py) does.
"""

import time
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits."""

    def now_s(self) -> float:
        """Seconds since an arbitrary start, never going back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait ``seconds``; nothing when it is not positive."""
        ...

    def stamp(self) -> str:
        """The local date and time as part of a file name: ``2026-11-21_14-03-59``."""
        ...


class SystemClock:
    """The machine's own clock; accurate to about 0.1 ms."""

    def now_s(self) -> float:
        """Seconds of the performance counter."""
        return time.perf_counter()

    def sleep(self, seconds: float) -> None:
        """Wait without burning a core: on two cores the model needs them."""
        if seconds > 0:
            time.sleep(seconds)

    def stamp(self) -> str:
        """The local date and time as part of a file name."""
        return datetime.now().strftime("%Y-%m-%d_%H-%M-%S")


class FakeClock:
    """A clock for tests and for play as fast as the model goes: waiting only moves its hand."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s
        self.slept_s = 0.0  # time spent waiting, for tests of the pacing

    def now_s(self) -> float:
        """The time that the hand shows."""
        return self._now_s

    def sleep(self, seconds: float) -> None:
        """Move the hand on by ``seconds``."""
        if seconds > 0:
            self._now_s += seconds
            self.slept_s += seconds

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass outside of any waiting (a slow model, a slow window)."""
        self._now_s += seconds

    def stamp(self) -> str:
        """A fixed name, with the hand's seconds in it."""
        return f"2000-01-01_00-00-{self._now_s:09.3f}"
