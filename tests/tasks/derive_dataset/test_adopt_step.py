from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.artifacts import DatasetVersion
from include.errors import BadInputError, ConfigError, NothingToDo
from include.storage import ContentStore, Store
from include.storage.content import content_key, md5_of
from include.versions import objects
from include.versions.contents import Contents
from tests.dying_store import DyingStore, Killed
from tests.versions import png

Derived = Callable[..., DatasetVersion]
SITES = {"north/a.png": "a", "north/b.png": "b", "south/c.png": "c"}


@pytest.fixture
def bucket(store: Store) -> Store:
    """Three pictures of 64 × 48 px of two sites, COCO labels of two of them."""
    for name, seed in SITES.items():
        store.write(f"raw/trees/{name}", png(seed))
    coco = {
        "images": [{"id": 1, "file_name": "north/a.png", "width": 64, "height": 48}, {"id": 2, "file_name": "c.png"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 5, "bbox": [1, 2, 10, 10]},
            {"id": 2, "image_id": 2, "category_id": 4, "bbox": [60, 40, 4, 8]},
        ],
        "categories": [{"id": 5, "name": "Tree"}, {"id": 4, "name": "Bush"}],
    }
    store.write("labels/trees.json", json.dumps(coco).encode())
    return store


@pytest.fixture
def adopted(derived: Derived) -> Derived:
    def make(run: str = "r1", **asked: Any) -> DatasetVersion:
        return derived({"operation": "adopt", "prefix": "raw/trees", **asked}, parents="", run=run)

    return make


COCO = {"format": "coco", "labels": ["labels/trees.json"]}


def test_files_become_a_version_without_a_copy_of_their_bytes(bucket: Store, adopted: Derived) -> None:
    version = adopted()
    assert (version.label, version.operation, version.parents, version.counts) == (
        "trees:v1",
        "adopt",
        (),
        {"objects adopted": 3},
    )
    content = ContentStore(bucket)
    rows = Contents.read(content, version).images.set_index("relpath")
    assert list(rows.index) == ["images/north/a.png", "images/north/b.png", "images/south/c.png"]
    for name, seed in SITES.items():
        row = rows.loc[f"images/{name}"]
        assert (row["md5"], row["width_px"], row["height_px"]) == (md5_of(png(seed)), 64, 48)
        assert not bucket.exists(content_key(row["md5"]))
        assert content.get(row["md5"]) == png(seed)


def test_labels_are_matched_and_what_they_leave_out_is_counted(bucket: Store, adopted: Derived) -> None:
    version = adopted(**COCO)
    contents = Contents.read(ContentStore(bucket), version)
    assert version.classes == ("Bush", "Tree")
    assert list(contents.images["relpath"]) == ["images/north/a.png", "images/south/c.png"]
    boxes = contents.annotations[["md5", "class_name", "x_px", "y_px", "width_px", "height_px"]].values.tolist()
    assert boxes == [[md5_of(png("a")), "Tree", 1, 2, 10, 10], [md5_of(png("c")), "Bush", 60, 40, 4, 8]]
    assert version.counts["objects adopted"] == 2


@pytest.mark.parametrize(
    ("group", "groups"),
    [
        ("folder", ["north", "north", "south"]),
        (r"regex:/(\w)\.png", ["a", "b", "c"]),
        (r"regex:^\w+", ["north", "north", "south"]),
    ],
    ids=["folder", "what the brackets find", "all that is found"],
)
def test_groups(bucket: Store, adopted: Derived, group: str, groups: list[str]) -> None:
    version = adopted(group=group, split={"train": 1, "val": 0, "test": 0})
    assert list(Contents.read(ContentStore(bucket), version).images["group"]) == groups
    assert version.splits["train"].images == 3


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"prefix": "raw/bushes"}, ConfigError, "raw/bushes: no image below it"),
        ({"format": "coco", "labels": ["labels/no.json"]}, ConfigError, "labels/no.json: .* has no such file"),
        ({**COCO, "classes": ["Tree"]}, ConfigError, r"got boxes of Bush \(1 boxes\), expected Tree"),
        ({"group": "regex:west"}, BadInputError, "3 problems: .*no group by regex:west"),
        ({"group": "attribute:site"}, BadInputError, "no group by attribute:site"),
    ],
)
def test_what_cannot_be_is_said(bucket: Store, adopted: Derived, asked: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        adopted(**asked)
    assert not list(bucket.list("datasets"))


def test_a_box_outside_its_image_is_refused_clipped_or_left_out(bucket: Store, adopted: Derived) -> None:
    text = bucket.read("labels/trees.json").replace(b"[60, 40, 4, 8]", b"[60, 40, 8, 8]")
    bucket.write("labels/trees.json", text)
    with pytest.raises(BadInputError, match="box 0: got box 60, 40, 8 × 8, expected one inside 64 × 48 px"):
        adopted(**COCO)
    clipped = adopted(run="r2", boxes_outside="clip", **COCO)
    rows = Contents.read(ContentStore(bucket), clipped).annotations
    assert (rows["x_px"][1], rows["width_px"][1], clipped.counts["boxes clipped to their image"]) == (60, 4, 1)
    left_out = adopted(run="r3", boxes_outside="leave_out", **COCO)
    assert (left_out.splits["train"].annotations + left_out.splits["val"].annotations + left_out.splits["test"].annotations) == 1


def test_a_changed_or_deleted_object_is_an_error_that_names_it(bucket: Store, adopted: Derived) -> None:
    adopted()
    bucket.write("raw/trees/north/a.png", png("other"))
    bucket.delete("raw/trees/north/b.png")
    with pytest.raises(BadInputError, match=r"raw/trees/north/a\.png changed since it was adopted"):
        ContentStore(bucket).get(md5_of(png("a")))
    with pytest.raises(BadInputError, match=r"raw/trees/north/b\.png went away since it was adopted"):
        ContentStore(bucket).get(md5_of(png("b")))


def test_copied_the_bytes_lie_where_dvc_looks_for_them(bucket: Store, adopted: Derived) -> None:
    assert adopted(copy=True).counts == {"objects copied": 3}
    for name, seed in SITES.items():
        bucket.delete(f"raw/trees/{name}")
        assert bucket.read(content_key(md5_of(png(seed)))) == png(seed)
        assert ContentStore(bucket).get(md5_of(png(seed))) == png(seed)


def test_the_same_bytes_twice_are_one_image_and_no_image_is_counted(bucket: Store, adopted: Derived) -> None:
    bucket.write("raw/trees/north/again.png", png("a"))
    bucket.write("raw/trees/north/torn.png", png("x")[:20])
    counts = adopted().counts
    assert (counts["files with the same bytes as another"], counts["files that are no readable image, left out"]) == (1, 1)


def test_adopted_again_only_what_is_new_is_read_and_written(
    bucket: Store, adopted: Derived, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "STRETCH", 1)  # every object is a stretch of its own
    adopted()
    with pytest.raises(NothingToDo, match="changed nothing: trees:v1"):
        adopted(run="r2")
    read: list[str] = []
    look = objects._look
    monkeypatch.setattr(objects, "_look", lambda store, entry, *rest: read.append(entry.key) or look(store, entry, *rest))
    bucket.write("raw/trees/north/aa.png", png("aa"))
    assert adopted(run="r3").counts == {"objects adopted": 1}
    assert read == ["raw/trees/north/aa.png"]


@pytest.mark.parametrize("writes", range(0, 9, 2))
def test_killed_and_run_again_it_ends_as_one_never_killed(
    bucket: Store, adopted: Derived, step_run: Any, tmp_path: Path, writes: int
) -> None:
    from include.versions.derive import DeriveDataset, derive

    config = DeriveDataset.model_validate({"name": "trees", "do": {"operation": "adopt", "prefix": "raw/trees"}})
    with pytest.raises(Killed):
        derive(step_run("derive_dataset", config, DyingStore(bucket.url, writes), {"parents": ""}))
    version = adopted()
    assert version.label == "trees:v1"
    assert ContentStore(bucket).get(md5_of(png("c"))) == png("c")
