"""Plays a long session with rewinds, saved games and new starts through the real recorder, then dreams it again.

    python tests/tools/long_session.py --world doom --ticks 21000 --out long.dream

Scripted hands play the session of ``dreamloop play`` in a window that nobody sees: they walk and look, go back in time
about every twenty seconds, save and load, and begin again in other scenes; at the end they go back a hundred times in
a row. World time is counted, not waited for. ``dreamloop replay long.dream --verify`` afterwards is the test. Prints
one line of JSON, with the memory of the process, and how much of it the way back takes, after 20 %, 50 % and all of the
ticks and after every 25 rewinds in a row, and how long it takes to save and to load.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from dreamloop.input.source import DeviceEvent
from dreamloop.model.recording import Recording
from dreamloop.model.world_model import OpenOptions
from dreamloop.runtime.clock import FakeClock
from dreamloop.runtime.headless import HeadlessWindow
from dreamloop.runtime.hud_figures import resident_bytes
from dreamloop.runtime.session import PlayOptions, Session
from dreamloop.runtime.world import find_world

WALK = ("w", "w", "w", "a", "s", "d", "e", "q")
SAVES = 50  # saved and loaded at the end, for the time that it takes
SHORT_BACK_S, SHORT_TICKS = 0.2, 14  # a rewind in a row goes back about as far as is then played


class Hands:
    """Does something to the devices once a tick, and now and then asks for a jump in time or space."""

    def __init__(
        self, session: Session, window: HeadlessWindow, ticks: int, seed: int, back_every_s: float, in_a_row: int
    ) -> None:
        self._session, self._window, self._ticks, self._back_every_s = session, window, ticks, back_every_s
        self._in_a_row, self._row = in_a_row, 0  # rewinds at the end, and how many of them are done
        self._next = ticks  # the tick of the next one
        self.memory_mb: dict[str, dict[str, float]] = {}
        self.saves: dict[str, Any] = {}
        self._rng = np.random.default_rng(seed)
        self._tick, self._back_until_s, self._held = -1, 0.0, ""

    def look(self) -> None:
        """Act once a tick; let the rewind key go when its time is over."""
        session = self._session
        if self._back_until_s:
            if session.clock.now_s() >= self._back_until_s:
                self._back_until_s = 0.0
                self._press("up", "backspace")
            return
        if session.pacer.tick == self._tick:
            return
        self._tick = session.pacer.tick
        for share in (20, 50, 100):
            if self._tick == self._ticks * share // 100:
                self._weigh(f"{share}% of {self._ticks} ticks")
        if self._tick >= self._next:
            self._back_again()
        self._play()
        if self._tick < self._ticks:
            self._jump(float(self._rng.random()) * session.world.rate_hz)

    def _back_again(self) -> None:
        """Go back a little, again and again, and then end."""
        if self._row and self._row % 25 == 0:
            self._weigh(f"{self._row} rewinds in a row")
        if self._row == self._in_a_row:
            self._time_saves()
            self._window.close()
            return
        self._row += 1
        self._next = self._tick + SHORT_TICKS
        self._back_until_s = self._session.clock.now_s() + SHORT_BACK_S
        self._press("down", "backspace")

    def _time_saves(self) -> None:
        """Save, and load what was saved, between two ticks: nothing changes by it."""
        model = self._session.model
        taken: dict[str, list[float]] = {"save": [], "load": []}
        for _ in range(SAVES):
            begun_s = time.perf_counter()
            state = model.save()
            saved_s = time.perf_counter()
            model.load(state)
            taken["save"].append(saved_s - begun_s)
            taken["load"].append(time.perf_counter() - saved_s)
        for name, seconds in taken.items():
            self.saves[f"{name}_ms"] = [round(1e3 * value, 2) for value in np.percentile(seconds, (50, 99))]
        self.saves["state_mb"] = round(state.nbytes / 1e6, 2)

    def _weigh(self, when: str) -> None:
        rewind = self._session.rewind
        sizes = {"resident": resident_bytes(), "way_back": rewind.nbytes + rewind.picture_nbytes}
        self.memory_mb[when] = {name: round(size / 1e6, 1) for name, size in sizes.items()}
        sys.stderr.write(f"{when}: {self.memory_mb[when]}\n")

    def _play(self) -> None:
        self._window.inject(DeviceEvent("motion", x=float(round(self._rng.normal(0, 20)))))
        if self._rng.random() < 0.06:
            if self._held:
                self._press("up", self._held)
            self._held = str(self._rng.choice(WALK))
            self._press("down", self._held)

    def _jump(self, chance: float) -> None:
        """``chance`` is uniform in 0..rate: below 1/20 happens every twenty seconds."""
        often = 1 / self._back_every_s
        if chance < often:
            self._back_until_s = self._session.clock.now_s() + float(self._rng.uniform(0.2, 3.0))
            self._press("down", "backspace")
        elif chance < often + 1 / 60:
            self._tap(str(self._rng.choice(["f6", "f9", "f9", "b", "r", "n"])))

    def _tap(self, key: str) -> None:
        self._press("down", key)
        self._press("up", key)

    def _press(self, kind: str, key: str) -> None:
        self._window.inject(DeviceEvent("down" if kind == "down" else "up", f"key:{key}"))


def main() -> int:
    """Play, and print what the recording holds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--world", default="doom")
    parser.add_argument("--ticks", type=int, default=21_000)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--back-every-s", type=float, default=20.0, help="world seconds between two rewinds")
    parser.add_argument("--in-a-row", type=int, default=100, help="rewinds in a row at the end")
    options = parser.parse_args()
    window, world = HeadlessWindow(), find_world(options.world)
    with tempfile.TemporaryDirectory() as home:
        os.environ["DREAMLOOP_HOME"] = home  # saved games of the test are not the player's
        play = PlayOptions(
            seed=options.seed,
            model=OpenOptions(threads=options.threads),
            record=options.out,
            frames="none",
            help=False,
            keep_s=0.0,
        )
        session = Session(world, window, FakeClock(), play)
        hands = Hands(session, window, options.ticks, options.seed, options.back_every_s, options.in_a_row)
        window.on_pump = hands.look
        begun_s = time.perf_counter()
        session.run()
        took_s = time.perf_counter() - begun_s
    with Recording.open(options.out) as recording:
        kinds = Counter(f"{mark.kind}:{mark.values.get('by', '')}".rstrip(":") for mark in recording.marks)
        report = {"ticks": len(recording), "marks": dict(kinds), "bytes": options.out.stat().st_size}
    report |= {"took_s": round(took_s, 1), "memory_mb": hands.memory_mb, "saves_p50_p99": hands.saves}
    sys.stdout.write(json.dumps(report) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
