"""Films play as it happens: mp4 where PyAV is installed, else an animated GIF by Pillow.

Knows frames and a path; the mp4 itself is runtime/video.py's. Recordings become films in runtime/export.py.
"""

from pathlib import Path
from types import TracebackType

import numpy as np
from PIL import Image

from dreamloop.input.errors import ConfigError
from dreamloop.model.world_model import Frame
from dreamloop.runtime.video import VideoWriter

GIF_HZ = 15.0  # browsers do not play GIFs much faster, and they grow with every frame
SUFFIXES = (".mp4", ".gif")


def has_video() -> bool:
    """Whether PyAV is installed."""
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True


def gif_durations_ms(pictures: int, step_s: float) -> list[int]:
    """Return how long each picture of a GIF is shown: whole hundredths of a second, which add up to the true time."""
    ends = [round(100 * step_s * (i + 1)) for i in range(pictures)]
    return [10 * max(end - start, 2) for start, end in zip([0, *ends], ends, strict=False)]


class ClipWriter:
    """A film under way. Frames are enlarged by whole pixels, so that small worlds can be seen.

    Args:
        path: ``.mp4`` or ``.gif``; its folder is made.
        rate_hz: frames per second.
        scale: film pixels per frame pixel.

    Raises:
        ConfigError: another suffix.
        MissingPartError: mp4 without PyAV.
    """

    def __init__(self, path: Path, rate_hz: float, scale: int = 4) -> None:
        if path.suffix not in SUFFIXES:
            raise ConfigError(f"a clip ends in {' or '.join(SUFFIXES)}, got '{path.name}'")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._rate_hz, self._scale = path, rate_hz, scale
        self._film = VideoWriter(path, rate_hz) if path.suffix == ".mp4" else None
        self._images: list[Image.Image] = []
        self._frames = 0

    def add(self, frame: Frame) -> None:
        """Append one frame (h, w, 3)."""
        large = np.repeat(np.repeat(frame, self._scale, 0), self._scale, 1)
        if self._film is not None:
            self._film.add(large)
        elif self._frames % self._every == 0:
            self._images.append(Image.fromarray(large))
        self._frames += 1

    def close(self) -> None:
        """Finish the film; without a frame nothing is written."""
        if self._film is not None:
            self._film.close()
        if self._images:
            first, *rest = self._images
            shown_ms = gif_durations_ms(len(self._images), self._every / self._rate_hz)
            first.save(self.path, save_all=True, append_images=rest, duration=shown_ms, loop=0)
            self._images = []

    @property
    def _every(self) -> int:
        """A GIF keeps one frame in so many."""
        return max(round(self._rate_hz / GIF_HZ), 1)

    def __enter__(self) -> "ClipWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
