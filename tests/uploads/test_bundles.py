import json
import os
from pathlib import Path

import pytest

from glasses_signals.errors import BadInput, CannotStart
from glasses_signals.records import Item, ItemKind, Source
from glasses_signals.uploads.bundles import (
    Refusal,
    check_inside,
    read_bundles,
    write_manifest,
)


def entry(**changes: object) -> dict[str, object]:
    return {
        "path": "a.jpg",
        "kind": "photo",
        "captured_at": "2026-01-05T10:00:00Z",
        "ai_interaction": True,
        **changes,
    }


def write_bundle(folder: Path, items: object, **changes: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "format": "glasses-upload/1",
        "upload_id": folder.name,
        "account_id": "acct-001",
        "items": items,
        **changes,
    }
    (folder / "upload.json").write_text(json.dumps(document))
    return folder


def only(root: Path) -> Item | Refusal:
    (found,) = read_bundles(root)
    return found


def refusal(root: Path) -> str:
    found = only(root)
    assert isinstance(found, Refusal)
    return found.reason


def test_an_item_carries_what_its_manifest_says(tmp_path: Path) -> None:
    write_bundle(tmp_path / "u1", [entry(path="day 1/a.jpg", kind="video", sha256="0" * 64)])
    item = only(tmp_path)
    assert isinstance(item, Item)
    assert (item.account_id, item.source, item.kind) == (
        "acct-001",
        Source.GLASSES,
        ItemKind.VIDEO,
    )
    assert item.path == str(tmp_path / "u1" / "day 1" / "a.jpg")
    assert item.captured_at.isoformat() == "2026-01-05T10:00:00+00:00"
    assert item.declared_sha256 == "0" * 64


def test_bundles_are_read_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b", "a/2", "a/1"):
        write_bundle(tmp_path / name, [entry()])
    paths = [item.path for item in read_bundles(tmp_path) if isinstance(item, Item)]
    assert paths == [str(tmp_path / name / "a.jpg") for name in ("a/1", "a/2", "b")]


def test_the_folder_itself_may_be_a_bundle(tmp_path: Path) -> None:
    write_bundle(tmp_path, [entry()])
    assert isinstance(only(tmp_path), Item)


def test_an_item_id_is_the_same_wherever_the_uploads_lie(tmp_path: Path) -> None:
    for place in ("x", "y"):
        write_bundle(tmp_path / place / "u1", [entry()])
    ids = {only(tmp_path / place / "u1").item_id for place in ("x", "y")}
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"path": "../secret.jpg"}, "leaves the bundle"),
        ({"path": "/etc/passwd"}, "leaves the bundle"),
        ({"path": "x/../../y.jpg"}, "leaves the bundle"),
        ({"path": "..\\y.jpg"}, "leaves the bundle"),
        ({"path": ""}, "`path` is missing"),
        ({"path": 7}, "`path` is missing"),
        ({"path": "a\x00b.jpg"}, "control characters"),
        ({"path": "\ud800.jpg"}, "`path`"),
        ({"path": "a" * 600}, "longer than"),
        ({"kind": "hologram"}, "voice, photo or video"),
        ({"kind": "text"}, "voice, photo or video"),
        ({"captured_at": "2026-01-05"}, "`captured_at`"),
        ({"captured_at": "2026-01-05T10:00:00"}, "`captured_at`"),
        ({"captured_at": 1767607200}, "`captured_at`"),
        ({"sha256": "abc"}, "`sha256`"),
        ({"sha256": "G" * 64}, "`sha256`"),
    ],
)
def test_a_bad_entry_is_refused_with_its_field(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    write_bundle(tmp_path / "u1", [entry(**changes)])
    assert words in refusal(tmp_path)


def test_one_bad_entry_does_not_take_its_bundle_along(tmp_path: Path) -> None:
    write_bundle(tmp_path / "u1", [entry(path="../x"), entry(), 7])
    kinds = [type(found) for found in read_bundles(tmp_path)]
    assert kinds == [Refusal, Item, Refusal]


def test_a_file_listed_twice_is_refused_the_second_time(tmp_path: Path) -> None:
    write_bundle(tmp_path / "u1", [entry(), entry(kind="video")])
    first, second = read_bundles(tmp_path)
    assert isinstance(first, Item)
    assert isinstance(second, Refusal) and "twice" in second.reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"format": "glasses-upload/2"}',
        '{"format": "glasses-upload/1", "upload_id": "u", "account_id": "a"}',
        '{"format": "glasses-upload/1", "upload_id": "u", "items": []}',
        "\ufeff{}",
        "\x00" * 50,
    ],
)
def test_a_bad_manifest_is_refused_and_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "u1").mkdir()
    (tmp_path / "u1" / "upload.json").write_text(text)
    found = only(tmp_path)
    assert isinstance(found, Refusal)
    assert found.where == "u1/upload.json"


def test_media_without_a_manifest_are_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "u1").mkdir()
    (tmp_path / "u1" / "a.jpg").touch()
    assert "glasses-signals bundle" in refusal(tmp_path)


def test_an_empty_folder_has_no_uploads(tmp_path: Path) -> None:
    assert list(read_bundles(tmp_path)) == []


def test_a_missing_folder_can_not_start(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="not a folder"):
        list(read_bundles(tmp_path / "nowhere"))


def test_only_a_true_ai_interaction_counts_as_one(tmp_path: Path) -> None:
    for value, want in ((True, True), (False, False), ("true", False), (1, False), (None, False)):
        write_bundle(tmp_path / "u1", [entry(ai_interaction=value)])
        item = only(tmp_path)
        assert isinstance(item, Item)
        assert item.ai_interaction is want


def test_a_link_out_of_the_bundle_is_refused(tmp_path: Path) -> None:
    bundle = tmp_path / "u1"
    bundle.mkdir()
    (tmp_path / "secret.jpg").touch()
    (bundle / "a.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(BadInput, match="leads out of the bundle"):
        check_inside(bundle / "a.jpg", bundle)


def test_a_named_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(BadInput, match="not a regular file"):
        check_inside(tmp_path / "a.jpg", tmp_path)


def test_a_written_manifest_reads_back(tmp_path: Path) -> None:
    (tmp_path / "u1" / "more").mkdir(parents=True)
    (tmp_path / "u1" / "a.JPG").write_bytes(b"x")
    (tmp_path / "u1" / "more" / "b.mp4").write_bytes(b"y")
    (tmp_path / "u1" / "notes.txt").write_bytes(b"z")
    write_manifest(tmp_path / "u1", "acct-9")
    items = [item for item in read_bundles(tmp_path) if isinstance(item, Item)]
    assert [(Path(i.path or "").name, i.kind) for i in items] == [
        ("a.JPG", ItemKind.PHOTO),
        ("b.mp4", ItemKind.VIDEO),
    ]
    assert {i.account_id for i in items} == {"acct-9"}
    with pytest.raises(BadInput, match="there already"):
        write_manifest(tmp_path / "u1", "acct-9")


def test_a_manifest_is_not_written_for_a_folder_without_media(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no media"):
        write_manifest(tmp_path, "acct-9")


def test_an_upload_in_two_bundles_is_taken_from_the_first(tmp_path: Path) -> None:
    write_bundle(tmp_path / "a", [entry()], upload_id="u")
    write_bundle(tmp_path / "b", [entry(path="b.jpg")], upload_id="u")
    write_bundle(tmp_path / "c", [entry()], upload_id="u", account_id="acct-002")
    first, second, third = read_bundles(tmp_path)
    assert isinstance(first, Item)
    assert isinstance(second, Refusal)
    assert "stands in a too" in second.reason
    assert isinstance(third, Item)


def test_a_field_that_stands_twice_is_refused(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "u1", [entry()])
    text = (bundle / "upload.json").read_text()
    doubled = text.replace(
        '"ai_interaction": true', '"ai_interaction": false, "ai_interaction": true'
    )
    (bundle / "upload.json").write_text(doubled)
    assert "stands twice" in refusal(tmp_path)


def test_a_folder_name_that_is_not_utf8_is_refused_and_shown(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/u-\xff"))
    write_bundle(folder, [entry()], upload_id="u")
    found = only(tmp_path)
    assert isinstance(found, Refusal)
    assert found.where == "u-\\udcff"
    assert "UTF-8" in found.reason


def test_a_tree_without_end_is_refused(tmp_path: Path) -> None:
    write_bundle(tmp_path.joinpath(*["d"] * 100), [entry()])
    assert "folders deep" in refusal(tmp_path)


def test_a_folder_that_can_not_be_listed_is_refused_and_the_others_read(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b", [entry()])
    found = read_bundles(tmp_path)
    (tmp_path / "c").mkdir()
    first = next(found)
    assert isinstance(first, Item)
    (tmp_path / "c").rmdir()  # listed with its parent, gone by now
    (second,) = found
    assert isinstance(second, Refusal)
    assert "can't be listed" in second.reason
