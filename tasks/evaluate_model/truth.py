"""The test split of a dataset version, as pycocotools wants it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from include.errors import BadInputError


@dataclass(frozen=True)
class Truth:
    """Ids are 1, 2, …: pycocotools takes an annotation id of 0 for `unmatched`. Categories are 1, 2, … in the classes' order."""

    dataset: str
    classes: tuple[str, ...]
    images: tuple[dict[str, Any], ...]
    annotations: tuple[dict[str, Any], ...]

    @cached_property
    def category_ids(self) -> dict[str, int]:
        """By class name."""
        return {name: number for number, name in enumerate(self.classes, start=1)}

    @cached_property
    def coco(self) -> dict[str, Any]:
        """A COCO dataset. pycocotools writes into what it is given, so each call site takes copies."""
        categories = [{"id": number, "name": name} for name, number in self.category_ids.items()]
        return {"images": list(self.images), "annotations": list(self.annotations), "categories": categories}


def truth_of(label: str, classes: Sequence[str], images: pa.Table, annotations: pa.Table) -> Truth:
    """From the tables of a version (include/artifacts/tables.py). Raises BadInputError where there is nothing to score on."""
    chosen = images.filter(pc.equal(images["split"], "test")).sort_by("image_id")
    numbers = {old: new for new, old in enumerate(chosen["image_id"].to_pylist(), start=1)}
    if not numbers:
        raise BadInputError(
            f"dataset {label}: its test split has no images (of {images.num_rows}); label images of more groups, or raise the "
            "share of `test` in the dataset's definition, and build a new version"
        )
    boxes = [row for row in annotations.to_pylist() if row["image_id"] in numbers]
    if all(row["is_crowd"] for row in boxes):
        raise BadInputError(
            f"dataset {label}: the {len(numbers)} images of its test split have no boxes, so nothing can be scored; "
            "label objects in the test groups and build a new version"
        )
    return Truth(
        dataset=label,
        classes=tuple(classes),
        images=tuple(
            {"id": numbers[row["image_id"]], "width": row["width_px"], "height": row["height_px"],
             "file_name": row["relpath"], "md5": row["md5"]}
            for row in chosen.to_pylist()
        ),
        annotations=tuple(
            {"id": number, "image_id": numbers[row["image_id"]], "category_id": row["category_id"],
             "bbox": [row["x_px"], row["y_px"], row["width_px"], row["height_px"]],
             "area": row["width_px"] * row["height_px"], "iscrowd": int(row["is_crowd"])}
            for number, row in enumerate(boxes, start=1)
        ),
    )  # fmt: skip
