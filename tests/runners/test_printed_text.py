"""Text in photos through the main job: what becomes of it, and that none of it is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import pytest

from glasses_signals.errors import BadModel
from glasses_signals.ledger.explain import explain
from glasses_signals.ledger.ledger import Ledger
from glasses_signals.models.build import build
from glasses_signals.profiles.files import read_profiles
from glasses_signals.runners.extract import ExtractSettings, extract
from glasses_signals.vision.tagger import VisionSettings

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
SIGNS = {
    "shop.jpg": "Fishing tackle",
    "book.jpg": "Fly fishing for beginners",
    "notice.jpg": "Bible study Wednesday",
    "label.jpg": "Rx only",
}
FISHING = "643"
SETTINGS = ExtractSettings(
    as_of=datetime(2026, 2, 1, tzinfo=UTC),
    device="cpu",
    vision=VisionSettings(device="cpu", reader="rapidocr"),
)


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = tmp_path_factory.mktemp("uploads") / "u-1"
    bundle.mkdir()
    font = PIL.ImageFont.load_default(size=64)
    items = []
    for day, (name, text) in enumerate(SIGNS.items()):
        picture = PIL.Image.new("RGB", (1200, 900), "lightgrey")
        PIL.ImageDraw.Draw(picture).text((80, 400), text, fill="black", font=font)
        picture.save(bundle / name)
        at = (START + timedelta(days=day)).isoformat()
        items.append({"path": name, "kind": "photo", "captured_at": at, "ai_interaction": True})
    manifest = {
        "format": "glasses-upload/1",
        "upload_id": "u-1",
        "account_id": "acct-ada",
        "device": {"make": "Example", "model": "Sample Glasses"},
        "items": items,
    }
    (bundle / "upload.json").write_text(json.dumps(manifest))
    return bundle.parent


def test_text_in_photos_is_judged_and_not_kept(
    uploads: Path, samples: Path, tmp_path: Path
) -> None:
    build(["rapidocr"], report=lambda line: None)
    report = extract(uploads, samples / "accounts.jsonl", tmp_path, SETTINGS)
    assert report.counts["used"] == 2
    assert report.counts["unused:sensitive:religion"] == 1
    assert report.counts["unused:sensitive:health"] == 1
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        (entry,) = explain(ledger, "acct-ada", FISHING)
    assert {c["rule"] for c in entry["captures"]} == {"text in the picture"}
    assert {c["modality"] for c in entry["captures"]} == {"ocr"}
    assert "something written in a photo or video you took" in entry["in_plain_words"]
    (profile,) = (p for _, p in read_profiles(tmp_path / "profiles.jsonl"))
    assert FISHING in [interest["id"] for interest in profile["interests"]]
    assert "rapidocr" in json.dumps(profile)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).lower()
    assert not [text for text in SIGNS.values() if text.lower().encode() in kept]
    assert b"tackle" not in kept


def test_without_the_option_no_text_is_read(uploads: Path, samples: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, vision=VisionSettings(device="cpu"))
    report = extract(uploads, samples / "accounts.jsonl", tmp_path, settings)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert explain(ledger, "acct-ada", FISHING) == []
    assert "rapidocr" not in json.dumps(report.document)


def test_a_reader_that_is_not_built_stops_the_run_before_anything_is_done(
    uploads: Path, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLASSES_SIGNALS_CACHE", str(tmp_path / "empty"))
    with pytest.raises(BadModel, match="models build rapidocr"):
        extract(uploads, samples / "accounts.jsonl", tmp_path / "out", SETTINGS)
    assert not (tmp_path / "out" / "ledger.sqlite").exists()
