"""Kills runs at random moments, runs them again, and compares the profiles byte by byte.

    python benchmarks/crash.py --kills 200 [--seed 1] [--mix photos] [--json FILE]

A victim is the command line itself in a process of its own. It dies by SIGKILL either after a
random time, or at a random step: before the n-th SQL statement or the n-th file of OUT that is
opened, renamed or removed. Each chain of one to four kills ends with an undisturbed run, whose
profiles must equal those of a run that was never killed. Between kills the profiles file must be
absent or whole, and the ledger sound.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from made_uploads import AS_OF, account_ids, write_accounts, write_bundles, write_chats
from results import write_json

from glasses_signals.digests import file_sha256

ACCOUNTS = account_ids(4)
FORGOTTEN = ACCOUNTS[0]
MAX_KILLS_IN_CHAIN = 4
BUILT_MODEL = "silero-vad"  # the quickest to build

# Counts the steps of the command line, and dies at the one that is asked for (0: never).
VICTIM = """
import os, signal, sys
die_at, out, steps_file = int(sys.argv[1]), sys.argv[2], sys.argv[3]
steps = 0
def step():
    global steps
    steps += 1
    if steps == die_at:
        os.kill(os.getpid(), signal.SIGKILL)
def audit(event, arguments):
    if event in ("open", "os.rename", "os.remove") and str(arguments[0]).startswith(out):
        step()
def profile(frame, event, function):
    if event == "c_call" and function.__name__ in ("execute", "executemany", "executescript"):
        step()
sys.argv = ["glasses-signals", *sys.argv[4:]]
sys.addaudithook(audit)
sys.setprofile(profile)
from glasses_signals.cli import main
try:
    main()
finally:
    sys.setprofile(None)
    if die_at == 0:
        open(steps_file, "w").write(str(steps))
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A command line that may be killed, with how long it takes and its number of steps."""

    arguments: tuple[str, ...]
    out: Path
    seconds: float = 0.0
    steps: int = 0
    cache: Path | None = None  # of models, where not the usual one

    def start(self, die_at: int = 0, steps_file: str = os.devnull) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", VICTIM, str(die_at), str(self.out), steps_file]
        return subprocess.Popen(
            [*command, *self.arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                **({"GLASSES_SIGNALS_CACHE": str(self.cache)} if self.cache else {}),
            },
        )

    def finish(self) -> str:
        """Run undisturbed; the output if it failed, else nothing."""
        process = self.start()
        output, _ = process.communicate()
        return "" if process.returncode == 0 else output.decode(errors="replace")[-2000:]

    def measured(self) -> Job:
        with tempfile.NamedTemporaryFile() as steps_file:
            started = time.monotonic()
            self.start(steps_file=steps_file.name).communicate()
            seconds = time.monotonic() - started
            return replace(self, seconds=seconds, steps=int(steps_file.read() or 1))

    def kill(self, chance: random.Random) -> bool:
        """Start and kill it; False when it ended before."""
        if chance.random() < 0.5:
            process = self.start(die_at=chance.randint(1, self.steps))
        else:
            process = self.start()
            time.sleep(chance.uniform(0, self.seconds))
            process.kill()
        process.communicate()
        return process.returncode == -signal.SIGKILL


@dataclass(slots=True)
class Campaign:
    folder: Path
    chance: random.Random
    mixes: Sequence[str]
    kills: int = 0
    chains: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def job(self, mix: str, out: Path) -> Job:
        chat = ("--source", "chat") if mix == "chats" else ()
        uploads = self.folder / (f"{mix}.jsonl" if chat else mix)
        return Job(
            (
                *("extract", str(uploads), "--accounts", str(self.folder / "accounts.jsonl")),
                *("--out", str(out), "--as-of", AS_OF, "--device", "cpu", "--unit-items", "4"),
                *chat,
            ),
            out,
        )

    def forget(self, out: Path) -> Job:
        return Job(("forget", str(out), FORGOTTEN), out)

    def prepare(self) -> None:
        write_accounts(self.folder / "accounts.jsonl", ACCOUNTS)
        if "photos" in self.mixes:
            write_bundles(self.folder / "photos", ACCOUNTS, photos=24, bundle_items=6)
        if "mixed" in self.mixes:
            write_bundles(self.folder / "mixed", ACCOUNTS, 8, voices=3, videos=2, bundle_items=5)
        if "chats" in self.mixes:
            write_chats(self.folder / "chats.jsonl", 60, ACCOUNTS)

    def fail(self, what: str, out: Path) -> None:
        kept = self.folder / f"failed-{len(self.failures)}"
        shutil.copytree(out, kept)
        self.failures.append(f"{what} (kept in {kept})")

    def chain(self, name: str, job: Job, check: Callable[[], str]) -> None:
        """Kill `job` a few times; `check` says what is wrong with OUT in between."""
        for _ in range(self.chance.randint(1, MAX_KILLS_IN_CHAIN)):
            self.kills += job.kill(self.chance)
            if job.out.exists() and (wrong := check() or unsound(job.out)):
                self.fail(f"{name}: {wrong}", job.out)
        if wrong := job.finish():
            self.fail(f"{name}: the run after the kills failed: {wrong}", job.out)
        self.chains[name] += 1


def profiles(out: Path) -> bytes | None:
    path = out / "profiles.jsonl"
    return path.read_bytes() if path.exists() else None


def changed(out: Path, expected: bytes | None) -> str:
    return "" if profiles(out) == expected else "profiles.jsonl changed"


def unsound(out: Path) -> str:
    written = profiles(out)
    if written and not written.endswith(b"\n"):
        return "profiles.jsonl is cut"
    for line in (written or b"").splitlines():
        json.loads(line)
    if (out / "ledger.sqlite").exists():
        # On a copy: opening the ledger here would tidy up what the next run has to find.
        with tempfile.TemporaryDirectory() as folder:
            for file in out.glob("ledger.sqlite*"):
                shutil.copy(file, folder)
            db = sqlite3.connect(Path(folder) / "ledger.sqlite")
            (verdict,) = db.execute("PRAGMA integrity_check").fetchone()
            db.close()
            return "" if verdict == "ok" else f"the ledger is unsound: {verdict}"
    return ""


def run(campaign: Campaign, kills: int) -> None:
    campaign.prepare()
    whole = {mix: campaign.folder / f"whole-{mix}" for mix in campaign.mixes}
    jobs = {mix: campaign.job(mix, out).measured() for mix, out in whole.items()}
    forgotten = {mix: campaign.folder / f"forgotten-{mix}" for mix in campaign.mixes}
    forgets: dict[str, Job] = {}
    for mix in campaign.mixes:
        shutil.copytree(whole[mix], forgotten[mix])
        forgets[mix] = campaign.forget(forgotten[mix]).measured()
        campaign.job(mix, forgotten[mix]).finish()
    out = campaign.folder / "out"
    while campaign.kills < kills and len(campaign.failures) < 10:
        mix = campaign.chance.choice(list(campaign.mixes))
        kind = campaign.chance.choice(["extract", "extract", "forget", "profiles"])
        shutil.rmtree(out, ignore_errors=True)
        job = Job(campaign.job(mix, out).arguments, out, jobs[mix].seconds, jobs[mix].steps)
        expected = profiles(whole[mix])
        if kind == "extract":
            campaign.chain(kind, job, lambda: "")
        elif kind == "profiles":
            shutil.copytree(whole[mix], out)
            campaign.chain(kind, job, partial(changed, out, expected))
        else:
            shutil.copytree(whole[mix], out)
            seconds, steps = forgets[mix].seconds, forgets[mix].steps
            forget = Job(campaign.forget(out).arguments, out, seconds, steps)
            campaign.chain(kind, forget, lambda: "")
            for file in out.iterdir():
                if FORGOTTEN.encode() in file.read_bytes():
                    campaign.fail(f"forget: {FORGOTTEN} is still in {file.name}", out)
            job.finish()
            expected = profiles(forgotten[mix])
        if profiles(out) != expected:
            campaign.fail(f"{kind} of {mix}: other profiles than without kills", out)
        if list(out.glob(".*.partial")):
            campaign.fail(f"{kind} of {mix}: a partial file is left", out)


def kill_builds(campaign: Campaign, kills: int) -> None:
    """Kill the build of a model; the next must give the files of one that was never killed."""
    cache = campaign.folder / "cache"
    job = Job(("models", "build", BUILT_MODEL), cache, cache=cache).measured()
    expected = built_sums(cache)
    wanted = campaign.kills + kills
    while campaign.kills < wanted and len(campaign.failures) < 10:
        shutil.rmtree(cache)
        campaign.chain("build", job, lambda: "")
        if built_sums(cache) != expected:
            campaign.fail("build: other files than without kills", cache)


def built_sums(cache: Path) -> dict[str, str]:
    """SHA-256 by file of what the builds say they made, checked against the files."""
    sums = {}
    for built in cache.glob(f"{BUILT_MODEL}/*/built.json"):
        for name, entry in json.loads(built.read_text())["files"].items():
            sums[name] = entry["sha256"]
            assert file_sha256(built.parent / name) == entry["sha256"]
    assert sums
    return sums


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--builds", type=int, default=0, help="kills of a model's build besides")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--mix", nargs="+", default=["photos"], choices=["photos", "mixed", "chats"]
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="crash-"))
    campaign = Campaign(folder, random.Random(options.seed), options.mix)
    run(campaign, options.kills)
    if options.builds:
        kill_builds(campaign, options.builds)
    if not campaign.failures:
        shutil.rmtree(folder)
    result = {"kills": campaign.kills, "chains": campaign.chains, "failures": campaign.failures}
    print(f"{campaign.kills} kills in {sum(campaign.chains.values())} chains")
    print(*campaign.failures, sep="\n")
    if options.json:
        write_json(options.json, result)
    sys.exit(1 if campaign.failures else 0)


if __name__ == "__main__":
    main()
