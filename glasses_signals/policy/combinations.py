"""Combinations: harmless interests that together tell a sensitive topic stay out of a profile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from glasses_signals.errors import BadPolicy
from glasses_signals.policy.policy import DEFAULT_POLICY, TOPICS, Policy
from glasses_signals.tsv import read_tsv

COMBINATIONS = DEFAULT_POLICY.parent / "combinations.tsv"


@dataclass(frozen=True, slots=True)
class Combination:
    """`at_least` of the `parts` together tell `topic`. A part is a set of ids of one meaning."""

    topic: str
    name: str
    at_least: int
    parts: tuple[frozenset[str], ...]


@cache
def load_combinations(place: Path = COMBINATIONS) -> tuple[Combination, ...]:
    """The reviewed list. BadPolicy, naming the line, when it is malformed."""
    return tuple(_combinations(place))


def bar_combinations(interest_ids: frozenset[str], policy: Policy) -> frozenset[str]:
    """The ids among one profile's `interest_ids` that must be suppressed.

    Every present part of a combination that is reached goes, not only as many as would break it:
    what is left must not depend on which part came first, and must not hint at the rest. What one
    combination suppresses still counts towards the others, so the order of rules doesn't matter.
    """
    barred: set[str] = set()
    for combination in load_combinations():
        present = [part & interest_ids for part in combination.parts if part & interest_ids]
        if combination.topic in policy.excluded_topics and len(present) >= combination.at_least:
            barred.update(*present)
    return frozenset(barred)


def _combinations(place: Path) -> Iterator[Combination]:
    for number, row in enumerate(read_tsv(place), start=2):
        try:
            parts = tuple(frozenset(part.split("/")) for part in row["parts"].split("; "))
            combination = Combination(row["topic"], row["name"], int(row["at_least"]), parts)
        except (KeyError, ValueError, AttributeError) as error:
            raise BadPolicy(
                f"{place}, line {number}: wanted topic, name, at_least, parts and reason "
                f"between tabs; mend or reinstall the list ({error})"
            ) from error
        if combination.topic not in TOPICS or not 2 <= combination.at_least <= len(parts):
            raise BadPolicy(
                f"{place}, line {number}: topic {combination.topic!r} or at_least "
                f"{combination.at_least} doesn't fit; use a known topic and 2 to {len(parts)}"
            )
        yield combination
