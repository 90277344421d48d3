"""The policy as data: a TOML file read into one frozen record, refused when anything is off."""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from glasses_signals.errors import BadPolicy
from glasses_signals.records import Source

TOPICS = (
    "religion",
    "sexual_orientation",
    "politics",
    "health",
    "race_ethnicity",
    "philosophy",
    "trade_union",
)

DEFAULT_POLICY = Path(str(resources.files("glasses_signals.policy"))) / "data" / "policy.toml"


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be used, for how long, and what never. Fields are the keys of `policy.toml`.

    `sha256` is of the values, not of the file: comments and order don't change it.
    """

    effective_date: date
    excluded_regions: frozenset[str]
    known_products: frozenset[str]
    required_links: Mapping[str, frozenset[str]]
    max_after_as_of_h: float
    conversation_window_s: float
    excluded_topics: frozenset[str]
    text_threshold: float
    named_threshold: float
    half_life_days: float
    retention_days: float
    min_confidence: float
    spoken_confidence: float
    twice_confidence: float
    lone_confidence: float
    min_score: float
    min_occurrences: int
    min_audience: int
    audience_step: int
    sha256: str

    def __reduce__(self) -> tuple[object, ...]:
        # A mapping proxy can't be pickled, and worker processes need the policy.
        values = [getattr(self, name) for name in self.__slots__]
        values[self.__slots__.index("required_links")] = dict(self.required_links)
        return (_restore, tuple(values))


def _restore(*values: object) -> Policy:
    by_name = dict(zip(Policy.__slots__, values, strict=True))
    by_name["required_links"] = MappingProxyType(by_name["required_links"])  # type: ignore[arg-type]
    return Policy(**by_name)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _Key:
    """One key of the file: its place, how its value is checked and read, the field it fills."""

    section: str
    name: str
    wants: str
    read: Callable[[object], object]
    fills: str | None = None  # where the field of Policy has another name

    @property
    def field(self) -> str:
        return self.fills or self.name


def iso_regions() -> frozenset[str]:
    """All officially assigned ISO 3166-1 alpha-2 codes, upper case."""
    return frozenset((DEFAULT_POLICY.parent / "iso_3166_1.txt").read_text("utf-8").split())


def load_policy(path: Path | None = None) -> Policy:
    """Read and check a policy file; the shipped default when `path` is None.

    Raises BadPolicy, naming the key and the remedy, for a file that can't be read, isn't TOML, or
    has a missing, unknown or ill-valued key.
    """
    place = path or DEFAULT_POLICY
    try:
        document = tomllib.loads(place.read_text("utf-8"))
    except OSError as error:
        raise BadPolicy(
            f"{place}: can't be read ({error.strerror}); name an existing policy file with "
            f"--policy, or leave it out for the shipped one"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadPolicy(f"{place}: is not TOML ({error}); mend the file at that place") from error
    return _policy(document, str(place))


def _policy(document: Mapping[str, object], place: str) -> Policy:
    _refuse_unknown(document, place)
    values: dict[str, object] = {}
    for key in _KEYS:
        section = document.get(key.section)
        if not isinstance(section, Mapping) or key.name not in section:
            raise BadPolicy(
                f"{place}: [{key.section}] {key.name} is missing; add it (wanted: {key.wants}), "
                f"for instance as in the shipped policy.toml"
            )
        try:
            values[key.field] = key.read(section[key.name])
        except (ValueError, TypeError) as error:
            raise BadPolicy(
                f"{place}: [{key.section}] {key.name} = {section[key.name]!r}: {error}; "
                f"wanted: {key.wants}"
            ) from error
    _check_links(values, place)
    return Policy(**values, sha256=_digest(values))  # type: ignore[arg-type]


def _refuse_unknown(document: Mapping[str, object], place: str) -> None:
    known: dict[str, set[str]] = {}
    for key in _KEYS:
        known.setdefault(key.section, set()).add(key.name)
    for section, content in document.items():
        if section not in known or not isinstance(content, Mapping):
            raise BadPolicy(
                f"{place}: {section!r} is not a section of a policy; remove it or rename it to "
                f"one of {', '.join(sorted(known))}"
            )
        for name in content:
            if name not in known[section]:
                raise BadPolicy(
                    f"{place}: [{section}] {name} is not a key of a policy; remove it or rename "
                    f"it to one of {', '.join(sorted(known[section]))}"
                )


def _check_links(values: Mapping[str, object], place: str) -> None:
    links, products = values["required_links"], values["known_products"]
    assert isinstance(links, Mapping) and isinstance(products, frozenset)
    for source, needed in links.items():
        if unknown := needed - products:
            raise BadPolicy(
                f"{place}: [accounts.required_links] {source} names {sorted(unknown)}; remove "
                f"them or add them to known_products"
            )


def _digest(values: Mapping[str, object]) -> str:
    def plain(value: object) -> object:
        if isinstance(value, frozenset):
            return sorted(value)
        if isinstance(value, Mapping):
            return {name: plain(inner) for name, inner in value.items()}
        return value.isoformat() if isinstance(value, date) else value

    return hashlib.sha256(json.dumps(plain(values), sort_keys=True).encode()).hexdigest()


def _number(low: float, high: float, *, above_low: bool = False) -> Callable[[object], float]:
    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError("is not a number")
        if not math.isfinite(value) or not low <= value <= high or (above_low and value == low):
            raise ValueError("is out of range")
        return float(value)

    return read


def _whole(low: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError("is not a whole number")
        if value < low:
            raise ValueError("is too small")
        return value

    return read


def _day(value: object) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError("is not a day")
    return value


def _words(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(word, str) and word for word in value):
        raise TypeError("is not a list of words")
    if len(set(value)) < len(value):
        raise ValueError("has a word twice")
    return frozenset(value)


def _regions(value: object) -> frozenset[str]:
    regions = frozenset(code.upper() for code in _words(value))
    if unknown := regions - iso_regions():
        raise ValueError(f"{sorted(unknown)} are no ISO codes")
    return regions


def _products(value: object) -> frozenset[str]:
    if not (products := _words(value)):
        raise ValueError("is empty")
    return products


def _topics(value: object) -> frozenset[str]:
    topics = _words(value)
    if topics != frozenset(TOPICS):
        raise ValueError(f"differs from the seven topics by {sorted(topics ^ frozenset(TOPICS))}")
    return topics


def _links(value: object) -> Mapping[str, frozenset[str]]:
    if not isinstance(value, dict):
        raise TypeError("is not a table")
    if set(value) != {source.value for source in Source}:
        raise ValueError(f"must name each of {', '.join(Source)} once, and nothing else")
    return MappingProxyType({source: _products(needed) for source, needed in value.items()})


_KEYS = (
    _Key("accounts", "effective_date", "a day like 2025-12-16", _day),
    _Key("accounts", "excluded_regions", "a list of ISO 3166-1 codes", _regions),
    _Key("accounts", "known_products", "a list of product names", _products),
    _Key(
        "accounts",
        "required_links",
        "a table with a list of product names for each source",
        _links,
    ),
    _Key("captures", "max_after_as_of_h", "hours, 0 to 48", _number(0, 48)),
    _Key("captures", "conversation_window_s", "seconds, 0 to 86400", _number(0, 86_400)),
    _Key("sensitive", "excluded_topics", f"the seven topics {', '.join(TOPICS)}", _topics),
    _Key(
        "sensitive",
        "text_threshold",
        "a probability above 0, up to 1",
        _number(0, 1, above_low=True),
    ),
    _Key("sensitive", "named_threshold", "a probability, 0 to 1", _number(0, 1)),
    _Key("interests", "half_life_days", "days, above 0", _number(0, 36_500, above_low=True)),
    _Key("interests", "retention_days", "days, above 0", _number(0, 36_500, above_low=True)),
    _Key("interests", "min_confidence", "0 to 1", _number(0, 1)),
    _Key("interests", "spoken_confidence", "0 to 1", _number(0, 1)),
    _Key("interests", "twice_confidence", "0 to 1", _number(0, 1)),
    _Key("interests", "lone_confidence", "0 to 1", _number(0, 1)),
    _Key("interests", "min_score", "0 to 1", _number(0, 1)),
    _Key("interests", "min_occurrences", "a whole number from 1", _whole(1)),
    _Key("audiences", "min_size", "a whole number from 2", _whole(2), fills="min_audience"),
    _Key("audiences", "size_step", "a whole number from 1", _whole(1), fills="audience_step"),
)
