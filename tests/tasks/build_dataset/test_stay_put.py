"""No image ever changes its split, whatever is added, in whatever order, with whatever fractions."""

from __future__ import annotations

import hashlib

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from include.artifacts.tables import ANNOTATIONS, IMAGES
from include.versions.contents import Contents
from include.versions.files import version_tables
from include.versions.names import Names
from include.versions.splits import Split
from tasks.build_dataset.merge import Checked, merge

FRACTIONS: list[dict[Split, float]] = [
    {"train": 0.5, "val": 0.2, "test": 0.3}, {"train": 0.1, "val": 0.1, "test": 0.8}, {"train": 1, "val": 0, "test": 0},
]  # fmt: skip
pictures = st.tuples(st.integers(0, 9), st.sampled_from([None, "g1", "g2", "g3", "g4"]))
additions = st.lists(st.tuples(st.lists(pictures, max_size=6), st.sampled_from(FRACTIONS)), max_size=5)


def checked(number: int, images: list[tuple[int, str | None]]) -> Checked:
    rows = [
        {"image_key": f"s/d{number}/{position}", "md5": hashlib.md5(bytes([content])).hexdigest(), "size_bytes": 1,
         "width_px": 9.0, "height_px": 9.0, "group": group, "delivery": f"d{number}"}
        for position, (content, group) in enumerate(dict(images).items())
    ]  # fmt: skip
    boxes = [
        {"annotation_key": f"d{number}#{position}", "image_key": row["image_key"], "class_name": "Tree", "x_px": 0.0, "y_px": 0.0,
         "width_px": 3.0, "height_px": 3.0, "is_crowd": False, "raw": "{}"}
        for position, row in enumerate(rows)
    ]  # fmt: skip
    return Checked(f"c{number}", "s", pa.Table.from_pylist(rows, IMAGES), pa.Table.from_pylist(boxes, ANNOTATIONS))


@settings(max_examples=30, deadline=None)
@given(additions)
def test_image_never_changes_split_path_or_group(steps: list[tuple[list[tuple[int, str | None]], dict[Split, float]]]) -> None:
    contents = Contents.empty()
    seen: dict[str, tuple[str, str, str]] = {}
    for number, (images, fractions) in enumerate(steps):
        contents = merge(contents, [checked(number, images)], fractions)
        # through the tables of a version and back, as the next builder reads it
        contents = Contents.of_version(*version_tables(contents, ("Tree",)), ("Tree",))
        rows = contents.images[["md5", "split", "relpath", "group"]].itertuples(index=False, name=None)
        now = {md5: (split, relpath, group) for md5, split, relpath, group in rows}
        assert now | seen == now
        seen = now
        assert len(contents.annotations) == len(contents.images)
    assert len({relpath for _, relpath, _ in seen.values()}) == len(seen)
    split_of_group: dict[str, str] = {}
    for split, _, group in seen.values():
        assert split_of_group.setdefault(group, split) == split


def test_same_bytes_in_two_groups_stay_with_the_first() -> None:
    # md5("a") starts with 0cc175b9 = 0.05: train; md5("e") with e1671797 = 0.88: test
    contents = merge(Contents.empty(), [checked(0, [(1, "a")]), checked(1, [(1, "e"), (2, "e")])], FRACTIONS[0])
    assert contents.images[["group", "split"]].values.tolist() == [["a", "train"], ["e", "test"]]


def test_image_without_a_group_is_its_own() -> None:
    contents = merge(Contents.empty(), [checked(0, [(1, None)])], FRACTIONS[0])
    assert contents.images["group"].tolist() == contents.images["md5"].tolist()


def test_names_that_no_file_system_holds_together_are_told_apart() -> None:
    names = Names(["images/a.png", "images/dir/b.png"])
    assert names.take("images/c.png", "1" * 32) == "images/c.png"
    assert names.take("images/A.PNG", "2" * 32) == "images/A.22222222.PNG"
    assert names.take("images/dir", "3" * 32) == "images/dir.33333333"
    assert names.take("images/a.png/x.png", "4" * 32) == f"images/by_md5/{'4' * 32}.png"
