"""Mutates recordings and saved games many times over and reads them, watching the memory of the process.

    python tests/tools/mutate_recordings.py --files 10000

Every file must give a sentence (RecordingError) or what can be read of it. Prints one line of JSON; anything else
that comes out of the reader ends the program with its traceback.
"""

import argparse
import importlib.util
import json
import random
import resource
import sys
import tempfile
from pathlib import Path

from dreamloop.model.recording import RecordingError
from dreamloop.model.savegame import unpack_state

HERE = Path(__file__).parent


def main() -> int:
    """Mutate as often as asked for, and print one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    spec = importlib.util.spec_from_file_location("test_recording", HERE.parent / "model" / "test_recording.py")
    assert spec is not None
    assert spec.loader is not None
    tests = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tests)
    rng, refused, read, largest = random.Random(options.seed), 0, 0, 0
    golden = (HERE.parent / "model" / "golden" / "recording-v1.dream").read_bytes()
    saved = (HERE.parent / "model" / "golden" / "savegame-v1.dreamsave").read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.dream"
        before = 0
        for number in range(-200, options.files):
            if number == 0:  # by now everything is loaded
                before, read, refused = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0, 0
            data = tests.sealed(golden, rng) if number % 2 else tests.mutate(golden, rng)
            largest = max(largest, len(data))
            path.write_bytes(data)
            try:
                read += len(tests.read_all(path, scan=number % 3 == 0)) > 0
                unpack_state(tests.mutate(saved, rng))
            except RecordingError:
                refused += 1
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = {"files": options.files, "readable": read, "sentences": refused, "largest_file_bytes": largest}
    sys.stdout.write(json.dumps({**report, "memory_growth_kib": after - before}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
