"""Annotations of a COCO file, put in the order of their images, as columns: of some rows at a time, when they are asked for.

As public files have them, they become columns without looking at each. What any of them says besides is read one by one, by
include/labelling/files/coco_shapes.py. The rows are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa

from include.artifacts.columns import numbers, text
from include.labelling.drawn import Columns, Values
from include.labelling.files.coco_shapes import annotation_of, columns_of_any, segmented
from include.labelling.files.values import as_id

Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Plain(msgspec.Struct, gc=False):
    """What says anything else is no plain annotation."""

    id: Whole
    image_id: Whole
    category_id: Whole
    bbox: tuple[float, float, float, float]
    segmentation: msgspec.Raw = msgspec.Raw(b"null")
    iscrowd: int = 0
    keypoints: None = None
    annotator: None = None
    reviewer: None = None
    job: None = None
    attributes: None = None


_decode = msgspec.json.Decoder(Plain).decode


def columns_of(
    raws: Sequence[msgspec.Raw], classes: dict[str, str], positions: dict[str | None, int], strays: int, job: str | None = None
) -> tuple[Columns, list[int]]:
    """Columns of annotations as JSON, in the order of the positions of their images; and where those of each position end.

    `classes`: name by id. `strays`: the position of those of no image, the last. `job`: of those that name none.
    """
    annotations: list[Any]
    made_of: Callable[[Sequence[Any], dict[str, str]], dict[str, Any]]
    try:
        annotations, made_of = [_decode(raw) for raw in raws], _columns_of_plain
    except msgspec.DecodeError:
        annotations, made_of = [annotation_of(raw) for raw in raws], columns_of_any
    places = [positions.get(as_id(one.image_id), strays) for one in annotations]
    order = np.argsort(places, kind="stable").tolist()

    def made(start: int, stop: int) -> dict[str, Values]:
        some = order[start:stop]
        found = made_of([annotations[at] for at in some], classes)
        if job is not None:
            found["job"] = [one or job for one in found.get("job", [None] * len(some))]
        return found | {"raw": text([raws[at] for at in some])}

    return Columns(made), np.cumsum(np.bincount(places, minlength=strays + 1)).tolist()


def _columns_of_plain(annotations: Sequence[Plain], classes: dict[str, str]) -> dict[str, Values]:
    ids, image_ids, category_ids, boxes, segments, crowds, *_ = zip(*map(msgspec.structs.astuple, annotations), strict=True)
    kinds, geometries = segmented(segments)
    names = {one: classes.get(str(one)) for one in set(category_ids)}
    return {
        "kind": kinds, "box_px": boxes, "geometry": geometries, "class_name": [names[one] for one in category_ids],
        "annotation_id": numbers(ids, pa.int64()).cast(pa.string()),
        "image_id": numbers(image_ids, pa.int64()).cast(pa.string()), "is_crowd": [one == 1 for one in crowds],
    }  # fmt: skip
