"""Why an interest is held: which captures, when, through which stage, with which labels."""

from __future__ import annotations

from typing import Any

from glasses_signals.interests.taxonomy import load_taxonomy
from glasses_signals.ledger.ledger import Ledger
from glasses_signals.records import Evidence, Modality
from glasses_signals.times import format_time

_HOW = {
    Modality.VOICE: "something you said in a voice note",
    Modality.VIDEO: "something in a video you took",
    Modality.PHOTO: "something in a photo you took",
    Modality.TEXT: "something you wrote",
    Modality.OCR: "something written in a photo or video you took",
}


def explain(
    ledger: Ledger, account_id: str, interest_id: str | None = None
) -> list[dict[str, Any]]:
    """One JSON-ready entry an interest, by taxonomy id, each with its captures in time order.

    Also names interests whose evidence is still too weak to stand in the profile.
    """
    by_interest: dict[str, list[Evidence]] = {}
    for evidence in ledger.evidence(account_id):
        if interest_id is None or evidence.interest_id == interest_id:
            by_interest.setdefault(evidence.interest_id, []).append(evidence)
    return [_entry(id_, by_interest[id_]) for id_ in sorted(by_interest, key=int)]


def _entry(interest_id: str, found: list[Evidence]) -> dict[str, Any]:
    node = load_taxonomy().node(interest_id)
    return {
        "id": node.id,
        "path": list(node.path),
        "kind": str(node.kind),
        "captures": [
            {
                "item_id": evidence.item_id,
                "captured_at": format_time(evidence.captured_at),
                "source": str(evidence.source),
                "modality": str(evidence.modality),
                "rule": evidence.rule,
                "labels": list(evidence.labels),
                "confidence": evidence.confidence,
            }
            for evidence in found
        ],
        "in_plain_words": _plain_words(node.name, found),
    }


def _plain_words(name: str, found: list[Evidence]) -> str:
    ways = sorted({_HOW[evidence.modality] for evidence in found})
    last = max(evidence.captured_at for evidence in found)
    times = "once" if len(found) == 1 else f"{len(found)} times"
    return (
        f"We think that you are interested in {name} because of {' and '.join(ways)}, "
        f"{times}, last on {last:%d %B %Y}."
    )
