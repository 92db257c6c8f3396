"""The gamepad, in SDL's controller mapping: every known pad has the same names for its buttons and sticks.

The window pushes the events; this source opens a pad when one is plugged in, because SDL is silent about pads
that nobody opened. Half a stick's way counts as a button (``pad:-left_y``), with a gap so that a trembling
stick does not drum. Dead zones belong to the schema's controls. Knows pygame only to open and close pads.
"""

from collections.abc import Callable
from typing import Any

from dreamloop.input.parts import HALF_RELEASE, HALF_THRESHOLD, half
from dreamloop.input.source import DeviceEvent, Parts, Source, Tick

Opener = Callable[[int], Any]  # index of a device -> an open pad with quit(), or None when it is no pad


class GamepadSource(Source):
    """All pads together play one player."""

    def __init__(self, opener: Opener | None = None) -> None:
        self.name = "gamepad"
        self._opener = opener or open_pad
        self._pads: dict[int, Any] = {}  # instance -> open pad
        self._parts = Parts()
        self._axes: dict[str, float] = {}
        self._news: list[str] = []

    def handle(self, event: DeviceEvent) -> None:
        if event.kind == "added" and event.part == "pad":
            self._add(int(event.x))
        elif event.kind == "removed" and event.part == "pad":
            self._remove(int(event.x))
        elif not event.part.startswith("pad:"):
            return
        elif event.kind == "down":
            self._parts.press(event.part, event.time_s)
        elif event.kind == "up":
            self._parts.release(event.part, event.time_s)
        elif event.kind == "axis":
            self._turn(event)

    def _turn(self, event: DeviceEvent) -> None:
        """Keep where the stick stands and press or release its halves."""
        value = min(max(event.x, -1.0), 1.0)
        self._axes[event.part] = value
        self._parts.stamp(event.time_s)
        for sign in (-1.0, 1.0):
            name = half(event.part, sign)
            if value * sign >= HALF_THRESHOLD:
                self._parts.press(name, event.time_s)
            elif value * sign < HALF_RELEASE:
                self._parts.release(name, event.time_s)

    def _add(self, index: int) -> None:
        pad = self._opener(index)
        if pad is not None:
            self._pads[_instance(pad)] = pad
            self._news.append(f"gamepad: {getattr(pad, 'name', 'a pad')} is plugged in")

    def _remove(self, instance: int) -> None:
        pad = self._pads.pop(instance, None)
        if pad is not None:
            self.release_all()
            pad.quit()
            self._news.append("gamepad: unplugged")

    def poll(self, tick: Tick, now_s: float) -> None:
        self._parts.take(tick)
        for part, value in self._axes.items():
            if value:
                tick.deflect(part, value)

    def release_all(self) -> None:
        self._parts.held.clear()
        self._axes.clear()

    def news(self) -> list[str]:
        told, self._news = self._news, []
        return told

    def close(self) -> None:
        for pad in self._pads.values():
            pad.quit()
        self._pads.clear()


def _instance(pad: Any) -> int:
    """Return the number by which SDL's events call an open pad."""
    return int(pad.as_joystick().get_instance_id())


def open_pad(index: int) -> Any:
    """Open device ``index`` as a controller, or return None when SDL has no mapping for it."""
    from pygame._sdl2 import controller

    if not controller.get_init():
        controller.init()
    return controller.Controller(index) if controller.is_controller(index) else None


def build(opener: Opener | None = None) -> GamepadSource:
    """Return all gamepads together; ``opener`` stands in for SDL in tests."""
    return GamepadSource(opener)
