"""A unit of decoded items in, their outcomes out: what every runner does, wherever it runs."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glasses_signals.ledger.ledger import Outcome
from glasses_signals.media.pool import DecodeResult
from glasses_signals.policy.policy import Policy
from glasses_signals.records import Item, ItemState
from glasses_signals.runners.admission import Admitted, unread
from glasses_signals.runners.operators import Clock, Decoded, Judge, Judged, Recognise
from glasses_signals.speech.transcriber import SpeechSettings
from glasses_signals.vision.tagger import VisionSettings


@dataclass(frozen=True, slots=True)
class UnitResult:
    """What became of a unit, with the models behind it by stage, and the time it took by stage."""

    outcomes: tuple[Outcome, ...]
    counts: Counter[str]
    models: Mapping[str, Mapping[str, str]]
    providers: Mapping[str, str]
    seconds: Mapping[str, float]
    amounts: Mapping[str, float]


class UnitOperator:
    """Recognise, judge, and say what to store. Picklable; models are loaded on first use."""

    def __init__(self, speech: SpeechSettings, vision: VisionSettings, policy: Policy) -> None:
        self._recognise = Recognise(speech, vision)
        self._judge = Judge(policy)

    def __call__(self, unit: Sequence[tuple[Admitted, DecodeResult]]) -> UnitResult:
        self._recognise.clock, self._judge.clock = Clock(), Clock()
        counts: Counter[str] = Counter()
        outcomes: list[Outcome] = []
        good: list[tuple[Admitted, DecodeResult]] = []
        for admitted, media in unit:
            error = _decode_error(admitted.item, media)
            if error is None:
                good.append((admitted, media))
            else:
                counts["quarantined:file"] += 1
                outcomes.append(_quarantined(admitted, media, error))
        batch = [Decoded(admitted.item, admitted.account, media) for admitted, media in good]
        judged = self._judge(self._recognise(batch))
        for (admitted, media), verdict in zip(good, judged, strict=True):
            counts["used" if verdict.evidence else f"unused:{verdict.reason}"] += 1
            outcomes.append(_done(admitted, media, verdict))
        loaded = list(self._recognise.loaded())
        return UnitResult(
            outcomes=tuple(outcomes),
            counts=counts,
            models={**{stage: dict(used) for stage, used, _ in loaded}, **self._judge_models()},
            providers={stage: provider for stage, _, provider in loaded},
            seconds={**self._recognise.clock.seconds, **self._judge.clock.seconds},
            amounts={**self._recognise.clock.amounts, **self._judge.clock.amounts},
        )

    def _judge_models(self) -> dict[str, dict[str, str]]:
        return {"judge": dict(self._judge.models)}


def _done(admitted: Admitted, media: DecodeResult, verdict: Judged) -> Outcome:
    content = (admitted.item.text or "").encode() + (media.sha256 or "").encode()
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
