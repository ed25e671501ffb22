"""An object as a file that can be read from anywhere: only the stretches that are asked for come over the network."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BUFFER_BYTES = 2**18


class Ranges(io.RawIOBase):
    """`read(start, length)` gives the bytes; there are `size_bytes` of them."""

    def __init__(self, read: Callable[[int, int], bytes], size_bytes: int) -> None:
        self._read, self.size_bytes, self.position = read, size_bytes, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.position = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.size_bytes}[whence])
        return self.position

    def tell(self) -> int:
        return self.position

    def readinto(self, buffer: WriteableBuffer) -> int:
        target = memoryview(buffer).cast("B")
        length = min(len(target), self.size_bytes - self.position)
        if length <= 0:
            return 0
        target[:length] = self._read(self.position, length)
        self.position += length
        return length


def as_file(read: Callable[[int, int], bytes], size_bytes: int) -> io.BufferedReader:
    return io.BufferedReader(Ranges(read, size_bytes), BUFFER_BYTES)
