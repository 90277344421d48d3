"""CPU seconds that one capture of each kind takes, all cores' time added up.

    python benchmarks/one_core.py [--more 24] [--chats 3000] [--json FILE]

Each kind goes through its command twice, with few captures and with `--more` beyond them: the
difference is the captures' own time, without start-up. Voices are recordings of `voice_dev`, photos
enlarged to 12 megapixels, a video is a minute of 1440 x 1920 without sound (a sixth as many as the
others). Chat lines pass a whole `extract`. Decode workers count.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from made_uploads import AS_OF, account_ids, write_accounts, write_chats
from results import ROOT, write_json
from sets import EVAL
from vision_media import (
    PHOTO_FRAMES,
    VIDEO_SECONDS,
    enlarged_photos,
    eval_photos,
    panning_video,
)

FEW = 4  # captures of the shorter run


def cpu_s(arguments: Sequence[str]) -> float:
    """Of a whole command with its workers, which it waits for."""
    before = os.times()
    command = [sys.executable, "-m", "glasses_signals", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{arguments[:2]} failed:\n{done.stderr[-2000:]}")
    after = os.times()
    return (after.children_user + after.children_system) - (
        before.children_user + before.children_system
    )


def of_files(command: str, files: Sequence[str], few: int) -> float:
    """CPU seconds a file, from the first `few` and from all."""
    start = [command, "--json", "--device", "cpu"]
    return (cpu_s([*start, *files]) - cpu_s([*start, *files[:few]])) / (len(files) - few)


def of_chats(folder: Path, few: int, more: int) -> float:
    accounts = account_ids(max(1, more // 50))
    write_accounts(folder / "accounts.jsonl", accounts)
    spent = []
    for count in (few, few + more):
        write_chats(folder / "chats.jsonl", count, accounts)
        place = [str(folder / "chats.jsonl"), "--source", "chat", "--device", "cpu"]
        place += ["--accounts", str(folder / "accounts.jsonl"), "--as-of", AS_OF]
        spent.append(cpu_s(["extract", *place, "--out", str(folder / f"out-{count}")]))
    return (spent[1] - spent[0]) / more


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--more", type=int, default=24, help="captures that are measured of a kind")
    parser.add_argument("--chats", type=int, default=3000)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    count, videos = FEW + arguments.more, max(1, arguments.more // 6)
    voices = [str(file) for file in sorted((EVAL / "voice_dev").glob("*.flac"))[:count]]
    small, _ = eval_photos()
    with tempfile.TemporaryDirectory(prefix="one-core-") as name:
        folder = Path(name)
        photos = enlarged_photos(small[:count], folder)
        shown = small[: VIDEO_SECONDS * 30 // PHOTO_FRAMES]
        video = panning_video(shown, folder / "clip.mp4")
        found = {
            "voice": of_files("transcribe", voices, FEW),
            "photo": of_files("tag", photos, FEW),
            "video": of_files("tag", [video] * (1 + videos), 1),
            "chat": of_chats(folder, FEW, arguments.chats),
        }
    for kind, seconds in found.items():
        print(f"{kind}: {seconds:.4f} CPU s each")
    if arguments.json:
        counts = {"voice": arguments.more, "photo": arguments.more, "video": videos}
        write_json(arguments.json, {"cpu_s": found, "captures": counts | {"chat": arguments.chats}})


if __name__ == "__main__":
    main()
