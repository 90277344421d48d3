"""How good the interests are, on a folder of labelled texts and recordings.

    python benchmarks/quality.py [FOLDER] [--speech] [--json FILE] [--show-wrong]

FOLDER has `requests_*.jsonl`, `benign_*.jsonl`, `sensitive_*.jsonl` and, for `--speech`,
`voice_*.jsonl`, `voice_real_*.jsonl` with the recordings they name; sets that are missing are left
out. Default: $GLASSES_SIGNALS_EVAL. Texts go the way of the main job: language check, sensitive
gate, mapper. Proportions come with their 95 % Wilson score interval (Wilson, "Probable inference,
the law of succession, and statistical inference", 1927).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from results import wilson, write_json

from glasses_signals.errors import CannotStart
from glasses_signals.interests.taxonomy import load_taxonomy
from glasses_signals.interests.verdicts import TextVerdicts, Verdict
from glasses_signals.policy.policy import load_policy
from glasses_signals.text.encoder import EncoderSettings

BINS = 10  # of the expected calibration error, equally wide
SPEED_SECONDS = 5.0
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `total`, with what must hold of it: ("at least" or "at most", goal, floor)."""

    name: str
    hits: int
    total: int
    wanted: tuple[str, float, float] | None = None

    @property
    def value(self) -> float:
        return self.hits / self.total if self.total else math.nan

    def interval(self) -> tuple[float, float]:
        return wilson(self.hits, self.total)


def tier2_names(verdict: Verdict) -> list[str]:
    taxonomy = load_taxonomy()
    return [taxonomy.tier2(interest.interest_id).name for interest in verdict.interests]


def judge_requests(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> list[Share]:
    """Must-hit recall, wrong tier-2, and interests where there is no topic."""
    said = [tier2_names(verdict) for verdict in verdicts]
    both = list(zip(rows, said, strict=True))
    must = [(row, names) for row, names in both if row["expect"] and not row["none_ok"]]
    no_topic = [names for row, names in both if not row["expect"] and not row["allow"]]
    return [
        Share("must-hit recall", _hits(must), len(must), ("at least", 0.90, 0.85)),
        Share(
            "wrong tier-2", sum(_is_wrong(*one) for one in both), len(both), ("at most", 0.02, 0.04)
        ),
        Share(
            "no topic, yet an interest",
            sum(map(bool, no_topic)),
            len(no_topic),
            ("at most", 0.005, 0.02),
        ),
        Share(
            "ordinary requests excluded",
            _excluded(rows, verdicts),
            len(rows),
            ("at most", 0.005, 0.01),
        ),
    ]


def judge_benign(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> list[Share]:
    """Right answers on look-alikes and ordinary requests, and how many were excluded."""
    right = sum(
        not names if not row["expect"] else any(name in row["expect"] for name in names)
        for row, names in zip(rows, map(tier2_names, verdicts), strict=True)
    )
    alike = [i for i, row in enumerate(rows) if row["lookalike_of"]]
    blocked = sum(verdicts[i].excluded is not None for i in alike)
    return [
        Share("benign right", right, len(rows), ("at least", 0.90, 0.80)),
        Share("benign look-alikes excluded", blocked, len(alike), ("at most", 0.03, 0.06)),
    ]


def judge_sensitive(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> list[Share]:
    """Leaks: any interest emitted, strictly, and not counting the harmless ones named in `also`."""
    said = [tier2_names(verdict) for verdict in verdicts]
    strict = sum(map(bool, said))
    lenient = sum(
        any(n not in row["also"] for n in names) for row, names in zip(rows, said, strict=True)
    )
    shares = [
        Share("sensitive leaks, strictly", strict, len(rows), ("at most", 0.01, 0.03)),
        Share("sensitive leaks, but for `also`", lenient, len(rows)),
    ]
    for style in sorted({row["style"] for row in rows}):
        chosen = [
            bool(names) for row, names in zip(rows, said, strict=True) if row["style"] == style
        ]
        shares.append(Share(f"  leaks, {style}", sum(chosen), len(chosen)))
    return shares


def reliability(confidences: Sequence[float], right: Sequence[bool]) -> tuple[float, list[Row]]:
    """Expected calibration error over equal bins (Naeini et al., AAAI 2015), and the bins."""
    p, r = np.array(confidences), np.array(right, float)
    bins = np.minimum((p * BINS).astype(int), BINS - 1)
    table = [
        {
            "from": b / BINS,
            "n": int(n),
            "said": float(p[bins == b].mean()),
            "right": float(r[bins == b].mean()),
        }
        for b in range(BINS)
        if (n := (bins == b).sum())
    ]
    error = sum(line["n"] * abs(line["said"] - line["right"]) for line in table) / max(len(p), 1)
    return error, table


def emitted(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> tuple[list[float], list[bool]]:
    """Of each interest emitted: its confidence, and would a reviewer agree on its tier 2."""
    taxonomy = load_taxonomy()
    pairs = [
        (
            interest.confidence,
            taxonomy.tier2(interest.interest_id).name in row["expect"] + row.get("allow", []),
        )
        for row, verdict in zip(rows, verdicts, strict=True)
        for interest in verdict.interests
    ]
    return [p for p, _ in pairs], [r for _, r in pairs]


def texts_per_second(verdicts_of: TextVerdicts, texts: Sequence[str]) -> float:
    """All of the way, model included, on texts that are all different."""
    done, started = 0, time.perf_counter()
    while (spent := time.perf_counter() - started) < SPEED_SECONDS:
        batch = [f"{text} {done}" if done else text for text in texts]
        verdicts_of(batch)
        done += len(batch)
    return done / spent


def judge_speech(folder: Path, verdicts_of: TextVerdicts, report: Row) -> list[Share]:
    """Spoken requests, as a job hears and judges them, next to the same ones typed."""
    shares: list[Share] = []
    for place in sorted(folder.glob("voice_*.jsonl")):
        rows = _read(place)
        heard = _heard([folder / place.stem / row["file"] for row in rows])
        if "text" not in rows[0]:
            found = sum("Food & Drink" in tier2_names(v) for v in heard)
            shares.append(
                Share("real orders giving Food & Drink", found, len(rows), ("at least", 0.95, 0.85))
            )
            continue
        typed = verdicts_of([row["text"] for row in rows])
        for name, verdicts in (("spoken", heard), ("typed", typed)):
            _calibrated(report, f"{place.stem}, {name}", *emitted(rows, verdicts))
            for share in judge_requests(rows, verdicts):
                shares.append(Share(f"{name}: {share.name}", share.hits, share.total))
    return shares


def _heard(files: Sequence[Path]) -> list[Verdict]:
    from listening import observed, verdicts

    from glasses_signals.media.audio import decode_audio
    from glasses_signals.runners.judge import Judge
    from glasses_signals.runners.recognise import Clock

    waves = [decode_audio(file) for file in files]
    return verdicts(Judge(load_policy())(observed(waves), Clock()))


def _hits(rows: Iterable[tuple[Row, list[str]]]) -> int:
    return sum(any(name in row["expect"] for name in names) for row, names in rows)


def _is_wrong(row: Row, names: Sequence[str]) -> bool:
    return any(name not in row["expect"] + row["allow"] for name in names)


def _excluded(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> int:
    return sum(
        v.excluded is not None and not r["sensitive"] for r, v in zip(rows, verdicts, strict=True)
    )


def _read(place: Path) -> list[Row]:
    return [json.loads(line) for line in place.read_text("utf-8").splitlines() if line.strip()]


_SETS: dict[str, Callable[[Sequence[Row], Sequence[Verdict]], list[Share]]] = {
    "requests": judge_requests,
    "benign": judge_benign,
    "sensitive": judge_sensitive,
}


def run(
    folder: Path, speech: bool = False, show_wrong: bool = False, precision: str | None = None
) -> Row:
    """Every figure of the sets found in `folder`, printed and returned. CannotStart for no set."""
    verdicts_of = TextVerdicts(load_policy(), EncoderSettings(precision=precision))
    report: Row = {"models": verdicts_of.models, "shares": [], "calibration": {}}
    typed: list[str] = []
    said: list[float] = []
    right: list[bool] = []
    for name, judge in _SETS.items():
        for place in sorted(folder.glob(f"{name}_*.jsonl")):
            rows = _read(place)
            texts = [row["text"] for row in rows]
            verdicts = verdicts_of(texts)
            report["shares"] += [_said(place.stem, share) for share in judge(rows, verdicts)]
            if name != "sensitive":
                typed += texts
                confidences, agreed = emitted(rows, verdicts)
                said += confidences
                right += agreed
                _calibrated(report, place.stem, confidences, agreed)
            if show_wrong:
                _show_wrong(rows, verdicts)
    if not typed:
        raise CannotStart(f"{folder}: no requests_*.jsonl or benign_*.jsonl; name another folder")
    _calibrated(report, "all", said, right)
    if speech:
        report["shares"] += [
            _said("voice", share) for share in judge_speech(folder, verdicts_of, report)
        ]
    report["texts_per_second"] = texts_per_second(verdicts_of, typed)
    print(f"texts a second, all different: {report['texts_per_second']:.0f} (goal 1000, floor 400)")
    return report


def _calibrated(report: Row, name: str, confidences: list[float], right: list[bool]) -> None:
    error, table = reliability(confidences, right)
    report["calibration"][name] = {"error": error, "bins": table}
    print(
        f"{name}: expected calibration error {error:.3f} of {len(right)} interests"
        " (goal 0.03, floor 0.05)"
    )
    for line in table:
        print(f"    said {line['said']:.2f}  right {line['right']:.2f}  n {line['n']}")


def _said(place: str, share: Share) -> Row:
    low, high = share.interval()
    wanted = "" if share.wanted is None else "  ({} {:.1%}, floor {:.1%})".format(*share.wanted)
    print(
        f"{place}: {share.name} {share.value:.1%} [{low:.1%}, {high:.1%}] "
        f"{share.hits}/{share.total}{wanted}"
    )
    figures = {"value": share.value, "low": low, "high": high, "n": share.total}
    return {"set": place, "name": share.name.strip(), **figures, "wanted": share.wanted}


def _show_wrong(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> None:
    for row, verdict in zip(rows, verdicts, strict=True):
        names = tier2_names(verdict)
        missed = (
            row.get("expect")
            and not row.get("none_ok")
            and not any(n in row["expect"] for n in names)
        )
        if missed or any(n not in row.get("expect", []) + row.get("allow", []) for n in names):
            print("   ", row.get("expect"), names, verdict.excluded or "", "|", row["text"])


def eval_folder() -> Path:
    """$GLASSES_SIGNALS_EVAL, else `shared/eval` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "eval"
    return Path(os.environ.get("GLASSES_SIGNALS_EVAL", beside))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=eval_folder())
    parser.add_argument("--speech", action="store_true", help="transcribe and judge recordings too")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--show-wrong", action="store_true", help="print misses and wrong answers")
    parser.add_argument("--precision", help="of the sentence encoder; default: the fastest here")
    options = parser.parse_args()
    report = run(options.folder, options.speech, options.show_wrong, options.precision)
    if options.json:
        write_json(options.json, report)


if __name__ == "__main__":
    main()
