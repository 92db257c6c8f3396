"""Scenes to start from, made out of a player's own pictures; they lie beside the world's weights.

A picture is cut to the world's proportions and brought to its size. A folder with ``full_res.npy`` and ``act.npy`` (as
DIAMOND's spawns are published) is read as it is. Knows nothing about models.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from dreamloop.input.errors import ConfigError
from dreamloop.input.state import InputState
from dreamloop.model.frame_codec import frame_hash
from dreamloop.model.recording import RecordingWriter
from dreamloop.runtime.weights_store import folder_of
from dreamloop.runtime.world import World


def make_scene(world: World, sources: Sequence[Path], name: str | None = None) -> Path:
    """Write a scene of these pictures (oldest first), or of one folder of arrays, and return its file.

    Raises:
        ConfigError: no picture, or something that cannot be read as one.
    """
    if not sources:
        raise ConfigError("a scene needs at least one picture")
    frames, actions = _spawn(world, sources[0]) if sources[0].is_dir() else _pictures(world, sources)
    path = folder_of(world.name) / "scenes" / f"{name or sources[-1].stem}.dream"
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {
        "world": world.name,
        "schema": world.schema.to_dict(),
        "schema_fingerprint": world.schema.fingerprint,
        "rate_hz": world.rate_hz,
        "initial_frame": False,
    }
    with RecordingWriter(path, header, replace=True) as writer:
        for tick, (frame, action) in enumerate(zip(frames, actions, strict=True)):
            state = InputState(tick=tick, dt_s=1 / world.rate_hz)
            writer.tick(state, action, frame, frame_hash(frame))
    return path


def _pictures(world: World, sources: Sequence[Path]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    size = (world.width_px, world.height_px)
    frames = []
    for source in sources:
        try:
            with Image.open(source) as picture:
                frames.append(np.asarray(ImageOps.fit(picture.convert("RGB"), size, Image.Resampling.BICUBIC)))
        except (OSError, UnidentifiedImageError) as error:
            raise ConfigError(f"{source} cannot be read as a picture ({error})") from error
    idle = world.schema.encode(InputState())
    return np.stack(frames), np.repeat(idle[None], len(frames), 0)


def _spawn(world: World, folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Read (t, 3, h, w) levels and (t, a) actions, of which each was taken *after* its frame."""
    try:
        frames = np.load(folder / "full_res.npy", allow_pickle=False)
        taken = np.load(folder / "act.npy", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder} must hold full_res.npy and act.npy, plain arrays ({error})") from error
    wanted = (3, world.height_px, world.width_px)
    if frames.dtype != np.uint8 or frames.shape[1:] != wanted or taken.shape != (len(frames), world.schema.size):
        raise ConfigError(
            f"{folder} holds frames {frames.shape} {frames.dtype} and actions {taken.shape}; "
            f"world '{world.name}' takes (t, {', '.join(map(str, wanted))}) uint8 and (t, {world.schema.size})"
        )
    idle = world.schema.encode(InputState())
    actions = np.concatenate([idle[None], taken[:-1].astype(np.float32)])  # actions[i] led to frames[i]
    return np.ascontiguousarray(np.moveaxis(frames, 1, -1)), actions
