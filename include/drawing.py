"""Pictures with boxes drawn, small enough to lie inside a page."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from PIL import Image, ImageDraw

from include.upright import in_rgb, upright_size

LINE_PX = 2
DASH_PX = 5
RING_PX = 13  # around a box too small to be seen
MOST_MEGAPIXELS = 60  # decoded for a drawing: 180 MB of memory
# Named, because Pillow else tries every format it knows, one of which (EPS) starts another program.
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "JPEG2000", "PPM")
AROUND, CASING = "#3a4350", "#10151c"

Window = tuple[float, float, float, float]  # left, top, right, bottom in pixels of the picture; may reach beyond it


@dataclass(frozen=True)
class Outline:
    """A box to draw: x, y, width, height in pixels of the picture."""

    box: Sequence[float]
    colour: str
    is_dashed: bool = False


class NotDrawable(ValueError):
    """Why a picture cannot be shown."""


def drawn(
    image: bytes,
    outlines: Iterable[Outline],
    longer_side_px: int = 400,
    quality: int = 82,
    window: tuple[int, int, int, int] | None = None,
) -> str:
    """A JPEG data URI; later outlines lie over earlier ones. `window`: x0 y0 x1 y1 px, only that part of the picture."""
    with Image.open(io.BytesIO(image)) as opened:
        picture = in_rgb(opened)
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
    return _data_uri(picture, quality)


def detail(
    image: bytes, marked: Sequence[Outline], others: Sequence[Outline] = (), longer_side_px: int = 340, quality: int = 78
) -> str:
    """A JPEG data URI that shows the marked boxes, however small they are or far outside; the others with a thin line.

    Boxes may be of any numbers. Raises NotDrawable.
    """
    try:
        with Image.open(io.BytesIO(image), formats=FORMATS) as opened:
            full = upright_size(opened)
            window = window_of([one.box for one in marked], *full)
            scale = longer_side_px / max(window[2] - window[0], window[3] - window[1])
            opened.draft("RGB", (max(1, round(opened.width * scale)), max(1, round(opened.height * scale))))  # JPEG: smaller
            if opened.width * opened.height > MOST_MEGAPIXELS * 1e6:
                raise NotDrawable(f"{full[0] * full[1] / 1e6:.0f} megapixels: too large to be drawn here")
            picture = in_rgb(opened)
    except NotDrawable:
        raise
    except Exception as error:  # decoders fail on damaged bytes in many ways: all mean the same
        raise NotDrawable(f"cannot be decoded ({type(error).__name__})") from None
    shown = _through(picture, picture.width / full[0], window, scale)
    pen = ImageDraw.Draw(shown)
    for one, width_px in [*((one, 1) for one in others), *((one, LINE_PX) for one in marked)]:
        _mark(pen, one, window, scale, width_px)
    return _data_uri(shown, quality, subsampling=0)  # else thin lines lose their colour


def window_of(boxes: Iterable[Sequence[float]], width_px: int, height_px: int) -> Window:
    """What to show of a picture: all of it, and of what lies outside up to half of its size; or, where the boxes fill less than
    a quarter of both its sides and lie inside, their surroundings.
    """
    corners = [_clipped(box, width_px, height_px) for box in boxes if all(map(math.isfinite, box))]
    if not corners:
        return 0, 0, width_px, height_px
    left, top = (min(one[side] for one in corners) for side in (0, 1))
    right, bottom = (max(one[side] for one in corners) for side in (2, 3))
    is_outside = left < 0 or top < 0 or right > width_px or bottom > height_px
    if is_outside or right - left >= width_px / 4 or bottom - top >= height_px / 4:
        margin = 0.03 * max(width_px, height_px)
        return (
            left - margin if left < 0 else 0, top - margin if top < 0 else 0,
            right + margin if right > width_px else width_px, bottom + margin if bottom > height_px else height_px,
        )  # fmt: skip
    half = max(right - left, bottom - top, min(width_px, height_px) / 8, 8)
    x, y = (
        min(max((low + high) / 2 - half, 0), max(0, side - 2 * half))
        for low, high, side in ((left, right, width_px), (top, bottom, height_px))
    )
    return x, y, x + 2 * half, y + 2 * half


def _clipped(box: Sequence[float], width_px: int, height_px: int) -> Window:
    """Its corners, at most half a picture outside; of a negative side, the right way round."""
    x0, x1 = sorted((box[0], box[0] + box[2]))
    y0, y1 = sorted((box[1], box[1] + box[3]))
    x0, x1 = (min(max(x, -0.5 * width_px), 1.5 * width_px) for x in (x0, x1))
    y0, y1 = (min(max(y, -0.5 * height_px), 1.5 * height_px) for y in (y0, y1))
    return x0, y0, x1, y1


def _through(picture: Image.Image, decoded: float, window: Window, scale: float) -> Image.Image:
    """The window in its final size; around the picture is nothing. `decoded`: pixels of `picture` by those of the file."""
    left, top, right, bottom = window
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    a, c, f = 1 / scale * decoded, left * decoded, top * decoded
    is_shrunk = a > 2
    if is_shrunk:  # a transform takes single pixels: what is shrunk by much is made small first
        picture = picture.reduce(int(a))
        a, c, f = a / int(a), c / int(a), f / int(a)
    return picture.transform(size, Image.Transform.AFFINE, (a, 0, c, 0, a, f), Image.Resampling.BILINEAR, fillcolor=AROUND)


def _mark(pen: ImageDraw.ImageDraw, one: Outline, window: Window, scale: float, width_px: int) -> None:
    """A line that is seen on light and on dark; a ring around what is too small."""
    if not all(map(math.isfinite, one.box)):
        return
    most = 4 * (window[2] - window[0] + window[3] - window[1])  # Pillow's own integers are bounded
    x0, y0, x1, y1 = (
        scale * min(max(value - start, -most), most)
        for value, start in zip(
            (one.box[0], one.box[1], one.box[0] + one.box[2], one.box[1] + one.box[3]), window[:2] * 2, strict=True
        )
    )
    x0, x1, y0, y1 = *sorted((x0, x1)), *sorted((y0, y1))
    if one.is_dashed:
        draw_dashed(pen, (x0, y0, x1, y1), one.colour)
    else:
        pen.rectangle([x0 - 1, y0 - 1, x1 + 1, y1 + 1], outline=CASING)
        pen.rectangle([x0, y0, x1, y1], outline=one.colour, width=width_px)
    if width_px > 1 and max(x1 - x0, y1 - y0) < RING_PX:
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        pen.ellipse([x - RING_PX, y - RING_PX, x + RING_PX, y + RING_PX], outline=one.colour, width=width_px)


def _data_uri(picture: Image.Image, quality: int, subsampling: int = 2) -> str:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality, subsampling=subsampling)
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
