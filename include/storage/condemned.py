"""What garbage collection is about to delete, as a writer sees it: how bytes that are needed again are saved in time.

    gc/<batch>/condemned.json  {"objects": {"<md5>": <bytes>, …}}: objects that nothing names; deleted a grace later, or never
    gc/<batch>/pardoned/<md5>  a writer needs this one after all
    gc/<batch>/closed          deletion has begun: pardons come too late; gone when it has ended

The argument why no byte is lost that a version needs is in include/versions/keep/garbage.py.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

from include.errors import StepError
from include.storage.store import Store

FOLDER = "gc"
LIST, CLOSED, PARDONED = "condemned.json", "closed", "pardoned"
LOOK_AGAIN_S = 60.0  # a batch made meanwhile is older than this when it is executed: the grace is longer than any publish
WAIT_S = 600.0


def batches(store: Store) -> Iterator[str]:
    """The batches whose list stands."""
    return (entry.key.split("/")[1] for entry in store.list(FOLDER) if entry.key.endswith(f"/{LIST}"))


def read_batch(store: Store, batch: str) -> dict[str, int]:
    """Size in bytes by md5 (a directory object with its `.dir`); nothing where the batch has ended."""
    try:
        objects: dict[str, int] = json.loads(store.read(f"{FOLDER}/{batch}/{LIST}"))["objects"]
    except FileNotFoundError:
        return {}
    return objects


class Condemned:
    """The open batches, looked up when bytes are put and again every minute; safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._batches: dict[str, frozenset[str]] = {}
        self._looked_at = float("-inf")
        self._lock = threading.Lock()

    def now(self) -> frozenset[str]:
        """All that is condemned, looked up anew: what a later listing shows, and what is not in here, is there to stay."""
        return frozenset[str]().union(*self._open(not_older_s=0).values())

    def _open(self, not_older_s: float = LOOK_AGAIN_S) -> dict[str, frozenset[str]]:
        with self._lock:
            if time.monotonic() - self._looked_at > not_older_s:
                looked_at, known = time.monotonic(), self._batches
                now = list(batches(self.store))
                self._batches = {name: known.get(name) or frozenset(read_batch(self.store, name)) for name in now}
                self._looked_at = looked_at
            return self._batches

    def spare(self, md5: str) -> None:
        """See to it that no batch known now deletes this object after this call: before looking for it, and before writing it.

        Raises StepError where one does not end.
        """
        for batch, objects in self._open().items():
            if md5 in objects:
                self.store.create(f"{FOLDER}/{batch}/{PARDONED}/{md5}", b"")
                self._await_end(batch)

    def _await_end(self, batch: str) -> None:
        """Returns at once where deletion has not begun: it will find the pardon."""
        closed, deadline = f"{FOLDER}/{batch}/{CLOSED}", time.monotonic() + WAIT_S
        while self.store.exists(closed):
            if time.monotonic() > deadline:
                raise StepError(
                    f"{self.store.url}/{closed}: a garbage collection that deletes bytes needed here has not ended within "
                    f"{WAIT_S:.0f} s; let it end and try again (one that was killed is ended by `visionloop dataset gc --delete`)"
                )
            time.sleep(0.2)
