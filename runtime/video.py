"""mp4 files in and out, frame by frame, through PyAV. Knows frames and time, not recordings.

Frame k of a film stands at k / rate seconds. Sides are made even by repeating the last row and column, as
H.264 wants it; whoever reads the film crops them off again.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from dreamloop.input.errors import DreamloopError, MissingPartError
from dreamloop.model.world_model import Frame

CRF = "16"  # H.264's constant rate factor: differences that one has to look for
KEY_EVERY = 32  # frames between two that stand alone


class VideoError(DreamloopError):
    """A film that cannot be written or read."""


class VideoWriter:
    """Writes frames of one size to an mp4 file.

    Args:
        path: the file; its folder is made.
        rate_hz: frames per second.
        lossless: keep every bit (RGB, large files that not every player shows) instead of looking the same.
        key_every: frames between two that stand alone; small numbers make jumping about cheap.

    Raises:
        MissingPartError: PyAV is not installed.
    """

    def __init__(self, path: Path, rate_hz: float, *, lossless: bool = False, key_every: int = KEY_EVERY) -> None:
        av = import_av()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.frames = path, 0
        self._av, self._lossless, self._key_every = av, lossless, key_every
        self._rate = Fraction(rate_hz).limit_denominator(1001)
        try:
            self._container = av.open(str(path), "w", format="mp4")
        except av.error.FFmpegError as error:
            raise VideoError(f"cannot write {path}: {error.strerror or error}") from error
        self._stream: Any = None

    def add(self, frame: Frame) -> None:
        """Append one frame (h, w, 3) uint8."""
        h, w = frame.shape[:2]
        even = np.pad(frame, ((0, h % 2), (0, w % 2), (0, 0)), mode="edge")
        if self._stream is None:
            self._stream = self._open(even.shape[1], even.shape[0])
        if even.shape[:2] != (self._stream.height, self._stream.width):
            raise VideoError(f"{self.path}: a frame of {w}x{h} among frames of another size")
        picture = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        picture.pts, picture.time_base = self.frames, 1 / self._rate
        self._mux(picture)
        self.frames += 1

    def close(self) -> None:
        """Finish the file; without a frame there is none."""
        if self._stream is not None:
            self._mux(None)
        self._container.close()
        if self._stream is None:
            self.path.unlink(missing_ok=True)

    def _open(self, width: int, height: int) -> Any:
        codec, pixels = ("libx264rgb", "rgb24") if self._lossless else ("libx264", "yuv420p")
        options = {"crf": "0" if self._lossless else CRF, "preset": "veryfast", "g": str(self._key_every)}
        stream = self._container.add_stream(codec, rate=self._rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.time_base = 1 / self._rate
        return stream

    def _mux(self, picture: Any) -> None:
        try:
            for packet in self._stream.encode(picture):
                self._container.mux(packet)
        except self._av.error.FFmpegError as error:
            raise VideoError(f"cannot write {self.path}: {error}") from error

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_video(path: Path) -> Iterator[Frame]:
    """Yield the frames (h, w, 3) uint8 of a film, in order.

    Raises:
        MissingPartError: PyAV is not installed.
        VideoError: no such file, or no film in it.
    """
    av = import_av()
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise VideoError(f"{path} holds no pictures")
            for picture in container.decode(video=0):
                yield picture.to_ndarray(format="rgb24")
    except av.error.FFmpegError as error:
        raise VideoError(f"cannot read {path}: {error.strerror or error}") from error


def import_av() -> Any:
    """Return PyAV, or raise MissingPartError with what to install."""
    try:
        import av
    except ImportError as error:
        raise MissingPartError("films need PyAV: pip install -e '.[video]' in the checkout") from error
    return av
