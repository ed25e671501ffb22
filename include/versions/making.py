"""Contents in the making: images and their boxes, one by one, into columns."""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from include.formats import Box, LabelledImage
from include.formats.records import Problems, unpacked
from include.versions.contents import ANNOTATION_COLUMNS, IMAGE_COLUMNS, Copy
from include.versions.label_rules import LabelRules
from include.versions.names import Names
from include.versions.splits import SPLITS, SplitFractions, split_of

EDGE_PX = 0.01  # what rounding in a label file may lay outside the image; such a box is cut at the edge
# image files of a data set, by key: as labels name them; which bytes, how large
FILES = pa.schema([
    ("key", pa.string()), ("md5", pa.string()), ("size_bytes", pa.int64()), ("width_px", pa.int64()), ("height_px", pa.int64()),
])  # fmt: skip


class File(NamedTuple):
    """A row of FILES."""

    key: str
    md5: str
    size_bytes: int
    width_px: int
    height_px: int


class Rows:
    """Rows as they are found, kept as columns; a list of dicts takes five times the memory. `types`: array codes of numbers."""

    def __init__(self, names: Sequence[str], types: Mapping[str, str]) -> None:
        self.columns: dict[str, Any] = {name: array(types[name]) if name in types else [] for name in names}

    def add(self, **values: Any) -> None:
        for name, column in self.columns.items():
            column.append(values[name])

    def frame(self) -> pd.DataFrame:
        """Text as Python objects: pandas' own text type cannot join columns without a row."""
        return pd.DataFrame({
            name: np.asarray(column) if isinstance(column, array) else pd.Series(column, dtype=object)
            for name, column in self.columns.items()
        })  # fmt: skip


class Making:
    """Contents in the making."""

    def __init__(
        self, rules: LabelRules, source: str, folder: str, below: str | None, problems: Problems, counts: Counter[str]
    ) -> None:  # fmt: skip
        self.rules, self.source, self.below, self.problems, self.counts = rules, source, below, problems, counts
        self.folder = f"{folder}/" if folder else ""
        self.names, self.fractions = Names(()), (rules.split or SplitFractions()).by_split
        self.split_of_group: dict[str, str] = {}  # the first one; of groups that are more than an image's own md5
        self.torn: set[str] = set()
        self.known: dict[str, str] = {}  # split by md5
        self.copies: list[Copy] = []
        self.images = Rows(IMAGE_COLUMNS, dict.fromkeys(("size_bytes", "width_px", "height_px"), "q"))
        self.boxes = Rows(ANNOTATION_COLUMNS, dict.fromkeys(("x_px", "y_px", "width_px", "height_px"), "d"))

    def add(self, file: File, image: LabelledImage) -> None:
        """The image, and its boxes."""
        path = file.key.removeprefix(self.folder)
        if (group := _group(path, file.md5, image, self.rules.group)) is None:
            return self.problems.add(image.path, f"no group by {self.rules.group}", "one")
        split = split_of(group, self.fractions)
        if self.rules.split is None and image.split in SPLITS:
            split = image.split
        if (first := self.known.get(file.md5)) is not None:
            return self._leave_out(file, image, first, Copy(file.md5, self._lies_at(path), group, split))
        self.known[file.md5] = split
        if group != file.md5 and self.split_of_group.setdefault(group, split) != split:
            self.torn.add(group)
        self.images.add(
            relpath=self._relpath(path, file.md5), md5=file.md5,
            size_bytes=file.size_bytes, width_px=file.width_px, height_px=file.height_px, group=group, split=split,
            source=self.source, checked_labels=None, attributes=image.attributes, phash=None,
            brightness=None,
        )  # fmt: skip
        for number, box in enumerate(image.boxes):
            self._add_box(file, image.path, number, box)

    def _leave_out(self, file: File, image: LabelledImage, first_split: str, copy: Copy) -> None:
        """A file whose bytes are an image already. In another split they would be a leak: that is told."""
        self.counts["files with the same bytes as another"] += 1
        self.counts["boxes of such files, left out"] += len(image.boxes)
        if copy.split != first_split:
            self.copies.append(copy)

    def _lies_at(self, path: str) -> str:
        return path if self.below is None else f"{self.below}{path.removeprefix(self.below)}"

    def _relpath(self, path: str, md5: str) -> str:
        return path if self.below is None else self.names.take(self._lies_at(path), md5)

    def _add_box(self, file: File, path: str, number: int, box: Box) -> None:
        x0, y0, x1, y1 = _cut(box, file)
        right, bottom = box.x_px + box.width_px, box.y_px + box.height_px
        moved = max(abs(x0 - box.x_px), abs(y0 - box.y_px), abs(x1 - right), abs(y1 - bottom))
        outside, empty = not moved <= EDGE_PX, not (x1 > x0 and y1 > y0)
        if (outside or empty) and self.rules.boxes_outside == "refuse":
            said = f"box {box.x_px:g}, {box.y_px:g}, {box.width_px:g} × {box.height_px:g}"
            expected = f"one inside {file.width_px} × {file.height_px} px (or boxes_outside)"
            return self.problems.add(f"{path} box {number}", said, expected)
        if empty or (outside and self.rules.boxes_outside == "leave_out"):
            self.counts["boxes outside their image, left out"] += 1
            return None
        self.counts["boxes clipped to their image"] += outside
        width, height = (x1 - x0, y1 - y0) if moved else (box.width_px, box.height_px)  # to the last digit, where nothing is cut
        self.boxes.add(
            md5=file.md5, class_name=box.class_name, x_px=x0, y_px=y0, width_px=width, height_px=height, is_crowd=box.is_crowd,
            origin=f"{path}#{number}", annotator=box.annotator, reviewer=box.reviewer, job=box.job, attributes=box.attributes,
        )  # fmt: skip


def _cut(box: Box, file: File) -> tuple[float, float, float, float]:
    """Corners, none outside the image."""
    if not all(map(math.isfinite, (box.x_px, box.y_px, box.width_px, box.height_px))):
        return math.nan, math.nan, math.nan, math.nan
    x0, x1 = (min(max(x, 0.0), file.width_px) for x in (box.x_px, box.x_px + box.width_px))
    y0, y1 = (min(max(y, 0.0), file.height_px) for y in (box.y_px, box.y_px + box.height_px))
    return x0, y0, x1, y1


def _group(path: str, md5: str, image: LabelledImage, rule: str | None) -> str | None:
    """None where the rule finds none."""
    kind, _, what = (rule or "").partition(":")
    if kind == "folder":
        return path.rpartition("/")[0]
    if kind == "regex":
        found = re.search(what, path)
        return (found[1] if found.re.groups else found[0]) if found else None
    if kind == "attribute":
        value = unpacked(image.attributes).get(what)
        return None if value is None else str(value)
    return image.group or md5
