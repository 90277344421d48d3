"""A unit of decoded items in, their outcomes out: what every runner does, wherever it runs."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from glasses_signals.ledger.ledger import Outcome
from glasses_signals.media.pool import DecodeResult
from glasses_signals.policy.policy import Policy
from glasses_signals.records import Item, ItemState
from glasses_signals.runners.admission import Admitted, unread
from glasses_signals.runners.judge import Judge, Judged
from glasses_signals.runners.recognise import Clock, Decoded, Observed, Recognise
from glasses_signals.speech.transcriber import SpeechSettings
from glasses_signals.vision.ocr import decode_settings
from glasses_signals.vision.tagger import VisionSettings

UNIT_TEXTS = 16  # count as one item with media: a text costs little, and many keep all cores busy

Unit = Sequence[tuple[Admitted, DecodeResult]]
Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class UnitResult:
    """What became of a unit, with the models behind it by stage, and the time and work it took."""

    outcomes: tuple[Outcome, ...]
    counts: Counter[str]
    models: Mapping[str, Mapping[str, str]]
    providers: Mapping[str, str]
    clock: Clock


@dataclass(frozen=True, slots=True)
class Recognised:
    """A unit half done: what its items hold, media let go; and those that could not be used."""

    admitted: tuple[Admitted, ...]
    sha256: tuple[str | None, ...]
    observed: Sequence[Observed]
    unusable: tuple[Outcome, ...]
    models: Mapping[str, Mapping[str, str]]
    providers: Mapping[str, str]
    clock: Clock  # goes on in the second half


class UnitOperator:
    """Recognise, judge, and say what to store. Picklable; models are loaded on first use.

    `recognise` of one unit and `judge` of another may run at the same time, in two threads.
    """

    def __init__(self, speech: SpeechSettings, vision: VisionSettings, policy: Policy) -> None:
        self._recognise = Recognise(speech, vision)
        self._judge = Judge(policy, vision)
        self.decode_settings = decode_settings(vision.reader is not None)

    def __call__(self, unit: Unit) -> UnitResult:
        return self.judge(self.recognise(unit))

    def recognise(self, unit: Unit) -> Recognised:
        """The half that needs media: models for sound and pictures."""
        good: list[tuple[Admitted, DecodeResult]] = []
        unusable: list[Outcome] = []
        for admitted, media in unit:
            error = _decode_error(admitted.item, media)
            if error is None:
                good.append((admitted, media))
            else:
                unusable.append(_quarantined(admitted, media, error))
        clock = Clock()
        batch = [Decoded(admitted.item, admitted.account, media) for admitted, media in good]
        observed = self._recognise(batch, clock)
        loaded = list(self._recognise.loaded())
        return Recognised(
            admitted=tuple(admitted for admitted, _ in good),
            sha256=tuple(media.sha256 for _, media in good),
            observed=observed,
            unusable=tuple(unusable),
            models={stage: dict(used) for stage, used, _ in loaded},
            providers={stage: provider for stage, _, provider in loaded},
            clock=clock,
        )

    def judge(self, unit: Recognised) -> UnitResult:
        """The half that needs words and labels only."""
        judged = self._judge(unit.observed, unit.clock)
        counts = Counter({"quarantined:file": len(unit.unusable)})
        counts.update("used" if v.evidence else f"unused:{v.reason}" for v in judged)
        done = map(_done, unit.admitted, unit.sha256, judged)
        return UnitResult(
            outcomes=(*unit.unusable, *done),
            counts=counts,
            models={**unit.models, "judge": dict(self._judge.models)},
            providers=unit.providers,
            clock=unit.clock,
        )


def gather(
    entries: Iterable[Entry], unit_items: int, weight_of: Callable[[Entry], float]
) -> Iterator[list[Entry]]:
    """Lists of entries that weigh `unit_items` together, in order; the last may weigh less."""
    unit: list[Entry] = []
    filled = 0.0
    for entry in entries:
        unit.append(entry)
        filled += weight_of(entry)
        if filled >= unit_items:
            yield unit
            unit, filled = [], 0.0
    if unit:
        yield unit


def weight(admitted: Admitted) -> float:
    """How much of a unit an item fills: one item's worth, or less if it is only text."""
    return 1.0 if admitted.item.path is not None else 1 / UNIT_TEXTS


def _done(admitted: Admitted, sha256: str | None, verdict: Judged) -> Outcome:
    content = (admitted.item.text or "").encode() + (sha256 or "").encode()
    return Outcome(
        admitted.item,
        ItemState.DONE,
        evidence=verdict.evidence,
        fingerprint=admitted.fingerprint,
        sha256=hashlib.sha256(content).hexdigest(),
        hushed=verdict.sensitive,
    )


def _quarantined(admitted: Admitted, media: DecodeResult, error: str) -> Outcome:
    seen = admitted.fingerprint
    return Outcome(
        admitted.item,
        ItemState.QUARANTINED,
        fingerprint=seen if media.sha256 is not None else unread(seen),
        reason=error,
    )


def _decode_error(item: Item, media: DecodeResult) -> str | None:
    if media.error is not None:
        return media.error
    if item.declared_sha256 is not None and item.declared_sha256 != media.sha256:
        return (
            "the file's sha256 differs from the manifest's: it was changed or cut on the way; "
            "upload the bundle again"
        )
    return None
