from pathlib import Path

import pytest

from glasses_signals.tsv import read_tsv


def test_quotes_are_part_of_the_text(tmp_path: Path) -> None:
    table = tmp_path / "t.tsv"
    table.write_text('id\ttext\n1\tplay "Hello" again\n2\t"\n')
    assert list(read_tsv(table)) == [
        {"id": "1", "text": 'play "Hello" again'},
        {"id": "2", "text": '"'},
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_and_empty_lines_are_no_content(tmp_path: Path, end: str) -> None:
    table = tmp_path / "t.tsv"
    table.write_bytes(end.join(["id\ttext", "1\ta", "", "2\tb"]).encode())
    assert [row["text"] for row in read_tsv(table)] == ["a", "b"]


def test_a_line_of_another_length_shows_it(tmp_path: Path) -> None:
    table = tmp_path / "t.tsv"
    table.write_text("id\ttext\n1\n2\tb\tc\n")
    short, long = read_tsv(table)
    assert short["text"] is None
    assert None in long
