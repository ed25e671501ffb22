"""The files of a version: its tables, its COCO files, its listing. Equal contents give equal bytes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from include.artifacts import SplitCount
from include.artifacts.tables import AT_ONCE, VERSION_ANNOTATIONS, VERSION_IMAGES, rows_of
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


def coco_files(name: str, classes: Sequence[str], images: pa.Table, annotations: pa.Table) -> Iterator[tuple[str, bytes]]:
    """Relpath and bytes: one COCO file per split. Ids are the version's own, file_name is the path in the dataset's folder."""
    categories = [{"id": number, "name": one} for number, one in enumerate(classes, 1)]
    split_of_box = images["split"].take(pc.subtract(annotations["image_id"], 1))  # ids count from 1
    for split in SPLITS:
        boxes = annotations.filter(pc.equal(split_of_box, split))
        out = io.BytesIO()
        out.write(b'{"annotations":[')
        _write(out, (_coco_annotation(row) for some in boxes.to_batches(AT_ONCE) for row in some.to_pylist()))
        out.write(b'],"categories":%b,"images":[' % _json(categories))
        rows = rows_of(images.filter(pc.equal(images["split"], split)), "image_id", "relpath", "width_px", "height_px")
        _write(out, ({"id": number, "file_name": path, "width": w, "height": h} for number, path, w, h in rows))
        out.write(b'],"info":%b}' % _json({"description": name}))
        yield f"annotations/{split}.json", out.getvalue()


def _write(out: io.BytesIO, entries: Iterable[dict[str, Any]]) -> None:
    """One by one: as a list of dicts a million entries are ten times their text."""
    between = b""
    for entry in entries:
        out.write(between + _json(entry))
        between = b","


def _coco_annotation(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["annotation_id"],
        "image_id": row["image_id"],
        "category_id": row["category_id"],
        "bbox": [row["x_px"], row["y_px"], row["width_px"], row["height_px"]],
        "area": row["width_px"] * row["height_px"],
        "iscrowd": int(row["is_crowd"]),
    }


def _json(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def count_splits(images: pa.Table, annotations: pa.Table) -> dict[str, SplitCount]:
    """How much each split holds; all three are named, even when empty."""
    split_of_box = images["split"].take(pc.subtract(annotations["image_id"], 1))

    def count(split: Split) -> SplitCount:
        groups = images["group"].filter(pc.equal(images["split"], split))
        boxes = pc.sum(pc.equal(split_of_box, split)).as_py() or 0
        return SplitCount(images=len(groups), annotations=boxes, groups=pc.count_distinct(groups).as_py())

    return {split: count(split) for split in SPLITS}
