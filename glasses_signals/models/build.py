"""Builds models once into the cache, and checks builds later.

Each recipe runs in a process of its own, so that torch's memory goes away with it. A build is made
in a folder beside its final place and renamed into it last: a killed build leaves nothing that
could be taken for a model.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from glasses_signals.digests import file_sha256
from glasses_signals.errors import BadModel
from glasses_signals.models.manifest import Manifest, default_names, load_manifest
from glasses_signals.models.store import (
    BUILT_FORMAT,
    BuiltModel,
    cache_dir,
    model_dir,
    open_model,
    recipe_path,
    recipe_sha256,
)

# Versions worth knowing when two builds of one manifest differ.
_RECORDED_PACKAGES = ("onnx", "onnxruntime", "onnxscript", "torch", "torchvision")
_UNFINISHED = ".building-"
_OLD_BUILDS_KEPT = 1


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What `verify` found for one model: `problem` is None when all its files are as built."""

    name: str
    problem: str | None
    sha256: str | None
    parity: Mapping[str, object]

    @property
    def ok(self) -> bool:
        """Whether all files are as built."""
        return self.problem is None


def build(
    names: Sequence[str] = (), force: bool = False, report: Callable[[str], None] = print
) -> list[BuiltModel]:
    """Build models by name or manifest path (none given: all that come along and aren't optional).

    What is built already is left alone unless `force`. Waits for another build on the same cache.
    BadModel when a source is missing or has another sha256, or a model misses its parity bound.
    """
    manifests = [load_manifest(name) for name in names or default_names()]
    built = []
    with _lock(report) as lock:
        for manifest in manifests:
            if not force and _is_built(manifest):
                report(f"{manifest.name}: already built")
            else:
                report(f"{manifest.name}: building")
                _build_one(manifest, lock)
            model = open_model(str(manifest.path))
            report(f"{manifest.name}: {_parity_line(model.facts)}")
            built.append(model)
    return built


def verify(names: Sequence[str] = ()) -> list[VerifyResult]:
    """Check every file of built models against the sums taken at build time."""
    return [_verify_one(name) for name in names or default_names()]


def _verify_one(name: str) -> VerifyResult:
    try:
        model = open_model(name)
    except BadModel as error:
        return VerifyResult(name, str(error), None, {})
    built = json.loads((model.directory / "built.json").read_text())
    for file, entry in built["files"].items():
        path = model.directory / file
        if file_sha256(path) != entry["sha256"]:
            problem = (
                f"{path} has changed since it was built: "
                f"run `glasses-signals models build --force {name}`"
            )
            return VerifyResult(model.name, problem, None, model.facts)
    return VerifyResult(model.name, None, model.sha256, model.facts)


def _is_built(manifest: Manifest) -> bool:
    try:
        open_model(str(manifest.path))
    except BadModel:
        return False
    return True


def _build_one(manifest: Manifest, lock: int) -> None:
    final = model_dir(manifest)
    sources = {source.name: source.checked() for source in manifest.sources}
    final.parent.mkdir(parents=True, exist_ok=True)
    for leftover in final.parent.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(leftover)
    with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=final.parent) as work_name:
        work = Path(work_name)
        out = work / "out"
        out.mkdir()
        facts = _run_recipe(manifest, out, sources, work / "result.json", lock)
        _write_built(manifest, out, facts)
        _sync([*out.rglob("*"), out])
        if final.exists():
            final.rename(work / "replaced")
        out.rename(final)
        _sync([final.parent])
    _drop_old_builds(final)


def _drop_old_builds(newest: Path) -> None:
    """Keep the newest build and the one before it, which another version of the package may use."""
    others = [path for path in newest.parent.iterdir() if path.is_dir() and path != newest]
    for path in sorted(others, key=lambda path: path.stat().st_mtime)[:-_OLD_BUILDS_KEPT]:
        shutil.rmtree(path)


def _run_recipe(
    manifest: Manifest, out: Path, sources: Mapping[str, Path], result: Path, lock: int
) -> dict[str, object]:
    request = {
        "module": recipe_path(manifest).stem,
        "manifest": str(manifest.path),
        "out": str(out),
        "sources": {name: str(path) for name, path in sources.items()},
        "result": str(result),
    }
    # The child holds the lock too: when only this process is killed, the next build waits for it.
    child = subprocess.run(
        [sys.executable, "-m", "glasses_signals.models.recipes"],
        input=json.dumps(request),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=(lock,),
        check=False,
    )
    answer: dict[str, object] = json.loads(result.read_text()) if result.exists() else {}
    if isinstance(answer.get("error"), str):
        raise BadModel(f"model {manifest.name}: {answer['error']}")
    facts = answer.get("facts")
    if child.returncode != 0 or not isinstance(facts, dict):
        last_words = "\n".join(child.stderr.strip().splitlines()[-15:])
        raise BadModel(
            f"model {manifest.name}: its build ended with code {child.returncode} "
            f"(negative: killed by that signal, often for memory):\n{last_words}"
        )
    return facts


def _write_built(manifest: Manifest, out: Path, facts: Mapping[str, object]) -> None:
    files = sorted(path for path in out.rglob("*") if path.is_file())
    if not files:
        raise BadModel(f"model {manifest.name}: recipe {manifest.kind} made no files")
    built = {
        "format": BUILT_FORMAT,
        "name": manifest.name,
        "kind": manifest.kind,
        "manifest_sha256": manifest.digest,
        "recipe_sha256": recipe_sha256(manifest),
        "sources": {source.name: source.sha256 for source in manifest.sources},
        "files": {
            path.relative_to(out).as_posix(): {
                "bytes": path.stat().st_size,
                "sha256": file_sha256(path),
            }
            for path in files
        },
        "parity": facts,
        "versions": _versions(),
    }
    (out / "built.json").write_text(json.dumps(built, indent=1, sort_keys=True) + "\n")


def _versions() -> dict[str, str]:
    versions = {"python": sys.version.split()[0]}
    for package in _RECORDED_PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _sync(paths: Iterable[Path]) -> None:
    """Force files and folder entries to disk."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _lock(report: Callable[[str], None]) -> Iterator[int]:
    """Hold the cache's build lock; yields its file descriptor."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another build is running on this cache: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _parity_line(facts: Mapping[str, object]) -> str:
    shown = (
        f"{name} {value:.6g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in facts.items()
    )
    return "parity against the reference: " + ", ".join(shown)
