from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from glasses_signals.policy.policy import load_policy
from glasses_signals.policy.turns import in_window, sensitive_windows

POLICY = load_policy()
START = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = timedelta(seconds=POLICY.conversation_window_s)

captures = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 1000)), max_size=20)


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


@settings(deadline=None)
@given(captures, captures)
def test_a_capture_is_dropped_when_a_sensitive_one_of_its_account_is_close(
    sensitive: list[tuple[str, int]], others: list[tuple[str, int]]
) -> None:
    windows = sensitive_windows([(account, at(s)) for account, s in sensitive], POLICY)
    for account, second in others:
        close = any(
            account == other and abs(at(second) - at(moment)) <= WINDOW
            for other, moment in sensitive
        )
        assert in_window(windows, account, at(second)) == close


@settings(deadline=None)
@given(captures)
def test_windows_are_the_same_in_any_order(sensitive: list[tuple[str, int]]) -> None:
    moments = [(account, at(second)) for account, second in sensitive]
    assert sensitive_windows(moments, POLICY) == sensitive_windows(reversed(moments), POLICY)
