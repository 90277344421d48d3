"""The one EXIF field that decoding needs, read without an image library, as every photo has it."""

from __future__ import annotations

import struct

_ORIENTATION_TAG = 0x0112
_SHORT = 3


def jpeg_orientation(data: bytes) -> int:
    """EXIF orientation 1..8 of a JPEG file's bytes; 1 when there is none or it makes no sense."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker in (0xD9, 0xDA):  # end of image, start of scan: no more headers
            break
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        body = data[position + 4 : position + 2 + length]
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            return _tiff_orientation(body[6:])
        position += 2 + length
    return 1


def _tiff_orientation(tiff: bytes) -> int:
    """Orientation from a TIFF block (TIFF 6.0: byte order, 42, offset of the first directory)."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, directory)
        for index in range(entries):
            tag, kind, _, value = struct.unpack_from(
                order + "HHIH", tiff, directory + 2 + 12 * index
            )
            if tag == _ORIENTATION_TAG:
                return value if kind == _SHORT and 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
