from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from include.artifacts import Bundle, Check, Checkpoint, EvaluationReport, PairedDifference, ParityReport, Reference, Score
from include.artifacts.base import MadeBy
from include.lineage import Champion, Lineage
from include.step.run import StepRun
from include.storage import Store
from tasks.promote_model.config import Gate

X = "0" * 32
MakeReport = Callable[..., EvaluationReport]


class FakeLineage(Lineage):
    """What promotion uses of MLflow, in memory."""

    def __init__(self) -> None:
        self.versions: list[dict[str, str]] = []
        self.alias: str | None = None

    def register(self, model: str, bundle: str, source: str, run_id: str, tags: Mapping[str, str]) -> str:
        known = [index for index, one in enumerate(self.versions, start=1) if one["bundle"] == bundle]
        if not known:
            self.versions.append({"bundle": bundle, "source": source, **tags})
        return str(known[0] if known else len(self.versions))

    def tag_version(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        self.versions[int(version) - 1].update(tags)

    def set_champion(self, model: str, version: str) -> None:
        self.alias = version

    def champion(self, model: str) -> Champion | None:
        return Champion(self.alias, self.versions[int(self.alias) - 1]["bundle"]) if self.alias else None


@pytest.fixture
def lineage() -> FakeLineage:
    return FakeLineage()


@pytest.fixture(scope="session")
def report_of(made_by: MadeBy) -> MakeReport:
    """A report; without `champion` the challenger is alone."""

    def make(
        ap50: float | dict[str, float] = 0.5, champion: dict[str, float] | None = None, low: float = 0.0, mean: float = 0.01,
        champion_version: str | None = None, bundle: str = "runs/model__trees/r1/pack_model/card.json", **other: Any,
    ) -> EvaluationReport:  # fmt: skip
        def score(by_class: dict[str, float], key: str) -> Score:
            average = sum(by_class.values()) / len(by_class)
            return Score(bundle=key, ap=0.3, ap50=average, ap75=0.3, ar100=0.5, ap50_by_class=by_class, calibration_error=0.1,
                         images_per_s=10)  # fmt: skip

        difference = PairedDifference(mean=mean, low=low, high=mean * 2 - low, confidence=0.8, resamples=1000)
        fields: dict[str, Any] = {
            "made_by": made_by, "inputs": {}, "config": {}, "model": "trees", "dataset": "trees:v1", "dataset_digest": X,
            "test_images": 9, "test_annotations": 90, "detections": X, "page": "p",
            "challenger": score(ap50 if isinstance(ap50, dict) else {"Tree": ap50}, bundle),
            "champion": score(champion, "runs/old/card.json") if champion else None,
            "champion_version": champion_version or ("1" if champion else None),
            "difference": difference if champion else None,
        }  # fmt: skip
        return EvaluationReport(**{**fields, **other})

    return make


@pytest.fixture(scope="session")
def put_cards(made_by: MadeBy, report_of: MakeReport) -> Callable[..., dict[str, str]]:
    """The cards of one model run in a store; returns the addresses of promote_model's inputs."""

    def put(store: Store, run: str = "r1", model: str = "trees", mlflow_run_id: str = "1234", **report: Any) -> dict[str, str]:
        folder = f"runs/model__trees/{run}"
        made = made_by.model_copy(update={"run_id": run})
        checkpoint = Checkpoint(
            made_by=made, inputs={}, config={}, model=model, dataset="trees:v1", dataset_digest=X, classes=("Tree",), detector={},
            best_weights=X, last_weights=X, best_epoch=1, epochs=1, metrics={}, warm_started_from=None,
            reference=Reference(image=X, detections=()), mlflow_run_id=mlflow_run_id,
        )  # fmt: skip
        bundle = Bundle(
            made_by=made, inputs={}, config={}, model=model, tag=f"{model}:{run}", archive=X, archive_bytes=1, files={},
            checkpoint=f"{folder}/train_detector/card.json", dataset="trees:v1", dataset_digest=X, classes=("Tree",),
            mlflow_run_id=mlflow_run_id,
        )  # fmt: skip
        key = f"{folder}/pack_model/card.json"
        checks = (Check(name="files", passed=True, got="same", expected="same"),)
        parity = ParityReport(made_by=made, inputs={}, config={}, model=model, bundle=key, checks=checks)
        evaluation = report_of(bundle=key, model=model, made_by=made, **report)
        cards = {"train_detector": checkpoint, "pack_model": bundle, "evaluate_model": evaluation, "test_bundle": parity}
        for task, card in cards.items():
            store.write(f"{folder}/{task}/card.json", card.to_bytes())
        tasks = {"bundle": "pack_model", "report": "evaluate_model", "parity": "test_bundle"}
        return {name: f"{folder}/{task}/card.json" for name, task in tasks.items()}

    return put


@pytest.fixture(scope="session")
def promotion_step(step_run: Any) -> Callable[..., StepRun[Gate]]:
    def make(store: Store, inputs: dict[str, str], run: str = "r1", gate: Gate | None = None) -> StepRun[Gate]:
        made: StepRun[Gate] = step_run("promote_model", gate or Gate(), store, inputs, run=run)
        return made

    return make
