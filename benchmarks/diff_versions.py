"""Claim: two versions of 1,000,000 boxes on 100,000 images each are compared down to the box in under 10 s and under 2 GB.

How: both versions are made up and stored as Parquet; of 1% of the images each, boxes are moved, relabelled, given to another
annotator, removed and added, and images added, removed, replaced, renamed and put into another split. A fresh process reads
both and compares; its seconds and its peak resident memory count, imports included. What it finds is compared with what was
done. The peer, in the same run: an outer merge of both tables in pandas, which finds boxes that are the same and no more: it
calls a moved box one removed and one added, and knows no images.

    .venv/data/bin/python benchmarks/diff_versions.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from include.artifacts.tables import VERSION_ANNOTATIONS, VERSION_IMAGES, to_parquet  # noqa: E402

IMAGES = int(os.environ.get("IMAGES", "100000"))  # a smaller number to try it out
PER_IMAGE = 10
BOUND_S, BOUND_GB = 10.0, 2.0
CLASSES = tuple(f"class {n}" for n in range(20))
START = """
import resource, sys, time
started = time.perf_counter()
sys.path.insert(0, {root!r})
from pathlib import Path
folder = Path({folder!r})
{work}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(time.perf_counter() - started, peak * (1 if sys.platform == "darwin" else 1024), *found)
"""
OURS = f"""
from include.artifacts.tables import from_parquet
from include.versions.compare.diff import compare
from include.versions.compare.diff_tables import BOXES_READ, IMAGES_READ, Tables
sides = [
    Tables(*(from_parquet((folder / f"{{name}}-{{side}}").read_bytes(), columns)
             for name, columns in (("images", IMAGES_READ), ("boxes", BOXES_READ))), {CLASSES!r})
    for side in ("before", "after")
]
diff = compare(*sides)
found = [*diff.image_counts().values(), *diff.box_counts().values()]
"""
PEER = """
import pandas as pd
columns = ["image_id", "category_id", "x_px", "y_px", "width_px", "height_px", "is_crowd", "annotator", "reviewer", "job",
           "attributes"]
sides = []
for side in ("before", "after"):
    images = pd.read_parquet(folder / f"images-{side}", columns=["image_id", "md5"])
    sides.append(pd.read_parquet(folder / f"boxes-{side}", columns=columns).merge(images, on="image_id").drop(columns="image_id"))
merged = sides[0].merge(sides[1], how="outer", indicator=True)
found = list(merged["_merge"].value_counts().reindex(["right_only", "left_only"]))
"""


def made_up(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A version's two tables, without ids that matter."""
    chance, boxes = np.random.default_rng(seed), IMAGES * PER_IMAGE
    number = np.arange(IMAGES)
    images = pd.DataFrame({
        "image_id": number + 1, "relpath": [f"images/site/{n:07d}.jpg" for n in number], "md5": [f"{n:032x}" for n in number],
        "size_bytes": 50_000, "width_px": 1920, "height_px": 1080, "group": [f"site-{n % 997}" for n in number],
        "split": np.array(["train", "val", "test"])[number % 3], "source": "s", "checked_labels": "c", "attributes": None,
        "phash": None, "brightness": None,
    })  # fmt: skip
    at = np.arange(boxes)
    annotations = pd.DataFrame({
        "annotation_id": at + 1, "image_id": at // PER_IMAGE + 1, "category_id": chance.integers(1, 20, boxes),
        # one box per cell of a grid, so that no two of an image are alike
        "x_px": at % PER_IMAGE % 5 * 380 + chance.random(boxes) * 20,
        "y_px": at % PER_IMAGE // 5 * 500 + chance.random(boxes) * 20,
        "width_px": 40 + chance.random(boxes) * 300, "height_px": 40 + chance.random(boxes) * 400, "is_crowd": False,
        "origin": "d", "annotator": chance.choice(["ann", "bob", "cy"], boxes), "reviewer": chance.choice(["dan", None], boxes),
        "job": chance.choice([f"job-{n}" for n in range(500)], boxes), "attributes": None,
    })  # fmt: skip
    return images, annotations


def change(images: pd.DataFrame, boxes: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, list[int]]:
    """1% of the images in each way; and the counts of every change, in the order of the diff's."""
    images, boxes, some = images.copy(), boxes.copy(), IMAGES // 100
    block = (boxes["image_id"].to_numpy() - 1) // some
    boxes["x_px"] += np.where(block == 10, boxes["width_px"] * 0.1, 0)
    boxes.loc[block == 11, "category_id"] += 1
    boxes.loc[block == 12, "annotator"] = "eve"
    added = boxes[block == 14].assign(x_px=lambda rows: rows["x_px"] + 2000)
    boxes = pd.concat([boxes[block != 13], added])
    of_image = (images["image_id"] - 1) // some
    images.loc[of_image == 20, "md5"] = "f" + images["md5"].str[1:]
    images.loc[of_image == 21, "relpath"] += ".png"
    images.loc[of_image == 22, "split"] = images["split"].map({"train": "val", "val": "test", "test": "train"})
    images.loc[of_image == 23, ["md5", "relpath"]] = images[["md5", "relpath"]].map(lambda text: "e" + text[1:])
    many = some * PER_IMAGE
    return images, boxes.sample(frac=1, random_state=1), [some, some, some, some, some, many, many, many, many, many, many, many]


def write(folder: Path, side: str, images: pd.DataFrame, boxes: pd.DataFrame) -> None:
    for name, frame, schema in (("images", images, VERSION_IMAGES), ("boxes", boxes, VERSION_ANNOTATIONS)):
        (folder / f"{name}-{side}").write_bytes(
            to_parquet(pa.Table.from_pandas(frame[schema.names], schema, preserve_index=False))
        )


def measured(folder: Path, work: str) -> tuple[float, float, list[int]]:
    """Seconds, GB, and what was found, of a fresh process."""
    code = START.format(root=str(ROOT), folder=str(folder), work=work)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    seconds, peak, *found = done.stdout.split()
    return float(seconds), int(peak) / 1e9, [int(float(one)) for one in found]


def main() -> None:
    """The table; exit 1 if a bound is missed or a change is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before: tuple[Any, Any] = made_up()
        images, boxes, expected = change(*before)
        write(folder, "before", *before)
        write(folder, "after", images, boxes)
        seconds, peak_gb, found = measured(folder, OURS)
        peer_s, peer_gb, peer_found = measured(folder, PEER)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {IMAGES:,} images, {len(before[1]):,} boxes a side")
    print(f"{'':<22}{'s':>7}{'GB':>7}  finds")
    images_found, boxes_found = found[:5], found[5:]
    print(f"{'visionloop':<22}{seconds:>7.1f}{peak_gb:>7.2f}  images + - replaced renamed split {images_found}, boxes + - moved "
          f"relabelled attributes, on added and removed images {boxes_found}")  # fmt: skip
    print(f"{'pandas outer merge':<22}{peer_s:>7.1f}{peer_gb:>7.2f}  boxes + - {peer_found}")
    print(f"{'bound':<22}{BOUND_S:>7.1f}{BOUND_GB:>7.2f}  {expected}")
    sys.exit(seconds > BOUND_S or peak_gb > BOUND_GB or found != expected)


if __name__ == "__main__":
    main()
