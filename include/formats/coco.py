"""COCO JSON (https://cocodataset.org/#format-data): `annotations/<split>.json`, one file per split, images as they lie.

What COCO has no key for stands in keys of our own, as ingest_labels reads them: an image's `group` and `attributes`, an
annotation's `annotator`, `reviewer`, `job` and `attributes`. A file is read as a whole: about ten times its size in memory.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from include.formats.records import WHO, Box, LabelledImage, Labels, Layout, lost_by, nested, packed, unpacked
from include.formats.tree import Tree, harmless, split_in
from include.versions.splits import SPLITS

HOLDS = {"group", "attributes", "is_crowd", "box attributes", *WHO}
KEYS = ("images", "annotations", "categories")


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
    problems, split = labels.problems, split_in(path)
    classes = {str(one["id"]): str(one["name"]) for one in content["categories"] if isinstance(one, dict) and "name" in one}
    labels.know(classes.values())
    boxes: dict[str, list[Box]] = defaultdict(list)
    known = {str(image.get("id")) for image in content["images"] if isinstance(image, dict)}
    if len(known) < len(content["images"]):
        problems.add(path, f"{len(content['images']) - len(known)} images without an id of their own", "ids that differ")
    for position, raw in enumerate(content["annotations"]):
        where = f"{path} annotation {raw.get('id', position) if isinstance(raw, dict) else position}"
        if (box := _box(raw, where, classes, known, labels)) is not None:
            boxes[str(raw["image_id"])].append(box)
    for position, raw in enumerate(content["images"]):
        name = harmless(raw.get("file_name") if isinstance(raw, dict) else None)
        if name is None:
            problems.add(f"{path} image {position}", f"file_name {raw!r:.80}", "a relative path with /, below the folder")
            continue
        width, height = (raw.get(key) if isinstance(raw.get(key), int) else None for key in ("width", "height"))
        stated = raw.get("attributes") if isinstance(raw.get("attributes"), dict) else {}
        labels.lost["nested attributes"] += nested(stated)
        group = raw.get("group")
        folder = path.rpartition("/")[0]
        located = tree.locate(name, folder, folder.rpartition("/")[0])
        mine = tuple(boxes[str(raw.get("id"))])
        said = raw.get("split") or split
        labels.images.append(
            LabelledImage(located, mine, width, height, None if group is None else str(group), said, packed(stated))
        )


def _box(raw: Any, where: str, classes: dict[str, str], known: set[str], labels: Labels) -> Box | None:
    problems = labels.problems
    numbers = raw.get("bbox") if isinstance(raw, dict) else None
    if not isinstance(numbers, list) or len(numbers) != 4 or not all(type(one) in (int, float) for one in numbers):
        problems.add(where, f"bbox {numbers!r:.60}", "four numbers x, y, width, height")
        return None
    if str(raw.get("category_id")) not in classes:
        problems.add(where, f"category_id {raw.get('category_id')!r:.60}", f"one of {', '.join(classes) or 'none'}")
        return None
    if str(raw.get("image_id")) not in known:
        problems.add(where, f"image_id {raw.get('image_id')!r:.60}", "the id of an image of the file")
        return None
    stated = raw.get("attributes") if isinstance(raw.get("attributes"), dict) else {}
    labels.lost["nested attributes"] += nested(stated)
    labels.lost["segmentations"] += bool(raw.get("segmentation"))
    labels.lost["keypoints"] += bool(raw.get("keypoints"))
    annotator, reviewer, job = (None if raw.get(one) is None else str(raw[one]) for one in WHO)
    x, y, width, height = map(float, numbers)
    name, is_crowd = classes[str(raw["category_id"])], raw.get("iscrowd") in (1, True)
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
