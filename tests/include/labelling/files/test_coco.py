from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.labelling.drawn import plain
from include.labelling.files import coco_columns
from include.labelling.files.coco import read_coco
from include.labelling.files.coco_shapes import annotation_of, columns_of_any
from include.labelling.files.values import as_id, path_in_delivery
from include.labelling.items import Labelled, Refused, Shape
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


def read(labels: Any) -> Labelled:
    return read_coco(json.dumps(labels).encode())


def only_shape(labels: Any) -> Shape:
    (shape,) = [*read(labels).strays, *(shape for picture in read(labels).pictures for shape in picture.shapes)]
    return shape


@given(images=entries, annotations=entries, categories=entries)
def test_every_entry_becomes_one_picture_or_shape_whatever_is_in_it(
    images: list[Any], annotations: list[Any], categories: list[Any]
) -> None:
    labelled = read({"images": images, "annotations": annotations, "categories": categories})
    assert len(labelled.pictures) == len(images)
    shapes = [*labelled.strays, *(shape for picture in labelled.pictures for shape in picture.shapes)]
    assert len(shapes) == len(annotations)
    names = [picture.name for picture in labelled.pictures]
    assert len(set(names)) == len(names)
    addresses = [picture.address for picture in labelled.pictures if picture.address is not None]
    assert not any(".." in path.split("/") or path.startswith("/") for path in addresses)
    for shape in shapes:  # what a Parquet file of UTF-8 can hold
        (shape.raw + str(shape.class_name) + str(shape.geometry) + str(shape.attributes)).encode()


ring = st.lists(st.sampled_from([0, 1.5, 30.25, 4, 9]), min_size=3, max_size=9)
pairs = st.lists(st.sampled_from([0, 1.5, 30.25, -4, 9]), min_size=3, max_size=6).map(lambda side: [*side, *side])
segmentations = (
    st.lists(pairs, min_size=1, max_size=3) | st.lists(ring, max_size=3) | st.just({"counts": "abc", "size": [48, 64]}) | anything
)
sides = st.lists(st.sampled_from([0, 1, 2.5, -3.0, 1e300]), min_size=4, max_size=4)
like_public = st.fixed_dictionaries(
    {"id": st.integers(-3, 9), "image_id": st.integers(0, 3), "category_id": st.integers(0, 2), "bbox": sides},
    optional={"segmentation": segmentations, "iscrowd": st.sampled_from([0, 1, 2]), "area": st.just(3.5)},
)
odd = st.fixed_dictionaries(
    {"id": st.integers(0, 9)},
    optional={
        "image_id": st.sampled_from([1, "2", 3.0, None]), "category_id": st.sampled_from([1, "1", 1.5]), "bbox": sides | anything,
        "segmentation": segmentations, "iscrowd": st.sampled_from([0, 1, True, "1", None]), "annotator": st.just("ann"),
        "attributes": st.just({"rotation": 30.0, "occluded": True}), "keypoints": st.just([1, 2, 2]), "job": st.just(7),
    },
)  # fmt: skip


def columns_of(raws: list[msgspec.Raw], classes: dict[str, str]) -> dict[str, list[Any]]:
    """In their order, as they are of no image."""
    columns, _ = coco_columns.columns_of(raws, classes, {}, 0)
    (part,) = columns.parts(0, len(raws))
    return {name: plain(values) for name, values in part.items()}


def by_id(labels: Any) -> list[str]:
    """What each annotation became, and where. NaN is unlike itself."""
    labelled = read(labels)
    places = [*((one.name, one.shapes) for one in labelled.pictures), (None, labelled.strays)]
    return sorted(repr((name, shape)) for name, shapes in places for shape in shapes)


@settings(max_examples=300)
@given(annotations=st.lists(like_public, max_size=8) | st.lists(like_public | odd, max_size=8))
def test_an_annotation_is_read_alike_whatever_is_beside_it(annotations: list[Any]) -> None:
    """A file of public annotations alone is read in columns without looking at each: the odd one among them is."""
    labels = coco([image(1, "a.png"), image(2, "b.png"), image(3, "b.png")], [])
    odd_one = {"id": 99, "image_id": "1", "annotator": 5, "segmentation": [[0, 0, "x"]]}
    alone = [one for each in annotations for one in by_id({**labels, "annotations": [each]})]
    assert by_id({**labels, "annotations": annotations}) == sorted(alone)
    (beside,) = by_id({**labels, "annotations": [odd_one]})
    assert by_id({**labels, "annotations": [*annotations, odd_one]}) == sorted([*alone, beside])


@settings(max_examples=300)
@given(st.lists(like_public, min_size=1, max_size=8))
def test_public_annotations_become_the_columns_that_any_become(annotations: list[Any]) -> None:
    raws = [msgspec.Raw(json.dumps(one, separators=(",", ":")).encode()) for one in annotations]
    classes = {"1": "Tree", "2": "Dead"}
    one_by_one = columns_of_any([annotation_of(raw) for raw in raws], classes)
    found = columns_of(raws, classes)
    assert found["raw"] == [json.dumps(one, separators=(",", ":")) for one in annotations]
    for name, values in one_by_one.items():
        assert repr(found.get(name, [None] * len(raws))) == repr(values), name


@pytest.mark.parametrize(
    ("text", "is_polygon"),
    [("[[1,2,3,4,5,6]]", True), ("[[1,2,3,4,5,6],[1,2,3,4,5,6,7,8]]", True), ("[[1,2,3,4,5,6],[1,2,3,4]]", False),
     ("[[1,2,3,4,5,6],7]", False), ("[7,[1,2,3,4,5,6]]", False), ("[[1,2,3,4,5,6],[[1,2,3,4,5,6]]]", False),
     ("[[1,2,3,4,5],[6,1,2,3,4,5,6]]", False), (f"[[1,2,3,4,5,{'9' * 40}]]", False), ("[[],[1,2,3,4,5,6]]", False),
     ("[[1,2,3,4,5,1e999]]", False), ("[[1,2,3,4,5,null]]", False), ("[]", False), ("[[1,2,3,4,5,6],[]]", False)],
    ids=["one", "two", "second too short", "number after", "number before", "deep", "odd", "long", "first empty", "1e999",
         "null", "none", "last empty"],
)  # fmt: skip
@pytest.mark.parametrize(
    "beside", ["[[0,0,4,0,0,4]]", '{"counts":"' + "a" * 90 + '","size":[48,64]}', None], ids=["ring", "mask", "alone"]
)
def test_rings_are_told_from_what_is_beside_them(text: str, is_polygon: bool, beside: str | None) -> None:
    start = '{"id":1,"image_id":1,"category_id":1,"bbox":[1,2,3,4],"segmentation":'
    raws = [msgspec.Raw(f"{start}{one}}}".encode()) for one in (beside, text, beside) if one is not None]
    columns = columns_of(raws, {})
    at = 0 if beside is None else 1
    assert columns["geometry"][at] == (f'{{"flat":{text}}}' if is_polygon else None)
    assert columns["kind"][at] == ("box" if text == "[]" else "polygon")


@given(st.binary() | anything.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(Refused):
        read_coco(data)


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
    first, second = read(coco([image(1, "a.png"), image(2, "./a.png")], [box(1, 1), box(2, 2)])).pictures
    assert [(one.name, one.address, len(one.shapes)) for one in (first, second)] == [
        ("a.png", "a.png", 2),
        ("a.png#1", "a.png", 0),
    ]


def test_file_named_like_the_second_entry_of_another_keeps_its_labels() -> None:
    pictures = read(coco([image(1, "a"), image(2, "a"), image(3, "a#1")], [box(1, 3)])).pictures
    assert [(one.address, len(one.shapes)) for one in pictures] == [("a", 0), ("a", 0), ("a#1", 1)]


def test_annotation_of_no_image_is_a_stray() -> None:
    (stray,) = read(coco([image(1, "a.png")], [box(1, 2)])).strays
    assert (stray.image_id, stray.class_name) == ("2", "Tree")


def test_annotation_is_kept_as_it_came() -> None:
    annotation = box(1, 1, score=0.5, segmentation=[[1, 2, 3]], attributes={"occluded": True})
    shape = only_shape(coco([image(1, "a.png")], [annotation]))
    assert json.loads(shape.raw) == json.loads(json.dumps(annotation))
    assert shape.attributes == '{"occluded": true}'


@pytest.mark.parametrize(
    ("given_crowd", "expected"), [(1, True), (True, True), (0, False), (None, False), ("x", False), ([1], False)]
)
def test_crowd_flag_is_read(given_crowd: object, expected: bool) -> None:
    assert only_shape(coco([image(1, "a.png")], [box(1, 1, iscrowd=given_crowd)])).is_crowd is expected


@pytest.mark.parametrize(
    ("said", "kind", "geometry"),
    [
        ({}, "box", None),
        ({"segmentation": []}, "box", None),
        ({"segmentation": [[4, 4, 24, 4, 24, 20.5]]}, "polygon", {"flat": [[4, 4, 24, 4, 24, 20.5]]}),
        ({"segmentation": [[0, 0, 1, 0, 1, 1], [5, 5, 6, 5, 6, 6]]}, "polygon",
         {"flat": [[0, 0, 1, 0, 1, 1], [5, 5, 6, 5, 6, 6]]}),
        ({"segmentation": [[0, 0, 1, 0, 1e30, 1]]}, "polygon", None),
        ({"segmentation": [[0, 0, 1, 0, 1]]}, "polygon", None),
        ({"segmentation": [[0, 0, 1, 0]]}, "polygon", None),
        ({"segmentation": [[[0, 0, 1, 0, 1, 1]]]}, "polygon", None),
        ({"segmentation": [1, 2, 3, 4, 5, 6]}, "polygon", None),
        ({"segmentation": "text"}, "box", None),
        ({"segmentation": None}, "box", None),
        ({"segmentation": [[0, 0, 1, 0, "x", 1]]}, "polygon", None),
        ({"segmentation": {"counts": "abc", "size": [48, 64]}}, "mask", {"rle": {"counts": "abc", "size": [48, 64]}}),
        ({"keypoints": [1, 2, 2, 3, 4, 0]}, "skeleton", {"points": [[1, 2, 2], [3, 4, 0]]}),
        ({"attributes": {"rotation": 45.0, "occluded": False}}, "rotated_box", {"angle_deg": 45.0}),
        ({"attributes": {"rotation": 0.0}}, "box", None),
    ],
    ids=["no", "empty", "polygon", "two", "large", "odd", "short", "deep", "shallow", "text", "null", "no numbers",
         "run lengths", "key points", "turned", "not turned"],
)  # fmt: skip
def test_what_was_drawn_is_kept(said: Any, kind: str, geometry: Any) -> None:
    shape = only_shape(coco([image(1, "a.png")], [box(1, 1, **said)]))
    assert (shape.kind, shape.box_px) == (kind, (4, 4, 20, 16))
    assert (json.loads(shape.geometry) if shape.geometry else None) == geometry


def test_a_polygon_without_a_box_has_the_one_around_it() -> None:
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[4, 4, 24, 4, 24, 20.5], [1, 6, 2, 6, 2, 7]]}
    assert only_shape(coco([image(1, "a.png")], [annotation])).box_px == (1, 4, 23, 16.5)


def test_numbers_that_json_does_not_know_are_read_as_python_writes_them() -> None:
    data = json.dumps(coco([image(1, "a.png", width=float("nan"))], [box(1, 1)])).encode()
    assert b"NaN" in data
    assert len(read_coco(data).pictures[0].shapes) == 1


def test_ids_beyond_64_bits_stay_apart() -> None:
    one, other = 2**70, 2**70 + 1
    pictures = read(coco([image(one, "a.png"), image(other, "b.png")], [box(1, other)])).pictures
    assert [len(picture.shapes) for picture in pictures] == [0, 1]


@pytest.mark.parametrize("depth", [200, 400, 900, 1500, 100_000])
def test_deep_nesting_is_read_or_refused(depth: int) -> None:
    data = json.dumps(coco([image(1, "a.png")], [box(1, 1, extra=0)])).replace(
        '"extra": 0', f'"extra": {"[" * depth}{"]" * depth}'
    )
    with contextlib.suppress(Refused):
        assert len(read_coco(data.encode()).pictures[0].shapes) == 1
