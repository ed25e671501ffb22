from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms

from include.artifacts import DatasetVersion
from include.errors import BadInputError, ConfigError
from include.storage import ContentStore, Store
from include.versions.contents import Contents
from include.versions.derive import DeriveDataset
from tests.step_process import StepProcess
from tests.versions import png, put_version

Derived = Callable[..., DatasetVersion]
Box = tuple[float, float, float, float]


def encoded(image: Image.Image, form: str = "PNG", **how: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **how)
    return out.getvalue()


def gradient(width: int, height: int) -> Image.Image:
    """Every pixel tells where it was: red is its column, green its row."""
    image = Image.new("RGB", (width, height))
    image.putdata([(x, y, 0) for y in range(height) for x in range(width)])
    return image


@pytest.fixture
def plots(store: Store) -> DatasetVersion:
    """plots:v1: one picture of 100×64 px in test, whose boxes try the edges between tiles."""
    boxes = [
        {"box": (10, 10, 20, 20), "annotator": "ann", "reviewer": "bob", "job": "7", "origin": "d1#9", "attributes": {"age": 3}},
        {"box": (60, 0, 10, 10)},  # 4 of 10 px in the tile that begins at 0 and ends at 64
        {"box": (61, 30, 10, 10)},  # 3 of 10
        {"box": (62, 50, 10, 10)},  # 2 of 10
        {"box": (0, 54, 100, 10), "is_crowd": True},
    ]
    return put_version(
        store, "plots", ("Tree",),
        [{"relpath": "images/site 1/a.v2.png", "data": encoded(gradient(100, 64)), "group": "g1", "split": "test",
          "source": "field", "attributes": {"site": "north"}}],
        [{"image": "images/site 1/a.v2.png", "class_name": "Tree", **box} for box in boxes],
    )  # fmt: skip


def pictures(store: Store, version: DatasetVersion) -> dict[str, Image.Image]:
    """Decoded, by path below images/."""
    content = ContentStore(store)
    rows = Contents.read(content, version).images
    return {
        relpath.removeprefix("images/"): Image.open(io.BytesIO(content.get(md5)))
        for relpath, md5 in zip(rows["relpath"], rows["md5"], strict=True)
    }


def boxes_of(store: Store, version: DatasetVersion) -> dict[str, list[Box]]:
    """By path; images without a box have an empty list."""
    contents = Contents.read(ContentStore(store), version)
    found: dict[str, list[Box]] = {path.removeprefix("images/"): [] for path in contents.images["relpath"]}
    path = contents.images.set_index("md5")["relpath"]
    for row in contents.annotations.to_dict("records"):
        box = (row["x_px"], row["y_px"], row["width_px"], row["height_px"])
        found[path[row["md5"]].removeprefix("images/")].append(box)
    return found


def how(kind: str, **parameters: Any) -> dict[str, Any]:
    return {"operation": "transform", "how": {"kind": kind, **parameters}}


def test_tiles_have_the_pixels_and_boxes_of_their_place(store: Store, plots: DatasetVersion, derived: Derived) -> None:
    made = derived(how("tile", size_px=64, min_visible=0.3), parents="dataset://plots:v1", name="plots-tiles")
    left, right = "site 1/a.v2.x0y0.png", "site 1/a.v2.x36y0.png"  # 100 px wide: the second ends at the edge
    tiles = pictures(store, made)
    assert {path: tile.size for path, tile in tiles.items()} == {left: (64, 64), right: (64, 64)}
    assert tiles[left].getpixel((63, 5)) == (63, 5, 0)
    assert (tiles[right].getpixel((0, 0)), tiles[right].getpixel((63, 63))) == ((36, 0, 0), (99, 63, 0))
    assert boxes_of(store, made) == {
        left: [(10, 10, 20, 20), (60, 0, 4, 10), (61, 30, 3, 10), (0, 54, 64, 10)],
        right: [(24, 0, 10, 10), (25, 30, 10, 10), (26, 50, 10, 10), (0, 54, 64, 10)],
    }
    assert made.counts == {"images_made": 2, "images_left_out": 0, "annotations_cut_off": 1, "images_of_same_bytes": 0}


def test_a_tile_keeps_group_split_and_what_is_known(store: Store, plots: DatasetVersion, derived: Derived) -> None:
    before = Contents.read(ContentStore(store), plots)
    made = derived(how("tile", size_px=64), parents="dataset://plots:v1", name="plots-tiles")
    after = Contents.read(ContentStore(store), made)
    for row in after.images.to_dict("records"):
        assert (row["group"], row["split"], row["source"]) == ("g1", "test", "field")
        assert json.loads(row["attributes"]) == {"site": "north", "made_from": before.images["md5"][0]}
        assert (row["width_px"], row["height_px"]) == (64, 64)
    first = after.annotations.iloc[0]
    told = ("annotator", "reviewer", "job", "origin", "attributes")
    assert [first[one] for one in told] == ["ann", "bob", "7", "d1#9", '{"age": 3}']
    assert after.annotations["is_crowd"].tolist() == [False, False, False, True] * 2


@pytest.mark.parametrize(
    ("width", "overlap", "starts"),
    [(64, 0, [0]), (128, 0, [0, 64]), (129, 0, [0, 64, 65]), (128, 16, [0, 48, 64]), (65, 63, [0, 1]), (30, 0, [0])],
)
def test_tiles_cover_every_column_and_none_is_beyond_the_edge(
    store: Store, derived: Derived, width: int, overlap: int, starts: list[int]
) -> None:
    put_version(store, "wide", ("Tree",), [{"relpath": "images/a.png", "data": encoded(gradient(width, 20))}], [])
    do = how("tile", size_px=64, overlap_px=overlap, format="webp")
    made = derived(do, parents="dataset://wide:v1", name="tiles")
    assert sorted(pictures(store, made)) == sorted(["a.webp"] if starts == [0] else [f"a.x{start}y0.webp" for start in starts])


def test_empty_tiles_can_be_left_out_and_a_small_picture_stays_as_it_is(store: Store, derived: Derived) -> None:
    images = [{"relpath": f"images/{name}.png", "data": encoded(gradient(width, 64))} for name, width in [("a", 128), ("b", 50)]]
    boxes = [{"image": f"images/{name}.png", "class_name": "Tree", "box": (1, 1, 8, 8)} for name in "ab"]
    before = put_version(store, "some", ("Tree",), images, boxes)
    made = derived(how("tile", size_px=64, drop_empty=True), parents="dataset://some:v1")
    assert boxes_of(store, made) == {"a.x0y0.png": [(1, 1, 8, 8)], "b.png": [(1, 1, 8, 8)]}
    md5s = [set(Contents.read(ContentStore(store), one).images["md5"]) for one in (before, made)]
    assert len(md5s[0] & md5s[1]) == 1


def test_blank_tiles_of_train_and_test_are_one_image_in_test(store: Store, derived: Derived) -> None:
    images = [
        {"relpath": f"images/{split}.png", "data": encoded(Image.new("L", (width, 64), 9)), "split": split}
        for split, width in [("train", 128), ("test", 192), ("val", 256)]
    ]
    put_version(store, "blank", ("Tree",), images, [])
    made = derived(how("tile", size_px=64), parents="dataset://blank:v1", name="tiles")
    assert {split: count.images for split, count in made.splits.items()} == {"train": 0, "val": 0, "test": 1}
    assert made.counts["images_of_same_bytes"] == 2 + 3 + 4 - 1


@pytest.mark.parametrize(
    ("asked", "size", "box"),
    [
        ({"max_side_px": 50}, (50, 32), (5, 5, 10, 10)),
        ({"max_side_px": 500}, (100, 64), (10, 10, 20, 20)),
        ({"width_px": 200}, (200, 128), (20, 20, 40, 40)),
        ({"height_px": 32}, (50, 32), (5, 5, 10, 10)),
        ({"width_px": 50, "height_px": 128}, (50, 128), (5, 20, 10, 40)),
    ],
    ids=["shrink", "never enlarge", "width", "height", "stretch"],
)
def test_resize_scales_boxes_with_the_picture(
    store: Store, plots: DatasetVersion, derived: Derived, asked: Any, size: tuple[int, int], box: Box
) -> None:
    made = derived(how("resize", **asked), parents="dataset://plots:v1", name="resized")
    ((path, picture),) = pictures(store, made).items()
    assert (path, picture.size) == ("site 1/a.v2.png", size)
    assert boxes_of(store, made)[path][0] == pytest.approx(box)


@pytest.mark.parametrize(
    ("asked", "region", "boxes"),
    [
        ({"left": 20, "top": 10, "width": 41, "height": 20}, (20, 10, 61, 30), [(0, 0, 10, 20)]),
        ({"unit": "share", "left": 0.6, "width": 0.5, "height": 0.5}, (60, 0, 100, 32), [(0, 0, 10, 10)]),
    ],
    ids=["px", "share, and beyond the edge"],
)
def test_crop_clips_boxes(
    store: Store, plots: DatasetVersion, derived: Derived, asked: Any, region: Any, boxes: list[Box]
) -> None:
    made = derived(how("crop", **asked), parents="dataset://plots:v1", name="cropped")
    ((path, picture),) = pictures(store, made).items()
    assert picture.tobytes() == gradient(100, 64).crop(region).tobytes()
    assert boxes_of(store, made)[path] == boxes


def test_a_picture_outside_of_the_region_is_left_out_and_counted(store: Store, trees: DatasetVersion, derived: Derived) -> None:
    put_version(store, "two", ("Tree",), [
        {"relpath": "images/large.png", "data": png("large", (200, 200))}, {"relpath": "images/small.png"},
    ], [])  # fmt: skip
    made = derived(how("crop", left=100, width=50, height=50), parents="dataset://two:v1")
    assert list(pictures(store, made)) == ["large.png"]
    assert made.counts["images_left_out"] == 1


def test_reencode_changes_bytes_and_suffix_and_no_box(store: Store, trees: DatasetVersion, derived: Derived) -> None:
    made = derived(how("reencode", format="jpeg", quality=80), name="jpegs")
    found = pictures(store, made)
    assert {path: picture.format for path, picture in found.items()} == {f"{name}.jpg": "JPEG" for name in "abcd"}
    assert boxes_of(store, made)["a.jpg"] == [(1, 2, 10, 10), (20, 20, 30, 8)]
    with pytest.raises(Exception, match="changed nothing: jpegs:v1"):  # those that are jpeg already stay as they are
        derived(how("reencode", format="jpeg"), parents="dataset://jpegs:v1", name="jpegs", run="r2")


def test_orientation_is_applied_and_not_kept_and_the_colour_profile_is(store: Store, derived: Derived) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # 100 × 64 pixels as stored, 64 × 100 as every viewer shows it, and as the boxes mean it
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(gradient(100, 64), "JPEG", exif=exif, icc_profile=profile, quality=95)
    put_version(store, "turned", ("Tree",), [{"relpath": "images/a.JPG", "data": data}],
                [{"image": "images/a.JPG", "class_name": "Tree", "box": (10, 10, 20, 20)}])  # fmt: skip
    made = derived(how("crop", width=60, height=90), parents="dataset://turned:v1")
    ((path, picture),) = pictures(store, made).items()
    assert (path, picture.size, picture.getexif().get(0x0112)) == ("a.JPG", (60, 90), None)
    assert picture.getpixel((10, 80)) == pytest.approx((80, 53, 0), abs=8)  # column 80, row 63 - 10 as stored
    assert picture.info["icc_profile"] == profile
    assert boxes_of(store, made)[path] == [(10, 10, 20, 20)]


def test_a_turned_photo_is_stored_upright_by_reencoding_although_it_is_a_jpeg_already(store: Store, derived: Derived) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(gradient(100, 64), "JPEG", exif=exif)
    put_version(store, "lying", ("Tree",), [{"relpath": "images/a.jpg", "data": data}], [])
    ((_, picture),) = pictures(store, derived(how("reencode", format="jpeg"), parents="dataset://lying:v1")).items()
    assert (picture.size, picture.getexif().get(0x0112)) == ((64, 100), None)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_every_mode_of_a_picture_can_be_cut_and_scaled(store: Store, derived: Derived, mode: str) -> None:
    form = "TIFF" if mode in ("CMYK", "F") else "PNG"
    put_version(store, "modes", ("Tree",), [{"relpath": "images/a.tif", "data": encoded(Image.new(mode, (80, 60)), form)}], [])
    made = derived(how("resize", max_side_px=40), parents="dataset://modes:v1")
    ((path, picture),) = pictures(store, made).items()
    assert (path, picture.size) == ("a.png", (40, 30))
    assert picture.mode == {"1": "RGB", "P": "RGB", "CMYK": "RGB", "F": "RGB"}.get(mode, mode)


def test_reclassify_renames_merges_and_drops(store: Store, trees: DatasetVersion, derived: Derived) -> None:
    made = derived(how("reclassify", map={"Tree": "Plant", "Bush": None}), name="plants")
    assert made.classes == ("Plant",)
    assert boxes_of(store, made)["a.png"] == [(1, 2, 10, 10)]
    assert made.counts == {"annotations_left_out": 2, "annotations_renamed": 3}
    both = derived(how("reclassify", map={"Tree": "Bush"}, classes=["Rock", "Bush"]), name="bushes", run="r2")
    assert both.classes == ("Rock", "Bush")
    assert set(Contents.read(ContentStore(store), both).annotations["class_name"]) == {"Bush"}
    assert both.new_bytes < 5000  # no new picture


def test_drop_small_goes_by_the_shorter_side_or_the_area_and_leaves_crowds(store: Store, derived: Derived) -> None:
    sizes = [(8, 40), (9, 9), (30, 2), (2, 2)]
    put_version(store, "sizes", ("Tree",), [{"relpath": "images/a.png"}], [
        {"image": "images/a.png", "class_name": "Tree", "box": (0, 0, *size), "is_crowd": size == (2, 2)} for size in sizes
    ])  # fmt: skip
    for number, (asked, left) in enumerate(
        [({"min_side_px": 8}, [(8, 40), (9, 9), (2, 2)]), ({"min_area_px2": 82}, [(8, 40), (2, 2)])]
    ):
        made = derived(how("drop_small", **asked), parents="dataset://sizes:v1", name=f"s{number}", run=f"r{number}")
        assert [box[2:] for box in boxes_of(store, made)["a.png"]] == left


def test_augment_copies_train_only_and_boxes_follow_the_pixels(store: Store, derived: Derived) -> None:
    marked = Image.new("RGB", (100, 64))
    marked.paste((255, 255, 255), (10, 20, 15, 40))  # white where the box is
    images = [{"relpath": f"images/{split}.png", "data": encoded(marked.rotate(0)) if split == "train" else None, "split": split}
              for split in ("train", "val", "test")]  # fmt: skip
    put_version(store, "marked", ("Tree",), images, [{"image": "images/train.png", "class_name": "Tree", "box": (10, 20, 5, 20)}])
    do = how("augment", copies=7, flips=["horizontal", "vertical"], quarter_turns=True)
    made = derived(do, parents="dataset://marked:v1")
    assert {split: count.images for split, count in made.splits.items()} == {"train": 8, "val": 1, "test": 1}
    found, boxes = pictures(store, made), boxes_of(store, made)
    assert {"train.png", "val.png", "test.png"} <= found.keys()
    seen = set()
    for number in range(1, 8):
        picture = found[f"train.augmented{number}.png"]
        ((x, y, width, height),) = boxes[f"train.augmented{number}.png"]
        assert picture.getbbox() == (x, y, x + width, y + height)  # of what is not black
        seen.add((picture.size, x, y))
    # by hand: of 100×64 px with a box at 10..15, 20..40, all mirrorings and turns
    across = {((100, 64), x, y) for x in (10, 85) for y in (20, 24)} - {((100, 64), 10, 20)}
    assert seen == across | {((64, 100), x, y) for x in (20, 24) for y in (10, 85)}


def test_jitter_follows_from_seed_and_picture_alone(store: Store, trees: DatasetVersion, derived: Derived) -> None:
    def digest(seed: int, run: str) -> str:
        do = how("augment", copies=2, brightness=0.3, contrast=0.3, seed=seed)
        return derived(do, name=run, run=run).images_table

    assert digest(1, "one") == digest(1, "again") != digest(2, "other")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (how("tile", size_px=64, overlap_px=64), "overlap_px 64 is not smaller than size_px 64"),
        (how("resize"), "expected max_side_px, or width_px and/or height_px"),
        (how("resize", max_side_px=5, width_px=5), "expected max_side_px, or width_px"),
        (how("augment", copies=3, flips=["horizontal"]), "copies: got 3, but flips and quarter_turns make only 1"),
        (how("tyle", size_px=3), "tag 'tyle' found using 'kind' does not match"),
        (how("drop_small"), "expected min_side_px and/or min_area_px2"),
    ],
)
def test_parameters_that_cannot_be_are_named(asked: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        DeriveDataset.model_validate({"name": "x", "do": asked})


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"map": {"Treee": "Plant"}}, "reclassify.map: no class 'Treee'; there are: Tree, Bush"),
        ({"map": {"Tree": "Plant"}, "classes": ["Plant"]}, "reclassify.classes: got Plant; expected also Bush"),
    ],
)
def test_classes_that_there_are_not_are_named(trees: DatasetVersion, derived: Derived, asked: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        derived(how("reclassify", **asked))


def test_pictures_that_cannot_be_read_are_all_named(store: Store, tmp_path: Path, derived: Derived) -> None:
    images = [{"relpath": f"images/{name}.png", "data": png(name)} for name in "abc"]
    images.append({"relpath": "images/deep.png", "data": encoded(Image.new("I;16", (64, 48)))})
    put_version(store, "bad", ("Tree",), images, [])
    whole = ContentStore(store).put(png("b"))
    (tmp_path / "store/files/md5" / whole[:2] / whole[2:]).write_bytes(b"not a picture")
    with pytest.raises(BadInputError, match=r"2 of 4 pictures cannot be used: images/b.png: .*changed.*images/deep.png.*16 bits"):
        derived(how("reencode", format="jpeg"), parents="dataset://bad:v1")


@pytest.mark.integration
def test_a_killed_transform_run_again_takes_what_is_there(tmp_path: Path) -> None:
    steps = StepProcess(tmp_path / "store")
    from include.storage import open_store

    store = open_store(steps.url)
    images = [{"relpath": f"images/{number:03}.png", "split": "test" if number % 5 == 0 else "train"} for number in range(80)]
    put_version(store, "many", ("Tree",), images, [
        {"image": one["relpath"], "class_name": "Tree", "box": (30, 20, 10, 10)} for one in images
    ])  # fmt: skip
    config = {"name": "tiles", "do": how("tile", size_px=32)}
    inputs = {"parents": "dataset://many:v1"}
    # the version's tables and card are written by the step's own process, the pictures by its workers: 1 write freezes nothing
    ended = steps.run("derive_dataset", config, inputs=inputs, die_before_write=2)
    assert ended.exit_code == -9
    records = sorted(entry.key for entry in store.list(steps.output("derive_dataset", "r1") + "/chunks"))
    assert len(records) == 3  # 80 images, 32 in each
    for one in images:  # what was redrawn is not read again
        md5 = ContentStore(store).put(png(str(one["relpath"])))
        os.remove(tmp_path / "store/files/md5" / md5[:2] / md5[2:])
    ended = steps.run("derive_dataset", config, inputs=inputs)
    assert ended.exit_code == 0, ended.stderr
    made = DatasetVersion.load(store, "datasets/tiles/v1.json")
    assert {split: count.images for split, count in made.splits.items()} == {"train": 256, "val": 0, "test": 64}
    assert steps.run("derive_dataset", config, inputs=inputs).exit_code == 0
    assert not store.exists("datasets/tiles/v2.json")
