"""The mouse: buttons, wheel, relative motion, absolute pointer. Motion and notches are summed over the tick.

Knows no window library; whether the mouse is relative or absolute is the window's affair.
"""

from dreamloop.input.source import DeviceEvent, Parts, Source, Tick


class MouseSource(Source):
    """Sums motion since the last poll; the pointer stays where it was last seen."""

    def __init__(self) -> None:
        self.name = "mouse"
        self._parts = Parts()
        self._motion = (0.0, 0.0)
        self._wheel = (0.0, 0.0)
        self._pointer: tuple[float, float] | None = None

    def handle(self, event: DeviceEvent) -> None:
        if event.kind == "motion":
            self._motion = (self._motion[0] + event.x, self._motion[1] + event.y)
        elif event.kind == "wheel":
            self._roll(event.x, event.y)
        elif event.kind == "pointer":
            self._pointer = (min(max(event.x, 0.0), 1.0), min(max(event.y, 0.0), 1.0))
        elif event.part.startswith("mouse:") and event.kind == "down":
            self._parts.press(event.part, event.time_s)
        elif event.part.startswith("mouse:") and event.kind == "up":
            self._parts.release(event.part, event.time_s)
        if event.kind in ("motion", "wheel", "pointer"):
            self._parts.stamp(event.time_s)

    def _roll(self, right: float, up: float) -> None:
        """Sum notches; a notch is a tap of ``mouse:wheel_up`` and so on, too."""
        self._wheel = (self._wheel[0] + right, self._wheel[1] + up)
        for amount, names in ((right, ("wheel_left", "wheel_right")), (up, ("wheel_down", "wheel_up"))):
            if amount:
                self._parts.tapped.add(f"mouse:{names[amount > 0]}")

    def poll(self, tick: Tick, now_s: float) -> None:
        self._parts.take(tick)
        tick.move(*self._motion)
        tick.roll(*self._wheel)
        if self._pointer is not None:
            tick.point(*self._pointer)
        self._motion = (0.0, 0.0)
        self._wheel = (0.0, 0.0)

    def release_all(self) -> None:
        self._parts.held.clear()


def build() -> MouseSource:
    """Return the mouse of the window."""
    return MouseSource()
