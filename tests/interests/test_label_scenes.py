from __future__ import annotations

from pathlib import Path

import pytest

from glasses_signals.interests.taxonomy import load_taxonomy
from glasses_signals.policy.sensitive import blocked_nodes
from glasses_signals.tsv import read_tsv

SCENES = Path(__file__).parents[2] / "benchmarks" / "scenes.tsv"


@pytest.fixture(scope="module")
def scenes() -> list[dict[str, str]]:
    return list(read_tsv(SCENES))


def test_scenes_are_different_photos_with_something_of_each_kind(
    scenes: list[dict[str, str]],
) -> None:
    assert len({row["sha256"] for row in scenes}) == len(scenes)
    assert {row["expect"] for row in scenes} == {"find", "either", "none", "exclude"}


def test_what_is_accepted_for_a_scene_may_be_emitted(scenes: list[dict[str, str]]) -> None:
    accepted = {node for row in scenes for node in row["interests"].split()}
    assert all(load_taxonomy().node(node).path[0] == "Interest" for node in accepted)
    assert not accepted & blocked_nodes()


def test_nothing_is_accepted_for_a_sensitive_scene_and_something_where_it_is_to_be_found(
    scenes: list[dict[str, str]],
) -> None:
    assert not any(row["interests"] for row in scenes if row["expect"] == "exclude")
    assert all(row["interests"] for row in scenes if row["expect"] == "find")
