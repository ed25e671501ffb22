from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.validate_annotations.repeats import BOX, ID, repeated_boxes, repeated_ids

Box = tuple[float, float, float, float]


def boxes(*some: Box, image: int = 0, kind: int = 0, first: int = 0) -> Any:
    return np.array([(first + row, image, kind, *box, 0, 0) for row, box in enumerate(some)], dtype=BOX)


def repeats(records: Any, max_iou: float) -> dict[int, int]:
    rows, of = repeated_boxes(records, max_iou)
    return dict(zip(rows.tolist(), of.tolist(), strict=True))


@pytest.mark.parametrize(
    ("one", "other", "iou"),
    [((0, 0, 10, 10), (0, 0, 10, 10), 1.0), ((0, 0, 10, 10), (5, 0, 10, 10), 50 / 150), ((0, 0, 10, 10), (2, 2, 5, 4), 20 / 100)],
    ids=["same", "half", "inside"],
)
def test_boxes_repeat_when_shared_area_over_joint_area_is_above_the_threshold(one: Box, other: Box, iou: float) -> None:
    assert repeats(boxes(one, other), iou - 0.01) == {1: 0}
    assert repeats(boxes(other, one), iou - 0.01) == {1: 0}
    assert repeats(boxes(one, other), min(1.0, iou + 0.01)) == ({} if iou < 1 else repeats(boxes(one, other), 1.0))


@pytest.mark.parametrize("other", [(10, 0, 10, 10), (20, 20, 5, 5)], ids=["touching", "apart"])
def test_boxes_that_share_nothing_are_no_repeat(other: Box) -> None:
    assert repeats(boxes((0, 0, 10, 10), other), 0.01) == {}


def test_in_a_chain_every_second_box_stays() -> None:
    # neighbours overlap by 9/11 = 0.82, those two apart by 8/12 = 0.67
    assert repeats(boxes((0, 0, 10, 10), (1, 0, 10, 10), (2, 0, 10, 10), (3, 0, 10, 10)), 0.7) == {1: 0, 3: 2}


def test_copy_of_a_repeat_repeats_what_stands() -> None:
    assert repeats(boxes((0, 0, 10, 10), (1, 0, 10, 10), (1, 0, 10, 10)), 0.7) == {1: 0, 2: 0}


def test_box_is_named_that_overlaps_most() -> None:
    # of the two that stand, 0.67 apart, the last overlaps the second by 19/21 and the first by 17/23
    assert repeats(boxes((0, 0, 20, 20), (4, 0, 20, 20), (3, 0, 20, 20)), 0.7) == {2: 1}


def test_same_place_in_another_image_or_of_another_kind_is_no_repeat() -> None:
    box = (0.0, 0.0, 10.0, 10.0)
    assert repeats(np.concatenate([boxes(box), boxes(box, image=1, first=1), boxes(box, kind=1, first=2)]), 0.5) == {}


def test_no_boxes_have_no_repeats() -> None:
    assert repeats(boxes(), 0.5) == {}


def one_by_one(records: Any, max_iou: float) -> dict[int, int]:
    """The rule as it is told: in order, each box beside those that are kept."""
    kept: list[Any] = []
    found = {}
    for one in records:
        best, of = max_iou, None
        for other in kept:
            if (one["image"], one["kind"]) == (other["image"], other["kind"]):
                sides = [
                    min(one[at] + one[side], other[at] + other[side]) - max(one[at], other[at])
                    for at, side in (("x", "width"), ("y", "height"))
                ]
                shared = max(0, sides[0]) * max(0, sides[1])
                iou = shared / (one["width"] * one["height"] + other["width"] * other["height"] - shared)
                if iou > best:
                    best, of = iou, other["row"]
        if of is None:
            kept.append(one)
        else:
            found[int(one["row"])] = int(of)
    return found


side = st.integers(1, 6).map(float)
place = st.integers(0, 4).map(float)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), place, place, side, side), max_size=14),
    st.sampled_from([0.3, 0.6, 0.95]),
)
def test_sorted_blocks_find_what_one_by_one_finds(rows: list[Any], max_iou: float) -> None:
    records = np.array([(at, *row, 0, 0) for at, row in enumerate(rows)], dtype=BOX)
    assert repeats(records, max_iou) == one_by_one(records, max_iou)


def test_first_of_an_id_in_its_delivery_stands() -> None:
    rows = [(0, 0, 0, 7, 7), (1, 0, 1, 7, 7), (2, 0, 0, 7, 7), (3, 0, 0, 7, 8), (4, 0, 0, 7, 7)]
    again, of = repeated_ids(np.array(rows, dtype=ID))
    assert dict(zip(again.tolist(), of.tolist(), strict=True)) == {2: 0, 4: 0}
