"""Is a dream true to the place that it says it is in?

    python tests/tools/true_to_place.py --minutes 1 --scenes 4 --strip place.png

Walks about in the Doom scenes with keys pressed at random, often against walls, and in the simulator with the same keys
from the same start. Printed: PSNR for every tenth of the time, with the views of the scene put together and without,
and that of what the simulator showed in another scene at the same time, which is what a dream is worth that has fallen
apart; and how sharp the dream is, and how much moves in it, over the simulator's.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

from dreamloop.model.look import Look, LookMeter
from dreamloop.model.world_model import Frame, OpenOptions
from dreamloop.runtime.redream import psnr_db
from dreamloop.runtime.revisits import true_frames
from dreamloop.runtime.world import World, find_world

EVERY = 14  # ticks between two looks
USES = 0.03  # of all ticks
WIDE = 14  # pictures in a row of the strip
NAMES = ("put together", "not put together")


def keys(world: World, ticks: int, seed: int) -> NDArray[np.float32]:
    """Return actions (ticks, a): half a second to two of walking, stepping aside or turning, some of it running.

    What is ahead is used about once a second.
    """
    rng, actions = np.random.default_rng(seed), list[NDArray[np.float32]]()
    while len(actions) < ticks:
        way = rng.choice(["forward", "left", "right", "back", ""], p=[0.55, 0.1, 0.1, 0.05, 0.2])
        held = {name: 1.0 for name in (way, "run" if rng.random() < 0.3 else "") if name}
        turn = float(rng.normal() * 3.0) if rng.random() < 0.6 else 0.0
        actions += [world.schema.vector(**held, turn=turn)] * int(rng.integers(20, 60))
    done = np.stack(actions[:ticks])
    done[:, list(world.schema.columns).index("use")] = np.random.default_rng([seed, 1]).random(ticks) < USES
    return done


def looked_at(frames: Any) -> tuple[list[Frame], Look]:
    """Return every so many frames of a run, and how it looks."""
    kept, meter = list[Frame](), LookMeter()
    before: Frame | None = None
    for tick, frame in enumerate(frames):
        if before is not None and tick % EVERY == EVERY - 1:
            kept.append(frame.copy())
            meter.add(before[None], frame[None])
        before = frame.copy()
    return kept, meter.read()[0]


def dreamed(model: Any, actions: NDArray[np.float32]) -> Any:
    """Yield what the model shows."""
    for action in actions:
        yield model.step(action[None])[0]


def main() -> None:
    """Walk, print, and paint the truth above the dreams."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--minutes", type=float, default=1.0, help="of every walk")
    asked.add_argument("--scenes", type=int, default=4)
    asked.add_argument("--first", type=int, default=1, help="of the scenes, the number")
    asked.add_argument("--weights", type=Path)
    asked.add_argument("--strip", type=Path)
    args = asked.parse_args()
    world = find_world("doom").with_weights(args.weights) if args.weights else find_world("doom")
    model: Any = world.open_model(OpenOptions(threads=1))
    ticks = round(args.minutes * 60 * world.rate_hz)
    told: dict[str, list[list[float]]] = {name: [] for name in NAMES}
    shares: dict[str, list[tuple[float, float]]] = {name: [] for name in NAMES}
    rows, truths = list[NDArray[np.uint8]](), list[list[Frame]]()
    first = args.first - 1
    for number, path in enumerate(world.scenes[first : first + args.scenes], first):
        actions = keys(world, ticks, number)
        true, look = looked_at(true_frames(world, path.stem, actions))
        truths.append(true)
        for name in NAMES:
            model.reset(0, world.scene(path.stem), 0)
            if name == NAMES[1]:
                model.travellers[0].gallery = None
            shown, own = looked_at(dreamed(model, actions))
            told[name].append([psnr_db(a, b) for a, b in zip(true, shown, strict=True)])
            sharp, moves = own.sharpness_levels / look.sharpness_levels, own.motion_levels / look.motion_levels
            shares[name].append((sharp, moves))
            picked = np.linspace(0, len(true) - 1, WIDE).astype(int)
            rows.append(np.concatenate([np.concatenate([true[i], shown[i]]) for i in picked], 1))
    told["another scene"] = [
        [psnr_db(a, b) for a, b in zip(one, other, strict=True)]
        for one, other in zip(truths, truths[1:] + truths[:1], strict=True)
    ]
    for name, every in told.items():
        parts = [np.mean([np.mean(np.array_split(np.array(one), 10)[part]) for one in every]) for part in range(10)]
        figures = np.concatenate(every)
        spread = np.quantile(figures, [0.1, 0.5, 0.9]).round(1).tolist()
        typer.echo(f"{name:18} {np.round(parts, 1).tolist()} dB; mean {np.mean(figures):.1f}")
        typer.echo(
            f"{'':18} a tenth, half, nine tenths below {spread}; by scene {np.round(np.mean(every, 1), 1).tolist()}"
        )
        if name in shares:
            sharp, moves = np.mean(shares[name], 0)
            typer.echo(f"{'':18} sharpness {sharp:.2f}, motion {moves:.2f} of the simulator's")
    if args.strip:
        Image.fromarray(np.concatenate(rows)).save(args.strip)


if __name__ == "__main__":
    main()
