"""Watches a source for finished work, in the triggerer: no worker slot is held while waiting.

An event only wakes the labels DAG; what is taken in is decided by the ledger. So a lost event costs at most the time to the
next sweep, and a doubled one nothing. Many small jobs start one run: it fires when `min_new_images` wait, or when the first of
them has waited `max_wait_s`. A webhook only makes it look at once.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from include.labelling.connector import Connector
from include.labelling.items import Item
from include.labelling.ledger import Ledger
from include.labelling.sources import open_source, web_for
from include.storage import Store, open_store
from include.storage.content import md5_of
from visionloop_airflow.wake_up import wait_for_wake

STATE = "standing"
OVERLAP = timedelta(minutes=10)
PATIENCE_S = 20  # a poll that fails is followed by the next one


@dataclass
class Standing:
    """What outlives the triggerer. `fired`: the pending work that a run was started for. `since`: when the first waited."""

    fired: str = ""
    since: datetime | None = None

    def to_text(self) -> str:
        return json.dumps([self.fired, self.since.isoformat() if self.since else None])

    @classmethod
    def from_text(cls, text: str) -> Standing:
        try:
            fired, since = json.loads(text)
            return cls(fired, datetime.fromisoformat(since) if since else None)
        except (ValueError, TypeError):  # nothing yet, or another version's
            return cls()


class FinishedWork(BaseEventTrigger):
    """Fires when there is finished work that no batch has. What it fired for outlives the triggerer."""

    def __init__(
        self, source: str, kind: str, prefix: str | None, service: dict[str, Any] | None,
        poll_every_s: float, min_new_images: int, max_wait_s: float,
    ) -> None:  # fmt: skip
        super().__init__()  # type: ignore[no-untyped-call]
        self.source, self.kind, self.prefix, self.service = source, kind, prefix, service
        self.poll_every_s, self.min_new_images, self.max_wait_s = poll_every_s, min_new_images, max_wait_s
        self._ledger: Ledger | None = None
        self._batches: set[str] = set()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("source", "kind", "prefix", "service", "poll_every_s", "min_new_images", "max_wait_s")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def pending(self, connector: Connector, store: Store) -> list[Item]:
        """Finished and not taken in, as the ledger says now."""
        cursor = await asyncio.to_thread(lambda: Ledger(store, self.source).cursor)
        since = None if cursor is None else cursor.listed_until - OVERLAP
        listed = {item.id: item async for item in connector.items(since)}
        if not listed:
            return []
        ledger = await asyncio.to_thread(self._read_ledger, store)
        return [item for item in listed.values() if ledger.is_pending(item)]

    def _read_ledger(self, store: Store) -> Ledger:
        """Read again only where there is a batch more: they never change."""
        keys = {entry.key for entry in store.list(f"labels/{self.source}/batches")}
        if self._ledger is None or keys != self._batches:
            self._ledger, self._batches = Ledger(store, self.source), keys
            _ = self._ledger.taken
        return self._ledger

    def is_due(self, pending: list[Item], standing: Standing, now: datetime) -> bool:
        """Whether to start a run for this work; notes since when it waits."""
        if not pending or name_of(pending) == standing.fired:
            return False
        standing.since = standing.since or now
        # one without images is looked at as soon as one with: it may be one that nobody can read
        enough = sum(max(1, item.images) for item in pending) >= self.min_new_images
        return enough or (now - standing.since).total_seconds() >= self.max_wait_s

    async def run(self) -> AsyncIterator[TriggerEvent]:
        standing = Standing.from_text(await self._saved())
        async with AsyncExitStack() as stack:
            failing = False
            connector: Connector | None = None
            while True:
                try:
                    if connector is None:
                        store = open_store(os.environ["VISIONLOOP_STORE"])
                        web = None
                        if self.service is not None:
                            web = await stack.enter_async_context(web_for(self.source, self.service, PATIENCE_S))
                        connector = open_source(store, self.source, self.kind, self.prefix, self.service, web)
                    pending = await self.pending(connector, store)
                except Exception as error:  # an outage, or a token that is being replaced, must not end the watch
                    if not failing:
                        self.log.warning("%s: cannot be listed: %s; again every %g s", self.source, error, self.poll_every_s)
                    failing = True
                else:
                    failing = False
                    before = standing.to_text()
                    if self.is_due(pending, standing, datetime.now(UTC)):
                        yield self._event(pending)
                        standing = Standing(name_of(pending))
                    elif not pending:
                        standing = Standing()
                    if standing.to_text() != before:
                        await self._save(standing)
                await wait_for_wake(self.source, self.poll_every_s)

    def _event(self, pending: list[Item]) -> TriggerEvent:
        names = sorted(item.called for item in pending)
        images = sum(item.images for item in pending)
        return TriggerEvent({"source": self.source, "items": names[:20], "count": len(names), "images": images})  # type: ignore[no-untyped-call]

    async def _saved(self) -> str:
        return str(await self.asset_state_store.aget(STATE, default="")) if self.asset_state_store is not None else ""

    async def _save(self, standing: Standing) -> None:
        if self.asset_state_store is not None:
            await self.asset_state_store.aset(STATE, standing.to_text())


def name_of(pending: list[Item]) -> str:
    """Changes with any item or revision."""
    return md5_of(repr(sorted((item.id, item.revision) for item in pending)).encode())
