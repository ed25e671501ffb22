"""YOLO as Ultralytics lays it out: data.yaml, images/<split>/…, labels/<split>/….txt with `class cx cy w h` per line.

Numbers are shares of the image's width and height; eight decimals keep corners within 0.001 px up to 60,000 px. The label file
of an image is found as Ultralytics does: the last `images` in its path becomes `labels`. An image without one is background.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import yaml

from include.formats.places import places
from include.formats.records import Box, LabelledImage, Labels, Layout, lost_by, number_text
from include.formats.tree import Tree, below, split_in

DECIMALS = 8


def read(tree: Tree) -> Labels:
    """Images below an `images` folder; class names from the one YAML file that has `names`."""
    labels = Labels()
    names = _names(tree, labels)
    labels.know(names)
    known = set(tree.label_files(".txt"))
    wanted = {label_path(path): path for path in tree.images if "images" in path.split("/")[:-1]}
    folders = tuple(path.rpartition("/")[0] for path in tree.label_files(".yaml", ".yml"))
    files = {path: image for path, image in wanted.items() if any(below(image, folder) for folder in folders or ("",))}
    boxes = {}
    for path, data in tree.contents([path for path in files if path in known]):
        boxes[path] = _boxes(tree, files[path], path, data, names, labels)
    for path, image in files.items():
        labels.images.append(LabelledImage(image, boxes.get(path, ()), split=split_in(str(PurePosixPath(image).parent))))
    return labels


def label_path(image: str) -> str:
    parts = list(PurePosixPath(image).with_suffix(".txt").parts)
    last = len(parts) - 2 - parts[-2::-1].index("images")
    parts[last] = "labels"
    return "/".join(parts)


def _names(tree: Tree, labels: Labels) -> list[str]:
    found: list[list[str]] = []
    for path, data in tree.contents(tree.label_files(".yaml", ".yml")):
        try:
            content: Any = yaml.safe_load(data)
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
            labels.problems.add(path, "not YAML", "data.yaml with `names`")
            continue
        names = content.get("names") if isinstance(content, dict) else None
        if isinstance(names, dict) and sorted(names, key=str) and set(names) == set(range(len(names))):
            names = [names[number] for number in range(len(names))]
        if isinstance(names, list) and names:
            found.append([str(name) for name in names])
    if len(found) != 1:
        labels.problems.add("data.yaml", f"{len(found)} YAML files with `names` from 0 on", "one")
    return found[0] if found else []


def _boxes(tree: Tree, image: str, path: str, data: bytes, names: list[str], labels: Labels) -> tuple[Box, ...]:
    lines = [line.split() for line in data.decode("utf-8", "replace").splitlines()]
    if not any(lines):
        return ()
    try:
        size = tree.size_px(image)
    except (OSError, KeyError):
        labels.problems.add(image, "no readable image", "one, to know its size")
        return ()
    found = (_box(words, f"{path} line {n}", size, names, labels) for n, words in enumerate(lines, 1) if words)
    return tuple(box for box in found if box is not None)


def _box(words: list[str], where: str, size: tuple[int, int], names: list[str], labels: Labels) -> Box | None:
    problems = labels.problems
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)) or len(numbers) < 5 or len(numbers) % 2 == 0:
        problems.add(where, " ".join(words)[:60], "class, then cx cy w h, or the corners of a polygon")
        return None
    number, *shares = numbers
    if not number.is_integer() or not 0 <= number < len(names):
        problems.add(where, f"class {words[0][:20]}", f"0 to {len(names) - 1} (data.yaml)")
        return None
    width, height = size
    if len(shares) > 4:  # as Ultralytics trains detectors on polygons: the box around
        labels.lost["polygons, read as the box around them"] += 1
        xs, ys = shares[0::2], shares[1::2]
        x, y, w, h = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
    else:
        cx, cy, w, h = shares
        x, y = cx - w / 2, cy - h / 2
    return Box(names[int(number)], x * width, y * height, w * width, h * height)


def write(labels: Labels) -> Layout:
    """An image without a split goes to train: Ultralytics knows no other place."""
    where = places(labels.images, lambda image: f"images/{image.split or 'train'}", own_stem=True)
    lost = lost_by(labels.images, ())
    lost["images without a split, now in train"] += sum(image.split is None for image in labels.images)
    return Layout(where, _files(labels, where), +lost)


def _files(labels: Labels, where: list[str]) -> Iterator[tuple[str, bytes]]:
    names = dict(enumerate(labels.classes))
    # no `path`: Ultralytics then takes the folder of data.yaml
    content = {"train": "images/train", "val": "images/val", "test": "images/test", "names": names}
    yield "data.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode()
    numbers = {name: number for number, name in names.items()}
    for image, place in zip(labels.images, where, strict=True):
        yield label_path(place), "".join(_line(image, box, numbers) for box in image.boxes).encode()


def _line(image: LabelledImage, box: Box, numbers: dict[str, int]) -> str:
    assert image.width_px is not None
    assert image.height_px is not None
    shares = (
        (box.x_px + box.width_px / 2) / image.width_px, (box.y_px + box.height_px / 2) / image.height_px,
        box.width_px / image.width_px, box.height_px / image.height_px,
    )  # fmt: skip
    return f"{numbers[box.class_name]} {' '.join(number_text(share, DECIMALS) for share in shares)}\n"
