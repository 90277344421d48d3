"""Charts of a report: Vega-Lite specs, with the same data as a table for those who can't see them.

Colours, fonts and widths are the page's (`data/report.js`), so that they follow its theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from glasses_signals.errors import CannotStart
from glasses_signals.report.facts import CONFIDENCE_BINS, MAX_INTERESTS_BIN, Facts
from glasses_signals.report.reliability import Curve

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # a name; nothing is fetched
VEGA_LITE = "6.4"
SHOWN_AUDIENCES = 25  # bars that fit a screen
KINDS = {"interest": "Interest", "purchase_intent": "Purchase intent"}

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """`spec` draws `rows`, whose columns are `columns`. Without rows, `empty` says why."""

    id: str
    title: str
    caption: str
    columns: tuple[str, ...]
    rows: Sequence[Row]
    spec: dict[str, Any]
    empty: str


@cache
def chart_scripts() -> str:
    """Vega, Vega-Lite and Vega-Embed (BSD-3-Clause) as one script, from the package vl-convert.

    Raises CannotStart when the package is missing.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise CannotStart(
            f"a report needs vl-convert-python ({error}); pip install 'glasses-signals[report]'"
        ) from None
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE))


def _chart(
    id_: str,
    title: str,
    caption: str,
    columns: tuple[str, ...],
    rows: Sequence[Row],
    empty: str,
    **spec: object,
) -> Chart:
    values = [dict(zip(columns, row, strict=True)) for row in rows]
    whole = {
        "$schema": SCHEMA,
        "description": f"{title}. {caption}",
        "data": {"values": values},
        "width": "container",
        **spec,
    }
    return Chart(id_, title, caption, columns, rows, whole, empty)


def _field(name: str, type_: str, **rest: object) -> dict[str, object]:
    return {"field": name, "type": type_, **rest}


def _count_axis(name: str) -> dict[str, object]:
    return _field(name, "quantitative", axis={"tickMinStep": 1, "format": ",d", "title": name})


def audiences(facts: Facts) -> Chart:
    """The tier-2 topics that most accounts hold."""
    top = [a for a in facts.audiences if len(a.path) == 2][:SHOWN_AUDIENCES]
    rows = [(a.path[1], a.path[0], a.about_accounts) for a in top]
    names = ("Interest", "Kind", "Accounts")
    return _chart(
        "audiences",
        "Interests over accounts",
        f"About how many accounts hold an interest of each topic; sizes blurred and rounded down "
        f"to {facts.policy.audience_step}s, none under {facts.policy.min_audience}.",
        names,
        rows,
        _too_few(facts),
        mark={"type": "bar", "cornerRadiusEnd": 3, "tooltip": True},
        height=20 * len(rows),
        encoding={
            "y": _field("Interest", "nominal", sort="-x", axis={"title": None}),
            "x": _count_axis("Accounts"),
            "color": _field("Kind", "nominal", legend=_legend()),
        },
    )


def timeline(facts: Facts) -> Chart:
    """The largest topics, week by week."""
    return _chart(
        "timeline",
        "Interests over time",
        "About how many accounts showed a topic in each week (Monday to Sunday, UTC); weeks with "
        f"fewer than {facts.policy.min_audience} are left out. Click the legend for one topic.",
        ("Week", "Topic", "Accounts"),
        facts.timeline,
        _too_few(facts),
        mark={"type": "line", "point": True, "tooltip": True},
        height=280,
        params=[
            {"name": "topic", "select": {"type": "point", "fields": ["Topic"]}, "bind": "legend"}
        ],
        encoding={
            "x": _week(),
            "y": _count_axis("Accounts"),
            "color": _field("Topic", "nominal", legend=_legend()),
            "opacity": {"condition": {"param": "topic", "value": 1}, "value": 0.15},
        },
    )


def captures(facts: Facts) -> Chart:
    """Captures that gave an interest, by week and by how it was noticed."""
    return _chart(
        "captures",
        "Captures that gave an interest",
        "By the week they were made in, and how the interest was noticed.",
        ("Week", "Noticed in", "Captures"),
        facts.captures,
        "No capture gave an interest.",
        mark={"type": "bar", "tooltip": True},
        height=240,
        encoding={
            "x": _week(),
            "y": _count_axis("Captures"),
            "color": _field("Noticed in", "nominal", legend=_legend()),
        },
    )


def confidences(facts: Facts) -> Chart:
    """How many interests are how sure."""
    width = 1 / CONFIDENCE_BINS
    rows = [(KINDS[kind], f"{place * width:.2f}", n) for kind, place, n in facts.confidences]
    labelled = [f"{place * width:.2f}" for place in range(0, CONFIDENCE_BINS, 2)]
    return _chart(
        "confidences",
        "Confidence of interests",
        f"Calibrated probability that an interest is right, in steps of {width:.2f}; the policy "
        f"keeps none under {facts.policy.min_confidence:.2f}.",
        ("Kind", "Confidence from", "Interests"),
        rows,
        "No account holds an interest.",
        mark={"type": "bar", "tooltip": True},
        height=240,
        encoding={
            "x": _field(
                "Confidence from",
                "ordinal",
                axis={"labelAngle": 0, "title": "confidence", "values": labelled},
            ),
            "y": _count_axis("Interests"),
            "color": _field("Kind", "nominal", legend=_legend()),
        },
    )


def reliability(curve: Curve) -> Chart:
    """Said against right: on the diagonal confidence means what it says."""
    rows = [
        (round(b.said, 3), round(b.right, 3), round(b.low, 3), round(b.high, 3), b.interests)
        for b in curve.bins
    ]
    ends = [{"Said": 0.5, "Right": 0.5}, {"Said": 1, "Right": 1}]
    steps = {"format": ".1f", "values": [n / 10 for n in range(5, 11)]}
    x = {**_share("Said"), "scale": {"domain": [0.5, 1]}, "axis": {**steps, "title": "confidence"}}
    y_axis = {"title": "share found right", "format": ".1f"}
    y = {**_share("Right"), "axis": y_axis}
    interval = {"y": {**_share("Low"), "axis": y_axis}, "y2": {"field": "High"}}
    return _chart(
        "reliability",
        "How far confidence can be trusted",
        f"Share of interests that reviewers found right, by the confidence said: on the dashed "
        f"line both agree; bars are 95 % intervals. Not of this run: measured on "
        f"{curve.measured_on} on {curve.interests:,} interests ({curve.source}); mean gap "
        f"{curve.error:.3f}.",
        ("Said", "Right", "Low", "High", "Interests"),
        rows,
        "No curve comes with this version.",
        height=240,
        layer=[
            {
                "data": {"values": ends},
                "mark": {"type": "line", "strokeDash": [4, 4], "strokeWidth": 1},
                "encoding": {"x": x, "y": y},
            },
            {"mark": {"type": "rule", "tooltip": True}, "encoding": {"x": x, **interval}},
            {
                "mark": {"type": "point", "filled": True, "size": 70, "tooltip": True},
                "encoding": {"x": x, "y": y},
            },
        ],
    )


def interest_counts(facts: Facts) -> Chart:
    """How many accounts hold how many interests."""
    rows = [
        (f"{n}+" if n == MAX_INTERESTS_BIN else str(n), accounts)
        for n, accounts in facts.interest_counts.items()
    ]
    order = [row[0] for row in rows]
    return _chart(
        "counts",
        "Interests an account holds",
        "How many accounts hold so many interests.",
        ("Interests", "Accounts"),
        rows,
        "No account holds an interest.",
        mark={"type": "bar", "tooltip": True},
        height=240,
        encoding={
            "x": _field("Interests", "ordinal", sort=order, axis={"labelAngle": 0}),
            "y": _count_axis("Accounts"),
        },
    )


def stages(facts: Facts) -> Chart:
    """Where the run's time went."""
    rows = sorted(facts.run.get("stage_s", {}).items(), key=lambda stage: -stage[1])
    return _chart(
        "stages",
        "Time by stage",
        "Seconds this process spent in each stage; decoding runs beside it in other processes.",
        ("Stage", "Seconds"),
        rows,
        "The run did no work.",
        mark={"type": "bar", "cornerRadiusEnd": 3, "tooltip": True},
        height=28 * len(rows),
        encoding={
            "y": _field("Stage", "nominal", sort="-x", axis={"title": None}),
            "x": _field("Seconds", "quantitative"),
        },
    )


def _share(name: str) -> dict[str, object]:
    return _field(name, "quantitative")


def _week() -> dict[str, object]:
    """Mondays side by side; as UTC dates, so that no reader's time zone moves them."""
    axis = {"format": "%d %b", "title": None, "labelOverlap": True, "labelSeparation": 6}
    return _field("Week", "ordinal", timeUnit="utcyearmonthdate", axis={**axis, "labelAngle": 0})


def _legend() -> dict[str, object]:
    return {
        "orient": "bottom",
        "title": None,
        "columns": {"expr": "width > 560 ? 4 : width > 340 ? 2 : 1"},
    }


def _too_few(facts: Facts) -> str:
    return (
        f"No interest is held by {facts.policy.min_audience} accounts or more, the policy's "
        "minimum audience, so none is told. Per account, the holder and those who may can see "
        "them with glasses-signals explain."
    )
