from __future__ import annotations

import pytest

from glasses_signals.policy.policy import TOPICS
from glasses_signals.policy.printed import printed_topic


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("Rx only", "health"),
        ("Keep out of reach of children", "health"),
        ("Take one tablet daily with food", "health"),
        ("IBUPROFEN 200 MG 24 COATED TABLETS", "health"),
        ("Refills: 2 Dr. A. Smith", "health"),
        ("VOTE JOHNSON", "politics"),
        ("Re-elect Maria Lopez", "politics"),
        ("Smith for State Senate", "politics"),
        ("Paid for by friends of Dan Webb", "politics"),
        ("Masjid Al-Noor", "religion"),
        ("Sunday Worship 10:30", "religion"),
        ("Teamsters Local 120", "trade_union"),
    ],
)
def test_labels_posters_and_notices_name_their_topic(text: str, topic: str) -> None:
    assert printed_topic(text) == topic
    assert topic in TOPICS


@pytest.mark.parametrize(
    "text",
    [
        "Fishing tackle",
        "Trail running for beginners",
        "Samsung tablets and phones",
        "Sodium 120 mg per serving",
        "Electric bikes",
        "Cooking for one",
        "Local farmers market",
        "Free refills",
        "The elective course catalogue",
        "",
    ],
)
def test_ordinary_print_names_none(text: str) -> None:
    assert printed_topic(text) is None
