"""What the checks found, over all batches of a source: which of it still stands, in sums, and row by row.

A finding is history once a later batch that was checked (or stopped) has its delivery in a newer state, or has it as deleted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from include.artifacts import CheckedLabels, LabelBatch, StoppedLabels
from include.artifacts.base import CardT
from include.artifacts.tables import FINDINGS, parts_of
from include.storage import ContentStore, Store
from include.storage.content import in_threads

AT_ONCE = 20_000  # rows in memory
DONE = {  # in a word, what was done about it
    "reject annotation": "set aside", "reject image": "set aside", "repair": "repaired", "warn": "warned", "stop": "stopped",
}  # fmt: skip
SUMMED = ("rule", "annotator", "job")
UNKNOWN = "not said"


@dataclass(frozen=True)
class Checking:
    """One checking of a batch. `history`: its deliveries whose labels were replaced or withdrawn since."""

    card: CheckedLabels | StoppedLabels
    history: frozenset[str] = frozenset()

    @property
    def checked_at(self) -> datetime:
        return self.card.made_by.ended_at

    @property
    def state(self) -> str:
        return "checked" if isinstance(self.card, CheckedLabels) else "stopped"


def checkings(store: Store, source: str) -> list[Checking]:
    """The last of every batch of a source, in the order in which they were made."""
    stopped = {card.batch_id: card for card in _cards(store, f"labels/{source}/stopped", StoppedLabels)}
    checked = {card.batch_id: card for card in _cards(store, f"labels/{source}/checked", CheckedLabels)}
    cards = sorted((stopped | checked).values(), key=lambda card: card.made_by.ended_at)
    replaced: dict[str, set[str]] = defaultdict(set)
    for card in cards:
        for batch_id, deliveries in card.supersedes.items():
            replaced[batch_id].update(deliveries)
    return [Checking(card, frozenset(replaced[card.batch_id])) for card in cards]


def _cards(store: Store, folder: str, kind: type[CardT]) -> list[CardT]:
    keys = [entry.key for entry in store.list(folder) if entry.key.endswith(".json")]
    return list(in_threads(lambda key: kind.load(store, key), keys))


def delivery_of(image_key: str | None, key: str, source: str, deliveries: Collection[str]) -> str | None:
    """Of an image or annotation. Deliveries may have `/` in their names, so the longest that fits is meant."""
    path = image_key.removeprefix(f"{source}/") if image_key else f"{key.rpartition('#')[0]}/"
    parts = path.split("/")
    return next((name for end in range(len(parts) - 1, 0, -1) if (name := "/".join(parts[:end])) in deliveries), None)


def findings_of(content: ContentStore, one: Checking, only_standing: bool) -> Iterator[pa.Table]:
    """Its findings, some at a time."""
    names = _deliveries(content.store, one.card) if only_standing and one.history else frozenset[str]()
    for table in parts_of(content.get(one.card.findings_table), rows=AT_ONCE):
        yield table.filter(_stands(table, one, names)) if names else table


def _deliveries(store: Store, card: CheckedLabels | StoppedLabels) -> frozenset[str]:
    batch = LabelBatch.load(store, f"labels/{card.source}/batches/{card.batch_id}.json")
    return frozenset(delivery.name for delivery in batch.deliveries)


def _stands(table: pa.Table, one: Checking, deliveries: frozenset[str]) -> pa.Array:
    """What is said of the whole batch stands as long as anything in it does."""
    rows = zip(*(table[name].to_pylist() for name in ("subject", "image_key", "key")), strict=True)
    any_left = bool(deliveries - one.history)
    return pa.array(
        [
            any_left if subject == "batch" else delivery_of(image_key, key, one.card.source, deliveries) not in one.history
            for subject, image_key, key in rows
        ],
        pa.bool_(),
    )


def chosen(table: pa.Table, wanted: Mapping[str, Collection[str]]) -> pa.Table:
    """The rows whose columns have one of the wanted values; null and NaN are none."""
    for column, values in wanted.items():
        table = table.filter(pc.is_in(table[column], value_set=pa.array(sorted(values), pa.string())))
    return table


@dataclass
class Sums:
    """Findings counted by rule, annotator and job, each by (subject, what was done). Null counts as "not said"."""

    of: dict[str, dict[str, Counter[tuple[str, str]]]] = field(default_factory=lambda: {name: {} for name in SUMMED})
    rows: int = 0

    def add(self, table: pa.Table) -> None:
        self.rows += len(table)
        for column in SUMMED:
            counted = table.group_by([column, "subject", "action"]).aggregate([([], "count_all")])
            for row in counted.to_pylist():
                value = UNKNOWN if row[column] is None else row[column]
                done = DONE.get(row["action"], row["action"])
                self.of[column].setdefault(value, Counter())[row["subject"], done] += row["count_all"]

    def most(self, column: str) -> list[tuple[str, Counter[tuple[str, str]]]]:
        """Values with their counts, those with the most first."""
        return sorted(self.of[column].items(), key=lambda item: (-item[1].total(), item[0]))


def summed(tables: Iterable[pa.Table]) -> Sums:
    sums = Sums()
    for table in tables:
        sums.add(table)
    return sums


def as_rows(table: pa.Table) -> list[dict[str, Any]]:
    return list(table.select(FINDINGS.names).to_pylist())
