"""How people word what they say to their glasses: how likely a text is by its words alone.

A back-off trigram model over words, counted by `benchmarks/train_wording.py` from the example
sentences of the gate and the mapper. The search adds a little of it to what Whisper says, so that
among texts that sound alike the one that somebody would say wins:
"how long is the wait" over "how long is the way".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glasses_signals.errors import BadModel

WORDING_FILE = Path(__file__).parent / "data" / "wording.npz"
UNKNOWN, START, END = "<unk>", "<s>", "</s>"
FIRST = (UNKNOWN, START, END)  # the ids 0, 1, 2
NUMBER = "#"
STEPS = 16  # log-probabilities are stored in steps of a sixteenth, in 8 bit

_WORD = re.compile(r"[a-z0-9']+")


def words_of(text: str) -> list[str]:
    """Lower-case words without punctuation; all words with a digit are one."""
    plain = text.lower().replace("’", "'").replace("p.m.", "pm").replace("a.m.", "am")
    words = (word.strip("'") for word in _WORD.findall(plain))
    return [NUMBER if any(map(str.isdigit, word)) else word for word in words if word]


@dataclass(frozen=True, slots=True)
class WordingSettings:
    """`weight` of the words' log-probabilities beside Whisper's. `per_word` is added for each word
    and for the end: what a usual word costs at that weight, so that short texts have no advantage.
    """

    weight: float = 0.1
    per_word: float = 0.4


@dataclass(frozen=True, slots=True)
class Said:
    """A text so far: its last two words, the word being spelled, what its words are worth."""

    before: tuple[int, int]
    spelled: bytes
    worth: float


START_OF_TEXT = Said((1, 1), b"", 0.0)


class Wording:
    """Worth of texts that grow token by token. `vocabulary` are the tokens' bytes, `end` ends."""

    def __init__(
        self,
        vocabulary: Sequence[bytes],
        end: int,
        settings: WordingSettings = WordingSettings(),
        place: Path = WORDING_FILE,
    ) -> None:
        self._vocabulary, self._end, self._settings = vocabulary, end, settings
        arrays = _load(place)
        words = bytes(arrays["words"]).decode().split("\n")
        self._ids = {word: id_ for id_, word in enumerate((*FIRST, *words))}
        self.size = len(self._ids)
        self._one, self._after_one = (_logs(arrays[name]).tolist() for name in ("p1", "b1"))
        self._two, self._three, self._after_two = (
            dict(zip(np.cumsum(arrays[f"{name}_keys"]).tolist(), _logs(arrays[name]), strict=True))
            for name in ("p2", "p3", "b2")
        )

    def after(self, said: Said, token: int) -> Said:
        """`said` and one more token; a word counts once the next one, or the end, begins."""
        if token == self._end:
            ended = self._closed(said, b"")
            return Said(ended.before, b"", ended.worth + self._worth(ended.before, 2))
        spelled = self._vocabulary[token] if token < len(self._vocabulary) else b""
        if spelled.startswith(b" "):
            return self._closed(said, spelled)
        return Said(said.before, said.spelled + spelled, said.worth)

    def _closed(self, said: Said, following: bytes) -> Said:
        before, worth = said.before, said.worth
        for word in words_of(said.spelled.decode("utf-8", "ignore")):
            id_ = self._ids.get(word, 0)
            worth += self._worth(before, id_)
            before = before[1], id_
        return Said(before, following, worth)

    def _worth(self, before: tuple[int, int], id_: int) -> float:
        weight, per_word = self._settings.weight, self._settings.per_word
        return weight * self.log_probability(before, id_) + per_word

    def log_probability(self, before: tuple[int, int], id_: int) -> float:
        """Of a word after two others, by their ids."""
        first, second = before
        context, pair = first * self.size + second, second * self.size + id_
        found = self._three.get(context * self.size + id_)
        if found is not None:
            return float(found)
        found = self._two.get(pair)
        if found is None:
            found = self._after_one[second] + self._one[id_]
        return float(self._after_two.get(context, 0.0) + found)


def _logs(stored: NDArray[np.generic]) -> NDArray[np.float32]:
    return np.asarray(-stored.astype(np.float32) / STEPS, np.float32)


def _load(place: Path) -> dict[str, NDArray[np.generic]]:
    try:
        with np.load(place, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as error:
        raise BadModel(
            f"{place}: can't read how requests are worded ({error}); reinstall glasses-signals, or"
            " count anew with benchmarks/train_wording.py"
        ) from error
