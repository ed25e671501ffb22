"""Read a delivery of files: a folder of the store, or an archive, unpacked first where nobody else can see it.

A folder of COCO is its annotations.json and the files that it names. All else is read by kind: formats_read.py.
What can be read is taken, and `problems` say what could not; a delivery of which nothing can be read is refused, and so is one
with XML that declares entities, or an archive that is not sound as a whole. A refused archive is copied to the quarantine, as
`<md5>-<name>` with the reason beside it; the archive itself stays where it is.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from include.formats.tree import composed
from include.labelling.files.archives import unpack
from include.labelling.files.coco import read_coco
from include.labelling.files.connector import MARKER, note_of
from include.labelling.files.formats_read import read_tree
from include.labelling.files.recorded_tree import RecordedTree
from include.labelling.files.unpacked import CHUNK_BYTES
from include.labelling.files.values import as_id
from include.labelling.items import Labelled, Picture, Refused
from include.storage import ContentStore, Store
from include.storage.content import content_key, in_threads

log = logging.getLogger("labelling")
HEADER_BYTES = 65536  # of an image: enough to know its size, nearly always
NOTE_BYTES_MAX = 65536


@dataclass(frozen=True)
class Note:
    """What the sender of an archive says of it."""

    sender: str | None = None
    sent_at: str | None = None
    md5: str | None = None


def from_folder(store: Store, kind: str, end: str) -> Labelled:
    """`end`: the key of what completes the folder. Raises Refused; FileNotFoundError if it went away."""
    folder = end.rpartition("/")[0]
    if kind == "coco":
        return _coco(store, end, folder)
    paths = sorted(entry.key.removeprefix(f"{folder}/") for entry in store.list(folder))
    shown = [path for path in paths if path != MARKER and not _is_hidden(path)]
    tree = RecordedTree(
        shown, lambda path: store.read(f"{folder}/{path}"), lambda path: store.start_of(f"{folder}/{path}", HEADER_BYTES)
    )
    return _located(read_tree(tree, kind), {path: f"{folder}/{path}" for path in tree.paths}, folder)


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def _coco(store: Store, key: str, folder: str) -> Labelled:
    labelled = read_coco(store.read(key))
    # only keys that the listing of this very delivery shows are ever read: no name can lead out of it
    present = {entry.key.removeprefix(f"{folder}/"): entry.key for entry in store.list(folder)}
    return _located(labelled, present, folder)


def _located(labelled: Labelled, keys: dict[str, str], folder: str) -> Labelled:
    """The pictures with the keys of their files as addresses."""
    keys = {composed(path): key for path, key in keys.items()} | keys

    def locate(picture: Picture) -> Picture:
        if picture.missing is not None:
            return picture
        if (key := keys.get(picture.address) or keys.get(composed(picture.address))) is None:
            return replace(picture, address=None, missing=f"no object {folder}/{picture.address}")
        return replace(picture, address=key)

    return replace(labelled, pictures=tuple(map(locate, labelled.pictures)))


def from_archive(store: Store, kind: str, key: str, quarantine: str | None) -> Labelled:
    """Its images go to the content store. Raises Refused; FileNotFoundError if it went away."""
    name = key.rpartition("/")[2]
    with tempfile.TemporaryDirectory(prefix="archive-") as temporary:
        archive, folder = Path(temporary) / "archive", Path(temporary) / "files"
        folder.mkdir()
        md5, note = _download(store, key, archive), Note()
        try:
            note = _note(store, note_of(key))
            if note.md5 is not None and note.md5.lower() != md5:
                raise Refused(f"its md5 is {md5}, expected {note.md5} as {note_of(name)} says; send it again")
            return _unpacked(ContentStore(store), kind, archive, folder, name, note)
        except Refused as reason:
            if quarantine is not None:
                _set_apart(store, archive, f"{quarantine}/{md5}-{name}", {
                    "item": key, "md5": md5, "reason": str(reason), "sender": note.sender, "sent_at": note.sent_at,
                })  # fmt: skip
            raise


def _download(store: Store, key: str, to: Path) -> str:
    """Its md5."""
    digest = hashlib.md5(usedforsecurity=False)
    with to.open("wb") as out:
        for chunk in store.chunks(key):
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest()


def _note(store: Store, key: str) -> Note:
    try:
        data = store.read(key) if store.exists(key) else None
    except FileNotFoundError:
        data = None
    if data is None:
        return Note()
    try:
        if len(data) > NOTE_BYTES_MAX:
            raise ValueError(f"{len(data)} bytes")
        said = json.loads(data.decode("utf-8-sig"))
        return Note(*(as_id(said.get(name)) for name in ("sender", "sent_at", "md5")))
    except (ValueError, RecursionError, AttributeError) as error:
        raise Refused(f"{key}: {error}; expected JSON with sender, sent_at and md5") from None


def _unpacked(content: ContentStore, kind: str, archive: Path, folder: Path, name: str, note: Note) -> Labelled:
    unpacked = unpack(archive, name, folder)
    files = unpacked.files
    tree = RecordedTree(sorted(files), lambda path: files[path].read_bytes(), lambda path: _start(files[path]))
    labelled = read_tree(tree, kind, job=name)
    used = sorted({picture.address for picture in labelled.pictures if picture.missing is None})
    kept = in_threads(lambda path: content_key(content.put(files[path].read_bytes())), used)
    keys = dict(zip(used, kept, strict=True))
    nested = tuple(f"{path}: an archive within the archive; not unpacked" for path in unpacked.nested)
    return replace(_located(labelled, keys, name), problems=labelled.problems + nested, sender=note.sender, sent_at=note.sent_at)


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEADER_BYTES)


def _set_apart(store: Store, archive: Path, key: str, said: dict[str, Any]) -> None:
    """The very bytes that were refused; the reason last."""

    def chunks() -> Iterator[bytes]:
        with archive.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    if not store.exists(f"{key}.reason.json"):
        store.write_chunks(key, chunks())
        store.create(f"{key}.reason.json", json.dumps(said, indent=1).encode())
        log.error("%s: copied to %s", said["item"], key)
