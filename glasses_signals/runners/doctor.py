"""Checks of the machine: is everything there that a run needs, and what to do if not."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from glasses_signals.errors import BadModel
from glasses_signals.models.manifest import default_names, manifest_names
from glasses_signals.models.sessions import cpu_flags, cuda_problem, default_threads
from glasses_signals.models.store import cache_dir, open_model

MIN_MEMORY_GB = 2.0  # a run takes about half of it (docs/scale.md)
MIN_DISK_GB = 1.0  # what the models that come with the package take, built


@dataclass(frozen=True, slots=True)
class Check:
    """`remedy` is None when all is well."""

    what: str
    found: str
    remedy: str | None = None


def checks() -> Iterator[Check]:
    """One check after another, cheap ones first."""
    yield Check("python", f"{platform.python_version()} on {sys.platform}")
    yield Check("cpu", f"{default_threads()} cores, {' '.join(cpu_flags()) or 'no known flags'}")
    yield _memory()
    yield _disk()
    yield _device()
    for name in manifest_names():
        yield _model(name)


def _memory() -> Check:
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    remedy = f"a run wants at least {MIN_MEMORY_GB:g} GB" if gigabytes < MIN_MEMORY_GB else None
    return Check("memory", f"{gigabytes:.1f} GB", remedy)


def _disk() -> Check:
    folder = cache_dir()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    remedy = f"make room: models need about {MIN_DISK_GB:g} GB" if free < MIN_DISK_GB else None
    return Check("model cache", f"{cache_dir()}, {free:.1f} GB free", remedy)


def _device() -> Check:
    problem = cuda_problem()
    return Check("device", "cuda" if problem is None else f"cpu; no cuda: {problem}")


def _model(name: str) -> Check:
    try:
        return Check(name, f"built, sha256 {open_model(name).sha256[:12]}")
    except BadModel as error:
        remedy = str(error) if name in default_names() else None
        return Check(name, "not built" + ("" if remedy else " (not needed by default)"), remedy)
