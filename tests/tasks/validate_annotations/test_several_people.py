"""A picture that several people labelled, from the delivery to what may teach."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.artifacts import LabelBatch
from include.artifacts.checked_labels import CheckedLabels
from include.artifacts.tables import from_parquet
from include.step.run import StepRun, publish
from include.storage import ContentStore, Store, open_store
from tasks.ingest_labels.__main__ import ingest
from tasks.ingest_labels.config import IngestLabels
from tasks.validate_annotations.__main__ import validate
from tasks.validate_annotations.config import ValidateAnnotations
from tests.deliveries import box, coco, deliver, image, picture

Checked = tuple[Store, LabelBatch, CheckedLabels]


@pytest.fixture
def through(tmp_path: Path, step_run: Callable[..., StepRun[Any]]) -> Callable[..., Checked]:
    """Both steps, of what lies in the inbox."""

    def run(**more: Any) -> Checked:
        store = open_store(f"file://{tmp_path}")
        first = step_run("ingest_labels", IngestLabels(source="trees", prefix="inbox/trees", **more), store, {})
        batch = publish(store, ingest(first), first.output)
        config = ValidateAnnotations(source="trees", owner="lead", classes={"Tree": "Tree"})
        return store, batch, validate(step_run("validate_annotations", config, store, {"batch": batch.standing_address}))

    return run


def rejected(store: Store, checked: CheckedLabels) -> dict[str, tuple[str, str]]:
    rows = from_parquet(ContentStore(store).get(checked.findings_table)).to_pylist()
    return {row["key"]: (row["rule"], row["got"]) for row in rows if row["action"].startswith("reject")}


def test_two_people_in_one_delivery_teach_one_box(tmp_path: Path, through: Callable[..., Checked]) -> None:
    boxes = [box(1, 1, (4, 4, 20, 16), annotator="ann"), box(2, 1, (5, 4, 20, 16), annotator="bob")]
    deliver(tmp_path, "d1", coco([image(1, "1.png")], boxes), {"1.png": picture(1)})
    store, batch, checked = through()
    assert rejected(store, checked) == {"d1#0": ("annotators_agree", "majority: same object as d1#1, which stands")}
    assert (checked.annotations_accepted, checked.rejected_by_rule) == (1, {"annotators_agree": 1})
    assert batch.agreement is not None
    assert batch.agreement.overall.mean_iou == 0.9048  # 19 of 21 columns
    assert b"another box of the same object stands" in store.read("runs/model__trees/r1/ingest_labels/report.html")


def test_two_people_in_two_deliveries_teach_together(tmp_path: Path, through: Callable[..., Checked]) -> None:
    """ann saw two trees, bob the second of them and a third: all three teach, once, on the picture that stands."""
    ann = [box(1, 1, (0, 0, 10, 10), annotator="ann"), box(2, 1, (20, 0, 10, 10), annotator="ann")]
    bob = [box(1, 1, (20, 0, 10, 10), annotator="bob"), box(2, 1, (40, 0, 10, 10), annotator="bob")]
    deliver(tmp_path, "d1", coco([image(1, "1.png")], ann), {"1.png": picture(1)})
    deliver(tmp_path, "d2", coco([image(1, "1.png")], bob), {"1.png": picture(1)})
    store, _, checked = through()
    rows = from_parquet(ContentStore(store).get(checked.annotations_table)).to_pylist()
    assert [(row["annotation_key"], row["image_key"]) for row in rows] == [
        ("d1#0", "trees/d2/1.png"), ("d2#0", "trees/d2/1.png"), ("d2#1", "trees/d2/1.png"),
    ]  # fmt: skip
    assert rejected(store, checked)["d1#1"] == ("annotators_agree", "majority: same object as d2#0, which stands")
    assert rejected(store, checked)["trees/d1/1.png"][0] == "image_unique"


def test_keeping_all_leaves_the_later_delivery_as_it_was(tmp_path: Path, through: Callable[..., Checked]) -> None:
    for name, who in (("d1", "ann"), ("d2", "bob")):
        deliver(tmp_path, name, coco([image(1, "1.png")], [box(1, 1, annotator=who)]), {"1.png": picture(1)})
    store, _, checked = through(conflicts="keep_all")
    assert {key: rule for key, (rule, _) in rejected(store, checked).items()} == {
        "trees/d1/1.png": "image_unique", "d1#0": "image_unique",
    }  # fmt: skip
