"""Teaching a world's net which ideas come true (model/train_ideas.py): play from the simulator in, a checkpoint out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from dreamloop.model.checkpoint import load_for, save_checkpoint
from dreamloop.model.dataset import DataError
from dreamloop.model.device import choose_device
from dreamloop.model.mosaic_config import mosaic_config
from dreamloop.model.mosaic_moments import Eyes, Moments
from dreamloop.model.mosaic_net import MosaicNet
from dreamloop.model.taught import fill_rest, weights_of
from dreamloop.model.train_ideas import idea_figures, teach
from dreamloop.model.world_model import Card
from dreamloop.runtime.clock import Clock, SystemClock
from dreamloop.runtime.collect import EPISODE_TICKS, episodes
from dreamloop.runtime.places import taught_file
from dreamloop.runtime.world import World

TAUGHT = ("ideas",)
A_FILE = 16  # episodes that are kept in a file together
FORMAT = 3  # another one where the code that follows sees the same play differently
UNTAUGHT = 16  # one file in so many is looked at while teaching, and not taught


def train_ideas(
    world: World,
    minutes: float,
    start: Path | None = None,
    out: Path | None = None,
    *,
    held_out: int = 24,
    ticks: int = EPISODE_TICKS,
    device: str = "auto",
    workers: int = 0,
    seed: int = 0,
    following: float = 2 / 3,
    clock: Clock | None = None,
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> dict[str, Any]:
    """Teach the net of a checkpoint which ideas come true, write it, and return how good it is on unseen desks.

    What was seen is kept beside the checkpoint: run it again, and more comes to it.

    Args:
        world: with a simulator, and weights of the architecture "mosaic".
        minutes: of following and teaching; the check on unseen play comes on top.
        start: the checkpoint; default the world's own.
        out: file of the new one, or a folder for ``ideas.safetensors``; default ``runs/<world>``.
        held_out: episodes of unseen play that the figures are of.
        ticks: of an episode.
        workers: processes that play and follow; 0: one per core.
        following: share of the time in which play is followed.

    Raises:
        CheckpointError: no checkpoint, or one of another architecture.
        DataError: play in which nothing ever happens to a layer.
    """
    clock, begun_s = clock or SystemClock(), (clock or SystemClock()).now_s()
    end = taught_file(world.name, "ideas", out)
    path, tensors, card = load_for(world.name, start or world.weights, "mosaic")
    net = MosaicNet(mosaic_config(card.config)).to(choose_device(device))
    _put_in(net, path, tensors)
    eyes = Eyes.of(net)

    def left() -> float:
        return max(1 - (clock.now_s() - begun_s) / max(60 * minutes * following, 1e-9), 0.0)

    files = _follow(world, eyes, end.parent / "moments", ticks, seed, workers, left, progress)
    moments, unseen = _split(files) if len(files) > 1 else (None, None)
    if moments is None or unseen is None or not (moments.came.any() or unseen.came.any()):
        raise DataError(f"nothing ever comes, goes or moves in the play of '{world.name}' that was followed")
    steps = teach(
        net,
        moments,
        unseen,
        minutes=max(minutes - (clock.now_s() - begun_s) / 60, minutes / 4),
        now_s=clock.now_s,
        seed=seed,
        report=lambda figures: progress(f"teaching, {figures['right']:.1%} right", figures["share"]),
    )
    taught = weights_of(net, tensors, TAUGHT)
    about = {
        "command": f"dreamloop train {world.name} --ideas --minutes {minutes:g} --start {path.name}",
        "date": clock.stamp().partition("_")[0],
        "moments": len(moments.came),
        "happened": int((moments.came > 0).sum()),
        "steps": steps,
        "started_from": card.weights_hash,
    }

    def save(**more: Any) -> Card:
        provenance = {**card.provenance, "ideas": {**about, **more}}
        return save_checkpoint(end, taught, replace(card, provenance=provenance))

    save()  # whatever becomes of the check
    played = episodes(world, seed, maps="test", ticks=ticks, workers=workers, limit=held_out, then=eyes)
    test = [moments for moments in played if moments is not None]
    figures = idea_figures(net, Moments.join(test)) if test else {}
    figures["happened"] = float(sum((one.came > 0).sum() for one in test))
    return figures | {"weights_hash": save(held_out=figures).weights_hash, "path": str(end)}


def _follow(
    world: World,
    eyes: Eyes,
    folder: Path,
    ticks: int,
    seed: int,
    workers: int,
    left: Callable[[], float],
    progress: Callable[[str, float], None],
) -> list[Path]:
    """Follow play as long as time is left, two files at least unless nothing is found; return all files there are."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{_sign(eyes, ticks)}-s{seed}"
    done = sorted(folder.glob(f"{name}-*.safetensors"))
    number = int(done[-1].stem.rpartition("-")[2]) if done else 0  # of the next episode
    # As people play, and what they rarely do.
    played = episodes(world, seed, ticks=ticks, workers=workers, first=number, in_turn=True, then=eyes)
    parts: list[Moments] = []
    empty = 0  # episodes in a row
    try:
        while left() > 0 or (len(done) < 2 and empty < A_FILE):
            moments = next(played)
            number, empty = number + 1, empty + 1 if moments is None else 0
            parts += [moments] if moments is not None else []
            progress("following play", 1 - left())
            if parts and (len(parts) == A_FILE or left() <= 0):
                done.append(folder / f"{name}-{number:06d}.safetensors")
                Moments.join(parts).save(done[-1])
                parts = []
    finally:
        played.close()
    return done


def _split(files: list[Path]) -> tuple[Moments, Moments]:
    """Return the moments of at least two files that are taught, and those that are looked at only."""
    looked_at = files[UNTAUGHT - 1 :: UNTAUGHT] or files[-1:]
    taught = [file for file in files if file not in looked_at]
    return Moments.join([Moments.load(file) for file in taught]), Moments.join(
        [Moments.load(file) for file in looked_at]
    )


def _sign(eyes: Eyes, ticks: int) -> str:
    """Return a word for what eyes know and look at: to others the same play looks different."""
    return eyes.sign(FORMAT, eyes.config, ticks)


def _put_in(net: MosaicNet, path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Put weights into a net; those that are taught begin as they are, if they are of its shape."""
    fill_rest(net, path, tensors, TAUGHT)
    own = net.state_dict()
    if all(name in tensors and tensors[name].shape == own[name].shape for name in own):
        net.load_state_dict(tensors)
    net.requires_grad_(False)
