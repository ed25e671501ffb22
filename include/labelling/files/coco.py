"""Read a COCO file without trusting it: every entry is handed over, whatever is wrong with it.

Format: https://cocodataset.org/#format-data. A file is refused whole only if its entries cannot be told apart; all else is
kept with None or NaN for the rules of validate_annotations. Ids are normalised to text (`1`, `1.0` and `"1"` are the same
id), because real files mix them. An image may state what a split must not tear apart in an extra key, `group`; an annotation
who made it, in `annotator`, `reviewer`, `job`. Further plain values of an image, and those in `attributes`, are kept.
"""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise
from typing import Any

import msgspec

from include.labelling.drawn import Drawn
from include.labelling.files.coco_columns import columns_of
from include.labelling.files.values import as_id, as_number, as_text, attributes, parsed, path_in_delivery
from include.labelling.items import Labelled, Picture, Refused

LISTS = ("images", "annotations", "categories")
# of COCO itself, or ours: what else an image says is its attributes (site, camera, date_captured …)
IMAGE_KEYS = {"id", "file_name", "width", "height", "group", "attributes", "license", "flickr_url", "coco_url"}


class File(msgspec.Struct):
    """The lists; annotations as text."""

    images: list[Any]
    annotations: list[msgspec.Raw]
    categories: list[Any]


def read_coco(data: bytes, job: str | None = None) -> Labelled:
    """All of one annotation file: a picture for each entry of `images`, a shape for each of `annotations`.

    A picture's address is its path below the delivery; annotations of no image, or of two, are strays. `job`: of those that name
    none. Raises Refused.
    """
    try:
        return _read(data, job)
    except RecursionError:
        raise Refused("not readable: nested too deeply; expected a COCO object", data) from None
    except Refused as reason:
        reason.original = data
        raise


def _read(data: bytes, job: str | None) -> Labelled:
    file = _load(data)
    pictures, position_of_id = _pictures(file.images)
    classes = _class_names(file.categories)
    if not file.annotations:
        return Labelled(data, tuple(Picture(shapes=(), **fields) for fields in pictures))
    columns, stops = columns_of(file.annotations, classes, position_of_id, len(pictures), job)
    *drawn, stray = (Drawn(columns, start, stop) for start, stop in pairwise([0, *stops]))
    return Labelled(data, tuple(Picture(shapes=some, **fields) for fields, some in zip(pictures, drawn, strict=True)), stray)


def _load(data: bytes) -> File:
    """By msgspec, which leaves annotations as they are; what it does not take (NaN, a list that is none) by Python's own json."""
    try:
        text = data if data.isascii() else data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"not UTF-8: byte {error.start} is 0x{data[error.start]:02x}; expected JSON in UTF-8") from None
    try:
        return msgspec.json.decode(text, type=File)
    except msgspec.DecodeError:
        pass
    try:
        content = parsed(data.decode("utf-8-sig"))
    except ValueError as error:
        raise Refused(f"not JSON: {error}") from None
    if not isinstance(content, dict):
        raise Refused(f"got a JSON {_json_type(content)}, expected an object with images, annotations and categories")
    if lacking := [key for key in LISTS if key not in content]:
        raise Refused(f"lacks {', '.join(lacking)}; expected the lists {', '.join(LISTS)}")
    for key in LISTS:
        if not isinstance(content[key], list):
            raise Refused(f"{key}: got a JSON {_json_type(content[key])}, expected a list")
    annotations = [msgspec.Raw(json.dumps(one).encode()) for one in content["annotations"]]
    return File(content["images"], annotations, content["categories"])


def _json_type(value: object) -> str:
    names: dict[type, str] = {dict: "object", list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")


def _pictures(entries: list[Any]) -> tuple[list[dict[str, Any]], dict[str | None, int]]:
    """Fields of each, and the position that an image id stands for; of an id that stands for two, none."""
    found: list[dict[str, Any]] = []
    positions_of_id: dict[str, list[int]] = defaultdict(list)
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
            places, place = positions_of_id[image_id], first.setdefault(stated, position)
            places += [place] if place not in places else []
        further = {key: value for key, value in image.items() if key not in IMAGE_KEYS}
        found.append({
            "name": name, "address": path, "missing": why, "width_px": as_number(image.get("width")),
            "height_px": as_number(image.get("height")), "group": as_id(image.get("group")),
            "attributes": attributes(image.get("attributes"), further),
        })  # fmt: skip
    return found, {image_id: places[0] for image_id, places in positions_of_id.items() if len(places) == 1}


def _class_names(categories: list[Any]) -> dict[str, str]:
    """Class name by category id; an id that stands for two names stands for none."""
    names: dict[str, set[str]] = defaultdict(set)
    for raw in categories:
        category = raw if isinstance(raw, dict) else {}
        category_id, name = as_id(category.get("id")), as_text(category.get("name"))
        if category_id is not None and name is not None:
            names[category_id].add(name)
    return {category_id: found.pop() for category_id, found in names.items() if len(found) == 1}
