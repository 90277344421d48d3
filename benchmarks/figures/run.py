"""When, where and how the figures were taken, and the run over the samples."""

from __future__ import annotations

from datetime import date

from results import Make, Results, table


def days(r: Results) -> str:
    """24 and 25 November 2026."""
    found = sorted({date.fromisoformat(part["date"]) for part in r.parts.values()})
    told = [f"{day.day} {day:%B %Y}" for day in found]
    if len({(day.year, day.month) for day in found}) == 1:
        told = [*(str(day.day) for day in found[:-1]), told[-1]]
    return " and ".join([", ".join(told[:-1]), told[-1]] if told[:-1] else told)


def machines(r: Results) -> str:
    told = {
        f"{m['cores']} cores of an {m['cpu']} with `{' '.join(m['flags'])}`, "
        f"Python {m['python'].rpartition('.')[0]}, "
        f"ONNX Runtime {m['packages']['onnxruntime'].rpartition('.')[0]}"
        for m in (part["machine"] for part in r.parts.values())
    }
    return "; ".join(sorted(told))


def runs(r: Results) -> str:
    rows = [
        [
            f"`{part['command']}`",
            part["date"],
            part["commit"] or "",
            "" if part["minutes"] is None else str(part["minutes"]),
            "" if (load := part["machine"]["load"]) is None else f"{load:.1f}",
        ]
        for part in r.parts.values()
    ]
    return table(["command", "day", "commit", "minutes", "load before"], rows)


def samples(r: Results) -> str:
    """An indented block, as a page shows it."""
    lines = r.found("samples")["printed"].splitlines()
    return "\n".join(f"    {line}".rstrip() for line in lines)


FIGURES: dict[str, Make] = {
    "days": days,
    "machine": machines,
    "runs": runs,
    "samples": samples,
}
