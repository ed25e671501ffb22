"""Labels that come as files into a prefix of the store: folders and archives that people and services put there.

What completes a delivery, and so what its id is:

    <prefix>/<delivery>/annotations.json            kind coco: written last, beside or above the images that it names
    <prefix>/<delivery>/COMPLETE                    any other kind: empty, written last; written again when files changed
    <prefix>/<name>.zip, .tar, .tar.gz, .tgz        any kind: complete by nature; one object, directly below the prefix

Beside an archive may lie, put there first, `<archive>.json`: {"sender": …, "sent_at": …, "md5": …}. An archive with another md5
is refused. Its labels say the archive's name as their job, unless they name one.

The revision is the ETag of annotations.json; of other folders the md5 of all their files' ETags; of an archive its ETag and that
of its note. Whoever cleans the prefix deletes no labels: `existing` does not say. Every listing is of everything: `since` is not
used, because files may arrive with an older date than the last one.

Listing imports nothing heavy: the triggerer does it. Formats: include/formats, see include/labelling/files/delivered.py.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from include.labelling.items import Item

if TYPE_CHECKING:
    from include.labelling.items import Labelled, Picture
    from include.storage import Store
    from include.storage.store import Entry

ANNOTATIONS_FILE, MARKER = "annotations.json", "COMPLETE"
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
NO_IMAGES = (".json", ".xml", ".txt", ".yaml", ".yml", MARKER)


def is_archive(key: str) -> bool:
    return key.lower().endswith(ARCHIVES)


def note_of(archive: str) -> str:
    """The key of what its sender says of an archive."""
    return f"{archive}.json"


def deliveries(entries: Iterable[Entry], kind: str, prefix: str) -> list[Item]:
    """Every delivery in a listing of the prefix, complete or waiting for its end."""
    below = {entry.key.removeprefix(f"{prefix}/"): entry for entry in entries}
    end = ANNOTATIONS_FILE if kind == "coco" else MARKER
    ends = {path.rpartition("/")[0] for path in below if path.rpartition("/")[2] == end and "/" in path}
    files: dict[str, dict[str, Entry]] = defaultdict(dict)
    for path, entry in below.items():
        if "/" in path:
            files[_folder_of(path, ends)][path] = entry
    folders = [_folder(kind, f"{prefix}/{folder}/{end}", folder, found) for folder, found in files.items()]
    return folders + [_archive(below[path], path, below) for path in below if "/" not in path and is_archive(path)]


def _folder_of(path: str, ends: set[str]) -> str:
    """The outermost folder above that is complete; else the one directly below the prefix."""
    parts = path.split("/")[:-1]
    above = ("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    return next((folder for folder in above if folder in ends), parts[0])


def _folder(kind: str, key: str, name: str, files: Mapping[str, Entry]) -> Item:
    end = key.rpartition("/")[2]
    images = sum(not path.endswith(NO_IMAGES) for path in files)
    last = max(entry.modified for entry in files.values())
    ended = files.get(f"{name}/{end}")
    if ended is None:
        return Item(key, "", "waiting", f"no {end} yet", last, images, name=name)
    if kind == "coco":
        return Item(key, ended.etag, "finished", "delivered", ended.modified, images, name=name)
    said = sorted((path, entry.etag) for path, entry in files.items() if entry is not ended)
    revision = hashlib.md5(json.dumps(said).encode(), usedforsecurity=False).hexdigest()
    if last > ended.modified:  # somebody is changing it, and says so at the end by writing the marker again
        return Item(key, revision, "waiting", f"files newer than {end}", last, images, name=name)
    return Item(key, revision, "finished", "delivered", ended.modified, images, name=name)


def _archive(entry: Entry, name: str, below: Mapping[str, Entry]) -> Item:
    note = below.get(note_of(name))
    revision = entry.etag if note is None else f"{entry.etag}+{note.etag}"
    last = entry.modified if note is None else max(entry.modified, note.modified)
    return Item(entry.key, revision, "finished", "delivered", last, name=name)


class FilesConnector:
    """A source of files. `quarantine`: folder of the store to which refused archives are copied, labels/<source>/quarantine."""

    signed: ClassVar[bool] = False

    def __init__(self, store: Store, kind: str, prefix: str, quarantine: str | None = None) -> None:
        self.store, self.kind, self.prefix, self.quarantine = store, kind, prefix.strip("/"), quarantine

    async def items(self, since: datetime | None = None) -> AsyncIterator[Item]:
        for item in await asyncio.to_thread(lambda: deliveries(self.store.list(self.prefix), self.kind, self.prefix)):
            yield item

    async def existing(self) -> frozenset[str] | None:
        return None

    async def fetch(self, item: Item) -> Labelled:
        """Of an archive, the images are in the content store then. Raises Refused."""
        from include.labelling.files import delivered

        if is_archive(item.id):
            return await asyncio.to_thread(delivered.from_archive, self.store, self.kind, item.id, self.quarantine)
        return await asyncio.to_thread(delivered.from_folder, self.store, self.kind, item.id)

    async def image(self, picture: Picture) -> bytes:
        return await asyncio.to_thread(self.store.read, picture.address)

    @staticmethod
    def is_genuine(secret: bytes, headers: Mapping[str, str], body: bytes) -> bool:
        """Nobody calls for files."""
        return False
