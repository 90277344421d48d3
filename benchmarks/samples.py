"""What a run over the samples prints, for the README and the picture in the tutorial.

python benchmarks/samples.py [--json FILE]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from results import ROOT, write_json

OUT = "out/benchmark-samples"
SHOWN = "out/samples"  # where `scripts/run` writes
COMMAND = ("extract", "samples/uploads", "--accounts", "samples/accounts.jsonl", "--out")
DAMAGED = 2  # exit code: one of the samples is cut off on purpose


def printed() -> str:
    """As it comes out where no terminal is."""
    shutil.rmtree(ROOT / OUT, ignore_errors=True)
    done = subprocess.run(
        [".venv/bin/glasses-signals", *COMMAND, OUT, "--as-of", "2026-02-01T00:00:00Z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    shutil.rmtree(ROOT / OUT, ignore_errors=True)
    if done.returncode != DAMAGED:
        sys.exit(f"extract ended with code {done.returncode}:\n{done.stderr[-2000:]}")
    lines = done.stdout.replace(OUT, SHOWN).splitlines()
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    shown = printed()
    print(shown)
    if arguments.json:
        write_json(arguments.json, {"printed": shown})


if __name__ == "__main__":
    main()
