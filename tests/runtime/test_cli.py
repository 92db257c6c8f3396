"""The command line: what it prints, its exit codes, one sentence for a mistake and never a traceback."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from dreamloop.input.state import InputState
from dreamloop.model.recording import Recording, RecordingWriter
from dreamloop.runtime import doctor
from dreamloop.runtime.cli import app


def run(*arguments: str) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(app, list(arguments))


def one_sentence(result: Result) -> str:
    """Check that it is a user's mistake, well said, and return the sentence."""
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert result.stderr.startswith("dreamloop: ")
    return result.stderr.strip()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["play", "dom"], "did you mean 'doom'"),
        (["play", "./nowhere"], "no world.toml"),
        (["play", "echo", "--headless"], "--frames"),
        (["play", "echo", "--scaling", "smoth"], "did you mean 'smooth'"),
        (["play", "echo", "--keep-frames", "loseless"], "did you mean 'lossless'"),
        (["play", "echo", "--headless", "--frames", "3", "--scene", "attic"], "has no scenes"),
        (["play", "echo", "--headless", "--frames", "3", "--schema", "nowhere.toml"], "nowhere.toml"),
        (["play", "echo", "--headless", "--frames", "3", "--script", "nowhere.toml"], "nowhere.toml"),
        (["play", "echo", "--clip", "film.avi"], "film.avi"),
        (["play", "echo", "--headless", "--frames", "3", "--stage", "up"], "has no stages"),
        (["play", "echo", "--headless", "--frames", "3", "--load", "nowhere.dreamsave"], "nowhere.dreamsave"),
        (["train", "echo", "--stage", "upsampel"], "did you mean 'upsample'"),
        (["train", "echo", "--stage", "upsample"], "has no simulator"),
        (["bench", "echo", "--untrained", "--alone", "2"], "offers no random weights"),
        (["compile", "echo"], "has no net that can be compiled"),
        (["play", "echo", "--headless", "--frames", "3", "--source", "keybord"], "did you mean 'keyboard'"),
        (["play", "echo", "--headless", "--frames", "3", "--source", "keyboard:x"], "NAME:option=value"),
        (["play", "echo", "--resolver", "http://localhost:8080/v1"], "say --voice too"),
        (["play", "echo", "--push-to-talk"], "--push-to-talk is about spoken words"),
        (["replay", "nowhere.dream"], "nowhere.dream"),
        (["schema", "show", "nowhere"], "nowhere"),
        (["schema", "new", "--from", "dom"], "dom"),
        (["collect", "echo", "--frames", "5"], "has no "),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(arguments: list[str], words: str, tmp_path: Path) -> None:
    assert words in one_sentence(run(*arguments))


def test_a_mistake_from_a_real_process_has_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dreamloop.runtime", "play", "dom"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.strip().count("\n") == 0
    assert "unknown world 'dom'" in done.stderr


def test_a_damaged_checkpoint_is_one_sentence(tmp_path: Path) -> None:
    from dreamloop.runtime.world import find_world

    doom = find_world("doom")
    (tmp_path / "schema.toml").write_bytes((doom.folder / "schema.toml").read_bytes())
    head = '[world]\nname = "x"\nrate_hz = 35\nwidth_px = 128\nheight_px = 96\narch = "dream"\n'
    (tmp_path / "world.toml").write_text(head + 'weights = "weights.safetensors"\n', encoding="utf-8")
    (tmp_path / "weights.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00garbage garbage")
    assert "damaged" in one_sentence(run("play", str(tmp_path), "--headless", "--frames", "3"))


def test_version_and_help() -> None:
    assert run("--version").output.startswith("dreamloop ")
    for command in ([], ["play"], ["schema"], ["recordings"], ["replay"], ["train"], ["collect"]):
        result = run(*command, "--help")
        assert result.exit_code == 0, command
        assert "Usage" in result.output


def test_worlds_are_listed_one_a_line() -> None:
    lines = run("worlds").output.splitlines()
    assert lines[0].startswith("WORLD")
    assert any(line.startswith("echo") and "none needed" in line for line in lines)
    assert any(line.startswith("doom") and "35 Hz" in line for line in lines)


def test_the_doctor_says_one_line_a_part() -> None:
    result = run("doctor")
    parts = [finding.part for finding in doctor.examine()]
    assert result.exit_code == 0
    assert len(result.output.splitlines()) == len(parts)
    for part in ("display", "microphone", "gpu", "speech", "compiler", "simulator", "video"):
        assert part in parts


def test_the_doctor_survives_a_part_that_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> doctor.Finding:
        raise RuntimeError("driver exploded\nin two lines")

    monkeypatch.setattr(doctor, "_microphone", broken)
    (finding,) = [finding for finding in doctor.examine() if finding.part == "microphone"]
    assert not finding.works
    assert finding.what == "fails: driver exploded"


def test_headless_play_records_what_the_demo_does(tmp_path: Path) -> None:
    path = tmp_path / "demo.dream"
    result = run("play", "echo", "--headless", "--frames", "50", "--seed", "5", "--record", str(path))
    assert result.exit_code == 0, result.output
    assert "50 frames" in result.output
    with Recording.open(path) as recording:
        assert len(recording) == 51
        assert recording.header["seed"] == 5
        assert recording.actions[1:41, 0].tolist() == [1.0] * 40
    verified = run("replay", str(path), "--verify")
    assert verified.exit_code == 0, verified.output
    assert "bit for bit" in verified.output


def test_a_replay_takes_the_weights_that_were_played_with(tmp_path: Path) -> None:
    """What was played with `play --weights` could only be verified against the world's own weights."""
    path = tmp_path / "a.dream"
    with RecordingWriter(path, {"world": "doom", "seed": 1}) as writer:
        writer.tick(InputState(), np.zeros(9, np.float32), None, b"12345678")
    weights = tmp_path / "mine.safetensors"
    assert "mine.safetensors" in one_sentence(run("replay", str(path), "--verify", "--weights", str(weights)))


@pytest.mark.parametrize("command", [("eval", "doom", "--suite", "fidelity"), ("bench", "doom")])
def test_other_weights_are_measured_than_the_world_s_own(command: tuple[str, ...], tmp_path: Path) -> None:
    weights = tmp_path / "mine.safetensors"
    assert "mine.safetensors" in one_sentence(run(*command, "--weights", str(weights)))


def test_a_recording_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "there.dream"
    path.write_bytes(b"precious")
    sentence = one_sentence(run("play", "echo", "--headless", "--frames", "3", "--record", str(path)))
    assert "exists already" in sentence
    assert path.read_bytes() == b"precious"


def test_play_without_a_display_says_so_and_writes_a_clip(tmp_path: Path) -> None:
    """The first command works on any machine."""
    result = run("play", "echo", "--frames", "30")
    assert result.exit_code == 0, result.output
    assert "There is no display" in result.output
    (line,) = [line for line in result.output.splitlines() if line.startswith("clip: ")]
    path = Path(line.removeprefix("clip: "))
    assert path.stat().st_size > 1000


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_clips_hold_every_frame(tmp_path: Path, suffix: str) -> None:
    if suffix == ".mp4":
        av = pytest.importorskip("av")
    path = tmp_path / f"film{suffix}"
    result = run("play", "echo", "--clip", str(path), "--frames", "39")
    assert result.exit_code == 0, result.output
    if suffix == ".mp4":
        with av.open(str(path)) as film:
            assert film.streams.video[0].frames == 40
            assert float(film.streams.video[0].average_rate) == 60.0
    else:
        from PIL import Image

        with Image.open(path) as image:
            assert getattr(image, "n_frames", 1) == 10


def test_schema_commands(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    assert run("schema", "new", "--from", "echo", "--out", str(path)).exit_code == 0
    good = run("schema", "check", str(path))
    assert good.exit_code == 0, good.output
    assert "good" in good.output
    shown = run("schema", "show", str(path))
    assert "forward" in shown.output
    assert "exists already" in one_sentence(run("schema", "new", "--from", "echo", "--out", str(path)))
    path.write_text(path.read_text(encoding="utf-8").replace('"axis"', '"axes"'), encoding="utf-8")
    bad = run("schema", "check", str(path))
    assert bad.exit_code == 2
    assert bad.stderr.count("axes") >= 2, "every mistake is listed"
    assert run("schema", "show", "oasis").exit_code == 0


def test_trying_a_schema_needs_a_display() -> None:
    assert "display" in one_sentence(run("schema", "try", "echo"))


def test_ctrl_c_ends_the_recording_as_it_should(tmp_path: Path) -> None:
    """DIAMOND loses the recording when the player leaves; this one must not."""
    import signal
    import time

    path = tmp_path / "interrupted.dream"
    command = [sys.executable, "-m", "dreamloop.runtime", "play", "echo", "--headless", "--frames", "100000"]
    with subprocess.Popen([*command, "--record", str(path)], stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (path.exists() and path.stat().st_size > 60_000) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "recording: " in out
    with Recording.open(path) as recording:
        assert recording.complete
        assert len(recording) > 5
