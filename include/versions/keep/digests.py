"""Sets of md5s, millions of them, as sorted arrays: 16 bytes each, an eighth of what Python's strings take."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Names = NDArray[np.bytes_]
UNKNOWN = -1
# A listing's bytes have been checked against their md5: they are as include/versions/listing.py or DVC wrote them, and the
# quotes within a path are escaped.
ENTRY = re.compile(rb'"md5": "([0-9a-f]{32})", "relpath": ("(?:[^"\\]|\\.)*")')


def pack(md5s: Iterable[str]) -> Names:
    """32 hex digits each → 16 bytes each, in the same order."""
    packed = bytearray()
    for md5 in md5s:
        packed += bytes.fromhex(md5)
    return np.frombuffer(packed, "S16")


def unpack(names: Names) -> list[str]:
    """32 hex digits each."""
    text = names.tobytes().hex()
    return [text[start : start + 32] for start in range(0, len(text), 32)]


def listed(listing: bytes) -> Names:
    """The md5s of a listing, whose Python objects would take a gigabyte for a million files."""
    return pack(found[1].decode() for found in ENTRY.finditer(listing))


def relpaths_of(listing: bytes, md5s: frozenset[str]) -> Iterator[tuple[str, str]]:
    """(md5, relpath) of those entries of a listing."""
    for found in ENTRY.finditer(listing):
        if (md5 := found[1].decode()) in md5s:
            yield md5, json.loads(found[2])


@dataclass(frozen=True)
class Digests:
    """Sorted, each once, with a number each: its size in bytes, or UNKNOWN."""

    names: Names
    numbers: NDArray[np.int64]

    @classmethod
    def of(cls, names: Names, numbers: NDArray[np.int64] | None = None) -> Digests:
        """Of one that comes more than once, the first number counts."""
        sorted_names, first = np.unique(names, return_index=True)
        if numbers is None:
            return cls(sorted_names, np.full(len(sorted_names), UNKNOWN, np.int64))
        return cls(sorted_names, numbers[first])

    @classmethod
    def none(cls) -> Digests:
        return cls.of(np.empty(0, "S16"))

    def find(self, names: Names) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Where each of `names` is, and whether it is there at all."""
        if not len(self.names):
            return np.zeros(len(names), np.intp), np.zeros(len(names), np.bool_)
        at = np.searchsorted(self.names, names).clip(max=len(self.names) - 1)
        return at, self.names[at] == names

    def __contains__(self, md5: str) -> bool:
        return bool(self.find(pack([md5]))[1][0])

    def __add__(self, other: Digests) -> Digests:
        """Both; versions share most of what they have, so mostly little is added."""
        fresh = ~self.find(other.names)[1]
        if not fresh.any():
            return self
        names: Names = np.concatenate([self.names, other.names[fresh]])
        return Digests.of(names, np.concatenate([self.numbers, other.numbers[fresh]]))
