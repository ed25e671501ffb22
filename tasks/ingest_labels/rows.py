"""The batch's two tables (include/artifacts/tables.py) from what a connector handed over, as they grow.

Of each, at most AT_ONCE rows and one item are Python objects at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from include.artifacts.columns import numbers
from include.artifacts.tables import ANNOTATIONS, AT_ONCE, IMAGES, GrowingParquet, empty_table, table_of_columns
from include.labelling.drawn import Drawn, Values, runs
from include.labelling.items import Item, Labelled, Picture, Shape

Row = dict[str, Any]
SIDES = "x_px", "y_px", "width_px", "height_px"


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
        self._parts, self._file = [empty_table(ANNOTATIONS)], GrowingParquet(ANNOTATIONS)
        self._keys, self._image_keys, self._shapes = list[str](), list[str | None](), list[Shape]()

    def add(self, item: Item, labelled: Labelled) -> int:
        """How many they are. They are numbered through the item, strays last."""
        image_keys: list[str | None] = []
        for picture in labelled.pictures:
            image_keys += [image_key(self.source, item, picture)] * len(picture.shapes)
        image_keys += [None] * len(labelled.strays)
        called, at = item.called, 0
        keys = [f"{called}#{number}" for number in range(len(image_keys))]
        for run in runs(labelled):
            some = slice(at, at + len(run))
            if isinstance(run, Drawn) and len(run) >= AT_ONCE:
                self._pack()  # what came before it
                self._add_columns(run.columns.parts(run.start, run.stop), keys[some], image_keys[some])
            else:
                self._keys += keys[some]
                self._image_keys += image_keys[some]
                self._shapes += run
            at = some.stop
        if len(self._shapes) >= AT_ONCE:
            self._pack()
        return len(keys)

    def table(self) -> pa.Table:
        self._pack()
        return pa.concat_tables(self._parts)

    def parquet(self) -> bytes:
        """The table as a file, most of it compressed by now. Nothing can be added any more."""
        self._pack()
        return self._file.content()

    def _pack(self) -> None:
        starts = range(0, len(self._shapes), AT_ONCE)
        parts = (zip(*self._shapes[start : start + AT_ONCE], strict=True) for start in starts)
        self._add_columns((dict(zip(Shape._fields, part, strict=True)) for part in parts), self._keys, self._image_keys)
        self._keys, self._image_keys, self._shapes = [], [], []

    def _add_columns(self, parts: Iterable[Mapping[str, Values]], keys: Sequence[str], image_keys: Sequence[str | None]) -> None:
        """`conflict` is decided later."""
        at = 0
        for part in parts:
            some = slice(at, at + len(part["kind"]))
            sides = np.asarray(part["box_px"], np.float64).reshape(-1, len(SIDES)).T
            found = {
                **part, "annotation_key": keys[some], "image_key": image_keys[some], "shape": part["kind"],
                **{name: numbers(side, pa.float64()) for name, side in zip(SIDES, sides, strict=True)},
            }  # fmt: skip
            count = len(keys[some])
            columns = [found[one.name] if one.name in found else pa.nulls(count, one.type) for one in ANNOTATIONS]
            table = table_of_columns(columns, ANNOTATIONS)
            self._parts.append(table)
            self._file.add(table)
            at = some.stop
