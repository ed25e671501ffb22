"""Divide a batch: what may teach, as it is or repaired, and what is set aside; and say what was found. Nothing is lost.

Annotations are read twice, part by part. The first reading judges each by itself, and lays aside what it takes to find those that
were made twice; the second judges these, and writes. Memory: a part, what is in one bucket of those laid aside, 60 bytes for each
image and 12 for each annotation. It is the work of one process: Spark, which Great Expectations also runs on, or a mapped task
per delivery would spread the first reading over machines; what is beside one another would still have to come together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.artifacts.tables import ANNOTATIONS, FINDINGS, IMAGES
from tasks.validate_annotations.batch import Parent, about_batch
from tasks.validate_annotations.config import ValidateAnnotations
from tasks.validate_annotations.findings import Findings, table_of, tables_of
from tasks.validate_annotations.first_reading import FirstReading
from tasks.validate_annotations.gates import passed, stopped_by
from tasks.validate_annotations.images import Images
from tasks.validate_annotations.pictures import Picture
from tasks.validate_annotations.second_reading import SecondReading
from tasks.validate_annotations.stream import Parts, Writer, parts_of_file
from tasks.validate_annotations.verdicts import Ask, Rules

Counts = Counter[tuple[str, str, str]]  # subject, action, rule


@dataclass
class Divided:
    """Parquet files of IMAGES, ANNOTATIONS (class names as in datasets, boxes as repaired) and FINDINGS, and their numbers.

    Every row of the batch is accepted, or has one finding that rejects it; a duplicate that a repair dropped has that instead.
    `stopped_by`: rules and gates, each with its numbers, for which the batch must not teach before a person has looked.
    """

    folder: Path
    images: int = 0
    annotations: int = 0
    counts: Counts = field(default_factory=Counter)
    accepted_by_class: dict[str, int] = field(default_factory=dict)
    stopped_by: tuple[str, ...] = ()

    def path(self, table: str) -> Path:
        return self.folder / f"{table}.parquet"

    def table(self, name: str) -> pa.Table:
        """Whole: `images`, `annotations` or `findings`."""
        return pq.read_table(self.path(name))

    def by_rule(self, *actions: str) -> dict[str, int]:
        """Rows by the rule of their finding."""
        found: Counter[str] = Counter()
        for (_, action, rule), count in self.counts.items():
            found[rule] += count if action in actions else 0
        return dict(sorted((+found).items()))

    def rejected(self, subject: str) -> int:
        return sum(count for (about, action, _), count in self.counts.items() if about == subject and action.startswith("reject"))


# 1e308 px is a number that somebody may send: what it makes infinite is out of place
@np.errstate(over="ignore", invalid="ignore")
def divide(
    images: Parts,
    annotations: Parts,
    pictures: Mapping[str, Picture] | None,
    config: ValidateAnnotations,
    ask: Ask,
    folder: Path,
    parent: Parent | None = None,
) -> Divided:
    """`pictures`: by md5, what the images really are; None: not looked at. `ask`: Suites.broken. `folder`: an empty one."""
    divided, make = Divided(folder), Findings(config.owner)
    about_images, rules = (Rules(tuple(config.in_use.of(subject))) for subject in ("image", "annotation"))
    known = Images(images, pictures, about_images)
    first = FirstReading(annotations, known, rules, config.classes, folder)
    known.judge(ask)
    first.judge(ask)
    second, boxes = SecondReading(first, make, ask), np.zeros(images.rows, np.int64)
    with Writer(folder / "said.parquet", FINDINGS) as said, Writer(divided.path("annotations"), ANNOTATIONS) as accepted:
        for part in second.parts():
            accepted.add(part.accepted)
            said.add(part.findings)
            np.add.at(boxes, part.image_at, 1)
    known.look_at_labels(boxes, ask)
    with Writer(divided.path("images"), IMAGES) as good:
        for some in known.accepted():
            good.add(some)
    divided.images, divided.annotations = good.rows, accepted.rows
    divided.accepted_by_class = dict(sorted(second.by_class.items()))
    batch = about_batch(config, first, second, divided.images, divided.path("annotations"), parent)
    with Writer(divided.path("findings"), FINDINGS) as findings:
        for some in tables_of(known.findings(make)):
            _keep(findings, divided.counts, some)
        for some in parts_of_file(folder / "said.parquet", FINDINGS).read(FINDINGS.names):
            _keep(findings, divided.counts, some)
        _keep(findings, divided.counts, table_of(batch.findings(ask, make)))
        gates = passed(divided.counts, config.in_use, {"image": images.rows, "annotation": annotations.rows})
        _keep(findings, divided.counts, table_of(make.of_gate(one) for one in gates))
    divided.stopped_by = stopped_by(divided.counts, config.in_use, gates)
    return divided


def _keep(findings: Writer, counts: Counts, some: pa.Table) -> None:
    findings.add(some)
    grouped = some.group_by(["subject", "action", "rule"]).aggregate([([], "count_all")])
    for row in grouped.to_pylist():
        counts[row["subject"], row["action"], row["rule"]] += row["count_all"]
