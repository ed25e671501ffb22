from __future__ import annotations

import contextlib
import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.artifacts.tables import ANNOTATIONS, IMAGES
from tasks.ingest_labels.coco import Refused, as_id, path_in_delivery, read_coco
from tests.deliveries import box, coco, image

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
entries = st.lists(
    anything
    | st.fixed_dictionaries(
        {},
        optional={
            "id": st.sampled_from([1, 2, "1", 1.0]) | anything,
            "image_id": st.sampled_from([1, 2, "1"]) | anything,
            "file_name": st.sampled_from(["a.png", "./a.png", "a.png#1", "#1", "b/../c", ""]) | anything,
            "bbox": st.lists(anything, min_size=4, max_size=4) | anything,
            "category_id": anything,
            "name": anything,
            "width": anything,
            "group": anything,
        },
    ),
    max_size=6,
)


@settings(deadline=None)
@given(images=entries, annotations=entries, categories=entries)
def test_every_entry_becomes_one_row_whatever_is_in_it(images: list[Any], annotations: list[Any], categories: list[Any]) -> None:
    data = json.dumps({"images": images, "annotations": annotations, "categories": categories}).encode()
    rows = read_coco(data, "trees", "d1")
    assert pa.Table.from_pylist(rows.images, IMAGES).num_rows == len(images)
    assert pa.Table.from_pylist(rows.annotations, ANNOTATIONS).num_rows == len(annotations)
    keys = [row["image_key"] for row in rows.images]
    assert len(set(keys)) == len(keys)
    assert {row["image_key"] for row in rows.annotations} <= {None, *keys}
    assert not any(".." in path.split("/") or path.startswith("/") for path in rows.files.values())


@settings(deadline=None)
@given(st.binary() | anything.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(Refused):
        read_coco(data, "trees", "d1")


@pytest.mark.parametrize(
    ("given_id", "expected"),
    [(1, "1"), ("1", "1"), (1.0, "1"), (0, "0"), (" a ", "a"), ("", None), (1.5, None), (True, None), (None, None), ([1], None)],
)
def test_ids_are_one_text_whatever_their_type(given_id: object, expected: str | None) -> None:
    assert as_id(given_id) == expected


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/a", "C:\\a", "a\nb", "", ".", "//", None, 3])
def test_file_name_that_is_no_path_in_the_delivery_has_a_reason(name: object) -> None:
    path, why = path_in_delivery(name)
    assert path is None
    assert why


def test_file_listed_twice_is_one_image_for_its_labels() -> None:
    labels = coco([image(1, "a.png"), image(2, "./a.png")], [box(1, 1), box(2, 2)])
    rows = read_coco(json.dumps(labels).encode(), "trees", "d1")
    assert [row["image_key"] for row in rows.images] == ["trees/d1/a.png", "trees/d1/a.png#1"]
    assert [row["image_key"] for row in rows.annotations] == ["trees/d1/a.png", "trees/d1/a.png"]


def test_file_named_like_the_second_row_of_another_keeps_its_labels() -> None:
    labels = coco([image(1, "a"), image(2, "a"), image(3, "a#1")], [box(1, 3)])
    rows = read_coco(json.dumps(labels).encode(), "trees", "d1")
    (key,) = [row["image_key"] for row in rows.annotations]
    assert rows.files[key] == "a#1"


def test_annotation_is_kept_as_it_came() -> None:
    annotation = box(1, 1, score=0.5, segmentation=[[1, 2, 3]], attributes={"occluded": True})
    (row,) = read_coco(json.dumps(coco([image(1, "a.png")], [annotation])).encode(), "trees", "d1").annotations
    assert json.loads(row["raw"]) == json.loads(json.dumps(annotation))
    assert row["annotation_key"] == "d1#0"


@pytest.mark.parametrize(
    ("given_crowd", "expected"), [(1, True), (True, True), (0, False), (None, False), ("x", False), ([1], False)]
)
def test_crowd_flag_is_read(given_crowd: object, expected: bool) -> None:
    labels = coco([image(1, "a.png")], [box(1, 1, iscrowd=given_crowd)])
    (row,) = read_coco(json.dumps(labels).encode(), "trees", "d1").annotations
    assert row["is_crowd"] is expected
