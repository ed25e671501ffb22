"""How often webhooks were called, by source and outcome: an object per process of the web server, below `webhooks/`.

    webhooks/<process>.json      {"trees": {"accepted": 12, "forged": 1}, "-": {"unknown": 3}}

Only numbers: nothing that a caller sent is kept. Of processes that ended long ago the counts are forgotten.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Literal, get_args

from include.storage import Store
from include.storage.content import in_threads

Outcome = Literal["accepted", "replayed", "forged", "malformed", "oversized", "failed", "unknown"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
NO_SOURCE = "-"  # of calls for a source that does not exist
FOLDER = "webhooks"
KEPT = 50  # objects: a process that restarts for ever leaves no more


def write_calls(store: Store, process: str, counts: Mapping[str, Mapping[str, int]]) -> None:
    """All that one process has counted so far."""
    store.write(f"{FOLDER}/{process}.json", json.dumps(counts).encode())


def forget_old_calls(store: Store) -> None:
    """Leave the newest objects."""
    oldest = sorted(store.list(FOLDER), key=lambda entry: entry.modified)[:-KEPT]
    for entry in oldest:
        store.delete(entry.key)


def read_calls(store: Store) -> dict[str, dict[str, int]]:
    """By source and outcome, over all processes."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for counts in in_threads(lambda key: _read(store, key), [entry.key for entry in store.list(FOLDER)]):
        for source, outcomes in counts.items():
            for outcome, count in outcomes.items():
                sums[source][outcome] += count
    return {source: dict(outcomes) for source, outcomes in sums.items()}


def _read(store: Store, key: str) -> dict[str, dict[str, int]]:
    try:
        found: dict[str, dict[str, int]] = json.loads(store.read(key))
    except FileNotFoundError:  # forgotten since it was listed
        return {}
    return found
