"""The machine and its models: `doctor`, `bench`, `models`, `--version`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from glasses_signals import __version__
from glasses_signals.cli.options import EXIT_REFUSED
from glasses_signals.errors import BadModel, CannotStart


@click.command()
def doctor() -> None:
    """Check machine, device, disk and models, and say what to do."""
    from glasses_signals.runners.doctor import checks

    sound = True
    for check in checks():
        sound = sound and check.remedy is None
        click.echo(f"{'ok ' if check.remedy is None else 'BAD'} {check.what}: {check.found}")
        if check.remedy is not None:
            click.echo(f"    {check.remedy}")
    if not sound:
        sys.exit(EXIT_REFUSED)


def _benchmark(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """One of the names; `bench --help` is a question about `bench` itself."""
    if value in ("-h", "--help"):
        click.echo(context.get_help())
        context.exit()
    names = ("speech", "vision", "job", "quality")
    if value not in names:
        raise click.BadParameter(f"{value!r} is not one of {', '.join(names)}")
    return value


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("name", metavar="{speech|vision|job|quality}", callback=_benchmark)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(name: str, arguments: tuple[str, ...]) -> None:
    """Run one of the benchmarks that come with the checkout; `bench NAME --help` says more.

    They need labelled media: GLASSES_SIGNALS_EVAL names the folder, docs/how-to/benchmarks.md says
    what it holds.
    """
    import subprocess

    root = Path(__file__).parents[2]
    script = root / "benchmarks" / f"{name}.py"
    if not script.is_file():
        raise CannotStart(f"{script} is not there: benchmarks come with a checkout, not the wheel")
    sets = Path(os.environ.get("GLASSES_SIGNALS_EVAL") or root.parent / "shared" / "eval")
    if not sets.is_dir() and not {"-h", "--help"} & set(arguments):
        raise CannotStart(
            f"no labelled media in {sets}; name their folder with GLASSES_SIGNALS_EVAL: "
            "docs/how-to/benchmarks.md says how to make one"
        )
    sys.exit(subprocess.run([sys.executable, str(script), *arguments], check=False).returncode)


@click.group()
def models() -> None:
    """Build, list and verify the models in the cache."""


@models.command(name="build")
@click.argument("names", nargs=-1)
@click.option("--force", is_flag=True, help="Build again what is built already.")
def models_build(names: tuple[str, ...], force: bool) -> None:
    """Build models by name or manifest file [default: all that come with the package]."""
    from glasses_signals.models.build import build

    build(names, force=force, report=click.echo)


@models.command(name="list")
def models_list() -> None:
    """List the models that come with the package, and whether they are built."""
    from glasses_signals.models.manifest import load_manifest, manifest_names
    from glasses_signals.models.store import cache_dir

    for name in manifest_names():
        click.echo(f"{name}: {load_manifest(name).licence}, {model_state(name)}")
    click.echo(f"cache: {cache_dir()}")


@models.command(name="verify")
@click.argument("names", nargs=-1)
def models_verify(names: tuple[str, ...]) -> None:
    """Check built models' files against their checksums, and print their parity with torch."""
    from glasses_signals.models.build import verify

    results = verify(names)
    for result in results:
        if result.problem is not None:
            click.echo(f"{result.name}: {result.problem}", err=True)
            continue
        parity = ", ".join(f"{fact} {value}" for fact, value in sorted(result.parity.items()))
        click.echo(f"{result.name}: ok, sha256 {result.sha256}; {parity}")
    if not all(result.ok for result in results):
        sys.exit(EXIT_REFUSED)


def model_state(name: str) -> str:
    """Whether a model of the package is built, in words."""
    from glasses_signals.models.store import open_model

    try:
        return f"built, sha256 {open_model(name).sha256[:12]}"
    except BadModel:
        return "not built"


def print_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    """The version first, for programs; then what results depend on besides: runtime and models."""
    if not wanted or context.resilient_parsing:
        return
    from glasses_signals.models.manifest import manifest_names

    click.echo(f"glasses-signals, version {__version__}")
    for name, version, providers in runtimes():
        click.echo(f"{name} {version}: {', '.join(providers)}")
    for name in manifest_names():
        click.echo(f"model {name}: {model_state(name)}")
    context.exit()


def runtimes() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(package, version, execution providers) of each ONNX Runtime installed; none is imported.

    Two at once overwrite each other's files. Whether CUDA works here is for `doctor` to say.
    """
    from importlib.metadata import PackageNotFoundError, version

    cpu = ("CPUExecutionProvider",)
    for name, providers in (
        ("onnxruntime", cpu),
        ("onnxruntime-gpu", ("CUDAExecutionProvider", *cpu)),
    ):
        with contextlib.suppress(PackageNotFoundError):
            yield name, version(name), providers
