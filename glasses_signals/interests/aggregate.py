"""From single pieces of evidence to what an account is interested in, as of a moment.

With evidence of one account and node cut into *bursts* (below), of which burst b has probability
p_b (0..1, calibrated by the mapper) and age a_b days, and k_b its place among the bursts by
falling p (0, 1, 2, ...):

    confidence = 1 - prod_b (1 - p_b * REPEAT_WEIGHT ** k_b)
    score      = 1 - prod_b (1 - p_b * MENTION_STRENGTH * 2 ** (-a_b / half_life_days))

Both are noisy-or gates (Pearl, "Probabilistic Reasoning in Intelligent Systems", 1988, section
4.3.2): each burst alone may be the reason that the interest holds. Its assumption, that causes
fail independently, is too generous for one wearer's captures judged by one mapper, which can make
the same mistake twice; so in the confidence each further burst weighs REPEAT_WEIGHT times the one
before it. In the score a burst fades by exponential decay with the policy's half-life.

Cut into bursts: one item counts once, with its most probable line; captures within BURST of a
burst's first capture belong to that burst, and so do captures within REPEAT_SPAN of it that look
like a repeat of one in it (same source, modality, rule, labels and confidence to four digits). A
burst is as probable as its most probable line: twenty photos of one dog in a minute are one
mention of dogs, while dogs on three days are three.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from glasses_signals.policy.policy import Policy
from glasses_signals.records import Evidence, Interest

MENTION_STRENGTH = 0.5  # one sure mention now gives a score of a half, four give 0.94
REPEAT_WEIGHT = 0.5
BURST = timedelta(minutes=30)
REPEAT_SPAN = timedelta(hours=24)
MAX_CONFIDENCE = 0.99  # nothing inferred is ever certain
DIGITS = 4
DAY_S = 86_400.0


def aggregate(evidence: Iterable[Evidence], policy: Policy, as_of: datetime) -> list[Interest]:
    """One account's interests as of `as_of`, by ascending taxonomy id; formulas above.

    Evidence older than the retention doesn't count; evidence from after `as_of`, of which the
    account gate lets through what a day's start leaves out, counts as brand-new. Interests under
    the policy's minimum confidence, score or number of items are left out. The order of `evidence`
    makes no difference, down to the last bit.
    """
    oldest = as_of - timedelta(days=policy.retention_days)
    by_node: defaultdict[str, list[Evidence]] = defaultdict(list)
    for line in evidence:
        if line.captured_at > oldest and line.confidence > 0:
            by_node[line.interest_id].append(line)
    found = (_interest(lines, policy, as_of) for lines in by_node.values())
    return sorted(
        (
            interest
            for interest in found
            if interest.confidence >= policy.min_confidence
            and interest.score >= policy.min_score
            and interest.evidence_count >= policy.min_occurrences
        ),
        key=lambda interest: int(interest.interest_id),
    )


def watched_confidence(confidence: float, watched_share: float | None) -> float:
    """The confidence of evidence from a feed video that was watched to `watched_share` (0..1).

    A skipped video says nothing; one watched to the end says what its caption or frames say.
    Unknown counts as skipped.
    """
    if watched_share is None or math.isnan(watched_share):
        return 0.0
    return confidence * min(max(watched_share, 0.0), 1.0)


def _interest(lines: Sequence[Evidence], policy: Policy, as_of: datetime) -> Interest:
    items = _one_per_item(lines)
    bursts = _bursts(items)
    sure = sorted((max(line.confidence for line in burst) for burst in bursts), reverse=True)
    missed = math.prod(1 - p * REPEAT_WEIGHT**place for place, p in enumerate(sure))
    faded = math.prod(
        1 - MENTION_STRENGTH * max(line.confidence for line in burst) * _decay(burst, policy, as_of)
        for burst in bursts
    )
    last_seen = items[-1].captured_at
    return Interest(
        interest_id=items[0].interest_id,
        kind=items[0].kind,
        score=_bounded(1 - faded),
        confidence=_bounded(1 - missed),
        first_seen=items[0].captured_at,
        last_seen=last_seen,
        expires_at=last_seen + timedelta(days=policy.retention_days),
        evidence_count=len(items),
        sources=_counts(line.source.value for line in items),
        modalities=_counts(line.modality.value for line in items),
    )


def _one_per_item(lines: Sequence[Evidence]) -> list[Evidence]:
    """The most probable line of each item, in an order that depends on nothing but the lines."""
    best: dict[str, Evidence] = {}
    for line in sorted(lines, key=_total_order):
        best.setdefault(line.item_id, line)
    return sorted(best.values(), key=lambda line: (line.captured_at, line.item_id))


def _bursts(items: Sequence[Evidence]) -> list[list[Evidence]]:
    """`items` by time, cut as the module says; each burst in time order."""
    bursts: list[list[Evidence]] = []
    last_alike: dict[tuple[object, ...], list[Evidence]] = {}
    for line in items:
        alike = _signature(line)
        burst = last_alike.get(alike)
        if burst is None or line.captured_at - burst[0].captured_at > REPEAT_SPAN:
            if not bursts or line.captured_at - bursts[-1][0].captured_at > BURST:
                bursts.append([])
            burst = bursts[-1]
        burst.append(line)
        last_alike[alike] = burst
    return bursts


def _decay(burst: Sequence[Evidence], policy: Policy, as_of: datetime) -> float:
    age_days = (as_of - burst[-1].captured_at).total_seconds() / DAY_S
    return float(2.0 ** (-max(age_days, 0.0) / policy.half_life_days))


def _signature(line: Evidence) -> tuple[object, ...]:
    return line.source, line.modality, line.rule, line.labels, round(line.confidence, DIGITS)


def _total_order(line: Evidence) -> tuple[object, ...]:
    return (
        -line.confidence,
        line.captured_at,
        line.item_id,
        line.source,
        line.modality,
        line.rule,
        line.labels,
    )


def _bounded(value: float) -> float:
    return round(min(max(value, 0.0), MAX_CONFIDENCE), DIGITS)


def _counts(values: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(values).items()))
