from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from include.artifacts import Detection
from include.detector.pictures import fetch, picture_of, read_split
from include.detector.precision import average_precision_50
from include.errors import BadInputError
from include.storage import ContentStore, open_store
from include.storage.content import content_key
from tests.include.detector.shapes import CLASSES, put_shapes, shape_picture


def test_split_is_read_with_its_boxes_as_corners(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    version = put_shapes(store, {"train": 3, "val": 2})
    pictures = read_split(version, ContentStore(store), "val", tmp_path / "val")
    assert [picture.image_id for picture in pictures] == [4, 5]
    for picture in pictures:
        _, shapes = shape_picture(picture.image_id)
        assert picture.boxes_xyxy_px.tolist() == [[x, y, x + w, y + h] for _, (x, y, w, h) in shapes]
        assert picture.labels.tolist() == [category - 1 for category, _ in shapes]
        assert picture.open().size == (64, 64)


def test_unreadable_and_missing_pictures_are_named_together(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    version = put_shapes(store, {"train": 3}, broken="cut")
    missing = read_split(put_shapes(store, {"train": 3}), ContentStore(store), "train", tmp_path / "whole")[1].md5
    store.delete(content_key(missing))
    with pytest.raises(
        BadInputError, match=r"2 of 3 train pictures cannot be used: images/001\.png .*; images/002\.png: .*missing"
    ):
        read_split(version, ContentStore(store), "train", tmp_path / "train")


def test_picture_of_another_size_than_stated_is_named(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    version = put_shapes(store, {"train": 2}, broken="size")
    with pytest.raises(BadInputError, match=r"images/001\.png .*got 64×64 px, expected 65×64"):
        read_split(version, ContentStore(store), "train", tmp_path / "train")


def test_a_turned_photo_is_seen_upright_as_its_boxes_mean_it(tmp_path: Path) -> None:
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6  # 32 × 16 pixels as stored; turned clockwise, what lay at the left is at the top
    photo = Image.new("RGB", (32, 16), "black")
    photo.paste("white", (0, 0, 8, 16))
    photo.save(out, "JPEG", exif=exif)
    content = ContentStore(open_store(f"file://{tmp_path}/store"))
    row = {"relpath": "a.jpg", "md5": content.put(out.getvalue()), "width_px": 16, "height_px": 32, "image_id": 1}
    assert fetch(row, content, tmp_path) is None
    assert fetch({**row, "width_px": 32, "height_px": 16}, content, tmp_path) is not None
    seen = picture_of(row, [], tmp_path).open()
    assert seen.size == (16, 32)
    assert [seen.getpixel(place)[0] > 128 for place in ((8, 2), (2, 2), (8, 28))] == [True, True, False]


def test_average_precision_by_hand(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    pictures = read_split(put_shapes(store, {"val": 4}), ContentStore(store), "val", tmp_path / "val")
    perfect = [
        [
            Detection(box_xyxy_px=tuple(box), class_name=CLASSES[label], score=0.9)
            for box, label in zip(picture.boxes_xyxy_px.tolist(), picture.labels.tolist(), strict=True)
        ]
        for picture in pictures
    ]
    nothing: list[list[Detection]] = [[] for _ in pictures]
    assert average_precision_50(pictures, perfect, CLASSES) == pytest.approx(1)
    assert average_precision_50(pictures, nothing, CLASSES) == 0
    assert average_precision_50([], [], CLASSES) != average_precision_50([], [], CLASSES)  # NaN: there is nothing to find
