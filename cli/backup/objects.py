"""What the store holds, as one tar: cards, ledgers, pages; and, if wanted, content.

Content is `files/` (every image, label file and weight, by its md5), `logs/` (of tasks) and what sources deliver (`prefix:`).
Left out always, since all of it is made again: cursors, wakes, counts of webhooks, alerts that wait, a collection of garbage.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import IO

import obstore

from cli.home import StackError
from include.storage import Store
from include.storage.content import WHOLE_BYTES, in_threads
from include.storage.store import Entry

CONTENT = ("files", "logs")
PASSING = ("alerts", "gc", "webhooks", "wakes", "runs/visionloop-doctor")
CURSOR = re.compile(r"labels/[^/]+/cursor\.json")
NOUNS = ("datasets", "labels", "models", "runs")
SMALL_BYTES = 8 * 2**20
AT_ONCE = 32


def is_below(key: str, prefixes: Iterable[str]) -> bool:
    return any(key.startswith(f"{prefix.strip('/')}/") for prefix in prefixes)


def is_passing(key: str) -> bool:
    return is_below(key, PASSING) or CURSOR.fullmatch(key) is not None


def cards(store: Store, content: Iterable[str]) -> Iterator[Entry]:
    """Everything that is not content."""
    content = tuple(content)
    folders = obstore.list_with_delimiter(store.backend)["common_prefixes"]  # not a list of all: content may be millions
    for folder in sorted(set(folders) - set(content)):
        yield from (one for one in store.list(folder) if not (is_passing(one.key) or is_below(one.key, content)))


def contents(store: Store, content: Iterable[str]) -> Iterator[Entry]:
    for prefix in content:
        yield from (one for one in store.list(prefix) if not is_passing(one.key))


def pack(store: Store, entries: Iterable[Entry], tar: tarfile.TarFile) -> int:
    """Returns how many there were. One that went away meanwhile is left out: nothing that is finished refers to it."""
    count, waiting = 0, iter(entries)
    while some := list(islice(waiting, AT_ONCE)):
        small = [one.key for one in some if one.size_bytes <= SMALL_BYTES]
        for key, data in in_threads(lambda key: (key, _read(store, key)), small):
            if data is not None:
                count += _add(tar, key, io.BytesIO(data), len(data))
        for one in some:
            if one.size_bytes > SMALL_BYTES:
                count += _pack_large(store, one.key, tar)
    return count


def _read(store: Store, key: str) -> bytes | None:
    try:
        return store.read(key)
    except FileNotFoundError:
        return None


def _pack_large(store: Store, key: str, tar: tarfile.TarFile) -> int:
    with tempfile.TemporaryFile() as file:
        try:
            for chunk in store.chunks(key):
                file.write(chunk)
        except FileNotFoundError:
            return 0
        size_bytes = file.tell()
        file.seek(0)
        return _add(tar, key, file, size_bytes)


def _add(tar: tarfile.TarFile, key: str, file: IO[bytes], size_bytes: int) -> int:
    member = tarfile.TarInfo(key)
    member.size = size_bytes
    tar.addfile(member, file)
    return 1


def unpack(store: Store, path: Path) -> tuple[int, int]:
    """Write what is not there, or differs; returns how many were written, and how many were there already.

    Cursors go: after a restore every source is listed whole, and its ledger says what is new.
    """
    written = same = 0
    with tarfile.open(path) as tar:
        members = (one for one in tar if one.isfile())
        while some := list(islice(members, AT_ONCE)):
            small = [(one.name, _bytes(tar, one)) for one in some if one.size <= SMALL_BYTES]
            done = list(in_threads(lambda pair: _put(store, *pair), small))
            for one in some:
                if one.size > WHOLE_BYTES:
                    done.append(_put_large(store, tar, one))
                elif one.size > SMALL_BYTES:
                    done.append(_put(store, one.name, _bytes(tar, one)))  # in one request, as steps do: its ETag is its md5
            written, same = written + sum(done), same + len(done) - sum(done)
    store.delete_many([one.key for one in store.list("labels") if CURSOR.fullmatch(one.key)])
    return written, same


def _bytes(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def _put(store: Store, key: str, data: bytes) -> bool:
    if store.create(key, data):
        return True
    if store.read(key) == data:
        return False
    if key.startswith("files/"):
        raise StackError(
            f"{key} is in the store with other bytes than its name says: put it right first (`visionloop dataset verify`)"
        )
    store.write(key, data)
    return True


def _put_large(store: Store, tar: tarfile.TarFile, member: tarfile.TarInfo) -> bool:
    file = tar.extractfile(member)
    assert file is not None
    if store.exists(member.name):
        kept, digest = hashlib.sha256(), hashlib.sha256()
        for chunk in store.chunks(member.name):
            kept.update(chunk)
        for piece in iter(lambda: file.read(SMALL_BYTES), b""):
            digest.update(piece)
        if kept.digest() == digest.digest():
            return False
        file.seek(0)
    store.write_chunks(member.name, iter(lambda: file.read(SMALL_BYTES), b""))
    return True


def is_empty(store: Store) -> bool:
    """Whether it holds nothing that a restore could mix with."""
    entries = chain.from_iterable(store.list(noun) for noun in NOUNS)
    return next((one for one in entries if not is_passing(one.key)), None) is None
