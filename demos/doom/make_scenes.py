"""Choose the scenes of the Doom world: ten good views on maps that are never trained on, as short recordings.

A scene holds the last ticks before its start, and before them the views of the way there that a memory would keep.

Run ``python -m dreamloop.demos.doom.make_scenes`` to write them anew; the same versions write the same files.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dreamloop.input.state import InputState
from dreamloop.model.frame_codec import frame_hash
from dreamloop.model.memory import Bank, MemoryConfig
from dreamloop.model.recording import RecordingWriter
from dreamloop.runtime.collect import episodes
from dreamloop.runtime.world import World, find_world

SCENES = 10
CONTEXT = 12  # ticks of unbroken true history in a scene
WAY = 350  # ticks before it whose views are kept
SEED = 7  # of the walks; the maps are those of the test set


def rate(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Say how inviting each frame (t, h, w, 3) is: light, varied, with something to see on both sides."""
    grey = frames.astype(np.float32).mean(-1)
    light = grey.mean((1, 2)) / 255
    edges = np.abs(np.diff(grey, axis=2))[:, : grey.shape[1] * 3 // 4]
    left, right = np.array_split(edges, 2, axis=2)
    balance = np.minimum(left.mean((1, 2)), right.mean((1, 2)))
    smear = (edges < 0.5).mean((1, 2))  # a wall in front of one's nose is magnified: neighbours are alike
    score: NDArray[np.float64] = (balance * np.minimum(light / 0.2, 1) * (1 - smear)).astype(np.float64)
    return score


def calm(actions: NDArray[np.float32], attack: int) -> NDArray[np.bool_]:
    """Say for each tick whether no shot was fired in the second before it: a scene should open in peace."""
    shots = np.convolve(actions[:, attack] > 0, np.ones(35), "full")[: len(actions)]
    return np.asarray(shots == 0)


def views(poses: NDArray[np.float32], first: int, end: int) -> list[int]:
    """Return the ticks from ``first`` to ``end`` whose views are new."""
    bank = Bank(MemoryConfig())
    return [tick for tick in range(first, end) if bank.write(tick, poses[tick].astype(np.float64)) is not None]


def write(world: World, folder: Path) -> list[Path]:
    """Write the scenes of ``world`` into ``folder`` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    attack = world.schema.columns.index("attack")
    for place, (frames, actions, poses, *_) in enumerate(episodes(world, SEED, maps="test", ticks=525, limit=SCENES)):
        score = np.where(calm(actions, attack), rate(frames), 0)
        last = CONTEXT + int(score[CONTEXT:].argmax())
        path = folder / f"place-{place + 1:02d}.dream"
        header = {
            "world": world.name,
            "schema": world.schema.to_dict(),
            "schema_fingerprint": world.schema.fingerprint,
            "rate_hz": world.rate_hz,
            "seed": SEED,
            "initial_frame": False,
        }
        with RecordingWriter(path, header, replace=True) as writer:
            unbroken = range(last - CONTEXT + 1, last + 1)
            for number, tick in enumerate([*views(poses, max(last - WAY, 0), unbroken.start), *unbroken]):
                state = InputState(tick=number, dt_s=1 / world.rate_hz)
                extra = {"pose": [float(value) for value in poses[tick]]}
                writer.tick(state, actions[tick], frames[tick], frame_hash(frames[tick]), {}, extra)
        paths.append(path)
    return paths


if __name__ == "__main__":
    write(find_world("doom"), Path(__file__).parent / "scenes")
