"""Annotations of a COCO file, put in the order of their images, as columns: of some rows at a time, when they are asked for.

As public files have them, they become columns without looking at each. What any of them says besides is read one by one, by
include/labelling/files/coco_shapes.py. The rows are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Annotated, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from include.artifacts.columns import numbers, text
from include.labelling.drawn import Columns, Values
from include.labelling.files.coco_shapes import Annotation, annotation_of, columns_of_any, segmented
from include.labelling.files.values import as_id

Made: TypeAlias = Callable[[NDArray[np.int64]], dict[str, Values]]  # of some positions
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
    made_of: Made
    try:
        plain = [_decode(raw) for raw in raws]
        image_ids, made_of = [one.image_id for one in plain], _made_of_plain(plain, classes)
        place = {one: positions.get(as_id(one), strays) for one in set(image_ids)}
        places = [place[one] for one in image_ids]
    except msgspec.DecodeError:
        odd = [annotation_of(raw) for raw in raws]
        made_of = _made_of_any(odd, classes)
        places = [positions.get(as_id(one.image_id), strays) for one in odd]
    order = np.argsort(places, kind="stable")

    def made(start: int, stop: int) -> dict[str, Values]:
        some = order[start:stop]
        found = made_of(some)
        if job is not None:
            found["job"] = [one or job for one in found.get("job", [None] * len(some))]
        return found | {"raw": text([raws[at] for at in some.tolist()])}

    return Columns(made), np.cumsum(np.bincount(places, minlength=strays + 1)).tolist()


def _made_of_any(annotations: Sequence[Annotation], classes: dict[str, str]) -> Made:
    return lambda some: columns_of_any([annotations[at] for at in some.tolist()], classes)


def _made_of_plain(annotations: Sequence[Plain], classes: dict[str, str]) -> Made:
    """Numbers are put together now, while they lie beside each other in memory."""
    segments = [one.segmentation for one in annotations]
    boxes = np.fromiter(chain.from_iterable(one.bbox for one in annotations), np.float64, 4 * len(annotations)).reshape(-1, 4)
    ids = np.array([one.id for one in annotations], np.int64)
    image_ids = np.array([one.image_id for one in annotations], np.int64)
    is_crowd = np.array([one.iscrowd == 1 for one in annotations], np.bool_)
    categories, kinds_of = np.unique(np.array([one.category_id for one in annotations], np.int64), return_inverse=True)
    names = np.array([classes.get(str(one)) for one in categories.tolist()], object)

    def made(some: NDArray[np.int64]) -> dict[str, Values]:
        kinds, geometries = segmented([segments[at] for at in some.tolist()])
        return {
            "kind": kinds, "box_px": boxes[some], "geometry": geometries, "class_name": names[kinds_of[some]].tolist(),
            "annotation_id": numbers(ids[some], pa.int64()).cast(pa.string()),
            "image_id": numbers(image_ids[some], pa.int64()).cast(pa.string()), "is_crowd": is_crowd[some].tolist(),
        }  # fmt: skip

    return made
