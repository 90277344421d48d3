"""Files that are replaced in one step, also by several writers at once."""

import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from glasses_signals.profiles.files import write_atomically


def test_of_many_writers_at_once_each_writes_the_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    texts = [[str(n)] * 2_000 for n in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda lines: write_atomically(file, lines), texts))
    assert file.read_text().splitlines() in texts
    assert list(tmp_path.iterdir()) == [file]


def test_what_a_killed_writer_left_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".file.partial").write_text("of a killed writer, and longer than what comes")
    write_atomically(tmp_path / "file", ["short"])
    assert (tmp_path / "file").read_text() == "short\n"


def test_a_writer_that_fails_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_atomically(file, ["old"])

    def lines() -> Iterator[str]:
        yield "new"
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError):
        write_atomically(file, lines())
    assert file.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [file]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
