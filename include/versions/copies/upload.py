"""A folder's files into the content store, many at once; what is there is not sent again, what did not change is not read again.

Killed at any point and started again it goes on: an object is whole or absent, and hashes are remembered as they are made.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from include.errors import BadInputError
from include.storage import ContentStore
from include.storage.content import content_key, md5_of
from include.storage.threads import as_they_end
from include.versions.copies.folders import FileState, state_of, walk
from include.versions.copies.hash_cache import HashCache

# Measured on a SeaweedFS server with 20 KB objects: 32 threads put 1,355 a second, asyncio with 64 at once 1,362 for a third more
# CPU. A local folder is fastest with as many threads as there are cores.
THREADS, THREADS_LOCAL = 32, 4
LARGE_BYTES = 16 * 2**20  # from here on in parts
BULKY_BYTES = 2**20  # files above this are held in memory only a few at a time
LISTED_PER_PUT = 6  # objects that a server lists in the time of one put
KEY = re.compile(r"files/md5/([0-9a-f]{2})/([0-9a-f]{30})")

Progress = Callable[[int, int, int], None]  # files done, of how many, bytes moved


@dataclass(frozen=True)
class Uploaded:
    """`files`: md5 by relpath, a version's listing. `sizes`: bytes by md5. The counts are of what this call sent."""

    files: dict[str, str]
    sizes: dict[str, int]
    sent: int
    sent_bytes: int


@dataclass(frozen=True)
class Sent:
    """A file that the store has now."""

    relpath: str
    state: FileState | None  # None: it changed while it was read; its bytes as read are kept, but nothing is remembered
    md5: str
    size_bytes: int
    is_new: bool


def upload_folder(
    content: ContentStore, folder: Path, cache: HashCache, known: Collection[str] = frozenset(), progress: Progress | None = None
) -> Uploaded:
    """Every file of the folder. `known`: md5s that a standing version names, which are in the store without asking."""
    found = list(walk(folder))
    files = {relpath: md5 for relpath, state in found if (md5 := cache.md5(relpath, state)) is not None}
    sizes = {files[relpath]: state[2] for relpath, state in found if relpath in files}
    unsure = [relpath for relpath, _ in found if files.get(relpath) not in known]
    listed = present(content, len(unsure))
    there = {*known, *(listed or ())}
    to_send = [relpath for relpath in unsure if files.get(relpath) not in there]
    sender = Sender(content, folder, there, is_all_known=listed is not None)
    sent, sent_bytes, done = 0, 0, len(found) - len(to_send)
    for one in as_they_end(sender.send, to_send, THREADS_LOCAL if content.store.folder else THREADS):
        files[one.relpath], sizes[one.md5] = one.md5, one.size_bytes
        if one.state is not None:
            cache.remember(one.relpath, one.state, one.md5)
        sent, sent_bytes, done = sent + one.is_new, sent_bytes + one.is_new * one.size_bytes, done + 1
        if progress is not None:
            progress(done, len(found), sent_bytes)
    cache.forget(cache.known.keys() - files.keys())
    return Uploaded(files, sizes, sent, sent_bytes)


def present(content: ContentStore, wanted: int) -> set[str] | None:
    """Md5s of objects there to stay, where listing them costs less than trying to put `wanted` of them; else None.

    Md5s spread evenly: one of the 256 prefixes tells how many there are. What `gc` condemned counts as absent: it is put again.
    """
    store = content.store
    sample = sum(1 for _ in store.list("files/md5/00"))
    if sample * 256 > wanted * LISTED_PER_PUT:
        return None
    condemned = content.condemned.now()  # before the listing: include/versions/keep/garbage.py
    listed = {found[1] + found[2] for entry in store.list("files/md5") if (found := KEY.fullmatch(entry.key))}
    return listed - condemned


class Sender:
    """What the threads share. `is_all_known`: what is not in `there` is not in the store, or condemned."""

    def __init__(self, content: ContentStore, folder: Path, there: set[str], is_all_known: bool) -> None:
        self.store, self.condemned, self.folder = content.store, content.condemned, str(folder)
        self.there, self.is_all_known = there, is_all_known
        self.claiming = threading.Lock()
        self.bulky = threading.Semaphore(4)

    def send(self, relpath: str) -> Sent:
        path = f"{self.folder}/{relpath}"
        with open(path, "rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            if before.st_size <= BULKY_BYTES:
                md5, size_bytes, is_new = self._whole(file.read())
            else:
                with self.bulky:
                    large = before.st_size > LARGE_BYTES
                    md5, size_bytes, is_new = self._in_parts(path) if large else self._whole(file.readall())
            after = state_of(os.fstat(file.fileno()))
        return Sent(relpath, after if state_of(before) == after else None, md5, size_bytes, is_new)

    def _whole(self, data: bytes) -> tuple[str, int, bool]:
        md5 = md5_of(data)
        if not self._claim(md5):
            return md5, len(data), False
        self.condemned.spare(md5)
        if not self.is_all_known:
            return md5, len(data), self.store.create(content_key(md5), data)
        # Its bytes are its name, so overwriting is safe; the condition of a create costs the server a fifth more
        self.store.write_whole(content_key(md5), data)
        return md5, len(data), True

    def _claim(self, md5: str) -> bool:
        """True for the first who asks, unless it is there: of equal files one is sent."""
        with self.claiming:
            if md5 in self.there:
                return False
            self.there.add(md5)
            return True

    def _in_parts(self, path: str) -> tuple[str, int, bool]:
        """Read twice: its md5 is its key. A file that changes in between is an error, and leaves nothing."""
        with open(path, "rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        size_bytes = os.stat(path).st_size
        if not self._claim(md5):
            return md5, size_bytes, False
        self.condemned.spare(md5)
        if not self.is_all_known and self.store.exists(content_key(md5)):
            return md5, size_bytes, False
        self.store.write_chunks(content_key(md5), _checked_chunks(path, md5))
        return md5, size_bytes, True


def _checked_chunks(path: str, md5: str) -> Iterator[bytes]:
    """The file's bytes. Raises BadInputError after the last where they are not those of the md5."""
    running = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(BULKY_BYTES):
            running.update(chunk)
            yield chunk
    if running.hexdigest() != md5:
        raise BadInputError(f"{path}: changed while it was read; try again when nothing writes to it")
