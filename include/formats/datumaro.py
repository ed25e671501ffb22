"""Datumaro JSON (https://open-edge-platform.github.io/datumaro/): annotations/<subset>.json, images/<subset>/….

Who drew a box stands in its attributes, as Datumaro has no key for it; so does `is_crowd`, as in Datumaro's own COCO import. A
version holds the boxes; the other annotations are read by include/formats/datumaro_shapes.py.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from include.formats.datumaro_shapes import shape_of
from include.formats.places import places
from include.formats.records import WHO, Box, LabelledImage, Labels, Layout, nested, packed, unpacked, unread, whole_number
from include.formats.tree import Tree, harmless, split_in

UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)


def read(tree: Tree) -> Labels:
    labels = Labels()
    for path, data in tree.contents(tree.label_files(".json")):
        try:
            content = json.loads(data.decode("utf-8-sig"))
            names = [_text(one["name"]) for one in content["categories"]["label"]["labels"]]
            items = list(content["items"])
        except (ValueError, RecursionError, KeyError, TypeError):
            labels.problems.add(path, "other content", "Datumaro JSON: categories.label.labels and items")
            continue
        labels.know(names)
        for position, item in enumerate(items):
            try:
                labels.images.append(_image(tree, path, item, names, labels))
            except UNREADABLE as error:
                labels.problems.add(
                    f"{path} item {position}", f"{type(error).__name__} {error}", "an item with image and annotations"
                )
    return labels


def _image(tree: Tree, path: str, item: dict[str, Any], names: list[str], labels: Labels) -> LabelledImage:
    image = item["image"]
    name = harmless(image.get("path") or f"{item['id']}.jpg")
    if name is None:
        raise ValueError(f"image path {image.get('path')!r:.80}")
    height, width = (whole_number(str(side)) for side in image.get("size") or (None, None))
    stem = path.rpartition("/")[2].removesuffix(".json")
    root = path.rpartition("annotations/")[0]
    stated = dict(item.get("attr") or {})
    group = stated.pop("group", None)
    labels.lost["nested attributes"] += nested(stated)
    boxes, others = _shapes(f"{path} item {item['id']}", item.get("annotations", ()), names, labels)
    located = tree.locate(name, f"{root}images/{stem}", f"{root}images")
    if tree.lacks(located):
        raise ValueError(f"image path {name}: no such image")
    return LabelledImage(
        located, boxes, width, height, None if group is None else str(group), split_in(stem), packed(stated), others
    )


def _shapes(where: str, annotations: Any, names: list[str], labels: Labels) -> tuple[tuple[Box, ...], tuple[Box, ...]]:
    """Upright boxes, and the rest."""
    boxes, others = [], []
    for position, one in enumerate(annotations):
        try:
            shape = _shape(one, names, labels)
            if shape.kind == "box":
                boxes.append(shape)
            else:
                labels.lost["rotated boxes, left out" if one["type"] == "bbox" else f"{one['type']} annotations"] += 1
                others.append(shape)
        except UNREADABLE as error:
            labels.problems.add(f"{where} annotation {position}", f"{type(error).__name__} {error}", "an annotation of its type")
            others.append(unread(json.dumps(one)))
    return tuple(boxes), tuple(others)


def _shape(one: dict[str, Any], names: list[str], labels: Labels) -> Box:
    name = None if one.get("label_id") is None and one["type"] != "bbox" else _name(int(one["label_id"]), names)
    kind, (x, y, width, height), drawn, said = shape_of(one)
    stated = {**(one.get("attributes") or {}), **said}
    is_crowd = bool(stated.pop("is_crowd", False))
    annotator, reviewer, job = (None if (said := stated.pop(who, None)) is None else str(said) for who in WHO)
    labels.lost["nested attributes"] += nested(stated)
    return Box(name or "", x, y, width, height, is_crowd, annotator, reviewer, job, packed(stated), kind, drawn)


def _text(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"name {name!r:.40}")
    return name


def _name(number: int, names: list[str]) -> str:
    if not 0 <= number < len(names):
        raise ValueError(f"label_id {number}")
    return names[number]


def write(labels: Labels) -> Layout:
    """Images without a split are the subset `default`, as Datumaro calls it. Nothing is lost."""
    where = places(labels.images, lambda image: f"images/{image.split or 'default'}")
    return Layout(where, _files(labels, where), Counter())


def _files(labels: Labels, where: list[str]) -> Iterator[tuple[str, bytes]]:
    numbers = {name: number for number, name in enumerate(labels.classes)}
    subsets: dict[str, list[dict[str, Any]]] = {}
    for image, place in zip(labels.images, where, strict=True):
        subset = image.split or "default"
        name = place.removeprefix(f"images/{subset}/")
        stated = {**unpacked(image.attributes), **({} if image.group is None else {"group": image.group})}
        subsets.setdefault(subset, []).append({
            "id": name.rpartition(".")[0] or name, "attr": stated,
            "image": {"path": name, "size": [image.height_px, image.width_px]},
            "annotations": [_annotation(number, box, numbers) for number, box in enumerate(image.boxes)],
        })  # fmt: skip
    named = [{"name": name, "parent": "", "attributes": []} for name in labels.classes]
    for subset, items in subsets.items():
        content = {"info": {}, "categories": {"label": {"labels": named, "attributes": []}}, "items": items}
        yield f"annotations/{subset}.json", json.dumps(content, separators=(",", ":")).encode()


def _annotation(number: int, box: Box, numbers: dict[str, int]) -> dict[str, Any]:
    who = {name: value for name in WHO if (value := getattr(box, name)) is not None}
    crowd = {"is_crowd": True} if box.is_crowd else {}
    return {
        "id": number, "type": "bbox", "label_id": numbers[box.class_name], "group": 0, "z_order": 0,
        "attributes": {**unpacked(box.attributes), **who, **crowd}, "bbox": [box.x_px, box.y_px, box.width_px, box.height_px],
    }  # fmt: skip
