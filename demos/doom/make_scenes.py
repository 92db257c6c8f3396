"""Choose the scenes of the Doom world: good views on small maps that are never trained on, as short recordings.

A scene holds the last ticks before its start, and before them views of somebody who was everywhere in the place and
looked around, those that together show most of it: so a player's memory knows the rooms that lie around. In the last of
them there are doors: somebody was there while all of them were open, and in front of each while it was shut.

Run ``python -m dreamloop.demos.doom.make_scenes`` to write them anew; the same versions write the same files.
"""

import heapq
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dreamloop.demos.doom.maps import BARREL, LIP, PICKUPS, SOLID, THEMES, UNIT, MapPlan
from dreamloop.demos.doom.simulator import SETTLE_TICS, TURN_DEG
from dreamloop.demos.doom.udmf import DOOR_SPEED, DOOR_WAIT, lines_of
from dreamloop.input.state import InputState
from dreamloop.model.depth import nearness
from dreamloop.model.distance_codec import pack_distances
from dreamloop.model.doors import faces
from dreamloop.model.frame_codec import frame_hash
from dreamloop.model.gait import EYES
from dreamloop.model.gallery import Gallery
from dreamloop.model.memory_policies import Bank, MemoryConfig
from dreamloop.model.recording import RecordingWriter
from dreamloop.model.room import Room
from dreamloop.model.surfaces import Camera
from dreamloop.model.train_config import net_config
from dreamloop.model.traveller import camera_of
from dreamloop.runtime.collect import Job, Step, simulate, simulator_of
from dreamloop.runtime.world import World, find_world

SCENES, DOORED = 10, 2  # without doors, and with them
CONTEXT = 12  # ticks of unbroken true history in a scene
MAPS = "test"  # never trained on
PLACE = {"monsters": False, "small": True}  # options of the simulator
OPTIONS = {**PLACE, "distances": True}  # ... that tells how far things are
OPENED, CLOSED = {**OPTIONS, "doors": "open"}, {**OPTIONS, "doors": "shut"}
APART = 3  # cells between places that are looked around from
TURNS = 31  # ticks of looking around, a little more than once
ROOM = 1  # cells on every side of one that must be free, where there is room to walk
WIDE, BARREL_WIDE = 16, 10  # map units from the middle of what stands in a room to its sides
TOUCH = 36  # map units, east or north, from which an item is taken: both are as wide as that together
HEALS = (2011, 2012)  # items that nobody takes who is well, and nothing hurts here; a second armour is not told of
VIEWS = 448  # that are kept
ASKED = 1200  # places, seen in any direction, from which the place should be known
LEANING = 600  # ... and walks, in any direction, at the end of which it should be: with the nose at a wall
PASSING, ASIDE = 10, 48  # ... and so many at each of some places before doors and inside them, so far aside
STRIDE, LONGEST = 8.0, 200  # map units of such a walk's ticks, and how many they are at most
BARE, HANGS = 700, (8, 0.03)  # ticks also seen without a weapon; levels off, and share of them in which it is there
FIRES = 40  # ticks in which a weapon has surely fired once
BEST = 40  # most inviting views of a place
TRIED, SPARSE = 32, 8  # maps of which the most inviting are taken, and how closely they are looked at for that
AROUND = (0, 7, 15, 22)  # ticks of turning: backgrounds that it is fired before
SEED = 7  # of the maps, which are test maps
DOORWAY = 64  # map units around a door in which no scene begins
RISES = DOOR_SPEED / 8  # map units a tick
DOORS = 3  # that a place with doors has, at least
BEFORE = (24, 40, 64, 104, 168, 272, 440)  # map units from the middle of a shut door to where it is looked at
UNDER, UP = 56, 77  # map units from which it is seen while it goes up, and how far up, where the ground is level
NEARER = 0.9  # share of the distance from which a shut door, and not what is behind it, is seen

Hung = tuple[NDArray[np.bool_], NDArray[np.uint8], NDArray[np.float64]]


@dataclass
class Survey:
    """What there is to see in a place, and where one can walk."""

    steps: list[Step]
    free: NDArray[np.float64]  # (n, 3) places with room to walk, and the height of the ground there
    room: NDArray[np.float64]  # (m, 3) with room between the walls
    things: NDArray[np.float64]  # (k, 3) that stand there, and how wide they are
    walls: NDArray[np.float64]  # (l, 5) from where to where, and whether they stop from both sides
    items: NDArray[np.float64]  # (i, 4) that lie there, how high, and how near one comes to take them; 0: never
    doors: NDArray[np.float64]  # (d, 7) as ``world_model.Doors`` has them, without colours; open in all steps
    options: Mapping[str, Any]  # of the simulator that it was seen in

    def __post_init__(self) -> None:
        self.poses = np.array([step.info["pose"] for step in self.steps], np.float64)
        self.heights = np.array([step.info["height"] for step in self.steps], np.float64)

    def gallery(self, ticks: list[int], camera: Camera) -> Gallery:
        """Return the views of some ticks; a slot is a tick."""
        far = np.stack([self.steps[tick].info["distance"] for tick in ticks])
        near = dict(zip(ticks, nearness(torch.from_numpy(far), camera.reach).half().numpy(), strict=True))
        frames = {tick: self.steps[tick].frame for tick in ticks}
        heights = {tick: float(self.heights[tick]) for tick in ticks}
        return Gallery(camera, frames, {tick: self.poses[tick] for tick in ticks}, near, heights)


def survey(world: World, seed: int, apart: int = APART, options: Mapping[str, Any] = OPTIONS) -> Survey:
    """Look around from everywhere on the map of ``seed``.

    Args:
        apart: cells between places that are looked around from.
        options: of the simulator.
    """
    env = simulator_of(Job(world.folder, MAPS, seed, 0, options))[1]
    env.reset(seed=seed)
    plan = env.unwrapped.plan
    free = room_to_walk(plan)
    spots = free[(free[:, :2] // UNIT % apart == 0).all(1)]
    steps = [step for x, y, _ in spots for step in stand(world, options, x, y, TURNS, 0)]
    return Survey(steps, free, *room_of(plan), walls_of(plan), items_of(plan), doors_of(plan), options)


def stand(world: World, options: Mapping[str, Any], x: float, y: float, turns: int, still: int) -> list[Step]:
    """Go to a place of the map that was surveyed last, turn for so many ticks, stand still, and return what is seen."""
    env, steps = simulator_of(Job(world.folder, MAPS, 0, 0, options))[1], list[Step]()
    env.unwrapped.go_to(x, y)
    around = world.schema.vector(turn=TURN_DEG)
    for number in range(SETTLE_TICS + turns + still):
        action = around if SETTLE_TICS <= number < SETTLE_TICS + turns else world.schema.neutral
        frame, reward, *_, info = env.step(action)
        if number >= SETTLE_TICS:
            steps.append(Step(frame, action, info, float(reward), ended=False))
    return steps


def look(world: World, seed: int, options: Mapping[str, Any], pose: tuple[float, float, float]) -> list[Step]:
    """Stand at a pose of the map of ``seed``, for as long as a scene is told of, and return what is seen."""
    env = simulator_of(Job(world.folder, MAPS, seed, 0, options))[1]
    env.reset(seed=seed, options={"pose": pose})
    stepped = [env.step(world.schema.neutral) for _ in range(CONTEXT)]
    return [Step(frame, world.schema.neutral, info, float(reward), ended=False) for frame, reward, *_, info in stepped]


def begin(world: World, seed: int, place: Survey, gallery: Gallery) -> list[Step]:
    """Return the last ticks before a scene begins: at the inviting view that others tell best."""
    liked, told = inviting(place.steps), []
    for west, south, east, north, *_ in place.doors:  # nobody begins in a door that is shut
        off = np.maximum([west, south] - place.poses[:, :2], place.poses[:, :2] - [east, north])
        liked[(off < DOORWAY).all(1)] = -np.inf
    best = liked.argsort()[-BEST:]
    for tick in best:
        gallery.choose(place.poses[tick], place.heights[tick])
        gallery.take([one for one in gallery.reading if one != tick])
        view = gallery.show(place.poses[tick], place.heights[tick])
        off = np.inf if view is None else np.abs(view.frame.astype(float) - place.steps[tick].frame)[view.known].mean()
        told.append(off)
    x, y, yaw = place.poses[best[int(np.argmin(told))], :3]
    if len(place.doors):
        opened = look(world, seed, OPENED, (x, y, yaw))
        return [without_doors(*both) for both in zip(look(world, seed, CLOSED, (x, y, yaw)), opened, strict=True)]
    turn = (place.poses[-1, 2] - yaw) % 360  # clockwise
    return stand(world, place.options, x, y, round(turn / TURN_DEG), CONTEXT)[-CONTEXT:]


def without_doors(shut: Step, opened: Step) -> Step:
    """Return what is seen where doors are shut, and how far all of it is but those: that they hide is not for long."""
    far, behind = (np.array(step.info["distance"], np.float32) for step in (shut, opened))
    told = np.where(far < NEARER * behind, np.nan, far).astype(np.float16)
    return replace(shut, info={**shut.info, "distance": told})


def shut_doors(world: World, seed: int, place: Survey) -> Iterator[Step]:
    """Look at both faces of every door from their middle, from nearby and from far, while it is shut."""
    room = Room(place.room, WIDE, place.things, place.walls)
    for door in place.doors.tolist():
        for pose in facing(door, BEFORE):
            if room.has(*pose[:2]):
                yield look(world, seed, {**CLOSED, "weapon": False}, pose)[-1]


def facing(door: list[float], away: Iterable[float]) -> Iterator[tuple[float, float, float]]:
    """Yield poses (x, y, yaw) so many map units from both faces of a door, whose middles are looked at."""
    for (x0, y0), (x1, y1) in faces(door):
        long = math.hypot(x1 - x0, y1 - y0)
        east, north = (y1 - y0) / long, (x0 - x1) / long  # away from the door
        for far in away:
            yaw = math.degrees(math.atan2(-north, -east)) % 360
            yield (x0 + x1) / 2 + far * east, (y0 + y1) / 2 + far * north, yaw


def thick(door: list[float]) -> float:
    """Return how far the faces of a door are apart."""
    return min(door[2] - door[0], door[3] - door[1])


def inviting(steps: list[Step]) -> NDArray[np.float64]:
    """Say how inviting every step (t,) is to look at."""
    return rate(np.stack([step.frame for step in steps]), np.stack([step.info["distance"] for step in steps]))


def room_of(plan: MapPlan) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where there is room for a body between the walls (n, 3), and what stands there (k, 3): as scenes tell."""
    stand = {prop for theme in THEMES for prop in theme.props}
    things = [(one.x, one.y, BARREL_WIDE if one.kind == BARREL else WIDE) for one in plan.things if one.kind in stand]
    walls = (plan.cells == SOLID) | np.isin(plan.cells, _windows(plan))
    return _clear(plan, walls), np.array(things, np.float64).reshape(-1, 3)


def items_of(plan: MapPlan) -> NDArray[np.float64]:
    """Return what lies there to be taken (i, 4): where, how high, and how near one must come, which may be never."""
    lie = [one for one in plan.things if one.kind in PICKUPS]
    floors = [plan.sectors[plan.cells[int(one.x) // UNIT, int(one.y) // UNIT]].floor for one in lie]
    told = [(one.x, one.y, z, TOUCH * (one.kind not in HEALS)) for one, z in zip(lie, floors, strict=True)]
    return np.array(told, np.float64).reshape(-1, 4)


def walls_of(plan: MapPlan) -> NDArray[np.float64]:
    """Return the lines that nobody gets over (n, 5): from where to where, and whether they stop from both sides."""
    stop = {SOLID, *_windows(plan)}
    lines = [line for line in lines_of(plan) if stop & {line.front, line.back}]
    return np.array([(*line.start, *line.end, line.back != SOLID) for line in lines], np.float64)


def doors_of(plan: MapPlan) -> NDArray[np.float64]:
    """Return the doors of a map (d, 7), as ``world_model.Doors`` has them, without colours."""
    found = []
    for number, sector in enumerate(plan.sectors):
        if sector.door:
            cells = np.argwhere(plan.cells == number)
            found.append((*cells.min(0) * UNIT, *(cells.max(0) + 1) * UNIT, sector.floor, sector.opens))
    return np.array([(*door, door[-1] + LIP) for door in found], np.float64).reshape(-1, 7)


def from_below(world: World, seed: int, place: Survey, door: list[float]) -> NDArray[np.float64]:
    """Return the colour (3,) that a door has from below, seen while it goes up."""
    room, lens = Room(place.room, WIDE, place.things, place.walls), camera_of(net_config(world.card().config)).lens
    for x, y, yaw in facing(door, (UNDER,)):
        if room.has(x, y):
            options = {**CLOSED, "weapon": False}
            height = look(world, seed, options, (x, y, yaw))[-1].info["height"]
            env = simulator_of(Job(world.folder, MAPS, seed, 0, options))[1]
            ticks = max(round((UP + height - door[4]) / RISES), 1)
            shown = [env.step(world.schema.vector(use=float(tick == 0)))[0] for tick in range(ticks)][-1]
            over = door[4] + ticks * RISES - height - EYES
            tall, wide = shown.shape[:2]
            row = int((1 - lens * over / (UNDER + thick(door) / 2)) / 2 * tall)
            return np.asarray(shown[max(row - 1, 0) : row + 2, wide // 2 - 4 : wide // 2 + 4].mean((0, 1)))
    return np.zeros(3)


def _windows(plan: MapPlan) -> list[int]:
    return [i for i, sector in enumerate(plan.sectors) if sector.window]


def room_to_walk(plan: MapPlan) -> NDArray[np.float64]:
    """Return the middles of cells with free ones around them, and the height of the ground there (n, 3)."""
    room, things = room_of(plan)
    # A player is two cells wide, and what stands there as much.
    near = [(abs(room[:, :2] - (thing[:2] // UNIT + 0.5) * UNIT) < 3 * UNIT).all(1) for thing in things]
    return room[~np.any(near, 0)] if near else room


def _clear(plan: MapPlan, solid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the middles of cells with none that are ``solid`` around them, and the height of the ground there."""
    w, h = plan.cells.shape
    clear = np.pad(~solid, ROOM)
    near = [clear[i : i + w, j : j + h] for i in range(2 * ROOM + 1) for j in range(2 * ROOM + 1)]
    cells = np.argwhere(np.all(near, 0))
    floors = [plan.sectors[plan.cells[x, y]].floor for x, y in cells]
    return np.column_stack([(cells + 0.5) * UNIT, floors])


def rate(frames: NDArray[np.uint8], distances: NDArray[np.float32]) -> NDArray[np.float64]:
    """Say how inviting frames (t, h, w, 3) are: light, colourful, deep, with things near and far (t, h', w')."""
    pixels, far = frames.reshape(len(frames), -1, 3).astype(np.float32), distances.reshape(len(distances), -1)
    light = np.minimum(pixels.mean((1, 2)) / 80, 1)
    colourful = np.minimum(0.2 + (pixels - pixels.mean(2, keepdims=True)).std(1).mean(1) / 12, 1)
    deep = np.minimum(np.nanmedian(far, 1) / 240, 1)
    return np.asarray(light * colourful * deep * np.nanstd(np.log2(far), 1))


def new_views(poses: NDArray[np.float64]) -> list[int]:
    """Return the ticks of a walk (t, 4) whose views are new, the latest picture of each."""
    bank = Bank(MemoryConfig(pages=len(poses), step=48.0, turn_deg=25.0))
    return [tick for tick in range(len(poses) - 1, -1, -1) if bank.write(tick, poses[tick]) is not None]


def views(found: Survey, camera: Camera, rng: np.random.Generator) -> list[int]:
    """Return the ticks of the ``VIEWS`` views of a survey that together show most of what can be seen."""
    pages = new_views(found.poses)
    places = found.free[rng.integers(0, len(found.free), ASKED)]
    asked = np.column_stack([places, rng.uniform(0, 360, ASKED)])
    asked = np.concatenate([asked, leaning(found, rng), passing(found, rng)])
    poses = np.column_stack([asked[:, :2], asked[:, 3], np.zeros(len(asked))])
    worth = found.gallery(pages, camera).worth(poses, asked[:, 2])
    have, chosen = torch.zeros_like(worth[0]), list[int]()
    heap = [(-gain, row) for row, gain in enumerate(worth.float().sum(1).tolist())]
    heapq.heapify(heap)  # what a page adds only falls while others are chosen
    while heap and len(chosen) < VIEWS:
        row = heapq.heappop(heap)[1]
        gain = float((worth[row] - have).clamp_min(0).float().sum())
        if heap and -gain > heap[0][0]:
            heapq.heappush(heap, (-gain, row))
            continue
        chosen.append(row)
        have = torch.maximum(have, worth[row])
    return sorted(pages[row] for row in chosen)


def leaning(found: Survey, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return where those end (n, 4) who walk in any direction until something stops them: x, y, floor and yaw."""
    room = Room(found.room, WIDE, found.things, found.walls)
    ends = []
    for x, y, floor in found.free[rng.integers(0, len(found.free), LEANING)]:
        yaw = float(rng.uniform(0, 360))
        speed = (STRIDE * math.cos(math.radians(yaw)), STRIDE * math.sin(math.radians(yaw)))
        for _ in range(LONGEST):
            (east, north), _ = room.go((x, y), speed, floor)
            if math.hypot(east, north) < STRIDE / 2:
                break
            x, y = x + east, y + north
            floor = room.floor(x, y)
        ends.append((x, y, floor, yaw))
    return np.array(ends)


def passing(found: Survey, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return poses (n, 4) of those who go through doors, x, y, floor and yaw: there one must know the other side."""
    room = Room(found.room, WIDE, found.things, found.walls)
    poses = [pose for door in found.doors.tolist() for pose in facing(door, (-thick(door) / 2, *BEFORE[:4]))]
    asked = []
    for x, y, yaw in [pose for pose in poses for _ in range(PASSING)]:
        aside, turn = float(rng.uniform(-ASIDE, ASIDE)), float(rng.uniform(-60, 60))
        x, y = x + aside * math.sin(math.radians(yaw)), y - aside * math.cos(math.radians(yaw))
        if room.has(x, y):
            asked.append((x, y, room.floor(x, y), yaw + turn))
    return np.array(asked).reshape(-1, 4)


def hanging(world: World) -> NDArray[np.bool_]:
    """Return where the weapon may be in a picture (h, w): what is another picture without it."""
    shown = []
    for weapon in (True, False):
        job = Job(world.folder, MAPS, SEED, BARE, {**OPTIONS, "weapon": weapon})
        _, env, explorer = simulator_of(job)
        shown.append(np.stack([step.frame for step in simulate(env, explorer, world.schema.neutral, job)]))
    differs = (np.abs(shown[0].astype(np.int16) - shown[1]) > HANGS[0]).any(-1)
    return np.asarray(differs.mean(0) > HANGS[1])


def firing(world: World) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return the weapon (t, h, w, 4) before it is fired, and from then on until it is at rest; and the light (t,).

    Colours are as much as the weapon has of a pixel: at its edges, where the rest shows what is behind, they are less.
    The light is that in the room, 1 before it is fired.
    """
    shown = np.zeros((2, len(AROUND), FIRES + 1, world.height_px, world.width_px, 3), np.float32)
    for weapon, told in zip((True, False), shown, strict=True):
        env = simulator_of(Job(world.folder, MAPS, SEED, 0, {**OPTIONS, "weapon": weapon}))[1]
        for turns, frames in zip(AROUND, told, strict=True):
            env.reset(seed=SEED)
            for tick in range(AROUND[-1] + SETTLE_TICS + FIRES + 1):
                asks = world.schema.vector(turn=TURN_DEG * (tick < turns), attack=tick == AROUND[-1] + SETTLE_TICS + 1)
                frame = env.step(asks)[0]
                if tick >= AROUND[-1] + SETTLE_TICS:
                    frames[tick - AROUND[-1] - SETTLE_TICS] = frame
    found, bright = matte(*shown), shown[1].mean((2, 3, 4))
    light = np.round((bright / bright[:, :1]).mean(0)[: len(found)], 2)
    return found, light


def matte(shown: NDArray[np.float32], bare: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return what covers pictures (n, t, h, w, 3) that are ``bare`` without it, before n backgrounds: (t, h, w, 4).

    Up to the last tick in which it does not rest as in the first.
    """
    moves, differs = bare - bare.mean(0), (np.abs(shown - bare) > HANGS[0]).any((0, -1))
    through = (moves * (shown - shown.mean(0))).sum((0, -1)) / np.maximum((moves**2).sum((0, -1)), 1.0)
    cover = np.where(differs, 1 - np.rint(4 * through.clip(0, 1)) / 4, 0)[..., None]  # a pixel is the mean of four
    colours = (shown - (1 - cover) * bare).mean(0) * (cover > 0)
    found = np.rint(np.concatenate([colours, 255 * cover], -1)).clip(0, 255).astype(np.uint8)
    rests = [bool((abs(one.astype(np.int16) - found[0]) <= HANGS[0]).all()) for one in found]
    return np.asarray(found[: len(rests) - rests[::-1].index(False)])


def choose(world: World, seeds: range, scenes: int, options: Mapping[str, Any], doors: int = 0) -> list[int]:
    """Return which maps, of those with so many doors, are the most inviting."""
    places = [survey(world, seed, SPARSE, options) for seed in seeds]
    liked = [inviting(place.steps).max() if len(place.doors) >= doors else -np.inf for place in places]
    return [seeds[at] for at in np.argsort(liked)[::-1][:scenes]]


def write(world: World, folder: Path) -> list[Path]:
    """Write the scenes of ``world`` into ``folder`` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    hung = hanging(world), *firing(world)
    chosen: list[tuple[int, Mapping[str, Any]]]
    chosen = [(seed, OPTIONS) for seed in choose(world, range(SEED, SEED + TRIED), SCENES, OPTIONS)]
    more = range(SEED + TRIED, SEED + 2 * TRIED)
    chosen += [(seed, OPENED) for seed in choose(world, more, DOORED, OPENED, DOORS)]
    paths = [folder / f"place-{number:02d}.dream" for number in range(1, len(chosen) + 1)]
    for path, (seed, options) in zip(paths, chosen, strict=True):
        write_scene(world, path, seed, options, hung)
    return paths


def write_scene(world: World, path: Path, seed: int, options: Mapping[str, Any], hung: Hung) -> None:
    """Write the scene on the map of ``seed``; ``hung`` is what ``hanging`` and ``firing`` have found."""
    place, camera = survey(world, seed, options=options), camera_of(net_config(world.card().config))
    seen = views(place, camera, np.random.default_rng(SEED))
    shut = list(shut_doors(world, seed, place))
    steps = [*shut, *(place.steps[tick] for tick in seen), *begin(world, seed, place, place.gallery(seen, camera))]
    overlay, fired, light = hung
    columns = list(world.schema.columns)
    gesture = {"column": columns.index("attack"), "ticks": len(fired), "light": light.tolist()}
    measured = {"ground": place.room, "things": place.things, "walls": place.walls, "items": place.items}
    about: dict[str, Any] = {}
    if len(place.doors):
        below = [from_below(world, seed, place, door) for door in place.doors.tolist()]
        measured["door_places"] = np.column_stack([place.doors, below])
        about["doors"] = {"column": columns.index("use"), "speed": RISES, "waits": DOOR_WAIT, "pages": len(shut)}
    header = {
        "world": world.name,
        "schema": world.schema.to_dict(),
        "schema_fingerprint": world.schema.fingerprint,
        "rate_hz": world.rate_hz,
        "seed": seed,
        "place": {"maps": MAPS, "seed": seed, "options": {**PLACE, **({"doors": "shut"} if about else {})}},
        "initial_frame": False,
        "views": len(shut) + len(seen),
        "distance_shape": list(steps[0].info["distance"].shape),
        **{name: np.rint(told).astype("<i2").tobytes() for name, told in measured.items()},
        "overlay": np.packbits(overlay).tobytes(),
        "gesture": gesture | {"shown": zlib.compress(fired.tobytes(), 9)},
        **about,
    }
    with RecordingWriter(path, header, frames="jpeg", replace=True) as writer:
        for tick, step in enumerate(steps):
            state = InputState(tick=tick, dt_s=1 / world.rate_hz)
            pose, distance = [float(value) for value in step.info["pose"]], pack_distances(step.info["distance"])
            extra = {"pose": pose, "distance": distance} | {name: step.info[name] for name in ("height", "clock")}
            writer.tick(state, step.action, step.frame, frame_hash(step.frame), {}, extra)


if __name__ == "__main__":
    write(find_world("doom"), Path(__file__).parent / "scenes")
