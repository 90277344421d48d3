"""When, where and how the figures were taken, and the run over the samples."""

from __future__ import annotations

from datetime import date

from results import Make, Results, percent, table

from figures import scale, speech, texts, vision


def days(r: Results) -> str:
    """24 and 25 November 2026."""
    found = sorted({date.fromisoformat(part["date"]) for part in r.parts.values()})
    told = [told_day(one) for one in found]
    if len({(one.year, one.month) for one in found}) == 1:
        told = [*(str(one.day) for one in found[:-1]), told[-1]]
    return " and ".join([", ".join(told[:-1]), told[-1]] if told[:-1] else told)


def day(part: str) -> Make:
    return lambda r: told_day(date.fromisoformat(r.parts[part]["date"]))


def told_day(one: date) -> str:
    return f"{one.day} {one:%B %Y}"


def machines(r: Results) -> str:
    told = {
        f"{m['cores']} cores of an {m['cpu']} with `{' '.join(m['flags'])}`, "
        f"Python {m['python'].rpartition('.')[0]}, "
        f"ONNX Runtime {m['packages']['onnxruntime'].rpartition('.')[0]}"
        for m in (part["machine"] for part in r.parts.values())
    }
    return "; ".join(sorted(told))


def runs(r: Results) -> str:
    """`others' work`: the share of all cores' time that the rest of the machine took meanwhile."""
    rows = [
        [
            f"`{part['command']}`",
            part["date"],
            part["commit"] or "",
            "" if part["minutes"] is None else str(part["minutes"]),
            "" if part["others"] is None else percent(part["others"], 0),
        ]
        for part in r.parts.values()
    ]
    return table(["command", "day", "commit", "minutes", "others' work"], rows)


def samples(r: Results) -> str:
    """An indented block, as a page shows it."""
    lines = r.found("samples")["printed"].splitlines()
    return "\n".join(f"    {line}".rstrip() for line in lines)


def headline(r: Results) -> str:
    """The README's."""
    faster = {
        "short recordings": (
            "faster-whisper int8, beam 1",
            speech.FIGURES["speech.faster_whisper"],
        ),
        "photos of 12 megapixels": ("PIL and torch, one by one", vision.FIGURES["vision.usual"]),
        "a mixed job": ("a careful straight script", scale.FIGURES["job.straight"]),
    }
    good = {
        "words misheard (faster-whisper, beam 1)": (
            f"{speech.FIGURES['speech.wer'](r)} ({speech.FIGURES['speech.wer_beam1'](r)})"
        ),
        "requests with a topic that get the right interest": texts.FIGURES["quality.recall"](r),
        "requests that get a wrong one": texts.FIGURES["quality.wrong"](r),
        "sensitive sentences that leak an interest": texts.FIGURES["quality.leak"](r),
    }
    rows = [
        [f"{what}, beside {peer}", f"{make(r)} as fast"] for what, (peer, make) in faster.items()
    ]
    return table(["what", "figure"], [*rows, *([what, value] for what, value in good.items())])


FIGURES: dict[str, Make] = {
    "days": days,
    **{f"day.{part}": day(part) for part in ("bystanders", "quality", "restraint")},
    "machine": machines,
    "runs": runs,
    "samples": samples,
    "headline": headline,
}
