"""What a picture looks like, in 64 bits: pictures that look alike have few bits apart, however they were stored.

The hash is the usual pHash: signs of the lowest 8 × 8 frequencies (DCT) of a 32 × 32 grey thumbnail. It depends on the bytes
alone, so it is kept in a version's images table (column `phash`, 16 hex digits) and only new images are ever decoded.

Measured on 150 blood cell pictures and 150 aerial tiles: of each, stored again as JPEG of quality 20 or 50, at half or a third
of its size, 20% brighter, or blurred, at least 97 of 100 stay within 6 bits and a difference of 0.45 of the original. Of the
85,767 pairs of different pictures one does: the same smear, moved a little (BCCD's BloodImage_00037 in val and 00038 in train);
the next closest pair has a difference of 0.75. A difference hash (dHash) of this length put 915 of 44,850 pairs of drawn shapes
within 6 bits; this one, 11.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from include.upright import eight_bits, turn_of

SIDE = 32
KEPT = 8  # frequencies per axis
FLAT = "0" * 16  # nothing to compare: one colour, or not readable. No other picture has it: half of its bits are set
MIN_CONTRAST = 1.0  # mean deviation from the mean grey, of 255: below, a hash would be noise
Thumbnail = NDArray[np.uint8]
Levelled = NDArray[np.float32]

_n = np.arange(SIDE)
DCT = np.cos(np.pi * (2 * _n[None, :] + 1) * _n[:KEPT, None] / (2 * SIDE))  # (8, 32), unscaled: only signs are asked


class Looks(NamedTuple):
    """`phash`: 16 hex digits, FLAT for what looks like nothing. `brightness`: mean luma, 0 black to 1 white; null: unreadable."""

    phash: str
    brightness: float | None


def thumbnail(data: bytes) -> Thumbnail | None:
    """(32, 32, 3) RGB, whatever the picture's size and format; None where it cannot be decoded."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return thumbnail_of(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def thumbnail_of(image: Image.Image) -> Thumbnail:
    """The same of a picture that was opened and not yet decoded, upright. All its bytes are decoded; raises what Pillow raises.

    A JPEG is decoded at a fraction of its size, which leaves out transforms but no code word: damage shows all the same.
    """
    image.draft("RGB", (4 * SIDE, 4 * SIDE))
    turn = turn_of(image)
    image.load()
    plain = eight_bits(image)
    small = (plain if plain.mode == "RGB" else plain.convert("RGB")).resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small if turn is None else small.transpose(turn))


def looks(data: bytes) -> Looks:
    """Of a file's bytes."""
    small = thumbnail(data)
    return Looks(FLAT, None) if small is None else looks_of(small)


def looks_of(small: Thumbnail) -> Looks:
    """Of a thumbnail."""
    grey = small @ np.array([0.299, 0.587, 0.114])
    mean = float(grey.mean())
    brightness = round(mean / 255, 4)
    if np.abs(grey - mean).mean() < MIN_CONTRAST:
        return Looks(FLAT, brightness)
    frequencies = (DCT @ grey @ DCT.T).reshape(-1)
    above = frequencies > np.median(frequencies[1:])  # the first is the mean grey
    return Looks(bytes(np.packbits(above)).hex(), brightness)


def as_numbers(hashes: list[str]) -> NDArray[np.uint64]:
    return np.array([int(one, 16) for one in hashes], np.uint64)


def differences(ones: Sequence[Levelled | None], others: Sequence[Levelled | None]) -> NDArray[Any]:
    """Mean absolute difference of levelled thumbnails, pair by pair: 0 is the same, 1 and more is unrelated; NaN: no picture."""
    pairs = zip(ones, others, strict=True)
    return np.array([np.nan if a is None or b is None else np.abs(a - b).mean() for a, b in pairs], np.float64)


def levelled(small: Thumbnail) -> Levelled:
    """Mean 0 in each channel, mean deviation 1 in all: brightness, contrast and colour cast do not count."""
    values = (small - small.mean(axis=(0, 1), dtype=np.float64)).astype(np.float32)
    return np.asarray(values / max(float(np.abs(values).mean()), 1e-9))
