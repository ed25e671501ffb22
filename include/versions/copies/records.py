"""A version as TFRecord files: tf.train.Examples with the keys of TensorFlow's object-detection API, and its label map.

    train.record-00000-of-00007, …    about 200 MB each: encoded images, and boxes as shares of width and height
    label_map.pbtxt                   the classes, from 1

https://github.com/tensorflow/models/blob/master/research/object_detection/dataset_tools/create_coco_tf_record.py. There is no
reading: what a record does not say (paths, groups, who labelled) could not come back.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from tfrecord.writer import TFRecordWriter

from include.artifacts import DatasetVersion
from include.formats import LabelledImage
from include.formats.records import lost_by
from include.storage import ContentStore
from include.versions.contents import Contents
from include.versions.copies.export import claim, put
from include.versions.labelled import labels_of
from include.versions.progress import steadily
from include.versions.splits import SPLITS

SHARD_BYTES = 200 * 2**20
Example = dict[str, tuple[Any, str]]


def export_records(content: ContentStore, version: DatasetVersion, folder: Path, log: logging.Logger) -> Counter[str]:
    """What it did, and what records cannot hold, counted. Started again it goes on: a file that is there is whole."""
    claim(folder, {"digest": version.digest, "annotations": version.annotations_table, "format": "tfrecord"})
    contents = Contents.read(content, version)
    labels = labels_of(contents, version.classes)
    facts = {path: (md5, size) for path, md5, size in contents.images[["relpath", "md5", "size_bytes"]].itertuples(index=False)}
    numbers = {name: number for number, name in enumerate(labels.classes, 1)}
    counts = Counter({f"cannot hold: {what}": count for what, count in lost_by(labels.images, {"is_crowd"}).items()})
    put(folder / "label_map.pbtxt", label_map(numbers).encode())
    for split in SPLITS:
        shards = list(shards_of([image for image in labels.images if image.split == split], facts))
        for number, shard in enumerate(shards):
            path = folder / f"{split}.record-{number:05d}-of-{len(shards):05d}"
            counts["images" if not path.exists() else "images there already"] += len(shard)
            if not path.exists():
                read = steadily(lambda image: content.get(facts[image.path][0]), shard, len(shard), log, path.name)
                write(path, (example(image, data, numbers) for image, data in zip(shard, read, strict=True)))
            counts["files"] += 1
    return counts


def shards_of(images: Sequence[LabelledImage], facts: Mapping[str, tuple[str, int]]) -> Iterator[list[LabelledImage]]:
    """In order; each as large as it may be, but never empty."""
    shard: list[LabelledImage] = []
    size_bytes = 0
    for image in images:
        size = facts[image.path][1]
        if shard and size_bytes + size > SHARD_BYTES:
            yield shard
            shard, size_bytes = [], 0
        shard.append(image)
        size_bytes += size
    if shard:
        yield shard


def write(path: Path, examples: Iterator[Example]) -> None:
    """Whole, or not at all."""
    aside = path.with_name(f".{uuid4().hex}.part")
    try:
        writer = TFRecordWriter(str(aside))
        try:
            for one in examples:
                writer.write(one)
        finally:
            writer.close()
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def example(image: LabelledImage, data: bytes, numbers: Mapping[str, int]) -> Example:
    """One image with its boxes."""
    assert image.width_px is not None
    assert image.height_px is not None
    width, height, boxes = image.width_px, image.height_px, image.boxes
    suffix = Path(image.path).suffix.lower().lstrip(".")
    return {
        "image/encoded": (data, "byte"),
        "image/format": ({"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix).encode(), "byte"),
        "image/filename": (image.path.encode(), "byte"),
        "image/source_id": (image.path.encode(), "byte"),
        "image/key/sha256": (hashlib.sha256(data).hexdigest().encode(), "byte"),
        "image/width": (width, "int"),
        "image/height": (height, "int"),
        "image/object/bbox/xmin": ([box.x_px / width for box in boxes], "float"),
        "image/object/bbox/xmax": ([(box.x_px + box.width_px) / width for box in boxes], "float"),
        "image/object/bbox/ymin": ([box.y_px / height for box in boxes], "float"),
        "image/object/bbox/ymax": ([(box.y_px + box.height_px) / height for box in boxes], "float"),
        "image/object/class/text": ([box.class_name.encode() for box in boxes], "byte"),
        "image/object/class/label": ([numbers[box.class_name] for box in boxes], "int"),
        "image/object/is_crowd": ([int(box.is_crowd) for box in boxes], "int"),
        "image/object/area": ([box.width_px * box.height_px for box in boxes], "float"),
    }


def label_map(numbers: Mapping[str, int]) -> str:
    """A StringIntLabelMap as protobuf text."""
    return "".join(f"item {{\n  id: {number}\n  name: {json.dumps(name)}\n}}\n" for name, number in numbers.items())
