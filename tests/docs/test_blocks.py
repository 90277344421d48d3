"""Every block of the docs, commands and Python, runs as written, where there is what it names.

A block that can't run in a test stands in NOT_RUN with the reason; what is neither run nor there
fails. The pages in ELSEWHERE have tests of their own, which also look at what comes out.
"""

import json
import re
import shutil
import subprocess
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest
from reading import BLOCK, REPOSITORY, SCRIPTS, blocks, lines_of, shell_lines, type_in

from glasses_signals.policy.policy import DEFAULT_POLICY

NOT_RUN = {
    r"(scripts/(run|test|document)|\.ci/run)\b": "install everything, or would run this test",
    r"(\.venv/bin/)?pip (un)?install": "would change the environment or need a network",
    r"npm install": "would change the environment or need a network",
    r"python3 -m venv": "scripts/setup.sh does the same",
    r"\.venv/bin/": "the same commands run elsewhere without this path",
    r"podman ": "needs a container engine",
    r"systemctl ": "needs systemd as the first process",
    r"glasses-signals models build my-": "tests/vision/test_user_model.py builds such a model",
    r"glasses-signals (transcribe --model|tag --model|models verify) my-": "needs the model built",
    r"glasses-signals extract .* --tagger my-": "needs the model built before",
    r"glasses-signals extract .* --device cuda": "needs a GPU",
    r"glasses-signals bench speech --only ours,fw1,cpp": "needs the other engines, and minutes",
}
ELSEWHERE = {
    "docs/tutorial.md",
    "docs/exports.md",
    "docs/reference/python.md",  # signatures, no programs
}
# What stands for the reader's own cluster.
STAND_INS = {" --ray-address ray-head:6379": ""}


def pages() -> list[Path]:
    found = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "models/README.md")]
    return found + sorted(REPOSITORY.glob("docs/**/*.md"))


def is_run(line: str) -> bool:
    return not any(re.match(pattern, line) for pattern in NOT_RUN)


def steps(page: Path) -> list[tuple[str, str]]:
    """("sh", line) and ("python", program) in the page's order, without what is not run."""
    found: list[tuple[str, str]] = []
    for language, code in BLOCK.findall(page.read_text("utf-8")):
        if language == "sh":
            found += [("sh", line) for line in lines_of(code) if is_run(line)]
        elif language == "python" and not code.startswith("--8<--"):
            found.append(("python", code))
    return found


def pages_to_run() -> list[str]:
    named = {str(page.relative_to(REPOSITORY)): page for page in pages()}
    return [name for name, page in named.items() if name not in ELSEWHERE and steps(page)]


@pytest.fixture
def desk(samples: Path, run_of_today: Path, tmp_path: Path) -> Path:
    """A folder with everything that the docs' commands name."""
    for name in ("docs", "samples", "benchmarks", "tests"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    small_uploads(samples, tmp_path / "UPLOADS")
    shutil.copy(samples / "accounts.jsonl", tmp_path / "accounts.jsonl")
    shutil.copy(DEFAULT_POLICY, tmp_path / "policy.toml")
    (tmp_path / "FOLDER").mkdir()
    shutil.copy(next((samples / "uploads").glob("*/*.jpg")), tmp_path / "FOLDER" / "one.jpg")
    shutil.copy(tmp_path / "FOLDER" / "one.jpg", tmp_path / "photo.jpg")
    shutil.copy(next((samples / "uploads").glob("*/*.wav")), tmp_path / "recording.wav")
    article = {"account_id": "acct-0001", "topic": "625", "saved_at": "2026-01-05T10:00:00Z"}
    (tmp_path / "saved.jsonl").write_text(json.dumps(article) + "\n")
    shutil.copytree(run_of_today, tmp_path / "out")
    return tmp_path


def small_uploads(samples: Path, folder: Path) -> None:
    """Two bundles with a picture and a recording each."""
    for name in ("ada-2", "ben-2"):
        shutil.copytree(samples / "uploads" / name, folder / name)
        manifest = json.loads((folder / name / "upload.json").read_text())
        by_kind = {item["kind"]: item for item in manifest["items"]}
        manifest["items"] = [by_kind[kind] for kind in ("photo", "voice") if kind in by_kind]
        (folder / name / "upload.json").write_text(json.dumps(manifest))


@pytest.fixture
def bucket(desk: Path, samples: Path, store: str) -> dict[str, str]:
    """Environment in which `s3://bucket` holds the desk's uploads and the samples' messages."""
    import s3fs

    files = s3fs.S3FileSystem(endpoint_url=store, skip_instance_cache=True)
    files.mkdir("bucket")
    files.put(str(desk / "UPLOADS"), "bucket/uploads", recursive=True)
    files.put(str(samples / "chats.jsonl"), "bucket/chats.jsonl")
    return {"AWS_ENDPOINT_URL": store}


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_to_run())
def test_a_page_runs_as_written(page: str, desk: Path, request: pytest.FixtureRequest) -> None:
    todo = steps(REPOSITORY / page)
    needs_store = any("s3://" in code for _, code in todo)
    environment = request.getfixturevalue("bucket") if needs_store else {}
    for language, code in todo:
        for written, instead in STAND_INS.items():
            code = code.replace(written, instead)
        done = type_in(
            code if language == "sh" else f"python - <<'END'\n{code}\nEND", desk, environment
        )
        # The samples hold one photo that is cut off on purpose.
        expected = (0, 2) if "samples/uploads" in code else (0,)
        assert done.returncode in expected, f"{code}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}"


@pytest.mark.parametrize("page", [str(p.relative_to(REPOSITORY)) for p in pages()])
def test_every_block_is_shell_that_parses(page: str) -> None:
    for block in blocks(REPOSITORY / page, "sh"):
        done = subprocess.run(["bash", "-n", "-c", block], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("pattern", NOT_RUN)
def test_what_is_not_run_is_really_in_the_docs(pattern: str) -> None:
    assert any(re.match(pattern, line) for page in pages() for line in shell_lines(page))


def test_extras_named_in_the_docs_exist() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    extras = set(project["optional-dependencies"])
    text = "".join(page.read_text("utf-8") for page in pages())
    groups = re.findall(r"(?:glasses-signals|\.)\[([a-z,]+)\]", text)
    named = {name for group in groups for name in group.split(",")}
    assert named
    assert named <= extras


def units() -> dict[str, str]:
    page = REPOSITORY / "docs" / "how-to" / "every-night.md"
    named = re.compile(r"# /etc/systemd/system/(\S+)\n")
    return {match[1]: code for code in blocks(page, "ini") if (match := named.match(code))}


def test_the_nightly_units_are_accepted_by_systemd(tmp_path: Path) -> None:
    """By systemd's own check where it is installed; by what it needs at least elsewhere."""
    found = units()
    assert set(found) == {"glasses-signals.service", "glasses-signals.timer"}
    for name, text in found.items():
        here = text.replace("/opt/glasses-signals/bin", str(SCRIPTS))
        (tmp_path / name).write_text(here.replace("User=glasses\n", ""))
        parsed = ConfigParser(strict=True)
        parsed.optionxform = str  # type: ignore[assignment, method-assign]
        parsed.read_string(text)
        assert parsed["Unit"]["Description"]
    if verifier := shutil.which("systemd-analyze"):
        command = [verifier, "verify", "--man=no", *(str(tmp_path / name) for name in found)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        own = [line for line in done.stderr.splitlines() if "glasses-signals" in line]
        assert own == []


@pytest.mark.slow
def test_the_nightly_commands_run_as_written(desk: Path) -> None:
    lines = [
        line.partition("=")[2]
        for line in units()["glasses-signals.service"].splitlines()
        if line.startswith("ExecStart")
    ]
    assert len(lines) == 2
    shutil.move(desk / "UPLOADS", desk / "uploads")
    for line in lines:
        here = line.replace("/opt/glasses-signals/bin/", "").replace("/srv/", f"{desk}/")
        done = type_in(here, desk)
        assert done.returncode == 0, done.stderr
    assert (desk / "profiles" / "report.html").exists()
