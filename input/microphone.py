"""The microphone: blocks of sound from sounddevice. Unplugging it is said once; plugged in again, it goes on.

The driver's callback only stamps and enqueues; everything else happens where ``look_after`` and ``take`` are called.
Knows nothing about speech.
"""

import importlib
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from dreamloop.input.errors import MissingPartError
from dreamloop.input.vad import RATE_HZ, WINDOW, Sound

GONE_S = 2.0  # no sound for so long: the device was unplugged, though its driver may not say so
RETRY_S = 2.0
HELD_UP_S = 0.5  # between two looks: the process was busy, the driver's callback too, and silence says nothing
OLDEST_S = 0.5  # a driver that says its sound is older than that does not know
TAPS = 48  # of the filter for devices that cannot do 16 kHz


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of the stream."""

    sound: Sound  # (n,) 16 kHz
    time_s: float  # when its last sample was heard, by the game's clock

    @property
    def began_s(self) -> float:
        """When its first sample was heard."""
        return self.time_s - len(self.sound) / RATE_HZ


class Resampler:
    """Takes a stream of another rate to 16 kHz, block by block, without a seam."""

    def __init__(self, rate_hz: float) -> None:
        self._step = rate_hz / RATE_HZ  # samples of the device for one of ours
        cut = min(1.0, 1.0 / self._step) * 0.9  # of half the device's rate: what 16 kHz cannot hold must go
        places = np.arange(TAPS) - (TAPS - 1) / 2
        kernel = np.sinc(places * cut) * np.hanning(TAPS + 2)[1:-1]
        self._kernel = (kernel / kernel.sum()).astype(np.float32)
        self._tail: Sound = np.zeros(TAPS, np.float32)
        self._place = 1.0  # of the next sample to make, in samples after the filtered tail's first

    def feed(self, sound: Sound) -> Sound:
        """Return the samples that a block (n,) makes complete."""
        if self._step == 1.0:
            return sound
        stream = np.concatenate([self._tail, sound])
        smooth = np.convolve(stream, self._kernel, "valid")  # (n + 1,): from the last of the block before on
        places = np.arange(self._place, len(smooth) - 1, self._step)
        made: Sound = np.interp(places, np.arange(len(smooth)), smooth).astype(np.float32)
        if len(places):
            self._place = float(places[-1]) + self._step
        self._place -= len(sound)
        self._tail = stream[-TAPS:]
        return made


class Microphone:
    """One input device, opened when it is there and opened again when it comes back.

    Args:
        device: name, part of a name, or number; None: the system's choice.
        clock: tells the game's time.
        driver: stands in for sounddevice in tests.

    Raises:
        MissingPartError: sounddevice or PortAudio is not installed.
    """

    def __init__(self, device: str | None, clock: Callable[[], float], driver: Any = None) -> None:
        self._driver = driver or load_driver()
        self._device = int(device) if device and device.isdigit() else device
        self._clock = clock
        self._blocks: SimpleQueue[Block] = SimpleQueue()
        self._stream: Any = None
        self._heard_s = self._tried_s = self._looked_s = float("-inf")
        self._told = ""  # the trouble that was told, so that it is told once
        self.name = ""

    @property
    def is_open(self) -> bool:
        return self._stream is not None

    def look_after(self, now_s: float) -> str:
        """Open the device, or notice that it is gone. Returns what the player should know, or ""."""
        since_s, self._looked_s = now_s - self._looked_s, now_s
        if self._stream is not None:
            if since_s > HELD_UP_S:
                self._heard_s = now_s
            if now_s - self._heard_s < GONE_S:
                return ""
            self._shut()
            self._tried_s = now_s
            return self._tell(f"voice: the microphone '{self.name}' is gone; plug it in again and go on speaking")
        if now_s - self._tried_s < RETRY_S:
            return ""
        if self._told:
            self._rescan()
        self._tried_s = now_s
        try:
            back = self._open()
        except (ValueError, OSError, self._driver.PortAudioError) as error:
            return self._tell(f"voice: {self._trouble(error)}")
        self._heard_s = self._clock()
        self._told = ""
        return f"voice: the microphone '{self.name}' is {'back' if back else 'open'}"

    def take(self, wait_s: float = 0.0) -> list[Block]:
        """Return the blocks since the last call; with ``wait_s``, wait as long for the first."""
        found: list[Block] = []
        try:
            found.append(self._blocks.get(timeout=wait_s) if wait_s else self._blocks.get_nowait())
            while True:
                found.append(self._blocks.get_nowait())
        except Empty:
            pass
        return [Block(self._resampler.feed(block.sound), block.time_s) for block in found]

    def close(self) -> None:
        """Give the device back."""
        self._shut()

    def _open(self) -> bool:
        """Open the device, or raise what the driver raises. Returns whether one was open before."""
        about = self._driver.query_devices(self._device, "input")
        rate_hz = float(RATE_HZ)
        try:
            self._driver.check_input_settings(self._device, channels=1, dtype="float32", samplerate=rate_hz)
        except (ValueError, self._driver.PortAudioError):
            rate_hz = float(about["default_samplerate"])
        self._rate_hz, self._resampler = rate_hz, Resampler(rate_hz)
        stream = self._driver.InputStream(
            device=self._device,
            channels=1,
            dtype="float32",
            samplerate=rate_hz,
            blocksize=round(rate_hz * WINDOW / RATE_HZ),
            latency="low",
            callback=self._hear,
        )
        stream.start()
        back = bool(self.name)
        self._stream, self.name = stream, str(about["name"])
        return back

    def _hear(self, data: Any, frames: int, times: Any, status: Any) -> None:
        """The driver's callback, on the driver's thread: stamp, enqueue, nothing else."""
        now_s = self._clock()
        age_s = times.currentTime - times.inputBufferAdcTime - frames / self._rate_hz
        self._blocks.put(Block(data[:, 0].copy(), now_s - (age_s if 0.0 < age_s < OLDEST_S else 0.0)))
        self._heard_s = now_s

    def _shut(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(self._driver.PortAudioError):  # it is gone already
                stream.close()

    def _rescan(self) -> None:
        """Let PortAudio look again: it lists the devices only when it starts."""
        self._driver._terminate()
        self._driver._initialize()

    def _tell(self, trouble: str) -> str:
        """Return the trouble unless it was told; while a device is gone, what fails in between is no news."""
        told, self._told = self._told, self._told or trouble
        return "" if told else trouble

    def _trouble(self, error: Exception) -> str:
        names = [str(one["name"]) for one in self._driver.query_devices() if one["max_input_channels"] > 0]
        if not names:
            return "no microphone; plug one in, the game goes on without it"
        if isinstance(error, ValueError):
            return f"no microphone '{self._device}' (there are: {', '.join(names)}); say --microphone NAME"
        return f"the microphone cannot be opened ({error}); close what else uses it, or say --microphone NAME"


def load_driver() -> Any:
    """Return sounddevice.

    Raises:
        MissingPartError: it or PortAudio is missing.
    """
    try:
        return importlib.import_module("sounddevice")
    except ImportError:
        raise MissingPartError("voice needs a microphone's driver: pip install -e '.[voice]' in the checkout") from None
    except OSError:
        mend = "apt install libportaudio2" if sys.platform.startswith("linux") else "install PortAudio"
        raise MissingPartError(f"voice: PortAudio is missing; {mend}") from None
