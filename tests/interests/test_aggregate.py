"""Aggregation over evidence: what raises, what doesn't, and that order never matters."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasses_signals.interests.aggregate import MAX_CONFIDENCE, aggregate, watched_confidence
from glasses_signals.policy.policy import Policy, load_policy
from glasses_signals.records import Evidence, Interest, InterestKind, Modality, Source

AS_OF = datetime(2026, 2, 1, tzinfo=UTC)


def decay(**changes: float) -> Policy:
    """A policy that emits everything, but for `changes`."""
    plain = {"half_life_days": 60.0, "retention_days": 180.0}
    minima = {"min_confidence": 0.0, "min_score": 0.0, "min_occurrences": 1}
    return replace(load_policy(), **(plain | minima | changes))  # type: ignore[arg-type]


DECAY = decay()


def seen(days_ago: float, confidence: float = 0.6, item: str | None = None) -> Evidence:
    return Evidence(
        account_id="a",
        item_id=item or f"item-{days_ago}",
        interest_id="625",
        kind=InterestKind.INTEREST,
        source=Source.CHAT,
        modality=Modality.TEXT,
        captured_at=AS_OF - timedelta(days=days_ago),
        confidence=confidence,
        rule="text",
    )


def one(*evidence: Evidence, policy: Policy = DECAY) -> Interest:
    (interest,) = aggregate(evidence, policy, AS_OF)
    return interest


lines = st.lists(
    st.builds(
        Evidence,
        account_id=st.just("a"),
        item_id=st.sampled_from([f"i{n}" for n in range(6)]),
        interest_id=st.sampled_from(["625", "543", "1637"]),
        kind=st.just(InterestKind.INTEREST),
        source=st.sampled_from(Source),
        modality=st.sampled_from(Modality),
        captured_at=st.integers(0, 60 * 24 * 200).map(lambda m: AS_OF - timedelta(minutes=m)),
        confidence=st.floats(0, 1),
        rule=st.sampled_from(["text", "label"]),
        labels=st.sampled_from([(), ("dog",)]),
    ),
    max_size=12,
)


@given(lines.flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_the_order_of_evidence_makes_no_difference(
    pair: tuple[list[Evidence], list[Evidence]],
) -> None:
    assert aggregate(pair[0], DECAY, AS_OF) == aggregate(pair[1], DECAY, AS_OF)


def test_evidence_of_no_confidence_counts_for_nothing() -> None:
    assert aggregate([seen(1, confidence=0.0)], DECAY, AS_OF) == []
    assert one(seen(9), seen(1, confidence=0.0)) == one(seen(9))


@given(lines)
def test_evidence_given_twice_changes_nothing(found: list[Evidence]) -> None:
    assert aggregate(found + found, DECAY, AS_OF) == aggregate(found, DECAY, AS_OF)


@given(lines)
def test_figures_stay_within_bounds_and_ids_ascend(found: list[Evidence]) -> None:
    interests = aggregate(found, DECAY, AS_OF)
    assert [i.interest_id for i in interests] == sorted((i.interest_id for i in interests), key=int)
    for interest in interests:
        assert 0 <= interest.score <= MAX_CONFIDENCE
        assert 0 <= interest.confidence <= MAX_CONFIDENCE
        assert interest.first_seen <= interest.last_seen <= AS_OF < interest.expires_at
        assert sum(n for _, n in interest.sources) == interest.evidence_count
        assert sum(n for _, n in interest.modalities) == interest.evidence_count


@given(lines, st.integers(0, 400))
def test_waiting_never_raises_the_score_of_the_same_evidence(
    found: list[Evidence], days: int
) -> None:
    then = AS_OF + timedelta(days=days)
    held = [e for e in found if e.captured_at > then - timedelta(days=DECAY.retention_days)]
    later = {interest.interest_id: interest.score for interest in aggregate(held, DECAY, then)}
    for interest in aggregate(held, DECAY, AS_OF):
        assert later.get(interest.interest_id, 0.0) <= interest.score


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=8), st.floats(0.01, 1))
def test_a_further_independent_capture_never_lowers(sure: list[float], more: float) -> None:
    before = one(*(seen(2 * n, p) for n, p in enumerate(sure)))
    after = one(*(seen(2 * n, p) for n, p in enumerate([*sure, more])))
    assert after.confidence >= before.confidence
    assert after.score >= before.score


def test_repeated_independent_captures_raise_confidence_and_score() -> None:
    once, thrice = one(seen(9)), one(seen(9), seen(5), seen(1))
    assert thrice.confidence > once.confidence + 0.1
    assert thrice.score > once.score + 0.1


def test_one_burst_counts_as_one_mention() -> None:
    burst = [seen(3 + n / 1440, 0.6 - n / 100, f"photo-{n}") for n in range(20)]
    assert one(*burst).confidence == one(seen(3)).confidence
    assert one(*burst).evidence_count == 20


def test_the_same_message_hours_later_is_a_repeat_and_days_later_is_not() -> None:
    first = seen(9)
    hours, days = seen(8.5), seen(5)
    assert one(first, hours).confidence == one(first).confidence
    assert one(first, days).confidence > one(first).confidence


def test_another_message_hours_later_is_independent() -> None:
    assert one(seen(9), seen(8.5, 0.5)).confidence > one(seen(9)).confidence


def test_many_lines_of_one_item_count_once_with_the_surest() -> None:
    frames = [seen(3, p, "video") for p in (0.4, 0.7, 0.5)]
    assert one(*frames).confidence == 0.7
    assert one(*frames).evidence_count == 1


def test_score_halves_with_the_half_life() -> None:
    fresh, old = one(seen(0, 0.8)), one(seen(60, 0.8))
    assert fresh.score == 0.4
    assert old.score == 0.2
    assert old.confidence == fresh.confidence


def test_interests_expire_with_the_retention() -> None:
    interest = one(seen(100))
    assert interest.expires_at == AS_OF + timedelta(days=80)
    assert aggregate([seen(100)], DECAY, interest.expires_at - timedelta(seconds=1))
    assert aggregate([seen(100)], DECAY, interest.expires_at) == []


def test_a_capture_of_the_running_day_counts_as_brand_new() -> None:
    assert one(seen(-0.7)).score == one(seen(0)).score


def test_one_weak_mention_is_not_emitted_but_several_are() -> None:
    policy = decay(min_confidence=0.6)
    assert aggregate([seen(3, 0.5)], policy, AS_OF) == []
    assert aggregate([seen(9, 0.5), seen(3, 0.45)], policy, AS_OF) != []


def test_policy_can_ask_for_several_items_and_a_min_score() -> None:
    assert aggregate([seen(3, 0.9)], decay(min_occurrences=2), AS_OF) == []
    assert aggregate([seen(170, 0.9)], decay(min_score=0.1), AS_OF) == []


def test_sources_and_modalities_are_counted() -> None:
    photo = replace(seen(1, item="p"), source=Source.GLASSES, modality=Modality.PHOTO)
    interest = one(photo, seen(5), seen(9))
    assert interest.sources == (("chat", 2), ("glasses", 1))
    assert interest.modalities == (("photo", 1), ("text", 2))


@pytest.mark.parametrize(
    ("share", "expected"), [(None, 0), (0.0, 0), (0.5, 0.4), (1.0, 0.8), (3.0, 0.8), (-1.0, 0)]
)
def test_a_feed_video_counts_by_its_watched_share(share: float | None, expected: float) -> None:
    assert watched_confidence(0.8, share) == pytest.approx(expected)


def test_numbers_have_four_digits_and_no_more() -> None:
    found = one(seen(1, 1 / 3), seen(20, 2 / 7))
    for value in (found.score, found.confidence):
        assert value == round(value, 4) != round(value, 3)
