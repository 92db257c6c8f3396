"""Keeps a world at its own rate: counts ticks and waits for the next one, looking after the window meanwhile.

A model that cannot keep up makes the world slow down; a tick is never skipped. What the player does is read as late as
can be: a tick does not begin before the model is ready for it. Knows nothing about models.
"""

from collections.abc import Callable

from dreamloop.runtime.clock import Clock

PUMP_S = 1 / 250  # longest time between two looks at the devices
DEBT = 0.5  # share of a tick by which the loop may run late and still catch up; beyond it the world slows down


class Pacer:
    """The loop's ``clock``. ``wait`` returns when the next tick is due.

    Args:
        clock: what tells the time.
        rate_hz: ticks per second of world time.
        idle: called at least every 4 ms while waiting; returns False to give up waiting.
        paced: False runs as fast as the model goes: waiting then takes no time, unless paused.
        ready: waits so many seconds for the model, and says whether it is ready for the next tick.
    """

    def __init__(
        self,
        clock: Clock,
        rate_hz: float,
        idle: Callable[[], bool],
        paced: bool = True,
        ready: Callable[[float], bool] = lambda wait_s: True,
    ) -> None:
        self.tick = 0
        self.dt_s = 1.0 / rate_hz  # length of a tick, world time
        self.paused = False
        self.speed = 1.0  # world seconds asked for per wall second
        self._single = False
        self._clock = clock
        self._idle = idle
        self._paced = paced
        self._ready = ready
        self._due_s = clock.now_s()

    def step_once(self) -> None:
        """Let a paused world take one tick."""
        self._single = True

    def restart(self) -> None:
        """Forget that time has passed: the next tick is due one tick from now."""
        self._due_s = self._clock.now_s()

    def wait(self) -> None:
        """Wait for the next tick, and for the model; and while the world is paused."""
        self.tick += 1
        self._due_s += self.dt_s / self.speed
        while self._idle():
            now_s = self._clock.now_s()
            if self.paused and not self._single:
                self._due_s = now_s
                self._clock.sleep(PUMP_S)
                continue
            left_s = self._due_s - now_s if self._paced else 0.0
            if left_s > 0:
                self._clock.sleep(min(left_s, PUMP_S))
            elif self._ready(PUMP_S):
                break
        self._single = False
        if self._clock.now_s() - self._due_s > DEBT * self.dt_s / self.speed:
            self._due_s = self._clock.now_s()
