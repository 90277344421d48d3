"""Keeps what is in memory off the disk when a process crashes."""

from __future__ import annotations

import resource


def forbid_core_dumps() -> None:
    """A dump of this process, or of one that it starts, would hold texts and pictures.

    The limit is 1 byte, not 0: too small for any file, and at 1 the kernel doesn't start a crash
    handler of `core_pattern` either, which at 0 it does (Linux, fs/coredump.c).
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (1 if hard else 0, hard))
