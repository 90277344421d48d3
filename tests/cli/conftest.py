import os
import pty
import subprocess
import sys
from collections.abc import Callable

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def run() -> Run:
    """The program in a process of its own, its output no terminal."""

    def program(*arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "glasses_signals", *map(str, arguments)]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)

    return program


@pytest.fixture(scope="session")
def on_terminal() -> Callable[..., str]:
    """What the program shows on a terminal while its results go elsewhere."""

    def program(*arguments: object) -> str:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "glasses_signals", *map(str, arguments)],
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
        )
        os.close(theirs)
        shown = _read_all(ours)
        assert process.wait() == 0
        return shown

    return program


def _read_all(end: int) -> str:
    parts = []
    with os.fdopen(end, "rb", buffering=0) as terminal:
        try:
            while part := terminal.read(4096):
                parts.append(part)
        except OSError:  # Linux's way of saying that the other end was closed
            pass
    return b"".join(parts).decode()
