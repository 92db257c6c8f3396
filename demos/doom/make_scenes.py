"""Choose the scenes of the Doom world: ten good views on maps that are never trained on, as short recordings.

A scene holds the last ticks before its start, and before them views from five minutes of walking through the place,
those that together show most of it: so a player's memory knows the rooms that lie around.

Run ``python -m dreamloop.demos.doom.make_scenes`` to write them anew; the same versions write the same files.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dreamloop.input.state import InputState
from dreamloop.model.distance_codec import pack_distances
from dreamloop.model.frame_codec import frame_hash
from dreamloop.model.memory import Bank, MemoryConfig
from dreamloop.model.recalls import coverages
from dreamloop.model.recording import RecordingWriter
from dreamloop.runtime.collect import episodes
from dreamloop.runtime.world import World, find_world

SCENES = 10
CONTEXT = 12  # ticks of unbroken true history in a scene
WALK = 10_500  # ticks of a walk through the place, without monsters: what is remembered should still be there
LATE = 3_500  # ticks at its end in which a scene may begin
OPTIONS = {"monsters": False, "distances": True}  # of the simulator
STEP = 6.0  # map units between places of the way that are noted
VIEWS = 256  # that are kept of it
ASKED = 600  # poses of the walk, turned at random, from which the place should be known
NEAR = 320.0  # map units from the start, where it should be known best
BEST = 200  # most inviting ticks, of which the one is taken whose surroundings are known best
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


def new_views(poses: NDArray[np.float64]) -> list[int]:
    """Return the ticks of a walk (t, 4) whose views are new, the latest picture of each."""
    bank = Bank(MemoryConfig(pages=len(poses), step=48.0, turn_deg=25.0))
    return [tick for tick in range(len(poses) - 1, -1, -1) if bank.write(tick, poses[tick]) is not None]


def shown(pages: NDArray[np.float64], asked: NDArray[np.float64]) -> torch.Tensor:
    """Return how well every page (n, 4) shows what may be seen from poses (m, 4): (n, m, points), 0..1."""
    spread = torch.from_numpy(pages).float().expand(len(asked), -1, -1)
    return coverages(spread, torch.from_numpy(asked).float(), MemoryConfig()).transpose(0, 1)


def known(poses: NDArray[np.float64], pages: list[int], at: int) -> float:
    """Say how well (0..1) pages from before tick ``at`` show what may be seen there, whatever the player turns to."""
    before = poses[[page for page in pages if page <= at - CONTEXT]]
    around = poses[at] * [1, 1, 0, 0] + [0, 0, 1, 0] * np.linspace(0, 360, 12, endpoint=False)[:, None]
    return float(shown(before, around).amax(0).mean())


def views(poses: NDArray[np.float64], rng: np.random.Generator) -> list[int]:
    """Return the ticks of the ``VIEWS`` views of a walk (t, 4) that together cover most of what can be seen from it.

    What is near its end counts more: half of the poses that are asked about lie there.
    """
    pages = new_views(poses)
    near = np.flatnonzero(np.hypot(*(poses[:, :2] - poses[-1, :2]).T) < NEAR)
    places = np.concatenate([rng.integers(0, len(poses), ASKED // 2), rng.choice(near, ASKED // 2)])
    cover = shown(poses[pages], poses[places] + [0, 0, 1, 0] * rng.uniform(0, 360, (ASKED, 1))).flatten(1)
    have, chosen = torch.zeros_like(cover[0]), list[int]()
    while len(chosen) < min(VIEWS, len(pages)):
        best = int((cover - have).clamp_min(0).sum(1).argmax())
        chosen.append(best)
        have = torch.maximum(have, cover[best])
    return sorted({pages[one] for one in chosen})


def apart(places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Leave out of a way (t, 2) what lies within ``STEP`` of the place that was kept last."""
    kept = [0]
    for tick, place in enumerate(places):
        if np.hypot(*(place - places[kept[-1]])) >= STEP:
            kept.append(tick)
    return places[kept]


def write(world: World, folder: Path) -> list[Path]:
    """Write the scenes of ``world`` into ``folder`` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    attack = world.schema.columns.index("attack")
    walks = episodes(world, SEED, maps="test", ticks=WALK, limit=SCENES, env_options=OPTIONS)
    for place, (frames, actions, poses, distances) in enumerate(walks):
        way = poses.astype(np.float64)
        pages, score = new_views(way), np.where(calm(actions, attack), rate(frames), 0)
        score[: WALK - LATE] = 0
        best = score.argsort()[-BEST:]
        last = int(max(best, key=lambda tick: known(way, pages, int(tick))))
        path = folder / f"place-{place + 1:02d}.dream"
        unbroken = range(last - CONTEXT + 1, last + 1)
        seen = views(way[: unbroken.start], np.random.default_rng(SEED))
        header = {
            "world": world.name,
            "schema": world.schema.to_dict(),
            "schema_fingerprint": world.schema.fingerprint,
            "rate_hz": world.rate_hz,
            "seed": SEED,
            "initial_frame": False,
            "views": len(seen),
            "distance_shape": list(distances.shape[1:]),
            "walked": np.rint(apart(poses[:last, :2])).astype("<i2").tobytes(),
        }
        with RecordingWriter(path, header, frames="jpeg", replace=True) as writer:
            for number, tick in enumerate([*seen, *unbroken]):
                state = InputState(tick=number, dt_s=1 / world.rate_hz)
                extra = {"pose": [float(value) for value in poses[tick]], "distance": pack_distances(distances[tick])}
                writer.tick(state, actions[tick], frames[tick], frame_hash(frames[tick]), {}, extra)
        paths.append(path)
    return paths


if __name__ == "__main__":
    write(find_world("doom"), Path(__file__).parent / "scenes")
