from __future__ import annotations

from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasses_signals.errors import BadModel
from glasses_signals.interests.label_mapper import LabelMapper, confidence
from glasses_signals.interests.taxonomy import load_taxonomy
from glasses_signals.policy.sensitive import blocked_nodes
from glasses_signals.records import Label

TOPICS = {
    *("religion", "sexual_orientation", "politics", "health"),
    *("race_ethnicity", "philosophy", "trade_union"),
}


@pytest.fixture(scope="module")
def mapper() -> LabelMapper:
    return LabelMapper()


def seen(mapper: LabelMapper, **probabilities: float) -> list[Label]:
    """Labels by class name (underscores for spaces) and probability."""
    ids = {row.name: class_id for class_id, row in reversed(mapper.rows.items())}
    return [Label(ids[n.replace("_", " ")], n, p) for n, p in probabilities.items()]


def suggested(mapper: LabelMapper, **probabilities: float) -> set[str]:
    taxonomy = load_taxonomy()
    verdict = mapper.map(seen(mapper, **probabilities))
    return {taxonomy.node(interest.interest_id).name for interest in verdict.interests}


@pytest.mark.parametrize(("table", "classes"), [("imagenet", 1000), ("coco", 80), ("taxonomy", 203)])
def test_the_table_judges_every_class_of_its_list(
    mapper: LabelMapper, table: str, classes: int
) -> None:
    names = resources.files("glasses_signals.vision") / "data" / f"{table}.txt"
    judged = {i: row.name for i, row in mapper.rows.items() if i.startswith(table)}
    assert judged == {f"{table}:{i}": name for i, name in enumerate(names.read_text().splitlines())}
    assert len(judged) == classes


def test_no_class_suggests_a_node_that_is_never_emitted(mapper: LabelMapper) -> None:
    used = {node for row in mapper.rows.values() for node in row.interests}
    assert not used & blocked_nodes()
    assert all(load_taxonomy().node(node).path[0] == "Interest" for node in used)


def test_sensitive_classes_name_a_topic_of_the_policy(mapper: LabelMapper) -> None:
    reasons = {row.left_out for row in mapper.rows.values()}
    topics = {r.removeprefix("sensitive:") for r in reasons if r.startswith("sensitive:")}
    assert {"religion", "health"} <= topics <= set(TOPICS)


@pytest.mark.parametrize(
    "name",
    ["church", "mosque", "monastery", "stupa", "altar", "pill_bottle", "stethoscope", "crutch"],
)
def test_a_sensitive_class_excludes_the_picture_even_when_it_is_unlikely(
    mapper: LabelMapper, name: str
) -> None:
    verdict = mapper.map(seen(mapper, espresso=0.9, **{name: 0.06}))
    assert verdict.excluded is not None
    assert verdict.excluded.startswith("sensitive:")
    assert (verdict.interests, verdict.labels) == ((), ())


def test_people_suggest_nothing(mapper: LabelMapper) -> None:
    assert suggested(mapper, person=0.99) == set()
    assert suggested(mapper, groom=0.99) == set()
    assert suggested(mapper, bikini=0.99) == set()


def test_unsure_breeds_are_a_sure_dog(mapper: LabelMapper) -> None:
    assert suggested(mapper, pug=0.25, boxer=0.2, beagle=0.2) == {"Dogs"}


def test_unsure_dishes_are_food_without_saying_which(mapper: LabelMapper) -> None:
    assert suggested(mapper, pizza=0.3, cheeseburger=0.3) == {"Food & Drink"}


def test_an_unsure_label_suggests_nothing(mapper: LabelMapper) -> None:
    assert suggested(mapper, acoustic_guitar=0.4) == set()


def test_the_labels_that_fired_are_told(mapper: LabelMapper) -> None:
    verdict = mapper.map(seen(mapper, espresso=0.8, desk=0.1))
    assert verdict.labels == ("espresso",)


def test_a_class_of_no_table_is_an_error(mapper: LabelMapper) -> None:
    with pytest.raises(BadModel, match="is in no label table"):
        mapper.map([Label("other:1", "thing", 0.9)])


@given(st.floats(0, 2), st.floats(0, 2))
def test_confidence_is_a_probability_that_grows_with_the_score(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert 0 <= confidence(low) <= confidence(high) <= 1
