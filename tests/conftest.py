"""What every test stands on: no display, no sound card, one thread for torch, and no trace in the user's own folders.

Set before anything is imported, because SDL and OpenMP read their environment once. A test that wants a real display or
microphone starts a process of its own and overrides these there.
"""

import os
import tempfile

_folders = tempfile.TemporaryDirectory(prefix="dreamloop-tests-")

os.environ["SDL_VIDEODRIVER"] = "dummy"
os.environ["SDL_AUDIODRIVER"] = "dummy"
os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"  # the tests share two cores; torch and numpy take their thread count from here
os.environ["MKL_NUM_THREADS"] = "1"
for _name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
    os.environ[_name] = os.path.join(_folders.name, _name.removeprefix("XDG_").lower())
os.environ["COLUMNS"] = "120"  # the width that the command line wraps its help at
os.environ["NO_COLOR"] = "1"


def pytest_unconfigure() -> None:
    """Take the stand-ins for the user's folders away again."""
    _folders.cleanup()
