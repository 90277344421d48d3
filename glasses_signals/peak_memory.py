"""The most memory that a process has held."""

from __future__ import annotations

import resource
from pathlib import Path


def peak_rss_mb() -> int:
    """Of this process, in MiB.

    From `VmHWM` (KiB; Linux, proc_pid_status(5)), since `ru_maxrss` of a process is never under
    what the one that started it held. Elsewhere `ru_maxrss`: bytes on macOS.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) >> 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20
