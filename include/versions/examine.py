"""Objects read and hashed: missing, truncated, changed, unreadable, or whole."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from obstore.exceptions import BaseError

from include.artifacts.storage_audit import What
from include.errors import StepError
from include.storage import Store
from include.storage.content import content_key, in_threads, md5_of
from include.versions.digests import UNKNOWN, Names, unpack

AT_ONCE = 1024  # objects handed to the threads together: a million waiting ones would take a gigabyte
LOG_EVERY_S = 30
log = logging.getLogger("verify")


@dataclass(frozen=True)
class Bad:
    """What is wrong with an object."""

    what: What
    expected: str
    got: str


def where_is(md5: str) -> str:
    """The key under which the bytes of this name are kept."""
    return content_key(md5)


def judge(md5: str, size: int, got_md5: str, got_size: int) -> Bad | None:
    """Bytes that were read, against their name and their size as the version's table has it (or UNKNOWN)."""
    if got_md5 == md5:
        return None if size in (UNKNOWN, got_size) else Bad("wrong size", f"{size} bytes", f"{got_size} bytes")
    if size != UNKNOWN and got_size < size:
        return Bad("truncated", f"{md5}, {size} bytes", f"{got_md5}, {got_size} bytes")
    return Bad("changed", md5, got_md5)


class Examiner:
    """Reads objects of one store, each piece by piece, and counts them."""

    def __init__(self, store: Store) -> None:
        self.store, self.read, self.unreadable = store, 0, ""

    def own(self, name: str) -> tuple[bytes, Bad | None]:
        """All bytes of an object, and what is wrong with them; nothing where they cannot be had. `name` may end in `.dir`."""
        md5 = name.removesuffix(".dir")
        self.read += 1
        try:
            data = self.store.read(where_is(name))
        except FileNotFoundError:
            return b"", Bad("missing", md5, "no object")
        except BaseError as error:
            return b"", self._unreadable(md5, error)
        return data, judge(md5, UNKNOWN, md5_of(data), len(data))

    def _unreadable(self, md5: str, error: Exception) -> Bad:
        self.unreadable = str(error).splitlines()[0]
        return Bad("unreadable", md5, self.unreadable)

    def _examine(self, md5: str, size: int) -> Bad | None:
        digest, got_size = hashlib.md5(usedforsecurity=False), 0
        try:
            for piece in self.store.chunks(where_is(md5)):
                digest.update(piece)
                got_size += len(piece)
        except FileNotFoundError:
            return Bad("missing", md5, "no object")
        except BaseError as error:
            return self._unreadable(md5, error)
        return judge(md5, size, digest.hexdigest(), got_size)

    def many(self, names: Names, sizes: NDArray[np.int64]) -> dict[str, Bad]:
        """By md5: those that are not whole. Raises StepError where nothing at all can be read: then the server is broken."""
        bad: dict[str, Bad] = {}
        said = time.monotonic()
        for start in range(0, len(names), AT_ONCE):
            few = list(zip(unpack(names[start : start + AT_ONCE]), sizes[start : start + AT_ONCE].tolist(), strict=True))
            found = in_threads(lambda one: self._examine(*one), few)
            bad |= {md5: one for (md5, _), one in zip(few, found, strict=True) if one is not None}
            self.read += len(few)
            if time.monotonic() - said > LOG_EVERY_S:
                said = time.monotonic()
                log.info("%d of %d objects read, %d damaged", start + len(few), len(names), len(bad))
        if bad and all(one.what == "unreadable" for one in bad.values()) and len(bad) == self.read:
            raise StepError(f"{self.store.url}: lists objects but gives none of their bytes: {self.unreadable}")
        return bad
