"""How far a version has moved from the one before: what its boxes and pictures are like, column by column, whole and per split.

Of boxes: class_name, size_px (√ of the area), relative_size (√ of the share of the picture), aspect_ratio (width to height),
centre_x, centre_y (shares of the picture). Of pictures: boxes_per_image, brightness (0–1), source, and what `attributes` names.
What no label or picture says is left out, and a column that one side does not have at all is "not measured".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from include.artifacts import DatasetVersion
from include.artifacts.tables import from_parquet, to_frame
from include.checks.shifts import Limits, Shift, shift_of_names, shift_of_numbers
from include.storage import ContentStore
from include.versions.contents import Contents
from include.versions.splits import SPLITS

Values = Any  # a column as an array
WHOLE = "all"
ATTRIBUTES = ("site",)
OF_BOXES = ("class_name", "size_px", "relative_size", "aspect_ratio", "centre_x", "centre_y")
OF_IMAGES = ("boxes_per_image", "brightness", "source")
RATIOS = frozenset({"size_px", "relative_size", "aspect_ratio"})  # drawn on a logarithmic scale
IMAGES_READ = ("image_id", "width_px", "height_px", "split", "source", "attributes", "brightness")
BOXES_READ = ("image_id", "category_id", "x_px", "y_px", "width_px", "height_px")


@dataclass(frozen=True)
class Measured:
    """`of_boxes`, `of_images`: values by column. `split` of each image; `image`: of each box, its image's row."""

    of_boxes: dict[str, Values]
    of_images: dict[str, Values]
    split: Values
    image: Values

    @classmethod
    def of_contents(cls, contents: Contents, attributes: Sequence[str] = ATTRIBUTES) -> Measured:
        """Of what is to be a version."""
        rows = pd.Index(contents.images["md5"]).get_indexer(pd.Index(contents.annotations["md5"]))
        return measure(contents.images, contents.annotations, rows, attributes)

    @classmethod
    def of_version(cls, content: ContentStore, version: DatasetVersion, attributes: Sequence[str] = ATTRIBUTES) -> Measured:
        """Of a version that stands: only the columns that count are read."""
        images, boxes = (
            to_frame(table.select([name for name in wanted if name in table.column_names]))
            for table, wanted in (
                (from_parquet(content.get(version.images_table)), IMAGES_READ),
                (from_parquet(content.get(version.annotations_table), list(BOXES_READ)), BOXES_READ),
            )
        )
        boxes["class_name"] = boxes["category_id"].map(dict(enumerate(version.classes, 1)))
        return measure(images, boxes, pd.Index(images["image_id"]).get_indexer(pd.Index(boxes["image_id"])), attributes)

    def column(self, name: str, split: str) -> Values:
        """The values of one split, or of all."""
        chosen = np.ones(len(self.split), bool) if split == WHOLE else self.split == split
        return self.of_images[name][chosen] if name in self.of_images else self.of_boxes[name][chosen[self.image]]


def measure(images: pd.DataFrame, boxes: pd.DataFrame, image: Values, attributes: Sequence[str]) -> Measured:
    """`image`: of each box, its image's position in `images`."""
    x, y, width, height = (boxes[name].to_numpy(float) for name in ("x_px", "y_px", "width_px", "height_px"))
    image_width, image_height = (images[name].to_numpy(float)[image] for name in ("width_px", "height_px"))
    with np.errstate(divide="ignore", invalid="ignore"):  # what was adopted may have boxes without a height
        of_boxes = {
            "class_name": boxes["class_name"],
            "size_px": np.sqrt(width * height),
            "relative_size": np.sqrt(width * height / (image_width * image_height)),
            "aspect_ratio": width / height,
            "centre_x": (x + width / 2) / image_width,
            "centre_y": (y + height / 2) / image_height,
        }
    lacking = pd.Series(np.nan, index=images.index)
    of_images = {
        "boxes_per_image": np.bincount(image, minlength=len(images)),
        "brightness": pd.to_numeric(images.get("brightness", lacking)).to_numpy(float),
        "source": images["source"],
        **said(images["attributes"], attributes),
    }
    return Measured(of_boxes, of_images, images["split"].to_numpy(), image)


def said(column: pd.Series[Any], names: Sequence[str]) -> dict[str, pd.Series[Any]]:
    """What the images' attributes say of each name, as text; None where nothing. Many images say the same: it is parsed once."""
    parsed = {text: json.loads(text) for text in column.dropna().unique()}
    return {
        name: column.map({text: None if one.get(name) is None else str(one[name]) for text, one in parsed.items()}).astype(object)
        for name in names
    }


def version_shifts(
    before: Measured, after: Measured, limits: Limits | None = None, splits: Sequence[str] = (WHOLE, *SPLITS)
) -> dict[str, tuple[Shift, ...]]:
    """By split (`all` first), a shift per column. A split that either side has not is left out."""
    names = [name for name in (*OF_BOXES, *after.of_images)]
    return {
        split: tuple(shift_of(name, before.column(name, split), after.column(name, split), limits) for name in names)
        for split in splits
        if split == WHOLE or all((side.split == split).any() for side in (before, after))
    }


def shift_of(name: str, before: Values, after: Values, limits: Limits | None) -> Shift:
    if isinstance(before, pd.Series):
        old, new = ({str(key): int(count) for key, count in side.value_counts().items() if count} for side in (before, after))
        return shift_of_names(name, old, new, limits)
    return shift_of_numbers(name, before, after, limits, name in RATIOS)
