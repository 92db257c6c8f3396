"""Drives a world's simulator with its scripted player, and keeps what happens: as files, or in memory for training.

One recording per episode, several at a time over the cores. Started again it goes on where it stopped: whole files
count, half ones are replaced. Knows nothing about models or windows.
"""

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from dreamloop.input.errors import DreamloopError
from dreamloop.input.schema import ActionSchema
from dreamloop.input.state import InputState
from dreamloop.model.frame_codec import FrameMode, frame_hash
from dreamloop.model.recording import SUFFIX, Recording, RecordingError, RecordingWriter
from dreamloop.model.whole_file import whole_file
from dreamloop.model.world_model import Action, Frame
from dreamloop.runtime.world import World, load_world

EPISODE_TICKS = 1050  # 30 seconds of Doom
SHORT_TICKS = 220  # of an episode where many places tell more than long plays
BARE = {"bare": True}  # options of a simulator that shows no pointer
# Frames (t, h, w, 3), actions (t, a), poses (t, 4), and distances where the simulator tells them.
Episode = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32], *tuple[NDArray[Any], ...]]
RecordedEpisode = tuple[NDArray[np.uint8], NDArray[np.float32]]  # (t, h, w, 3), (t, a)


class CollectError(DreamloopError):
    """Collecting that cannot go on."""


@dataclass(frozen=True, slots=True)
class Job:
    """What one episode is made of; it travels to a worker process."""

    folder: Path  # of the world
    maps: str
    seed: int  # of the episode
    ticks: int
    env_options: Mapping[str, Any] = field(default_factory=dict)
    practice: bool = False  # by the player who does often what is rare


@dataclass(frozen=True, slots=True)
class Step:
    """One tick of a simulator."""

    frame: Frame  # shows the effect of action
    action: Action
    info: Mapping[str, Any]
    reward: float
    ended: bool


def collect(
    world: World,
    frames: int,
    out: Path,
    workers: int = 0,
    seed: int = 0,
    *,
    maps: str = "train",
    ticks: int = EPISODE_TICKS,
    keep: FrameMode = "lossless",
    env_options: Mapping[str, Any] | None = None,
    show: bool = True,
) -> list[Path]:
    """Collect recordings in ``out`` until they hold at least ``frames`` frames; return their paths.

    Args:
        world: the world, with a simulator and an explorer.
        frames: how many frames all episodes of this seed and these maps should hold together.
        out: folder of the recordings; those that are there and whole count.
        workers: processes; 0 takes one per core, 1 stays in this process.
        seed: decides every episode; another seed adds other episodes to the same folder.
        maps: which set of maps the simulator should use ("train", "test", ...).
        ticks: length of an episode; it may end earlier when the simulator says so.
        keep: how pictures are kept.
        env_options: further options of the world's ``make_env``.
        show: draw a progress bar on stderr.

    Raises:
        MissingPartError: the world has no simulator, or what it runs on is not installed.
        CollectError: a worker process died; run again to go on.
    """
    world.make_explorer(seed)  # what is missing is said here, not in a worker
    out.mkdir(parents=True, exist_ok=True)
    numbers = count()
    done: dict[Path, int] = {}
    job_of = _Jobs(world, seed, maps, ticks, env_options or {})
    with _bar(show) as bar, Pool(workers) as pool:
        task = bar.add_task(f"collecting {world.name}", total=frames)
        while sum(done.values()) < frames or pool.busy:
            missing = frames - sum(done.values()) - pool.busy * ticks
            if missing > 0 and pool.free:
                number = next(numbers)
                path = out / f"{world.name}-{maps}-s{seed}-{number:06d}{SUFFIX}"
                whole = _ticks_in(path, world)
                if whole:
                    done[path] = whole
                else:
                    pool.submit(_write_episode, job_of(number), path, keep)
            else:
                path, length = pool.next()
                done[path] = length
            bar.update(task, completed=sum(done.values()))
    return sorted(done)


def episodes(
    world: World,
    seed: int = 0,
    *,
    maps: str = "train",
    ticks: int = EPISODE_TICKS,
    workers: int = 1,
    first: int = 0,
    limit: int | None = None,
    env_options: Mapping[str, Any] | None = None,
    practice: bool = False,
    in_turn: bool = False,
    then: Callable[[Episode], Any] | None = None,
) -> Generator[Any, None, None]:
    """Play episodes and hand them over in memory, without end unless ``limit`` says how many.

    The same arguments give the same episodes in the same order, whatever ``workers`` is.

    Args:
        first: number of the first episode.
        practice: by the world's player who does often what is rare, where it has one.
        in_turn: every second one by that player.
        then: what a worker makes of an episode, to be handed over in its place; has to be picklable.

    Yields:
        frames (t, h, w, 3) uint8, actions (t, a) float32 and poses (t, 4) float32 (x, y, angle and pitch in
        degrees; NaN where the simulator tells none), and what ``distance`` in info tells, where
        it does. actions[i] led to frames[i]; frames[0] is the reset's.
    """
    job_of = _Jobs(world, seed, maps, ticks, env_options or {}, practice, in_turn)
    numbers = iter(count(first) if limit is None else range(first, first + limit))
    waiting: deque[Future[Any]] = deque()
    with Pool(workers) as pool:
        for number in numbers:
            waiting.append(pool.start(_play_episode, job_of(number), then))
            if len(waiting) > pool.size:
                yield pool.result(waiting.popleft())
        while waiting:
            yield pool.result(waiting.popleft())


def recorded_episodes(
    paths: Iterable[Path], ticks: int = EPISODE_TICKS, schema: ActionSchema | None = None
) -> Iterator[RecordedEpisode]:
    """Read recordings, collected or played, as training episodes of at most ``ticks`` ticks, one at a time.

    Across a rewind, a reset, a gap or a missing picture nothing follows from what came before, so an episode ends
    there; stretches of one picture are left out.

    Yields:
        frames (t, h, w, 3) uint8 and actions (t, a) float32; actions[i] led to frames[i].

    Raises:
        RecordingError: a file cannot be read, holds no pictures, or has another action layout than ``schema``.
    """
    for path in paths:
        with Recording.open(path) as recording:
            _check_layout(recording, schema)
            runs = recording.runs()
            if len(recording) and not runs:
                raise RecordingError(
                    f"{path} has no pictures to learn from; `dreamloop export {path} --to dream` makes a copy with them"
                )
            for first, last in runs:
                for start in range(first, last, ticks):
                    stop = min(start + ticks, last)
                    if stop - start > 1:
                        yield recording.frames(start, stop), recording.actions[start:stop]


def _check_layout(recording: Recording, schema: ActionSchema | None) -> None:
    got = recording.header.get("fingerprint")
    if schema is not None and got is not None and got != schema.fingerprint:
        raise RecordingError(
            f"{recording.path} has another action layout than '{schema.name}'; it cannot be learnt from"
        )


def simulate(env: Any, explorer: Any, neutral: Action, job: Job) -> Iterator[Step]:
    """Play one episode of at most ``job.ticks`` ticks; the first one is the reset, with the ``neutral`` action."""
    frame, info = env.reset(seed=job.seed)
    explorer.reset(job.seed)
    yield Step(frame, neutral.copy(), info, 0.0, ended=False)
    for _ in range(job.ticks - 1):
        action = np.asarray(explorer.act(frame, info), np.float32)
        frame, reward, terminated, truncated, info = env.step(action)
        yield Step(frame, action, info, float(reward), ended=bool(terminated or truncated))
        if terminated or truncated:
            return


@dataclass(frozen=True, slots=True)
class _Jobs:
    """Makes the job of episode number n: its seed follows from the seed of the whole and from n."""

    world: World
    seed: int
    maps: str
    ticks: int
    env_options: Mapping[str, Any]
    practice: bool = False
    in_turn: bool = False

    def __call__(self, number: int) -> Job:
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0]) >> 1
        practice = self.practice or (self.in_turn and number % 2 == 1)
        return Job(self.world.folder, self.maps, seed, self.ticks, self.env_options, practice)


class Pool:
    """Worker processes, or this process when there is to be only one. Started fresh ("spawn"), never forked."""

    def __init__(self, workers: int) -> None:
        self.size = workers or os.cpu_count() or 1
        self._executor: ProcessPoolExecutor | None = None
        if self.size > 1:
            self._executor = ProcessPoolExecutor(self.size, get_context("spawn"), initializer=_be_quiet)
        self._running: set[Future[Any]] = set()

    @property
    def busy(self) -> int:
        """Episodes under way."""
        return len(self._running)

    @property
    def free(self) -> bool:
        """True when another episode may be submitted: one more than the workers keeps them all at work."""
        return self.busy < (self.size + 1 if self._executor else 1)

    def start(self, work: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Begin ``work`` in a worker; in this process it is done at once."""
        if self._executor is not None:
            return self._executor.submit(work, *args)
        future: Future[Any] = Future()
        future.set_result(work(*args))
        return future

    def submit(self, work: Callable[..., Any], *args: Any) -> None:
        """Begin ``work``; :meth:`next` tells of its end."""
        self._running.add(self.start(work, *args))

    def next(self) -> Any:
        """Wait for one of the submitted and return its result."""
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        future = done.pop()
        self._running.discard(future)
        return self.result(future)

    def result(self, future: "Future[Any]") -> Any:
        """Return a future's result, its failures in words."""
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise CollectError("a collecting process died; run the same command again to go on") from error

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
        else:
            _close_simulators()


def _be_quiet() -> None:
    """Leave Ctrl-C to the parent process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


_simulators: dict[tuple[Path, str, str, bool], tuple[World, Any, Any]] = {}  # of this process; starting one takes time


def simulator_of(job: Job) -> tuple[World, Any, Any]:
    """Return the simulator and the player for ``job`` in this process, started at the first call."""
    key = (job.folder, job.maps, repr(sorted(job.env_options.items())), job.practice)
    if key not in _simulators:
        world = load_world(job.folder)
        size = {"width_px": world.width_px, "height_px": world.height_px}
        env = world.make_env(maps=job.maps, seed=job.seed, **{**size, **job.env_options})
        _simulators[key] = (world, env, world.make_explorer(job.seed, practice=job.practice))
    return _simulators[key]


def _close_simulators() -> None:
    for _, env, _ in _simulators.values():
        env.close()
    _simulators.clear()


def _play_episode(job: Job, then: Callable[[Episode], Any] | None) -> Any:
    world, env, explorer = simulator_of(job)
    steps = list(simulate(env, explorer, world.schema.neutral, job))
    nowhere = (np.nan,) * 4
    poses = np.array([step.info.get("pose", nowhere) for step in steps], np.float32)
    frames, actions = np.stack([step.frame for step in steps]), np.stack([step.action for step in steps])
    episode: Episode = frames, actions, poses
    if all("distance" in step.info for step in steps):
        episode = (*episode, np.stack([step.info["distance"] for step in steps]))
    return episode if then is None else then(episode)


def _write_episode(job: Job, path: Path, keep: FrameMode) -> tuple[Path, int]:
    world, env, explorer = simulator_of(job)
    writer: RecordingWriter | None = None
    with whole_file(path) as scratch:
        for i, step in enumerate(simulate(env, explorer, world.schema.neutral, job)):
            if writer is None:
                writer = RecordingWriter(scratch, _header(world, job, step), frames=keep, sync_s=1e9, replace=True)
            state = InputState(tick=i, dt_s=1 / world.rate_hz)
            writer.tick(state, step.action, step.frame, frame_hash(step.frame), extra=_extra(step))
        assert writer is not None
        writer.close()
    return path, writer.ticks


def _extra(step: Step) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if "pose" in step.info:
        extra["pose"] = [float(value) for value in step.info["pose"]]
    if step.reward:
        extra["reward"] = step.reward
    if step.ended:
        extra["ended"] = True
    return extra


def _header(world: World, job: Job, first: Step) -> dict[str, Any]:
    return {
        "source": "simulator",
        "world": world.name,
        "schema": world.schema.to_dict(),
        "fingerprint": world.schema.fingerprint,
        "rate_hz": world.rate_hz,
        "width_px": int(first.frame.shape[1]),
        "height_px": int(first.frame.shape[0]),
        "seed": job.seed,
        "maps": job.maps,
        "map": str(first.info.get("map", "")),
        "initial_frame": True,
        "versions": {"dreamloop": version("dreamloop")},
    }


def _ticks_in(path: Path, world: World) -> int:
    """Return the ticks of a recording that is whole, 0 when there is none or only half of one.

    Raises:
        CollectError: the file belongs to another world or action layout.
    """
    if not path.is_file():
        return 0
    try:
        with Recording.open(path) as recording:
            if recording.header.get("fingerprint") != world.schema.fingerprint:
                raise CollectError(f"{path} was collected with another action layout; choose another folder")
            if recording.complete:
                return len(recording)
    except RecordingError:
        pass
    path.unlink()
    return 0


class _Speed(ProgressColumn):
    """Frames a second, once there is something to divide."""

    def render(self, task: Task) -> Text:
        """Draw the column."""
        return Text("frames" if task.speed is None else f"frames, {task.speed:.0f} /s,")


def _bar(show: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), disable=not show)
