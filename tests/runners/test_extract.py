"""The main job on the sample uploads, with real models from end to end."""

import json
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from glasses_signals.errors import CannotStart
from glasses_signals.profiles.document import validate_profile
from glasses_signals.profiles.files import read_profiles
from glasses_signals.records import Source
from glasses_signals.runners.extract import ExtractSettings, RunReport, extract
from glasses_signals.runners.output import hold_output
from glasses_signals.runners.rights import forget, opt_out
from glasses_signals.speech.transcriber import SpeechSettings
from glasses_signals.vision.tagger import VisionSettings

AS_OF = datetime(2026, 2, 1, tzinfo=UTC)
HIKING_GEAR = "1637"
ELIGIBLE = ["acct-ada", "acct-ben"]
OPENED: list[str] = []


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        OPENED.append(str(arguments[0]))


sys.addaudithook(_watch)


def settings(source: Source = Source.GLASSES, **changes: Any) -> ExtractSettings:
    return ExtractSettings(
        source=source,
        as_of=AS_OF,
        device="cpu",
        speech=SpeechSettings(device="cpu"),
        vision=VisionSettings(device="cpu"),
        **changes,
    )


def profiles(out: Path) -> dict[str, dict[str, Any]]:
    return {d["account_id"]: d for _, d in read_profiles(out / "profiles.jsonl")}


def paths(profile: dict[str, Any]) -> set[str]:
    return {" > ".join(entry["path"][1:]) for entry in profile["interests"]}


@pytest.fixture(scope="module")
def run(
    samples: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, RunReport]]:
    out = tmp_path_factory.mktemp("out")
    OPENED.clear()
    report = extract(samples / "uploads", samples / "accounts.jsonl", out, settings())
    yield out, report


def test_only_eligible_accounts_get_a_profile(run: tuple[Path, RunReport]) -> None:
    assert sorted(profiles(run[0])) == ELIGIBLE


def test_profiles_are_valid(run: tuple[Path, RunReport]) -> None:
    assert [validate_profile(p) for p in profiles(run[0]).values()] == [[], []]


def test_the_truncated_photo_is_quarantined_with_its_reason(run: tuple[Path, RunReport]) -> None:
    (bad,) = run[1].quarantined
    assert bad.place.endswith("ben-1/photo-002.jpg")
    assert bad.reason


def test_media_of_ineligible_accounts_are_never_opened(run: tuple[Path, RunReport]) -> None:
    media = [name for name in OPENED if "/uploads/" in name and not name.endswith("upload.json")]
    assert {Path(name).parent.name.split("-")[0] for name in media} <= {"ada", "ben"}


def test_exclusions_are_counted_by_reason(run: tuple[Path, RunReport]) -> None:
    counts = run[1].counts
    for reason in (
        "region_excluded",
        "opted_out",
        "product_not_linked",
        "notice_not_sent",
        "minor",
        "before_effective_date",
        "not_ai_interaction",
    ):
        assert counts[f"excluded:{reason}"] >= 1, reason


def test_nothing_tells_that_a_recording_was_sensitive(run: tuple[Path, RunReport]) -> None:
    for file in run[0].iterdir():
        if file.name != "run.json":
            content = file.read_bytes()
            assert b"sensitive" not in content
            assert b"health" not in content.lower()


def test_the_run_report_says_what_was_used(run: tuple[Path, RunReport]) -> None:
    document = json.loads((run[0] / "run.json").read_text())
    assert document["providers"] == {
        "tagger": "CPUExecutionProvider",
        "transcriber": "CPUExecutionProvider",
    }
    assert len(document["models"]) == 5  # two that hear, one each for voices, pictures, meaning
    assert document["throughput"]["audio_s_per_s"] > 0
    assert document["peak_rss_mb"] > 0


def test_a_second_run_does_nothing_and_writes_the_same_bytes(
    run: tuple[Path, RunReport], samples: Path
) -> None:
    before = (run[0] / "profiles.jsonl").read_bytes()
    report = extract(samples / "uploads", samples / "accounts.jsonl", run[0], settings())
    assert (run[0] / "profiles.jsonl").read_bytes() == before
    assert report.counts["already_done"] == report.counts["allowed"]


def test_a_new_bundle_alone_is_processed_and_unit_size_and_workers_change_no_byte(
    run: tuple[Path, RunReport], samples: Path, tmp_path: Path
) -> None:
    uploads, out = tmp_path / "uploads", tmp_path / "out"
    other = settings(unit_items=5, decode_workers=1)
    for bundle in sorted((samples / "uploads").iterdir()):
        if bundle.name != "ben-2":
            shutil.copytree(bundle, uploads / bundle.name)
    extract(uploads, samples / "accounts.jsonl", out, other)
    shutil.copytree(samples / "uploads" / "ben-2", uploads / "ben-2")
    report = extract(uploads, samples / "accounts.jsonl", out, other)
    manifest = json.loads((uploads / "ben-2" / "upload.json").read_text())
    assert report.counts["allowed"] - report.counts["already_done"] == len(
        [item for item in manifest["items"] if item["captured_at"] >= "2025-12-16"]
    )
    assert (out / "profiles.jsonl").read_bytes() == (run[0] / "profiles.jsonl").read_bytes()


def test_a_question_about_hiking_boots_is_an_intent_and_an_interest(
    samples: Path, tmp_path: Path
) -> None:
    extract(samples / "chats.jsonl", samples / "accounts.jsonl", tmp_path, settings(Source.CHAT))
    ada = profiles(tmp_path)["acct-ada"]
    kinds = {entry["id"]: entry["kind"] for entry in ada["interests"]}
    assert kinds[HIKING_GEAR] == "purchase_intent"
    assert any("Hiking" in path or "Camping" in path or "Sports" in path for path in paths(ada))
    assert sorted(profiles(tmp_path)) == ELIGIBLE


def test_two_sources_share_one_profile(
    run: tuple[Path, RunReport], samples: Path, tmp_path: Path
) -> None:
    shutil.copytree(run[0], tmp_path / "out")
    accounts = samples / "accounts.jsonl"
    extract(samples / "chats.jsonl", accounts, tmp_path / "out", settings(Source.CHAT))
    sources = {
        source
        for entry in profiles(tmp_path / "out")["acct-ada"]["interests"]
        for source in entry["evidence"]["sources"]
    }
    assert sources == {"glasses", "chat"}


def test_an_account_that_opts_out_later_is_erased(
    run: tuple[Path, RunReport], samples: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(run[0], out)
    lines = (samples / "accounts.jsonl").read_text().splitlines()
    changed = [
        line.replace('"ads_opt_out": false', '"ads_opt_out": true') if "ada" in line else line
        for line in lines
    ]
    (tmp_path / "accounts.jsonl").write_text("\n".join(changed))
    extract(samples / "uploads", tmp_path / "accounts.jsonl", out, settings())
    assert sorted(profiles(out)) == ["acct-ben"]
    for file in out.glob("ledger.sqlite"):
        assert b"acct-ada" not in file.read_bytes()


def test_forgetting_rewrites_profiles_and_a_rerun_brings_nothing_back(
    run: tuple[Path, RunReport], samples: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(run[0], out)
    assert forget(out, "acct-ada").evidence > 0
    assert sorted(profiles(out)) == ["acct-ben"]
    extract(samples / "uploads", samples / "accounts.jsonl", out, settings())
    assert sorted(profiles(out)) == ["acct-ben"]
    for file in out.iterdir():
        assert b"acct-ada" not in file.read_bytes(), file


def test_forgetting_one_interest_keeps_the_others(
    run: tuple[Path, RunReport], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(run[0], out)
    ids = [entry["id"] for entry in profiles(out)["acct-ada"]["interests"]]
    forget(out, "acct-ada", interest_id=ids[0])
    left = [entry["id"] for entry in profiles(out)["acct-ada"]["interests"]]
    assert left == ids[1:]


def test_opting_out_keeps_later_captures_out_too(
    run: tuple[Path, RunReport], samples: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(run[0], out)
    opt_out(out, "acct-ada")
    report = extract(
        samples / "chats.jsonl", samples / "accounts.jsonl", out, settings(Source.CHAT)
    )
    assert sorted(profiles(out)) == ["acct-ben"]
    assert report.counts["excluded:forgotten"] >= 1


def test_a_held_output_folder_is_refused_at_once(samples: Path, tmp_path: Path) -> None:
    with hold_output(tmp_path), pytest.raises(CannotStart, match="in use by process"):
        extract(samples / "uploads", samples / "accounts.jsonl", tmp_path, settings())


def test_a_wrong_checksum_is_quarantined(samples: Path, tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    shutil.copytree(samples / "uploads" / "ada-1", uploads / "ada-1")
    manifest = json.loads((uploads / "ada-1" / "upload.json").read_text())
    manifest["items"] = manifest["items"][:1]
    manifest["items"][0]["sha256"] = "0" * 64
    (uploads / "ada-1" / "upload.json").write_text(json.dumps(manifest))
    report = extract(uploads, samples / "accounts.jsonl", tmp_path / "out", settings())
    (bad,) = report.quarantined
    assert "sha256 differs" in bad.reason
    assert report.profiles == 0


def test_no_uploads_give_empty_profiles(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "uploads").mkdir()
    report = extract(tmp_path / "uploads", samples / "accounts.jsonl", tmp_path / "out", settings())
    assert report.profiles == 0
    assert (tmp_path / "out" / "profiles.jsonl").read_bytes() == b""
