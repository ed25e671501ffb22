"""Each rule by hand: which rows break it, and in which words."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely

from include.checks.batch_checks import psi, robust_z
from include.checks.catalogue import RULES
from include.checks.checks import CHECKS
from include.checks.expectations import OWN
from include.checks.mask_checks import misfit_of
from include.checks.polygon_checks import polygons

NAN, INF = float("nan"), float("inf")


def test_every_rule_has_a_check_and_an_expectation() -> None:
    assert CHECKS.keys() == OWN.keys() == {rule.name for rule in RULES}
    assert {rule.name for rule in RULES if "repair" in rule.actions} == {name for name, check in CHECKS.items() if check.repair}


def broken(name: str, rows: dict[str, Any], **told: Any) -> list[bool]:
    rule = next(rule for rule in RULES if rule.name == name)
    words = ("shape", "class_name", "conflict", "attributes", "guideline")
    frame = pd.DataFrame({key: pd.Categorical(value) if key in words else value for key, value in rows.items()})
    return [bool(one) for one in CHECKS[name].broken(frame, rule.parameters.model_validate(told))]


def boxes(*some: tuple[float, ...], **more: Any) -> dict[str, Any]:
    sides = dict(zip(("x_px", "y_px", "width_px", "height_px"), map(list, zip(*some, strict=True)), strict=True))
    return {**sides, **{key: [value] * len(some) for key, value in more.items()}}


IN_IMAGE = {"real_width_px": 64.0, "real_height_px": 48.0}


@pytest.mark.parametrize(
    ("name", "rows", "told", "expected"),
    [
        ("image_present", {"is_missing": [True, False]}, {}, [True, False]),
        ("image_readable", {"is_damaged": [False, True]}, {}, [False, True]),
        (
            "image_size_as_stated",
            {"width_px": [64.0, 64, NAN], "height_px": [48.0, 47, 48], "real_width_px": 64.0, "real_height_px": 48.0},
            {},
            [False, True, False],
        ),
        (
            "image_has_tags",
            {"attributes": ['{"licence": "MIT"}', '{"licence": ""}', '{"site": "n"}', None]},
            {"tags": ["licence"]},
            [False, True, True, True],
        ),
        ("image_unique", {"same_image_as": [-1, 0]}, {}, [False, True]),
        ("image_has_labels", {"boxes": [0, 1]}, {}, [True, False]),
        ("known_image", {"image_at": [0, -1]}, {}, [False, True]),
        ("shape_has_a_box", {"shape": ["box", "tag", None, "mask"]}, {"shapes": ["box"]}, [False, True, False, True]),
        ("box_finite", boxes((0, 0, 1, 1), (NAN, 0, 1, 1), (0, INF, 1, 1), (0, 0, 1, -INF)), {}, [False, True, True, True]),
        ("box_positive_area", boxes((0, 0, 1, 1), (0, 0, 0, 1), (0, 0, 1, -1), (0, 0, NAN, 1)), {}, [False, True, True, False]),
        (
            "box_inside_image",
            boxes(
                (0, 0, 64, 48), (-0.5, 0, 64.5, 48), (-0.6, 0, 4, 4), (60, 0, 4.6, 4), (0, 40, 4, 8.5), (0, 40, 4, 9), **IN_IMAGE
            ),
            {},
            [False, False, True, True, False, True],
        ),
        ("box_min_side", boxes((0, 0, 2, 2), (0, 0, 1.9, 9), (0, 0, 9, 1.9)), {"min_side_px": 2}, [False, True, True]),
        ("box_max_aspect_ratio", boxes((0, 0, 20, 1), (0, 0, 1, 21), (0, 0, 5, 0)), {}, [False, True, False]),
        ("known_class", {"class_name": ["Tree", "Bush", None]}, {"classes": ["Tree"]}, [False, True, True]),
        ("annotators_agree", {"conflict": [None, "another stands"]}, {}, [False, True]),
        (
            "known_attributes",
            {"attributes": [None, '{"occluded": true}', '{"occluded": 2}', '{"note": "x"}', '{"colour": 1}']},
            {"values": {"occluded": [True, False], "colour": []}},
            [False, False, True, True, False],
        ),
        (
            "crowd_is_a_mask",
            {
                "is_crowd": [True, True, False, True],
                "shape": ["mask", None, None, "mask"],
                "is_misfit": [False, False, False, True],
            },
            {},
            [False, True, False, True],
        ),
        ("guideline_version", {"guideline": ["2", "1", None]}, {"versions": ["2", "3"]}, [False, True, True]),
        ("unique_annotation_id", {"same_id_as": [-1, 0]}, {}, [False, True]),
        ("no_duplicate_box", {"same_box_as": [-1, 0]}, {}, [False, True]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rule_is_broken_where_it_says(name: str, rows: dict[str, Any], told: dict[str, Any], expected: list[bool]) -> None:
    assert broken(name, rows, **told) == expected


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ({"counts": [0, 480, 2592], "size": [48, 64]}, None),
        ({"counts": "0`?0", "size": [48, 64]}, "run lengths of 496 pixels for 64×48"),
        ({"counts": "042", "size": [2, 3]}, None),
        ({"counts": [1, 2, 3], "size": [48, 64]}, "run lengths of 6 pixels for 64×48"),
        ({"counts": [7, -1], "size": [2, 3]}, "counts that are no run lengths"),
        ({"counts": [6.0], "size": [2, 3]}, "counts that are no run lengths"),
        ({"counts": None, "size": [2, 3]}, "counts that are no run lengths"),
        ({"counts": "é", "size": [2, 3]}, "counts that cannot be read"),
        ({"counts": "`" * 1_000_000, "size": [2, 3]}, "counts that cannot be read: a run length of more than 12 characters"),
        ({"counts": [6], "size": None}, "size null, expected height and width"),
        ({"counts": [6], "size": [2, 3, 1]}, "size [2, 3, 1], expected height and width"),
        ({"counts": [0], "size": [0, 3]}, "size [0, 3], expected height and width"),
        ([1, 2, 3], None),
        (None, None),
    ],
    ids=["fills it", "text too short", "text", "too few", "negative", "fractions", "no counts", "not ASCII", "endless", "no size",
         "three", "empty", "of a service", "no run lengths"],
)  # fmt: skip
def test_run_lengths_fill_the_size_that_a_mask_states(runs: Any, expected: str | None) -> None:
    found = misfit_of(json.dumps({"rle": runs}))
    assert (found is None) if expected is None else (found or "").startswith(expected), found


SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10]]
BOW_TIE = [[0, 0], [10, 10], [10, 0], [0, 10]]
HOLE = [[2, 2], [2, 4], [4, 4], [4, 2]]


def drawn(*shapes: dict[str, Any] | None) -> np.ndarray[Any, Any]:
    return polygons(np.array([None if one is None else json.dumps(one) for one in shapes], dtype=object))


def test_polygon_is_read_with_holes_and_parts_and_flat() -> None:
    made = drawn(
        {"rings": [SQUARE, HOLE]}, None, {"parts": [[SQUARE], [[[20, 0], [30, 0], [20, 10]]]]}, {"flat": [[0, 0, 4, 0, 0, 4]]}
    )
    assert [None if one is None else shapely.area(one) for one in made] == [96, None, 150, 8]


def test_polygon_with_a_number_that_is_none_is_read_beside_others() -> None:
    made = drawn({"rings": [[[0, 0], [4, float("nan")], [0, 4]]]}, {"flat": [[0, 0, 4, 0, 0, 4]]}, {"rings": [SQUARE], "size": 3})
    assert [shapely.is_valid(one) for one in made] == [False, True, True]
    assert shapely.area(made[1:]).tolist() == [8, 100]


@pytest.mark.parametrize(
    ("shape", "is_broken"),
    [
        ({"rings": [SQUARE]}, False), ({"rings": [BOW_TIE]}, True), ({"rings": [[[0, 0], [1, 1]]]}, True), ({"rings": []}, True),
        (None, False), ({"parts": [[SQUARE], [SQUARE]]}, False),
    ],
    ids=["square", "bow tie", "two corners", "nothing", "no polygon", "parts that overlap"],
)  # fmt: skip
def test_polygon_is_valid_unless_it_crosses_itself_or_has_no_ring(shape: dict[str, Any] | None, is_broken: bool) -> None:
    frame = {"polygon": drawn(shape, {"rings": [SQUARE]})}
    assert broken("polygon_valid", frame) == [is_broken, False]


def test_box_matches_its_polygon_by_overlap() -> None:
    square = {"rings": [SQUARE]}
    rows = boxes((0, 0, 10, 10), (0, 0, 10, 8), (0, 0, 10, 7.9), (5, 5, 10, 10)) | {
        "polygon": drawn(square, square, square, None)
    }
    assert broken("box_matches_polygon", rows) == [False, False, True, False]


def test_area_is_of_the_polygon_else_of_the_box() -> None:
    rows = boxes((0, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 10)) | {
        "polygon": drawn({"rings": [SQUARE, HOLE]}, None, None, None), "shape": ["polygon", "box", "mask", "box"],
        "raw": ['{"area": 96.0}', '{"area": 111}', '{"area": 5}', "{}"],
    }  # fmt: skip
    assert broken("area_as_stated", rows) == [False, True, False, False]


def repaired(name: str, rows: dict[str, Any], **told: Any) -> list[list[float]]:
    rule, repair = next(rule for rule in RULES if rule.name == name), CHECKS[name].repair
    assert repair is not None
    return [list(row) for row in repair(pd.DataFrame(rows), rule.parameters.model_validate(told)).to_numpy().tolist()]


def test_corners_in_the_wrong_order_are_put_in_order() -> None:
    assert repaired("box_positive_area", boxes((10, 5, -4, 6), (10, 5, 4, -3))) == [[6, 5, 4, 6], [10, 2, 4, 3]]


def test_box_is_cut_off_at_the_edge_while_enough_is_left() -> None:
    rows = boxes((-2, 40, 10, 20), (60, 0, 10, 10), (70, 0, 4, 4), **IN_IMAGE)
    # 8×8 of 10×20 are kept: 0.32; 4×10 of 10×10: 0.4; nothing of the last
    assert repaired("box_inside_image", rows, min_kept_share=0.4) == [[-2, 40, 10, 20], [60, 0, 4, 10], [70, 0, 4, 4]]


def test_psi_is_the_sum_over_classes() -> None:
    # (0.5 - 0.8) ln(0.5 / 0.8) + (0.5 - 0.2) ln(0.5 / 0.2) = 0.14100 + 0.27489
    assert psi({"a": 50, "b": 50}, {"a": 80, "b": 20}) == pytest.approx(0.41589, abs=1e-5)
    assert psi({"a": 5}, {"a": 900}) == 0
    assert 0 < psi({"a": 100}, {"a": 100, "b": 1}) < 0.1


def test_class_balance_is_asked_of_enough_boxes() -> None:
    rows = {"psi": [0.3, 0.3, 0.25], "boxes_now": [200, 199, 900], "boxes_then": [200, 900, 900]}
    assert broken("class_balance", rows) == [True, False, False]


def test_counts_are_compared_both_ways() -> None:
    rows = {
        "per_image_now": [6.1, 6.0, 1.0, 0.0],
        "per_image_then": [2.0, 2.0, 3.1, 2.0],
        "images_now": [30] * 4,
        "images_then": [30] * 4,
    }
    assert broken("counts_against_parent", rows) == [True, False, True, True]
    assert broken("counts_against_parent", rows, min_images=31) == [False] * 4


def test_robust_z_is_not_moved_by_the_outlier() -> None:
    # median 3, distances 1 0 1 0 97: their median 1
    z = robust_z(np.array([2.0, 3, 4, 3, 100]), 0.01)
    assert z[4] == pytest.approx(97 / 1.4826)
    assert robust_z(np.array([1.0, 1, 1, 1.1]), 0.05).tolist() == pytest.approx([0, 0, 0, 2])


def people(*per_image: float, boxes: int = 50) -> dict[str, list[float]]:
    count = len(per_image)
    return {
        "boxes": [boxes] * count,
        "boxes_per_image": list(per_image),
        "log_area": [5.0] * count,
        "rejected_share": [0.0] * count,
    }


def test_annotator_who_draws_unlike_the_others_is_found() -> None:
    assert broken("annotator_outliers", people(5, 5, 5.1, 4.9, 1)) == [False, False, False, False, True]
    assert broken("annotator_outliers", people(5, 5, 5.1, 1)) == [False] * 4  # too few others
    assert broken("annotator_outliers", people(5, 5, 5.1, 4.9, 1, boxes=49)) == [False] * 5
    assert broken("job_outliers", people(5, 5, 5, 5, 9)) == [False, False, False, False, True]
