"""Plays the echo world with Doom's controls in a headless window and speaks to it; prints one line of JSON.

    python tests/runtime/speak_to_a_game.py SOUND.wav...

Run by test_virtual_microphone.py in a process of its own, with a sound server that has a virtual microphone. Each
sound is played into it by `paplay` when the game has been quiet for a while. What is printed was read off the frames.
"""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from dreamloop.input.poll import Poller
from dreamloop.input.schema import ActionSchema
from dreamloop.input.source import Source, open_source
from dreamloop.model.arch_echo import read_back
from dreamloop.runtime.clock import SystemClock
from dreamloop.runtime.headless import HeadlessWindow
from dreamloop.runtime.session import PlayOptions, Session
from dreamloop.runtime.world import find_world

DOOM = Path(__file__).parents[2] / "demos" / "doom" / "schema.toml"
QUIET_S = 1.6  # between the action of one phrase and the beginning of the next
PATIENCE_S = 6.0  # for one phrase
LOADING_S = 60.0  # for the recogniser, on a busy machine


class NotingPoller(Poller):
    """Keeps what the sources told the player."""

    def __init__(self, sources: list[Source]) -> None:
        super().__init__(sources)
        self.lines: list[str] = []

    def news(self) -> list[str]:
        told = super().news()
        self.lines += told
        return told


class Speaker:
    """Says the next thing when it is time, and writes down what the game did."""

    def __init__(self, sounds: list[str]) -> None:
        self.schema = ActionSchema.load(DOOM)
        self.world = dataclasses.replace(find_world("echo"), schema=self.schema)
        self.clock = SystemClock()
        self.window = HeadlessWindow(None, self.look)
        voice = open_source("voice", schema=self.schema, clock=self.clock.now_s)
        options = PlayOptions(keep_s=0.0, help=False)
        self.session = Session(self.world, self.window, self.clock, options, sources=[])
        self.session.poller = self.poller = NotingPoller([voice])
        self.window.on_pump = self.speak
        self.sounds = sounds
        self.said: list[dict[str, Any]] = []
        self.seen = 0  # lines that were looked at
        self.since = 0  # tick at which the last phrase began
        self.player: subprocess.Popen[bytes] | None = None
        self.next_s = self.clock.now_s() + LOADING_S

    def look(self, frame: Any) -> None:
        """Add up what the frames show of each control since the last phrase began."""
        if not self.said:
            return
        for name, value in self.schema.decode(read_back(frame, self.schema.size)[1]).items():
            if value:
                shown = self.said[-1]["shown"]
                shown[name] = round(shown.get(name, 0.0) + value, 3)

    def speak(self) -> None:
        """Called whenever the game looks at its devices."""
        now_s = self.clock.now_s()
        for line in self.poller.lines[self.seen :]:
            self.hear(line, now_s)
        self.seen = len(self.poller.lines)
        for stamps in list(self.session.ring._ring)[-20:] if self.said else ():  # several, for a loop that is late
            if stamps.tick >= self.since and stamps.speech_to_frame_s is not None:
                self.said[-1].setdefault("speech_to_frame_s", round(stamps.speech_to_frame_s, 4))
        if now_s >= self.next_s:
            self.go_on(now_s)

    def hear(self, line: str, now_s: float) -> None:
        if line.startswith("voice: listening"):
            self.next_s = now_s + 1.0
        if line.startswith("heard") and self.said:
            self.said[-1]["lines"].append(line)
            self.next_s = now_s + QUIET_S

    def go_on(self, now_s: float) -> None:
        if not self.sounds or not any(line.startswith("voice: listening") for line in self.poller.lines):
            self.window.close()
            return
        path, self.since = self.sounds.pop(0), self.session.pacer.tick
        self.said.append({"file": Path(path).stem, "lines": [], "shown": {}})
        self.player = subprocess.Popen(["paplay", path])
        self.next_s = now_s + PATIENCE_S


def main() -> None:
    speaker = Speaker(sys.argv[1:])
    report = speaker.session.run()
    if speaker.player is not None:
        speaker.player.wait()
    print(json.dumps({"said": speaker.said, "lines": speaker.poller.lines, "frames": report.frames}))  # noqa: T201


if __name__ == "__main__":
    main()
