"""Champion and challenger, scored on the same frozen test split in the same run."""

from __future__ import annotations

from typing import ClassVar

from include.artifacts.base import Card, Frozen, Md5


class Score(Frozen):
    """COCO metrics, all in 0…1; a class without boxes in the test split has none. `calibration_error` is of the scores."""

    bundle: str
    ap: float
    ap50: float
    ap75: float
    ar100: float
    ap50_by_class: dict[str, float]
    calibration_error: float
    images_per_s: float


class PairedDifference(Frozen):
    """Challenger minus champion in AP50, by resampling test images (paired bootstrap)."""

    mean: float
    low: float
    high: float
    confidence: float
    resamples: int


class EvaluationReport(Card):
    """`detections` are the challenger's, a COCO results file by md5; `page` is the key of the report for people."""

    kind: ClassVar[str] = "evaluation_report"

    model: str
    dataset: str
    dataset_digest: Md5
    test_images: int
    test_annotations: int
    challenger: Score
    champion: Score | None
    champion_version: str | None
    difference: PairedDifference | None
    forced_broken: str | None = None  # key of the mark of a broken dataset version that was scored on all the same
    detections: Md5
    page: str
