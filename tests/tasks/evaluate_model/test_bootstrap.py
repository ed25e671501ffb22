from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from tasks.evaluate_model.bootstrap import average_precision, mean_ap50, paired_difference
from tasks.evaluate_model.scoring import Matches, evaluate, matches_by_class
from tasks.evaluate_model.truth import Truth


def repeated(truth: Truth, detections: list[dict[str, Any]], drawn: list[int]) -> tuple[Truth, list[dict[str, Any]]]:
    """The test split as if image i had been taken drawn[i] times, under new ids: what pycocotools is to score."""
    images, annotations, found = [], [], []
    for image, times in zip(truth.images, drawn, strict=True):
        for _ in range(times):
            number = len(images) + 1
            images.append({**image, "id": number})
            for one in truth.annotations:
                if one["image_id"] == image["id"]:
                    annotations.append({**one, "id": len(annotations) + 1, "image_id": number})
            found += [{**one, "image_id": number} for one in detections if one["image_id"] == image["id"]]
    return Truth(truth.dataset, truth.classes, tuple(images), tuple(annotations)), found


@pytest.mark.parametrize("seed", range(4))
def test_ap50_without_resampling_is_that_of_pycocotools(seed: int, a_random_truth: Any, detections_of: Any) -> None:
    truth = a_random_truth(seed, images=25)
    result = evaluate(truth, detections_of(truth, seed, jitter_px=3))
    matches = matches_by_class(truth, result)
    assert 0.1 < result.stats[1] < 0.95
    assert mean_ap50(matches, np.ones(25, np.int64)) == pytest.approx(result.stats[1], abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_ap50_of_a_resample_is_that_of_pycocotools_on_repeated_images(seed: int, a_random_truth: Any, detections_of: Any) -> None:
    truth = a_random_truth(seed, images=15)
    detections = detections_of(truth, seed, jitter_px=3)
    # without ties between images: how pycocotools orders equal scores depends on where an image stands
    detections = [{**one, "score": one["score"] + index * 1e-7} for index, one in enumerate(detections)]
    matches = matches_by_class(truth, evaluate(truth, detections))
    drawn = np.random.default_rng(seed).multinomial(15, [1 / 15] * 15)
    expected = evaluate(*repeated(truth, detections, drawn.tolist())).stats[1]
    assert mean_ap50(matches, drawn) == pytest.approx(expected, abs=1e-9)


def test_ap_by_hand() -> None:
    """Two images, three boxes; right, wrong, right: precision 1 up to recall 1/3, then 2/3 up to recall 2/3, then 0."""
    matches = Matches(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), np.array([0, 0, 1]), np.array([2, 1]))
    assert average_precision(matches, np.array([1, 1])) == pytest.approx((34 * 1 + 33 * 2 / 3) / 101)
    # only the second image, twice: two boxes, both found
    assert average_precision(matches, np.array([0, 2])) == pytest.approx(1.0)


def test_class_that_is_not_in_the_drawn_images_has_no_ap() -> None:
    nothing = np.array([])
    matches = Matches(nothing, nothing.astype(bool), nothing.astype(int), np.array([0, 3]))
    assert np.isnan(average_precision(matches, np.array([2, 0])))
    assert average_precision(matches, np.array([1, 1])) == 0


def test_model_against_itself_differs_by_nothing(a_random_truth: Any, detections_of: Any) -> None:
    truth = a_random_truth(1, images=20)
    matches = matches_by_class(truth, evaluate(truth, detections_of(truth, 1, jitter_px=3)))
    difference = paired_difference(matches, matches, 20, confidence=0.8, resamples=200, seed=0)
    assert (difference.mean, difference.low, difference.high) == (0, 0, 0)


def test_clearly_better_model_has_its_whole_interval_above_zero_and_the_reverse_is_its_mirror(
    a_random_truth: Any, detections_of: Any
) -> None:
    truth = a_random_truth(2, images=40)
    good, bad = (matches_by_class(truth, evaluate(truth, detections_of(truth, 2, jitter_px=px))) for px in (1, 7))
    there = paired_difference(good, bad, 40, confidence=0.8, resamples=300, seed=0)
    back = paired_difference(bad, good, 40, confidence=0.8, resamples=300, seed=0)
    assert 0 < there.low < there.mean < there.high
    assert (back.mean, back.low, back.high) == pytest.approx((-there.mean, -there.high, -there.low))


def test_thousand_resamples_of_a_large_test_split_take_seconds() -> None:
    rng = np.random.default_rng(0)
    scores = np.sort(rng.random(50_000))[::-1]
    large = {"Tree": Matches(scores, rng.random(50_000) < scores * 0.3, rng.integers(0, 2000, 50_000), np.full(2000, 8))}
    began = time.perf_counter()
    paired_difference(large, large, 2000, confidence=0.8, resamples=1000, seed=0)
    assert time.perf_counter() - began < 20  # 1.5 s alone on one core
