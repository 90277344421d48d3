import csv
import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from glasses_signals.errors import BadInput, CannotStart
from glasses_signals.interests.taxonomy import load_taxonomy
from glasses_signals.profiles.document import (
    Document,
    Producer,
    build_profile,
    canonical_json,
    validate_profile,
)
from glasses_signals.profiles.export.documents import openrtb_user, unexpired, xdm_fragment
from glasses_signals.profiles.export.parquet import profiles_from_parquet
from glasses_signals.profiles.export.write import ExportFormat, export_profiles
from glasses_signals.profiles.files import write_profiles
from glasses_signals.records import Interest

AS_OF = datetime(2026, 2, 1, tzinfo=UTC)
CYCLING, HIKING_GEAR = "625", "1637"


def interest(id_: str, last_seen: datetime = AS_OF) -> Interest:
    return Interest(
        interest_id=id_,
        kind=load_taxonomy().node(id_).kind,
        score=0.83,
        confidence=0.91,
        first_seen=last_seen - timedelta(days=9),
        last_seen=last_seen,
        expires_at=last_seen + timedelta(days=180),
        evidence_count=4,
        sources=(("chat", 1), ("glasses", 3)),
        modalities=(("photo", 2), ("voice", 2)),
    )


def profile(account_id: str, *ids: str) -> Document:
    producer = Producer("glasses-signals", "0.1.0", {"whisper-base": "a" * 64}, "b" * 64)
    return build_profile(account_id, [interest(id_) for id_ in ids], AS_OF, producer)


@pytest.fixture
def profiles() -> list[Document]:
    both = [profile(f"acct-{n:03}", CYCLING, HIKING_GEAR) for n in range(40)]
    return [*both, profile("acct-900", HIKING_GEAR), profile("ämne-1", CYCLING)]


def exported(profiles: list[Document], to: str) -> bytes:
    stream = io.BytesIO()
    export_profiles(profiles, ExportFormat(to), stream)
    return stream.getvalue()


def test_openrtb_says_segments_of_the_audience_taxonomy_under_the_providers_domain() -> None:
    assert openrtb_user(profile("acct-1", CYCLING), "example.com") == {
        "id": "acct-1",
        "data": [
            {
                "name": "example.com",
                "segment": [{"id": "625", "name": "Cycling", "value": "0.830"}],
                "ext": {"segtax": 4},
            }
        ],
    }


def test_xdm_has_identity_membership_and_propensity() -> None:
    fragment = xdm_fragment(profile("acct-1", CYCLING))
    ((identity,),) = fragment["identityMap"].values()
    ((membership,),) = (segments.values() for segments in fragment["segmentMembership"].values())
    assert identity["id"] == "acct-1"
    assert membership["status"] == "realized"
    assert membership["payload"] == {"payloadType": "propensity", "payloadPropensityValue": 0.91}
    assert membership["validUntil"] == "2026-07-31T00:00:00Z"


def test_json_exports_write_one_object_a_line(profiles: list[Document]) -> None:
    for to in ("openrtb", "xdm"):
        lines = exported(profiles, to).decode().splitlines()
        assert [type(json.loads(line)) for line in lines] == [dict] * len(profiles)


def test_csv_has_one_row_an_interest(profiles: list[Document]) -> None:
    rows = list(csv.DictReader(io.StringIO(exported(profiles, "csv").decode())))
    assert len(rows) == 82
    assert rows[0]["path"] == "Interest > Sports > Cycling"
    assert rows[0]["sources"] == "chat:1;glasses:3"


@pytest.mark.parametrize("account_id", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)"])
def test_csv_gives_a_spreadsheet_no_formula(account_id: str) -> None:
    text = exported([profile(account_id, CYCLING)], "csv").decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["account_id"] == f"'{account_id}"


@pytest.mark.parametrize("account_id", ['a"b,c', "<script>alert(1)</script>", "a\u2028b"])
def test_hostile_account_ids_survive_csv(account_id: str) -> None:
    text = exported([profile(account_id, CYCLING)], "csv").decode()
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["account_id"] == account_id


def test_parquet_folder_gives_the_same_profiles_back(
    profiles: list[Document], tmp_path: Path
) -> None:
    export_profiles(profiles, ExportFormat.PARQUET, tmp_path / "out")
    back = list(profiles_from_parquet(tmp_path / "out"))
    assert list(map(canonical_json, back)) == list(map(canonical_json, profiles))
    assert all(validate_profile(document) == [] for document in back)


def test_parquet_on_standard_output_gives_the_same_profiles_back(
    profiles: list[Document], tmp_path: Path
) -> None:
    file = tmp_path / "one.parquet"
    file.write_bytes(exported(profiles, "parquet"))
    assert list(profiles_from_parquet(file)) == profiles


def test_parquet_replaces_an_earlier_export_and_nothing_else(
    profiles: list[Document], tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    export_profiles(profiles, ExportFormat.PARQUET, folder)
    export_profiles(profiles[:1], ExportFormat.PARQUET, folder)
    assert [d["account_id"] for d in profiles_from_parquet(folder)] == ["acct-000"]
    assert [place.name for place in tmp_path.iterdir()] == ["out"]
    (folder / "mine.txt").write_text("not an export")
    with pytest.raises(CannotStart, match="another --output"):
        export_profiles(profiles, ExportFormat.PARQUET, folder)


def test_a_failing_export_leaves_the_earlier_one(profiles: list[Document], tmp_path: Path) -> None:
    def broken() -> object:
        yield profiles[1]
        raise BadInput("line 2")

    for to, name in (("parquet", "p"), ("csv", "c")):
        output = tmp_path / name
        export_profiles(profiles[:1], ExportFormat(to), output)
        with pytest.raises(BadInput):
            export_profiles(broken(), ExportFormat(to), output)  # type: ignore[arg-type]
    assert [d["account_id"] for d in profiles_from_parquet(tmp_path / "p")] == ["acct-000"]
    assert "acct-001" not in (tmp_path / "c").read_text()
    assert sorted(place.name for place in tmp_path.iterdir()) == ["c", "p"]


def test_of_many_parquet_exports_at_once_each_is_whole(
    profiles: list[Document], tmp_path: Path
) -> None:
    folder = tmp_path / "p"
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda part: export_profiles(part, ExportFormat.PARQUET, folder),
                [profiles[:n] for n in range(1, 13)],
            )
        )
    assert list(profiles_from_parquet(folder)) in [profiles[:n] for n in range(1, 13)]
    assert list(tmp_path.iterdir()) == [folder]


def test_another_parquet_file_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(BadInput, match="no Parquet export"):
        list(profiles_from_parquet(tmp_path / "other.parquet"))


def test_duckdb_and_pandas_see_types_and_partitions(
    profiles: list[Document], tmp_path: Path
) -> None:
    export_profiles(profiles, ExportFormat.PARQUET, tmp_path / "out")
    query = (
        f"SELECT kind, count(*), max(last_seen) FROM read_parquet('{tmp_path}/out/*/*.parquet',"
        " hive_partitioning = true) WHERE confidence > 0.9 GROUP BY kind ORDER BY kind"
    )
    counted = [(row[0], row[1]) for row in duckdb.sql(query).fetchall()]
    assert counted == [("interest", 41), ("purchase_intent", 41)]
    frame = pd.read_parquet(tmp_path / "out")
    assert str(frame["last_seen"].dtype).startswith("datetime64[")
    assert set(frame["kind"]) == {"interest", "purchase_intent"}


def test_expired_interests_are_left_out(profiles: list[Document]) -> None:
    assert list(unexpired(profiles, AS_OF)) == profiles
    assert list(unexpired(profiles, AS_OF + timedelta(days=180))) == []


def test_the_command_streams_to_standard_output(profiles: list[Document], tmp_path: Path) -> None:
    write_profiles(tmp_path / "profiles.jsonl", profiles)
    command = [sys.executable, "-m", "glasses_signals", "export", str(tmp_path), "--to", "openrtb"]
    run = subprocess.run(
        [*command, "--provider", "ads.example", "--as-of", "2026-02-01T00:00:00Z"],
        capture_output=True,
        text=True,
        check=True,
    )
    users = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(users) == len(profiles)
    assert {user["data"][0]["name"] for user in users} == {"ads.example"}
