from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks.validate_annotations.boxes import SIDES, duplicate_of, iou


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([0, 0, 10, 10], [0, 0, 10, 10], 1.0),
        ([0, 0, 10, 10], [5, 0, 10, 10], 50 / 150),
        ([0, 0, 10, 10], [10, 0, 10, 10], 0.0),
        ([0, 0, 10, 10], [20, 20, 5, 5], 0.0),
        ([0, 0, 10, 10], [2, 2, 5, 4], 20 / 100),
    ],
    ids=["same", "half", "touching", "apart", "inside"],
)
def test_iou_is_shared_area_over_joint_area(one: list[float], other: list[float], expected: float) -> None:
    assert iou(np.array([one], float), np.array([other], float))[0, 0] == pytest.approx(expected)


def frame(*boxes: tuple[float, float, float, float], image: str = "a", name: str = "Tree", crowd: bool = False) -> pd.DataFrame:
    rows = pd.DataFrame(boxes, columns=SIDES)
    keys = [f"{image}{name}{crowd}#{position}" for position in range(len(boxes))]
    return rows.assign(annotation_key=keys, image_key=image, dataset_class=name, is_crowd=crowd).set_index(
        "annotation_key", drop=False
    )


def test_in_a_chain_every_second_box_stays() -> None:
    # neighbours overlap by 9/11 = 0.82, those two apart by 8/12 = 0.67
    found = duplicate_of(frame((0, 0, 10, 10), (1, 0, 10, 10), (2, 0, 10, 10)), max_iou=0.7)
    assert found.dropna().to_dict() == {"aTreeFalse#1": "aTreeFalse#0"}


def test_same_place_in_another_image_class_or_crowd_is_no_repeat() -> None:
    box = (0.0, 0.0, 10.0, 10.0)
    rows = pd.concat([frame(box), frame(box, image="b"), frame(box, name="Bush"), frame(box, crowd=True)])
    assert duplicate_of(rows, 0.5).isna().all()


def test_no_boxes_have_no_repeats() -> None:
    assert duplicate_of(frame(), 0.5).empty
