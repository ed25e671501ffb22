"""Claim: the default suite judges 1,000,000 boxes over 200,000 images in 8 s and 1.5 GB, imports and all; cost grows as boxes do.

How: a batch's two Parquet tables are made here: 1 in 20 annotations a polygon, 1 in 50 broken in one of eleven ways; of every
image some are in every part of the file. A fresh process reads them, asks the suite `detector` (pictures are not opened: the two
rules that need them are off), finds ids and boxes made twice, and writes what is accepted and what was found. Timed from outside,
from its start to its end. The peer reads eight columns with pandas and asks twelve of Great Expectations' stock expectations of
them. Data Docs are written besides; they take the same time for any number of boxes.

    .venv/data/bin/python -m benchmarks.check_annotations

with `--boxes 1000000 5000000 20000000` for more of them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.artifacts.tables import ANNOTATIONS, IMAGES

ROOT = Path(__file__).resolve().parent.parent
BOXES_PER_IMAGE, WIDTH, HEIGHT, AT_ONCE = 5, 1280, 960, 500_000
CLASSES = ("car", "truck", "bus", "person", "bicycle")
OFF = {"image_readable": {"action": "off"}, "image_size_as_stated": {"action": "off"}}
TARGET_S, TARGET_MB = 8.0, 1500
OURS = """
import json, resource, sys, time
began = time.perf_counter()
import warnings
warnings.simplefilter("ignore")
from datetime import UTC, datetime
from pathlib import Path
from benchmarks.check_annotations import config_of
from include.artifacts.tables import ANNOTATIONS, IMAGES
from include.step.garbage import look_seldom
from tasks.validate_annotations.asking import Coming
from tasks.validate_annotations.stream import IMAGES_AT_ONCE, at_hand, parts_of_file
from tasks.validate_annotations.validate import divide
look_seldom()  # as every step does once it has its imports
folder, asked_at = Path(sys.argv[1]), []
coming = Coming(folder / "gx", "b1", datetime(2026, 1, 1, tzinfo=UTC))
def ask(*told):
    suites = coming.suites()
    asked_at.append(time.perf_counter() - began)
    return suites.broken(*told)
(folder / "divided").mkdir()
parts = parts_of_file(folder / "annotations.parquet", ANNOTATIONS)
images = at_hand(parts_of_file(folder / "images.parquet", IMAGES, IMAGES_AT_ONCE))
divided = divide(images, parts, None, config_of(), ask, folder / "divided")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
said = {"import_s": asked_at[0], "peak_mb": peak, "accepted": divided.annotations, "findings": sum(divided.counts.values())}
print("ANSWER", json.dumps(said))
"""
THEIRS = """
import json, os, resource, sys, time, warnings
began = time.perf_counter()
os.environ["GX_ANALYTICS_ENABLED"] = "false"
warnings.simplefilter("ignore")
import great_expectations as gx, pandas as pd
from great_expectations import expectations as gxe
imported = time.perf_counter() - began
sides, words = ["x_px", "y_px", "width_px", "height_px"], ["class_name", "shape", "annotation_id", "image_key"]
rows = pd.read_parquet(sys.argv[1] + "/annotations.parquet", columns=[*sides, *words])
some = [gxe.ExpectColumnValuesToNotBeNull(column=one) for one in (*sides, "class_name", "image_key", "annotation_id")]
some += [gxe.ExpectColumnValuesToBeBetween(column=one, min_value=0) for one in sides]
some += [gxe.ExpectColumnValuesToBeInSet(column="shape", value_set=["box", "polygon"])]
source = gx.get_context(mode="ephemeral").data_sources.add_pandas("p").add_dataframe_asset("a")
batch = source.add_batch_definition_whole_dataframe("b").get_batch({"dataframe": rows})
batch.validate(gx.ExpectationSuite(name="s", expectations=some))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print("ANSWER", json.dumps({"import_s": imported, "peak_mb": peak, "accepted": None, "findings": None}))
"""


def config_of():  # type: ignore[no-untyped-def]
    """The default suite, without the rules that need a picture."""
    from tasks.validate_annotations.config import ValidateAnnotations

    return ValidateAnnotations(source="bench", owner="lead", classes={name: name for name in CLASSES}, rules=OFF)


def make(folder: Path, boxes: int, at_once: int = AT_ONCE) -> None:
    """images.parquet and annotations.parquet of one batch."""
    count = boxes // BOXES_PER_IMAGE
    number = pa.array(np.arange(count))
    delivery = _join("d", pa.array(np.arange(count) // 1000))
    md5 = pc.utf8_lpad(number.cast(pa.string()), width=32, padding="0")
    columns = {
        "image_key": _join("bench/", delivery, "/", number, ".jpg"), "md5": md5, "delivery": delivery,
        "width_px": pa.array(np.full(count, float(WIDTH))), "height_px": pa.array(np.full(count, float(HEIGHT))),
    }  # fmt: skip
    pq.write_table(_table(columns, count, IMAGES), folder / "images.parquet")
    random = np.random.default_rng(7)
    with pq.ParquetWriter(folder / "annotations.parquet", ANNOTATIONS, compression="zstd") as file:
        for first in range(0, boxes, at_once):
            file.write_table(_annotations(random, first, min(at_once, boxes - first), count))


def _annotations(random: np.random.Generator, first: int, count: int, images: int) -> pa.Table:
    box, kind, image, name, shape = _numbers(random, count, images)
    row = np.arange(first, first + count)
    ids, delivery, image_id = pa.array(np.where(kind == 8, row - 1, row)), pa.array(image // 1000), pa.array(image)
    sides = (*box.T, *(box[:, :2] + box[:, 2:]).round(2).T)
    x, y, width, height, right, bottom = (pc.replace_substring(pa.array(one).cast(pa.string()), "nan", "null") for one in sides)
    rings = _join('{"rings":[[[', x, ",", y, "],[", right, ",", y, "],[", right, ",", bottom, "],[", x, ",", bottom, "]]]}")
    bbox = _join("[", x, ",", y, ",", width, ",", height, "]")
    columns = {
        "annotation_key": _join("d", delivery, "#", pa.array(row)), "annotation_id": ids.cast(pa.string()),
        "image_key": pc.if_else(pa.array(kind == 0), None, _join("bench/d", delivery, "/", image_id, ".jpg")),
        "image_id": image_id.cast(pa.string()), "shape": pa.array(shape),
        "class_name": pc.if_else(pa.array(kind == 6), "bush", pa.array(np.array(CLASSES)[name])),
        "geometry": pc.if_else(pa.array(shape == "polygon"), rings, None), "is_crowd": pa.array(np.zeros(count, np.bool_)),
        "annotator": _join("person ", pa.array(image % 12)), "job": _join("job ", pa.array(image // 500)),
        "conflict": pc.if_else(pa.array(kind == 7), "majority: another stands", pa.scalar(None, pa.string())),
        "raw": _join('{"id":', ids, ',"category_id":', pa.array(name), ',"bbox":', bbox, "}"),
    }  # fmt: skip
    names = ("x_px", "y_px", "width_px", "height_px")
    return _table(columns | {side: pa.array(values) for side, values in zip(names, box.T, strict=True)}, count, ANNOTATIONS)


def _numbers(random: np.random.Generator, count: int, images: int) -> tuple[np.ndarray, ...]:  # type: ignore[type-arg]
    """Boxes, what is wrong with each (11 and more: nothing), image, class and shape."""
    image = random.integers(0, images, count)
    box = np.column_stack([random.uniform(0, 1000, count), random.uniform(0, 700, count), *random.uniform(12, 200, (2, count))])
    kind = random.integers(0, 550, count)
    name, shape = random.integers(0, len(CLASSES), count), np.where(random.random(count) < 0.05, "polygon", "box")
    again, twice = np.flatnonzero(kind[1:] == 8) + 1, np.flatnonzero(kind[1:] == 9) + 1
    image[again] = image[again - 1]  # in the same delivery
    image[twice], box[twice], name[twice], shape[twice] = image[twice - 1], box[twice - 1] + 0.1, name[twice - 1], "box"
    box[kind == 2, 2] = np.nan
    box[kind == 3, 2] = 0
    box[kind == 4, 0] = WIDTH - 5
    box[kind == 5, 3] = 0.5
    box[kind == 10, 2:] = 400, 8
    shape[(kind == 10) | (kind <= 5)] = "box"
    shape[kind == 1] = "tag"
    return box.round(2), kind, image, name, shape


def _join(*parts: str | pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(*(one if isinstance(one, str) else one.cast(pa.string()) for one in parts), "")


def _table(columns: dict[str, pa.Array], count: int, schema: pa.Schema) -> pa.Table:
    return pa.table({field.name: columns.get(field.name, pa.nulls(count, field.type)) for field in schema}).cast(schema)


def run(code: str, folder: Path) -> dict[str, float]:
    """What the process says of itself, and how long it took from outside."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-c", code, folder], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    took = time.perf_counter() - began
    (line,) = (line for line in ended.stdout.splitlines() if line.startswith("ANSWER"))
    return {**json.loads(line.removeprefix("ANSWER")), "took_s": took}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boxes", type=int, nargs="+", default=[1_000_000])
    print("      boxes  who        seconds  (imports)  peak MB  accepted   findings  boxes/s")
    for boxes in parser.parse_args().boxes:
        for who, code in (("ours", OURS), ("12 stock", THEIRS)):
            with tempfile.TemporaryDirectory() as folder:
                make(Path(folder), boxes)
                one = run(code, Path(folder))
                counts = f"{one['accepted'] or '':>9}  {one['findings'] or '':>9}"
                print(f"{boxes:>11,}  {who:9}  {one['took_s']:7.1f}  {one['import_s']:9.1f}  {one['peak_mb']:7.0f}  {counts}  "
                      f"{boxes / one['took_s']:>8,.0f}", flush=True)  # fmt: skip
    print(f"target at 1,000,000: {TARGET_S:.0f} s, {TARGET_MB} MB, on 2 cores")


if __name__ == "__main__":
    main()
