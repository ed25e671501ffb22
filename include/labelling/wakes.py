"""How a webhook wakes the watcher of a source: an object per source, which says nothing but that something happened.

    wakes/<source>      overwritten by each call; its ETag is what changes

One listing shows the wakes of all sources.
"""

from __future__ import annotations

from datetime import UTC, datetime

from include.storage import Store


def wake(store: Store, source: str) -> None:
    store.write(f"wakes/{source}", datetime.now(UTC).isoformat().encode())


def wakes(store: Store) -> dict[str, str]:
    """By source, what changes with every call."""
    return {entry.key.rpartition("/")[2]: f"{entry.etag} {entry.modified}" for entry in store.list("wakes")}
