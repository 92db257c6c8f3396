"""The microphone and the voice source with a fake driver and a fake listener: no sound card, no recogniser."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dreamloop.input.errors import MissingPartError
from dreamloop.input.hearing import Message, ProcessHearing, Told
from dreamloop.input.listen import Utterance
from dreamloop.input.microphone import GONE_S, RETRY_S, Block, Microphone, Resampler, load_driver
from dreamloop.input.poll import Poller
from dreamloop.input.resolve import PhraseResolver
from dreamloop.input.schema import ActionSchema
from dreamloop.input.source import DeviceEvent, NullSource, open_source
from dreamloop.input.source_voice import LATE_S, VoiceSource, talk_key
from dreamloop.input.vad import RATE_HZ, WINDOW, Sound

DOOM = ActionSchema.load(Path(__file__).parents[2] / "demos" / "doom" / "schema.toml")
BLOCK_S = WINDOW / RATE_HZ


class FakePortAudioError(Exception):
    """As sounddevice raises it."""


class FakeStream:
    def __init__(self, driver: "FakeSound", callback: Callable[..., None], samplerate: float, blocksize: int) -> None:
        self._driver, self._callback = driver, callback
        self.rate_hz, self.block = samplerate, blocksize
        self.is_open = True

    def start(self) -> None:
        self._driver.streams.append(self)

    def close(self) -> None:
        self.is_open = False
        if not self._driver.devices:
            raise FakePortAudioError("Device unavailable")

    def play(self, sound: Sound, old_s: float = 0.0) -> None:
        """Hand ``sound`` (n,) to the callback, as what was heard ``old_s`` ago."""
        times = SimpleNamespace(currentTime=100.0, inputBufferAdcTime=100.0 - old_s - len(sound) / self.rate_hz)
        self._callback(sound.reshape(-1, 1), len(sound), times, None)


class FakeSound:
    """Stands in for the module ``sounddevice``: devices come and go as a test says."""

    PortAudioError = FakePortAudioError

    def __init__(self, *devices: str, rate_hz: float = 16000.0) -> None:
        self.devices = list(devices)  # as they are plugged in
        self._seen = list(devices)  # as PortAudio listed them when it started
        self.rate_hz = rate_hz
        self.streams: list[FakeStream] = []
        self.scans = 0

    @property
    def stream(self) -> FakeStream:
        """The one that was opened last."""
        return self.streams[-1]

    def _terminate(self) -> None:
        assert not any(stream.is_open for stream in self.streams), "PortAudio was ended under an open stream"

    def _initialize(self) -> None:
        self.scans += 1
        self._seen = list(self.devices)

    def query_devices(self, device: Any = None, kind: str | None = None) -> Any:
        found = [{"name": name, "max_input_channels": 1, "default_samplerate": self.rate_hz} for name in self._seen]
        if kind is None:
            return found
        if device is None and not found:
            raise FakePortAudioError("Error querying device -1")
        fitting = [one for one in found if device is None or str(device) in str(one["name"])]
        if not fitting:
            raise ValueError(f"No input device matching {device!r}")
        return fitting[0]

    def check_input_settings(self, device: Any, channels: int, dtype: str, samplerate: float) -> None:
        if samplerate != self.rate_hz:
            raise FakePortAudioError("Invalid sample rate")

    def InputStream(self, callback: Callable[..., None], samplerate: float, blocksize: int, **_: Any) -> FakeStream:  # noqa: N802
        if not self.devices:
            raise FakePortAudioError("Device unavailable")
        return FakeStream(self, callback, samplerate, blocksize)


def silence(seconds: float, rate_hz: float = 16000.0) -> Sound:
    return np.zeros(round(seconds * rate_hz), np.float32)


class FakeHearing:
    """Keeps what it hears, and says what a test tells it to."""

    def __init__(self, schema: ActionSchema) -> None:
        self.schema = schema
        self.blocks: list[Block] = []
        self.enoughs: list[float] = []
        self.messages: list[Message] = []
        self.closed = False

    def hear(self, block: Block) -> None:
        self.blocks.append(block)

    def enough(self, time_s: float) -> None:
        self.enoughs.append(time_s)

    def take(self) -> list[Message]:
        taken, self.messages = self.messages, []
        return taken

    def close(self) -> None:
        self.closed = True


class Voice:
    """A voice source on a fake driver, with a clock that a test moves."""

    def __init__(self, driver: FakeSound, device: str | None = None, talk: str = "") -> None:
        self.now_s = 10.0
        self.driver = driver
        self.hearings: list[FakeHearing] = []
        microphone = Microphone(device, lambda: self.now_s, driver)
        self.source = VoiceSource(DOOM, microphone, self._make, talk)
        self.source.listen(self.now_s)
        self.opening = self.source.news()

    def _make(self, schema: ActionSchema) -> FakeHearing:
        self.hearings.append(FakeHearing(schema))
        return self.hearings[-1]

    @property
    def hearing(self) -> FakeHearing:
        return self.hearings[-1]

    def live(self, seconds: float, sound: bool = True) -> list[str]:
        """Let time pass in blocks, with a stream that gives sound or not; returns the news."""
        for _ in range(round(seconds / BLOCK_S)):
            self.now_s += BLOCK_S
            if sound:
                self.driver.stream.play(silence(BLOCK_S))
            self.source.listen(self.now_s)
        return self.source.news()

    def live_until_news(self) -> list[str]:
        """Let time pass without sound until there is something to tell, for as long as a device is looked for."""
        for _ in range(round(RETRY_S / BLOCK_S) + 2):
            if news := self.live(BLOCK_S, sound=False):
                return news
        return []


def said(text: str, at_s: float = 10.0) -> Utterance:
    return Utterance(text, 0.9, tuple(PhraseResolver(DOOM).resolve(text)), at_s - 0.2, at_s)


def test_sound_is_stamped_with_when_it_was_heard() -> None:
    """What a driver hands over late was said earlier; an age that cannot be is not believed."""
    driver = FakeSound("Desk")
    microphone = Microphone(None, lambda: 5.0, driver)
    assert microphone.look_after(5.0) == "voice: the microphone 'Desk' is open"
    for old_s in (0.0, 0.1, 77.0, -3.0):
        driver.stream.play(silence(BLOCK_S), old_s)
    blocks = microphone.take()
    assert [block.time_s for block in blocks] == pytest.approx([5.0, 4.9, 5.0, 5.0])
    assert blocks[0].began_s == pytest.approx(5.0 - BLOCK_S)
    assert microphone.take() == []


def test_a_block_is_a_copy() -> None:
    """The driver uses its buffer again as soon as the callback returns."""
    driver = FakeSound("Desk")
    microphone = Microphone(None, lambda: 5.0, driver)
    microphone.look_after(5.0)
    buffer = np.ones(WINDOW, np.float32)
    driver.stream.play(buffer)
    buffer[:] = 0
    assert microphone.take()[0].sound.min() == 1.0


def test_a_microphone_is_unplugged_and_plugged_in_again() -> None:
    driver = FakeSound("Desk")
    voice = Voice(driver)
    assert voice.opening == ["voice: the microphone 'Desk' is open"]
    assert voice.live(2.0) == []
    before = len(voice.hearing.blocks)
    driver.devices = []
    (line,) = voice.live(GONE_S + 4 * RETRY_S, sound=False)
    assert line == "voice: the microphone 'Desk' is gone; plug it in again and go on speaking"
    driver.devices = ["Desk"]
    assert voice.live_until_news() == ["voice: the microphone 'Desk' is back"]
    voice.live(1.0)
    assert len(voice.hearing.blocks) - before == pytest.approx(1.0 / BLOCK_S, abs=1)
    assert len(voice.hearings) == 1, "the listener goes on, only the microphone was away"


def test_a_game_that_was_held_up_does_not_take_its_microphone_for_gone() -> None:
    """While something large is loaded, neither the callback nor the thread gets to run."""
    voice = Voice(FakeSound("Desk"))
    voice.now_s += 5 * GONE_S
    assert voice.live(GONE_S / 2, sound=False) == []
    assert voice.live(1.0) == []


def test_a_microphone_that_comes_later_is_listened_to() -> None:
    driver = FakeSound()
    voice = Voice(driver)
    assert voice.opening == ["voice: no microphone; plug one in, the game goes on without it"]
    assert voice.live(3 * RETRY_S, sound=False) == []
    assert not voice.hearings, "no recogniser is loaded for nothing"
    driver.devices = ["Desk"]
    assert voice.live_until_news() == ["voice: the microphone 'Desk' is open"]
    assert len(voice.hearings) == 1


def test_a_microphone_is_chosen_by_part_of_its_name() -> None:
    driver = FakeSound("Webcam", "Desk USB")
    assert Voice(driver, "USB").opening == ["voice: the microphone 'Desk USB' is open"]
    other = Voice(FakeSound("Webcam"), "Desk")
    assert other.opening == ["voice: no microphone 'Desk' (there are: Webcam); say --microphone NAME"]


def test_a_device_that_somebody_else_has() -> None:
    driver = FakeSound("Desk")
    driver.devices = []
    (line,) = Voice(driver).opening
    assert line.startswith("voice: the microphone cannot be opened (Device unavailable); close what else uses it")


@pytest.mark.parametrize("rate_hz", [48000.0, 44100.0, 8000.0])
def test_a_device_of_another_rate_sounds_the_same(rate_hz: float) -> None:
    """Blocks have no seam: a tone stays one tone, and as many seconds go out as came in."""
    driver = FakeSound("Desk", rate_hz=rate_hz)
    microphone = Microphone(None, lambda: 5.0, driver)
    microphone.look_after(5.0)
    assert driver.stream.rate_hz == rate_hz
    tone = np.sin(2 * np.pi * 440 * np.arange(round(rate_hz)) / rate_hz).astype(np.float32)
    for start in range(0, len(tone), driver.stream.block):
        driver.stream.play(tone[start : start + driver.stream.block])
    heard = np.concatenate([block.sound for block in microphone.take()])
    assert len(heard) == pytest.approx(RATE_HZ, abs=8)
    spectrum = np.abs(np.fft.rfft(heard[2000:10000] * np.hanning(8000)))
    assert abs(np.argmax(spectrum) * RATE_HZ / 8000 - 440) <= 2
    assert max(spectrum[:200].max(), spectrum[240:].max()) < 0.01 * spectrum.max()


def test_what_sixteen_kilohertz_cannot_hold_is_taken_out() -> None:
    """Guards against a whistle at 15 kHz that comes out as a tone in the middle of speech."""
    whistle = np.sin(2 * np.pi * 15000 * np.arange(48000) / 48000).astype(np.float32)
    assert np.abs(Resampler(48000).feed(whistle)[100:-100]).max() < 0.02


def test_what_was_said_acts_once_and_is_told() -> None:
    voice = Voice(FakeSound("Desk"))
    poller = Poller([voice.source], DOOM)
    voice.hearing.messages = [Told("voice: listening with fake"), said("could you open that door")]
    state = poller.poll(0, 1 / 35, 10.05)
    assert state.phrases == ("open the door",)
    assert state.event_s == pytest.approx(9.8), "from the end of speech on"
    assert DOOM.decode(DOOM.encode(state))["use"] == 1.0
    assert poller.news() == [
        "voice: listening with fake",
        'heard "could you open that door" 90%: open the door (use)',
    ]
    assert poller.poll(1, 1 / 35, 10.08).phrases == ()


def test_several_commands_come_in_order_with_their_numbers() -> None:
    voice = Voice(FakeSound("Desk"))
    poller = Poller([voice.source], DOOM)
    voice.hearing.messages = [said("turn left ninety degrees and shoot")]
    assert poller.poll(0, 1 / 35, 10.0).phrases == ("turn left 90", "fire")


def test_what_is_no_command_is_told_and_does_nothing() -> None:
    voice = Voice(FakeSound("Desk"))
    poller = Poller([voice.source], DOOM)
    voice.hearing.messages = [said("the weather is strange"), said("")]
    state = poller.poll(0, 1 / 35, 10.0)
    assert state.phrases == ()
    assert state.event_s is None
    assert not DOOM.encode(state).any()
    assert poller.news() == ['heard "the weather is strange" 90%: no command']


def test_what_was_said_during_a_pause_does_not_act_after_it() -> None:
    voice = Voice(FakeSound("Desk"))
    poller = Poller([voice.source], DOOM)
    voice.hearing.messages = [said("fire", at_s=10.0)]
    assert poller.poll(0, 1 / 35, 10.1 + LATE_S).phrases == ()
    assert poller.news() == ['heard "fire" 90%: fire (attack), too late']


def test_push_to_talk_hears_only_what_is_said_with_the_key_down() -> None:
    voice = Voice(FakeSound("Desk"), talk="key:v")
    assert voice.opening == ["voice: hold V while you speak", "voice: the microphone 'Desk' is open"]
    voice.live(1.0)
    assert voice.hearing.blocks == []
    down_s = voice.now_s
    voice.source.handle(DeviceEvent("down", "key:v", time_s=down_s))
    voice.live(0.48)
    up_s = voice.now_s - 0.01  # in the middle of the last block
    voice.source.handle(DeviceEvent("up", "key:v", time_s=up_s))
    assert voice.hearing.enoughs == []
    voice.live(1.0)
    assert len(voice.hearing.blocks) == round(0.48 / BLOCK_S)
    assert voice.hearing.enoughs == pytest.approx([down_s + 0.48])


def test_losing_the_window_ends_what_is_being_said() -> None:
    voice = Voice(FakeSound("Desk"), talk="key:v")
    poller = Poller([voice.source], DOOM)
    poller.feed(DeviceEvent("down", "key:v", time_s=voice.now_s))
    voice.live(0.5)
    poller.poll(0, 0.1, voice.now_s)
    poller.feed(DeviceEvent("focus_lost"))
    voice.live(0.5)
    assert len(voice.hearing.enoughs) == 1
    assert len(voice.hearing.blocks) == pytest.approx(0.5 / BLOCK_S, abs=1)


def test_the_talk_key_is_one_that_the_schema_leaves_free() -> None:
    assert talk_key(DOOM) == "key:v"
    values = DOOM.to_dict()
    values["control"][0]["keys"] = ["w", "v"]
    values["control"][1]["chars"] = ["t"]
    assert talk_key(ActionSchema.from_dict(values)) == "key:g"


def test_a_schema_with_other_phrases_is_listened_for_at_once() -> None:
    """Guards against a player's own phrases that nothing listens for."""
    voice = Voice(FakeSound("Desk"))
    voice.source.use(ActionSchema.from_dict(DOOM.to_dict()))
    assert len(voice.hearings) == 1, "the same phrases need no new listener"
    values = DOOM.to_dict()
    values["control"][0]["phrases"] = ["march"]
    Poller([voice.source]).use(ActionSchema.from_dict(values))
    assert [hearing.closed for hearing in voice.hearings] == [True, False]
    assert "march" in {phrase.name for phrase in voice.hearing.schema.phrases}


def test_closing_gives_everything_back() -> None:
    driver = FakeSound("Desk")
    voice = Voice(driver)
    voice.source.start(lambda: voice.now_s)
    voice.source.close()
    assert voice.hearing.closed
    assert not driver.stream.is_open


def test_without_sounddevice_or_portaudio_voice_is_silent_and_says_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    for error, mend in (
        (ImportError("no"), r"pip install -e '\.\[voice\]' in the checkout"),
        (OSError("PortAudio library not found"), "PortAudio is missing; "),
    ):

        def fail(name: str, error: Exception = error) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr("dreamloop.input.microphone.importlib.import_module", fail)
            with pytest.raises(MissingPartError, match=mend):
                load_driver()


def test_a_folder_without_a_model_says_where_one_comes_from(tmp_path: Path) -> None:
    source = open_source("voice", schema=DOOM, clock=lambda: 0.0, model=tmp_path, driver=FakeSound())
    assert isinstance(source, NullSource)
    (line,) = source.news()
    assert f"no vosk model in '{tmp_path}'; download a small model from https://" in line


def test_a_recogniser_that_crashes_is_told_once() -> None:
    hearing = ProcessHearing(DOOM)
    hearing._process.kill()
    hearing._process.join()
    (told,) = hearing.take()
    assert isinstance(told, Told)
    assert told.over
    assert "the recogniser has stopped" in told.line
    hearing.hear(Block(silence(0.1), 0.0))
    assert hearing.take() == []
    hearing.close()
