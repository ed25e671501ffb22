"""What a COCO annotation draws: a segmentation of polygons or of run lengths, key points, a turned box; else a box.

Turned is what CVAT gives an attribute `rotation`: degrees about the middle of the bbox, which is that of the upright box.
Polygons stay COCO's flat lists (`flat` in include/labelling/items.py): they are most of a file, and are carried over as text
without becoming numbers (benchmarks/import_coco.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import msgspec

from include.labelling.files.values import NOT_A_NUMBER, as_id, as_number, attributes, parsed
from include.labelling.items import Kind, enclosing, geometry

NO_BOX = (NOT_A_NUMBER,) * 4
SPACES = (" ", "\n", "\t", "\r")
NOT_PLAIN = ('"', "{", "e", "n", "E", "N")
LONG_NUMBER = "0" * 40  # no float has so many digits, and at 4,300 no int
TO_ZERO = str.maketrans("123456789", "000000000")
Box = tuple[float, float, float, float]
Segmented = tuple[Kind, str | None]


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


class Plain(msgspec.Struct, gc=False):
    """An annotation as public files have it. What says anything else is read as Annotation."""

    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    segmentation: msgspec.Raw = msgspec.Raw(b"null")
    iscrowd: int = 0
    keypoints: None = None
    annotator: None = None
    reviewer: None = None
    job: None = None
    attributes: None = None


KEYS = frozenset(Annotation.__struct_fields__)
_decode, _decode_plain = msgspec.json.Decoder(Annotation).decode, msgspec.json.Decoder(Plain).decode


def columns_of(raws: Sequence[msgspec.Raw], classes: dict[str, str]) -> dict[str, list[Any]]:
    """Of annotations as JSON, the fields of Shape by name; one that is not there is None in all.

    Column by column: a file may have a million annotations. `classes`: name by id.
    """
    try:
        plain = [_decode_plain(raw) for raw in raws]
    except msgspec.DecodeError:
        columns = columns_of_any([annotation_of(raw) for raw in raws], classes)
    else:
        columns = _columns_of_plain(plain, classes)
    return columns | {"raw": [str(raw, "utf-8") for raw in raws]}


def _columns_of_plain(annotations: Sequence[Plain], classes: dict[str, str]) -> dict[str, list[Any]]:
    """The same as `columns_of_any`, in half the time."""
    kinds, geometries = zip(*_all_segmented([str(one.segmentation, "utf-8") for one in annotations]), strict=True)
    names = {one: classes.get(str(one)) for one in {one.category_id for one in annotations}}
    return {
        "kind": list(kinds), "box_px": [one.bbox for one in annotations], "geometry": list(geometries),
        "class_name": [names[one.category_id] for one in annotations],
        "annotation_id": [str(one.id) for one in annotations], "image_id": [str(one.image_id) for one in annotations],
        "is_crowd": [one.iscrowd == 1 for one in annotations],
    }  # fmt: skip


def columns_of_any(annotations: Sequence[Annotation], classes: dict[str, str]) -> dict[str, list[Any]]:
    kinds, geometries, boxes = list[Kind](), list[str | None](), list[Box]()
    for one, (kind, drawn) in zip(
        annotations, _all_segmented([str(one.segmentation, "utf-8") for one in annotations]), strict=True
    ):
        kind, drawn, around = _drawn(one, kind, drawn)
        kinds.append(kind)
        geometries.append(drawn)
        boxes.append(around or _box(one.bbox))
    ids = {name: [as_id(getattr(one, name)) for one in annotations] for name in ("image_id", "annotator", "reviewer", "job")}
    return {
        **ids, "kind": kinds, "box_px": boxes, "geometry": geometries, "annotation_id": [as_id(one.id) for one in annotations],
        "class_name": [classes.get(as_id(one.category_id) or "") for one in annotations],
        "is_crowd": [one.iscrowd in (1, True, "1") for one in annotations],
        "attributes": [attributes(one.attributes) if one.attributes else None for one in annotations],
    }  # fmt: skip


def annotation_of(raw: msgspec.Raw) -> Annotation:
    """Without a value of what is no object."""
    try:
        return _decode(raw)
    except msgspec.DecodeError:
        found = parsed(bytes(raw))
    if not isinstance(found, dict):
        return Annotation()
    fields = {key: value for key, value in found.items() if key in KEYS}
    if "segmentation" in fields:
        fields["segmentation"] = msgspec.Raw(json.dumps(fields["segmentation"]).encode())
    return Annotation(**fields)


def _box(box: Any) -> Box:
    if not isinstance(box, list) or len(box) != 4:
        return NO_BOX
    x, y, width, height = box
    if type(x) is type(y) is type(width) is type(height) is float and math.isfinite(x + y + width + height):
        return x, y, width, height  # nearly always: four calls less
    return as_number(x), as_number(y), as_number(width), as_number(height)


def _drawn(one: Annotation, kind: Kind, drawn: str | None) -> tuple[Kind, str | None, Box | None]:
    """Kind, geometry, and what encloses it where there is no bbox."""
    around = _around(drawn) if one.bbox is None and kind == "polygon" and drawn else None
    points = one.keypoints
    if isinstance(points, list) and points and len(points) % 3 == 0 and all(math.isfinite(as_number(value)) for value in points):
        parts = json.loads(drawn) if drawn else {}
        return "skeleton", geometry(points=[points[at : at + 3] for at in range(0, len(points), 3)], **parts), around
    if kind == "box" and isinstance(one.attributes, dict) and (angle_deg := as_number(one.attributes.get("rotation")) % 360) > 0:
        return "rotated_box", geometry(angle_deg=angle_deg), None
    return kind, drawn, around


def _all_segmented(texts: list[str]) -> list[Segmented]:
    """Kind and geometry of each segmentation, valid JSON. What no text has is looked for once in all of them."""
    together = "".join([text for text in texts if text.startswith("[")])
    is_plain = _has_plain_numbers(together)
    has_space = any(space in together for space in SPACES)
    found: list[Segmented] = []
    for text in texts:
        if is_plain and not has_space and _is_one_ring(text):  # nearly always
            found.append(("polygon", f'{{"flat":{text}}}'))
        else:
            found.append(_list_segmented(text) if text.startswith("[") else _other_segmented(text))
    return found


def _other_segmented(text: str) -> Segmented:
    said = parsed(text) if text.startswith("{") else None
    return ("mask", geometry(rle={key: said.get(key) for key in ("counts", "size")})) if said else ("box", None)


def _list_segmented(text: str) -> Segmented:
    text = "".join(text.split())
    if text == "[]":
        return "box", None
    return "polygon", f'{{"flat":{text}}}' if _has_plain_numbers(text) and _is_flat(text) else None


def _has_plain_numbers(text: str) -> bool:
    """Of valid JSON: no text, object, true, false, null, NaN, Infinity, nor 1e999, which is none, nor a number too long."""
    if any(mark in text for mark in NOT_PLAIN):
        return False
    return LONG_NUMBER not in text.translate(TO_ZERO)


def _is_one_ring(text: str) -> bool:
    """Of plain numbers without spaces: whether it is a list of one ring of three points or more, x and y in turn."""
    is_one = text[:2] == "[[" and text.find("]") == len(text) - 2 and text.find("[", 2) < 0
    return is_one and (commas := text.count(",")) >= 5 and commas % 2 == 1


def _is_flat(text: str) -> bool:
    """The same of any number of rings."""
    if not text.startswith("[["):
        return False
    return all(
        (commas := ring.count(",")) >= 5 and commas % 2 == 1 and "[" not in ring and "]" not in ring
        for ring in text[2:-2].split("],[")
    )


def _around(drawn: str) -> Box:
    numbers = [value for ring in json.loads(drawn)["flat"] for value in ring]
    return enclosing(list(zip(numbers[::2], numbers[1::2], strict=True)))
