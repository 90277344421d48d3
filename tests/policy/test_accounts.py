"""The account gate against a slow, separate statement of the same rules."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasses_signals.policy.accounts import REASONS, account_gate
from glasses_signals.policy.policy import load_policy
from glasses_signals.records import Account, Item, ItemKind, Source

POLICY = load_policy()
AS_OF = datetime(2026, 2, 1, tzinfo=UTC)
NOTICE = datetime(2025, 12, 17, 9, tzinfo=UTC)
CAPTURE = datetime(2026, 1, 5, 10, tzinfo=UTC)

WILLING = Account(
    account_id="acct-001",
    region="US",
    linked_products=frozenset({"glasses", "chat", "feed", "imagine", "ads"}),
    notice_sent_at=NOTICE,
    ads_opt_out=False,
    minor=False,
)
SPOKEN = Item("item-1", "acct-001", Source.GLASSES, ItemKind.VOICE, CAPTURE, True, "/no/such/file")


def codes(text: str) -> list[str]:
    return text.split()


EXCLUDED = codes(
    "KR GB GG IM JE AI BM FK GI GS IO KY MS PN SH TC VG "
    "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE "
    "AX GF GP MF MQ RE YT"
)
ALLOWED = codes("US CA JP BR IN AU NZ CH NO IS NG ZA MX AR TR UA SG")
NONSENSE = ("", " ", "ZZ", "EU", "UK", "U", "USA", "us ", "u\u017f", "\u0131n", "U\u200bS", "--")

moments = st.datetimes(
    datetime(2025, 12, 10),
    datetime(2026, 2, 10),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-10)), timezone(timedelta(hours=9))]),
)
maybe_moments = st.one_of(
    moments,
    st.none(),
    st.just(datetime(2026, 1, 1)),  # naive, so malformed
    st.sampled_from(["2026-01-01T00:00:00Z", 0]),
)
maybe_bools = st.sampled_from([True, False, None, "false", 0, 1])
products = st.sampled_from(["glasses", "chat", "feed", "imagine", "ads", "phone", "GLASSES"])


@st.composite
def accounts(draw: st.DrawFn) -> Account | None:
    if draw(st.integers(0, 30)) == 0:
        return None
    values: dict[str, Any] = {}
    rarely = st.integers(0, 4).map(lambda roll: roll == 0)
    if draw(rarely):
        regions = [*EXCLUDED, *ALLOWED, *NONSENSE, None, 7]
        values["region"] = draw(st.sampled_from(regions))
        if isinstance(values["region"], str) and draw(st.booleans()):
            values["region"] = values["region"].lower()
    if draw(rarely):
        values["linked_products"] = draw(
            st.one_of(
                st.frozensets(products), st.none(), st.lists(products), st.just("glasses ads")
            )
        )
    if draw(rarely):
        values["notice_sent_at"] = draw(maybe_moments)
    if draw(rarely):
        values["ads_opt_out"] = draw(maybe_bools)
    if draw(rarely):
        values["ads_opt_out_at"] = draw(maybe_moments)
    if draw(rarely):
        values["minor"] = draw(maybe_bools)
    if draw(rarely):
        values["account_id"] = draw(st.sampled_from(["acct-001", "acct-002", "", None]))
    return replace(WILLING, **values)


@st.composite
def items(draw: st.DrawFn) -> Item:
    return replace(
        SPOKEN,
        source=draw(st.sampled_from(list(Source))),
        captured_at=draw(st.one_of(moments, maybe_moments)),
        ai_interaction=draw(st.sampled_from([True, True, True, False, None, "true", 1])),
        account_id=draw(st.sampled_from(["acct-001"] * 9 + ["acct-002", ""])),
    )


def may_be_used(account: Any, item: Any) -> bool:
    """The rules once more, each on its own line, sharing nothing with the gate but the calendar."""

    def is_time(value: Any) -> bool:
        return type(value) is datetime and value.tzinfo is not None

    product_of = {"glasses": "glasses", "chat": "chat", "imagine": "imagine", "feed": "feed"}
    if account is None:
        return False
    checks = []
    checks.append(account.account_id == item.account_id and item.account_id != "")
    checks.append(type(item.ai_interaction) is bool and item.ai_interaction)
    checks.append(
        type(account.region) is str and account.region in ALLOWED + [a.lower() for a in ALLOWED]
    )
    checks.append(type(account.minor) is bool and not account.minor)
    checks.append(type(account.ads_opt_out) is bool and not account.ads_opt_out)
    checks.append(account.ads_opt_out_at is None)
    links = account.linked_products
    checks.append(type(links) is frozenset and product_of[item.source.value] in links)
    checks.append(
        type(links) is frozenset
        and all(link in ("glasses", "chat", "feed", "imagine", "ads") for link in links)
    )
    checks.append(is_time(account.notice_sent_at) and is_time(item.captured_at))
    if not all(checks):
        return False
    captured = item.captured_at.timestamp()
    checks.append(captured >= datetime(2025, 12, 16, tzinfo=UTC).timestamp())
    checks.append(account.notice_sent_at.timestamp() < captured)
    checks.append(captured - AS_OF.timestamp() <= 26 * 3600)
    return all(checks)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(accounts(), items())
def test_the_gate_allows_what_the_rules_allow_and_nothing_else(
    account: Account | None, item: Item
) -> None:
    reason = account_gate(account, item, POLICY, AS_OF)
    assert (reason is None) == may_be_used(account, item)
    assert reason is None or reason in REASONS


def test_a_willing_account_passes_for_every_source() -> None:
    for source in Source:
        assert account_gate(WILLING, replace(SPOKEN, source=source), POLICY, AS_OF) is None


@pytest.mark.parametrize("region", EXCLUDED)
def test_an_excluded_region_is_excluded_in_any_case(region: str) -> None:
    for written in (region, region.lower(), region.capitalize()):
        account = replace(WILLING, region=written)
        assert account_gate(account, SPOKEN, POLICY, AS_OF) == "region_excluded"


@pytest.mark.parametrize("region", [*NONSENSE, None])
def test_a_region_that_is_no_region_excludes(region: str | None) -> None:
    account = replace(WILLING, region=region)
    assert account_gate(account, SPOKEN, POLICY, AS_OF) == "region_unknown"


def test_an_opt_out_covers_captures_before_and_after_it() -> None:
    opted_out = replace(WILLING, ads_opt_out=True, ads_opt_out_at=CAPTURE)
    for hours in (-100, -1, 0, 1, 100):
        item = replace(SPOKEN, captured_at=CAPTURE + timedelta(hours=hours))
        assert account_gate(opted_out, item, POLICY, AS_OF) == "opted_out"


def test_a_time_of_opt_out_counts_even_when_the_flag_says_no() -> None:
    account = replace(WILLING, ads_opt_out=False, ads_opt_out_at=CAPTURE)
    assert account_gate(account, SPOKEN, POLICY, AS_OF) == "opted_out"


def test_notice_in_the_moment_of_capture_is_too_late() -> None:
    account = replace(WILLING, notice_sent_at=CAPTURE)
    assert account_gate(account, SPOKEN, POLICY, AS_OF) == "notice_not_before_capture"


def test_the_effective_date_begins_at_midnight_utc() -> None:
    account = replace(WILLING, notice_sent_at=datetime(2025, 12, 1, tzinfo=UTC))
    start = datetime(2025, 12, 16, tzinfo=UTC)
    early = replace(SPOKEN, captured_at=start - timedelta(microseconds=1))
    assert account_gate(account, early, POLICY, AS_OF) == "before_effective_date"
    assert account_gate(account, replace(SPOKEN, captured_at=start), POLICY, AS_OF) is None


def test_every_reason_can_happen() -> None:
    broken: list[dict[str, Any]] = [
        {"account_id": "acct-002"},
        {"region": None},
        {"region": "DE"},
        {"minor": None},
        {"minor": True},
        {"ads_opt_out": None},
        {"ads_opt_out": True},
        {"linked_products": None},
        {"linked_products": frozenset({"ads"})},
        {"notice_sent_at": None},
        {"notice_sent_at": CAPTURE + timedelta(days=1)},
    ]
    seen = {account_gate(replace(WILLING, **values), SPOKEN, POLICY, AS_OF) for values in broken}
    wrong: list[dict[str, Any]] = [
        {"ai_interaction": False},
        {"captured_at": None},
        {"captured_at": AS_OF + timedelta(days=9)},
        {"captured_at": datetime(2025, 12, 1, tzinfo=UTC)},
    ]
    seen |= {account_gate(WILLING, replace(SPOKEN, **values), POLICY, AS_OF) for values in wrong}
    assert seen == set(REASONS)


def test_one_willing_setting_never_outweighs_an_unwilling_one() -> None:
    bad: list[tuple[str, Any]] = [
        ("region", "KR"),
        ("linked_products", frozenset()),
        ("notice_sent_at", None),
        ("ads_opt_out", True),
        ("minor", True),
    ]
    for count in range(1, len(bad) + 1):
        for chosen in itertools.combinations(bad, count):
            account = replace(WILLING, **dict(chosen))
            assert account_gate(account, SPOKEN, POLICY, AS_OF) is not None


def test_a_capture_may_be_ahead_of_the_day_by_the_policys_hours_and_no_more() -> None:
    latest = AS_OF + timedelta(hours=POLICY.max_after_as_of_h)
    assert account_gate(WILLING, replace(SPOKEN, captured_at=latest), POLICY, AS_OF) is None
    later = replace(SPOKEN, captured_at=latest + timedelta(seconds=1))
    assert account_gate(WILLING, later, POLICY, AS_OF) == "capture_in_future"


def test_an_item_of_no_known_product_is_never_allowed() -> None:
    unknown: Any = "smart-fridge"
    assert account_gate(WILLING, replace(SPOKEN, source=unknown), POLICY) is not None
