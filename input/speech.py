"""Recognisers: an utterance in, words out. vosk when its model is there, else pocketsphinx, behind one interface.

pocketsphinx has its acoustic model in its wheel, so that voice works with nothing to download. It listens for the
schema's phrases and, beside them, for the commonest English words: chatter then comes out as chatter instead of as the
nearest phrase, and the resolver turns it down. Knows nothing about microphones or controls.
"""

import importlib.util
import itertools
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log10
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from platformdirs import user_data_path

from dreamloop.input.errors import MissingPartError
from dreamloop.input.vad import RATE_HZ, Sound
from dreamloop.input.words import plain

COMMON_WORDS = 3000  # of the language, beside the phrases: enough for chatter to find its words, few enough to be quick
CONTEXTS = 50  # of them, after which the next word is expected; more changed nothing
PHRASE_SHARE = 0.9  # how likely it is beforehand that what is said is a phrase
AROUND_SHARE = 0.03  # how likely, that it is what people say around one: "could you"
LOG_BASE = log10(1.0001)  # of pocketsphinx's logarithms
SEARCH = {"fwdflat": False}  # the second pass costs half as much again and finds no more
AGREED, DISAGREED = 0.9, 0.5  # how sure pocketsphinx is when its two passes hear the same, and when not
PRONUNCIATIONS = 6  # at most, of a phrase of several words
VOSK_HELP = (
    "download a small model from https://alphacephei.com/vosk/models, unpack it, and say --voice-model FOLDER, "
    "or set VOSK_MODEL_PATH, or put it into {folder}"
)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a recogniser makes of an utterance."""

    text: str  # lower case, "" for nothing
    confidence: float = 1.0  # 0..1


class Recogniser(Protocol):
    """Turns one utterance at a time into words."""

    name: str
    streaming: bool  # whether ``guess`` costs next to nothing in the middle of an utterance

    def start(self) -> None:
        """Begin an utterance."""
        ...

    def feed(self, sound: Sound) -> None:
        """Go on with the utterance."""
        ...

    def guess(self, clean: Sound) -> Heard:
        """Return the words so far. ``clean`` is the whole utterance, for recognisers that hear it all at once."""
        ...

    def news(self) -> list[str]:
        """Return lines for the player: phrases that it cannot hear."""
        return []


class PocketsphinxRecogniser(Recogniser):
    """Hears an utterance as a whole, in about a twentieth of the time that it took to say."""

    streaming = False

    def __init__(self, phrases: Sequence[str], words: Iterable[str] = (), around: Iterable[str] = ()) -> None:
        """``phrases`` are what is listened for.

        ``words`` are others that may be said with them (numbers, fillers), ``around`` several that go together.
        """
        from pocketsphinx import Decoder

        self.name = "pocketsphinx"
        self._decoder: Any = Decoder(**{"samprate": RATE_HZ, "loglevel": "FATAL", "lm": None, "cmn": "batch", **SEARCH})
        self._phrases = {plain(phrase) for phrase in phrases}
        self._unknown = sorted(phrase for phrase in self._phrases if not self._learn(phrase))
        known = sorted(self._phrases.difference(self._unknown))
        groups = [group for group in map(plain, around) if group not in self._phrases and self._learn(group)]
        self._listen_for(known, [word for word in words if self._decoder.lookup_word(word)], groups)

    def _learn(self, phrase: str) -> bool:
        """Put a phrase into the dictionary as one word; False when one of its words is not in the dictionary."""
        ways = [self._pronunciations(word) for word in phrase.split()]
        if not all(ways):
            return False
        if len(ways) > 1:
            for i, sounds in enumerate(itertools.islice(itertools.product(*ways), PRONUNCIATIONS)):
                name = "_".join(phrase.split()) + (f"({i + 1})" if i else "")
                self._decoder.add_word(name, " ".join(sounds), False)
        return True

    def _pronunciations(self, word: str) -> list[str]:
        names = [word, f"{word}(2)", f"{word}(3)"]
        return [sounds for name in names if (sounds := self._decoder.lookup_word(name))]

    def _listen_for(self, phrases: Sequence[str], words: Sequence[str], around: Sequence[str]) -> None:
        """Load a language model in which every phrase is one word, beside the words of the language."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "words.arpa"
            path.write_text(language_model(self._decoder, phrases, words, around))
            self._decoder.add_lm_file("words", str(path))
        self._decoder.activate_search("words")

    def start(self) -> None:
        return None

    def feed(self, sound: Sound) -> None:
        return None

    def guess(self, clean: Sound) -> Heard:
        self._decoder.start_utt()
        self._decoder.process_raw(pcm(clean), full_utt=True)
        first = self._decoder.hyp()  # of the search itself
        self._decoder.end_utt()
        best = self._decoder.hyp()  # of all that the search has kept, weighed again
        if best is None or not best.hypstr:
            return Heard("", 0.0)
        agreed = first is not None and first.hypstr == best.hypstr
        return Heard(best.hypstr.replace("_", " "), AGREED if agreed else DISAGREED)

    def news(self) -> list[str]:
        told, self._unknown = self._unknown, []
        return [
            f"voice: '{phrase}' has a word that pocketsphinx does not know and is not listened for" for phrase in told
        ]


def language_model(decoder: Any, phrases: Sequence[str], words: Iterable[str], around: Sequence[str] = ()) -> str:
    """Return a bigram model in ARPA's format: phrases with ``PHRASE_SHARE``, what is said around them with
    ``AROUND_SHARE``, the rest for the language's own words.

    What people begin sentences with, and what follows the commonest words, is taken over from pocketsphinx's model:
    "look at" must not be heard as "look up" because the one is listened for and the other is not.
    """
    chance = _chances(decoder)
    names = {"_".join(phrase.split()): PHRASE_SHARE / len(phrases) for phrase in phrases}
    names |= {"_".join(group.split()): AROUND_SHARE / len(around) for group in around}
    rest_share = 1.0 - sum(names.values())
    common = sorted(chance.words, key=chance.words.__getitem__, reverse=True)[:COMMON_WORDS]
    kept = {word: 10 ** chance.words[word] for word in {*common, *words} & chance.words.keys() if word not in names}
    rest = rest_share / sum(kept.values())
    single = {word: share * rest for word, share in kept.items()} | names
    pairs = {"<s>": dict(names)}
    for first in ["<s>", *(word for word in common[:CONTEXTS] if word in kept)]:
        known = rest_share if first == "<s>" else 1.0
        for second in kept:
            share = known * 10 ** chance.after(first, second)
            if share > 1.25 * single[second]:
                pairs.setdefault(first, {})[second] = share
    return _arpa(single, pairs)


def _arpa(single: Mapping[str, float], pairs: Mapping[str, Mapping[str, float]]) -> str:
    """Return a bigram model as text; what a word's pairs leave over goes to all other words."""

    def left(first: str) -> float:
        after = pairs.get(first, {})
        rest = 1.0 - min(sum(after.values()), 0.999)
        return log10(rest / (1.0 - min(sum(single[second] for second in after), 0.999)))

    ones = {"<s>": 1e-99, "</s>": 0.1, "<UNK>": 1e-5, **single}
    lines = ["\\data\\", f"ngram 1={len(ones)}", f"ngram 2={sum(map(len, pairs.values()))}", "", "\\1-grams:"]
    lines += [f"{log10(share):.4f}\t{word}\t{left(word):.4f}" for word, share in ones.items()]
    lines += ["", "\\2-grams:"]
    lines += [
        f"{log10(after[word]):.4f}\t{first}\t{word}" for first, after in sorted(pairs.items()) for word in sorted(after)
    ]
    return "\n".join([*lines, "", "\\end\\", ""])


@dataclass(frozen=True, slots=True)
class _Chances:
    """How common the words of pocketsphinx's own language model are, as log10 of a share."""

    words: Mapping[str, float]
    model: Any

    def after(self, first: str, second: str) -> float:
        return float(self.model.prob([second, first])) * LOG_BASE


def _chances(decoder: Any) -> _Chances:
    from pocketsphinx import NGramModel, get_model_path

    model = NGramModel(decoder.config, decoder.logmath, get_model_path("en-us/en-us.lm.bin"))
    with open(get_model_path("en-us/cmudict-en-us.dict"), encoding="utf-8") as lines:
        words = {word for line in lines if (word := line.split(maxsplit=1)[0]).replace("'", "").isalpha()}
    return _Chances({word: float(model.prob([word])) * LOG_BASE for word in sorted(words)}, model)


class VoskRecogniser(Recogniser):
    """Hears while somebody speaks; listens for phrases, the words said with them, and ``[unk]`` for all others.

    With ``free``, for every word that the model knows instead.
    """

    streaming = True

    def __init__(self, model: Path, phrases: Sequence[str], words: Iterable[str] = (), free: bool = False) -> None:
        """Open the model in a folder; vosk must be installed (:func:`check_recogniser`)."""
        import vosk

        vosk.SetLogLevel(-1)
        self.name = "vosk"
        grammar = [*sorted({plain(phrase) for phrase in phrases} | set(words)), "[unk]"]
        given = () if free else (json.dumps(grammar),)
        self._recogniser: Any = vosk.KaldiRecognizer(vosk.Model(str(model)), RATE_HZ, *given)
        self._recogniser.SetPartialWords(True)

    def start(self) -> None:
        self._recogniser.Reset()

    def feed(self, sound: Sound) -> None:
        self._recogniser.AcceptWaveform(pcm(sound))

    def guess(self, clean: Sound) -> Heard:
        partial = json.loads(self._recogniser.PartialResult())
        words = partial.get("partial_result", [])
        sure = [float(word.get("conf", 1.0)) for word in words] or [1.0]
        return Heard(str(partial.get("partial", "")), min(sure))


def pcm(sound: Sound) -> bytes:
    """Return sound (n,) in -1..1 as 16-bit samples, as recognisers take it."""
    return bytes(np.clip(sound * 32767.0, -32768, 32767).astype("<i2").tobytes())


def find_vosk_model(folder: Path | None = None) -> Path | None:
    """Return the folder of a vosk model: the one given, ``$VOSK_MODEL_PATH``, or one in the user's data folder.

    Raises:
        MissingPartError: a folder was named and holds no model.
    """
    named = folder if folder is not None else os.environ.get("VOSK_MODEL_PATH")
    if named:
        if (Path(named) / "am").is_dir() or (Path(named) / "final.mdl").is_file():
            return Path(named)
        raise MissingPartError(f"no vosk model in '{named}'; {VOSK_HELP.format(folder=_vosk_home())}")
    found = sorted(path for path in _vosk_home().glob("*") if (path / "am").is_dir() or (path / "final.mdl").is_file())
    return found[0] if found else None


def _vosk_home() -> Path:
    return user_data_path("dreamloop", appauthor=False) / "vosk"


def open_recogniser(
    phrases: Sequence[str],
    words: Iterable[str] = (),
    around: Iterable[str] = (),
    vosk_model: Path | None = None,
    free: bool = False,
) -> Recogniser:
    """Return vosk when a model of it is found, else pocketsphinx; ``free`` for words far from any phrase, too.

    Raises:
        MissingPartError: neither is there; the sentence says the mend.
    """
    model = check_recogniser(phrases, vosk_model)
    if model is not None:
        return VoskRecogniser(model, phrases, words, free)
    return PocketsphinxRecogniser(phrases, words, around)


def check_recogniser(phrases: Sequence[object], vosk_model: Path | None = None) -> Path | None:
    """Return the vosk model that ``open_recogniser`` would take, None for pocketsphinx, without opening either.

    Raises:
        MissingPartError: neither is there; the sentence says the mend.
    """
    if not phrases:
        raise MissingPartError("the schema has no phrases, there is nothing to listen for")
    model = find_vosk_model(vosk_model)
    if model is not None and importlib.util.find_spec("vosk") is None:
        raise MissingPartError("a vosk model is there but vosk is not: pip install -e '.[voice]' in the checkout")
    if model is None and importlib.util.find_spec("pocketsphinx") is None:
        raise MissingPartError("voice needs a recogniser: pip install -e '.[voice]' in the checkout")
    return model
