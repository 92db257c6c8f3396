"""From a stream of sound to commands: cuts utterances, has them recognised and resolved, decides when to act.

Runs on sound alone, live or from a file: no device, no clock. When somebody pauses, what was said so far is recognised
at once, during the wait; how long the wait is depends on what it was. A whole command that no other one goes on from is
done after a short silence, one that might go on ("open" of "open the door") after a longer one, and what is no command
stays open for longer still, so that chatter is judged as a whole. A recogniser that hears along acts earlier: a whole
command whose words have stood still for a moment is done though sound goes on (noise, a breath), and is not done again.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dreamloop.input.denoise import Denoiser
from dreamloop.input.resolve import Command, Resolver
from dreamloop.input.speech import Heard, Recogniser
from dreamloop.input.vad import RATE_HZ, WINDOW, WINDOW_S, Sound, Vad
from dreamloop.input.words import plain

NOTHING: Sound = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, and what counts as speech."""

    begins: float = 0.5  # likelihood of speech that begins an utterance
    ends: float = 0.35  # below this it is silence
    look_s: float = 0.096  # silence after which the words so far are recognised
    sure_s: float = 0.16  # silence after a whole command that no other goes on from
    unsure_s: float = 0.224  # silence after a command that might go on
    other_s: float = 0.6  # silence after what is no command
    steady_s: float = 0.192  # how long the words of a recogniser that hears along must stand still, while sound goes on
    before_s: float = 0.3  # sound kept from before the beginning
    shortest_s: float = 0.1  # speech shorter than this is a click
    longest_s: float = 8.0  # whoever speaks longer is not giving a command: deaf until they pause
    quiet_db: float = 20.0  # speech this far above the noise is heard well, and must be understood well
    confidence: float = 0.7  # a recogniser less sure than this is not believed
    confidence_in_noise: float = 0.4  # the same, where it cannot be as sure
    score: float = 0.9  # a resolver that understood less of the words than this is not believed


@dataclass(frozen=True, slots=True)
class Utterance:
    """What somebody said, and what it means."""

    text: str
    confidence: float
    commands: tuple[Command, ...]  # none: no command
    end_s: float  # when the speech ended
    decided_s: float  # up to when sound was heard before deciding
    believed: bool = True  # whether the recogniser is sure enough of the words


class Listener:
    """One stream of sound. Feed it blocks of any size; it returns utterances as they are decided."""

    def __init__(
        self,
        recogniser: Recogniser,
        vad: Vad,
        resolver: Resolver,
        phrases: Iterable[str],
        patience: Patience | None = None,
    ) -> None:
        """``phrases`` are all that may be said: one that others begin with is waited upon for longer."""
        self.patience = patience or Patience()
        self._recogniser, self._vad, self._resolver = recogniser, vad, resolver
        self._denoiser = Denoiser()
        said = {plain(phrase) for phrase in phrases}
        self._goes_on = {one for one in said for other in said if other.startswith(f"{one} ")}
        self._rest: Sound = np.zeros(0, np.float32)  # less than a window, from the last block
        self._before: deque[Sound] = deque(maxlen=max(round(self.patience.before_s / WINDOW_S), 1))
        self._quiet: deque[Sound] = deque()  # perhaps noise, perhaps the beginning of speech
        self._said: list[Sound] = []
        self._speech_s = 0.0  # of the utterance
        self._silence_s = 0.0  # since its last speech
        self._speaking = False
        self._deaf = False  # somebody spoke for too long
        self._looked: tuple[Heard, tuple[Command, ...]] | None = None
        self._partial, self._steady_s = "", 0.0  # of a recogniser that hears along: its words, and since when
        self._acted: tuple[Command, ...] = ()  # done already, though the utterance goes on

    def feed(self, sound: Sound, time_s: float) -> list[Utterance]:
        """Go on with the stream; ``time_s`` is when the last sample of ``sound`` (n,) was heard."""
        stream = np.concatenate([self._rest, sound])
        count = len(stream) // WINDOW
        self._rest = stream[count * WINDOW :]
        found = []
        for i in range(count):
            later = len(stream) - (i + 1) * WINDOW
            one = self._window(stream[i * WINDOW : (i + 1) * WINDOW], time_s - later / RATE_HZ)
            found += [one] if one else []
        return found

    def finish(self, time_s: float) -> list[Utterance]:
        """Decide on what was said so far: the push-to-talk key was let go, or the stream ends."""
        if not self._speaking or self._deaf or self._speech_s < self.patience.shortest_s:
            self._stop()
            return []
        heard, commands = self._looked or self._look()
        one = self._decide(heard, commands, time_s)
        return [one] if one else []

    def _window(self, window: Sound, time_s: float) -> Utterance | None:
        likely = self._vad.speech(window)
        if not self._speaking:
            self._wait(window, likely)
            return None
        if not self._deaf:
            self._said.append(window)
            self._recogniser.feed(window)
        if likely >= self.patience.ends:
            self._speech_s += WINDOW_S
            self._silence_s = 0.0
            self._looked = None
            if self._speech_s > self.patience.longest_s:
                self._deaf = True
                self._said.clear()
            return self._early(time_s)
        self._silence_s += WINDOW_S
        return self._pause(time_s)

    def _wait(self, window: Sound, likely: float) -> None:
        """Nobody spoke up to now: learn the noise, or begin an utterance.

        What came just before an utterance is no noise: the detector is late for a soft consonant.
        """
        if likely >= self.patience.begins:
            self._speaking = True
            self._quiet.clear()
            self._said = [*self._before, window]
            self._speech_s, self._silence_s = WINDOW_S, 0.0
            self._recogniser.start()
            for one in self._said:
                self._recogniser.feed(one)
            return
        self._before.append(window)
        if likely < self.patience.ends:
            self._quiet.append(window)
            if len(self._quiet) > (self._before.maxlen or 0):
                self._denoiser.listen(self._quiet.popleft())

    def _early(self, time_s: float) -> Utterance | None:
        """Somebody is speaking: act if the recogniser hears along, and hears a whole command that stands still."""
        if self._deaf or not self._recogniser.streaming:
            return None
        heard = self._recogniser.guess(NOTHING)
        self._steady_s = self._steady_s + WINDOW_S if heard.text == self._partial else 0.0
        self._partial = heard.text
        if self._steady_s + 1e-6 < self.patience.steady_s:
            return None
        commands = self._means(heard, np.concatenate(self._said))
        fresh = self._fresh(commands)
        if not fresh or self._wait_for(heard, commands) > self.patience.sure_s:
            return None
        self._acted = commands
        return Utterance(heard.text, heard.confidence, fresh, time_s - self._steady_s, time_s)

    def _fresh(self, commands: tuple[Command, ...]) -> tuple[Command, ...]:
        """Return the commands that come after those that are done already; none if others were done."""
        done = len(self._acted)
        same = [one.text for one in commands[:done]] == [one.text for one in self._acted]
        return commands[done:] if same else ()

    def _pause(self, time_s: float) -> Utterance | None:
        """Somebody paused: decide, look, or wait on."""
        patience = self.patience
        if self._deaf or self._speech_s < patience.shortest_s:
            if self._silence_s + 1e-6 >= patience.unsure_s:
                self._stop()
            return None
        if self._looked is None and self._silence_s + 1e-6 >= patience.look_s:
            self._looked = self._look()
        if self._looked is None:
            return None
        heard, commands = self._looked
        if self._silence_s + 1e-6 < self._wait_for(heard, commands):
            return None
        return self._decide(heard, commands, time_s)

    def _wait_for(self, heard: Heard, commands: tuple[Command, ...]) -> float:
        """Return how much silence must follow these words."""
        if not commands:
            return self.patience.other_s
        last = plain(heard.text)
        open_end = any(last == one or last.endswith(f" {one}") for one in self._goes_on)
        number_may_follow = commands[-1].phrase.number == "total" and commands[-1].number is None
        return self.patience.unsure_s if open_end or number_may_follow else self.patience.sure_s

    def _look(self) -> tuple[Heard, tuple[Command, ...]]:
        """Recognise and resolve the utterance so far."""
        sound = np.concatenate(self._said)
        heard = self._recogniser.guess(self._denoiser.clean(sound))
        return heard, self._means(heard, sound)

    def _means(self, heard: Heard, sound: Sound) -> tuple[Command, ...]:
        """Return the commands in what was heard in ``sound`` (n,); none if it is not to be believed."""
        if not heard.text or not self._believes(heard, sound):
            return ()
        commands = tuple(self._resolver.resolve(heard.text))
        whole = all(command.score >= self.patience.score for command in commands)
        return commands if whole else ()

    def _believes(self, heard: Heard, sound: Sound) -> bool:
        """Say whether the recogniser is sure enough; in noise it cannot be as sure."""
        quiet = self._denoiser.above_db(sound) >= self.patience.quiet_db
        return heard.confidence >= (self.patience.confidence if quiet else self.patience.confidence_in_noise)

    def _decide(self, heard: Heard, commands: tuple[Command, ...], time_s: float) -> Utterance | None:
        """The utterance is over. None if all that it asks for is done already."""
        fresh, done = self._fresh(commands), bool(self._acted)
        believed = self._believes(heard, np.concatenate(self._said)) if self._said else True
        ended_s = time_s - self._silence_s
        self._stop()
        return None if done and not fresh else Utterance(heard.text, heard.confidence, fresh, ended_s, time_s, believed)

    def _stop(self) -> None:
        """The utterance is over."""
        self._speaking = self._deaf = False
        self._before.clear()
        self._before.extend(self._said[-2:])
        self._said = []
        self._looked = None
        self._partial, self._steady_s, self._acted = "", 0.0, ()
