"""Where a player's things lie: screenshots, saved games, recordings. ``DREAMLOOP_HOME`` moves them all."""

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """The folder for everything that a player makes; ``$DREAMLOOP_HOME`` when that is set."""
    chosen = os.environ.get("DREAMLOOP_HOME")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_data_path("dreamloop", appauthor=False))


def screenshots() -> Path:
    """Folder of screenshots, made when it is not there."""
    return _folder("screenshots")


def saved_game(world: str) -> Path:
    """File of a world's quick save."""
    return _folder("saves") / f"{world}.dreamsave"


def rescued_game(world: str) -> Path:
    """File of the game that was going on when a world's model failed."""
    return _folder("saves") / f"{world}-rescued.dreamsave"


def kept() -> Path:
    """Folder of recordings that were kept with a key, and of sessions recorded without a name."""
    return _folder("recordings")


def compiled() -> Path:
    """Folder of nets that were compiled ahead, in the user's cache; not made here."""
    chosen = os.environ.get("DREAMLOOP_HOME")
    cache = Path(platformdirs.user_cache_path("dreamloop", appauthor=False))
    return (home() / "cache" if chosen else cache) / "compiled"


def clips() -> Path:
    """Folder of clips that were played without a display."""
    return _folder("clips")


def taught_file(world: str, part: str, out: Path | None) -> Path:
    """Return where the checkpoint goes in which a part of a world's net was taught: as asked, a file or its folder."""
    end = out or Path("runs") / world
    return end if end.suffix == ".safetensors" else end / f"{part}.safetensors"


def _folder(name: str) -> Path:
    path = home() / name
    path.mkdir(parents=True, exist_ok=True)
    return path
