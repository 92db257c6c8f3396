"""The real window on a virtual screen, driven by a virtual keyboard and mouse: `dreamloop play echo` in a process.

What arrived is read from the recording that the process writes. Needs Xvfb and xdotool; skipped with the reason.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dreamloop.model.recording import Recording

MISSING = [name for name in ("Xvfb", "xdotool") if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} missing: apt install xvfb xdotool")
DEADLINE_S = 60.0  # two cores may be shared with a training run


def wait_for(what: str, ready: Callable[[], bool]) -> None:
    """Look until it is so; these tests drive another process, so they may wait, with a deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not ready():
        assert time.monotonic() < deadline, f"{what} did not happen in {DEADLINE_S} s"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """A virtual screen of its own, on a free number."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x960x24", "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(command, pass_fds=(write,), stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    assert number, "Xvfb did not start"
    yield f":{number}"
    server.terminate()
    server.wait(timeout=10)


class Game:
    """`dreamloop play echo` in a process, with hands on its keyboard and mouse."""

    def __init__(self, display: str, folder: Path, *arguments: str) -> None:
        self.home, self.recording = folder / "home", folder / "session.dream"
        self.environment = os.environ | {
            "DISPLAY": display,
            "SDL_VIDEODRIVER": "x11",
            "DREAMLOOP_HOME": str(self.home),
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "dreamloop.runtime", "play", "echo", "--seed", "3"]
        command += ["--record", str(self.recording), "--keep-frames", "none", *arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=self.environment, stdout=pipe, stderr=pipe, text=True)
        self.window = ""

    def start(self) -> None:
        """Wait until it plays, and give it the keyboard."""
        wait_for("the first second of play", lambda: self.ticks() > 60)
        self.window = self.hands("search", "--class", "dreamloop").split()[-1]
        self.hands("windowfocus", "--sync", self.window)
        self.hands("mousemove", "--window", self.window, "300", "200")

    def hands(self, *words: str) -> str:
        """Let xdotool do something, and give the loop the time of a few ticks."""
        done = subprocess.run(["xdotool", *words], env=self.environment, capture_output=True, text=True, check=True)
        time.sleep(0.1)
        return done.stdout.strip()

    def ticks(self) -> int:
        """Ticks recorded so far."""
        assert self.process.poll() is None, self.process.communicate()
        if not self.recording.exists() or self.recording.stat().st_size < 100:
            return 0
        with Recording.open(self.recording, scan=True) as recording:
            return len(recording)

    def screenshot(self) -> NDArray[np.uint8]:
        """Press F12 and read what the game saved."""
        folder = self.home / "screenshots"
        before = set(folder.glob("*.png"))
        time.sleep(1.1)  # names are by the second
        self.hands("key", "F12")
        wait_for("a screenshot", lambda: bool(set(folder.glob("*.png")) - before))
        (path,) = set(folder.glob("*.png")) - before
        time.sleep(0.2)
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB")).copy()

    def end(self, caught: bool = False) -> Recording:
        """Quit through the menu, check that all went well, and open the recording."""
        if caught:
            self.hands("key", "Escape")  # lets the mouse go
        self.hands("key", "Escape")
        self.hands("key", "q")
        out, err = self.process.communicate(timeout=DEADLINE_S)
        assert self.process.returncode == 0, err
        assert "recording: " in out
        recording = Recording.open(self.recording)
        assert recording.complete
        return recording


@pytest.fixture
def game(display: str, tmp_path: Path) -> Iterator[Game]:
    """A game that is being played."""
    made = Game(display, tmp_path)
    try:
        made.start()
        yield made
    finally:
        if made.process.poll() is None:
            made.process.kill()
        made.process.communicate()


def test_keys_clicks_and_motion_arrive_exactly(game: Game) -> None:
    for _ in range(5):
        game.hands("key", "space")  # pressed and released at once: five taps, none lost
    game.hands("keydown", "w")
    time.sleep(0.5)
    game.hands("keyup", "w")
    game.hands("click", "1")  # catches the mouse, and is not the game's
    for _ in range(20):
        game.hands("mousemove_relative", "--", "7", "-3")
    game.hands("click", "1")
    with game.end(caught=True) as recording:
        states = [tick.state for tick in recording.ticks]
    assert sum("key:space" in state.tapped for state in states) == 5
    assert sum("key:w" in state.held for state in states) > 10
    assert "char:w" in {part for state in states for part in state.held}
    assert sum(state.motion_px[0] for state in states) == 140
    assert sum(state.motion_px[1] for state in states) == -60
    assert sum("mouse:left" in state.tapped for state in states) == 1
    assert any(state.event_s is not None and state.event_s <= state.sampled_s for state in states)


def test_the_pointer_is_told_in_parts_of_the_frame(game: Game) -> None:
    lines = game.hands("getwindowgeometry", "--shell", game.window).splitlines()
    (width,) = [int(line.removeprefix("WIDTH=")) for line in lines if line.startswith("WIDTH=")]
    game.hands("mousemove", "--window", game.window, str(width // 4), "10")
    with game.end() as recording:
        pointer = recording.tick(len(recording) - 1).state.pointer
    assert pointer is not None
    assert pointer[0] == pytest.approx(0.25, abs=0.01)
    assert 0.0 <= pointer[1] < 0.05


def test_losing_the_focus_lets_go_of_what_is_held(game: Game) -> None:
    """Guards against a player who walks on for ever after Alt-Tab."""
    game.hands("keydown", "w")
    time.sleep(0.3)
    other = subprocess.Popen([sys.executable, "-c", OTHER_WINDOW], env=game.environment)
    try:
        time.sleep(2.0)
        name = ["search", "--class", "another"]
        wait_for("another window", lambda: subprocess.run(["xdotool", *name], env=game.environment).returncode == 0)
        game.hands("windowfocus", "--sync", game.hands(*name).split()[-1])
        time.sleep(0.5)
        ticks = game.ticks()
        with Recording.open(game.recording, scan=True) as recording:
            assert any("key:w" in tick.state.held for tick in recording.ticks)
            assert "key:w" not in recording.tick(ticks - 2).state.held
    finally:
        other.kill()
        other.wait()
    game.hands("keyup", "w")
    game.hands("windowfocus", "--sync", game.window)
    game.end().close()


OTHER_WINDOW = """
import os
import pygame
os.environ["SDL_VIDEO_X11_WMCLASS"] = "another"
pygame.display.init()
window = pygame.Window("another window", (80, 60))
while True:
    pygame.event.get()
    pygame.time.wait(20)
"""


def test_figures_help_and_resizing_show(game: Game) -> None:
    game.hands("key", "F2")  # hide the help of the first seconds
    game.hands("windowsize", "--sync", game.window, "1024", "768")
    plain = game.screenshot()
    assert plain.shape == (768, 1024, 3)
    game.hands("key", "F1")
    time.sleep(0.5)
    figures = game.screenshot()
    changed = (plain != figures)[40:300, 30:300].any(axis=2)
    assert changed.mean() > 0.5, "the figures are top left"
    game.hands("key", "F1", "F2")
    helped = game.screenshot()
    assert (helped[300:500, 300:700].mean() < plain[300:500, 300:700].mean()) or (helped != plain).mean() > 0.2
    game.end().close()


def test_full_screen_fills_the_screen(game: Game) -> None:
    game.hands("key", "F11")
    time.sleep(0.5)
    assert game.screenshot().shape == (960, 1280, 3)
    game.hands("key", "F11")
    game.end().close()


def test_a_polite_kill_ends_the_session_as_it_should(game: Game) -> None:
    game.process.terminate()
    out, err = game.process.communicate(timeout=DEADLINE_S)
    assert game.process.returncode == 0, err
    assert "recording: " in out
    with Recording.open(game.recording) as recording:
        assert recording.complete


def test_voice_asked_for_where_there_may_be_no_microphone(display: str, tmp_path: Path) -> None:
    """The game plays and ends as ever, whatever sound the machine has."""
    game = Game(display, tmp_path, "--voice", "--push-to-talk")
    try:
        game.start()
        game.hands("key", "space")
        game.hands("key", "v")
        with game.end() as recording:
            assert any("key:space" in tick.state.tapped for tick in recording.ticks)
    finally:
        if game.process.poll() is None:
            game.process.kill()
        game.process.communicate()
