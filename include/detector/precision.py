"""COCO average precision of detections, by pycocotools, the reference implementation."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO  # type: ignore[import-untyped]
from pycocotools.cocoeval import COCOeval  # type: ignore[import-untyped]

from include.artifacts import Detection
from include.detector.pictures import Picture


def ground_truth(pictures: Sequence[Picture], classes: Sequence[str]) -> COCO:
    """The pictures' labels. Ids from 1: pycocotools takes annotation 0 for "unmatched"."""
    annotations: list[dict[str, Any]] = []
    for picture in pictures:
        for (x0, y0, x1, y1), label, crowd in zip(
            picture.boxes_xyxy_px.tolist(), picture.labels.tolist(), picture.crowd.tolist(), strict=True
        ):
            box = {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "iscrowd": int(crowd)}
            annotations.append({"id": len(annotations) + 1, "image_id": picture.image_id, "category_id": label + 1, **box})
    truth = COCO()
    truth.dataset = {
        "images": [{"id": picture.image_id} for picture in pictures],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes, 1)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth


def results(pictures: Sequence[Picture], found: Sequence[Sequence[Detection]], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Detections as a COCO results file has them."""
    number = {name: index for index, name in enumerate(classes, 1)}
    rows = []
    for picture, detections in zip(pictures, found, strict=True):
        for one in detections:
            x0, y0, x1, y1 = one.box_xyxy_px
            box = [x0, y0, x1 - x0, y1 - y0]
            rows.append({"image_id": picture.image_id, "category_id": number[one.class_name], "bbox": box, "score": one.score})
    return rows


def average_precision_50(pictures: Sequence[Picture], found: Sequence[Sequence[Detection]], classes: Sequence[str]) -> float:
    """AP at IoU 0.5, the mean over the classes that have boxes, in 0…1. NaN where there is no box at all."""
    truth, rows = ground_truth(pictures, classes), results(pictures, found, classes)
    if not truth.anns:
        return float("nan")
    if not rows:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(rows), "bbox")
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][0, :, :, 0, -1]  # (recall, class) at all sizes and most detections
    return float(precision[precision > -1].mean())
