"""Account gates: may this capture of this account be used? Decided before media is opened."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TypeGuard

from glasses_signals.policy.policy import Policy, iso_regions
from glasses_signals.records import Account, Item, Source

REASONS = (
    "account_unknown",
    "not_ai_interaction",
    "region_unknown",
    "region_excluded",
    "minor_unknown",
    "minor",
    "opt_out_unknown",
    "opted_out",
    "links_unknown",
    "product_not_linked",
    "capture_time_unknown",
    "capture_in_future",
    "before_effective_date",
    "notice_not_sent",
    "notice_not_before_capture",
)

_ISO_REGIONS = iso_regions()


def account_gate(
    account: Account | None, item: Item, policy: Policy, as_of: datetime | None = None
) -> str | None:
    """The reason why `item` may not be used, one of REASONS, or None when it may.

    Fails closed: whatever is missing, malformed or unknown excludes. An opt-out at any time
    excludes the captures before it as well as those after it, and an account that says both that
    it opted out at some time and that it didn't is taken at the stricter word. With `as_of`, the
    moment of the run, captures that lie too far after it are refused. Opens nothing.
    """
    if account is None or not item.account_id or account.account_id != item.account_id:
        return "account_unknown"
    if item.ai_interaction is not True:
        return "not_ai_interaction"
    return (
        _region_reason(account.region, policy)
        or _person_reason(account)
        or _link_reason(account.linked_products, item.source, policy)
        or _time_reason(account.notice_sent_at, item.captured_at, policy, as_of)
    )


def _region_reason(region: object, policy: Policy) -> str | None:
    # Only ASCII letters are folded: "ı".upper() is "I", which would turn nonsense into a region.
    if not isinstance(region, str) or not region.isascii() or region.upper() not in _ISO_REGIONS:
        return "region_unknown"
    return "region_excluded" if region.upper() in policy.excluded_regions else None


def _person_reason(account: Account) -> str | None:
    if not isinstance(account.minor, bool):
        return "minor_unknown"
    if account.minor:
        return "minor"
    if not isinstance(account.ads_opt_out, bool):
        return "opt_out_unknown"
    return "opted_out" if account.ads_opt_out or account.ads_opt_out_at is not None else None


def _link_reason(linked: object, source: object, policy: Policy) -> str | None:
    if not isinstance(linked, frozenset) or not linked <= policy.known_products:
        return "links_unknown"
    if not isinstance(source, Source):
        return "product_not_linked"
    return None if policy.required_links[source] <= linked else "product_not_linked"


def _time_reason(
    notice_sent_at: object, captured_at: object, policy: Policy, as_of: datetime | None
) -> str | None:
    if not _is_moment(captured_at):
        return "capture_time_unknown"
    if as_of is not None and captured_at > as_of + timedelta(hours=policy.max_after_as_of_h):
        return "capture_in_future"
    if captured_at < _start_of(policy.effective_date):
        return "before_effective_date"
    if not _is_moment(notice_sent_at):
        return "notice_not_sent"
    return None if notice_sent_at < captured_at else "notice_not_before_capture"


def _is_moment(value: object) -> TypeGuard[datetime]:
    """Whether `value` is a time that can be placed: a datetime that knows its offset from UTC."""
    return isinstance(value, datetime) and value.utcoffset() is not None


def _start_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
