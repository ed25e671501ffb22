"""What several people made of the same pictures of a batch: how far they agree, and whose labels stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from include.artifacts import Agreement
from include.artifacts.columns import column
from include.artifacts.tables import ANNOTATIONS, rows_of
from tasks.ingest_labels.agreement import measure
from tasks.ingest_labels.answers import Drawn, drawn, sittings
from tasks.ingest_labels.config import IngestLabels
from tasks.ingest_labels.conflicts import Aside, decide
from tasks.ingest_labels.matching import match

SEEN = ("image_key", "md5", "delivery", "annotators")
COMPARED = (
    "annotation_key", "image_key", "annotator", "reviewer", "drawn_at", "reviewed_at", "class_name", "shape", "is_crowd",
    "x_px", "y_px", "width_px", "height_px",
)  # fmt: skip


def consensus(images: pa.Table, annotations: pa.Table, config: IngestLabels) -> tuple[pa.Table, Agreement | None]:
    """The annotations with their `conflict`, and the agreement; None if no picture was labelled by two people.

    Labels of one picture that came under several names are all put to the name that stands in validate_annotations.
    """
    drew = {(key, person) for key, person in rows_of(annotations, "image_key", "annotator") if person is not None}
    found = sittings(images.select(SEEN).to_pylist(), drew, config.labelled_apart)
    if not found:
        return annotations, None
    rows = annotations.select(COMPARED).to_pylist()
    compared = drawn(found, rows)
    matches = match(compared, config.same_object_iou)
    aside = decide(compared, matches, rows, config.conflicts)
    measured = measure(compared, matches)
    agreement = Agreement(
        rule=config.conflicts,
        images=len(found),
        objects=len(set(matches.thing.tolist())),
        overall=measured.overall,
        by_class=measured.by_class,
        by_person=measured.by_person,
        set_aside=dict(sorted(Counter(one.why for one in aside.values()).items())),
    )
    return _judged(annotations, compared, aside) if config.conflicts != "keep_all" else annotations, agreement


def _judged(annotations: pa.Table, compared: Drawn, aside: dict[int, Aside]) -> pa.Table:
    keys = annotations["image_key"].to_pylist()
    for row, picture in zip(compared.row.tolist(), compared.picture.tolist(), strict=True):
        keys[row] = compared.sittings[picture].stands
    said = [one.said if (one := aside.get(row)) is not None else None for row in range(len(annotations))]
    return _with(_with(annotations, "image_key", keys), "conflict", said)


def _with(table: pa.Table, name: str, values: Sequence[str | None]) -> pa.Table:
    position = ANNOTATIONS.get_field_index(name)
    return table.set_column(position, ANNOTATIONS.field(position), column(values, pa.string()))
