"""Which batches have a spot check: of a source, of a dataset version; and what all of them together say."""

from __future__ import annotations

from collections.abc import Iterable

from include.artifacts import DatasetVersion, SpotCheck
from include.errors import BadInputError
from include.spot_checks.results import Result, read_rows, read_verdicts, together
from include.spot_checks.sheet import NAMED
from include.storage import Store
from include.storage.content import in_threads


def spot_checks(store: Store, source: str) -> list[SpotCheck]:
    """Of a source, the oldest first."""
    folder = f"labels/{source}/spot_checks"
    keys = [
        entry.key for entry in store.list(folder) if entry.key.endswith(".json") and entry.key.count("/") == folder.count("/") + 1
    ]
    return sorted((SpotCheck.load(store, key) for key in keys), key=lambda card: (card.made_by.ended_at, card.batch_id))


def spot_check_of(store: Store, source: str, batch: str) -> SpotCheck:
    """Raises BadInputError where the batch has none."""
    found = {card.batch_id: card for card in spot_checks(store, source)}
    if batch not in found:
        known = ", ".join(list(found)[-NAMED:]) or "none; a source says so with a section spot_check"
        raise BadInputError(f"source {source}: no spot check of batch {batch}; there are those of {known}")
    return found[batch]


def of_version(store: Store, version: DatasetVersion) -> tuple[Result, int]:
    """What is known of the batches whose labels the version was made of, and how many of them were looked at."""
    keys = [address.replace("/checked/", "/spot_checks/", 1) for address in version.checked_labels]
    found = [key for key, there in zip(keys, in_threads(store.exists, keys), strict=True) if there]
    return reviewed(store, [SpotCheck.load(store, key) for key in found])


def summary(store: Store, source: str) -> str:
    """In a line, for a source."""
    checks = spot_checks(store, source)
    found, seen = reviewed(store, checks)
    share = found.of["annotation"].share
    said = f"; {share} of their labels are wrong" if share else ""
    return f"{seen} of {len(checks)} batches reviewed{said}" if checks else "none"


def reviewed(store: Store, checks: Iterable[SpotCheck]) -> tuple[Result, int]:
    """Of those that somebody looked at, together; and how many these are."""
    some = [(card, *verdicts) for card in checks if (verdicts := read_verdicts(store, card))[0]]
    return together((card, read_rows(store, card), said, people) for card, said, people in some), len(some)
