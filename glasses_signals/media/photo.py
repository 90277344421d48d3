"""Photos to upright RGB pixels, decoded no larger than a tagger can use.

JPEGs are decoded at a reduced DCT scale (1/2, 1/4, 1/8) by libjpeg-turbo, which costs a small part
of a full decode. What can't be decoded to its end is refused: half a picture has half a meaning.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import simplejpeg

from glasses_signals.errors import BadInput
from glasses_signals.media.exif import jpeg_orientation
from glasses_signals.records import Image

if TYPE_CHECKING:
    import PIL.Image
    from numpy.typing import NDArray

_JPEG_MAGIC = b"\xff\xd8\xff"
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
# libjpeg warns about many harmless things; only these mean that pixels are missing or wrong.
_JPEG_DAMAGE = ("premature end", "corrupt jpeg data: bad huffman", "unsupported marker")
_JPEG_LEFT_OVER = re.compile(r"(\d+) extraneous bytes before marker")
_MUCH_LEFT_OVER = 64  # bytes: fewer are padding that some encoders leave
_EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class PhotoSettings:
    """`min_side`: the decoded short side in pixels never falls below it (unless the photo's does).

    The default suits a classifier that looks at 224 of 256 pixels; text needs three times that.
    Photos of more than `max_pixels` or `max_bytes` are refused before a pixel is decoded: glasses
    and most phones make 12 to 50 megapixels.
    """

    min_side: int = 256
    max_pixels: int = 150_000_000
    max_bytes: int = 150_000_000


def photo_bytes(path: Path, settings: PhotoSettings) -> bytes:
    """A file's bytes. BadInput when there are more of them than a photo has; OSError."""
    size = path.stat().st_size
    if size > settings.max_bytes:
        raise BadInput(
            f"{path}: the file has {size:,} bytes, over the limit of {settings.max_bytes:,}; "
            "not opened"
        )
    return path.read_bytes()


def decode_photo(data: bytes, name: str, settings: PhotoSettings | None = None) -> Image:
    """Decode the bytes of a JPEG, PNG, WebP (first frame) or HEIC file. BadInput says why not.

    `name` is for messages only.
    """
    settings = settings or PhotoSettings()
    if not data:
        raise BadInput(f"{name}: the file is empty")
    if data.startswith(_JPEG_MAGIC):
        return _decode_jpeg(data, name, settings)
    return _decode_with_pillow(data, name, settings)


def _decode_jpeg(data: bytes, name: str, settings: PhotoSettings) -> Image:
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # KeyError: simplejpeg on a header cut off before its colours
        raise BadInput(f"{name}: the JPEG's header is truncated or damaged") from None
    _refuse_bomb(int(width), int(height), name, settings)
    if str(colorspace).upper() in ("CMYK", "YCCK"):
        return _decode_with_pillow(data, name, settings)
    options = {
        "colorspace": "RGB",
        "fastdct": True,
        "fastupsample": True,
        "min_height": settings.min_side,
        "min_width": settings.min_side,
    }
    try:
        pixels = simplejpeg.decode_jpeg(data, strict=True, **options)
    except ValueError as error:
        if _is_damage(str(error).lower()):
            raise BadInput(f"{name}: the JPEG is truncated or damaged: {error}") from None
        try:
            pixels = simplejpeg.decode_jpeg(data, strict=False, **options)
        except ValueError as hopeless:
            raise BadInput(f"{name}: the JPEG can't be decoded: {hopeless}") from None
    return _upright(pixels, jpeg_orientation(data), int(width), int(height))


def _is_damage(warning: str) -> bool:
    left_over = _JPEG_LEFT_OVER.search(warning)
    if left_over is not None:
        return int(left_over.group(1)) >= _MUCH_LEFT_OVER
    return any(damage in warning for damage in _JPEG_DAMAGE)


def _decode_with_pillow(data: bytes, name: str, settings: PhotoSettings) -> Image:
    import PIL.Image

    PIL.Image.MAX_IMAGE_PIXELS = None  # our own limit is checked below, before any pixel is decoded
    formats = ["PNG", "WEBP", "JPEG"]
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        import pillow_heif

        pillow_heif.register_heif_opener()
        formats = ["HEIF"]
    try:
        with PIL.Image.open(io.BytesIO(data), formats=formats) as picture:
            width, height = picture.size
            _refuse_bomb(width, height, name, settings)
            # pillow-heif turns pictures upright itself, and says so by resetting the tag.
            orientation = int(picture.getexif().get(_EXIF_ORIENTATION, 1))
            picture.draft("RGB", (settings.min_side, settings.min_side))
            picture.load()
            pixels = _rgb(picture, settings.min_side)
    except PIL.UnidentifiedImageError:
        if formats == ["HEIF"]:
            raise BadInput(f"{name}: the HEIC picture is truncated or damaged") from None
        raise BadInput(f"{name}: not a JPEG, PNG, WebP or HEIC picture") from None
    except (OSError, ValueError, SyntaxError, EOFError, RuntimeError) as error:
        raise BadInput(f"{name}: the picture is truncated or damaged: {error}") from None
    return _upright(pixels, orientation, width, height)


def _rgb(picture: PIL.Image.Image, min_side: int) -> NDArray[np.uint8]:
    """The picture as uint8 [H, W, 3]: deep greys scaled down, transparency laid on white."""
    import PIL.Image

    if picture.mode.startswith("I") or picture.mode == "F":
        grey = np.asarray(picture)
        scaled = (np.clip(grey, 0, 65535).astype(np.uint16) >> 8).astype(np.uint8)
        picture = PIL.Image.fromarray(scaled)
    factor = min(picture.size) // min_side
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        paper = PIL.Image.new("RGBA", picture.size, "white")
        picture = PIL.Image.alpha_composite(paper, picture)
    picture = picture.convert("RGB")
    if factor >= 2:
        picture = picture.reduce(factor)
    return np.asarray(picture)


def _refuse_bomb(width: int, height: int, name: str, settings: PhotoSettings) -> None:
    if width <= 0 or height <= 0:
        raise BadInput(f"{name}: a picture of {width} x {height} pixels")
    if width * height > settings.max_pixels:
        raise BadInput(
            f"{name}: {width} x {height} pixels is over the limit of {settings.max_pixels:,}; "
            "not decoded"
        )


def _upright(
    pixels: NDArray[np.uint8], orientation: int, full_width: int, full_height: int
) -> Image:
    """Apply an EXIF orientation (1..8, others count as 1). EXIF 2.32, 4.6.4, tag 274."""
    if orientation in (2, 4):
        pixels = pixels[:, ::-1] if orientation == 2 else pixels[::-1]
    elif orientation == 3:
        pixels = pixels[::-1, ::-1]
    elif orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
        if orientation in (6, 7):
            pixels = pixels[:, ::-1]
        if orientation in (7, 8):
            pixels = pixels[::-1]
        full_width, full_height = full_height, full_width
    return Image(np.ascontiguousarray(pixels), full_width, full_height)
