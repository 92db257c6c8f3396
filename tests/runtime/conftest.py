"""Fixtures of the runtime's tests: an echo world in a headless window under a fake clock."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dreamloop.input.poll import WINDOW_SOURCES
from dreamloop.input.source import DeviceEvent, Source, open_source
from dreamloop.model.arch_echo import EchoModel, read_back
from dreamloop.model.world_model import Action, Frame
from dreamloop.runtime.clock import FakeClock, SystemClock
from dreamloop.runtime.headless import HeadlessWindow
from dreamloop.runtime.session import PlayOptions, Session
from dreamloop.runtime.world import World, find_world


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the player's own things."""
    monkeypatch.setenv("DREAMLOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def echo() -> World:
    """The echo world."""
    return find_world("echo")


class SlowEcho(EchoModel):
    """An echo model that takes its time, on the fake clock's hand; and fails when it is told to."""

    def __init__(self, world: World, clock: FakeClock, step_s: float = 0.0, fail_at: int | None = None) -> None:
        super().__init__(world.card(), 1)
        self.step_s = step_s
        self._clock, self._fail_at, self._steps = clock, fail_at, 0
        self.on_step: Callable[[], None] = lambda: None  # a test's hands while the model is busy

    def step(self, actions: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Let time pass, then echo."""
        self._steps += 1
        self.on_step()
        self._clock.advance(self.step_s)
        if self._steps == self._fail_at:
            raise RuntimeError("the weights are on fire\nand a second line")
        return super().step(actions)


@dataclass
class Stage:
    """A session that is ready to run, and everything a test wants to hold in its hands."""

    world: World
    clock: FakeClock
    window: HeadlessWindow
    session: Session
    model: SlowEcho
    frames: list[Frame] = field(default_factory=list)

    def shown(self) -> list[tuple[int, Action]]:
        """Tick of the model and action that each frame shows, in order."""
        return [read_back(frame, self.world.schema.size) for frame in self.frames]

    def press(self, *keys: str) -> None:
        """Let keys go down, and up again those written with a slash: ``press("w", "/w")``."""
        for key in keys:
            kind = "up" if key.startswith("/") else "down"
            self.window.inject(DeviceEvent(kind, f"key:{key.removeprefix('/')}"))

    def column(self, name: str) -> list[float]:
        """What the frames show of one entry of the action vector."""
        index = self.world.schema.columns.index(name)
        return [float(action[index]) for _, action in self.shown()]

    def at_frame(self, number: int, hands: Callable[[], None]) -> None:
        """Call ``hands`` at the first look at the devices after ``number`` frames were shown."""
        done: list[bool] = []

        def look() -> None:
            if not done and len(self.frames) >= number:
                done.append(True)
                hands()

        self.every_look(look)

    def every_look(self, look: Callable[[], None]) -> None:
        """Call ``look`` whenever the window looks at the devices, after what was asked for before."""
        before = self.window.on_pump

        def pump() -> None:
            if before is not None:
                before()
            look()

        self.window.on_pump = pump


class Director:
    """Sets sessions up; nothing runs yet."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __call__(
        self,
        *,
        frames: int | None = 10,
        step_s: float = 0.0,
        fail_at: int | None = None,
        options: PlayOptions | None = None,
        sources: Sequence[Source] | None = None,
        **parts: Any,
    ) -> Stage:
        """Return a stage whose window closes after ``frames`` frames, the one of the start among them."""
        clock = FakeClock(100.0)
        seen: list[Frame] = []
        window = HeadlessWindow(frames, lambda frame: seen.append(frame.copy()))
        model = SlowEcho(self.world, clock, step_s, fail_at)
        session = Session(
            self.world,
            window,
            clock,
            options or self.options(),
            sources=[open_source(name) for name in WINDOW_SOURCES] if sources is None else sources,
            make_model=lambda: model,
            **parts,
        )
        return Stage(self.world, clock, window, session, model, seen)

    @staticmethod
    def options(**changes: Any) -> PlayOptions:
        """Options of a plain session, with changes."""
        plain: dict[str, Any] = {"seed": 7, "warm_up": False, "help": False, "keep_s": 0.0}
        return PlayOptions(**{**plain, **changes})


@pytest.fixture
def direct(echo: World) -> Director:
    """A director for sessions in the echo world."""
    return Director(echo)


class Ticking(SystemClock):
    """A clock on which every look takes a second."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = count()

    def now_s(self) -> float:
        return float(next(self.looks))


@pytest.fixture
def ticking() -> type[Ticking]:
    """The clock for what is taught in a time box: it ends after so many looks, however slow the machine is."""
    return Ticking
