"""What a diff reads of two versions: their tables, and the boxes of images that both have as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from include.artifacts import DatasetVersion
from include.artifacts.tables import from_parquet
from include.storage import ContentStore
from include.versions.compare.box_pairs import Numbers, row_hashes

BOX = ("x_px", "y_px", "width_px", "height_px")
WHO = ("annotator", "reviewer", "job")
TEXTS = (*WHO, "attributes")
IMAGES_READ = ["image_id", "relpath", "md5", "split"]
BOXES_READ = ["image_id", "category_id", *BOX, "is_crowd", *TEXTS]


@dataclass(frozen=True)
class Tables:
    """A version's images and annotations (at least IMAGES_READ and BOXES_READ), and its classes in order."""

    images: pa.Table
    annotations: pa.Table
    classes: tuple[str, ...]

    @classmethod
    def read(cls, content: ContentStore, version: DatasetVersion) -> Tables:
        return cls(
            from_parquet(content.get(version.images_table), IMAGES_READ),
            from_parquet(content.get(version.annotations_table), BOXES_READ),
            version.classes,
        )


def numbers_of(before: Tables, after: Tables, matched: pd.DataFrame) -> tuple[Numbers, Numbers]:
    """Both sides' boxes in matched images, all values as numbers that mean the same on both sides."""
    classes = {name: number for number, name in enumerate(sorted({*before.classes, *after.classes}))}
    texts = [shared_codes(before.annotations[name], after.annotations[name]) for name in TEXTS]

    def side(tables: Tables, which: str, position: int) -> Numbers:
        table = tables.annotations
        ids = pd.Index(matched[f"image_id_{which}"])
        image = ids.get_indexer(pd.Index(table["image_id"].to_numpy()))
        category = np.array([-1, *(classes[name] for name in tables.classes)])[table["category_id"].to_numpy()]
        crowd = table["is_crowd"].fill_null(False).to_numpy().astype(np.int64)
        box = np.column_stack([table[name].to_numpy() for name in BOX]) + 0.0  # -0.0 is 0.0
        rest = np.column_stack([crowd, *(codes[position] for codes in texts)])
        rows = np.flatnonzero(image >= 0)
        made = Numbers(rows, image, category, box, rest, np.zeros(len(image), np.uint64)).take(rows, keep_rows=True)
        return made.hashed(row_hashes(made))

    return side(before, "before", 0), side(after, "after", 1)


def shared_codes(*columns: pa.ChunkedArray) -> list[Any]:
    """Each text as a number, the same for equal texts of all columns; null is -1."""
    plain = [column.cast(pa.string()) for column in columns]
    joined = pa.chunked_array([chunk for column in plain for chunk in column.chunks], pa.string())
    codes = joined.combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.split(codes, np.cumsum([len(column) for column in columns])[:-1])


def boxes_by(tables: Tables, image_ids: pd.Series[Any]) -> dict[str, dict[str, int]]:
    """How many boxes these images have: by class_name, annotator, reviewer and job, and under each by value (null: unknown)."""
    chosen = pc.is_in(tables.annotations["image_id"], pa.array(image_ids.to_numpy(np.int64)))
    rows = tables.annotations.select(["category_id", *WHO]).filter(chosen)
    found = {name: counted(rows[name]) for name in WHO}
    found["class_name"] = {tables.classes[int(number) - 1]: count for number, count in counted(rows["category_id"]).items()}
    return found


def counted(column: pa.ChunkedArray) -> dict[str, int]:
    pairs = zip(*(part.to_pylist() for part in column.value_counts().flatten()), strict=True)
    return {"unknown" if value is None else str(value): count for value, count in pairs}
