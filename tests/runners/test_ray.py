"""The Ray runner: the bytes of the local one, also when its actors die on the way."""

import contextlib
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from glasses_signals.errors import CannotStart
from glasses_signals.runners.extract import ExtractSettings, extract
from glasses_signals.runners.ray_runner import actor_resources

AS_OF = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.slow
def test_ray_gives_the_same_bytes_although_its_first_actor_is_killed(
    photo_uploads: Path, samples: Path, tmp_path: Path
) -> None:
    accounts = samples / "accounts.jsonl"
    extract(photo_uploads, accounts, tmp_path / "local", ExtractSettings(as_of=AS_OF, device="cpu"))
    command = ["extract", str(photo_uploads), "--accounts", str(accounts), "--device", "cpu"]
    command += ["--out", str(tmp_path / "ray"), "--as-of", "2026-02-01T00:00:00Z", "--json"]
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


@pytest.mark.slow
def test_a_node_that_is_lost_takes_no_item_along(
    photo_uploads: Path, samples: Path, tmp_path: Path
) -> None:
    from ray.cluster_utils import Cluster  # two seconds that a choice of other tests can spare

    accounts = samples / "accounts.jsonl"
    extract(photo_uploads, accounts, tmp_path / "local", ExtractSettings(as_of=AS_OF, device="cpu"))
    watchful = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500}
    head = {"num_cpus": 0, "_system_config": watchful}  # or a loss is noticed after half a minute
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        cluster.wait_for_nodes()
        command = ["extract", str(photo_uploads), "--accounts", str(accounts), "--device", "cpu"]
        command += ["--out", str(tmp_path / "ray"), "--as-of", "2026-02-01T00:00:00Z"]
        command += ["--runner", "ray", "--ray-address", cluster.address, "--unit-items", "1"]
        run = subprocess.Popen(
            [sys.executable, "-m", "glasses_signals", *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        # The first actor is on either, as the head has no core: that node is lost.
        raylets = [psutil.Process(n.all_processes["raylet"][0].process.pid) for n in nodes]
        lost = False
        while run.poll() is None and not lost:
            for node, raylet in zip(nodes, raylets, strict=True):
                if not lost and actors_of(raylet):
                    cluster.remove_node(node, allow_graceful=False)
                    lost = True
            time.sleep(0.02)
        _, error = run.communicate()
    finally:
        cluster.shutdown()
    assert lost
    assert run.returncode == 2, error
    written = (tmp_path / "ray" / "profiles.jsonl").read_bytes()
    assert written == (tmp_path / "local" / "profiles.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        (0.0, {"num_cpus": 1.0, "concurrency": (1, 12)}),
        (1.0, {"num_gpus": 1.0, "concurrency": (1, 3)}),
        (0.5, {"num_gpus": 0.5, "concurrency": (1, 6)}),
    ],
)
def test_actors_ask_for_a_core_or_a_gpu_each(gpus: float, expected: dict[str, Any]) -> None:
    assert actor_resources(gpus, {"CPU": 12.0, "GPU": 3.0}) == expected


def test_a_cluster_without_gpus_is_asked_for_one_all_the_same() -> None:
    assert actor_resources(1.0, {"CPU": 12.0}) == {"num_gpus": 1.0, "concurrency": (1, 1)}


def test_no_cluster_at_the_address_can_not_start(samples: Path, tmp_path: Path) -> None:
    settings = ExtractSettings(
        as_of=AS_OF, device="cpu", runner="ray", ray_address="127.0.0.1:1", unit_items=1
    )
    with pytest.raises(CannotStart, match=r"answers at 127\.0\.0\.1:1"):
        extract(samples / "uploads", samples / "accounts.jsonl", tmp_path / "out", settings)


def actors_of(process: psutil.Process) -> list[psutil.Process]:
    """Processes under `process` that hold our operator."""
    found = []
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "MapWorker" in " ".join(child.cmdline()):
                found.append(child)
    return found


def kill_an_actor(driver: psutil.Process) -> bool:
    """Kill the first process of the run that holds our operator; False when the run ends first."""
    while driver.is_running() and driver.status() != psutil.STATUS_ZOMBIE:
        for process in actors_of(driver):
            process.kill()
            return True
        time.sleep(0.02)
    return False


def test_a_url_is_refused(samples: Path, tmp_path: Path) -> None:
    settings = ExtractSettings(as_of=AS_OF, device="cpu", runner="ray")
    with pytest.raises(CannotStart, match="not a URL"):
        extract("memory://uploads", samples / "accounts.jsonl", tmp_path / "out", settings)
