from __future__ import annotations

import asyncio
import hashlib
import io
import json
import math
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, get_args

import pytest

from include.definitions.source import FileKind
from include.formats.datumaro_shapes import box_of_runs, unpacked_runs
from include.labelling.files.connector import FilesConnector
from include.labelling.items import Item, Labelled, Refused, Shape
from include.storage import Store, open_store
from tests.deliveries import box, coco, deliver, image, picture

ROOT = Path(__file__).parents[4]
CASES = ROOT / "tests" / "cases" / "labelling"
KINDS = get_args(FileKind)
QUARANTINE = "labels/trees/quarantine"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}/store")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "store/inbox/trees").mkdir(parents=True)
    return tmp_path / "store/inbox/trees"


def connector(store: Store, kind: str = "coco") -> FilesConnector:
    return FilesConnector(store, kind, "inbox/trees", QUARANTINE)


def listed(files: FilesConnector) -> dict[str, Item]:
    async def all_of() -> list[Item]:
        return [item async for item in files.items(None)]

    found = asyncio.run(all_of())
    assert len({item.id for item in found}) == len(found)
    return {item.id.removeprefix("inbox/trees/"): item for item in found}


def fetched(files: FilesConnector, item_id: str) -> Labelled:
    return asyncio.run(files.fetch(listed(files)[item_id]))


def case(kind: str) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The delivery's files with a picture for each image, and what it must become."""
    expected = json.loads((CASES / kind / "expected.json").read_text())
    root = CASES / kind / "delivery"
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    return files | {one["file_name"]: picture(one["id"], 200, 100) for one in expected["images"]}, expected


def zip_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return out.getvalue()


def put(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def as_coco(labelled: Labelled, classes: dict[str, int]) -> dict[str, Any]:
    """In the words of expected.json, without what is null."""
    images = [
        kept(id=number, file_name=one.name, width=number_or_none(one.width_px), height=number_or_none(one.height_px),
             group=one.group, attributes=unpacked(one.attributes))
        for number, one in enumerate(labelled.pictures, 1)
    ]  # fmt: skip
    annotations = [drawn(number, shape, classes) for number, one in enumerate(labelled.pictures, 1) for shape in one.shapes]
    return {"images": images, "annotations": annotations}


def drawn(image_id: int, shape: Shape, classes: dict[str, int]) -> dict[str, Any]:
    category_id = None if shape.class_name is None else classes[shape.class_name]
    bbox = None if any(map(math.isnan, shape.box_px)) else list(shape.box_px)
    said = kept(
        geometry=unpacked(shape.geometry), attributes=unpacked(shape.attributes), annotator=shape.annotator,
        iscrowd=int(shape.is_crowd) or None,
    )  # fmt: skip
    return {"image_id": image_id, "category_id": category_id, "shape": shape.kind, "bbox": bbox, **said}


def kept(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def number_or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def unpacked(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def assert_same(got: Any, expected: Any, where: str = "") -> None:
    """Numbers to a hundredth of a pixel."""
    if isinstance(expected, dict):
        assert got.keys() == expected.keys(), where
        for key in expected:
            assert_same(got[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(got) == len(expected), where
        for number, (one, other) in enumerate(zip(got, expected, strict=True)):
            assert_same(one, other, f"{where}[{number}]")
    elif isinstance(expected, int | float) and not isinstance(expected, bool):
        assert got == pytest.approx(expected, abs=0.01), where
    else:
        assert got == expected, where


def assert_golden(labelled: Labelled, expected: dict[str, Any]) -> None:
    classes = {one["name"]: one["id"] for one in expected["categories"]}
    assert_same(as_coco(labelled, classes), {"images": expected["images"], "annotations": expected["annotations"]})
    assert labelled.problems == ()
    assert all(json.loads(shape.raw) for one in labelled.pictures for shape in one.shapes)


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_becomes_what_was_worked_out_by_hand(store: Store, folder: Path, kind: str) -> None:
    files, expected = case(kind)
    end = "annotations.json" if kind == "coco" else "COMPLETE"
    put(folder / "d1", files | ({} if kind == "coco" else {"COMPLETE": b""}))
    source = connector(store, kind)
    labelled = fetched(source, f"d1/{end}")
    assert_golden(labelled, expected)
    for one in labelled.pictures:
        assert asyncio.run(source.image(one)) == files[one.name]


@pytest.mark.parametrize("above", ["", "export/"], ids=["at the top", "in a folder"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_becomes_the_same_and_its_labels_say_so(store: Store, folder: Path, kind: str, above: str) -> None:
    files, expected = case(kind)
    data = zip_of({above + name: content for name, content in files.items()})
    note = {"sender": "Ann of Acme", "sent_at": "2026-11-20", "md5": hashlib.md5(data).hexdigest().upper()}
    put(folder, {"a.zip.json": json.dumps(note).encode(), "a.zip": data})
    source = connector(store, kind)
    labelled = fetched(source, "a.zip")
    assert (labelled.sender, labelled.sent_at) == ("Ann of Acme", "2026-11-20")
    assert {shape.job for one in labelled.pictures for shape in one.shapes} == {"a.zip"}
    for one in labelled.pictures:
        assert asyncio.run(source.image(one)) == files[one.name.removeprefix(above)]
    for one in expected["images"]:
        one["file_name"] = above + one["file_name"]
    assert_golden(labelled, expected)
    assert not store.exists(QUARANTINE)


def test_ids_and_revisions_of_coco_are_the_file_and_its_etag(store: Store, folder: Path) -> None:
    deliver(folder.parents[1], "2026/d1", coco([], []), {})
    put(folder, {"annotations.json": b"of no delivery", "notes.txt": b"", "d2/a.jpg": b""})
    (entry,) = [one for one in store.list("inbox/trees") if one.key.endswith("d1/annotations.json")]
    found = listed(connector(store))
    assert found["2026/d1/annotations.json"].revision == entry.etag
    assert found["2026/d1/annotations.json"].called == "2026/d1"
    assert {key: (item.status, item.images) for key, item in found.items()} == {
        "2026/d1/annotations.json": ("finished", 0), "d2/annotations.json": ("waiting", 1),
    }  # fmt: skip


def test_a_folder_waits_for_its_marker_and_again_while_it_is_changed(store: Store, folder: Path) -> None:
    def write(name: str, data: bytes, time_s: float) -> tuple[str, str]:
        put(folder, {name: data})
        os.utime(folder / name, (time_s, time_s))
        item = listed(connector(store, "voc"))["d1/COMPLETE"]
        return item.status, item.revision

    assert write("d1/a.xml", b"1", 1000)[0] == "waiting"
    finished, first = write("d1/COMPLETE", b"", 1001)
    assert finished == "finished"
    assert write("d1/a.xml", b"2", 1002)[0] == "waiting"
    again, second = write("d1/COMPLETE", b"", 1003)
    assert again == "finished"
    assert second != first
    assert write("d1/COMPLETE", b"", 1009) == ("finished", second)


def test_another_note_is_another_revision(store: Store, folder: Path) -> None:
    put(folder, {"a.tar.gz": b"1"})
    first = listed(connector(store))["a.tar.gz"].revision
    put(folder, {"a.tar.gz.json": b"{}"})
    assert listed(connector(store))["a.tar.gz"].revision != first


def test_a_coco_name_that_leads_nowhere_is_missing(store: Store, folder: Path) -> None:
    names = ["a.png", "../d2/b.png", "no.png"]
    labels = coco([image(n, name) for n, name in enumerate(names)], [box(n, n) for n in range(3)])
    deliver(folder.parents[1], "d1", labels, {"a.png": picture(1), "../d2/b.png": picture(2)})
    labelled = fetched(connector(store), "d1/annotations.json")
    assert [one.missing for one in labelled.pictures] == [
        None,
        "file_name leaves the delivery",
        "no object inbox/trees/d1/no.png",
    ]


def test_existing_does_not_say(store: Store) -> None:
    assert asyncio.run(connector(store).existing()) is None


BOMB = b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><annotation><filename>&c;</filename></annotation>'
PICTURE = {"JPEGImages/a.jpg": picture(1, 200, 100)}


@pytest.mark.parametrize(
    ("kind", "data", "says"),
    [
        ("voc", zip_of({"../a.xml": b""}), "relative path"),
        ("voc", zip_of({"Annotations/a.xml": BOMB} | PICTURE), "document type"),
        ("voc", zip_of(PICTURE), "no labels of kind voc"),
        ("yolo", zip_of({"images/a.jpg": picture(1), "labels/a.txt": b"0 .5 .5 .1 .1"}), "0 YAML files"),
        ("coco", zip_of({"a.json": b"{"}), "no COCO file: a.json: not JSON"),
        ("imagenet", b"no zip", "damaged"),
    ],
    ids=["leaves", "bomb", "no labels", "no names", "no coco", "no zip"],
)
def test_a_refused_archive_is_set_apart_with_the_reason(store: Store, folder: Path, kind: str, data: bytes, says: str) -> None:
    put(folder, {"a.zip": data})
    for _ in range(2):  # killed after that and started again: the same
        with pytest.raises(Refused, match=says):
            fetched(connector(store, kind), "a.zip")
    md5 = hashlib.md5(data).hexdigest()
    assert {entry.key for entry in store.list(QUARANTINE)} == {
        f"{QUARANTINE}/{md5}-a.zip",
        f"{QUARANTINE}/{md5}-a.zip.reason.json",
    }
    assert store.read(f"{QUARANTINE}/{md5}-a.zip") == data
    reason = json.loads(store.read(f"{QUARANTINE}/{md5}-a.zip.reason.json"))
    assert says in reason["reason"]
    assert (folder / "a.zip").read_bytes() == data


@pytest.mark.parametrize(
    ("note", "says"),
    [
        (b'{"md5": "00"}', "expected 00 as a.zip.json says"),
        (b"{", "expected JSON with sender"),
        (b"[]", "expected JSON with sender"),
    ],
)
def test_a_note_that_does_not_fit_refuses_the_archive(store: Store, folder: Path, note: bytes, says: str) -> None:
    put(folder, {"a.zip": zip_of({"oak/1.jpg": picture(1)}), "a.zip.json": note})
    with pytest.raises(Refused, match=says):
        fetched(connector(store, "imagenet"), "a.zip")


def test_what_cannot_be_read_is_a_problem_and_the_rest_is_taken(store: Store, folder: Path) -> None:
    put(folder / "d1", {
        "data.yaml": b"names: [Tree]", "images/a.jpg": picture(1, 200, 100), "labels/a.txt": b"0 .5 .5 .1 .1\n7 .5 .5 .1 .1\n",
        "images/b.jpg": b"no picture", "labels/b.txt": b"0 .5 .5 .1 .1", "other/c.jpg": picture(3), "COMPLETE": b"",
    })  # fmt: skip
    labelled = fetched(connector(store, "yolo"), "d1/COMPLETE")
    assert [(one.name, [shape.box_px for shape in one.shapes]) for one in labelled.pictures] == [
        ("images/a.jpg", [pytest.approx((90, 45, 20, 10))] * 2),
        ("images/b.jpg", [pytest.approx((math.nan,) * 4, nan_ok=True)]),
    ]  # fmt: skip
    assert [shape.class_name for one in labelled.pictures for shape in one.shapes] == ["Tree", None, None]
    assert json.loads(labelled.pictures[0].shapes[1].raw)["text"] == "7 .5 .5 .1 .1"
    assert [problem.partition(": ")[0] for problem in labelled.problems] == [
        "labels/a.txt line 2", "images/b.jpg", "1 image files that no label file names, e.g. other/c.jpg; left out",
    ]  # fmt: skip


def test_several_coco_files_of_one_archive_are_put_together(store: Store, folder: Path) -> None:
    one, other = coco([image(1, "a.png")], [box(1, 1)]), coco([image(1, "a.png")], [box(1, 1)], ("Bush",))
    put(folder, {"a.zip": zip_of({
        "train/_annotations.coco.json": json.dumps(one).encode(), "train/a.png": picture(1), "readme.json": b"[]",
        "valid/_annotations.coco.json": json.dumps(other).encode(), "valid/a.png": picture(2), "more.zip": b"",
        "annotations/again_train.json": json.dumps(coco([image(5, "train/a.png")], [box(1, 5)])).encode(),
    })})  # fmt: skip
    labelled = fetched(connector(store), "a.zip")
    assert {one.name: [shape.class_name for shape in one.shapes] for one in labelled.pictures} == {
        "train/a.png": ["Tree", "Tree"], "valid/a.png": ["Bush"],
    }  # fmt: skip
    assert [problem.partition(":")[0] for problem in labelled.problems] == ["readme.json", "more.zip"]


def test_the_original_has_the_label_files_as_they_came(store: Store, folder: Path) -> None:
    files, _ = case("voc")
    put(folder / "d1", files | {"COMPLETE": b""})
    first, again = (fetched(connector(store, "voc"), "d1/COMPLETE").original for _ in range(2))
    assert first == again
    with zipfile.ZipFile(io.BytesIO(first)) as kept_files:
        assert kept_files.read("Annotations/a.xml") == files["Annotations/a.xml"]


def test_listing_imports_nothing_heavy() -> None:
    heavy = {"PIL", "pandas", "pyarrow", "numpy", "msgspec", "yaml"}
    said = f"import sys, include.labelling.files.connector; print(*(set(sys.modules) & {heavy}))"
    done = subprocess.run([sys.executable, "-c", said], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_mask_of_pycocotools_is_unpacked() -> None:
    """Made by pycocotools 2.0.11 from random pixels; the box is its toBbox."""
    text = (CASES / "mask_30x50.txt").read_text().strip()
    runs = unpacked_runs(text)
    assert sum(runs) == 30 * 50
    assert box_of_runs(runs, 30) == (7, 3, 43, 27)
