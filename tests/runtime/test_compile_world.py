"""``dreamloop compile``: what it says, what it refuses, and that a session tells of a package that does not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dreamloop.model.arch_echo import EchoModel
from dreamloop.model.world_model import ModelError, OpenOptions, WorldModel
from dreamloop.runtime import compile_world as module
from dreamloop.runtime import places
from dreamloop.runtime.clock import FakeClock
from dreamloop.runtime.compile_world import compile_world
from dreamloop.runtime.world import World


class Timed(EchoModel):
    """An echo model with a net that could be compiled: a step takes 4 ms, compiled 1 ms of a fake clock."""

    clock = FakeClock(0.0)
    compiled = ""

    def package(self) -> str:
        """A name."""
        return "hash-here.pt2"

    def compilable(self) -> tuple[Any, tuple[Any, ...]]:
        """A net of nothing."""
        return "net", ("example",)

    def step(self, actions: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Let time pass, then echo."""
        self.clock.advance(0.001 if self.compiled else 0.004)
        return super().step(actions)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The echo world's model is a timed one, compiled when its package lies in the folder that is asked for."""

    def open_model(world: World, options: OpenOptions | None = None) -> WorldModel:
        model, folder = Timed(world.card(), 1), (options or OpenOptions()).compiled
        model.compiled = model.package() if folder and (folder / model.package()).is_file() else ""
        return model

    def compile_net(net: str, example: tuple[str], path: Path) -> None:
        assert (net, example) == ("net", ("example",))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    monkeypatch.setattr(World, "open_model", open_model)
    monkeypatch.setattr(module, "compile_net", compile_net)


@pytest.mark.usefixtures("timed")
def test_it_says_what_it_brings(echo: World) -> None:
    figures = compile_world(echo, clock=Timed.clock)
    assert figures["package"] == str(places.compiled() / "hash-here.pt2")
    assert figures["plain_ms"] == pytest.approx(4.0)
    assert figures["ratio"] == pytest.approx(4.0)
    assert figures["repeats"]
    assert figures["frames_equal_to_plain"] == 1.0


def test_an_architecture_without_a_net_is_refused(echo: World) -> None:
    with pytest.raises(ModelError, match="'echo' has no net that can be compiled"):
        compile_world(echo)


def test_a_package_that_does_not_fit_is_told_once(direct: Any, echo: World, tmp_path: Path) -> None:
    """Guards against a game that is slower after an update of torch, and nobody knows why."""
    stage = direct(frames=4, options=direct.options(model=OpenOptions(compiled=tmp_path)))
    stage.session._make_model = lambda: Timed(echo.card(), 1)
    (tmp_path / f"{echo.card().weights_hash}-elsewhere.pt2").touch()
    notes = stage.session.run().notes
    assert len(notes) == 1
    assert "dreamloop compile echo" in notes[0]
