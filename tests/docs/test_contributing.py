"""The examples in CONTRIBUTING.md apply to this tree, and their own tests pass."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from reading import REPOSITORY

from glasses_signals.models.manifest import load_manifest
from glasses_signals.models.store import recipe_path

TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8")
REMEDY = "mend the example in CONTRIBUTING.md"


def examples() -> dict[str, str]:
    """Section title -> its diff."""
    sections = re.split(r"^## ", TEXT, flags=re.MULTILINE)
    found = {
        s.split("\n", 1)[0]: re.findall(r"^```diff\n(.*?)^```", s, re.M | re.S) for s in sections
    }
    return {title: diffs[0] for title, diffs in found.items() if diffs}


@pytest.mark.slow
@pytest.mark.parametrize("title", examples())
def test_an_example_applies_and_its_tests_pass(title: str, tmp_path: Path) -> None:
    for name in ("glasses_signals", "models", "docs", "tests"):
        leave = shutil.ignore_patterns("__pycache__", *(["media"] if name == "tests" else []))
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=leave)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    applied = subprocess.run(
        ["git", "apply", "-"], input=examples()[title], cwd=tmp_path, text=True, check=False
    )
    assert applied.returncode == 0, REMEDY
    tests = re.findall(r"^\+\+\+ b/(tests/\S+)", examples()[title], re.MULTILINE)
    assert tests, REMEDY
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *tests],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_examples_are_a_source_and_an_exporter() -> None:
    assert set(examples()) == {"Add a source", "Add an exporter"}


def test_the_example_of_a_model_is_a_manifest_with_a_recipe(tmp_path: Path) -> None:
    (manifest,) = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    file = tmp_path / "efficientnet-lite2.toml"
    file.write_text(manifest)
    loaded = load_manifest(str(file))
    assert loaded.name == file.stem
    assert recipe_path(loaded).is_file()
