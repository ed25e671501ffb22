"""The batch as a whole: beside the last one of its source, and who draws unlike the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from include.checks.batch_checks import psi
from include.definitions.suites import RuleInUse
from tasks.validate_annotations.config import ValidateAnnotations
from tasks.validate_annotations.findings import Finding, Findings, got
from tasks.validate_annotations.first_reading import FirstReading
from tasks.validate_annotations.frames import stock_columns
from tasks.validate_annotations.second_reading import SecondReading
from tasks.validate_annotations.verdicts import Ask

AGAINST = ("class_balance", "counts_against_parent")
PEOPLE = {"annotator_outliers": "annotator", "job_outliers": "job"}


@dataclass(frozen=True)
class Parent:
    """What a batch is compared with: the accepted labels of an earlier one."""

    name: str
    images: int
    by_class: Mapping[str, int]


@dataclass(frozen=True)
class Batch:
    """A frame for each question about the batch, with the rules that are asked of it."""

    questions: dict[str, tuple[pd.DataFrame, list[RuleInUse]]]

    def findings(self, ask: Ask, make: Findings) -> Iterator[Finding]:
        for question, (rows, rules) in self.questions.items():
            if not rules or rows.empty:
                continue
            for name, broken in ask(question, rows, rules).items():
                rule = next(one for one in rules if one.name == name)
                # of a stock expectation there is one finding, however many rows it names
                found = rows.iloc[:1] if rule.expect and broken.any() else rows[broken] if not rule.expect else rows.iloc[:0]
                for row in found.to_dict("records"):
                    yield make.of(row, rule, rule.action, got(row, rule) if not rule.expect else "not as expected")


def about_batch(
    config: ValidateAnnotations, first: FirstReading, second: SecondReading, images: int, accepted: Path, parent: Parent | None
) -> Batch:
    """`images`, `accepted`: what may teach, so many images and the file of annotations."""
    rules = config.in_use.of("batch")
    questions = {}
    if parent is not None and parent.images:
        against = [rule for rule in rules if rule.name in AGAINST]
        questions["6-batch-beside-the-last"] = (_beside(second.by_class, images, parent), against)
    for name, kind in PEOPLE.items():
        frame = first.people[kind].frame(second.rejected[kind]).assign(**{kind: lambda rows: rows["batch_key"]})
        questions[f"7-{kind}s"] = (frame, [rule for rule in rules if rule.name == name])
    stock = [rule for rule in rules if rule.expect]
    if stock:
        columns = sorted({name for rule in stock for name in stock_columns(rule)} & set(pq.read_schema(accepted).names))
        rows = pq.read_table(accepted, columns=columns or ["annotation_key"]).to_pandas()
        questions["8-batch"] = (rows.assign(row=range(len(rows)), batch_key="all annotations that teach"), stock)
    return Batch(questions)


def _beside(by_class: Mapping[str, int], images: int, parent: Parent) -> pd.DataFrame:
    now, then = sum(by_class.values()), sum(parent.by_class.values())
    return pd.DataFrame([{
        "row": 0, "batch_key": "classes and counts", "parent": parent.name, "psi": psi(by_class, parent.by_class),
        "shares": _shares(by_class, parent.by_class), "boxes_now": now, "boxes_then": then, "images_now": images,
        "images_then": parent.images, "per_image_now": now / max(1, images), "per_image_then": then / parent.images,
    }])  # fmt: skip


def _shares(now: Mapping[str, int], then: Mapping[str, int], most: int = 5) -> str:
    """The classes whose share changed most: `Tree 80% → 20%`."""
    totals = max(1, sum(now.values())), max(1, sum(then.values()))
    shares = {name: (then.get(name, 0) / totals[1], now.get(name, 0) / totals[0]) for name in {*now, *then}}
    order: Sequence[str] = sorted(shares, key=lambda name: (-abs(shares[name][0] - shares[name][1]), name))
    return ", ".join(f"{name} {shares[name][0]:.0%} → {shares[name][1]:.0%}" for name in order[:most])
