"""Plain words for what code and policy call by short names."""

from __future__ import annotations

# Read after a number of items.
REASONS = {
    "account_unknown": "of accounts that the accounts file lacks",
    "already_done": "done by an earlier run",
    "bad_manifest": "with a manifest that can't be used",
    "before_effective_date": "captured before the policy's date",
    "capture_in_future": "captured in the future",
    "capture_time_unknown": "without a usable capture time",
    "file": "with a file that can't be used",
    "forgotten": "erased at the account holder's wish",
    "language_unsupported": "in a language that can't be judged",
    "links_unknown": "with unclear product links",
    "minor": "of minors",
    "minor_unknown": "of accounts of unclear age",
    "no_interest": "telling no interest",
    "not_ai_interaction": "not put to the assistant",
    "nothing_recognised": "with nothing recognised",
    "notice_not_before_capture": "captured before notice was sent",
    "notice_not_sent": "of accounts not notified",
    "only_bystanders": "in which only bystanders speak",
    "opt_out_unknown": "of accounts with an unclear opt-out",
    "opted_out": "of accounts that opted out",
    "product_not_linked": "of products not linked",
    "region_excluded": "of excluded regions",
    "region_unknown": "of accounts of unknown region",
    "sensitive": "touching topics that are never used",
}

# Which field of accounts.jsonl or of the upload a gate read, for those who have to mend it.
FIELDS = {
    "account_unknown": "account_id",
    "not_ai_interaction": "upload: ai_interaction",
    "region_unknown": "region",
    "region_excluded": "region",
    "minor_unknown": "minor",
    "minor": "minor",
    "opt_out_unknown": "ads_opt_out",
    "opted_out": "ads_opt_out",
    "links_unknown": "linked_products",
    "product_not_linked": "linked_products",
    "capture_time_unknown": "upload: captured_at",
    "capture_in_future": "upload: captured_at",
    "before_effective_date": "upload: captured_at",
    "notice_not_sent": "notice_sent_at",
    "notice_not_before_capture": "notice_sent_at",
}

POLICY_ROWS = {
    "effective_date": "Captures count from",
    "excluded_regions": "Excluded regions",
    "required_links": "Products that must be linked",
    "conversation_window_s": "Seconds around a sensitive capture that stay empty",
    "excluded_topics": "Topics never used",
    "text_threshold": "Probability that excludes a text",
    "named_threshold": "Probability that excludes a text that names a topic outright",
    "half_life_days": "Half-life of an interest, days",
    "retention_days": "Evidence is erased after, days",
    "min_confidence": "Lowest confidence kept",
    "spoken_confidence": "Lowest confidence of what was heard, with doubt of words and topic",
    "twice_confidence": "The same, of what two recognisers heard",
    "lone_confidence": "Lowest confidence of what only one of two recognisers heard",
    "min_score": "Lowest score kept",
    "min_occurrences": "Fewest captures for an interest",
    "min_audience": "Smallest audience told of",
    "audience_step": "Audience sizes are rounded down to",
}
