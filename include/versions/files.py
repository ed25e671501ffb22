"""The files of a version: its tables, its COCO files, its listing. Equal contents give equal bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from include.artifacts import SplitCount
from include.artifacts.tables import VERSION_ANNOTATIONS, VERSION_IMAGES, to_frame
from include.versions.contents import Contents
from include.versions.splits import SPLITS, Split


def version_tables(contents: Contents, classes: Sequence[str]) -> tuple[pa.Table, pa.Table]:
    """VERSION_IMAGES by relpath, and VERSION_ANNOTATIONS by image, in the order in which they were labelled; ids from 1."""
    images = contents.images.sort_values("relpath", ignore_index=True)
    images["image_id"] = range(1, len(images) + 1)
    categories = {name: number for number, name in enumerate(classes, 1)}
    annotations = contents.annotations.assign(
        image_id=contents.annotations["md5"].map(images.set_index("md5")["image_id"]),
        category_id=contents.annotations["class_name"].map(categories),
    ).sort_values("image_id", kind="stable", ignore_index=True)
    annotations["annotation_id"] = range(1, len(annotations) + 1)
    return _table(images, VERSION_IMAGES), _table(annotations, VERSION_ANNOTATIONS)


def _table(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pandas(frame[schema.names], schema, preserve_index=False).replace_schema_metadata(None)


def coco_files(name: str, classes: Sequence[str], images: pa.Table, annotations: pa.Table) -> dict[str, bytes]:
    """By relpath: one COCO file per split. Ids are the version's own, file_name is the path in the dataset's folder."""
    by_split: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    split_of_image: dict[int, str] = {}
    for row in images.to_pylist():
        split_of_image[row["image_id"]] = row["split"]
        by_split[row["split"]].append(
            {"id": row["image_id"], "file_name": row["relpath"], "width": row["width_px"], "height": row["height_px"]}
        )
    boxes: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    for row in annotations.to_pylist():
        boxes[split_of_image[row["image_id"]]].append(_coco_annotation(row))
    categories = [{"id": number, "name": one} for number, one in enumerate(classes, 1)]
    return {
        f"annotations/{split}.json": _json(
            {"info": {"description": name}, "images": by_split[split], "annotations": boxes[split], "categories": categories}
        )
        for split in SPLITS
    }


def _coco_annotation(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["annotation_id"],
        "image_id": row["image_id"],
        "category_id": row["category_id"],
        "bbox": [row["x_px"], row["y_px"], row["width_px"], row["height_px"]],
        "area": row["width_px"] * row["height_px"],
        "iscrowd": int(row["is_crowd"]),
    }


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def count_splits(images: pa.Table, annotations: pa.Table) -> dict[str, SplitCount]:
    """How much each split holds; all three are named, even when empty."""
    frame = to_frame(images)
    boxes = annotations["image_id"].to_pandas().map(frame.set_index("image_id")["split"]).value_counts()

    def count(split: Split) -> SplitCount:
        of_split = frame[frame["split"] == split]
        return SplitCount(images=len(of_split), annotations=int(boxes.get(split, 0)), groups=of_split["group"].nunique())

    return {split: count(split) for split in SPLITS}
