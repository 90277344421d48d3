"""Runs all benchmarks one after another, and keeps what they found in `results.json`.

    python benchmarks/all.py [--small] [--only NAME ...] [--but NAME ...] [--results FILE]
                             [--job-set DIR] [--languages DIR] [--device cpu|auto|cuda]
    scripts/figures          # writes the new figures into README, docs and benchmarks/README

Each is a process of its own, on a machine that should be quiet otherwise; contestants take turns
within each. A benchmark's part is replaced when it has ended well, so what failed or was
interrupted can be run again with `--only`. `--small` runs them in small (minutes, noisy figures),
and keeps nothing unless `--results` names a file.

`--job-set` is `job.py --set`: a folder that keeps its media. `--languages` is the folder that
`languages.py` needs, which is left out without it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from job import children_s, machine_busy_s
from results import RESULTS, ROOT, machine, read_results, write_part

HERE = Path(__file__).parent
HELD_OUT = "benchmarks/held_out"


def _results(found: dict[str, Any]) -> Any:
    return found["results"]


def _shares(found: dict[str, Any]) -> dict[str, Any]:
    """Without intervals, which pages compute."""
    kept = ("set", "name", "value", "n")
    return found | {"shares": [{key: one[key] for key in kept} for one in found["shares"]]}


def _errors_only(found: dict[str, Any]) -> dict[str, Any]:
    """Calibration without its bins."""
    curves = found["calibration"]
    return _shares(found) | {"calibration": {k: {"error": v["error"]} for k, v in curves.items()}}


def _counts(found: dict[str, Any]) -> dict[str, Any]:
    """Shares as hits of so many."""
    kept = ("text_threshold", "figure", "hits", "of")
    return {
        name: [{key: one[key] for key in kept if key in one} for one in rows]
        if isinstance(rows, list)
        else rows
        for name, rows in found.items()
    }


def _figures_only(found: dict[str, Any]) -> dict[str, Any]:
    return {"figures": _counts(found)["figures"]}


def _without_set(found: dict[str, Any]) -> dict[str, Any]:
    """The set names the folder of its media."""
    return {key: value for key, value in found.items() if key != "set"}


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A script, its options for the tables and for `--small`, and minutes on two quiet cores.

    `trim` leaves what pages show. One that is `asked` for runs only when `--only` names it.
    """

    script: str
    options: str
    small: str
    minutes: float
    trim: Callable[[Any], Any] = lambda found: found
    asked: bool = False


BENCHMARKS = {
    "speech": Benchmark(
        "speech",
        "--only ours,fw1 --sets voice_dev --clips 240 --repeats 3 --device {device}",
        "--only ours,fw1 --sets voice_dev --clips 6 --repeats 1",
        11,
        _results,
    ),
    "speech_cpp": Benchmark(
        "speech",
        "--only ours,cpp --sets voice_dev --clips 60 --repeats 3",
        "--only ours,cpp --sets voice_dev --clips 4 --repeats 1",
        2,
        _results,
    ),
    "speech_openai": Benchmark(
        "speech",
        "--only ours,openai --sets voice_dev --clips 40 --repeats 1",
        "--only ours,openai --sets voice_dev --clips 3 --repeats 1",
        1,
        _results,
    ),
    "speech_real": Benchmark(
        "speech",
        "--only ours,fw1 --sets voice_real_dev --repeats 1",
        "--only ours --sets voice_real_dev --clips 4 --repeats 1",
        3,
        _results,
    ),
    "speech_sets": Benchmark(
        "speech",
        "--only ours --sets nonspeech_dev,long --repeats 1",
        "--only ours --sets nonspeech_dev --clips 3 --repeats 1",
        1,
        _results,
    ),
    "speech_beam5": Benchmark(
        "speech",
        "--only fw5 --sets voice_dev,voice_real_dev --repeats 1",
        "--only fw5 --sets voice_dev --clips 3 --repeats 1",
        9,
        _results,
        asked=True,
    ),
    "vision": Benchmark(
        "vision",
        "--photos 200 --slow-photos 200 --repeats 3 --device {device}",
        "--only photos_12mp --photos 16 --slow-photos 4 --repeats 1",
        7,
    ),
    "labels": Benchmark("labels", "--photos 500", "--photos 32", 0.7),
    "quality": Benchmark("quality", "--speech", HELD_OUT, 0.8, _shares),
    "quality_fp32": Benchmark(
        "quality", "--precision fp32", f"{HELD_OUT} --precision fp32", 0.3, _errors_only
    ),
    "held_out": Benchmark("quality", HELD_OUT, HELD_OUT, 0.2, _errors_only),
    "restraint": Benchmark("restraint", "", "", 0.2, _counts),
    "restraint_fp32": Benchmark(
        "restraint", "--precision fp32", "--precision fp32", 0.3, _figures_only
    ),
    "spoken_restraint": Benchmark(
        "spoken_restraint", "--sentences 50 --seeds 4", "--sentences 3", 2, _counts
    ),
    "bystanders": Benchmark("bystanders", "", "--mixes 4 --thresholds 8", 1),
    "languages": Benchmark("languages", "{languages}", "{languages} --clips 4", 1.5),
    "job": Benchmark(
        "job",
        "--voices 200 --photos 200 --videos 10 --repeats 3 --device {device} {job_set}",
        "--voices 4 --photos 4 --videos 1 --video-s 5 --device {device}",
        20,
        _without_set,
    ),
    "one_core": Benchmark("one_core", "", "--more 6 --chats 200", 2),
    "fleet": Benchmark("fleet", "{core}", "{core} --captures 1e6 --sample 3", 1),
    "scale": Benchmark("scale", "--items 100000", "--items 600", 13),
    "crash": Benchmark("crash", "--kills 100 --mix photos mixed chats", "--kills 2", 4),
    "hostile": Benchmark(
        "hostile",
        "--media 20000 --manifests 2000",
        "--media 60 --manifests 40 --wholes 4",
        4,
    ),
    "samples": Benchmark("samples", "", "", 0.3),
}


@dataclass(frozen=True, slots=True)
class Settings:
    small: bool
    results: Path
    device: str
    job_set: Path | None
    languages: Path | None


def options_of(name: str, settings: Settings, core: Path) -> tuple[str, str]:
    """The options, and the same as they may be told: without this machine's folders."""
    benchmark = BENCHMARKS[name]
    options = benchmark.small if settings.small else benchmark.options
    kept = f"--set {settings.job_set}" if settings.job_set else ""
    told = options.format(device=settings.device, job_set="", languages="FOLDER", core="")
    measured = read_results(settings.results).parts.get("one_core")
    if "{core}" in options and measured:
        core.write_text(json.dumps(measured["found"]))
    return (
        options.format(
            device=settings.device,
            job_set=kept,
            languages=settings.languages,
            core=f"--core {core}" if core.exists() else "",
        ),
        " ".join(told.split()),
    )


def run(name: str, settings: Settings) -> dict[str, Any]:
    """One benchmark's part of the results. RuntimeError when its script fails."""
    benchmark = BENCHMARKS[name]
    facts = machine()
    began, own, all_ = time.monotonic(), children_s(), machine_busy_s()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        found = Path(folder) / "found.json"
        options, told = options_of(name, settings, Path(folder) / "core.json")
        script = str(HERE / f"{benchmark.script}.py")
        done = subprocess.run(
            [sys.executable, script, *options.split(), "--json", str(found)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or not found.exists():
            raise RuntimeError(f"{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
        result = benchmark.trim(json.loads(found.read_text("utf-8")))
    spent_s = time.monotonic() - began
    others_s = machine_busy_s() - all_ - (children_s() - own)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "machine": facts,
        "command": f"{benchmark.script}.py {told}".rstrip(),
        "minutes": round(spent_s / 60, 1),
        "others": round(max(0.0, others_s / spent_s / facts["cores"]), 3),
        "found": result,
    }


def commit() -> str:
    """Of the checkout, with a `+` when tracked files of the program differ from it."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    changed = subprocess.run(
        [*git, "status", "--porcelain", "-uno", "--", "glasses_signals", "models"],
        capture_output=True,
        text=True,
    )
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def chosen(only: Sequence[str], but: Sequence[str], languages: Path | None) -> list[str]:
    names = only or [name for name, benchmark in BENCHMARKS.items() if not benchmark.asked]
    if "languages" in names and languages is None:
        print("languages: left out, as --languages names no folder")
        but = [*but, "languages"]
    return [name for name in names if name not in but]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=budget()
    )
    parser.add_argument("--small", action="store_true", help="all in small, to see that they run")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=[], metavar="NAME")
    parser.add_argument("--but", nargs="+", choices=BENCHMARKS, default=[], metavar="NAME")
    parser.add_argument("--results", type=Path, help="default: benchmarks/results.json")
    parser.add_argument("--device", choices=["cpu", "auto", "cuda"], default="cpu")
    parser.add_argument("--job-set", type=Path, metavar="DIR")
    parser.add_argument("--languages", type=Path, metavar="DIR")
    arguments = parser.parse_args()
    names = chosen(arguments.only, arguments.but, arguments.languages)
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = Path(folder) / "results.json" if arguments.small else RESULTS
        settings = Settings(
            small=arguments.small,
            results=arguments.results or elsewhere,
            device=arguments.device,
            job_set=arguments.job_set and arguments.job_set.resolve(),
            languages=arguments.languages and arguments.languages.resolve(),
        )
        failed = run_all(names, settings)
    if failed:
        sys.exit(f"failed, and not replaced: {' '.join(failed)}")


def run_all(names: Sequence[str], settings: Settings) -> list[str]:
    """The names of those that failed."""
    failed = []
    for name in names:
        expected = "" if settings.small else f", about {BENCHMARKS[name].minutes:g} min"
        print(f"{datetime.now(UTC):%H:%M:%S} {name}{expected}", flush=True)
        try:
            part = run(name, settings)
            write_part(name, part, settings.results)
        except (RuntimeError, ValueError) as problem:
            print(problem, flush=True)
            failed.append(name)
        else:
            print(f"         {part['minutes']} min: {part['command']}", flush=True)
    return failed


def budget() -> str:
    lines = [
        f"  {name:17} {one.minutes:4g}{' (only when asked for)' if one.asked else ''}"
        for name, one in BENCHMARKS.items()
    ]
    whole = sum(one.minutes for one in BENCHMARKS.values() if not one.asked)
    return "\n".join(["minutes on two quiet cores:", *lines, f"  {'all':17} {whole:4g}"])


if __name__ == "__main__":
    main()
