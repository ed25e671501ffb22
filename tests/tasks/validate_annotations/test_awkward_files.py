"""Every awkward file of tests/cases/annotations/, delivered in one batch, through ingest_labels and validate_annotations."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from include.artifacts import LabelBatch
from include.artifacts.tables import from_parquet
from include.step.run import StepRun, publish
from include.storage import ContentStore, Store, open_store
from tasks.ingest_labels.__main__ import ingest
from tasks.ingest_labels.config import IngestLabels
from tasks.validate_annotations.__main__ import validate
from tasks.validate_annotations.config import ValidateAnnotations
from tests.deliveries import deliver, picture

CASES = Path(__file__).parents[2] / "cases" / "annotations"
NAMES = sorted(path.stem for path in CASES.glob("*.json"))


def pictures(seed: int) -> dict[str, bytes]:
    one, two, three = (picture(10 * seed + number) for number in (1, 2, 3))
    turned, jpeg = Image.Exif(), io.BytesIO()
    turned[0x0112] = 6
    Image.new("RGB", (64, 48), (seed, 0, 0)).save(jpeg, "JPEG", exif=turned)
    return {
        "1.png": one, "2.png": two, "3.png": three, "copy_of_1.png": one, "truncated.png": picture(10 * seed + 4)[:-30],
        "text.png": b"no picture at all", "empty.png": b"", "turned.jpg": jpeg.getvalue(),
    }  # fmt: skip


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, step_run: Callable[..., StepRun[Any]]) -> dict[str, list[str]]:
    """What became of each delivery, line by line."""
    folder = tmp_path_factory.mktemp("store")
    for seed, name in enumerate(NAMES):
        deliver(folder, name, (CASES / f"{name}.json").read_bytes(), pictures(seed))
    store = open_store(f"file://{folder}")
    first = step_run("ingest_labels", IngestLabels(source="trees", prefix="inbox/trees"), store, {})
    batch = publish(store, ingest(first), first.output)
    config = ValidateAnnotations(source="trees", owner="lead", classes={"Tree": "Tree", "Dead": "Tree"}, min_side_px=2)
    second = step_run("validate_annotations", config, store, {"batch": batch.standing_address})
    checked = validate(second)
    return lines(store, batch, [checked.images_table, checked.annotations_table, checked.findings_table])


def lines(store: Store, batch: LabelBatch, tables: list[str]) -> dict[str, list[str]]:
    images, annotations, rejected = (from_parquet(ContentStore(store).get(md5)).to_pylist() for md5 in tables)
    what = {row["image_key"]: "accepted" for row in images}
    what |= {row["annotation_key"]: f"accepted {row['class_name']}" for row in annotations}
    what |= {row["key"]: f"{row['rule']}: {row['got']}" for row in rejected}
    said: dict[str, list[str]] = {name: [] for name in NAMES}
    for delivery in batch.deliveries:
        if delivery.refused:
            said[Path(delivery.item).parent.name].append(f"refused: {delivery.refused}")
    for row in from_parquet(ContentStore(store).get(batch.images_table)).to_pylist():
        name = row["image_key"].removeprefix(f"trees/{row['delivery']}/").replace("\0", r"\x00")
        got = what[row["image_key"]].partition(": no object ")
        said[row["delivery"]].append(f"image {name}: {got[0]}{': no object' if got[1] else ''}")
    for row in from_parquet(ContentStore(store).get(batch.annotations_table)).to_pylist():
        delivery, _, position = row["annotation_key"].rpartition("#")
        got = what[row["annotation_key"]].partition(": no object ")
        said[delivery].append(f"annotation {position}: {got[0]}{': no object' if got[1] else ''}")
    return said


@pytest.mark.parametrize("name", NAMES)
def test_awkward_file_is_judged_line_by_line(name: str, outcome: dict[str, list[str]]) -> None:
    assert outcome[name] == (CASES / f"{name}.expected.txt").read_text().splitlines()
