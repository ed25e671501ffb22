from __future__ import annotations

from typing import Any

import pytest

from tasks.ingest_labels.conflicts import ConflictRule, decide
from tasks.ingest_labels.matching import match
from tasks.ingest_labels.rows import Row
from tests.tasks.ingest_labels.opinions import box, drawn_by

ABC = ("ann", "bob", "cat")


def decided(rule: ConflictRule, rows: list[Row], *people: str) -> dict[str, str]:
    """By annotation_key, why it does not stand."""
    drawn = drawn_by(rows, *people)
    aside = decide(drawn, match(drawn, 0.5), rows, rule)
    return {rows[row]["annotation_key"]: one.said for row, one in aside.items()}


THREE = [box("ann", 0), box("bob", 1), box("cat", 2), box("ann", 100), box("bob", 101), box("ann", 200)]


@pytest.mark.parametrize(
    ("rule", "stands"),
    [
        # bob@1 is closest to both others; of ann@100 and bob@101 the later in the batch; ann@200 has 1 of 3
        ("majority", {"bob@1", "bob@101"}),
        ("union", {"bob@1", "bob@101", "ann@200"}),
        ("intersection", {"bob@1"}),
        ("keep_all", {row["annotation_key"] for row in THREE}),
    ],
)
def test_one_box_of_each_object_stands_if_enough_drew_it(rule: ConflictRule, stands: set[str]) -> None:
    assert {row["annotation_key"] for row in THREE} - decided(rule, THREE, *ABC).keys() == stands


def test_reason_is_said_in_words() -> None:
    assert decided("majority", THREE, *ABC) == {
        "ann@0": "majority: same object as bob@1, which stands",
        "cat@2": "majority: same object as bob@1, which stands",
        "ann@100": "majority: same object as bob@101, which stands",
        "ann@200": "majority: 1 of 3",
    }


def test_tie_of_two_people_stands() -> None:
    assert decided("majority", [box("ann", 0)], "ann", "bob") == {}
    assert decided("intersection", [box("ann", 0)], "ann", "bob") == {"ann@0": "intersection: 1 of 2"}


def test_what_one_drew_stands_where_people_may_have_shared_the_picture() -> None:
    assert decided("majority", THREE) == {key: why for key, why in decided("majority", THREE, *ABC).items() if key != "ann@200"}
    assert "ann@200" not in decided("intersection", THREE)


def test_class_that_most_say_stands() -> None:
    rows = [box("ann", 0, "Tree"), box("bob", 1, "Bush"), box("cat", 0, "Tree")]
    assert decided("majority", rows, *ABC) == {
        "bob@1": "majority: class Bush by 1 of 3, Tree stands",
        "ann@0": "majority: same object as cat@0, which stands",
    }
    assert set(decided("intersection", rows, *ABC).values()) == {"intersection: classes Bush, Tree"}
    assert len(decided("intersection", rows, *ABC)) == 3


def test_of_classes_with_equal_votes_the_newest_stands() -> None:
    rows = [box("ann", 0, "Tree", drawn_at="2026-02-02T00:00:00Z"), box("bob", 0, "Bush", drawn_at="2026-02-01T00:00:00Z")]
    assert decided("majority", rows, "ann", "bob") == {"bob@0": "majority: class Bush by 1 of 2, Tree stands"}


def test_labels_of_who_drew_last_stand_whole() -> None:
    """In UTC, whatever the offset: bob's 12:30+02:00 is before ann's 11:00."""
    rows = [
        box("ann", 0, drawn_at="2026-02-01T11:00:00Z"), box("bob", 0, drawn_at="2026-02-01T12:30:00+02:00"),
        box("bob", 50, drawn_at="2026-02-01T09:00:00Z"), box("bob", 70, shape="points", drawn_at=None),
    ]  # fmt: skip
    why = "newest: the labels of ann stand"
    assert decided("newest", rows, "ann", "bob") == {"bob@0": why, "bob@50": why, "bob@70": why}


def test_newest_goes_object_by_object_where_people_may_have_shared_the_picture() -> None:
    rows = [box("ann", 0, drawn_at="2026-02-01"), box("bob", 1, drawn_at="2026-01-01"), box("bob", 50, drawn_at="2026-01-01")]
    assert decided("newest", rows) == {"bob@1": "newest: same object as ann@0, which stands"}


def test_time_that_is_none_is_long_ago() -> None:
    rows = [box("ann", 0, drawn_at="2026-02-01T11:00:00"), box("bob", 0, drawn_at="yesterday")]
    assert decided("newest", rows, "ann", "bob") == {"bob@0": "newest: the labels of ann stand"}


REVIEWED: dict[str, Any] = {"reviewer": "rea", "reviewed_at": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("rows", "aside"),
    [
        ([box("ann", 0), box("rea", 0), box("bob", 0, **REVIEWED)], {"ann@0", "bob@0"}),
        ([box("ann", 0, **REVIEWED), box("bob", 0)], {"bob@0"}),
        ([box("ann", 0, **REVIEWED), box("bob", 0, reviewer="rea", reviewed_at="2026-01-02T00:00:00Z")], {"ann@0"}),
    ],
    ids=["reviewer drew", "one was reviewed", "both were reviewed"],
)
def test_reviewer_wins(rows: list[Row], aside: set[str]) -> None:
    people = [row["annotator"] for row in rows]
    assert decided("reviewer_wins", rows, *people).keys() == aside


def test_majority_decides_where_nobody_reviewed() -> None:
    rows = [box("ann", 0), box("bob", 1), box("ann", 50)]
    assert decided("reviewer_wins", rows, *ABC) == {
        "ann@0": "reviewer_wins: nobody reviewed it; majority: same object as bob@1, which stands",
        "ann@50": "reviewer_wins: nobody reviewed it; majority: 1 of 3",
    }


@pytest.mark.parametrize(
    "more",
    [{"class_name": None}, {"width_px": 0.0}, {"x_px": float("nan")}, {"shape": "polyline"}, {"annotator": None}],
    ids=["no class", "no width", "no number", "polyline", "nobody's"],
)
def test_what_cannot_be_compared_is_left_to_validate_annotations(more: dict[str, Any]) -> None:
    rows = [box("ann", 0), box("bob", 0) | more | {"annotation_key": "odd"}, box("bob", 1)]
    assert decided("majority", rows, "ann", "bob") == {"ann@0": "majority: same object as bob@1, which stands"}
