"""YOLO as Ultralytics lays it out: data.yaml, images/<split>/…, labels/<split>/….txt with `class cx cy w h` per line.

Numbers are shares of the image's width and height; eight decimals keep corners within 0.001 px up to 60,000 px. The label file
of an image is found as Ultralytics does: the last `images` in its path becomes `labels`. An image without one is background.

A line may also hold a polygon (four corners at right angles are a rotated box, as in Ultralytics' OBB), or, where data.yaml has
`kpt_shape`, a box and key points. A version holds the box around each.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import yaml

from include.formats.places import places
from include.formats.records import Box, LabelledImage, Labels, Layout, lost_by, number_text, unread
from include.formats.tree import Tree, below, split_in
from include.labelling.items import Kind, enclosing, geometry

DECIMALS = 8


def read(tree: Tree) -> Labels:
    """Images below an `images` folder; class names from the one YAML file that has `names`."""
    labels = Labels()
    names, kpt_shape = _names(tree, labels)
    labels.know(names)
    known = set(tree.label_files(".txt"))
    wanted = {label_path(path): path for path in tree.images if "images" in path.split("/")[:-1]}
    folders = tuple(path.rpartition("/")[0] for path in tree.label_files(".yaml", ".yml"))
    files = {path: image for path, image in wanted.items() if any(below(image, folder) for folder in folders or ("",))}
    boxes = {}
    for path, data in tree.contents([path for path in files if path in known]):
        boxes[path] = _boxes(tree, files[path], path, data, names, kpt_shape, labels)
    for path, image in files.items():
        found, split = boxes.get(path, ()), split_in(str(PurePosixPath(image).parent))
        read, others = (tuple(box for box in found if bool(box.unread) is is_unread) for is_unread in (False, True))
        labels.images.append(LabelledImage(image, read, split=split, others=others))
    return labels


def label_path(image: str) -> str:
    parts = list(PurePosixPath(image).with_suffix(".txt").parts)
    last = len(parts) - 2 - parts[-2::-1].index("images")
    parts[last] = "labels"
    return "/".join(parts)


def _names(tree: Tree, labels: Labels) -> tuple[list[str], tuple[int, int] | None]:
    """Class names, and how many key points of how many numbers each box has."""
    found: list[tuple[list[str], tuple[int, int] | None]] = []
    for path, data in tree.contents(tree.label_files(".yaml", ".yml")):
        try:
            content: Any = yaml.safe_load(data)
        except Exception:  # beside YAMLError whatever a tag's text makes Python raise: a date of month 13, !!int "x"
            labels.problems.add(path, "not YAML", "data.yaml with `names`")
            continue
        names = content.get("names") if isinstance(content, dict) else None
        if isinstance(names, dict) and sorted(names, key=str) and set(names) == set(range(len(names))):
            names = [names[number] for number in range(len(names))]
        if isinstance(names, list) and names and all(isinstance(name, str | int | float) for name in names):
            found.append(([str(name) for name in names], _kpt_shape(content.get("kpt_shape"))))
    if len(found) != 1:
        labels.problems.add("data.yaml", f"{len(found)} YAML files with `names` from 0 on", "one")
    return found[0] if found else ([], None)


def _kpt_shape(stated: Any) -> tuple[int, int] | None:
    match stated:
        case [int(points), 2 | 3 as numbers] if points > 0:
            return points, numbers
    return None


def _boxes(
    tree: Tree, image: str, path: str, data: bytes, names: list[str], kpt_shape: tuple[int, int] | None, labels: Labels
) -> tuple[Box, ...]:
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"  # as PowerShell writes
    lines = [line.split() for line in data.decode(encoding, "replace").splitlines()]
    if not any(lines):
        return ()
    try:
        size = tree.size_px(image)
    except (OSError, KeyError):
        labels.problems.add(image, "no readable image", "one, to know its size")
        return tuple(unread(" ".join(words)) for words in lines if words)
    return tuple(_box(words, f"{path} line {n}", size, names, kpt_shape, labels) for n, words in enumerate(lines, 1) if words)


def _box(
    words: list[str], where: str, size: tuple[int, int], names: list[str], kpt_shape: tuple[int, int] | None, labels: Labels
) -> Box:
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = [math.nan]
    posed = 5 + math.prod(kpt_shape) if kpt_shape else 0
    is_shaped = len(numbers) in (5, posed) or (len(numbers) >= 7 and len(numbers) % 2 == 1)
    if not all(map(math.isfinite, numbers)) or not is_shaped:
        labels.problems.add(where, " ".join(words)[:60], "class, then cx cy w h, or the corners of a polygon")
        return unread(" ".join(words))
    number, *shares = numbers
    if not number.is_integer() or not 0 <= number < len(names):
        labels.problems.add(where, f"class {words[0][:20]}", f"0 to {len(names) - 1} (data.yaml)")
        return unread(" ".join(words), box_px=_around(shares, size) if len(numbers) == 5 else (math.nan,) * 4)
    name = names[int(number)]
    if len(numbers) not in (5, posed):
        labels.lost["polygons, read as the box around them"] += 1
        return _polygon(name, _points(shares, size))
    box = Box(name, *_around(shares, size))
    if kpt_shape and len(numbers) == posed:
        labels.lost["keypoints"] += 1
        return replace(box, kind="skeleton", geometry=geometry(points=_points(shares[4:], size, kpt_shape[1])))
    return box


def _around(shares: list[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The box in pixels of cx, cy, w, h."""
    cx, cy, w, h = shares[:4]
    return (cx - w / 2) * size[0], (cy - h / 2) * size[1], w * size[0], h * size[1]


def _points(shares: list[float], size: tuple[int, int], numbers: int = 2) -> list[list[float]]:
    """In pixels to a thousandth. A third number says whether the point is visible."""
    width, height = size
    return [
        [round(shares[at] * width, 3), round(shares[at + 1] * height, 3), *shares[at + 2 : at + numbers]]
        for at in range(0, len(shares), numbers)
    ]


def _polygon(name: str, corners: list[list[float]]) -> Box:
    """The box around it, as Ultralytics trains detectors on polygons."""
    kind: Kind = "rotated_box" if _is_rectangle(corners) else "polygon"
    return Box(name, *enclosing(corners), kind=kind, geometry=geometry(rings=[corners]))


def _is_rectangle(corners: list[list[float]]) -> bool:
    """Diagonals are equal and halve each other, to a pixel: six decimals, as usual, are that coarse on large pictures."""
    if len(corners) != 4:
        return False
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners
    off_middle = math.hypot(ax + cx - bx - dx, ay + cy - by - dy) / 2
    return off_middle <= 1 and abs(math.dist((ax, ay), (cx, cy)) - math.dist((bx, by), (dx, dy))) <= 1


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
