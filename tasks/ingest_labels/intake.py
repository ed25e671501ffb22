"""Carry a delivery from the source into the content store: its file, its images, its rows."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

from include.artifacts import Delivery
from include.artifacts.label_batch import LabelBatch
from include.storage import ContentStore, Store
from include.storage.content import in_threads
from include.storage.store import Entry
from tasks.ingest_labels.coco import Refused, Row, read_coco
from tasks.ingest_labels.pending import delivery_of

log = logging.getLogger("ingest_labels")
LOG_EVERY_S = 30


@dataclass(frozen=True)
class Intake:
    """One delivery, taken in: its entry in the batch card and its rows."""

    delivery: Delivery
    images: list[Row]
    annotations: list[Row]


def read_ledger(store: Store, source: str) -> Iterator[LabelBatch]:
    """Every batch of the source: together they are what was ever taken in."""
    keys = [entry.key for entry in store.list(f"labels/{source}/batches") if entry.key.endswith(".json")]
    return in_threads(lambda key: LabelBatch.load(store, key), keys)


def take_in(content: ContentStore, entry: Entry, source: str, prefix: str) -> Intake | None:
    """One delivery; None if its annotation file went away after it was listed."""
    name = delivery_of(entry.key, prefix)
    assert name is not None
    try:
        data = content.store.read(entry.key)
    except FileNotFoundError:
        log.warning("%s: gone since it was listed; left out", entry.key)
        return None
    original = content.put(data)
    try:
        rows = read_coco(data, source, name)
    except Refused as reason:
        log.error("%s: refused: %s", entry.key, reason)
        return Intake(Delivery(item=entry.key, etag=entry.etag, original=original, refused=str(reason)), [], [])
    images = _take_in_images(content, rows.images, rows.files, entry.key.rpartition("/")[0])
    delivery = Delivery(item=entry.key, etag=entry.etag, original=original, images=len(images), annotations=len(rows.annotations))
    log.info("%s: %d images, %d annotations", entry.key, len(images), len(rows.annotations))
    return Intake(delivery, images, rows.annotations)


def _take_in_images(content: ContentStore, rows: list[Row], files: dict[str, str], folder: str) -> list[Row]:
    """The image rows with md5 and size, or with the reason why there are no bytes."""
    # only keys that the listing of this very delivery shows are ever read: no name can lead out of it
    present = {entry.key for entry in content.store.list(folder)}

    def take(row: Row) -> Row:
        if row["missing"]:
            return row
        key = f"{folder}/{files[row['image_key']]}"
        if key not in present:
            return row | {"missing": f"no object {key}"}
        try:
            data = content.store.read(key)
        except FileNotFoundError:
            return row | {"missing": f"no object {key}"}
        return row | {"md5": content.put(data), "size_bytes": len(data)}

    taken: list[Row] = []
    said = time.monotonic()
    for row in in_threads(take, rows):
        taken.append(row)
        if time.monotonic() - said > LOG_EVERY_S:
            said = time.monotonic()
            log.info("%s: %d of %d images", folder, len(taken), len(rows))
    return taken
