"""How arrivals are gathered into units: nothing lost, in order, full but for the last."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasses_signals.records import Account, Item, ItemKind, Source
from glasses_signals.runners.admission import Admitted
from glasses_signals.runners.units import UNIT_TEXTS, gather, weight

weights = st.lists(st.sampled_from([1 / UNIT_TEXTS, 0.5, 1.0, 70.0]), max_size=200)


@given(weights, st.integers(1, 64))
def test_units_hold_all_entries_in_order_and_are_full_but_for_the_last(
    entries: list[float], unit_items: int
) -> None:
    units = list(gather(entries, unit_items, lambda entry: entry))
    assert [entry for unit in units for entry in unit] == entries
    for unit in units[:-1]:
        assert sum(unit) >= unit_items > sum(unit[:-1])


@pytest.mark.parametrize(
    ("kind", "path", "expected"),
    [(ItemKind.TEXT, None, 1 / UNIT_TEXTS), (ItemKind.PHOTO, "a.jpg", 1.0)],
)
def test_a_text_fills_less_of_a_unit_than_a_file(
    kind: ItemKind, path: str | None, expected: float
) -> None:
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    item = Item("i", "a", Source.CHAT, kind, moment, ai_interaction=True, path=path)
    account = Account("a", "US", frozenset(), moment, ads_opt_out=False, minor=False)
    assert weight(Admitted(item, account, "f")) == expected
