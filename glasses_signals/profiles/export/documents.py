"""One profile document to one object of another format. Nothing here reads or writes files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from glasses_signals.interests.taxonomy import SEGTAX
from glasses_signals.profiles.document import Document
from glasses_signals.times import format_time

XDM_IDENTITY_NAMESPACE = "GlassesSignalsAccount"
XDM_SEGMENT_NAMESPACE = "iabAudienceTaxonomy1_1"
XDM_TENANT = "_glassesSignals"

CSV_COLUMNS = (
    "account_id",
    "as_of",
    "interest_id",
    "kind",
    "path",
    "score",
    "confidence",
    "first_seen",
    "last_seen",
    "expires_at",
    "evidence_count",
    "sources",
    "modalities",
)

# A cell that starts with one of these is a formula to a spreadsheet (OWASP, "CSV Injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def unexpired(documents: Iterable[Document], moment: datetime) -> Iterator[Document]:
    """Documents without the interests that expired by `moment`, and without those left empty."""
    now = format_time(moment)
    for document in documents:
        interests = [entry for entry in document["interests"] if entry["expires_at"] > now]
        if interests:
            yield {**document, "interests": interests}


def openrtb_user(document: Document, provider: str) -> dict[str, Any]:
    """The `user` object of an OpenRTB 2.6 bid request, with one `data` object.

    Follows OpenRTB 2.6, objects User, Data and Segment, and the community extension "Segment
    Taxonomies", in which `ext.segtax` 4 is the IAB Audience Taxonomy 1.1. `value` is the score.
    """
    segments = [
        {"id": entry["id"], "name": entry["name"], "value": f"{entry['score']:.3f}"}
        for entry in document["interests"]
    ]
    data = {"name": provider, "segment": segments, "ext": {"segtax": SEGTAX}}
    return {"id": document["account_id"], "data": [data]}


def xdm_fragment(document: Document) -> dict[str, Any]:
    """An XDM Individual Profile fragment: `identityMap`, `segmentMembership`, and a tenant object.

    Field groups "IdentityMap" and "Segment Membership Details" of Adobe's XDM; the propensity is
    the confidence. What they have no field for stands under the tenant's name.
    """
    identity = {
        "id": document["account_id"],
        "authenticatedState": "authenticated",
        "primary": True,
    }
    return {
        "identityMap": {XDM_IDENTITY_NAMESPACE: [identity]},
        "segmentMembership": {
            XDM_SEGMENT_NAMESPACE: {
                entry["id"]: _xdm_membership(entry) for entry in document["interests"]
            }
        },
        XDM_TENANT: {
            "asOf": document["as_of"],
            "interests": [_xdm_interest(entry) for entry in document["interests"]],
        },
    }


def _xdm_membership(entry: Document) -> dict[str, Any]:
    return {
        "status": "realized",
        "lastQualificationTime": entry["last_seen"],
        "validUntil": entry["expires_at"],
        "payload": {
            "payloadType": "propensity",
            "payloadPropensityValue": entry["confidence"],
        },
    }


def _xdm_interest(entry: Document) -> dict[str, Any]:
    return {
        "id": entry["id"],
        "name": entry["name"],
        "path": entry["path"],
        "kind": entry["kind"],
        "score": entry["score"],
        "firstSeen": entry["first_seen"],
        "evidenceCount": entry["evidence"]["count"],
    }


def csv_lines(documents: Iterable[Document]) -> Iterator[str]:
    """Lines (RFC 4180, without their line end): a header, then one line an interest."""
    yield _csv_line(CSV_COLUMNS)
    for document in documents:
        for entry in document["interests"]:
            yield _csv_line(_csv_cells(document, entry))


def _csv_cells(document: Document, entry: Document) -> Iterator[object]:
    evidence = entry["evidence"]
    yield _no_formula(document["account_id"])
    yield document["as_of"]
    yield entry["id"]
    yield entry["kind"]
    yield " > ".join(entry["path"])
    yield entry["score"]
    yield entry["confidence"]
    yield from (entry["first_seen"], entry["last_seen"], entry["expires_at"])
    yield evidence["count"]
    yield _no_formula(_pairs(evidence["sources"]))
    yield _no_formula(_pairs(evidence["modalities"]))


def _no_formula(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


def _pairs(counts: dict[str, int]) -> str:
    return ";".join(f"{name}:{count}" for name, count in sorted(counts.items()))


def _csv_line(cells: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()
