"""Puts a session together: world, model, window, inputs, recorder; and does what a player asks for between two ticks.

Between two ticks the model is idle, so this is where it is reset, saved, loaded and taken back in time. What happens
within a tick is runtime/loop.py's; how the window looks is runtime/overlays.py's. Knows no device and no network.
"""

import gc
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dreamloop.input.errors import DreamloopError
from dreamloop.input.poll import Poller
from dreamloop.input.schema import ActionSchema
from dreamloop.input.schema_files import player_schema
from dreamloop.input.source import Source
from dreamloop.input.state import InputState
from dreamloop.model.frame_codec import FrameMode
from dreamloop.model.savegame import pack_state, write_savegame
from dreamloop.model.stage import dynamics_of
from dreamloop.model.world_model import Frame, ModelError, OpenOptions, Scene, WorldModel
from dreamloop.runtime import places, session_header
from dreamloop.runtime.clock import Clock
from dreamloop.runtime.headless import GameWindow
from dreamloop.runtime.help import help_rows
from dreamloop.runtime.hud import HudData
from dreamloop.runtime.hud_figures import hud_data
from dreamloop.runtime.keys import CommandKeys, bound_parts, wants_motion
from dreamloop.runtime.live import Journal, LiveInputs, LiveSchema, LiveStage
from dreamloop.runtime.loop import play
from dreamloop.runtime.model_thread import ModelThread, WindowClosedError
from dreamloop.runtime.overlays import HELP_S, Overlays
from dreamloop.runtime.pacer import Pacer
from dreamloop.runtime.player_commands import PlayerCommands
from dreamloop.runtime.recorder import NullRecorder, Recorder, SessionRecorder
from dreamloop.runtime.rewind import Rewind
from dreamloop.runtime.stamps import StampRing, Stopwatch
from dreamloop.runtime.world import World

WARM_UP_STEPS = 3  # the first steps of a net are slow; they happen before the first frame shows
NEWS_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """How a session is played."""

    seed: int = 0  # of the first start; every later one adds one
    scene: str | int | None = None  # name or number; None: the first
    schema: Path | None = None  # the player's own bindings
    model: OpenOptions = field(default_factory=OpenOptions)
    record: Path | None = None  # file of the recording
    stages: tuple[str, ...] = ()  # of the world, that draw every frame once more
    frames: FrameMode = "lossless"  # how the recording keeps pictures
    paced: bool = True  # False: as fast as the model goes
    help: bool = True  # show the controls at the beginning
    rewind: bool = True  # keep the way back
    warm_up: bool = True  # take the model's slow first steps behind the progress screen
    again: str = ""  # what `dreamloop play` must be told to come back to this world and these weights; "": its name
    keep_s: float = 180.0  # world time that is kept in memory for "that was great: keep it"


@dataclass(frozen=True, slots=True)
class SessionReport:
    """What a session came to."""

    frames: int = 0  # ticks played
    world_s: float = 0.0
    wall_s: float = 0.0  # without pauses
    late_frames: int = 0  # frames that took longer than a tick
    recording: Path | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Start:
    """A beginning that is not a scene: a person goes on from the middle of a recording."""

    bring: Callable[[WorldModel], Frame]  # brings player 0 to the place and returns the frame that is showing
    mark: Mapping[str, Any]  # values of the recording's mark "takeover"


class Session:
    """One player in one world, from the loading to the end.

    Args:
        world: what is played.
        window: where it shows; :class:`~dreamloop.runtime.headless.HeadlessWindow` without a display.
        clock: what paces it.
        options: how it is played.
        sources: input sources; None takes those of the window.
        make_model: opens the model; None opens the world's.
        make_recorder: gets the header of the recording; None writes ``options.record`` and keeps the last minutes.
        start: where to begin instead of a scene.
    """

    def __init__(
        self,
        world: World,
        window: GameWindow,
        clock: Clock,
        options: PlayOptions | None = None,
        *,
        sources: Sequence[Source] | None = None,
        make_model: Callable[[], WorldModel] | None = None,
        make_recorder: Callable[[Mapping[str, Any]], Recorder] | None = None,
        start: Start | None = None,
    ) -> None:
        self.world, self.window, self.clock = world, window, clock
        self.options = options or PlayOptions()
        self._make_model = make_model or (lambda: world.open_chain(self.options.stages, self.options.model))
        self._make_recorder = make_recorder or self._session_recorder
        self._start = start
        self.poller = Poller(sources)
        self.stopwatch = Stopwatch(clock)
        self.pacer = Pacer(clock, world.rate_hz, self._between, self.options.paced, self._ready)
        self.ring = StampRing(self.pacer.dt_s)
        self.rewind = Rewind.at_rate(world.rate_hz)
        self.overlays = Overlays(window, clock, world.title)
        self.heard: list[str] = []  # what the sources had to tell, newest last
        self.notes: list[str] = []
        self._news_s = 0.0
        self._speed = 1.0  # world time over wall time, as the badge says it
        self._starts = 0
        self.identity = uuid.uuid4().hex  # tells this session from others
        self.scene: str | None = None  # name of the scene that is played

    # -- the whole session -----------------------------------------------------------------------------------------

    def run(self) -> SessionReport:
        """Load, play until the window closes, and put everything away.

        Raises:
            DreamloopError: what is missing or wrong, in one sentence; the recording is closed all the same.
        """
        with ExitStack() as stack:
            stack.callback(self.window.close)
            stack.callback(self.poller.close)
            try:
                self._open(stack)
                stage = LiveStage(self.window, self.stopwatch)
                inputs = LiveInputs(self.window, self.poller, self.clock, self.pacer.dt_s, self.stopwatch)
                play(stage, inputs, self.schema, self.model, self._journal, self.pacer)
            except ModelError as error:
                raise self._rescued(error) from error
            except WindowClosedError:
                self.notes.append("the window was closed while the model was busy")
        return self._report()

    def _rescued(self, error: ModelError) -> ModelError:
        """Save the game as it last was, a fifth of a second ago at most, and say so beside the error."""
        latest = self.rewind.latest
        if latest is None:
            return error
        path = places.rescued_game(self.world.name)
        about = {"world": self.world.name, "scene": self.scene, "session": self.identity, "tick": latest.tick}
        try:
            write_savegame(path, latest.state, about)
        except DreamloopError as refused:
            return type(error)(f"{error}; the game could not be saved ({refused})")
        self.recorder.mark("end", reason=str(error))
        return type(error)(
            f"{error}. The game is saved: dreamloop play {self.options.again or self.world.name} --load {path}"
        )

    def _open(self, stack: ExitStack) -> None:
        """Load the model with a progress screen, then start everything that needs its card."""
        self.window.wants_motion = False
        self.overlays.progress("loading the model")
        self.model = ModelThread(self._make_model, self._look, self.stopwatch)
        stack.callback(self.model.close)
        card = self.model.model.card
        self._tell_outdated()
        self.wanted = self.world.schema.fit(ActionSchema.from_dict(card.schema, where=f"card of {card.name}"))
        self.schema = LiveSchema(self.wanted)
        self.use_schema(player_schema(self.wanted, self.options.schema, self.world.name))
        if self.options.warm_up:
            self._warm_up()
        self._begin_first(stack)
        if self.options.help:
            self.overlays.show_help(HELP_S)
        gc.collect()
        gc.freeze()  # all that is loaded: else a collection goes through it again in the middle of play, for 75 ms
        stack.callback(gc.unfreeze)
        self.pacer.restart()

    def _tell_outdated(self) -> None:
        """Say it once when the net was compiled ahead, but not for this torch, processor, device or dtype."""
        folder, model = self.options.model.compiled, dynamics_of(self.model.model)
        if folder is None or getattr(model, "compiled", None) != "":
            return
        from dreamloop.model.compiled import outdated  # here: a model without torch must not load it

        if outdated(folder, model.card.weights_hash):
            self.notes.append(
                "the compiled net does not fit this torch, processor, device or dtype, so the net is played as it is; "
                f"'dreamloop compile {self.world.name}' makes it anew"
            )
            self.overlays.notice(self.notes[-1])

    def _begin_first(self, stack: ExitStack) -> None:
        """Begin in the scene, or where ``start`` says, and open the recording with what led there."""
        scene = None if self._start else self.load_scene(self.options.scene)
        start = self._bring if self._start else lambda model: model.reset(0, scene, self.options.seed)
        first = self.model.call(lambda: start(self.model.model))
        header = session_header.build(self.world, self.model.model, self.wanted, scene, self.options.seed)
        header["initial_frame"] = self._start is None
        self.recorder = self._make_recorder(header)
        stack.callback(self.recorder.close)
        self.commands = PlayerCommands(self)
        stack.callback(self.commands.close)
        self._journal = Journal(self.stopwatch, self.ring, self.recorder, self.rewind, self.model)
        self._journal.keeps_way_back = self.options.rewind
        self.window.on_event = self.poller.feed
        self.overlays.progress("")
        if self._start is None:
            self.begin(first)
        else:
            self.recorder.mark("takeover", **self._start.mark)
            self.recorder.mark("state", state=pack_state(self.model.save()))
            self.window.show(self.model.draw(first))

    def _bring(self, model: WorldModel) -> Frame:
        """Bring the model to where ``start`` says; stages have no say in that, so they are not asked."""
        assert self._start is not None
        return self._start.bring(dynamics_of(model))

    def begin(self, frame: Frame) -> None:
        """Show and keep the frame of a start, whose action is to do nothing, as a tick of its own."""
        now_s = self.clock.now_s()
        idle = InputState(tick=self.pacer.tick, dt_s=self.pacer.dt_s, sampled_s=now_s)
        self.window.show(frame)
        self.recorder.add(idle, self.schema.schema.neutral, self.model.own_frame(frame))
        self.pacer.tick += 1
        self.ring.pause()
        self.rewind.clear()

    def use_schema(self, schema: ActionSchema) -> None:
        """Take these bindings from the next tick on."""
        self.schema.schema = schema
        self.poller.use(schema)
        self.window.keys = CommandKeys(bound_parts(schema))
        self.window.wants_motion = wants_motion(schema)
        self.overlays.rows = help_rows(schema)

    def load_scene(self, which: str | int | None) -> Scene | None:
        """Return a scene of the world by name or number, and remember its name."""
        scene = self.world.scene(which, self.model.model.card.context_frames)
        self.scene = scene.name if scene else None
        return scene

    def next_seed(self) -> int:
        """Return the seed of the next start."""
        self._starts += 1
        return self.options.seed + self._starts

    def hud(self) -> HudData:
        """Return what the figures show now."""
        return hud_data(self)

    def _warm_up(self) -> None:
        """Let the model take its first steps, which are slow, behind a progress screen."""
        idle = self.schema.schema.neutral
        self.model.reset(None, 0)
        for step in range(WARM_UP_STEPS):
            self.overlays.progress("warming up", step / WARM_UP_STEPS)
            self.model.step(idle)

    def _session_recorder(self, header: Mapping[str, Any]) -> Recorder:
        """Write the file that the options name, if any, and keep the last minutes in memory."""
        ticks = round(self.options.keep_s * self.world.rate_hz)
        if not ticks and self.options.record is None:
            return NullRecorder()
        return SessionRecorder(self.options.record, header, frames=self.options.frames, ring_ticks=ticks)

    # -- while waiting ---------------------------------------------------------------------------------------------

    def _look(self) -> bool:
        """Look at the devices while the model is busy; False when nobody is watching any more."""
        self.overlays.animate()
        self.window.pump()
        return self.window.is_open

    def _ready(self, wait_s: float) -> bool:
        return self.model.rests(wait_s)

    def _between(self) -> bool:
        """Look after everything between two ticks, every 4 ms; False when the window was closed."""
        self.window.pump()
        self.commands.obey()
        if not self.window.is_open:
            return False
        now_s = self.clock.now_s()
        if now_s - self._news_s >= NEWS_EVERY_S:
            self._news_s = now_s
            self._tell_news()
            self._speed = self.ring.speed() if self.options.paced and self.ring.settled else 1.0
        self.overlays.badge(self.commands.state, self._speed)
        self.overlays.refresh(self.hud)
        return self.window.is_open

    def _tell_news(self) -> None:
        """Pass on what the sources and the recorder have to say."""
        for line in self.poller.news():
            self.heard = [*self.heard[-2:], line]
            self.overlays.notice(line)
        note = self.recorder.note
        if note and note not in self.notes[-1:]:
            self.notes.append(note)
            self.overlays.notice(note)

    def _report(self) -> SessionReport:
        return SessionReport(
            frames=self.ring.frames,
            world_s=self.ring.frames * self.pacer.dt_s,
            wall_s=self.ring.wall_s,
            late_frames=self.ring.misses,
            recording=self.options.record,
            notes=tuple(self.notes),
        )
