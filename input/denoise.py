"""Takes steady noise out of an utterance before it is recognised, from what was heard before anybody spoke.

A Wiener filter with the decision-directed estimate of the signal-to-noise ratio (Ephraim and Malah, 1984). In quiet
it changes nothing. Knows nothing about words.
"""

import numpy as np
from numpy.typing import NDArray

from dreamloop.input.vad import Sound

FRAME = 512  # samples
HOP = 128
WINDOW = np.hanning(FRAME + 1)[:FRAME].astype(np.float32)
KEEP = 0.1  # the least that is left of any frequency: less rings
MEMORY = 0.96  # share of the previous frame in the estimate
CLEAN_DB = 30.0  # speech this far above the noise is left alone
Spectrum = NDArray[np.float32]  # (FRAME // 2 + 1,) power


class Denoiser:
    """Keeps an estimate of the noise while nobody speaks, and filters what somebody said."""

    def __init__(self, follow: float = 0.05) -> None:
        self._follow = follow  # share of a new window in the estimate: about the last 0.6 s count
        self.noise: Spectrum | None = None

    def listen(self, window: Sound) -> None:
        """Learn from a window (512,) in which nobody speaks; a silent one (the microphone is muted) tells nothing."""
        if not window.any():
            return
        power = np.square(np.abs(np.fft.rfft(window * WINDOW))).astype(np.float32)
        self.noise = power if self.noise is None else (1 - self._follow) * self.noise + self._follow * power

    def above_db(self, sound: Sound) -> float:
        """Return how far an utterance (n,) is above the noise."""
        if self.noise is None:
            return CLEAN_DB
        power = float(np.mean(np.square(sound)))
        noise = float(self.noise.mean()) / float(np.square(WINDOW).sum())
        return float(10.0 * np.log10(max(power, 1e-12) / max(noise, 1e-12)))

    def clean(self, sound: Sound) -> Sound:
        """Return the utterance (n,) with the noise taken down."""
        if self.noise is None or len(sound) < 2 * FRAME or self.above_db(sound) >= CLEAN_DB:
            return sound
        spectra = _frames(sound)
        gains = _gains(np.square(np.abs(spectra)), np.maximum(self.noise, 1e-9))
        return _joined(spectra * gains, len(sound))


def _gains(power: NDArray[np.float32], noise: Spectrum) -> NDArray[np.float32]:
    """Return the gain (t, f) of every frequency in every frame."""
    gains = np.empty_like(power)
    before = np.ones_like(noise)
    for t, row in enumerate(power / noise):
        ratio = MEMORY * before + (1.0 - MEMORY) * np.maximum(row - 1.0, 0.0)
        gains[t] = np.maximum(ratio / (1.0 + ratio), KEEP)
        before = np.square(gains[t]) * row
    return gains


def _frames(sound: Sound) -> NDArray[np.complex64]:
    """Return the spectra (t, f) of overlapping frames."""
    padded = np.pad(sound, (FRAME, FRAME + -len(sound) % HOP))
    view = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    return np.fft.rfft(view * WINDOW).astype(np.complex64)


def _joined(spectra: NDArray[np.complex64], samples: int) -> Sound:
    """Return the sound (samples,) of overlapping frames."""
    frames = np.fft.irfft(spectra, FRAME).astype(np.float32) * WINDOW
    out = np.zeros((len(frames) - 1) * HOP + FRAME, np.float32)
    for part in range(FRAME // HOP):  # frames that do not overlap are added at once
        some = frames[part :: FRAME // HOP]
        start = part * HOP
        out[start : start + some.size] += some.reshape(-1)
    weight = np.square(WINDOW).reshape(-1, HOP).sum(0).mean()  # the overlapping windows add up to a constant
    cut: Sound = out[FRAME : FRAME + samples] / weight
    return cut
