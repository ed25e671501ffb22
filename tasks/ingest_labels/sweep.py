"""What a source has that no batch has taken in: listed since the cursor with an overlap, now and then from the beginning."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from include.errors import BadInputError
from include.labelling.connector import Connector
from include.labelling.items import Item
from include.labelling.ledger import Cursor, Ledger
from tasks.ingest_labels.config import IngestLabels

log = logging.getLogger("ingest_labels")


@dataclass(frozen=True)
class Swept:
    """`pending`: oldest first. `cursor`: to move to when they are taken in; None where the source listed nothing."""

    pending: list[Item]
    cursor: Cursor | None

    def held_before(self, left: Iterable[Item]) -> Swept:
        """The cursor stays before what was left out, so that the next sweep lists it again."""
        until = min((item.updated_at for item in left), default=None)
        if until is None or self.cursor is None or self.cursor.listed_until < until:
            return self
        return replace(self, cursor=replace(self.cursor, listed_until=until - timedelta(microseconds=1)))


async def sweep(connector: Connector, ledger: Ledger, config: IngestLabels) -> Swept:
    """Raises BadInputError if so much is gone at the source that it looks like a mistake."""
    now, rule, before = datetime.now(UTC), rule_of(config), ledger.cursor
    is_whole = before is None or before.rule != rule or now - before.swept_at >= timedelta(hours=config.list_all_every_h)
    since = None if before is None or is_whole else before.listed_until - timedelta(seconds=config.overlap_s)
    found: dict[str, Item] = {}
    async for item in connector.items(since):
        # pages may repeat, and an item may change while it is listed: its newest state counts
        if item.id not in found or found[item.id].updated_at <= item.updated_at:
            found[item.id] = item
    times = [item.updated_at for item in found.values()] + ([before.listed_until] if before else [])
    until = max(times, default=None)
    if is_whole:
        found |= await _gone(connector, ledger, config, found)
    new = ledger.record(found, now)
    pending = sorted((item for item in found.values() if ledger.is_pending(item)), key=lambda item: (item.updated_at, item.id))
    log.info(
        "%s: %d items listed since %s, %d new or changed, %d to take in",
        config.source, len(found), since.isoformat() if since else "ever", new, len(pending),
    )  # fmt: skip
    if until is None:
        return Swept(pending, None)
    return Swept(pending, Cursor(until, now if is_whole or before is None else before.swept_at, rule))


async def _gone(connector: Connector, ledger: Ledger, config: IngestLabels, found: dict[str, Item]) -> dict[str, Item]:
    """Items that batches took in and that the service has no more."""
    existing = await connector.existing()
    if existing is None:
        return {}
    standing = {item: times[-1][1] for item, times in ledger.taken.items() if not times[-1][1].is_gone}
    gone = sorted(standing.keys() - existing - found.keys())
    if gone and config.deleted == "keep":
        log.warning("%s: %d items were deleted at the service, their labels are kept: %s", config.source, len(gone), _few(gone))
        return {}
    if len(gone) > max(1, config.max_share_deleted * len(standing)):
        raise BadInputError(
            f"source {config.source}: {len(gone)} of {len(standing)} items taken in are gone at the service ({_few(gone)}); "
            f"expected at most {config.max_share_deleted:.0%} at once. Is `service` still the right project? If they were meant "
            "to go, raise ingest_labels.max_share_deleted; to keep their labels, say ingest_labels.deleted: keep"
        )
    latest = max((item.updated_at for item in found.values()), default=datetime.now(UTC))
    return {
        one: Item(one, standing[one].revision, "gone", "deleted", latest, standing[one].images, name=standing[one].name)
        for one in gone
    }


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def rule_of(config: IngestLabels) -> str:
    """Names the settings that decide what is finished: with other settings, all is judged anew."""
    said = json.dumps([config.kind, config.prefix, config.service], sort_keys=True)
    return hashlib.md5(said.encode(), usedforsecurity=False).hexdigest()[:16]


def batch_id(ledger: Ledger, items: Iterable[Item]) -> str:
    """16 hex digits that follow from the items, whatever their order: two runs that see the same make the same.

    How often an item was taken in before is a part of it: deleted and restored, an item is as it was, but the batch another.
    """
    said = sorted((item.id, item.revision, item.status, len(ledger.taken.get(item.id, []))) for item in items)
    return hashlib.md5(json.dumps(said).encode(), usedforsecurity=False).hexdigest()[:16]
