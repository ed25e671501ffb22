"""Bytes by content: every file once, under the md5 of its bytes, in exactly the layout of a DVC remote.

Layout: files/md5/<first 2 hex>/<other 30>, as DVC 3 writes and reads it. Bytes that were adopted where they lay
(include/storage/adopted.py) are read from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from include.errors import BadInputError
from include.storage.adopted import Adopted
from include.storage.condemned import Condemned
from include.storage.store import CHUNK_BYTES, Store

T = TypeVar("T")
R = TypeVar("R")
WHOLE_BYTES = 64 * 2**20  # a larger file is sent in pieces


def md5_of(data: bytes) -> str:
    """Hex md5: the name of a file's content, not a safeguard against forgery."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def content_key(md5: str) -> str:
    """The key of an object: `files/md5/ab/cdef…`; a directory object keeps its `.dir`."""
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def in_threads(work: Callable[[T], R], items: Iterable[T], threads: int = 16) -> Iterator[R]:
    """Results in the order of `items`; for work that waits on the network."""
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(work, items)


class ContentStore:
    """Content-addressed files in a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.adopted = Adopted(store)
        self.condemned = Condemned(store)

    def put(self, data: bytes, suffix: str = "") -> str:
        """Keep `data`; returns its md5 (+ suffix). Bytes already there are not sent again, and saved from `gc` if it condemned
        them.
        """
        md5 = md5_of(data) + suffix
        self.condemned.spare(md5)  # first: what it looks for now may be deleted a moment later
        if not self.store.exists(content_key(md5)):
            self.store.create(content_key(md5), data)
        return md5

    def put_file(self, path: Path) -> str:
        """The same of a local file, which may be larger than memory."""
        if path.stat().st_size <= WHOLE_BYTES:
            return self.put(path.read_bytes())
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            self.condemned.spare(md5)
            if not self.store.exists(content_key(md5)):
                file.seek(0)
                self.store.write_chunks(content_key(md5), iter(lambda: file.read(CHUNK_BYTES), b""))
        return md5

    def to_file(self, md5: str, path: Path) -> Path:
        """What a step wrote, as a local file: it may be more than memory holds. Raises BadInputError as `get` does."""
        digest = hashlib.md5(usedforsecurity=False)
        try:
            with path.open("wb") as file:
                for chunk in self.store.chunks(content_key(md5)):
                    digest.update(chunk)
                    file.write(chunk)
        except FileNotFoundError:
            digest = hashlib.md5(usedforsecurity=False)
        if digest.hexdigest() != md5:
            path.write_bytes(self.get(md5))  # says what is wrong
        return path

    def get(self, md5: str) -> bytes:
        """The bytes, checked against their name. Raises BadInputError if they are missing or changed."""
        if (data := self._adopted(md5, self.adopted.known(md5))) is not None:
            return data
        key = content_key(md5)
        try:
            data = self.store.read(key)
        except FileNotFoundError:
            return self._adopted_only(md5)
        if (found := md5_of(data)) != md5.removesuffix(".dir"):
            raise BadInputError(f"{self.store.url}/{key}: the bytes changed: md5 {found}, expected {md5}; restore the object")
        return data

    def _adopted(self, md5: str, keys: list[str]) -> bytes | None:
        """From the first of the keys that still holds these bytes."""
        for key in keys:
            try:
                data = self.store.read(key)
            except FileNotFoundError:
                continue
            if md5_of(data) == md5:
                return data
        return None

    def _adopted_only(self, md5: str) -> bytes:
        """Of bytes that lie nowhere else."""
        keys = self.adopted.keys(md5)
        if (data := self._adopted(md5, keys)) is not None:
            return data
        if not keys:
            raise BadInputError(
                f"{self.store.url}/{content_key(md5)}: missing, but a card names it; restore the bucket from its backup"
            )
        said = ", ".join(f"{self.store.url}/{key} {'changed' if self.store.exists(key) else 'went away'}" for key in keys)
        raise BadInputError(f"{said} since it was adopted, expected md5 {md5}; restore the object, or adopt again")
