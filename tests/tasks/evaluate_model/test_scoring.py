from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tasks.evaluate_model.detecting import Seen
from tasks.evaluate_model.scoring import score


def found(image: int, category: int, box: tuple[float, ...], score: float) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": list(box), "score": score}


def test_perfect_detections_score_one_and_absent_classes_have_no_number(truth_with: Any) -> None:
    box = (10, 10, 20, 20)
    scored = score(
        truth_with([(1, 1, box), (2, 1, box)], images=2), "b", Seen([found(1, 1, box, 1), found(2, 1, box, 1)], 7.0, {})
    )
    numbers = scored.score
    assert (numbers.ap, numbers.ap50, numbers.ap75, numbers.ar100) == pytest.approx((1, 1, 1, 1))
    assert numbers.ap50_by_class == {"Tree": 1.0}
    assert numbers.calibration_error == 0
    assert scored.precision_at_recall.tolist() == pytest.approx([1.0] * 101)
    assert sorted(scored.pairs) == [(1, 1, 0), (2, 2, 1)]


def test_half_found_by_hand(truth_with: Any) -> None:
    """One of two boxes found, with IoU 0.6: counted at 0.50, 0.55 and 0.60 of ten thresholds, recall 1/2 → 51 of 101 points."""
    truth = truth_with([(1, 1, (0, 0, 10, 10)), (1, 1, (50, 50, 10, 10))], images=1)
    numbers = score(truth, "b", Seen([found(1, 1, (0, 0, 10, 6.001), 0.8)], 1.0, {})).score
    assert numbers.ap50 == pytest.approx(51 / 101)
    assert numbers.ap75 == 0
    assert numbers.ap == pytest.approx(3 * 51 / 101 / 10)


def test_no_detections_at_all_score_zero(truth_with: Any) -> None:
    scored = score(truth_with([(1, 1, (0, 0, 10, 10)), (1, 2, (0, 0, 10, 10))], images=1), "b", Seen([], 1.0, {}))
    assert (scored.score.ap, scored.score.ap50, scored.score.calibration_error) == (0, 0, 0)
    assert scored.score.ap50_by_class == {"Tree": 0, "Bush": 0}


def test_class_that_a_model_does_not_know_counts_as_not_found(truth_with: Any) -> None:
    box = (10, 10, 20, 20)
    numbers = score(truth_with([(1, 1, box), (1, 2, box)], images=1), "b", Seen([found(1, 1, box, 0.9)], 1.0, {})).score
    assert numbers.ap50_by_class == pytest.approx({"Tree": 1, "Bush": 0})
    assert numbers.ap50 == pytest.approx(0.5)


def test_calibration_error_by_hand(truth_with: Any) -> None:
    """Four detections of score 0.9, one right: 0.9 said, 0.25 true."""
    box = (10.0, 10.0, 20.0, 20.0)
    seen = [found(1, 1, box, 0.9)] + [found(1, 1, (60 + i, 60, 20, 20), 0.9) for i in range(3)]
    numbers = score(truth_with([(1, 1, box)], images=1), "b", Seen(seen, 1.0, {})).score
    assert numbers.calibration_error == pytest.approx(0.65, abs=1e-6)


def test_detections_in_a_crowd_are_neither_right_nor_wrong(truth_with: Any) -> None:
    truth = truth_with([(1, 1, (0, 0, 10, 10)), (1, 1, (50, 50, 40, 40))], images=1, crowd=[2])
    seen = [found(1, 1, (0, 0, 10, 10), 0.5), found(1, 1, (50, 50, 40, 40), 0.9)]
    scored = score(truth, "b", Seen(seen, 1.0, {}))
    assert scored.score.ap50 == pytest.approx(1)
    np.testing.assert_array_equal(scored.matches["Tree"].scores, [0.5])
