"""What a program reads on standard error under `--json`: one event a line, results apart."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import FrameType
from typing import Literal

import click

Level = Literal["info", "warning", "error"]


class Log:
    """Silent until a command was given `--json`; `main` holds the one of this process."""

    def __init__(self) -> None:
        self.as_json = False
        self.interrupted = False

    def note_interrupt(self, number: int, frame: FrameType | None) -> None:
        """Handler of Ctrl-C: as Python's own, but noted, too.

        One that lands in a library's callback is swallowed there, and the command would go on.
        """
        self.interrupted = True
        raise KeyboardInterrupt

    def heed(self) -> None:
        """Raise the KeyboardInterrupt again that was swallowed, if there was one."""
        if self.interrupted:
            raise KeyboardInterrupt

    def tell(self, level: Level, event: str, message: str) -> None:
        """For whoever reads: an event with this message, or without `--json` the message itself."""
        if self.as_json:
            self(level, event, message=message)
        else:
            click.echo(f"glasses-signals: {message}", err=True)

    def __call__(self, level: Level, event: str, **fields: object) -> None:
        """Write an event with its time and JSON-ready fields."""
        if self.as_json:
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            record = {"time": now, "level": level, "event": event, **fields}
            click.echo(json.dumps(record, ensure_ascii=False), err=True)


def current_log() -> Log:
    """The log of the command that is running."""
    return click.get_current_context().find_root().ensure_object(Log)


def note_json(context: click.Context, parameter: click.Parameter, wanted: bool) -> bool:
    """Option callback: from here on, also errors are told as events."""
    context.find_root().ensure_object(Log).as_json = wanted
    return wanted
