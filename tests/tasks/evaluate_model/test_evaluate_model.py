from __future__ import annotations

import io
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from include.artifacts import Bundle, Damage, DatasetVersion, Detection, EvaluationReport
from include.artifacts.tables import VERSION_ANNOTATIONS, VERSION_IMAGES, to_parquet
from include.errors import BadInputError
from include.lineage import Lineage
from include.step.run import publish
from include.storage import ContentStore, Store, open_store
from include.versions.keep.broken import Finding
from tasks.evaluate_model.__main__ import tell_mlflow, work
from tasks.evaluate_model.config import EvaluateConfig
from tasks.evaluate_model.detecting import look_at

BUNDLE = "runs/model__trees/r1/pack_model/card.json"
OLD_BUNDLE = "runs/model__trees/r0/pack_model/card.json"
FROZEN = "runs/model__trees/r1/frozen/model___trees_champion"
INPUTS = {"bundle": BUNDLE, "dataset": "datasets/trees/v1.json"}
CONFIG = EvaluateConfig(resamples=100, pictures=3)


def png(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def put_dataset(store: Store, made_by: Any, files: list[bytes], split: str = "test") -> None:
    content = ContentStore(store)
    images = [{"image_id": n, "relpath": f"images/{n}.png", "md5": content.put(data), "size_bytes": len(data), "width_px": 80,
               "height_px": 60, "split": split, "group": f"g{n}", "source": "s", "checked_labels": "c"}
              for n, data in enumerate(files, start=1)]  # fmt: skip
    boxes = [{"annotation_id": n, "image_id": n, "category_id": 1 + n % 2, "x_px": 5.0, "y_px": 5.0, "width_px": 30.0,
              "height_px": 20.0, "is_crowd": False, "origin": f"o{n}"} for n in range(1, len(files) + 1)]  # fmt: skip
    card = DatasetVersion(
        made_by=made_by, inputs={}, config={}, name="trees", version="v1", digest="d" * 32, parents=(), classes=("Bush", "Tree"),
        images_table=content.put(to_parquet(pa.Table.from_pylist(images, VERSION_IMAGES))),
        annotations_table=content.put(to_parquet(pa.Table.from_pylist(boxes, VERSION_ANNOTATIONS))),
        splits={}, size_bytes=1, new_bytes=1, checked_labels=(),
    )  # fmt: skip
    store.write("datasets/trees/v1.json", card.to_bytes())


@pytest.fixture
def ready(packed: Store, tmp_path: Path, made_by: Any) -> Store:
    """The packed model twice, as challenger and as champion version 4, and a dataset of five test images."""
    shutil.copytree(packed.url.removeprefix("file://"), tmp_path / "ready")
    store = open_store(f"file://{tmp_path}/ready")
    store.write(OLD_BUNDLE, store.read(BUNDLE))
    store.write(FROZEN, json.dumps({"version": "4", "bundle": OLD_BUNDLE}).encode())
    put_dataset(store, made_by, [png(n) for n in range(5)])
    return store


def test_champion_and_challenger_are_scored_on_the_same_pictures(ready: Store, step_run: Any) -> None:
    report = work(step_run("evaluate_model", CONFIG, ready, INPUTS))
    assert (report.test_images, report.test_annotations, report.champion_version) == (5, 5, "4")
    assert report.champion is not None
    assert (report.challenger.bundle, report.champion.bundle) == (BUNDLE, OLD_BUNDLE)
    assert report.champion.ap50_by_class == report.challenger.ap50_by_class  # it is the same model
    assert set(report.challenger.ap50_by_class) == {"Bush", "Tree"}
    assert report.difference is not None
    assert (report.difference.mean, report.difference.low, report.difference.resamples) == (0, 0, 100)
    rows = json.loads(ContentStore(ready).get(report.detections))
    assert rows
    assert set(rows[0]) == {"image_id", "category_id", "bbox", "score"}
    assert set(report.inputs) == {"bundle", "dataset", "champion"}
    again = work(step_run("evaluate_model", CONFIG, ready, INPUTS))
    assert again.difference == report.difference
    assert again.detections == report.detections


def test_page_stands_alone(ready: Store, step_run: Any) -> None:
    report = work(step_run("evaluate_model", CONFIG, ready, INPUTS))
    page = ready.read(report.page).decode()
    assert report.page == "runs/model__trees/r1/evaluate_model/report.html"
    assert page.count("<figure>") == 3
    assert "not clearly different from champion version 4" in page
    assert "://" not in page
    assert "<script" not in page


def test_first_model_is_scored_alone(ready: Store, step_run: Any) -> None:
    ready.write(FROZEN, b"null")
    report = work(step_run("evaluate_model", CONFIG, ready, INPUTS))
    assert (report.champion, report.champion_version, report.difference) == (None, None, None)
    assert "There is no champion yet" in ready.read(report.page).decode()


def test_dataset_without_test_images_is_bad_input(ready: Store, made_by: Any, step_run: Any) -> None:
    put_dataset(ready, made_by, [png(1)], split="train")
    with pytest.raises(BadInputError, match="its test split has no images"):
        work(step_run("evaluate_model", CONFIG, ready, INPUTS))


def test_unreadable_test_image_is_named(ready: Store, made_by: Any, step_run: Any) -> None:
    put_dataset(ready, made_by, [png(1), png(2)[:300]])
    with pytest.raises(BadInputError, match=r"image images/2\.png cannot be read"):
        work(step_run("evaluate_model", CONFIG, ready, INPUTS))


def test_archive_that_is_gone_is_named(ready: Store, step_run: Any) -> None:
    bundle = Bundle.load(ready, BUNDLE)
    ready.delete(f"files/md5/{bundle.archive[:2]}/{bundle.archive[2:]}")
    with pytest.raises(BadInputError, match=rf"{bundle.archive[2:]}: missing, but a card names it"):
        work(step_run("evaluate_model", CONFIG, ready, INPUTS))


def mark_broken(store: Store) -> str:
    """Marks trees:v1; the key of the mark."""
    damage = Damage(key="files/md5/ab/cd", md5="ab" * 16, relpath="images/009.png", what="missing", expected="", got="")
    mark = Finding(
        version="trees:v1", number=1, is_broken=True, damaged=1, damages=(damage,),
        found_at=datetime(2026, 1, 1, tzinfo=UTC), found_by="a test",
    )  # fmt: skip
    store.write(mark.key, mark.model_dump_json().encode())
    return mark.key


def test_a_broken_version_is_scored_on_only_if_forced_and_the_card_says_so(ready: Store, step_run: Any) -> None:
    mark = mark_broken(ready)
    with pytest.raises(BadInputError, match=rf"trees:v1 is marked as broken by .*/{mark}.*set force_broken"):
        work(step_run("evaluate_model", CONFIG, ready, INPUTS))
    forced = CONFIG.model_copy(update={"force_broken": True})
    report = work(step_run("evaluate_model", forced, ready, INPUTS))
    assert (report.forced_broken, report.config["force_broken"]) == (mark, True)


class SeesTheSame:
    """A detector that sees one tree and one thing that the dataset does not know, everywhere."""

    def detect(self, images: Any, min_score: float, max_detections: int) -> list[list[Detection]]:
        seen = [("Tree", 0.9), ("Lamp", 0.8)]
        return [[Detection(box_xyxy_px=(1, 2, 11, 22), class_name=name, score=score) for name, score in seen] for _ in images]


def test_classes_are_matched_by_name_and_unknown_ones_counted(truth_with: Any) -> None:
    truth = truth_with([(1, 1, (0, 0, 5, 5))], images=70)  # more than are looked at at once
    seen = look_at(truth, SeesTheSame(), lambda md5: png(0), 0.01)
    assert len(seen.detections) == 70
    assert seen.detections[69] == {"image_id": 70, "category_id": 1, "bbox": [1, 2, 10, 20], "score": 0.9}
    assert seen.unknown == {"Lamp": 70}
    assert seen.images_per_s > 0


@pytest.mark.integration
def test_metrics_reach_the_run_of_the_training_once(
    ready: Store, step_run: Any, mlflow_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    client = Lineage().client
    run_id = client.create_run(client.create_experiment("evaluation")).info.run_id
    bundle = Bundle.load(ready, BUNDLE).model_copy(update={"mlflow_run_id": run_id})
    ready.write(BUNDLE, bundle.to_bytes())
    mark = mark_broken(ready)
    step = step_run("evaluate_model", CONFIG.model_copy(update={"force_broken": True}), ready, INPUTS)
    report = publish(ready, work(step), step.output)
    for _ in range(2):
        tell_mlflow(step, EvaluationReport.load(ready, "runs/model__trees/r1/evaluate_model/card.json"))
    assert client.get_run(run_id).data.tags["visionloop.forced_broken_test"] == mark
    (point,) = client.get_metric_history(run_id, "test/ap50")
    assert point.value == pytest.approx(report.challenger.ap50)
    assert set(client.get_run(run_id).data.metrics) == {
        "test/ap", "test/ap50", "test/ap75", "test/ar100", "test/calibration_error", "test/images_per_s", "test/ap50_gain",
    }  # fmt: skip
