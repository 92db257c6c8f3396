"""Where a dream of the desk goes wrong: ``python tests/tools/look_at_desk.py 5000 5001 --rules 85``.

Dreams along plays of the scripted user on unseen desks, and prints the share of transitions that end right, and tick by
tick which cells go wrong. ``--rules TICK`` also prints which rules tell the cells that change in that tick. ``--strip
FILE`` writes a picture, the truth above the dream.
"""

import argparse
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

from dreamloop.model import mosaic_contexts as contexts
from dreamloop.model.arch_mosaic import MosaicModel
from dreamloop.model.eval_interface import LATER, Tally, Told, dream_along, judge_transition, same, scene_of
from dreamloop.model.mosaic_cells import signs
from dreamloop.model.mosaic_rules import Rules
from dreamloop.model.world_model import OpenOptions
from dreamloop.runtime.interface_play import told_play
from dreamloop.runtime.world import World, find_world

CELL = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seeds", type=int, nargs="+", help="of the plays")
    parser.add_argument("--ticks", type=int, default=240)
    parser.add_argument("--weights", type=Path)
    parser.add_argument(
        "--rules", type=int, metavar="TICK", help="print the rules that tell this tick of the first play"
    )
    parser.add_argument("--strip", type=Path, help="write every thirtieth tick of the first play as a picture")
    args = parser.parse_args()
    world = find_world("desk").with_weights(args.weights)
    model, history = world.open_model(OpenOptions(threads=1)), world.card().context_frames
    judge, letters = world.make_judge(), np.zeros(2, np.int64)
    tally = Tally(right={kind: [] for kind in judge.kinds})
    for seed in args.seeds:
        play = told_play(world, history + args.ticks, seed)
        dreamed, truth = dream_along(model, [play], history, 0)[0], play[history:]
        typer.echo(f"play {seed}")
        _print_cells(world, truth, dreamed)
        letters += judge.letters(dreamed[-1], truth[-1].info)
        for tick in range(len(dreamed) - LATER):
            judge_transition(tally, truth, dreamed, tick)
        if seed == args.seeds[0]:
            if args.strip is not None:
                rows = [[one.frame for one in truth[::30]], list(dreamed[::30])]
                Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in rows])).save(args.strip)
            if args.rules is not None:
                _print_rules(model, play, history, args.rules)
    for kind, good in sorted(tally.right.items()):
        typer.echo(f"{kind:10} {sum(good):4} of {len(good)}")
    every = [one for good in tally.right.values() for one in good]
    typer.echo(f"all        {sum(every):4} of {len(every)}")
    typer.echo(f"letters    {letters[0]:4} of {letters[1]}, read back at the end of the plays")


def _wrong(truth: Told, dreamed: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which cells are not as they ought to be."""
    pixels = ~same(dreamed, truth.frame)
    h, w = pixels.shape
    return np.asarray(pixels.reshape(h // CELL, CELL, w // CELL, CELL).any((1, 3)))


def _print_cells(world: World, truth: list[Told], dreamed: NDArray[np.uint8]) -> None:
    names, before = list(world.schema.columns), np.zeros((0,), np.bool_)
    for tick, (told, frame) in enumerate(zip(truth, dreamed, strict=False)):
        wrong = _wrong(told, frame)
        fresh = wrong & ~before if before.size else wrong
        if fresh.any():
            rows, columns = np.nonzero(fresh)
            on = [names[i] for i in np.flatnonzero(told.action > 0.5) if not names[i].endswith((".x", ".y"))]
            where = f"rows {rows.min()}-{rows.max()} columns {columns.min()}-{columns.max()}"
            typer.echo(f"  {tick:4}: {fresh.sum():3} cells go wrong, {wrong.sum():3} are; {where}; {told.kinds} {on}")
        before = wrong


def _print_rules(model: Any, play: list[Told], history: int, tick: int) -> None:
    """Dream up to a tick and print the rules, each as its number, what it counts, and how sure it is in thousandths."""
    assert isinstance(model, MosaicModel)
    start = play[:history]
    model.reset(0, scene_of(start), 0)
    for told in play[history : history + tick]:
        model.step(told.action[None])
    foretell = Rules.foretell

    def loud(rules: Rules, setting: contexts.Setting) -> NDArray[np.uint8]:
        found, kinds = foretell(rules, setting), contexts.KINDS
        changes = (found[..., 0] != rules.none) & (found != setting.cells).any(-1)
        shown = signs(setting.cells, rules.none)
        helpers = [kind for kind in kinds if kind[0] in (0, 1, 21, 27) or kind[1] in contexts.WRITING]
        for kind in kinds:  # one at a time, after those that tell it what begins, what is meant and what is written
            others = [one for one in helpers if one != kind and kinds.index(one) < kinds.index(kind)]
            read = []
            for asked in (others, [*others, kind]):
                contexts.KINDS = tuple(asked)  # type: ignore[assignment]
                read.append(list(contexts.contexts_of(rules._known, setting, shown, rules.none, {})))
            if len(read[1]) > len(read[0]):
                sure, _ = contexts.find(rules._known, np.broadcast_to(read[1][-1][1], shown.shape))
                for row, column in np.argwhere(changes & (sure > 0)):
                    typer.echo(f"  cell {row},{column}: {kind[0]} {kind[2]} {sure[row, column] // 1000}")
        contexts.KINDS = kinds
        return found

    with patch.object(Rules, "foretell", loud):
        model.step(play[history + tick].action[None])


if __name__ == "__main__":
    main()
