"""Label Studio's brush masks: the RGBA bytes of an image, packed bit by bit.

32 bits: how many bytes there are; 5: bits in a byte, less one; 4 × 4: bits in which the length of a block is written, less one.
Then blocks: 1 bit, whether it is one byte many times; 2: which of the four sizes; the length, less one; that byte, or all.
https://labelstud.io/guide/export#Brush-masks-in-Label-Studio-JSON-format names the format `rle`.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from include.labelling.drawings import Box

if TYPE_CHECKING:
    import numpy as np

ALPHA = 3


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._digits, self._at = "".join(f"{byte:08b}" for byte in data), 0

    def read(self, count: int) -> int:
        taken = self._digits[self._at : self._at + count]
        if len(taken) < count:
            raise ValueError("the mask ends early")
        self._at += count
        return int(taken, 2)


def brush_mask(rle: list[int], width: int, height: int) -> np.ndarray:
    """True where the brush was, `(height, width)`. Raises ValueError for what is no mask of that size."""
    import numpy as np

    bits = _Bits(bytes(rle))
    total, byte_bits = bits.read(32), bits.read(5) + 1
    if total != 4 * width * height:
        raise ValueError(f"got {total} bytes, expected {4 * width * height}")
    size_bits = [bits.read(4) + 1 for _ in range(4)]
    values: list[int] = []
    lengths: list[int] = []
    missing = total
    while missing > 0:
        is_repeated = bits.read(1)
        length = 1 + bits.read(size_bits[bits.read(2)])
        block = [bits.read(byte_bits)] if is_repeated else [bits.read(byte_bits) for _ in range(length)]
        values += block
        lengths += [length] if is_repeated else [1] * length
        missing -= length
    whole = np.repeat(np.array(values, dtype=np.uint8), lengths)[:total]
    return np.asarray(whole.reshape(height, width, 4)[..., ALPHA] > 0)


def mask_runs(mask: np.ndarray) -> tuple[Box, list[int]]:
    """The box around what is set in a mask `(height, width)`, and the runs inside it.

    Runs go row by row: unset first, then set, and so on. Raises ValueError for an empty mask.
    """
    import numpy as np

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise ValueError("nothing is set in the mask")
    x0, x1, y0, y1 = int(columns[0]), int(columns[-1]) + 1, int(rows[0]), int(rows[-1]) + 1
    flat = mask[y0:y1, x0:x1].astype(bool).ravel()
    edges = [0, *(np.flatnonzero(np.diff(flat)) + 1).tolist(), len(flat)]
    runs = [end - start for start, end in itertools.pairwise(edges)]
    return (float(x0), float(y0), float(x1 - x0), float(y1 - y0)), [0, *runs] if flat[0] else runs
