"""Options, values and exit codes that several commands share."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glasses_signals.cli.log import note_json

if TYPE_CHECKING:
    from glasses_signals.vision.tagger import VisionSettings

EXIT_USAGE = 1
EXIT_QUARANTINED = 2
EXIT_REFUSED = 3

device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where models run. `cuda` is an error when it can't be used.",
)
json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    is_eager=True,
    callback=note_json,
    help="Print JSON, one line per result, and what happens as JSON lines on standard error.",
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Processes that decode media.",
)
beam_option = click.option(
    "--beam",
    type=click.IntRange(1, 16),
    default=3,
    show_default=True,
    help="Texts of a recording followed side by side: fewer are faster, more hear a little better.",
)
hear_once_option = click.option(
    "--hear-once",
    is_flag=True,
    help="Don't let a second recogniser hear what the first is not sure of: faster, hears less.",
)
policy_option = click.option(
    "--policy",
    type=click.Path(path_type=Path),
    help="Policy file [default: the one that comes with the package].",
)
labels_option = click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="Your table (.tsv) of what the tagger's classes suggest; its lines replace shipped ones.",
)
ocr_option = click.option(
    "--ocr",
    is_flag=True,
    help="Also read the text in pictures; needs `glasses-signals models build rapidocr` once.",
)


def vision_settings(model: str, device: str, labels: Path | None, ocr: bool) -> VisionSettings:
    """What the options about pictures ask for."""
    from glasses_signals.vision.tagger import VisionSettings

    return VisionSettings(
        model=model,
        device=device,
        labels=str(labels) if labels else None,
        reader="rapidocr" if ocr else None,
    )


def program() -> str:
    """What to type to reach this program again: its name, or its path when that isn't found."""
    name = "glasses-signals"
    started = Path(sys.argv[0])
    if shutil.which(name) or not started.is_file():
        return name
    return "python -m glasses_signals" if started.name == "__main__.py" else str(started)


def moment(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """Option callback: a time with its zone as a datetime in UTC."""
    from glasses_signals.times import parse_time

    if value is None:
        return None
    time = parse_time(value)
    if time is None:
        raise click.BadParameter("write a time with its zone, such as 2026-02-01T00:00:00Z")
    return time
