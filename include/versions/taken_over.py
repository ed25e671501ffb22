"""Objects of a DVC remote, taken over into our store where it lacks them; checked, and of large ones only parts in memory."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import obstore

from include.errors import BadInputError
from include.formats.tree import size_in, size_of
from include.storage import ContentStore, Store, open_store
from include.storage.content import content_key
from include.storage.store import CHUNK_BYTES, environment_endpoint


@dataclass(frozen=True, slots=True)
class Taken:
    """An object that our store has now. `size_px`: of an image that can be read."""

    md5: str
    size_bytes: int
    size_px: tuple[int, int] | None
    copied: bool


class Source:
    """The remote. `there`: md5s that our store has for certain."""

    def __init__(self, ours: ContentStore, remote: Store, endpoint: str | None, there: Collection[str]) -> None:
        self.ours, self.remote, self.there = ours, remote, there
        is_same = is_same_bucket(ours.store, remote, endpoint)
        self.bucket = open_store("/".join(ours.store.url.split("/")[:3])) if is_same else None
        self.bulky = threading.Semaphore(4)

    def take(self, md5: str, is_image: bool) -> Taken:
        """One object, checked. An image's size in pixels is read from its bytes, never believed."""
        key = content_key(md5)
        if md5 not in self.there:
            self.ours.condemned.spare(md5)
            if not self.ours.store.exists(key):
                return self._copy(md5, key, is_image)
        size_bytes = int(obstore.head(self.ours.store.backend, key)["size"])
        if not is_image:
            return Taken(md5, size_bytes, None, False)
        if size_bytes < CHUNK_BYTES:
            return Taken(md5, size_bytes, size_of(self.ours.get(md5)), False)
        with self.bulky:
            deque(checked(self.ours.store, key, md5, "restore the object"), maxlen=0)
        return self._large(md5, key, is_image, False)

    def _copy(self, md5: str, key: str, is_image: bool) -> Taken:
        chunks = checked(self.remote, key, md5, "push it again")
        try:
            data = next(chunks)
        except FileNotFoundError:
            raise BadInputError(f"{self.remote.url}/{key}: missing; run `dvc push` where the folder was tracked") from None
        if len(data) < CHUNK_BYTES:
            next(chunks, None)  # the end, where they are checked
            self._copy_within(key) if self.bucket else self.ours.store.create(key, data)
            return Taken(md5, len(data), size_of(data) if is_image else None, True)
        del chunks  # an answer that waits for its turn would be given up by the server
        with self.bulky:
            chunks = checked(self.remote, key, md5, "push it again")
            if self.bucket:
                deque(chunks, maxlen=0)
                self._copy_within(key)
            else:
                self.ours.store.write_chunks(key, chunks)
        return self._large(md5, key, is_image, True)

    def _copy_within(self, key: str) -> None:
        assert self.bucket is not None
        source, target = (f"{one.url.split('/', 3)[3]}/{key}" if one.url.count("/") > 2 else key
                          for one in (self.remote, self.ours.store))  # fmt: skip
        self.bucket.copy(source, target)

    def _large(self, md5: str, key: str, is_image: bool, copied: bool) -> Taken:
        """What is known of an object of ours that is not read as a whole."""
        with self.ours.store.open(key) as file:
            size_px = size_in(file) if is_image else None
        return Taken(md5, int(obstore.head(self.ours.store.backend, key)["size"]), size_px, copied)


def is_same_bucket(ours: Store, remote: Store, endpoint: str | None) -> bool:
    same_server = (endpoint or environment_endpoint() or "").rstrip("/") == (environment_endpoint() or "").rstrip("/")
    return ours.url.startswith("s3://") and same_server and ours.url.split("/")[2] == remote.url.split("/")[2]


def checked(store: Store, key: str, md5: str, remedy: str) -> Iterator[bytes]:
    """The object in pieces, a small one whole. Raises BadInputError after the last where they have another md5."""
    running = hashlib.md5(usedforsecurity=False)
    for chunk in store.chunks(key):
        data = bytes(chunk)
        running.update(data)
        yield data
    if (found := running.hexdigest()) != md5:
        raise BadInputError(f"{store.url}/{key}: damaged: md5 {found}, expected {md5}; {remedy}")
