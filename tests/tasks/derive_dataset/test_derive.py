from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from include.artifacts import DatasetVersion
from include.errors import ConfigError, NothingToDo
from include.storage import ContentStore, Store
from include.versions.contents import Contents
from tests.versions import put_version

Derived = Callable[..., DatasetVersion]


def where(column: str, value: Any, comparison: str = "==") -> list[dict[str, Any]]:
    return [{"column": column, "is": comparison, "value": value}]


def holds(store: Store, version: DatasetVersion) -> tuple[list[str], list[tuple[str, str]]]:
    """Paths of its images; image and class of its boxes."""
    contents = Contents.read(ContentStore(store), version)
    path = contents.images.set_index("md5")["relpath"]
    boxes = zip(contents.annotations["md5"].map(path), contents.annotations["class_name"], strict=True)
    return [one.removeprefix("images/") for one in path], [(image.removeprefix("images/"), name) for image, name in boxes]


def test_a_filter_keeps_images_by_attribute_with_their_boxes(store: Store, trees: DatasetVersion, derived: Derived) -> None:
    made = derived({"operation": "filter", "where": where("site", "north")}, name="trees-north")
    assert (made.label, made.operation, made.parents) == ("trees-north:v1", "filter", ("datasets/trees/v1.json",))
    assert holds(store, made) == (["a.png", "c.png"], [("a.png", "Tree"), ("a.png", "Bush"), ("c.png", "Tree")])
    assert made.counts == {"images_left_out": 2, "annotations_left_out": 2}
    assert made.inputs["parents"][0].address == "datasets/trees/v1.json"


@pytest.mark.parametrize(
    ("operation", "asked", "images", "boxes"),
    [
        ("exclude", where("site", "north"), ["b.png", "d.png"], [("b.png", "Tree"), ("d.png", "Bush")]),
        ("filter", where("split", ["val", "test"], "in"), ["c.png", "d.png"], [("c.png", "Tree"), ("d.png", "Bush")]),
        ("filter", where("annotator", "ann"), ["a.png", "b.png", "c.png", "d.png"], [("a.png", "Tree"), ("b.png", "Tree")]),
        ("filter", where("annotator", "n", "contains"), ["a.png", "b.png", "c.png", "d.png"],
         [("a.png", "Tree"), ("b.png", "Tree")]),
        ("exclude", where("annotator", "bob"), ["a.png", "b.png", "c.png", "d.png"],
         [("a.png", "Tree"), ("b.png", "Tree"), ("d.png", "Bush")]),
        ("filter", where("x_px", 5, ">="), ["a.png", "b.png", "c.png", "d.png"],
         [("a.png", "Bush"), ("b.png", "Tree"), ("d.png", "Bush")]),
        ("filter", where("camera", 7) + where("relpath", "b", "contains"), ["b.png"], [("b.png", "Tree")]),
    ],
    ids=["exclude images", "in", "boxes of a person", "null has nothing", "not those of a person", "number", "two conditions"],
)  # fmt: skip
def test_conditions(
    store: Store, trees: DatasetVersion, derived: Derived, operation: str, asked: Any, images: list[str], boxes: list[Any]
) -> None:
    assert holds(store, derived({"operation": operation, "where": asked}, name="other")) == (images, boxes)


@pytest.mark.parametrize(
    ("do", "error", "says"),
    [
        ({"operation": "filter", "where": where("sight", "north")}, ConfigError, "no column or attribute 'sight'; .*site"),
        ({"operation": "filter", "where": where("relpath", 3, ">")}, ConfigError, "the column holds str, got int"),
        ({"operation": "filter", "where": where("site", "west")}, NothingToDo, "leaves no image"),
        ({"operation": "exclude", "where": where("site", "west")}, NothingToDo, "changed nothing: trees:v1"),
    ],
    ids=["unknown column", "wrong type", "nothing left", "nothing changed"],
)  # fmt: skip
def test_what_cannot_be_is_said(trees: DatasetVersion, derived: Derived, do: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        derived(do)


def test_the_number_of_parents_is_checked(trees: DatasetVersion, derived: Derived) -> None:
    with pytest.raises(ConfigError, match="filter: got 2 parent versions, expected 1"):
        derived({"operation": "filter", "where": where("site", "north")}, parents="dataset://trees:v1,dataset://trees:latest")


def test_run_again_it_finds_its_own_version(store: Store, trees: DatasetVersion, derived: Derived) -> None:
    do = {"operation": "filter", "where": where("site", "north")}
    first = derived(do)
    assert derived(do) == first
    assert first.label == "trees:v2"
    with pytest.raises(NothingToDo, match="changed nothing: trees:v2"):
        derived(do, run="another")


def test_an_image_that_was_excluded_is_tested_on_again_where_a_merge_brings_it_back(
    store: Store, trees: DatasetVersion, derived: Derived
) -> None:
    derived({"operation": "exclude", "where": where("relpath", "d.png", "contains")})  # of the test split
    put_version(store, "later", ("Tree",), [{"relpath": "images/d.png", "group": "another", "split": "train"}], [])
    made = derived({"operation": "merge"}, parents="dataset://trees:v2,dataset://later:v1", run="r2")
    splits = Contents.read(ContentStore(store), made).images.set_index("relpath")["split"]
    assert (made.label, splits["images/d.png"]) == ("trees:v3", "test")


def test_stated_splits_do_not_move_what_the_dataset_has(store: Store, trees: DatasetVersion, derived: Derived) -> None:
    images = [
        {"relpath": "images/d.png", "group": "x", "split": "train"},
        {"relpath": "images/e.png", "group": "c", "split": "test"},
    ]
    put_version(store, "later", ("Tree",), images, [])
    do = {"operation": "exclude", "where": where("relpath", "no such", "contains")}
    made = derived(do, parents="dataset://later:v1")
    rows = Contents.read(ContentStore(store), made).images.set_index("relpath")
    # d.png is a test image of group d, and group c is in val
    assert rows[["group", "split"]].to_dict("index") == {
        "images/d.png": {"group": "d", "split": "test"}, "images/e.png": {"group": "c", "split": "val"}
    }  # fmt: skip
    assert made.counts["images_kept_in_their_split"] == 2
