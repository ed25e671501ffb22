from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

from include.artifacts import DatasetVersion
from include.errors import BadInputError, ConfigError, NothingToDo
from include.storage import ContentStore, Store
from include.versions.contents import Contents
from include.versions.derive import DeriveDataset, derive
from tests.versions import png, put_version

Derived = Callable[..., DatasetVersion]
RANK = {"train": 0, "val": 1, "test": 2}


def image(name: str, split: str = "train", group: str | None = None, path: str | None = None, **more: Any) -> dict[str, Any]:
    """The picture of this name; another path is still the same picture."""
    return {"relpath": f"images/{path or name}.png", "data": png(name), "split": split, "group": group or name, **more}


def tree(name: str, *box: float, class_name: str = "Tree", **more: Any) -> dict[str, Any]:
    return {"image": f"images/{name}.png", "class_name": class_name, "box": box, **more}


def held(store: Store, version: DatasetVersion) -> dict[str, tuple[str, str]]:
    """Split and group by path."""
    rows = Contents.read(ContentStore(store), version).images
    return {row["relpath"].removeprefix("images/"): (row["split"], row["group"]) for row in rows.to_dict("records")}


def boxes(store: Store, version: DatasetVersion, path: str) -> list[tuple[Any, ...]]:
    """Class, left edge and annotator of an image's boxes."""
    contents = Contents.read(ContentStore(store), version)
    md5 = contents.images.set_index("relpath")["md5"][f"images/{path}"]
    rows = contents.annotations[contents.annotations["md5"] == md5]
    return list(rows[["class_name", "x_px", "annotator"]].itertuples(index=False, name=None))


def merge(**asked: Any) -> dict[str, Any]:
    return {"operation": "merge", **asked}


@pytest.fixture
def two(store: Store) -> str:
    """Parents that share the picture `both`; `one` has boxes by ann on it, `other` by bob."""
    put_version(
        store, "one", ("Tree", "Bush"), [image("a"), image("both"), image("same")],
        [tree("a", 1, 1, 9, 9), tree("both", 0, 0, 20, 20, annotator="ann"), tree("both", 40, 20, 10, 10, annotator="ann"),
         tree("same", 5, 5, 5, 5, annotator="ann"), tree("same", 15, 5, 5, 5, annotator="ann")],
    )  # fmt: skip
    put_version(
        store, "other", ("Rock", "Tree"), [image("both", path="again"), image("same"), image("b")],
        [tree("again", 0, 0, 20, 19, annotator="bob"),  # IoU 0.95 with ann's
         tree("again", 41, 20, 10, 10, annotator="bob"),  # 90 / 110 = 0.82
         tree("again", 0, 0, 20, 20, class_name="Rock", annotator="bob"),
         tree("same", 15, 5, 5, 5, annotator="bob"), tree("same", 5, 5, 5, 5, annotator="bob"),  # in another order
         tree("b", 2, 2, 9, 9)],
    )  # fmt: skip
    return "dataset://one:v1,dataset://other:v1"


@pytest.mark.parametrize(
    ("rule", "path", "stand"),
    [
        ("first", "both.png", [("Tree", 0, "ann"), ("Tree", 40, "ann")]),
        ("last", "again.png", [("Tree", 0, "bob"), ("Tree", 41, "bob"), ("Rock", 0, "bob")]),
        ("union", "both.png", [("Tree", 0, "ann"), ("Tree", 40, "ann"), ("Tree", 41, "bob"), ("Rock", 0, "bob")]),
    ],
)
def test_the_rule_decides_whose_labels_stand(
    store: Store, two: str, derived: Derived, rule: str, path: str, stand: list[Any]
) -> None:
    made = derived(merge(labels=rule), parents=two, name="all")
    assert made.classes == ("Tree", "Bush", "Rock")
    assert sorted(held(store, made)) == sorted(["a.png", "b.png", "same.png", path])
    assert boxes(store, made, path) == stand
    assert made.counts["images_in_several_parents"] == 2
    assert made.counts["images_with_different_labels"] == 1  # `same` has the same boxes in both, by other people
    assert len(boxes(store, made, "same.png")) == 2
    assert made.parents == ("datasets/one/v1.json", "datasets/other/v1.json")


def test_different_labels_are_in_the_report_with_the_winner(store: Store, two: str, derived: Derived) -> None:
    derived(merge(labels="last"), parents=two, name="all")
    page = store.read("runs/model__trees/r1/derive_dataset/report.html").decode()
    assert "<td>images/both.png</td><td>one:v1 2, other:v1 3</td><td>other:v1</td><td>3</td>" in page
    assert "same.png" not in page


def test_different_labels_stop_the_merge_where_asked(store: Store, two: str, derived: Derived) -> None:
    with pytest.raises(BadInputError, match=r"1 images have different labels in several parents: images/both\.png"):
        derived(merge(labels="error"), parents=two, name="all")


def test_no_box_is_a_label_too(store: Store, derived: Derived) -> None:
    put_version(store, "one", ("Tree",), [image("a")], [])
    put_version(store, "other", ("Tree",), [image("a")], [tree("a", 1, 1, 5, 5)])
    parents = "dataset://one:v1,dataset://other:v1"
    made = derived(merge(labels="first"), parents=parents, name="all")
    assert made.counts["images_with_different_labels"] == 1
    assert boxes(store, made, "a.png") == []


def test_a_crowd_box_is_not_the_same_as_an_object(store: Store, derived: Derived) -> None:
    put_version(store, "one", ("Tree",), [image("a")], [tree("a", 1, 1, 5, 5, is_crowd=True)])
    put_version(store, "other", ("Tree",), [image("a")], [tree("a", 1, 1, 5, 5)])
    made = derived(merge(labels="union"), parents="dataset://one:v1,dataset://other:v1", name="all")
    assert len(boxes(store, made, "a.png")) == 2


def test_classes_are_mapped_for_all_and_for_one_parent(store: Store, two: str, derived: Derived) -> None:
    do = merge(labels="union", map={"Bush": None}, map_of={"other:v1": {"Tree": "Plant"}, "one": {"Tree": "Plant"}})
    made = derived(do, parents=two, name="all")
    assert made.classes == ("Plant", "Rock")
    assert [box[:2] for box in boxes(store, made, "a.png")] == [("Plant", 1)]
    given = derived(do | {"classes": ["Rock", "Sand", "Plant"]}, parents=two, name="given", run="r2")
    assert given.classes == ("Rock", "Sand", "Plant")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"map": {"Tre": "Plant"}}, "merge.map: no class 'Tre'; there are: Tree, Bush, Rock"),
        ({"map_of": {"one": {"Rock": None}}}, "merge.map_of.one: no class 'Rock'; there are: Tree, Bush"),
        ({"map_of": {"ones": {"Tree": None}}}, "merge.map_of: no parent 'ones'; there are: one, one:v1, other, other:v1"),
        ({"classes": ["Tree"]}, "merge.classes: got Tree; expected also Bush, Rock"),
    ],
)
def test_a_mapping_that_cannot_be_is_said(two: str, derived: Derived, asked: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        derived(merge(**asked), parents=two, name="all")


def test_another_picture_under_the_same_path_gets_a_path_of_its_own(store: Store, derived: Derived) -> None:
    put_version(store, "one", ("Tree",), [image("first", path="a")], [tree("a", 1, 1, 5, 5)])
    put_version(store, "other", ("Tree",), [image("second", path="A")], [tree("A", 2, 1, 5, 5)])
    made = derived(merge(), parents="dataset://one:v1,dataset://other:v1", name="all")
    md5 = ContentStore(store).put(png("second"))
    assert sorted(held(store, made)) == sorted(["a.png", f"A.{md5[:8]}.png"])
    assert [box[:2] for box in boxes(store, made, f"A.{md5[:8]}.png")] == [("Tree", 2)]


def test_an_image_goes_to_the_most_protected_split_and_takes_its_groups_along(store: Store, derived: Derived) -> None:
    put_version(store, "one", ("Tree",), [image("x", "train", "g1"), image("y", "train", "g1"), image("z", "train", "g3")], [])
    # the same picture under another group's name, in test: all of g1 and g2 are one scene
    put_version(store, "other", ("Tree",), [image("x", "test", "g2"), image("w", "val", "g2")], [])
    made = derived(merge(), parents="dataset://one:v1,dataset://other:v1", name="all")
    assert {path: split for path, (split, _) in held(store, made).items()} == {
        "x.png": "test", "y.png": "test", "w.png": "test", "z.png": "train",
    }  # fmt: skip
    assert made.counts["images_moved_to_another_split"] == 3
    page = store.read("runs/model__trees/r1/derive_dataset/report.html").decode()
    assert "<td>images/x.png</td><td>one:v1 train, other:v1 test</td><td>test</td>" in page
    assert "2 of them because another image of their group" in page
    with pytest.raises(BadInputError, match=r"3 images would change their split: images/x.png, images/y.png, images/w.png"):
        derived(merge(splits="error"), parents="dataset://one:v1,dataset://other:v1", name="all", run="r2")


def test_what_the_dataset_tests_on_now_stays_in_test(store: Store, derived: Derived) -> None:
    put_version(store, "all", ("Tree",), [image("x", "test")], [])
    put_version(store, "one", ("Tree",), [image("x", "train")], [])
    put_version(store, "other", ("Tree",), [image("y", "train")], [])
    made = derived(merge(), parents="dataset://one:v1,dataset://other:v1", name="all")
    assert made.label == "all:v2"
    assert held(store, made) == {"x.png": ("test", "x"), "y.png": ("train", "y")}


@pytest.mark.parametrize("seed", range(6))
def test_in_any_order_no_image_leaves_test_and_no_group_is_torn(store: Store, step_run: Any, seed: int) -> None:
    chance = random.Random(seed)
    names = ["one", "two", "three"]
    for name in names:
        seen = chance.sample("abcdefghijklmnop", 9)
        splits = {group: chance.choice(list(RANK)) for group in "123456"}
        rows = [image(letter, splits[group], group) for letter in seen for group in [chance.choice("123456")]]
        put_version(store, name, ("Tree",), rows, [tree(letter, chance.randrange(30), 1, 5, 5) for letter in seen])
    before = [Contents.read(ContentStore(store), DatasetVersion.load(store, f"datasets/{name}/v1.json")).images for name in names]
    results = set()
    for number, order in enumerate(itertools.permutations(names)):
        config = DeriveDataset.model_validate({"name": f"all{number}", "do": merge(labels="union")})
        parents = ",".join(f"dataset://{name}:v1" for name in order)
        made = derive(step_run("derive_dataset", config, store, {"parents": parents}, run=f"r{number}"))
        after = Contents.read(ContentStore(store), made).images.set_index("md5")
        for one in before:
            moved = one["md5"].map(after["split"]).map(RANK) - one["split"].map(RANK)
            assert (moved >= 0).all()
            # what was one group anywhere is in one split now
            assert (one["md5"].map(after["split"]).groupby(one["group"]).nunique() == 1).all()
        results.add(tuple(sorted(after["split"].items())))
    assert len(results) == 1


def test_two_hundred_parents(store: Store, derived: Derived) -> None:
    for number in range(200):
        put_version(
            store, f"site{number:03}", ("Tree", f"Kind{number % 7}"), [image(f"n{number}"), image("shared", path=f"s{number}")],
            [tree(f"n{number}", 1, 1, 9, 9), tree(f"s{number}", 3, 3, 9, 9), tree(f"s{number}", number % 40, 20, 9, 9)],
        )  # fmt: skip
    parents = ",".join(f"dataset://site{number:03}:latest" for number in range(200))
    made = derived(merge(labels="union"), parents=parents, name="all")
    assert sum(split.images for split in made.splits.values()) == 201
    assert len(made.parents) == 200
    assert made.classes == ("Tree", *(f"Kind{number}" for number in range(7)))
    # each parent's own box, the box that all draw alike, and 40 places of the other: 1 px of 9 is IoU 0.8
    assert sum(split.annotations for split in made.splits.values()) == 200 + 1 + 40
    assert made.new_bytes < 200_000  # no picture is new


def test_merging_a_version_with_itself_changes_nothing(store: Store, trees: DatasetVersion, derived: Derived) -> None:
    with pytest.raises(NothingToDo, match="changed nothing"):
        derived(merge(), parents="dataset://trees:v1,dataset://trees:latest")


def test_one_parent_is_too_few(trees: DatasetVersion, derived: Derived) -> None:
    with pytest.raises(ConfigError, match="merge: got 1 parent versions, expected 2 to"):
        derived(merge())
