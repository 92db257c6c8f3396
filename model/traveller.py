"""One player's way through a dream: the pose, reckoned tick by tick, and the pages remembered along it.

The turn of a tick is known from its action. So is the step where it is known what pushes the player; elsewhere the net
tells it. What was seen to stand in the way stops the player; where the room was measured, that does. Nothing here
corrects a pose: what the dream draws follows the pose, so the two stay together. Knows nothing about how frames are
drawn.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from dreamloop.model.camera import FADING, Poses, mirrored, moved, place, pushes
from dreamloop.model.depth import FINE, nearness
from dreamloop.model.door_pages import DoorPages
from dreamloop.model.doors import SHUT, Body, Leaf, after, used
from dreamloop.model.dream_config import NetConfig
from dreamloop.model.dream_sources import RESTING, Recall
from dreamloop.model.gait import Gait, rise, stepped, sway, swing
from dreamloop.model.gallery import Gallery, Hangs, View
from dreamloop.model.ground import MEASURED, NOTHING, Eye, Ground, Places, held_up
from dreamloop.model.memory import DEFAULT_POLICY, PageMemory, make_policy, slot_name
from dreamloop.model.memory_policies import MemoryConfig
from dreamloop.model.momentum import ONE, STEERS, Parts, braked, creeps, parts_of, pushed, whole_yaw
from dreamloop.model.pixels import to_float
from dreamloop.model.pushing import SLIGHT
from dreamloop.model.room import Fall, Room, fallen
from dreamloop.model.surfaces import Camera, Surfaces
from dreamloop.model.wear import PART
from dreamloop.model.world_model import Doors, Frame, Gesture, Scene

SLACK = 4.0  # map units by which a wall may be farther off than it is seen: else free ways would be closed
MOSTLY = 0.8  # share of a view from which on what pages tell of it is all that is asked
GROUND, STANDING = Fall(0.0), Gait()
CHOOSE_EVERY = 3  # ticks between two looks at which pages show most
PRESSED = 0.5
REACHES = (-8.0, 56.0)  # map units below and above the feet of who takes an item, as in Doom
STILL = 0.0125  # strides a tick: a player whom the net moves by less stands still, or it would creep away while turning


def memory_config(net: NetConfig, pages: int = 512) -> MemoryConfig:
    """Return the memory's settings that fit a net."""
    return MemoryConfig(pages=pages, reach=net.reach, fov_deg=net.fov_deg, lens=net.lens)


def camera_of(net: NetConfig) -> Camera:
    """Return what pictures of a net are taken with."""
    return Camera(net.fov_deg, net.lens, net.reach, net.height_px, net.width_px)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the net is shown: as ``dream_net.Recall``, for one player, in numpy."""

    frames: NDArray[np.uint8]  # (k, h, w, 3)
    pages: tuple[Frame, ...]  # the pages as they are kept, at most k; the first may be a view that was put together
    poses: Poses  # (laid, 4)
    pose: Poses  # (4,)
    place: NDArray[np.float32]  # (laid, PLACE)
    speed: NDArray[np.float32]  # (2,)
    wear: NDArray[np.uint8] | None = None  # (1 + k, h, w) of the last frame and the pages
    held: float = 0.0  # share of the step that something in the way takes
    view: View | None = None  # the first page, where it was put together
    differs: bool = False  # whether the eyes are higher or lower than a tick before, or there is another light


class Step(NamedTuple):
    """A tick's way, (2,) ahead and to the right, strides."""

    foreseen: NDArray[np.float64]  # by what pushes
    gone: NDArray[np.float64]  # what is left of it by what stands in the way
    kept: NDArray[np.float64]  # the speed after it


class Looks(NamedTuple):
    """From how high it is looked in a tick, what hangs on the camera, and what moves."""

    level: float  # map units above the eyes of who stands on ground of height 0
    hangs: Hangs | None  # None: not known
    leaves: tuple[Leaf, ...] = ()  # how every door is


REST = Step(np.zeros(2), np.zeros(2), np.zeros(2))


@dataclass
class Traveller:
    """Starts at the origin. ``turning`` (2, a) are degrees of turn and tilt per unit of every control."""

    net: NetConfig
    turning: NDArray[np.floating]
    pushing: NDArray[np.float32] | None = None  # strides per unit of what ``pushes`` gives; None: keys push nobody
    policy: str = DEFAULT_POLICY
    pose: Poses = field(default_factory=lambda: np.zeros(4))
    speed: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))  # strides a tick, ahead and to the right
    kept: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))  # ... what walls left of that speed
    tick: int = 0
    memory: PageMemory = field(init=False)
    ground: Ground = field(init=False)
    things: Places = field(init=False, default_factory=lambda: NOTHING)  # in the way of this tick's step
    step: Step = field(init=False, default_factory=lambda: REST)
    fall: Fall = GROUND
    gait: Gait = STANDING
    level: float = 0.0  # that was looked from last
    gesture: Gesture | None = None  # what hangs on the camera can do
    doing: int = 0  # ... the tick of it that showed last; 0: it rests
    clock: int | None = None  # ticks since the world began; None: not known, and nothing sways
    room: Room | None = None  # where it was measured
    items: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))  # that lie there, as scenes tell
    taken: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))  # ... and which are there no more
    doors: Doors | None = None  # where the room was measured; there they stop a body, also where none are seen
    door_pages: DoorPages | None = None  # ... which show them shut, where views are put together
    leaves: tuple[Leaf, ...] = ()  # ... how they are
    moving: tuple[Leaf, ...] = ()  # ... and how they are after this tick
    using: bool = False  # whether the last action used what is ahead: keys that stay down do not use it again
    wear: NDArray[np.uint8] = field(init=False)  # (h, w) of the last frame (model/wear.py)
    wears: dict[int, NDArray[np.uint8]] = field(default_factory=dict)  # of pages, by slot; true ones have none
    gallery: Gallery | None = None  # of pages that were measured, where there are any
    view: View | None = None  # of this tick, put together
    ahead: tuple[Poses, Looks, View | None] | None = None  # where the next step would lead, if it is as the last
    near: NDArray[np.float32] | None = None  # (h, w) nearness of what the last frame shows, if pages tell most of it

    def __post_init__(self) -> None:
        net, config = self.net, memory_config(self.net)
        self.turning = self.turning.astype(np.float64)  # or what is lost of a turn adds up in a long game
        if self.pushing is not None:  # or what a fit has left of nothing would carry off who stands still
            self.pushing = np.where(np.abs(self.pushing) < SLIGHT, 0, self.pushing).astype(np.float32)
        self.ground = Ground(Eye(net.fov_deg, net.lens, net.reach, net.girth, net.low, net.high))
        self.wear = np.zeros((net.height_px // PART, net.width_px // PART), np.uint8)
        self.memory = PageMemory(make_policy(self.policy, config), config)

    def arrive(self, scene: Scene) -> None:
        """Begin at the end of a scene, which is remembered; where its poses are not known, only its last frame is.

        From its end backwards: of each view the latest picture is the one that shows how things were left. Where
        distances, room and heights were measured, the player goes by them.
        """
        frames = scene.frames if scene.poses is not None else scene.frames[-1:]
        first = 0 if scene.poses is None or scene.doors is None else scene.doors.pages
        poses = np.zeros((1, 4)) if scene.poses is None else np.asarray(scene.poses, np.float64)
        kept = dict[int, int]()
        for back in range(len(frames) - 1, first - 1, -1):
            slot = self.memory.write(self.tick + back, poses[back], frames[back])
            if slot is not None:
                kept[slot] = back
        self.memory.newest = None  # what was written last is the oldest
        self.tick += len(frames)
        self.memory.policy.arrive(self.tick)
        if scene.poses is not None:
            self.clock, self.gesture = scene.clock, scene.gesture
            self._measure(scene, poses, kept, first)
        self.pose = poses[-1].copy()
        self.pose[2] = whole_yaw(self.pose[2])
        if len(poses) > 1:
            step = poses[-1] - poses[-2]
            self.speed = np.array(mirrored(step[:2], np.radians(self.pose[2]))) / self.net.stride
            if np.abs(self.speed).max() > 2:
                self.speed = np.zeros(2)
        self.kept, self.fall = self.speed, Fall(self._floor(self.pose))
        self.level = self.fall.height

    def _measure(self, scene: Scene, poses: Poses, kept: Mapping[int, int], first: int) -> None:
        """Take from a scene what was measured in it.

        Args:
            kept: the frames that became pages, by slot.
            first: the first frame that is a view; those before it show doors.
        """
        if scene.distances is None:
            return
        for far, pose in zip(scene.distances[first:], poses[first:], strict=True):
            self.ground.see(pose, np.nan_to_num(self.net.reach / np.maximum(far, 1.0)), sight=MEASURED)
        walked = scene.walked if scene.walked is not None and len(scene.walked) else None
        if walked is not None and scene.heights is not None:
            places = None if scene.doors is None else scene.doors.places
            self.room = Room(walked, self.net.girth, scene.things, scene.walls, places)
            if scene.doors is not None:
                self.doors, self.leaves = scene.doors, (SHUT,) * len(scene.doors.places)
            if scene.items is not None:
                self.items, self.taken = np.array(scene.items, np.float64), np.zeros(len(scene.items), np.bool_)
        free = poses if walked is None else walked
        self.ground.fix(np.asarray(free if self.room is None else self.room.places, np.float64)[:, :2])
        fine = (self.net.height_px // FINE, self.net.width_px // FINE)
        lasts = getattr(self.memory.policy, "lasting", False)
        if self.net.wears and kept and lasts and scene.distances.shape[1:] == fine:
            near = nearness(torch.from_numpy(scene.distances), self.net.reach).half().numpy()
            level = np.zeros(len(poses)) if scene.heights is None or self.room is None else scene.heights
            up = {slot: float(level[back]) for slot, back in kept.items()}
            if self.doors is not None and first:
                shut = poses[:first], level[:first], near[:first]
                self.door_pages = DoorPages(camera_of(self.net), self.doors, scene.frames[:first], *shut)
            overlay = scene.overlay
            hangs = overlay if overlay is not None and overlay.shape == scene.frames.shape[1:3] else None
            self._hang({slot: near[back] for slot, back in kept.items()}, up, hangs)

    def remember(self, action: NDArray[np.float32], near: NDArray[np.float32] | None = None) -> Remembered:
        """Say what is remembered of the view that ``action`` will lead to, as far as it is known before it is drawn.

        Args:
            near: (h, w) nearness of what the last frame shows: whoever walks into that is stopped.
        """
        if not self._knows_room():
            if near is not None:
                self.ground.see(self.pose, near, float(self.wear.mean()))
            self.things = self._in_the_way(action)
        self.step = self._step(action)
        pose = self._moved(action, self.step.gone)
        looks = self._looks(action, self.step)
        k, view = self.net.pages, self._view(pose, looks)
        differs = looks.level != self.level or self._light(self._does(action)) != self._light(self.doing)
        self.moving = looks.leaves
        differs |= [leaf.up for leaf in looks.leaves] != [leaf.up for leaf in self.leaves]
        self.level = looks.level
        self.view, made = view, int(view is not None)
        self.near = view.near if view is not None and view.known[~view.hangs].mean() > MOSTLY else None
        shown = self.gallery.reading if made and self.gallery is not None else []
        slots = [slot for slot in self.memory.read(self.tick, pose, k) if slot not in shown][: k - made]
        first = self.net.laid - k
        poses, present = np.zeros((self.net.laid, 4)), np.zeros((self.net.laid, 1), np.float32)
        poses[:first], present[:first] = self.pose, 1
        frames = np.zeros((k, self.net.height_px, self.net.width_px, 3), np.uint8)
        pages = tuple(self.memory.frames[slot] for slot in slots)
        if view is not None:
            pages, poses[first], present[first], frames[0] = (view.frame, *pages), pose, 1, view.frame
            self.memory.reading = [*shown, *slots]
        for row, slot in enumerate(slots, made):
            poses[first + row], present[first + row] = self.memory.policy.pose_of(slot), 1
            frames[row] = pages[row]
        where = place(poses, pose, self.net.reach) * present
        wear = None
        if self.net.wears:
            new = np.zeros_like(self.wear)
            worn = [*[new] * made, *(self.wears.get(slot, new) for slot in slots), *[new] * (k - made - len(slots))]
            wear = np.stack([self.wear, *worn])
        return Remembered(
            frames, pages, poses, pose, where, self.speed.astype(np.float32), wear, held_share(self.step), view, differs
        )

    def settle(
        self,
        action: NDArray[np.float32],
        step: NDArray[np.float32],
        frame: Frame,
        wear: NDArray[np.float32] | None = None,
    ) -> None:
        """Go a step, and keep the frame when its view is new.

        Args:
            action: the one that :meth:`remember` was asked about.
            step: (2,) that the net told, in strides; it counts where it is not known what pushes the player.
            wear: (h, w) of the frame, for a net that cares.
        """
        if self.pushing is None:
            self.speed = self.kept = self._held_up(np.clip(np.asarray(step, np.float64), -2, 2))
        else:  # keys and what was seen in the way are surer than what the net tells of them, tick by tick
            self.speed, self.kept = self.step.gone, self.step.kept
        self.pose = self._moved(action, self.speed)
        self.taken = self._taken_at(self.pose)
        before, self.fall = self.fall, fallen(self.fall, self._floor(self.pose))
        if self.doors is not None:
            self._set_doors(self.moving)
            self.using = self._uses(action)
        if self.clock is not None:
            self.gait, self.clock = stepped(rise(self.gait), before, self.fall), self.clock + 1
        self.doing = self._does(action)
        lit = self._light(self.doing) != 1  # such a frame is no page: the room is as it was a moment later
        told = None if self.view is None else self.view.over
        slot = self.memory.write(self.tick, self.pose, None if lit else frame, told)
        if wear is not None:
            self.wear = np.rint(wear).astype(np.uint8)
            if slot is not None:
                self.wears[slot] = self.wear
        if slot is not None and self.gallery is not None:
            self.gallery.drop(slot)
        self.ahead = None
        self.tick += 1

    def look(self, latest: NDArray[np.float32]) -> None:
        """Choose what views are put together from; if what is done goes on, put that together to which it leads.

        They are chosen for where the last action leads; where the room is not known, that depends on more than is
        saved, and they are for where one is.

        Args:
            latest: (2, a) the last actions: they go on if they are the same.
        """
        if self.gallery is None:
            return
        action = latest[-1]
        step = self._step(action)
        pose = self._moved(action, step.gone)
        if self.tick % CHOOSE_EVERY == 0 or not self.gallery.reading:
            self.gallery.choose(pose if self._knows_room() else self.pose, self.fall.height)
        if np.array_equal(latest[0], action):
            looks = self._looks(action, step)
            self.ahead = pose, looks, self._shown(pose, looks)

    def _view(self, pose: Poses, looks: Looks) -> View | None:
        """Return the view from a pose (4,) that is put together: most often it was already, for keys stay down."""
        if self.gallery is None:
            return None
        if self.ahead is not None and np.array_equal(self.ahead[0], pose) and self.ahead[1] == looks:
            return self.ahead[2]
        return self._shown(pose, looks)

    def _shown(self, pose: Poses, looks: Looks) -> View | None:
        """Put the view from a pose (4,) together; what is taken there shows no more."""
        assert self.gallery is not None
        first = 0 if self.room is None else len(self.room.things)
        gone = (first + np.flatnonzero(self._taken_at(pose))).tolist()
        return self.gallery.show(pose, looks.level, looks.hangs, gone, [leaf.up for leaf in looks.leaves])

    def _taken_at(self, pose: Poses) -> NDArray[np.bool_]:
        """Return which items are taken once the player was at a pose (4,), too."""
        near: NDArray[np.bool_] = np.abs(self.items[:, :2] - pose[:2]).max(1) < self.items[:, 3]
        up = self.items[:, 2] - self.fall.height
        return self.taken | (near & (up >= REACHES[0]) & (up <= REACHES[1]))

    def _looks(self, action: NDArray[np.float32], step: Step) -> Looks:
        """Return from how high it is looked in this tick: eyes are over where the feet were before the step."""
        leaves = self._moves_doors(action, step)
        if self.clock is None:
            return Looks(self.fall.height, None, leaves)
        speed = float(np.hypot(*step.foreseen)) * self.net.stride
        level = self.fall.height - rise(self.gait).low + sway(speed, self.clock)
        doing = self._does(action)
        return Looks(level, Hangs(0.0, 0.0, doing) if doing else Hangs(*swing(speed, self.clock + 1)), leaves)

    def _uses(self, action: NDArray[np.float32]) -> bool:
        """Say whether an action uses what is ahead."""
        return self.doors is not None and bool(action[self.doors.column] > PRESSED)

    def _moves_doors(self, action: NDArray[np.float32], step: Step) -> tuple[Leaf, ...]:
        """Return how doors are after an action and its step: what is ahead is used before anything moves."""
        if self.doors is None or self.room is None:
            return ()
        use = None
        if self._uses(action) and not self.using:
            use = used(self.doors, self._moved(action, np.zeros(2)), self.room.solid)
        if use is None and all(leaf == SHUT for leaf in self.leaves):
            return self.leaves
        pose = self._moved(action, step.gone)
        height = fallen(self.fall, self._floor(pose)).height
        return after(self.doors, self.leaves, use, Body(float(pose[0]), float(pose[1]), height, self.net.girth))

    def _set_doors(self, leaves: tuple[Leaf, ...]) -> None:
        """Leave doors as they are now, also for who walks there."""
        self.leaves = leaves
        if self.doors is not None and self.room is not None:
            floors = self.doors.places[:, 4].tolist()
            self.room.ceilings = [floor + leaf.up for floor, leaf in zip(floors, leaves, strict=True)]

    def _does(self, action: NDArray[np.float32]) -> int:
        """Return which tick of its gesture what hangs on the camera is in after an action."""
        if self.gesture is None:
            return 0
        goes_on = 0 < self.doing < len(self.gesture.shown) - 1
        return self.doing + 1 if goes_on else int(action[self.gesture.column] > PRESSED)

    def _light(self, doing: int) -> float:
        """Return the light in the room in a tick of the gesture: 1 but where what hangs on the camera shines."""
        told = None if self.gesture is None else self.gesture.light
        return 1.0 if told is None else float(told[doing])

    def _step(self, action: NDArray[np.float32]) -> Step:
        """Return the step that an action leads to, by what pushes and by what stands in the way."""
        foreseen = self._foreseen(action)
        yaw = float(self.pose[2] + (self.turning @ action)[0])
        if self.room is None or not self._knows_room():
            left = self._held_up(foreseen)
            step = Step(foreseen, left, left)
        else:
            speed = mirrored(foreseen * self.net.stride, math.radians(yaw))
            ways = self.room.go((self.pose[0], self.pose[1]), speed, self.fall.height)
            step = Step(foreseen, *(np.array(mirrored(way, math.radians(yaw))) / self.net.stride for way in ways))
        return step._replace(kept=np.zeros(2)) if self._comes_to_rest(action, step, yaw) else step

    def _comes_to_rest(self, action: NDArray[np.float32], step: Step, yaw: float) -> bool:
        """Say whether nothing is left of a step: it was a small one, and nothing pushes."""
        if self.pushing is None or self.fall.floats or (pushes(action) @ self.pushing.T).any():
            return False
        return creeps(self._parts(step.kept, yaw))

    def _parts(self, step: NDArray[np.float64], yaw: float) -> Parts:
        """Return a step (2,) in strides along a heading, in parts of a map unit east and north."""
        return parts_of(mirrored(step * self.net.stride, math.radians(yaw)))

    def _knows_room(self) -> bool:
        """Say whether the player is where the room was measured, and what pushes is known."""
        return self.pushing is not None and self.room is not None and self.room.has(self.pose[0], self.pose[1])

    def _floor(self, pose: Poses) -> float:
        """Return how high the ground is at a pose (4,), as far as it was measured."""
        floor = 0.0 if self.room is None else self.room.floor(pose[0], pose[1])
        return floor if math.isfinite(floor) else self.fall.height

    def _hang(
        self,
        near: dict[int, NDArray[np.float16]],
        heights: dict[int, float],
        overlay: NDArray[np.bool_] | None,
        cut: NDArray[np.float32] | None = None,
    ) -> None:
        """Keep the nearness (h, w) of what pages show, from how high, and what was cut out of them, if it was."""
        frames = {slot: self.memory.frames[slot] for slot in near}
        poses = {slot: self.memory.policy.pose_of(slot) for slot in near}
        if self.gesture is not None and self.gesture.shown.shape[1:3] != (self.net.height_px, self.net.width_px):
            self.gesture = None
        camera, surfaces = camera_of(self.net), None
        if self.room is not None:
            stands = np.concatenate([self.room.things[:, :2], self.items[:, :2]])
            surfaces = Surfaces(camera, self.room.solid, self.room.squares[:, 2], stands)
        told = overlay, self.gesture, cut, surfaces, self.door_pages
        self.gallery = Gallery(camera, frames, poses, near, heights, *told)

    def look_around(self, near_of: Callable[[Frame], NDArray[np.float32]]) -> None:
        """See from the pages what stands in the way, for a player who has just arrived.

        Args:
            near_of: tells the nearness (h, w) of what a page shows.
        """
        for slot, page in self.memory.frames.items():
            self.ground.see(self.memory.policy.pose_of(slot), near_of(page))

    def _moved(self, action: NDArray[np.float32], speed: NDArray[np.float64]) -> Poses:
        """Return the pose (4,) after a tick's turn and tilt, and a step (2,) in strides."""
        turn, tilt = self.turning @ action
        return moved(self.pose, *self._gone(speed), float(turn), float(tilt), self.net.tilt_limit_deg)

    def _in_the_way(self, action: NDArray[np.float32]) -> Places:
        """Return what stands near enough to stop a step of this tick, as seen after its turn."""
        turn, _ = self.turning @ action
        pose = moved(self.pose, 0.0, 0.0, float(turn), 0.0, self.net.tilt_limit_deg)
        return self.ground.around(pose, self.net.girth + 2 * self.net.stride)

    def _held_up(self, step: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what is left of a step (2,), in strides."""
        girth = max(self.net.girth - SLACK, self.net.girth / 2)
        return held_up(step * self.net.stride, self.things, girth) / self.net.stride

    def _gone(self, speed: NDArray[np.float64]) -> tuple[float, float]:
        """Return the way (ahead, right) of a tick, map units: nothing where the player stands still."""
        moves = self.pushing is not None or bool(np.hypot(*speed) >= STILL)
        ahead, right = speed * self.net.stride * moves
        return float(ahead), float(right)

    def _foreseen(self, action: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the step (2,) that follows from the last one and the keys, in strides."""
        if self.pushing is None:
            return FADING * self.speed
        yaw = float(self.pose[2])
        left = self._parts(self.kept, yaw)
        if self.fall.brakes:
            left = braked(left)
        yaw += float((self.turning @ action)[0])
        more = pushes(action) @ self.pushing.T * self.net.stride * (STEERS if self.fall.floats else 1.0)
        gained = pushed(parts_of((float(more[0]), float(more[1]))), yaw)
        way = (left[0] + gained[0]) / ONE, (left[1] + gained[1]) / ONE
        return np.array(mirrored(way, math.radians(yaw))) / self.net.stride

    def state(self) -> dict[str, Any]:
        """Return everything that decides the future; pictures are shared, not copied."""
        own = {"pose": self.pose.copy(), "speed": self.speed.copy(), "way": self.tick}
        own |= {"kept": self.kept.copy(), "fall": np.array(self.fall), "gait": np.array(self.gait)}
        own |= {"doing": self.doing, "level": self.level}
        if self.gesture is not None:
            own |= {"gesture": self.gesture.shown, "asks": self.gesture.column}
            own |= {} if self.gesture.light is None else {"light": self.gesture.light}
        own |= {} if self.clock is None else {"clock": self.clock}
        own |= (
            {}
            if self.room is None
            else {"walked": self.room.squares, "things": self.room.things, "walls": self.room.walls}
        )
        own |= {"items": self.items, "taken": self.taken.copy()} if len(self.items) else {}
        own |= self._door_state()
        worn = {slot_name("wear", slot): wear for slot, wear in self.wears.items()} | {"wear": self.wear}
        hung = {} if self.gallery is None else self.gallery.state()
        hung |= {} if self.near is None else {"near": self.near}
        return own | worn | hung | self.ground.state() | self.memory.state()

    def _door_state(self) -> dict[str, Any]:
        """Return what ``state`` tells of doors; pictures are shared."""
        if self.doors is None:
            return {}
        rules = np.array([self.doors.column, self.doors.speed, self.doors.waits], np.float64)
        own = {"doors": self.doors.places, "door_rules": rules, "leaves": np.array(self.leaves, np.float64)}
        own |= {"using": int(self.using)}
        if self.door_pages is None:
            return own
        shown = {slot_name("door", page): frame for page, frame in enumerate(self.door_pages.frames)}
        poses, heights, near = (getattr(self.door_pages, name) for name in ("poses", "heights", "measured"))
        return own | shown | {"door_poses": poses.numpy(), "door_heights": heights, "door_near": near}

    def _restore_doors(self, state: dict[str, Any]) -> None:
        """Go back to what ``_door_state`` returned."""
        self.doors, self.door_pages, self.leaves, self.using = None, None, (), False
        if "doors" not in state:
            return
        column, speed, waits = np.array(state["door_rules"]).tolist()
        frames: list[Frame] = [state[name] for name in sorted(state) if name.startswith("door/")]
        self.doors = Doors(int(column), np.array(state["doors"]), speed, int(waits), len(frames))
        rows = np.array(state["leaves"]).tolist()
        self.leaves = tuple(Leaf(up, int(goes), int(waits)) for up, goes, waits in rows)
        self.using = bool(state["using"])
        if frames:
            told = (state[f"door_{name}"] for name in ("poses", "heights", "near"))
            self.door_pages = DoorPages(camera_of(self.net), self.doors, frames, *told)

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what ``state()`` returned; one of before there were wear and ground begins without them."""
        self.pose, self.speed = np.array(state["pose"]), np.array(state["speed"])
        self.kept = np.array(state.get("kept", self.speed))
        self.tick = int(state["way"])
        self.wear = np.array(state.get("wear", np.zeros_like(self.wear)))
        self.wears = {int(k.removeprefix("wear/")): v for k, v in state.items() if k.startswith("wear/")}
        self.ground.restore(state)
        self.memory.restore(state)
        near = {int(k.removeprefix("near/")): v for k, v in state.items() if k.startswith("near/")}
        self.gallery, self.view, self.ahead, self.near, self.room = None, None, None, state.get("near"), None
        self.things = NOTHING
        self._restore_doors(state)
        if len(state.get("walked", ())):
            told = (state.get(name) for name in ("things", "walls", "doors"))
            self.room = Room(np.array(state["walked"]), self.net.girth, *told)
            self._set_doors(self.leaves)
        self.items = np.array(state.get("items", np.zeros((0, 4))))
        self.taken = np.array(state.get("taken", np.zeros(0, np.bool_)))
        self.fall = GROUND
        self.fall = Fall(*np.array(state["fall"]).tolist()) if "fall" in state else Fall(self._floor(self.pose))
        self.gait = Gait(*np.array(state.get("gait", STANDING)).tolist())
        self.clock = int(state["clock"]) if "clock" in state else None
        self.doing, self.level = int(state.get("doing", 0)), float(state.get("level", self.fall.height))
        self.gesture = None
        if "gesture" in state:
            self.gesture = Gesture(int(state["asks"]), state["gesture"], state.get("light"))
        if near:
            heights = dict(zip(near, np.asarray(state["heights"]).tolist(), strict=True))
            self._hang(near, heights, np.array(state["overlay"]), state.get("hanging"))
            assert self.gallery is not None
            self.gallery.take(np.asarray(state["chosen"]).tolist())


def held_share(step: Step) -> float:
    """Return the share of a foreseen step that something in the way takes."""
    whole = float(np.hypot(*step.foreseen))
    return 1 - min(float(np.hypot(*step.gone)) / whole, 1.0) if whole > RESTING else 0.0


def stack_recall(remembered: list[Remembered], device: torch.device) -> Recall:
    """Stack what n players remember into a recall of n rows."""
    frames = to_float(torch.from_numpy(np.stack([one.frames for one in remembered])).to(device))
    k = len(remembered[0].frames)
    present = torch.from_numpy(np.stack([one.place[-k:, 0] for one in remembered])).to(device)
    parts = (np.stack([getattr(one, name) for one in remembered]) for name in ("poses", "pose", "place", "speed"))
    told = (torch.from_numpy(part.astype(np.float32)).to(device) for part in parts)
    recall = Recall(frames * present[..., None, None, None], *told)
    worn = [one.wear for one in remembered if one.wear is not None]
    if not worn:
        return recall
    shows = np.ones((len(remembered), *remembered[0].frames.shape[1:3]), np.float32)
    for row, one in enumerate(remembered):
        if one.view is not None:
            shows[row] = one.view.known * (1.0 + (one.view.hangs | one.differs))
    made = torch.tensor([float(one.view is not None) for one in remembered], device=device)
    wear = torch.from_numpy(np.stack(worn)).to(device).float()
    held = torch.tensor([one.held for one in remembered], device=device)
    return recall._replace(wear=wear, held=held, shows=torch.from_numpy(shows).to(device), made=made)
