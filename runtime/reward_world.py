"""The reward of a world's dream: paid play from its simulator or from recordings in, a small net with its card out.

How the net learns is model/train_reward.py's business; who asks it is runtime/gym.py.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from dreamloop.input.errors import MissingPartError
from dreamloop.model.dataset import DataError
from dreamloop.model.inverse_dynamics import FILE_NAME as READER_FILE
from dreamloop.model.inverse_dynamics import InverseDynamics, load_reader
from dreamloop.model.recording import Recording
from dreamloop.model.reward_net import FILE_NAME, RewardHead, load_head, save_head
from dreamloop.model.train_reward import PaidPlay, gather, make_config, measure_head, train_head
from dreamloop.runtime.clock import Clock, SystemClock
from dreamloop.runtime.collect import EPISODE_TICKS, Job, simulate
from dreamloop.runtime.recordings import find_recordings
from dreamloop.runtime.true_play import Driller
from dreamloop.runtime.world import World

TEST_PLAYS = 16
TEST_SEED = 1_000_003  # far from the seeds of training, and on other maps anyway
Progress = Callable[[str, float | None], None]


def open_head(world: World) -> tuple[RewardHead, InverseDynamics] | None:
    """Return the world's reward head and the motion reader that it needs; None in a world without a head."""
    path = world.folder / FILE_NAME
    return (load_head(path, world.schema), open_reader(world)) if path.is_file() else None


def open_reader(world: World) -> InverseDynamics:
    """Return the world's inverse-dynamics net.

    Raises:
        MissingPartError: it has none.
    """
    path = world.folder / READER_FILE
    if not path.is_file():
        raise MissingPartError(
            f"a reward needs {path.name}, which is not in {world.folder}; "
            f"train it with 'dreamloop train {world.name} --inverse-dynamics'"
        )
    return load_reader(path, world.schema)


def paid_plays(world: World, count: int, ticks: int, seed: int, maps: str) -> Iterator[PaidPlay]:
    """Play ``count`` episodes of at most ``ticks`` ticks in the simulator, by turns as scripted player and at random.

    Random play holds one or two controls at a time. It is what an agent does at first, and mostly it is paid little.
    """
    env = world.make_env(maps=maps, seed=seed, width_px=world.width_px, height_px=world.height_px)
    players = cycle((world.make_explorer(seed), Driller(world.schema)))
    try:
        for number, player in zip(range(count), players, strict=False):
            episode = int(np.random.SeedSequence([seed, number, 5]).generate_state(1)[0]) >> 1
            steps = list(simulate(env, player, world.schema.neutral, Job(world.folder, maps, episode, ticks)))
            yield PaidPlay(
                np.stack([step.frame for step in steps]),
                np.stack([step.action for step in steps]),
                np.array([step.reward for step in steps], np.float32),
                steps[-1].ended,
            )
    finally:
        env.close()


def recorded_pay(paths: Sequence[Path], ticks: int = EPISODE_TICKS) -> Iterator[PaidPlay]:
    """Read paid play from recordings that ``dreamloop collect`` made, at most ``ticks`` ticks at a time.

    Raises:
        DataError: a recording that no simulator paid for, such as a person's play in a dream.
    """
    for path in find_recordings(paths):
        with Recording.open(path) as recording:
            if recording.header.get("source") != "simulator":
                raise DataError(f"{path} knows no rewards: it was not collected from a simulator")
            for first, last in recording.runs():
                for start in range(first, last - 1, ticks):
                    rows = [recording.tick(i) for i in range(start, min(start + ticks, last))]
                    rewards = np.array([tick.extra.get("reward", 0.0) for tick in rows], np.float32)
                    ended = bool(rows[-1].extra.get("ended", False))
                    frames, actions = recording.frames(start, start + len(rows)), np.stack([row.action for row in rows])
                    yield PaidPlay(frames, actions, rewards, ended)


def train_reward(
    world: World,
    minutes: float,
    out: Path | None = None,
    *,
    data: Sequence[Path] = (),
    episodes: int = 80,
    ticks: int = EPISODE_TICKS,
    seed: int = 0,
    clock: Clock | None = None,
    progress: Progress = lambda what, share: None,
) -> dict[str, Any]:
    """Train the net that says what a tick of a dream is worth, write it, and return how good it is on unseen maps.

    Collecting takes up to half of the time, and what was collected by then is used.

    Args:
        world: with a simulator that pays.
        minutes: of collecting and training; the check on unseen maps comes on top.
        out: file of the weights; default ``reward.safetensors`` in the world's folder.
        data: recordings from ``dreamloop collect``, or folders of them, to learn from, beside what is played now.
        episodes: at most so many are played.
        ticks: length of an episode.
        seed: of play and of training.
        clock: what tells the time.
        progress: called with what is going on and the share of it that is done.
    """
    clock, path, reader = clock or SystemClock(), out or world.folder / FILE_NAME, open_reader(world)
    begun_s = clock.now_s()

    def collected() -> Iterator[PaidPlay]:
        yield from recorded_pay(data)
        for i, play in enumerate(paid_plays(world, episodes, ticks, seed, "train")):
            yield play
            progress("playing the simulator", (i + 1) / episodes)
            if clock.now_s() - begun_s > 60 * minutes / 2:
                return

    config = make_config(world.schema, reader)
    lessons = gather(collected(), config, reader)
    head = train_head(
        lessons,
        config,
        world.schema,
        minutes=max(minutes - (clock.now_s() - begun_s) / 60, 0.25 * minutes),
        now_s=clock.now_s,
        seed=seed,
        report=lambda figures: progress("training", figures["share"]),
    )
    progress("measuring", None)
    unseen = gather(paid_plays(world, TEST_PLAYS, ticks, seed + TEST_SEED, "test"), config, reader)
    held_out = measure_head(head, unseen)
    assert head.card is not None
    about = {
        "date": clock.stamp().partition("_")[0],
        "command": f"dreamloop train {world.name} --reward --minutes {minutes:g}",
        "motion_read_by": reader.card.weights_hash if reader.card else "",
        "held_out": held_out,
    }
    card = replace(head.card, provenance={**head.card.provenance, **about}, licence=world.licence or "MIT")
    save_head(path, head, card)
    return held_out | {"path": str(path), "samples": card.provenance["samples"]}
