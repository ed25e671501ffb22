"""What a COCO annotation draws: a segmentation of polygons or of run lengths, key points, a turned box; else a box.

Turned is what CVAT gives an attribute `rotation`: degrees about the middle of the bbox, which is that of the upright box.
Polygons stay COCO's flat lists (`flat` in include/labelling/items.py): they are most of a file, and are carried over as text
without becoming numbers (benchmarks/import_coco.py).
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from include.labelling.files.values import NOT_A_NUMBER, as_id, as_number, attributes, parsed
from include.labelling.items import Kind, Shape, enclosing, geometry

NO_BOX = (NOT_A_NUMBER,) * 4
IN_NUMBERS = b"0123456789.,-+"  # without e: 1e999 is no number
AS_ZEROS, LONG_NUMBER = bytes.maketrans(b"123456789", b"000000000"), b"0" * 40  # no float, and at 4,300 digits no int
Box = tuple[float, float, float, float]


class Annotation(msgspec.Struct, gc=False):
    """What is read of one, whatever it is; the segmentation as text."""

    id: Any = None
    image_id: Any = None
    category_id: Any = None
    bbox: Any = None
    segmentation: msgspec.Raw = msgspec.Raw(b"null")  # cannot be changed
    keypoints: Any = None
    iscrowd: Any = None
    annotator: Any = None
    reviewer: Any = None
    job: Any = None
    attributes: Any = None


def shape_of(one: Annotation, raw: str, classes: dict[str, str]) -> Shape:
    kind, drawn, around = _drawn(one)
    return Shape(
        kind, classes.get(as_id(one.category_id) or ""), around or _box(one.bbox), raw, drawn, as_id(one.id), as_id(one.image_id),
        one.iscrowd in (1, True, "1"), as_id(one.annotator), as_id(one.reviewer), as_id(one.job),
        attributes=attributes(one.attributes),
    )  # fmt: skip


def _box(box: Any) -> Box:
    if not isinstance(box, list) or len(box) != 4:
        return NO_BOX
    x, y, width, height = box
    if type(x) is type(y) is type(width) is type(height) is float and math.isfinite(x + y + width + height):
        return x, y, width, height  # nearly always: four calls less
    return as_number(x), as_number(y), as_number(width), as_number(height)


def _drawn(one: Annotation) -> tuple[Kind, str | None, Box | None]:
    """Kind, geometry, and what encloses it where there is no bbox."""
    kind, drawn = _segmented(bytes(one.segmentation).translate(None, b" \t\r\n"))
    around = _around(drawn) if one.bbox is None and kind == "polygon" and drawn else None
    points = one.keypoints
    if isinstance(points, list) and points and len(points) % 3 == 0 and all(math.isfinite(as_number(value)) for value in points):
        parts = json.loads(drawn) if drawn else {}
        return "skeleton", geometry(points=[points[at : at + 3] for at in range(0, len(points), 3)], **parts), around
    if kind == "box" and isinstance(one.attributes, dict) and (angle_deg := as_number(one.attributes.get("rotation")) % 360) > 0:
        return "rotated_box", geometry(angle_deg=angle_deg), None
    return kind, drawn, around


def _segmented(text: bytes) -> tuple[Kind, str | None]:
    """`text`: JSON without spaces."""
    if text in (b"null", b"[]", b"{}"):
        return "box", None
    if text.startswith(b"{"):
        said = parsed(text)
        return "mask", geometry(rle={key: said.get(key) for key in ("counts", "size")})
    if not text.startswith(b"["):
        return "box", None
    if not text.startswith(b"[[") or LONG_NUMBER in text.translate(AS_ZEROS):
        return "polygon", None
    for ring in text[2:-2].split(b"],["):
        commas = ring.count(b",")
        if commas < 5 or commas % 2 == 0 or ring.translate(None, IN_NUMBERS):
            return "polygon", None
    return "polygon", f'{{"flat":{text.decode()}}}'


def _around(drawn: str) -> Box:
    numbers = [value for ring in json.loads(drawn)["flat"] for value in ring]
    return enclosing(list(zip(numbers[::2], numbers[1::2], strict=True)))
