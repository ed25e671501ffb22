from __future__ import annotations

import pytest
import torch

from include.detector.boxes import area_px2, generalised_iou


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        # the same box: IoU 1, hull equals union
        ([0, 0, 10, 10], [0, 0, 10, 10], 1.0),
        # halves overlap: intersection 50, union 150, hull 15 × 10 = 150
        ([0, 0, 10, 10], [5, 0, 15, 10], 1 / 3),
        # corner to corner: intersection 25, union 175, hull 15 × 15 = 225
        ([0, 0, 10, 10], [5, 5, 15, 15], 25 / 175 - 50 / 225),
        # apart: intersection 0, union 200, hull 30 × 10 = 300
        ([0, 0, 10, 10], [20, 0, 30, 10], -100 / 300),
        # touching: nothing shared, nothing between
        ([0, 0, 10, 10], [10, 0, 20, 10], 0.0),
        # one inside the other: 25 of 100
        ([0, 0, 10, 10], [0, 0, 5, 5], 0.25),
    ],
    ids=["same", "half", "corner", "apart", "touching", "inside"],
)
def test_giou_by_hand(a: list[float], b: list[float], expected: float) -> None:
    assert generalised_iou(torch.tensor([a]).float(), torch.tensor([b]).float()).item() == pytest.approx(expected, abs=1e-6)


def test_giou_pulls_boxes_that_do_not_touch_together() -> None:
    box = torch.tensor([[20.0, 0, 30, 10]], requires_grad=True)
    (-generalised_iou(torch.tensor([[0.0, 0, 10, 10]]), box)).sum().backward()
    assert box.grad is not None
    assert box.grad[0, 0] > 0  # going down the gradient moves the left edge to the left


def test_box_turned_inside_out_has_no_area() -> None:
    assert area_px2(torch.tensor([[10.0, 0, 0, 10], [0, 0, 4, 5]])).tolist() == [0, 20]
