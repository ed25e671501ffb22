"""Deliveries of files in a real S3 bucket, and a step that is killed half-way."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from include.artifacts import LabelBatch
from include.artifacts.tables import from_parquet
from include.storage import ContentStore, Store, open_store
from tests.deliveries import box, coco, image, picture
from tests.s3_server import BUCKET, WEED, s3_server
from tests.step_process import StepProcess

CONFIG = {"source": "trees", "prefix": "inbox/trees"}
NOTE = {"sender": "ann@customer.example", "sent_at": "2026-11-20"}
pytestmark = [pytest.mark.integration, pytest.mark.skipif(not WEED.exists(), reason="no SeaweedFS: images/install.py cli")]


@dataclass(frozen=True)
class InBucket(StepProcess):
    """Steps over an S3 store, whose address is in the environment."""

    @property
    def url(self) -> str:
        return f"s3://{BUCKET}"


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with s3_server(tmp_path / "s3") as variables:
        for name, value in {**variables, "VISIONLOOP_STORE": f"s3://{BUCKET}"}.items():
            monkeypatch.setenv(name, value)
        yield open_store(f"s3://{BUCKET}")


def test_folder_and_archive_are_taken_in_once_though_the_step_was_killed(bucket: Store, tmp_path: Path) -> None:
    labels = json.dumps(coco([image(1, "1.png")], [box(1, 1), box(2, 1, (30, 4, 20, 16))])).encode()
    bucket.write("inbox/trees/d1/1.png", picture(1))
    bucket.write("inbox/trees/d1/annotations.json", labels)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("annotations.json", json.dumps(coco([image(1, "2.png")], [box(1, 1)])))
        archive.writestr("2.png", picture(2))
    bucket.write("inbox/trees/late.zip.json", json.dumps(NOTE).encode())
    bucket.write("inbox/trees/late.zip", packed.getvalue())

    steps = InBucket(tmp_path)
    assert steps.run("ingest_labels", CONFIG, die_before_write=4).exit_code == -9
    assert list(bucket.list("labels/trees/batches")) == []
    assert steps.run("ingest_labels", CONFIG).exit_code == 0
    assert steps.run("ingest_labels", CONFIG, run_id="r2").exit_code == 99

    (entry,) = bucket.list("labels/trees/batches")
    batch = LabelBatch.load(bucket, entry.key)
    said = {one.name: (one.images, one.annotations, one.sender, one.sent_at) for one in batch.deliveries}
    assert said == {"d1": (1, 2, None, None), "late.zip": (1, 1, NOTE["sender"], NOTE["sent_at"])}
    content = ContentStore(bucket)
    rows = from_parquet(content.get(batch.images_table)).to_pylist()
    assert sorted(content.get(row["md5"]) for row in rows) == sorted([picture(1), picture(2)])
