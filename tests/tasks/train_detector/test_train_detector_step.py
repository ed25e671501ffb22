"""The step as the DAG starts it: its process, its card, its MLflow run; killed, broken, repeated."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from include.artifacts import Checkpoint
from include.detector.families import build_detector
from include.errors import BadInputError
from include.lineage import Lineage
from include.step.run import StepRun
from include.storage import ContentStore, Store
from tasks.train_detector.__main__ import work
from tasks.train_detector.config import TrainDetectorConfig
from tests.include.detector.shapes import put_shapes

ROOT = Path(__file__).resolve().parents[3]
SMALL = {"image_px": 64, "detector": {"width": 8}, "batch_size": 4, "save_every_s": 0}
MakeStep = Callable[..., StepRun[Any]]


def start(store: Store, mlflow: str, run: str, **config: Any) -> subprocess.Popen[str]:
    """`python -m tasks.train_detector` on shapes:v1."""
    command = [
        sys.executable, "-m", "tasks.train_detector", "--store", store.url, "--input", "dataset=dataset://shapes:v1",
        "--output", f"runs/model__shapes/{run}/train_detector", "--config", json.dumps(SMALL | config),
    ]  # fmt: skip
    env = {**os.environ, "MLFLOW_TRACKING_URI": mlflow, "VISIONLOOP_RUN_ID": run, "VISIONLOOP_GIT_COMMIT": "c0ffee",
           "OMP_NUM_THREADS": "1"}  # fmt: skip
    return subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    """Its log; fails where it does not end well."""
    log = process.communicate(timeout=240)[1]
    assert process.returncode == 0, log
    return log


@pytest.mark.integration
def test_killed_and_started_again_it_ends_as_if_undisturbed(store: Store, mlflow_server: str) -> None:
    put_shapes(store, {"train": 16, "val": 4})
    settings = {"model": "killed", "epochs": 8, "warm_start": "none"}
    killed = start(store, mlflow_server, "killed", **settings)
    state = "runs/model__shapes/killed/train_detector/resume.pt"
    while not store.exists(state):
        assert killed.poll() is None, killed.communicate()[1]
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL

    log = finish(start(store, mlflow_server, "killed", **settings))
    finish(start(store, mlflow_server, "whole", **settings | {"model": "whole"}))
    assert "going on after epoch" in log
    cards = {run: Checkpoint.load(store, f"runs/model__shapes/{run}/train_detector/card.json") for run in ("killed", "whole")}
    assert cards["killed"].best_weights == cards["whole"].best_weights
    assert cards["killed"].last_weights == cards["whole"].last_weights
    assert not store.exists(state)
    runs_of_it_are_one(MlflowClient(mlflow_server), cards["killed"])
    assert "already done" in finish(start(store, mlflow_server, "killed", **settings))


def runs_of_it_are_one(client: MlflowClient, card: Checkpoint) -> None:
    experiment = client.get_experiment_by_name(card.model)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_id == card.mlflow_run_id
    assert run.info.status == "FINISHED"
    assert sorted(metric.step for metric in client.get_metric_history(run.info.run_id, "train/loss")) == list(range(1, 9))
    assert len(client.get_metric_history(run.info.run_id, "val/ap50")) == 8
    assert run.data.params["dataset"] == "shapes:v1"
    assert run.data.params["augmentation.flip"] == "True"
    assert run.data.tags["visionloop.git_commit"] == "c0ffee"
    assert float(run.data.tags["visionloop.duration_s"]) > 0
    assert run.data.tags["visionloop.cost"].endswith("EUR")
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("shapes:v1", card.dataset_digest)


@pytest.mark.integration
def test_card_has_all_that_packing_needs(
    step_run: MakeStep, store: Store, mlflow_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    version = put_shapes(store, {"train": 8, "val": 2})
    config = TrainDetectorConfig.model_validate(SMALL | {"model": "carded", "epochs": 2})
    card = work(step_run("train_detector", config, store, {"dataset": "dataset://shapes:v1"}))
    content = ContentStore(store)
    detector = build_detector(card.detector, card.classes)
    for weights in (card.last_weights, card.best_weights):
        detector.load_weights(content.get(weights))
    (tmp := Path(str(store.url).removeprefix("file://")) / "reference.png").write_bytes(content.get(card.reference.image))
    from PIL import Image

    with Image.open(tmp) as picture:
        assert tuple(detector.detect([picture])[0]) == card.reference.detections
    assert (card.dataset, card.dataset_digest, card.epochs) == ("shapes:v1", version.digest, 2)
    assert card.metrics.keys() == {"train/loss", "train/duration_s", "val/ap50"}
    assert card.warm_started_from is None
    assert Lineage().find_run("carded", "runs/model__trees/r1/train_detector") == card.mlflow_run_id


@pytest.mark.parametrize(
    ("splits", "broken", "says"),
    [
        ({"val": 2}, None, "got no pictures in the train split"),
        ({"train": 2}, "cut", r"1 of 2 train pictures cannot be used: images/001\.png .*not readable as an image"),
    ],
    ids=["no train pictures", "broken picture"],
)
def test_bad_input_is_named_before_anything_starts(
    step_run: MakeStep, store: Store, splits: dict[str, int], broken: str | None, says: str
) -> None:
    put_shapes(store, splits, broken)
    config = TrainDetectorConfig.model_validate(SMALL | {"model": "shapes"})
    with pytest.raises(BadInputError, match=says):
        work(step_run("train_detector", config, store, {"dataset": "dataset://shapes:v1"}))


def mark_broken(store: Store) -> str:
    """Marks shapes:v1; the key of the mark."""
    from include.artifacts import Damage
    from include.versions.keep.broken import Finding

    damage = Damage(key="files/md5/ab/cd", md5="ab" * 16, relpath="images/009.png", what="missing", expected="", got="")
    mark = Finding(
        version="shapes:v1", number=1, is_broken=True, damaged=1, damages=(damage,), found_at=datetime.now(UTC), found_by="a test"
    )
    store.write(mark.key, mark.model_dump_json().encode())
    return mark.key


def test_a_broken_version_is_not_trained_on(step_run: MakeStep, store: Store) -> None:
    put_shapes(store, {"train": 2})
    mark = mark_broken(store)
    config = TrainDetectorConfig.model_validate(SMALL | {"model": "shapes"})
    with pytest.raises(BadInputError, match=rf"shapes:v1 is marked as broken by .*/{mark}.*images/009.png.*set force_broken"):
        work(step_run("train_detector", config, store, {"dataset": "dataset://shapes:v1"}))


@pytest.mark.integration
def test_forced_onto_a_broken_version_the_card_and_the_mlflow_run_say_so(
    step_run: MakeStep, store: Store, mlflow_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    put_shapes(store, {"train": 2})
    mark = mark_broken(store)
    given = SMALL | {"model": "forced", "epochs": 1, "warm_start": "none", "force_broken": "True"}  # as the form's text comes
    config = TrainDetectorConfig.model_validate_json(json.dumps(given))
    card = work(step_run("train_detector", config, store, {"dataset": "dataset://shapes:v1"}))
    assert (card.config["force_broken"], card.forced_broken) == (True, mark)
    tags = MlflowClient(mlflow_server).get_run(card.mlflow_run_id).data.tags
    assert tags["visionloop.forced_broken"] == mark
