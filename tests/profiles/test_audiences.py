"""Attacks on audience sizes by someone who sees every answer and knows all accounts but one."""

import hashlib
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from glasses_signals.policy.policy import load_policy
from glasses_signals.profiles.audiences import audience_sizes, told_size

POLICY = load_policy()
STEP, LEAST = POLICY.audience_step, POLICY.min_audience
KEYS = [hashlib.sha256(str(n).encode()).digest() for n in range(600)]
# One answer in STEP at most may change with one account; 4 standard errors over the keys.
MAY_CHANGE = 1 / STEP + 4 * (1 / STEP * (1 - 1 / STEP) / len(KEYS)) ** 0.5
CYCLING, SPORTS, PETS = "625", "607", "541"


def profile(*interests: str) -> dict[str, Any]:
    return {"interests": [{"id": id_} for id_ in interests]}


def told(accounts: int, everyone: int, key: bytes) -> dict[str, int]:
    """Sizes by interest where `accounts` of `everyone` hold cycling and the rest pets."""
    profiles = [profile(CYCLING)] * accounts + [profile(PETS)] * (everyone - accounts)
    return {a.interest_id: a.about_accounts for a in audience_sizes(profiles, POLICY, key)}


@pytest.mark.parametrize("accounts", [1, 2, 49, 50, 59, 60, 61, 69, 70, 99, 150])
def test_one_account_changes_few_answers_wherever_the_attacker_sets_the_count(
    accounts: int,
) -> None:
    answers = [
        (told_size("x", accounts, 500, POLICY, k), told_size("x", accounts + 1, 500, POLICY, k))
        for k in KEYS
    ]
    changed = sum(without != joined for without, joined in answers)
    assert changed / len(KEYS) <= MAY_CHANGE


def test_no_count_below_the_minimum_is_told_by_any_key() -> None:
    for accounts in range(LEAST):
        for key in KEYS[:50]:
            assert told_size("x", accounts, 10_000, POLICY, key) is None


def test_nor_is_a_count_that_leaves_fewer_than_the_minimum_outside() -> None:
    for outside in range(LEAST):
        for key in KEYS[:50]:
            assert told_size("x", 1000 - outside, 1000, POLICY, key) is None


def test_what_is_told_is_a_multiple_and_never_too_much() -> None:
    for accounts in range(LEAST, 200):
        for key in KEYS[:20]:
            size = told_size("x", accounts, 10_000, POLICY, key)
            assert size is None or (size % STEP == 0 and LEAST <= size <= accounts)
            assert size is None or accounts - size < 2 * STEP


def test_asking_again_gives_the_same_answer_so_nothing_averages_out() -> None:
    for key in KEYS[:20]:
        assert told(73, 200, key) == told(73, 200, key)


def test_a_segment_and_the_one_around_it_do_not_tell_who_makes_the_difference() -> None:
    """Tier against tier: 73 accounts hold cycling; does one more hold another sport?"""

    def pairs(others: int) -> Counter[tuple[int | None, int | None]]:
        return Counter(
            (
                told_size(CYCLING, 73, 500, POLICY, k),
                told_size(SPORTS, 73 + others, 500, POLICY, k),
            )
            for k in KEYS
        )

    alone, joined = pairs(0), pairs(1)
    apart = sum(abs(alone[pair] - joined[pair]) for pair in {*alone, *joined}) / 2
    assert apart / len(KEYS) <= MAY_CHANGE
    assert len({pair for pair in alone if pair[0] != pair[1]}) > 0  # equal counts look unequal


def test_day_by_day_a_newcomer_shows_no_more_often_than_once() -> None:
    """By as_of: the same segment before and after one account came, and after it left again."""
    changed = 0
    for key in KEYS:
        before, with_it, after = (told_size("x", n, 500, POLICY, key) for n in (80, 81, 80))
        assert before == after
        changed += before != with_it
    assert changed / len(KEYS) <= MAY_CHANGE


def test_segments_are_blurred_apart_from_each_other() -> None:
    assert all(
        len({told_size(str(n), 65, 500, POLICY, key) for n in range(100)}) > 1 for key in KEYS[:20]
    )


def test_sizes_of_profiles_count_the_segments_above_too() -> None:
    sizes = told(100, 300, KEYS[0])
    assert {CYCLING, SPORTS} <= sizes.keys()
    assert all(80 < size <= 100 for id_, size in sizes.items() if id_ in (CYCLING, SPORTS))


def test_nothing_is_told_of_few_or_of_all() -> None:
    assert told(LEAST - 1, LEAST - 1, KEYS[0]) == {}
    assert told(1000, 1000, KEYS[0]) == {}


def test_a_stricter_policy_tells_less() -> None:
    stricter = replace(POLICY, min_audience=200)
    assert told_size("x", 150, 1000, stricter, KEYS[0]) is None
