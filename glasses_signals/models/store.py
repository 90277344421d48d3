"""The cache of built models: `CACHE/NAME/KEY/`, KEY from the manifest's and the recipe's bytes.

A changed manifest or recipe thus never meets files of an earlier build.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from glasses_signals.errors import BadModel
from glasses_signals.models.manifest import Manifest, load_manifest

BUILT_FORMAT = "glasses-signals-model/1"

# Kinds that share a recipe module; any other kind is the name of its own module.
_MODULE_OF_KIND = dict.fromkeys(("efficientnet_lite", "torchvision", "timm"), "efficientnet")


@dataclass(frozen=True, slots=True)
class BuiltModel:
    """A model ready to run. `sha256` covers all its files; `facts` are its parity figures."""

    name: str
    directory: Path
    sha256: str
    manifest: Manifest
    facts: Mapping[str, object]

    @property
    def precisions(self) -> frozenset[str]:
        """The variants that there are of its encoder, where it has any."""
        return frozenset(path.name.split(".")[1] for path in self.directory.glob("encoder.*.onnx"))

    def file(self, name: str) -> Path:
        """Path of one of the model's files. BadModel when the build made no such file."""
        path = self.directory / name
        if not path.is_file():
            raise BadModel(f"model {self.name} has no {name}: {_remedy(self.manifest, force=True)}")
        return path


def cache_dir() -> Path:
    """Where built models live: $GLASSES_SIGNALS_CACHE, or the XDG cache folder."""
    own = os.environ.get("GLASSES_SIGNALS_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    xdg = os.environ.get("XDG_CACHE_HOME")
    return (Path(xdg) if xdg else Path.home() / ".cache") / "glasses-signals" / "models"


def recipe_path(manifest: Manifest) -> Path:
    """Source file of the recipe module for the manifest's kind. BadModel when there is none."""
    module = _MODULE_OF_KIND.get(manifest.kind, manifest.kind)
    path = Path(__file__).parent / "recipes" / f"{module}.py"
    if not module.isidentifier() or module.startswith("_") or not path.is_file():
        known = {p.stem for p in path.parent.glob("[!_]*.py")} | set(_MODULE_OF_KIND)
        raise BadModel(
            f"{manifest.path}: unknown kind {manifest.kind!r}; known: {', '.join(sorted(known))}"
        )
    return path


def recipe_sha256(manifest: Manifest) -> str:
    """Hex sha256 over a recipe's modules: `NAME.py`, its parts `NAME_*.py`, and those of graphs,
    `graph*.py`."""
    main = recipe_path(manifest)
    parts = [*main.parent.glob(f"{main.stem}_*.py"), *main.parent.glob("graph*.py")]
    read = (path.read_bytes() for path in [main, *sorted(parts)])
    return hashlib.sha256(b"".join(read)).hexdigest()


def model_dir(manifest: Manifest) -> Path:
    """Folder that holds the build of exactly this manifest by exactly this recipe, made or not."""
    digest = hashlib.sha256((manifest.digest + recipe_sha256(manifest)).encode())
    return cache_dir() / manifest.name / digest.hexdigest()[:16]


def open_model(name_or_path: str) -> BuiltModel:
    """Find a built model; its files' sizes are checked, their sums only by `verify`.

    BadModel, with the command to run, when it isn't built or a file is missing or cut short.
    """
    manifest = load_manifest(name_or_path)
    directory = model_dir(manifest)
    try:
        built = json.loads((directory / "built.json").read_text())
    except FileNotFoundError:
        raise BadModel(f"model {manifest.name} is not built: {_remedy(manifest)}") from None
    except ValueError:
        built = {}
    if built.get("format") != BUILT_FORMAT:
        raise BadModel(f"{directory}/built.json is damaged: {_remedy(manifest, force=True)}")
    for name, entry in built["files"].items():
        path = directory / name
        if not path.is_file() or path.stat().st_size != entry["bytes"]:
            raise BadModel(f"{path} is missing or cut short: {_remedy(manifest, force=True)}")
    return BuiltModel(
        name=manifest.name,
        directory=directory,
        sha256=files_sha256({name: entry["sha256"] for name, entry in built["files"].items()}),
        manifest=manifest,
        facts=built["parity"],
    )


def files_sha256(sums: Mapping[str, str]) -> str:
    """One hex sha256 over several files' sums: of `<sha256>  <name>` lines sorted by name."""
    lines = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
    return hashlib.sha256(lines.encode()).hexdigest()


def _remedy(manifest: Manifest, force: bool = False) -> str:
    shipped = f"{manifest.name}.toml" == manifest.path.name
    target = manifest.name if shipped else str(manifest.path)
    return f"run `glasses-signals models build {'--force ' if force else ''}{target}`"
