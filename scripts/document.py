"""Write docs/reference/cli.md and docs/reference/python.md from the code: `scripts/document`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import Enum
from pathlib import Path

import click

import glasses_signals
from glasses_signals.cli import cli

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
WIDTH = 92


def cli_page() -> str:
    """Every command with its help, as `--help` prints it."""
    parts = ["# Command line\n\nMade from the code by `scripts/document`; don't edit it by hand.\n"]
    for path, command in commands(("glasses-signals",), cli):
        name = " ".join(path[1:]) or "glasses-signals"
        parts.append(f"## {name}\n\n```text\n{help_text(path, command)}\n```\n")
    return "\n".join(parts)


def commands(
    path: tuple[str, ...], command: click.Command
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in sorted(command.commands.items()):
            yield from commands((*path, name), inner)


def help_text(path: tuple[str, ...], command: click.Command) -> str:
    settings = {**cli.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    with click.Context(command, info_name=" ".join(path), **settings) as context:
        return command.get_help(context).rstrip()


def python_page() -> str:
    """The public names with their signatures and docstrings."""
    parts = [
        "# Python\n\nMade from docstrings by `scripts/document`; don't edit it by hand.\n\n"
        "These names, imported from `glasses_signals`, are stable; other modules may change at\n"
        "any time. [What you can rely on](../stability.md) says how something goes.\n"
    ]
    for name in glasses_signals.__all__:
        value = getattr(glasses_signals, name)
        if callable(value):
            parts += entry(name, value)
    return "\n".join(parts)


def entry(name: str, value: object) -> Iterator[str]:
    assert callable(value)
    yield f"## {name}\n\n```python\n{signature(name, value)}\n```\n\n{doc(value)}\n"
    if inspect.isclass(value):
        for method, function in vars(value).items():
            if inspect.isfunction(function) and (
                not method.startswith("_") or method == "__call__"
            ):
                yield f"### {name}.{method}\n\n```python\n{signature(method, function)}\n```\n"
                yield f"{doc(function)}\n"


def signature(name: str, value: object) -> str:
    assert callable(value)
    shown = inspect.signature(value)
    parts = [*map(parameter, shown.parameters.values())]
    returns = shown.return_annotation
    to = "" if returns in (inspect.Signature.empty, "None", None) else f" -> {returns}"
    line = f"{name}({', '.join(parts)}){to}"
    if len(line) <= WIDTH:
        return line
    return f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){to}"


def parameter(given: inspect.Parameter) -> str:
    star = "*" if given.kind is given.VAR_POSITIONAL else ""
    star = "**" if given.kind is given.VAR_KEYWORD else star
    kind = "" if given.annotation is given.empty else f": {given.annotation}"
    if given.default is given.empty:
        return f"{star}{given.name}{kind}"
    default = repr(given.default)
    if is_dataclass(given.default) and given.default == type(given.default)():
        default = f"{type(given.default).__name__}()"
    if default.startswith("<"):  # an enum's member, or a default that is made on each call
        default = str(given.default) if isinstance(given.default, Enum) else "..."
    return f"{given.name}{kind} = {default}"


def doc(value: object) -> str:
    return inspect.getdoc(value) or ""


if __name__ == "__main__":
    for file, page in (("cli.md", cli_page()), ("python.md", python_page())):
        (REFERENCE / file).write_text(page, "utf-8")
        print(f"wrote {REFERENCE / file}")
