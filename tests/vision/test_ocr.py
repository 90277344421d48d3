"""What stands in a picture, from pixels to verdicts."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest
from signs import STYLES, Style, sign

from glasses_signals.errors import BadModel
from glasses_signals.media.photo import PhotoSettings, decode_photo
from glasses_signals.models.build import build
from glasses_signals.models.manifest import manifests_dir
from glasses_signals.records import Image, TextLine
from glasses_signals.runners.stages import tag_files
from glasses_signals.vision.ocr import TextReader, decode_settings, passages
from glasses_signals.vision.tagger import VisionSettings

CHURCH = ("St. Mary's Church", "Sunday Mass 9:00 AM", "All are welcome")
PILLS = ("AMOXICILLIN 500 mg", "Take one capsule by mouth", "three times daily")
POSTER = ("VOTE JOHNSON", "for State Senate", "November 3")
BOOK = ("Trail running", "for beginners")
SHOP = ("Fishing tackle",)
RUNNING, FISHING = "410", "643"


@pytest.fixture(scope="module")
def reader() -> TextReader:
    build(["rapidocr"], report=lambda line: None)
    return TextReader("rapidocr", "cpu")


def image(picture: PIL.Image.Image) -> Image:
    pixels = np.asarray(picture.convert("RGB"))
    return Image(pixels, pixels.shape[1], pixels.shape[0])


def tagged(files: Sequence[Path]) -> list[dict[str, object]]:
    settings = VisionSettings(device="cpu", reader="rapidocr")
    return list(tag_files(files, settings, decode_workers=1))


def photo(folder: Path, lines: Sequence[str], style: Style, name: str = "sign") -> Path:
    """A JPEG of the sign that is decoded at half its size."""
    path = folder / f"{name}.jpg"
    sign(lines, style).resize((1512, 2016)).save(path, quality=90)
    return path


@pytest.mark.parametrize("style", STYLES, ids=range(len(STYLES)))
def test_text_is_read_in_any_font_size_and_turn(reader: TextReader, style: Style) -> None:
    (lines,) = reader.read([image(sign(PILLS, style))])
    assert " ".join(passages(lines)) == " ".join(PILLS)


@pytest.mark.parametrize("height", [10, 13, 16])
@pytest.mark.parametrize("degrees", [0, 12])
def test_small_print_is_not_overlooked(reader: TextReader, height: int, degrees: float) -> None:
    (lines,) = reader.read([image(sign(POSTER, Style(height=height, degrees=degrees)))])
    assert "JOHNSON" in " ".join(passages(lines))


@pytest.fixture(scope="module")
def signs(
    reader: TextReader, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, ...], list[dict[str, object]]]:
    """What is said of photos of each text, which is written in four ways."""
    folder = tmp_path_factory.mktemp("signs")
    texts = [lines for lines in (CHURCH, PILLS, POSTER, BOOK, SHOP) for _ in STYLES[1::2]]
    styles = itertools.cycle(STYLES[1::2])
    files = [photo(folder, lines, next(styles), str(n)) for n, lines in enumerate(texts)]
    found: dict[tuple[str, ...], list[dict[str, object]]] = {}
    for lines, told in zip(texts, tagged(files), strict=True):
        found.setdefault(lines, []).append(told)
    return found


@pytest.mark.parametrize(
    ("lines", "topic"), [(CHURCH, "religion"), (PILLS, "health"), (POSTER, "politics")]
)
def test_a_sensitive_text_excludes_the_picture_however_it_is_written(
    signs: dict[tuple[str, ...], list[dict[str, object]]], lines: tuple[str, ...], topic: str
) -> None:
    assert [told["excluded"] for told in signs[lines]] == [f"sensitive:{topic}"] * 4
    assert all(told["interests"] == [] for told in signs[lines])


@pytest.mark.parametrize(("lines", "interest"), [(BOOK, RUNNING), (SHOP, FISHING)])
def test_a_text_gives_the_interest_it_speaks_of(
    signs: dict[tuple[str, ...], list[dict[str, object]]], lines: tuple[str, ...], interest: str
) -> None:
    for told in signs[lines]:
        assert told["excluded"] is None
        assert interest in [found["id"] for found in told["interests"]]  # type: ignore[attr-defined]


@pytest.mark.usefixtures("reader")
def test_a_foreign_text_excludes_the_picture_as_nobody_checked_it(tmp_path: Path) -> None:
    lines = ("Gottesdienst am Sonntag", "um zehn Uhr in der Kirche")
    (found,) = tagged([photo(tmp_path, lines, STYLES[0])])
    assert found["excluded"] == "language_unsupported"


@pytest.mark.usefixtures("reader")
def test_text_in_a_video_counts_like_text_in_a_photo(tmp_path: Path) -> None:
    path = tmp_path / "walk.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 756, 1008, "yuv420p"
        for lines in (SHOP, CHURCH):
            pixels = np.asarray(sign(lines))
            for _ in range(20):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    (found,) = tagged([path])
    assert {*SHOP, *CHURCH} <= set(found["text"])  # type: ignore[call-overload]
    assert found["excluded"] == "sensitive:religion"


def test_pictures_without_text_have_none(reader: TextReader) -> None:
    paths = [manifests_dir() / "parity" / name for name in ("cat.jpg", "coffee.jpg")]
    photos = [decode_photo(path.read_bytes(), path.name) for path in paths]
    tiny = Image(np.zeros((1, 1, 3), np.uint8), 1, 1)
    assert reader.read([*photos, tiny]) == [(), (), ()]
    assert reader.read([]) == []


def test_a_picture_is_read_the_same_alone_and_among_others(reader: TextReader) -> None:
    pictures = [image(sign(lines)) for lines in (CHURCH, BOOK, SHOP, POSTER)]
    alone = [reader.read([picture])[0] for picture in pictures]
    assert reader.read(pictures) == alone
    assert reader.read(pictures[::-1]) == alone[::-1]


def test_a_pickled_reader_reads_the_same(reader: TextReader) -> None:
    picture = image(sign(SHOP))
    assert pickle.loads(pickle.dumps(reader)).read([picture]) == reader.read([picture])


def test_pictures_to_be_read_are_decoded_larger(tmp_path: Path) -> None:
    path = photo(tmp_path, SHOP, STYLES[0])
    settings = decode_settings(reads_text=True)
    assert settings is not None
    assert decode_photo(path.read_bytes(), "sign", settings.photo).pixels.shape == (1008, 756, 3)
    assert decode_photo(path.read_bytes(), "sign", PhotoSettings()).pixels.shape == (504, 378, 3)
    assert decode_settings(reads_text=False) is None


def test_passages_join_the_lines_of_a_paragraph() -> None:
    lines = (TextLine("Trail", 0.9, 0), TextLine("running", 0.9, 0), TextLine("Cafe", 0.8, 1))
    assert passages(lines) == ("Trail running", "Cafe")
    assert passages(()) == ()


def test_a_reader_that_is_not_built_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLASSES_SIGNALS_CACHE", str(tmp_path))
    with pytest.raises(BadModel, match="models build rapidocr"):
        TextReader("rapidocr", "cpu")
