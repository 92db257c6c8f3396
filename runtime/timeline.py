"""Where a replay stands: position, speed, playing or not. Plain bookkeeping: time is handed in, nothing is
drawn.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

SPEEDS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


class Timeline:
    """A position in ``length`` ticks.

    Args:
        length: ticks in the recording.
        rate_hz: ticks a second at speed 1.
        stops: ticks worth jumping to (marks), in any order.
    """

    def __init__(self, length: int, rate_hz: float, stops: Sequence[int] = ()) -> None:
        self.length, self.rate_hz = length, rate_hz
        self.playing = True
        self.speed = 1.0
        self.stops = sorted({min(max(stop, 0), max(length - 1, 0)) for stop in stops})
        self._position = 0.0  # in ticks; its whole part is the tick that shows

    @property
    def index(self) -> int:
        """The tick that shows."""
        return min(int(self._position), max(self.length - 1, 0))

    @property
    def at_end(self) -> bool:
        """True when the last tick shows."""
        return self.index >= self.length - 1

    def advance(self, dt_s: float) -> int:
        """Let ``dt_s`` pass and return the tick that shows; playing stops at the end."""
        if self.playing:
            self._position += dt_s * self.rate_hz * self.speed
            if self._position >= self.length - 1:
                self._position, self.playing = float(max(self.length - 1, 0)), False
        return self.index

    def toggle(self) -> None:
        """Play or pause; at the end, play from the beginning."""
        if not self.playing and self.at_end:
            self._position = 0.0
        self.playing = not self.playing

    def seek(self, index: float) -> None:
        """Go to a tick; beyond the ends, to the end."""
        self._position = min(max(float(index), 0.0), float(max(self.length - 1, 0)))

    def skip(self, seconds: float) -> None:
        """Go so many seconds of world time on, or back."""
        self.seek(self._position + seconds * self.rate_hz)

    def step(self, ticks: int) -> None:
        """Pause, and go so many ticks on, or back."""
        self.playing = False
        self.seek(self.index + ticks)

    def jump(self, direction: int) -> None:
        """Go to the next mark (1) or the one before (-1); without one, to the end or the beginning."""
        if direction > 0:
            place = bisect_right(self.stops, self.index)
            self.seek(self.stops[place] if place < len(self.stops) else self.length - 1)
        else:
            place = bisect_left(self.stops, self.index) - 1
            self.seek(self.stops[place] if place >= 0 else 0)

    def change_speed(self, direction: int) -> None:
        """Take the next faster (1) or slower (-1) speed."""
        place = SPEEDS.index(self.speed) + direction
        self.speed = SPEEDS[min(max(place, 0), len(SPEEDS) - 1)]
