"""What the tests of several steps stand on. Imports of torch stay inside: the data environment has none."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from include.artifacts import Checkpoint, Reference
from include.artifacts.base import Cost, MadeBy
from include.definitions.base import Section
from include.step.plate import read_plate
from include.step.run import Identity, StepRun
from include.storage import ContentStore, Store, open_store

CHECKPOINT = "runs/model__trees/r1/train_detector/card.json"
BUNDLE = "runs/model__trees/r1/pack_model/card.json"
MADE_BY = MadeBy(
    step="train_detector", dag_id="model__trees", run_id="r1", task_id="train_detector", started_by="a test", git_commit="c0ffee",
    environment="lock:1", runtime="process", started_at=datetime(2026, 1, 1, tzinfo=UTC),
    ended_at=datetime(2026, 1, 1, 1, tzinfo=UTC), duration_s=3600, cost=Cost(amount=1.5, currency="EUR"),
)  # fmt: skip


@pytest.fixture(scope="session")
def made_by() -> MadeBy:
    return MADE_BY


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}/store")


@pytest.fixture(scope="session")
def step_run() -> Callable[..., StepRun[Any]]:
    """A step as `python -m tasks.<step>` would start it, without its process."""

    def make(name: str, config: Any, store: Store, inputs: dict[str, str], run: str = "r1") -> StepRun[Any]:
        who = Identity("model__trees", run, name, "a test", "c0ffee", "lock:1", "process")
        return StepRun(read_plate(name), config, inputs, f"runs/model__trees/{run}/{name}", store, who)

    return make


@pytest.fixture(scope="session")
def put_checkpoint() -> Callable[..., Checkpoint]:
    """Puts the card of a small detector with random weights, and all that it names, into a store."""

    def put(store: Store, address: str = CHECKPOINT, seed: int = 0, classes: tuple[str, ...] = ("Tree", "Bush")) -> Checkpoint:
        import numpy as np
        import torch
        from PIL import Image

        from include.detector.families import build_detector

        torch.manual_seed(seed)
        settings: Section = {"family": "centerpoint", "image_px": 64, "width": 8}
        detector = build_detector(settings, classes)
        with torch.no_grad():
            for parameter in detector.parameters():  # an untrained detector starts sure of nothing: make it see something
                parameter[parameter < -2] += 2
        picture = Image.fromarray(np.random.default_rng(seed).integers(0, 255, (48, 80, 3), dtype=np.uint8))
        file = io.BytesIO()
        picture.save(file, "PNG")
        content = ContentStore(store)
        weights = content.put(detector.weights())
        reference = Reference(image=content.put(file.getvalue()), detections=tuple(detector.detect([picture])[0]))
        card = Checkpoint(
            made_by=MADE_BY, inputs={}, config={}, model="trees", dataset="trees:v1", dataset_digest="d" * 32, classes=classes,
            detector=settings, best_weights=weights, last_weights=weights, best_epoch=1, epochs=2, metrics={"val/ap50": 0.4},
            warm_started_from=None, reference=reference, mlflow_run_id="1234",
        )  # fmt: skip
        store.write(address, card.to_bytes())
        return card

    return put


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory, put_checkpoint: Any, step_run: Any) -> Store:
    """A store with one checkpoint (CHECKPOINT) and its bundle (BUNDLE). Tests only read it."""
    from include.step.run import publish
    from tasks.pack_model.__main__ import work
    from tasks.pack_model.config import PackConfig

    store = open_store(f"file://{tmp_path_factory.mktemp('packed')}")
    put_checkpoint(store)
    step = step_run("pack_model", PackConfig(), store, {"checkpoint": CHECKPOINT})
    publish(store, work(step), step.output)
    return store
