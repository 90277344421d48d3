"""What a public docstring must say: what it is for, arrays' shape and dtype, our own errors.

Recipes are left out, but for being described: their bytes name the models that they built.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "glasses_signals"
ERRORS = {"BadInput", "BadModel", "BadPolicy", "CannotStart", "RunStopped"}
SHAPE = re.compile(r"\[[\w ,.*+/()-]+\]")
DTYPE = re.compile(r"\b(float(16|32)|u?int(8|16|32|64|p)|bool)\b", re.IGNORECASE)
# A name and two lines say by themselves what they are for.
SHORT_LINES = 3


@dataclass(frozen=True, slots=True)
class Public:
    """A public function, with what its docstring and its class's say together."""

    place: str
    node: ast.FunctionDef
    own: str
    all: str


def modules() -> dict[str, ast.Module]:
    files = sorted(PACKAGE.rglob("*.py"))
    return {f.relative_to(PACKAGE).as_posix(): ast.parse(f.read_text("utf-8")) for f in files}


def functions() -> list[Public]:
    found = []
    for file, module in modules().items():
        if not file.startswith("models/recipes/"):
            found += public(module, file, ast.get_docstring(module) or "")
    return found


def public(parent: ast.Module | ast.ClassDef, place: str, said: str) -> Iterator[Public]:
    for node in parent.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            words = f"{said}\n{ast.get_docstring(node) or ''}"
            yield from public(node, f"{place}: {node.name}", words)
        elif isinstance(node, ast.FunctionDef) and is_public(node.name):
            own = ast.get_docstring(node) or ""
            yield Public(f"{place}: {node.name}", node, own, f"{said}\n{own}")


def is_public(name: str) -> bool:
    return not name.startswith("_") or name in ("__call__", "__init__")


def arrays(function: ast.FunctionDef) -> bool:
    """Whether arrays of a known dtype go in or out."""
    arguments = [*function.args.args, *function.args.kwonlyargs]
    hints = [a.annotation for a in arguments] + [function.returns]
    return any(re.search(r"NDArray\[np|\bFloats?\b", ast.unparse(hint)) for hint in hints if hint)


def raised(node: ast.AST, caught: frozenset[str] = frozenset()) -> Iterator[str]:
    """Names of our errors that come out of the node."""
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        name = ast.unparse(node.exc.func)
        if name in ERRORS - caught:
            yield name
    for child in ast.iter_child_nodes(node):
        inside = caught
        if isinstance(node, ast.Try) and child in node.body:
            handled = " ".join(ast.unparse(h.type) for h in node.handlers if h.type)
            inside = caught | set(re.findall(r"\w+", handled))
        yield from raised(child, inside)


def test_every_module_and_public_class_says_what_it_is() -> None:
    silent = [file for file, module in modules().items() if not ast.get_docstring(module)]
    for file, module in modules().items():
        classes = [n for n in module.body if isinstance(n, ast.ClassDef)]
        silent += [
            f"{file}: {c.name}"
            for c in classes
            if not c.name.startswith("_") and not ast.get_docstring(c)
        ]
    assert silent == []


def test_every_public_function_says_what_it_does() -> None:
    silent = [
        f.place
        for f in functions()
        if f.node.name != "__init__"
        and not f.own
        and (f.node.end_lineno or 0) - f.node.lineno >= SHORT_LINES
    ]
    assert silent == []


def test_where_arrays_pass_their_shape_and_dtype_are_said() -> None:
    silent = [
        f.place
        for f in functions()
        if arrays(f.node) and not (SHAPE.search(f.all) and DTYPE.search(f.all))
    ]
    assert silent == []


@pytest.mark.parametrize("room", sorted({f.place.split("/")[0] for f in functions()} - {"cli"}))
def test_errors_of_ours_are_named(room: str) -> None:
    """Commands are left out: their docstring is the help that people read."""
    silent = [
        f"{f.place}: {error}"
        for f in functions()
        if f.place.split("/")[0] == room
        for error in sorted(set(raised(f.node)))
        if error not in f.all
    ]
    assert silent == []
