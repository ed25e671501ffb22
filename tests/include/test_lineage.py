from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from include.artifacts import DatasetVersion
from include.artifacts.base import Cost, MadeBy
from include.errors import ConfigError
from include.lineage import Champion, Lineage, dataset_tags
from include.storage.addresses import ModelName

pytestmark = pytest.mark.integration
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MADE_BY = MadeBy(
    step="build_dataset", dag_id="dataset__trees", run_id="r1", task_id="build_dataset", started_by="a test", git_commit="c0ffee",
    environment="lock:1", runtime="process", started_at=NOW, ended_at=NOW, duration_s=1, cost=Cost(amount=0, currency="EUR"),
)  # fmt: skip
DATASET = DatasetVersion(
    made_by=MADE_BY, inputs={}, config={}, name="trees", version="v1", digest="0123456789abcdef" * 2, parents=(),
    classes=("Tree",),
    images_table="a" * 32, annotations_table="b" * 32, splits={}, size_bytes=1, new_bytes=1, checked_labels=(),
)  # fmt: skip


@pytest.fixture
def lineage(mlflow_server: str) -> Lineage:
    return Lineage(mlflow_server)


def start(lineage: Lineage, model: str, params: dict[str, Any] | None = None) -> str:
    return lineage.start_training(
        model,
        "runs/m/r1/train",
        DATASET,
        params or {"epochs": 3, "seed": 0},
        {"visionloop.run_id": "manual__2026-01-01T00:00:00+00:00"},
    )


def test_training_has_parameters_dataset_and_tags(lineage: Lineage) -> None:
    run = lineage.client.get_run(start(lineage, "fields"))
    assert run.data.params == {"epochs": "3", "seed": "0"}
    assert run.data.tags["visionloop.output"] == "runs/m/r1/train"
    assert run.data.tags["visionloop.dataset_card"] == "datasets/trees/v1.html"
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("trees:v1", DATASET.digest)
    assert [(tag.key, tag.value) for tag in used.tags] == [("mlflow.data.context", "training")]


def test_a_run_leads_to_the_card_of_its_dataset(lineage: Lineage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISIONLOOP_PAGES", "http://airflow.example/visionloop")
    said = lineage.client.get_run(start(lineage, "described")).data.tags["mlflow.note.content"]
    assert said == "Trained on [trees:v1](http://airflow.example/visionloop/artifacts/datasets/trees/v1.html)"


def test_a_run_leads_to_the_checks_of_its_labels_the_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISIONLOOP_PAGES", "http://airflow.example/visionloop")
    checked = tuple(f"labels/crowns/checked/{number:02d}.json" for number in range(9))
    tags = dataset_tags(DATASET.model_copy(update={"checked_labels": checked}))
    assert tags["visionloop.checked_labels"].splitlines() == list(reversed(checked))
    said = tags["mlflow.note.content"]
    assert "Data Docs of its labels: [crowns 08](http://airflow.example/visionloop/data_docs/crowns/08), [crowns 07](" in said
    assert said.endswith("[crowns 03](http://airflow.example/visionloop/data_docs/crowns/03) and 3 earlier")


def test_tags_of_a_version_made_of_a_thousand_batches_are_short_enough_for_mlflow() -> None:
    checked = tuple(f"labels/a-source-with-a-rather-long-name/checked/{number:016x}.json" for number in range(1000))
    tags = dataset_tags(DATASET.model_copy(update={"checked_labels": checked}))
    assert max(map(len, tags.values())) < 5000


def test_training_started_again_continues_its_run(lineage: Lineage) -> None:
    first = start(lineage, "again")
    lineage.log_metrics(first, {"val/ap50": 0.4}, step=1, timestamp_ms=1)
    lineage.end_run(first, "FAILED")
    assert start(lineage, "again") == first
    run = lineage.client.get_run(first)
    assert run.info.status == "RUNNING"
    assert len(run.inputs.dataset_inputs) == 1


def test_metrics_logged_twice_are_one_point(lineage: Lineage) -> None:
    run_id = start(lineage, "twice")
    for _ in range(2):
        lineage.log_metrics(run_id, {"test/ap50": 0.5}, step=0, timestamp_ms=1_700_000_000_000)
    (point,) = lineage.client.get_metric_history(run_id, "test/ap50")
    assert (point.value, point.timestamp, point.step) == (0.5, 1_700_000_000_000, 0)


@pytest.mark.parametrize("source", ["s3://bucket/prefix/files/md5/ab/cd", "file:///srv/store/files/md5/ab/cd"])
def test_bundle_is_registered_once(lineage: Lineage, source: str) -> None:
    model = f"once-{source[:2]}"
    run_id = start(lineage, model)
    numbers = {lineage.register(model, "runs/m/r1/pack/card.json", source, run_id, {"ap50": "0.5"}) for _ in range(3)}
    assert numbers == {"1"}
    version = lineage.model_version(ModelName(model, "1"))
    assert version is not None
    assert version.tags == {"visionloop.bundle": "runs/m/r1/pack/card.json", "ap50": "0.5"}
    assert version.source.endswith(source)
    assert lineage.register(model, "runs/m/r2/pack/card.json", source, run_id, {}) == "2"


def test_bundle_registered_by_many_at_once_is_one_version(mlflow_server: str, lineage: Lineage) -> None:
    run_id = start(lineage, "race")
    lineages = [Lineage(mlflow_server) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        numbers = list(pool.map(lambda one: one.register("race", "runs/m/r1/pack/card.json", "s3://b/k", run_id, {}), lineages))
    left = lineage.client.search_model_versions("name = 'race'")
    assert [str(version.version) for version in left] == [min(numbers)]
    assert lineage.register("race", "runs/m/r1/pack/card.json", "s3://b/k", run_id, {}) == min(numbers)


def test_champion_is_who_was_set_last_and_nobody_before(lineage: Lineage) -> None:
    assert lineage.champion("crowned") is None
    run_id = start(lineage, "crowned")
    first, second = (lineage.register("crowned", f"runs/m/r{n}/pack/card.json", "s3://b/k", run_id, {}) for n in (1, 2))
    assert lineage.champion("crowned") is None
    lineage.set_champion("crowned", first)
    assert lineage.champion("crowned") == Champion(first, "runs/m/r1/pack/card.json")
    lineage.set_champion("crowned", second)
    assert lineage.champion("crowned") == Champion(second, "runs/m/r2/pack/card.json")


def test_version_that_does_not_exist_is_none(lineage: Lineage) -> None:
    assert lineage.model_version(ModelName("nobody", "7")) is None


def test_champion_set_by_hand_on_a_foreign_version_is_told(lineage: Lineage) -> None:
    lineage.client.create_registered_model("foreign")
    lineage.client.create_model_version("foreign", source="s3://somewhere/else")
    lineage.set_champion("foreign", "1")
    with pytest.raises(ConfigError, match="foreign@champion is version 1, which Visionloop did not register"):
        lineage.champion("foreign")


def test_missing_address_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_URI"):
        Lineage()
