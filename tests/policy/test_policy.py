import re
from pathlib import Path

import pytest

from glasses_signals.errors import BadPolicy
from glasses_signals.policy.policy import DEFAULT_POLICY, TOPICS, load_policy

SHIPPED = DEFAULT_POLICY.read_text("utf-8")

EU_STATES = frozenset(re.findall("..", "ATBEBGHRCYCZDKEEFIFRDEGRHUIEITLVLTLUMTNLPLPTROSKSIESSE"))


def written(folder: Path, text: str) -> Path:
    place = folder / "policy.toml"
    place.write_text(text, "utf-8")
    return place


def test_the_shipped_policy_holds_what_was_announced() -> None:
    policy = load_policy()
    assert policy.effective_date.isoformat() == "2025-12-16"
    assert EU_STATES | {"KR", "GB", "IM", "JE", "GG", "GI", "RE", "GP"} <= policy.excluded_regions
    assert {"US", "JP", "CA", "CH", "NO"}.isdisjoint(policy.excluded_regions)
    assert policy.excluded_topics == frozenset(TOPICS)
    assert policy.min_audience == 50


def test_every_key_of_the_shipped_policy_says_why() -> None:
    lines = SHIPPED.splitlines()
    for number, line in enumerate(lines):
        starts_key = " = " in line and not line.startswith((" ", "#", "]"))
        in_table = any(above.startswith("[accounts.required_links]") for above in lines[:number])
        if starts_key and not (in_table and line.endswith('"]')):
            assert lines[number - 1].startswith("#"), line


def test_comments_and_order_do_not_change_the_identity(tmp_path: Path) -> None:
    without = "\n".join(line for line in SHIPPED.splitlines() if not line.startswith("#"))
    assert load_policy(written(tmp_path, without)).sha256 == load_policy().sha256


def test_a_changed_value_changes_the_identity(tmp_path: Path) -> None:
    changed = SHIPPED.replace("half_life_days = 30.0", "half_life_days = 31.0")
    assert load_policy(written(tmp_path, changed)).sha256 != load_policy().sha256


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("half_life_days = 30.0", "half_live_days = 30.0", "half_live_days"),
        ("half_life_days = 30.0\n", "", "half_life_days"),
        ("half_life_days = 30.0", "half_life_days = 0", "half_life_days"),
        ("half_life_days = 30.0", "half_life_days = nan", "half_life_days"),
        ("half_life_days = 30.0", 'half_life_days = "30"', "half_life_days"),
        ("half_life_days = 30.0", "half_life_days = true", "half_life_days"),
        ("[audiences]", "[audience]", "audience"),
        ("min_occurrences = 1", "min_occurrences = 0", "min_occurrences"),
        ("min_occurrences = 1", "min_occurrences = 1.5", "min_occurrences"),
        ("min_size = 50", "min_size = 1", "min_size"),
        ('"KR",', '"XX",', "excluded_regions"),
        ('"KR",', '"KR", "KR",', "excluded_regions"),
        ('"religion", ', "", "excluded_topics"),
        ('glasses = ["glasses"]', 'glasses = ["phone"]', "required_links"),
        ('glasses = ["glasses"]', "glasses = []", "required_links"),
        ('glasses = ["glasses"]\n', "", "required_links"),
        ("2025-12-16", "2025-12-16T00:00:00Z", "effective_date"),
        ("2025-12-16", '"soon"', "effective_date"),
        ("text_threshold = 0.85", "text_threshold = 0.0", "text_threshold"),
        ("text_threshold = 0.85", "text_threshold = ", "TOML"),
    ],
)
def test_a_slip_is_refused_and_named(tmp_path: Path, before: str, after: str, named: str) -> None:
    assert before in SHIPPED
    place = written(tmp_path, SHIPPED.replace(before, after))
    with pytest.raises(BadPolicy) as refusal:
        load_policy(place)
    assert named in str(refusal.value) and str(place) in str(refusal.value)


def test_a_missing_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(BadPolicy, match="--policy"):
        load_policy(tmp_path / "none.toml")
