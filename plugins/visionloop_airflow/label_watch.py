"""Watches a source's prefix for new deliveries, in the triggerer: no worker slot is held while waiting.

An event only wakes the labels DAG; what is taken in is decided by the ledger. So a lost event costs at most the time to the
next sweep, and a doubled one nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from include.storage import open_store
from include.storage.content import md5_of

CURSOR = "deliveries_seen"


class NewDeliveries(BaseEventTrigger):
    """Fires when `<prefix>/<delivery>/annotations.json` appears or changes. The cursor outlives the triggerer."""

    def __init__(self, source: str, prefix: str, poll_every_s: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.source, self.prefix, self.poll_every_s = source, prefix, poll_every_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        kwargs = {"source": self.source, "prefix": self.prefix, "poll_every_s": self.poll_every_s}
        return f"{type(self).__module__}.{type(self).__qualname__}", kwargs

    def deliveries(self) -> dict[str, str]:
        """Complete deliveries now: key of the annotation file → ETag."""
        store = open_store(os.environ["VISIONLOOP_STORE"])
        return {entry.key: entry.etag for entry in store.list(self.prefix) if entry.key.endswith("/annotations.json")}

    async def _cursor(self) -> str:
        return str(await self.asset_state_store.aget(CURSOR, default="")) if self.asset_state_store is not None else ""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        cursor = await self._cursor()
        known: dict[str, str] = {}
        failing = False
        while True:
            try:
                found = await asyncio.to_thread(self.deliveries)
            except Exception as error:  # an outage of the store must not end the watch
                if not failing:
                    self.log.warning(
                        "%s: cannot list %s: %s; trying again every %s s", self.source, self.prefix, error, self.poll_every_s
                    )
                failing = True
            else:
                failing = False
                standing = md5_of(repr(sorted(found.items())).encode())
                if found and standing != cursor:
                    new = sorted(key for key, etag in found.items() if known.get(key) != etag)
                    yield TriggerEvent({"source": self.source, "deliveries": new[:20], "count": len(new)})  # type: ignore[no-untyped-call]
                    cursor, known = standing, found
                    if self.asset_state_store is not None:
                        await self.asset_state_store.aset(CURSOR, cursor)
            await asyncio.sleep(self.poll_every_s)
