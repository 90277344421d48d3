"""Single stages over files or texts: `transcribe`, `tag`, `map`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import click

from glasses_signals.cli.log import current_log
from glasses_signals.cli.options import (
    EXIT_QUARANTINED,
    beam_option,
    device_option,
    hear_once_option,
    json_option,
    labels_option,
    ocr_option,
    policy_option,
    vision_settings,
    workers_option,
)
from glasses_signals.cli.progress import counted
from glasses_signals.errors import BadInput, CannotStart


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", default="whisper-base", show_default=True, help="Name or manifest file.")
@click.option("--language", help="Spoken language, such as `en` [default: detected].")
@beam_option
@hear_once_option
@device_option
@workers_option
@json_option
def transcribe(
    files: tuple[Path, ...],
    model: str,
    language: str | None,
    beam: int,
    hear_once: bool,
    device: str,
    workers: int,
    as_json: bool,
) -> None:
    """Transcribe sound or video files."""
    from glasses_signals.runners.stages import transcribe_files
    from glasses_signals.speech.transcriber import SpeechSettings

    settings = SpeechSettings(model=model, device=device, language=language, beam=beam)
    if hear_once:
        settings = replace(settings, second=None)
    _print_lines(
        transcribe_files(files, settings, workers),
        len(files),
        lambda line: f"{line['file']}: {line['text'] or '(no speech)'}",
    )


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", default="efficientnet-lite0", show_default=True, help="Name or manifest.")
@labels_option
@ocr_option
@policy_option
@device_option
@workers_option
@json_option
def tag(
    files: tuple[Path, ...],
    model: str,
    labels: Path | None,
    ocr: bool,
    policy: Path | None,
    device: str,
    workers: int,
    as_json: bool,
) -> None:
    """Say what photos and videos show, and which interests that suggests."""
    from glasses_signals.runners.stages import tag_files

    _print_lines(
        tag_files(files, vision_settings(model, device, labels, ocr), workers, policy),
        len(files),
        lambda line: f"{line['file']}: {_labels(line)}  ->  {_verdict(line)}",
    )


@click.command(name="map")
@click.argument("texts", nargs=-1)
@click.option(
    "--file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="JSONL file of objects with `text`; `-` reads standard input.",
)
@policy_option
@json_option
def map_(texts: tuple[str, ...], file: Path | None, policy: Path | None, as_json: bool) -> None:
    """Map texts to interests."""
    from glasses_signals.runners.stages import map_texts

    if bool(texts) == (file is not None):
        raise click.UsageError("give texts, or a file of them with --file; not both")
    wanted = iter(texts) if file is None else _texts_of(file)
    _print_lines(
        map_texts(wanted, policy),
        None if file else len(texts),
        lambda line: f"{line['text_index']}: {_verdict(line)}",
    )


def _texts_of(file: Path) -> Iterator[str]:
    from glasses_signals.uploads.fields import read_json_lines, text_field

    source = Path("/dev/stdin") if str(file) == "-" else file
    try:
        for number, record in read_json_lines(source):
            try:
                if isinstance(record, BadInput):
                    raise record
                yield text_field(record, "text")
            except BadInput as error:
                raise BadInput(f"{file}, line {number}: {error}") from None
    except OSError as error:
        raise CannotStart(f"can't read {file}: {error.strerror or error}") from None


def _labels(line: dict[str, Any]) -> str:
    seen = ", ".join(f"{x['label']} {x['probability']:.2f}" for x in line["labels"]) or "(nothing)"
    return f'{seen}; text "{" / ".join(line["text"])}"' if line.get("text") else seen


def _verdict(line: dict[str, Any]) -> str:
    if line["excluded"] is not None:
        return f"excluded ({line['excluded']})"
    found = (
        f"{i['id']} {' > '.join(i['path'])} ({i['confidence']:.2f})" for i in line["interests"]
    )
    return "; ".join(found) or "no interest"


def _print_lines(
    lines: Iterable[dict[str, Any]],
    total: int | None,
    plain: Callable[[Any], str],
) -> None:
    log = current_log()
    started, printed, failed = monotonic(), 0, 0
    with counted(log, total) as count:
        for line in lines:
            printed += 1
            if log.as_json:
                click.echo(json.dumps(line, ensure_ascii=False))
            elif "error" in line:
                click.echo(f"{line['file']}: error: {line['error']}")
            else:
                click.echo(plain(line))
            if "error" in line:
                failed += 1
                log("warning", "input_failed", file=line["file"], reason=line["error"])
            count()
    elapsed_s = round(monotonic() - started, 3)
    log("info", "finished", inputs=printed, failed=failed, elapsed_s=elapsed_s)
    if failed:
        sys.exit(EXIT_QUARANTINED)
