"""Pictures with boxes drawn, small enough to lie inside a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from PIL import Image, ImageDraw

LINE_PX = 2
DASH_PX = 5


@dataclass(frozen=True)
class Outline:
    """A box to draw: x, y, width, height in pixels of the picture."""

    box: Sequence[float]
    colour: str
    is_dashed: bool = False


def drawn(
    image: bytes,
    outlines: Iterable[Outline],
    longer_side_px: int = 400,
    quality: int = 82,
    window: tuple[int, int, int, int] | None = None,
) -> str:
    """A JPEG data URI; later outlines lie over earlier ones. `window`: x0 y0 x1 y1 px, only that part of the picture."""
    with Image.open(io.BytesIO(image)) as opened:
        picture = opened.convert("RGB")
    left, top = (0, 0) if window is None else window[:2]
    if window is not None:
        picture = picture.crop(window)
    scale = longer_side_px / max(picture.size)
    picture = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    pen = ImageDraw.Draw(picture)
    for one in outlines:
        x, y, width, height = (scale * float(value) for value in (one.box[0] - left, one.box[1] - top, *one.box[2:]))
        if one.is_dashed:
            draw_dashed(pen, (x, y, x + width, y + height), one.colour)
        else:
            pen.rectangle([x, y, x + width, y + height], outline=one.colour, width=LINE_PX)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def draw_dashed(pen: ImageDraw.ImageDraw, corners: tuple[float, float, float, float], colour: str) -> None:
    """A rectangle of dashes: Pillow draws none itself."""
    x0, y0, x1, y1 = corners
    for start in range(0, int(x1 - x0) + 1, 2 * DASH_PX):
        end = min(x0 + start + DASH_PX, x1)
        for y in (y0, y1):
            pen.line([x0 + start, y, end, y], fill=colour, width=LINE_PX)
    for start in range(0, int(y1 - y0) + 1, 2 * DASH_PX):
        end = min(y0 + start + DASH_PX, y1)
        for x in (x0, x1):
            pen.line([x, y0 + start, x, end], fill=colour, width=LINE_PX)


def figure(source: str, name: str, *caption: str) -> str:
    """HTML: a picture with lines of text below it."""
    lines = "<br>".join(escape(line) for line in caption)
    return f"<figure><img src='{source}' alt='{escape(name)}' title='{escape(name)}'><figcaption>{lines}</figcaption></figure>"


def grid(figures: Iterable[str]) -> str:
    return f"<div class=grid>{''.join(figures)}</div>"


def unreadable(image: bytes) -> bool:
    """Can it not be drawn? What is published was validated, but files that were adopted may be anything."""
    try:
        with Image.open(io.BytesIO(image)) as opened:
            opened.load()
    except (OSError, SyntaxError, ValueError):
        return True
    return False
