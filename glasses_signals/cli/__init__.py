"""The command line: parse, call, print. Heavy imports wait until a command needs them."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import click

from glasses_signals.cli import extract, machine, profiles, results, rights, stages, uploads
from glasses_signals.cli.log import Log
from glasses_signals.cli.options import EXIT_REFUSED, EXIT_USAGE
from glasses_signals.core_dumps import forbid_core_dumps
from glasses_signals.errors import BadModel, CannotStart, GlassesSignalsError, RunStopped


class Interrupted(Exception):
    """Ctrl-C, which click would otherwise tell in its own way before we can."""


class Program(click.Group):
    """The group of all commands, with our own ways to end early."""

    def invoke(self, ctx: click.Context) -> Any:
        """As click's own; heeds a Ctrl-C that a library swallowed, and a reader that has gone."""
        try:
            result = super().invoke(ctx)
            ctx.ensure_object(Log).heed()
            return result
        except KeyboardInterrupt:
            raise Interrupted from None
        except BrokenPipeError:  # the reader, such as `head`, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(0) from None


@click.group(
    cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=machine.print_version,
    help="Show version, ONNX Runtime with its providers, and models built; exit.",
)
def cli() -> None:
    """From smart-glasses uploads to explainable, deletable interest profiles.

    Exit codes: 0 all done; 1 usage or configuration; 2 finished, but inputs could not be used
    (listed); 3 refused to start or had to stop.
    """


for command in (
    uploads.bundle,
    extract.extract,
    stages.transcribe,
    stages.tag,
    stages.map_,
    rights.explain,
    rights.forget,
    rights.optout,
    profiles.validate,
    profiles.merge,
    results.audiences,
    results.export,
    results.report,
    machine.doctor,
    machine.bench,
    machine.models,
):
    cli.add_command(command)


def main() -> None:
    """Entry point: errors made for people are printed without a traceback."""
    forbid_core_dumps()
    # ONNX Runtime has the cores; numpy's own threads would only spin beside it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    log = Log()
    signal.signal(signal.SIGINT, log.note_interrupt)
    try:
        cli.main(standalone_mode=False, obj=log)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        if log.as_json:
            log("error", "usage", message=error.format_message())
        else:
            error.show()
        sys.exit(EXIT_USAGE)
    except GlassesSignalsError as error:
        log.tell("error", "failed", str(error))
        sys.exit(_exit_code(error))
    except (Interrupted, KeyboardInterrupt):
        log.tell("error", "interrupted", "interrupted; run the same command again to go on")
        sys.exit(130)


def _exit_code(error: GlassesSignalsError) -> int:
    return EXIT_REFUSED if isinstance(error, CannotStart | RunStopped | BadModel) else EXIT_USAGE
