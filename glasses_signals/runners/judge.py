"""The second batch operator of the main job: judge what was recognised.

Picklable, and loads its models on first use, so any engine can run it in any process.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from time import perf_counter

from glasses_signals.interests.aggregate import watched_confidence
from glasses_signals.interests.label_mapper import LabelMapper, label_mapper
from glasses_signals.interests.verdicts import TextVerdicts, Verdict, first_reason
from glasses_signals.policy.policy import Policy
from glasses_signals.policy.printed import printed_topic
from glasses_signals.policy.sensitive import blocked_nodes
from glasses_signals.records import (
    Evidence,
    Item,
    ItemKind,
    MappedInterest,
    Modality,
    Source,
    TextLine,
)
from glasses_signals.runners.recognise import Clock, Observed, Spoken
from glasses_signals.vision.ocr import passages
from glasses_signals.vision.tagger import VisionSettings

READ_RULE = "text in the picture"
# Names and torn-off words come near many topics: of 170 dev photos, watermarks gave two interests
# of 0.6, while the signs of the tests give theirs from 0.75 up.
PRINTED_AT = 0.7


@dataclass(frozen=True, slots=True)
class Judged:
    """The evidence of one item, or the reason why it gives none."""

    item: Item
    evidence: tuple[Evidence, ...]
    reason: str | None  # "sensitive:<topic>", "language_unsupported", "nothing_recognised", ...

    @property
    def sensitive(self) -> bool:
        return self.reason is not None and self.reason.startswith("sensitive:")


class Judge:
    """Observations in, evidence out: the sensitive gate over all of an item, then the mappers.

    One sensitive sentence, word in a picture or label drops the whole item: what is left of it
    could tell the same.
    """

    def __init__(self, policy: Policy, vision: VisionSettings | None = None) -> None:
        self._policy = policy
        self._vision = vision or VisionSettings()

    @cached_property
    def texts(self) -> TextVerdicts:
        return TextVerdicts(self._policy)

    @cached_property
    def labels(self) -> LabelMapper:
        return label_mapper(self._vision.model, self._vision.labels)

    @property
    def models(self) -> Mapping[str, str]:
        return self.texts.models if "texts" in self.__dict__ else {}

    def __call__(self, batch: Sequence[Observed], clock: Clock) -> list[Judged]:
        """One judgement an item, in order; its time goes to `clock`."""
        started = perf_counter()
        wanted = list(dict.fromkeys(text for o in batch for text in _texts(o)))
        verdicts = dict(zip(wanted, self.texts(wanted), strict=True)) if wanted else {}
        judged = [self._judge(observed, verdicts) for observed in batch]
        clock.add("interests", started, texts=len(wanted))
        return judged

    def _judge(self, observed: Observed, verdicts: Mapping[str, Verdict]) -> Judged:
        seen = [self.labels.map(picture) for picture in observed.pictures]
        reasons = [verdicts[text].excluded for text in _texts(observed)]
        reasons += [reason for lines in observed.printed for reason in printed_reasons(lines)]
        reasons += [verdict.excluded for verdict in seen]
        excluded = first_reason(reasons) or observed.unusable
        if excluded is not None:
            return Judged(observed.item, (), excluded)
        found: dict[tuple[str, Modality], Evidence] = {}
        harmless = _harmless(observed, verdicts)
        heard = Modality.VIDEO if observed.item.kind is ItemKind.VIDEO else Modality.VOICE
        for spoken in observed.spoken:
            twice = spoken.again is not None
            least = self._policy.twice_confidence if twice else self._policy.spoken_confidence
            for interest, certain in heard_interests(
                spoken, verdicts, self._policy.lone_confidence
            ):
                if certain * harmless >= least:
                    _keep_best(found, _evidence(observed.item, interest, heard, "text"))
        for text in observed.written:
            for interest in verdicts[text].interests:
                _keep_best(found, _evidence(observed.item, interest, Modality.TEXT, "text"))
        for lines in observed.printed:
            for interest in printed_interests(lines, verdicts):
                _keep_best(found, _evidence(observed.item, interest, Modality.OCR, READ_RULE))
        modality = Modality.VIDEO if observed.item.kind is ItemKind.VIDEO else Modality.PHOTO
        for verdict in seen:
            for interest in verdict.interests:
                _keep_best(
                    found,
                    _evidence(observed.item, interest, modality, "label", verdict.labels),
                )
        blocked = blocked_nodes()
        evidence = tuple(
            e for _, e in sorted(found.items()) if e.interest_id not in blocked and e.confidence > 0
        )
        return Judged(observed.item, evidence, None if evidence else _why_nothing(observed))


def _texts(observed: Observed) -> Iterator[str]:
    """All that the gate must read."""
    for heard in _heard_texts(observed):
        yield from heard
    yield from _read_texts(observed)


def _heard_texts(observed: Observed) -> list[list[str]]:
    """What the first listener heard and what the second did: each part of a recording by itself,
    and with the one after it."""
    first = tuple(one.text for one in observed.spoken) + observed.bystander
    second = tuple(one.again or one.text for one in observed.spoken) + observed.bystander
    return [
        [*heard, *(f"{part} {after}" for part, after in itertools.pairwise(heard))]
        for heard in (first, second)
    ]


def _read_texts(observed: Observed) -> Iterator[str]:
    yield from observed.written
    for lines in observed.printed:
        yield from texts_in_picture(lines)


def _harmless(observed: Observed, verdicts: Mapping[str, Verdict]) -> float:
    """How likely all of an item touches no excluded topic, 0..1, for texts that passed the gate:
    that of its worst text. Of two listeners one as likely as the other is right: their mean."""

    def worst(texts: Iterable[str]) -> float:
        return min((verdicts[text].harmless for text in texts), default=1.0)

    return min(fmean(map(worst, _heard_texts(observed))), worst(_read_texts(observed)))


def heard_interests(
    spoken: Spoken, verdicts: Mapping[str, Verdict], lone_confidence: float
) -> Iterator[tuple[MappedInterest, float]]:
    """What words suggest, and how certain it is that they were said and mean it, 0..1.

    What two listeners' words suggest is certain if either is right. Where only one's do, the other
    has heard something else: it must be as sure by its words as `lone_confidence`.
    """
    first = {i.interest_id: i for i in verdicts[spoken.text].interests}
    if spoken.again is None:
        yield from ((i, i.confidence * spoken.certain) for i in first.values())
        return
    second = {i.interest_id: i for i in verdicts[spoken.again].interests}
    for id_ in sorted(first.keys() | second.keys()):
        heard = [
            (one[id_], certain)
            for one, certain in ((first, spoken.certain), (second, spoken.again_certain))
            if id_ in one
        ]
        best = max((interest for interest, _ in heard), key=lambda i: i.confidence)
        if len(heard) == 2 or best.confidence >= lone_confidence:
            wrong = math.prod(1 - i.confidence * certain for i, certain in heard)
            yield best, 1 - wrong


def texts_in_picture(lines: Sequence[TextLine]) -> Iterator[str]:
    """What the gate must read of a picture: its lines, its paragraphs, and all of it together."""
    together = passages(lines)
    yield from (line.text for line in lines)
    yield from together
    if together:
        yield " ".join(together)


def printed_reasons(lines: Sequence[TextLine]) -> list[str]:
    """Why a picture must not be used by the way its text is printed, whatever the gate says."""
    topics = (printed_topic(text) for text in texts_in_picture(lines))
    return [f"sensitive:{topic}" for topic in topics if topic is not None]


def printed_interests(
    lines: Sequence[TextLine], verdicts: Mapping[str, Verdict]
) -> Iterator[MappedInterest]:
    """What the paragraphs of a picture suggest, where that is sure."""
    for text in passages(lines):
        yield from (i for i in verdicts[text].interests if i.confidence >= PRINTED_AT)


def _evidence(
    item: Item,
    interest: MappedInterest,
    modality: Modality,
    rule: str,
    labels: tuple[str, ...] = (),
) -> Evidence:
    confidence = interest.confidence
    if item.source is Source.FEED:
        confidence = watched_confidence(confidence, item.watched_share)
    return Evidence(
        account_id=item.account_id,
        item_id=item.item_id,
        interest_id=interest.interest_id,
        kind=interest.kind,
        source=item.source,
        modality=modality,
        captured_at=item.captured_at,
        confidence=confidence,
        rule=rule,
        labels=labels,
    )


def _keep_best(found: dict[tuple[str, Modality], Evidence], evidence: Evidence) -> None:
    """A video counts once per interest, not once per frame."""
    key = (evidence.interest_id, evidence.modality)
    if key not in found or found[key].confidence < evidence.confidence:
        found[key] = evidence


def _why_nothing(observed: Observed) -> str:
    if observed.spoken or observed.written or any(observed.pictures) or any(observed.printed):
        return "no_interest"
    return "only_bystanders" if observed.bystander else "nothing_recognised"
