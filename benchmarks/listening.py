"""Recordings heard and judged as in a job: speech, language check, sensitive gate, mapper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from glasses_signals.interests.verdicts import Verdict
from glasses_signals.media.decode import DecodeResult
from glasses_signals.records import Account, Item, ItemKind, MappedInterest, Source, Waveform
from glasses_signals.runners.judge import Judged
from glasses_signals.runners.recognise import Clock, Decoded, Observed, Recognise
from glasses_signals.speech.transcriber import SpeechSettings
from glasses_signals.vision.tagger import VisionSettings


def observed(waves: Sequence[Waveform]) -> list[Observed]:
    """As a job hears them: recordings of an account that has not named its languages."""
    now = datetime.now(UTC)
    account = Account("a", "US", frozenset({"glasses"}), now, False, False)
    decoded = [
        Decoded(
            Item(str(i), "a", Source.GLASSES, ItemKind.VOICE, now, True),
            account,
            DecodeResult(str(i), waveform=wave),
        )
        for i, wave in enumerate(waves)
    ]
    return Recognise(SpeechSettings(), VisionSettings())(decoded, Clock())


def verdicts(judged: Iterable[Judged]) -> list[Verdict]:
    """What came of each recording, as of a text."""
    return [
        Verdict(
            tuple(MappedInterest(e.interest_id, e.kind, e.confidence) for e in one.evidence),
            None
            if one.evidence or one.reason in ("no_interest", "nothing_recognised")
            else one.reason,
        )
        for one in judged
    ]
