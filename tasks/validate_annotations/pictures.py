"""Is a file a whole picture, and how large is it really?"""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

# Named, because Pillow else tries every format it knows, one of which (EPS) starts another program.
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "JPEG2000", "PPM")
EXIF_ORIENTATION = 0x0112
Image.MAX_IMAGE_PIXELS = None  # look() has its own limit, which sets one image aside instead of warning


@dataclass(frozen=True)
class Picture:
    """`problem` is null for a picture that decodes to its last pixel; the size is 0 × 0 where not even that is known."""

    width_px: int
    height_px: int
    problem: str | None
    turned: bool = False

    @property
    def size(self) -> str:
        return f"{self.width_px}×{self.height_px}"


def look(data: bytes, max_megapixels: float) -> Picture:
    """Decode all of it. Never raises: what is wrong with the bytes is in the answer."""
    width = height = 0
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > max_megapixels * 1e6:
                return Picture(width, height, f"{width * height / 1e6:.0f} megapixels; at most {max_megapixels:g} are decoded")
            turned = image.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
            image.load()
    # decoders fail on damaged bytes in many ways (OSError, SyntaxError, ValueError, struct.error, …): all mean the same
    except Exception as error:
        return Picture(width, height, _reason(data, error))
    return Picture(width, height, None, turned)


def _reason(data: bytes, error: Exception) -> str:
    if not data:
        return "an empty file"
    if isinstance(error, UnidentifiedImageError):
        return f"not an image: starts with {data[:8]!r}"
    return f"damaged: {error}" if str(error) else f"damaged: {type(error).__name__}"
