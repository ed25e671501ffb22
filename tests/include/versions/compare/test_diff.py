from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include import overlaps
from include.artifacts.tables import VERSION_ANNOTATIONS, VERSION_IMAGES
from include.storage import ContentStore, Store, open_store
from include.versions.compare.diff import Diff, compare
from include.versions.compare.diff_tables import Tables
from tests.versions import png, put_version

CLASSES = ("Tree", "Bush")
Box = tuple[float, float, float, float]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}")


def diff_of(store: Store, before: Any, after: Any, classes: tuple[str, ...] = CLASSES) -> Diff:
    """Of two versions, each (images, boxes) as put_version takes them."""
    content = ContentStore(store)
    one, other = (Tables.read(content, put_version(store, "trees", names, *rows)) for names, rows in
                  ((CLASSES, before), (classes, after)))  # fmt: skip
    return compare(one, other)


def box(at: Box, class_name: str = "Tree", image: str = "a.png", **more: Any) -> dict[str, Any]:
    return {"image": image, "class_name": class_name, "box": at, **more}


A = [{"relpath": "a.png"}]
BOX_CHANGES = ("added", "removed", "moved", "relabelled", "attributes changed")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        # 10 × 10 moved by 2: 80 of 120
        ([box((0, 0, 10, 10))], [box((2, 0, 10, 10))], [("moved", pytest.approx(80 / 120))]),
        # half of it covered by a box twice as large: exactly 0.5 still counts
        ([box((0, 0, 10, 10))], [box((0, 0, 10, 20))], [("moved", 0.5)]),
        ([box((0, 0, 10, 10))], [box((0, 0, 10, 20.1))], [("added", None), ("removed", None)]),
        ([box((0, 0, 10, 10))], [box((0, 0, 10, 10), "Bush")], [("relabelled", 1.0)]),
        ([box((0, 0, 10, 10), annotator="ann")], [box((0, 0, 10, 10), annotator="bob")], [("attributes changed", 1.0)]),
        ([box((0, 0, 10, 10))], [box((0, 0, 10, 10), is_crowd=True)], [("attributes changed", 1.0)]),
        ([box((0, 0, 10, 10))], [box((0, 0, 10, 10), attributes={"dead": True})], [("attributes changed", 1.0)]),
        ([box((3, 3, 0, 0), job="1")], [box((3, 3, 0, 0), job="2")], [("attributes changed", 1.0)]),
        # one of two equal boxes goes
        ([box((0, 0, 10, 10))] * 2, [box((0, 0, 10, 10))], [("removed", None)]),
        # of two that would fit, the nearer is the same one
        ([box((0, 0, 10, 10))], [box((3, 0, 10, 10)), box((1, 0, 10, 10))],
         [("added", None), ("moved", pytest.approx(90 / 110))]),
        # the same class first, where both fit equally well
        ([box((0, 0, 10, 10))], [box((1, 0, 10, 10), "Bush"), box((1, 0, 10, 10))],
         [("added", None), ("moved", pytest.approx(90 / 110))]),
        ([box((0, 0, 10, 10))], [box((0, 0, 10, 10), origin="another delivery")], []),
    ],
    ids=["moved", "IoU of one half", "below one half", "relabelled", "annotator", "crowd", "attributes", "no area", "one of two",
         "nearest", "class decides", "delivered again"],
)  # fmt: skip
def test_what_became_of_a_box(store: Store, before: Any, after: Any, expected: Any) -> None:
    found = diff_of(store, (A, before), (A, after))
    assert [(one, None if iou != iou else iou) for one, iou in found.boxes[["change", "iou"]].values] == expected
    assert found.unchanged_boxes == len(before) - sum(change != "added" for change, _ in expected)
    assert found.images.empty
    assert found.unchanged_images == (not expected)


def test_what_became_of_an_image(store: Store) -> None:
    before = [{"relpath": name, "split": "train"} for name in ("same", "gone", "replaced", "old name", "moved")]
    after = [
        {"relpath": "same"}, {"relpath": "new"}, {"relpath": "replaced", "data": png("other"), "split": "train"},
        {"relpath": "new name", "data": png("old name")}, {"relpath": "moved", "split": "test"},
    ]  # fmt: skip
    found = diff_of(store, (before, [box((0, 0, 9, 9), image="replaced")]), (after, [box((1, 0, 9, 9), image="replaced")]))
    columns = ["change", "relpath_before", "relpath_after", "split_before", "split_after"]
    assert [[None if value != value else value for value in row] for row in found.images[columns].values] == [
        ["added", None, "new", None, "train"],
        ["removed", "gone", None, "train", None],
        ["replaced", "replaced", "replaced", "train", "train"],
        ["renamed", "old name", "new name", "train", "train"],
        ["split changed", "moved", "moved", "train", "test"],
    ]
    assert found.boxes["change"].tolist() == ["moved"]
    assert found.unchanged_images == 1


def test_paths_that_swap_their_pictures_are_renamed_with_their_boxes(store: Store) -> None:
    before = [{"relpath": "a", "data": png("1")}, {"relpath": "b", "data": png("2")}]
    after = [{"relpath": "a", "data": png("2")}, {"relpath": "b", "data": png("1")}]
    found = diff_of(store, (before, [box((0, 0, 9, 9), image="a")]), (after, [box((0, 0, 9, 9), image="b")]))
    assert found.image_counts() == {"added": 0, "removed": 0, "replaced": 0, "renamed": 2, "split changed": 0}
    assert (len(found.boxes), found.unchanged_boxes) == (0, 1)


def test_classes_are_compared_by_name(store: Store) -> None:
    boxes = [box((0, 0, 10, 10)), box((20, 0, 10, 10), "Bush")]
    found = diff_of(store, (A, boxes), (A, boxes), classes=("Fern", "Bush", "Tree"))
    assert (len(found.boxes), found.unchanged_boxes) == (0, 2)


def test_sums_by_class_job_and_person(store: Store) -> None:
    before = [
        box((0, 0, 10, 10), annotator="ann", job="1"), box((20, 0, 10, 10), annotator="ann", job="1"),
        box((40, 0, 10, 10), "Bush", annotator="bob"),
    ]  # fmt: skip
    after = [box((1, 0, 10, 10), annotator="cy", job="2"), box((20, 0, 10, 10), "Bush", annotator="cy", reviewer="dan", job="2")]
    found = diff_of(store, (A, before), (A, after))
    nothing = dict.fromkeys((*BOX_CHANGES, "on added images", "on removed images"), 0)
    assert found.by("class_name") == {
        "Bush": nothing | {"removed": 1}, "Tree": nothing | {"moved": 1}, "Tree → Bush": nothing | {"relabelled": 1}
    }  # fmt: skip
    assert found.by("annotator") == {"bob": nothing | {"removed": 1}, "cy": nothing | {"moved": 1, "relabelled": 1}}
    assert found.by("job") == {"2": nothing | {"moved": 1, "relabelled": 1}, "unknown": nothing | {"removed": 1}}
    (moved,) = found.boxes[found.boxes["change"] == "moved"].to_dict("records")
    assert (moved["annotator_before"], moved["annotator_after"], moved["x_px_before"], moved["x_px_after"]) == ("ann", "cy", 0, 1)


def test_boxes_of_images_that_came_or_went_are_counted_by_class_job_and_person(store: Store) -> None:
    before = [box((0, 0, 9, 9), job="1"), box((0, 0, 9, 9), image="gone", annotator="ann")]
    after = [box((0, 0, 9, 9), job="1"), *(box((0, 0, 9, 9), name, image="new", job="2") for name in ("Tree", "Bush", "Bush"))]
    found = diff_of(store, ([*A, {"relpath": "gone"}], before), ([*A, {"relpath": "new"}], after))
    assert (len(found.boxes), found.unchanged_boxes) == (0, 1)
    came, gone = "on added images", "on removed images"
    assert {name: (one[came], one[gone]) for name, one in found.by("class_name").items()} == {"Bush": (2, 0), "Tree": (1, 1)}
    assert {name: (one[came], one[gone]) for name, one in found.by("job").items()} == {"2": (3, 0), "unknown": (0, 1)}
    assert {name: (one[came], one[gone]) for name, one in found.by("annotator").items()} == {"ann": (0, 1), "unknown": (3, 0)}
    assert (found.box_counts()[came], found.box_counts()[gone]) == (3, 1)


@pytest.mark.parametrize("empty", ["before", "after", "both"])
def test_versions_without_boxes(store: Store, empty: str) -> None:
    some = [box((0, 0, 9, 9))]
    found = diff_of(store, (A, [] if empty != "after" else some), (A, [] if empty != "before" else some))
    assert found.boxes["change"].tolist() == {"before": ["added"], "after": ["removed"], "both": []}[empty]


# --- against a straightforward loop, whatever the rows and their order

coordinates = st.integers(0, 6)
rows = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["Tree", "Bush"]), coordinates, coordinates, st.integers(1, 5),
              st.integers(1, 5), st.sampled_from([None, "ann", "bob"])),
    max_size=14,
)  # fmt: skip
Row = tuple[int, str, int, int, int, int, str | None]


def tables(boxes: Sequence[Row], classes: tuple[str, ...]) -> Tables:
    images = [{"image_id": n + 1, "relpath": f"{n}", "md5": f"{n:032d}", "split": "train"} for n in range(3)]
    found = [
        {"annotation_id": n + 1, "image_id": image + 1, "category_id": classes.index(name) + 1, "x_px": x, "y_px": y,
         "width_px": w, "height_px": h, "is_crowd": False, "annotator": who}
        for n, (image, name, x, y, w, h, who) in enumerate(boxes)
    ]  # fmt: skip
    return Tables(pa.Table.from_pylist(images, VERSION_IMAGES), pa.Table.from_pylist(found, VERSION_ANNOTATIONS), classes)


def iou(a: Row, b: Row) -> float:
    cells = [{(x, y) for x in range(r[2], r[2] + r[4]) for y in range(r[3], r[3] + r[5])} for r in (a, b)]
    return len(cells[0] & cells[1]) / len(cells[0] | cells[1])


def by_loop(old: Sequence[Row], new: Sequence[Row]) -> tuple[int, list[float]]:
    """How many are equal, and the IoUs of the others' greedy one-to-one pairs, highest first."""
    equal = Counter(old) & Counter(new)
    left, right = list((Counter(old) - equal).elements()), list((Counter(new) - equal).elements())
    pairs = sorted(
        ((iou(a, b), a[1] == b[1], i, j) for i, a in enumerate(left) for j, b in enumerate(right) if a[0] == b[0]), reverse=True
    )
    used: tuple[set[int], set[int]] = (set(), set())
    taken = []
    for value, _, i, j in pairs:
        if value >= 0.5 and i not in used[0] and j not in used[1]:
            used[0].add(i)
            used[1].add(j)
            taken.append(value)
    return equal.total(), taken


def distinct_ious(old: Sequence[Row], new: Sequence[Row]) -> bool:
    """Among equally good pairs either may be taken, and what is left differs: those are compared only with themselves."""
    values = [iou(a, b) for a in old for b in new if a[0] == b[0] and a != b and iou(a, b) >= 0.5]
    return len(values) == len(set(values))


@settings(max_examples=30)
@given(rows, rows, st.randoms(use_true_random=False))
def test_any_two_versions_give_what_a_loop_gives_in_any_order(old: list[Row], new: list[Row], chance: random.Random) -> None:
    found = compare(tables(old, ("Tree", "Bush")), tables(new, ("Bush", "Tree")))
    counts = found.box_counts()
    assert found.unchanged_boxes + sum(counts.values()) - counts["added"] == len(old)
    assert found.unchanged_boxes + sum(counts.values()) - counts["removed"] == len(new)
    if distinct_ious(old, new):
        equal, pairs = by_loop(old, new)
        assert found.unchanged_boxes == equal
        assert sorted(found.boxes["iou"].dropna(), reverse=True) == pytest.approx(pairs)
    shuffled = compare(*(tables(chance.sample(side, len(side)), ("Tree", "Bush")) for side in (old, new)))
    assert shuffled.boxes.equals(found.boxes)
    assert len(compare(tables(old, ("Tree", "Bush")), tables(chance.sample(old, len(old)), ("Bush", "Tree"))).boxes) == 0


def test_blocks_of_pairs_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(0)
    one, other = (
        [(chance.randrange(3), chance.choice(CLASSES), *(chance.randrange(1, 7) for _ in range(4)), None) for _ in range(60)]
        for _ in "ab"
    )
    whole = compare(tables(one, CLASSES), tables(other, CLASSES))
    assert whole.box_counts()["moved"] > 0
    for size in (1, 7, 100):
        monkeypatch.setattr(overlaps, "PAIRS_AT_ONCE", size)
        assert compare(tables(one, CLASSES), tables(other, CLASSES)).boxes.equals(whole.boxes)
