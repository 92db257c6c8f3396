"""Kills a process that is recording at random moments, many times over, and looks at what is left of the file.

    python tests/tools/kill_recorder.py --kills 1000

A child is forked, records as fast as it can and counts in shared memory how many ticks are surely in the file (or,
with ``--recorder``, were handed to the recorder's thread at the pace of a game). Then it gets SIGKILL, now
and then before its first tick. Everything that was counted must be readable (with ``--recorder``: after `dreamloop
recordings repair`), so that at most the tick that was being handed over is lost. Ends with exit code 1 when anything
else was.
"""

import argparse
import json
import mmap
import os
import random
import signal
import struct
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from dreamloop.input.state import InputState
from dreamloop.model.frame_codec import encode_frame
from dreamloop.model.recording import Recording, RecordingError, RecordingWriter, frame_hash
from dreamloop.runtime.in_flight import path_beside
from dreamloop.runtime.recorder import SessionRecorder
from dreamloop.runtime.recordings import repair

PACE_S = 0.01  # between two ticks of the recorder's child: three times the pace of Doom
LONGEST_S = 0.15  # that a child lives, from its beginning or from its first tick
WITH_TICKS = 0.75  # share of the kills that come after the first tick, however slow the machine is


def write(path: Path, counter: mmap.mmap) -> None:
    """Record with the writer alone, forever."""
    rng = np.random.default_rng(os.getpid())
    with RecordingWriter(path, {"world": "test"}) as writer:
        for i in range(10**9):
            frame = rng.integers(0, 256, (24, 32, 3), np.uint8)
            writer.tick(InputState(tick=i), np.array([i], np.float32), frame, frame_hash(frame))
            counter[:8] = struct.pack("<q", i + 1)


def record(path: Path, counter: mmap.mmap) -> None:
    """Record through the recorder's thread, at a fast game's pace, forever."""
    rng = np.random.default_rng(os.getpid())
    with SessionRecorder(path, {"world": "test"}) as recorder:
        for i in range(10**9):
            frame = rng.integers(0, 256, (24, 32, 3), np.uint8)
            recorder.add(InputState(tick=i), np.array([i], np.float32), frame)
            counter[:8] = struct.pack("<q", i + 1)
            time.sleep(PACE_S)


def kill_once(path: Path, recorder: bool, rng: random.Random) -> tuple[int, int]:
    """Return how many ticks were counted and how many can be read."""
    counter = mmap.mmap(-1, 8)
    child = os.fork()
    if child == 0:
        (record if recorder else write)(path, counter)
        os._exit(0)
    if rng.random() < WITH_TICKS:
        given_up_s = time.monotonic() + 10.0
        while not counter[0] and time.monotonic() < given_up_s:
            time.sleep(0.001)
    time.sleep(rng.uniform(0, LONGEST_S))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    counted = int(struct.unpack("<q", counter[:8])[0])
    mended = path.with_name("mended.dream")
    try:
        if recorder:
            repair(path, mended)
        with Recording.open(mended if recorder else path) as recording:
            good = all(int(tick.action[0]) == i for i, tick in enumerate(recording.ticks))
            read = len(recording) if good and len(recording.gaps) <= 1 else -1
    except RecordingError:
        read = 0
    for left in (path, mended, path_beside(path)):
        left.unlink(missing_ok=True)
    return counted, read


def main() -> int:
    """Kill as often as asked for, and print one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--recorder", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    encode_frame(np.zeros((2, 2, 3), np.uint8), "lossless")  # loads the codec once, before the forks
    rng, lost, ticks, with_ticks = random.Random(options.seed), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.kills):
            counted, read = kill_once(Path(folder) / "a.dream", options.recorder, rng)
            lost = max(lost, counted - read)
            ticks += read
            with_ticks += read > 0
    report = {"kills": options.kills, "with_ticks": with_ticks, "ticks": ticks, "most_lost": lost}
    sys.stdout.write(json.dumps(report) + "\n")
    return 0 if lost <= 0 else 1


if __name__ == "__main__":
    sys.exit(main())
