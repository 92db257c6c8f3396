"""What a player can ask for while playing, one method a command: pause, start over, save, go back, keep, look.

Runs between two ticks, when the model is idle. A mistake (no saved game, a broken schema) is said in the window and
the game goes on.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamloop.input.errors import DreamloopError
from dreamloop.input.schema_files import player_schema, remapping_path
from dreamloop.input.source import DeviceEvent
from dreamloop.model.framing import RecordingError
from dreamloop.model.savegame import unpack_state, write_savegame
from dreamloop.model.stage import dynamics_of
from dreamloop.model.world_model import ModelState, Stepped
from dreamloop.runtime import places
from dreamloop.runtime.rewind import Picture

if TYPE_CHECKING:
    from dreamloop.runtime.session import Session

BACK_EVERY_S = 1 / 30  # time between two pictures of the way back
BACK_SPEED = 1.5  # how fast it goes at first, world seconds per second; a second later one more, and so on
BACK_FASTEST = 8.0
LOOK_EVERY_S = 1.0  # time between two looks at the schema's file


@dataclass(frozen=True, slots=True)
class _Kept:
    """A saved game that is at hand."""

    stamp: tuple[int, int] | None  # of its file
    state: ModelState
    about: Mapping[str, Any]
    data: bytes = b""  # the file, when it was read


class PlayerCommands:
    """Obeys the window's commands. ``state`` says in a word what the world is doing when it is not simply running."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._past: list[Picture] = []  # what one goes back through while the key is held
        self._back = 0.0  # where in it
        self._held_s = 0.0
        self._rewinding = False
        self._back_s = 0.0
        self._menu_paused = False
        self._said: deque[str] = deque()  # sentences from other threads
        self._writers: list[threading.Thread] = []
        self._disk = threading.Lock()  # one game is saved at a time
        self._kept: _Kept | None = None  # the game saved last: with a full memory, reading it takes a frame's time
        self._schema_file = session.options.schema or remapping_path(session.world.name)
        self._schema_stamp = _stamp(self._schema_file)
        self._looked_s = 0.0
        self._table: dict[str, Callable[[], None]] = {
            "quit": session.window.close,
            "menu": self._menu,
            "pause": self._pause,
            "say": lambda: session.overlays.open_prompt(self._written),
            "single_step": self._single_step,
            "reset": lambda: self._start_over(0),
            "next_scene": lambda: self._start_over(1),
            "rewind": self._rewind,
            "rewind_end": self._rewind_end,
            "save": self._save,
            "load": self._load,
            "bookmark": self._bookmark,
            "keep": self._keep,
            "steps": self._steps,
            "reload_schema": self._reload_schema,
            "screenshot": self._screenshot,
            "hud": session.overlays.toggle_hud,
            "help": session.overlays.toggle_help,
            "mouse_grabbed": session.overlays.hide_help,
            "mouse_released": lambda: session.overlays.notice("click to go on, Esc for the menu"),
        }
        self._scene_number = _number(session)

    @property
    def state(self) -> str:
        """ "paused", "rewinding", or "" while the world runs."""
        if self._rewinding:
            return "rewinding"
        return "paused" if self._session.pacer.paused else ""

    def obey(self) -> None:
        """Do everything that was asked for since the last call, and go on going back."""
        window = self._session.window
        while window.commands and window.is_open:
            name = window.commands.popleft()
            try:
                self._table[name]()
            except DreamloopError as error:
                self._session.overlays.notice(*str(error).splitlines()[:4], seconds=6.0)
        if self._rewinding:
            self._go_back()
        while self._said:
            self._session.overlays.notice(self._said.popleft())
        self._look_at_schema()

    def close(self) -> None:
        """Wait for what is still being written."""
        for writer in self._writers:
            writer.join()

    # -- running and standing still --------------------------------------------------------------------------------

    def _pause(self) -> None:
        self._set_paused(not self._session.pacer.paused)

    def _single_step(self) -> None:
        self._set_paused(True)
        self._session.pacer.step_once()

    def _set_paused(self, paused: bool) -> None:
        session = self._session
        if paused == session.pacer.paused:
            return
        session.pacer.paused = paused
        session.recorder.mark("pause" if paused else "resume")
        session.ring.pause()
        if not paused:
            self._forget_motion()

    def _forget_motion(self) -> None:
        """What the mouse did while the world stood still is not meant for it."""
        session = self._session
        session.poller.poll(session.pacer.tick, 0.0, session.clock.now_s())
        session.pacer.restart()

    def _menu(self) -> None:
        self._menu_paused = not self._session.pacer.paused
        self._set_paused(True)
        self._session.poller.release_all()
        self._session.overlays.open_menu(self._chosen)

    def _chosen(self, command: str) -> None:
        if self._menu_paused:
            self._set_paused(False)
        if command:
            self._session.window.commands.append(command)

    def _written(self, words: str) -> None:
        """Something was said in writing: it counts as if it had been spoken."""
        session = self._session
        if words:
            session.poller.feed(DeviceEvent("phrase", words, time_s=session.clock.now_s()))

    # -- places to start from --------------------------------------------------------------------------------------

    def _start_over(self, scenes_on: int) -> None:
        """Start the scene again, or the next one; always with a new seed, so that the dream is another one."""
        session = self._session
        self._scene_number += scenes_on
        scene = session.load_scene(self._scene_number if session.world.scenes else None)
        seed = session.next_seed()
        frame = session.model.reset(scene, seed)
        session.recorder.mark("reset", scene=session.scene, seed=seed, frame=True)
        session.begin(frame)
        self._forget_motion()
        session.overlays.notice(f"{session.scene or session.world.title}, seed {seed}")

    # -- back and forth in time ------------------------------------------------------------------------------------

    def _rewind(self) -> None:
        session = self._session
        self._past = session.rewind.pictures()
        if not self._past:
            session.overlays.notice("there is nothing to go back to yet")
            return
        self._back, self._held_s, self._back_s = len(self._past) - 1.0, 0.0, session.clock.now_s()
        self._rewinding = True
        session.pacer.paused = True

    def _go_back(self) -> None:
        """Show a picture further back, thirty times a second; the longer the key is held, the faster."""
        session = self._session
        now_s = session.clock.now_s()
        passed_s = now_s - self._back_s
        if passed_s < BACK_EVERY_S:
            return
        self._back_s = now_s
        self._held_s += passed_s
        speed = min(BACK_SPEED + self._held_s, BACK_FASTEST)
        self._back = max(self._back - passed_s * speed * session.world.rate_hz, 0.0)
        session.window.show(session.model.draw(self._past[int(self._back)].frame))

    def _rewind_end(self) -> None:
        session = self._session
        if not self._rewinding:
            return
        self._rewinding = session.pacer.paused = False
        snapshot = session.rewind.cut(self._past[int(self._back)].tick)
        self._past = []
        if snapshot is None:
            return
        session.window.show(session.model.load(snapshot.state))
        session.recorder.mark("branch", to=snapshot.tick, by="rewind")
        session.ring.pause()
        self._forget_motion()

    def _save(self) -> None:
        """Write the state behind the game's back: a disk must not hold it up."""
        session = self._session
        state, path = session.model.save(), places.saved_game(session.world.name)
        world_s = session.ring.frames * session.pacer.dt_s
        about = {
            "world": session.world.name,
            "scene": session.scene,
            "session": session.identity,
            "tick": session.pacer.tick - 1,
            "world_s": world_s,
        }
        session.recorder.mark("save", name=path.stem)

        def write() -> None:
            try:
                with self._disk:
                    size = write_savegame(path, state, about)
                    self._kept = _Kept(_stamp(path), state, about)
                self._said.append(f"saved, {size / 1e6:.2f} MB: F9 comes back here")
            except DreamloopError as error:
                self._said.append(str(error))

        writer = threading.Thread(target=write, name="dreamloop-save")
        self._writers = [other for other in self._writers if other.is_alive()] + [writer]
        writer.start()

    def _load(self) -> None:
        session = self._session
        path = places.saved_game(session.world.name)
        self.close()
        if not path.is_file():
            raise DreamloopError("there is no saved game of this world yet; F6 saves one")
        kept = self._kept
        if kept is None or kept.stamp != _stamp(path):  # saved by an earlier session, or exchanged since
            kept = self._read(path)
        frame = session.model.load(kept.state)
        if kept.about.get("session") == session.identity:
            session.recorder.mark("branch", to=kept.about.get("tick"), by="load")
        else:
            session.recorder.mark("load", name=path.stem, state=kept.data)
        session.window.show(frame)
        session.rewind.clear()
        session.ring.pause()
        self._forget_motion()
        session.overlays.notice("back at the saved game")

    def _read(self, path: Path) -> "_Kept":
        """Read a saved game whose bytes go into the recording as they are."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise RecordingError(f"cannot read {path}: {error.strerror}") from error
        state, about = unpack_state(data, str(path))
        return _Kept(_stamp(path), state, about, data)

    # -- keeping ---------------------------------------------------------------------------------------------------

    def _bookmark(self) -> None:
        session = self._session
        session.recorder.mark("bookmark", text="")
        session.overlays.notice("bookmark" if session.options.record else "bookmark (nothing is being recorded)")

    def _keep(self) -> None:
        session = self._session
        keep = getattr(session.recorder, "keep", None)
        if keep is None:
            raise DreamloopError("this session keeps nothing in memory")
        path = places.kept() / f"{session.world.name}_{session.clock.stamp()}.dream"
        keep(path, self._said.append)

    def _screenshot(self) -> None:
        session = self._session
        path = places.screenshots() / f"{session.world.name}_{session.clock.stamp()}.png"
        session.window.screenshot(path)
        session.overlays.notice(f"screenshot {path}")

    def _steps(self) -> None:
        """Let the model draw in the next smaller number of steps, after the smallest in the largest again."""
        session = self._session
        model = dynamics_of(session.model.model)
        if not isinstance(model, Stepped):
            raise DreamloopError("this world's frames are not drawn in steps")
        choices = model.step_choices
        fewer = [steps for steps in choices if steps < model.steps]
        steps = fewer[0] if fewer else choices[0]
        session.model.call(lambda: setattr(model, "steps", steps))
        session.recorder.mark("steps", steps=steps)
        session.overlays.notice(f"{steps} step{'s' if steps > 1 else ''} a frame")

    # -- controls --------------------------------------------------------------------------------------------------

    def _reload_schema(self) -> None:
        """Read the player's bindings again; a broken file changes nothing."""
        session = self._session
        self._schema_stamp = _stamp(self._schema_file)
        session.use_schema(player_schema(session.wanted, session.options.schema, session.world.name))
        session.overlays.notice("the controls were read again")

    def _look_at_schema(self) -> None:
        """Reload the player's bindings when their file was saved."""
        now_s = self._session.clock.now_s()
        if now_s - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = now_s
        stamp = _stamp(self._schema_file)
        if stamp != self._schema_stamp:
            self._schema_stamp = stamp
            self._session.window.commands.append("reload_schema")


def _stamp(path: Path) -> tuple[int, int] | None:
    """When a file was last written and how long it is; None without a file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _number(session: "Session") -> int:
    names = session.world.scene_names
    return names.index(session.scene) if session.scene in names else 0
