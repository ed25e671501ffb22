"""Read a COCO file without trusting it: every entry becomes a row, whatever is wrong with it.

Format: https://cocodataset.org/#format-data. A file is refused whole only if its entries cannot be told apart; all else is
kept with null or NaN for the rules of validate_annotations. Ids are normalised to text (`1`, `1.0` and `"1"` are the same
id), because real files mix them. An image may state what a split must not tear apart in an extra key, `group`; an annotation
who made it, in `annotator`, `reviewer`, `job`. Further plain values, and those in `attributes`, are kept as attributes.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
NOT_A_NUMBER = float("nan")
# of COCO itself, or ours: what else an image says is its attributes (site, camera, date_captured …)
IMAGE_KEYS = {"id", "file_name", "width", "height", "group", "attributes", "license", "flickr_url", "coco_url"}


class Refused(Exception):
    """Nothing of the file can be read; the message says why."""


@dataclass(frozen=True)
class CocoRows:
    """Rows for the IMAGES and ANNOTATIONS tables; `files` gives the path below the delivery for each readable image key."""

    images: list[Row]
    annotations: list[Row]
    files: dict[str, str]


def read_coco(data: bytes, source: str, delivery: str) -> CocoRows:
    """All rows of one annotation file. Raises Refused."""
    content = _load(data)
    images, files, keys_of_id = _images(content["images"], source, delivery)
    classes = _class_names(content["categories"])
    annotations = [_annotation(raw, f"{delivery}#{i}", keys_of_id, classes) for i, raw in enumerate(content["annotations"])]
    return CocoRows(images, annotations, files)


def _load(data: bytes) -> dict[str, list[Any]]:
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Refused(f"not UTF-8: byte {error.start} is 0x{data[error.start]:02x}; expected JSON in UTF-8") from None
    except RecursionError:
        raise Refused("not readable: nested too deeply; expected a COCO object") from None
    except ValueError as error:
        raise Refused(f"not JSON: {error}") from None
    if not isinstance(content, dict):
        raise Refused(f"got a JSON {_json_type(content)}, expected an object with images, annotations and categories")
    wanted = ("images", "annotations", "categories")
    if lacking := [key for key in wanted if key not in content]:
        raise Refused(f"lacks {', '.join(lacking)}; expected the lists {', '.join(wanted)}")
    for key in wanted:
        if not isinstance(content[key], list):
            raise Refused(f"{key}: got a JSON {_json_type(content[key])}, expected a list")
    return content


def _json_type(value: object) -> str:
    names: dict[type, str] = {dict: "object", list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")


def as_id(value: object) -> str | None:
    """An id as text; None for what cannot be one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else None
    if isinstance(value, int):
        return str(value)
    return _text(value)


def as_number(value: object) -> float:
    """The number; NaN for anything else: a string, a boolean, infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return NOT_A_NUMBER
    try:
        number = float(value)
    except OverflowError:
        return NOT_A_NUMBER
    return number if math.isfinite(number) else NOT_A_NUMBER


def _text(value: object) -> str | None:
    """Text that any file can hold: half of a surrogate pair, which JSON can smuggle in, becomes `?`."""
    return value.strip().encode("utf-8", "replace").decode() or None if isinstance(value, str) else None


def path_in_delivery(file_name: object) -> tuple[str | None, str | None]:
    """(path below the delivery, None), or (None, why there can be no such file). `./` and `//` are harmless."""
    if not isinstance(file_name, str) or not file_name.strip():
        return None, "no file_name"
    if "\\" in file_name:
        return None, "file_name has a backslash; expected / between folders"
    if file_name.startswith("/"):
        return None, "file_name is an absolute path; expected one below the delivery"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in file_name):
        return None, "file_name has control characters"
    parts = [part for part in file_name.split("/") if part not in ("", ".")]
    if ".." in parts:
        return None, "file_name leaves the delivery"
    return ("/".join(parts), None) if parts else (None, "no file_name")


def attributes(stated: object, further: dict[str, Any] | None = None) -> str | None:
    """Plain values by name, as JSON; None for none. Values that are objects or lists are left out."""
    found = {**(further or {}), **(stated if isinstance(stated, dict) else {})}
    plain = {name: _plain(value) for key, value in found.items() if (name := _text(key)) is not None}
    kept = {name: value for name, value in plain.items() if value is not None}
    return json.dumps(kept, sort_keys=True) if kept else None


def _plain(value: object) -> str | int | float | bool | None:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, int) else _text(value)


def _images(entries: list[Any], source: str, delivery: str) -> tuple[list[Row], dict[str, str], dict[str, set[str]]]:
    """Rows, path by image key, and the keys that each image id stands for (two, if the file uses an id twice)."""
    rows: list[Row] = []
    files: dict[str, str] = {}
    keys_of_id: dict[str, set[str]] = defaultdict(set)
    taken: set[str] = set()
    first_key: dict[str, str] = {}
    for position, raw in enumerate(entries):
        image = raw if isinstance(raw, dict) else {}
        path, why = path_in_delivery(image.get("file_name"))
        key = name = f"{source}/{delivery}/{path or _text(image.get('file_name')) or f'#{position}'}"
        while key in taken:
            key += f"#{position}"
        taken.add(key)
        if path is not None:
            files[key] = path
        if (image_id := as_id(image.get("id"))) is not None:
            # an image that is listed twice is one file: the labels of both entries belong to its first row
            keys_of_id[image_id].add(first_key.setdefault(name, key))
        rows.append(
            {
                "image_key": key,
                "missing": why,
                "width_px": as_number(image.get("width")),
                "height_px": as_number(image.get("height")),
                "group": as_id(image.get("group")),
                "delivery": delivery,
                "attributes": attributes(image.get("attributes"), {k: v for k, v in image.items() if k not in IMAGE_KEYS}),
            }
        )
    return rows, files, keys_of_id


def _class_names(categories: list[Any]) -> dict[str, str]:
    """Class name by category id; an id that stands for two names stands for none."""
    names: dict[str, set[str]] = defaultdict(set)
    for raw in categories:
        category = raw if isinstance(raw, dict) else {}
        category_id, name = as_id(category.get("id")), _text(category.get("name"))
        if category_id is not None and name is not None:
            names[category_id].add(name)
    return {category_id: found.pop() for category_id, found in names.items() if len(found) == 1}


def _annotation(raw: Any, key: str, keys_of_id: dict[str, set[str]], classes: dict[str, str]) -> Row:
    annotation = raw if isinstance(raw, dict) else {}
    image_id = as_id(annotation.get("image_id"))
    image_keys = keys_of_id.get(image_id or "", set())
    box = annotation.get("bbox")
    numbers = [as_number(one) for one in box] if isinstance(box, list) and len(box) == 4 else [NOT_A_NUMBER] * 4
    return {
        "annotation_key": key,
        "annotation_id": as_id(annotation.get("id")),
        "image_key": next(iter(image_keys)) if len(image_keys) == 1 else None,
        "image_id": image_id,
        "class_name": classes.get(as_id(annotation.get("category_id")) or ""),
        **dict(zip(("x_px", "y_px", "width_px", "height_px"), numbers, strict=True)),
        "is_crowd": annotation.get("iscrowd") in (1, True, "1"),
        **{who: as_id(annotation.get(who)) for who in ("annotator", "reviewer", "job")},
        "attributes": attributes(annotation.get("attributes")),
        "raw": json.dumps(raw),
    }
