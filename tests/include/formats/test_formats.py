from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.errors import BadInputError
from include.formats import FORMATS, Box, LabelledImage, Labels, Tree
from include.formats.records import packed
from include.formats.tree import harmless, split_in

SIZE = (200, 100)


def tree(files: dict[str, bytes | str], **more: Any) -> Tree:
    held = {path: data.encode() if isinstance(data, str) else data for path, data in files.items()}
    return Tree(sorted(held), held.__getitem__, lambda _: SIZE, **more)


def written(name: Any, labels: Labels) -> Tree:
    layout = FORMATS[name].write(labels)
    return tree({**dict(layout.files), **dict.fromkeys(layout.places, b"")})


def corners(labels: Labels) -> list[tuple[str, float, float, float, float]]:
    """Class and x0 y0 x1 y1 of every box."""
    return [
        (b.class_name, *(round(v, 2) for v in (b.x_px, b.y_px, b.x_px + b.width_px, b.y_px + b.height_px)))
        for image in labels.images for b in image.boxes
    ]  # fmt: skip


COCO = json.dumps({
    "images": [{"id": 7, "file_name": "a.jpg", "width": 200, "height": 100, "group": 3, "attributes": {"site": "n", "deep": []}}],
    "annotations": [{"id": 1, "image_id": 7, "category_id": 9, "bbox": [10, 20, 30.5, 40], "iscrowd": 1, "annotator": "ann"}],
    "categories": [{"id": 9, "name": "Tree"}],
})  # fmt: skip
VOC = """<annotation><filename>a.jpg</filename><size><width>200</width><height>100</height><depth>3</depth></size>
<object><name>Tree</name><pose>Left</pose><difficult>1</difficult><bndbox><xmin>1</xmin><ymin>21</ymin><xmax>200</xmax>
<ymax>100</ymax></bndbox></object></annotation>"""
CVAT = """<annotations><version>1.1</version><meta><task><labels><label><name>Tree</name></label></labels></task></meta>
<image id="0" name="a.jpg" width="200" height="100" subset="Validation">
<box label="Tree" occluded="1" xtl="10.00" ytl="20.00" xbr="40.50" ybr="60.00"><attribute name="age">7</attribute></box>
<box label="Tree" rotation="45" xtl="1" ytl="1" xbr="2" ybr="2"/><polygon label="Tree" points="1,1;2,2;3,1"/></image>
</annotations>"""
DATUMARO = json.dumps({
    "categories": {"label": {"labels": [{"name": "Tree"}]}},
    "items": [{"id": "a", "attr": {"site": "n"}, "image": {"path": "a.jpg", "size": [100, 200]}, "annotations": [
        {"id": 0, "type": "bbox", "label_id": 0, "bbox": [10, 20, 30.5, 40], "attributes": {"is_crowd": True, "age": 7}}]}],
})  # fmt: skip


@pytest.mark.parametrize(
    ("name", "files", "expected", "split", "lost"),
    [
        ("coco", {"annotations/val.json": COCO}, ("Tree", 10, 20, 40.5, 60), "val", {"nested attributes": 1}),
        # centre 0.5, 0.5 of 200 × 100 px, a quarter of the width and half of the height
        ("yolo", {"data.yaml": "names: [Bush, Tree]", "labels/train/a.txt": "1 0.5 0.5 0.25 0.5\n", "images/train/a.jpg": b""},
         ("Tree", 75, 25, 125, 75), "train", {}),
        # 1 to 200 is the whole width of 200 pixels; 21 to 100 the lower 80 of 100
        ("voc", {"Annotations/a.xml": VOC, "ImageSets/Main/test.txt": "a\n"}, ("Tree", 0, 20, 200, 100), "test", {}),
        ("cvat", {"annotations.xml": CVAT}, ("Tree", 10, 20, 40.5, 60), "val",
         {"rotated boxes, left out": 1, "polygon shapes": 1}),
        ("datumaro", {"annotations/train.json": DATUMARO}, ("Tree", 10, 20, 40.5, 60), "train", {}),
    ],
    ids=["coco", "yolo", "voc", "cvat", "datumaro"],
)  # fmt: skip
def test_a_file_gives_the_corners_worked_out_by_hand(name: Any, files: Any, expected: Any, split: str, lost: Any) -> None:
    labels = FORMATS[name].read(tree(files))
    assert labels.problems.first == []
    assert corners(labels) == [expected]
    assert labels.images[0].split == split
    assert dict(+labels.lost) == lost


def test_what_coco_says_of_images_and_people_is_kept() -> None:
    (image,) = FORMATS["coco"].read(tree({"a.json": COCO})).images
    assert (image.path, image.width_px, image.height_px, image.group, image.attributes) == (
        "a.jpg",
        200,
        100,
        "3",
        '{"site": "n"}',
    )
    assert (image.boxes[0].is_crowd, image.boxes[0].annotator) == (True, "ann")


def test_class_folders_become_an_attribute() -> None:
    labels = FORMATS["imagenet"].read(tree({"train/oak/1.jpg": b"", "train/fir/2.jpg": b"", "val/oak/3.jpg": b""}))
    assert labels.classes == ["fir", "oak"]
    assert [(i.path, i.split, i.attributes, i.boxes) for i in labels.images] == [
        ("train/fir/2.jpg", "train", '{"class": "fir"}', ()),
        ("train/oak/1.jpg", "train", '{"class": "oak"}', ()),
        ("val/oak/3.jpg", "val", '{"class": "oak"}', ()),
    ]


def test_an_image_goes_to_the_folder_of_most_of_its_boxes() -> None:
    boxes = tuple(Box(name, 0, 0, 1, 1) for name in ("Bush", "Tree", "Tree"))
    layout = FORMATS["imagenet"].write(Labels(["Bush", "Tree"], [LabelledImage("images/x/a.jpg", boxes, split="val")]))
    assert (layout.places, dict(layout.lost)) == (["val/Tree/x__a.jpg"], {"boxes": 3})


def test_voc_written_again_has_the_numbers_it_came_with() -> None:
    again = FORMATS["voc"].write(FORMATS["voc"].read(tree({"Annotations/a.xml": VOC})))
    text = dict(again.files)["Annotations/a.xml"].decode()
    for number in ("<xmin>1<", "<ymin>21<", "<xmax>200<", "<ymax>100<", "<pose>Left<", "<difficult>1<"):
        assert number in text


def test_what_yolo_cannot_hold_is_counted() -> None:
    box = Box("Tree", 1, 1, 5, 5, True, "ann", None, "j1", '{"age": 7}')
    labels = Labels(["Tree"], [LabelledImage("images/a.jpg", (box, box), 200, 100, "g", "val", '{"site": 1}')])
    assert dict(FORMATS["yolo"].write(labels).lost) == {
        "image group": 1, "image attributes": 1, "crowd marks": 2, "box annotator": 2, "box job": 2, "box attributes": 2,
    }  # fmt: skip


def test_images_that_would_share_a_label_file_get_one_each() -> None:
    images = [LabelledImage(f"images/{name}", (), 9, 9, None, "train") for name in ("a.png", "a.jpg", "images/b.jpg")]
    layout = FORMATS["yolo"].write(Labels(["Tree"], images))
    assert layout.places[0] == "images/train/a.png"
    assert layout.places[2] == "images/train/images_/b.jpg"
    assert len({path for path, _ in layout.files}) == 4  # data.yaml and a label file for each


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;">]><annotation><filename>&c;</filename></annotation>'
READ_A_FILE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><annotation><filename>&b;</filename></annotation>'


@pytest.mark.parametrize("text", [BOMB, READ_A_FILE], ids=["bomb", "outside file"])
@pytest.mark.parametrize("name", ["voc", "cvat"])
def test_xml_that_declares_entities_is_refused(name: Any, text: str) -> None:
    labels = FORMATS[name].read(tree({"Annotations/a.xml": text}))
    assert labels.images == []
    with pytest.raises(BadInputError, match=r"1 problems: Annotations/a.xml: got a document type"):
        labels.problems.refuse("labels")


@pytest.mark.parametrize(
    ("name", "files", "says"),
    [
        ("coco", {"a.json": "{"}, "not JSON"),
        ("coco", {"a.json": COCO.replace("30.5", '"wide"')}, "annotation 1: got bbox .*expected four numbers"),
        ("coco", {"a.json": COCO.replace("a.jpg", "../a.jpg")}, "image 0: got file_name"),
        ("coco", {"a.json": COCO.replace('"category_id": 9', '"category_id": 8')}, "got category_id 8, expected one of 9"),
        ("yolo", {"labels/a.txt": "", "images/a.jpg": b""}, "got 0 YAML files with `names`"),
        ("yolo", {"data.yaml": "names: [Tree]", "labels/a.txt": "1 .5 .5 .1 .1", "images/a.jpg": b""}, "line 1: got class 1"),
        ("yolo", {"data.yaml": "names: [Tree]", "labels/a.txt": "0 .5 .5 .1", "images/a.jpg": b""}, "line 1: got 0 .5 .5 .1"),
        ("voc", {"a.xml": "<annotation>"}, "not XML"),
        ("voc", {"a.xml": VOC.replace("<xmin>1<", "<xmin>one<")}, "object 1: got no such numbers"),
        ("cvat", {"a.xml": "<annotations><track id='0'/></annotations>"}, "CVAT for video"),
        ("datumaro", {"a.json": "[]"}, "got other content"),
        ("datumaro", {"a.json": DATUMARO.replace('"label_id": 0', '"label_id": 5')}, "annotation 0: got ValueError label_id 5"),
        ("imagenet", {"a.jpg": b""}, "no class folder"),
    ],
)  # fmt: skip
def test_a_problem_says_where_and_what(name: Any, files: Any, says: str) -> None:
    with pytest.raises(BadInputError, match=says):
        FORMATS[name].read(tree(files)).problems.refuse("labels")


@pytest.mark.parametrize("name", ["/a", "../a", "a/../../b", "C:/a", "a\\b", "", ".", None, 3, "a\nb"])
def test_a_path_that_leaves_its_folder_is_none(name: object) -> None:
    assert harmless(name) is None


@pytest.mark.parametrize(
    ("path", "split"),
    [("instances_val2017.json", "val"), ("latest.json", None), ("images/train/a_b.jpg", "train"), ("train_val.json", None)],
)
def test_the_split_that_a_path_names(path: str, split: str | None) -> None:
    assert split_in(path) == split


def boxes(attributes: st.SearchStrategy[str | None]) -> Callable[..., Any]:
    edge = st.floats(0, 0.9)
    return st.builds(
        lambda name, x, y, w, h, stated: Box(name, x * 200, y * 100, w * 200 * (1 - x), h * 100 * (1 - y), attributes=stated),
        st.sampled_from(["Tree", "Bush & <b>", "Bäume"]), edge, edge, st.floats(0.05, 1), st.floats(0.05, 1), attributes,
    )  # fmt: skip


WORDS = st.text("abc <&\"'ä", min_size=1, max_size=5).filter(lambda text: text == text.strip())
STATED = st.dictionaries(st.sampled_from(["age", "occluded", "a b"]), WORDS | st.integers(-9, 9) | st.booleans()).map(packed)


@pytest.mark.parametrize("name", ["coco", "yolo", "voc", "cvat", "datumaro"])
@settings(max_examples=40)
@given(data=st.data())
def test_written_and_read_again_boxes_are_the_same_to_a_hundredth_pixel(name: Any, data: st.DataObject) -> None:
    stated = st.none() if name == "yolo" else STATED
    images = [
        LabelledImage(f"images/{n}.png", tuple(data.draw(st.lists(boxes(stated), max_size=3))), *SIZE, split=split)
        for n, split in enumerate(data.draw(st.lists(st.sampled_from(["train", "val", "test"]), min_size=1, max_size=3)))
    ]
    before = Labels(["Bush & <b>", "Bäume", "Tree"], images)
    after = FORMATS[name].read(written(name, before))
    after.problems.refuse("labels")
    assert len(after.images) == len(images)
    found = {image.path.rpartition("/")[2]: image for image in after.images}
    for image in images:
        again = found[image.path.rpartition("/")[2]]
        assert again.split == image.split
        for one, other in zip(image.boxes, again.boxes, strict=True):
            assert (one.class_name, one.attributes) == (other.class_name, other.attributes)
            for ours, theirs in zip(corner(one), corner(other), strict=True):
                assert ours == pytest.approx(theirs, abs=0.01)


def corner(box: Box) -> tuple[float, ...]:
    return box.x_px, box.y_px, box.x_px + box.width_px, box.y_px + box.height_px
