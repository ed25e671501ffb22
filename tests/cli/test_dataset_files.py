from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tfrecord.reader import tfrecord_loader
from typer.testing import CliRunner

from cli.__main__ import app
from include.errors import BadInputError, ConfigError
from include.storage import Store, open_store
from tests.versions import png, put_version


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("VISIONLOOP_STORE", f"file://{tmp_path}/store")
    return open_store(f"file://{tmp_path}/store")


@pytest.fixture
def trees(store: Store) -> Store:
    images = [{"relpath": f"images/{name}.png", "group": name, "split": split} for name, split in [("a", "train"), ("b", "val")]]
    boxes = [
        {"image": "images/a.png", "class_name": "Tree", "box": (1, 2, 10.5, 10)},
        {"image": "images/a.png", "class_name": "Bush", "box": (20, 20, 30, 8)},
        {"image": "images/b.png", "class_name": "Tree", "box": (0, 0, 64, 48)},
    ]
    put_version(store, "trees", ("Bush", "Tree"), images, boxes)
    return store


def visionloop(*words: object) -> Any:
    """What the command said, as JSON. Its errors are raised."""
    done = CliRunner().invoke(app, ["dataset", *map(str, words), "--json"], catch_exceptions=True)
    if done.exception:
        raise done.exception
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["coco", "yolo", "voc", "cvat", "datumaro"])
def test_exported_and_imported_a_version_has_the_same_images_and_boxes(trees: Store, tmp_path: Path, name: str) -> None:
    visionloop("export", "trees:v1", tmp_path / "out", "--format", name)
    version = visionloop("import", tmp_path / "out", "--name", "again", "--format", name)
    assert version["classes"] == ["Bush", "Tree"]
    assert {split: (n["images"], n["annotations"]) for split, n in version["splits"].items()} == {
        "train": (1, 2), "val": (1, 1), "test": (0, 0),
    }  # fmt: skip


def test_an_export_goes_on_and_fetches_only_what_is_not_there(trees: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert visionloop("export", "trees:v1", out, "--format", "yolo")["images fetched"] == 2
    (out / "images/train/a.png").write_bytes(b"torn")
    counts = visionloop("export", "trees:v1", out, "--format", "yolo")
    assert (counts["images fetched"], counts["images there already"]) == (1, 1)
    assert (out / "images/train/a.png").read_bytes() == png("images/a.png")
    # 1 + 10.5 / 2 of 64 px and 2 + 10 / 2 of 48 px
    assert (out / "labels/train/a.txt").read_text().splitlines()[0] == "1 0.09765625 0.14583333 0.1640625 0.20833333"


def test_images_go_to_the_folder_of_their_class(trees: Store, tmp_path: Path) -> None:
    visionloop("export", "trees:v1", tmp_path / "out", "--format", "imagenet")
    assert sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")) == [
        "train/Bush/a.png", "val/Tree/b.png",
    ]  # fmt: skip


def records(path: Path) -> list[dict[str, Any]]:
    """As the library reads them, which checks their lengths; their checksums are checked here."""
    data, place = path.read_bytes(), 0
    while place < len(data):
        length = int.from_bytes(data[place : place + 8], "little")
        for start, size in ((place, 8), (place + 12, length)):
            end = start + size
            assert data[end : end + 4] == masked_crc(data[start:end])
        place += 16 + length
    return list(tfrecord_loader(str(path), None))


def masked_crc(data: bytes) -> bytes:
    """CRC-32C, bit by bit, and TensorFlow's mask: tensorflow/core/lib/hash/crc32c.h."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


def test_records_hold_images_and_boxes_as_shares_of_them(trees: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    counts = visionloop("export", "trees:v1", out, "--format", "tfrecord")
    assert (counts["images"], counts["files"], counts["cannot hold: image group"]) == (2, 2, 2)
    assert masked_crc(b"123456789") != (0xE3069283).to_bytes(4, "little")  # masked, the check value of CRC-32C is another
    (record,) = records(out / "train.record-00000-of-00001")
    assert bytes(record["image/encoded"]) == png("images/a.png")
    assert (bytes(record["image/format"]), bytes(record["image/filename"])) == (b"png", b"images/a.png")
    assert (record["image/width"].tolist(), record["image/height"].tolist()) == ([64], [48])
    shares = {"xmin": [1 / 64, 20 / 64], "xmax": [11.5 / 64, 50 / 64], "ymin": [2 / 48, 20 / 48], "ymax": [12 / 48, 28 / 48]}
    for side, expected in shares.items():
        assert record[f"image/object/bbox/{side}"].tolist() == pytest.approx(expected)
    assert record["image/object/class/text"].tolist() == [b"Tree", b"Bush"]
    assert record["image/object/class/label"].tolist() == [2, 1]
    assert (out / "label_map.pbtxt").read_text() == ('item {\n  id: 1\n  name: "Bush"\n}\nitem {\n  id: 2\n  name: "Tree"\n}\n')


def test_records_go_on_and_are_cut_where_a_file_is_large_enough(
    trees: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    images = [{"relpath": f"images/{name}.png", "split": "train"} for name in "abc"]
    put_version(trees, "three", ("Tree",), images, [])
    monkeypatch.setattr("include.versions.copies.records.SHARD_BYTES", len(png("images/a.png")) + 1)
    out = tmp_path / "out"
    assert visionloop("export", "three:v1", out, "--format", "tfrecord")["images"] == 3
    files = sorted(path.name for path in out.glob("*.record-*"))
    assert files == [f"train.record-0000{number}-of-00003" for number in range(3)]
    whole = (out / files[1]).read_bytes()
    (out / files[1]).unlink()
    counts = visionloop("export", "three:v1", out, "--format", "tfrecord")
    assert (counts["images"], counts["images there already"]) == (1, 2)
    assert (out / files[1]).read_bytes() == whole
    (record,) = records(out / files[1])
    assert record["image/object/class/text"].tolist() == []


@pytest.mark.parametrize("before", ["another format", "files"])
def test_a_folder_with_something_else_is_left_alone(trees: Store, tmp_path: Path, before: str) -> None:
    if before == "files":
        (tmp_path / "out").mkdir()
        (tmp_path / "out/mine.txt").write_text("mine")
    else:
        visionloop("export", "trees:v1", tmp_path / "out", "--format", "voc")
    with pytest.raises(ConfigError, match="choose"):
        visionloop("export", "trees:v1", tmp_path / "out", "--format", "coco")


def test_adopted_from_a_terminal_it_is_a_version(store: Store) -> None:
    store.write("raw/a/images/train/x.png", png("x"))
    store.write("raw/a/labels/train/x.txt", b"0 0.5 0.5 0.25 0.5\n")
    store.write("raw/a/data.yaml", b"names: [Tree]")
    version = visionloop("adopt", "raw/a", "--name", "trees", "--format", "yolo")
    assert (version["version"], version["operation"], version["splits"]["train"]["annotations"]) == ("v1", "adopt", 1)
    assert version["counts"] == {"objects adopted": 1}


def test_labels_with_problems_send_nothing(store: Store, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(png("a"))
    (tmp_path / "in/a.json").write_text('{"images": [{"id": 1, "file_name": "../a.png"}], "annotations": [], "categories": []}')
    with pytest.raises(BadInputError, match="file_name"):
        visionloop("import", tmp_path / "in", "--name", "trees", "--format", "coco")
    assert list(store.list("")) == []


def test_a_split_that_is_none_is_said(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--split: got '1,2', expected three shares"):
        visionloop("import", tmp_path, "--name", "trees", "--split", "1,2")
