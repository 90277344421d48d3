"""Imagine and feed through the same gates and mappers as the glasses' uploads."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from glasses_signals.ledger.ledger import Ledger
from glasses_signals.profiles.files import read_profiles
from glasses_signals.records import Source
from glasses_signals.runners.extract import ExtractSettings, RunReport, extract
from glasses_signals.vision.tagger import VisionSettings

RISOTTO = "Easy mushroom risotto recipe, step by step"
COOKING = "371"
DRINKS = "377"


def run(folder: Path, source: Source, samples: Path, *lines: dict[str, Any]) -> RunReport:
    file = folder / f"{source}.jsonl"
    file.write_text(
        "".join(json.dumps({"account_id": "acct-ada", **line}) + "\n" for line in lines)
    )
    settings = ExtractSettings(
        source=source,
        as_of=datetime(2026, 2, 1, tzinfo=UTC),
        device="cpu",
        vision=VisionSettings(device="cpu"),
    )
    return extract(file, samples / "accounts.jsonl", folder / "out", settings)


def interests(folder: Path) -> dict[str, dict[str, Any]]:
    documents = [document for _, document in read_profiles(folder / "out" / "profiles.jsonl")]
    return {entry["id"]: entry for document in documents for entry in document["interests"]}


def watched(event_id: str, share: float, **more: Any) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "watched_at": "2026-01-10T10:00:00Z",
        "watched_s": 60 * share,
        "duration_s": 60,
        "caption": RISOTTO,
        **more,
    }


def prompt(text: str, **more: Any) -> dict[str, Any]:
    return {"request_id": "r1", "sent_at": "2026-01-10T10:00:00Z", "prompt": text, **more}


def test_a_video_watched_to_the_end_counts(tmp_path: Path, samples: Path) -> None:
    run(tmp_path, Source.FEED, samples, watched("e1", 1.0))
    assert interests(tmp_path)[COOKING]["evidence"]["sources"] == {"feed": 1}


def test_a_skipped_video_counts_nothing(tmp_path: Path, samples: Path) -> None:
    report = run(tmp_path, Source.FEED, samples, watched("e1", 0.0))
    assert interests(tmp_path) == {}
    assert report.profiles == 0


def test_half_a_video_counts_less_than_a_whole_one(tmp_path: Path, samples: Path) -> None:
    confidences = []
    for share in (1.0, 0.6):
        folder = tmp_path / str(share)
        folder.mkdir()
        run(folder, Source.FEED, samples, watched("e1", share))
        with Ledger(folder / "out" / "ledger.sqlite") as ledger:
            confidences += [
                e.confidence for e in ledger.evidence("acct-ada") if e.interest_id == COOKING
            ]
    assert confidences[1] == pytest.approx(0.6 * confidences[0], abs=0.01)


def test_a_prompt_and_its_kept_image_both_count(tmp_path: Path, samples: Path) -> None:
    shutil.copy(samples / "uploads" / "ada-1" / "photo-001.heic", tmp_path / "kept.heic")
    run(tmp_path, Source.IMAGINE, samples, prompt(RISOTTO, image="kept.heic"))
    found = interests(tmp_path)
    assert found[COOKING]["evidence"]["modalities"] == {"text": 1}
    assert found[DRINKS]["evidence"]["modalities"] == {"photo": 1}


def test_a_sensitive_prompt_takes_its_image_along(tmp_path: Path, samples: Path) -> None:
    shutil.copy(samples / "uploads" / "ada-1" / "photo-001.heic", tmp_path / "kept.heic")
    line = prompt("a rosary on an open bible in a church", image="kept.heic")
    report = run(tmp_path, Source.IMAGINE, samples, line)
    assert report.counts["unused:sensitive:religion"] == 1
    assert interests(tmp_path) == {}
