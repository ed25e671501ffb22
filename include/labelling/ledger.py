"""The ledger of a source: every item ever seen, in which state and when, and which batch took it in. Nothing is overwritten.

    labels/<source>/batches/<id>.json      the batch cards: what was taken in, at which revision
    labels/<source>/seen/<time>-<n>.json   what a sweep saw that was not known: [{"item", "revision", "status", "state", …}, …]
    labels/<source>/cursor.json            how far the source was listed: only ever saves work, and may be lost

What is taken in follows from the cards alone. A sweep killed at any point is as if it had not begun, or as if it had ended.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from include.artifacts.label_batch import Delivery, LabelBatch
from include.labelling.items import Item
from include.storage import Store
from include.storage.content import in_threads, md5_of


@dataclass(frozen=True, slots=True)
class Seen:
    """An item as a sweep saw it last. `first_seen_at`, `seen_at`: our clock, the first time ever and the last change."""

    item: str
    revision: str
    status: str
    state: str
    images: int
    updated_at: datetime
    seen_at: datetime
    first_seen_at: datetime

    def is_like(self, item: Item) -> bool:
        return (self.revision, self.status, self.state) == (item.revision, item.status, item.state)


@dataclass(frozen=True, slots=True)
class Cursor:
    """`listed_until`: by the source's clock. `swept_at`: when all was listed last, by ours. `rule`: under which settings."""

    listed_until: datetime
    swept_at: datetime
    rule: str

    def to_bytes(self) -> bytes:
        return json.dumps(
            {"listed_until": self.listed_until.isoformat(), "swept_at": self.swept_at.isoformat(), "rule": self.rule}
        ).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Cursor:
        found = json.loads(data)
        return cls(datetime.fromisoformat(found["listed_until"]), datetime.fromisoformat(found["swept_at"]), found["rule"])


class Ledger:
    """Reads once, when it is asked; make another to look again."""

    def __init__(self, store: Store, source: str) -> None:
        self.store, self.source, self.folder = store, source, f"labels/{source}"

    @cached_property
    def batches(self) -> list[LabelBatch]:
        """In the order in which they were made."""
        keys = [entry.key for entry in self.store.list(f"{self.folder}/batches") if entry.key.endswith(".json")]
        found = in_threads(lambda key: LabelBatch.load(self.store, key), keys)
        return sorted(found, key=lambda batch: (batch.made_by.ended_at, batch.batch_id))

    @cached_property
    def taken(self) -> dict[str, list[tuple[LabelBatch, Delivery]]]:
        """By item, every time it was taken in, the last one last."""
        taken: dict[str, list[tuple[LabelBatch, Delivery]]] = defaultdict(list)
        for batch in self.batches:
            for delivery in batch.deliveries:
                taken[delivery.item].append((batch, delivery))
        return dict(taken)

    @cached_property
    def seen(self) -> dict[str, Seen]:
        """By item, as it was seen last."""
        keys = sorted(entry.key for entry in self.store.list(f"{self.folder}/seen"))
        seen: dict[str, Seen] = {}
        for data in in_threads(self.store.read, keys):
            for entry in json.loads(data):
                one = _seen(entry)
                seen[one.item] = one if one.item not in seen else _with_first(one, seen[one.item].first_seen_at)
        return seen

    def is_pending(self, item: Item) -> bool:
        """Finished or gone, and not taken in as it is now."""
        times = self.taken.get(item.id, [])
        if item.status == "gone":
            return bool(times) and not times[-1][1].is_gone
        if item.status != "finished":
            return False
        if not times or times[-1][1].is_gone:
            return True
        last = times[-1][1]
        if all(delivery.revision != item.revision for _, delivery in times):
            return True
        # as it was once before: changed back since, unless a listing that is late shows an older state again
        return item.revision != last.revision and last.updated_at is not None and item.updated_at > last.updated_at

    def pending(self) -> list[Seen]:
        """What was finished or gone when it was seen last, and is not taken in as it is now."""
        return [one for one in self.seen.values() if self.is_pending(_item(one))]

    def supersedes(self, items: Iterable[Item]) -> dict[str, tuple[str, ...]]:
        """Names of deliveries by batch: what earlier batches have of these items."""
        older: dict[str, set[str]] = defaultdict(set)
        for item in items:
            for batch, delivery in self.taken.get(item.id, []):
                if delivery.refused is None and not delivery.is_gone:
                    older[batch.batch_id].add(delivery.name)
        return {batch: tuple(sorted(names)) for batch, names in sorted(older.items())}

    def record(self, items: Mapping[str, Item], now: datetime) -> int:
        """Add what differs from what was seen last; returns how many."""
        news = [item for item in items.values() if item.id not in self.seen or not self.seen[item.id].is_like(item)]
        if news:
            data = json.dumps([_entry(item, now) for item in sorted(news, key=lambda item: item.id)]).encode()
            self.store.create(f"{self.folder}/seen/{now:%Y%m%dT%H%M%S.%f}Z-{md5_of(data)[:8]}.json", data)
        return len(news)

    @cached_property
    def cursor(self) -> Cursor | None:
        """None before the first sweep, or where the object is lost or broken: everything is listed then."""
        try:
            return Cursor.from_bytes(self.store.read(f"{self.folder}/cursor.json"))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def move_cursor(self, cursor: Cursor) -> None:
        """Also backward: before what was left out. Too far back it costs a longer listing, and no more."""
        self.store.write(f"{self.folder}/cursor.json", cursor.to_bytes())


def _entry(item: Item, now: datetime) -> dict[str, Any]:
    return {
        "item": item.id, "revision": item.revision, "status": item.status, "state": item.state, "images": item.images,
        "updated_at": item.updated_at.astimezone(UTC).isoformat(), "seen_at": now.isoformat(),
    }  # fmt: skip


def _item(seen: Seen) -> Item:
    return Item(seen.item, seen.revision, seen.status, seen.state, seen.updated_at, seen.images)  # type: ignore[arg-type]


def _seen(entry: dict[str, Any]) -> Seen:
    at = datetime.fromisoformat(entry["seen_at"])
    return Seen(
        entry["item"], entry["revision"], entry["status"], entry["state"], entry["images"],
        datetime.fromisoformat(entry["updated_at"]), at, at,
    )  # fmt: skip


def _with_first(one: Seen, first_seen_at: datetime) -> Seen:
    return Seen(one.item, one.revision, one.status, one.state, one.images, one.updated_at, one.seen_at, first_seen_at)
