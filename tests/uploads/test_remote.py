"""Uploads in an object store: a real S3 server on loopback, behind a proxy that misbehaves."""

import json
import re
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import s3fs

from glasses_signals.errors import BadInput, CannotStart, RunStopped
from glasses_signals.records import Item, Source
from glasses_signals.runners.extract import ExtractSettings, extract
from glasses_signals.uploads import remote
from glasses_signals.uploads.bundles import Refusal, read_bundles
from glasses_signals.uploads.local import Fetched
from glasses_signals.uploads.remote import RemoteUploads

PIECE = 512  # bytes that a slow answer gives at once
MEDIA = {f"photo-{n}.jpg": bytes([n]) * (1000 * n + 7) for n in range(12)}


class Proxy(ThreadingHTTPServer):
    """Passes requests on to the S3 server, spoiling the first answers for each media file."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.faults: list[str] = []  # for each file, one after another, then none
        self.seen: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.over = threading.Event()  # ends what stalls

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fault(self, method: str, path: str) -> str | None:
        if method != "GET" or not re.search(r"\.jpg", path):
            return None
        with self.lock:
            self.seen[path] += 1
            number = self.seen[path] - 1
        if self.faults == ["always"]:
            return "error"
        return self.faults[number] if number < len(self.faults) else None


class _Handler(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.0"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass

    def do_GET(self) -> None:
        fault = self.server.fault(self.command, self.path)
        if fault == "error":
            self.send_error(500)
            return
        if fault == "gone":
            self.send_error(404)
            return
        headers = {k: v for k, v in self.headers.items() if k.lower() != "host"}
        request = urllib.request.Request(
            self.server.upstream + self.path, headers=headers, method=self.command
        )
        request.add_header("Host", self.headers["Host"])
        try:
            with urllib.request.urlopen(request) as answer:
                status, told, body = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            status, told, body = error.code, error.headers, error.read()
        self.send_response(status)
        for name, value in told.items():
            if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault in ("cut", "stall"):
            body = body[: len(body) // 2]
        for start in range(0, len(body), PIECE if fault == "slow" else max(1, len(body))):
            self.wfile.write(body[start : start + PIECE if fault == "slow" else None])
            if fault == "slow":
                time.sleep(0.001)
        if fault == "stall":
            self.wfile.flush()
            self.server.over.wait()

    do_HEAD = do_GET  # noqa: N815 - the base's name


@pytest.fixture
def proxy(store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    server = Proxy(store)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setattr(remote, "FIRST_PAUSE_S", 0.001)
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local folder of bundles, good and bad."""
    root = tmp_path_factory.mktemp("store") / "uploads"
    good = root / "2026" / "good"
    good.mkdir(parents=True)
    entry = {"kind": "photo", "captured_at": "2026-01-05T10:00:00Z", "ai_interaction": True}
    for name, data in MEDIA.items():
        (good / name).write_bytes(data)
    names = [*MEDIA, "missing.jpg", "../outside.jpg"]
    manifest = {"format": "glasses-upload/1", "upload_id": "u", "account_id": "acct-1"}
    manifest["items"] = [{**entry, "path": name} for name in names]  # type: ignore[assignment]
    (good / "upload.json").write_text(json.dumps(manifest))
    for name, text in (("broken", "{"), ("other", json.dumps(manifest))):
        (root / name).mkdir()
        (root / name / "upload.json").write_text(text)
    (root / "bare").mkdir()
    (root / "bare" / "photo.jpg").write_bytes(b"x")
    return root


def put(uploads: Path, store: str) -> str:
    files = s3fs.S3FileSystem(endpoint_url=store, skip_instance_cache=True)
    bucket = f"b{time.monotonic_ns()}"
    files.mkdir(bucket)
    files.put(str(uploads), f"{bucket}/uploads", recursive=True)
    return f"s3://{bucket}/uploads"


@pytest.fixture(scope="module")
def stored(uploads: Path, store: str) -> str:
    return put(uploads, store)


@pytest.fixture
def url(stored: str, proxy: Proxy) -> str:
    """The folder in the store, behind the proxy; to be read only."""
    return stored


@pytest.fixture
def own_url(uploads: Path, proxy: Proxy, store: str) -> str:
    """A copy that a test may change."""
    return put(uploads, store)


def fetched(place: RemoteUploads) -> dict[str, bytes | str]:
    """Content or error by file name of all items whose file is there."""
    found: dict[str, bytes | str] = {}
    for item, file in place.fetch(present(place), lambda item: item):
        assert file is not None
        found[Path(str(item.path)).name] = file.error or file.path.read_bytes()
        place.release(file)
        assert not file.path.exists()
    return found


def present(place: RemoteUploads) -> Iterator[Item]:
    for item in place.read():
        if isinstance(item, Item):
            try:
                place.file_facts(item)
            except BadInput:
                continue
            yield item


def test_a_store_gives_the_same_items_and_refusals_as_a_folder(uploads: Path, url: str) -> None:
    with RemoteUploads(url) as place:
        there = list(place.read())
    here = list(read_bundles(uploads))
    assert [told(u) for u in there] == [told(u) for u in here]
    assert len([u for u in there if isinstance(u, Refusal)]) == 4


def told(upload: Item | Refusal) -> tuple[str, str]:
    if isinstance(upload, Refusal):
        return upload.where, upload.reason
    return upload.item_id, Path(str(upload.path)).name


def test_files_come_whole_and_go_when_they_are_used(url: str) -> None:
    with RemoteUploads(url) as place:
        assert fetched(place) == MEDIA


@pytest.mark.parametrize(
    "faults", [["error"], ["cut"], ["slow"], ["error", "cut", "error"], ["slow", "cut"]]
)
def test_errors_cut_bodies_and_slow_ones_are_survived(
    url: str, proxy: Proxy, faults: list[str]
) -> None:
    proxy.faults = faults
    with RemoteUploads(url) as place:
        assert fetched(place) == MEDIA


def test_a_body_that_never_ends_is_given_up_and_asked_for_again(
    url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PIECE_S", 1.0)
    proxy.faults = ["stall"]
    with RemoteUploads(url) as place:
        ((item, file),) = place.fetch(islice(present(place), 1), lambda item: item)
        assert file is not None
        assert file.error is None
        assert file.path.read_bytes() == MEDIA[Path(str(item.path)).name]


def test_a_file_of_many_pieces_comes_whole(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PIECE_BYTES", 1000)
    with RemoteUploads(url) as place:
        assert fetched(place) == MEDIA


def test_a_file_that_is_replaced_after_it_was_listed_is_refused(own_url: str, store: str) -> None:
    files = s3fs.S3FileSystem(endpoint_url=store, skip_instance_cache=True)
    with RemoteUploads(own_url) as place:

        def replaced() -> Iterator[Item]:
            for item in islice(present(place), 1):
                files.pipe(str(item.path), b"other bytes, and more of them" * 1000)
                yield item

        ((_, file),) = place.fetch(replaced(), lambda item: item)
    assert file is not None
    assert "replaced since it was listed" in str(file.error)


def test_prompts_with_images_come_from_a_store(
    own_url: str, store: str, samples: Path, tmp_path: Path
) -> None:
    """Golden for `imagine`: the same profile as from a local file."""
    image = samples / "uploads" / "ada-1" / "photo-001.heic"
    lines = [
        {"account_id": "acct-ada", "sent_at": "2026-01-10T10:00:00Z", **line}
        for line in (
            {"request_id": "1", "prompt": "a mushroom risotto", "image": "kept/a.heic"},
            {"request_id": "2", "prompt": "a racing bicycle", "image": "kept/gone.heic"},
            {"request_id": "3", "prompt": "a sailing boat"},
        )
    ]
    here = tmp_path / "here"
    (here / "kept").mkdir(parents=True)
    shutil.copy(image, here / "kept" / "a.heic")
    (here / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    files = s3fs.S3FileSystem(endpoint_url=store, skip_instance_cache=True)
    files.put(str(here), f"{own_url}/imagine", recursive=True)
    settings = ExtractSettings(
        source=Source.IMAGINE, as_of=datetime(2026, 2, 1, tzinfo=UTC), device="cpu"
    )
    accounts = samples / "accounts.jsonl"
    local = extract(here / "prompts.jsonl", accounts, tmp_path / "local", settings)
    there = extract(f"{own_url}/imagine/prompts.jsonl", accounts, tmp_path / "there", settings)
    assert there.counts == local.counts
    assert there.counts["quarantined:file"] == 1
    written = (tmp_path / "there" / "profiles.jsonl").read_bytes()
    assert written == (tmp_path / "local" / "profiles.jsonl").read_bytes() != b""


def test_a_file_that_goes_after_it_was_listed_is_told(own_url: str, store: str) -> None:
    files = s3fs.S3FileSystem(endpoint_url=store, skip_instance_cache=True)
    with RemoteUploads(own_url) as place:
        items = []
        for item in present(place):
            if str(item.path).endswith("photo-3.jpg"):
                files.rm(str(item.path))
            items.append(next(iter(place.fetch([item], lambda item: item))))
    errors = {Path(str(i.path)).name: f.error for i, f in items if f is not None and f.error}
    assert errors == {"photo-3.jpg": "the file is not there any more; upload the bundle again"}


def test_a_store_that_is_away_stops_the_run(url: str, proxy: Proxy) -> None:
    proxy.faults = ["always"]
    with RemoteUploads(url) as place, pytest.raises(RunStopped, match="in a row"):
        fetched(place)


def test_nothing_is_fetched_that_is_not_asked_for(url: str, proxy: Proxy) -> None:
    with RemoteUploads(url) as place:
        for item in present(place):
            if str(item.path).endswith("photo-5.jpg"):
                list(place.fetch([item], lambda item: item))
    assert {path.split("/")[-1] for path in proxy.seen} == {"photo-5.jpg"}


def test_file_facts_change_with_the_content(own_url: str, store: str) -> None:
    files = s3fs.S3FileSystem(endpoint_url=store, skip_instance_cache=True)

    def facts() -> list[object]:
        with RemoteUploads(own_url) as place:
            return next(place.file_facts(i) for i in present(place))

    before = facts()
    assert facts() == before
    files.pipe(f"{own_url}/2026/good/photo-0.jpg", b"\x01" * len(MEDIA["photo-0.jpg"]))
    assert facts() != before


@pytest.mark.parametrize("wrong", ["s3://no-such-bucket/x", "nonsense://x"])
def test_a_url_that_leads_nowhere_can_not_start(proxy: Proxy, wrong: str) -> None:
    with pytest.raises(CannotStart), RemoteUploads(wrong) as place:
        list(place.read())


def test_a_fetched_file_lies_in_a_folder_that_goes(url: str) -> None:
    with RemoteUploads(url) as place:
        found: list[Fetched] = [f for _, f in place.fetch(present(place), lambda i: i) if f]
        assert all(file.path.exists() for file in found)
    assert not any(file.path.parent.exists() for file in found)


def test_a_run_on_a_store_gives_the_bytes_of_a_local_one(
    samples: Path, tmp_path: Path, proxy: Proxy, store: str
) -> None:
    uploads, accounts = samples / "uploads", samples / "accounts.jsonl"
    photos = tmp_path / "photos"
    for bundle in sorted(uploads.iterdir()):
        shutil.copytree(bundle, photos / bundle.name)
        manifest = json.loads((bundle / "upload.json").read_text())
        manifest["items"] = [i for i in manifest["items"] if i["kind"] == "photo"]
        (photos / bundle.name / "upload.json").write_text(json.dumps(manifest))
    files = s3fs.S3FileSystem(endpoint_url=store, skip_instance_cache=True)
    files.mkdir("whole")
    files.put(str(photos), "whole/uploads", recursive=True)
    settings = ExtractSettings(as_of=datetime(2026, 2, 1, tzinfo=UTC), device="cpu")
    proxy.faults = ["error", "cut"]
    here = extract(photos, accounts, tmp_path / "here", settings)
    there = extract("s3://whole/uploads", accounts, tmp_path / "there", settings)
    assert there.counts == here.counts
    assert len(there.quarantined) == len(here.quarantined) == 1
    assert there.quarantined[0].place == "s3://whole/uploads/ben-1/photo-002.jpg"
    written = (tmp_path / "there" / "profiles.jsonl").read_bytes()
    assert written == (tmp_path / "here" / "profiles.jsonl").read_bytes()
    assert {path.split("/")[-2].split("-")[0] for path in proxy.seen} == {"ada", "ben"}
    again = extract("s3://whole/uploads", accounts, tmp_path / "there", settings)
    assert again.counts["already_done"] == again.counts["allowed"]
