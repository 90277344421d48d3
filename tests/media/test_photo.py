from __future__ import annotations

import io

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasses_signals.errors import BadInput
from glasses_signals.media.exif import jpeg_orientation
from glasses_signals.media.photo import PhotoSettings, decode_photo

FULL = PhotoSettings(min_side=100_000)
ORIENTATION = 0x0112


def encoded(photo: PIL.Image.Image, format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, format_, **options)
    return buffer.getvalue()


def difference(pixels: np.ndarray, photo: PIL.Image.Image) -> float:
    expected = photo.convert("RGB").resize((pixels.shape[1], pixels.shape[0]))
    return float(np.abs(pixels.astype(int) - np.asarray(expected).astype(int)).mean())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_comes_out_upright(coffee: PIL.Image.Image, orientation: int) -> None:
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = orientation
    data = encoded(coffee, "JPEG", exif=exif, quality=95)
    upright = PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(data)))
    image = decode_photo(data, "photo", FULL)
    assert (image.full_width, image.full_height) == upright.size
    assert difference(image.pixels, upright) < 3


def test_a_heic_photo_comes_out_upright(coffee: PIL.Image.Image) -> None:
    pillow_heif.register_heif_opener()
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = 6
    data = encoded(coffee, "HEIF", exif=exif.tobytes(), quality=90)
    image = decode_photo(data, "photo")
    assert (image.full_width, image.full_height) == (coffee.height, coffee.width)
    assert difference(image.pixels, coffee.transpose(PIL.Image.Transpose.ROTATE_270)) < 5


def test_a_large_jpeg_is_decoded_small_but_never_below_the_side_asked_for(
    coffee: PIL.Image.Image,
) -> None:
    data = encoded(coffee.resize((4032, 3024)), "JPEG")
    image = decode_photo(data, "photo", PhotoSettings(min_side=256))
    assert image.pixels.shape == (378, 504, 3)
    assert (image.full_width, image.full_height) == (4032, 3024)
    assert difference(image.pixels, coffee) < 6


@pytest.mark.parametrize(
    ("mode", "format_", "options"),
    [
        ("CMYK", "JPEG", {}),
        ("L", "JPEG", {}),
        ("RGB", "JPEG", {"progressive": True}),
        ("RGB", "PNG", {}),
        ("L", "PNG", {}),
        ("P", "PNG", {}),
        ("RGB", "WEBP", {"quality": 95}),
    ],
)
def test_every_ordinary_format_shows_the_same_picture(
    coffee: PIL.Image.Image, mode: str, format_: str, options: dict[str, object]
) -> None:
    photo = coffee.convert(mode)
    image = decode_photo(encoded(photo, format_, **options), "photo")
    assert image.pixels.shape[2] == 3
    assert difference(image.pixels, photo) < 6


def test_a_16_bit_grey_png_keeps_its_brightness(coffee: PIL.Image.Image) -> None:
    grey = coffee.convert("L")
    deep = PIL.Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    image = decode_photo(encoded(deep, "PNG"), "photo")
    assert difference(image.pixels, grey) < 2


def test_a_16_bit_colour_png_keeps_its_colours(coffee: PIL.Image.Image) -> None:
    deep = np.asarray(coffee)[:, :, ::-1].astype(np.uint16) * 257
    written, data = cv2.imencode(".png", deep)
    assert written
    assert difference(decode_photo(data.tobytes(), "photo").pixels, coffee) < 2


@pytest.mark.parametrize("mode", ["CMYK", "L", "RGB"])
def test_a_large_jpeg_of_any_colours_is_decoded_small_and_upright(
    coffee: PIL.Image.Image, mode: str
) -> None:
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = 6
    large = coffee.convert(mode).resize((3600, 2400))
    image = decode_photo(encoded(large, "JPEG", exif=exif, progressive=True), "photo")
    upright = coffee.convert(mode).transpose(PIL.Image.Transpose.ROTATE_270)
    assert (image.full_width, image.full_height) == (2400, 3600)
    assert 256 <= image.pixels.shape[1] < 520
    assert difference(image.pixels, upright) < 7


@pytest.mark.parametrize("format_", ["PNG", "WEBP"])
def test_other_formats_come_out_upright_too(coffee: PIL.Image.Image, format_: str) -> None:
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = 8
    image = decode_photo(encoded(coffee, format_, exif=exif, quality=95), "photo")
    assert (image.full_width, image.full_height) == (coffee.height, coffee.width)
    assert difference(image.pixels, coffee.transpose(PIL.Image.Transpose.ROTATE_90)) < 6


def test_what_phones_append_to_a_jpeg_does_no_harm(coffee: PIL.Image.Image) -> None:
    """Motion photos carry a video behind the picture, portraits a second JPEG."""
    data = encoded(coffee, "JPEG", quality=95)
    for appended in (b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 20, data):
        assert difference(decode_photo(data + appended, "photo").pixels, coffee) < 6


@pytest.mark.parametrize("noise", [bytes(range(250)) * 8, b"\xff" * 2000, b""])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_a_jpeg_damaged_in_the_middle_is_refused(
    coffee: PIL.Image.Image, noise: bytes, share: float
) -> None:
    data = encoded(coffee, "JPEG", quality=95)
    start = int(len(data) * share)
    with pytest.raises(BadInput, match="truncated or damaged"):
        decode_photo(data[:start] + noise + data[start + 2000 :], "photo")


def test_a_few_bytes_of_padding_do_no_harm(coffee: PIL.Image.Image) -> None:
    data = encoded(coffee, "JPEG", quality=95)
    padded = data[:-2] + bytes(8) + data[-2:]
    assert difference(decode_photo(padded, "photo").pixels, coffee) < 6


def test_an_animated_webp_shows_its_first_frame(coffee: PIL.Image.Image) -> None:
    black = PIL.Image.new("RGB", coffee.size)
    data = encoded(coffee, "WEBP", save_all=True, append_images=[black], quality=95)
    assert difference(decode_photo(data, "photo").pixels, coffee) < 6


def test_transparent_parts_are_white() -> None:
    data = encoded(PIL.Image.new("RGBA", (300, 300), (0, 0, 0, 0)), "PNG")
    assert decode_photo(data, "photo").pixels.min() == 255


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.99])
@pytest.mark.parametrize(
    ("format_", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {}), ("HEIF", {})],
)
def test_a_truncated_photo_is_refused(
    coffee: PIL.Image.Image, format_: str, options: dict[str, object], share: float
) -> None:
    pillow_heif.register_heif_opener()
    data = encoded(coffee, format_, **options)
    with pytest.raises(BadInput, match=r"holiday\.jpg: "):
        decode_photo(data[: int(len(data) * share)], "holiday.jpg")


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff", b"GIF89a" + bytes(50)])
def test_what_is_no_photo_is_refused(data: bytes) -> None:
    with pytest.raises(BadInput):
        decode_photo(data, "note.txt")


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_a_picture_over_the_pixel_limit_is_not_decoded(format_: str) -> None:
    data = encoded(PIL.Image.new("RGB", (2000, 2000)), format_)
    with pytest.raises(BadInput, match="2000 x 2000 pixels is over the limit"):
        decode_photo(data, "bomb", PhotoSettings(max_pixels=1_000_000))


@given(st.binary(max_size=200))
def test_no_exif_bytes_break_the_orientation(noise: bytes) -> None:
    header = b"\xff\xd8\xff\xe1" + (len(noise) + 8).to_bytes(2, "big") + b"Exif\0\0"
    assert 1 <= jpeg_orientation(header + noise) <= 8
    assert 1 <= jpeg_orientation(b"\xff\xd8" + noise) <= 8
