"""Walk about in a dream with keys pressed at random, and see how far it leaves the simulator.

    python tests/tools/walk_blind.py --places 6 --strip walk.png

Every place is a test map that was surveyed as scenes are (demos/doom/make_scenes.py). Then the same 700 ticks of keys
go to the simulator and to the dream, which begins once with views, distances and the room there is to walk, and once
with the views alone. Printed: how far apart the two stand, in map units (median), and PSNR, for every hundred ticks.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

from dreamloop.demos.doom.make_scenes import OPTIONS, begin, hanging, survey, views
from dreamloop.model.gallery import Camera
from dreamloop.model.train_config import net_config
from dreamloop.model.world_model import OpenOptions, Scene
from dreamloop.runtime.collect import Job, simulator_of
from dreamloop.runtime.world import World, find_world

TICKS = 700
FIRST = 1_000_000_001  # a seed of the test maps
SHOWN = (20, 60, 100, 150, 200, 250, 300, 350, 400, 500, 600, 699)


def keys(world: World, seed: int) -> NDArray[np.float32]:
    """Return actions (TICKS, a): half a second to two of walking or stepping aside, some of it bending or running."""
    rng, actions = np.random.default_rng(seed), list[NDArray[np.float32]]()
    while len(actions) < TICKS:
        way = rng.choice(["forward", "left", "right", ""], p=[0.6, 0.1, 0.1, 0.2])
        held = {name: 1.0 for name in (way, "run" if rng.random() < 0.3 else "") if name}
        turn = float(rng.normal() * 0.25) if rng.random() < 0.5 else 0.0
        actions += [world.schema.vector(**held, turn=turn)] * int(rng.integers(20, 60))
    return np.stack(actions[:TICKS])


def walked(world: World, seed: int) -> tuple[dict[str, Scene], NDArray[np.float32], NDArray[np.uint8], NDArray[Any]]:
    """Return scenes by name, the keys, and what the simulator shows (TICKS, h, w, 3) and where, then."""
    net = net_config(world.card().config)
    camera = Camera(net.fov_deg, net.lens, net.reach, net.height_px, net.width_px)
    place = survey(world, seed)
    seen = views(place, camera, np.random.default_rng(seed))
    steps = [*(place.steps[tick] for tick in seen), *begin(world, place, place.gallery(seen, camera))]
    far = np.stack([step.info["distance"] for step in steps]).astype(np.float32)
    all_of_it = Scene(
        "all",
        np.stack([step.frame for step in steps]),
        np.stack([step.action for step in steps]),
        np.array([step.info["pose"] for step in steps], np.float32),
        far,
        place.free.astype(np.float32),
        hanging(world),
        np.array([step.info["height"] for step in steps], np.float32),
    )
    scenes = {"all": all_of_it, "views": replace(all_of_it, distances=None, walked=None)}
    _, env, _ = simulator_of(Job(world.folder, "test", seed, 0, OPTIONS))  # which still stands where the survey ended
    pressed, shown, where = keys(world, seed), [], []
    for action in pressed:
        frame, *_, info = env.step(action)
        shown.append(frame)
        where.append(info["pose"])
    return scenes, pressed, np.stack(shown), np.array(where)


def main() -> None:
    """Walk, print, and paint a strip for every place: truth, then the dreams."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--places", type=int, default=6)
    asked.add_argument("--weights", type=Path)
    asked.add_argument("--strip", type=Path)
    args = asked.parse_args()
    world = find_world("doom").with_weights(args.weights) if args.weights else find_world("doom")
    model: Any = world.open_model(OpenOptions(threads=1))
    off: dict[str, list[NDArray[Any]]] = {}
    right: dict[str, list[NDArray[Any]]] = {}
    rows = []
    for seed in range(FIRST, FIRST + args.places):
        scenes, pressed, truth, where = walked(world, seed)
        rows.append(np.concatenate([truth[tick] for tick in SHOWN], 1))
        for name, scene in scenes.items():
            model.reset(0, scene, 0)
            drawn, apart_by = [], []
            for action, pose in zip(pressed, where, strict=True):
                drawn.append(model.step(action[None])[0].copy())
                apart_by.append(np.hypot(*(model.travellers[0].pose[:2] - pose[:2])))
            error = np.square(np.stack(drawn).astype(np.float32) - truth).mean((1, 2, 3))
            off.setdefault(name, []).append(np.array(apart_by))
            right.setdefault(name, []).append(10 * np.log10(255**2 / error))
            rows.append(np.concatenate([drawn[tick] for tick in SHOWN], 1))
    for name in off:
        astray = np.median(off[name], 0)[99::100].round().astype(int).tolist()
        likeness = np.reshape(right[name], (-1, TICKS // 100, 100)).astype(np.float64).mean((0, 2)).round(1).tolist()
        typer.echo(f"{name:6} apart {astray}  PSNR {likeness}, mean {np.mean(right[name]):.2f} dB")
    if args.strip:
        Image.fromarray(np.concatenate(rows)).save(args.strip)


if __name__ == "__main__":
    main()
