"""Profile documents (`interest-profile/1`): building, canonical JSON, validation, merging."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from glasses_signals.errors import BadInput
from glasses_signals.interests.taxonomy import NAME, SEGTAX, VERSION, Taxonomy, load_taxonomy
from glasses_signals.records import Interest
from glasses_signals.times import format_time, parse_time

FORMAT = "interest-profile/1"
TAXONOMY = {"name": NAME, "version": VERSION, "segtax": SEGTAX}
DECIMALS = 3  # of scores and confidences; enough to rank by, and the same on every machine

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Producer:
    """Who wrote a profile: `models` maps model names to the sha256 of their files."""

    name: str
    version: str
    models: Mapping[str, str]
    policy_sha256: str

    def document(self) -> Document:
        """The entry under `producers`."""
        return {
            "name": self.name,
            "version": self.version,
            "models": {name: f"sha256:{sha}" for name, sha in sorted(self.models.items())},
            "policy": f"sha256:{self.policy_sha256}",
        }


def build_profile(
    account_id: str, interests: Sequence[Interest], as_of: datetime, producer: Producer
) -> Document:
    """The profile document of one account, interests in the order of their taxonomy ids."""
    taxonomy = load_taxonomy()
    return {
        "format": FORMAT,
        "account_id": account_id,
        "as_of": format_time(as_of),
        "taxonomy": TAXONOMY,
        "interests": sorted((_entry(i, taxonomy) for i in interests), key=_by_id),
        "producers": [producer.document()],
    }


def _entry(interest: Interest, taxonomy: Taxonomy) -> Document:
    node = taxonomy.node(interest.interest_id)
    return {
        "id": node.id,
        "name": node.name,
        "path": list(node.path),
        "kind": str(interest.kind),
        "score": round(interest.score, DECIMALS),
        "confidence": round(interest.confidence, DECIMALS),
        "first_seen": format_time(interest.first_seen),
        "last_seen": format_time(interest.last_seen),
        "expires_at": format_time(interest.expires_at),
        "evidence": {
            "count": interest.evidence_count,
            "sources": dict(interest.sources),
            "modalities": dict(interest.modalities),
        },
    }


def _by_id(entry: Document) -> int:
    return int(entry["id"])


def canonical_json(document: Document) -> str:
    """One line: sorted keys, no spaces, no NaN, UTF-8 letters as they are."""
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False
    )


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    schema = files("glasses_signals.profiles").joinpath("data/interest-profile-1.schema.json")
    return Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))


def validate_profile(document: object) -> list[str]:
    """What is wrong with a profile document, a sentence each; empty when it is valid.

    Beyond the JSON Schema: ids exist in the taxonomy with this name, path and kind, each once, and
    the times are real and in order.
    """
    errors = [f"{error.json_path}: {error.message}" for error in _validator().iter_errors(document)]
    if errors or not isinstance(document, dict):
        return sorted(errors)
    taxonomy = load_taxonomy()
    seen: set[str] = set()
    for index, entry in enumerate(document["interests"]):
        place = f"$.interests[{index}]"
        errors += [f"{place}: {problem}" for problem in _entry_problems(entry, taxonomy, seen)]
    return errors


def _entry_problems(entry: Document, taxonomy: Taxonomy, seen: set[str]) -> list[str]:
    if entry["id"] in seen:
        return [f"id {entry['id']} stands twice; merge its evidence into one interest"]
    seen.add(entry["id"])
    if entry["id"] not in taxonomy:
        return [f"id {entry['id']} is no Interest or Purchase Intent node of the {NAME} {VERSION}"]
    node = taxonomy.node(entry["id"])
    problems = [
        f"{field} of id {node.id} is {entry[field]!r}, the taxonomy says {right!r}"
        for field, right in (("name", node.name), ("path", list(node.path)), ("kind", node.kind))
        if entry[field] != right
    ]
    times = [parse_time(entry[field]) for field in ("first_seen", "last_seen", "expires_at")]
    if None in times:
        problems.append("a time is not a real date")
    elif entry["first_seen"] > entry["last_seen"] or entry["last_seen"] > entry["expires_at"]:
        problems.append("first_seen, last_seen and expires_at are not in order")
    return problems


def merge_profiles(documents: Iterable[Document]) -> list[Document]:
    """Join documents of several producers, shards or runs into one per account, by account id.

    A lattice join, so associative, commutative and idempotent: of every interest the highest
    score, confidence and per-source counts, the earliest first and the latest last sight and
    expiry; of the account the latest `as_of`; every producer once.

    Raises BadInput for a document that `validate_profile` finds wrong.
    """
    merged: dict[str, Document] = {}
    for document in documents:
        problems = validate_profile(document)
        if problems:
            raise BadInput(f"not a valid profile: {problems[0]}")
        account_id = document["account_id"]
        known = merged.get(account_id)
        merged[account_id] = document if known is None else _join(known, document)
    return [_normal(merged[account_id]) for account_id in sorted(merged)]


def _join(one: Document, other: Document) -> Document:
    interests = {entry["id"]: entry for entry in one["interests"]}
    for entry in other["interests"]:
        known = interests.get(entry["id"])
        interests[entry["id"]] = entry if known is None else _join_interest(known, entry)
    return {
        **one,
        "as_of": max(one["as_of"], other["as_of"]),
        "interests": list(interests.values()),
        "producers": one["producers"] + other["producers"],
    }


def _join_interest(one: Document, other: Document) -> Document:
    ours, theirs = one["evidence"], other["evidence"]
    sources = _highest(ours["sources"], theirs["sources"])
    return {
        **one,
        "score": max(one["score"], other["score"]),
        "confidence": max(one["confidence"], other["confidence"]),
        "first_seen": min(one["first_seen"], other["first_seen"]),
        "last_seen": max(one["last_seen"], other["last_seen"]),
        "expires_at": max(one["expires_at"], other["expires_at"]),
        "evidence": {
            "count": max(ours["count"], theirs["count"], sum(sources.values())),
            "sources": sources,
            "modalities": _highest(ours["modalities"], theirs["modalities"]),
        },
    }


def _highest(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: max(one.get(key, 0), other.get(key, 0)) for key in {*one, *other}}


def _normal(document: Document) -> Document:
    producers = {canonical_json(producer): producer for producer in document["producers"]}
    return {
        **document,
        "interests": sorted(document["interests"], key=_by_id),
        "producers": [producers[key] for key in sorted(producers)],
    }
