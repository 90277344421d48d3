"""docs/walk.md names functions that exist, and goes through every room."""

import ast
import re

import pytest
from reading import REPOSITORY

PACKAGE = REPOSITORY / "glasses_signals"
TEXT = (REPOSITORY / "docs" / "walk.md").read_text("utf-8")
ENTRY = re.compile(r"^- `([\w/]+\.py)`: ((?:(?!\n- )[^→])+)→", re.MULTILINE)


def entries() -> list[tuple[str, list[str]]]:
    return [(file, re.findall(r"`([\w.]+)`", names)) for file, names in ENTRY.findall(TEXT)]


def defined(file: str) -> set[str]:
    """Functions and classes of a module, methods as `Class.method`."""
    found = set()
    for node in ast.parse((PACKAGE / file).read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            inner = (n.name for n in node.body if isinstance(n, ast.FunctionDef))
            found |= {f"{node.name}.{name}" for name in inner}
    return found


def test_every_line_of_the_walks_is_read() -> None:
    assert len(entries()) == len(re.findall(r"^- `[\w/]+\.py`:", TEXT, re.MULTILINE))
    assert all(names for _, names in entries())


@pytest.mark.parametrize("file", sorted({file for file, _ in entries()}))
def test_what_the_walks_pass_is_there(file: str) -> None:
    named = {name for other, names in entries() if other == file for name in names}
    assert named <= defined(file), f"mend docs/walk.md: {named - defined(file)}"


def test_the_walks_go_through_every_room() -> None:
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms == {file.split("/")[0] for file, _ in entries() if "/" in file}
