"""Objects read and hashed: missing, truncated, changed, unreadable, or whole."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from obstore.exceptions import BaseError

from include.artifacts.storage_audit import What
from include.errors import BadInputError, StepError
from include.storage import ContentStore
from include.storage.content import content_key, in_threads, md5_of
from include.versions.keep.digests import UNKNOWN, Names, unpack

AT_ONCE = 1024  # objects handed to the threads together: a million waiting ones would take a gigabyte
LOG_EVERY_S = 30
log = logging.getLogger("verify")


@dataclass(frozen=True)
class Bad:
    """What is wrong with the object at `key`."""

    key: str
    what: What
    expected: str
    got: str


def judge(key: str, md5: str, size: int, got_md5: str, got_size: int) -> Bad | None:
    """Bytes that were read, against their name and their size as the version's table has it (or UNKNOWN)."""
    if got_md5 == md5:
        return None if size in (UNKNOWN, got_size) else Bad(key, "wrong size", f"{size} bytes", f"{got_size} bytes")
    if size != UNKNOWN and got_size < size:
        return Bad(key, "truncated", f"{md5}, {size} bytes", f"{got_md5}, {got_size} bytes")
    return Bad(key, "changed", md5, got_md5)


class Examiner:
    """Reads objects of one store, each piece by piece, and counts them.

    Raises StepError where the server stops giving bytes: that is no damage, and nothing may be marked for it.
    """

    def __init__(self, content: ContentStore) -> None:
        self.content, self.store = content, content.store
        self.read, self.unreadable = 0, 0
        self._whole: str | None = None  # key of an object that was read and found whole

    def own(self, name: str) -> tuple[bytes, Bad | None]:
        """All bytes of an object, and what is wrong with them; nothing where they cannot be had. `name` may end in `.dir`."""
        key, md5 = content_key(name), name.removesuffix(".dir")
        self.read += 1
        try:
            data = self.store.read(key)
        except FileNotFoundError:
            return b"", Bad(key, "missing", md5, "no object")
        except BaseError as error:
            return b"", self._unreadable(key, md5, error)
        return data, self._noted(key, judge(key, md5, UNKNOWN, md5_of(data), len(data)))

    def _noted(self, key: str, bad: Bad | None) -> Bad | None:
        self._whole = key if bad is None else self._whole
        return bad

    def _unreadable(self, key: str, md5: str, error: Exception) -> Bad:
        self.unreadable += 1
        return Bad(key, "unreadable", md5, str(error).splitlines()[0])

    def _examine(self, md5: str, size: int) -> Bad | None:
        """By content; where that is missing, at the places where it was adopted, of which one is enough."""
        first = self._examine_at(content_key(md5), md5, size)
        if first is None or first.what != "missing":
            return first
        try:
            places = self.content.adopted.keys(md5)
        except BadInputError as error:
            return Bad(f"adopted/{md5[:2]}", "unreadable", md5, str(error))
        found: list[Bad] = []
        for key in places:
            if (bad := self._examine_at(key, md5, size)) is None:
                return None
            found.append(bad)
        return found[0] if found else first

    def _examine_at(self, key: str, md5: str, size: int) -> Bad | None:
        digest, got_size = hashlib.md5(usedforsecurity=False), 0
        try:
            for piece in self.store.chunks(key):
                digest.update(piece)
                got_size += len(piece)
        except FileNotFoundError:
            return Bad(key, "missing", md5, "no object")
        except BaseError as error:
            return self._unreadable(key, md5, error)
        return self._noted(key, judge(key, md5, size, digest.hexdigest(), got_size))

    def many(self, names: Names, sizes: NDArray[np.int64]) -> dict[str, Bad]:
        """By md5: those that are not whole."""
        bad: dict[str, Bad] = {}
        said, done = time.monotonic(), 0
        for few in _slices(names, sizes):
            unreadable_before = self.unreadable
            found = in_threads(lambda one: self._examine(*one), few)
            bad |= {md5: one for (md5, _), one in zip(few, found, strict=True) if one is not None}
            self.read, done = self.read + len(few), done + len(few)
            if self.unreadable > unreadable_before:
                self.check_that_it_reads()
            if time.monotonic() - said > LOG_EVERY_S:
                said = time.monotonic()
                log.info("%d of %d objects read, %d damaged", done, len(names), len(bad))
        return bad

    def check_that_it_reads(self) -> None:
        """After unreadable objects: does the server give the bytes of any that was whole a moment ago?"""
        try:
            if not self.unreadable or (self._whole is not None and self.store.read(self._whole) is not None):
                return
        except (FileNotFoundError, BaseError):
            pass
        raise StepError(
            f"{self.store.url}: lists objects but gives none of their bytes; nothing was marked; mend the server first"
        )


def _slices(names: Names, sizes: NDArray[np.int64]) -> Iterator[list[tuple[str, int]]]:
    for start in range(0, len(names), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        yield list(zip(unpack(names[some]), sizes[some].tolist(), strict=True))
