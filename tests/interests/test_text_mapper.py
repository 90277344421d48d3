"""The mapper on real embeddings: what is meant, what is bought, and what is nothing."""

import pickle
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from glasses_signals.errors import BadModel
from glasses_signals.interests.taxonomy import load_taxonomy
from glasses_signals.interests.text_mapper import TextMapper, TextMapperSettings, buying_signs
from glasses_signals.policy.sensitive import blocked_nodes
from glasses_signals.records import InterestKind, MappedInterest
from glasses_signals.text.encoder import TextEncoder
from glasses_signals.tsv import read_tsv

CASES = Path(__file__).parent / "meaning_cases.tsv"
# Least share of cases right, by kind. Measured figures are in docs/interests.md.
FLOORS = {
    "dislike": 0.85,
    "someone_else": 0.85,
    "small_talk": 0.95,
    "device_command": 0.9,
    "arithmetic": 0.95,
    "idiom": 0.85,
    "liked": 0.8,
    "purchase": 0.8,
}
Mapping = Callable[[list[str]], list[tuple[MappedInterest, ...]]]


@pytest.fixture(scope="module")
def mapped(encoder: TextEncoder) -> Mapping:
    mapper = TextMapper()
    return lambda texts: mapper.map(texts, encoder(texts))


def names(found: tuple[MappedInterest, ...]) -> list[str]:
    taxonomy = load_taxonomy()
    return [taxonomy.tier2(interest.interest_id).name for interest in found]


def test_hiking_boots_are_wanted_and_walking_is_liked(mapped: Mapping) -> None:
    (found,) = mapped(["Where can I buy good hiking boots?"])
    by_kind = {interest.kind: interest.interest_id for interest in found}
    assert by_kind[InterestKind.PURCHASE_INTENT] == "1637"
    assert load_taxonomy().tier2(by_kind[InterestKind.INTEREST]).name in ("Sports", "Travel")


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("Play some jazz by Miles Davis", "Jazz"),
        ("How do I bake banana bread?", "Desserts and Baking"),
        ("What is the best opening move in chess?", "Board Games and Puzzles"),
    ],
)
def test_the_deepest_sure_node_is_said(mapped: Mapping, text: str, node: str) -> None:
    (found,) = mapped([text])
    assert load_taxonomy().node(found[0].interest_id).name == node


def test_the_parent_is_said_where_siblings_are_as_likely(mapped: Mapping) -> None:
    (found,) = mapped(["Play some music"])
    assert load_taxonomy().node(found[0].interest_id).path == ("Interest", "Music and Audio")


def test_what_is_wanted_is_about_what_interests(mapped: Mapping) -> None:
    """The purchase head by itself gives hobbies no more than a third."""
    (found,) = mapped(["Where can I buy new guitar strings?"])
    assert names(found) == ["Hobbies & Interests"] * 2
    assert found[1].kind is InterestKind.PURCHASE_INTENT and found[1].confidence > 0.9


def test_every_kind_of_meaning_reaches_its_floor(mapped: Mapping) -> None:
    cases = list(read_tsv(CASES))
    assert len(cases) >= 150
    right: defaultdict[str, list[bool]] = defaultdict(list)
    for case, found in zip(cases, mapped([case["text"] for case in cases]), strict=True):
        expected = [name for name in case["expect"].split(";") if name]
        said = names(found)
        hit = any(name in expected for name in said) if expected else not said
        right[case["kind"]].append(hit)
    shares = {kind: float(np.mean(hits)) for kind, hits in right.items()}
    assert {kind: share for kind, share in shares.items() if share < FLOORS[kind]} == {}


def test_a_text_is_judged_alike_in_any_company(mapped: Mapping) -> None:
    texts = ["play some jazz", "order dog food", "flip a coin", "how do i grill ribs"] * 40
    together = mapped(texts)
    assert [mapped([text])[0] for text in texts[:4]] == together[:4] == together[-4:]


def test_confidences_are_probabilities_and_blocked_nodes_never_appear(mapped: Mapping) -> None:
    texts = [
        "find a vegan restaurant in town",
        "play gospel music",
        "who is winning the election",
        "i need a doctor",
    ]
    for found in mapped(texts):
        assert all(0 < interest.confidence < 1 for interest in found)
        assert not {interest.interest_id for interest in found} & blocked_nodes()


def test_no_texts_give_no_answers() -> None:
    assert TextMapper().map([], np.zeros((0, 384), np.float32)) == []


def test_the_mapper_survives_pickling() -> None:
    mapper = pickle.loads(pickle.dumps(TextMapper()))
    vectors = np.full((1, 384), 384**-0.5, np.float32)
    assert mapper.map(["x"], vectors) == TextMapper().map(["x"], vectors)


def test_missing_heads_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"no\.npz"):
        TextMapper(TextMapperSettings(heads=tmp_path / "no.npz"))


def test_buying_signs_tell_wanting_from_asking_how() -> None:
    buying, asking = buying_signs(["where can I buy a kayak", "how do I paddle a kayak"])
    assert buying.sum() > 0
    assert not np.array_equal(buying, asking)
