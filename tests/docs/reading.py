"""The pages as a reader takes them: blocks of code, lines to type, a shell to type them into."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [code for name, code in BLOCK.findall(page.read_text("utf-8")) if name == language]


def lines_of(block: str) -> list[str]:
    """Commands without comments, those over several lines joined."""
    lines = (line.split("  #")[0].strip() for line in block.replace("\\\n", "").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def shell_lines(page: Path) -> list[str]:
    return [line for block in blocks(page, "sh") for line in lines_of(block)]


def type_in(
    line: str, folder: Path, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join([str(SCRIPTS), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={**os.environ, **(environment or {}), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
