"""COCO metrics by pycocotools, and its matches of detections with true boxes, for what else is asked of them."""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools.coco import COCO  # type: ignore[import-untyped]
from pycocotools.cocoeval import COCOeval  # type: ignore[import-untyped]
from torchmetrics.functional.classification import binary_calibration_error

from include.artifacts import Score
from tasks.evaluate_model.detecting import Seen
from tasks.evaluate_model.truth import Truth

CALIBRATION_BINS = 15
AT_50, ALL_AREAS, AT_100 = 0, 0, 2  # where pycocotools keeps IoU 0.5, all sizes, and 100 detections per image


@dataclass(frozen=True)
class Matches:
    """One class at IoU 0.5, as COCO matches it. Detections are in the order of falling scores; ignored ones are left out."""

    scores: NDArray[np.float64]  # (D,)
    is_true: NDArray[np.bool_]  # (D,)
    image_index: NDArray[np.int64]  # (D,) position in Truth.images
    truths: NDArray[np.int64]  # (images,) boxes to be found in each image


@dataclass(frozen=True)
class Scored:
    """A model's numbers; by class name where the class has boxes in the test split."""

    score: Score
    matches: dict[str, Matches]
    precision_at_recall: NDArray[np.float64]  # (101,) mean over classes, at recall 0, 0.01, … 1
    pairs: list[tuple[int, int, int]]  # (image id, annotation id, position in the detections), at IoU 0.5


def evaluate(truth: Truth, detections: Sequence[dict[str, Any]]) -> Any:
    """pycocotools' evaluation, accumulated and summarised; detection ids are 1, 2, … in the order given."""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress and twelve lines of results
        true, found = COCO(), COCO()
        true.dataset = copy.deepcopy(truth.coco)
        rows = [
            {**one, "id": number, "area": one["bbox"][2] * one["bbox"][3], "iscrowd": 0}
            for number, one in enumerate(detections, start=1)
        ]
        found.dataset = {**copy.deepcopy(truth.coco), "annotations": rows}  # as loadRes does, which fails on an empty list
        true.createIndex()
        found.createIndex()
        result = COCOeval(true, found, "bbox")
        result.evaluate()
        result.accumulate()
        result.summarize()
    return result


def matches_by_class(truth: Truth, result: Any) -> dict[str, Matches]:
    """For every class that has boxes to be found."""
    images, areas = len(truth.images), len(result.params.areaRng)
    found = {}
    for class_index, name in enumerate(truth.classes):
        start = (class_index * areas + ALL_AREAS) * images
        cells = [(index, cell) for index, cell in enumerate(result.evalImgs[start : start + images]) if cell is not None]
        truths = np.zeros(images, np.int64)
        for index, cell in cells:
            truths[index] = np.sum(np.asarray(cell["gtIgnore"]) == 0)
        if not truths.any():
            continue
        scores = np.array([score for _, cell in cells for score in cell["dtScores"]], np.float64)
        is_true = np.array([match > 0 for _, cell in cells for match in cell["dtMatches"][AT_50]], np.bool_)
        ignored = np.array([ignore for _, cell in cells for ignore in cell["dtIgnore"][AT_50]], np.bool_)
        where = np.array([index for index, cell in cells for _ in cell["dtScores"]], np.int64)
        order = np.argsort(-scores, kind="mergesort")  # as pycocotools sorts: stable, so that ties fall alike
        order = order[~ignored[order]]
        found[name] = Matches(scores[order], is_true[order], where[order], truths)
    return found


def calibration_error(matches: dict[str, Matches]) -> float:
    """Expected calibration error: how far the scores are from the share of right detections. 0 without detections."""
    scores = np.concatenate([one.scores for one in matches.values()])
    if not len(scores):
        return 0.0
    is_true = np.concatenate([one.is_true for one in matches.values()])
    error = binary_calibration_error(
        torch.from_numpy(scores).clamp(0, 1), torch.from_numpy(is_true).long(), n_bins=CALIBRATION_BINS, norm="l1"
    )
    return float(error)


def _pairs(result: Any) -> list[tuple[int, int, int]]:
    cells = [cell for cell in result.evalImgs if cell is not None and cell["aRng"] == result.params.areaRng[ALL_AREAS]]
    return [
        (cell["image_id"], int(match), found_id - 1)
        for cell in cells
        for found_id, match in zip(cell["dtIds"], cell["dtMatches"][AT_50], strict=True)
        if match > 0
    ]


def score(truth: Truth, bundle: str, seen: Seen) -> Scored:
    """How good `seen` is; `bundle` is the key of the card of the model that saw it."""
    result = evaluate(truth, seen.detections)
    matches = matches_by_class(truth, result)
    precision = result.eval["precision"][AT_50, :, :, ALL_AREAS, AT_100]  # (101, classes), -1 for a class without boxes
    has_boxes = [name in matches for name in truth.classes]
    ap50_by_class = {name: float(precision[:, index].mean()) for index, name in enumerate(truth.classes) if has_boxes[index]}
    numbers = Score(
        bundle=bundle,
        ap=float(result.stats[0]),
        ap50=float(result.stats[1]),
        ap75=float(result.stats[2]),
        ar100=float(result.stats[8]),
        ap50_by_class=ap50_by_class,
        calibration_error=calibration_error(matches),
        images_per_s=round(seen.images_per_s, 2),
    )
    return Scored(numbers, matches, precision[:, has_boxes].mean(axis=1), _pairs(result))
