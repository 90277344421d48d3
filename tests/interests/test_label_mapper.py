from __future__ import annotations

from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasses_signals.errors import BadModel
from glasses_signals.interests.label_mapper import LabelMapper, LabelVerdict, confidence
from glasses_signals.interests.taxonomy import load_taxonomy
from glasses_signals.policy.sensitive import blocked_nodes
from glasses_signals.records import Label

TOPICS = {
    *("religion", "sexual_orientation", "politics", "health"),
    *("race_ethnicity", "philosophy", "trade_union"),
}

REASONS = {
    *(f"sensitive:{topic}" for topic in TOPICS),
    *("belief_hint", "person", "clothing"),
    *("wildlife", "insect", "farm_animal", "wild_plant", "fossil"),
    *("everyday", "place", "passing_vehicle", "several_meanings", "weapon", "age_restricted"),
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


@pytest.mark.parametrize(
    ("table", "classes"), [("imagenet", 1000), ("coco", 80), ("taxonomy", 203)]
)
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


def test_every_line_has_a_node_or_a_known_reason(mapper: LabelMapper) -> None:
    unread = {i for i, r in mapper.rows.items() if bool(r.interests) == (r.left_out in REASONS)}
    assert unread == set()


def test_a_temple_taken_for_a_palace_is_feared_earlier(mapper: LabelMapper) -> None:
    assert mapper.map(seen(mapper, palace=0.75, mosque=0.04)).excluded == "sensitive:religion"
    assert suggested(mapper, castle=0.85, monastery=0.04) == {"Travel"}
    assert suggested(mapper, palace=0.95, mosque=0.02) == {"Travel"}


@pytest.mark.parametrize(
    "name",
    [
        *("person", "groom", "ballplayer", "scuba_diver"),
        *("bikini", "brassiere", "suit", "wig", "academic_gown", "kimono", "sombrero", "jersey"),
        *("military_uniform", "running_shoe", "sandal", "bib", "diaper", "sunglasses", "tie"),
    ],
)
def test_people_and_what_they_wear_suggest_nothing(mapper: LabelMapper, name: str) -> None:
    assert mapper.map(seen(mapper, **{name: 0.99})) == LabelVerdict()


def test_cars_in_every_street_and_screens_in_every_room_suggest_nothing(
    mapper: LabelMapper,
) -> None:
    assert suggested(mapper, minivan=0.4, beach_wagon=0.3, pickup=0.3) == set()
    assert suggested(mapper, television=0.6, cellular_telephone=0.4) == set()
    assert suggested(mapper, sports_car=0.9) == {"Performance Cars"}


def test_what_stands_for_several_things_suggests_nothing(mapper: LabelMapper) -> None:
    assert suggested(mapper, tennis_ball=0.95) == set()
    assert suggested(mapper, theater_curtain=0.95) == set()
    assert suggested(mapper, space_bar=0.95) == set()


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
