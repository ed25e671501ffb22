"""What lies at the source that no batch has taken in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from include.artifacts import LabelBatch
from include.storage.store import Entry

ANNOTATIONS_FILE = "annotations.json"


def delivery_of(key: str, prefix: str) -> str | None:
    """The delivery that an annotation file completes; None for any other key: `inbox/trees/d1/annotations.json` → `d1`."""
    folder, _, name = key.removeprefix(prefix + "/").rpartition("/")
    return folder if folder and name == ANNOTATIONS_FILE else None


def pending(entries: Iterable[Entry], prefix: str, batches: Iterable[LabelBatch]) -> list[Entry]:
    """Annotation files that no batch has, oldest first. A file that was overwritten has a new ETag, so it is pending again."""
    taken = {(delivery.item, delivery.etag) for batch in batches for delivery in batch.deliveries}
    found = [entry for entry in entries if delivery_of(entry.key, prefix) and (entry.key, entry.etag) not in taken]
    return sorted(found, key=lambda entry: (entry.modified, entry.key))


def batch_id(items: Iterable[tuple[str, str]]) -> str:
    """16 hex digits that follow from the items (key, ETag), whatever their order: two runs that see the same make the same."""
    return hashlib.md5(json.dumps(sorted(items)).encode(), usedforsecurity=False).hexdigest()[:16]
