"""Dataset versions from plain rows, with real (tiny) pictures, as build_dataset would have left them."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from PIL import Image

from include.artifacts import DatasetVersion
from include.artifacts.base import Cost, MadeBy
from include.storage import ContentStore, Store
from include.storage.adopted import Lies
from include.storage.content import md5_of
from include.upright import upright_size
from include.versions.contents import ANNOTATION_COLUMNS, IMAGE_COLUMNS, Contents
from include.versions.history import card_address, version_numbers
from include.versions.publish import describe

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MADE_BY = MadeBy(
    step="build_dataset", dag_id="dataset__trees", run_id="r0", task_id="build_dataset", started_by="a test",
    git_commit="0" * 40, environment="lock:1", runtime="process", started_at=NOON, ended_at=NOON, duration_s=1,
    cost=Cost(amount=0.5, currency="EUR"),
)  # fmt: skip


def png(seed: str, size: tuple[int, int] = (64, 48)) -> bytes:
    """A small picture that no other seed gives: pixels of its own in every corner."""
    image = Image.new("RGB", size)
    noise = [hash_byte(seed, n) for n in range(192)]
    image.paste(Image.frombytes("RGB", (8, 8), bytes(noise)).resize(size))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def hash_byte(seed: str, position: int) -> int:
    import hashlib

    return hashlib.sha256(f"{seed}{position}".encode()).digest()[0]


def adopt_at(content: ContentStore, key: str, data: bytes) -> str:
    """Bytes at a key of their own, recorded as adopted; returns their md5."""
    content.store.write_whole(key, data)
    (entry,) = [entry for entry in content.store.list(key.rpartition("/")[0]) if entry.key == key]
    content.adopted.add([Lies(md5_of(data), key, entry.etag, len(data))])
    return md5_of(data)


def put_version(
    store: Store, name: str, classes: tuple[str, ...], images: Sequence[dict[str, Any]], boxes: Sequence[dict[str, Any]],
    **card: Any,
) -> DatasetVersion:  # fmt: skip
    """The next version of `name`, standing.

    An image: relpath, and if wanted data (its bytes), adopted (the key where they lie, instead of by content), group, split,
    source, attributes. A box: image (relpath), class_name, box (x, y, width, height), and if wanted annotator, reviewer, job,
    attributes, origin, is_crowd.
    """
    content = ContentStore(store)
    image_rows, md5s = [], {}
    for row in images:
        data = row.get("data") or png(row["relpath"])
        md5s[row["relpath"]] = adopt_at(content, row["adopted"], data) if "adopted" in row else content.put(data)
        with Image.open(io.BytesIO(data)) as picture:
            width, height = upright_size(picture)
        image_rows.append({
            "relpath": row["relpath"], "md5": md5s[row["relpath"]], "size_bytes": len(data), "width_px": width,
            "height_px": height, "group": row.get("group", row["relpath"]), "split": row.get("split", "train"),
            "source": row.get("source", name), "checked_labels": row.get("checked_labels"),
            "attributes": json.dumps(row["attributes"], sort_keys=True) if row.get("attributes") else None,
            "phash": row.get("phash"), "brightness": row.get("brightness"),
        })  # fmt: skip
    box_rows = [
        {
            "md5": md5s[row["image"]], "class_name": row["class_name"],
            **dict(zip(("x_px", "y_px", "width_px", "height_px"), map(float, row["box"]), strict=True)),
            "is_crowd": row.get("is_crowd", False), "origin": row.get("origin", f"d1#{number}"),
            **{who: row.get(who) for who in ("annotator", "reviewer", "job")},
            "attributes": json.dumps(row["attributes"], sort_keys=True) if row.get("attributes") else None,
        }
        for number, row in enumerate(boxes)
    ]  # fmt: skip
    contents = Contents(
        pd.DataFrame(image_rows, columns=IMAGE_COLUMNS, dtype=object),
        pd.DataFrame(box_rows, columns=ANNOTATION_COLUMNS, dtype=object),
    )
    number = max(version_numbers(store, name), default=0)
    parents = [DatasetVersion.load(store, card_address(name, number))] if number else []
    fields = describe(content, name, classes, contents, parents)
    given = {"operation": "build", "parents": tuple(one.standing_address for one in parents), "checked_labels": (), **card}
    made = DatasetVersion(made_by=MADE_BY, inputs={}, config={}, name=name, version=f"v{number + 1}", **fields, **given)
    assert store.create(made.standing_address, made.to_bytes())
    return made
