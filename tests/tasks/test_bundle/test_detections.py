from __future__ import annotations

import pytest

from include.artifacts import Detection
from tasks.test_bundle.config import ParityConfig
from tasks.test_bundle.detections import compare

EXACT = ParityConfig(box_tolerance_px=0.5, score_tolerance=1e-3)


def tree(x: float, score: float, name: str = "Tree") -> Detection:
    return Detection(box_xyxy_px=(x, 0, x + 10, 10), class_name=name, score=score)


EXPECTED = [tree(0, 0.9), tree(50, 0.5), tree(90, 0.1)]


def test_same_detections_are_identical_in_any_order() -> None:
    result = compare(EXPECTED[::-1], EXPECTED, EXACT)
    assert (result.unmatched, result.text) == ((), "3 detections, identical")


def test_small_differences_are_measured() -> None:
    result = compare([tree(0.25, 0.9005), *EXPECTED[1:]], EXPECTED, EXACT)
    assert not result.unmatched
    assert (result.shift_px, result.score_change) == pytest.approx((0.25, 0.0005))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (tree(0.6, 0.9), ("missing Tree 0.9000 at 0.0, 0.0, 10.0, 10.0", "new Tree 0.9000 at 0.6, 0.0, 10.6, 10.0")),
        (tree(0, 0.897), ("missing Tree 0.9000 at 0.0, 0.0, 10.0, 10.0", "new Tree 0.8970 at 0.0, 0.0, 10.0, 10.0")),
        (tree(0, 0.9, "Bush"), ("missing Tree 0.9000 at 0.0, 0.0, 10.0, 10.0", "new Bush 0.9000 at 0.0, 0.0, 10.0, 10.0")),
    ],
    ids=["moved", "other score", "other class"],
)
def test_changed_detection_is_named(changed: Detection, told: tuple[str, ...]) -> None:
    assert compare([changed, *EXPECTED[1:]], EXPECTED, EXACT).unmatched == told


def test_detection_that_is_barely_shown_may_fall_out() -> None:
    assert not compare(EXPECTED, [*EXPECTED, tree(70, 0.0505)], EXACT).unmatched
    assert not compare([*EXPECTED, tree(70, 0.0505)], EXPECTED, EXACT).unmatched
    assert compare(EXPECTED, [*EXPECTED, tree(70, 0.06)], EXACT).unmatched == ("missing Tree 0.0600 at 70.0, 0.0, 80.0, 10.0",)


def test_detection_at_the_end_of_a_full_list_may_fall_out() -> None:
    full = [tree(20 * n, 0.9 - n * 0.001) for n in range(100)]
    assert not compare([*full[:-1], tree(5000, 0.8011)], full, EXACT).unmatched
    assert len(compare([*full[:-1], tree(5000, 0.85)], full, EXACT).unmatched) == 1


def test_twin_boxes_are_counted_each() -> None:
    assert compare([tree(0, 0.9)], [tree(0, 0.9), tree(0, 0.9)], EXACT).unmatched == (
        "missing Tree 0.9000 at 0.0, 0.0, 10.0, 10.0",
    )


def test_nothing_against_nothing_is_the_same() -> None:
    assert compare([], [], EXACT).text == "0 detections, identical"


def test_nothing_against_sure_detections_is_not() -> None:
    assert compare([], EXPECTED, EXACT).unmatched
