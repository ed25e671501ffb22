"""Many stored pictures, decoded a batch at a time, for a detector to look at."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence

from PIL import Image

from include.errors import BadInputError
from include.storage.content import in_threads
from include.upright import in_rgb

IMAGES_AT_ONCE = 64  # read while the ones before are being looked at; bounds the memory
MOST_DETECTIONS = 100  # per picture: COCO metrics look at no more
Opened = Image.Image | BadInputError


def batches(pictures: Sequence[tuple[str, str]], read: Callable[[str], bytes]) -> Iterator[list[Opened]]:
    """RGB pictures, or what is wrong with them, in the order of `pictures` (name, md5). `read` gives an image's bytes by md5."""
    for start in range(0, len(pictures), IMAGES_AT_ONCE):
        some = pictures[start : start + IMAGES_AT_ONCE]
        files = in_threads(read, [md5 for _, md5 in some])
        yield [_open(name, data) for (name, _), data in zip(some, files, strict=True)]


def _open(name: str, data: bytes) -> Opened:
    try:
        with Image.open(io.BytesIO(data)) as image:
            return in_rgb(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return BadInputError(f"image {name} cannot be read ({error}); build a new version without it")
