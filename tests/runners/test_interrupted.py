"""Killed at every single step of forgetting and of writing profiles, one step after another."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from glasses_signals.ledger.ledger import Ledger
from glasses_signals.policy.policy import load_policy
from glasses_signals.profiles.files import write_profiles
from glasses_signals.runners.extract import ExtractSettings, extract
from glasses_signals.runners.profiles import account_profiles
from glasses_signals.runners.rights import forget, opt_out
from glasses_signals.uploads.accounts import read_accounts

AS_OF = datetime(2026, 2, 1, tzinfo=UTC)
ADA = "acct-ada"
SQL = {"execute", "executemany", "executescript"}


@pytest.fixture(scope="module")
def finished(photo_uploads: Path, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OUT of a run over photos of two accounts."""
    out = tmp_path_factory.mktemp("finished") / "out"
    settings = ExtractSettings(as_of=AS_OF, device="cpu")
    extract(photo_uploads, samples / "accounts.jsonl", out, settings)
    return out


def killed_at(step: int, out: Path, action: Callable[[], object]) -> bool:
    """Run `action` in a child that dies before its step: an SQL statement, or a file of OUT that is
    opened, renamed or removed. False when it ended before."""
    child = os.fork()
    if child == 0:
        steps = count(1)

        def die() -> None:
            if next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        def audit(event: str, arguments: tuple[Any, ...]) -> None:
            if event in ("open", "os.rename", "os.remove") and str(arguments[0]).startswith(
                str(out)
            ):
                die()

        def profile(frame: FrameType, event: str, function: Any) -> None:
            if event == "c_call" and function.__name__ in SQL:
                die()

        sys.addaudithook(audit)
        sys.setprofile(profile)
        try:
            action()
        finally:
            sys.setprofile(None)
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def write_again(out: Path, accounts: Path) -> None:
    with Ledger(out / "ledger.sqlite") as ledger:
        documents = account_profiles(ledger, read_accounts(accounts).accounts, load_policy(), AS_OF)
        write_profiles(out / "profiles.jsonl", documents)


@pytest.mark.parametrize("action", [forget, opt_out])
def test_forgetting_killed_anywhere_is_finished_by_the_same_command(
    finished: Path, tmp_path: Path, action: Callable[[Path, str], int]
) -> None:
    whole = shutil.copytree(finished, tmp_path / "whole")
    before = (whole / "profiles.jsonl").read_bytes()
    action(whole, ADA)
    after = (whole / "profiles.jsonl").read_bytes()
    assert ADA.encode() in before
    assert ADA.encode() not in after
    for step in count(1):
        out = shutil.copytree(finished, tmp_path / str(step))
        if not killed_at(step, out, lambda out=out: action(out, ADA)):  # type: ignore[misc]
            break
        assert (out / "profiles.jsonl").read_bytes() in (before, after), step
        action(out, ADA)
        assert (out / "profiles.jsonl").read_bytes() == after, step
        for file in out.iterdir():
            assert ADA.encode() not in file.read_bytes(), (step, file)
    assert step > 10


def test_profiles_written_again_after_a_kill_are_the_same(
    finished: Path, samples: Path, tmp_path: Path
) -> None:
    accounts = samples / "accounts.jsonl"
    expected = (finished / "profiles.jsonl").read_bytes()
    for step in count(1):
        out = shutil.copytree(finished, tmp_path / str(step))
        if not killed_at(step, out, lambda out=out: write_again(out, accounts)):  # type: ignore[misc]
            break
        assert (out / "profiles.jsonl").read_bytes() == expected, step
        write_again(out, accounts)
        assert (out / "profiles.jsonl").read_bytes() == expected, step
    assert step > 10
