"""Another team's producer: saved articles become interests in the shared profile format.

    python docs/examples/producer.py saved.jsonl > reading.jsonl
    glasses-signals merge out/profiles.jsonl reading.jsonl > all.jsonl

A line of saved.jsonl, in which `topic` is an id of the IAB Audience Taxonomy 1.1:
    {"account_id": "acct-001", "topic": "625", "saved_at": "2026-01-05T10:00:00Z"}
"""

import json
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from glasses_signals.interests.taxonomy import load_taxonomy
from glasses_signals.profiles.document import Producer, build_profile, canonical_json
from glasses_signals.records import Interest

AS_OF = datetime(2026, 2, 1, tzinfo=UTC)
PRODUCER = Producer("reading-list", "1.0", models={}, policy_sha256="0" * 64)

saved = defaultdict(list)
for line in Path(sys.argv[1]).read_text().splitlines():
    article = json.loads(line)
    when = datetime.fromisoformat(article["saved_at"])
    saved[article["account_id"], article["topic"]].append(when)

interests = defaultdict(list)
for (account_id, topic), times in sorted(saved.items()):
    strength = 1 - 0.5 ** len(times)
    interests[account_id].append(
        Interest(
            interest_id=topic,
            kind=load_taxonomy().node(topic).kind,
            score=strength,
            confidence=strength,
            first_seen=min(times),
            last_seen=max(times),
            expires_at=max(times) + timedelta(days=180),
            evidence_count=len(times),
            sources=(("reading-list", len(times)),),
            modalities=(("text", len(times)),),
        )
    )
for account_id, held in interests.items():
    print(canonical_json(build_profile(account_id, held, AS_OF, PRODUCER)))
