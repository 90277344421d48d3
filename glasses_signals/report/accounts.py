"""What is held about single accounts, as parts of a report that was asked for with `--accounts`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from glasses_signals.ledger.explain import explain
from glasses_signals.ledger.ledger import Ledger
from glasses_signals.profiles.document import Document

MAX_ACCOUNTS = 300  # about 1 MB; a page with more is slow to open and to search


def account_sections(ledger: Ledger, profiles: Iterable[Document]) -> Iterator[str]:
    """A search field, then one folded part an account, in the order of `profiles`."""
    yield "<p class=filter><label for=account-filter>Find an account</label> "
    yield "<input id=account-filter type=search autocomplete=off spellcheck=false> "
    yield "<output id=account-count for=account-filter></output></p><div id=account-list>"
    shown = left = 0
    for profile in profiles:
        if shown < MAX_ACCOUNTS:
            shown += 1
            yield _account(profile, explain(ledger, profile["account_id"]))
        else:
            left += 1
    yield "</div>"
    if left:
        yield (
            f"<p class=note>{left:,} more accounts are left out; "
            "<code>glasses-signals explain</code> shows any one of them.</p>"
        )


def _account(profile: Document, explained: list[dict[str, Any]]) -> str:
    reasons = {entry["id"]: entry for entry in explained}
    entries = sorted(profile["interests"], key=lambda entry: (-entry["score"], int(entry["id"])))
    name = escape(profile["account_id"])
    interests = "".join(_interest(entry, reasons.get(entry["id"])) for entry in entries)
    return (
        f"<details class=account><summary><bdi>{name}</bdi> <small>{len(entries)} "
        f"{'interest' if len(entries) == 1 else 'interests'}</small></summary>{interests}</details>"
    )


def _interest(entry: Document, reason: dict[str, Any] | None) -> str:
    captures = "".join(map(_capture, reason["captures"])) if reason else ""
    plain = escape(reason["in_plain_words"]) if reason else "Its evidence is of another producer."
    return (
        f"<article><h4>{escape(' › '.join(entry['path']))}</h4>"
        f"<p>Confidence {entry['confidence']:.2f}, score {entry['score']:.2f}, "
        f"expires {escape(entry['expires_at'][:10])}. {plain}</p><ul>{captures}</ul></article>"
    )


def _capture(capture: dict[str, Any]) -> str:
    labels = f": {escape(', '.join(capture['labels']))}" if capture["labels"] else ""
    return (
        f"<li>{escape(capture['captured_at'][:16].replace('T', ' '))}, "
        f"{escape(capture['source'])} {escape(capture['modality'])}, by its "
        f"{escape(capture['rule'])}{labels} ({capture['confidence']:.2f})</li>"
    )
