"""What the session asks of a window, and the null twin that needs no display. Knows nothing about models."""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from dreamloop.input.source import DeviceEvent
from dreamloop.model.world_model import Frame
from dreamloop.runtime.keys import CommandKeys
from dreamloop.runtime.paint import Picture

Anchor = Literal["top-left", "top-right", "centre", "right", "bottom"]
Taker = Callable[[str, tuple[int, int] | None], None]  # (key name or "click", place of a click in the layer)


class GameWindow(Protocol):
    """Shows frames, lays pictures over them, and passes on what devices do.

    ``pump`` is called often (every 4 ms); it hands device events to ``on_event`` and puts the names of commands
    (runtime/keys.py) into ``commands``. While ``taker`` is set, keys and clicks go there and not to the game.
    """

    is_open: bool
    commands: deque[str]
    keys: CommandKeys
    on_event: Callable[[DeviceEvent], None]
    wants_motion: bool  # grab the mouse on a click
    taker: Taker | None

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        ...

    @property
    def unit(self) -> float:
        """Scale of the overlays: 1.0 means 13 px letters."""
        ...

    @property
    def grabbed(self) -> bool:
        """Whether the mouse is caught in the window."""
        ...

    def pump(self) -> None:
        """Look at the devices."""
        ...

    def show(self, frame: Frame) -> None:
        """Show ``frame`` (h, w, 3) with the layers over it; nothing once the window is closed."""
        ...

    def set_layer(self, name: str, picture: Picture | None, anchor: Anchor = "centre") -> None:
        """Lay ``picture`` over the frame from the next one on, or take the layer of that name away."""
        ...

    def release_mouse(self) -> None:
        """Let the mouse go."""
        ...

    def screenshot(self, path: Path) -> None:
        """Save what is showing as a PNG file."""
        ...

    def close(self) -> None:
        """Close; may be called twice."""
        ...


def ignore(event: DeviceEvent) -> None:
    """Take an event and do nothing."""


class HeadlessWindow:
    """A window that nobody sees: for tests, for clips, for machines without a display.

    Args:
        frames: how many frames it stays open for; None: until it is closed.
        on_frame: called with every frame shown.
    """

    def __init__(self, frames: int | None = None, on_frame: Callable[[Frame], None] | None = None) -> None:
        self.is_open = frames is None or frames > 0
        self.commands: deque[str] = deque()
        self.keys = CommandKeys()
        self.on_event: Callable[[DeviceEvent], None] = ignore
        self.wants_motion = False
        self.taker: Taker | None = None
        self.layers: dict[str, Picture] = {}
        self.shown = 0  # frames shown so far
        self.frame: Frame | None = None  # the last one
        self.pumps = 0
        self.on_pump: Callable[[], None] | None = None  # a test's hands: called whenever devices are looked at
        self._frames = frames
        self._on_frame = on_frame
        self._pending: deque[DeviceEvent] = deque()

    @property
    def size_px(self) -> tuple[int, int]:
        """As large as the frame, four times."""
        height, width = (96, 128) if self.frame is None else self.frame.shape[:2]
        return 4 * width, 4 * height

    @property
    def unit(self) -> float:
        """Letters as in a small window."""
        return 1.0

    @property
    def grabbed(self) -> bool:
        """There is no mouse to catch."""
        return False

    def inject(self, *events: DeviceEvent) -> None:
        """Let devices do this; it is passed on with the next pump, as a real window would."""
        self._pending.extend(events)

    def pump(self) -> None:
        """Pass on what was injected."""
        self.pumps += 1
        if self.on_pump is not None:
            self.on_pump()
        while self._pending:
            self._take(self._pending.popleft())

    def _take(self, event: DeviceEvent) -> None:
        command = self.keys.find(event.part) if event.kind in ("down", "up") else None
        if self.taker is not None and event.kind == "down" and event.part.startswith("key:"):
            self.taker(event.part.removeprefix("key:"), None)
        elif command is None:
            self.on_event(event)
        elif event.kind == "down":
            self.commands.append(command.name)
        elif command.held:
            self.commands.append(f"{command.name}_end")

    def show(self, frame: Frame) -> None:
        """Count the frame, keep it, hand it on."""
        if not self.is_open:
            return
        self.shown += 1
        self.frame = frame
        if self._on_frame is not None:
            self._on_frame(frame)
        if self._frames is not None and self.shown >= self._frames:
            self.is_open = False

    def set_layer(self, name: str, picture: Picture | None, anchor: Anchor = "centre") -> None:
        """Keep the layer, for tests to look at."""
        if picture is None:
            self.layers.pop(name, None)
        else:
            self.layers[name] = picture

    def release_mouse(self) -> None:
        """There is no mouse to catch."""

    def screenshot(self, path: Path) -> None:
        """Save the last frame."""
        from PIL import Image

        frame = np.zeros((96, 128, 3), np.uint8) if self.frame is None else self.frame
        Image.fromarray(frame).save(path)

    def close(self) -> None:
        """Close."""
        self.is_open = False
