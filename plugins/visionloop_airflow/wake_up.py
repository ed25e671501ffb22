"""Watchers sleep here until their next poll, or until a webhook wakes their source. One listing a second serves them all."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import defaultdict

from include.labelling.sources import webhook_secret
from include.labelling.wakes import wakes
from include.storage import open_store

LOOK_EVERY_S = 1.0
log = logging.getLogger(__name__)


class _Bell:
    """Of one event loop: the triggerer's."""

    def __init__(self) -> None:
        self.sleeping: dict[str, set[asyncio.Event]] = defaultdict(set)
        self.known: dict[str, str] | None = None
        self.looking: asyncio.Task[None] | None = None

    async def look(self) -> None:
        """As long as anyone sleeps. An outage of the store is the pollers' to report."""
        store, failing = open_store(os.environ["VISIONLOOP_STORE"]), False
        while any(self.sleeping.values()):
            try:
                found = await asyncio.to_thread(wakes, store)
            except Exception as error:
                if not failing:
                    log.warning("cannot list the wakes of webhooks: %s; sources are polled", error)
                failing = True
            else:
                failing = False
                before, self.known = self.known, found
                for source, standing in found.items():
                    if before is not None and before.get(source) != standing:
                        for event in self.sleeping.get(source, ()):
                            event.set()
            await asyncio.sleep(LOOK_EVERY_S)


_bells: dict[asyncio.AbstractEventLoop, _Bell] = {}


async def wait_for_wake(source: str, at_most_s: float) -> None:
    """Returns after a wake of the source, or when the time is over."""
    if webhook_secret(source) is None:
        await asyncio.sleep(at_most_s)  # nobody can wake it
        return
    bell = _bells.setdefault(asyncio.get_running_loop(), _Bell())
    event = asyncio.Event()
    bell.sleeping[source].add(event)
    if bell.looking is None or bell.looking.done():
        bell.looking = asyncio.create_task(bell.look())
    try:
        await asyncio.wait_for(event.wait(), at_most_s)
    except TimeoutError:
        return
    finally:
        bell.sleeping[source].discard(event)
