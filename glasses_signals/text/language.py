"""Which language a text is in, made for short requests: word lists first, n-grams for the rest.

An n-gram detector alone calls "hiya" Tagalog and "convert 100 dollars to euros" Italian. A request
in common English words needs none, and words that only another language has settle most others.
`data/english_words.txt` are the whole words of BERT's vocabulary (Apache-2.0), most frequent first.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from importlib import resources

from lingua import Language, LanguageDetector, LanguageDetectorBuilder

from glasses_signals.tsv import read_tsv

# Languages of the n-gram detector; others in Latin script come out as one of these, not as English.
_LATIN_LANGUAGES = (
    *("ENGLISH", "SPANISH", "FRENCH", "GERMAN", "ITALIAN", "PORTUGUESE", "DUTCH", "SWEDISH"),
    *("DANISH", "BOKMAL", "FINNISH", "POLISH", "CZECH", "ROMANIAN", "HUNGARIAN", "TURKISH"),
    *("INDONESIAN", "TAGALOG", "VIETNAMESE", "SWAHILI", "CATALAN", "CROATIAN"),
)
# First word of a letter's Unicode name -> the script's most spoken language.
_SCRIPT_LANGUAGES = {
    "HIRAGANA": "ja",
    "CJK": "zh",
    "HANGUL": "ko",
    "DEVANAGARI": "hi",
    "ARABIC": "ar",
    "CYRILLIC": "ru",
    "GREEK": "el",
    "HEBREW": "he",
    "THAI": "th",
    "BENGALI": "bn",
    "TAMIL": "ta",
    "TELUGU": "te",
}
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")

# Chosen on the development requests and look-alikes, and on this project's own foreign sentences.
_FOREIGN_SCRIPT_SHARE = 0.3  # of a text's letters
_ENGLISH_SHARE = 0.6  # of a text's words: English, unless one is another language's
_CERTAIN_SHARE = 0.8  # of a text's words: English even so
_STRONG_SHARE = 0.25  # of words that hardly any text but an English one has
_STRONG_RANK = 400  # the most frequent English words are those
_ENGLISH_PROBABILITY = 0.3
_QUOTING_PROBABILITY = 0.95  # English about foreign words: "what does je ne sais quoi mean"
_SHORT_WORDS = 2  # so few that n-grams only guess
_SHORT_PROBABILITY = 0.05
_FEW_WORDS = 4  # names and keywords ("noah kahan tour"): some English is enough
_FEW_PROBABILITY = 0.01


_INFLECTED_LETTERS = 6  # shorter words are in the list as they are, or are no English
_ENDINGS = ("s", "es", "ed", "ing", "er", "est")


@dataclass(frozen=True, slots=True)
class _Words:
    english: frozenset[str]
    strong: frozenset[str]
    foreign: dict[str, tuple[str, ...]]  # word -> the languages that have it, when English doesn't
    neutral: frozenset[str]  # foreign articles that names in English texts are full of


@dataclass(frozen=True, slots=True)
class _Count:
    words: int
    english: int
    strong: int
    foreign: tuple[str, ...]

    @property
    def english_share(self) -> float:
        return self.english / max(self.words, 1)


def detect_language(text: str) -> tuple[str | None, float]:
    """(ISO 639-1 code or None when there are no letters, confidence of that 0..1).

    Short and ambiguous texts in Latin script count as English; a mix of English and another
    language counts as the other one.
    """
    text = unicodedata.normalize("NFC", text).lower().replace("’", "'")
    letters = [letter for letter in text if letter.isalpha()]
    if not letters:
        return None, 0.0
    scripts = Counter(_script(letter) for letter in letters if not letter.isascii())
    del scripts["LATIN"]
    share = scripts.total() / len(letters)
    if share >= _FOREIGN_SCRIPT_SHARE:
        kana = scripts["HIRAGANA"] + scripts["KATAKANA"]  # Japanese is part CJK, part kana
        script = "HIRAGANA" if kana else scripts.most_common(1)[0][0]
        return _SCRIPT_LANGUAGES.get(script, "und"), share
    return _latin_language(text)


def is_english(text: str) -> bool:
    """Whether a text is to be treated as English: so too when it has no letters at all."""
    return detect_language(text)[0] in ("en", None)


def _latin_language(text: str) -> tuple[str, float]:
    count = _count(_WORD.findall(text))
    if count.english_share >= _CERTAIN_SHARE or (
        not count.foreign
        and (count.english_share >= _ENGLISH_SHARE or count.strong >= _STRONG_SHARE * count.words)
    ):
        return "en", max(count.english_share, _ENGLISH_SHARE)
    p_english = _detector().compute_language_confidence(text, Language.ENGLISH)
    if _reads_english(text, count, p_english):
        return "en", max(p_english, count.english_share)
    return _other_language(text, count), 1 - p_english


def _reads_english(text: str, count: _Count, p_english: float) -> bool:
    """Decide the texts that common English words alone don't settle."""
    if count.foreign and count.english_share < _ENGLISH_SHARE:
        return p_english >= _QUOTING_PROBABILITY and count.english_share >= 0.5
    if count.words <= _SHORT_WORDS and not count.foreign:
        return text.isascii() or p_english >= _SHORT_PROBABILITY
    if count.words <= _FEW_WORDS and count.english and not count.foreign:
        return count.english_share >= 0.5 or p_english >= _FEW_PROBABILITY
    return p_english >= _ENGLISH_PROBABILITY


def _other_language(text: str, count: _Count) -> str:
    """The likeliest language but English: by its own words, ties and lack of them by n-grams."""
    votes = Counter(code for word in count.foreign for code in _words().foreign[word])
    most = max(votes.values(), default=0)
    ranked = [
        value.language.iso_code_639_1.name.lower()
        for value in _detector().compute_language_confidence_values(text)
        if value.language is not Language.ENGLISH
    ]
    candidates = {code for code, number in votes.items() if number == most} or set(ranked)
    return next((code for code in ranked if code in candidates), min(candidates))


def _count(words: list[str]) -> _Count:
    known = _words()
    counted = [word for word in words if word not in known.neutral]
    english = [word for word in counted if _in_english(word, known)]
    return _Count(
        words=len(counted),
        english=len(english),
        strong=sum(word in known.strong for word in english),
        foreign=tuple(word for word in counted if word in known.foreign),
    )


def _in_english(word: str, known: _Words) -> bool:
    """Also `what's` and `dont`; never a word that is listed as another language's."""
    if word in known.foreign:
        return False
    forms = {word, word.partition("'")[0], word.replace("'", "")}
    if len(word) >= _INFLECTED_LETTERS:
        forms |= {word.removesuffix(ending) for ending in _ENDINGS}
    return bool(forms & known.english)


def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNKNOWN").partition(" ")[0]


@functools.cache
def _words() -> _Words:
    data = resources.files("glasses_signals.text") / "data"
    rows = read_tsv(data / "foreign_words.tsv")
    by_language = {row["code"]: row["words"].split() for row in rows}
    neutral = frozenset(by_language.pop("-"))
    foreign: dict[str, tuple[str, ...]] = {}
    for code, words in by_language.items():
        for word in set(words) - neutral:
            foreign[word] = (*foreign.get(word, ()), code)
    ranked = [
        word
        for word in (data / "english_words.txt").read_text("utf-8").split()
        if word not in foreign and word not in neutral
    ]
    return _Words(frozenset(ranked), frozenset(ranked[:_STRONG_RANK]), foreign, neutral)


@functools.cache
def _detector() -> LanguageDetector:
    """Trigrams only: loads in 0.2 s and 50 MB, where all n-grams take 4 s and 0.6 GB."""
    languages = [getattr(Language, name) for name in _LATIN_LANGUAGES]
    return LanguageDetectorBuilder.from_languages(*languages).with_low_accuracy_mode().build()
