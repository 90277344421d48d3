"""The first batch operator of the main job: recognise what media hold.

Picklable, and loads its models on first use, so any engine can run it in any process.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from time import perf_counter
from typing import TypeVar

from glasses_signals.interests.label_mapper import label_mapper
from glasses_signals.interests.verdicts import LANGUAGE_UNSUPPORTED
from glasses_signals.media.pool import DecodeResult
from glasses_signals.models.store import open_model
from glasses_signals.records import (
    Account,
    Image,
    Item,
    Label,
    TextLine,
    Transcript,
    Utterance,
)
from glasses_signals.speech.transcriber import SpeechSettings, Transcriber
from glasses_signals.vision.ocr import TextReader
from glasses_signals.vision.tagger import Tagger, VisionSettings

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Decoded:
    """An item, its account, and its decoded media: empty for an item that is only text."""

    item: Item
    account: Account
    media: DecodeResult


@dataclass(frozen=True, slots=True)
class Spoken:
    """English that the wearer said, as it was heard, and `again` by a second listener; `certain`
    are the recognisers' probabilities, per token."""

    text: str
    certain: float
    again: str | None = None
    again_certain: float = 0.0


@dataclass(frozen=True, slots=True)
class Observed:
    """What was heard, read and seen in one item: `pictures` the labels of each frame, `printed` the
    lines of text in each.
    """

    item: Item
    spoken: tuple[Spoken, ...] = ()
    bystander: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    pictures: tuple[tuple[Label, ...], ...] = ()
    printed: tuple[tuple[TextLine, ...], ...] = ()
    unusable: str | None = None  # a reason why speech can't be judged


@dataclass(slots=True)
class Clock:
    """Seconds spent and amounts done by stage, added up over calls."""

    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    amounts: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, stage: str, started: float, **amounts: float) -> None:
        """Note a stage's work since `started`, a `perf_counter` time, and how much it was."""
        self.seconds[stage] += perf_counter() - started
        for unit, amount in amounts.items():
            self.amounts[unit] += amount

    def join(self, other: Clock) -> None:
        """Add what another clock has measured."""
        for stage, seconds in other.seconds.items():
            self.seconds[stage] += seconds
        for unit, amount in other.amounts.items():
            self.amounts[unit] += amount


def require_vision(settings: VisionSettings) -> None:
    """BadModel when what was asked for can't be had: a reader, a table of the user's own."""
    if settings.reader is not None:
        open_model(settings.reader)
    if settings.labels is not None:
        label_mapper(settings.model, settings.labels)


class Recognise:
    """Decoded items in, observations out: speech to text, pictures to labels, side by side."""

    def __init__(self, speech: SpeechSettings, vision: VisionSettings) -> None:
        self._speech_settings = speech
        self._vision_settings = vision

    @cached_property
    def transcriber(self) -> Transcriber:
        return Transcriber(self._speech_settings)

    @cached_property
    def tagger(self) -> Tagger:
        return Tagger(self._vision_settings)

    @cached_property
    def reader(self) -> TextReader:
        """Only for settings that name one."""
        settings = self._vision_settings
        assert settings.reader is not None
        return TextReader(settings.reader, settings.device, settings.threads)

    def loaded(self) -> Iterator[tuple[str, Mapping[str, str], str]]:
        """(stage, models with sha256, execution provider) of the stages that were needed."""
        for stage in ("transcriber", "tagger", "reader"):
            if stage in self.__dict__:
                operator = self.__dict__[stage]
                yield stage, operator.models, operator.provider

    def __call__(self, batch: Sequence[Decoded], clock: Clock) -> list[Observed]:
        """One observation an item, in order; its stages' time goes to `clock`."""
        images, owners = _images(batch)
        # Each stage leaves a core idle now and then: short steps between large products.
        with ThreadPoolExecutor(1) as beside:
            looked = beside.submit(lambda: (self._tag(images, clock), self._read(images, clock)))
            transcripts = self._transcribe(batch, clock)
            labels, lines = looked.result()
        pictures, printed = _by_owner(owners, labels), _by_owner(owners, lines)
        return [
            observed_of(decoded.item, transcripts.get(i), pictures.get(i, ()), printed.get(i, ()))
            for i, decoded in enumerate(batch)
        ]

    def _transcribe(self, batch: Sequence[Decoded], clock: Clock) -> dict[int, Transcript]:
        waveforms = {
            i: decoded.media.waveform
            for i, decoded in enumerate(batch)
            if decoded.media.waveform is not None
        }
        if not waveforms:
            return {}
        started = perf_counter()
        transcripts = self.transcriber.transcribe(
            list(waveforms.values()),
            languages=[batch[i].account.languages for i in waveforms],
        )
        clock.add("speech", started, audio_s=sum(w.duration_s for w in waveforms.values()))
        return dict(zip(waveforms, transcripts, strict=True))

    def _tag(self, images: Sequence[Image], clock: Clock) -> list[tuple[Label, ...]]:
        if not images:
            return []
        started = perf_counter()
        labels = self.tagger.tag(images)
        clock.add("vision", started, pictures=len(images))
        return labels

    def _read(self, images: Sequence[Image], clock: Clock) -> list[tuple[TextLine, ...]]:
        if not images or self._vision_settings.reader is None:
            return [()] * len(images)
        started = perf_counter()
        lines = self.reader.read(images)
        clock.add("reading", started)
        return lines


def _images(batch: Sequence[Decoded]) -> tuple[list[Image], list[int]]:
    """All pictures and frames of a batch, and the place in it of the item each belongs to."""
    images, owners = [], []
    for i, decoded in enumerate(batch):
        for picture in decoded.media.pictures:
            images.append(picture)
            owners.append(i)
    return images, owners


def _by_owner(owners: Sequence[int], found: Sequence[Found]) -> dict[int, tuple[Found, ...]]:
    gathered: dict[int, tuple[Found, ...]] = {}
    for owner, one in zip(owners, found, strict=True):
        gathered[owner] = (*gathered.get(owner, ()), one)
    return gathered


def observed_of(
    item: Item,
    transcript: Transcript | None,
    pictures: tuple[tuple[Label, ...], ...] = (),
    printed: tuple[tuple[TextLine, ...], ...] = (),
) -> Observed:
    """One item's observation, of what the models found in its media."""
    written = (item.text,) if item.text and item.text.strip() else ()
    if transcript is None:
        return Observed(item, written=written, pictures=pictures, printed=printed)
    foreign = transcript.language not in (None, "en")
    wearer = [u for u in transcript.utterances if u.speaker == "wearer"]
    unreadable = foreign and any(u.english is None for u in transcript.utterances)
    return Observed(
        item,
        spoken=tuple(_spoken(u) for u in wearer),
        bystander=tuple(u.english or u.text for u in transcript.utterances if u not in wearer),
        written=written,
        pictures=pictures,
        printed=printed,
        unusable=LANGUAGE_UNSUPPORTED if unreadable else None,
    )


def _spoken(utterance: Utterance) -> Spoken:
    text, certain = utterance.english or utterance.text, math.exp(utterance.mean_log_probability)
    again = utterance.again
    if again is None:
        return Spoken(text, certain)
    return Spoken(text, certain, again.text, math.exp(again.mean_log_probability))
