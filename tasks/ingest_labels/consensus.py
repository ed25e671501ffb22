"""What several people made of the same pictures of a batch: how far they agree, and whose labels stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from include.artifacts import Agreement
from tasks.ingest_labels.agreement import measure
from tasks.ingest_labels.answers import Drawn, drawn, sittings
from tasks.ingest_labels.config import IngestLabels
from tasks.ingest_labels.conflicts import Aside, decide
from tasks.ingest_labels.matching import match
from tasks.ingest_labels.rows import Row


def consensus(images: Sequence[Row], annotations: Sequence[Row], config: IngestLabels) -> tuple[Sequence[Row], Agreement | None]:
    """The annotations with their `conflict`, and the agreement; None if no picture was labelled by two people.

    Labels of one picture that came under several names are all put to the name that stands in validate_annotations.
    """
    found = sittings(images, annotations, config.labelled_apart)
    if not found:
        return annotations, None
    compared = drawn(found, annotations)
    matches = match(compared, config.same_object_iou)
    aside = decide(compared, matches, annotations, config.conflicts)
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


def _judged(annotations: Sequence[Row], compared: Drawn, aside: dict[int, Aside]) -> list[Row]:
    judged = list(annotations)
    for row, picture in zip(compared.row.tolist(), compared.picture.tolist(), strict=True):
        judged[row] = judged[row] | {"image_key": compared.sittings[picture].stands}
    for row, why in aside.items():
        judged[row] = judged[row] | {"conflict": why.said}
    return judged
