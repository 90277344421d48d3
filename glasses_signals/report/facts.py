"""What a report tells, gathered from an output folder in one pass over its profiles.

Nothing here tells about groups under the policy's minimum audience: an interest that few accounts
hold, or that few showed in a week, is left out before it reaches the page.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from glasses_signals.errors import CannotStart
from glasses_signals.interests.taxonomy import load_taxonomy
from glasses_signals.ledger.ledger import Ledger
from glasses_signals.policy.policy import Policy
from glasses_signals.profiles.audiences import Audience, audience_sizes, told_size
from glasses_signals.profiles.document import Document
from glasses_signals.profiles.files import read_profiles
from glasses_signals.runners.output import LEDGER_NAME, PROFILES_NAME, RUN_NAME, open_ledger

RUN_FORMAT = "glasses-run/1"
CONFIDENCE_BINS = 20
MAX_INTERESTS_BIN = 15  # accounts with this many interests or more share a bar
TIMELINE_TOPICS = 8  # lines that a reader can tell apart

# Why a decoded item was not understood; other unused items were understood but not used.
NOT_UNDERSTOOD = frozenset({"language_unsupported", "nothing_recognised", "only_bystanders"})


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the funnel: how many items came this far, and why others did not."""

    name: str
    items: int
    lost: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the page without accounts shows.

    `timeline`: (week's Monday, tier-2 name, about how many accounts); `captures`: (Monday,
    modality, captures); `confidences`: (kind, bin, interests); `interest_counts`: interests an
    account holds -> accounts.
    """

    run: Mapping[str, Any]
    policy: Policy
    profiles: int
    interests: int
    funnel: tuple[Step, ...]
    audiences: tuple[Audience, ...]
    timeline: tuple[tuple[str, str, int], ...]
    captures: tuple[tuple[str, str, int], ...]
    confidences: tuple[tuple[str, int, int], ...]
    interest_counts: Mapping[int, int]
    sources: Mapping[str, int]
    evidence: int  # pieces that the ledger holds about these accounts

    @property
    def policy_is_the_runs(self) -> bool:
        """Whether the policy that the page goes by is the one that the run went by."""
        return bool(self.run.get("policy") == f"sha256:{self.policy.sha256}")


def gather(out: Path, policy: Policy) -> Facts:
    """Facts of the last run in `out`. Raises CannotStart when `out` holds no finished run."""
    run = _read_run(out)
    with open_ledger(out) as ledger:
        seen = _Seen(ledger)
        key = ledger.audience_key()
        audiences = audience_sizes(seen.passing(out / PROFILES_NAME), policy, key)
    return Facts(
        run=run,
        policy=policy,
        profiles=seen.profiles,
        interests=sum(seen.confidences.values()),
        funnel=funnel(run["counts"]),
        audiences=tuple(audiences),
        timeline=tuple(_timeline(seen, audiences, policy, key)),
        captures=tuple((*key, n) for key, n in sorted(seen.weekly_captures.items())),
        confidences=tuple((*key, n) for key, n in sorted(seen.confidences.items())),
        interest_counts=dict(sorted(seen.interest_counts.items())),
        sources=dict(sorted(seen.sources.items())),
        evidence=seen.evidence,
    )


def _read_run(out: Path) -> dict[str, Any]:
    try:
        run = json.loads((out / RUN_NAME).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CannotStart(
            f"can't read {out / RUN_NAME} ({error}); give the --out folder of a finished extract "
            f"run, which holds it beside {LEDGER_NAME}"
        ) from None
    if not isinstance(run, dict) or run.get("format") != RUN_FORMAT:
        raise CannotStart(
            f"{out / RUN_NAME} is not of format {RUN_FORMAT}; use the version that wrote it"
        )
    return run


class _Seen:
    """Adds up what profiles and their evidence hold, while `passing` hands the profiles on."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._taxonomy = load_taxonomy()
        self.profiles = 0
        self.weekly_accounts: Counter[tuple[str, str]] = Counter()  # (Monday, tier-2 id)
        self.weekly_captures: Counter[tuple[str, str]] = Counter()  # (Monday, modality)
        self.confidences: Counter[tuple[str, int]] = Counter()
        self.interest_counts: Counter[int] = Counter()
        self.sources: Counter[str] = Counter()
        self.evidence = 0

    def passing(self, path: Path) -> Iterator[Document]:
        for _, profile in read_profiles(path):
            self._add(profile)
            yield profile

    def _add(self, profile: Document) -> None:
        entries = profile["interests"]
        self.profiles += 1
        self.interest_counts[min(len(entries), MAX_INTERESTS_BIN)] += 1
        for entry in entries:
            place = min(int(entry["confidence"] * CONFIDENCE_BINS), CONFIDENCE_BINS - 1)
            self.confidences[entry["kind"], place] += 1
            self.sources.update(entry["evidence"]["sources"])
        self._add_evidence(profile["account_id"], {entry["id"] for entry in entries})

    def _add_evidence(self, account_id: str, held: set[str]) -> None:
        topics, captures = set(), set()
        for evidence in self._ledger.evidence(account_id):
            self.evidence += 1
            if evidence.interest_id in held:
                week = _monday(evidence.captured_at)
                topics.add((week, self._taxonomy.tier2(evidence.interest_id).id))
                captures.add((week, str(evidence.modality), evidence.item_id))
        self.weekly_accounts.update(topics)
        self.weekly_captures.update((week, modality) for week, modality, _ in captures)


def _monday(moment: datetime) -> str:
    return (moment - timedelta(days=moment.weekday())).date().isoformat()


def _timeline(
    seen: _Seen, audiences: list[Audience], policy: Policy, key: bytes
) -> Iterator[tuple[str, str, int]]:
    """Weeks of the largest tier-2 interests; a week that too few accounts showed is left out."""
    largest = [a for a in audiences if len(a.path) == 2 and a.path[0] == "Interest"]
    names = {a.interest_id: a.path[1] for a in largest[:TIMELINE_TOPICS]}
    for (week, topic), accounts in sorted(seen.weekly_accounts.items()):
        told = told_size(f"{topic} {week}", accounts, seen.profiles, policy, key)
        if topic in names and told is not None:
            yield week, names[topic], told


def funnel(counts: Mapping[str, int]) -> tuple[Step, ...]:
    """From `run.json`'s counts: uploaded, allowed, decoded, understood, used.

    Sensitive topics are folded into one reason: which of them it was concerns nobody.
    """
    excluded, quarantined = _reasons(counts, "excluded:"), _reasons(counts, "quarantined:")
    if manifests := quarantined.pop("manifest", 0):
        excluded["bad_manifest"] = manifests
    if done := counts.get("already_done", 0):
        quarantined["already_done"] = done
    not_used = _reasons(counts, "unused:")
    not_understood = {reason: n for reason, n in not_used.items() if reason in NOT_UNDERSTOOD}
    unused = {reason: n for reason, n in not_used.items() if reason not in NOT_UNDERSTOOD}
    items = counts.get("uploaded", 0)
    steps = [Step("Uploaded", items, {})]
    for name, reasons in (
        ("Allowed", excluded),
        ("Decoded", quarantined),
        ("Understood", not_understood),
        ("Used", unused),
    ):
        items -= sum(reasons.values())
        steps.append(Step(name, items, reasons))
    return tuple(steps)


def _reasons(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    reasons: Counter[str] = Counter()
    for key, n in counts.items():
        if n and key.startswith(prefix):
            reason = key.removeprefix(prefix)
            reasons["sensitive" if reason.startswith("sensitive:") else reason] += n
    return dict(reasons.most_common())
