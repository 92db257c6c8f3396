"""Coming back in a world's simulator: by turning, by walking, by undoing every action; and things that were changed.

Everything is played on the maps "test", or where a scene of the world lies, beside no model at all;
model/eval_memory.py and its neighbours dream the same actions afterwards. Where a simulator can leave its monsters out,
they are left out: what returns must be what was seen.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamloop.input.schema import ActionSchema
from dreamloop.model.camera import turned
from dreamloop.model.eval_changes import Change, counts
from dreamloop.model.eval_control import Press
from dreamloop.model.eval_hysteresis import there_and_back
from dreamloop.model.eval_memory import PERIOD, Revisit, sweep, thin
from dreamloop.model.eval_play import EvaluationError, Play
from dreamloop.model.recording import Recording
from dreamloop.model.world_model import Action, Frame, Scene
from dreamloop.runtime.collect import Job, Pool, simulate, simulator_of
from dreamloop.runtime.walker import Walker
from dreamloop.runtime.world import World

SETTLE_TICKS = 35  # a second of doing nothing, so that no place is entered in full run
CHANGE_TICKS = 4 * PERIOD
CHANGE_SETTLE = 16  # ticks after a press: a door is open, and will be for some seconds
HOLD_TICKS = 24  # that a button is held: a door opens at once, a pistol fires twice
CHANGE_REACH = 160.0  # map units ahead that a press can change something in view at
NEAR_UNITS, NEAR_DEG = 8.0, 2.0  # a pose that is no farther off than this is the same
AWAY_TICKS = 16  # a return comes after at least so many ticks elsewhere
TRIES = 6  # places tried for one that is found
NOWHERE = (np.nan,) * 4

Progress = Callable[[float], None]
Way = tuple[list[Action], Play, dict[str, Any]]  # actions from the reset on, what they showed, the last info


@dataclass(frozen=True, slots=True)
class Plan:
    """What every place of one kind has in common; it travels to a worker process."""

    job: Job  # its seed is the place's
    context: int  # true ticks that a dream starts from
    ticks: int  # to be dreamed
    gaps: tuple[int, ...]
    press: Press | None = None  # what turns, where turning is asked for
    scene: str = ""  # of the world, where one is played in

    def at(self, seed: int) -> "Plan":
        """Return the plan for the place of ``seed``."""
        job = Job(self.job.folder, self.job.maps, seed, self.job.ticks, self.job.env_options)
        return Plan(job, self.context, self.ticks, self.gaps, self.press)

    def within(self, scene: str, place: Mapping[str, Any]) -> "Plan":
        """Return the plan for a scene, and where the simulator has it, as its recording tells."""
        job = Job(self.job.folder, str(place["maps"]), int(place["seed"]), self.job.ticks, dict(place["options"]))
        return Plan(job, self.context, self.ticks, self.gaps, self.press, scene)


def plan_of(
    world: World, context: int, ticks: int, gaps: Sequence[int] = (), press: Press | None = None, way: int = 0
) -> Plan:
    """Return a plan on unseen maps, without monsters where the simulator can leave them out.

    ``way``: ticks of the scripted player; 0: the context's.
    """
    options = {"monsters": False} if world.can_leave_out_monsters() else {}
    return Plan(Job(world.folder, "test", 0, way or context, options), context, ticks, tuple(gaps), press)


def find(
    try_one: Callable[[Plan], Any],
    plan: Plan,
    count: int,
    seed: int,
    what: str,
    progress: Progress = lambda share: None,
    workers: int = 1,
) -> list[Any]:
    """Return what ``try_one`` finds at ``count`` places, trying more where it finds nothing (None).

    The same seed gives the same places, whatever ``workers`` is (0: one per core). After ``TRIES`` times as many tries
    those that were found have to do.

    Raises:
        EvaluationError: none was found.
    """
    found: list[Any] = []
    waiting: deque[Future[Any]] = deque()
    numbers = iter(range(TRIES * count))
    with Pool(workers) as pool:
        while len(found) < count:
            for number in islice(numbers, pool.size + 1 - len(waiting)):
                waiting.append(pool.start(try_one, plan.at(_seed(seed, number))))
            if not waiting:
                break
            one = pool.result(waiting.popleft())
            if one is not None:
                found.append(one)
                progress(len(found) / count)
    if not found:
        raise EvaluationError(f"none of {count} {what} was found on the test maps")
    return found


def find_in_scenes(
    world: World, plan: Plan, count: int, progress: Progress = lambda share: None, workers: int = 1
) -> list[Revisit]:
    """Return what :func:`roaming` finds in at most ``count`` scenes of a world that tell where its simulator has them.

    Raises:
        EvaluationError: there is none, or nobody came back in any of them.
    """
    told = [(path.stem, Recording.open(path).header.get("place")) for path in world.scenes]
    plans = [plan.within(name, place) for name, place in told if place is not None and _is_place(place)][:count]
    if not plans:
        raise EvaluationError(f"the world '{world.name}' has no scene that tells where its simulator has it")
    found = []
    with Pool(workers) as pool:
        for number, waiting in enumerate([pool.start(roaming, one) for one in plans]):
            visit = pool.result(waiting)
            found += [] if visit is None else [visit]
            progress((number + 1) / len(plans))
    if not found:
        raise EvaluationError(f"in none of {len(plans)} scenes of '{world.name}' somebody came back to a view of it")
    return found


def turning(plan: Plan) -> Revisit | None:
    """Stand still, turn away and back; None where the player does not stand still or dies."""
    walked = _walk(plan, SETTLE_TICKS)
    if walked is None or plan.press is None:
        return None
    return _go_on(plan, _before(plan, walked), walked[2], sweep(plan.press.action, plan.ticks), _Home)


def walking(plan: Plan) -> Revisit | None:
    """Walk away and home again, on and on; None where nobody comes home, or the simulator tells no poses."""
    walked = _walk(plan, SETTLE_TICKS)
    if walked is None or walked[1].poses is None or not np.isfinite(walked[1].poses).all():
        return None
    world, _, _ = simulator_of(plan.job)
    steps = np.hypot(*np.diff(walked[1].poses[:, :2], axis=0).T)
    stride = float(np.percentile(steps[steps > 0], 75)) if (steps > 0).any() else 0.0
    if not stride:
        return None
    walker = Walker(world.schema, walked[1].poses[-1], stride, plan.job.seed)
    return _go_on(plan, _before(plan, walked), walked[2], walker, _Returns)


def roaming(plan: Plan) -> Revisit | None:
    """Walk about in a scene, and home again, on and on; None where it tells no poses, or nobody gets away."""
    world, env, _ = simulator_of(plan.job)
    found = home_of(plan)
    if found is None:
        return None
    scene, home = found
    stride = max(_longest_step(env, world.schema, plan.job.seed, home, name) for name in world.schema.opposites[0])
    if not stride:
        return None
    _, info = env.reset(seed=plan.job.seed, options=home)
    walker = Walker(world.schema, np.array(info["pose"], np.float64), stride, plan.job.seed)
    return _go_on(plan, scene, info, walker, _Returns)


def home_of(plan: Plan) -> tuple[Scene, dict[str, Any]] | None:
    """Return a scene, and the options by which a reset of its simulator begins where it ends.

    None where it tells no poses, or the simulator goes nowhere when it is asked to.
    """
    world, env, _ = simulator_of(plan.job)
    scene = world.scene(plan.scene)
    if scene is None or scene.poses is None or "pose" not in env.reset(seed=plan.job.seed)[1]:
        return None
    home: dict[str, Any] = {"pose": [float(value) for value in scene.poses[-1]]}
    home |= {} if scene.clock is None else {"clock": scene.clock}
    _, info = env.reset(seed=plan.job.seed, options=home)
    off = np.array(info["pose"], np.float64) - scene.poses[-1]
    near = np.hypot(off[0], off[1]) <= NEAR_UNITS and abs(turned(off[2])) <= NEAR_DEG
    return (scene, home) if near else None


def true_frames(world: World, scene: str, actions: Iterable[Action]) -> Iterator[Frame]:
    """Yield what the simulator shows under ``actions`` from the end of a scene on; nothing where it cannot."""
    place = next((Recording.open(path).header.get("place") for path in world.scenes if path.stem == scene), None)
    if world.simulator is None or place is None or not _is_place(place):
        return
    plan = plan_of(world, 0, 0).within(scene, place)
    home = home_of(plan)
    if home is None:
        return
    env = simulator_of(plan.job)[1]
    env.reset(seed=plan.job.seed, options=home[1])
    for action in actions:
        frame, _, terminated, truncated, _ = env.step(action)
        yield frame
        if terminated or truncated:
            return


def _is_place(told: Any) -> bool:
    """Say whether a recording's header tells where its simulator has it."""
    if not isinstance(told, Mapping) or not isinstance(told.get("options"), Mapping):
        return False
    return isinstance(told.get("maps"), str) and isinstance(told.get("seed"), int)


def _longest_step(env: Any, schema: ActionSchema, seed: int, at: Mapping[str, Any], control: str) -> float:
    """Return how far a tick leads who holds a control from a pose on, map units."""
    _, info = env.reset(seed=seed, options=dict(at))
    poses = [info["pose"]]
    for _ in range(SETTLE_TICKS):
        poses.append(env.step(schema.vector(**{control: 1.0}))[-1]["pose"])
    return float(np.hypot(*np.diff(np.array(poses)[:, :2], axis=0).T).max())


def retracing(plan: Plan) -> Revisit | None:
    """Undo the last actions one by one, newest first: every view of the way is met again where no wall was touched."""
    walked = _walk(plan, 0)
    if walked is None:
        return None
    world, _, _ = simulator_of(plan.job)
    back = np.stack([undone(world.schema, action) for action in walked[0][::-1][: plan.ticks]])
    if len(back) < plan.ticks:
        return None
    return _go_on(plan, _before(plan, walked), walked[2], back, _Every)


def undone(schema: ActionSchema, action: Action) -> Action:
    """Return the action that takes ``action`` back: opposites change places, axes change sign, the rest is let go."""
    column_of = {name: i for i, name in enumerate(schema.columns)}
    undo = schema.neutral.copy()
    for control in schema.controls:
        if control.kind == "axis":
            undo[column_of[control.name]] = -action[column_of[control.name]]
    for one, other in schema.opposites:
        undo[column_of[one]], undo[column_of[other]] = action[column_of[other]], action[column_of[one]]
    if "run" in column_of:  # how fast, not where to
        undo[column_of["run"]] = action[column_of["run"]]
    return undo


def standing(plan: Plan) -> tuple[Scene, NDArray[np.uint8]] | None:
    """Stand still, turn out and back once; return where, and what the simulator shows after each action."""
    walked = _walk(plan, SETTLE_TICKS)
    if walked is None or plan.press is None:
        return None
    _, env, _ = simulator_of(plan.job)
    play = walked[1]
    frames = []
    for action in there_and_back(plan.press.action):
        frame, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            return None
        frames.append(frame)
    return _short(play.scene(len(play.frames), plan.context), play.name), np.stack(frames)


def changing(plan: Plan) -> Change | None:
    """Find a press of the scripted player that changes the picture for good, and turn away from it and back.

    Half of the places wait for one button that does not move the player, half for another. The same way is then gone
    without the press; None where nothing differs in the end, or where the two ways part.
    """
    world, env, explorer = simulator_of(plan.job)
    neutral, schema = world.schema.neutral, world.schema
    if plan.press is None:
        return None
    wanted = _changers(schema)[plan.job.seed % len(_changers(schema))]
    column = list(schema.columns).index(wanted)
    way, start = _until_press(env, explorer, neutral, plan, column)
    if start is None:
        return None
    held = [way[-1], *[schema.vector(**{wanted: 1.0})] * (HOLD_TICKS - 1), *[neutral] * CHANGE_SETTLE]
    away = list(sweep(plan.press.action, CHANGE_TICKS))
    let_go = [action.copy() for action in held]
    for action in let_go:
        action[column] = 0.0
    before = way[:-1]
    changed, unchanged = (_play(env, plan.job.seed, [*before, *hands, *away]) for hands in (held, let_go))
    done = len(before) + len(held) + 1
    if min(len(changed.frames), len(unchanged.frames)) < done + len(away) or not _same_way(changed, unchanged):
        return None
    returns = done - 1 + PERIOD * np.arange(1, CHANGE_TICKS // PERIOD + 1)
    a, b = changed.frames[returns], unchanged.frames[returns]
    if not counts(a, b)[0]:
        return None
    scene = _short(changed.scene(done, plan.context), f"test map, seed {plan.job.seed}, tick {start}")
    return Change(wanted, scene, np.stack(away), a, b)


def _changers(schema: ActionSchema) -> list[str]:
    """Return the buttons that do not move the player; any button where there is none."""
    moving = {name for pair in schema.opposites for name in pair} | {"run"}
    buttons = [control.name for control in schema.controls if control.kind == "button"]
    return [name for name in buttons if name not in moving] or buttons


def _until_press(env: Any, explorer: Any, neutral: Action, plan: Plan, column: int) -> tuple[list[Action], int | None]:
    """Let the scripted player walk to its first press of ``column`` after the context; None when there is none.

    Where the simulator tells how much room is ahead, a press counts only near to something that it could change.
    """
    way: list[Action] = []
    for tick, step in enumerate(simulate(env, explorer, neutral, plan.job)):
        if step.ended:
            break
        if tick:
            way.append(step.action)
        clear = step.info.get("clear")
        near = clear is None or clear[0] < CHANGE_REACH or bool(step.info.get("door_ahead"))
        if tick >= plan.context and near and step.action[column] > 0.5:
            return way, tick
    return way, None


def _same_way(one: Play, other: Play) -> bool:
    """Say whether two plays were in the same pose all the time, as far as that is told."""
    if one.poses is None or other.poses is None:
        return True
    apart = np.abs(one.poses - other.poses)
    apart[:, 2] = np.abs(turned((one.poses[:, 2] - other.poses[:, 2]).astype(np.float64)))
    return not bool((apart > 0.5).any())


def _walk(plan: Plan, settle: int) -> Way | None:
    """Let the scripted player walk for the context's ticks and come to rest; None when it died."""
    world, env, explorer = simulator_of(plan.job)
    neutral = world.schema.neutral
    frames, actions, poses, info = [], [], [], {}
    for step in simulate(env, explorer, neutral, plan.job):
        frames.append(step.frame)
        actions.append(step.action)
        poses.append(step.info.get("pose", NOWHERE))
        info = dict(step.info)
        if step.ended:
            return None
    for _ in range(settle):
        frame, _, terminated, truncated, found = env.step(neutral)
        if terminated or truncated:
            return None
        frames.append(frame)
        actions.append(neutral)
        poses.append(found.get("pose", NOWHERE))
        info = dict(found)
    name = f"test map, seed {plan.job.seed}"
    return actions, Play(name, np.stack(frames), np.stack(actions), np.array(poses, np.float32)), info


def _before(plan: Plan, walked: Way) -> Scene:
    """Return the scene that begins where ``walked`` ended."""
    play = walked[1]
    return _short(play.scene(len(play.frames), plan.context), play.name)


def _go_on(
    plan: Plan,
    scene: Scene,
    info: Mapping[str, Any],
    script: "NDArray[np.float32] | Walker",
    returns: "type[_Returns]",
) -> Revisit | None:
    """Go on from where ``scene`` ends, by a script or a walker, and keep what the simulator shows at ``returns``."""
    _, env, _ = simulator_of(plan.job)
    watcher = returns(scene)
    actions, poses = [], []
    for tick in range(plan.ticks):
        action = script.act(info) if isinstance(script, Walker) else script[tick]
        frame, _, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            return None
        actions.append(action)
        poses.append(info.get("pose", NOWHERE))
        watcher.look(tick + 1, frame, np.array(poses[-1], np.float64))
    ticks, truth, seen = watcher.found()
    visit = thin(Revisit(scene, np.stack(actions), ticks, truth, seen, np.array(poses, np.float32)), plan.gaps)
    return visit if len(visit.ticks) else None


class _Returns:
    """Finds the ticks at which the player is back in a pose that was seen before; a stay there counts once."""

    def __init__(self, scene: Scene) -> None:
        self.frames = scene.frames
        self.poses = None if scene.poses is None else np.asarray(scene.poses, np.float64)
        self._rows: list[tuple[int, Frame, Frame]] = []
        self._stay: tuple[float, tuple[int, Frame, Frame]] | None = None
        self._away = 0

    def look(self, tick: int, frame: Frame, pose: NDArray[np.float64]) -> None:
        """Take in what the simulator shows after ``tick`` ticks, and where."""
        far, which = self.nearest(tick, pose)
        if far > 1:
            self._end_stay()
            self._away += 1
        else:
            self.back(far, (tick, frame, self.frames[which]))
            self._away = 0

    def back(self, far: float, row: tuple[int, Frame, Frame]) -> None:
        """Take in a tick in a pose that was seen, ``far`` from it: the nearest tick of a stay is kept."""
        arrives = self._stay is None and self._away >= AWAY_TICKS
        if arrives or (self._stay is not None and far <= self._stay[0]):
            self._stay = (far, row)

    def found(self) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the ticks, the frames there, and the frames seen before."""
        self._end_stay()
        none = np.zeros((0, *self.frames.shape[1:]), np.uint8)
        ticks = np.array([row[0] for row in self._rows], np.int64)
        truth, seen = (np.stack([row[i] for row in self._rows]) if self._rows else none for i in (1, 2))
        return ticks, truth, seen

    def _end_stay(self) -> None:
        if self._stay is not None:
            self._rows.append(self._stay[1])
        self._stay = None

    def nearest(self, tick: int, pose: NDArray[np.float64]) -> tuple[float, int]:
        """Return how far (1: just the same) the nearest pose that was seen is, and its row.

        Where no poses are told, the start is taken to return every PERIOD ticks.
        """
        if self.poses is None or not np.isfinite(pose).all():
            return (0.0 if tick % PERIOD == 0 else 2.0), -1
        off = self.poses - pose
        far = np.hypot(off[:, 0], off[:, 1]) / NEAR_UNITS
        turn = np.maximum(np.abs(turned(off[:, 2])), np.abs(off[:, 3])) / NEAR_DEG
        apart = np.maximum(far, turn)
        which = len(apart) - 1 - int(apart[::-1].argmin())  # of equals the one seen last
        return float(apart[which]), which


class _Home(_Returns):
    """Only the pose at the start counts: who turns on the spot passes views of their way all the time."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.poses = None if self.poses is None else self.poses[-1:]
        self.frames = self.frames[-1:]


class _Every(_Returns):
    """Every tick in a pose that was seen counts."""

    def back(self, far: float, row: tuple[int, Frame, Frame]) -> None:
        """Keep the tick."""
        self._rows.append(row)


def _short(scene: Scene, name: str) -> Scene:
    return Scene(name, scene.frames, scene.actions, scene.poses)


def _play(env: Any, seed: int, actions: Sequence[Action]) -> Play:
    """Play these actions from the reset on; what is returned is shorter when the episode ended."""
    frame, info = env.reset(seed=seed)
    frames, poses = [frame], [info.get("pose", NOWHERE)]
    for action in actions:
        frame, _, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            break
        frames.append(frame)
        poses.append(info.get("pose", NOWHERE))
    known = np.array(poses, np.float32)
    done = np.stack([np.zeros_like(actions[0]), *actions[: len(frames) - 1]])
    return Play("", np.stack(frames), done, known if np.isfinite(known).all() else None)


def _seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number, 77]).generate_state(1)[0]) >> 1
