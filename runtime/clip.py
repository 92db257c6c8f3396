"""Writes frames to a short film as they come: mp4 where PyAV is installed, else an animated GIF by Pillow.

Knows frames and a path. Recordings become films in runtime/export.py.
"""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image

from dreamloop.input.errors import ConfigError, MissingPartError
from dreamloop.model.world_model import Frame

GIF_HZ = 15.0  # browsers do not play GIFs much faster, and they grow with every frame
SUFFIXES = (".mp4", ".gif")


def has_video() -> bool:
    """Whether PyAV is installed."""
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True


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
        if path.suffix == ".mp4" and not has_video():
            raise MissingPartError(f"{path.name} needs PyAV: pip install 'dreamloop[video]'; a .gif does not")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._rate_hz, self._scale = path, rate_hz, scale
        self._film: Any = None  # PyAV's container and stream
        self._images: list[Image.Image] = []
        self._frames = 0

    def add(self, frame: Frame) -> None:
        """Append one frame (h, w, 3)."""
        self._frames += 1
        if self.path.suffix == ".gif":
            every = max(round(self._rate_hz / GIF_HZ), 1)
            if (self._frames - 1) % every == 0:
                self._images.append(self._enlarged(frame))
            return
        import av

        if self._film is None:
            self._film = self._open(frame)
        container, stream = self._film
        picture = av.VideoFrame.from_ndarray(np.asarray(self._enlarged(frame)), format="rgb24")
        for packet in stream.encode(picture):
            container.mux(packet)

    def close(self) -> None:
        """Finish the film; without a frame nothing is written."""
        if self._film is not None:
            container, stream = self._film
            for packet in stream.encode():
                container.mux(packet)
            container.close()
            self._film = None
        if self._images:
            first, *rest = self._images
            step_ms = round(1000 * max(round(self._rate_hz / GIF_HZ), 1) / self._rate_hz)
            first.save(self.path, save_all=True, append_images=rest, duration=step_ms, loop=0)
            self._images = []

    def __enter__(self) -> "ClipWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _enlarged(self, frame: Frame) -> Image.Image:
        image = Image.fromarray(frame)
        size = (image.width * self._scale // 2 * 2, image.height * self._scale // 2 * 2)  # H.264 wants even sides
        return image.resize(size, Image.Resampling.NEAREST)

    def _open(self, frame: Frame) -> tuple[Any, Any]:
        import av

        container = av.open(str(self.path), "w")
        rate = Fraction(self._rate_hz).limit_denominator(1000)
        stream = container.add_stream("libx264", rate=rate, options={"crf": "18", "preset": "veryfast"})
        first = self._enlarged(frame)
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, "yuv420p"
        return container, stream
