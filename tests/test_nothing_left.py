"""Canaries: words, names, places and embeddings planted in uploads are in no byte that is left."""

import ctypes
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest
from numpy.typing import NDArray
from PIL import Image

from glasses_signals.models.store import cache_dir
from glasses_signals.text.encoder import EncoderSettings, TextEncoder

AT = "2026-01-10T12:{:02}:00Z"
LEFT_OUT = ["acct-dieter", "acct-gia"]  # by region, and for want of a notice

# One canary for each way in. None is a word that models, policy or reports could know.
HARMLESS, SECRET, UNREAD, NAMED, DESCRIBED, BROKEN = (
    f"qwyx{name}vok" for name in ("harmless", "secret", "unread", "named", "described", "broken")
)
SENTENCES = [
    f"Where can I buy good hiking boots like {HARMLESS}?",
    f"My doctor {SECRET} says the chemotherapy starts on Monday.",
    f"Recommend a tent that is as light as {UNREAD}.",
]
GPS_DEGREES = (41.0, 53.0, 24.8125)
RUNS = (("chats.jsonl", "chat"), ("feed.jsonl", "feed"), ("uploads", "glasses"))
SPOKEN = ["country can do for you", "fellow americans", "fellow Americans"]  # in jfk.flac


def chat_lines() -> str:
    accounts = ["acct-ada", "acct-ada", *LEFT_OUT]
    texts = [SENTENCES[0], SENTENCES[1], SENTENCES[2], SENTENCES[2]]
    lines = [
        {"account_id": a, "message_id": f"m{n}-{NAMED}", "sent_at": AT.format(10 * n), "text": t}
        for n, (a, t) in enumerate(zip(accounts, texts, strict=True))
    ]
    wrong: list[dict[str, Any]] = [
        {**lines[0], field: BROKEN} for field in ("sent_at", "message_id")
    ]
    wrong[1]["text"] = [BROKEN]
    broken = [f'{{"text": "{BROKEN}', f'"{BROKEN}"', f'{{"{BROKEN}": "{BROKEN}"}}']
    return "\n".join([*map(json.dumps, [*lines, *wrong]), *broken])


def feed_lines() -> str:
    events = [
        {
            "account_id": "acct-ada",
            "event_id": f"e{n}",
            "watched_at": AT.format(10 * n),
            "watched_s": 60,
            "duration_s": 60,
            "caption": text,
        }
        for n, text in enumerate(SENTENCES[:2])
    ]
    return "\n".join(map(json.dumps, events))


def described_photo(place: Path, samples: Path) -> None:
    """A photo with a comment, a description and a place in its EXIF data."""
    with Image.open(samples / "uploads" / "ada-1" / "photo-002.jpg") as photo:
        exif = photo.getexif()
        exif[0x010E] = DESCRIBED
        exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + DESCRIBED.encode()
        exif.get_ifd(0x8825).update({1: "N", 2: GPS_DEGREES, 3: "W", 4: GPS_DEGREES})
        photo.save(place, exif=exif)


def bundle(folder: Path, account: str, samples: Path, media: Path) -> None:
    folder.mkdir(parents=True)
    described_photo(folder / f"photo-{NAMED}.jpg", samples)
    shutil.copy(media / "jfk.flac", folder / f"voice-{NAMED}.flac")
    items = [
        {"path": path.name, "kind": path.name.split("-")[0], "ai_interaction": True}
        for path in sorted(folder.iterdir())
    ]
    items = [{**item, "captured_at": AT.format(20 * n)} for n, item in enumerate(items)]
    shutil.copy(folder / f"photo-{NAMED}.jpg", folder / "photo-2.jpg")
    items.append({**items[0], "path": "photo-2.jpg", "captured_at": BROKEN})
    manifest = {"format": "glasses-upload/1", "upload_id": f"u-{NAMED}", "account_id": account}
    (folder / "upload.json").write_text(json.dumps({**manifest, "items": items}))


class Place:
    """Folders of a test: what goes in, and everything that a run may write to."""

    def __init__(self, root: Path, samples: Path, media: Path) -> None:
        self.given, self.left = root / "given", root / "left"
        self.out, self.temporary, self.work = (self.left / n for n in ("out", "tmp", "work"))
        for folder in (self.given, self.temporary, self.work):
            folder.mkdir(parents=True)
        self.accounts = samples / "accounts.jsonl"
        (self.given / "chats.jsonl").write_text(chat_lines())
        (self.given / "feed.jsonl").write_text(feed_lines())
        bundle(self.given / "uploads" / "ada", "acct-ada", samples, media)
        for account in LEFT_OUT:
            bundle(self.given / "uploads" / account, account, samples, media)

    def start(self, name: str, source: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "glasses_signals", "extract", str(self.given / name)]
        options = ["--source", source, "--accounts", str(self.accounts), "--out", str(self.out)]
        more = ["--as-of", "2026-02-01T00:00:00Z", "--device", "cpu", "--json"]
        log = (self.left / f"log-{source}").open("ab")
        return subprocess.Popen(
            [*command, *options, *more],
            cwd=self.work,
            env={**os.environ, "TMPDIR": str(self.temporary), "PYTHONFAULTHANDLER": "1"},
            stdout=log,
            stderr=log,
        )

    def run(self, name: str, source: str) -> int:
        return self.start(name, source).wait()

    def files(self) -> Iterator[Path]:
        yield from (path for path in self.left.rglob("*") if path.is_file())


def written(word: str) -> set[bytes]:
    forms = {word, word.upper(), word.capitalize()}
    return {form.encode(code) for form in forms for code in ("utf-8", "utf-16-le", "utf-16-be")}


@cache
def embeddings() -> NDArray[np.float32]:
    return TextEncoder(EncoderSettings(device="cpu"))(SENTENCES)


def canaries() -> dict[bytes, str]:
    """Byte strings that may be nowhere, and what each would give away."""
    words = [HARMLESS, SECRET, UNREAD, NAMED, DESCRIBED, BROKEN, *SPOKEN]
    found = {form: word for word in words for form in written(word)}
    for sentence, vector in zip(SENTENCES, embeddings(), strict=True):
        for kind in ("<f4", "<f8", "<f2"):
            found[vector.astype(kind).tobytes()[:32]] = f"embedding ({kind}) of {sentence!r}"
    found[struct.pack("<d", GPS_DEGREES[2])] = "place"
    found[str(GPS_DEGREES[2]).encode()] = "place"
    return found


def sightings(place: Place) -> list[str]:
    listed = canaries()
    return [
        f"{what} in {path.relative_to(place.left)}"
        for path in place.files()
        for content in [path.read_bytes() + str(path).encode()]
        for canary, what in listed.items()
        if canary in content
    ]


@pytest.fixture
def place(tmp_path: Path, samples: Path, media: Path) -> Place:
    return Place(tmp_path, samples, media)


def profile(place: Place) -> set[str]:
    lines = (place.out / "profiles.jsonl").read_text().splitlines()
    return {entry["id"] for line in lines for entry in json.loads(line)["interests"]}


@pytest.mark.slow
def test_runs_leave_no_byte_of_what_was_said_written_or_shown(place: Place) -> None:
    models = {path: path.stat().st_mtime_ns for path in cache_dir().rglob("*")}
    for name, source in RUNS:
        assert place.run(name, source) == 2  # what is broken is listed
    assert profile(place)
    assert sightings(place) == []
    assert list(place.temporary.rglob("*")) == []  # nor the telemetry of a library
    assert {path: path.stat().st_mtime_ns for path in cache_dir().rglob("*")} == models


def test_a_canary_would_be_seen(place: Place) -> None:
    (place.left / "leak").write_text(SENTENCES[1], "utf-16-le")
    (place.left / "rows").write_bytes(embeddings().tobytes())
    assert len(set(sightings(place))) == 1 + len(SENTENCES)


def core_limit(process: psutil.Process) -> int:
    return int(process.rlimit(psutil.RLIMIT_CORE)[0])


@pytest.mark.slow
def test_a_crash_of_worker_or_run_dumps_nothing(place: Place) -> None:
    running = place.start("uploads", "glasses")
    program = psutil.Process(running.pid)
    while running.poll() is None and not (workers := program.children()):
        time.sleep(0.01)
    # A worker lowers its limit once its interpreter has started.
    while max(limits := [core_limit(p) for p in (program, *workers)]) > 1:
        assert running.poll() is None
        time.sleep(0.01)
    workers[0].send_signal(signal.SIGABRT)
    workers[0].wait()
    running.send_signal(signal.SIGABRT)
    # Telling where it was, it reads frames of threads that still run, and may fault at that.
    assert running.wait() in (-signal.SIGABRT, -signal.SIGSEGV)
    assert b"Fatal Python error: Aborted" in (place.left / "log-glasses").read_bytes()
    assert len(limits) > 1
    assert max(limits) <= 1  # bytes: no file fits, and no crash handler is started
    assert not list(place.left.rglob("core*"))
    assert sightings(place) == []
    assert place.run("uploads", "glasses") == 2
    assert sightings(place) == []


class Opened:
    """Names of files in some folders that any process opens (inotify)."""

    IN_OPEN, IN_ISDIR = 0x20, 0x40000000

    def __init__(self, *folders: Path) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK)
        for folder in folders:
            assert self._libc.inotify_add_watch(self._descriptor, bytes(folder), self.IN_OPEN) > 0

    def names(self) -> set[str]:
        try:
            read = os.read(self._descriptor, 1 << 20)
        except BlockingIOError:
            return set()
        found, at = set(), 0
        while at < len(read):
            _, mask, _, length = struct.unpack_from("iIII", read, at)
            name = read[at + 16 : at + 16 + length].rstrip(b"\0").decode()
            at += 16 + length
            if not mask & self.IN_ISDIR:
                found.add(name)
        return found


@pytest.mark.slow
def test_no_process_opens_media_that_a_gate_excludes(place: Place, samples: Path) -> None:
    folders = [place.given / "uploads" / account for account in LEFT_OUT]
    for name in ("cho-1", "eve-1", "finn-1", "hugo-1"):
        folders.append(shutil.copytree(samples / "uploads" / name, place.given / "uploads" / name))
    watch = Opened(*folders)
    assert place.run("uploads", "glasses") == 2
    assert watch.names() == {"upload.json"}


def test_the_watch_sees_an_open_file(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    watch = Opened(tmp_path)
    (tmp_path / "photo.jpg").read_bytes()
    assert watch.names() == {"photo.jpg"}


def changed_account(place: Place, **values: Any) -> None:
    lines = [json.loads(line) for line in place.accounts.read_text().splitlines()]
    place.accounts = place.given / "accounts.jsonl"
    for line in lines:
        if line["account_id"] == "acct-ada":
            line.update(values)
    place.accounts.write_text("\n".join(map(json.dumps, lines)))


@pytest.mark.slow
def test_nothing_of_an_account_is_left_once_it_may_not_be_used(place: Place) -> None:
    place.run("chats.jsonl", "chat")
    assert b"acct-ada" in (place.out / "ledger.sqlite").read_bytes()
    changed_account(place, region="DE")
    place.run("chats.jsonl", "chat")
    for path in place.files():
        assert b"acct-ada" not in path.read_bytes(), path
