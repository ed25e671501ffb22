"""The batch's two tables (include/artifacts/tables.py) from what a connector handed over, as they grow.

Of each, at most AT_ONCE rows and one item are Python objects at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import pyarrow as pa

from include.artifacts.tables import ANNOTATIONS, AT_ONCE, IMAGES, empty_table, table_of_columns
from include.labelling.drawn import Columns, as_columns
from include.labelling.items import Item, Labelled, Picture, Shape

Row = dict[str, Any]


def image_key(source: str, item: Item, picture: Picture) -> str:
    return f"{source}/{item.called}/{picture.name}"


def image_row(source: str, item: Item, picture: Picture) -> Row:
    """Without the file: `md5` and `size_bytes`, or why it is missing, are added when it is read."""
    return {
        "image_key": image_key(source, item, picture),
        "missing": picture.missing,
        "width_px": picture.width_px,
        "height_px": picture.height_px,
        "group": picture.group,
        "delivery": item.called,
        "attributes": picture.attributes,
        "annotators": json.dumps(picture.annotators) if picture.annotators else None,
    }


class ImageTable:
    """Of rows by name; what a row does not name is null."""

    def __init__(self) -> None:
        self._parts, self._rows = [empty_table(IMAGES)], list[Row]()

    def add(self, rows: Iterable[Row]) -> None:
        self._rows += rows
        if len(self._rows) >= AT_ONCE:
            self._pack()

    def table(self) -> pa.Table:
        self._pack()
        return pa.concat_tables(self._parts)

    def _pack(self) -> None:
        self._parts.append(table_of_columns([[row.get(name) for row in self._rows] for name in IMAGES.names], IMAGES))
        self._rows = []


class AnnotationTable:
    """Of shapes, which become columns as they are: a row of its own for each takes twice the time."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._parts = [empty_table(ANNOTATIONS)]
        self._keys, self._image_keys, self._shapes = list[str](), list[str | None](), list[Shape]()

    def add(self, item: Item, labelled: Labelled) -> int:
        """How many they are. They are numbered through the item, strays last."""
        image_keys: list[str | None] = []
        for picture in labelled.pictures:
            image_keys += [image_key(self.source, item, picture)] * len(picture.shapes)
        image_keys += [None] * len(labelled.strays)
        called = item.called
        keys = [f"{called}#{number}" for number in range(len(image_keys))]
        columns = as_columns(labelled) if len(keys) >= AT_ONCE else None
        if columns is not None:
            self._pack()  # what came before it
            self._add_columns(columns, keys, image_keys)
            return len(keys)
        self._keys += keys
        self._image_keys += image_keys
        self._shapes += chain(chain.from_iterable(picture.shapes for picture in labelled.pictures), labelled.strays)
        if len(self._shapes) >= AT_ONCE:
            self._pack()
        return len(keys)

    def table(self) -> pa.Table:
        self._pack()
        return pa.concat_tables(self._parts)

    def _pack(self) -> None:
        if self._shapes:
            columns = dict(zip(Shape._fields, zip(*self._shapes, strict=True), strict=True))
            self._add_columns(columns, self._keys, self._image_keys)
        self._keys, self._image_keys, self._shapes = [], [], []

    def _add_columns(self, columns: Columns, keys: Sequence[str], image_keys: Sequence[str | None]) -> None:
        """`conflict` is decided later."""
        sides = dict(zip(("x_px", "y_px", "width_px", "height_px"), zip(*columns["box_px"], strict=True), strict=True))
        found: Columns = {**columns, **sides, "annotation_key": keys, "image_key": image_keys, "shape": columns["kind"]}
        for start in range(0, len(keys), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            count = len(keys[some])
            values = [found[one.name][some] if one.name in found else [None] * count for one in ANNOTATIONS]
            self._parts.append(table_of_columns(values, ANNOTATIONS))
