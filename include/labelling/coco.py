"""Read a COCO file without trusting it: every entry is handed over, whatever is wrong with it.

Format: https://cocodataset.org/#format-data. A file is refused whole only if its entries cannot be told apart; all else is
kept with None or NaN for the rules of validate_annotations. Ids are normalised to text (`1`, `1.0` and `"1"` are the same
id), because real files mix them. An image may state what a split must not tear apart in an extra key, `group`; an annotation
who made it, in `annotator`, `reviewer`, `job`. Further plain values of an image, and those in `attributes`, are kept.

Shapes: a segmentation of polygons or of run lengths, key points, CVAT's attribute `rotation` (degrees about the middle of the
bbox, which is that of the upright box); else a box.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import orjson

from include.labelling.items import Kind, Labelled, Picture, Refused, Shape, enclosing
from include.labelling.values import NOT_A_NUMBER, as_id, as_number, as_text, attributes, path_in_delivery

LISTS = ("images", "annotations", "categories")
# of COCO itself, or ours: what else an image says is its attributes (site, camera, date_captured …)
IMAGE_KEYS = {"id", "file_name", "width", "height", "group", "attributes", "license", "flickr_url", "coco_url"}
NUMBERS = frozenset({int, float})
NO_BOX = (NOT_A_NUMBER,) * 4

Dump = Callable[[Any], str]
Box = tuple[float, float, float, float]


def read_coco(data: bytes) -> Labelled:
    """All of one annotation file: a picture for each entry of `images`, a shape for each of `annotations`.

    A picture's address is its path below the delivery; annotations of no image, or of two, are strays. Raises Refused.
    """
    try:
        return _read(data)
    except RecursionError:
        raise Refused("not readable: nested too deeply; expected a COCO object") from None


def _read(data: bytes) -> Labelled:
    content, dump = _load(data)
    pictures, positions_of_id = _pictures(content["images"])
    classes = _class_names(content["categories"])
    shapes: list[list[Shape]] = [[] for _ in pictures]
    strays: list[Shape] = []
    for raw in content["annotations"]:
        shape = _shape(raw, classes, dump)
        positions = positions_of_id.get(shape.image_id or "", ())
        (shapes[next(iter(positions))] if len(positions) == 1 else strays).append(shape)
    drawn = (Picture(shapes=tuple(found), **fields) for fields, found in zip(pictures, shapes, strict=True))
    return Labelled(data, tuple(drawn), tuple(strays))


def _load(data: bytes) -> tuple[dict[str, list[Any]], Dump]:
    """The lists, and what writes an entry of them as JSON."""
    content, dump = _parsed(data)
    if not isinstance(content, dict):
        raise Refused(f"got a JSON {_json_type(content)}, expected an object with images, annotations and categories")
    if lacking := [key for key in LISTS if key not in content]:
        raise Refused(f"lacks {', '.join(lacking)}; expected the lists {', '.join(LISTS)}")
    for key in LISTS:
        if not isinstance(content[key], list):
            raise Refused(f"{key}: got a JSON {_json_type(content[key])}, expected a list")
    return content, dump


def _parsed(data: bytes) -> tuple[Any, Dump]:
    """By orjson, which is faster; what it does not take (NaN, half of a surrogate pair) or would round, by Python's own json."""
    try:
        content = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
        if not _has_rounded_ids(content):
            return content, _dump
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(data.decode("utf-8-sig")), json.JSONEncoder(separators=(",", ":")).encode
    except UnicodeDecodeError as error:
        raise Refused(f"not UTF-8: byte {error.start} is 0x{data[error.start]:02x}; expected JSON in UTF-8") from None
    except ValueError as error:
        raise Refused(f"not JSON: {error}") from None


def _dump(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # it reads deeper nesting than it writes
        return json.dumps(value, separators=(",", ":"))


def _has_rounded_ids(content: Any) -> bool:
    """An integer of more than 64 bits is a float to orjson: two ids could become one."""
    entries = [one for key in LISTS if isinstance(content, dict) and isinstance(content.get(key), list) for one in content[key]]
    ids = (one.get(key) for one in entries if isinstance(one, dict) for key in ("id", "image_id"))
    return any(type(one) is float for one in ids)


def _json_type(value: object) -> str:
    names: dict[type, str] = {dict: "object", list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")


def _pictures(entries: list[Any]) -> tuple[list[dict[str, Any]], dict[str, set[int]]]:
    """Fields of each, and the positions that each image id stands for (two, if the file uses an id twice)."""
    found: list[dict[str, Any]] = []
    positions_of_id: dict[str, set[int]] = defaultdict(set)
    taken: set[str] = set()
    first: dict[str, int] = {}
    for position, raw in enumerate(entries):
        image = raw if isinstance(raw, dict) else {}
        path, why = path_in_delivery(image.get("file_name"))
        stated = name = path or as_text(image.get("file_name")) or f"#{position}"
        while name in taken:
            name += f"#{position}"
        taken.add(name)
        if (image_id := as_id(image.get("id"))) is not None:
            # an image that is listed twice is one file: the labels of both entries belong to its first
            positions_of_id[image_id].add(first.setdefault(stated, position))
        further = {key: value for key, value in image.items() if key not in IMAGE_KEYS}
        found.append({
            "name": name, "address": path, "missing": why, "width_px": as_number(image.get("width")),
            "height_px": as_number(image.get("height")), "group": as_id(image.get("group")),
            "attributes": attributes(image.get("attributes"), further),
        })  # fmt: skip
    return found, positions_of_id


def _class_names(categories: list[Any]) -> dict[str, str]:
    """Class name by category id; an id that stands for two names stands for none."""
    names: dict[str, set[str]] = defaultdict(set)
    for raw in categories:
        category = raw if isinstance(raw, dict) else {}
        category_id, name = as_id(category.get("id")), as_text(category.get("name"))
        if category_id is not None and name is not None:
            names[category_id].add(name)
    return {category_id: found.pop() for category_id, found in names.items() if len(found) == 1}


def _shape(raw: Any, classes: dict[str, str], dump: Dump) -> Shape:
    annotation = raw if isinstance(raw, dict) else {}
    get, stated = annotation.get, annotation.get("attributes")
    kind, geometry, around = _drawn(annotation, stated, dump)
    return Shape(
        kind, classes.get(as_id(get("category_id")) or ""), around or _box(get("bbox")), dump(raw), geometry,
        as_id(get("id")), as_id(get("image_id")), get("iscrowd") in (1, True, "1"),
        as_id(get("annotator")), as_id(get("reviewer")), as_id(get("job")), attributes=attributes(stated) if stated else None,
    )  # fmt: skip


def _box(box: Any) -> Box:
    if not isinstance(box, list) or len(box) != 4:
        return NO_BOX
    x, y, width, height = map(as_number, box)
    return x, y, width, height


def _drawn(annotation: dict[str, Any], stated: Any, dump: Dump) -> tuple[Kind, str | None, Box | None]:
    """Kind, geometry, and what encloses it where there is no bbox."""
    parts: dict[str, Any] = {}
    kind: Kind = "box"
    around = None
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, list) and segmentation:
        kind, polygons = "polygon", _rings(segmentation)
        if polygons:
            parts = {"rings": polygons} if len(polygons) == 1 else {"parts": [[ring] for ring in polygons]}
            around = enclosing([point for ring in polygons for point in ring]) if annotation.get("bbox") is None else None
    elif isinstance(segmentation, dict) and segmentation:
        kind, parts = "mask", {"rle": {key: segmentation.get(key) for key in ("counts", "size")}}
    points = annotation.get("keypoints")
    if isinstance(points, list) and points and len(points) % 3 == 0 and _are_numbers(points):
        kind, parts = "skeleton", {"points": [points[at : at + 3] for at in range(0, len(points), 3)], **parts}
    if kind == "box" and isinstance(stated, dict) and (angle_deg := as_number(stated.get("rotation")) % 360) > 0:
        kind, parts = "rotated_box", {"angle_deg": angle_deg}
    return kind, dump(parts) if parts else None, around


def _rings(segmentation: list[Any]) -> list[list[tuple[float, float]]]:
    """Each polygon's [(x, y), …]; none if one of them is no polygon: its JSON has it as it came."""
    for ring in segmentation:
        if not (isinstance(ring, list) and len(ring) >= 6 and len(ring) % 2 == 0 and _are_numbers(ring)):
            return []
    flat = map(iter, segmentation)
    return [list(zip(numbers, numbers, strict=True)) for numbers in flat]


def _are_numbers(values: list[Any]) -> bool:
    try:
        return set(map(type, values)) <= NUMBERS and math.isfinite(sum(values))
    except OverflowError:
        return False
