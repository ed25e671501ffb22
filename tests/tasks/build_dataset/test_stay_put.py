"""No image ever changes its split: whatever comes, goes and comes back, in whatever order, group and fractions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from include.artifacts.tables import ANNOTATIONS, IMAGES, to_frame
from include.versions.contents import IMAGE_COLUMNS, Contents, stack
from include.versions.files import version_tables
from include.versions.names import Names
from include.versions.operations.filter import Filter, chosen
from include.versions.splits import Split
from include.versions.stay_put import left_table, stay_put
from tasks.build_dataset.merge import Checked, leave_out, merge

FRACTIONS: list[dict[Split, float]] = [
    {"train": 0.5, "val": 0.2, "test": 0.3}, {"train": 0.1, "val": 0.1, "test": 0.8}, {"train": 1, "val": 0, "test": 0},
]  # fmt: skip
Pictures = list[tuple[int, str | None]]
Fractions = dict[Split, float]
NOTHING = pd.DataFrame(columns=["md5", "group", "split"], dtype=object)
pictures = st.tuples(st.integers(0, 9), st.sampled_from([None, "g1", "g2", "g3", "g4"]))


def md5_of(content: int) -> str:
    return hashlib.md5(bytes([content])).hexdigest()


def checked(number: int, images: list[tuple[int, str | None]]) -> Checked:
    rows = [
        {"image_key": f"s/d{number}/{position}", "md5": md5_of(content), "size_bytes": 1,
         "width_px": 9.0, "height_px": 9.0, "group": group, "delivery": f"d{number}"}
        for position, (content, group) in enumerate(dict(images).items())
    ]  # fmt: skip
    boxes = [
        {"annotation_key": f"d{number}#{position}", "image_key": row["image_key"], "class_name": "Tree", "x_px": 0.0, "y_px": 0.0,
         "width_px": 3.0, "height_px": 3.0, "is_crowd": False, "raw": "{}"}
        for position, row in enumerate(rows)
    ]  # fmt: skip
    return Checked(f"c{number}", "s", pa.Table.from_pylist(rows, IMAGES), pa.Table.from_pylist(boxes, ANNOTATIONS))


@dataclass
class Dataset:
    """What its newest version holds, and what left it: as the next operation reads them from the tables of that version."""

    contents: Contents = field(default_factory=Contents.empty)
    left: pd.DataFrame = field(default_factory=lambda: NOTHING)
    versions: list[Contents] = field(default_factory=list)

    @property
    def known(self) -> pd.DataFrame:
        return stack(self.contents.images[["md5", "group", "split"]], self.left)

    def publish(self, contents: Contents) -> None:
        left = to_frame(left_table(contents.images, self.known))
        self.contents = Contents.of_version(*version_tables(contents, ("Tree",)), ("Tree",))
        self.left = left
        self.versions.append(self.contents)

    def build(self, number: int, images: Pictures, fractions: Fractions, without: set[int]) -> None:
        merged = merge(self.contents, [checked(number, images)], fractions, self.known)
        self.publish(leave_out(merged, tuple(md5_of(content) for content in without)))

    def derive(self, operation: str, condition: str, parent: int) -> None:
        """From any version, old ones too: `filter` and `exclude`, as their step does it."""
        if self.versions:
            before = self.versions[parent % len(self.versions)]
            asked = Filter.model_validate({"operation": operation, "where": [condition]})
            made = chosen(before, asked)
            self.publish(replace(made, images=stay_put(made.images, self.known)[0]))

    def take_in(self, stated: list[tuple[int, str, Split]]) -> None:
        """An import that states splits and groups of its own."""
        rows = [
            {"relpath": f"images/{content}", "md5": md5_of(content), "size_bytes": 1, "width_px": 9, "height_px": 9,
             "group": group, "split": split, "source": "s", "checked_labels": None, "attributes": None, "phash": None,
             "brightness": None}
            for content, (group, split) in {content: (group, split) for content, group, split in stated}.items()
        ]  # fmt: skip
        images = pd.DataFrame(rows, columns=IMAGE_COLUMNS, dtype=object)
        self.publish(Contents(stay_put(images, self.known)[0], Contents.empty().annotations))


pieces = st.lists(pictures, max_size=6)
conditions = st.sampled_from(["split == test", "split != train", "group in g1,g2", "relpath contains 1", "md5 contains a"])
splits = st.sampled_from(["train", "val", "test"])
deeds = st.one_of(
    st.tuples(st.just("build"), pieces, st.sampled_from(FRACTIONS), st.sets(st.integers(0, 9), max_size=4)),
    st.tuples(st.just("derive"), st.sampled_from(["filter", "exclude"]), conditions, st.integers(0, 9)),
    st.tuples(st.just("take in"), st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["g1", "g9"]), splits), max_size=4)),
)


@settings(max_examples=40)
@given(st.lists(deeds, max_size=8))
def test_no_image_ever_changes_its_split(steps: list[Any]) -> None:
    dataset, seen = Dataset(), dict[str, str]()
    for number, (deed, *rest) in enumerate(steps):
        if deed == "build":
            dataset.build(number, *rest)
        elif deed == "derive":
            dataset.derive(*rest)
        else:
            dataset.take_in(*rest)
        now = dict(zip(dataset.contents.images["md5"], dataset.contents.images["split"], strict=True))
        assert {md5: seen.get(md5, split) for md5, split in now.items()} == now
        seen |= now


@settings(max_examples=20)
@given(st.lists(st.tuples(pieces, st.sampled_from(FRACTIONS), st.sets(st.integers(0, 9), max_size=4)), max_size=6))
def test_no_group_is_ever_torn_apart(steps: list[tuple[Pictures, Fractions, set[int]]]) -> None:
    """By deliveries and removals; an import may state splits that do."""
    dataset, split_of_group = Dataset(), dict[str, str]()
    for number, (images, fractions, without) in enumerate(steps):
        dataset.build(number, images, fractions, without)
        for group, split in dataset.contents.images[["group", "split"]].values:
            assert split_of_group.setdefault(group, split) == split
        assert dataset.contents.images["relpath"].is_unique
        assert len(dataset.contents.annotations) == len(dataset.contents.images)


def test_same_bytes_in_two_groups_stay_with_the_first() -> None:
    # md5("a") starts with 0cc175b9 = 0.05: train; md5("e") with e1671797 = 0.88: test
    contents = merge(Contents.empty(), [checked(0, [(1, "a")]), checked(1, [(1, "e"), (2, "e")])], FRACTIONS[0], NOTHING)
    assert contents.images[["group", "split"]].values.tolist() == [["a", "train"], ["e", "test"]]


def test_image_without_a_group_is_its_own() -> None:
    contents = merge(Contents.empty(), [checked(0, [(1, None)])], FRACTIONS[0], NOTHING)
    assert contents.images["group"].tolist() == contents.images["md5"].tolist()


def test_names_that_no_file_system_holds_together_are_told_apart() -> None:
    names = Names(["images/a.png", "images/dir/b.png"])
    assert names.take("images/c.png", "1" * 32) == "images/c.png"
    assert names.take("images/A.PNG", "2" * 32) == "images/A.22222222.PNG"
    assert names.take("images/dir", "3" * 32) == "images/dir.33333333"
    assert names.take("images/a.png/x.png", "4" * 32) == f"images/by_md5/{'4' * 32}.png"
