"""Evidence as a row of the ledger, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from glasses_signals.records import Evidence, InterestKind, Modality, Source
from glasses_signals.times import format_time, parse_time


def evidence_row(evidence: Evidence) -> Sequence[object]:
    """In the order of the table's columns."""
    return (
        evidence.account_id,
        evidence.interest_id,
        evidence.item_id,
        evidence.modality,
        evidence.kind,
        evidence.source,
        format_time(evidence.captured_at),
        round(evidence.confidence, 3),
        evidence.rule,
        json.dumps(evidence.labels),
    )


def evidence_of(values: Sequence[object]) -> Evidence:
    """From the columns that `Ledger.evidence` asks for."""
    account_id, item_id, interest_id, kind, source, modality, at, confidence, rule, labels = values
    return Evidence(
        account_id=str(account_id),
        item_id=str(item_id),
        interest_id=str(interest_id),
        kind=InterestKind(str(kind)),
        source=Source(str(source)),
        modality=Modality(str(modality)),
        captured_at=stored_time(str(at)),
        confidence=float(str(confidence)),
        rule=str(rule),
        labels=tuple(json.loads(str(labels))),
    )


def stored_time(text: str) -> datetime:
    """A time that was stored by `format_time`."""
    time = parse_time(text)
    assert time is not None
    return time
