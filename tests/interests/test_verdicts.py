"""Texts all the way: language check, sensitive gate, mapper, on the built encoder."""

import pytest

from glasses_signals.interests import verdicts
from glasses_signals.interests.verdicts import LANGUAGE_UNSUPPORTED, TextVerdicts, Verdict
from glasses_signals.policy.policy import load_policy
from glasses_signals.text.encoder import EncoderSettings

TEXTS = [
    "play some jazz",
    "how do I bake sourdough bread",
    "flip a coin",
    "which church has the latest mass on sunday",
    "¿dónde está la biblioteca más cercana?",
    "where can I buy hiking boots, and is the trail open",
]


@pytest.fixture(scope="module")
def judge() -> TextVerdicts:
    return TextVerdicts(load_policy())


def test_each_text_gets_its_interest_or_the_reason_why_not(judge: TextVerdicts) -> None:
    jazz, bread, coin, church, spanish, boots = judge(TEXTS)
    assert jazz.interests and bread.interests and boots.interests
    assert coin == Verdict(harmless=coin.harmless) and 0.9 < coin.harmless < 1
    assert church.excluded == "sensitive:religion"
    assert spanish.excluded == LANGUAGE_UNSUPPORTED
    assert not church.interests and not spanish.interests


def test_a_text_is_judged_alike_alone_in_company_and_again(judge: TextVerdicts) -> None:
    together = judge([*TEXTS, *(f"remind me at {hour}" for hour in range(1, 12))])[: len(TEXTS)]
    another = TextVerdicts(load_policy())
    assert [another([text])[0] for text in TEXTS[:3]] == together[:3]
    assert judge(TEXTS) == together == [judge([text])[0] for text in TEXTS]


def test_a_text_that_comes_again_is_judged_once(
    judge: TextVerdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = judge(["what a lovely recipe for soup"] * 3)
    asked: list[list[str]] = []
    real = judge._judged

    def counted(texts: list[str]) -> dict[str, Verdict]:
        asked.append(texts)
        return real(texts)

    monkeypatch.setattr(judge, "_judged", counted)
    assert judge(["what a lovely recipe for soup", "and a new one"])[:1] == first[:1]
    assert asked == [["and a new one"]]


def test_what_is_remembered_is_bounded_and_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "MOST_KNOWN", 4)
    judge = TextVerdicts(load_policy())
    before = judge(TEXTS)
    assert len(judge._known) == 4
    assert all(isinstance(known, bytes) and len(known) == 16 for known in judge._known)
    assert judge(TEXTS) == before


@pytest.mark.parametrize("threads", [1, 3])
def test_lanes_and_the_cut_into_chunks_change_nothing(
    judge: TextVerdicts, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    texts = [*TEXTS, *(f"{text}, please" for text in TEXTS)]
    monkeypatch.setattr(verdicts, "CHUNK_TEXTS", 2)
    assert TextVerdicts(load_policy(), EncoderSettings(threads=threads))(texts) == judge(texts)


def test_nothing_and_odd_texts_are_no_trouble(judge: TextVerdicts) -> None:
    assert judge([]) == []
    assert all(not odd.interests for odd in judge(["", " ", "🙂", "a" * 5000]))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_plain_requests_are_understood_in_either_precision(precision: str) -> None:
    judge = TextVerdicts(load_policy(), EncoderSettings(precision=precision))
    jazz, bread, coin, church, spanish, boots = judge(TEXTS)
    assert jazz.interests and bread.interests and boots.interests
    assert coin == Verdict(harmless=coin.harmless) and 0.9 < coin.harmless < 1
    assert church.excluded and spanish.excluded
