from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

from include.artifacts import Bundle, Checkpoint
from include.artifacts.base import MadeBy
from include.detector.families import build_detector
from include.step.run import StepRun
from include.storage import Store
from include.storage.addresses import clean
from tasks.train_detector.config import TrainDetectorConfig
from tasks.train_detector.warm_start import warm_start

CHECKPOINT = "runs/model__trees/r0/train_detector/card.json"
BUNDLE = "runs/model__trees/r0/pack_model/card.json"
MakeStep = Callable[..., StepRun[Any]]


@pytest.fixture
def champion(store: Store, put_checkpoint: Callable[..., Checkpoint], made_by: MadeBy) -> Checkpoint:
    """The champion that run r1 froze: a detector of Tree and Bush."""
    checkpoint = put_checkpoint(store, CHECKPOINT)
    bundle = Bundle(
        made_by=made_by, inputs={}, config={}, model="trees", tag="trees:1", archive="a" * 32, archive_bytes=1, files={},
        checkpoint=CHECKPOINT, dataset="trees:v1", dataset_digest="d" * 32, classes=checkpoint.classes, mlflow_run_id="1",
    )  # fmt: skip
    store.write(BUNDLE, bundle.to_bytes())
    freeze(store, {"version": "7", "bundle": BUNDLE})
    return checkpoint


def freeze(store: Store, champion: dict[str, str] | None) -> None:
    store.write(f"runs/model__trees/r1/frozen/{clean('model://trees@champion')}", json.dumps(champion).encode())


def settings(**changes: Any) -> TrainDetectorConfig:
    return TrainDetectorConfig.model_validate({"model": "trees", "image_px": 64, "detector": {"width": 8}} | changes)


def started(step_run: MakeStep, store: Store, config: TrainDetectorConfig, classes: tuple[str, ...] = ("Tree", "Bush")) -> Any:
    torch.manual_seed(5)
    detector = build_detector(config.detector_config, classes)
    step = step_run("train_detector", config, store, {"dataset": "dataset://trees:v1"})
    return warm_start(step, detector), detector, step


def test_champions_weights_are_the_start(step_run: MakeStep, store: Store, champion: Checkpoint) -> None:
    start, detector, step = started(step_run, store, settings())
    assert detector.weights() == step.content.get(champion.best_weights)
    assert (start.bundle, start.why) == (BUNDLE, "from champion trees@7, trained on trees:v1")
    assert [card.address for card in step.read_cards["champion"]] == [BUNDLE]


@pytest.mark.parametrize(
    ("changes", "classes", "says"),
    [
        ({}, ("Tree", "Rock"), "from scratch: the classes of champion trees@7"),
        ({"detector": {"width": 16}}, ("Tree", "Bush"), "from scratch: the detector of champion trees@7"),
        ({"warm_start": "none"}, ("Tree", "Bush"), "from scratch, as configured"),
    ],
    ids=["classes", "detector", "switched off"],
)
def test_what_does_not_fit_starts_from_scratch_and_says_why(
    step_run: MakeStep, store: Store, champion: Checkpoint, changes: dict[str, Any], classes: tuple[str, ...], says: str
) -> None:
    start, detector, step = started(step_run, store, settings(**changes), classes)
    assert start.bundle is None
    assert start.why.startswith(says)
    assert detector.weights() != step.content.get(champion.best_weights)


def test_first_training_starts_from_scratch(step_run: MakeStep, store: Store) -> None:
    freeze(store, None)
    start, _, _ = started(step_run, store, settings())
    assert (start.bundle, start.why) == (None, "from scratch: there is no champion yet")
