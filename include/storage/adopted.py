"""Where adopted bytes lie: objects of the bucket that versions use without a copy of them.

    adopted/<first 2 hex of their md5s>/<md5 of the file>.jsonl.gz     lines {"md5", "key", "etag", "size_bytes"} by md5

256 files an adoption, not one for each object: a million small objects take long to write and twice as long to read. Written
create-only, named by content (of the lines); a further adoption adds files with what is new. A process keeps those that it
needed: about 150 bytes an object.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from itertools import groupby
from threading import Lock
from typing import NamedTuple

from include.errors import BadInputError
from include.storage.store import Store

FOLDER = "adopted"


class Lies(NamedTuple):
    """One adopted object, as it was when it was adopted."""

    md5: str
    key: str
    etag: str
    size_bytes: int

    def line(self) -> bytes:
        return json.dumps(self._asdict(), ensure_ascii=False).encode()


class Adopted:
    """All adoptions of a store, together."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._shards: dict[str, bytes] = {}
        self._lock = Lock()

    def known(self, md5: str) -> list[str]:
        """Keys, from what this process has read already; none where it has not looked yet."""
        return find(self._shards.get(md5[:2], b""), md5)

    def keys(self, md5: str) -> list[str]:
        """Where the bytes were when they were adopted; several if they lie in several places."""
        return find(self._shard(md5[:2]), md5)

    def _shard(self, start: str) -> bytes:
        with self._lock:
            if start not in self._shards:
                self._shards[start] = self._read(start)
            return self._shards[start]

    def _read(self, start: str) -> bytes:
        files = sorted(entry.key for entry in self.store.list(f"{FOLDER}/{start}"))
        return b"\n".join(self._lines(key) for key in files)

    def _lines(self, key: str) -> bytes:
        """Of one file, checked. Raises BadInputError where it is damaged."""
        try:
            lines = gzip.decompress(self.store.read(key))
        except (OSError, EOFError, zlib.error) as error:
            if isinstance(error, FileNotFoundError):
                raise
            lines = b""
        if _name(lines) != key.rpartition("/")[2]:
            raise BadInputError(
                f"{self.store.url}/{key}: damaged; it says where adopted bytes lie: restore it, or delete it and adopt again"
            )
        return lines

    def recorded(self, start: str) -> Iterator[Lies]:
        """All objects whose md5 begins with these two digits. Raises BadInputError where a record is damaged."""
        for line in self._shard(start).splitlines():
            if line:
                yield Lies(**json.loads(line))

    def add(self, objects: Iterable[Lies]) -> int:
        """Keep where they lie; returns how many were new. What is known already is not written again.

        Give them in the order of their md5s: those with the same two first digits are in memory together, and go to one file.
        """
        added = 0
        for start, some in groupby(objects, lambda one: one.md5[:2]):
            known = frozenset(self._read(start).splitlines())
            if lines := sorted({one.line() for one in some} - known):
                data = b"\n".join(lines) + b"\n"
                self.store.create(f"{FOLDER}/{start}/{_name(data)}", gzip.compress(data, 6, mtime=0))
                added += len(lines)
                with self._lock:
                    self._shards.pop(start, None)
        return added


def _name(lines: bytes) -> str:
    return f"{hashlib.md5(lines, usedforsecurity=False).hexdigest()}.jsonl.gz"


def find(shard: bytes, md5: str) -> list[str]:
    """Keys of a shard's lines with this md5."""
    found, position = [], 0
    head = b'{"md5": "' + md5.encode() + b'"'
    while (position := shard.find(head, position)) >= 0:
        end = shard.find(b"\n", position)
        found.append(str(json.loads(shard[position : end if end >= 0 else len(shard)])["key"]))
        position += len(head)
    return found
