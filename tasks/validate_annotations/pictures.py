"""Is a file a whole picture, how large is it, and what does it look like? Of many, on all cores.

The size is the upright picture's, as labelling tools show it (include/upright.py). Hash and mean brightness are those that
dataset versions keep (include/versions/alike/fingerprints.py), so that no later step decodes the pictures again.

Threads, not processes: Pillow decodes and scales outside Python's lock. Measured by benchmarks/check_images.py.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition

import pyarrow as pa
from PIL import Image, UnidentifiedImageError

from include.storage.threads import as_they_end
from include.upright import swaps, turn_of, upright_size
from include.versions.alike.fingerprints import looks_of, thumbnail_of
from include.versions.progress import told

# Named, because Pillow else tries every format it knows, one of which (EPS) starts another program.
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "JPEG2000", "PPM")
PIXELS_AT_ONCE = 150_000_000  # some 600 MB while they are decoded
Image.MAX_IMAGE_PIXELS = None  # look() has its own limit, which sets one image aside instead of warning


@dataclass(frozen=True)
class Picture:
    """`problem` is null for a picture that decodes to its last pixel; the size is 0 × 0 where not even that is known.

    `turned`: the stored pixels have its width as height. `mode`: Pillow's, as stored: RGB, L, CMYK, I;16 …
    """

    width_px: int
    height_px: int
    problem: str | None
    turned: bool = False
    mode: str = ""
    phash: str | None = None
    brightness: float | None = None

    @property
    def size(self) -> str:
        return f"{self.width_px}×{self.height_px}"


class Memory:
    """Lets pictures of so many pixels together be decoded at once; a larger one, alone."""

    def __init__(self, pixels: float) -> None:
        self.pixels, self.used, self.changed = pixels, 0, Condition()

    @contextmanager
    def holding(self, pixels: int) -> Iterator[None]:
        with self.changed:
            self.changed.wait_for(lambda: not self.used or self.used + pixels <= self.pixels)
            self.used += pixels
        try:
            yield
        finally:
            with self.changed:
                self.used -= pixels
                self.changed.notify_all()


def look(data: bytes, max_megapixels: float, memory: Memory | None = None) -> Picture:
    """Decode all of it. Never raises: what is wrong with the bytes is in the answer."""
    width = height = 0
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = upright_size(image)
            mode, pixels, turned = image.mode, width * height, swaps(turn_of(image))
            if pixels > max_megapixels * 1e6:
                return Picture(width, height, f"{pixels / 1e6:.0f} megapixels; at most {max_megapixels:g} are decoded")
            with (memory or Memory(pixels)).holding(pixels):
                seen = looks_of(thumbnail_of(image))
    # decoders fail on damaged bytes in many ways (OSError, SyntaxError, ValueError, struct.error, …): all mean the same
    except Exception as error:
        return Picture(width, height, _reason(data, error))
    return Picture(width, height, None, turned, mode, *seen)


def look_at_all(
    read: Callable[[str], bytes], md5s: Iterable[str | None], max_megapixels: float, log: logging.Logger
) -> dict[str, Picture]:
    """By md5, each decoded once, however many rows have it. Twice as many threads as cores: half may wait for the network."""
    wanted = [md5 for md5 in dict.fromkeys(md5s) if md5 is not None]
    memory = Memory(PIXELS_AT_ONCE)
    found = as_they_end(lambda md5: (md5, look(read(md5), max_megapixels, memory)), wanted, 2 * len(os.sched_getaffinity(0)))
    return dict(told(found, len(wanted), log, "pictures checked"))


def as_seen(images: pa.Table, pictures: Mapping[str, Picture]) -> pa.Table:
    """The IMAGES table with the hashes and brightness of its pictures; null where there is none, or it cannot be read."""
    seen = [pictures.get(md5) for md5 in images["md5"].to_pylist()]
    columns = {
        "phash": pa.array([one and one.phash for one in seen], pa.string()),
        "brightness": pa.array([one and one.brightness for one in seen], pa.float64()),
    }
    for name, column in columns.items():  # a batch made before there were hashes lacks the column
        at = images.schema.get_field_index(name)
        images = images.append_column(name, column) if at < 0 else images.set_column(at, name, column)
    return images


def _reason(data: bytes, error: Exception) -> str:
    if not data:
        return "an empty file"
    if isinstance(error, UnidentifiedImageError):
        return f"not an image: starts with {data[:8]!r}"
    return f"damaged: {error}" if str(error) else f"damaged: {type(error).__name__}"
