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
