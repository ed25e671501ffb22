"""Adopted objects, as the bucket's listing shows them now: unchanged since their key, ETag and size were recorded?

Their folders are listed, not each object asked for. An ETag is taken as it was recorded, md5 or not: S3 gives an object another
one with every write. As for files/md5, a sample is read before a server is believed; in a folder (file://) nothing is. Memory:
40 bytes an object, whatever its key's length, and the records as include/storage/adopted.py keeps them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from include.errors import BadInputError
from include.storage import Store
from include.storage.adopted import Adopted, Lies
from include.storage.store import Entry
from include.versions.keep.digests import UNKNOWN, Digests, Names, pack

STARTS = [f"{number:02x}" for number in range(256)]
MOST_LISTINGS = 1000
AT_ONCE = 10_000


def listed_unchanged(adopted: Adopted, wanted: Digests) -> NDArray[np.bool_]:
    """Of each wanted object: is it adopted, and at one of its places the object that was recorded?"""
    proven = np.zeros(len(wanted.names), np.bool_)
    if adopted.store.folder is not None or not len(wanted.names):
        return proven
    of, states, folders = bytearray(), bytearray(), set[str]()
    for at, one in _recorded(adopted, wanted):
        of += at.to_bytes(8, "little")
        states += state(one)
        folders.add(one.key.rpartition("/")[0])
    recorded = Digests.of(np.frombuffer(states, "S16"), np.frombuffer(of, np.int64))
    seen = np.zeros(len(recorded.names), np.bool_)
    for states_now in _states(adopted.store, topmost(folders)):
        at_record, is_recorded = recorded.find(states_now)
        seen[at_record[is_recorded]] = True
    proven[recorded.numbers[seen]] = True
    return proven


def _recorded(adopted: Adopted, wanted: Digests) -> Iterator[tuple[int, Lies]]:
    """Every place of the wanted objects, with the object's position. A damaged record says nothing: those objects are read."""
    for start in STARTS:
        low, high = np.searchsorted(wanted.names, pack([start.ljust(32, "0"), start.ljust(32, "f")]))
        if low == high:
            continue
        try:
            places = list(adopted.recorded(start))
        except BadInputError:
            continue
        positions, is_wanted = wanted.find(pack(one.md5 for one in places))
        sizes = wanted.numbers[positions]
        yield from (
            (int(positions[n]), one) for n, one in enumerate(places) if is_wanted[n] and sizes[n] in (UNKNOWN, one.size_bytes)
        )


def state(one: Lies | Entry) -> bytes:
    """16 bytes for an object as it is: another key, ETag or size, another state."""
    return hashlib.md5(f"{one.key}\n{one.etag}\n{one.size_bytes}".encode(), usedforsecurity=False).digest()


def _states(store: Store, folders: Iterable[str]) -> Iterator[Names]:
    some = bytearray()
    for folder in folders:
        for entry in store.list(folder):
            some += state(entry)
            if len(some) >= 16 * AT_ONCE:
                yield np.frombuffer(bytes(some), "S16")
                some.clear()
    yield np.frombuffer(bytes(some), "S16")


def topmost(folders: set[str]) -> list[str]:
    """Folders to list so that all of these are seen, each once: rather their parents than more than MOST_LISTINGS."""
    while len(folders) > MOST_LISTINGS:
        folders = {folder.rpartition("/")[0] for folder in folders}
    found: list[str] = []
    for folder in sorted(folders, key=lambda one: f"{one}/"):
        if folder == "":
            return [""]
        if not (found and f"{folder}/".startswith(f"{found[-1]}/")):
            found.append(folder)
    return found
