"""From a folder of label files and images to pictures and shapes, by kind.

COCO is read by include/labelling/files/coco.py, which keeps what is wrong for the rules to judge; the rest by the readers of
include/formats, which leave it out and say so.

Own readers, and not datumaro's. datumaro 1.13.12 cannot be installed beside ours (it asks for pandas 2), and it is not faithful:
coordinates become 32-bit floats (72.78 is read as 72.77999877929688), a polygon with a box becomes two annotations.
Who drew it is dropped. benchmarks/import_coco.py has the two beside each other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace

from include.formats import FORMATS, Box, FormatName, LabelledImage, Labels
from include.formats.records import unpacked
from include.labelling.files.coco_files import read_coco_files
from include.labelling.files.recorded_tree import RecordedTree
from include.labelling.items import NAN, Labelled, Picture, Refused, Shape

FORMAT_OF: dict[str, FormatName] = {
    "yolo": "yolo",
    "voc": "voc",
    "cvat_xml": "cvat",
    "datumaro": "datumaro",
    "imagenet": "imagenet",
}
LABEL_FILES = (".json", ".xml", ".txt", ".yaml", ".yml")


def read_tree(tree: RecordedTree, kind: str, job: str | None = None) -> Labelled:
    """Addresses of pictures are paths of the tree. `job`: of labels that name none. Raises Refused if nothing can be read."""
    try:
        return read_coco_files(tree, job) if kind == "coco" else _with_job(_read(tree, kind), job)
    except Refused as reason:
        reason.original = tree.original()
        raise


def _read(tree: RecordedTree, kind: str) -> Labelled:
    format_ = FORMATS[FORMAT_OF[kind]]
    labels = format_.read(tree)
    problems = list(labels.problems.first)
    if labels.problems.count > len(problems):
        problems.append(f"and {labels.problems.count - len(problems)} more problems")
    is_empty = not any(image.boxes or not all(box.unread for box in image.others) for image in labels.images)
    if not labels.images or (problems and is_empty):
        raise Refused(
            f"no labels of kind {kind}: {'; '.join(problems[:5]) or f'{len(tree.paths)} files'}; expected {_expected(kind)}"
        )
    pictures = _pictures(tree, labels, format_.states_sizes, problems)
    known = {image.path for image in labels.images}
    if unnamed := [path for path in tree.images if path not in known]:
        problems.append(f"{len(unnamed)} image files that no label file names, e.g. {unnamed[0]}; left out")
    return Labelled(tree.original(), pictures, problems=tuple(problems))


def _expected(kind: str) -> str:
    return {
        "yolo": "data.yaml with `names`, images/…, labels/…", "voc": "Annotations/….xml", "imagenet": "<class>/<image>",
        "cvat_xml": "annotations.xml (CVAT for images 1.1)", "datumaro": "annotations/….json (Datumaro)",
    }[kind]  # fmt: skip


def _pictures(tree: RecordedTree, labels: Labels, states_sizes: bool, problems: list[str]) -> tuple[Picture, ...]:
    """One for each file: what several entries say of one is put together."""
    found: dict[str, Picture] = {}
    known = set(tree.images)
    for image in labels.images:
        shapes = tuple(_shape(image, box) for box in (*image.boxes, *image.others))
        if (earlier := found.get(image.path)) is not None:
            problems.append(f"{image.path}: labelled twice; both are taken")
            found[image.path] = replace(earlier, shapes=(*earlier.shapes, *shapes))
            continue
        width, height = image.width_px, image.height_px
        if not states_sizes and "sizes" in tree.__dict__:  # where they were asked for already
            width, height = tree.sizes.get(image.path) or (None, None)
        is_there = image.path in known
        found[image.path] = Picture(
            image.path, shapes, image.path if is_there else None, None if is_there else f"no file {image.path}",
            width or NAN, height or NAN, image.group, _said(image),
        )  # fmt: skip
    return tuple(found.values())


def _said(image: LabelledImage) -> str | None:
    """Its attributes; the split that its place says is one."""
    stated = unpacked(image.attributes) | ({"split": image.split} if image.split else {})
    return json.dumps(stated, sort_keys=True) if stated else None


def _shape(image: LabelledImage, box: Box) -> Shape:
    """`raw` has what was read: the files themselves are in the original. A side that is no number, or infinite, is none."""
    sides = (box.x_px, box.y_px, box.width_px, box.height_px)
    raw: dict[str, object] = {"image": image.path, "class": box.class_name}
    if box.unread is not None:
        raw["text"] = box.unread
    else:
        raw |= {
            "kind": box.kind, "bbox": [one if math.isfinite(one) else str(one) for one in sides],
            "geometry": json.loads(box.geometry) if box.geometry else None, "attributes": unpacked(box.attributes),
        }  # fmt: skip
    x, y, width, height = (one if math.isfinite(one) else NAN for one in sides)
    return Shape(
        box.kind, box.class_name or None, (x, y, width, height), json.dumps(raw), box.geometry, image_id=image.path,
        is_crowd=box.is_crowd, annotator=box.annotator, reviewer=box.reviewer, job=box.job, attributes=box.attributes,
    )  # fmt: skip


def _with_job(labelled: Labelled, job: str | None) -> Labelled:
    def signed(shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        return tuple(shape if shape.job else shape._replace(job=job) for shape in shapes)

    if job is None:
        return labelled
    return replace(labelled, pictures=tuple(replace(picture, shapes=signed(picture.shapes)) for picture in labelled.pictures))
