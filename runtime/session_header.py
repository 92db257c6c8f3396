"""The facts at the head of a recording: what must be the same to dream it again (docs/recording-format.md)."""

import hashlib
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from dreamloop.input.schema import ActionSchema
from dreamloop.model.stage import Chain, dynamics_of
from dreamloop.model.world_model import Scene, Stepped, WorldModel
from dreamloop.runtime.world import World

LIBRARIES = ("dreamloop", "torch", "numpy")


def build(world: World, model: WorldModel, schema: ActionSchema, scene: Scene | None, seed: int) -> dict[str, Any]:
    """Return the header of a session that starts in ``scene`` with ``seed``; ``schema`` is the model's own layout."""
    card = dynamics_of(model).card  # its frames are recorded, not what the stages drew of them
    return {
        "source": "play",
        "world": world.name,
        "schema": dict(card.schema),
        "fingerprint": schema.fingerprint,
        "rate_hz": world.rate_hz,
        "width_px": card.width_px,
        "height_px": card.height_px,
        "scene": scene.name if scene else None,
        "scene_hash": scene_hash(scene),
        "seed": seed,
        "initial_frame": True,
        "arch": card.arch,
        "weights_hash": card.weights_hash,
        "device": str(getattr(model, "device", "cpu")),
        "dtype": str(getattr(model, "dtype", "")).removeprefix("torch."),
        "threads": cpu_threads(),
        "compiled": getattr(dynamics_of(model), "compiled", ""),
        "steps": steps.steps if isinstance(steps := dynamics_of(model), Stepped) else None,
        "stages": [name for name, _ in model.stages] if isinstance(model, Chain) else [],
        "versions": {name: found for name in LIBRARIES if (found := _version(name))},
    }


def scene_hash(scene: Scene | None) -> str:
    """Return 16 hex digits over a scene's frames and actions, "" for none."""
    if scene is None:
        return ""
    digest = hashlib.blake2b(scene.frames.tobytes(), digest_size=8)
    digest.update(scene.actions.tobytes())
    return digest.hexdigest()


def cpu_threads() -> int:
    """Threads that torch computes with; 0 when nothing uses it."""
    torch = sys.modules.get("torch")  # an architecture that does not use it must not load it here
    return int(torch.get_num_threads()) if torch is not None else 0


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
