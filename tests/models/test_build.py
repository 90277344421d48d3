"""Builds are whole or absent, and know when a file isn't what it was."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from glasses_signals.errors import BadModel
from glasses_signals.models import store
from glasses_signals.models.build import build, verify
from glasses_signals.models.manifest import load_manifest
from glasses_signals.models.store import open_model

# Dies by kill -9 after the model's files are complete, just before they get their final name.
KILLED_BUILD = """
import os, signal
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
from glasses_signals.models.build import build
build(["silero-vad"])
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GLASSES_SIGNALS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def first_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which one model has been built once."""
    cache = tmp_path_factory.mktemp("first") / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLASSES_SIGNALS_CACHE", str(cache))
        build(["silero-vad"], report=silent)
    return cache


@pytest.fixture
def built(first_build: Path, cache: Path) -> Path:
    """The same, in the test's own cache."""
    return Path(shutil.copytree(first_build, cache))


def silent(_: str) -> None:
    pass


def folders(cache: Path) -> list[Path]:
    return [path for path in (cache / "silero-vad").iterdir() if path.is_dir()]


def test_a_killed_build_leaves_no_model_and_the_next_build_cleans_up(cache: Path) -> None:
    died = subprocess.run([sys.executable, "-c", KILLED_BUILD], capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL
    assert [path.name.startswith(".building-") for path in folders(cache)] == [True]
    with pytest.raises(BadModel, match="is not built: run `glasses-signals models build"):
        open_model("silero-vad")

    build(["silero-vad"], report=silent)
    assert folders(cache) == [open_model("silero-vad").directory]


def test_a_build_is_made_once_and_again_only_by_force(built: Path) -> None:
    said: list[str] = []
    first = open_model("silero-vad")
    again = build(["silero-vad"], report=said.append)
    forced = build(["silero-vad"], force=True, report=said.append)
    assert [line for line in said if "parity" not in line] == [
        "silero-vad: already built",
        "silero-vad: building",
    ]
    assert first.sha256 == again[0].sha256 == forced[0].sha256
    assert forced[0].facts["step_max_probability_difference"] < 0.001  # type: ignore[operator]
    assert len(folders(built)) == 1


def test_of_a_manifest_that_changes_only_the_last_two_builds_are_kept(
    built: Path, tmp_path: Path
) -> None:
    (first,) = folders(built)
    text = load_manifest("silero-vad").path.read_text()
    manifest = tmp_path / "silero-vad.toml"
    for bound in ("0.002", "0.003"):
        manifest.write_text(text.replace("0.001", bound))
        (newest,) = build([str(manifest)], report=silent)
    assert newest.directory in folders(built)
    assert first not in folders(built)
    assert len(folders(built)) == 2


@pytest.mark.usefixtures("built")
def test_verify_names_a_file_that_changed_or_went_missing() -> None:
    model = open_model("silero-vad")
    assert verify(["silero-vad"])[0].ok
    changed = bytearray(model.file("step.onnx").read_bytes())
    changed[1000] ^= 1
    model.file("step.onnx").write_bytes(changed)
    assert "step.onnx has changed" in str(verify(["silero-vad"])[0].problem)
    model.file("step.onnx").unlink()
    assert "step.onnx is missing" in str(verify(["silero-vad"])[0].problem)


def test_a_source_with_another_checksum_is_refused_by_name(cache: Path, tmp_path: Path) -> None:
    shipped = load_manifest("silero-vad")
    text = shipped.path.read_text().replace(shipped.sources[0].sha256, "0" * 64)
    (tmp_path / "silero-vad.toml").write_text(text)
    with pytest.raises(BadModel, match=r"silero_vad_16k_op15.onnx: sha256 is"):
        build([str(tmp_path / "silero-vad.toml")], report=silent)
    assert not (cache / "silero-vad").exists()


def test_a_model_that_misses_its_parity_bound_is_not_built(cache: Path, tmp_path: Path) -> None:
    text = load_manifest("silero-vad").path.read_text()
    strict = text.replace("max_probability_difference = 0.001", "max_probability_difference = 0.0")
    (tmp_path / "strict.toml").write_text(strict)
    with pytest.raises(BadModel, match=r"max_probability_difference is .* wants at most 0"):
        build([str(tmp_path / "strict.toml")], report=silent)
    assert folders(cache) == []


def test_an_unknown_kind_lists_the_known_ones(cache: Path, tmp_path: Path) -> None:
    text = load_manifest("silero-vad").path.read_text().replace('"silero_vad"', '"crystal_ball"')
    (tmp_path / "ball.toml").write_text(text)
    with pytest.raises(BadModel, match=r"unknown kind 'crystal_ball'; known: .*silero_vad"):
        build([str(tmp_path / "ball.toml")], report=silent)


def test_a_recipe_is_known_by_its_parts_and_the_graphs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model built by other code is another model."""
    files = [tmp_path / f"{name}.py" for name in ("own", "own_part", "graph", "graph_part")]
    for path in (*files, tmp_path / "another.py"):
        path.write_text("")
    manifest = load_manifest("silero-vad")
    monkeypatch.setattr(store, "recipe_path", lambda _: files[0])
    known = {store.recipe_sha256(manifest)}
    for path in files:
        path.write_text("changed")
        known.add(store.recipe_sha256(manifest))
    assert len(known) == 1 + len(files)
    (tmp_path / "another.py").write_text("changed")
    assert store.recipe_sha256(manifest) in known
