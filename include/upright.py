"""Pictures as people see them: EXIF's orientation is applied, and a picture's size is that of the upright picture.

Browsers, labelling tools (CVAT, Label Studio), OpenCV and what trains on it (Ultralytics, Detectron2) show and read a turned
photo upright, and so boxes are drawn on it; Pillow turns a TIFF by itself and nothing else. Every part of Visionloop that asks
for a picture's size or its pixels asks here, so that labels, training and serving mean the same picture.

numpy and Pillow alone: a served bundle carries this file.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """What makes an opened picture upright; None: it is, or its EXIF cannot be read. Of a TIFF it is Pillow's own business.

    Not by `getexif`, which decodes the whole of a PNG, and believes XMP, too, as no viewer does.
    """
    said = Image.Exif()
    try:
        said.load(image.info.get("exif") or b"")
        return TURNS.get(said.get(ORIENTATION, 1))
    except Exception:  # damaged EXIF fails in many ways, in a picture that is as good as any
        return None


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height, from the header."""
    width, height = image.size
    return (height, width) if swaps(turn_of(image)) else (width, height)


def swaps(turn: Image.Transpose | None) -> bool:
    """Does it make width of height?"""
    return turn is not None and turn not in (TURNS[2], TURNS[3], TURNS[4])


def upright(image: Image.Image) -> Image.Image:
    """The picture, decoded and turned; itself where there is nothing to turn."""
    turn = turn_of(image)
    image.load()
    return image if turn is None else image.transpose(turn)


def in_rgb(image: Image.Image) -> Image.Image:
    """As a detector sees it: upright, three times 8 bits."""
    return eight_bits(upright(image)).convert("RGB")


def eight_bits(image: Image.Image) -> Image.Image:
    """Deep grey, its own darkest to its own brightest: Pillow would cut all above 255 off, to white. Others: as they are."""
    if image.mode[0] not in "IF":
        return image
    values = np.asarray(image, np.float64)
    low, high = float(values.min()), float(values.max())
    return Image.fromarray(((values - low) * (255 / max(high - low, 1e-9))).astype(np.uint8))
