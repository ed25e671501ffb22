"""What MLflow is told of a training, as it goes."""

from __future__ import annotations

import time

from include.artifacts import Checkpoint, DatasetVersion
from include.lineage import Lineage
from include.step.run import StepRun
from tasks.train_detector.config import TrainDetectorConfig
from tasks.train_detector.train import Epoch

LOSS = "train/loss"


class Recording:
    """The MLflow run of one training: found again after a kill; an epoch that it knows is not written twice."""

    def __init__(
        self, lineage: Lineage, step: StepRun[TrainDetectorConfig], dataset: DatasetVersion, start: str,
        forced_broken: str | None = None,
    ) -> None:  # fmt: skip
        self.lineage = lineage
        params = flat(step.config.model_dump(mode="json")) | {"dataset": dataset.label, "classes": ", ".join(dataset.classes)}
        tags = {f"visionloop.{name}": str(value) for name, value in vars(step.who).items()} | {"visionloop.warm_start": start}
        if forced_broken is not None:  # the key of the mark
            tags["visionloop.forced_broken"] = forced_broken
        self.run_id = lineage.start_training(step.config.model, step.output, dataset, params, tags)
        self.known = {metric.step for metric in lineage.client.get_metric_history(self.run_id, LOSS)}

    def epoch(self, done: Epoch) -> None:
        if done.epoch in self.known:
            return
        values = {LOSS: done.loss, "train/learning_rate": done.learning_rate, "train/images_per_s": done.images_per_s}
        if done.ap50 is not None:
            values["val/ap50"] = done.ap50
        self.lineage.log_metrics(self.run_id, values, done.epoch, int(time.time() * 1000))

    def failed(self) -> None:
        self.lineage.end_run(self.run_id, "FAILED")

    @staticmethod
    def finish(lineage: Lineage, card: Checkpoint) -> None:
        """Closed, with what it took and what came out; safe to repeat."""
        tags = {
            "visionloop.duration_s": f"{card.made_by.duration_s:.1f}",
            "visionloop.cost": f"{card.made_by.cost.amount:.4f} {card.made_by.cost.currency}",
            "visionloop.best_epoch": str(card.best_epoch),
            "visionloop.best_weights": card.best_weights,
        }
        lineage.set_tags(card.mlflow_run_id, tags)
        lineage.end_run(card.mlflow_run_id)


def flat(config: dict[str, object], above: str = "") -> dict[str, object]:
    """Nested keys joined by dots."""
    found: dict[str, object] = {}
    for name, value in config.items():
        found |= flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found
