"""The keyboard: keys by position (``key:w``) and by character (``char:w``), kept from events.

Injected, replayed and remote keys are therefore as good as real ones. Knows no window library.
"""

from dreamloop.input.source import DeviceEvent, Parts, Source, Tick


class KeyboardSource(Source):
    """Holds what is down; a key tapped between two polls counts once."""

    def __init__(self) -> None:
        self.name = "keyboard"
        self._parts = Parts()

    def handle(self, event: DeviceEvent) -> None:
        if not event.part.startswith(("key:", "char:")):
            return
        if event.kind == "down":
            self._parts.press(event.part, event.time_s)
        elif event.kind == "up":
            self._parts.release(event.part, event.time_s)

    def poll(self, tick: Tick, now_s: float) -> None:
        self._parts.take(tick)

    def release_all(self) -> None:
        self._parts.held.clear()


def build() -> KeyboardSource:
    """Return the keyboard of the window."""
    return KeyboardSource()
