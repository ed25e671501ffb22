from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.ingest_labels.answers import Drawn
from tasks.ingest_labels.matching import iou, match
from tasks.ingest_labels.rows import Row
from tests.tasks.ingest_labels.opinions import box, drawn_by


def pairs(rows: list[Row], drawn: Drawn, min_iou: float = 0.5) -> dict[tuple[str, str], float]:
    matches = match(drawn, min_iou)
    name = [rows[row]["annotation_key"] for row in drawn.row]
    ends = zip(matches.first, matches.second, matches.iou, strict=True)
    return {(name[first], name[second]): pytest.approx(overlap) for first, second, overlap in ends}


def things(rows: list[Row], drawn: Drawn) -> set[frozenset[str]]:
    thing = match(drawn, 0.5).thing
    return {frozenset(rows[row]["annotation_key"] for row in drawn.row[thing == one]) for one in set(thing.tolist())}


def test_same_object_is_what_overlaps_enough() -> None:
    rows = [box("ann", 0), box("ann", 100), box("bob", 2), box("bob", 104)]  # 8/12 and 6/14
    assert pairs(rows, drawn_by(rows)) == {("ann@0", "bob@2"): 8 / 12}


def test_rivals_are_assigned_so_that_most_is_matched() -> None:
    # taking the closest two first, ann@0 and bob@1 (9/11), leaves bob@-3 and ann@3 alone: 4/16
    rows = [box("ann", 0), box("ann", 3), box("bob", 1), box("bob", -3)]
    assert pairs(rows, drawn_by(rows)) == {("ann@0", "bob@-3"): 7 / 13, ("ann@3", "bob@1"): 8 / 12}


def test_box_of_the_same_class_goes_before_one_that_is_closer() -> None:
    rows = [box("ann", 0, "Tree"), box("bob", 0, "Bush"), box("bob", 2, "Tree")]
    assert pairs(rows, drawn_by(rows)) == {("ann@0", "bob@2"): 8 / 12}


def test_same_object_of_two_classes_is_matched_where_nothing_better_is() -> None:
    rows = [box("ann", 0, "Tree"), box("bob", 0, "Bush")]
    assert pairs(rows, drawn_by(rows)) == {("ann@0", "bob@0"): 1}


def test_crowd_is_not_the_object_that_it_covers() -> None:
    rows = [box("ann", 0), box("bob", 0, is_crowd=True)]
    assert pairs(rows, drawn_by(rows)) == {}


def test_other_pictures_are_other_objects() -> None:
    from tasks.ingest_labels.answers import drawn, sittings
    from tests.tasks.ingest_labels.opinions import picture

    rows = [box("ann", 0), box("bob", 50), box("ann", 50, image_key="j"), box("bob", 0, image_key="j")]
    drew = [(row["image_key"], row["annotator"]) for row in rows]
    found = sittings([picture("i"), picture("j", md5="m2")], drew, labelled_apart=False)
    assert pairs(rows, drawn(found, rows)) == {}


def test_object_of_three_people_needs_no_two_to_see_it_in_the_very_same_place() -> None:
    rows = [box("ann", 0), box("bob", 3), box("cat", 6), box("cat", 50)]  # ann and cat: 4/16
    assert things(rows, drawn_by(rows)) == {frozenset({"ann@0", "bob@3", "cat@6"}), frozenset({"cat@50"})}


def test_of_one_object_nobody_has_two_boxes() -> None:
    # bob@2 is closest to ann@1 and to cat@3; ann@4 is cat@5's, and bob has nothing there
    rows = [box("ann", 1), box("ann", 4), box("bob", 2), box("cat", 3), box("cat", 5)]
    assert things(rows, drawn_by(rows)) == {frozenset({"ann@1", "bob@2", "cat@3"}), frozenset({"ann@4", "cat@5"})}


def test_nothing_drawn_matches_nothing() -> None:
    drawn = drawn_by([], "ann", "bob")
    assert len(drawn) == 0
    assert len(match(drawn, 0.5).thing) == 0


def test_thousands_of_boxes_in_a_picture_are_compared_piece_by_piece() -> None:
    rows = [box(person, 8.0 * x) for person in ("ann", "bob") for x in range(1500)]
    matches = match(drawn_by(rows), 0.5)
    assert matches.iou.tolist() == [1.0] * 1500


places = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 25), st.sampled_from(["Tree", "Bush"])), min_size=1, max_size=9
)


@given(places)
def test_matches_are_the_best_of_all_and_objects_have_one_box_a_person(drawings: list[tuple[str, int, str]]) -> None:
    rows = [box(person, x, name) for person, x, name in drawings]
    drawn = drawn_by(rows, "a", "b", "c")
    matches = match(drawn, 0.5)
    worth = iou(drawn.boxes_px, drawn.boxes_px)
    worth = np.where(worth >= 0.5, worth + (drawn.label[:, None] == drawn.label[None, :]), 0)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        ours, theirs = np.flatnonzero(drawn.person == one), np.flatnonzero(drawn.person == other)
        small, large = sorted((ours, theirs), key=len)
        best = max(sum(worth[a, b] for a, b in zip(small, order, strict=False)) for order in permutations(large, len(small)))
        rows_of = (drawn.person[matches.first] == one) & (drawn.person[matches.second] == other)
        assert sum(worth[matches.first[rows_of], matches.second[rows_of]]) == pytest.approx(best)
        assert len(set(matches.first[rows_of].tolist())) == len(set(matches.second[rows_of].tolist())) == rows_of.sum()
    for thing in set(matches.thing.tolist()):
        people = drawn.person[matches.thing == thing].tolist()
        assert len(people) == len(set(people))
