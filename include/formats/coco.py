"""COCO JSON (https://cocodataset.org/#format-data): `annotations/<split>.json`, one file per split, images as they lie.

What COCO has no key for stands in keys of our own, as ingest_labels reads them: an image's `group` and `attributes`, an
annotation's `annotator`, `reviewer`, `job` and `attributes`. A file is read as a whole: about ten times its size in memory.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from include.formats.records import WHO, Box, LabelledImage, Labels, Layout, lost_by, nested, packed, unpacked
from include.formats.tree import Tree, harmless, split_in
from include.versions.splits import SPLITS

HOLDS = {"group", "attributes", "is_crowd", "box attributes", *WHO}
KEYS = ("images", "annotations", "categories")
IMAGE_KEYS = {
    "id", "file_name", "width", "height", "group", "split", "attributes", "license", "flickr_url", "coco_url",
}  # fmt: skip


def read(tree: Tree) -> Labels:
    """Every JSON file that is COCO; others are problems only where they were asked for by name."""
    labels = Labels()
    for path, data in tree.contents(tree.label_files(".json")):
        try:
            content = json.loads(data.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            labels.problems.add(path, f"not JSON in UTF-8: {error}", "a COCO object")
            continue
        if isinstance(content, dict) and all(isinstance(content.get(key), list) for key in KEYS):
            _read_one(tree, path, content, labels)
        elif path in tree.labels:
            labels.problems.add(path, "other JSON", f"an object with the lists {', '.join(KEYS)}")
    return labels


def _read_one(tree: Tree, path: str, content: dict[str, Any], labels: Labels) -> None:
    classes = _classes(path, content["categories"], labels)
    images: dict[str, tuple[str, dict[str, Any]]] = {}
    for position, raw in enumerate(content["images"]):
        where = f"{path}: image {position}"
        if (located := _locate(tree, path, raw, where, labels)) is not None and _is_new_id(raw, images, where, labels):
            images[str(raw["id"])] = located, raw
    boxes: dict[str, list[Box]] = defaultdict(list)
    for position, raw in enumerate(content["annotations"]):
        where = f"{path}: annotation {raw.get('id', position) if isinstance(raw, dict) else position}"
        if (box := _box(raw, where, classes, images, labels)) is not None:
            if tree.is_strict and not (box.width_px > 0 and box.height_px > 0 and all(map(math.isfinite, raw["bbox"]))):
                labels.problems.add(where, f"bbox {raw['bbox']!r:.60}", "a box with an area")
            boxes[str(raw["image_id"])].append(box)
    for number, (located, raw) in images.items():
        labels.images.append(_image(located, raw, tuple(boxes[number]), split_in(path), labels))


def _classes(path: str, categories: list[Any], labels: Labels) -> dict[str, str]:
    """Name by id as text, in the order of the ids."""
    found: dict[str, tuple[int | str, str]] = {}
    for position, raw in enumerate(categories):
        where = f"{path}: category {position}"
        if not isinstance(raw, dict) or not isinstance(raw.get("name"), str):
            labels.problems.add(where, f"{raw!r:.60}", "an id and a name")
        elif _is_new_id(raw, found, where, labels):
            found[str(raw["id"])] = raw["id"], raw["name"]
    ordered = sorted(found.values(), key=lambda one: (isinstance(one[0], str), one[0]))
    labels.know(name for _, name in ordered)
    return {str(number): name for number, name in ordered}


def _is_new_id(raw: dict[str, Any], known: Collection[str], where: str, labels: Labels) -> bool:
    if isinstance(raw.get("id"), int | str) and str(raw["id"]) not in known:
        return True
    labels.problems.add(where, f"id {raw.get('id')!r:.60}", "an id of its own")
    return False


def _locate(tree: Tree, path: str, raw: Any, where: str, labels: Labels) -> str | None:
    """From the label file's folder and the one above, or from `images/` in them."""
    name = harmless(raw.get("file_name") if isinstance(raw, dict) else None)
    if name is None:
        labels.problems.add(where, f"file_name {raw!r:.80}", "a relative path with /, below the folder")
        return None
    folder = path.rpartition("/")[0]
    above = folder.rpartition("/")[0]
    located = tree.locate(name, folder, above, *(f"{one}/images".lstrip("/") for one in (folder, above)))
    if tree.lacks(located):
        labels.problems.add(where, f"file_name {name}", "an image that is there")
        return None
    return located


def _image(located: str, raw: dict[str, Any], boxes: tuple[Box, ...], split: str | None, labels: Labels) -> LabelledImage:
    """Keys that COCO does not know are attributes, too."""
    stated = {key: value for key, value in raw.items() if key not in IMAGE_KEYS}
    stated |= raw["attributes"] if isinstance(raw.get("attributes"), dict) else {}
    labels.lost["nested attributes"] += nested(stated)
    width, height = (raw.get(key) if isinstance(raw.get(key), int) else None for key in ("width", "height"))
    group = None if raw.get("group") is None else str(raw["group"])
    return LabelledImage(located, boxes, width, height, group, raw.get("split") or split, packed(stated))


def _box(raw: Any, where: str, classes: Mapping[str, str], images: Collection[str], labels: Labels) -> Box | None:
    problems = labels.problems
    numbers = raw.get("bbox") if isinstance(raw, dict) else None
    if not isinstance(numbers, list) or len(numbers) != 4 or not all(type(one) in (int, float) for one in numbers):
        problems.add(where, f"bbox {numbers!r:.60}", "four numbers x, y, width, height")
        return None
    if str(raw.get("category_id")) not in classes:
        problems.add(where, f"category_id {raw.get('category_id')!r:.60}", f"one of {', '.join(classes) or 'none'}")
        return None
    if str(raw.get("image_id")) not in images:
        problems.add(where, f"image_id {raw.get('image_id')!r:.60}", "the id of an image of the file")
        return None
    stated = raw.get("attributes") if isinstance(raw.get("attributes"), dict) else {}
    labels.lost["nested attributes"] += nested(stated)
    labels.lost["segmentations"] += bool(raw.get("segmentation"))
    labels.lost["keypoints"] += bool(raw.get("keypoints"))
    annotator, reviewer, job = (None if raw.get(one) is None else str(raw[one]) for one in WHO)
    x, y, width, height = map(float, numbers)
    name, is_crowd = classes[str(raw["category_id"])], raw.get("iscrowd") in (1, True, "1")
    return Box(name, x, y, width, height, is_crowd, annotator, reviewer, job, packed(stated))


def write(labels: Labels) -> Layout:
    """Images stay where they are; an image without a split is in `annotations/all.json`."""
    return Layout([image.path for image in labels.images], _files(labels), lost_by(labels.images, HOLDS))


def _files(labels: Labels) -> Iterator[tuple[str, bytes]]:
    categories = {name: number for number, name in enumerate(labels.classes, 1)}
    by_split: dict[str, dict[str, list[Any]]] = {split: {"images": [], "annotations": []} for split in SPLITS}
    number = 0
    for image_id, image in enumerate(labels.images, 1):
        lists = by_split.setdefault(image.split or "all", {"images": [], "annotations": []})
        lists["images"].append(_without_null({
            "id": image_id, "file_name": image.path, "width": image.width_px, "height": image.height_px, "group": image.group,
            "attributes": unpacked(image.attributes) or None,
        }))  # fmt: skip
        for box in image.boxes:
            number += 1
            lists["annotations"].append(_without_null({
                "id": number, "image_id": image_id, "category_id": categories[box.class_name], "iscrowd": int(box.is_crowd),
                "bbox": [box.x_px, box.y_px, box.width_px, box.height_px], "area": box.width_px * box.height_px,
                "annotator": box.annotator, "reviewer": box.reviewer, "job": box.job,
                "attributes": unpacked(box.attributes) or None,
            }))  # fmt: skip
    named = [{"id": position, "name": name} for name, position in categories.items()]
    for split, lists in by_split.items():
        if lists["images"] or split in SPLITS:
            yield f"annotations/{split}.json", json.dumps({**lists, "categories": named}, separators=(",", ":")).encode()


def _without_null(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value is not None}
