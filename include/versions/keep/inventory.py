"""What lies in files/md5, from one listing: every object's name and size, and whether its ETag proves its bytes.

A simple upload's ETag is the md5 of its bytes on S3, MinIO and SeaweedFS; a multipart upload's has a dash, and a folder has none.
Whether this server's ETags are md5s is tried on a sample that is read. What a listing cannot show is a disk that rots beneath the
server: it still lists the old ETag. Reading everything (`deep`) shows that, too.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from include.storage import Store
from include.storage.content import content_key
from include.storage.store import Entry
from include.versions.keep.digests import Digests, Names, unpack

FOLDER = "files/md5"
OBJECT = re.compile(rf"{FOLDER}/([0-9a-f]{{2}})/([0-9a-f]{{30}})(\.dir)?")
SAMPLE = 16


@dataclass(frozen=True)
class Inventory:
    """`objects` with their sizes (without directory objects); `proven`, as long: bytes that the ETag shows to be whole."""

    objects: Digests
    proven: NDArray[np.bool_]
    etags_trusted: bool

    def has_proof(self, wanted: Digests) -> NDArray[np.bool_]:
        """Of each wanted object: is it there, of that size, with an ETag that is its name?"""
        if not len(self.objects.names):
            return np.zeros(len(wanted.names), np.bool_)
        at, found = self.objects.find(wanted.names)
        fits = (wanted.numbers < 0) | (self.objects.numbers[at] == wanted.numbers)
        proof: NDArray[np.bool_] = found & self.proven[at] & fits
        return proof


def name_of(entry: Entry) -> str | None:
    """md5 (a directory object with its `.dir`); None for what is no content object."""
    found = OBJECT.fullmatch(entry.key)
    return f"{found[1]}{found[2]}{found[3] or ''}" if found else None


def take_inventory(store: Store) -> Inventory:
    """One listing; 25 bytes of memory for each object, and as much again while they are sorted."""
    names, sizes, proven = bytearray(), array("q"), bytearray()
    for entry in store.list(FOLDER):
        name = name_of(entry)
        if name is not None and len(name) == 32:
            names += bytes.fromhex(name)
            sizes.append(entry.size_bytes)
            proven.append(entry.etag == name)
    packed, flags = np.frombuffer(names, "S16"), np.frombuffer(proven, np.bool_)
    order = np.argsort(packed, kind="stable")
    objects = Digests(packed[order], np.frombuffer(sizes, np.int64)[order])
    trusted = _are_md5s(store, objects.names[flags[order]])
    return Inventory(objects, flags[order] & trusted, trusted)


def _are_md5s(store: Store, claimed: Names) -> bool:
    """Do objects whose ETag is their name have the bytes of that name? Tried on some, spread over all."""
    if not len(claimed):
        return False
    tried = 0
    for md5 in unpack(claimed[np.unique(np.linspace(0, len(claimed) - 1, SAMPLE).astype(int))]):
        digest = hashlib.md5(usedforsecurity=False)
        try:
            for piece in store.chunks(content_key(md5)):
                digest.update(piece)
        except FileNotFoundError:  # deleted since
            continue
        if digest.hexdigest() != md5:
            return False
        tried += 1
    return tried > 0
