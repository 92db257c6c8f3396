"""Is a dream true to the place that it says it is in?

    python tests/tools/true_to_place.py --minutes 10 --strip place.png

Walks about in the Doom scenes with keys pressed at random, and every so often puts the
simulator to where the dream believes to be, looking the same way: what it shows there is the truth. Printed: PSNR for
every tenth of the time, with the views of the scene put together and without, and that of what the simulator showed in
another scene at the same time, which is what a dream is worth that has fallen apart.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

from dreamloop.demos.doom.make_scenes import OPTIONS
from dreamloop.demos.doom.simulator import LOOK_DEG, PITCH_LIMIT_DEG, SETTLE_TICS, TURN_DEG
from dreamloop.model import gait
from dreamloop.model.recording import Recording
from dreamloop.model.world_model import OpenOptions
from dreamloop.runtime.collect import Job, simulator_of
from dreamloop.runtime.redream import psnr_db
from dreamloop.runtime.world import World, find_world

EVERY = 70  # ticks between two looks
WIDE = 14  # pictures in a row of the strip


def keys(world: World, ticks: int, seed: int) -> NDArray[np.float32]:
    """Return actions (ticks, a): half a second to two of walking, stepping aside or turning, some of it running."""
    rng, actions = np.random.default_rng(seed), list[NDArray[np.float32]]()
    while len(actions) < ticks:
        way = rng.choice(["forward", "left", "right", "back", ""], p=[0.55, 0.1, 0.1, 0.05, 0.2])
        held = {name: 1.0 for name in (way, "run" if rng.random() < 0.3 else "") if name}
        turn = float(rng.normal() * 3.0) if rng.random() < 0.6 else 0.0
        actions += [world.schema.vector(**held, turn=turn)] * int(rng.integers(20, 60))
    return np.stack(actions[:ticks])


def truth_at(world: World, seed: int, pose: NDArray[np.float64]) -> NDArray[np.uint8] | None:
    """Return what the simulator shows at a pose (4,) of the map of ``seed``, which it is on; None: there is no room."""
    env = simulator_of(Job(world.folder, "test", seed, 0, OPTIONS))[1]
    env.unwrapped.go_to(float(pose[0]), float(pose[1]))
    for _ in range(SETTLE_TICS):
        frame, *_, info = env.step(world.schema.neutral)
    if np.hypot(info["pose"][0] - pose[0], info["pose"][1] - pose[1]) > 2:
        return None
    while True:
        turn = (info["pose"][2] - pose[2] + 180) % 360 - 180  # clockwise
        look = float(np.clip(pose[3], -PITCH_LIMIT_DEG, PITCH_LIMIT_DEG)) - info["pose"][3]
        if abs(turn) < 0.1 and abs(look) < 0.1:
            return np.asarray(frame)
        turn, look = np.clip(turn, -TURN_DEG, TURN_DEG), np.clip(look, -LOOK_DEG, LOOK_DEG)
        frame, *_, info = env.step(world.schema.vector(turn=float(turn), look=float(look)))


def main() -> None:
    """Walk, print, and paint the truth above the dreams."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--minutes", type=float, default=2.0, help="of every walk")
    asked.add_argument("--scenes", type=int, default=4)
    asked.add_argument("--weights", type=Path)
    asked.add_argument("--strip", type=Path)
    args = asked.parse_args()
    world = find_world("doom").with_weights(args.weights) if args.weights else find_world("doom")
    model: Any = world.open_model(OpenOptions(threads=1))
    gait.LIVELY = 0.0  # the simulator stands where it is put: eyes do not sway there, so they do not here
    ticks = round(args.minutes * 60 * world.rate_hz)
    names = ("put together", "not put together")
    told: dict[str, list[list[float]]] = {name: [] for name in names}
    rows, truths = [], list[list[NDArray[np.uint8] | None]]()
    for path in world.scenes[: args.scenes]:
        seed, scene = int(Recording.open(path).header["seed"]), world.scene(path.stem)
        simulator_of(Job(world.folder, "test", seed, 0, OPTIONS))[1].reset(seed=seed)
        for name in names:
            model.reset(0, scene, 0)
            if name == names[1]:
                model.travellers[0].gallery = None
            shown, true = list[NDArray[np.uint8]](), list[NDArray[np.uint8] | None]()
            for tick, action in enumerate(keys(world, ticks, seed)):
                frame = model.step(action[None])[0]
                if tick % EVERY == EVERY - 1:
                    shown.append(frame.copy())
                    true.append(truth_at(world, seed, model.pose(0)))
            told[name].append([np.nan if a is None else psnr_db(a, b) for a, b in zip(true, shown, strict=True)])
            pairs = [np.concatenate([a, b]) for a, b in zip(true, shown, strict=True) if a is not None]
            rows.append(np.concatenate([pairs[round(i)] for i in np.linspace(0, len(pairs) - 1, WIDE)], 1))
            if name == names[0]:
                truths.append(true)
    told["another scene"] = [
        [np.nan if a is None or b is None else psnr_db(a, b) for a, b in zip(one, other, strict=True)]
        for one, other in zip(truths, truths[1:] + truths[:1], strict=True)
    ]
    for name, every in told.items():
        parts = [np.nanmean([np.array_split(one, 10)[part] for one in every]) for part in range(10)]
        figures = np.concatenate(every)
        spread = np.nanquantile(figures, [0.1, 0.5, 0.9]).round(1).tolist()
        typer.echo(f"{name:18} {np.round(parts, 1).tolist()} dB; mean {np.nanmean(figures):.1f}")
        typer.echo(f"{'':18} a tenth, half, nine tenths below {spread}; {np.isnan(figures).sum()} not told")
    if args.strip:
        Image.fromarray(np.concatenate(rows)).save(args.strip)


if __name__ == "__main__":
    main()
