from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from include.artifacts import Agreement
from include.artifacts.tables import ANNOTATIONS, IMAGES
from tasks.ingest_labels.config import IngestLabels
from tasks.ingest_labels.consensus import consensus as of_tables
from tasks.ingest_labels.rows import Row
from tests.tasks.ingest_labels.opinions import box, picture


def config(**more: Any) -> IngestLabels:
    return IngestLabels(source="trees", prefix="inbox/trees", **more)


def consensus(images: list[Row], rows: list[Row], config: IngestLabels) -> tuple[list[Row], Agreement | None]:
    """Of rows, instead of tables."""
    tables = pa.Table.from_pylist(images, IMAGES), pa.Table.from_pylist(rows, ANNOTATIONS)
    judged, agreement = of_tables(*tables, config)
    assert judged.schema == ANNOTATIONS
    return judged.to_pylist(), agreement


def as_rows(rows: list[Row]) -> list[Row]:
    """With null for what they do not say."""
    return [dict.fromkeys(ANNOTATIONS.names) | row for row in rows]


def standing(rows: Any) -> list[tuple[str, str]]:
    return [(row["annotation_key"], row["image_key"]) for row in rows if row.get("conflict") is None]


@pytest.mark.parametrize(
    ("images", "rows"),
    [
        ([picture("i")], [box("ann", 0), box("ann", 1), box(None, 1)]),
        ([picture("i", md5="m1"), picture("j", md5="m2")], [box("ann", 0), box("bob", 0, image_key="j")]),
        ([{"image_key": "i", "md5": None, "delivery": "d"}], [box("ann", 0), box("bob", 0)]),
        ([picture("i")], [box("ann", 0), box("bob", 0, image_key=None)]),
    ],
    ids=["one person", "other pictures", "no such file", "no such image"],
)
def test_without_two_people_on_a_picture_nothing_is_compared(images: list[Row], rows: list[Row]) -> None:
    assert consensus(images, rows, config()) == (as_rows(rows), None)


def test_two_boxes_on_one_object_do_not_both_teach_unless_the_team_says_so() -> None:
    rows = [box("ann", 0), box("bob", 1)]
    judged, agreement = consensus([picture("i")], rows, config())
    assert standing(judged) == [("bob@1", "i")]
    assert agreement is not None
    assert (agreement.rule, agreement.images, agreement.objects) == ("majority", 1, 1)
    assert agreement.set_aside == {"another box of the same object stands": 1}
    judged, agreement = consensus([picture("i")], rows, config(conflicts="keep_all"))
    assert judged == as_rows(rows)
    assert agreement is not None
    assert (agreement.set_aside, agreement.overall.matched) == ({}, 1)


def test_nothing_is_lost_and_rows_keep_their_order() -> None:
    rows = [box("ann", 0), box("bob", 1), box("cat", 0), box(None, 0), box("ann", 70, shape="tag")]
    judged, _ = consensus([picture("i", "ann", "bob", "cat")], rows, config())
    assert [row["annotation_key"] for row in judged] == [row["annotation_key"] for row in rows]
    assert [row["conflict"] for row in judged].count(None) == 3


TWICE = [picture("d1/i", delivery="d1"), picture("d2/i", delivery="d2")]


def test_people_who_labelled_a_picture_in_different_deliveries_are_compared_on_the_one_that_stands() -> None:
    """validate_annotations keeps the picture of the later delivery: what stands must be there, and what was set aside too."""
    rows = [box("ann", 0, image_key="d1/i"), box("ann", 50, image_key="d1/i"), box("bob", 1, image_key="d2/i")]
    judged, agreement = consensus(TWICE, rows, config())
    assert standing(judged) == [("ann@50", "d2/i"), ("bob@1", "d2/i")]
    assert {row["image_key"] for row in judged} == {"d2/i"}
    assert agreement is not None
    assert agreement.overall.found == 0.6667


def test_person_who_labelled_a_picture_again_is_not_their_own_opponent() -> None:
    rows = [box("ann", 0, image_key="d1/i"), box("ann", 1, image_key="d2/i")]
    assert consensus(TWICE, rows, config()) == (as_rows(rows), None)
    rows.append(box("bob", 1, image_key="d2/i"))
    judged, agreement = consensus(TWICE, rows, config())
    assert judged[0] == as_rows(rows)[0]  # goes with its picture, as in a batch before
    assert agreement is not None
    assert agreement.overall.boxes == 2


def test_of_a_picture_twice_in_a_delivery_the_first_stands() -> None:
    images = [picture("i-ann"), picture("i-bob")]
    judged, _ = consensus(images, [box("ann", 0, image_key="i-ann"), box("bob", 50, image_key="i-bob")], config())
    assert standing(judged) == [("ann@0", "i-ann"), ("bob@50", "i-ann")]


def test_hundred_thousand_boxes_take_seconds() -> None:
    """About 3 s of this processor; ten times as much is a mistake in the method."""
    numbers = np.random.default_rng(0)
    images = [picture(str(one), "ann", "bob", "cat", md5=str(one)) for one in range(2000)]
    rows = []
    for one in range(2000):
        truth = np.column_stack([numbers.uniform(0, 1000, (17, 2)), numbers.uniform(20, 120, (17, 2))])
        names = numbers.integers(0, 80, 17)
        for person in ("ann", "bob", "cat"):
            for (x, y, width, height), name in zip(truth + numbers.normal(0, 2, (17, 4)), names, strict=True):
                sides = {"x_px": x, "y_px": y, "width_px": width, "height_px": height}
                rows.append(box(person, 0, str(name), str(one)) | sides)
    started = time.process_time()
    _, agreement = consensus(images, rows, config())
    assert time.process_time() - started < 30
    assert agreement is not None
    assert agreement.overall.boxes == 102_000
    assert agreement.overall.found == pytest.approx(1, abs=0.02)
