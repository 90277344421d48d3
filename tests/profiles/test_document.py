import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasses_signals.errors import BadInput
from glasses_signals.interests.taxonomy import load_taxonomy
from glasses_signals.profiles.document import (
    Producer,
    build_profile,
    canonical_json,
    merge_profiles,
    validate_profile,
)
from glasses_signals.profiles.files import read_profiles, write_profiles
from glasses_signals.records import Interest

START = datetime(2026, 1, 5, tzinfo=UTC)
NODE_IDS = ("625", "1637", "536")


@st.composite
def interests(draw: st.DrawFn) -> Interest:
    node = load_taxonomy().node(draw(st.sampled_from(NODE_IDS)))
    first, last, rest = (timedelta(days=draw(st.integers(0, 50))) for _ in range(3))
    counts = st.dictionaries(st.sampled_from(["glasses", "chat"]), st.integers(1, 9), min_size=1)
    sources = draw(counts)
    return Interest(
        interest_id=node.id,
        kind=node.kind,
        score=draw(st.floats(0, 1)),
        confidence=draw(st.floats(0, 1)),
        first_seen=START + first,
        last_seen=START + first + last,
        expires_at=START + first + last + rest,
        evidence_count=sum(sources.values()),
        sources=tuple(sorted(sources.items())),
        modalities=(("voice", sum(sources.values())),),
    )


@st.composite
def profiles(draw: st.DrawFn) -> dict[str, Any]:
    unique = st.lists(interests(), max_size=3, unique_by=lambda i: i.interest_id)
    producer = Producer(draw(st.sampled_from(["a", "b"])), "1", {}, "0" * 64)
    as_of = START + timedelta(days=draw(st.integers(0, 9)))
    account_id = draw(st.sampled_from(["acct-1", "acct-2"]))
    return build_profile(account_id, draw(unique), as_of, producer)


def merged(*documents: dict[str, Any]) -> list[str]:
    return [canonical_json(document) for document in merge_profiles(documents)]


@given(profiles())
def test_a_built_profile_is_valid(profile: dict[str, Any]) -> None:
    assert validate_profile(profile) == []


@given(profiles(), profiles())
def test_merging_is_commutative(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert merged(a, b) == merged(b, a)


@given(profiles(), profiles(), profiles())
def test_merging_is_associative(a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]) -> None:
    assert merged(*merge_profiles([a, b]), c) == merged(a, *merge_profiles([b, c]))


@given(profiles(), profiles())
def test_merging_is_idempotent(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert merged(a, b, a, b) == merged(a, b)
    assert merged(a) == [canonical_json(a)]


@given(profiles(), profiles())
def test_a_merged_profile_is_valid(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert [validate_profile(document) for document in merge_profiles([a, b])] in ([[]], [[], []])


def sample() -> dict[str, Any]:
    node = load_taxonomy().node("625")
    interest = Interest(
        node.id, node.kind, 0.5, 0.9, START, START, START, 1, (("glasses", 1),), (("voice", 1),)
    )
    return build_profile("acct-1", [interest], START, Producer("a", "1", {}, "0" * 64))


def changed(**entry: object) -> dict[str, Any]:
    profile = sample()
    profile["interests"][0].update(entry)
    return profile


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({**sample(), "format": "interest-profile/2"}, "interest-profile/1"),
        ({**sample(), "transcript": "hello"}, "transcript"),
        ({k: v for k, v in sample().items() if k != "account_id"}, "account_id"),
        (changed(score=1.5), "maximum"),
        (changed(id="999999"), "no Interest"),
        (changed(id="2"), "no Interest"),
        (changed(name="Golf"), "the taxonomy says"),
        (changed(kind="purchase_intent"), "the taxonomy says"),
        (changed(last_seen="2026-01-04T00:00:00Z"), "not in order"),
        (changed(expires_at="2026-13-04T00:00:00Z"), "not a real date"),
        ([], "not of type"),
    ],
)
def test_what_is_wrong_with_a_profile_is_said(document: object, words: str) -> None:
    assert any(words in problem for problem in validate_profile(document))


def test_an_interest_that_stands_twice_is_not_valid() -> None:
    profile = sample()
    profile["interests"] *= 2
    assert "stands twice" in validate_profile(profile)[0]


def test_a_wrong_profile_is_not_merged() -> None:
    with pytest.raises(BadInput, match="the taxonomy says"):
        merge_profiles([changed(name="Golf")])


def test_profiles_read_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "profiles.jsonl"
    write_profiles(path, [sample()])
    assert [document for _, document in read_profiles(path)] == [sample()]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "profiles.jsonl"
    write_profiles(path, [sample()])
    before = path.read_bytes()

    def broken():  # type: ignore[no-untyped-def]
        yield sample()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_profiles(path, broken())
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["profiles.jsonl"]


def test_canonical_json_has_no_room_for_two_spellings() -> None:
    assert canonical_json({"b": 1, "a": "ü"}) == '{"a":"ü","b":1}'
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"a": float("nan")})
    assert json.loads(canonical_json(sample())) == sample()
