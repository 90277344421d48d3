"""Pictures of drawn signs, on a real photo, in fonts, sizes and turns of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from glasses_signals.models.manifest import manifests_dir

SIZE = (756, 1008)  # a quarter of 12 megapixels, portrait


@dataclass(frozen=True)
class Style:
    """`font`: a Hershey font of OpenCV, or None for Pillow's own (Aileron)."""

    font: int | None = None
    height: int = 32
    degrees: float = 0
    ink: str = "black"
    paper: str = "white"


STYLES = (
    Style(),
    Style(height=20),
    Style(height=44, degrees=-9, ink="white", paper="darkgreen"),
    Style(height=36, degrees=90),
    Style(height=32, degrees=180),
    Style(height=40, degrees=270, ink="navy", paper="khaki"),
    Style(cv2.FONT_HERSHEY_DUPLEX, degrees=6),
    Style(cv2.FONT_HERSHEY_TRIPLEX, height=40),
    Style(cv2.FONT_HERSHEY_COMPLEX | cv2.FONT_ITALIC, height=36),
)


def sign(lines: Sequence[str], style: Style = STYLES[0]) -> PIL.Image.Image:
    """The lines on a sheet of paper that lies on a photo."""
    picture = PIL.Image.open(manifests_dir() / "parity" / "coffee.jpg").convert("RGB").resize(SIZE)
    sheet = _sheet(lines, style).rotate(
        style.degrees, expand=True, resample=PIL.Image.Resampling.BICUBIC
    )
    sheet.thumbnail((SIZE[0] - 20, SIZE[1] - 20))
    place = ((SIZE[0] - sheet.width) // 2, (SIZE[1] - sheet.height) // 2)
    picture.paste(sheet, place, sheet)
    return picture


def _sheet(lines: Sequence[str], style: Style) -> PIL.Image.Image:
    drawn = [_drawn(line, style) for line in lines]
    step = max(image.height for image in drawn)
    margin = style.height // 2
    width = max(image.width for image in drawn) + 2 * margin
    sheet = PIL.Image.new("RGBA", (width, step * len(drawn) + 2 * margin), style.paper)
    for index, image in enumerate(drawn):
        sheet.paste(image, (margin, margin + index * step))
    return sheet


def _drawn(line: str, style: Style) -> PIL.Image.Image:
    if style.font is None:
        font = PIL.ImageFont.load_default(size=style.height)
        size = (round(font.getlength(line)) + 4, round(1.35 * style.height))
        image = PIL.Image.new("RGB", size, style.paper)
        PIL.ImageDraw.Draw(image).text((2, 0), line, fill=style.ink, font=font)
        return image
    scale = cv2.getFontScaleFromHeight(style.font & ~cv2.FONT_ITALIC, round(0.7 * style.height), 2)
    (width, _), _ = cv2.getTextSize(line, style.font, scale, 2)
    canvas = np.full((round(1.6 * style.height), width + 8, 3), 255, np.uint8)
    cv2.putText(canvas, line, (4, style.height), style.font, scale, (0, 0, 0), 2, cv2.LINE_AA)
    return PIL.Image.fromarray(canvas)
