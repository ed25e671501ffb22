"""Rows of the batch's two tables (include/artifacts/tables.py) from what a connector handed over."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from include.labelling.items import Item, Labelled, Picture, Shape

Row = dict[str, Any]


def image_row(source: str, item: Item, picture: Picture) -> Row:
    """Without the file: `md5` and `size_bytes`, or why it is missing, are added when it is read."""
    return {
        "image_key": f"{source}/{item.called}/{picture.name}",
        "missing": picture.missing,
        "width_px": picture.width_px,
        "height_px": picture.height_px,
        "group": picture.group,
        "delivery": item.called,
        "attributes": picture.attributes,
        "annotators": json.dumps(picture.annotators) if picture.annotators else None,
    }


def annotation_rows(source: str, item: Item, labelled: Labelled) -> Iterable[Row]:
    """Numbered through the item, strays last."""
    number = 0
    for picture in labelled.pictures:
        for shape in picture.shapes:
            yield _row(item, number, shape, f"{source}/{item.called}/{picture.name}")
            number += 1
    for shape in labelled.strays:
        yield _row(item, number, shape, None)
        number += 1


def _row(item: Item, number: int, shape: Shape, image_key: str | None) -> Row:
    x, y, width, height = shape.box_px
    return {
        "annotation_key": f"{item.called}#{number}",
        "annotation_id": shape.annotation_id,
        "image_key": image_key,
        "image_id": shape.image_id,
        "shape": shape.kind,
        "class_name": shape.class_name,
        "x_px": x,
        "y_px": y,
        "width_px": width,
        "height_px": height,
        "geometry": shape.geometry,
        "is_crowd": shape.is_crowd,
        "annotator": shape.annotator,
        "reviewer": shape.reviewer,
        "job": shape.job,
        "drawn_at": shape.drawn_at,
        "reviewed_at": shape.reviewed_at,
        "guideline": shape.guideline,
        "attributes": shape.attributes,
        "raw": shape.raw,
    }
