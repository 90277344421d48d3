"""Poison: damaged media and manifests, and uploads that contradict each other."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from glasses_signals.ledger.ledger import Ledger
from glasses_signals.records import Source
from glasses_signals.runners.extract import ExtractSettings, RunReport, extract

SETTINGS = ExtractSettings(as_of=datetime(2026, 2, 1, tzinfo=UTC), device="cpu")
ADA, BEN = "acct-ada", "acct-ben"


@pytest.fixture
def photos(samples: Path) -> list[Path]:
    """Whole photos that show something."""
    uploads = samples / "uploads"
    return [uploads / "ada-2" / "photo-001.png", uploads / "ada-1" / "photo-002.jpg"]


def bundle(root: Path, name: str, account: str, *photos: Path, upload_id: str = "u") -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    items = []
    for number, photo in enumerate(photos):
        copy = shutil.copy(photo, folder / f"photo-{number}{photo.suffix}")
        items.append({"path": Path(copy).name, "kind": "photo", "ai_interaction": True})
    manifest: dict[str, Any] = {"format": "glasses-upload/1", "upload_id": upload_id}
    manifest["account_id"] = account
    manifest["items"] = [{**item, "captured_at": "2026-01-10T12:00:00Z"} for item in items]
    (folder / "upload.json").write_text(json.dumps(manifest))
    return folder


def run(uploads: Path, samples: Path, out: Path) -> RunReport:
    return extract(uploads, samples / "accounts.jsonl", out, SETTINGS)


def held(out: Path, account: str) -> set[str]:
    with Ledger(out / "ledger.sqlite") as ledger:
        return {evidence.item_id for evidence in ledger.evidence(account)}


def test_damaged_media_and_manifests_break_nothing(repository: Path, tmp_path: Path) -> None:
    script = repository / "benchmarks" / "hostile.py"
    sizes = ["--media", "60", "--manifests", "40", "--wholes", "4", "--seed", "5"]
    figures = tmp_path / "found.json"
    command = [sys.executable, str(script), *sizes, "--json", str(figures)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    result = json.loads(figures.read_text())
    assert result["media"]["refused"] > 0
    assert result["manifests"]["quarantined"] > 10
    assert (result["manifests"]["good"], result["manifests"]["good_lost"]) == (4, 0)


def test_an_upload_in_two_bundles_is_taken_from_the_first(
    samples: Path, photos: list[Path], tmp_path: Path
) -> None:
    uploads = tmp_path / "uploads"
    bundle(uploads, "a", ADA, photos[0])
    bundle(uploads, "b", ADA, photos[1])
    report = run(uploads, samples, tmp_path / "out")
    assert report.states == {"done": 1, "quarantined": 1}
    assert "stands in a too" in report.quarantined[0].reason


def test_an_upload_that_comes_again_with_other_content_replaces_what_it_gave(
    samples: Path, photos: list[Path], tmp_path: Path
) -> None:
    uploads, out = tmp_path / "uploads", tmp_path / "out"
    folder = bundle(uploads, "a", ADA, photos[0])
    run(uploads, samples, out)
    (media,) = folder.glob("photo-*")
    shutil.copy(photos[1], media)
    run(uploads, samples, out)
    run(uploads, samples, tmp_path / "fresh")
    assert (out / "profiles.jsonl").read_bytes() == (
        tmp_path / "fresh" / "profiles.jsonl"
    ).read_bytes()


def test_bytes_that_two_accounts_claim_count_for_neither(
    samples: Path, photos: list[Path], tmp_path: Path
) -> None:
    uploads, out = tmp_path / "uploads", tmp_path / "out"
    bundle(uploads, "a", ADA, photos[0])
    run(uploads, samples, out)
    assert held(out, ADA)
    bundle(uploads, "b", BEN, photos[0])
    report = run(uploads, samples, out)
    assert held(out, ADA) == held(out, BEN) == set()
    assert report.profiles == 0
    assert report.document["contested"] == 2


def test_the_same_bytes_uploaded_twice_by_one_account_count_once(
    samples: Path, photos: list[Path], tmp_path: Path
) -> None:
    uploads, out = tmp_path / "uploads", tmp_path / "out"
    bundle(uploads, "a", ADA, photos[0], upload_id="u1")
    bundle(uploads, "b", ADA, photos[0], upload_id="u2")
    run(uploads, samples, out)
    assert len(held(out, ADA)) == 1


def test_no_file_of_the_output_holds_words_that_were_written(tmp_path: Path, samples: Path) -> None:
    words = {f"m{n}": f"Where can I buy hiking boots like xylobrand{n}?" for n in range(3)}
    lines = [
        {"account_id": ADA, "message_id": id_, "sent_at": "2026-01-10T12:00:00Z", "text": text}
        for id_, text in words.items()
    ]
    chats = tmp_path / "chats.jsonl"
    chats.write_text("\n".join(map(json.dumps, lines)))
    settings = replace(SETTINGS, source=Source.CHAT)
    extract(chats, samples / "accounts.jsonl", tmp_path / "out", settings)
    assert held(tmp_path / "out", ADA)
    for file in (tmp_path / "out").iterdir():
        assert b"xylobrand" not in file.read_bytes(), file
