"""The report as one HTML page: no network, no script but its own, every value escaped.

The page's Content-Security-Policy allows the two scripts in it by their hashes and nothing else,
so even a value that slipped through unescaped could neither run nor call home.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from glasses_signals.errors import CannotStart
from glasses_signals.policy.policy import load_policy
from glasses_signals.profiles.files import read_profiles, write_atomically
from glasses_signals.report import charts
from glasses_signals.report.accounts import account_sections
from glasses_signals.report.facts import Facts, Step, gather
from glasses_signals.report.reliability import load_curve
from glasses_signals.report.words import POLICY_ROWS, REASONS
from glasses_signals.runners.output import PROFILES_NAME, open_ledger

MAX_NAME = 24  # characters of a cell whose words are not to be broken
LICENCES = (
    "Charts are drawn by Vega, Vega-Lite and Vega-Embed (BSD-3-Clause, University of Washington "
    "Interactive Data Lab), contained in this file. Interests are nodes of the IAB Tech Lab "
    "Audience Taxonomy 1.1 (CC BY 3.0)."
)


def write_report(
    out: Path, output: Path, policy: Path | None = None, accounts: bool = False
) -> int:
    """Write the report of the run in `out`, replacing `output` in one step. Returns its bytes.

    With `accounts` it also shows what is held about single accounts. Raises CannotStart, BadPolicy.
    """
    facts = gather(out, load_policy(policy))
    try:
        if not accounts:
            write_atomically(output, _page(facts, None))
        else:
            with open_ledger(out) as ledger:
                profiles = (profile for _, profile in read_profiles(out / PROFILES_NAME))
                write_atomically(output, _page(facts, account_sections(ledger, profiles)))
        return output.stat().st_size
    except OSError as error:
        raise CannotStart(
            f"can't write {output}: {error.strerror or error}; name another file with --output"
        ) from None


def _page(facts: Facts, accounts: Iterable[str] | None) -> Iterator[str]:
    """The page in pieces, so that many accounts need no memory."""
    scripts = [charts.chart_scripts(), _data("report.js")]
    yield from _head(scripts)
    yield from _header(facts, accounts is not None)
    yield "<main id=main>"
    yield from _summary(facts)
    yield from _funnel(facts)
    yield from _section("interests", "Interests", _interests(facts))
    yield from _section("kept", "What is kept, and about whom", _kept(facts, accounts is not None))
    yield from _section("speed", "Speed", _speed(facts))
    yield from _section("quarantine", "Quarantined files", _quarantine(facts))
    yield from _section("models", "Models and policy in force", _in_force(facts))
    if accounts is not None:
        yield from _section("accounts", "Accounts", accounts)
    yield "</main>"
    version = escape(str(facts.run.get("version")))
    yield f"<footer><p>Made by glasses-signals {version}. {LICENCES}</p>"
    yield "</footer>"
    for script in scripts:
        yield f"<script>{script}</script>"
    yield "</body></html>"


def _data(name: str) -> str:
    return files("glasses_signals.report").joinpath("data", name).read_text("utf-8")


def _head(scripts: Sequence[str]) -> Iterator[str]:
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    yield (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        f"script-src {hashes}; style-src 'unsafe-inline'; img-src data:\">"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        '<meta name=color-scheme content="light dark"><meta name=referrer content=no-referrer>'
        f"<title>glasses-signals report</title><style>{_data('report.css')}</style></head><body>"
    )


def _header(facts: Facts, accounts: bool) -> Iterator[str]:
    run = facts.run
    links = [
        ("summary", "Summary"),
        ("funnel", "Funnel"),
        ("interests", "Interests"),
        ("kept", "What is kept"),
        ("speed", "Speed"),
        ("quarantine", "Quarantine"),
        ("models", "Models and policy"),
    ]
    links += [("accounts", "Accounts")] if accounts else []
    yield '<a class=skip href="#main">Skip to content</a><header><div class=title>'
    yield f"<h1>Run of {escape(str(run.get('started_at', ''))[:16].replace('T', ', '))} UTC</h1>"
    yield "<button type=button id=theme hidden>Dark</button></div>"
    yield (
        f"<p>Source <b>{escape(str(run.get('source')))}</b>, interests as of "
        f"<b>{escape(str(run.get('as_of'))[:10])}</b>, on <b>{escape(str(run.get('device')))}</b>."
    )
    if accounts:
        yield (
            "</p><p class=warning>This file holds data of single account holders. Keep it like the "
            "output folder, and delete it when somebody asks to be forgotten."
        )
    yield "</p><nav aria-label=Sections><ul>"
    yield from (f'<li><a href="#{id_}">{name}</a></li>' for id_, name in links)
    yield "</ul></nav></header>"
    yield "<noscript><p class=warning>Without scripts the charts are not drawn; each one's data "
    yield "stands below it as a table.</p></noscript>"


def _section(id_: str, title: str, content: Iterable[str]) -> Iterator[str]:
    yield f"<section id={id_} aria-labelledby={id_}-title><h2 id={id_}-title>{escape(title)}</h2>"
    yield from content
    yield "</section>"


def _summary(facts: Facts) -> Iterator[str]:
    states = facts.run.get("states", {})
    elapsed_s = float(facts.run.get("elapsed_s", 0))
    figures = [
        ("items uploaded", _count(facts.funnel[0].items)),
        ("items used", _count(facts.funnel[-1].items)),
        ("items quarantined", _count(int(states.get("quarantined", 0)))),
        ("accounts with a profile", _count(facts.profiles)),
        ("interests held", _count(facts.interests)),
        ("run time", _duration(elapsed_s)),
    ]
    cards = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures)
    yield from _section("summary", "Summary", [f"<dl class=figures>{cards}</dl>"])


def _funnel(facts: Facts) -> Iterator[str]:
    top = max(facts.funnel[0].items, 1)
    steps = "".join(_step(step, top) for step in facts.funnel)
    note = (
        "<p class=note>This run only. Why something was excluded is counted per run, never per "
        "account; the topics that are never used are counted together.</p>"
    )
    contested = int(facts.run.get("contested", 0))
    if contested:
        note += (
            f"<p class=note>{_count(contested)} captures count for nobody, because two accounts "
            "uploaded the same bytes.</p>"
        )
    yield from _section("funnel", "From uploaded to used", [f"<ol class=funnel>{steps}</ol>{note}"])


def _step(step: Step, top: int) -> str:
    share = 100 * step.items / top
    lost = "".join(
        f"<li>{_count(n)} {escape(REASONS.get(reason, reason))}</li>"
        for reason, n in sorted(step.lost.items(), key=lambda loss: (-loss[1], loss[0]))
    )
    return (
        f"<li><div class=step><b>{step.name}</b><span>{_count(step.items)} "
        f"<small>({share:.0f} %)</small></span></div>"
        f'<div class=bar aria-hidden=true><i style="width:{share:.2f}%"></i></div>'
        + (f"<ul aria-label='Left out before this step'>{lost}</ul>" if lost else "")
        + "</li>"
    )


def _interests(facts: Facts) -> Iterator[str]:
    yield _figure(charts.audiences(facts))
    yield _figure(charts.timeline(facts))
    yield "<div class=pair>"
    yield _figure(charts.confidences(facts))
    yield _figure(charts.reliability(load_curve()))
    yield "</div><div class=pair>"
    yield _figure(charts.interest_counts(facts))
    yield _figure(charts.captures(facts))
    yield "</div>"
    yield "<h3>Audiences</h3>"
    yield (
        f"<p class=note>Segments of {facts.policy.min_audience} accounts or more, those below "
        f"counted in; sizes are blurred and rounded down to {facts.policy.audience_step}s.</p>"
    )
    rows = [(a.interest_id, " › ".join(a.path), a.about_accounts) for a in facts.audiences]
    yield table("Audiences", ("Id", "Interest", "About"), rows)


def _kept(facts: Facts, accounts: bool) -> Iterator[str]:
    """For a reviewer who has only this page; docs/privacy.md has the whole of it."""
    days = facts.policy.retention_days
    rows = [
        ("Accounts with a profile", _count(facts.profiles)),
        (
            "Kept about each",
            "taxonomy ids of interests, with confidence, strength, first and last seen, expiry",
        ),
        (
            "Kept as their evidence",
            f"{_count(facts.evidence)} rows in all: time, product, kind of capture, taxonomy id, "
            "confidence, and the names of picture classes that led there, such as mountain bike",
        ),
        (
            "Never kept",
            "words said or written, pictures, faces, voices, places, and what was left out because "
            "of its topic",
        ),
        ("For how long", f"{days:g} days after the capture, or until forgotten"),
        ("Where", "ledger.sqlite, profiles.jsonl and run.json in the output folder, for its owner"),
        ("Of accounts left out", "a hash of each item and the word excluded, without account"),
        ("Of what was forgotten", "salted hashes, so that it does not come back"),
        ("Named on this page", "single accounts" if accounts else "no account"),
        ("To see one account", "glasses-signals explain OUT ACCOUNT"),
        ("To erase one", "glasses-signals forget OUT ACCOUNT; optout also keeps it out"),
    ]
    yield _facts_table("What is kept", rows)


def _figure(chart: charts.Chart) -> str:
    heading = f"<h3>{escape(chart.title)}</h3>"
    if not chart.rows:
        return f"<figure>{heading}<p class=empty>{escape(chart.empty)}</p></figure>"
    spec = json.dumps(chart.spec, ensure_ascii=True).replace("<", "\\u003c")
    return (
        f"<figure>{heading}<figcaption>{escape(chart.caption)}</figcaption>"
        f"<div class=chart id=chart-{chart.id} data-spec=spec-{chart.id}></div>"
        f"<script type=application/json id=spec-{chart.id}>{spec}</script>"
        f"<details><summary>Data as a table</summary>"
        f"{table(chart.title, chart.columns, chart.rows)}</details></figure>"
    )


def _speed(facts: Facts) -> Iterator[str]:
    yield "<div class=pair>"
    yield _figure(charts.stages(facts))
    run = facts.run
    rates = run.get("throughput", {})
    rows = [
        ("Speech, seconds of sound a second", _rate(rates.get("audio_s_per_s"))),
        ("Pictures a second", _rate(rates.get("pictures_per_s"))),
        ("Items a second, over all", _rate(rates.get("items_per_s"))),
        ("Peak memory, MiB", _count(int(run.get("peak_rss_mb", 0)))),
        ("Device", str(run.get("device"))),
        *((f"Runs on ({stage})", name) for stage, name in run.get("providers", {}).items()),
        ("CPU flags", " ".join(run.get("cpu_flags", [])) or "none known"),
    ]
    yield f"<div><h3>Rates</h3>{_facts_table('Rates and machine', rows)}</div></div>"


def _rate(rate: object) -> str:
    return f"{rate:,.2f}" if isinstance(rate, int | float) else "none done"


def _quarantine(facts: Facts) -> Iterator[str]:
    rows = [(entry["place"], entry["reason"]) for entry in facts.run.get("quarantined", [])]
    if rows:
        yield (
            "<p class=note>These could not be used; the rest of the run went on without them. "
            "Names of files may tell whose they are.</p>"
        )
        yield table("Quarantined files", ("File", "Reason"), rows)
    else:
        yield "<p class=empty>None: every file could be used.</p>"


def _in_force(facts: Facts) -> Iterator[str]:
    models = sorted(facts.run.get("models", {}).items())
    yield "<h3>Models</h3>"
    yield table("Models", ("Model", "Checksum of its files"), models)
    yield f"<h3>Policy</h3><p class=note>Checksum {escape(str(facts.run.get('policy')))}.</p>"
    if not facts.policy_is_the_runs:
        yield (
            "<p class=warning>The policy shown is not the one this run used: its checksum differs. "
            "Name the run's policy with --policy.</p>"
        )
    rows = [(name, _policy_value(getattr(facts.policy, key))) for key, name in POLICY_ROWS.items()]
    yield _facts_table("Policy", rows)


def _policy_value(value: object) -> str:
    if isinstance(value, frozenset):
        return ", ".join(sorted(str(part).replace("_", " ") for part in value))
    if isinstance(value, Mapping):
        return "; ".join(f"{k}: {_policy_value(v)}" for k, v in sorted(value.items()))
    return f"{value:g}" if isinstance(value, float) else str(value)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table that the page's script makes sortable, and filterable when it is long."""
    if not rows:
        return "<p class=empty>Nothing to show.</p>"
    head = "".join(f"<th scope=col>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return (
        f'<div class=scroll role=region tabindex=0 aria-label="{escape(title)}"><table class=data>'
        f"<caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
        "</table></div>"
    )


def _facts_table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    body = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td><bdi>{escape(value)}</bdi></td></tr>"
        for name, value in rows
    )
    return f"<table class=facts><caption>{escape(title)}</caption><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    if isinstance(value, int | float):
        shown = f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
        return f"<td class=number data-value={value}>{shown}</td>"
    text = str(value)
    kind = " class=id" if text.isdigit() else " class=name" if len(text) <= MAX_NAME else ""
    return f"<td{kind}><bdi>{escape(text)}</bdi></td>"


def _count(n: int) -> str:
    return f"{n:,}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
