"""A trained detector, before packing."""

from __future__ import annotations

from typing import Any, ClassVar

from include.artifacts.base import Card, Frozen, Md5


class Detection(Frozen):
    """One detected box: `x0, y0, x1, y1` in pixels of the original image, class name, score in 0…1."""

    box_xyxy_px: tuple[float, float, float, float]
    class_name: str
    score: float


class Reference(Frozen):
    """A picture and what the model saw in it when it was trained: the same must come out after every later packing."""

    image: Md5
    detections: tuple[Detection, ...]


class Checkpoint(Card):
    """Weights are torch state dicts by md5; `detector` is the configuration that builds the model they fit."""

    kind: ClassVar[str] = "checkpoint"

    model: str
    dataset: str
    dataset_digest: Md5
    classes: tuple[str, ...]
    detector: dict[str, Any]
    best_weights: Md5
    last_weights: Md5
    best_epoch: int
    epochs: int
    metrics: dict[str, float]
    warm_started_from: str | None
    reference: Reference
    forced_broken: str | None = None  # key of the mark that says what was broken in the dataset when it was trained all the same
    mlflow_run_id: str
