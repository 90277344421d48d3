"""The Ray runner: the bytes of the local one, also when its actors die on the way."""

import json
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from glasses_signals.errors import CannotStart
from glasses_signals.runners.extract import ExtractSettings, extract

AS_OF = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def uploads(samples: Path, tmp_path: Path) -> Path:
    root = tmp_path / "uploads"
    for bundle in sorted((samples / "uploads").iterdir()):
        shutil.copytree(bundle, root / bundle.name)
        manifest = json.loads((bundle / "upload.json").read_text())
        manifest["items"] = [i for i in manifest["items"] if i["kind"] == "photo"]
        (root / bundle.name / "upload.json").write_text(json.dumps(manifest))
    return root


@pytest.mark.slow
def test_ray_gives_the_same_bytes_although_its_first_actor_is_killed(
    uploads: Path, samples: Path, tmp_path: Path
) -> None:
    accounts = samples / "accounts.jsonl"
    extract(uploads, accounts, tmp_path / "local", ExtractSettings(as_of=AS_OF, device="cpu"))
    command = ["extract", str(uploads), "--accounts", str(accounts), "--out", str(tmp_path / "ray")]
    command += ["--as-of", "2026-02-01T00:00:00Z", "--device", "cpu", "--json"]
    run = subprocess.Popen(
        [
            *(sys.executable, "-m", "glasses_signals", *command),
            *("--runner", "ray", "--unit-items", "2"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    killed = kill_an_actor(psutil.Process(run.pid))
    output, error = run.communicate()
    assert killed
    assert run.returncode == 2, error  # the truncated photo
    report = json.loads(output.splitlines()[-1])
    assert report["providers"] == {"tagger": "CPUExecutionProvider"}
    written = (tmp_path / "ray" / "profiles.jsonl").read_bytes()
    assert written == (tmp_path / "local" / "profiles.jsonl").read_bytes()


def kill_an_actor(driver: psutil.Process) -> bool:
    """Kill the first process of the run that holds our operator; False when the run ends first."""
    while driver.is_running() and driver.status() != psutil.STATUS_ZOMBIE:
        for process in driver.children(recursive=True):
            try:
                if "MapWorker" in " ".join(process.cmdline()):
                    process.kill()
                    return True
            except psutil.Error:
                continue
        time.sleep(0.01)
    return False


def test_a_url_is_refused(samples: Path, tmp_path: Path) -> None:
    settings = ExtractSettings(as_of=AS_OF, device="cpu", runner="ray")
    with pytest.raises(CannotStart, match="not a URL"):
        extract("memory://uploads", samples / "accounts.jsonl", tmp_path / "out", settings)
