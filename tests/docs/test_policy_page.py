"""docs/policy.md has a line for each key of the shipped policy, with its value."""

import re
import tomllib

from reading import REPOSITORY

from glasses_signals.policy.policy import DEFAULT_POLICY

ROW = re.compile(r"^\| (?:`\w+`)? ?\| `(\w+)` \| (.*?) \|", re.MULTILINE)


def test_every_key_stands_there_with_its_value() -> None:
    policy = tomllib.loads(DEFAULT_POLICY.read_text("utf-8"))
    values = {key: value for section in policy.values() for key, value in section.items()}
    told = dict(ROW.findall((REPOSITORY / "docs" / "policy.md").read_text("utf-8")))
    assert told.keys() == values.keys()
    shown = {key: cell for key, cell in told.items() if re.fullmatch(r"[\d.-]+", cell)}
    plain = {key: f"{v:g}" if isinstance(v, float) else str(v) for key, v in values.items()}
    assert shown == {key: plain[key] for key in shown}
    assert len(shown) > 5
