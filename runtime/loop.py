"""The loop: everything that happens in one tick, one verb a line. Whatever grows here moves into a part."""

from typing import Protocol

from dreamloop.input.state import InputState
from dreamloop.model.world_model import Action, Frame


class Window(Protocol):
    """Shows frames; runtime/window.py, and HeadlessWindow as its null twin."""

    @property
    def is_open(self) -> bool: ...
    def show(self, frame: Frame) -> None: ...


class Inputs(Protocol):
    """Reads what the player does; ``LiveInputs`` in runtime/live.py."""

    def poll(self, tick: int) -> InputState: ...


class Encoder(Protocol):
    """Turns an input state into an action vector; ``ActionSchema`` is one."""

    def encode(self, state: InputState) -> Action: ...


class Stepper(Protocol):
    """Dreams the next frame of one player; runtime/model_thread.py."""

    def step(self, action: Action) -> Frame: ...


class Recorder(Protocol):
    """Keeps what happened and never blocks; ``Journal`` in runtime/live.py."""

    def add(self, state: InputState, action: Action, frame: Frame) -> None: ...


class Ticker(Protocol):
    """Counts ticks and waits for the next one; runtime/pacer.py."""

    tick: int

    def wait(self) -> None: ...


def play(window: Window, inputs: Inputs, schema: Encoder, model: Stepper, recorder: Recorder, clock: Ticker) -> None:
    """Play until the window closes."""
    while window.is_open:
        state = inputs.poll(clock.tick)  # what was held, tapped, moved, said this tick
        action = schema.encode(state)  # one float32 vector, every control named
        frame = model.step(action)  # the next picture
        window.show(frame)  # this frame, not the one before
        recorder.add(state, action, frame)  # never blocks the loop
        clock.wait()  # the only reader of time
