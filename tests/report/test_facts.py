from pathlib import Path

import pytest

from glasses_signals.errors import CannotStart
from glasses_signals.policy.policy import load_policy
from glasses_signals.report.facts import funnel, gather

COUNTS = {
    "uploaded": 100,
    "excluded:minor": 7,
    "quarantined:manifest": 3,
    "allowed": 90,
    "already_done": 20,
    "quarantined:file": 10,
    "unused:nothing_recognised": 5,
    "unused:language_unsupported": 5,
    "unused:sensitive:health": 4,
    "unused:sensitive:religion": 1,
    "unused:no_interest": 15,
    "used": 30,
}


def test_the_funnel_loses_nothing_on_the_way() -> None:
    steps = {step.name: step.items for step in funnel(COUNTS)}
    assert steps == {
        "Uploaded": 100,
        "Allowed": COUNTS["allowed"],
        "Decoded": 60,
        "Understood": 50,
        "Used": COUNTS["used"],
    }


def test_the_funnel_does_not_say_which_sensitive_topic() -> None:
    reasons = {reason: n for step in funnel(COUNTS) for reason, n in step.lost.items()}
    assert reasons["sensitive"] == 5
    assert not any("health" in reason or "religion" in reason for reason in reasons)


def test_a_reason_that_struck_nothing_is_not_named() -> None:
    assert all(not step.lost for step in funnel({"uploaded": 1, "quarantined:file": 0}))


def test_an_empty_run_has_an_empty_funnel() -> None:
    assert [step.items for step in funnel({})] == [0, 0, 0, 0, 0]


def test_nothing_is_told_about_fewer_accounts_than_the_minimum(output: Path) -> None:
    policy = load_policy()
    facts = gather(output, policy)
    told = [a.about_accounts for a in facts.audiences] + [n for *_, n in facts.timeline]
    assert facts.audiences
    assert facts.timeline
    assert all(n >= policy.min_audience and n % policy.audience_step == 0 for n in told)


def test_every_interest_and_account_is_counted_once(output: Path) -> None:
    facts = gather(output, load_policy())
    assert sum(facts.interest_counts.values()) == facts.profiles
    assert sum(n for *_, n in facts.confidences) == facts.interests


def test_a_folder_without_a_run_can_not_be_reported(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="extract"):
        gather(tmp_path, load_policy())
