"""Figures of interests and restraint: `quality.py`, `restraint.py`, `spoken_restraint.py`."""

from __future__ import annotations

from results import Found, Make, Results, interval, number, percent, share, table


def judged(r: Results, part: str, name: str) -> tuple[int, int]:
    """(hits, of) of one of `quality.py`'s shares."""
    one = next(row for row in r.found(part)["shares"] if row["name"] == name)
    return round((one["value"] or 0) * one["n"]), one["n"]


def right(part: str, name: str) -> Make:
    return lambda r: share(*judged(r, part, name))


def plain(part: str, name: str) -> Make:
    """Without its interval."""
    return lambda r: percent(judged(r, part, name)[0] / judged(r, part, name)[1])


def calibration(part: str, name: str = "all") -> Make:
    return lambda r: f"{r.found(part)['calibration'][name]['error']:.3f}"


def texts_per_second(r: Results) -> str:
    return number(r.found("quality")["texts_per_second"])


QUALITY_ROWS = (
    ("`requests_dev`: must-hit recall", "must-hit recall"),
    ("wrong tier 2 per request", "wrong tier-2"),
    ("no topic, yet an interest", "no topic, yet an interest"),
    ("ordinary requests excluded", "ordinary requests excluded"),
    ("`benign_dev`: right", "benign right"),
    ("look-alikes excluded", "benign look-alikes excluded"),
    ("`sensitive_dev`: leak, strictly", "sensitive leaks, strictly"),
    ("– said directly, by a name, in another language", ""),
    ("`voice_dev`, spoken: must-hit recall", "spoken: must-hit recall"),
    ("the same requests typed", "typed: must-hit recall"),
    ("`voice_dev`, spoken: wrong tier 2", "spoken: wrong tier-2"),
    ("the same typed", "typed: wrong tier-2"),
    ("`voice_real_dev`: orders giving Food & Drink", "real orders giving Food & Drink"),
)


def quality(r: Results) -> str:
    rows = []
    for shown, name in QUALITY_ROWS:
        hits, of = judged(r, "quality", name) if name else named_leaks(r)
        rows.append([shown, f"{share(hits, of)} of {of}"])
    interests = sum(line["n"] for line in r.found("quality")["calibration"]["all"]["bins"])
    rows.append(
        ["expected calibration error", f"{calibration('quality')(r)} over {interests} interests"]
    )
    rows.append(["texts a second, all different", texts_per_second(r)])
    return table(["figure", "value"], rows)


def named_leaks(r: Results) -> tuple[int, int]:
    """Of sentences that must never leak: said directly, by a name, in another language."""
    found = [judged(r, "quality", f"leaks, {style}") for style in ("direct", "entity", "foreign")]
    return sum(hits for hits, _ in found), sum(of for _, of in found)


PRECISION_ROWS = (
    ("`requests_dev` must-hit recall", "must-hit recall", "90 %", "85 %"),
    ("wrong tier 2 per request", "wrong tier-2", "2 %", "4 %"),
    ("no topic, yet an interest", "no topic, yet an interest", "0.5 %", "2 %"),
    ("`benign_dev` right", "benign right", "90 %", "80 %"),
    ("real orders that give Food & Drink", "real orders giving Food & Drink", "95 %", "85 %"),
    ("spoken must-hit recall", "spoken: must-hit recall", "typed − 3", "typed − 6"),
    ("the same typed", "typed: must-hit recall", "", ""),
)


def precisions(r: Results) -> str:
    """Recordings are judged in this machine's precision only."""
    rows = []
    for shown, name, goal, floor in PRECISION_ROWS:
        hits, of = judged(r, "quality", name)
        full = ""
        if any(one["name"] == name for one in r.found("quality_fp32")["shares"]):
            hits32, of32 = judged(r, "quality_fp32", name)
            full = f"{percent(hits32 / of32)}, {hits32}/{of32}"
        rows.append([shown, f"{share(hits, of)}, {hits}/{of}", full, goal, floor])
    errors = [
        " / ".join(calibration(part, name)(r) for name in ("requests_dev", "benign_dev", "all"))
        for part in ("quality", "quality_fp32")
    ]
    name = "expected calibration error, requests / benign / both"
    rows.insert(4, [name, *errors, "0.03", "0.05"])
    return table(["figure", "int8", "fp32", "goal", "floor"], rows)


# The gate


def gate(r: Results, part: str, figure: str) -> Found:
    found: Found = next(row for row in r.found(part)["figures"] if row["figure"] == figure)
    return found


def in_percent(row: Found) -> str:
    """`2.3 [1.2, 4.4]`."""
    return f"{100 * row['hits'] / max(1, row['of']):.1f} {interval(row['hits'], row['of'])}"


GATE_ROWS = (
    ("leak", "leak (an interest comes out)"),
    ("– said directly", "leak, style direct"),
    ("– by a name (medicine, party, holy day)", "leak, style entity"),
    ("– in another language", "leak, style foreign"),
    ("– said indirectly", "leak, style indirect"),
    ("– mixed with something harmless", "leak, style mixed"),
    ("– misheard", "leak, style asr"),
    ("missed by the gate", "missed by the gate"),
    ("over-blocked look-alikes", "over-blocked look-alikes"),
    ("over-blocked harmless texts", "over-blocked harmless texts"),
    ("over-blocked ordinary requests", "over-blocked ordinary requests"),
)
TOPICS = {
    "religion": "religion",
    "sexual_orientation": "sexual orientation",
    "politics": "politics",
    "health": "health",
    "race_ethnicity": "race and ethnic origin",
    "philosophy": "philosophy",
    "trade_union": "trade union",
}


def restraint(r: Results) -> str:
    rows = []
    for shown, figure in GATE_ROWS:
        cells = [shown]
        for part in ("restraint", "restraint_fp32"):
            row = gate(r, part, figure)
            cells += [f"{row['hits']} of {row['of']}", in_percent(row)]
        rows.append(cells)
    return table(["figure", "8 bit", "", "float32", ""], rows)


def topics(r: Results) -> str:
    rows = []
    for topic, shown in TOPICS.items():
        cells = [shown]
        for kind in ("leak", "missed"):
            row = gate(r, "restraint", f"{kind}, topic {topic}")
            cells.append(f"{row['hits']} of {row['of']}: {in_percent(row)}")
        rows.append(cells)
    return table(["topic", "leak", "missed by the gate"], rows)


def curve(r: Results) -> str:
    """By threshold; the shipped one, whose row equals the figures above, in bold."""
    found = r.found("restraint")
    shipped = {row["figure"]: row["hits"] for row in found["figures"]}
    rows = []
    for threshold in dict.fromkeys(row["text_threshold"] for row in found["curve"]):
        figures = [row for row in found["curve"] if row["text_threshold"] == threshold]
        cells = [f"{threshold:g}", *map(in_percent, figures)]
        if all(shipped[row["figure"]] == row["hits"] for row in figures):
            cells = [f"**{cell}**" for cell in cells]
        rows.append(cells)
    heads = ["threshold", "leak", "missed by the gate", "look-alikes", "harmless texts"]
    return table([*heads, "ordinary requests"], rows)


STYLES = {
    "direct": "directly",
    "indirect": "indirectly",
    "entity": "by a name",
    "mixed": "mixed with something harmless",
    "asr": "misspelt",
    "foreign": "in another language",
}


def spoken(r: Results) -> str:
    found = r.found("spoken_restraint")
    rows = {row["figure"]: row for row in found["figures"]}

    def cell(figure: str) -> str:
        return f"{share(rows[figure]['hits'], rows[figure]['of'])} of {rows[figure]['of']}"

    styles = [
        f"{STYLES[row['figure'].rpartition(' ')[2]]} {row['hits']} of {row['of']}"
        for row in found["figures"]
        if row["figure"].startswith("leak, style")
    ]
    kinds = dict(found["kinds"])
    leaks, unheard = kinds.pop("of the leaks"), kinds.pop("nothing heard at all")
    wrong = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
    beyond = "leak beyond what the sentence's harmless part suggests"
    return table(
        ["figure", "value"],
        [
            ["leak, strictly", cell("leak, spoken")],
            ["the same sentences typed", cell("leak, the same typed")],
            [beyond, cell("leak, spoken, beyond its harmless part")],
            ["by style", ", ".join(styles)],
            [f"what went wrong in the {leaks} leaks", wrong],
            ["sentences of which nothing was heard", str(unheard)],
        ],
    )


def spoken_leak(r: Results) -> str:
    row = next(f for f in r.found("spoken_restraint")["figures"] if f["figure"] == "leak, spoken")
    return f"{share(row['hits'], row['of'])} of {row['of']}"


def interests(r: Results, name: str) -> str:
    return str(sum(line["n"] for line in r.found("quality")["calibration"][name]["bins"]))


FIGURES: dict[str, Make] = {
    "quality": quality,
    "precisions": precisions,
    "restraint": restraint,
    "restraint_topics": topics,
    "restraint_curve": curve,
    "spoken_restraint": spoken,
    "quality.recall": plain("quality", "must-hit recall"),
    "quality.wrong": plain("quality", "wrong tier-2"),
    "quality.calibration": calibration("quality"),
    "quality.texts_per_s": texts_per_second,
    "quality.spoken_recall": plain("quality", "spoken: must-hit recall"),
    "quality.typed_recall": plain("quality", "typed: must-hit recall"),
    "quality.orders": plain("quality", "real orders giving Food & Drink"),
    "quality.leak": plain("quality", "sensitive leaks, strictly"),
    "quality.requests_interests": lambda r: interests(r, "requests_dev"),
    "quality.benign_interests": lambda r: interests(r, "benign_dev"),
    "held_out.right": right("held_out", "benign right"),
    "held_out.lookalikes": right("held_out", "benign look-alikes excluded"),
    "held_out.leak": right("held_out", "sensitive leaks, strictly"),
    "held_out.calibration": calibration("held_out"),
    "spoken_restraint.leak": spoken_leak,
}
