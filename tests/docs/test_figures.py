"""Figures of today in the pages are those of benchmarks/results.json."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from reading import REPOSITORY

BENCHMARKS = REPOSITORY / "benchmarks"
sys.path.append(str(BENCHMARKS))

from figures import FIGURES  # noqa: E402
from pages import BadMark, outdated, pages, renewed  # noqa: E402
from results import MOST_BYTES, RESULTS, Results, read_results, write_part  # noqa: E402

PART: dict[str, Any] = {"date": "2026-11-25", "machine": {}, "command": "x.py", "found": {}}


@pytest.fixture(scope="module")
def results() -> Results:
    return read_results()


def test_every_page_and_picture_is_as_the_results_are(results: Results) -> None:
    differing = [str(place.relative_to(REPOSITORY)) for place, _ in outdated(REPOSITORY, results)]
    assert differing == [], "run scripts/figures"


def test_another_result_would_show(results: Results) -> None:
    parts = json.loads(json.dumps(dict(results.parts)))
    parts["speech"]["found"][0]["clips_per_s"] *= 2
    changed = {place.name for place, _ in outdated(REPOSITORY, Results(parts))}
    assert "README.md" in changed
    assert "speech.md" in changed


def test_every_figure_can_be_made_and_every_table_is_shown(results: Results) -> None:
    for name, make in FIGURES.items():
        assert make(results).strip(), name
    text = "".join(page.read_text("utf-8") for page in pages(REPOSITORY))
    tables = {name for name in FIGURES if "\n" in FIGURES[name](results)}
    assert tables == set(re.findall(r"<!-- table (\S+) -->", text))


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        ("a <!-- figure no.such -->1<!-- / --> b", "no figure is called no.such"),
        ("a <!-- figure days -->1 b", "not closed"),
        ("a <!-- figure days -->1<!-- / --> b<!-- / -->", "closed twice"),
        ("a\n<!-- figure days -->1<!-- / --> b", "line 2 begins"),
    ],
)
def test_marks_that_do_not_fit_are_refused(results: Results, page: str, problem: str) -> None:
    with pytest.raises(BadMark, match=problem):
        renewed(page, results)


def test_a_benchmark_that_has_not_run_is_named() -> None:
    with pytest.raises(BadMark, match="speech"):
        renewed("a <!-- figure speech.wer -->1<!-- / -->", Results({}))


def test_results_are_small_and_name_no_place_of_the_machine(tmp_path: Path) -> None:
    assert RESULTS.stat().st_size <= MOST_BYTES
    kept = tmp_path / "results.json"
    write_part("one", PART, kept)
    write_part("two", PART | {"found": {"share": 0.123456789, "none": float("nan")}}, kept)
    with pytest.raises(ValueError, match="names a place"):
        write_part("three", PART | {"found": {"set": "/srv/media/set"}}, kept)
    parts = read_results(kept).parts
    assert list(parts) == ["one", "two"]
    assert parts["two"]["found"] == {"share": 0.12346, "none": None}


def test_every_benchmark_of_the_table_has_the_options_it_is_called_with() -> None:
    from all import BENCHMARKS as ALL

    assert set(ALL) == set(read_results().parts)
    for name, one in ALL.items():
        script = (BENCHMARKS / f"{one.script}.py").read_text("utf-8")
        known = set(re.findall(r'add_argument\(\s*"(--[a-z0-9-]+)"', script))
        used = re.findall(r"--[a-z0-9-]+", f"{one.options} {one.small} --json")
        assert set(used) <= known, name


def run_fleet(results: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / "all.py"), "--small", "--only", "fleet"]
    command += ["--results", str(results)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_benchmark_replaces_its_part_and_no_other(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    write_part("fleet", PART, kept)
    write_part("speech", PART, kept)
    done = run_fleet(kept)
    assert done.returncode == 0, done.stdout + done.stderr
    parts = read_results(kept).parts
    assert parts["speech"] == PART
    assert parts["fleet"]["found"]["fleets"]
    assert parts["fleet"]["command"] == "fleet.py --captures 1e6 --sample 3"


def test_a_benchmark_that_fails_leaves_its_part_as_it_was(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    write_part("fleet", PART, kept)
    write_part("one_core", PART | {"found": {"cpu_s": {"voice": "much"}}}, kept)
    done = run_fleet(kept)
    assert done.returncode == 1
    assert "failed, and not replaced: fleet" in done.stderr
    assert read_results(kept).parts["fleet"] == PART
