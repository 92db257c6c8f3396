"""The parts of the loop as a live session fills them: each does its one thing and takes the time of it.

Inputs look at the devices as late as possible; the schema can be exchanged while playing; the stage stamps what it
shows; the journal keeps what happened. Knows no device, no file format and no network.
"""

from dreamloop.input.poll import Poller
from dreamloop.input.schema import ActionSchema
from dreamloop.input.state import InputState
from dreamloop.model.world_model import Action, Frame
from dreamloop.runtime.clock import Clock
from dreamloop.runtime.headless import GameWindow
from dreamloop.runtime.model_thread import ModelThread
from dreamloop.runtime.recorder import Recorder
from dreamloop.runtime.rewind import Rewind, Snapshot
from dreamloop.runtime.stamps import StampRing, Stopwatch


class LiveInputs:
    """Polls what a window and the other sources have seen."""

    def __init__(self, window: GameWindow, poller: Poller, clock: Clock, dt_s: float, stopwatch: Stopwatch) -> None:
        self._window, self._poller, self._clock = window, poller, clock
        self._dt_s = dt_s
        self._stopwatch = stopwatch

    def poll(self, tick: int) -> InputState:
        """Return what was held, tapped, moved and said in tick ``tick``."""
        self._window.pump()
        state = self._poller.poll(tick, self._dt_s, self._clock.now_s())
        self._stopwatch.sampled(tick, state.event_s, state.sampled_s, bool(state.phrases))
        return state


class LiveSchema:
    """The loop's ``schema``: encodes with a schema that can be exchanged between two ticks, and keeps the result."""

    def __init__(self, schema: ActionSchema) -> None:
        self.schema = schema
        self.action: Action = schema.neutral  # of the last tick, for the HUD

    def encode(self, state: InputState) -> Action:
        """Return the action vector (a,) of one tick."""
        self.action = self.schema.encode(state)
        return self.action


class LiveStage:
    """The loop's ``window``: shows a frame and stamps when."""

    def __init__(self, window: GameWindow, stopwatch: Stopwatch) -> None:
        self._window, self._stopwatch = window, stopwatch

    @property
    def is_open(self) -> bool:
        """Whether anyone is still watching."""
        return self._window.is_open

    def show(self, frame: Frame) -> None:
        """Show ``frame`` (h, w, 3)."""
        with self._stopwatch.show():
            self._window.show(frame)


class Journal:
    """The loop's ``recorder``: keeps stamps, the recording, and the way back."""

    def __init__(
        self, stopwatch: Stopwatch, ring: StampRing, recorder: Recorder, rewind: Rewind, model: ModelThread
    ) -> None:
        self._stopwatch, self._ring, self._recorder = stopwatch, ring, recorder
        self._rewind, self._model = rewind, model
        self.keeps_way_back = True

    def add(self, state: InputState, action: Action, frame: Frame) -> None:
        """Keep one tick; nothing here waits for a disk."""
        stamps = self._stopwatch.read()
        self._ring.add(stamps)
        frame = self._model.own_frame(frame)  # it decides; what the stages drew of it can be drawn again
        self._recorder.add(state, action, frame, stamps.timings())
        if self.keeps_way_back:
            self._rewind.see(state.tick, frame)
            if self._rewind.due(state.tick):
                saved = self._model.save()
                self._rewind.add(Snapshot(state.tick, saved))
                self._recorder.snapshot(saved)
