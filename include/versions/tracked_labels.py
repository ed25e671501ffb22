"""The labels in a tracked folder: annotations/{train,val,test}.json as we write them; else every COCO file that is found.

Read strictly, since nothing checks them later: an entry that does not fit is an error that names file and entry. Labels to be
looked over come in as a delivery instead.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from include.errors import BadInputError
from include.storage import ContentStore
from include.versions.contents import Copy
from include.versions.splits import SPLITS, Split

OURS = tuple(f"annotations/{split}.json" for split in SPLITS)
NAMED = 20
IMAGE_KEYS = {"id", "file_name", "width", "height", "group", "attributes", "license", "flickr_url", "coco_url"}
Entry = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What a label file says of an image."""

    split: Split | None
    group: str | None
    attributes: str | None


@dataclass
class Labels:
    """`images` by md5; `boxes` are rows of ANNOTATION_COLUMNS; `classes` in the order of their ids.

    `copies`: what is named in two splits.
    """

    classes: tuple[str, ...] = ()
    images: dict[str, Said] = field(default_factory=dict)
    boxes: list[Entry] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)


def read_labels(content: ContentStore, files: Mapping[str, str]) -> Labels:
    """`files`: md5 by relpath. Raises BadInputError that lists what does not fit."""
    labels, problems = Labels(), list[str]()
    for relpath, coco in _coco_files(content, files):
        _add(labels, relpath, coco, files, problems)
    if problems:
        more = f"\n… and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
        raise BadInputError(f"{len(problems)} label entries do not fit:\n" + "\n".join(problems[:NAMED]) + more)
    unique = {json.dumps({**box, "origin": None}, sort_keys=True): box for box in reversed(labels.boxes)}
    labels.boxes = list(reversed(unique.values()))
    return labels


def _coco_files(content: ContentStore, files: Mapping[str, str]) -> Iterator[tuple[str, dict[str, list[Entry]]]]:
    named = [relpath for relpath in OURS if relpath in files] or sorted(one for one in files if one.lower().endswith(".json"))
    for relpath in named:
        try:
            found = json.loads(content.get(files[relpath]))
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and all(isinstance(found.get(key), list) for key in ("images", "annotations", "categories")):
            yield relpath, found
        elif relpath in OURS:
            raise BadInputError(f"{relpath}: got something else, expected a COCO object (images, annotations, categories)")


def _add(labels: Labels, relpath: str, coco: dict[str, list[Entry]], files: Mapping[str, str], problems: list[str]) -> None:
    """The entries of one file."""
    classes: dict[Any, str] = {}
    md5s: dict[Any, str] = {}
    for position, category in enumerate(coco["categories"]):
        if isinstance(category, dict) and isinstance(category.get("name"), str) and _is_new_id(category, classes):
            classes[category["id"]] = category["name"]
        else:
            problems.append(f"{relpath}: category {position}: expected an id of its own and a name")
    ordered = [classes[one] for one in sorted(classes, key=lambda one: (str(type(one)), one))]
    labels.classes = tuple(dict.fromkeys((*labels.classes, *ordered)))
    split = split_named(relpath)
    for position, image in enumerate(coco["images"]):
        path = _path_of(image, relpath, files) if isinstance(image, dict) else None
        if path is None or not _is_new_id(image, md5s):
            problems.append(f"{relpath}: image {position}: expected an id of its own and the file_name of a tracked file")
            continue
        md5s[image["id"]] = files[path]
        said = _said(image, split)
        first = labels.images.setdefault(files[path], said)
        if None not in (first.split, said.split) and first.split != said.split:
            labels.copies.append(Copy(files[path], path, said.group or files[path], str(said.split)))
    for position, annotation in enumerate(coco["annotations"]):
        row = _box(annotation, md5s, classes, f"{relpath}#{position}")
        if row is None:
            problems.append(
                f"{relpath}: annotation {position}: expected a known image_id and category_id, and a box with an area"
            )
        else:
            labels.boxes.append(row)


def _is_new_id(entry: Entry, known: Mapping[Any, str]) -> bool:
    return isinstance(entry.get("id"), int | str) and entry["id"] not in known


def split_named(relpath: str) -> Split | None:
    """The split in the name of a label file: train.json, instances_val2017.json, valid/_annotations.coco.json."""
    parts = PurePosixPath(relpath).with_suffix("").parts[-2:]
    return next((split for part in reversed(parts) for split in SPLITS if split in part.lower()), None)


def _path_of(image: Entry, relpath: str, files: Mapping[str, str]) -> str | None:
    """The tracked path that a file_name means: from the top, from the label file, from images/ beside or above it."""
    name = image.get("file_name")
    if not isinstance(name, str):
        return None
    here = PurePosixPath(relpath).parent
    candidates = (name, str(here / name), str(here / "images" / name), str(here.parent / "images" / name), f"images/{name}")
    return next((path for path in candidates if path in files), None)


def _said(image: Entry, split: Split | None) -> Said:
    group = image.get("group")
    stated = image.get("attributes")
    further = {key: value for key, value in image.items() if key not in IMAGE_KEYS}
    return Said(split, None if group is None else str(group), _plain({**further, **(stated if isinstance(stated, dict) else {})}))


def _plain(values: Entry) -> str | None:
    kept = {key: value for key, value in values.items() if isinstance(value, str | int | float | bool)}
    return json.dumps(kept, sort_keys=True) if kept else None


def _box(annotation: Any, md5s: Mapping[Any, str], classes: Mapping[Any, str], origin: str) -> Entry | None:
    """A row of ANNOTATION_COLUMNS; None for what does not fit."""
    try:
        md5, class_name = md5s[annotation["image_id"]], classes[annotation["category_id"]]
        x, y, width, height = (float(one) for one in annotation["bbox"])
    except (KeyError, TypeError, ValueError):
        return None
    if not all(math.isfinite(one) for one in (x, y, width, height)) or width <= 0 or height <= 0:
        return None
    who = {key: None if annotation.get(key) is None else str(annotation[key]) for key in ("annotator", "reviewer", "job")}
    return {
        "md5": md5, "class_name": class_name, "x_px": x, "y_px": y, "width_px": width, "height_px": height,
        "is_crowd": annotation.get("iscrowd") in (1, True, "1"), "origin": origin, **who,
        "attributes": _plain(annotation["attributes"]) if isinstance(annotation.get("attributes"), dict) else None,
    }  # fmt: skip
