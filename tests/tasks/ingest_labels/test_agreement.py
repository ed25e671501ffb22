"""Expected values: worked out beside the test, and published examples. scikit-learn's cohen_kappa_score gives the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from include.artifacts import Agreed
from tasks.ingest_labels.agreement import Measured, cohens_kappa, measure, nominal_alpha
from tasks.ingest_labels.matching import match
from tasks.ingest_labels.rows import Row
from tests.tasks.ingest_labels.opinions import box, drawn_by

# K. Krippendorff, Computing Krippendorff's alpha-reliability (2011), section C: four observers, twelve units, 0 is missing
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
    [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
]
# the example of Wikipedia's article: three coders, fifteen units
CODERS = [
    [0, 0, 0, 0, 0, 3, 4, 1, 2, 1, 1, 3, 3, 0, 3],
    [1, 0, 2, 1, 3, 3, 4, 3, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 2, 1, 3, 4, 4, 0, 2, 1, 1, 3, 3, 0, 4],
]


@pytest.mark.parametrize(("data", "expected"), [(OBSERVERS, 0.743), (CODERS, 0.691)], ids=["Krippendorff 2011", "Wikipedia"])
def test_alpha_is_as_published(data: list[list[int]], expected: float) -> None:
    table = np.array(data)
    unit = np.nonzero(table)[1]
    assert nominal_alpha(unit, table[table > 0]) == pytest.approx(expected, abs=0.0005)


@pytest.mark.parametrize(
    ("unit", "value"), [([], []), ([0, 1], [1, 2]), ([0, 0, 1, 1], [1, 1, 1, 1])], ids=["nothing", "nobody twice", "one value"]
)
def test_alpha_says_nothing_where_nothing_can_be_said(unit: list[int], value: list[int]) -> None:
    assert nominal_alpha(np.array(unit, np.int64), np.array(value, np.int64)) is None


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        # both yes, first alone, second alone, both no. 35 of 50 alike; by chance 0.5 · 0.6 + 0.5 · 0.4 = 0.5
        ((20, 5, 10, 15), 0.4),
        ((45, 15, 25, 15), 0.1304),  # 0.6 alike, 0.6 · 0.7 + 0.4 · 0.3 = 0.54 by chance
        ((25, 35, 5, 35), 0.2593),  # 0.6 alike, 0.6 · 0.3 + 0.4 · 0.7 = 0.46
        ((5, 0, 0, 5), 1),
        ((0, 5, 5, 0), -1),
    ],
)
def test_kappa_is_agreement_beyond_chance(table: tuple[int, int, int, int], expected: float) -> None:
    one, other = np.repeat([1, 1, 0, 0], table), np.repeat([1, 0, 1, 0], table)
    assert cohens_kappa(one, other) == pytest.approx(expected, abs=0.00005)


def test_kappa_says_nothing_of_one_class_or_of_nothing() -> None:
    assert cohens_kappa(np.array([3, 3]), np.array([3, 3])) is None
    assert cohens_kappa(np.zeros(0, np.int64), np.zeros(0, np.int64)) is None


def measured(rows: list[Row], *people: str, **more: Any) -> Measured:
    drawn = drawn_by(rows, *people, **more)
    return measure(drawn, match(drawn, 0.5))


TWO = [box("ann", 0), box("ann", 100), box("ann", 200, "Bush"), box("bob", 0), box("bob", 102, "Bush")]


def test_two_people_in_all_by_class_and_by_person() -> None:
    """ann: Tree, Tree, Bush; bob: Tree in the first place, Bush in the second (overlap 8/12), nothing in the third.

    Classes where both drew: Tree Tree, Tree Bush. kappa: 1/2 alike, 1 · 1/2 + 0 by chance. alpha: of four values three are Tree;
    2 of 4 agree, by chance 3 · 2 / 3 = 2.
    """
    found = measured(TWO, "ann", "bob")
    assert found.overall == Agreed(boxes=5, matched=2, found=0.8, mean_iou=0.8333, kappa=0, alpha=0)
    assert found.by_class["Tree"] == Agreed(boxes=3, matched=1, found=0.6667, mean_iou=1, kappa=0, alpha=0)
    assert found.by_class["Bush"] == Agreed(boxes=2, matched=0, found=0, mean_iou=None, kappa=0, alpha=0)
    assert found.by_person["ann"] == Agreed(boxes=3, matched=2, found=0.8, mean_iou=0.8333, kappa=0, alpha=0)
    assert found.by_person["bob"].boxes == 2


def test_where_people_may_have_shared_the_picture_nobody_missed_anything() -> None:
    found = measured(TWO)
    assert (found.overall.found, found.by_person["bob"].found, found.by_class["Tree"].found) == (None, None, None)
    assert (found.overall.matched, found.overall.mean_iou, found.overall.kappa) == (2, 0.8333, 0)


def test_people_who_labelled_apart_missed_what_they_did_not_draw() -> None:
    assert measured(TWO, labelled_apart=True).overall.found == 0.8


def test_who_saw_nothing_disagrees_with_every_box() -> None:
    """ann and bob drew the same box, cat none: of the pairs' 2 + 1 + 1 boxes 2 were found by the other."""
    found = measured([box("ann", 0), box("bob", 0)], "ann", "bob", "cat")
    assert found.overall.found == 0.5
    assert found.by_person["ann"].found == 0.6667  # beside bob 2 of 2, beside cat 0 of 1
    assert found.by_person["cat"] == Agreed(boxes=0, matched=0, found=0)


def test_kappa_of_three_people_is_the_mean_of_their_pairs() -> None:
    """ann and bob agree: 1. cat has the other class each time: 0 alike, 1/2 by chance: -1, twice. Weights are equal."""
    rows = [box("ann", 0), box("ann", 50, "Bush"), box("bob", 0), box("bob", 50, "Bush"), box("cat", 0, "Bush"), box("cat", 50)]
    found = measured(rows, "ann", "bob", "cat")
    assert found.overall.kappa == pytest.approx((1 - 1 - 1) / 3, abs=0.0001)
    assert found.by_person["ann"].kappa == 0
    assert found.by_person["cat"].kappa == -1
    # in each object 1 of 3 pairs of values agrees: 2 of 6 of its values; by chance 2 · 3 · 2 / 5 = 2.4 of 6
    assert found.overall.alpha == pytest.approx(1 - (6 - 2) / (6 - 2.4), abs=0.0001)


def test_single_class_has_no_kappa_and_still_tells_who_missed_what() -> None:
    found = measured([box("ann", 0), box("ann", 50), box("bob", 1)], "ann", "bob").overall
    assert found == Agreed(boxes=3, matched=1, found=0.6667, mean_iou=0.8182)
