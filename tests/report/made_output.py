"""An output folder as `extract` leaves it, of made-up accounts: `python made_output.py OUT`."""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from glasses_signals.interests.aggregate import aggregate
from glasses_signals.interests.taxonomy import Node, load_taxonomy
from glasses_signals.ledger.ledger import Ledger, Outcome
from glasses_signals.policy.policy import load_policy
from glasses_signals.policy.sensitive import blocked_nodes
from glasses_signals.profiles.document import Producer, build_profile
from glasses_signals.profiles.files import write_profiles
from glasses_signals.records import (
    Evidence,
    Item,
    ItemKind,
    ItemState,
    Modality,
    Source,
)
from glasses_signals.runners.output import LEDGER_NAME, PROFILES_NAME, write_run_report
from glasses_signals.uploads.fields import stable_id

AS_OF = datetime(2026, 2, 1, tzinfo=UTC)
SPAN_S = 47 * 86_400
HOSTILE_ACCOUNT = "<img src=x onerror=\"document.title='owned'\">"
HOSTILE_FILE = "uploads/u-7/</td><script>document.title='owned'</script>.jpg"
MODELS = {"whisper-base": "a" * 64, "efficientnet-lite0": "b" * 64}
STAGES = {"transcriber": MODELS}
KINDS = {
    ItemKind.VOICE: Modality.VOICE,
    ItemKind.PHOTO: Modality.PHOTO,
    ItemKind.VIDEO: Modality.VIDEO,
    ItemKind.TEXT: Modality.TEXT,
}


def make_output(out: Path, accounts: int, as_of: datetime = AS_OF) -> None:
    """`accounts` accounts, one of them with a hostile id, and one quarantined hostile file name."""
    chance = random.Random(7)
    out.mkdir(parents=True, exist_ok=True)
    names = [*(f"acct-{n:04}" for n in range(accounts - 1)), HOSTILE_ACCOUNT]
    policy = load_policy()
    with Ledger(out / LEDGER_NAME) as ledger:
        outcomes = [made for name in names for made in _outcomes(name, as_of, chance)]
        ledger.record(outcomes, policy.conversation_window_s, STAGES)
        reason = "the JPEG ends too early; upload it again"
        ledger.refuse([("q", Source.GLASSES, HOSTILE_FILE, reason)])
        producer = Producer("glasses-signals", "0.1.0", MODELS, policy.sha256)
        found = ((name, aggregate(ledger.evidence(name), policy, as_of)) for name in sorted(names))
        write_profiles(
            out / PROFILES_NAME,
            (build_profile(name, held, as_of, producer) for name, held in found if held),
        )
        write_run_report(out, _run(accounts, ledger.counts(), policy.sha256))


def _outcomes(account_id: str, as_of: datetime, chance: random.Random) -> list[Outcome]:
    nodes = _nodes()
    liked = chance.choices(nodes, weights=[1 / (n + 3) for n in range(len(nodes))], k=4)
    return [
        _outcome(account_id, number, chance.choice(liked), as_of, chance)
        for number in range(chance.randint(1, 12))
    ]


@cache
def _nodes() -> list[Node]:
    blocked = blocked_nodes()
    nodes = [n for n in load_taxonomy() if len(n.path) >= 3 and n.id not in blocked]
    random.Random(3).shuffle(nodes)
    interests = [n for n in nodes if n.path[0] == "Interest"]
    purchases = [n for n in nodes if n.path[0] == "Purchase Intent"]
    return interests[:60] + purchases[:20]


def _outcome(
    account_id: str, number: int, node: Node, as_of: datetime, chance: random.Random
) -> Outcome:
    kind = chance.choice(list(KINDS))
    at = as_of - timedelta(seconds=int(chance.triangular(0, SPAN_S, SPAN_S / 7)))
    source = Source.CHAT if kind is ItemKind.TEXT else Source.GLASSES
    item = Item(stable_id(account_id, str(number)), account_id, source, kind, at, True)
    evidence = Evidence(
        account_id=account_id,
        item_id=item.item_id,
        interest_id=node.id,
        kind=node.kind,
        source=source,
        modality=KINDS[kind],
        captured_at=at,
        confidence=round(chance.betavariate(6, 2), 3),
        rule="label" if kind is ItemKind.PHOTO else "text",
        labels=("espresso",) if kind is ItemKind.PHOTO else (),
    )
    return Outcome(
        item, ItemState.DONE, (evidence,), "f", stable_id(account_id, str(number), "bytes")
    )


def _run(accounts: int, states: dict[str, int], policy_sha256: str) -> dict[str, object]:
    done = states["done"]
    counts = {
        "uploaded": 2 * done + 1,
        "excluded:region_excluded": done // 4,
        "excluded:not_ai_interaction": done // 8,
        "allowed": 2 * done - done // 4 - done // 8,
        "quarantined:manifest": 1,
        "quarantined:file": 5,
        "unused:sensitive:health": 3,
        "unused:sensitive:religion": 2,
        "unused:nothing_recognised": done // 3,
        "used": done,
    }
    rest = counts["allowed"] - 10 - done // 3 - done
    return {
        "format": "glasses-run/1",
        "version": "0.1.0",
        "source": "glasses",
        "started_at": "2026-02-01T02:00:00Z",
        "as_of": "2026-02-01T00:00:00Z",
        "elapsed_s": 754.2,
        "states": states,
        "counts": {**counts, "unused:no_interest": rest},
        "profiles": accounts,
        "quarantined": [
            {"place": HOSTILE_FILE, "reason": "the JPEG ends too early; upload it again"}
        ],
        "stage_s": {"speech": 512.4, "vision": 88.1, "interests": 61.0, "ledger": 9.3},
        "throughput": {"audio_s_per_s": 14.2, "pictures_per_s": 96.4, "items_per_s": 3.1},
        "device": "cpu",
        "providers": {"transcriber": "CPUExecutionProvider", "tagger": "CPUExecutionProvider"},
        "cpu_flags": ["avx2", "avx512_vnni"],
        "models": {name: f"sha256:{sha}" for name, sha in MODELS.items()},
        "policy": f"sha256:{policy_sha256}",
        "peak_rss_mb": 1320,
    }


if __name__ == "__main__":
    make_output(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 600)
