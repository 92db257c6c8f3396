"""What is written, after other use: ``python tests/tools/letters_after_use.py 0 1 2 --seconds 3600``.

Hides what is written, uses all the rest by what the dream shows, and prints how many letters are read back rightly of
every play: the suite's ``letters_after_use`` (docs/measurements.md) on as many plays as one has the time for.
"""

import argparse
from pathlib import Path

import typer

from dreamloop.model.eval_interface import measure_used
from dreamloop.model.world_model import OpenOptions
from dreamloop.runtime.interface_play import used_plays
from dreamloop.runtime.world import find_world


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seeds", type=int, nargs="+", help="of the plays, two each")
    parser.add_argument("--seconds", type=float, default=60.0, help="of other use")
    parser.add_argument("--weights", type=Path)
    args = parser.parse_args()
    world = find_world("desk").with_weights(args.weights)
    model, judge = world.open_model(OpenOptions(threads=1)), world.make_judge()
    right = total = 0
    for seed in args.seeds:
        for play in used_plays(world, seed, args.seconds):
            ((good, of),) = measure_used(model, [play], judge)["plays"]
            right, total = right + good, total + of
            typer.echo(f"seed {seed}: {good} of {of}")
    typer.echo(f"{right} of {total} letters after {args.seconds:g} s of other use, weights {model.card.weights_hash}")


if __name__ == "__main__":
    main()
