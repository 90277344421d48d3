import base64
import hashlib
import json
import re
import stat
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import vl_convert
from made_output import HOSTILE_ACCOUNT, HOSTILE_FILE, make_output

from glasses_signals.interests.verdicts import LANGUAGE_UNSUPPORTED
from glasses_signals.policy.accounts import REASONS as ACCOUNT_REASONS
from glasses_signals.policy.policy import DEFAULT_POLICY, load_policy
from glasses_signals.report import charts
from glasses_signals.report.facts import gather
from glasses_signals.report.page import write_report
from glasses_signals.report.reliability import load_curve
from glasses_signals.report.words import FIELDS, POLICY_ROWS, REASONS
from glasses_signals.runners.output import REPORT_NAME
from glasses_signals.runners.rights import forget

MAX_BYTES = 2_000_000
CHARTS = (
    charts.audiences,
    charts.timeline,
    charts.captures,
    charts.confidences,
    lambda facts: charts.reliability(load_curve()),
    charts.interest_counts,
    charts.stages,
)


class Elements(HTMLParser):
    """All start tags with their attributes, all texts outside of scripts, and the scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self._code = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._code = tag == "script" and "type" not in dict(attrs)
        if self._code:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._code = False

    def handle_data(self, data: str) -> None:
        if self._code:
            self.scripts[-1] += data
        else:
            self.texts.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(output: Path) -> str:
    write_report(output, output / "report.html")
    return (output / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def account_page(output: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("page") / "accounts.html"
    write_report(output, file, accounts=True)
    return file.read_text("utf-8")


def test_the_file_is_small_and_its_owners_only(output: Path, page: str) -> None:
    file = output / "report.html"
    assert file.stat().st_size < MAX_BYTES
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_nothing_is_loaded_from_elsewhere(account_page: str) -> None:
    elements = Elements(account_page)
    for attribute in ("src", "srcset", "href", "data", "action", "poster"):
        values = [a[attribute] for _, a in elements.tags if a.get(attribute)]
        assert all(value and value.startswith("#") for value in values), attribute
    assert {tag for tag, _ in elements.tags}.isdisjoint({"link", "iframe", "img", "object", "base"})
    assert "@import" not in account_page.split("</style>")[0]


def test_the_security_policy_allows_the_pages_own_scripts_alone(page: str) -> None:
    elements = Elements(page)
    (content,) = (m["content"] for m in elements.named("meta") if m.get("http-equiv"))
    assert content is not None
    allowed = re.search(r"script-src ([^;]*);", content)
    assert allowed is not None
    digests = [hashlib.sha256(script.encode()).digest() for script in elements.scripts]
    assert allowed[1].split() == [f"'sha256-{base64.b64encode(d).decode()}'" for d in digests]
    assert "default-src 'none'" in content


def test_hostile_names_are_shown_as_text(account_page: str) -> None:
    elements = Elements(account_page)
    assert HOSTILE_ACCOUNT in elements.texts
    assert HOSTILE_FILE in elements.texts
    assert not any("onerror" in attributes for _, attributes in elements.tags)


def test_no_account_is_named_unless_asked_for(page: str, account_page: str) -> None:
    assert "acct-0001" not in page
    assert "acct-0001" in account_page


def test_sections_headings_and_links_fit_together(account_page: str) -> None:
    elements = Elements(account_page)
    ids = [attributes["id"] for _, attributes in elements.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    links = {a["href"] for a in elements.named("a")}
    assert {f"#{section['id']}" for section in elements.named("section")} <= links
    assert {link[1:] for link in links if link} <= set(ids)
    assert len(elements.named("h1")) == len(elements.named("main")) == 1
    labelled = {label["for"] for label in elements.named("label")}
    assert {field["id"] for field in elements.named("input")} <= labelled


def test_every_chart_has_its_data_as_a_table(page: str) -> None:
    figures = page.split("<figure>")[1:]
    assert len(figures) == len(CHARTS)
    assert all("data-spec=" in figure and "<table" in figure for figure in figures)


@pytest.mark.parametrize("chart", CHARTS)
def test_vega_lite_accepts_every_chart(chart: object, output: Path) -> None:
    made = chart(gather(output, load_policy()))  # type: ignore[operator]
    assert made.rows
    spec = json.loads(json.dumps(made.spec))
    assert vl_convert.vegalite_to_vega({**spec, "width": 400}, vl_version=charts.VEGA_LITE)["marks"]


def test_a_reviewer_reads_what_is_kept_and_whom_the_page_names(
    page: str, account_page: str
) -> None:
    for words in ("Never kept", "180 days after the capture", "glasses-signals forget"):
        assert words in page
    assert "<bdi>no account</bdi>" in page
    assert "<bdi>single accounts</bdi>" in account_page


def test_a_small_run_tells_no_interest(tmp_path: Path) -> None:
    make_output(tmp_path, accounts=20)
    write_report(tmp_path, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "No interest is held by 50 accounts or more" in page
    assert "Sports" not in page.split("<script>")[0]


def test_another_policy_than_the_runs_is_pointed_out(output: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(DEFAULT_POLICY.read_text().replace("min_size = 50", "min_size = 60"))
    write_report(output, tmp_path / "report.html", policy)
    assert "not the one this run used" in (tmp_path / "report.html").read_text("utf-8")


def test_every_reason_and_policy_value_has_plain_words() -> None:
    assert {*ACCOUNT_REASONS, LANGUAGE_UNSUPPORTED} <= set(REASONS)
    assert set(FIELDS) == set(ACCOUNT_REASONS)
    unnamed = {"known_products", "max_after_as_of_h", "sha256"}
    assert set(POLICY_ROWS) == set(load_policy().__slots__) - unnamed


def test_the_command_says_where_the_report_is(output: Path, tmp_path: Path) -> None:
    file = tmp_path / "r.html"
    command = [sys.executable, "-m", "glasses_signals", "report", str(output), "--output"]
    run = subprocess.run([*command, str(file)], capture_output=True, text=True, check=True)
    assert str(file) in run.stdout
    assert file.read_text("utf-8").startswith("<!doctype html>")


def test_forgetting_removes_a_report_that_may_tell_of_the_account(tmp_path: Path) -> None:
    make_output(tmp_path, accounts=3)
    write_report(tmp_path, tmp_path / REPORT_NAME, accounts=True)
    forget(tmp_path, "acct-0001")
    for file in tmp_path.iterdir():
        assert b"acct-0001" not in file.read_bytes(), file


def test_without_the_chart_package_the_remedy_is_told(output: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['vl_convert'] = None\n"
        "from glasses_signals.cli import main\n"
        f"sys.argv[1:] = ['report', {str(output)!r}, '--output', {str(tmp_path / 'r.html')!r}]\n"
        "main()"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 3
    assert "glasses-signals[report]" in run.stderr
    assert not list(tmp_path.iterdir())
