from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasses_signals.errors import BadPolicy
from glasses_signals.policy.combinations import bar_combinations, load_combinations
from glasses_signals.policy.policy import TOPICS, load_policy
from glasses_signals.policy.sensitive import blocked_nodes

POLICY = load_policy()
COMBINATIONS = load_combinations()
PARTS = sorted({node for c in COMBINATIONS for part in c.parts for node in part})

profiles = st.frozensets(st.sampled_from([*PARTS, "625", "543"]), max_size=14)


def tells(profile: frozenset[str]) -> bool:
    return any(sum(bool(part & profile) for part in c.parts) >= c.at_least for c in COMBINATIONS)


@settings(deadline=None)
@given(profiles)
def test_no_combination_is_left_in_a_profile(profile: frozenset[str]) -> None:
    assert not tells(profile - bar_combinations(profile, POLICY))


@settings(deadline=None)
@given(profiles)
def test_a_profile_that_tells_nothing_is_left_alone(profile: frozenset[str]) -> None:
    barred = bar_combinations(profile, POLICY)
    assert barred <= profile
    assert bool(barred) == tells(profile)


def test_every_topic_has_a_combination() -> None:
    assert {combination.topic for combination in COMBINATIONS} == set(TOPICS)


@pytest.mark.parametrize("combination", COMBINATIONS, ids=lambda c: c.name)
def test_each_combination_is_barred_as_soon_as_it_is_reached(combination) -> None:  # type: ignore[no-untyped-def]
    one_of_each = [min(part) for part in combination.parts]
    reached = frozenset(one_of_each[: combination.at_least])
    assert bar_combinations(reached, POLICY) == reached


def test_kosher_restaurants_and_a_hebrew_course_with_the_cuisine_are_barred() -> None:
    profile = frozenset({"373", "380", "346", "625"})
    assert bar_combinations(profile, POLICY) == {"373", "380", "346"}


def test_combinations_are_made_of_nodes_that_may_be_emitted() -> None:
    assert blocked_nodes().isdisjoint(PARTS)


def test_a_malformed_list_is_refused_with_its_line(tmp_path: Path) -> None:
    place = tmp_path / "combinations.tsv"
    place.write_text("topic\tname\tat_least\tparts\treason\nhealth\tx\tmany\t1; 2\ty\n", "utf-8")
    with pytest.raises(BadPolicy, match="line 2"):
        load_combinations(place)


@pytest.mark.parametrize(
    ("topic", "at_least"), [("hobbies", 2), (sorted(TOPICS)[0], 1), (sorted(TOPICS)[0], 3)]
)
def test_a_topic_or_a_number_that_does_not_fit_is_refused(
    tmp_path: Path, topic: str, at_least: int
) -> None:
    place = tmp_path / "combinations.tsv"
    rows = f"topic\tname\tat_least\tparts\treason\n{topic}\tboth\t{at_least}\t373; 380\ttells\n"
    place.write_text(rows)
    with pytest.raises(BadPolicy, match=f"line 2: topic '{topic}' or at_least {at_least} doesn't"):
        load_combinations(place)
