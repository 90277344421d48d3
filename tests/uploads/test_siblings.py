import json
from pathlib import Path

import pytest

from glasses_signals.errors import CannotStart
from glasses_signals.records import Item, ItemKind, Source
from glasses_signals.uploads.bundles import Refusal
from glasses_signals.uploads.siblings import read_sibling

CHAT = {
    "account_id": "acct-001",
    "message_id": "m1",
    "sent_at": "2026-01-05T10:00:00Z",
    "text": "Where can I buy good hiking boots?",
}
IMAGINE = {
    "account_id": "acct-001",
    "request_id": "r1",
    "sent_at": "2026-01-05T10:00:00Z",
    "prompt": "a lighthouse at dusk",
}
FEED = {
    "account_id": "acct-001",
    "event_id": "e1",
    "watched_at": "2026-01-05T10:00:00Z",
    "watched_s": 12,
    "duration_s": 24,
    "caption": "Sunday loaf",
}
LINES = {Source.CHAT: CHAT, Source.IMAGINE: IMAGINE, Source.FEED: FEED}


def read(tmp_path: Path, source: Source, *records: object) -> list[Item | Refusal]:
    file = tmp_path / f"{source}.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return list(read_sibling(file, source))


@pytest.mark.parametrize("source", LINES)
def test_a_line_becomes_an_item_of_its_source(tmp_path: Path, source: Source) -> None:
    (item,) = read(tmp_path, source, LINES[source])
    assert isinstance(item, Item)
    assert (item.account_id, item.source, item.kind) == ("acct-001", source, ItemKind.TEXT)
    assert item.ai_interaction
    assert item.text


@pytest.mark.parametrize("source", LINES)
def test_every_missing_field_is_named_and_the_rest_goes_on(tmp_path: Path, source: Source) -> None:
    good = LINES[source]
    broken = [{k: v for k, v in good.items() if k != field} for field in good]
    found = read(tmp_path, source, *broken, good)
    for field, refused in zip(good, found, strict=False):
        assert isinstance(refused, Refusal)
        assert f"`{field}`" in refused.reason
    assert isinstance(found[-1], Item)


@pytest.mark.parametrize("source", LINES)
def test_a_doubled_id_counts_once(tmp_path: Path, source: Source) -> None:
    first, second = read(tmp_path, source, LINES[source], LINES[source])
    assert isinstance(first, Item)
    assert isinstance(second, Refusal)


@pytest.mark.parametrize("source", LINES)
def test_a_missing_file_can_not_start(tmp_path: Path, source: Source) -> None:
    with pytest.raises(CannotStart, match="nowhere"):
        list(read_sibling(tmp_path / "nowhere.jsonl", source))


def test_a_kept_image_or_video_makes_a_picture_item(tmp_path: Path) -> None:
    (photo,) = read(tmp_path, Source.IMAGINE, {**IMAGINE, "image": "kept/1.png"})
    (video,) = read(tmp_path, Source.FEED, {**FEED, "video": "v.mp4"})
    assert isinstance(photo, Item) and isinstance(video, Item)
    assert (photo.kind, photo.path) == (ItemKind.PHOTO, str(tmp_path / "kept" / "1.png"))
    assert (video.kind, video.root) == (ItemKind.VIDEO, str(tmp_path))


def test_a_kept_image_outside_the_folder_is_refused(tmp_path: Path) -> None:
    (refused,) = read(tmp_path, Source.IMAGINE, {**IMAGINE, "image": "../1.png"})
    assert isinstance(refused, Refusal)


def test_the_watched_share_is_bounded(tmp_path: Path) -> None:
    half, more, none = read(
        tmp_path,
        Source.FEED,
        FEED,
        {**FEED, "event_id": "e2", "watched_s": 90},
        {**FEED, "event_id": "e3", "watched_s": 0},
    )
    shares = [item.watched_share for item in (half, more, none) if isinstance(item, Item)]
    assert shares == [0.5, 1.0, 0.0]


@pytest.mark.parametrize("value", [-1, "3", None, True, float("nan"), float("inf")])
def test_a_senseless_watch_time_is_refused(tmp_path: Path, value: object) -> None:
    (refused,) = read(tmp_path, Source.FEED, {**FEED, "watched_s": value})
    assert isinstance(refused, Refusal)


def test_an_endless_line_is_refused_and_the_next_one_read(tmp_path: Path) -> None:
    file = tmp_path / "chat.jsonl"
    file.write_text("x" * (5 << 20) + "\n" + json.dumps(CHAT) + "\n")
    refused, item = read_sibling(file, Source.CHAT)
    assert isinstance(refused, Refusal) and "longer" in refused.reason
    assert isinstance(item, Item)


def test_half_a_surrogate_pair_is_refused(tmp_path: Path) -> None:
    (found,) = read(tmp_path, Source.CHAT, {**CHAT, "text": "hiking \ud83e"})
    assert isinstance(found, Refusal)
    assert "not valid Unicode" in found.reason
