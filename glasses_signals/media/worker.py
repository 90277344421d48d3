"""A decode worker: receives tasks on a socket, answers each, ends when the socket closes.

It is a fresh interpreter rather than a fork: no locks or threads of the parent come along, and the
parent's main module isn't run again.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys

from glasses_signals.core_dumps import forbid_core_dumps
from glasses_signals.media import wire
from glasses_signals.media.decode import DecodeSettings, DecodeTask, decode_file

_ORPHAN_FACTOR = 2


def start(settings: DecodeSettings) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a worker process; gives it and the channel to it."""
    ours, theirs = socket.socketpair()
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; "
        f"from glasses_signals.media.worker import main; main({theirs.fileno()})"
    )
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            # A worker is one of several: libraries must not take all cores in each.
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
    wire.send(ours, settings)
    return process, ours


def main(descriptor: int) -> None:
    """Serve the channel at this file descriptor until it closes."""
    forbid_core_dumps()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    with socket.socket(fileno=descriptor) as channel, contextlib.suppress(EOFError, OSError):
        settings: DecodeSettings = wire.receive(channel)
        limit = settings.limits.memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        while True:
            task: DecodeTask = wire.receive(channel)
            # The pool kills a worker that takes too long. If the pool is gone, the kernel does.
            signal.alarm(round(_ORPHAN_FACTOR * settings.limits.seconds(task.kind)) + 1)
            result = decode_file(task, settings)
            signal.alarm(0)
            wire.send(channel, result)
