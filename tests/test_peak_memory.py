from __future__ import annotations

import subprocess
import sys


def test_the_peak_of_memory_is_not_that_of_who_started_the_run() -> None:
    shown = "import glasses_signals.peak_memory as memory; print(memory.peak_rss_mb())"
    starts = f"""
import subprocess, sys
held = b"1" * 900_000_000
subprocess.run([sys.executable, "-c", {shown!r}], check=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", starts], capture_output=True, text=True, check=True
    )
    assert 0 < int(done.stdout) < 500
