"""What the pages tell: the batch, the rules it was asked, what was found, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from include.artifacts import LabelBatch
from include.artifacts.tables import parts_of
from include.findings import AT_ONCE, Sums, as_rows, summed
from include.storage.addresses import clean

MOST_ROWS = 1000  # of each rule: a browser opens it; the Parquet table has them all


@dataclass(frozen=True)
class Ruled:
    """A rule that was asked of so many rows. `action`: what is done with what breaks it."""

    name: str
    expected: str
    action: str
    owner: str
    suite: str
    rows: int

    @property
    def slug(self) -> str:
        """Its name in an address."""
        return clean(self.name)


@dataclass(frozen=True)
class Table:
    """A Parquet file, or its bytes, read some rows at a time."""

    stored: Path | bytes

    def chunks(self, *columns: str) -> Iterator[pa.Table]:
        """Of these columns, or all."""
        yield from parts_of(self.stored, columns or None, AT_ONCE)


@dataclass
class Told:
    """`results`: Great Expectations' pages, by question. `stopped`: what stopped the batch, in words; none: it teaches.
    `let_through`: by whom and why, where a person let it.

    The tables are IMAGES and ANNOTATIONS as they came, and FINDINGS. `images_kept`, `annotations_kept`: what teaches.
    """

    batch: LabelBatch
    images: Table
    annotations: Table
    findings: Table
    images_kept: int
    annotations_kept: int
    rules: Sequence[Ruled]
    suites: Sequence[str]
    results: Mapping[str, str] = field(default_factory=dict)
    stopped: Sequence[str] = ()
    let_through: str | None = None
    sums: Sums = field(init=False)
    first: dict[str, list[dict[str, Any]]] = field(init=False)  # findings by rule, at most MOST_ROWS of each
    drawn: dict[str, Counter[str | None]] = field(init=False)  # annotations by annotator and by job

    def __post_init__(self) -> None:
        self.sums, self.first = summed(self.findings.chunks()), {}
        for table in self.findings.chunks():
            for rule in table["rule"].unique().to_pylist():
                self._keep(rule, table)
        known = {one.name for one in self.rules}
        self.rules = [*self.rules, *(_from_finding(rows[0]) for rule, rows in self.first.items() if rule not in known)]
        self.drawn = {column: Counter() for column in ("annotator", "job")}
        for table in self.annotations.chunks(*self.drawn):
            for column, counter in self.drawn.items():
                counter.update({one["values"]: one["counts"] for one in table[column].value_counts().to_pylist()})

    def _keep(self, rule: str, table: pa.Table) -> None:
        kept = self.first.setdefault(rule, [])
        if len(kept) < MOST_ROWS:
            kept += as_rows(table.filter(pc.equal(table["rule"], rule)).slice(0, MOST_ROWS - len(kept)))

    def count(self, rule: str, done: str, subject: str | None = None) -> int:
        """Findings of a rule."""
        of_rule = self.sums.of["rule"].get(rule, Counter())
        return sum(count for (what, how), count in of_rule.items() if how == done and subject in (None, what))

    def total(self, done: str, subject: str) -> int:
        """Findings of all rules."""
        return sum(self.count(rule, done, subject) for rule in self.sums.of["rule"])


def _from_finding(row: dict[str, Any]) -> Ruled:
    """Of what asks no row: a gate."""
    said = {name: str(row[name] or "") for name in ("expected", "action", "owner", "suite")}
    return Ruled(name=str(row["rule"]), rows=0, **said)
