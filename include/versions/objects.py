"""What is known of objects of the bucket: md5, and width and height of images. Found once, kept for the next try.

    adopted/seen/<md5 of the question>.json.gz    the answers for some thousand objects: {key: [md5, width, height]}

A question is a stretch of a listing (keys, ETags, sizes). Where a stretch ends follows from the keys themselves, so a file more
or less changes one of them, not all that come after it: a killed try, and a prefix that grew, ask only for what is new.

A listing and the answers are columns: about 200 bytes an object.
"""

from __future__ import annotations

import gzip
import hashlib
import heapq
import json
import logging
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from include.artifacts.tables import rows_of, table_of
from include.formats.tree import size_in, size_of
from include.storage import Store
from include.storage.content import md5_of
from include.storage.store import CHUNK_BYTES, Entry
from include.versions.progress import in_some_threads, told

LISTED = pa.schema([("key", pa.string()), ("etag", pa.string()), ("size_bytes", pa.int64())])
# no size where it was not asked for, or there is none
SEEN = pa.schema([("md5", pa.string()), ("width_px", pa.int64()), ("height_px", pa.int64())])
Seen = tuple[str, int | None, int | None]
STRETCH = 1024  # objects, about
HEADER_BYTES = 65536
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
SAMPLE = 16  # objects that are read before ETags are believed


class Asked(NamedTuple):
    """A row of a listing, and whether its size in pixels is asked for."""

    key: str
    etag: str
    size_bytes: int
    is_sized: bool


def listed(entries: Iterable[Entry]) -> pa.Table:
    """A listing as LISTED, in its order."""
    return table_of(((one.key, one.etag, one.size_bytes) for one in entries), LISTED)


def look_at(store: Store, objects: pa.Table, is_sized: Iterable[bool], log: logging.Logger) -> pa.Table:
    """SEEN, a row for each of `objects` (LISTED). Of those that `is_sized` marks, the size in pixels too."""
    trusted = etags_are_md5s(store, objects)
    log.info("%d objects; their ETags are %s", len(objects), "md5s" if trusted else "no md5s: every byte is read")
    rows = rows_of(objects, *LISTED.names)
    asked = (Asked(key, etag, size, bool(sized)) for (key, etag, size), sized in zip(rows, is_sized, strict=True))
    answers = (seen for some in stretches(asked) for seen in _answers(store, some, trusted))
    return table_of(told(answers, len(objects), log, "objects seen"), SEEN)


def _answers(store: Store, some: Sequence[Asked], trusted: bool) -> Iterable[Seen]:
    """Of a stretch: as an earlier try found them, or looked at now and kept."""
    lines = [f"{one.key}\t{one.etag}\t{one.size_bytes}\t{one.is_sized}\t{trusted}" for one in some]
    name = f"adopted/seen/{md5_of(chr(10).join(lines).encode())}.json.gz"
    try:
        known = json.loads(gzip.decompress(store.read(name)))
    except FileNotFoundError:
        known = dict(zip([one.key for one in some], in_some_threads(lambda one: _look(store, one, trusted), some), strict=True))
        store.create(name, gzip.compress(json.dumps(known).encode(), 6, mtime=0))
    return [known[one.key] for one in some]


def stretches(asked: Iterable[Asked]) -> Iterator[list[Asked]]:
    some: list[Asked] = []
    for one in asked:
        some.append(one)
        if zlib.crc32(one.key.encode()) % STRETCH == 0 or len(some) >= 4 * STRETCH:
            yield some
            some = []
    if some:
        yield some


def etags_are_md5s(store: Store, objects: pa.Table) -> bool:
    """By reading a few: some servers, and encrypted buckets, give other 32 hex digits."""
    shaped = (key_and_etag for key_and_etag in rows_of(objects, "key", "etag") if is_md5(key_and_etag[1]))
    some = heapq.nsmallest(SAMPLE, shaped, key=lambda one: zlib.crc32(one[0].encode()))
    return bool(some) and all(streamed_md5(store, key) == etag for key, etag in some)


def is_md5(etag: str) -> bool:
    """A simple upload's can be; one in parts has a dash."""
    return re.fullmatch(r"[0-9a-f]{32}", etag) is not None


def streamed_md5(store: Store, key: str) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in store.chunks(key):
        digest.update(chunk)
    return digest.hexdigest()


def _look(store: Store, asked: Asked, trusted: bool) -> Seen:
    """A small object is asked for once; of a large one never more than a few MB are in memory."""
    start = b""
    if trusted and is_md5(asked.etag):
        md5 = asked.etag
    elif asked.size_bytes <= CHUNK_BYTES:
        start = store.read(asked.key)
        md5 = md5_of(start)
    else:
        md5 = streamed_md5(store, asked.key)
    return (md5, *(_size(store, asked, start) if asked.is_sized else (None, None)))


def _size(store: Store, asked: Asked, whole: bytes) -> tuple[int, int] | tuple[None, None]:
    """In pixels. An image that does not state it in its first bytes is read where it does: a TIFF can at its end."""
    start = whole or store.start_of(asked.key, min(HEADER_BYTES, asked.size_bytes))
    if len(start) == asked.size_bytes:
        return size_of(start) or (None, None)
    if start[:4] not in TIFF and (size := size_of(start)) is not None:  # of half a TIFF pillow warns
        return size
    with store.open(asked.key) as file:
        return size_in(file) or (None, None)
