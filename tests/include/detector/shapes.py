"""A small data set that a detector can learn in seconds: bright rectangles of two colours on noise."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from PIL import Image

from include.artifacts import DatasetVersion, SplitCount
from include.artifacts.base import Cost, MadeBy
from include.artifacts.tables import VERSION_ANNOTATIONS, VERSION_IMAGES, to_parquet
from include.storage import ContentStore, Store
from include.storage.content import md5_of

CLASSES = ("red", "blue")
SIDE_PX = 64
MADE_BY = MadeBy(
    step="build_dataset", dag_id="dataset__shapes", run_id="r0", task_id="build_dataset", started_by="a test",
    git_commit="c0ffee", environment="lock:1", runtime="process", started_at=datetime(2026, 1, 1, tzinfo=UTC),
    ended_at=datetime(2026, 1, 1, tzinfo=UTC), duration_s=1, cost=Cost(amount=0, currency="EUR"),
)  # fmt: skip


def shape_picture(seed: int) -> tuple[bytes, list[tuple[int, list[int]]]]:
    """A PNG, and per rectangle its class (1 or 2) and x, y, width, height."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(60, 120, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    shapes = []
    for corner in rng.permutation([(2, 2), (34, 2), (2, 34), (34, 34)])[: int(rng.integers(1, 4))]:
        width, height = (int(side) for side in rng.integers(12, 26, 2))
        x, y, label = int(corner[0]), int(corner[1]), int(rng.integers(2))
        pixels[y : y + height, x : x + width] = (230, 40, 40) if label == 0 else (40, 40, 230)
        shapes.append((label + 1, [x, y, width, height]))
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue(), shapes


def put_shapes(store: Store, splits: dict[str, int], broken: str | None = None, name: str = "shapes") -> DatasetVersion:
    """A published version with so many pictures per split; `broken`: the first picture's bytes are cut, or stated wrongly."""
    content, images, annotations = ContentStore(store), [], []
    for split in [split for split, count in splits.items() for _ in range(count)]:
        number = len(images) + 1
        data, shapes = shape_picture(number)
        if broken == "cut" and number == 1:
            data = data[: len(data) // 2]
        width_px = SIDE_PX + 1 if broken == "size" and number == 1 else SIDE_PX
        images.append({
            "image_id": number, "relpath": f"images/{number:03}.png", "md5": content.put(data), "size_bytes": len(data),
            "width_px": width_px, "height_px": SIDE_PX, "group": str(number), "split": split, "source": "shapes",
            "checked_labels": "",
        })  # fmt: skip
        for category, (x, y, width, height) in shapes:
            annotations.append({
                "annotation_id": len(annotations) + 1, "image_id": number, "category_id": category, "x_px": x, "y_px": y,
                "width_px": width, "height_px": height, "is_crowd": False, "origin": "",
            })  # fmt: skip
    version = DatasetVersion(
        made_by=MADE_BY, inputs={}, config={}, name=name, version="v1", digest=md5_of(str(splits).encode()), parents=(),
        classes=CLASSES, images_table=content.put(to_parquet(pa.Table.from_pylist(images, VERSION_IMAGES))),
        annotations_table=content.put(to_parquet(pa.Table.from_pylist(annotations, VERSION_ANNOTATIONS))),
        splits={split: SplitCount(images=count, annotations=0, groups=count) for split, count in splits.items()},
        size_bytes=0, new_bytes=0, checked_labels=(),
    )  # fmt: skip
    store.create(version.standing_address, version.to_bytes())
    return version
