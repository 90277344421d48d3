"""Sensitive things as they are printed: medicine labels, campaign posters, notices.

The gate is made for what people say and type; labels and posters are names and fragments, which
these fixed expressions recognise beside it. They are only ever used on text read in pictures.
"""

from __future__ import annotations

import re

_MEDICINE = r"(?:tablet|capsule|caplet|softgel|lozenge|pill|suppositor(?:y|ie)|inhaler)s?"
_OFFICE = (
    r"(?:mayor|senate|senator|congress|president|governor|sheriff|judge|council(?:man|woman)?"
    r"|city council|school board|parliament|assembly|attorney general)"
)

# By topic; each is looked for anywhere in a text, upper or lower case alike.
_EXPRESSIONS = {
    "health": (
        r"\brx\s+only\b",
        r"\bkeep\s+out\s+of\s+(?:the\s+)?reach\s+of\s+children\b",
        rf"\btake\s+\S+\s+{_MEDICINE}\b",
        rf"\b{_MEDICINE}\s+(?:daily|twice|once|every|by\s+mouth|per\s+day|with\s+food|a\s+day)\b",
        rf"\b\d[\d.,]*\s?(?:mg|mcg)\b.*\b{_MEDICINE}\b|\b{_MEDICINE}\b.*\b\d[\d.,]*\s?(?:mg|mcg)\b",
        r"\brefills?\s*[:#]?\s*\d|\bno\s+refills\b",
        r"\b(?:cough\s+syrup|pain\s+relief|pain\s+reliever|antibiotics?|dosage)\b",
    ),
    "politics": (
        r"\b(?:re-?\s?)?elect\s+\w+",
        r"^\s*vote\b|\bvote\s+(?:for|yes|no)\b",
        r"\bpaid\s+for\s+by\b",
        rf"\bfor\s+(?:\w+\s+)?{_OFFICE}\b",
    ),
    "religion": (
        r"\b(?:masjid|mandir|gurdwara|iglesia|parish|ministries)\b",
        r"\b(?:holy\s+mass|mass\s+times|sunday\s+(?:service|school|mass|worship)|bible\s+study)\b",
    ),
    "trade_union": (r"\b(?:on\s+strike|union\s+strong|local\s+\d{2,4})\b",),
}
_TOPICS = {
    topic: re.compile("|".join(expressions), re.IGNORECASE)
    for topic, expressions in _EXPRESSIONS.items()
}


def printed_topic(text: str) -> str | None:
    """The sensitive topic that a text read in a picture is printed about; None for most."""
    return next((topic for topic, found in _TOPICS.items() if found.search(text)), None)
