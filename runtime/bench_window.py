"""A real window that scripted hands play in, for the bench; a person may watch, and may play along."""

from collections.abc import Callable

from dreamloop.model.world_model import Frame
from dreamloop.runtime.clock import Clock
from dreamloop.runtime.window import PygameWindow, WindowOptions


class PlayedWindow(PygameWindow):
    """A window that lets ``hands`` do what is due whenever it looks at the devices."""

    def __init__(
        self, title: str, frame_px: tuple[int, int], clock: Clock, frames: int, on_frame: Callable[[Frame], None] | None
    ) -> None:
        super().__init__(title, frame_px, clock, WindowOptions(frames=frames))
        self.hands: Callable[[], None] | None = None
        self._on_frame = on_frame

    def pump(self) -> None:
        """Look at the devices, and at the hands."""
        super().pump()
        if self.hands is not None:
            self.hands()

    def show(self, frame: Frame) -> None:
        """Show ``frame`` and hand it on."""
        super().show(frame)
        if self._on_frame is not None:
            self._on_frame(frame)
