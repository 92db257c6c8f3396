"""Measures the voice: what is recognised, what acts though nobody commanded it, and how long an action takes.

    python tests/tools/measure_voice.py --json voice.json
    python tests/tools/measure_voice.py --tune    # with what thresholds may be chosen on

flite speaks every phrase of a world's schema, clean and with noise 10 dB below it; then babble, noise, music and speech
that is no command run through the same listener. Everything is generated from a seed. Sound runs as fast as it goes:
what a stream would have waited for is counted, what the machine computed is timed. Figures are told from other voices,
sentences and seeds than those that thresholds were chosen on.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import tomllib
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dreamloop.input.hearing import listener_for, recogniser_for
from dreamloop.input.listen import Listener, Utterance
from dreamloop.input.resolve import PhraseResolver
from dreamloop.input.schema import ActionSchema
from dreamloop.input.speech import Recogniser
from dreamloop.input.vad import RATE_HZ, WINDOW, WINDOW_S, Sound
from dreamloop.runtime.measured_on import hardware

ROOT = Path(__file__).resolve().parents[2]
CHATTER = Path(__file__).with_name("chatter.toml")
LOUD = 0.08  # root mean square of speech, of full scale
ROOM = 0.0005  # of the noise of a quiet room
BEFORE_S, AFTER_S = 1.2, 1.2  # around every phrase
NOISES = ("white", "pink")
FREE = (  # what people say instead of the phrases themselves
    "could you open that door please",
    "can you turn left",
    "let's go ahead",
    "please turn around",
    "would you go back",
    "turn left ninety degrees",
    "turn right forty five degrees",
    "could you step left please",
    "now shoot",
    "please stop",
    "turn left and shoot",
    "go forward and then stop",
)


@dataclass(frozen=True, slots=True)
class Part:
    """What may be used together: to choose thresholds, or to tell figures from."""

    name: str
    voices: tuple[str, ...]
    seed: int


TUNE = Part("tune", ("kal16", "kal"), 1)
TEST = Part("test", ("slt", "rms", "awb"), 3)


# -- sound -----------------------------------------------------------------------------------------------------------


@cache
def speak(text: str, voice: str) -> Sound:
    """Return speech (n,) by flite, as loud as all other, without the silence around it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True)
        with wave.open(str(path)) as file:
            rate_hz = file.getframerate()
            raw = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768.0
    count = round(len(raw) * RATE_HZ / rate_hz)
    sound = np.interp(np.arange(count) * rate_hz / RATE_HZ, np.arange(len(raw)), raw)
    loud = np.flatnonzero(np.abs(sound) > 0.02 * np.abs(sound).max())
    return levelled(sound[loud[0] : loud[-1] + 1], LOUD)


def levelled(sound: Any, loudness: float) -> Sound:
    """Return sound (n,) with this root mean square."""
    scaled: Sound = (sound * (loudness / max(float(np.sqrt(np.mean(np.square(sound)))), 1e-9))).astype(np.float32)
    return scaled


def noise(kind: str, samples: int, rng: np.random.Generator) -> Sound:
    """Return noise (samples,): the power of pink falls by 3 dB an octave, of brown by 6, of white not at all."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    falls = {"white": 0.0, "pink": 0.5, "brown": 1.0}[kind]
    hertz = np.fft.rfftfreq(samples, 1 / RATE_HZ)
    return levelled(np.fft.irfft(spectrum / np.maximum(hertz, 40.0) ** falls, samples), 1.0)


def room(samples: int, rng: np.random.Generator) -> Sound:
    """Return the noise of a quiet room."""
    return ROOM * noise("pink", samples, rng)


def sentences(part: Part) -> list[str]:
    found: list[str] = tomllib.loads(CHATTER.read_text(encoding="utf-8"))[part.name]
    return found


def chatter(part: Part, seconds: float, rng: np.random.Generator, pause_s: float = 1.0) -> Sound:
    """Return sentences that are no command, one after the other, each by a voice of its own, with pauses."""
    pieces, length = [], 0.0
    texts = sentences(part)
    while length < seconds:
        said = speak(texts[rng.integers(len(texts))], part.voices[rng.integers(len(part.voices))])
        gap = np.zeros(round(rng.uniform(0.2, 2.0) * pause_s * RATE_HZ), np.float32)
        pieces += [said, gap]
        length += (len(said) + len(gap)) / RATE_HZ
    return np.concatenate(pieces)[: round(seconds * RATE_HZ)]


def babble(part: Part, seconds: float, rng: np.random.Generator) -> Sound:
    """Return a room full of people: six talk at once, some nearer than others, and it comes and goes."""
    samples = round(seconds * RATE_HZ)
    near = sum(float(rng.uniform(0.3, 1.0)) * chatter(part, seconds, rng, 0.3) for _ in range(6))
    tide = 0.6 + 0.4 * np.sin(2 * np.pi * np.arange(samples) / RATE_HZ / 23.0)
    return levelled(np.asarray(near) * tide, LOUD)


def unrest(part: Part, seconds: float, rng: np.random.Generator) -> Sound:
    """Return noises of a room: hisses and rumbles that change, a hum, knocks, clicks of keys."""
    samples = round(seconds * RATE_HZ)
    sound = np.zeros(samples, np.float32)
    stretch = 10 * RATE_HZ
    for start in range(0, samples, stretch):
        piece = noise(str(rng.choice(["white", "pink", "brown"])), stretch, rng) * rng.choice([0.003, 0.02, 0.08])
        sound[start : start + stretch] += piece[: samples - start]
    sound += (0.01 * np.sin(2 * np.pi * 50 * np.arange(samples) / RATE_HZ)).astype(np.float32)
    for _ in range(round(seconds * 2)):
        length = int(rng.integers(80, 1600))
        start = int(rng.integers(0, samples - length))
        decay = np.exp(-np.arange(length) / (length / 5))
        sound[start : start + length] += (rng.standard_normal(length) * decay * rng.uniform(0.05, 0.4)).astype(
            np.float32
        )
    return sound


def music(part: Part, seconds: float, rng: np.random.Generator) -> Sound:
    """Return chords, a melody that glides and trembles like a voice, a bass and drums."""
    beat = RATE_HZ // 2
    beats = int(seconds * 2) + 1
    time_s = np.arange(beat) / RATE_HZ
    sound = np.zeros(beats * beat, np.float32)
    roots = [220.0 * 2 ** (step / 12) for step in (0, 5, 7, 3)]
    scale = [0, 2, 3, 5, 7, 8, 10, 12]
    for i in range(beats):
        root = roots[i // 8 % 4]
        fall = np.exp(-3 * time_s)
        piece = sum(_tone(root * 2 ** (step / 12), time_s, 6) for step in (0, 3, 7)) * 0.3
        lead = root * 2 ** (1 + scale[rng.integers(len(scale))] / 12)
        glide = lead * (1 + 0.01 * np.sin(2 * np.pi * 5.5 * time_s))
        piece = piece + _tone(glide, time_s, 10) * np.minimum(time_s * 20, 1.0)
        piece = piece * fall**0.5 + _tone(root / 4, time_s, 4) * fall
        drum = rng.standard_normal(beat) * np.exp(-time_s * (60 if i % 2 else 15)) * (0.4 if i % 2 else 0.8)
        sound[i * beat : (i + 1) * beat] = piece + drum
    return levelled(sound[: round(seconds * RATE_HZ)], LOUD)


def _tone(hertz: Any, time_s: Any, harmonics: int) -> Any:
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hertz, time_s.shape)) / RATE_HZ
    return sum(np.sin(k * phase) / k for k in range(1, harmonics + 1))


# -- recognition -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Score:
    """How one voice in one noise was understood."""

    asked: int = 0
    right: int = 0
    misses: list[str] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)  # from the end of speech to the action
    computed_s: list[float] = field(default_factory=list)  # of it, what the machine computed
    waited_s: list[float] = field(default_factory=list)  # of it, the wait for silence


def run(listener: Listener, sound: Sound, from_s: float) -> Iterator[tuple[Utterance, float]]:
    """Feed sound (n,) as a microphone would; yield utterances and how long the last blocks took to compute."""
    looked_s = 0.0
    for start in range(0, len(sound), WINDOW):
        block = sound[start : start + WINDOW]
        began_s = time.perf_counter()
        found = listener.feed(block, from_s + (start + len(block)) / RATE_HZ)
        took_s = time.perf_counter() - began_s
        # a look that began in an earlier window has been waiting for silence since: only what is left of it delays
        looked_s = max(looked_s - WINDOW_S, 0.0) + took_s
        for one in found:
            yield one, looked_s


def recognise(
    schema: ActionSchema,
    recogniser: Recogniser,
    texts: Sequence[str],
    voice: str,
    kind: str,
    snr_db: float,
    rng: np.random.Generator,
) -> Score:
    """Say every text once, in a stream that goes on; only exactly its own commands, in order, are right."""
    listener, resolver, score = listener_for(schema, recogniser), PhraseResolver(schema), Score()
    level = 0.0 if kind == "clean" else LOUD * 10 ** (-snr_db / 20)
    now_s = 0.0
    for text in texts:
        said = speak(text, voice)
        before = round((BEFORE_S + rng.uniform(0, WINDOW_S)) * RATE_HZ)
        sound = np.pad(said, (before, round(AFTER_S * RATE_HZ))) + room(
            before + len(said) + round(AFTER_S * RATE_HZ), rng
        )
        if level:
            sound = sound + level * noise(kind, len(sound), rng)
        end_s = now_s + (before + len(said)) / RATE_HZ
        heard = list(run(listener, sound.astype(np.float32), now_s))
        now_s += len(sound) / RATE_HZ
        got = [command.text for one, _ in heard for command in one.commands]
        wanted = [command.text for command in resolver.resolve(text)]
        score.asked += 1
        if got != wanted:
            told = " / ".join(f'"{one.text}" {one.confidence:.1f}' for one, _ in heard) or "nothing"
            score.misses.append(f"{text} -> {told}")
            continue
        score.right += 1
        acted, computed_s = next(pair for pair in heard if pair[0].commands)
        score.late_s.append(acted.decided_s - end_s + computed_s)
        score.computed_s.append(computed_s)
        score.waited_s.append(acted.decided_s - acted.end_s)
    return score


# -- rejection -------------------------------------------------------------------------------------------------------

Maker = Callable[[Part, float, np.random.Generator], Sound]
UNWANTED: dict[str, Maker] = {"babble": babble, "noise": unrest, "music": music, "chatter": chatter}


def reject(schema: ActionSchema, recogniser: Recogniser, sound: Sound, rng: np.random.Generator) -> dict[str, Any]:
    """Return what acted in sound (n,) that holds no command."""
    listener = listener_for(schema, recogniser)
    heard = [one for one, _ in run(listener, (sound + room(len(sound), rng)).astype(np.float32), 0.0)]
    acted = [one for one in heard if one.commands]
    return {
        "minutes": round(len(sound) / RATE_HZ / 60, 2),
        "utterances": len(heard),
        "false_accepts": len(acted),
        "false_accepts_per_hour": round(len(acted) / (len(sound) / RATE_HZ / 3600), 1),
        "acted": [f"{one.text} {one.confidence:.1f}: {', '.join(c.text for c in one.commands)}" for one in acted],
    }


# -- all of it -------------------------------------------------------------------------------------------------------


def quantiles(values: list[float]) -> dict[str, float]:
    """Return the median and the 95th percentile, ms."""
    return {f"p{q}_ms": round(float(np.percentile(values, q)) * 1e3, 1) for q in (50, 95)} if values else {}


def measure(schema: ActionSchema, part: Part, minutes: float, snr_db: float, model: Path | None) -> dict[str, Any]:
    """Return all figures."""
    recogniser = recogniser_for(schema, model)
    rng = np.random.default_rng(part.seed)
    figures: dict[str, Any] = {
        "recogniser": recogniser.name,
        "set": part.name,
        "voices": part.voices,
        "seed": part.seed,
        "snr_db": snr_db,
        "hardware": hardware(),
        "recognition": {},
        "rejection": {},
    }
    clean: list[Score] = []
    phrases = [text for phrase in schema.phrases for text in phrase.say]
    for kind in ("clean", *NOISES, "free"):
        for voice in part.voices:
            texts, noise_kind = (FREE, "clean") if kind == "free" else (phrases, kind)
            score = recognise(schema, recogniser, texts, voice, noise_kind, snr_db, rng)
            clean += [score] if kind == "clean" else []
            figures["recognition"].setdefault(kind, {})[voice] = {
                "right": score.right,
                "asked": score.asked,
                "misses": score.misses,
            }
            tell(f"{kind:6} {voice:6} {score.right:3}/{score.asked}  {'; '.join(score.misses)}")
    for by_voice in figures["recognition"].values():
        shares = list(by_voice.values())
        by_voice["share"] = round(sum(one["right"] for one in shares) / sum(one["asked"] for one in shares), 4)
    for name in ("late_s", "computed_s", "waited_s"):
        values = [value for score in clean for value in getattr(score, name)]
        figures[f"end_of_speech_{name.removesuffix('_s')}"] = quantiles(values)
    without = [late - wait for score in clean for late, wait in zip(score.late_s, score.waited_s, strict=True)]
    figures["end_of_speech_late_without_wait"] = quantiles(without)
    for name, make in UNWANTED.items() if minutes else ():
        figures["rejection"][name] = reject(schema, recogniser, make(part, minutes * 60, rng), rng)
        tell(f"{name}: {figures['rejection'][name]}")
    return figures


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schema", type=Path, default=ROOT / "demos" / "doom" / "schema.toml")
    parser.add_argument("--tune", action="store_true", help="the set that thresholds may be chosen on")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each kind of unwanted sound")
    parser.add_argument("--snr-db", type=float, default=10.0)
    parser.add_argument("--vosk-model", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    schema = ActionSchema.load(given.schema)
    figures = measure(schema, TUNE if given.tune else TEST, given.minutes, given.snr_db, given.vosk_model)
    text = json.dumps(figures, indent=2)
    if given.json:
        given.json.write_text(text + "\n")
    print(text)  # noqa: T201


if __name__ == "__main__":
    main()
