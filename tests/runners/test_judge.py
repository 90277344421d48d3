"""What was heard counts as far as it is certain that it was said."""

import math
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import pytest

from glasses_signals.policy.policy import load_policy
from glasses_signals.records import (
    Evidence,
    Hearing,
    Item,
    ItemKind,
    Modality,
    Source,
    TextLine,
    Transcript,
    Utterance,
)
from glasses_signals.runners.judge import Judge
from glasses_signals.runners.recognise import Clock, Observed, Spoken, observed_of

SAID = "Where can I buy good hiking boots?"
NOW = datetime(2026, 2, 1, tzinfo=UTC)


def item(kind: ItemKind) -> Item:
    return Item("1", "a", Source.GLASSES, kind, NOW, True)


@cache
def judge(spoken_confidence: float) -> Judge:
    least = {"spoken_confidence": spoken_confidence, "twice_confidence": spoken_confidence}
    return Judge(replace(load_policy(), **least))


def evidence(observed: Observed, spoken_confidence: float = 0.5) -> tuple[Evidence, ...]:
    (judged,) = judge(spoken_confidence)([observed], Clock())
    assert judged.reason == (None if judged.evidence else "no_interest")
    return judged.evidence


@pytest.mark.parametrize("kind", [ItemKind.VOICE, ItemKind.VIDEO])
def test_words_that_are_hardly_certain_suggest_nothing(kind: ItemKind) -> None:
    assert evidence(Observed(item(kind), spoken=(Spoken(SAID, 0.95),)))
    assert not evidence(Observed(item(kind), spoken=(Spoken(SAID, 0.3),)))
    assert evidence(Observed(item(kind), spoken=(Spoken(SAID, 0.3),)), 0.0)


def test_doubt_about_one_utterance_leaves_the_others_and_their_confidence() -> None:
    alone = evidence(Observed(item(ItemKind.VOICE), spoken=(Spoken(SAID, 0.95),)))
    both = Observed(
        item(ItemKind.VOICE),
        spoken=(Spoken(SAID, 0.8), Spoken("I play golf every Sunday.", 0.2)),
    )
    assert evidence(both) == alone


def test_what_may_be_sensitive_needs_words_that_are_more_certain() -> None:
    doubtful = "a strike base tiny, so find cheap dinner recipes for four"
    (verdict,) = judge(0.5).texts([doubtful])
    assert verdict.interests and verdict.excluded is None and verdict.harmless < 0.9
    best = max(interest.confidence for interest in verdict.interests)
    enough = 0.5 / best / verdict.harmless
    for certain, counts in ((enough - 0.01, False), (enough + 0.01, True)):
        heard = Observed(item(ItemKind.VOICE), spoken=(Spoken(doubtful, certain),))
        assert bool(evidence(heard)) == counts


def test_what_was_written_is_certain() -> None:
    found = evidence(Observed(item(ItemKind.TEXT), written=(SAID,)))
    assert found and {one.modality for one in found} == {Modality.TEXT}


def test_certainty_is_the_recognisers_for_the_wearers_words() -> None:
    utterances = (
        Utterance(0, 1, "Far away.", -0.9, speaker="bystander"),
        Utterance(1, 2, SAID, 0.0),
    )
    observed = observed_of(item(ItemKind.VOICE), Transcript("en", utterances))
    assert observed.spoken == (Spoken(SAID, 1.0),)


def said_twice(text: str, certain: float, again: str, again_certain: float) -> Observed:
    return Observed(item(ItemKind.VOICE), spoken=(Spoken(text, certain, again, again_certain),))


def test_what_two_listeners_suggest_needs_less_of_each() -> None:
    alone = Observed(item(ItemKind.VOICE), spoken=(Spoken(SAID, 0.4),))
    assert not evidence(alone)
    assert evidence(said_twice(SAID, 0.4, "Where can I get good hiking boots?", 0.4))


def test_what_only_one_listener_suggests_must_be_sure() -> None:
    other = "what is it that you said to me"
    (verdict,) = judge(0.5).texts([SAID])
    surest = max(interest.confidence for interest in verdict.interests)
    heard = said_twice(SAID, 0.95, other, 0.95)
    for lone, counts in ((surest - 0.01, True), (surest + 0.001, False)):
        policy = replace(load_policy(), twice_confidence=0.5, lone_confidence=lone)
        (judged,) = Judge(policy)([heard], Clock())
        assert bool(judged.evidence) == counts


@pytest.mark.parametrize("again_is_sensitive", [True, False])
def test_what_either_listener_hears_as_sensitive_is_left_out(again_is_sensitive: bool) -> None:
    texts = (SAID, "where is the next catholic church with a sunday mass")
    first, second = texts if again_is_sensitive else texts[::-1]
    (judged,) = judge(0.5)([said_twice(first, 0.9, second, 0.9)], Clock())
    assert judged.evidence == () and judged.reason == "sensitive:religion"


def test_a_second_hearing_goes_from_the_transcript_to_the_gate() -> None:
    utterance = Utterance(0, 1, "Noise.", math.log(0.5), again=Hearing(SAID, math.log(0.8)))
    [spoken] = observed_of(item(ItemKind.VOICE), Transcript("en", (utterance,))).spoken
    assert (spoken.text, spoken.again) == ("Noise.", SAID)
    assert (spoken.certain, spoken.again_certain) == pytest.approx((0.5, 0.8))


def test_what_was_heard_once_must_reach_more_than_what_was_heard_twice() -> None:
    policy = replace(load_policy(), spoken_confidence=0.99, twice_confidence=0.2)
    once = Observed(item(ItemKind.VOICE), spoken=(Spoken(SAID, 0.9),))
    first, second = Judge(policy)([once, said_twice(SAID, 0.9, SAID, 0.9)], Clock())
    assert not first.evidence and second.evidence


def test_what_is_sensitive_only_over_a_pause_counts_by_either_listener() -> None:
    cut = Spoken("How do I read the", 0.9)
    for part, reason in (
        (Spoken("hobby book?", 0.9), None),
        (Spoken("holy book?", 0.9, "hobby book?", 0.9), "sensitive:religion"),
        (Spoken("hobby book?", 0.9, "holy book?", 0.9), "sensitive:religion"),
    ):
        (judged,) = judge(0.5)([Observed(item(ItemKind.VOICE), spoken=(cut, part))], Clock())
        assert (judged.reason, bool(judged.evidence)) == (reason, reason is None)


@pytest.mark.parametrize("cut_first", [True, False])
def test_what_another_person_goes_on_with_counts_by_either_listener(cut_first: bool) -> None:
    cut, other = "How do I read the", "Nice weather today"
    heard = Spoken(*((cut, 0.9, other, 0.9) if cut_first else (other, 0.9, cut, 0.9)))
    for after, sensitive in (("hobby book?", False), ("holy book?", True)):
        together = Observed(item(ItemKind.VOICE), spoken=(heard,), bystander=(after,))
        (judged,) = judge(0.5)([together], Clock())
        assert (judged.reason == "sensitive:religion") == sensitive


def test_of_two_listeners_either_may_be_right_about_what_is_harmless() -> None:
    doubtful = "a strike base tiny, so find cheap dinner recipes for four"
    plain = "find cheap dinner recipes for four"
    first, second = judge(0.5).texts([doubtful, plain])
    assert first.harmless < second.harmless
    ids = {i.interest_id: i.confidence for i in first.interests}
    shared = [(ids[i.interest_id], i.confidence) for i in second.interests if i.interest_id in ids]
    certain = 0.5  # of both listeners
    sure = max(1 - (1 - a * certain) * (1 - b * certain) for a, b in shared)
    bound = sure * (first.harmless + second.harmless) / 2
    heard = said_twice(doubtful, certain, plain, certain)
    for least, counts in ((bound - 0.005, True), (bound + 0.005, False)):
        policy = replace(load_policy(), twice_confidence=least, lone_confidence=1.0)
        (judged,) = Judge(policy)([heard], Clock())
        assert bool(judged.evidence) == counts


def test_a_sign_in_the_picture_counts_whatever_was_heard() -> None:
    """Its words are read once: no second listener makes up for them."""
    line = TextLine("a strike base tiny, so find cheap dinner recipes for four", 1.0, 1)
    (read,) = judge(0.5).texts([line.text])
    video = Observed(item(ItemKind.VIDEO), spoken=(Spoken(SAID, 0.9, SAID, 0.9),))
    (alone,) = judge(0.0)([video], Clock())
    best = max(e.confidence for e in alone.evidence)
    sure = 1 - (1 - 0.9 * best) ** 2
    for least, counts in (
        (sure * read.harmless - 0.02, True),
        (sure * read.harmless + 0.02, False),
    ):
        policy = replace(load_policy(), twice_confidence=least)
        (judged,) = Judge(policy)([replace(video, printed=((line,),))], Clock())
        heard = {e.modality for e in judged.evidence}
        assert (Modality.VIDEO in heard) == counts
