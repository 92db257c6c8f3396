"""The stages of a world: a simulator's large pictures in, an upsampler with its card out.

How the net learns is model/train_stage.py's business; model/stage.py chains it behind a model.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dreamloop.input.errors import ConfigError, MissingPartError, unknown
from dreamloop.model.checkpoint import save_checkpoint
from dreamloop.model.stage import open_stage
from dreamloop.model.stage_upsample import FACTOR, KIND, UpsampleConfig
from dreamloop.model.train_stage import StageTrainer, StageTraining, bicubic, box, measure_stage, thin, train_stage
from dreamloop.model.whole_file import whole_file
from dreamloop.model.world_model import Card, OpenOptions
from dreamloop.runtime.clock import Clock, SystemClock
from dreamloop.runtime.collect import episodes
from dreamloop.runtime.world import World

EVERY_TICKS = 8  # between two pictures that are kept
EPISODE_TICKS = 160  # on one map: many maps teach more than long walks
PICTURES, TEST_PICTURES = 1_600, 160
Progress = Callable[[str, float | None], None]


def train_world_stage(
    world: World,
    kind: str,
    minutes: float,
    out: Path | None = None,
    *,
    resume: bool = False,
    pictures: int = PICTURES,
    seed: int = 0,
    net: UpsampleConfig | None = None,
    clock: Clock | None = None,
    progress: Progress = lambda what, share: None,
) -> dict[str, Any]:
    """Train a world's upsampler, write it, and return what it is worth on maps that it never saw.

    Args:
        world: with a simulator that draws at twice the world's size when it is asked to.
        kind: of the stage; "upsample" is the one that can be trained.
        minutes: of training, over all resumes; collecting and the check on unseen maps come on top.
        out: folder of the run; default ``runs/WORLD-KIND``. The weights are KIND.safetensors in it.
        resume: go on where the run in ``out`` stopped.
        pictures: how many are learnt from.
        seed: of play and of training.
        net: its shape.
        clock: what tells the time.
        progress: called with what is going on and the share of it that is done.

    Raises:
        ConfigError: a kind that cannot be trained, or a run that ``resume`` does not allow to touch.
        MissingPartError: the world has no simulator.
    """
    if kind != KIND:
        raise ConfigError(unknown("stage that can be trained", kind, [KIND]))
    if world.simulator is None:
        raise MissingPartError(f"world '{world.name}' has no simulator to learn a stage from")
    clock, folder = clock or SystemClock(), out or Path("runs") / f"{world.name}-{kind}"
    run = folder / "run.safetensors"
    if run.exists() and not resume:
        raise ConfigError(f"{folder} holds a run already; go on with --resume, or choose another folder with --out")
    trainer = StageTrainer(net or UpsampleConfig(), StageTraining(minutes=minutes, seed=seed))
    if run.exists():
        trainer.resume(run)
    seen = _kept(folder / "pictures.npy", lambda: large_pictures(world, pictures, seed, "train", progress))
    train_stage(seen, trainer, clock.now_s, run, lambda figures: progress("training", figures["share"]))
    progress("measuring", None)
    unseen = large_pictures(world, TEST_PICTURES, seed, "test", progress)
    return _finish(world, trainer, seen, unseen, folder, clock)


def _kept(path: Path, make: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return the pictures in ``path``, made first where there are none: a resumed run learns from the same ones."""
    if not path.is_file():
        with whole_file(path) as scratch, scratch.open("wb") as file:
            np.save(file, make())
    pictures: NDArray[np.uint8] = np.load(path)
    return pictures


def large_pictures(world: World, count: int, seed: int, maps: str, progress: Progress) -> NDArray[np.uint8]:
    """Let the scripted player play at twice the world's size; return (count, 2h, 2w, 3)."""
    size = {"width_px": FACTOR * world.width_px, "height_px": FACTOR * world.height_px}
    each = EPISODE_TICKS // EVERY_TICKS

    def frames() -> Iterator[NDArray[np.uint8]]:
        played = episodes(world, seed, maps=maps, ticks=EPISODE_TICKS, env_options=size)
        for number, episode in enumerate(played):
            progress(f"playing the simulator ({maps})", min(number * each / count, 1.0))
            yield episode[0]

    return thin(frames(), EVERY_TICKS, count)


def _finish(
    world: World,
    trainer: StageTrainer,
    seen: NDArray[np.uint8],
    unseen: NDArray[np.uint8],
    folder: Path,
    clock: Clock,
) -> dict[str, Any]:
    """Write the weights with their card and a sheet of pictures; return the figures on unseen maps."""
    path = folder / f"{KIND}.safetensors"
    card = Card(
        name=f"{world.name}-{KIND}",
        arch=KIND,
        width_px=FACTOR * world.width_px,
        height_px=FACTOR * world.height_px,
        rate_hz=world.rate_hz,
        schema={},
        licence=world.licence or "MIT",
        provenance={
            "what": f"draws {world.width_px} x {world.height_px} twice as large, learnt from {world.simulator}",
            "pictures": len(seen),
            "steps": trainer.step,
            "minutes": round(trainer.elapsed_s / 60, 1),
            "date": clock.stamp().partition("_")[0],
            "command": f"dreamloop train {world.name} --stage {KIND} --minutes {trainer.config.minutes:g}",
        },
        config=asdict(trainer.net.config),
    )
    half = {name: value.bfloat16() for name, value in trainer.average.state_dict().items()}  # as they are played
    card = save_checkpoint(path, half, card)
    stage = open_stage(path, OpenOptions(device="cpu"))
    held_out = measure_stage(stage, unseen)
    save_checkpoint(path, half, replace(card, provenance={**card.provenance, "held_out": held_out}))
    sheet(stage.draw(box_of(unseen[::50])), unseen[::50], folder / "sample.png")
    return held_out | {"path": str(path), "steps": trainer.step}


def box_of(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the small pictures that large ones (n, 2h, 2w, 3) are drawn from."""
    import torch

    small: NDArray[np.uint8] = box(torch.from_numpy(np.ascontiguousarray(pictures))).numpy()
    return small


def sheet(drawn: NDArray[np.uint8], truth: NDArray[np.uint8], path: Path) -> None:
    """Write a picture: bicubic, the stage and the truth side by side, a row each."""
    plain = bicubic(box_of(truth), (truth.shape[2], truth.shape[1]))
    rows = [np.concatenate(row, 1) for row in zip(plain, drawn, truth, strict=True)]
    Image.fromarray(np.concatenate(rows)).save(path)
