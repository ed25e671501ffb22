"""Label formats: one module each, with `read` (files → records) and `write` (records → files).

TFRecord is written only, and holds the images: include/versions/copies/records.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from include.formats import coco, cvat, datumaro, imagenet, voc, yolo
from include.formats.records import Box, LabelledImage, Labels, Layout
from include.formats.tree import Tree, local_tree

__all__ = ["FORMATS", "Box", "Format", "FormatName", "LabelledImage", "Labels", "Layout", "Tree", "local_tree"]
FormatName = Literal["coco", "yolo", "voc", "cvat", "datumaro", "imagenet"]


class Format(NamedTuple):
    """`states_sizes`: its files say how large an image is; where they do not, the image itself is asked."""

    read: Callable[[Tree], Labels]
    write: Callable[[Labels], Layout]
    states_sizes: bool


FORMATS: dict[FormatName, Format] = {
    "coco": Format(coco.read, coco.write, True),
    "yolo": Format(yolo.read, yolo.write, False),
    "voc": Format(voc.read, voc.write, True),
    "cvat": Format(cvat.read, cvat.write, True),
    "datumaro": Format(datumaro.read, datumaro.write, True),
    "imagenet": Format(imagenet.read, imagenet.write, False),
}
