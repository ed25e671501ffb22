"""Label Studio's brush masks: the RGBA bytes of an image, packed bit by bit.

32 bits: how many bytes there are; 5: bits in a byte, less one; 4 × 4: bits in which the length of a block is written, less one.
Then blocks: 1 bit, whether it is one byte many times; 2: which of the four sizes; the length, less one; that byte, or all.
https://labelstud.io/guide/export#Brush-masks-in-Label-Studio-JSON-format names the format `rle`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
