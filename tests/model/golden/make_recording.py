"""Makes the golden recording of the current format, which later versions must read: run it once per version.

    python tests/model/golden/make_recording.py

Writes ``recording-v<version>.dream`` and ``savegame-v<version>.dreamsave`` beside itself. What is in them is told by
:func:`ticks`, :func:`frame`, ``HEADER``, ``MARKS`` and :func:`state`, which the tests compare with what is read.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dreamloop.input.state import InputState
from dreamloop.model.recording import RecordingWriter, frame_hash
from dreamloop.model.recording_layout import VERSION
from dreamloop.model.savegame import write_savegame
from dreamloop.model.tick_codec import TickData
from dreamloop.model.world_model import ModelState

HERE = Path(__file__).parent
TICKS = 70  # one more than a block of ticks, so that there are two key ticks
HEADER: dict[str, Any] = {
    "world": "golden",
    "source": "play",
    "schema": {"format": 1, "name": "golden", "control": [{"name": "go", "kind": "button", "keys": ["w"]}]},
    "fingerprint": "0123456789abcdef",
    "rate_hz": 35.0,
    "seed": 7,
    "scene": "yard",
    "initial_frame": True,
    "weights_hash": "",
    "device": "cpu",
    "threads": 2,
}
MARKS: dict[int, tuple[str, dict[str, Any]]] = {
    3: ("bookmark", {"text": "Grüße"}),
    20: ("branch", {"to": 11, "by": "rewind"}),
    64: ("state", {"state": b"\x00\x01\xff"}),
}


def frame(i: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The picture of tick ``i``, (8, 12, 3)."""
    return np.add.outer(np.arange(8) * 5 + i, np.arange(12 * 3)).reshape(8, 12, 3).astype(np.uint8)


def ticks() -> Iterator[TickData]:
    """Every tick: all fields of an input state are used somewhere, clock times in whole microseconds."""
    for i in range(TICKS):
        sampled_us = 5_000_000 + 28_571 * i
        state = InputState(
            tick=i if i < 30 else i + 5,
            dt_s=1 / 35,
            held=frozenset({"key:w", "mouse:left"} if 5 <= i < 40 else ()),
            tapped=frozenset({"key:space"} if i % 7 == 0 else ()),
            motion_px=(float(i - 10), 0.5) if i % 3 else (0.0, 0.0),
            wheel=(0.0, -1.0) if i == 8 else (0.0, 0.0),
            pointer=(0.25, i / 128) if 10 <= i < 50 else None,
            axes={"pad:left_x": 0.5, "pad:left_y": -i / 64} if i >= 50 else {},
            intents={"turn": -4.0} if 12 <= i < 15 else {},
            phrases=("open the door", "go") if i == 33 else (),
            event_s=(sampled_us - 1500) / 1e6 if i % 2 else None,
            sampled_s=sampled_us / 1e6,
        )
        action = np.array([i % 2, -i / 100, 1 if i > 20 else 0, 0.1], np.float32)
        timings = {"model_done_s": (20_000 + i) / 1e6, "dynamics_ms": 12.345} if i != 17 else {}
        extra = {"pose": [1.5 * i, 2.0, 90.0, 0.0], "map": "E1M1"} if i % 2 else {}
        yield TickData(state, action, frame_hash(frame(i)) if i != 9 else b"", timings, extra)


def state() -> ModelState:
    """A saved game with every kind of value."""
    values: dict[str, Any] = {
        "frames": np.arange(48, dtype=np.uint8).reshape(2, 2, 4, 3),
        "memory": np.linspace(-1, 1, 10, dtype=np.float32),
        "mask": np.array([True, False]),
        "nothing": np.zeros((0, 3), np.float64),
        "scalar": np.array(2.5, np.float64),
        "seed": 2**127 + 1,
        "tick": -5,
        "name": "yard",
        "ratio": 0.1,
        "raw": b"\x00\xff",
    }
    return ModelState("golden", "abc", 41, values)


def write(path: Path) -> None:
    """Write the golden recording to ``path``."""
    with RecordingWriter(path, HEADER, replace=True) as writer:
        for i, tick in enumerate(ticks()):
            if i in MARKS:
                writer.mark(MARKS[i][0], **MARKS[i][1])
            picture = None if i == 13 else frame(i)
            writer.tick(tick.state, tick.action, picture, tick.frame_hash, tick.timings, tick.extra)


if __name__ == "__main__":
    write(HERE / f"recording-v{VERSION}.dream")
    write_savegame(HERE / f"savegame-v{VERSION}.dreamsave", state(), {"world": "golden"})
