from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import obstore
import pytest

from include.artifacts import DatasetVersion
from include.errors import BadInputError, ConfigError
from include.step.by_hand import step_by_hand
from include.storage import ContentStore, Store, open_store
from include.storage.content import content_key, md5_of
from include.versions.contents import Contents
from include.versions.copies.dvc import export, find_remote, read_dvc_file
from include.versions.derive import DeriveDataset, derive
from include.versions.listing import read_listing
from tests.dvc_client import dvc
from tests.versions import png, put_version

IMAGES = [{"relpath": f"images/{name}.png", "split": split} for name, split in [("a", "train"), ("ä b", "val"), ("c", "test")]]
BOXES = [
    {"image": "images/a.png", "class_name": "Tree", "box": (1, 2, 10, 11), "is_crowd": True},
    {"image": "images/ä b.png", "class_name": "Bush", "box": (3, 4, 5.5, 6)},
]


def import_it(
    store: Store, dvc_file: Path, name: str = "taken", remote: str | None = None, **asked: Any
) -> DatasetVersion:  # fmt: skip
    tracked = read_dvc_file(dvc_file)
    found = find_remote(dvc_file, tracked)
    do = {"operation": "import_dvc", "digest": tracked.digest, "remote": remote or found.url, "endpoint": found.endpoint}
    do |= asked
    return derive(step_by_hand("derive_dataset", DeriveDataset.model_validate({"name": name, "do": do}), store, {"parents": ""}))


def track(repo: Path, files: dict[str, bytes], remote: str, endpoint: str | None = None) -> Path:
    """A folder `data`, tracked and pushed by the stock client; returns its .dvc file."""
    for relpath, data in files.items():
        path = repo / "data" / relpath
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    at_endpoint = [f"remote modify -q there endpointurl {endpoint}"] if endpoint else []
    dvc(repo, "init --no-scm -q", f"remote add -q -d there {shlex.quote(remote)}", *at_endpoint, "add -q data", "push -q")
    return repo / "data.dvc"


def coco(images: list[dict[str, Any]], annotations: list[dict[str, Any]], *names: str) -> bytes:
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories}).encode()


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys below files/ that were put or copied."""
    keys: list[str] = []
    put, copy = obstore.put, obstore.copy

    def note_put(backend: Any, key: str, *what: Any, **how: Any) -> Any:
        keys.extend([f"put {key}"] if "files/md5" in key else [])
        return put(backend, key, *what, **how)

    def note_copy(backend: Any, source: str, target: str, **how: Any) -> None:
        keys.append(f"copy {target}")
        copy(backend, source, target, **how)

    monkeypatch.setattr(obstore, "put", note_put)
    monkeypatch.setattr(obstore, "copy", note_copy)
    return keys


@pytest.fixture(params=["file", "s3"])
def any_store(request: pytest.FixtureRequest) -> Store:
    return request.getfixturevalue("store" if request.param == "file" else "s3_store")


def test_stock_dvc_pulls_an_export(any_store: Store, tmp_path: Path) -> None:
    version = put_version(any_store, "trees", ("Tree", "Bush"), IMAGES, BOXES)
    path = export(any_store, version, tmp_path / "repo")
    assert path == tmp_path / "repo" / "trees.dvc"
    dvc(tmp_path / "repo", "pull -q")
    pulled = tmp_path / "repo" / "trees"
    got = {one.relative_to(pulled).as_posix(): md5_of(one.read_bytes()) for one in pulled.rglob("*") if one.is_file()}
    assert got == read_listing(ContentStore(any_store), version.digest)
    assert got["images/a.png"] == md5_of(png("images/a.png"))
    assert "up to date" in dvc(tmp_path / "repo", "status")
    config = (tmp_path / "repo" / ".dvc" / "config").read_text()
    assert "secret" not in config
    assert "key" not in config


def test_an_export_into_a_repository_leaves_its_own_remote_alone(store: Store, tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    track(repo, {"mine.txt": b"mine"}, str(tmp_path / "other"))
    version = put_version(store, "trees", ("Tree", "Bush"), IMAGES, BOXES)
    (repo / "below").mkdir()
    for _ in range(2):
        export(store, version, repo / "below")
    assert not (repo / "below" / ".dvc").exists()
    dvc(repo, "pull -q")
    assert (repo / "below/trees/images/a.png").read_bytes() == png("images/a.png")
    assert dvc(repo, "config core.remote").strip() == "there"
    elsewhere = open_store(f"file://{tmp_path}/elsewhere")
    other = put_version(elsewhere, "trees", ("Tree",), IMAGES, [])
    with pytest.raises(ConfigError, match=r"remote 'visionloop' is .*, expected .*elsewhere"):
        export(elsewhere, other, repo)


def test_an_export_does_not_replace_a_dvc_file_of_something_else(store: Store, tmp_path: Path) -> None:
    version = put_version(store, "trees", ("Tree", "Bush"), IMAGES, BOXES)
    (tmp_path / "trees.dvc").write_text(f"outs:\n- md5: {'0' * 32}.dir\n  hash: md5\n  path: woods\n")
    with pytest.raises(ConfigError, match="tracks another path"):
        export(store, version, tmp_path)


@pytest.mark.parametrize("where", ["a folder", "another bucket prefix"])
def test_a_tracked_folder_becomes_a_version_with_the_same_digest(
    s3_store: Store, s3: dict[str, str], tmp_path: Path, where: str, writes: list[str]
) -> None:
    files = {f"pictures/{name}.png": png(name) for name in "abc"} | {"README": b"about"}
    images = [{"id": n, "file_name": f"{name}.png", "width": 1, "height": 1, "group": "g1"} for n, name in enumerate("ab")]
    boxes = [{"id": 1, "image_id": 0, "category_id": 2, "bbox": [1, 2, 3, 4], "iscrowd": 0}]
    files["pictures/instances_val.json"] = coco(images, boxes, "Bush", "Tree")
    remote = str(tmp_path / "remote") if where == "a folder" else f"{s3_store.url}-remote"
    tracked = track(tmp_path / "repo", files, remote, None if where == "a folder" else s3["AWS_ENDPOINT_URL"])
    ContentStore(s3_store).put(png("c"))
    writes.clear()
    version = import_it(s3_store, tracked)
    assert f"md5: {version.digest}.dir" in tracked.read_text()
    assert read_listing(ContentStore(s3_store), version.digest) == {relpath: md5_of(data) for relpath, data in files.items()}
    # c was there: four objects are taken over, beside the listing and our two tables
    taken = [one for one in writes if any(md5_of(data)[2:] in one for data in files.values())]
    assert [one.split()[0] for one in taken] == ["put" if where == "a folder" else "copy"] * 4
    assert (version.counts["objects_copied"], version.counts["objects_there_before"]) == (4, 1)
    assert version.size_bytes == sum(map(len, files.values()))
    contents = Contents.read(ContentStore(s3_store), version)
    rows = contents.images.set_index("relpath")[["width_px", "height_px", "group", "split"]]
    assert [tuple(row) for row in rows.loc[["pictures/a.png", "pictures/b.png"]].itertuples(index=False)] == [
        (64, 48, "g1", "val")
    ] * 2
    (box,) = contents.annotations.itertuples()
    assert (box.md5, box.class_name, box.x_px, box.height_px) == (md5_of(png("a")), "Tree", 1, 4)
    assert version.classes == ("Bush", "Tree")


def test_our_own_version_comes_back_as_it_was_and_nothing_is_sent(any_store: Store, tmp_path: Path, writes: list[str]) -> None:
    version = put_version(any_store, "trees", ("Tree", "Bush"), IMAGES, BOXES)
    path = export(any_store, version, tmp_path)
    writes.clear()
    taken = import_it(any_store, path)
    tables = [content_key(taken.images_table), content_key(taken.annotations_table)]
    assert [one for one in writes if one.removeprefix("put ") not in tables] == []
    assert (taken.digest, taken.classes, taken.splits, taken.size_bytes) == (
        version.digest, version.classes, version.splits, version.size_bytes,
    )  # fmt: skip
    shared = ["md5", "class_name", "x_px", "y_px", "width_px", "height_px", "is_crowd"]
    before, after = (Contents.read(ContentStore(any_store), one).annotations[shared] for one in (version, taken))
    assert after.values.tolist() == before.values.tolist()


def test_a_folder_without_labels_is_a_version_without_boxes(store: Store, tmp_path: Path) -> None:
    files = {"a.PNG": png("a"), "twin.png": png("a"), "broken.png": b"no picture", "data.json": b"[1]"}
    version = import_it(store, track(tmp_path / "repo", files, "../../remote"))
    assert (version.classes, sum(one.annotations for one in version.splits.values())) == ((), 0)
    assert Contents.read(ContentStore(store), version).images["relpath"].tolist() == ["a.PNG"]
    assert version.counts["pictures_not_readable"] == 1


def test_what_does_not_fit_in_a_label_file_is_listed(store: Store, tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "gone.png"}]
    boxes = [{"image_id": 9, "category_id": 1, "bbox": [1, 1, 1, 1]}, {"image_id": 1, "category_id": 1, "bbox": [1, 1, 0, 1]}]
    files = {"a.png": png("a"), "labels.json": coco(images, boxes, "Tree")}
    tracked = track(tmp_path / "repo", files, str(tmp_path / "remote"))
    with pytest.raises(BadInputError, match="4 label entries do not fit") as caught:
        import_it(store, tracked)
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()[1:]] == [
        "image 1", "image 2", "annotation 0", "annotation 1",
    ]  # fmt: skip


VOC = """<annotation><filename>images/a.png</filename><object><name>Tree</name>
<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>11</xmax><ymax>13</ymax></bndbox></object></annotation>"""
CVAT = '<annotations><image id="0" name="a.png"><box label="Tree" xtl="1" ytl="2" xbr="11" ybr="13"/></image></annotations>'
DATUMARO = json.dumps({
    "categories": {"label": {"labels": [{"name": "Tree"}]}},
    "items": [{"id": "a", "image": {"path": "a.png"}, "annotations": [{"type": "bbox", "label_id": 0, "bbox": [1, 2, 10, 11]}]}],
})  # fmt: skip
IN_FORMATS = {
    "coco": {"labels.json": coco([{"id": 1, "file_name": "a.png"}], [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 10, 11]}],
                                 "Tree")},
    # centre 6, 7.5 and size 10, 11 of 64 × 48 px
    "yolo": {"data.yaml": b"names: [Tree]", "labels/a.txt": b"0 0.09375 0.15625 0.15625 0.22916667"},
    "voc": {"Annotations/a.xml": VOC.encode()},
    "cvat": {"annotations.xml": CVAT.encode()},
    "datumaro": {"annotations/default.json": DATUMARO.encode()},
}  # fmt: skip


@pytest.mark.parametrize("name", IN_FORMATS)
def test_labels_of_any_format_are_read_and_the_digest_is_that_of_the_folder(
    store: Store, tmp_path: Path, name: str
) -> None:  # fmt: skip
    files = {"images/a.png": png("a"), "images/b.png": png("b"), **IN_FORMATS[name]}
    tracked = track(tmp_path / "repo", files, str(tmp_path / "remote"))
    version = import_it(store, tracked, format=name)
    assert version.digest == read_dvc_file(tracked).digest
    contents = Contents.read(ContentStore(store), version)
    assert contents.images["relpath"].tolist() == ["images/a.png", "images/b.png"]
    (box,) = contents.annotations[["md5", "class_name", "x_px", "y_px", "width_px", "height_px"]].values.tolist()
    assert box[:2] == [md5_of(png("a")), "Tree"]
    assert box[2:] == pytest.approx([1, 2, 10, 11], abs=0.001)


@pytest.mark.parametrize("name", ["coco", "voc", "cvat", "datumaro"])
def test_labels_of_a_picture_that_is_not_tracked_are_refused_even_if_one_of_its_name_is(
    store: Store, tmp_path: Path, name: str
) -> None:  # fmt: skip
    files = {"elsewhere/deep/a.png": png("a"), **IN_FORMATS[name]}
    tracked = track(tmp_path / "repo", files, str(tmp_path / "remote"))
    with pytest.raises(BadInputError, match=r"label entries do not fit:\n.*a\.png"):
        import_it(store, tracked, format=name)
    assert list(store.list("datasets")) == []


def test_boxes_keep_every_digit_and_equal_bytes_get_the_boxes_of_all_their_paths(
    store: Store, tmp_path: Path
) -> None:  # fmt: skip
    images = [
        {"id": 1, "file_name": "a.png", "site": "north"},
        {"id": 2, "file_name": "twin.png", "attributes": {"site": "south"}},
    ]
    boxes = [(1, [0.1, 0.7, 0.2, 0.1]), (2, [5, 5, 6, 6]), (2, [0.1, 0.7, 0.2, 0.1])]
    said = [{"image_id": image, "category_id": 1, "bbox": box} for image, box in boxes]
    files = {"a.png": png("a"), "twin.png": png("a"), "labels.json": coco(images, said, "Tree")}
    version = import_it(store, track(tmp_path / "repo", files, str(tmp_path / "remote")))
    contents = Contents.read(ContentStore(store), version)
    assert contents.images[["relpath", "attributes"]].values.tolist() == [["a.png", '{"site": "north"}']]
    rows = contents.annotations[["x_px", "y_px", "width_px", "height_px"]].values.tolist()
    assert rows == [[0.1, 0.7, 0.2, 0.1], [5, 5, 6, 6]]


def test_of_a_folder_with_other_json_the_named_labels_are_read(store: Store, tmp_path: Path) -> None:
    files = {"a.png": png("a"), "torn.json": b"{", "mine/labels.json": IN_FORMATS["coco"]["labels.json"]}
    tracked = track(tmp_path / "repo", files, str(tmp_path / "remote"))
    with pytest.raises(BadInputError, match=r"torn\.json: got not JSON"):
        import_it(store, tracked)
    version = import_it(store, tracked, labels=["mine"])
    assert sum(one.annotations for one in version.splits.values()) == 1
    assert import_it(store, tracked, name="bare", format=None).classes == ()


@pytest.mark.parametrize("damage", ["object damaged", "object missing", "listing missing", "no remote folder"])
def test_what_the_remote_lacks_is_named(store: Store, tmp_path: Path, damage: str) -> None:
    remote = tmp_path / "remote"
    tracked = track(tmp_path / "repo", {"a.png": png("a")}, str(remote))
    key = content_key(md5_of(png("a")) if damage.startswith("object") else read_dvc_file(tracked).digest + ".dir")
    (remote / key).chmod(0o644)
    (remote / key).write_bytes(b"damaged") if damage == "object damaged" else (remote / key).unlink()
    says = {
        "object damaged": f"{key}: damaged: md5", "object missing": f"{key}: missing; run `dvc push`",
        "listing missing": f"{key}: not there; run `dvc push`", "no remote folder": "nowhere: no such folder",
    }  # fmt: skip
    with pytest.raises((BadInputError, ConfigError), match=says[damage]):
        import_it(store, tracked, remote=str(tmp_path / "nowhere") if damage == "no remote folder" else None)
    assert list(store.list("datasets")) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"outs:\n- md5: {'0' * 32}.dir\n  path: x\n", "written by DVC 2"),
        (f"outs:\n- md5: {'0' * 32}\n  hash: md5\n  path: x\n", "track a folder, not a file"),
        ("outs: []\n", "one entry under `outs`"),
        (": : :", "one entry under `outs`"),
        ("", "one entry under `outs`"),
    ],
    ids=["dvc 2", "a file", "nothing", "no YAML", "empty"],
)
def test_a_dvc_file_that_tracks_no_folder_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "x.dvc").write_text(text)
    with pytest.raises(BadInputError, match=says):
        read_dvc_file(tmp_path / "x.dvc")
