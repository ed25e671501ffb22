"""What is known of objects of the bucket: md5, and width and height of images. Found once, kept for the next try.

    adopted/seen/<md5 of the question>.json.gz    the answers for some thousand objects: {key: [md5, width, height]}

A question is a stretch of a listing (keys, ETags, sizes). Where a stretch ends follows from the keys themselves, so a file more
or less changes one of them, not all that come after it: a killed try, and a prefix that grew, ask only for what is new.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence

from include.formats.tree import size_of
from include.storage import Store
from include.storage.content import md5_of
from include.storage.store import Entry
from include.versions.progress import steadily

Seen = tuple[str, int | None, int | None]  # md5, width, height; no size where it was not asked for or there is none
STRETCH = 1024  # objects, about
HEADER_BYTES = 65536
SAMPLE = 16  # objects that are read before ETags are believed


def etags_are_md5s(store: Store, entries: Sequence[Entry]) -> bool:
    """By reading a few: some servers, and encrypted buckets, give other 32 hex digits."""
    shaped = (entry for entry in entries if is_md5(entry.etag))
    some = sorted(shaped, key=lambda entry: zlib.crc32(entry.key.encode()))[:SAMPLE]
    return bool(some) and all(streamed_md5(store, entry.key) == entry.etag for entry in some)


def is_md5(etag: str) -> bool:
    """A simple upload's can be; one in parts has a dash."""
    return re.fullmatch(r"[0-9a-f]{32}", etag) is not None


def streamed_md5(store: Store, key: str) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in store.chunks(key):
        digest.update(chunk)
    return digest.hexdigest()


def look_at(store: Store, entries: Sequence[Entry], sized: Collection[str], log: logging.Logger) -> dict[str, Seen]:
    """By key. Of those in `sized`, the size in pixels too."""
    trusted = etags_are_md5s(store, entries)
    log.info("%d objects; their ETags are %s", len(entries), "md5s" if trusted else "no md5s: every byte is read")
    found: dict[str, Seen] = {}
    for some in stretches(entries):
        lines = [f"{one.key}\t{one.etag}\t{one.size_bytes}\t{one.key in sized}\t{trusted}" for one in some]
        name = f"adopted/seen/{md5_of(chr(10).join(lines).encode())}.json.gz"
        try:
            answers = json.loads(gzip.decompress(store.read(name)))
        except FileNotFoundError:
            work = steadily(lambda one: _look(store, one, one.key in sized, trusted), some, len(some), log, "objects read")
            answers = {one.key: seen for one, seen in zip(some, work, strict=True)}
            store.create(name, gzip.compress(json.dumps(answers).encode(), 6, mtime=0))
        found |= {key: (seen[0], seen[1], seen[2]) for key, seen in answers.items()}
    return found


def stretches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    some: list[Entry] = []
    for entry in entries:
        some.append(entry)
        if zlib.crc32(entry.key.encode()) % STRETCH == 0 or len(some) >= 4 * STRETCH:
            yield some
            some = []
    if some:
        yield some


def _look(store: Store, entry: Entry, is_sized: bool, trusted: bool) -> Seen:
    md5 = entry.etag if trusted and is_md5(entry.etag) else streamed_md5(store, entry.key)
    size = None
    if is_sized:
        size = size_of(store.start_of(entry.key, min(HEADER_BYTES, entry.size_bytes)))
        if size is None and entry.size_bytes > HEADER_BYTES:
            size = size_of(store.read(entry.key))
    return (md5, *size) if size else (md5, None, None)
