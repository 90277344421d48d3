"""OUT on the command line: a local folder, or the URL of one that lies in an object store."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def with_local_out(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` its `out` as a local folder. One in a store is fetched, and stored after."""

    @functools.wraps(command)
    def run(out: str, **options: Any) -> None:
        from glasses_signals.uploads.place import is_url

        if not is_url(out):
            command(out=Path(out), **options)
            return
        from glasses_signals.runners.stored_output import stored_output

        with stored_output(out) as folder:
            command(out=folder, **options)

    return run


def given_out() -> str:
    """OUT as it was typed."""
    return str(click.get_current_context().params["out"])
