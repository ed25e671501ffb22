"""Is the challenger better, or was it luck with the pictures? Paired bootstrap over test images (Efron & Tibshirani 1993).

Detections are matched with true boxes once; a resample only counts each image as often as it was drawn. That is the same
AP50 that pycocotools gives for a test split in which images repeat, at a few microseconds per class.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from include.artifacts import PairedDifference
from tasks.evaluate_model.scoring import Matches

RECALLS = np.linspace(0.0, 1.0, 101)  # where COCO reads precision


def average_precision(matches: Matches, times_drawn: NDArray[np.int64]) -> float:
    """COCO's AP at IoU 0.5 with every image (of `times_drawn`, (images,)) counted so often; NaN if no box is to be found."""
    truths = times_drawn @ matches.truths
    if truths == 0:
        return float("nan")
    drawn = times_drawn[matches.image_index]
    at_true = matches.is_true  # between two true detections precision only falls: it is enough to look there
    true_so_far, all_so_far = np.cumsum(drawn * at_true)[at_true], np.cumsum(drawn)[at_true]
    precision = true_so_far / (all_so_far + np.spacing(1))
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    reached = np.searchsorted(true_so_far / truths, RECALLS, side="left")
    return float(best_from_here[reached[reached < len(best_from_here)]].sum() / len(RECALLS))


def mean_ap50(matches: Mapping[str, Matches], times_drawn: NDArray[np.int64]) -> float:
    """Over the classes that have boxes in the drawn images; NaN if none has."""
    by_class = np.array([average_precision(one, times_drawn) for one in matches.values()])
    return float(by_class[~np.isnan(by_class)].mean()) if not np.isnan(by_class).all() else float("nan")


def paired_difference(
    challenger: Mapping[str, Matches], champion: Mapping[str, Matches], images: int, confidence: float, resamples: int, seed: int
) -> PairedDifference:
    """Challenger minus champion; both see the same resampled images. `confidence` is two-sided."""
    draws = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=resamples)
    differences = np.array([mean_ap50(challenger, drawn) - mean_ap50(champion, drawn) for drawn in draws])
    differences = differences[~np.isnan(differences)]  # an image without boxes, drawn again and again, says nothing
    low, high = np.quantile(differences, [(1 - confidence) / 2, (1 + confidence) / 2])
    return PairedDifference(
        mean=float(differences.mean()), low=float(low), high=float(high), confidence=confidence, resamples=len(differences)
    )
